"""The hooks of the practice server: all places at which a session can be changed.

To those of the core (`poptalk.protocol.seam`) the driver adds its own: who may log in, which maildrop
is shown, which certificate, and how octets leave.  Octets leave in *actions*: octets themselves, a
`Pause`, an `EarlyEnd`.  The driver carries them out without asking why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from poptalk.protocol.seam import SessionHooks

if TYPE_CHECKING:
    import ssl

    from poptalk.practice.accounts import Account
    from poptalk.practice.certificates import Certificates
    from poptalk.protocol.maildrop import Maildrop
    from poptalk.protocol.texts import Occasion


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Nothing leaves for a number of seconds, or forever if it is infinity."""

    seconds: float


class EarlyEnd(Enum):
    """The end of a connection in the middle of a session; nothing is removed."""

    CLOSE = auto()
    """In good order, as TCP sees it (FIN)."""
    RESET = auto()
    """With a reset (RST)."""


Action = bytes | memoryview | Pause | EarlyEnd
"""What the driver does next."""


class ServerHooks(SessionHooks):
    """What can be changed about one session by its driver; this object changes nothing."""

    def refused_login(self, _account: Account) -> Occasion | None:
        """Return the reason to refuse a login that is right; None to go on."""
        return None

    def maildrop(self, maildrop: Maildrop) -> Maildrop:
        """Return the maildrop that the session sees."""
        return maildrop

    def tls_context(self, _certificates: Callable[[], Certificates]) -> ssl.SSLContext | None:
        """Return the settings of the server's side of TLS; None for the usual ones."""
        return None

    def deliver(self, _octets: bytes | memoryview) -> Iterable[Action] | None:
        """Return how octets of replies leave, before TLS encrypts them; None for unchanged, at once.

        A pause after the last octet also delays what follows it, such as the end of the session, or TLS.
        """
        return None
