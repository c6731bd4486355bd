r"""What is typed is what is sent: every octet of an odd line, and CRLF behind it.

The server refuses whatever it gets, so that also `AUTH` and `RETR` are no more than lines.  `STLS`
is not
among them: what is sent after it waits for TLS, and stays back where the server refuses that.
Four ways lead from a person to a server: a pipe, the live shell, the live shell with a paste, and
the shell that never redraws.

Some keys never were text in a line editor, and are left out where lines are typed: those of
`CONTROL_KEYS`, the Tab where something can be completed, and the colon of a local command.
"""

from __future__ import annotations

import pytest

from tests.servers.recording import RecordingServer
from tests.servers.terminal import Pty
from tests.shell.black_box import at, on_a_terminal, piped

REFUSAL = b"-ERR recorded\r\n"

ODD_LINES: tuple[bytes, ...] = (
    b"",
    b" ",
    b"   ",
    b" STAT",
    b"  STAT",
    b"STAT ",
    b"STAT   ",
    b"LIST  1",
    b"LIST   1   ",
    b" USER  bob ",
    b"NOOP x\ty",
    b"NOOP x\t\t",
    b"quit",
    b"Quit",
    b"QUIT now",
    b"help",
    b"exit",
    b"stat",
    b"sTaT",
    b"RETR",
    b"RETR 0",
    b"RETR -1",
    b"RETR 99999999999999999999999999",
    b"TOP 1 1 1 1",
    b"CAPA extra",
    b"AUTH PLAIN",
    b"*",
    b"=",
    b".",
    b"..",
    b".STAT",
    b"+OK",
    b"-ERR",
    b"Qm9iCg==",
    b"R2V0Cg==",
    b"/+/+/w==",
    b"+/v8/Q==",
    b"::",
    b"::x",
    b";:x",
    b"C: STAT",
    b"S: +OK",
    b"# no comment",
    b"!ls",
    b"$HOME `id` $(id) %s %d {x} {{y}}",
    b"'single' \"double\" \\n \\x00 \\",
    b"<close connection>",
    "USER bjørn".encode(),
    "USER 漢字 \N{GRINNING FACE} e\u0301".encode(),
    b"x" * 2000,
    b"PASS " + b"y" * 1990,
    b"PASS  two blanks  ",
    b"APOP mrose c4c9334bac560ecc979e58001b3e22fb",
)
"""Lines as they should arrive; a shell wants `:` in front of one that begins with a colon."""

ONLY_WITHOUT_KEYS: tuple[bytes, ...] = (
    b"\tSTAT",
    b"STAT\t",
    b"\t\t",
    b"NOOP \xff\xfe\x80",
    b"NOOP \xc3",
)
"""Lines that no keyboard makes: a Tab where something can be completed, octets that are no UTF-8."""

CONTROL_KEYS = bytes(range(32)).replace(b"\t", b"") + b"\x7f"
"""Octets that a terminal sends for keys of the line editor: Ctrl-A to Ctrl-Z, ESC, Backspace."""

ONLY_PIPED: tuple[bytes, ...] = (
    b":help",
    b":send x",
    b":",
    b"NOOP \x00 NUL",
    b"NOOP \x1b[31m \x07 \x08 \x7f",
    b"NOOP one\rCR within",
    b"NOOP CR at the end\r",
)
"""Lines in which a shell would see keys or a local command."""

SENT: tuple[tuple[bytes, bytes], ...] = (
    (rb":send STAT\r\n", b"STAT\r\n"),
    (rb":send NOOP\n", b"NOOP\n"),
    (rb":send NOOP \x00\r\n", b"NOOP \0\r\n"),
    (rb":send NO\0OP\x0d\x0a", b"NO\0OP\r\n"),
    (rb":send A\r\nB\r\n", b"A\r\nB\r\n"),
    (rb":send  \e\t\\\xff \r\n", b" \x1b\t\\\xff \r\n"),
    (b":send bj\xc3\xb8rn\\r\\n", b"bj\xc3\xb8rn\r\n"),
)
"""What is typed, and every octet that is sent for it."""


def recorder() -> RecordingServer:
    return RecordingServer(reply=lambda _line: REFUSAL)


def wire(lines: tuple[bytes, ...]) -> bytes:
    return b"".join(line + b"\r\n" for line in lines)


def typed(line: bytes) -> bytes:
    """Return what a person types to send a line."""
    return b":" + line if line.startswith(b":") else line


def type_each(pty: Pty, server: RecordingServer, lines: tuple[bytes, ...], end: bytes) -> None:
    """Type lines one by one, as a person does who waits for each answer."""
    for line in lines:
        before = server.received
        pty.send(typed(line) + end)
        try:
            pty.wait_until(lambda b=before: server.received != b)  # type: ignore[misc]
        except AssertionError as error:
            raise AssertionError(f"after {line!r}: {error}") from None


