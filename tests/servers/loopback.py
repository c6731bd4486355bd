"""A loopback server: one listening socket, and a thread for each connection.

What the servers of the tests have in common is here.  A subclass says in `converse` how to talk to
one client, by way of a `Channel`; the server keeps every byte that each client sent, in clear when
TLS is up.  Leaving the ``with`` block ends every conversation and every thread, and an error in one
of the threads is raised there, so that it cannot pass unseen.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

RECEIVE_SIZE = 262_144  # octets for each recv; large, because tests send bodies of many megabytes
JOIN_TIMEOUT = 10.0  # seconds for a thread to end once its socket is shut: far more than it takes
WAIT_TIMEOUT = 10.0  # seconds that a test waits for an event; generous, since only failures use it
STOP_CHECK = 0.05  # seconds between two looks at the stop flag while waiting for a test's event


class PeerGoneError(Exception):
    """The client closed or reset the connection, or the server is being stopped."""


class Channel:
    """One accepted connection, seen from the thread that serves it."""

    def __init__(self, connection: socket.socket, server: LoopbackServer) -> None:
        self._socket = connection
        self._server = server
        self._unread = bytearray()
        self._received = bytearray()
        self.ended = False
        self.closed = False

    @property
    def received(self) -> bytes:
        """Every octet that the client has sent, TLS taken off."""
        return bytes(self._received)

    def receive(self) -> bytes:
        """Return the octets read ahead or the next to arrive; ``b""`` once the client has ended."""
        if self._unread:
            data = bytes(self._unread)
            self._unread.clear()
            return data
        return self._next()

    def receive_until(self, mark: bytes) -> bytes:
        """Return what arrives, up to and including *mark*.

        Raises:
            PeerGoneError: the client ended first; what it had sent stays readable by `receive`.
        """
        searched = 0
        while (found := self._unread.find(mark, searched)) < 0:
            searched = max(0, len(self._unread) - len(mark) + 1)
            data = self._next()
            if not data:
                raise PeerGoneError
            self._unread += data
        end = found + len(mark)
        taken = bytes(self._unread[:end])
        del self._unread[:end]
        return taken

    def send(self, data: bytes | memoryview) -> None:
        """Send all of *data*.

        Raises:
            PeerGoneError: the client is gone.
        """
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise PeerGoneError from error

    def wait(self, event: threading.Event) -> None:
        """Wait until the test sets *event*.

        Raises:
            PeerGoneError: the server was stopped first.
        """
        while not event.wait(STOP_CHECK):
            self._server.check_running()

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Do the server's side of a TLS handshake on the live connection.

        Raises:
            PeerGoneError: the handshake failed; the reason is in the server's ``tls_failures``.
            AssertionError: the client had sent more than was read before the handshake.
        """
        if self._unread:
            raise AssertionError(
                f"The client sent {bytes(self._unread)!r} in clear where its handshake was due."
            )
        self._socket = secured = context.wrap_socket(
            self._socket, server_side=True, do_handshake_on_connect=False
        )
        # A stop between the two lines above and this one shut down the socket as it was before.
        self._server.check_running()
        try:
            secured.do_handshake()
        except OSError as error:
            self._server.tls_failures.append(error)
            raise PeerGoneError from error

    def half_close(self) -> None:
        """Send FIN and go on reading.  Under TLS no close_notify goes out: the session is cut."""
        with contextlib.suppress(OSError):
            # Not secured.shutdown(), which would drop the TLS state in the middle of a read.
            socket.socket.shutdown(self._socket, socket.SHUT_WR)

    def close(self) -> None:
        """Close as a server does that means it: close_notify under TLS, then FIN."""
        if isinstance(self._socket, ssl.SSLSocket):
            self._socket.settimeout(0)
            # unwrap() sends close_notify and then would wait for the client's own.
            with contextlib.suppress(OSError, ValueError):
                self._socket.unwrap()
        self.half_close()
        # Octets left unread would make the kernel send RST in place of FIN.
        self._socket.settimeout(0)
        with contextlib.suppress(OSError):
            while socket.socket.recv(self._socket, RECEIVE_SIZE):
                pass
        self.drop()

    def reset(self) -> None:
        """Close with RST: the client's next read fails with "connection reset"."""
        linger_for_no_time = struct.pack("ii", 1, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_for_no_time)
        self.drop()

    def drop(self) -> None:
        """Give the socket back, whatever state it is in."""
        self.closed = True
        self._socket.close()

    def shut(self) -> None:
        """Wake the thread that serves this connection, from another thread."""
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _next(self) -> bytes:
        try:
            data = self._socket.recv(RECEIVE_SIZE)
        except OSError:
            data = b""
        with self._server.changed:
            self._received += data
            self.ended = self.ended or not data
            self._server.changed.notify_all()
        return data


