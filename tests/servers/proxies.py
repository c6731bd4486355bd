"""Proxies on loopback, just able enough for one client: SOCKS5 and HTTP's CONNECT.

They answer in one segment with what the server says first, which is what a busy proxy may do, and what
clients that read too far stumble over.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SECONDS = 10


class Proxy:
    """A proxy that serves one connection after the other."""

    def __init__(self, *, refuse: bool = False) -> None:
        """Listen on a free port; `refuse` answers every request with no."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._refuse = refuse
        self.port = self._listener.getsockname()[1]
        self.asked: list[str] = []
        """The hosts that were asked for, as they came."""
        self.credentials: list[str] = []

    def answer(self, client: socket.socket) -> tuple[str, int, bytes] | None:
        """Read a request; return where it leads, and what to say when that stands."""
        raise NotImplementedError

    def run(self) -> None:
        """Serve until the listener is closed."""
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self, client: socket.socket) -> None:
        try:
            with client:
                client.settimeout(SECONDS)
                way = self.answer(client)
                if way is not None:
                    self._lead(client, way)
        except OSError:
            # The client hung up, which is what some tests are about.
            pass

    def _lead(self, client: socket.socket, way: tuple[str, int, bytes]) -> None:
        host, port, words = way
        with socket.create_connection((host, port), SECONDS) as server:
            client.sendall(words + server.recv(4096))
            back = threading.Thread(target=_carry, args=(server, client), daemon=True)
            back.start()
            _carry(client, server)
            back.join(SECONDS)


class HttpProxy(Proxy):
    """CONNECT (RFC 9110 §9.3.6)."""

    def answer(self, client: socket.socket) -> tuple[str, int, bytes] | None:
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            request += client.recv(1)
        first, *fields = request.decode().splitlines()
        place = first.split()[1]
        self.asked.append(place)
        self.credentials += [field for field in fields if field.startswith("Proxy-Authorization")]
        if self._refuse:
            client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            return None
        host, _, port = place.rpartition(":")
        return host.strip("[]"), int(port), b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n"


class SocksProxy(Proxy):
    """SOCKS5 without authentication, or with any name (RFC 1928, RFC 1929)."""

    def answer(self, client: socket.socket) -> tuple[str, int, bytes] | None:
        _version, count = _exactly(client, 2)
        methods = _exactly(client, count)
        if 2 in methods:
            client.sendall(b"\x05\x02")
            _version, length = _exactly(client, 2)
            user = _exactly(client, length)
            password = _exactly(client, _exactly(client, 1)[0])
            self.credentials.append(f"{user.decode()}:{password.decode()}")
            client.sendall(b"\x01\x00")
        else:
            client.sendall(b"\x05\x00")
        _version, _command, _reserved, kind = _exactly(client, 4)
        if kind == 3:
            host = _exactly(client, _exactly(client, 1)[0]).decode()
        else:
            family = socket.AF_INET if kind == 1 else socket.AF_INET6
            host = socket.inet_ntop(family, _exactly(client, 4 if kind == 1 else 16))
        port = int.from_bytes(_exactly(client, 2), "big")
        self.asked.append(host)
        if self._refuse:
            client.sendall(b"\x05\x02\x00\x01" + bytes(6))
            return None
        return host, port, b"\x05\x00\x00\x01" + bytes(6)


@contextmanager
def running(proxy: Proxy) -> Iterator[Proxy]:
    """Run a proxy as long as the context lasts."""
    threading.Thread(target=proxy.run, daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.close()


def _exactly(sock: socket.socket, count: int) -> bytes:
    octets = b""
    while len(octets) < count:
        piece = sock.recv(count - len(octets))
        if not piece:
            raise ConnectionError("the client hung up")
        octets += piece
    return octets


def _carry(source: socket.socket, sink: socket.socket) -> None:
    try:
        while octets := source.recv(65536):
            sink.sendall(octets)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass
