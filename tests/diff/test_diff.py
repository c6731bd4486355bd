"""`poptalk diff`: two servers, what was sent to them, the table and the exit code."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from poptalk.cli import main
from poptalk.config import mailbox_directory
from poptalk.net.endpoint import target_words
from poptalk.practice.accounts import BOB
from poptalk.practice.server import Server
from tests.servers import certificates
from tests.servers.dovecot import Dovecot, dovecot_or_skip
from tests.servers.recording import RecordingServer, by_keyword
from tests.servers.scripted import Answer, Close, Expect, Flood, ScriptedServer, Send
from tests.shell.black_box import TIMEOUT, environment, on_a_terminal, poptalk

LETTERS = mailbox_directory("letters")
COUNT = len(list(LETTERS.glob("*.eml")))

ANSWERS = {
    b"CAPA": b"+OK\r\nUSER\r\n.\r\n",
    b"USER": b"+OK\r\n",
    b"PASS": b"+OK\r\n",
    b"STAT": b"+OK 1 14\r\n",
    b"LIST": b"+OK\r\n1 14\r\n.\r\n",
    b"UIDL": b"+OK\r\n1 a\r\n.\r\n",
    b"RETR": b"+OK\r\nA: b\r\n\r\n..dot\r\n.\r\n",
    b"TOP": b"+OK\r\nA: b\r\n\r\n..dot\r\n.\r\n",
}


@pytest.fixture
def servers() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POPTALK_PASSWORD", BOB.password)


def practice(servers: ExitStack, maildrop: Path = LETTERS, *, faults: Sequence[str] = ()) -> str:
    server = servers.enter_context(Server(persona="plain", maildrop=maildrop, faults=faults))
    return f"{server.host}:{server.port}"


def recording(servers: ExitStack, **changes: bytes) -> tuple[str, RecordingServer]:
    answers = {**ANSWERS, **{key.encode(): value for key, value in changes.items()}}
    server = servers.enter_context(RecordingServer(reply=by_keyword(answers)))
    return f"{server.host}:{server.port}", server


def changed(folder: Path, **messages: str | None) -> Path:
    """Copy the messages; one whose text is None is left out, and the others are replaced."""
    for path in sorted(LETTERS.glob("*.eml")):
        new = messages.pop(f"m{path.name[0]}", "")
        if new is not None:
            (folder / path.name).write_bytes(new.encode() if new else path.read_bytes())
    return folder


def diff(*arguments: str) -> int:
    return main(["diff", "--user", "bob", *arguments])


def verdicts(said: str) -> dict[str, str]:
    """Return the outcomes in the output of `--json`, by their subjects."""
    return {each["subject"]: each["outcome"] for each in json.loads(said)["verdicts"]}


# The answer.


def test_the_same_mailbox(servers: ExitStack, capfd: pytest.CaptureFixture[str]) -> None:
    assert diff("--bodies", practice(servers), practice(servers)) == 0
    out, err = capfd.readouterr()
    assert out.endswith("# nothing differs\n")
    assert err == ""


@pytest.mark.parametrize("how", ["--bodies", "--top"])
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"A: b\r\n\r\nother\r\n", "the body of message 1 is not the same"),
        (b"A: c\r\n\r\n..dot\r\n", "only the header of message 1 is not the same"),
    ],
)
def test_another_message_with_the_same_name(
    servers: ExitStack, how: str, text: bytes, sentence: str, capfd: pytest.CaptureFixture[str]
) -> None:
    reply = b"+OK\r\n" + text + b".\r\n"
    place, _server = recording(servers, RETR=reply, TOP=reply)
    assert diff(how, place, recording(servers)[0]) == 1
    assert sentence in capfd.readouterr().out


def test_other_letters(
    servers: ExitStack, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    other = changed(tmp_path, m2="Subject: other\r\n\r\nSomething else.\r\n")
    assert diff("--bodies", "--json", practice(servers), practice(servers, other)) == 1
    found = verdicts(capfd.readouterr().out)
    assert found["set of unique-ids"] == "differs"
    assert found["sizes are true"] == found["messages"] == "same"


def test_a_message_that_did_not_come_along(
    servers: ExitStack, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert diff("--json", practice(servers), practice(servers, changed(tmp_path, m3=None))) == 1
    said = json.loads(capfd.readouterr().out)
    (messages,) = (each for each in said["verdicts"] if each["subject"] == "messages")
    assert (messages["A"], messages["B"]) == (str(COUNT), str(COUNT - 1))
    assert said["same"] is False


def test_without_uidl_nothing_is_made_up(
    servers: ExitStack, capfd: pytest.CaptureFixture[str]
) -> None:
    place, _server = recording(servers, UIDL=b"-ERR what?\r\n")
    assert diff("--json", place, recording(servers)[0]) == 0
    assert verdicts(capfd.readouterr().out) == {
        "messages": "same",
        "unique-ids are legal": "unknown",
        "set of unique-ids": "unknown",
        "order": "unknown",
        "sizes": "same",
    }


def test_a_size_that_is_not_true(servers: ExitStack, capfd: pytest.CaptureFixture[str]) -> None:
    place, _server = recording(servers, LIST=b"+OK\r\n1 15\r\n.\r\n")
    assert diff("--bodies", place, recording(servers)[0]) == 1
    said = capfd.readouterr().out
    assert "A: LIST says 15 octets of message 1, and 14 came" in said
    assert "message 1: 15 and 14 octets" in said


def test_a_message_that_is_not_given(servers: ExitStack, capfd: pytest.CaptureFixture[str]) -> None:
    place, _server = recording(servers, RETR=b"-ERR [SYS/TEMP] busy\r\n")
    assert diff("--bodies", place, recording(servers)[0]) == 1
    assert "#! A: message 1 was not given: -ERR [SYS/TEMP] busy\n" in capfd.readouterr().out


# What is sent: nothing that changes anything.


@pytest.mark.parametrize(
    ("option", "fetching"),
    [([], b""), (["--bodies"], b"RETR 1\r\n"), (["--top"], b"TOP 1 2147483647\r\n")],
)
def test_what_is_sent(servers: ExitStack, option: list[str], fetching: bytes) -> None:
    """No DELE, and no QUIT either: without it nothing is ever removed (RFC 1939 §6)."""
    (a, first), (b, second) = recording(servers), recording(servers)
    assert diff(*option, a, b) == 0
    login = b"CAPA\r\nUSER bob\r\nPASS jones\r\n"
    for server in (first, second):
        assert server.received == login + b"STAT\r\nLIST\r\nUIDL\r\n" + fetching


def test_letters_are_asked_for_ahead_where_that_is_allowed(
    servers: ExitStack, capfd: pytest.CaptureFixture[str]
) -> None:
    """Both messages are requested, even if the server waits for that (RFC 2449 §6.6)."""
    letters = b"+OK\r\nA: 1\r\n\r\none\r\n.\r\n-ERR gone\r\n"
    steps = [
        Send(b"+OK\r\n"),
        *(Expect(b"CAPA\r\n"), Send(b"+OK\r\nUSER\r\nPIPELINING\r\n.\r\n")),
        *(Expect(b"USER bob\r\n"), Send(b"+OK\r\n"), Expect(b"PASS jones\r\n"), Send(b"+OK\r\n")),
        *(Expect(b"STAT\r\n"), Send(b"+OK 2 26\r\n")),
        *(Expect(b"LIST\r\n"), Send(b"+OK\r\n1 13\r\n2 13\r\n.\r\n")),
        *(Expect(b"UIDL\r\n"), Send(b"+OK\r\n1 a\r\n2 b\r\n.\r\n")),
        *(Expect(b"RETR 1\r\nRETR 2\r\n"), Send(letters)),
    ]
    server = servers.enter_context(ScriptedServer(steps))
    assert (
        diff("--bodies", "--timeout", "5", f"{server.host}:{server.port}", practice(servers)) == 1
    )
    out = capfd.readouterr().out
    assert "#! A: message 2 was not given: -ERR gone" in out
    assert "LIST says" not in out


def test_each_side_has_its_own_user_and_password(
    servers: ExitStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (a, first), (b, second) = recording(servers), recording(servers)
    monkeypatch.setenv("POPTALK_PASSWORD_A", "sesame")
    secret = tmp_path / "secret"
    secret.write_text("pumpkin\n")
    secret.chmod(0o600)
    assert (
        main(["diff", "--user-a", "ali", "--password-file-b", str(secret), a, f"pop3://me@{b}"])
        == 0
    )
    assert b"USER ali\r\nPASS sesame\r\n" in first.received
    assert b"USER me\r\nPASS pumpkin\r\n" in second.received


def test_the_best_mechanism_is_taken(servers: ExitStack) -> None:
    """The password doesn't cross the wire if the server offers SCRAM."""
    place, server = recording(
        servers, CAPA=b"+OK\r\nUSER\r\nSASL PLAIN SCRAM-SHA-256\r\n.\r\n", AUTH=b"-ERR no\r\n"
    )
    assert diff(place, place) == 1
    assert b"AUTH SCRAM-SHA-256 " in server.received
    assert b"PASS" not in server.received


