"""The linear shell: a prompt that is never redrawn (`--plain`, TERM=dumb, screen readers).

Every line is written once, in order.  What the server says while a line is half typed goes on rows of
its own, and the prompt with the half-typed line is written again below.
"""

from __future__ import annotations

import codecs
import os
import select
import shutil
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from math import inf
from operator import itemgetter
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING

from poptalk.net.connection import Link
from poptalk.net.endpoint import Destination
from poptalk.net.errors import (
    CLOSED_BY_US,
    ConnectFailed,
    ConnectionLost,
    NetError,
    TlsFailed,
    no_tls_in_time,
)
from poptalk.pop3.events import Sent
from poptalk.session.client import BlockingDriver
from poptalk.session.log import SessionRecord
from poptalk.session.session import Session
from poptalk.shell.shell import Shell
from poptalk.shell.view import View
from poptalk.terminal.safe import cells
from poptalk.terminal.screen import LinearScreen, set_attributes, stop_with
from poptalk.terminal.standard_input import StandardInput

if TYPE_CHECKING:
    from poptalk.shell.commands.registry import LocalCommand
    from poptalk.terminal.screen import Attributes
    from poptalk.terminal.theme import Theme

# Typing a line on a terminal that is never redrawn, with secrets masked.
#
# The terminal's own line editing echoes everything, even a password.  Here the echo is ours: each key
# echoes the character, or `*` once the line is secret.  Backspace, Ctrl-U, Ctrl-C and Ctrl-D work as
# everywhere.


try:
    import termios
except ImportError:  # Windows
    termios = None  # type: ignore[assignment]

_ERASE = ("\x7f", "\x08")
_KILL = "\x15"
_SUSPEND = "\x1a"
_INTERRUPT = "\x03"
_ENDS = ("\x04", _SUSPEND)
"""On Windows Ctrl-Z doesn't suspend, and ends input."""
_ENTER = ("\r", "\n")


