"""Another program's session with a server, made from the octets that it sends and receives.

The relay or the server that handles the connection hands over the octets, and a `Session` treats them
as if poptalk had sent and received them itself: the same events, secrets, log and view.  They have
crossed already, so nothing is sent from here.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from poptalk.pop3.commands import State
from poptalk.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from poptalk.net.endpoint import Destination
    from poptalk.net.errors import Ending
    from poptalk.net.tls import TlsFacts
    from poptalk.net.tls_settings import TlsSettings
    from poptalk.pop3.client import ClientSession


class NoTransport:
    """Carries nothing: the octets have crossed already."""

    def send(self, data: bytes) -> None:
        """Do nothing."""

    def start_tls(self, settings: TlsSettings) -> TlsFacts | None:  # noqa: ARG002 - it has begun
        """Do nothing."""
        return None

    def close(self) -> None:
        """Do nothing."""


class OverheardSession:
    """Another program's session.

    Args:
        destination: the server.
        clock: gives seconds.
        complain: called if its log cannot be written; None notes it.
    """

    def __init__(
        self,
        destination: Destination,
        *,
        clock: Callable[[], float] = monotonic,
        complain: Callable[[str], None] | None = None,
    ) -> None:
        self.session = Session(clock=clock, whole=False, tls_at_once=False, complain=complain)
        self._destination = destination

    @property
    def core(self) -> ClientSession | None:
        """The protocol core while the connection is open; None otherwise."""
        is_open = self.session.transport is not None and self.session.core.state is not State.CLOSED
        return self.session.core if is_open else None

    def opened(self, *, encrypted: bool) -> None:
        """Take note of a new connection, `encrypted` if it begins with TLS."""
        where = str(self._destination)
        self.session.opened(NoTransport(), self._destination, where=where, encrypted=encrypted)

    def client_said(self, octets: bytes) -> None:
        """Take octets from the other program."""
        self.session.send(octets)

    def server_said(self, octets: bytes) -> None:
        """Take octets from the server."""
        self.session.received(octets)

    def tls_began(self, facts: TlsFacts | None = None) -> None:
        """Take note that TLS was established: after STLS, or at once if there are `facts`."""
        self.session.tls_request = None
        if facts is not None:
            self.session.tls_established(facts)
        elif not self.session.core.encrypted:
            self.session.core.tls_established()

    def ended(self, ending: Ending) -> None:
        """Take note of the end of the connection."""
        self.session.ended(ending)
