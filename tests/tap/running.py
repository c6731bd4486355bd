"""A tap in a thread of this process, and both ends of what it relays, scripted by a test."""

from __future__ import annotations

import asyncio
import io
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from poptalk.net.endpoint import Destination
from poptalk.tap.printer import Printer
from poptalk.tap.tap import Listen, Tap, TapSettings
from poptalk.terminal.screen import LinearScreen
from poptalk.terminal.theme import NEUTRAL

SECONDS = 20
RESET = struct.pack("ii", 1, 0)


class RunningTap:
    """A tap that runs until the end of the context.

    Args:
        destination: the server behind it.
        stream: where its screen is; a file in memory by default.
        settings: those of the command.
    """

    host = "127.0.0.1"

    def __init__(
        self, destination: Destination, *, stream: io.StringIO | None = None, **settings: Any
    ) -> None:
        self.destination = destination
        self.stream = stream or io.StringIO()
        self.settings = TapSettings(**settings)
        self.tap: Tap
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(SECONDS)
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        if error is None and self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """End the tap; again does no harm."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopped.set)
            self._thread.join(SECONDS)
            assert not self._thread.is_alive()

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:  # noqa: BLE001 - it is raised in the test
            self._failure = error
        finally:
            self._ready.set()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        errors: list[dict[str, Any]] = []
        self._loop.set_exception_handler(lambda _, context: errors.append(context))
        self._stopped = asyncio.Event()
        screen = LinearScreen(self.stream, theme=NEUTRAL, color=False)
        printer = Printer(screen, closed=lambda _: None)
        self.tap = Tap(self.settings, Listen(), self.destination, printer, stop=self._stopped.set)
        await self.tap.serve()
        self._ready.set()
        await self._stopped.wait()
        await self.tap.close()
        printer.close()
        assert not errors, errors

    @property
    def port(self) -> int:
        """The port in the clear."""
        return self.tap.clear.port

    @property
    def tls_port(self) -> int:
        """The port for TLS."""
        return self.tap.tls.port

    def write_ca(self, folder: Path) -> Path:
        """Write the authority's certificate into a folder."""
        path = folder / "tap-ca.pem"
        self.tap.certificates.write_authority(path)
        return path

    def context(self) -> ssl.SSLContext:
        """Return settings of TLS with which the tap is trusted."""
        der = self.tap.certificates.authority
        return ssl.create_default_context(cadata=ssl.DER_cert_to_PEM_cert(der))

    @property
    def shown(self) -> str:
        """What the screen has, without times and ports, which differ each time."""
        text = re.sub(r"  [\d.,]+ ms$", "", self.stream.getvalue(), flags=re.M)
        return re.sub(r"port \d+", "port N", text)

    @property
    def told(self) -> str:
        """The same with each sentence of poptalk's own in one piece, wherever it was wrapped."""
        return re.sub(r"\n\d+ #!? ", " ", self.shown)

    def wait_for(self, text: str, *, count: int = 1) -> str:
        """Wait until something is shown, perhaps wrapped; return all that is."""
        wait_until(
            lambda: max(self.shown.count(text), self.told.count(text)) >= count,
            lambda: f"{text!r}:\n{self.shown}",
        )
        return self.shown


def wait_until(holds: Callable[[], bool], what: Callable[[], str] = lambda: "") -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, what()
        time.sleep(0.002)


class Listener:
    """A server of which the test plays each connection by hand."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(SECONDS)
        self.port: int = self._socket.getsockname()[1]

    @property
    def destination(self) -> Destination:
        return Destination(host="127.0.0.1", port=self.port)

    def accept(self) -> End:
        return End(self._socket.accept()[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


class End:
    """One end of a connection, read and written by hand."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock

    @classmethod
    def to(cls, port: int) -> End:
        """Connect to a port of this machine."""
        return cls(socket.create_connection(("127.0.0.1", port), timeout=SECONDS))

    def send(self, octets: bytes) -> None:
        self.sock.sendall(octets)

    def receive(self, count: int) -> bytes:
        """Receive so many octets, fewer only at the end."""
        octets = b""
        while len(octets) < count:
            piece = self.sock.recv(min(count - len(octets), 1 << 20))
            if not piece:
                break
            octets += piece
        return octets

    def line(self) -> bytes:
        """Receive a line."""
        octets = b""
        while not octets.endswith(b"\n"):
            piece = self.sock.recv(1)
            if not piece:
                break
            octets += piece
        return octets

    def rest(self) -> bytes:
        """Receive all up to the end."""
        return self.receive(1 << 40)

    def say(self, line: bytes) -> bytes:
        """Send a line, and return the first line of the answer."""
        self.send(line + b"\r\n")
        return self.line()

    def begin_tls(self, context: ssl.SSLContext, *, server_side: bool = False) -> None:
        """Begin TLS."""
        name = None if server_side else "127.0.0.1"
        self.sock = context.wrap_socket(
            self.sock, server_side=server_side, server_hostname=name, suppress_ragged_eofs=False
        )

    def finish(self) -> None:
        """Close the sending side."""
        self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def played(*, verify: bool = True, **settings: Any) -> Iterator[tuple[RunningTap, End, End]]:
    """Give a tap, and both ends of one session: the mail program's, and the server's."""
    with (
        Listener() as server,
        RunningTap(
            Destination(host="127.0.0.1", port=server.port, verify=verify), **settings
        ) as tap,
        End.to(tap.port) as client,
        server.accept() as far,
    ):
        yield tap, client, far
