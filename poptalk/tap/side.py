"""One side of a relayed session: a socket, with or without TLS on it.

Plaintext comes out through `SideListener`, and goes in with `write`.  A side knows nothing of the other
one: `Relay` joins the two, and says when each may be read (`read_when`).
"""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, cast

from poptalk.net.errors import TlsFailed
from poptalk.net.tls import FIRST_RECORDS

if TYPE_CHECKING:
    from poptalk.net.tls import TlsLayer

MAX_QUEUED_OCTETS = 262_144
"""If more octets wait for a slow reader, the other side is no longer read."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER with a time of zero: closing the socket resets the connection."""


class SideListener(Protocol):
    """Takes what happens on both sides of a session."""

    def connected(self, side: RelaySide) -> None:
        """Take note that a side has its socket."""

    def came(self, side: RelaySide, octets: bytes) -> None:
        """Take plaintext that a side has sent."""

    def handshake_done(self, side: RelaySide) -> None:
        """Take note that TLS has begun on a side."""

    def came_in_clear(self, side: RelaySide, octets: bytes) -> None:
        """Take octets in the clear that came where TLS was to begin; they are not passed on."""

    def tls_failed(self, side: RelaySide, error: TlsFailed) -> None:
        """Take note that TLS failed on a side."""

    def input_over(self, side: RelaySide, *, clean: bool) -> None:
        """Take note that a side sends no more; not `clean` if TLS ended without close_notify."""

    def lost(self, side: RelaySide, error: Exception | None) -> None:
        """Take note that a side is gone; with an error if it was reset or broke."""

    def room_changed(self, side: RelaySide) -> None:
        """Take note that a side's reader has become too slow, or keeps up again."""


class RelaySide(asyncio.Protocol):
    """One side.

    Attributes:
        tls: its TLS; None in the clear.
        over: whether it sends no more.
        lost: whether its connection is gone.
        full: whether too much waits for its reader.
        octets: how many octets of plaintext it has sent.
    """

    def __init__(self, listener: SideListener, *, tls: TlsLayer | None = None) -> None:
        self.tls = tls
        self.over = self.lost = False
        self.full = False
        self.octets = 0
        self.transport: asyncio.Transport | None = None
        self._listener = listener
        self._finished = False
        self._looks_for_clear = tls is not None
        """Whether octets in the clear may still come before TLS; they are not given to it."""
        self._reading = True

    @property
    def shaking_hands(self) -> bool:
        """Whether a handshake is going on."""
        return self.tls is not None and not self.tls.established

    @property
    def takes(self) -> bool:
        """Whether more may be written now."""
        return self.transport is not None and not (self.full or self.shaking_hands)

    @property
    def gone(self) -> bool:
        """Whether its connection is closed, or is being closed."""
        return self.transport is not None and self.transport.is_closing()

    def begin_tls(self, layer: TlsLayer) -> None:
        """Begin TLS: all further octets belong to it.  As a client, speak first."""
        self.tls = layer
        self._looks_for_clear = True
        self._take_ciphertext(b"")

    def write(self, octets: bytes) -> None:
        """Send plaintext; drop it if the side is gone or takes no more."""
        if self.gone or self.transport is None or self._finished:
            return
        if self.tls is None:
            self.transport.write(octets)
        else:
            self.tls.send(octets)
            self._flush()

    def read_when(self, wanted: bool) -> None:  # noqa: FBT001 - it is the whole question
        """Go on reading, or pause."""
        if self.transport is None or self.over or self.gone or wanted is self._reading:
            return
        self._reading = wanted
        if wanted:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    def finish(self) -> None:
        """Send no more, once all is sent that was written; what comes is still read."""
        if self.transport is None or self.gone or self._finished:
            return
        self._finished = True
        if self.tls is not None:
            self.tls.close()
            self._flush()
        with suppress(OSError):
            self.transport.write_eof()

    def close(self) -> None:
        """Close the connection in good order."""
        self.finish()
        if self.transport is not None:
            self.transport.close()

    def reset(self) -> None:
        """Reset the connection, even if it is being closed and its reader takes nothing."""
        if self.transport is None:
            return
        sock = self.transport.get_extra_info("socket")
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.transport.abort()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=MAX_QUEUED_OCTETS)
        self._listener.connected(self)
        if self.tls is not None:
            self._take_ciphertext(b"")

    def data_received(self, data: bytes) -> None:
        """Take octets from the socket."""
        if self.tls is not None:
            self._take_ciphertext(data)
        elif data:
            self.octets += len(data)
            self._listener.came(self, data)

    def eof_received(self) -> bool:
        """Take note that the peer sends no more; our end stays open for what is still to be sent."""
        clean = True
        if self.tls is not None:
            clean = self.tls.receive_eof()
            if self.tls.failure is not None and not self.tls.established:
                self.over = True
                self._listener.tls_failed(self, self.tls.failure)
                return False
        self._over(clean=clean)
        return not self.gone

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that the socket is closed."""
        self.over = self.lost = True
        self._listener.lost(self, exc)

    def pause_writing(self) -> None:
        """Take note that the reader is too slow."""
        self.full = True
        self._listener.room_changed(self)

    def resume_writing(self) -> None:
        """Take note that the reader has caught up."""
        self.full = False
        self._listener.room_changed(self)

    # TLS.

    def _take_ciphertext(self, data: bytes) -> None:
        layer = self.tls
        assert layer is not None
        if self._looks_for_clear:
            data = self._without_clear(data)
        was_established = layer.established
        try:
            plaintext = layer.receive_data(data)
        except TlsFailed as error:
            # The alert tells the other end why, as far as TLS has words for it.
            self._flush()
            self._listener.tls_failed(self, error)
            return
        self._flush()
        if layer.established and not was_established:
            self._listener.handshake_done(self)
        if plaintext:
            self.octets += len(plaintext)
            self._listener.came(self, plaintext)
        if layer.failure is not None:
            self._listener.tls_failed(self, layer.failure)
        elif layer.ended:
            self._over(clean=True)

    def _without_clear(self, data: bytes) -> bytes:
        """Remove what comes before the first record of TLS, line by line."""
        rest = data
        while rest and rest[0] not in FIRST_RECORDS:
            rest = rest[rest.find(b"\n") + 1 or len(rest) :]
        self._looks_for_clear = not rest
        if len(rest) < len(data):
            self._listener.came_in_clear(self, data[: len(data) - len(rest)])
        return rest

    def _flush(self) -> None:
        if self.tls is not None and self.transport is not None and not self.gone:
            ciphertext = self.tls.data_to_send()
            if ciphertext:
                self.transport.write(ciphertext)

    def _over(self, *, clean: bool) -> None:
        if not self.over:
            self.over = True
            self._listener.input_over(self, clean=clean)
