"""Terminals for the tests: a screen to write to in this process, and a real pseudo-terminal.

`Terminal` is a text file that feeds a `pyte` screen; prompt_toolkit and the code that prints write
to it (`make_output`), and a test reads what a person would see.  `Pty` runs a program behind a
pseudo-terminal, types keys, answers the terminal's queries as late as asked, or never, and proves
that the terminal was given back as it was.  Both are read by the same methods, those of
`ScreenReader`.  Nothing waits for a time to pass: it waits for a condition, with a time-out.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import io
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

import pyte
import pyte.modes
from prompt_toolkit.data_structures import Size
from prompt_toolkit.output.vt100 import Vt100_Output
from pyte.screens import Char

TERM = "xterm-256color"
HISTORY_LINES = 10_000  # scrolled-off lines kept; more than any test prints line by line
SETTLE_TIMEOUT = 5.0  # seconds in which a condition must come to hold in this process
PTY_TIMEOUT = 15.0  # seconds for the same in another process, which has to be started first
LOOP_TURN = 0.002  # seconds between two looks at a condition
EXIT_CHECK = 0.02  # seconds between two looks whether the program has ended
READ_SIZE = 65_536  # octets for each read of the pseudo-terminal


class Cursor(NamedTuple):
    """Where the cursor is, counted from 0."""

    row: int
    column: int


class ScreenReader:
    """What a test reads from a terminal, whatever feeds it."""

    screen: pyte.HistoryScreen

    def lines(self) -> list[str]:
        """Return the rows of the screen, without the blanks at their right ends."""
        return [self._text_of(row) for row in self._visible()]

    def history(self) -> list[str]:
        """Return the rows that scrolled off and those on the screen, the oldest first."""
        return [self._text_of(row) for row in self._all_rows()]

    @property
    def text(self) -> str:
        """The screen as one text, without the empty rows at its end."""
        return "\n".join(self.lines()).rstrip("\n")

    @property
    def cursor(self) -> Cursor:
        """Where the cursor is."""
        return Cursor(self.screen.cursor.y, self.screen.cursor.x)

    def colour_of(self, text: str) -> str:
        """Return the foreground of the first cell of the first occurrence of *text*.

        It is pyte's name of the colour (``red``, ``brown`` for yellow, ``brightblack``), six
        hexadecimal digits for one of 256 or more, and ``default`` for none.

        Raises:
            AssertionError: the text is neither on the screen nor in the history.
        """
        return self.cell_of(text).fg

    def cell_of(self, text: str) -> Char:
        """Return the first cell of the first occurrence of *text*, for its other attributes.

        Raises:
            AssertionError: the text is neither on the screen nor in the history.
        """
        for row in self._all_rows():
            cells: list[Char] = [row[column] for column in range(self.screen.columns)]
            found = "".join(cell.data for cell in cells).find(text)
            if found < 0:
                continue
            # A wide character takes two cells, the second one empty: count characters, not cells.
            passed = 0
            for cell in cells:
                passed += len(cell.data)
                if passed > found:
                    return cell
        raise AssertionError(f"{text!r} is not on the screen:\n{self.text}")

    def _visible(self) -> list[Any]:
        return [self.screen.buffer[row] for row in range(self.screen.lines)]

    def _all_rows(self) -> list[Any]:
        return [*self.screen.history.top, *self._visible()]

    def _text_of(self, row: Any) -> str:
        return "".join(row[column].data for column in range(self.screen.columns)).rstrip()


class Terminal(ScreenReader, io.StringIO):
    """A text file whose content appears on a screen that the test reads.

    Attributes:
        screen: the `pyte` screen.
    """

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        super().__init__()
        self.screen = pyte.HistoryScreen(columns, rows, history=HISTORY_LINES)
        # The kernel's terminal driver makes CR LF of each LF (ONLCR); here the screen does.
        self.screen.set_mode(pyte.modes.LNM)
        self._stream = pyte.Stream(self.screen)
        self._written: list[str] = []

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding that the terminal understands."""
        return "utf-8"

    @property
    def raw(self) -> str:
        """Every character that was ever written, escape sequences included."""
        return "".join(self._written)

    def write(self, text: str, /) -> int:
        """Show *text* on the screen."""
        self._written.append(text)
        self._stream.feed(text)
        return len(text)

    def isatty(self) -> bool:
        """Say that this is a terminal."""
        return True

    async def settle(
        self, condition: Callable[[], bool], *, timeout: float = SETTLE_TIMEOUT
    ) -> None:
        """Let the event loop run until *condition* holds.

        Raises:
            AssertionError: it did not within *timeout* seconds; the text shows the screen.
        """
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(
                    f"In {timeout} s it did not come about. The screen:\n{self.text}"
                )
            await asyncio.sleep(LOOP_TURN)

    async def settle_text(self, text: str, *, timeout: float = SETTLE_TIMEOUT) -> None:
        """Let the event loop run until *text* is on the screen.

        Raises:
            AssertionError: it did not appear within *timeout* seconds; the text shows the screen.
        """
        await self.settle(lambda: text in self.text, timeout=timeout)


def make_output(terminal: Terminal) -> Vt100_Output:
    """Return prompt_toolkit's output for a terminal of this process.

    It asks for no cursor positions, since nobody answers here; `Pty` is for those tests.
    """

    def get_size() -> Size:
        return Size(rows=terminal.screen.lines, columns=terminal.screen.columns)

    return Vt100_Output(terminal, get_size, term=TERM, enable_cpr=False)


