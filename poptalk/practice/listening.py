"""Taking ports: one address or several, each in clear and for TLS."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

BACKLOG = 128
"""Connections that the system keeps while we are busy: a class that starts at the same moment."""


class CannotListen(OSError):
    """A port that cannot be had.

    Attributes:
        host: the address that was asked for.
        port: the port that was asked for; 0 if any would have done.
        why: what the system says.
    """

    def __init__(self, host: str, port: int, why: OSError) -> None:
        super().__init__(why.errno, why.strerror)
        self.host = host
        self.port = port
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class ListeningPort:
    """A port that was taken: the system accepts connections from now on, and keeps them for us.

    Args:
        host: the address as it was asked for.
        implicit_tls: whether TLS begins at once (RFC 8314 §3).
        socket: what listens.
    """

    host: str
    implicit_tls: bool
    socket: socket.socket

    @property
    def port(self) -> int:
        """The port, also where any was asked for."""
        port: int = self.socket.getsockname()[1]
        return port


def listen(host: str, port: int, *, implicit_tls: bool) -> ListeningPort:
    """Take a port.

    Args:
        host: an address of this machine, or a name for one.
        port: 0 for any that is free.
        implicit_tls: as in `ListeningPort`.

    Raises:
        CannotListen: it is taken or forbidden, or the address is not one of this machine.
    """
    try:
        sock = _listening_socket(host, port)
    except OSError as error:
        raise CannotListen(host, port, error) from error
    return ListeningPort(host=host, implicit_tls=implicit_tls, socket=sock)


def _listening_socket(host: str, port: int) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    sock = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            # Elsewhere the option would let two servers have the same port.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # Otherwise "::" takes the port of every IPv4 address too, and 0.0.0.0 beside it fails.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock
