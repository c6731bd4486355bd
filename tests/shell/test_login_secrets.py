"""What poptalk logs in with stays out of screens, logs, histories, files and sentences.

The servers are hostile: they repeat what they heard, as it came and decoded.  Explanations are on, so
that every line of AUTH is taken apart on the screen.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

import pytest

from tests.servers.scripted import Answer, ScriptedServer, Send
from tests.shell.black_box import at, on_a_terminal, piped, without_escapes, written_files

PASSWORD = "Zq7Vx9Wk4Jy8Hm"
GREETING = b"+OK ready <1896.697170952@dbc.mtview.ca.us>\r\n"
MECHANISMS = ("USER", "APOP", "PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER")
SHELLS = pytest.mark.parametrize("options", [(), ("--plain",)], ids=["live", "linear"])
TELLING = 8
"""So many characters in a row give a secret away."""


def repeat(line: bytes) -> bytes:
    """Ask once, and repeat each answer, as it came and decoded, in a refusal and unasked."""
    if line in (b"AUTH LOGIN", b"AUTH CRAM-MD5"):
        return b"+ PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+\r\n"
    if line.startswith(b"USER") or line == b"Ym9i":
        return b"+OK\r\n" if line.startswith(b"USER") else b"+ UGFzc3dvcmQ6\r\n"
    heard = line.split(b" ")[-1]
    try:
        decoded = base64.b64decode(heard, validate=True)
    except binascii.Error:
        decoded = heard
    decoded = decoded.replace(b"\n", b"").replace(b"\r", b"")
    return b"-ERR not %b %b\r\n* unasked %b %b\r\n" % (line, decoded, line, decoded)


def forms(mechanism: str) -> list[bytes]:
    """Return the password, and what crosses the wire in its place."""
    secret = PASSWORD.encode()
    wire = {
        "PLAIN": b"\0bob\0" + secret,
        "LOGIN": secret,
        "XOAUTH2": b"user=bob\x01auth=Bearer " + secret + b"\x01\x01",
    }
    found = [secret, base64.b64encode(secret)]
    if mechanism in wire:
        found.append(base64.b64encode(wire[mechanism])[-24:])
    return found


def assert_nowhere(mechanism: str, *places: bytes) -> None:
    for secret in forms(mechanism):
        for start in range(len(secret) - TELLING + 1):
            part = secret[start : start + TELLING]
            assert not [place[-1000:] for place in places if part in place], part


@SHELLS
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_in_a_shell(mechanism: str, options: tuple[str, ...], tmp_path: Path) -> None:
    log = tmp_path / "log"
    with (
        ScriptedServer([Send(GREETING), Answer(repeat)]) as server,
        on_a_terminal(
            *at(server), *options, "--explain", "--log", log, cwd=tmp_path, rows=50
        ) as pty,
    ):
        pty.wait_for("AUTHORIZATION")
        pty.send(f":login bob {mechanism}\r")
        pty.wait_for("Password of bob")
        for key in PASSWORD:
            pty.send(key)
        pty.send("\r")
        pty.wait_for(":login: the server did not let you in")
        for local in (":last\r", ":raw\r", ":why\r", "\x1b[A\x1b[A\x1b[A", "\x03\x04"):
            pty.send(local)
        assert pty.wait_exit() == 0
        # It did cross.
        assert server.received
    home = Path.home()
    assert_nowhere(
        mechanism, without_escapes(bytes(pty.raw)), *written_files(tmp_path, home).values()
    )
    assert log.exists()


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_in_a_pipe(mechanism: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POPTALK_PASSWORD", PASSWORD)
    log = tmp_path / "log"
    with ScriptedServer([Send(GREETING), Answer(repeat)]) as server:
        options = ("--login", "bob", "--mechanism", mechanism, "--explain", "--log", log)
        finished = piped(b"NOOP\n", *at(server), *options, cwd=tmp_path)
    assert finished.code == 1
    files = written_files(tmp_path, Path.home())
    assert_nowhere(mechanism, finished.stderr.encode(), *files.values())


@pytest.mark.parametrize("source", ["--password-file", "--password-command", "--netrc"])
def test_a_source_that_fails_keeps_what_it_has(source: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text(f"machine 127.0.0.1 login bob passwd {PASSWORD} {PASSWORD}\n")
    file.chmod(0o644)
    given = f"cat {file} {tmp_path}/none" if source == "--password-command" else file
    with ScriptedServer([Send(GREETING), Answer(repeat)]) as server:
        finished = piped(b"NOOP\n", *at(server), "--login", "bob", source, given)
        assert finished.code == 2
        assert server.received == b""
    assert_nowhere("USER", finished.stderr.encode(), finished.stdout)


@SHELLS
def test_a_line_end_in_a_password_is_refused(
    options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would end the line, and what follows would be a command."""
    monkeypatch.setenv("POPTALK_PASSWORD", f"{PASSWORD}\r\nDELE 1")
    with (
        ScriptedServer([Send(GREETING), Answer(repeat)]) as server,
        on_a_terminal(*at(server), "--login", "bob", *options) as pty,
    ):
        pty.wait_for("this password holds a line end or NUL")
        # Before the prompt the terminal is not the shell's, and would take Ctrl-D for itself.
        pty.wait_for("AUTHORIZATION")
        pty.send("\x04")
        assert pty.wait_exit() == 0
        assert server.received == b""
    assert_nowhere("USER", without_escapes(bytes(pty.raw)))


@SHELLS
def test_typed_ahead_of_the_question(options: tuple[str, ...]) -> None:
    """The question comes before anything is sent: a password pasted along with it is its answer."""
    with (
        ScriptedServer([Send(GREETING), Answer(repeat)]) as server,
        on_a_terminal(*at(server), *options, rows=40) as pty,
    ):
        pty.wait_for("AUTHORIZATION")
        pty.send(f":login bob USER\r{PASSWORD}\r")
        pty.wait_for(":login: the server did not let you in")
        assert f"PASS {PASSWORD}\r\n".encode() in server.received
        pty.send("\x1b[A\x1b[A\x03\x04")
        assert pty.wait_exit() == 0
    files = written_files(Path.home())
    assert_nowhere("USER", without_escapes(bytes(pty.raw)), *files.values())


@SHELLS
def test_typed_behind_the_name(options: tuple[str, ...]) -> None:
    """`:login bob PASSWORD` is refused, and was typed all the same."""
    with (
        ScriptedServer([Send(GREETING), Answer(repeat)]) as server,
        on_a_terminal(*at(server), *options, rows=40) as pty,
    ):
        pty.wait_for("AUTHORIZATION")
        for key in f":login bob {PASSWORD}\r":
            pty.send(key)
        pty.wait_for("that is no way to log in")
        pty.send("\x1b[A\x1b[A\x03\x04")
        assert pty.wait_exit() == 0
        assert server.received == b""
    files = written_files(Path.home())
    assert_nowhere("USER", without_escapes(bytes(pty.raw)), *files.values())
