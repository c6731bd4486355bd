"""One connection to the practice server: octets between a socket, TLS and the server core.

The core is `poptalk.protocol.server`; TLS is a layer of its own, so that what came in clear behind
STLS is a value that can be refused, and not a buffer that somebody forgot.  Nothing is written
while the client does not read, and nothing is read while the core has enough to do.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from poptalk.practice.accounts import Account
from poptalk.practice.maildrop import Lease, MaildropLocked
from poptalk.practice.persona import Persona
from poptalk.protocol.server import ServerSession
from poptalk.protocol.server_events import (
    CommitRequested,
    LoginAttempt,
    ServerEvent,
    SessionEnded,
    TlsRequested,
)
from poptalk.protocol.states import State
from poptalk.protocol.texts import Occasion

if TYPE_CHECKING:
    import ssl

    from poptalk.net.tls import TlsLayer


LINGER_SECONDS = 2.0
"""How long the client may take to close its side after the last reply; most do at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long, and for how many, a server waits.

    Args:
        login_seconds: from the connection to the login.  Servers in the field allow three minutes;
            a learner reads in between.
        idle_seconds: between two commands after the login; at least ten minutes (RFC 1939 §3).
        handshake_seconds: for TLS, in which nobody types.
        connections: at the same time: a class of thirty with a few windows each.
    """

    login_seconds: float = 1800
    idle_seconds: float = 1800
    handshake_seconds: float = 30
    connections: int = 256


class Host(Protocol):
    """What a connection needs of the server that it belongs to."""

    persona: Persona
    patience: Patience

    def new_timestamp(self) -> bytes:
        """Return an APOP timestamp that no other session has."""

    def find_account(self, attempt: LoginAttempt) -> Account | None:
        """Return the account that an attempt to log in is right for."""

    def open_maildrop(self, account: Account) -> Lease:
        """Open an account's maildrop; MaildropLocked if somebody else has it open."""

    def tls_context(self) -> ssl.SSLContext:
        """Return the settings of the server's side of TLS."""

    def admit(self, connection: Connection) -> bool:
        """Take note of a connection; tell whether there is room for it."""

    def forget(self, connection: Connection) -> None:
        """Take note that a connection is gone."""


