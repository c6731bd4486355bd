"""Pipes: lines in, the server's octets out, an exit code.

Everything here is a whole process, as in a script.  What the server sent is compared octet for octet.
"""

from __future__ import annotations

import base64
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from poptalk.practice.server import Server
from poptalk.transcript.parser import parse_dialogue
from tests.servers import certificates
from tests.servers.dovecot import Dovecot
from tests.servers.recording import RecordingServer, by_keyword
from tests.servers.scripted import (
    Answer,
    Close,
    Expect,
    Flood,
    Pause,
    ScriptedServer,
    Send,
    StartTls,
    Step,
)
from tests.shell.black_box import (
    TIMEOUT,
    at,
    environment,
    peak_memory,
    piped,
    piped_to_a_terminal,
    poptalk,
    started,
)

SESSION = b"USER bob\nPASS jones\nSTAT\nQUIT\n"

GREETING = b"+OK ready\r\n"


def answering(replies: dict[bytes, bytes], *, closing: bool = True) -> RecordingServer:
    """Make a server that knows some keywords and closes after QUIT."""
    return RecordingServer(
        greeting=GREETING,
        reply=by_keyword({b"QUIT": b"+OK bye\r\n", **replies}),
        closing_keyword=b"QUIT" if closing else None,
    )


def played(*steps: Step) -> ScriptedServer:
    return ScriptedServer([Send(GREETING), *steps])


def quitting() -> Sequence[Step]:
    return Expect(b"QUIT\r\n"), Send(b"+OK bye\r\n"), Close()


# The main job.


def test_the_practice_server() -> None:
    with Server(persona="exchange") as server:
        finished = piped(SESSION, server.host, server.port)
    assert finished == (
        0,
        b"+OK Microsoft Exchange POP3 server version 5.0.1457.10 ready\r\n"
        b"+OK name is a valid mailbox\r\n"
        b"+OK mailbox locked and ready\r\n"
        b"+OK 3 6183\r\n"
        b"+OK host closing connection\r\n",
        "",
    )


def test_the_practice_server_within_the_process() -> None:
    finished = piped(SESSION)
    assert finished.code == 0
    assert finished.stdout.endswith(b"+OK 3 6183\r\n+OK host closing connection\r\n")
    assert finished.stderr == ""


def test_dovecot(dovecot: Dovecot) -> None:
    finished = piped(SESSION, dovecot.host, dovecot.port)
    assert finished.code == 0
    expected = (
        rb"\+OK Dovecot[^\r\n]*\r\n\+OK[^\r\n]*\r\n\+OK Logged in\.\r\n"
        rb"\+OK 3 6183\r\n\+OK Logging out\.\r\n"
    )
    assert re.fullmatch(expected, finished.stdout)
    assert finished.stderr == ""


def test_dovecot_with_tls_from_the_start(dovecot: Dovecot) -> None:
    finished = piped(
        SESSION, "localhost", dovecot.tls_port, "--tls", "--ca-file", dovecot.ca_file, "-4"
    )
    assert finished.code == 0
    assert b"+OK 3 6183\r\n" in finished.stdout


def test_dovecot_with_stls(dovecot: Dovecot) -> None:
    finished = piped(b"STLS\n" + SESSION, dovecot.host, dovecot.port, "--ca-file", dovecot.ca_file)
    assert finished.code == 0
    assert b"+OK Begin TLS" in finished.stdout
    assert finished.stdout.endswith(b"+OK 3 6183\r\n+OK Logging out.\r\n")
    assert finished.stderr == ""


def test_every_octet_of_the_server_comes_out() -> None:
    strange = bytes(range(256)).replace(b"\n", b"") + b"\x1b]52;c;AAAA\x07"
    body = b"".join(b"%c lone\n" % octet for octet in range(128, 256))
    sent = [
        b"+OK " + strange + b"\r\n",
        b"+OK bare LF\n" + strange + b"\n..stuffed\n" + body + b".\n",
        b"-ERR " + strange + b"\r\n",
        b"+OK bye\r\n",
    ]
    with ScriptedServer(
        [
            Send(sent[0]),
            Expect(b"RETR 1\r\n"),
            Send(sent[1]),
            Expect(b"NOOP\r\n"),
            Send(sent[2]),
            Expect(b"QUIT\r\n"),
            Send(sent[3]),
            Close(),
        ]
    ) as server:
        finished = piped(b"RETR 1\nNOOP\nQUIT\n", *at(server))
    assert (finished.code, finished.stdout) == (1, b"".join(sent))
    assert finished.stderr.strip().isprintable()


# What may come in.


