"""A name server that is a few lines long: it answers questions for SRV records, over UDP on loopback.

It needs dnspython, which is optional: import it where that has been found to be there.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import dns.message
import dns.rcode
import dns.resolver
import dns.rrset

SECONDS = 10.0  # for the thread to end, and for answers; all take milliseconds

Zone = Mapping[str, list[str] | dns.rcode.Rcode | None]
"""The records of a name, an error, or no answer at all; a name that is missing does not exist."""


class NameServer:
    """Answers from a zone, in a thread of its own; see `name_server`.

    Attributes:
        asked: the names that were asked for, in their order.
    """

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.asked: list[str] = []

    def serve(self) -> None:
        """Answer until `stop`."""
        while True:
            wire, client = self._socket.recvfrom(4096)
            if not wire:
                return
            query = dns.message.from_wire(wire)
            name = query.question[0].name.to_text()
            self.asked.append(name)
            found = self._zone.get(name.removesuffix("."), dns.rcode.NXDOMAIN)
            if found is None:
                continue
            response = dns.message.make_response(query)
            if isinstance(found, list):
                if found:
                    response.answer.append(dns.rrset.from_text(name, 60, "IN", "SRV", *found))
            else:
                response.set_rcode(found)
            self._socket.sendto(response.to_wire(), client)

    def resolver(self) -> dns.resolver.Resolver:
        """Return a resolver that asks this server alone."""
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
        resolver.port = self._socket.getsockname()[1]
        return resolver

    def stop(self) -> None:
        """End `serve`: a datagram with nothing in it asks for that."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"", self._socket.getsockname())

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()


@contextmanager
def name_server(zone: Zone) -> Iterator[NameServer]:
    """Run a name server until the end of the ``with`` block."""
    server = NameServer(zone)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join(SECONDS)
        server.close()
        assert not thread.is_alive()
