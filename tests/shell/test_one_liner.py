"""One-liners: `-e`, `--after-login`, `--pipeline`, `--drop-after`, as processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.servers.recording import GREETING, RecordingServer, by_keyword
from tests.servers.scripted import Close, Expect, ScriptedServer, Send
from tests.shell.black_box import Finished, at, on_a_terminal, piped, without_escapes

ANSWERS = {
    b"CAPA": b"+OK\r\nUSER\r\n.\r\n",
    b"USER": b"+OK\r\n",
    b"PASS": b"+OK\r\n",
    b"STAT": b"+OK 3 6183\r\n",
    b"NOOP": b"+OK\r\n",
    b"QUIT": b"+OK bye\r\n",
}


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POPTALK_PASSWORD", "jones")


def one_liner(server: ScriptedServer, *options: str, lines: bytes = b"") -> Finished:
    return piped(lines, *at(server), *options)


def test_lines_take_the_place_of_standard_input() -> None:
    """The octets of the server come out exactly, as in any pipe."""
    with RecordingServer(reply=by_keyword(ANSWERS)) as server:
        finished = one_liner(server, "-e", "STAT", "-e", "NOOP", lines=b"QUIT\n")
    assert finished == (0, GREETING + b"+OK 3 6183\r\n+OK\r\n", "")
    assert server.received == b"STAT\r\nNOOP\r\n"


def test_it_is_a_one_liner_on_a_terminal_too(tmp_path: Path) -> None:
    with (
        RecordingServer(reply=by_keyword(ANSWERS)) as server,
        on_a_terminal(*at(server), "-e", "STAT", cwd=tmp_path) as pty,
    ):
        assert pty.wait_exit() == 0
        assert b"+OK 3 6183" in without_escapes(bytes(pty.raw))


def test_1_a_line_that_is_refused() -> None:
    with RecordingServer(reply=by_keyword(ANSWERS)) as server:
        finished = one_liner(server, "-e", "DELE 1")
    assert finished.code == 1
    assert finished.stderr == 'poptalk: DELE 1 was refused: "-ERR unknown command".\n'


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (b"DELE 1\nQUIT\n", "DELE 1 was refused: "),
        (b"NOOP\nDELE 1\nDELE 2\nQUIT\n", "DELE 1 was refused, the first of 2 refusals: "),
        (b"PAS s3cret\nQUIT\n", "a line that isn't a POP3 command was refused: "),
    ],
)
def test_1_cron_gets_a_sentence(lines: bytes, said: str) -> None:
    """Once, with the first command that was refused; of a secret there is nothing in it."""
    for options in ((), ("--pipeline",), ("--login", "bob")):
        with RecordingServer(reply=by_keyword(ANSWERS)) as server:
            finished = one_liner(server, *options, lines=lines)
        assert finished.code == 1
        assert finished.stderr == f'poptalk: {said}"-ERR unknown command".\n'


def test_1_the_greeting_is_err() -> None:
    with ScriptedServer([Send(b"-ERR busy\r\n"), Expect(b"QUIT\r\n"), Send(b"+OK\r\n")]) as server:
        finished = one_liner(server, "-e", "QUIT")
    assert finished == (1, b"-ERR busy\r\n+OK\r\n", 'poptalk: the greeting was "-ERR busy".\n')


def test_5_a_server_that_turns_away_is_quoted() -> None:
    steps = [Send(b"-ERR too many connections\r\n"), Expect(b"NOOP\r\n"), Close()]
    with ScriptedServer(steps) as server:
        finished = one_liner(server, lines=b"NOOP\nQUIT\n")
    assert finished.code == 5
    assert finished.stderr == (
        "poptalk: the session was not finished: the server closed the connection after "
        f'"-ERR too many connections". ({server.host}:{server.port})\n'
    )


def test_a_refusal_that_can_be_seen_is_not_repeated() -> None:
    with (
        RecordingServer(reply=by_keyword(ANSWERS)) as server,
        on_a_terminal(*at(server), "-e", "DELE 1") as pty,
    ):
        assert pty.wait_exit() == 1
    assert "was refused" not in pty.text


def test_only_what_comes_behind_the_login() -> None:
    with RecordingServer(reply=by_keyword(ANSWERS)) as server:
        finished = one_liner(server, "--login", "bob", "--after-login", "-e", "STAT")
    assert finished == (0, b"+OK 3 6183\r\n", "")
    assert server.received == b"CAPA\r\nUSER bob\r\nPASS jones\r\nSTAT\r\n"


def test_standard_input_too_begins_behind_the_login() -> None:
    with RecordingServer(reply=by_keyword(ANSWERS)) as server:
        finished = one_liner(server, "--login", "bob", "--after-login", lines=b"STAT\nQUIT\n")
    assert finished == (0, b"+OK 3 6183\r\n+OK bye\r\n", "")


# Pipelining (RFC 2449 §6.6).


def test_everything_is_sent_before_anything_is_read() -> None:
    """A server that waits for both lines before it answers the first is answered."""
    steps = [Send(b"+OK\r\n"), Expect(b"NOOP\r\nSTAT\r\n"), Send(b"+OK 1\r\n+OK 2 3\r\n")]
    with ScriptedServer(steps) as server:
        finished = one_liner(server, "--pipeline", "-e", "NOOP", "-e", "STAT", "--timeout", "5")
    assert finished == (0, b"+OK\r\n+OK 1\r\n+OK 2 3\r\n", "")


def test_standard_input_is_pipelined_to_its_end() -> None:
    steps = [Send(b"+OK\r\n"), Expect(b"NOOP\r\nQUIT\r\n"), Send(b"+OK\r\n+OK\r\n")]
    with ScriptedServer(steps) as server:
        assert one_liner(server, "--pipeline", lines=b"NOOP\nQUIT\n").code == 0


def test_5_a_reply_that_is_missing_in_a_pipeline() -> None:
    steps = [Send(b"+OK\r\n"), Expect(b"NOOP\r\nNOOP\r\n"), Send(b"+OK\r\n")]
    with ScriptedServer(steps) as server:
        finished = one_liner(server, "--pipeline", "-e", "NOOP", "-e", "NOOP", "--timeout", "0.3")
    assert finished.code == 5


def test_2_nothing_is_sent_behind_stls() -> None:
    with RecordingServer() as server:
        finished = one_liner(server, "--pipeline", "-e", "STLS", "-e", "NOOP")
    assert finished.code == 2
    assert "nothing may be sent after STLS before TLS has begun" in finished.stderr
    assert server.received == b""


# Hanging up.


@pytest.mark.parametrize(
    ("count", "sent"), [(0, b""), (1, b"NOOP\r\n"), (2, b"NOOP\r\nSTAT\r\n"), (9, None)]
)
def test_after_so_many_replies_the_line_is_cut(count: int, sent: bytes | None) -> None:
    with RecordingServer(reply=by_keyword(ANSWERS), closing_keyword=b"QUIT") as server:
        options = ["-e", "NOOP", "-e", "STAT", "-e", "QUIT", "--drop-after", str(count)]
        assert one_liner(server, *options).code == 0
    assert server.received == (b"NOOP\r\nSTAT\r\nQUIT\r\n" if sent is None else sent)


def test_the_login_does_not_count() -> None:
    with RecordingServer(reply=by_keyword(ANSWERS)) as server:
        options = ["--login", "bob", "-e", "STAT", "-e", "NOOP", "--drop-after", "1"]
        assert one_liner(server, *options).code == 0
    assert server.received == b"CAPA\r\nUSER bob\r\nPASS jones\r\nSTAT\r\n"


def test_a_pipeline_is_cut_too() -> None:
    steps = [Send(b"+OK\r\n"), Expect(b"NOOP\r\nNOOP\r\n"), Send(b"+OK\r\n")]
    with ScriptedServer(steps) as server:
        options = ["--pipeline", "--drop-after", "1", "-e", "NOOP", "-e", "NOOP"]
        assert one_liner(server, *options).code == 0


# What cannot be.


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["-e", "PASS sesame"], "-e refuses PASS: what is on a command line can be read by"),
        (["-e", "apop bob sesame"], "-e refuses APOP"),
        (["-e", "AUTH PLAIN"], "-e refuses AUTH"),
        (["-e", "AUTH PLAIN sesame"], "-e refuses AUTH"),
        (["-e", "NOOP\r\nDELE 1"], "-e takes one line at a time"),
        (["-e", "STAT", "--after-login"], "--after-login is of no use without --login USER"),
        (["-e", "STAT", "--pipeline", "--local-commands"], "a local command sends nothing"),
    ],
)
def test_2_what_cannot_be_asked_for(options: list[str], sentence: str, tmp_path: Path) -> None:
    with RecordingServer() as server:
        finished = one_liner(server, "--log", str(tmp_path / "log"), *options)
    assert not server.connections
    assert not (tmp_path / "log").exists()
    assert finished.code == 2
    assert sentence in finished.stderr
    assert "sesame" not in finished.stderr
    assert server.received == b""


@pytest.mark.parametrize("option", [["--pipeline"], ["--drop-after", "1"]])
def test_2_by_hand_there_are_no_one_liners(option: list[str]) -> None:
    with RecordingServer() as server, on_a_terminal(*at(server), *option) as pty:
        assert pty.wait_exit() == 2
        assert b"is for lines that come from a pipe or from -e" in pty.raw
    assert not server.connections


def test_a_name_in_another_encoding_is_sent_as_it_is() -> None:
    with RecordingServer(reply=by_keyword(ANSWERS)) as server:
        one_liner(server, "-e", os.fsdecode(b"USER b\xf6b"))
    assert server.received == b"USER b\xf6b\r\n"