class LineInput:
    """Gathers the keys of a terminal into lines; a context manager that restores the terminal."""

    def __init__(
        self,
        descriptor: int,
        *,
        echo: Callable[[str], None],
        read: Callable[[], bytes] | None = None,
    ) -> None:
        """Make an input; the terminal is unchanged until the context is entered.

        Args:
            descriptor: the terminal.
            echo: writes text after the prompt.
            read: reads keys; None reads the descriptor.
        """
        self.text = ""
        """What is typed of the line."""
        self.secret_from: Callable[[str], int | None] = lambda _text: None
        """Returns the index from which a line is secret; None if it isn't."""
        self.draw_again: Callable[[], None] = lambda: None
        """Writes the prompt and the half-typed line on a new row."""
        self._descriptor = descriptor
        self._echo = echo
        self._read = read or (lambda: os.read(descriptor, 4096))
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._keys = ""
        self._before: Attributes | None = None

    def __enter__(self) -> LineInput:
        if termios is not None:
            self._before = termios.tcgetattr(self._descriptor)
            mode = termios.tcgetattr(self._descriptor)
            mode[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG)
            mode[0] &= ~termios.ICRNL
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, mode)
        return self

    def __exit__(self, *_: object) -> None:
        set_attributes(self._descriptor, self._before)

    def suspend(self) -> None:
        """Suspend the program as Ctrl-Z does elsewhere, with the terminal as it was before."""
        self._echo("^Z\n")
        stop_with(self._descriptor, self._before)
        self.draw_again()

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let Ctrl-C be a signal while something other than keys is awaited."""
        if self._before is None:
            yield
            return
        mode = termios.tcgetattr(self._descriptor)
        signalling = [*mode[:3], mode[3] | termios.ISIG, *mode[4:]]
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, signalling)
        try:
            yield
        finally:
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, mode)

    def read(self) -> bool:
        """Read the keys that the terminal has; False if it is gone."""
        try:
            data = self._read()
        except OSError:
            return False
        self._keys += self._decoder.decode(data)
        return bool(data)

    def next_line(self) -> str | None:
        """Return the next complete line; None if there is none yet.

        Raises:
            KeyboardInterrupt: for Ctrl-C.
            EOFError: for Ctrl-D on an empty line.
        """
        while self._keys:
            key, self._keys = self._keys[0], self._keys[1:]
            if key in _ENTER:
                if key == "\r" and self._keys[:1] == "\n":
                    self._keys = self._keys[1:]
                line, self.text = self.text, ""
                self._echo("\n")
                return line
            self._act(key)
        return None

    def _act(self, key: str) -> None:
        if key == _INTERRUPT:
            cleared, self.text = bool(self.text), ""
            raise KeyboardInterrupt(cleared)
        if key == _SUSPEND and termios is not None:
            self.suspend()
            return
        if key in _ENDS:
            if not self.text:
                raise EOFError
        elif key in _ERASE:
            self._erase(1)
        elif key == _KILL:
            self._erase(len(self.text))
        else:
            self.text += key
            self._echo(self._shown(key))

    def _erase(self, count: int) -> None:
        for _ in range(min(count, len(self.text))):
            shown = self._shown(self.text[-1])
            self.text = self.text[:-1]
            self._echo("\b \b" * cells(shown))

    def _shown(self, key: str) -> str:
        """Return how the last character of `text` is shown."""
        secret_from = self.secret_from(self.text)
        if secret_from is not None and len(self.text) > secret_from:
            return "*"
        return _glyph(key)

    def shown_text(self) -> str:
        """Return the half-typed line as it is shown, to be written again below a reply."""
        start = self.secret_from(self.text)
        if start is None:
            start = len(self.text)
        return "".join(map(_glyph, self.text[:start])) + "*" * (len(self.text) - start)


def _glyph(key: str) -> str:
    """Return how a character is shown: itself, `^X` for a control, `?` for one that draws nothing."""
    if key.isprintable():
        return key
    return f"^{chr(ord(key) ^ 0x40)}" if key.isascii() else "?"


DEFAULT_ROWS = 24

WAIT_SECONDS = 1.0
"""How long a reply may take before a message says that it is awaited: no prompt says so."""


class PlainShell(Shell):
    """A shell that reads keys and the server in turn."""

    screen: LinearScreen

    def __init__(
        self,
        *,
        theme: Theme,
        color: bool,
        timeout: float | None,
        commands: Mapping[str, LocalCommand],
    ) -> None:
        """Make a shell on standard input and output that is not connected.

        Args:
            theme: what the styles look like.
            color: whether to use colours at all.
            timeout: seconds for connecting, and until a reply is overdue.
            commands: the local commands.
        """
        screen = LinearScreen(sys.stdout, theme=theme, color=color)
        session = Session(clock=monotonic)
        view = View(session, show=screen.show, size=_size)
        super().__init__(session, view, screen, commands)
        session.record = SessionRecord(session)
        session.failed = self._failed
        session.observe({Sent: lambda _event: self.watch()})
        view.shows_sent = False
        self._input = StandardInput(keys=True)
        self._keys = LineInput(self._input.descriptor, echo=screen.echo, read=self._input.read)
        self._keys.secret_from = self.secret_in_text
        self._keys.draw_again = self._prompt_again
        self.timeout = timeout
        self._link: Link | None = None
        self._leaving = False
        self._reminders: list[tuple[float, Callable[[], None]]] = []
        """What to say if the server is silent until a certain time."""
        self._wait_begun: float | None = None
        """Since when a reply is awaited; infinity once a message has said so."""
        self._alarms: list[tuple[float, Callable[[], None]]] = []
        """What to do at a certain time, whatever happens before."""
        self._done: deque[Callable[[], None]] = deque()
        """What to call now that threads have done their work."""
        self._works = 0
        """How many threads have been started."""
        self._bell, self._ring = socket.socketpair()
        """A thread writes to the ring when its work is done, and the loop reads from the bell."""
        session.in_thread = self._in_thread

    # For the local commands.

    def open(self, destination: Destination) -> None:
        """Connect; a failure is shown, and Ctrl-C gives up."""
        self.close()
        self.reopened = True
        try:
            with self._keys.interruptible():
                self.connect(destination)
        except NetError as error:
            self.not_connected(error)
        except KeyboardInterrupt:
            self.close()
            self.not_connected(ConnectFailed("gave up connecting"))

    def connect(self, destination: Destination) -> None:
        """Connect.

        Raises:
            ConnectFailed: no connection was made.
            TlsFailed: TLS failed.
        """
        self.session.destination = destination
        settings = destination.tls_settings() if destination.tls else None
        link = self._link = Link.open(destination.target, timeout=self.timeout, tls=settings)
        driver = BlockingDriver(link, destination, self.session)
        self.watch()
        if destination.starttls:
            try:
                driver.require_tls()
            except TlsFailed as error:
                if link.ending is CLOSED_BY_US and isinstance(error.__cause__, ConnectionLost):
                    raise no_tls_in_time(self.timeout or 0) from error
                raise
            finally:
                if link.ending is not None:
                    self._hung_up()
        if self.half_typed:
            self._keys.text, self.half_typed = self.half_typed, ""

    def close(self) -> None:
        """Close the connection without QUIT."""
        if self._link is not None:
            self._link.close()
            self._hung_up()

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something later."""
        self._alarms.append((monotonic() + seconds, action))
        self._alarms.sort(key=itemgetter(0))

    def _in_thread(self, work: Callable[[], None], then: Callable[[], None]) -> None:
        """Do work in a thread, while the loop hears keys and the server."""

        def do() -> None:
            try:
                work()
            finally:
                self._done.append(then)
                with suppress(OSError):  # The shell may have ended meanwhile.
                    self._ring.send(b"\0")

        Thread(target=do, daemon=True).start()
        self._works += 1
        self.after(WAIT_SECONDS, partial(self._tell_work, self._works))

    def _tell_work(self, number: int) -> None:
        """Say that a thread is still working, and how to stop it."""
        procedure = self.session.procedure
        if number == self._works and procedure is not None and procedure.working:
            self.view.remark(f":{procedure.name} is still running; Ctrl-C stops it")

    def leave(self) -> None:
        """End the shell."""
        self._leaving = True

    def stop(self) -> None:
        """Suspend the program, whatever it is doing."""
        self._keys.suspend()

    # The loop.

    def run(self) -> None:
        """Talk until the user leaves."""
        with self._keys:
            try:
                with suppress(EOFError):
                    while not self._leaving:
                        self._turn()
                if not self._leaving:
                    self.view.remark("leaving; nothing was sent")
                self.tell_controller(lambda controller: controller.left())
            finally:
                self.close()
                self.session.close()
                self._bell.close()
                self._ring.close()

    def _turn(self) -> None:
        """Wait for keys and for the server, and act on what comes."""
        self._prompt()
        link = self._link
        sources: list[StandardInput | socket.socket | Link] = [self._input, self._bell]
        if link is not None:
            sources.append(link)
        ready = self._wait(sources, at_once=link is not None and link.pending())
        # Keys first: Ctrl-C must be heard even in the middle of a flood.
        if self._input in ready and not self._keys.read():
            raise EOFError
        self._act_on_lines()
        if self._bell in ready:
            self._bell.recv(1)
            self._done.popleft()()
        if self._link is link and link is not None and (link in ready or link.pending()):
            self._listen(link)
            self._act_on_lines()

    def _wait(
        self, sources: list[StandardInput | socket.socket | Link], *, at_once: bool
    ) -> list[StandardInput | socket.socket | Link]:
        """Wait until a source can be read, or until a reminder or an alarm is due, and act on that.

        Args:
            sources: the keys, the bell, and the server.
            at_once: whether only to look.

        Returns:
            The sources that can be read; none if something was due.
        """
        timed = min(
            (self._reminders, self._alarms), key=lambda times: times[0][0] if times else inf
        )
        left = max(0, timed[0][0] - monotonic()) if timed else None
        ready, _, _ = select.select(sources, [], [], 0 if at_once else left)
        if timed and not (ready or at_once):
            _, act = timed.pop(0)
            act()
        return list(ready)

    def watch(self) -> None:
        """Set the reminders: for the rest of a line, and for what the server owes."""
        now = monotonic()
        self._reminders = [(now + seconds, say) for seconds, say in self.reminders()]
        if not self.waits or self.controller is not None:
            self._wait_begun = None
        elif self._wait_begun is None:
            self._wait_begun = now
        if self._wait_begun is not None and self._wait_begun != inf:
            self._reminders.append((self._wait_begun + WAIT_SECONDS, self._tell_wait))
            self._reminders.sort(key=lambda each: each[0])

    def _tell_wait(self) -> None:
        """Say, once, that a reply is awaited, how far it has come, and how to stop waiting."""
        self._wait_begun = inf
        exchanges = self.session.exchanges
        far = ""
        if exchanges.receiving is not None:
            about = "" if exchanges.announced is None else f" of about {exchanges.announced:,}"
            far = f", {exchanges.receiving.octets:,} octets{about} so far"
        self.view.remark(f"waiting for {self.session.awaited}{far}; Ctrl-C stops waiting")

    def _prompt(self, *, although_due: bool = False) -> None:
        """Write the prompt, unless it is there already or a reply is due."""
        if self.screen.at_prompt:
            return
        if although_due or self._wants_a_line():
            prompt = self.prompt_within(self.view.size()[1])
            self.screen.prompt([("prompt", prompt), ("text", self._keys.shown_text())])

    def _prompt_again(self) -> None:
        self.screen.answered()
        self._prompt()

    def _wants_a_line(self) -> bool:
        """Whether a prompt is due: no reply is awaited, and no procedure is at work."""
        procedure = self.session.procedure
        due = procedure.question is None if procedure is not None else self.waits
        return not due if self.controller is None else self.controller.wants_a_line(due=due)

    def _act_on_lines(self) -> None:
        while not self._leaving:
            try:
                text = self._keys.next_line()
            except KeyboardInterrupt as interrupt:
                self.screen.prompt([("text", "^C\n")])
                self.screen.answered()
                self.interrupt(cleared=interrupt.args == (True,))
                self._prompt(although_due=True)
                continue
            if text is None:
                return
            self.screen.answered()
            self.enter(text)

    def _listen(self, link: Link) -> None:
        """Take what the server says next.

        Raises:
            TlsFailed: it wants a client certificate, and the shell is of no use without one.
        """
        try:
            data = link.receive_once()
        except TlsFailed as error:
            if self.is_refused(error):
                raise
            self._failed(error)
            return
        if data is None:
            return
        if not data:
            self._hung_up()
            return
        encrypted = self.session.core.encrypted
        half_typed = self._keys.text
        answering = bool(half_typed) and self.answering_auth
        try:
            with self._keys.interruptible() if self.session.core.awaiting_tls else nullcontext():
                self.session.received(data)
        except KeyboardInterrupt:  # in the TLS handshake
            link.close()
            self.session.tls_failed(TlsFailed("given up"))
            return
        if answering and self.withdraws_answer(half_typed):
            self._keys.text = ""
        if self.session.core.encrypted and not encrypted:
            self.tell_controller(lambda controller: controller.tls_begun())
        self.watch()
        self.tell_controller(lambda controller: controller.listened())

    def _failed(self, error: NetError) -> None:
        """Show that the connection is broken, or that TLS failed."""
        self.show_failure(error)
        self._hung_up()

    def _hung_up(self) -> None:
        """Take note of the end of the connection; what is half typed is kept for the next one."""
        link, self._link = self._link, None
        if link is None:
            return
        link.close()
        self.keep_half_typed(self._keys.text)
        self._keys.text = ""
        assert link.ending is not None
        self.connection_ended(link.ending)
        self.watch()


def _size() -> tuple[int, int]:
    """Return the terminal's own rows and columns: COLUMNS may be an old window's."""
    try:
        size = os.get_terminal_size(sys.stdout.fileno())
    except OSError:
        size = shutil.get_terminal_size()
    # A terminal that knows no size says 0.
    return size.lines or DEFAULT_ROWS, size.columns
