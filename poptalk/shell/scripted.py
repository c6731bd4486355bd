"""Local commands in a pipe (`--local-commands`): `:log`, `:why`, `:send` and the others, in a script."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import sleep

from poptalk.login.sources import asker
from poptalk.net.destination import Destination
from poptalk.shell.base import Shell
from poptalk.shell.dialogue import Dialogue
from poptalk.shell.local import run_local
from poptalk.shell.pipe import Pipe
from poptalk.terminal.safe import Fragments
from poptalk.terminal.screen import LinearScreen


class ScriptedShell(Shell):
    """A pipe with local commands; it stays on the one connection that the pipe was opened for."""

    can_ask = False

    def __init__(self, *, pipe: Pipe, destination: Destination, screen: LinearScreen) -> None:
        """Make a shell around a pipe whose face is a `Dialogue`."""
        assert isinstance(pipe.face, Dialogue)
        self.dialogue = pipe.face
        self.destination = destination
        self.waiting = []
        self._pipe = pipe
        self._screen = screen
        self._leaving = False
        # With -e nothing is read from standard input, and it may be a terminal.
        self.ask = asker()

    def carry_out(self, text: str) -> bool:
        """Carry out a local command, given without its colon; False when the script is to end."""
        run_local(self, text)
        return not self._leaving

    @property
    def connected(self) -> bool:
        """Whether octets can be sent."""
        return self._pipe.link.ending is None

    def transmit(self, data: bytes) -> None:
        """Send octets as they are; the next line waits for the reply."""
        self._pipe.transmit(data)
        self._pipe.settle()

    def open(self, destination: Destination) -> None:
        """Refuse: a pipe is one session."""
        self.dialogue.warn(f"a pipe has one connection; start poptalk again for {destination}")

    def close(self) -> None:
        """Close the connection without a word to the server."""
        self._pipe.link.close()

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Wait, and do something: nothing else is heard in a script meanwhile."""
        sleep(seconds)
        action()

    def aside(self, work: Callable[[], None], then: Callable[[], None]) -> None:
        """Do work at once."""
        work()
        then()

    def leave(self) -> None:
        """End the script."""
        self._leaving = True

    def say(self, lines: Iterable[Fragments]) -> None:
        """Show lines of poptalk's own."""
        self._screen.show(lines)