@pytest.mark.parametrize(
    "lines",
    [b"STAT\nQUIT\n", b"STAT\r\nQUIT\r\n", b"STAT\nQUIT", b"STAT\r\nQUIT"],
    ids=["LF", "CRLF", "LF but for the last", "CRLF but for the last"],
)
def test_line_ends(lines: bytes) -> None:
    with answering({b"STAT": b"+OK 0 0\r\n"}) as server:
        assert piped(lines, *at(server)) == (0, GREETING + b"+OK 0 0\r\n+OK bye\r\n", "")
        assert server.received == b"STAT\r\nQUIT\r\n"


def test_empty_input_shows_the_greeting_and_sends_nothing() -> None:
    with answering({}) as server:
        assert piped(b"", *at(server)) == (0, GREETING, "")
        assert server.wait_for_end() == b""


def test_no_quit_sends_none() -> None:
    with answering({b"STAT": b"+OK 0 0\r\n"}) as server:
        assert piped(b"STAT\n", *at(server)) == (0, GREETING + b"+OK 0 0\r\n", "")
        assert server.wait_for_end() == b"STAT\r\n"


def test_each_line_waits_for_the_whole_reply_to_the_one_before() -> None:
    with played(
        Expect(b"LIST\r\n"),
        Send(b"+OK\r\n1 120\r\n"),
        Send(b".\r"),
        Send(b"\n"),
        Expect(b"NOOP\r\n"),
        Send(b"+O"),
        Send(b"K\r\n"),
        *quitting(),
    ) as server:
        finished = piped(b"LIST\nNOOP\nQUIT\n", *at(server))
        # A line sent too early would have stood in what an Expect passes over.
        assert server.received == b"LIST\r\nNOOP\r\nQUIT\r\n"
    assert finished == (0, GREETING + b"+OK\r\n1 120\r\n.\r\n+OK\r\n+OK bye\r\n", "")


def test_auth_in_two_lines() -> None:
    response = base64.b64encode(b"\0bob\0jones")
    with played(
        Expect(b"AUTH PLAIN\r\n"),
        Send(b"+ \r\n"),
        Expect(response + b"\r\n"),
        Send(b"+OK logged in\r\n"),
        *quitting(),
    ) as server:
        finished = piped(b"AUTH PLAIN\n" + response + b"\nQUIT\n", *at(server))
    assert finished == (0, GREETING + b"+ \r\n+OK logged in\r\n+OK bye\r\n", "")


def test_stls_then_the_rest_within_tls(tmp_path: Path) -> None:
    identity = certificates.authority(tmp_path)
    with played(
        Expect(b"STLS\r\n"),
        Send(b"+OK go ahead\r\n"),
        StartTls(identity.server_context),
        Expect(b"STAT\r\n"),
        Send(b"+OK 0 0\r\n"),
        *quitting(),
    ) as server:
        finished = piped(b"STLS\nSTAT\nQUIT\n", *at(server), "--ca-file", identity.ca_file)
    assert finished == (0, GREETING + b"+OK go ahead\r\n+OK 0 0\r\n+OK bye\r\n", "")


def test_an_injected_response_behind_stls_is_no_reply() -> None:
    with played(Expect(b"STLS\r\n"), Send(b"+OK go ahead\r\n+OK 9 9\r\n")) as server:
        finished = piped(b"STLS\nSTAT\nQUIT\n", *at(server))
        assert server.wait_for_end() == b"STLS\r\n"
    assert finished.code == 4
    assert "response injection" in finished.stderr


# What may come out.


def test_a_server_that_goes_on_after_quit_is_heard_out() -> None:
    rest = b"* one more thing\r\nand another"
    with played(Expect(b"QUIT\r\n"), Send(b"+OK bye\r\n"), Send(rest), Close()) as server:
        assert piped(b"QUIT\n", *at(server)) == (0, GREETING + b"+OK bye\r\n" + rest, "")


def test_a_server_that_does_not_hang_up_after_quit_is_left() -> None:
    with answering({}, closing=False) as server:
        assert piped(b"QUIT\n", *at(server)) == (0, GREETING + b"+OK bye\r\n", "")
        server.wait_for_end()


def test_lines_behind_quit_are_not_passed_over_in_silence() -> None:
    with answering({}) as server:
        finished = piped(b"QUIT\nSTAT\n", *at(server))
    assert (finished.code, finished.stdout) == (5, GREETING + b"+OK bye\r\n")
    assert finished.stderr == ("poptalk: lines after QUIT were not sent: the session was over\n")


