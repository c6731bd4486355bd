"""A hostile server: whatever it sends, the terminal obeys poptalk alone, and the shell goes on.

The octets that arrive at the pseudo-terminal are searched, not only the screen: a sequence that the
emulator of the tests ignores may do harm on another terminal.
"""

from __future__ import annotations

import re
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.servers.recording import RecordingServer, by_keyword
from tests.servers.scripted import Close, Expect, Flood, ScriptedServer, Send, Step
from tests.servers.terminal import Pty
from tests.shell.black_box import (
    ESCAPE_SEQUENCE,
    at,
    on_a_terminal,
    peak_memory,
    piped,
    piped_to_a_terminal,
    said_once,
)

SHELLS = pytest.mark.parametrize("options", [(), ("--plain",)], ids=["live", "linear"])

# No sequence of prompt_toolkit's, nor of poptalk's theme, has this number in it.
MARK = b"4242"

DANGERS: tuple[bytes, ...] = (
    b"\x1b[4242;4242H",  # moves the cursor
    b"\x1b[4242m",  # sets colours
    b"\x1b]0;4242\x07",  # OSC 0: sets the title
    b"\x1b]8;;http://4242.example/\x1b\\4242\x1b]8;;\x1b\\",  # OSC 8: a link
    b"\x1b]52;c;NDI0Mg==\x07",  # OSC 52: writes the clipboard
    b"\x1bP4242q\x1b\\",  # DCS
    b"\x1bc",  # resets the terminal
    b"\x9b4242m",  # CSI as a bare octet
    "\x9b4242m".encode(),  # CSI as a character
    b"\x9d52;c;NDI0Mg==\x9c",  # OSC as a bare octet
    "\x85\x90\x9d".encode(),
    b"\x07\x08\x08\x08",  # BEL, BS
    b"a\rb",  # CR alone
    b"\x0b\x0c\x0e\x0f",  # VT, FF, SO, SI
    b"\0\x7f",
    b"\xff\xfe\xc3\x28\xed\xa0\x80\xf8",  # not UTF-8
    "\u202e\u2066\u2069\u200f\u061c".encode(),  # bidirectional controls
    "\u200b\u200d\u2060\ufeff\u00ad\u3164\U000e0041".encode(),  # without a shape
    b"e" + "\u0301".encode() * 40,  # marks that climb
    "\u2028\u2029".encode(),
)

DANGER = b"<" + b"|".join(DANGERS) + b">"

UNFIT = re.compile(
    "[\x00-\x07\x0b-\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u061c\ufeff\xad\u3164\U000e0000-\U000e01ef]"
)
"""Characters that must not reach a terminal, once poptalk's own sequences have been taken away."""


def assert_harmless(pty: Pty) -> None:
    """Check every octet that was written to a terminal."""
    raw = bytes(pty.raw)
    assert b"\x1b[4242" not in raw
    text = ESCAPE_SEQUENCE.sub(b"", raw).decode("utf-8")  # and strictly: no broken UTF-8 either
    found = UNFIT.search(text)
    assert found is None, f"{found[0]!r} after {text[: found.start()][-200:]!r}"
    assert "\u0301" * 5 not in text
    # It is not dropped either: a person sees what came.
    assert "4242" in text


def hostile_replies() -> dict[bytes, bytes]:
    return {
        b"NOOP": b"+OK " + DANGER + b"\r\n",
        b"RSET": b"-ERR [" + DANGER + b"] " + DANGER + b"\r\n",
        b"STAT": DANGER + b"\r\n",
        b"CAPA": b"+OK " + DANGER + b"\r\nSASL PLAIN" + DANGER + b" " + DANGER + b"\r\n"
        b"IMPLEMENTATION " + DANGER + b"\r\n" + DANGER + b"\r\n.\r\n",
        b"UIDL": b"+OK\r\n1 " + DANGER + b"\r\n" + DANGER + b" x\r\n.\r\n",
        b"LIST": b"+OK\r\n1 " + DANGER + b"\r\n2 2" + DANGER + b"\r\n.\r\n",
        b"RETR": b"+OK\r\nSubject: " + DANGER + b"\r\n\r\n" + DANGER + b"\r\n.\r\n",
        b"AUTH": b"+ " + DANGER + b"\r\n",
        b"*": b"-ERR " + DANGER + b"\r\n",
        # A line that nobody asked for, and the beginning of one that never ends.
        b"USER": b"+OK\r\n* " + DANGER + b"\r\n" + DANGER,
    }


