"""What is said of odd answers, from the user's side: no more than the octets show, and no less."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from tests.servers.recording import RecordingServer, by_keyword
from tests.servers.scripted import Close, ExpectLine, HalfClose, ScriptedServer, Send, Step
from tests.shell.black_box import at, piped, said_once
from tests.shell.shells import live

PASSWORD = "Zq7Vx9Wk4Jy"
PLAIN = base64.b64encode(b"\0bob\0" + PASSWORD.encode()).decode()


def script(*replies: bytes, end: Step | None = None) -> ScriptedServer:
    """Make a server that greets, and gives one answer to each line."""
    steps: list[Step] = [Send(b"+OK ready\r\n")]
    for reply in replies:
        steps += [ExpectLine(), Send(reply)]
    return ScriptedServer([*steps, *([end] if end is not None else [])])


def unwrapped(text: str) -> str:
    """Return what was said in one line, without the marks of warnings."""
    return said_once(text).replace(" #! ", " ")


LOGGED_IN = (b"+OK\r\n", b"+OK\r\n")


# wire/auth-answered-ok.


async def test_an_ok_in_place_of_a_challenge_is_no_login(tmp_path: Path) -> None:
    with script(b"+OK\r\n", b"+OK welcome\r\n", b"+OK 0 0\r\n") as server:
        async with live(server, rows=40) as shell:
            await shell.enter("AUTH PLAIN", until="challenge")
            await shell.see("AUTH 127.0.0.1>")
            assert "it is taken for a challenge" in unwrapped(shell.text)
            await shell.enter(PLAIN, until="TRANSACTION bob@127.0.0.1>")
            await shell.ask("STAT")
            assert PLAIN not in shell.terminal.raw


def test_an_ok_in_place_of_a_challenge_in_a_pipe(tmp_path: Path) -> None:
    log = tmp_path / "log"
    lines = f"AUTH PLAIN\n{PLAIN}\nSTAT\n".encode()
    with script(b"+OK\r\n", b"+OK welcome\r\n", b"+OK 0 0\r\n", end=Close()) as server:
        finished = piped(lines, *at(server), "--log", log)
    assert finished.code == 0
    text = log.read_text("utf-8")
    assert PLAIN not in text
    assert "C: {plain}" in text
    assert "C: STAT" in text


@pytest.mark.parametrize(
    "answer", [b"-ERR no\r\n", b"+OK\r\n", b"+OK in\r\n", b"what?\r\n", b"+ \r\n"]
)
def test_all_that_follows_auth_is_secret_whatever_is_answered(
    answer: bytes, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    lines = f"AUTH PLAIN\n{PASSWORD}\n{PASSWORD}\nNOOP\n".encode()
    with script(answer, b"-ERR 1\r\n", b"-ERR 2\r\n", b"-ERR 3\r\n", end=Close()) as server:
        finished = piped(lines, *at(server), "--log", log)
    assert PASSWORD not in finished.stderr
    assert PASSWORD not in log.read_text("utf-8")
    assert "C: NOOP" in log.read_text("utf-8")


# wire/no-final-dot.


@pytest.mark.parametrize("ends", [False, True], ids=["waiting", "ended"])
async def test_a_lone_dot_that_never_came(ends: bool) -> None:
    last = b"+OK\r\nSubject: a case\r\n\r\nWords.\r\n"
    end = HalfClose() if ends else None
    with script(*LOGGED_IN, last, end=end) as server:
        async with live(server, rows=40) as shell:
            await shell.ask("USER bob")
            await shell.ask("PASS jones")
            await shell.enter("RETR 1", until="(closed)" if ends else "Words.")
            await shell.enter(":why", until="never came" if ends else "still to come")
            assert "the lone dot: the reply ends here" not in shell.text


async def test_the_command_that_went_unanswered_is_explained() -> None:
    with script(*LOGGED_IN, b"+OK 2 320\r\n", b"") as server:
        async with live(server, rows=40) as shell:
            for line in ("USER bob", "PASS jones", "STAT"):
                await shell.ask(line)
            await shell.enter("NOOP", until="C: NOOP")
            await shell.enter(":why", until="no answer to NOOP yet")


# wire/quit-refused.


async def test_a_quit_that_was_refused() -> None:
    refusal = b"-ERR some deleted messages not removed\r\n"
    with script(*LOGGED_IN, b"+OK\r\n", refusal, end=Close()) as server:
        async with live(server, rows=40) as shell:
            for line in ("USER bob", "PASS jones", "DELE 1"):
                await shell.ask(line)
            await shell.enter("QUIT", until="(closed)")
            said = unwrapped(shell.text)
            assert "QUIT was not answered with +OK: message 1 was marked as deleted" in said
            assert "no QUIT was answered" not in said
            assert "marked for deletion" not in said


async def test_a_quit_that_was_answered_leaves_nothing_marked() -> None:
    with script(*LOGGED_IN, b"+OK\r\n", b"+OK bye\r\n") as server:
        async with live(server, rows=40) as shell:
            for line in ("USER bob", "PASS jones", "DELE 1"):
                await shell.ask(line)
            assert "1 marked for deletion" in shell.text
            await shell.ask("QUIT")
            assert "marked for deletion" not in shell.text


# wire/fields-missing.


async def test_what_is_malformed_is_told_at_once_and_by_why() -> None:
    talk = (
        ("STAT", b"+OK 7\r\n", "octets is missing"),
        ("LIST 1", b"+OK 1\r\n", "octets is missing"),
        ("LIST 1", b"+OK 99 10\r\n", "about message 99, but 1 was asked for"),
        ("LIST", b"+OK\r\n1 ten\r\n2\r\n.\r\n", "octets is not a number"),
        ("UIDL", b"+OK\r\n1 a b\r\n2 \xe4\r\n.\r\n", "the unique-id has a space in it"),
    )
    with script(*LOGGED_IN, *(reply for _, reply, _ in talk)) as server:
        async with live(server, rows=60) as shell:
            await shell.ask("USER bob")
            await shell.ask("PASS jones")
            for line, _, fault in talk:
                await shell.ask(line)
                before = unwrapped(shell.text).count(fault)
                assert before
                await shell.enter(":why")
                await shell.until(lambda b=before, f=fault: unwrapped(shell.text).count(f) > b)  # type: ignore[misc]


# wire/lang-names.


async def test_a_language_is_named_in_its_own_letters() -> None:
    with script("+OK\r\nja 日本語\r\n.\r\n".encode()) as server:
        async with live(server, rows=40) as shell:
            await shell.ask("LANG")
            await shell.enter(":why", until="description")
            assert "\\x" not in shell.text


async def test_a_refusal_that_the_session_can_explain() -> None:
    replies = {b"STAT": b"+OK 3 320\r\n", b"RETR": b"-ERR no\r\n", b"DELE": b"+OK\r\n"}
    ok = {b"USER": b"+OK\r\n", b"PASS": b"+OK\r\n"}
    with RecordingServer(reply=by_keyword({**ok, **replies})) as server:
        async with live(server, rows=60) as shell:
            for line in ("USER bob", "PASS jones", "STAT", "RETR 9"):
                await shell.ask(line)
            await shell.enter(":why", until="the highest number is 3")
            for line in ("DELE 99", "DELE 2", "RETR 2"):
                await shell.ask(line)
            assert "1 marked for deletion" in shell.text
            await shell.enter(":why", until="message 2 was marked as deleted in this session")


# Logins from cron: one line on standard error has all that helps.

CAPA = b"+OK\r\nSTLS\r\nUSER\r\nSASL LOGIN\r\n.\r\n"


@pytest.mark.parametrize(
    ("mechanism", "refused", "words", "said"),
    [
        ("USER", b"PASS", b"-ERR Account suspended", "about the account"),
        ("USER", b"PASS", b"-ERR [SYS/TEMP] no home", "may be right"),
        ("PLAIN", b"AUTH", b"-ERR [AUTH] Plaintext authentication disallowed", "TLS first"),
        ("PLAIN", b"AUTH", b"-ERR Unsupported authentication mechanism", "this way to log in"),
    ],
)
def test_a_login_that_fails_where_nobody_looks(
    mechanism: str, refused: bytes, words: bytes, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POPTALK_PASSWORD", PASSWORD)
    replies = {b"CAPA": CAPA, b"USER": b"+OK\r\n", refused: words + b"\r\n"}
    with RecordingServer(reply=by_keyword(replies)) as server:
        options = ("--login", "bob", "--mechanism", mechanism, "--after-login", "-e", "STAT")
        finished = piped(b"", *at(server), *options)
    assert finished.code == 1
    assert finished.stdout == b""
    [line] = finished.stderr.splitlines()
    for part in ("bob at 127.0.0.1:", mechanism, refused.decode(), words.decode(), said):
        assert part in line
    assert PASSWORD not in line


def test_apop_that_was_chosen_and_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POPTALK_PASSWORD", PASSWORD)
    greeting = Send(b"+OK ready <1896.697170952@dbc.mtview.ca.us>\r\n")
    capa: list[Step] = [ExpectLine(), Send(b"+OK\r\nUSER\r\n.\r\n")]
    with ScriptedServer([greeting, *capa, ExpectLine(), Send(b"-ERR no\r\n")]) as server:
        finished = piped(b"", *at(server), "--login", "bob", "-e", "STAT")
    assert "this was APOP" in finished.stderr.replace("This", "this")
    assert "USER may work" in finished.stderr


def test_a_server_that_hangs_up_in_a_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POPTALK_PASSWORD", PASSWORD)
    with script(b"+OK\r\nUSER\r\n.\r\n", b"", end=Close()) as server:
        finished = piped(b"", *at(server), "--login", "bob", "-e", "STAT")
    assert finished.code == 5
    assert "bob at 127.0.0.1:" in finished.stderr
    assert "USER" in finished.stderr


@pytest.mark.parametrize(
    "line", ["USER bob {}", "PAS {}", "PASS{}", "LOGIN bob {}", "AUHT PLAIN {}"]
)
async def test_a_mistyped_password_is_nowhere(line: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with RecordingServer() as server:
        async with live(server, rows=40) as shell:
            await shell.enter(f":log {log}", until="logging to")
            typed = line.format(PASSWORD)
            await shell.ask(typed)
            assert f"{typed}\r\n".encode() in server.received
            assert PASSWORD not in shell.text
            assert shell.shell.must_be_forgotten(typed)
            assert PASSWORD not in log.read_text("utf-8")


# The server's words within a sentence of ours.


def test_a_sentence_with_the_servers_words_has_one_full_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("POPTALK_PASSWORD", PASSWORD)
    refusal = b"-ERR Unsupported authentication mechanism.\r\n"
    with script(refusal, b"-ERR\r\n") as server:
        finished = piped(b"", *at(server), "--login", "bob", "--mechanism", "PLAIN")
    assert '"-ERR Unsupported authentication mechanism." The server' in unwrapped(finished.stderr)
