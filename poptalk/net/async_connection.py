r"""A connection for the live shell, on asyncio.

Two classes carry a session's octets, this one and the blocking `connection.Link`, below one
`session.Session`.  The live prompt needs this one: connecting can be cancelled at any moment, and a
server that takes nothing never freezes the prompt.  Everything else uses the blocking one, because
importing asyncio costs a pipe 60 ms, more than its whole session.

The shell must hear the server at any time, even while a line is half typed, and a person must be able
to give up at any time.  So everything here is a callback on a `ConnectionListener`, or can be cancelled.
That includes looking up a name, which asyncio itself does in a thread that it waits for at exit.

    connection = await connect(Target(host="mail.example.org", port=110), listener, timeout=30)
    connection.send(b"STAT\r\n")            # listener.data_received hears the reply
    connection.close()
    await connection.wait_closed()          # listener.connection_ended has been called
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from functools import partial
from typing import Protocol, cast

from poptalk.net import errors, tls_errors
from poptalk.net.dial import Deadline, dial, in_a_thread
from poptalk.net.endpoint import Target
from poptalk.net.errors import EndedBy, Ending, TlsFailed
from poptalk.net.tls import TlsFacts, TlsLayer, client_layer
from poptalk.net.tls_settings import TlsSettings

# How long a closing connection may take to deliver what was sent, in seconds.  A server that has
# stopped reading would otherwise keep the socket, and the program, forever.
CLOSE_GRACE = 2.0


class ConnectionListener(Protocol):
    """Hears a connection.  Every call comes from the event loop, one after the other."""

    def data_received(self, data: bytes) -> None:
        """Hear octets from the server, in the clear, cut anywhere."""

    def tls_established(self, facts: TlsFacts) -> None:
        """Hear that the TLS which `AsyncConnection.start_tls` began is in force."""

    def tls_failed(self, error: TlsFailed) -> None:
        """Hear that TLS did not begin, or lacks a client certificate; `connection_ended` follows."""

    def connection_ended(self, ending: Ending) -> None:
        """Hear that the connection has ended; nothing follows."""


async def connect(
    target: Target,
    listener: ConnectionListener,
    *,
    timeout: float,
    tls: TlsSettings | None = None,
    hold: bool = False,
) -> AsyncConnection:
    """Connect to `target`, and begin with TLS if asked to; can be cancelled at any moment.

    The listener hears nothing before this returns, and nothing at all if it raises.  It doesn't hear of
    TLS that the connection begins with: see `AsyncConnection.tls`.

    Args:
        target: where to connect to.
        listener: hears the connection.
        timeout: seconds for connecting, TLS handshake included, and later for the handshake after STLS.
        tls: begin with TLS, on these terms.
        hold: whether the listener hears nothing before `AsyncConnection.begin`.

    Raises:
        ConnectFailed: no connection was made.
        TlsFailed: TLS did not begin.
    """
    loop = asyncio.get_running_loop()
    patience = timeout if target.connect_timeout is None else target.connect_timeout
    deadline = Deadline(patience)
    # Before dialling, so that a file of authorities that cannot be read is reported without connecting.
    layer = None if tls is None else client_layer(tls, peer=str(target), upgrading=False)
    sock = await dial_in_thread(target, patience)
    connection = AsyncConnection(listener, target=target, timeout=timeout)
    connection._begun = not hold
    try:
        await loop.create_connection(lambda: connection, sock=sock)
        if layer is not None:
            await connection._begin_with_tls(layer, deadline)
    except BaseException:
        # The listener was never told of the connection, and doesn't hear of its end either.
        connection._listener = None
        connection._stop_timer()
        if connection._transport is not None:
            connection._transport.abort()
        sock.close()
        raise
    return connection


class AsyncConnection(asyncio.Protocol):
    """One connection to a server; made by `connect`.

    Attributes:
        target: what it is connected to.
        tls: the outcome of the TLS handshake, None in the clear.
        ending: how it ended, None while it is open.
    """

    def __init__(self, listener: ConnectionListener, *, target: Target, timeout: float) -> None:
        self.target = target
        self.tls: TlsFacts | None = None
        self.ending: Ending | None = None
        self._listener: ConnectionListener | None = listener
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._shaken: asyncio.Future[None] | None = None
        self._layer: TlsLayer | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._first: bytes | None = None
        # TLS was asked for in vain: what the caller sends now was meant for TLS, and is dropped.
        self._mute = False
        self._begun = True
        self._early = b""

    def begin(self) -> None:
        """Let the listener hear what has come so far, and what comes from now on."""
        self._begun = True
        early, self._early = self._early, b""
        if early:
            self._deliver(early)
        if self._closed.done() and self._listener is not None:
            self._tell_end()

    def send(self, data: bytes) -> None:
        """Send `data`; during a TLS handshake it waits until it can go out encrypted.

        Once the connection is ending it is dropped: the listener hears of the end.

        Args:
            data: octets, which go out as they are, or encrypted.
        """
        if self._mute:
            return
        if self._layer is None:
            self._write(data)
        else:
            self._layer.send(data)
            self._flush()

    def start_tls(self, settings: TlsSettings) -> None:
        """Begin TLS, after the ``+OK`` to STLS (RFC 2595 §4); the listener hears the outcome.

        Every octet that arrives from now on goes to TLS and never to the listener in the clear.  If TLS
        does not begin within the time-out, or at all, the connection is closed.

        Args:
            settings: the terms.
        """
        peer = str(self.target)
        try:
            if self._layer is not None:
                raise tls_errors.already_in_force(peer)
            self._layer = client_layer(settings, peer=peer, upgrading=True)
        except TlsFailed as error:
            self._mute = True
            # Not now: the caller is still in the middle of what made it call.
            self._loop.call_soon(self._handshake_failed, error)
            if self._transport is not None:
                self._transport.pause_reading()
            return
        self._timer = self._loop.call_later(self._timeout, self._handshake_timed_out)
        self._take_ciphertext(b"")

    def close(self) -> None:
        """Close the connection once everything sent has gone out; closing it again does no harm.

        The listener hears no more data, only the end.
        """
        self._end(errors.CLOSED_BY_US)

    async def wait_closed(self) -> None:
        """Wait until the socket is closed and the listener has been told."""
        await asyncio.shield(self._closed)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport (asyncio calls this)."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take octets from the socket (asyncio calls this)."""
        if self._layer is not None:
            self._take_ciphertext(data)
            return
        if self._first is None:
            self._first = data[:2]
        if self._begun and self._listener is not None and self.ending is None:
            self._listener.data_received(data)
        else:
            self._deliver(data)

    def eof_received(self) -> None:
        """Take the server's end of the stream; asyncio calls this, and closes the socket after it."""
        if self._layer is None:
            self._end(errors.ending_in_clear(self._first))
            return
        clean = self._layer.receive_eof()
        if self._layer.failure is not None and not self._layer.established:
            self._handshake_failed(self._layer.failure)
        else:
            self._end(errors.CLOSED_BY_SERVER if clean else errors.TLS_CUT_BY_SERVER)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the listener how the connection ended (asyncio calls this, once)."""
        in_handshake = self._layer is not None and not self._layer.established
        if self.ending is None and in_handshake:
            error = exc if isinstance(exc, OSError) else None
            upgrading = self._shaken is None
            self._report(
                tls_errors.broke_in_handshake(error, peer=str(self.target), upgrading=upgrading)
            )
        if self.ending is None and isinstance(exc, OSError):
            first, layer = self._first, self._layer
            self.ending = (
                errors.ending_in_clear(first, exc) if layer is None else errors.ending_of(exc)
            )
        elif self.ending is None:
            # The listener itself failed, and asyncio has said why.
            self.ending = Ending(by=EndedBy.US, how="dropped the connection", clean=False)
        self._stop_timer()
        if not self._closed.done():
            self._closed.set_result(None)
        if self._begun:
            self._tell_end()

    def _tell_end(self) -> None:
        assert self.ending is not None
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.connection_ended(self.ending)

    # The TLS handshake.

    async def _begin_with_tls(self, layer: TlsLayer, deadline: Deadline) -> None:
        self._layer = layer
        self._shaken = shaken = self._loop.create_future()
        self._timer = self._loop.call_later(deadline.left() or 0, self._handshake_timed_out)
        self._take_ciphertext(b"")
        await shaken

    def _take_ciphertext(self, data: bytes) -> None:
        layer = self._layer
        assert layer is not None
        before = layer.established
        connecting = self._shaken is not None
        try:
            plaintext = layer.receive_data(data)
        except TlsFailed as error:
            if before:
                self._broke(error)
            else:
                self._handshake_failed(error)
            return
        self._flush()
        if layer.established and not before:
            self._handshake_done(layer)
        if plaintext and connecting:
            # The greeting came with the end of the handshake: let `connect` return first.
            self._loop.call_soon(self._deliver, plaintext)
        elif plaintext:
            self._deliver(plaintext)
        if layer.failure is not None:
            self._broke(layer.failure)
        elif layer.ended:
            self._end(errors.CLOSED_BY_SERVER)

    def _broke(self, error: TlsFailed) -> None:
        """End the connection, because its TLS session has broken."""
        if error.wants_certificate and self._listener is not None:
            self._listener.tls_failed(error)
        self._end(tls_errors.ending_of_session(error))

    def _handshake_done(self, layer: TlsLayer) -> None:
        assert layer.facts is not None
        self.tls = layer.facts
        self._stop_timer()
        shaken, self._shaken = self._shaken, None
        if shaken is None:
            if self._listener is not None:
                self._listener.tls_established(layer.facts)
        elif not shaken.done():
            shaken.set_result(None)

    def _handshake_timed_out(self) -> None:
        peer, upgrading = str(self.target), self._shaken is None
        self._handshake_failed(
            tls_errors.handshake_timed_out(peer, self._timeout, upgrading=upgrading)
        )

    def _handshake_failed(self, error: TlsFailed) -> None:
        if self.ending is None:
            self._report(error)
            self._end(errors.GAVE_UP_TLS)

    def _report(self, error: TlsFailed) -> None:
        """Tell `connect`, if it waits for the handshake, or else the listener."""
        if self._shaken is not None:
            self._listener = None
            if not self._shaken.done():
                self._shaken.set_exception(error)
        elif self._listener is not None:
            self._listener.tls_failed(error)

    # The rest.

    def _deliver(self, data: bytes) -> None:
        if not self._begun:
            self._early += data
        elif self._listener is not None and self.ending is not errors.CLOSED_BY_US:
            self._listener.data_received(data)

    def _flush(self) -> None:
        if self._layer is not None:
            self._write(self._layer.data_to_send())

    def _write(self, data: bytes) -> None:
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _end(self, ending: Ending) -> None:
        """Close the socket, because of `ending` unless it has ended before."""
        if self.ending is not None:
            return
        self.ending = ending
        if self._layer is not None:
            self._layer.close()
            self._flush()
        self._stop_timer()
        if self._transport is not None:
            # Now, not in the loop's next turn: whoever connects next must not find us still there.
            with suppress(OSError):
                self._transport.write_eof()
            self._transport.close()
            self._timer = self._loop.call_later(CLOSE_GRACE, self._transport.abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


async def dial_in_thread(target: Target, timeout: float) -> socket.socket:
    """Dial as pipes do, in a thread that is never joined, so that it can be cancelled at any moment."""
    loop = asyncio.get_running_loop()
    dialled = asyncio.Event()

    def wake() -> None:
        # A closed loop doesn't want it anymore.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(dialled.set)

    work = partial(dial, target, timeout=timeout)
    outcome = in_a_thread(work, done=wake, undo=socket.socket.close)
    try:
        await dialled.wait()
    except BaseException:
        # The loop may end before it hears of a socket that is there.
        outcome.append(None)
        if isinstance(outcome[0], socket.socket):
            outcome[0].close()
        raise
    sock = outcome[0]
    if isinstance(sock, Exception):
        raise sock
    assert sock is not None
    sock.settimeout(0)
    return sock