class LoopbackServer:
    """Base of the test servers; a context manager that listens between enter and exit.

    Args:
        host: the loopback address to listen on, ``127.0.0.1`` or ``::1``.
        tls: the context for TLS from the first octet, as on port 995; None for clear text.

    Attributes:
        port: the port that the kernel chose.
        tls_failures: why handshakes failed; a client that refuses a bad certificate is no error.
    """

    def __init__(self, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self._waker, self._woken = socket.socketpair()
        self._tls = tls
        self._stopping = threading.Event()
        self._channels: list[Channel] = []
        self._threads: list[threading.Thread] = []
        self._errors: list[BaseException] = []
        self.host = host
        self.port: int = self._listener.getsockname()[1]
        self.changed = threading.Condition()
        self.tls_failures: list[OSError] = []

    def converse(self, channel: Channel) -> None:
        """Talk to one client; the connection is dropped when this returns."""
        raise AssertionError(f"{type(self).__name__} does not say how it talks to a client.")

    @property
    def connections(self) -> tuple[bytes, ...]:
        """What each client has sent so far, in the order in which they connected."""
        with self.changed:
            return tuple(channel.received for channel in self._channels)

    @property
    def received(self) -> bytes:
        """What all the clients have sent so far, one connection after the other."""
        return b"".join(self.connections)

    def wait_for(self, predicate: Callable[[bytes], bool], timeout: float = WAIT_TIMEOUT) -> bytes:
        """Wait until *predicate* holds for what was received, and return that.

        Raises:
            AssertionError: it did not within *timeout* seconds.
        """
        with self.changed:
            if not self.changed.wait_for(lambda: predicate(self.received), timeout):
                raise AssertionError(f"In {timeout} s only this came: {self.received[-2000:]!r}")
            return self.received

    def wait_for_end(self, connections: int = 1, timeout: float = WAIT_TIMEOUT) -> bytes:
        """Wait until so many clients have ended their connections; return what was received.

        Raises:
            AssertionError: they have not within *timeout* seconds.
        """

        def all_ended() -> bool:
            return sum(channel.ended for channel in self._channels) >= connections

        with self.changed:
            if not self.changed.wait_for(all_ended, timeout):
                raise AssertionError(
                    f"{connections} ends of connections were due within {timeout} s;"
                    f" this was received: {self.received[-2000:]!r}"
                )
            return self.received

    def check_running(self) -> None:
        """Raise PeerGoneError if the server is being stopped."""
        if self._stopping.is_set():
            raise PeerGoneError

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._waker.close()
        # The accepting thread first: after it, no channel is added any more.
        end = time.monotonic() + JOIN_TIMEOUT
        self._threads[0].join(JOIN_TIMEOUT)
        for channel in self._channels:
            channel.shut()
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        self._report(error)

    def _report(self, error: BaseException | None) -> None:
        """Raise what went wrong in the threads, or note it on the test's own *error*."""
        alive = [thread.name for thread in self._threads if thread.is_alive()]
        if alive:
            self._errors.append(AssertionError(f"These server threads did not end: {alive}"))
        if error is not None:
            for problem in self._errors:
                error.add_note(f"And in {type(self).__name__}: {problem!r}")
        elif self._errors:
            raise self._errors[0]

    def _spawn(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name=type(self).__name__, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with (
            self._listener,
            self._woken,
            selectors.DefaultSelector() as selector,
        ):
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _events in selector.select()}
                if self._stopping.is_set():
                    return
                if self._listener in ready:
                    self._serve(self._listener.accept()[0])

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        channel = Channel(connection, self)
        with self.changed:
            self._channels.append(channel)
        self._spawn(lambda: self._guard(channel))

    def _guard(self, channel: Channel) -> None:
        """Run one conversation to its end, keeping what goes wrong for the test to see."""
        try:
            if self._tls is not None:
                channel.start_tls(self._tls)
            self.converse(channel)
        except PeerGoneError:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again in the test, by __exit__
            self._errors.append(error)
        finally:
            channel.drop()
            with self.changed:
                channel.ended = True
                self.changed.notify_all()
