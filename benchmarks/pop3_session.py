"""A POP3 session that looks at as little as it can: whether replies are positive, and where they end."""

from __future__ import annotations

import socket
import ssl
import time
from types import TracebackType
from typing import Self

from benchmarks.harness import BenchmarkError
from benchmarks.pop3_servers import Target

HOST = "127.0.0.1"

PATIENCE_SECONDS = 300.0

BUFFER_OCTETS = 1 << 20

LINE_END = b"\r\n"
TERMINATION = b"\r\n.\r\n"


class Session:
    """A session with a server, as a context manager; its end is that of the connection.

    Args:
        target: the server.
        tls: whether TLS begins at once.
    """

    def __init__(self, target: Target, *, tls: bool = False) -> None:
        port = target.tls_port if tls else target.port
        assert port is not None
        self._socket = socket.create_connection((HOST, port), PATIENCE_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            context = ssl.create_default_context(cafile=target.ca_file)
            self._socket = context.wrap_socket(self._socket, server_hostname=HOST)
        self._buffer = memoryview(bytearray(BUFFER_OCTETS))
        self._read_reply(LINE_END)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.close()

    def log_in(self) -> float:
        """Log in as bob, and return the seconds that the answer to PASS took."""
        self.ask("USER bob")
        return self.ask("PASS jones")

    def ask(self, command: str) -> float:
        """Send a command with a reply of one line, and return the seconds until it was there."""
        return self._timed(command, LINE_END)[0]

    def ask_for_lines(self, command: str, *, octets: int) -> float:
        """Send a command with a multi-line reply, and return the seconds until it was there.

        Raises:
            BenchmarkError: the reply has fewer octets than it must have.
        """
        seconds, received = self._timed(command, TERMINATION)
        if received < octets:
            raise BenchmarkError(f"{command} was answered with {received:,} octets.")
        return seconds

    def _timed(self, command: str, ending: bytes) -> tuple[float, int]:
        begun = time.perf_counter()
        self._socket.sendall(command.encode("ascii") + LINE_END)
        octets = self._read_reply(ending)
        return time.perf_counter() - begun, octets

    def _read_reply(self, ending: bytes) -> int:
        """Read up to the end of a reply, behind which nothing comes, and return its length."""
        octets, tail = 0, b""
        while not tail.endswith(ending):
            count = self._socket.recv_into(self._buffer)
            if not count:
                raise BenchmarkError("The server has closed the connection.")
            if not octets and self._buffer[0] != ord("+"):
                raise BenchmarkError(f"The server says {bytes(self._buffer[:count])!r}.")
            octets += count
            tail = (tail + bytes(self._buffer[max(0, count - len(ending)) : count]))[-len(ending) :]
        return octets
