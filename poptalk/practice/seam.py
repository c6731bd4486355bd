"""The seam of the practice server: all places at which somebody may meddle with a session.

To those of the core (`poptalk.protocol.seam`) come the driver's own: who may log in, which maildrop
is shown, which certificate, and how octets leave.  Octets leave in *actions*: octets themselves, a
`Pause`, an `Ending`.  The driver carries them out and asks for no reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from poptalk.protocol.seam import Seam

if TYPE_CHECKING:
    import ssl

    from poptalk.practice.accounts import Account
    from poptalk.practice.certificates import Certificates
    from poptalk.protocol.maildrop import Maildrop
    from poptalk.protocol.texts import Occasion


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Nothing leaves for a while.

    Args:
        seconds: how long; infinity for ever.
    """

    seconds: float


class Ending(Enum):
    """The end of a connection in the middle of whatever is going on; nothing is removed."""

    CLOSE = auto()
    """In good order, as TCP sees it (FIN)."""
    RESET = auto()
    """With a reset (RST)."""


Action = bytes | memoryview | Pause | Ending
"""What the driver does next."""


class DriverSeam(Seam):
    """What may be changed about one session by its driver; this one changes nothing."""

    def refused_login(self, account: Account) -> Occasion | None:
        """Return why an attempt with the right proof is refused all the same; None to go on."""
        del account
        return None

    def maildrop(self, maildrop: Maildrop) -> Maildrop:
        """Return the maildrop that the session sees."""
        return maildrop

    def tls_context(self, certificates: Callable[[], Certificates]) -> ssl.SSLContext | None:
        """Return the settings of the server's side of TLS; None for the usual ones.

        Args:
            certificates: returns the authority that signs the server's certificates.
        """
        del certificates
        return None

    def deliver(self, octets: bytes | memoryview) -> Iterable[Action] | None:
        """Return how octets of replies leave; None for as they are, and at once.

        In TLS they are encrypted after this.  A pause behind the last octet also holds up what stands
        behind it, such as the end of the session, or TLS.
        """
        del octets
        return None
