"""Faults at the login: the proof is right, and the door stays shut."""

from __future__ import annotations

import asyncio
from typing import Any

from poptalk.practice.accounts import Account
from poptalk.practice.faults import parameters
from poptalk.practice.faults.fault import About, Fault, Stance
from poptalk.practice.faults.replies import without_capabilities
from poptalk.practice.login_delay import LoginDelays
from poptalk.protocol.texts import Occasion
from poptalk.protocol.verbs import Clause


class Locked(Fault):
    """Refuses the login because somebody else has the maildrop open."""

    about = About(
        name="locked",
        summary="another session has the maildrop open; unsaid: the password is called wrong",
        seen="horms/perdition#4, OVH",
        clause=Clause(rfc=2449, section="8.1.2"),
        sentence=(
            "It indicates the authentication was successful, but the user's maildrop is currently in "
            "use (probably by another POP3 client)."
        ),
        suffers="it takes a passing lock for a wrong password, and asks its user for a new one",
        stance=Stance.KEEPS,
    )
    parameter = parameters.one_of("said", "unsaid")
    excludes = "the login"
    value: str

    def capabilities(self, lines: tuple[bytes, ...], *, logged_in: bool) -> tuple[bytes, ...]:
        """Promise response codes, so that the reason can be given in one."""
        del logged_in
        if self.value == "unsaid":
            return lines
        return (*without_capabilities(lines, b"RESP-CODES"), b"RESP-CODES")

    def refused_login(self, account: Account) -> Occasion | None:
        """Refuse the login."""
        del account
        if self.value == "unsaid":
            return Occasion.WRONG_PASSWORD
        return Occasion.MAILDROP_LOCKED


class LoginDelay(Fault):
    """Refuses a login that comes too soon after the last one."""

    about = About(
        name="login-delay",
        summary="the next login of a user is refused for some time",
        seen="yapople#19, OVH",
        clause=Clause(rfc=2449, section="6.5"),
        sentence=(
            "Servers enforce LOGIN-DELAY by rejecting an authentication command with or without the "
            "LOGIN-DELAY error response."
        ),
        suffers="one that looks for mail every few seconds is told that its password is wrong",
        stance=Stance.KEEPS,
    )
    parameter = parameters.seconds("60s")
    excludes = "the login"
    value: float

    def __init__(self, value: Any) -> None:
        super().__init__(value)
        self._delays = LoginDelays()
        """For all sessions: see `poptalk.practice.faults.fault`."""

    def capabilities(self, lines: tuple[bytes, ...], *, logged_in: bool) -> tuple[bytes, ...]:
        """Announce the delay, and the response codes in which it is given as the reason."""
        del logged_in
        kept = without_capabilities(lines, b"RESP-CODES", b"LOGIN-DELAY")
        return (*kept, b"RESP-CODES", b"LOGIN-DELAY %d" % max(1, round(self.value)))

    def refused_login(self, account: Account) -> Occasion | None:
        """Refuse the login until the time is over."""
        now = asyncio.get_running_loop().time()
        if self._delays.too_soon(account, delay=self.value, now=now):
            return Occasion.LOGIN_TOO_SOON
        self._delays.logged_in(account, now=now)
        return None