def test_a_server_that_hangs_up_in_a_reply() -> None:
    with played(Expect(b"RETR 1\r\n"), Send(b"+OK\r\nhalf a lett"), Close()) as server:
        finished = piped(b"RETR 1\nQUIT\n", *at(server))
    assert (finished.code, finished.stdout) == (5, GREETING + b"+OK\r\nhalf a lett")
    assert "the server closed the connection" in finished.stderr


def test_a_server_that_hangs_up_between_two_commands() -> None:
    with played(Expect(b"STAT\r\n"), Send(b"+OK 0 0\r\n"), Close()) as server:
        finished = piped(b"STAT\nNOOP\nQUIT\n", *at(server))
    assert (finished.code, finished.stdout) == (5, GREETING + b"+OK 0 0\r\n")
    assert "the session was not finished" in finished.stderr


def test_a_server_that_hangs_up_while_the_input_stays_open() -> None:
    steps = (Expect(b"STAT\r\n"), Send(b"+OK 0 0\r\n"), Close())
    with played(*steps) as server, started(*at(server)) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(b"STAT\n")
        process.stdin.flush()
        # The input is never closed: the end of the connection is what ends poptalk.
        assert process.wait(TIMEOUT) == 5
        assert b"the server closed the connection" in process.stderr.read()


def test_a_quit_while_the_input_stays_open() -> None:
    with answering({}) as server, started(*at(server)) as process:
        assert process.stdin is not None
        process.stdin.write(b"QUIT\n")
        process.stdin.flush()
        assert process.wait(TIMEOUT) == 0


def test_what_comes_unasked_is_out_at_once() -> None:
    with played(Send(b"* by the way\r\n"), *quitting()) as server, started(*at(server)) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        expected = GREETING + b"* by the way\r\n"
        assert process.stdout.read(len(expected)) == expected
        process.stdin.write(b"QUIT\n")
        process.stdin.close()
        assert process.stdout.read() == b"+OK bye\r\n"
        assert process.wait(TIMEOUT) == 0


LETTER_OCTETS = 20_000_000

MEMORY_FOR_A_LETTER = 60_000_000
"""What the issue allows for 100 MB; an interpreter that holds nothing takes a quarter of it."""