COMMANDS = ("NOOP", "RSET", "STAT", "CAPA", "UIDL", "LIST", "RETR 1", "AUTH X", "*")

ABOUT_REPLIES = (":why", ":raw", ":last")


def hostile_server() -> RecordingServer:
    return RecordingServer(greeting=b"+OK " + DANGER + b"\r\n", reply=by_keyword(hostile_replies()))


@SHELLS
def test_a_shell_is_not_obeying_the_server(options: tuple[str, ...]) -> None:
    with hostile_server() as server, on_a_terminal(*at(server), *options, rows=50) as pty:
        pty.wait_for("AUTHORIZATION")
        for command in COMMANDS:
            sent = server.received.count(b"\n")
            pty.send(f"{command}\r")
            pty.wait_until(lambda n=sent: server.received.count(b"\n") > n)  # type: ignore[misc]
            for local in ABOUT_REPLIES:
                pty.send(f"{local}\r")
        pty.send("USER x\r")
        pty.wait_for("(the end of this line is missing)")
        pty.send(b"\x04")
        assert pty.wait_exit() == 0
        assert pty.restored
        assert_harmless(pty)


def test_a_completion_menu_is_not_obeying_the_server() -> None:
    with hostile_server() as server, on_a_terminal(*at(server), rows=50) as pty:
        pty.wait_for("AUTHORIZATION")
        pty.send("CAPA\r")
        pty.wait_for("IMPLEMENTATION")
        pty.send("UIDL\r")
        pty.wait_for("1 message")  # of the bottom line: UIDL has been answered
        pty.send("RETR \t")
        pty.wait_for("RETR 1")
        pty.send(b"\x03AUTH \t")
        pty.wait_for(" PLAIN<")
        # The name of no mechanism looks like this: what follows AUTH may be a password.
        pty.send(b"\x03AUTH PLA\t")
        pty.wait_for("AUTH **********")
        pty.send(b"\x03:reveal on\r")
        pty.wait_for("secrets are shown")
        pty.send(b"AUTH PLA\t")
        pty.wait_for("AUTH PLAIN<")
        pty.send(b"\x03\x04")
        assert pty.wait_exit() == 0
        assert_harmless(pty)


def test_a_terminal_behind_a_pipe_is_not_obeying_the_server(tmp_path: Path) -> None:
    lines = "".join(f"{command}\n" for command in COMMANDS).encode() + b"USER x\n"
    with (
        hostile_server() as server,
        piped_to_a_terminal(lines, *at(server), folder=tmp_path) as pty,
    ):
        assert pty.wait_exit() == 1
        assert_harmless(pty)


def test_a_log_can_be_looked_at_on_a_terminal(tmp_path: Path) -> None:
    log = tmp_path / "log"
    lines = "".join(f"{command}\n" for command in COMMANDS).encode() + DANGER + b"\n"
    with hostile_server() as server:
        piped(lines, *at(server), "--log", log)
    text = log.read_text("utf-8")
    assert "4242" in text
    assert UNFIT.search(text) is None
    assert "\x1b" not in text


