"""Faults at the login: the proof is right, and the login is refused."""

from __future__ import annotations

import asyncio
from typing import Any

from poptalk.practice.accounts import Account
from poptalk.practice.faults import parameters
from poptalk.practice.faults.fault import Fault
from poptalk.practice.faults.replies import without_capabilities
from poptalk.practice.login_delay import LoginDelays
from poptalk.protocol.states import State
from poptalk.protocol.texts import Occasion


class Locked(Fault):
    """Refuses the login because another session has the maildrop open."""

    parameter = parameters.one_of("said", "unsaid")
    value: str

    def capabilities(self, lines: tuple[bytes, ...], _state: State) -> tuple[bytes, ...]:
        """Promise response codes, so that the reason can be given in one."""
        if self.value == "unsaid":
            return lines
        return (*without_capabilities(lines, b"RESP-CODES"), b"RESP-CODES")

    def refused_login(self, _account: Account) -> Occasion:
        """Refuse the login."""
        return Occasion.WRONG_PASSWORD if self.value == "unsaid" else Occasion.MAILDROP_LOCKED


class LoginDelay(Fault):
    """Refuses a login that comes too soon after the last one."""

    parameter = parameters.seconds("60s")
    value: float

    def __init__(self, value: Any) -> None:
        super().__init__(value)
        self._delays = LoginDelays()
        """Shared by all sessions."""

    def capabilities(self, lines: tuple[bytes, ...], _state: State) -> tuple[bytes, ...]:
        """Announce the delay, and the response codes in which it is given as the reason."""
        kept = without_capabilities(lines, b"RESP-CODES", b"LOGIN-DELAY")
        return (*kept, b"RESP-CODES", b"LOGIN-DELAY %d" % max(1, round(self.value)))

    def refused_login(self, account: Account) -> Occasion | None:
        """Refuse the login until the time is over."""
        now = asyncio.get_running_loop().time()
        if self._delays.too_soon(account, delay=self.value, now=now):
            return Occasion.LOGIN_TOO_SOON
        self._delays.logged_in(account, now=now)
        return None
