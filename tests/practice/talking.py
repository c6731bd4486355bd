"""A raw client for the practice server: octets over a socket, with a time-out on everything."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from poptalk.practice.server import Server

SECONDS = 20


class Talk:
    """One connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.file = sock.makefile("rb")

    def line(self) -> bytes:
        """Return the next line, CRLF cut off; empty at the end of the connection."""
        return self.file.readline().removesuffix(b"\r\n")

    def say(self, line: bytes) -> bytes:
        """Send a line and return the first line of the answer."""
        self.sock.sendall(line + b"\r\n")
        return self.line()

    def body(self) -> list[bytes]:
        """Return the lines up to the lone dot, as they crossed the wire."""
        return list(iter(self.line, b"."))

    def rest(self) -> bytes:
        """Return everything up to the end of the connection."""
        return self.file.read()

    def log_in(self, name: bytes = b"bob", password: bytes = b"jones") -> bytes:
        """Log in and return the answer to PASS."""
        assert self.say(b"USER " + name).startswith(b"+OK")
        return self.say(b"PASS " + password)


@contextmanager
def connected(server: Server, port: int | None = None) -> Iterator[Talk]:
    """Connect to a server; the greeting is still to be read."""
    with socket.create_connection((server.host, port or server.port), timeout=SECONDS) as sock:
        talk = Talk(sock)
        with talk.file:
            yield talk


@contextmanager
def greeted(server: Server) -> Iterator[Talk]:
    """Connect to a server and read its greeting."""
    with connected(server) as talk:
        assert talk.line().startswith(b"+OK")
        yield talk