# Makes the terminal on standard input the controlling one, so that Ctrl-C is a signal; then becomes
# the program.  A preexec_fn would do the same, but must not be used while threads run.
TAKE_TERMINAL = """\
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""


class Pty(ScreenReader):
    """A program behind a pseudo-terminal; a context manager that ends it at exit.

    Args:
        argv: the program and its arguments.
        env: variables to add to the environment of this process, whose ``LINES`` and ``COLUMNS``
            are left out; TERM is `TERM` unless it is given here.
        cwd: the directory to run in; None for the present one.
        answer_after: seconds until the terminal answers a query such as that for the cursor's
            position; None for a terminal that never does.

    Attributes:
        raw: every octet that the program has written.
        screen: the `pyte` screen.
        process: the program.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        columns: int = 80,
        rows: int = 24,
        env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        answer_after: float | None = 0.0,
    ) -> None:
        self.raw = bytearray()
        self.screen = pyte.HistoryScreen(columns, rows, history=HISTORY_LINES)
        self.screen.write_process_input = self._answer  # type: ignore[method-assign]
        self._stream = pyte.ByteStream(self.screen)
        self._answer_after = answer_after
        self._answers: list[tuple[float, bytes]] = []
        self._outgoing = bytearray()
        # The program's side stays open here: its attributes outlive the program, and what the
        # program wrote last is not lost when it ends.
        self._master, self._slave = pty.openpty()
        os.set_blocking(self._master, False)
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.attributes_before = self.attributes()
        self.process = self._spawn(argv, env or {}, cwd)

    def _spawn(
        self, argv: Sequence[str], env: Mapping[str, str], cwd: str | os.PathLike[str] | None
    ) -> subprocess.Popen[bytes]:
        inherited = {k: v for k, v in os.environ.items() if k not in ("LINES", "COLUMNS")}
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", TAKE_TERMINAL, *argv],
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            env={**inherited, "TERM": TERM, **env},
            cwd=cwd,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._close()

    def attributes(self) -> list[Any]:
        """Return the attributes of the terminal, as `termios.tcgetattr` gives them."""
        return termios.tcgetattr(self._slave)

    @property
    def restored(self) -> bool:
        """Whether the terminal has the attributes that it had before the program was started."""
        return self.attributes() == self.attributes_before

    def send(self, keys: str | bytes) -> None:
        """Type *keys*; they are delivered while the test waits for something."""
        self._outgoing += keys.encode() if isinstance(keys, str) else keys
        self._pump(0)

    def wait_until(self, condition: Callable[[], bool], *, timeout: float = PTY_TIMEOUT) -> None:
        """Read what the program writes until *condition* holds.

        Raises:
            AssertionError: it did not within *timeout* seconds; the text shows the screen.
        """
        end = time.monotonic() + timeout
        while not condition():
            left = end - time.monotonic()
            if left <= 0:
                code = self.process.poll()
                state = "still runs" if code is None else f"ended with {code}"
                raise AssertionError(
                    f"In {timeout} s it did not come about; the program {state}."
                    f" The screen:\n{self.text}"
                )
            self._pump(min(left, EXIT_CHECK))

    def wait_for(self, text: str, *, timeout: float = PTY_TIMEOUT) -> None:
        """Read what the program writes until *text* is on the screen.

        Raises:
            AssertionError: it did not appear within *timeout* seconds; the text shows the screen.
        """
        self.wait_until(lambda: text in self.text, timeout=timeout)

    def wait_exit(self, *, timeout: float = PTY_TIMEOUT) -> int:
        """Wait for the end of the program and return its exit code, negative for a signal.

        Raises:
            AssertionError: it did not end within *timeout* seconds; the text shows the screen.
        """
        self.wait_until(lambda: self.process.poll() is not None, timeout=timeout)
        while self._pump(0):
            pass
        return self.process.wait()

    def read(self, seconds: float) -> None:
        """Read what the program writes within *seconds*, and deliver what was typed."""
        self._pump(seconds)

    def hang_up(self) -> None:
        """Close the terminal, as when its window is closed; the screen can still be read."""
        self._close()

    def _close(self) -> None:
        for descriptor in (self._master, self._slave):
            if descriptor >= 0:
                os.close(descriptor)
        self._master = self._slave = -1

    def _answer(self, data: str) -> None:
        if self._answer_after is not None:
            self._answers.append((time.monotonic() + self._answer_after, data.encode()))

    def _pump(self, timeout: float) -> bool:
        """Move octets both ways for at most *timeout* seconds; say whether any came."""
        if self._master < 0:
            select.select([], [], [], timeout)
            return False
        now = time.monotonic()
        while self._answers and self._answers[0][0] <= now:
            self._outgoing += self._answers.pop(0)[1]
        if self._answers:
            timeout = min(timeout, self._answers[0][0] - now)
        writable = [self._master] if self._outgoing else []
        readable, writable, _ = select.select([self._master], writable, [], timeout)
        if writable:
            with contextlib.suppress(BlockingIOError):
                del self._outgoing[: os.write(self._master, self._outgoing)]
        if not readable:
            return False
        data = os.read(self._master, READ_SIZE)
        self.raw += data
        self._stream.feed(data)
        return True
