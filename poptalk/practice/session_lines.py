"""One line about each session, when it is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from poptalk.practice.witness import How, Visit, Witness
from poptalk.protocol.server_events import CommandReceived, OverlongLineReceived
from poptalk.terminal.screen import ScreenClosed

if TYPE_CHECKING:
    from poptalk.practice.accounts import Account
    from poptalk.protocol.server_events import ServerEvent


class SessionLines:
    """Says a line about each session.

    Args:
        say: prints a line, made harmless; may raise ScreenClosed.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say: Callable[[str], None] | None = say

    def begin(self, visit: Visit) -> Witness:
        """Look on at a session."""
        return _Tally(visit, self._report)

    def _report(self, line: str) -> None:
        if self._say is None:
            return
        try:
            self._say(line)
        except ScreenClosed:
            # Whoever read us has gone; that is no reason for clients to lose their server.
            self._say = None


class _Tally(Witness):
    """Counts what happens in one session."""

    def __init__(self, visit: Visit, report: Callable[[str], None]) -> None:
        self._address = visit.address
        self._report = report
        self._user: str | None = None
        self._tls = False
        self._commands = 0
        self._octets_in = 0
        self._octets_out = 0

    def told(self, event: ServerEvent) -> None:
        # A response within AUTH is part of a command.
        self._commands += isinstance(event, CommandReceived | OverlongLineReceived)

    def logged_in(self, account: Account) -> None:
        self._user = account.name

    def tls_began(self) -> None:
        self._tls = True

    def received(self, octets: bytes) -> None:
        self._octets_in += len(octets)

    def sent(self, octets: bytes | memoryview) -> None:
        self._octets_out += len(octets)

    def ended(self, how: How) -> None:
        commands = "1 command" if self._commands == 1 else f"{self._commands:,} commands"
        self._report(
            f"{time.strftime('%H:%M:%S')}  {self._address}  {self._user or '-'}  {commands}, "
            f"{self._octets_in:,} octets in, {self._octets_out:,} out"
            f"{', TLS' if self._tls else ''}: {how.value}"
        )