def test_a_huge_letter_passes_in_little_memory() -> None:
    line = b"0123456789abcdef" * 4 + b"\r\n"
    letter = Flood(line, LETTER_OCTETS // len(line) * len(line))
    with (
        played(
            Expect(b"RETR 1\r\n"), Send(b"+OK\r\n"), letter, Send(b".\r\n"), *quitting()
        ) as server,
        started(*at(server)) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"RETR 1\n")
        process.stdin.flush()
        expected = len(GREETING + b"+OK\r\n.\r\n") + letter.total
        received = process.stdout.read(expected)
        assert peak_memory(process.pid) < MEMORY_FOR_A_LETTER
        assert received.count(line) == letter.total // len(line)
        assert received.endswith(b"\r\n.\r\n")
        process.stdin.write(b"QUIT\n")
        process.stdin.close()
        assert process.stdout.read() == b"+OK bye\r\n"
        assert process.wait(TIMEOUT) == 0


def test_a_reader_that_goes_away() -> None:
    flood = Flood(b"x" * 70 + b"\r\n", LETTER_OCTETS)
    steps = (Expect(b"RETR 1\r\n"), Send(b"+OK\r\n"), flood)
    with played(*steps) as server, started(*at(server)) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(b"RETR 1\nQUIT\n")
        process.stdin.close()
        assert process.stdout.readline() == GREETING
        process.stdout.close()
        assert process.wait(TIMEOUT) == 1
        # As other programs behind `| head -1`.
        assert process.stderr.read() == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_disk_that_is_full() -> None:
    with answering({}) as server, open("/dev/full", "wb") as full:
        finished = subprocess.run(
            poptalk(*at(server)),
            input=b"QUIT\n",
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment(),
            timeout=TIMEOUT,
            check=False,
        )
    assert finished.returncode == 1
    assert b"the disk is full" in finished.stderr
    assert b"Traceback" not in finished.stderr


def test_standard_output_that_is_closed() -> None:
    with answering({}) as server:
        finished = subprocess.run(
            ["sh", "-c", 'exec "$@" >&-', "sh", *poptalk(*at(server))],
            input=b"USER bob\nPASS jones\nSTAT\nQUIT\n",
            capture_output=True,
            env=environment(),
            timeout=TIMEOUT,
            check=False,
        )
    assert finished.returncode == 1
    assert b"The output was closed" in finished.stderr
    assert b"Traceback" not in finished.stderr


def test_standard_input_that_is_closed() -> None:
    with answering({}) as server:
        finished = subprocess.run(
            ["sh", "-c", 'exec "$@" <&-', "sh", *poptalk(*at(server))],
            capture_output=True,
            env=environment(),
            timeout=TIMEOUT,
            check=False,
        )
    assert (finished.returncode, finished.stdout) == (0, GREETING)
    assert finished.stderr == b""


def test_a_terminal_is_shown_the_dialogue(tmp_path: Path) -> None:
    with (
        answering({b"USER": b"+OK who\r\n"}) as server,
        piped_to_a_terminal(b"USER bob\nQUIT\n", *at(server), folder=tmp_path) as pty,
    ):
        assert pty.wait_exit() == 0
    assert pty.text.splitlines()[:5] == [
        "S: +OK ready",
        "C: USER bob",
        "S: +OK who",
        "C: QUIT",
        "S: +OK bye",
    ]


# Options.


def test_a_log_holds_the_dialogue_and_standard_output_the_octets(tmp_path: Path) -> None:
    log = tmp_path / "session.pop3"
    listing = b"+OK 1 message\r\n1 120\r\n.\r\n"
    with answering({b"LIST": listing}) as server:
        finished = piped(b"LIST\nQUIT\n", *at(server), "--log", log)
    assert finished == (0, GREETING + listing + b"+OK bye\r\n", "")
    assert log.stat().st_mode & 0o777 == 0o600
    text = log.read_text("utf-8")
    assert [line for line in text.splitlines() if not line.startswith("#")] == [
        "C: <open connection>",
        "S: +OK ready",
        "C: LIST",
        "S: +OK 1 message",
        "S: 1 120",
        "S: .",
        "C: QUIT",
        "S: +OK bye",
        "S: <close connection>",
    ]
    assert parse_dialogue(text).steps


def test_a_colon_is_nothing_special_in_a_pipe() -> None:
    with answering({}) as server:
        finished = piped(b":quit\nQUIT\n", *at(server))
        assert server.received == b":quit\r\nQUIT\r\n"
    assert finished.code == 1


def test_local_commands_on_request(tmp_path: Path) -> None:
    letter = tmp_path / "letter.eml"
    reply = b"+OK\r\nSubject: x\r\n\r\n..dot\r\n.\r\n"
    lines = f":send NOOP\\r\\n\nRETR 1\n:save {letter}\n:why\n:wrong\n:quit\nSTAT\n".encode()
    with answering({b"RETR": reply, b"NOOP": b"+OK\r\n"}) as server:
        finished = piped(lines, "--local-commands", *at(server))
        assert server.wait_for_end() == b"NOOP\r\nRETR 1\r\n"
    assert (finished.code, finished.stdout) == (0, GREETING + b"+OK\r\n" + reply)
    assert letter.read_bytes() == b"Subject: x\r\n\r\n.dot\r\n"
    assert "there is no local command :wrong" in finished.stderr


def test_the_options_may_stand_anywhere() -> None:
    with answering({}) as server:
        assert piped(b"QUIT\n", "--timeout", 9, *at(server), "-4").code == 0
        assert piped(b"QUIT\n", "connect", server.host, "-4", server.port).code == 0
        assert piped(b"QUIT\n", f"pop3://bob@{server.host}:{server.port}").code == 0


def test_a_piped_session_loads_nothing_heavy() -> None:
    heavy = {"asyncio", "ssl", "dataclasses", "typing", "inspect", "prompt_toolkit", "pygments"}
    heavy |= {"json", "unicodedata"}
    program = (
        "import sys; from poptalk.cli import main; code = main(sys.argv[1:]);"
        f"sys.exit(' '.join(sorted({heavy!r} & set(sys.modules))) or code)"
    )
    with answering({}) as server:
        finished = subprocess.run(
            [sys.executable, "-c", program, server.host, str(server.port)],
            input=b"QUIT\n",
            capture_output=True,
            env=environment(),
            timeout=TIMEOUT,
            check=False,
        )
    assert (finished.returncode, finished.stderr) == (0, b"")


def test_nobody_waits_for_a_silent_server_for_ever() -> None:
    with ScriptedServer([Pause(threading.Event())]) as server:
        finished = piped(b"QUIT\n", *at(server), "--timeout", "0.2")
    assert (finished.code, finished.stdout) == (5, b"")
    assert "has said nothing for 0.2 s" in finished.stderr
    assert "--tls" in finished.stderr


def test_a_reply_that_does_not_come() -> None:
    with ScriptedServer([Send(GREETING), Answer(lambda _line: b"")]) as server:
        finished = piped(b"STAT\nQUIT\n", *at(server), "--timeout", "0.2")
    assert (finished.code, finished.stdout) == (5, GREETING)
    assert "has said nothing for 0.2 s" in finished.stderr
