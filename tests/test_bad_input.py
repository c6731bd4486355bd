"""Bad input gets one clear sentence with what to try, an exit code, and a terminal given back.

A traceback is never an answer, and neither is silence.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import certificates
from tests.servers.recording import RecordingServer
from tests.servers.scripted import Close, Reset, ScriptedServer, Send
from tests.servers.terminal import Pty
from tests.shell.black_box import (
    Finished,
    at,
    environment,
    on_a_terminal,
    piped,
    poptalk,
    said_once,
)

SHELLS = pytest.mark.parametrize("options", [(), ("--plain",)], ids=["live", "linear"])

FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")


def assert_one_sentence(finished: Finished, *parts: str) -> None:
    """Check that standard error has one sentence, which says all that a reader must know."""
    said = finished.stderr
    assert "Traceback" not in said
    assert said.startswith("poptalk: "), said
    assert said.count("\n") == 1, said
    for part in parts:
        assert part in said


def assert_said(pty: Pty, *parts: str) -> None:
    """Check what stands on a terminal, wrapped as it may be."""
    seen = said_once("\n".join(pty.history()).replace("\n#! ", " ").replace("\n# ", " "))
    assert "Traceback" not in seen
    for part in parts:
        assert part in seen, seen


@pytest.fixture
def refusing() -> Iterator[int]:
    """Give a port at which nobody listens, and which nobody else gets meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def deaf() -> Iterator[int]:
    """Give a port that takes no further connection: what is sent there is swallowed."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for client in (first, second):
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        yield port


# No connection.


def test_an_unknown_host() -> None:
    finished = piped(b"", "no-such-host.invalid")
    assert finished.code == 3
    assert_one_sentence(finished, "no-such-host.invalid", "on the network?")


def test_a_refused_port(refusing: int) -> None:
    finished = piped(b"", "127.0.0.1", refusing)
    assert finished.code == 3
    assert_one_sentence(finished, "refused the connection", "POP3 is 110")


def test_no_answer_in_time(deaf: int) -> None:
    finished = piped(b"", "127.0.0.1", deaf, "--timeout", "0.2")
    assert finished.code == 3
    assert_one_sentence(finished, "did not answer within 0.2 s", "--timeout")


@SHELLS
def test_no_connection_in_a_shell(refusing: int, options: tuple[str, ...]) -> None:
    with on_a_terminal("127.0.0.1", refusing, *options) as pty:
        assert pty.wait_exit() == 3
        assert pty.restored
        assert_said(pty, "refused the connection", "POP3 is 110")


@SHELLS
def test_a_failed_open_leaves_the_shell_alive(refusing: int, options: tuple[str, ...]) -> None:
    with RecordingServer() as server, on_a_terminal(*at(server), *options) as pty:
        pty.wait_for("AUTHORIZATION")
        for line, answer in (
            (f":open 127.0.0.1 {refusing}", "refused"),
            (":open no-such-host.invalid", "No host named"),
            (":open http://host", "must begin with pop3://"),
            (":open host 70000", "isn't a port"),
            (":open pop3://bob:jones@host", "a password in a URL is refused"),
            (":open 'host", "No closing quotation"),
            (":nonsense", "there is no local command :nonsense"),
        ):
            pty.send(f"{line}\r")
            pty.wait_for(answer)
        pty.send(f":open {server.host} {server.port}\r")
        pty.wait_until(lambda: len(server.connections) == 2)
        pty.send("NOOP\r")
        pty.wait_until(lambda: server.connections[1] == b"NOOP\r\n")
        pty.send(b"\x04")
        assert pty.wait_exit() == 0
        assert_said(pty)


# TLS.


def test_a_tls_port_spoken_to_in_clear(tmp_path: Path) -> None:
    with RecordingServer(tls=certificates.authority(tmp_path).server_context) as server:
        finished = piped(b"USER bob\n", *at(server), "--timeout", "0.3")
    assert finished.code == 5
    assert_one_sentence(finished, "try --tls")


@SHELLS
def test_a_tls_port_spoken_to_in_clear_in_a_shell(tmp_path: Path, options: tuple[str, ...]) -> None:
    context = certificates.authority(tmp_path).server_context
    with RecordingServer(tls=context) as server, on_a_terminal(*at(server), *options) as pty:
        # The linear shell shows no prompt before the greeting, which does not come.
        pty.wait_until(lambda: bool(server.connections))
        pty.send("USER bob\r")
        pty.wait_for("(closed)")
        pty.send(b"\x04")
        assert pty.wait_exit() == 0
        assert_said(pty, "try --tls")


def test_a_clear_port_spoken_to_with_tls() -> None:
    with RecordingServer() as server:
        finished = piped(b"", *at(server), "--tls")
    assert finished.code == 4
    assert_one_sentence(finished, "leave --tls off")


@SHELLS
def test_a_clear_port_spoken_to_with_tls_in_a_shell(options: tuple[str, ...]) -> None:
    with RecordingServer() as server, on_a_terminal(*at(server), "--tls", *options) as pty:
        assert pty.wait_exit() == 4
        assert pty.restored
        assert_said(pty, "leave --tls off")


@pytest.mark.parametrize("content", [None, b"", b"garbage\n", b"\xff\0", "folder"], ids=repr)
def test_a_file_of_authorities_that_is_none(tmp_path: Path, content: bytes | str | None) -> None:
    file = tmp_path / "authorities.pem"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        file.mkdir()
    with RecordingServer() as server:
        finished = piped(b"", *at(server), "--tls", "--ca-file", file)
    assert finished.code == 4
    assert_one_sentence(finished, "authorities.pem")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read every file")
def test_a_file_of_authorities_that_may_not_be_read(tmp_path: Path) -> None:
    file = tmp_path / "authorities.pem"
    file.write_bytes(b"")
    file.chmod(0)
    with RecordingServer() as server:
        finished = piped(b"", *at(server), "--tls", "--ca-file", file)
    assert finished.code == 4
    assert_one_sentence(finished, "authorities.pem", "permission")


# Servers that are none.


OTHER_PROTOCOLS = pytest.mark.parametrize(
    ("greeting", "name"),
    [
        (b"220 mail.example.org ESMTP ready\r\n", "SMTP"),
        (b"* OK IMAP4rev1 ready\r\n", "IMAP"),
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "HTTP"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH"),
    ],
)


@OTHER_PROTOCOLS
def test_another_protocol(greeting: bytes, name: str) -> None:
    with RecordingServer(greeting=greeting) as server, on_a_terminal(*at(server)) as pty:
        pty.wait_for(greeting.split(b"\r\n")[0].decode())
        pty.wait_for("this looks like")
        pty.send(b"\x04")
        assert pty.wait_exit() == 0
        assert_said(pty, "POP3 is port 110, with TLS 995", f"this looks like {name}")


@OTHER_PROTOCOLS
def test_another_protocol_in_a_pipe(greeting: bytes, name: str) -> None:
    with RecordingServer(greeting=greeting) as server:
        finished = piped(b"", *at(server))
    assert finished.code == 1
    assert finished.stdout.startswith(greeting.split(b"\n")[0])
    assert_one_sentence(finished, 'begins with "+OK"', "110", f"this looks like {name}")


UNFINISHED = pytest.mark.parametrize(
    ("octets", "name"),
    [
        (b"\x15\x03\x01\x00\x02\x02\x28", "TLS"),
        (b"0\x0c\x02\x01\x01a\x07", "LDAP"),
        (b"E\x00\x00\x00\xffj\x04Host '::1' is not allowed to connect", "MySQL"),
        (b"RFB 003.008", "VNC"),
    ],
)


@UNFINISHED
@pytest.mark.parametrize("stays", [True, False])
def test_another_protocol_without_a_line_end(octets: bytes, name: str, *, stays: bool) -> None:
    steps = (Send(octets),) if stays else (Send(octets), Close())
    with ScriptedServer(steps) as server:
        finished = piped(b"", *at(server), "--timeout", "0.2")
    assert finished.code == 5
    assert f"this looks like {name}" in finished.stderr


def test_why_knows_a_greeting_that_has_begun() -> None:
    with (
        ScriptedServer((Send(b"RFB 003"),)) as server,
        on_a_terminal(*at(server), "--plain") as pty,
    ):
        pty.wait_for("RFB 003")
        pty.send(b":why\r")
        pty.wait_for("isn't a POP3 greeting: this looks like VNC")
        pty.send(b":close\r")
        pty.wait_for("poptalk closed the connection")
        pty.send(b":why\r:quit\r")
        assert pty.wait_exit() == 0
        assert "\n".join(pty.history()).count("this looks like VNC") >= 3


def test_a_greeting_that_turns_away() -> None:
    with RecordingServer(greeting=b"-ERR come back later\r\n") as server:
        finished = piped(b"", *at(server))
    said = 'poptalk: the greeting was "-ERR come back later".\n'
    assert finished == (1, b"-ERR come back later\r\n", said)


def test_a_server_that_closes_at_once() -> None:
    with ScriptedServer([Close()]) as server:
        finished = piped(b"STAT\n", *at(server))
    assert finished.code == 5
    assert_one_sentence(finished, "without a greeting", "try --tls")


def test_a_server_that_resets_at_once() -> None:
    with ScriptedServer([Reset()]) as server:
        finished = piped(b"STAT\n", *at(server))
    # The reset may come before the connection is known to stand, or behind that.
    assert finished.code in (3, 5)
    assert_one_sentence(finished, "reset the connection")


def test_silence() -> None:
    with ScriptedServer([]) as server:
        finished = piped(b"STAT\n", *at(server), "--timeout", "0.2")
    assert finished.code == 5
    assert_one_sentence(finished, "has said nothing for 0.2 s", "try --tls")


# Files.


@FULL
def test_a_full_disk_while_a_pipe_is_logged() -> None:
    with RecordingServer() as server:
        finished = piped(b"NOOP\n", *at(server), "--log", "/dev/full")
        assert server.received == b"NOOP\r\n"
    assert finished.code == 0  # The session is what was asked for, and it went well.
    assert finished.stdout == b"+OK recording server ready\r\n+OK\r\n"
    assert_one_sentence(finished, "/dev/full", "No space left", "the session goes on")


@FULL
@SHELLS
def test_a_full_disk_while_a_shell_is_logged(options: tuple[str, ...]) -> None:
    with (
        RecordingServer() as server,
        on_a_terminal(*at(server), "--log", "/dev/full", *options) as pty,
    ):
        pty.wait_for("logging to /dev/full has stopped")
        pty.wait_for("AUTHORIZATION")
        pty.send(":log /dev/full\r")
        pty.wait_until(lambda: pty.text.count("has stopped") + pty.text.count("logging to") >= 2)
        pty.send("NOOP\r")
        pty.wait_until(lambda: server.received == b"NOOP\r\n")
        pty.send(b"\x04")
        assert pty.wait_exit() == 0
        assert pty.restored
        assert_said(pty, "No space left")


NOWHERE = ("missing/log", "No such file"), (".", "directory")


@pytest.mark.parametrize(("log", "why"), NOWHERE, ids=["no folder", "a folder"])
def test_a_log_that_cannot_be_begun(log: str, why: str, tmp_path: Path) -> None:
    with RecordingServer() as server:
        finished = piped(b"NOOP\n", *at(server), "--log", tmp_path / log)
        assert finished.code == 2
        assert_one_sentence(finished, log.rstrip("."), why)
        assert server.connections == ()
        with on_a_terminal(*at(server), "--log", tmp_path / log) as pty:
            assert pty.wait_exit() == 2
            assert pty.restored
            assert_said(pty, why)


@SHELLS
def test_files_that_a_local_command_cannot_have(options: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    reply = b"+OK\r\n1 120\r\n.\r\n"
    with (
        RecordingServer(reply=lambda _line: reply) as server,
        on_a_terminal(*at(server), *options, cwd=tmp_path) as pty,
    ):
        pty.wait_for("AUTHORIZATION")
        pty.send("LIST\r")
        pty.wait_for("S: .")
        for line, why in (
            (":log missing/log", "No such file"),
            (":log .", "directory"),
            (":save missing/letter", "No such file"),
            (":save taken", "File exists"),
            (":save", "name a file"),
        ):
            pty.send(f"{line}\r")
            pty.wait_for(why)
        pty.send(b"\x04")
        assert pty.wait_exit() == 0
        assert_said(pty)


# The terminal.


@SHELLS
def test_a_terminal_that_is_closed(options: tuple[str, ...], tmp_path: Path) -> None:
    errors = tmp_path / "errors"
    command = ["sh", "-c", 'e=$1; shift; exec "$@" 2> "$e"', "sh", str(errors)]
    with RecordingServer() as server:
        with Pty([*command, *poptalk(*at(server), *options)], env=environment()) as pty:
            pty.wait_for("AUTHORIZATION")
            pty.send("USER half")
            pty.wait_for("USER half")
            pty.hang_up()
            pty.wait_exit()
        server.wait_for_end()
    assert b"Traceback" not in errors.read_bytes()


@SHELLS
def test_a_terminal_that_is_closed_while_hangups_are_ignored(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    """As under nohup: the terminal is gone, and no signal says so."""
    errors = tmp_path / "errors"
    command = ["sh", "-c", 'trap "" HUP; e=$1; shift; exec "$@" 2> "$e"', "sh", str(errors)]
    with RecordingServer() as server:
        with Pty([*command, *poptalk(*at(server), *options)], env=environment()) as pty:
            pty.wait_for("AUTHORIZATION")
            pty.hang_up()
            pty.wait_exit()
        server.wait_for_end()
    assert b"Traceback" not in errors.read_bytes()


@SHELLS
def test_sigterm(options: tuple[str, ...]) -> None:
    with RecordingServer() as server, on_a_terminal(*at(server), *options) as pty:
        pty.wait_for("AUTHORIZATION")
        pty.send("USER half")
        pty.wait_for("USER half")
        os.kill(pty.process.pid, signal.SIGTERM)
        assert pty.wait_exit() == 128 + signal.SIGTERM
        assert pty.restored
        assert_said(pty)
        assert server.wait_for_end() == b""


# The command line.


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["host", "no-port"], ["'no-port'", "1 to 65535"]),
        (["host", "0"], ["1 to 65535"]),
        (["host", "65536"], ["1 to 65535"]),
        (["host", "-1"], []),
        (["host", "110", "120"], ["a host and perhaps a port"]),
        ([""], ["the host is empty"]),
        (["pop3://"], ["the host is empty"]),
        (["http://host"], ["pop3:// or pop3s://"]),
        (["pop3://host:x"], ["cannot be read"]),
        (["pop3://[::1"], ["cannot be read"]),
        (["pop3://bob:jones@host"], ["a password in a URL is refused", "type PASS"]),
        (["pop3://host/INBOX"], ["ends after the port"]),
        (["host", "--persona", "plain"], ["practice server", "no target"]),
        (["--persona", "nobody"], ["nobody", "exchange", "plain"]),
        (["--maildrop", "/no/such/folder"], ["/no/such/folder"]),
        (["serve", "--persona", "nobody"], ["nobody", "exchange", "plain"]),
        (["serve", "--maildrop", "/no/such/folder"], ["/no/such/folder"]),
        (["--wrong"], ["--wrong"]),
        (["host", "--timeout", "-3"], []),
        (["host", "--timeout", "nan"], ["isn't a number of seconds"]),
        (["host", "--timeout"], ["--timeout"]),
        (["host", "--color", "blue"], ["blue", "always"]),
        (["serve", "here"], ["here"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_command_line_that_makes_no_sense(arguments: list[str], parts: list[str]) -> None:
    finished = piped(b"", *arguments)
    assert finished.code == 2
    assert finished.stdout == b""
    assert "Traceback" not in finished.stderr
    assert "jones" not in finished.stderr
    # argparse puts the usage before its sentence; poptalk's own stand alone.
    sentence = finished.stderr.splitlines()[-1]
    assert sentence.startswith("poptalk")
    for part in parts:
        assert part in sentence


@pytest.mark.parametrize("host", ["two words", "a/b", "x" * 64, "a..b", "host\x1b[31m", "é" * 80])
def test_a_host_that_is_none(host: str) -> None:
    finished = piped(b"", host)
    assert finished.code == 3
    assert_one_sentence(finished)
    assert "\x1b" not in finished.stderr


def test_a_port_that_is_taken() -> None:
    with RecordingServer() as server:
        finished = piped(b"", "serve", "--port", server.port)
    assert finished.code == 1
    assert_one_sentence(finished, "Is another server there")
    assert "Ports below 1024" not in finished.stderr