class Connection(asyncio.Protocol):
    """One connection to the practice server.

    Args:
        host: the server.
        implicit_tls: whether TLS begins at once (RFC 8314 §3).
    """

    def __init__(self, host: Host, *, implicit_tls: bool = False) -> None:
        self._host = host
        self._session = ServerSession(
            texts=host.persona.texts,
            capabilities=host.persona.capabilities,
            timestamp=host.new_timestamp(),
            encrypted=implicit_tls,
        )
        self._tls: TlsLayer | None = self._new_tls() if implicit_tls else None
        self._lease: Lease | None = None
        self._paused = False
        self._reading = True
        self._input_over = False
        self._closing = False
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet the client, or turn it away."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        patience = self._host.patience
        self._wait(patience.handshake_seconds if self._tls else patience.login_seconds)
        if self._host.admit(self):
            self._session.greet()
        else:
            self._session.turn_away(Occasion.TOO_MANY_CONNECTIONS)
        self._pump()

    def data_received(self, data: bytes) -> None:
        """Take octets of the client, through TLS where that is on."""
        if self._closing:
            return
        plaintext = data if self._tls is None else self._decrypted(data)
        if plaintext:
            self._session.receive_data(plaintext)
        if self._tls is not None and self._tls.ended:
            self._session.receive_eof()
        self._pump()
        self._wait_for_commands()

    def eof_received(self) -> bool:
        """Answer what was sent before the client closed its side, and then close ours."""
        self._input_over = True
        if self._tls is not None and not self._tls.established:
            return False
        self._session.receive_eof()
        self._pump()
        return not self._closing

    def connection_lost(self, _error: Exception | None) -> None:
        """Give back what the session held; without QUIT nothing is removed (RFC 1939 §6)."""
        self._closing = True
        if self._timer is not None:
            self._timer.cancel()
        self._release()
        self._host.forget(self)

    def pause_writing(self) -> None:
        """Stop pulling output: the client does not read."""
        self._paused = True

    def resume_writing(self) -> None:
        """Go on: the client has read, which shows that it is there."""
        self._paused = False
        self._pump()
        self._wait_for_commands()

    def abort(self) -> None:
        """Drop the connection."""
        self._closing = True
        self._transport.abort()

    # Between the session and the transport.

    def _pump(self) -> None:
        """Act on events and hand out octets, as long as there are some and the client takes them."""
        self._act_on_events()
        while not (self._closing or self._paused):
            try:
                chunk = self._session.next_chunk()
            except OSError:
                # Half a message is out; cutting the connection is the one honest thing left.
                self.abort()
                return
            if chunk is not None:
                self._write(chunk)
            # What stands behind an answer shows once the answer is out.
            if not self._act_on_events() and chunk is None:
                break
        self._read_if_wanted()

    def _act_on_events(self) -> bool:
        """Act on what the session tells; return whether it told anything."""
        events = self._session.events()
        for event in events:
            self._act_on(event)
        return bool(events)

    def _read_if_wanted(self) -> None:
        wanted = self._session.wants_input
        if wanted == self._reading or self._closing:
            return
        self._reading = wanted
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _write(self, chunk: bytes | memoryview) -> None:
        if self._tls is None:
            self._transport.write(chunk)
            return
        self._tls.send(bytes(chunk))
        self._send_ciphertext(self._tls)

    def _send_ciphertext(self, tls: TlsLayer) -> None:
        ciphertext = tls.data_to_send()
        if ciphertext:
            self._transport.write(ciphertext)

    def _act_on(self, event: ServerEvent) -> None:
        match event:
            case LoginAttempt():
                self._log_in(event)
            case CommitRequested():
                assert self._lease is not None
                self._lease.commit(event.numbers)
                self._session.committed()
            case TlsRequested():
                self._tls = self._new_tls()
                self._wait(self._host.patience.handshake_seconds)
            case SessionEnded():
                self._close()

    def _log_in(self, attempt: LoginAttempt) -> None:
        account = self._host.find_account(attempt)
        if account is None:
            by_apop = attempt.digest is not None
            self._session.refuse(Occasion.WRONG_DIGEST if by_apop else Occasion.WRONG_PASSWORD)
            return
        try:
            self._lease = self._host.open_maildrop(account)
        except MaildropLocked:
            self._session.refuse(Occasion.MAILDROP_LOCKED)
            return
        self._session.accept(self._lease.maildrop)

    def _release(self) -> None:
        if self._lease is not None:
            self._lease.release()

    def _close(self) -> None:
        """Close in good order: all that was written goes out, and what still comes is read.

        Closing at once while octets of the client are unread would reset the connection, which can
        cost the client our last words.
        """
        self._closing = True
        self._release()
        if self._tls is not None:
            self._tls.close()
            self._send_ciphertext(self._tls)
        if self._input_over:
            self._transport.close()
            return
        self._transport.write_eof()
        self._transport.resume_reading()
        self._wait(LINGER_SECONDS)

    # TLS.

    def _new_tls(self) -> TlsLayer:
        from poptalk.net.tls import TlsLayer

        return TlsLayer(self._host.tls_context(), server_side=True)

    def _decrypted(self, data: bytes) -> bytes:
        """Return the plaintext of `data`; empty while hands are shaken, and when TLS has failed."""
        from poptalk.net.errors import TlsFailed

        assert self._tls is not None
        had_been_established = self._tls.established
        try:
            plaintext = self._tls.receive_data(data)
        except TlsFailed:
            # The alert tells the client why, as far as TLS has words for it.
            self._send_ciphertext(self._tls)
            self._closing = True
            self._transport.close()
            return b""
        if self._tls.established and not had_been_established:
            if not self._session.encrypted:
                self._session.tls_established()
            self._wait(self._host.patience.login_seconds)
        self._send_ciphertext(self._tls)
        return plaintext

    # Time.

    def _wait_for_commands(self) -> None:
        """Begin the inactivity timer of a session that is logged in anew (RFC 1939 §3)."""
        if self._session.state is State.TRANSACTION:
            self._wait(self._host.patience.idle_seconds)

    def _wait(self, seconds: float) -> None:
        """Set the time at which the connection is dropped; the one timer is moved, not replaced."""
        loop = asyncio.get_running_loop()
        self._deadline = loop.time() + seconds
        if self._timer is None or self._timer.when() > self._deadline:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = loop.call_at(self._deadline, self._time_is_up)

    def _time_is_up(self) -> None:
        """Drop a connection that has been silent, without a word and without UPDATE (RFC 1939 §3)."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._deadline:
            self._timer = loop.call_at(self._deadline, self._time_is_up)
            return
        self.abort()