def hostile_identity(folder: Path) -> ssl.SSLContext:
    """Make a certificate with dangerous names, which vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    danger = DANGER.decode("utf-8", "ignore")[:60]
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, danger),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "\x1b]52;c;NDI0Mg==\x07\u202e4242"),
        ]
    )
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("\x1b[4242m\x07.example")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(4242)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "hostile.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


@SHELLS
def test_names_in_a_certificate(options: tuple[str, ...], tmp_path: Path) -> None:
    context = hostile_identity(tmp_path)
    with RecordingServer(tls=context) as server:
        with on_a_terminal(*at(server), "--tls", *options) as pty:
            assert pty.wait_exit() == 4
            assert pty.restored
            assert_harmless(pty)
        with on_a_terminal(*at(server), "--tls", "--insecure", *options) as pty:
            pty.wait_for("AUTHORIZATION")
            pty.send(b"\x04")
            assert pty.wait_exit() == 0
            assert "certificate NOT verified" in pty.text


def test_names_in_a_certificate_in_a_pipe(tmp_path: Path) -> None:
    with RecordingServer(tls=hostile_identity(tmp_path)) as server:
        finished = piped(b"", *at(server), "--tls")
    assert finished.code == 4
    assert UNFIT.search(finished.stderr) is None
    assert "4242" in finished.stderr


# Floods.  The numbers are those of the issue.

FLOOD_OCTETS = 100_000_000
SHORT_LINES = 10_000_000

MEMORY = 150_000_000
"""Octets of memory that a shell may ever need: the interpreter with prompt_toolkit has about 45
million, 8 MiB of a reply are kept there, and copies of what one read brought come and go."""

FLOOD_TIMEOUT = 60.0  # seconds; a few on an idle machine

REPLIES: dict[str, tuple[Step, ...]] = {
    "a status line without end": (Send(b"+OK "), Flood(b"x", FLOOD_OCTETS), Send(b"\r\n.\r\n")),
    "a body line without end": (Send(b"+OK\r\n"), Flood(b"x", FLOOD_OCTETS), Send(b"\r\n.\r\n")),
    "short lines": (Send(b"+OK\r\n"), Flood(b"x\r\n", 3 * SHORT_LINES), Send(b".\r\n")),
    "empty lines": (Send(b"+OK\r\n"), Flood(b"\r\n", 2 * SHORT_LINES), Send(b".\r\n")),
}
"""Replies to LIST."""

UNASKED: dict[str, tuple[Step, ...]] = {
    "a line without end": (Flood(b"x", FLOOD_OCTETS),),
    "short lines": (Flood(b"x\r\n", 3 * SHORT_LINES),),
    "short lines behind a LF": (Flood(b"x\n", 2 * SHORT_LINES),),
}


@SHELLS
@pytest.mark.parametrize("reply", REPLIES)
def test_a_flood_for_a_reply(reply: str, options: tuple[str, ...]) -> None:
    steps: list[Step] = [Send(b"+OK ready\r\n"), Expect(b"LIST\r\n"), *REPLIES[reply]]
    steps += [Expect(b"NOOP\r\n"), Send(b"+OK still here\r\n"), Close()]
    with ScriptedServer(steps) as server, on_a_terminal(*at(server), *options) as pty:
        pty.wait_for("AUTHORIZATION")
        pty.send("LIST\r")
        pty.wait_until(lambda: server.received == b"LIST\r\n")
        pty.send("NOOP\r")
        pty.wait_until(lambda: "still here" in "\n".join(pty.history()), timeout=FLOOD_TIMEOUT)
        pty.wait_for("(closed)")
        assert peak_memory(pty.process.pid) < MEMORY
        pty.send(b"\x04")
        assert pty.wait_exit() == 0
        assert pty.restored


@SHELLS
@pytest.mark.parametrize("unasked", UNASKED)
def test_a_flood_that_nobody_asked_for(unasked: str, options: tuple[str, ...]) -> None:
    steps: list[Step] = [Send(b"+OK ready\r\n"), *UNASKED[unasked], Close()]
    with ScriptedServer(steps) as server, on_a_terminal(*at(server), *options) as pty:
        pty.wait_for("(closed)", timeout=FLOOD_TIMEOUT)

        def accounted_for() -> bool:
            """Whether what is not shown is counted, or said to be discarded."""
            seen = said_once("\n".join(pty.history()))
            return "more unsolicited lines" in seen or "is discarded" in seen

        # The prompt may say that the connection is closed before the last lines stand above it.
        pty.wait_until(accounted_for)
        assert peak_memory(pty.process.pid) < MEMORY
        pty.send(":help RETR\r")
        pty.wait_until(lambda: "[RFC 1939" in pty.text or "RFC 1939 §5" in pty.text)
        pty.send(b"\x04")
        assert pty.wait_exit() == 0
        assert pty.restored


def test_a_greeting_without_end_can_be_left() -> None:
    endless = ScriptedServer([Flood(b"x", 10**15)])
    with endless as server, on_a_terminal(*at(server)) as pty:
        pty.wait_for("this line doesn't end")
        pty.send(b"\x04")
        assert pty.wait_exit() == 0
        assert pty.restored