@pytest.mark.parametrize("mechanism", ["USER", "APOP", "PLAIN", "CRAM-MD5", "SCRAM-SHA-256"])
def test_a_mechanism_that_was_named(servers: ExitStack, mechanism: str) -> None:
    assert diff("--mechanism", mechanism, practice(servers), practice(servers)) == 0


# What goes wrong.


def test_1_a_login_that_is_refused(
    servers: ExitStack, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POPTALK_PASSWORD_B", "pumpkin")
    place, _server = recording(servers, PASS=b"-ERR pumpkin is wrong\r\n")
    assert diff(recording(servers)[0], place) == 1
    assert capfd.readouterr().err == (
        f"poptalk: B: the server did not let you in (bob at {place}, USER, PASS): "
        '"-ERR **** is wrong".\n'
    )


def _repeat(line: bytes) -> bytes:
    if line == b"CAPA":
        return b"+OK\r\nSASL PLAIN\r\n.\r\n"
    return b"-ERR not " + line + b"\r\n"


def test_a_refusal_is_quoted_without_the_password(
    servers: ExitStack, capfd: pytest.CaptureFixture[str]
) -> None:
    server = servers.enter_context(ScriptedServer([Send(b"+OK\r\n"), Answer(_repeat)]))
    assert diff(practice(servers), f"{server.host}:{server.port}") == 1
    sent = base64.b64encode(f"\0bob\0{BOB.password}".encode())
    assert sent in server.received
    said = capfd.readouterr().err
    who = f"bob at {server.host}:{server.port}, PLAIN, AUTH PLAIN"
    assert f'B: the server did not let you in ({who}): "-ERR not AUTH PLAIN ****".' in said
    assert sent.decode() not in said


def test_the_timestamp_from_before_tls_is_not_believed(
    servers: ExitStack, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whoever made it up would receive a digest of the password (RFC 2595 §4)."""
    options = ("--starttls", "--insecure", "--mechanism", "APOP")
    assert diff(*options, practice(servers), practice(servers)) == 1
    assert "APOP needs a <timestamp>" in capfd.readouterr().err


def test_1_list_is_refused(servers: ExitStack, capfd: pytest.CaptureFixture[str]) -> None:
    place, _server = recording(servers, LIST=b"-ERR not today\r\n")
    assert diff(place, recording(servers)[0]) == 1
    assert capfd.readouterr().err == (
        f'poptalk: A: LIST was answered with "-ERR not today". (bob at {place})\n'
    )


def test_2_no_user(servers: ExitStack, capfd: pytest.CaptureFixture[str]) -> None:
    place, server = recording(servers)
    assert main(["diff", place, place]) == 2
    assert "A needs a user's name: say --user-a NAME" in capfd.readouterr().err
    assert server.received == b""


def test_2_no_password(servers: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POPTALK_PASSWORD")
    place, server = recording(servers)
    done = subprocess.run(
        poptalk("diff", "--user", "bob", place, place),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment(),
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(b"poptalk: A: there is no terminal to ask for the password at")
    assert server.received == b""


def test_3_nobody_listens(servers: ExitStack, capfd: pytest.CaptureFixture[str]) -> None:
    with ExitStack() as gone:
        place = practice(gone)
    assert diff(practice(servers), place) == 3
    assert capfd.readouterr().err.startswith("poptalk: B: 127.0.0.1 port ")


def test_4_stls_is_never_left_out(servers: ExitStack, capfd: pytest.CaptureFixture[str]) -> None:
    place, server = recording(servers)
    assert diff("--starttls", place, practice(servers)) == 4
    assert 'did not take STLS: "-ERR unknown command"' in capfd.readouterr().err
    assert server.received == b"STLS\r\n"


def test_5_a_server_that_hangs_up(servers: ExitStack, capfd: pytest.CaptureFixture[str]) -> None:
    script = [Send(b"+OK\r\n"), Expect(b"CAPA\r\n"), Send(b"+OK\r\nUSER\r\n"), Close()]
    server = servers.enter_context(ScriptedServer(script))
    assert diff(practice(servers), f"{server.host}:{server.port}") == 5
    said = capfd.readouterr().err
    assert "B: the server closed the connection in the middle of the reply to CAPA" in said
    assert f"(bob at {server.host}:{server.port})" in said


def test_a_listing_without_an_end_is_not_kept(
    servers: ExitStack, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("poptalk.diff.fetch.MOST_MESSAGES", 1000)
    script = [
        Send(b"+OK\r\n"),
        Expect(b"CAPA\r\n"),
        Send(b"-ERR\r\n"),
        Expect(b"USER bob\r\nPASS jones\r\nSTAT\r\nLIST\r\n".partition(b"PASS")[0]),
        Send(b"+OK\r\n"),
        Expect(b"PASS jones\r\n"),
        Send(b"+OK\r\n"),
        Expect(b"STAT\r\n"),
        Send(b"+OK 1 2\r\n"),
        Expect(b"LIST\r\n"),
        Send(b"+OK\r\n"),
        Flood(b"1 2\r\n", 50_000),
    ]
    server = servers.enter_context(ScriptedServer(script))
    assert diff(practice(servers), f"{server.host}:{server.port}") == 1
    assert "more than 1,000 lines; this is no mailbox" in capfd.readouterr().err


def test_130_ctrl_c_ends_both(servers: ExitStack) -> None:
    silent = servers.enter_context(ScriptedServer([Send(b"+OK\r\n")]))
    where = f"{silent.host}:{silent.port}"
    process = subprocess.Popen(
        poptalk("diff", "--user", "bob", where, practice(servers)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    with process:
        silent.wait_for(lambda received: received == b"CAPA\r\n")
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT) == 130
        assert process.stderr is not None
        assert process.stderr.read() == b""


# The screen.


def test_forty_columns(servers: ExitStack) -> None:
    a, b = practice(servers), practice(servers)
    with on_a_terminal("diff", "--user", "bob", a, b, columns=40) as pty:
        assert pty.wait_exit() == 0
        rows = [row.rstrip() for row in pty.raw.decode().splitlines()]
    assert "  A 6" in rows
    assert "  B by" not in rows
    assert max(map(len, rows)) <= 40 + len("\x1b[32m\x1b[0m" * 2)


def test_passwords_are_asked_for_one_after_the_other(
    servers: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("POPTALK_PASSWORD")
    (a, first), (b, second) = recording(servers), recording(servers)
    with on_a_terminal("diff", "--user-a", "ali", "--user-b", "bea", a, b) as pty:
        pty.wait_for("Password of ali at 127.0.0.1:")
        pty.send(b"sesame\r")
        pty.wait_for("Password of bea at 127.0.0.1:")
        pty.send(b"pumpkin\r")
        assert pty.wait_exit() == 0
        assert b"sesame" not in pty.raw
        assert b"pumpkin" not in pty.raw
    assert b"PASS sesame\r\n" in first.received
    assert b"PASS pumpkin\r\n" in second.received


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("mail.example.org", ["mail.example.org"]),
        ("mail.example.org:1110", ["mail.example.org", "1110"]),
        ("[::1]:1110", ["[::1]", "1110"]),
        ("::1", ["::1"]),
        ("pop3s://me@mail.example.org:995", ["pop3s://me@mail.example.org:995"]),
    ],
)
def test_a_server_in_one_word(target: str, words: list[str]) -> None:
    assert target_words(target) == words


def test_one_with_stls_and_the_other_with_tls_at_once(
    servers: ExitStack, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    identity = certificates.authority(tmp_path)
    answers = {**ANSWERS, b"STLS": b"+OK\r\n"}
    secured = servers.enter_context(
        RecordingServer(reply=by_keyword(ANSWERS), tls=identity.server_context)
    )
    clear = servers.enter_context(RecordingServer(reply=by_keyword(answers)))
    assert (
        diff(
            "--starttls",
            "--insecure",
            "--timeout",
            "2",
            f"pop3s://{secured.host}:{secured.port}",
            f"{clear.host}:{clear.port}",
        )
        == 4
    )
    # The recording server doesn't begin TLS: what counts is the request.
    assert clear.received.startswith(b"STLS\r\n")
    assert b"USER bob" not in clear.received
    said = capfd.readouterr().err
    assert "A: TLSv1.3, " in said
    assert "certificate NOT verified; it came alone" in said
    assert "B: " in said


# A real server.


@pytest.fixture
def dovecot_with_letters() -> Iterator[Dovecot]:
    with dovecot_or_skip(LETTERS) as running:
        yield running


def test_dovecot_and_the_practice_server(
    servers: ExitStack, dovecot_with_letters: Dovecot, capfd: pytest.CaptureFixture[str]
) -> None:
    """The same messages with other unique-ids: they are recognised by their content."""
    there = f"{dovecot_with_letters.host}:{dovecot_with_letters.port}"
    assert diff("--bodies", "--json", there, practice(servers)) == 1
    assert {
        subject
        for subject, outcome in verdicts(capfd.readouterr().out).items()
        if outcome != "same"
    } == {"set of unique-ids"}


def test_dovecot_in_tls_keeps_its_mail(dovecot_with_letters: Dovecot) -> None:
    dovecot = dovecot_with_letters
    tls = f"pop3s://{dovecot.host}:{dovecot.tls_port}"
    clear = f"{dovecot.host}:{dovecot.port}"
    for _ in range(2):
        assert diff("--bodies", "--ca-file", os.fspath(dovecot.ca_file), clear, tls) == 0
