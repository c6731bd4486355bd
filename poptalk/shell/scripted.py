"""Local commands in a pipe (`--local-commands`): `:log`, `:why`, `:send` and the others, in a script."""

from __future__ import annotations

from collections.abc import Callable
from time import sleep

from poptalk.net.endpoint import Destination
from poptalk.session.login import Asker
from poptalk.session.password import asker
from poptalk.shell.commands.general import LOCAL_COMMANDS
from poptalk.shell.commands.registry import run_local
from poptalk.shell.shell import Shell
from poptalk.shell.view import View
from poptalk.terminal.screen import LinearScreen


class ScriptedShell(Shell):
    """A pipe with local commands; it keeps the one connection that it was opened for.

    Args:
        view: the view of its session.
        screen: where poptalk's own lines are shown.
        settle: waits for the complete reply.
        carry_on: waits for the end of a procedure.
    """

    def __init__(
        self,
        view: View,
        screen: LinearScreen,
        *,
        settle: Callable[[], None],
        carry_on: Callable[[], None],
    ) -> None:
        super().__init__(view.session, view, screen, LOCAL_COMMANDS)
        self._settle = settle
        self._carry_on = carry_on
        self._leaving = False
        # With -e nothing is read from standard input, and it may be a terminal.
        self.asker = Asker(at_prompt=False, ask=asker())

    def carry_out(self, text: str) -> bool:
        """Carry out a local command, given without its colon; False if the script must end."""
        run_local(self, text)
        self._carry_on()
        return not self._leaving

    def watch(self) -> None:
        """Wait for the reply: the next line comes after it."""
        self._settle()

    def open(self, destination: Destination) -> None:
        """Refuse: a pipe is one session."""
        self.view.warn(f"a pipe has one connection; start poptalk again for {destination}")

    def close(self) -> None:
        """Close the connection without QUIT."""
        if self.session.transport is not None:
            self.session.transport.close()

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Wait, then do something: in a script nothing else happens meanwhile."""
        sleep(seconds)
        action()

    def leave(self) -> None:
        """End the script."""
        self._leaving = True
