"""Who sits beside the learner: the menu of lessons, and the coach of one.

A shell without a companion is a raw shell.  A companion is asked first about every line that is
typed, has its say in the prompt, and is told what happens: after the screen has shown it, and after
the core has taken all of it, so that it may send, connect and close at once.
"""

# ruff: noqa: B027 - what a companion does not care about it need not take note of

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poptalk.net.errors import Ending, NetError


class Companion(ABC):
    """Base of those who accompany a shell."""

    gives_completions = True
    """Whether Tab and grey words may help with commands of POP3."""

    silences: Sequence[float] | None = None
    """Seconds of silence after which `silence` is called; None for what the shell says by itself."""

    held: Sequence[str] = ()
    """Lines that were typed, and wait for their turn."""

    @abstractmethod
    def take(self, text: str) -> bool:
        """Take a typed line that is no local command; False to have it sent."""

    @abstractmethod
    def answer(self, command: str) -> None:
        """Answer a local command of lessons, such as `hint`."""

    @abstractmethod
    def prompt(self, usual: str, *, short: bool) -> str:
        """Return the prompt.

        Args:
            usual: what the shell itself would say.
            short: whether the screen is narrow.
        """

    def wants_a_line(self, *, due: bool) -> bool:
        """Tell whether something may be typed now, so that a prompt is in place.

        Args:
            due: whether the server owes a reply.
        """
        return not due

    def facts(self) -> Sequence[str]:
        """Return what the bottom line says first."""
        return ()

    @abstractmethod
    def reopen(self) -> None:
        """Connect again, as `:open` asks."""

    # What happened.  Not every companion needs to know all of it.

    def listened(self) -> None:
        """Take note that octets of the server have been taken and shown."""

    def tls_begun(self) -> None:
        """Take note that STLS has led to TLS."""

    def failed(self, error: NetError) -> None:
        """Take note that no connection came about; nothing has been shown of it."""

    def ended(self, ending: Ending) -> None:
        """Take note that the connection is gone, as the screen says."""

    def silence(self, seconds: float) -> None:
        """Take note that the server owes something, and has said nothing for so long."""

    def interrupted(self) -> None:
        """Take note of Ctrl-C."""

    def left(self) -> None:
        """Take note that the learner leaves; what is said now is the last thing on the screen."""
