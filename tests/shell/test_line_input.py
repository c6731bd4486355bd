"""Typing on a terminal that is never redrawn, at a real pseudo-terminal."""

import os
import pty
import termios
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from poptalk.shell.plain import LineInput


@dataclass(kw_only=True)
class Desk:
    """A terminal with a line input at it."""

    master: int
    slave: int
    shown: list[str] = field(default_factory=list)
    keys: LineInput = field(init=False)

    def __post_init__(self) -> None:
        self.keys = LineInput(self.slave, echo=self.shown.append)

    def type(self, keys: str | bytes) -> None:
        os.write(self.master, keys.encode() if isinstance(keys, str) else keys)
        assert self.keys.read()

    @property
    def echo(self) -> str:
        return "".join(self.shown)


@pytest.fixture
def desk() -> Iterator[Desk]:
    master, slave = pty.openpty()
    with Desk(master=master, slave=slave).keys:
        pass
    desk = Desk(master=master, slave=slave)
    with desk.keys:
        yield desk
    os.close(master)
    os.close(slave)


def test_keys_are_echoed_and_enter_gives_the_line(desk: Desk) -> None:
    desk.type("ST")
    assert desk.keys.next_line() is None
    assert desk.keys.text == "ST"
    desk.type("AT\r")
    assert desk.keys.next_line() == "STAT"
    assert desk.keys.text == ""
    assert desk.echo == "STAT\n"


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_a_paste_is_as_many_lines(desk: Desk, end: str) -> None:
    desk.type(end.join(["USER bob", "", "PASS jones", "QU"]))
    assert [desk.keys.next_line() for _ in range(4)] == ["USER bob", "", "PASS jones", None]
    assert desk.keys.text == "QU"


def test_backspace_and_ctrl_u(desk: Desk) -> None:
    desk.type("STAX\x7fT")
    assert desk.keys.next_line() is None
    assert desk.echo == "STAX\b \bT"
    desk.type("\x15")
    assert desk.keys.next_line() is None
    assert desk.keys.text == ""
    assert desk.echo.endswith("\b \b" * 4)
    desk.type("\x7f")
    assert desk.keys.next_line() is None
    assert desk.echo.endswith("T" + "\b \b" * 4)


def test_as_many_cells_are_erased_as_were_written(desk: Desk) -> None:
    desk.type("漢\x01\x7f\x7f")
    assert desk.keys.next_line() is None
    assert desk.echo == "漢^A" + "\b \b" * 4
    assert desk.keys.text == ""


def test_ctrl_c_and_ctrl_d(desk: Desk) -> None:
    desk.type("STAT\x03NO\x04OP\r\x04")
    with pytest.raises(KeyboardInterrupt):
        desk.keys.next_line()
    assert desk.keys.next_line() == "NOOP"
    with pytest.raises(EOFError):
        desk.keys.next_line()


def test_a_secret_is_echoed_as_stars(desk: Desk) -> None:
    desk.keys.secret_from = lambda text: 5 if text.startswith("PASS ") and len(text) > 5 else None
    desk.type("PASS jo\x7fo")
    assert desk.keys.next_line() is None
    assert desk.echo == "PASS **\b \b*"
    assert desk.keys.shown_text() == "PASS **"


def test_what_is_written_again_is_what_was_echoed(desk: Desk) -> None:
    desk.type("a\x1b[b\u202ec")
    assert desk.keys.next_line() is None
    assert desk.echo == "a^[[b?c" == desk.keys.shown_text()
    assert desk.keys.text == "a\x1b[b\u202ec"


def test_octets_that_are_no_utf_8_are_kept(desk: Desk) -> None:
    desk.type(b"USER \xff\xc3")
    assert desk.keys.next_line() is None
    desk.type(b"\xa9\r")
    line = desk.keys.next_line()
    assert line is not None
    assert line.encode("utf-8", "surrogateescape") == b"USER \xff\xc3\xa9"


def test_a_terminal_that_is_gone(desk: Desk) -> None:
    master, slave = pty.openpty()
    keys = LineInput(slave, echo=desk.shown.append)
    with keys:
        os.close(master)
        assert not keys.read()
    os.close(slave)


def test_the_terminal_is_restored_and_ctrl_c_a_signal_only_on_request() -> None:
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    with LineInput(slave, echo=lambda _text: None) as keys:
        inside = termios.tcgetattr(slave)
        assert not inside[3] & (termios.ICANON | termios.ECHO | termios.ISIG)
        with keys.interruptible():
            waiting = termios.tcgetattr(slave)
            assert waiting[3] & termios.ISIG
            assert not waiting[3] & termios.ECHO
        assert termios.tcgetattr(slave) == inside
    assert termios.tcgetattr(slave) == before
    with keys.interruptible():
        assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)
