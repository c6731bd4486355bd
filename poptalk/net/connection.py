"""A blocking connection, for pipes.

A piped session sends a line, waits for the reply, and sends the next: it needs no event loop, and
importing asyncio costs more than the session lasts.  ssl is loaded when TLS is asked for.
"""

from __future__ import annotations

import socket

from poptalk.net import errors
from poptalk.net.dial import Deadline, dial
from poptalk.net.endpoint import Target
from poptalk.net.errors import ConnectionLost, Ending, TlsFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from poptalk.net.tls import TlsFacts, TlsLayer
    from poptalk.net.tls_settings import TlsSettings

# Octets asked for in one read.  Measured over loopback: 64 KiB to 128 KiB stay in the processor's
# cache and are a third faster than 1 MiB; with less, the cost of each call begins to show.
RECEIVE_SIZE = 128 * 1024

# A closed connection raises an exception and sends no signal, even where SIGPIPE would end the program
# quietly, as it does at the front of a pipe.
_SEND_FLAGS = getattr(socket, "MSG_NOSIGNAL", 0)

_BUSY = "It may be busy or gone: connect again, or give it longer with --timeout."


class Link:
    """One connection to a server, blocking.

    Args:
        sock: a connected socket, owned by the link from now on.
        target: what it is connected to, for the sentences.
        timeout: seconds that one read, one write or a whole TLS handshake may take; None waits.

    Attributes:
        target: what it is connected to.
        tls: the outcome of the TLS handshake, None in the clear.
        ending: how the connection ended, None while it is open.
        timeout: as given.
    """

    def __init__(self, sock: socket.socket, *, target: Target, timeout: float | None) -> None:
        self.target = target
        self.tls: TlsFacts | None = None
        self.ending: Ending | None = None
        self._sock = sock
        self.timeout = timeout
        self._layer: TlsLayer | None = None
        self._early = b""
        self._first: bytes | None = None
        sock.settimeout(timeout)

    @classmethod
    def open(cls, target: Target, *, timeout: float | None, tls: TlsSettings | None = None) -> Link:
        """Connect, and begin with TLS if asked to.

        Args:
            target: where to connect to.
            timeout: seconds for connecting, and afterwards as for the class.
            tls: begin with TLS (RFC 8314 calls it implicit), on these terms.

        Raises:
            ConnectFailed: no connection was made.
            TlsFailed: TLS did not begin; the socket is closed.
        """
        link = cls(dial(target, timeout=timeout), target=target, timeout=timeout)
        if tls is not None:
            link._shake_hands(tls, upgrading=False)
        return link

    def __enter__(self) -> Link:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def fileno(self) -> int:
        """Return the file descriptor for ``select``; see also `pending`."""
        return self._sock.fileno()

    def pending(self) -> bool:
        """Tell whether `receive` returns at once although the socket has nothing to read."""
        if self._early or self.ending is not None:
            return True
        layer = self._layer
        return layer is not None and (layer.ended or layer.failure is not None)

    def send(self, data: bytes) -> None:
        """Send `data`, all of it.

        Args:
            data: octets, which go out as they are, or encrypted.

        Raises:
            ConnectionLost: the server takes nothing anymore.  What it said before may still be
                waiting for `receive`.
            TlsFailed: as for `receive_once`.
        """
        if self.ending is not None:
            raise ConnectionLost(f"The connection to {self.target} has ended: {self.ending}.")
        if self._layer is not None:
            if self._layer.failure is not None:
                raise ConnectionLost(str(self._layer.failure))
            self._layer.send(data)
            data = self._layer.data_to_send()
        try:
            self._sock.sendall(data, _SEND_FLAGS)
        except TimeoutError:
            raise ConnectionLost(
                f"{self.target} has taken no data for {self.timeout:g} s. {_BUSY}"
            ) from None
        except OSError as error:
            if self._layer is not None:
                self._look_for_alert(self._layer)
            ending = errors.ending_of(error)
            raise ConnectionLost(
                f"Nothing can be sent to {self.target} any more: {ending}. Connect again."
            ) from error

    def _look_for_alert(self, layer: TlsLayer) -> None:
        """Read what came before the connection broke: the reason, perhaps, or replies."""
        try:
            self._sock.settimeout(0)
            while data := self._sock.recv(RECEIVE_SIZE):
                self._early += layer.receive_data(data)
        except OSError:
            pass
        except TlsFailed as failure:
            if failure.wants_certificate:
                raise

    def receive(self) -> bytes:
        """Return the next octets in the clear, or ``b""`` once the connection has ended.

        Raises:
            ConnectionLost: the server said nothing in time; the connection stays open.
        """
        while (data := self.receive_once()) is None:
            pass
        return data

    def receive_once(
        self, *, within: float | None = None, awaited: Callable[[], str] | None = None
    ) -> bytes | None:
        """Read once: for callers that ``select`` has told that there is something to read.

        Args:
            within: seconds left of the time-out, 0 or less for none; None for all of it.
            awaited: says how much of a reply has come, such as "3 octets of the greeting".

        Returns:
            Octets in the clear, ``b""`` once the connection has ended, or None where what came was
            TLS's own, such as a session ticket, and `receive` would go on waiting.

        Raises:
            ConnectionLost: as for `receive`.
            TlsFailed: the server has ended TLS because it wants a client certificate.
        """
        if self._early:
            data, self._early = self._early, b""
            return data
        if self.ending is not None:
            return b""
        try:
            if within is not None:
                if within <= 0:
                    raise TimeoutError
                self._sock.settimeout(within)
            layer = self._layer
            data = self._receive_octets() if layer is None else self._receive_plaintext(layer)
        except TimeoutError:
            came = awaited() if awaited is not None else ""
            said = f"sent no more than {came}" if came else "said nothing"
            silent = self._first is None and self._layer is None
            advice = errors.TLS_PORT_HINT if silent else _BUSY
            raise ConnectionLost(
                f"{self.target} has {said} for {self.timeout:g} s. {advice}"
            ) from None
        return data if data or self.ending is not None else None

    def start_tls(self, settings: TlsSettings) -> TlsFacts:
        """Begin TLS, after the ``+OK`` to STLS (RFC 2595 §4).

        What comes from now on goes to TLS and is never read as a reply, so that an injected response
        makes the handshake fail.

        Args:
            settings: the terms.

        Raises:
            TlsFailed: TLS did not begin; the connection is closed.
        """
        return self._shake_hands(settings, upgrading=True)

    def interrupt(self) -> None:
        """End the connection from another thread: `receive`, which waits there, finds it ended."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            # It has ended by itself.
            pass

    def close(self) -> None:
        """Close the connection, with close_notify or an alert if that can be sent without waiting.

        Closing it again does no harm.
        """
        if self.ending is None:
            self.ending = errors.CLOSED_BY_US
        if self._sock.fileno() < 0:
            return
        if self._layer is not None:
            self._layer.close()
            try:
                self._sock.settimeout(0)
                self._sock.send(self._layer.data_to_send(), _SEND_FLAGS)
            except OSError:
                # A goodbye is a courtesy that the server may decline.
                pass
        self._sock.close()

    def _receive_octets(self) -> bytes:
        """Return what the socket gives; at the end nothing, and `ending` is set."""
        error = None
        try:
            data = self._sock.recv(RECEIVE_SIZE)
        except TimeoutError:
            raise
        except OSError as broken:
            data, error = b"", broken
        if self._first is None and data:
            self._first = data[:2]
        elif not data and self._layer is None:
            self.ending = errors.ending_in_clear(self._first, error)
        elif not data:
            self.ending = errors.TLS_CUT_BY_SERVER if error is None else errors.ending_of(error)
        return data

    def _receive_plaintext(self, layer: TlsLayer) -> bytes:
        """Return the plaintext of the next octets; at the end nothing, and `ending` is set."""
        if layer.ended:
            self.ending = errors.CLOSED_BY_SERVER
            return b""
        if layer.failure is None:
            data = self._receive_octets()
            if not data:
                return b""
            try:
                return layer.receive_data(data)
            except TlsFailed:
                # It is kept in layer.failure.
                pass
        from poptalk.net.tls_errors import ending_of_session

        assert layer.failure is not None
        self.ending = ending_of_session(layer.failure)
        if layer.failure.wants_certificate:
            raise layer.failure
        return b""

    def _shake_hands(self, settings: TlsSettings, *, upgrading: bool) -> TlsFacts:
        """Begin TLS, or close the connection, with the alert that says why."""
        from poptalk.net import tls, tls_errors

        peer = str(self.target)
        done = False
        try:
            if self._layer is not None:
                raise tls_errors.already_in_force(peer)
            self._layer = layer = tls.client_layer(settings, peer=peer, upgrading=upgrading)
            self._exchange(layer)
            done = True
        except TimeoutError:
            raise tls_errors.handshake_timed_out(
                peer, self.timeout or 0, upgrading=upgrading
            ) from None
        except OSError as error:
            raise tls_errors.broke_in_handshake(error, peer=peer, upgrading=upgrading) from error
        finally:
            if not done:
                self.ending = errors.GAVE_UP_TLS
                self.close()
        assert layer.facts is not None
        self.tls = layer.facts
        return layer.facts

    def _exchange(self, layer: TlsLayer) -> None:
        """Carry the octets of a handshake until it is done, or raise why it cannot be."""
        deadline = Deadline(self.timeout)
        self._early = layer.receive_data(b"")
        while True:
            self._sock.settimeout(deadline.left())
            self._sock.sendall(layer.data_to_send(), _SEND_FLAGS)
            if layer.established:
                break
            data = self._sock.recv(RECEIVE_SIZE)
            if not data:
                layer.receive_eof()
                assert layer.failure is not None
                raise layer.failure
            self._early = layer.receive_data(data)
        self._sock.settimeout(self.timeout)