def test_the_lines_are_many_and_different() -> None:
    assert len(set(ODD_LINES)) == len(ODD_LINES) >= 40
    assert not any(set(line) & set(CONTROL_KEYS) for line in ODD_LINES)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_piped(end: bytes) -> None:
    lines = ODD_LINES + ONLY_WITHOUT_KEYS + ONLY_PIPED
    with recorder() as server:
        finished = piped(b"".join(line + end for line in lines), *at(server))
        # One CR belongs to the end of a line, and no more than one.
        whole = tuple(x.removesuffix(b"\r") if end == b"\n" else x for x in lines)
        assert server.wait_for_end() == wire(whole)
    assert finished.code == 1
    assert finished.stdout.count(REFUSAL) == len(lines)
    # There is a login among them, and it fails; others have a CR or a NUL within.
    odd, login = finished.stderr.splitlines()
    assert odd.startswith("poptalk: a line has a carriage return or a NUL within")
    assert login.startswith("poptalk: the server did not let you in (mrose at ")


def test_piped_with_local_commands() -> None:
    lines = b"".join(typed(line) + b"\n" for line in ODD_LINES)
    escapes = b"".join(line + b"\n" for line, _ in SENT)
    with recorder() as server:
        piped(lines + escapes, "--local-commands", *at(server))
        assert server.wait_for_end() == wire(ODD_LINES) + b"".join(sent for _, sent in SENT)


@pytest.mark.parametrize("options", [(), ("--plain",)], ids=["live", "linear"])
def test_typed(options: tuple[str, ...]) -> None:
    with recorder() as server, on_a_terminal(*at(server), *options) as pty:
        pty.wait_for("AUTHORIZATION")
        type_each(pty, server, ODD_LINES, b"\r")
        assert server.received == wire(ODD_LINES)


@pytest.mark.parametrize("options", [(), ("--plain",)], ids=["live", "linear"])
def test_sent_with_escapes(options: tuple[str, ...]) -> None:
    with recorder() as server, on_a_terminal(*at(server), *options) as pty:
        pty.wait_for("AUTHORIZATION")
        for keys, octets in SENT:
            before = server.received
            pty.send(keys + b"\r")
            pty.wait_until(lambda b=before, o=octets: server.received == b + o)  # type: ignore[misc]


def test_typed_without_a_line_end() -> None:
    with recorder() as server, on_a_terminal(*at(server)) as pty:
        pty.wait_for("AUTHORIZATION")
        pty.send(b":send NO\r")
        pty.wait_until(lambda: server.received == b"NO")
        pty.send(b"OP\r")
        pty.wait_until(lambda: server.received == b"NOOP\r\n")


FIVE = (b"USER bob", b" PASS  x ", b"", b"\tLIST", b"quit")


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"], ids=["LF", "CR", "CRLF"])
def test_pasted_five_at_once(end: bytes) -> None:
    with recorder() as server, on_a_terminal(*at(server)) as pty:
        pty.wait_for("AUTHORIZATION")
        pty.send(b"\x1b[200~" + end.join(FIVE) + end + b"\x1b[201~")
        pty.wait_until(lambda: server.received.count(b"\n") >= len(FIVE))
        assert server.received == wire(FIVE)


def test_pasted_all_at_once_but_for_the_end_of_the_last() -> None:
    lines = ODD_LINES + ONLY_WITHOUT_KEYS
    with recorder() as server, on_a_terminal(*at(server)) as pty:
        pty.wait_for("AUTHORIZATION")
        pty.send(b"\x1b[200~" + b"\r".join(map(typed, lines)) + b"\x1b[201~")
        pty.wait_until(lambda: server.received == wire(lines[:-1]))
        pty.send(b"!\r")
        pty.wait_until(lambda: server.received == wire((*lines[:-1], lines[-1] + b"!")))


@pytest.mark.parametrize("options", [(), ("--plain",)], ids=["live", "linear"])
def test_pasted_where_the_terminal_does_not_tell(options: tuple[str, ...]) -> None:
    lines = tuple(line for line in FIVE if b"\t" not in line)
    with recorder() as server, on_a_terminal(*at(server), *options) as pty:
        pty.wait_for("AUTHORIZATION")
        pty.send(b"\r".join(lines) + b"\r")
        pty.wait_until(lambda: server.received.count(b"\n") >= len(lines))
        assert server.received == wire(lines)


def test_a_linear_shell_has_no_completion() -> None:
    with recorder() as server, on_a_terminal(*at(server), "--plain") as pty:
        pty.wait_for("AUTHORIZATION")
        type_each(pty, server, ONLY_WITHOUT_KEYS, b"\r")
        assert server.received == wire(ONLY_WITHOUT_KEYS)
