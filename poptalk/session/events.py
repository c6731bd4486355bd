"""What happens around a session, beside the events of the protocol core."""

from __future__ import annotations

from poptalk.protocol.events import Event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from poptalk.net.errors import Ending
    from poptalk.net.tls import TlsFacts


class ConnectionOpened(Event):
    """A connection has been made."""

    where: str
    """Host and port."""
    encrypted: bool
    """Whether TLS began at once."""


class TlsEstablished(Event):
    """TLS has begun, at once or after STLS."""

    facts: TlsFacts
    upgraded: bool
    """Whether it began after STLS."""


class ConnectionEnded(Event):
    """The connection is gone."""

    ending: Ending


class Note(Event):
    """A sentence of poptalk's own."""

    text: str
    warning: bool = False
    """Whether it should not be overlooked."""
