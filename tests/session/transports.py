"""A transport for the tests that needs no socket: it keeps what is sent."""

from __future__ import annotations

from poptalk.net.endpoint import Destination
from poptalk.net.errors import ConnectionLost, TlsFailed
from poptalk.net.tls import TlsFacts
from poptalk.net.tls_settings import TlsSettings
from poptalk.session.session import Session


class KeptTransport:
    """Keeps what is sent, and begins no TLS by itself."""

    def __init__(self) -> None:
        self.sent = b""
        self.closed = False
        self.broken = False
        self.tls: TlsFacts | TlsFailed | None = None
        """What comes of TLS at once; None where that comes later."""

    def send(self, data: bytes) -> None:
        if self.broken:
            raise ConnectionLost("Nothing can be sent any more.")
        self.sent += data

    def start_tls(self, settings: TlsSettings) -> TlsFacts | None:
        del settings
        if isinstance(self.tls, TlsFailed):
            raise self.tls
        return self.tls

    def close(self) -> None:
        self.closed = True


def begin(session: Session, *, encrypted: bool = False) -> KeptTransport:
    """Begin a connection of a session that leads nowhere."""
    transport = KeptTransport()
    here = Destination(host="127.0.0.1", port=110)
    session.opened(transport, here, where="host port 110", encrypted=encrypted)
    return transport
