"""The delay between two logins that a server asks for (LOGIN-DELAY, RFC 2449 §6.5)."""

from __future__ import annotations

from poptalk.practice.accounts import Account
from poptalk.protocol.capabilities import parse_capability


def announced_delay(lines: tuple[bytes, ...]) -> int:
    """Return the delay that capabilities announce, in seconds; 0 if there is none.

    Args:
        lines: of the answer to CAPA, without line ends.
    """
    for capability in map(parse_capability, lines):
        if capability.tag == b"LOGIN-DELAY" and capability.parameters:
            seconds = capability.parameters[0]
            return int(seconds) if seconds.isdigit() else 0
    return 0


class LoginDelays:
    """When each account has logged in last; time is handed in."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        """By the name of the account."""

    def too_soon(self, account: Account, *, delay: float, now: float) -> bool:
        """Tell whether an account has logged in less than `delay` seconds ago."""
        last = self._last.get(account.name)
        return last is not None and now - last < delay

    def logged_in(self, account: Account, *, now: float) -> None:
        """Take note of a login."""
        self._last[account.name] = now
