"""One connection to the practice server: octets between a socket, TLS and the server core.

The core is `poptalk.protocol.server`; TLS is a layer of its own, so that what came in clear behind
STLS is a value that can be refused, and not a buffer that somebody forgot.  Nothing is written
while the client does not read, and nothing is read while the core has enough to do.
"""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from poptalk.pop3.sasl.mechanism import ServerMechanisms
from poptalk.practice.accounts import Account
from poptalk.practice.maildrop import CommitRefused, Lease, MaildropError, MaildropLocked
from poptalk.practice.outlet import Outlet
from poptalk.practice.persona import Persona
from poptalk.practice.seam import DriverSeam, Ending
from poptalk.practice.unique_ids import RenamedMaildrop
from poptalk.practice.witness import DropReason, How, Witness
from poptalk.protocol.limits import Limits
from poptalk.protocol.server import ServerSession
from poptalk.protocol.server_events import (
    CommitRequested,
    LoginAttempt,
    LoginWithdrawn,
    ServerEvent,
    SessionEnded,
    SizesRequested,
    TlsRequested,
)
from poptalk.protocol.states import State
from poptalk.protocol.texts import Occasion

if TYPE_CHECKING:
    import ssl

    from poptalk.net.tls import TlsLayer
    from poptalk.practice.certificates import Certificates
    from poptalk.practice.deadlines import Deadlines
    from poptalk.protocol.maildrop import Maildrop


_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER with a time of zero: closing a socket resets the connection."""

LINGER_SECONDS = 2.0
"""How long the client may take to close its side after the last reply; most do at once."""

MAX_QUEUED_OCTETS = 65_536
"""Octets that wait for a slow reader before no more are pulled from the core; one chunk of the core may
come on top.  Dovecot stops at 4,096, but writes in small pieces; more would only cost memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long, and for how many, a server waits.

    Args:
        login_seconds: from the connection to the login.  Servers in the field allow three minutes;
            a learner reads in between.
        idle_seconds: between two commands after the login; at least ten minutes (RFC 1939 §3).  Also
            how long a reader may take nothing of what waits for it.
        handshake_seconds: for TLS, in which nobody types: half of what asyncio allows, for slow lines.
        connections: at the same time: a class of thirty with a few windows each.
        connections_per_address: of these, so that one program gone wild leaves room for others; half,
            because a class may sit behind one router.
    """

    login_seconds: float = 1800
    idle_seconds: float = 1800
    handshake_seconds: float = 30
    connections: int = 256
    connections_per_address: int = 128


class Host(Protocol):
    """What a connection needs of the server that it belongs to."""

    persona: Persona
    patience: Patience
    limits: Limits
    mechanisms: ServerMechanisms
    refusal_seconds: float
    deadlines: Deadlines

    def new_timestamp(self) -> bytes | None:
        """Return an APOP timestamp that no other session has, None where the greeting shows none."""

    def find_account(self, attempt: LoginAttempt) -> Account | None:
        """Return the account that an attempt to log in is right for."""

    def login_too_soon(self, account: Account, *, encrypted: bool) -> bool:
        """Tell whether an account must wait before it may log in again (RFC 2449 §6.5)."""

    def logged_in(self, account: Account) -> None:
        """Take note that an account logs in now."""

    def open_maildrop(self, account: Account) -> Lease:
        """Open an account's maildrop; MaildropLocked if somebody else has it open."""

    def tls_context(self) -> ssl.SSLContext:
        """Return the settings of the server's side of TLS."""

    def certificates(self) -> Certificates:
        """Return the authority that signs the server's certificates."""

    def new_seam(self) -> DriverSeam:
        """Return what meddles with the next connection."""

    def admit(self, connection: Connection, address: str) -> bool:
        """Take note of a connection from an address; tell whether there is room for it."""

    def witnesses(self, address: str, port: int, *, implicit_tls: bool) -> tuple[Witness, ...]:
        """Return those who look on at a connection from an address and port."""

    def forget(self, connection: Connection) -> None:
        """Take note that a connection is gone."""


class Connection(asyncio.Protocol):
    """One connection to the practice server.

    Args:
        host: the server.
        implicit_tls: whether TLS begins at once (RFC 8314 §3).

    Attributes:
        deadline: until when something has to happen, by the clock of the loop.
    """

    def __init__(self, host: Host, *, implicit_tls: bool = False) -> None:
        self._host = host
        self._seam = host.new_seam()
        self._session = ServerSession(
            texts=host.persona.texts,
            capabilities=host.persona.capabilities,
            timestamp=host.new_timestamp(),
            encrypted=implicit_tls,
            limits=host.limits,
            mechanisms=host.mechanisms,
            habits=host.persona.habits,
            seam=self._seam,
        )
        self._witnesses: tuple[Witness, ...] = ()
        self._untreated: list[ServerEvent] = []
        """What the core told and the witnesses know, and is still to be acted upon."""
        self._how: How | None = None
        """How the session ended."""
        self._outlet: Outlet | None = None
        """What carries out the wishes of the seam, once it has one."""
        self._tls: TlsLayer | None = self._new_tls() if implicit_tls else None
        self._lease: Lease | None = None
        self._committing = False
        """Whether messages are being removed; whoever does that gives the lease back."""
        self._paused = False
        self._reading = True
        self._input_over = False
        self._closing = False
        self.deadline = math.inf
        self._overdue = DropReason.NO_LOGIN
        """What it is called if nothing happens before the deadline."""
        self._refusing: asyncio.TimerHandle | None = None
        """A refusal of a login that is still to be told."""

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet the client, or turn it away."""
        # That of uvloop is one by what it does, and not by its class.
        self._transport = transport = cast("asyncio.Transport", transport)
        self._loop = asyncio.get_running_loop()
        transport.set_write_buffer_limits(high=MAX_QUEUED_OCTETS)
        self._wait_for_login()
        # None where the client is gone already.
        address, port = (transport.get_extra_info("peername") or ("unknown", 0))[:2]
        self._witnesses = self._host.witnesses(address, port, implicit_tls=self._tls is not None)
        self._session.tells_input = bool(self._witnesses)
        if self._host.admit(self, address):
            if self._tls is None:
                self._session.greet()
        else:
            # Nothing is waited for: those who are turned away must not become a crowd themselves.
            # Where TLS comes first they hear nothing, for a handshake costs what is short.
            self._input_over = True
            self._session.turn_away(Occasion.TOO_MANY_CONNECTIONS)
        self._pump()

    def data_received(self, data: bytes) -> None:
        """Take octets of the client, through TLS where that is on."""
        if self._closing:
            return
        plaintext = data if self._tls is None else self._decrypted(data)
        if plaintext:
            for witness in self._witnesses:
                witness.received(plaintext)
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
        self.deadline = math.inf
        if self._refusing is not None:
            self._refusing.cancel()
        if self._outlet is not None:
            self._outlet.cancel()
        self._release()
        for witness in self._witnesses:
            witness.ended(self._how or DropReason.CLIENT_VANISHED)
        self._host.forget(self)

    def pause_writing(self) -> None:
        """Stop pulling output: the client does not read."""
        self._paused = True

    def resume_writing(self) -> None:
        """Go on: the client has read, which shows that it is there."""
        self._paused = False
        if self._closing:
            self._linger()
            return
        self._pump()
        self._wait_for_commands()

    def drop(self, reason: DropReason) -> None:
        """Drop the connection; without QUIT nothing is removed (RFC 1939 §6)."""
        self._how = self._how or reason
        self._closing = True
        self.deadline = math.inf
        self._transport.abort()

    @property
    def busy(self) -> bool:
        """Whether there is something to finish: somebody is logged in, or the last words go out."""
        return self._session.state not in (State.GREETING, State.AUTHORIZATION)

    # Between the session and the transport.

    def _pump(self) -> None:
        """Act on events and hand out octets, as long as there are some and the client takes them."""
        session = self._session
        chunk: bytes | memoryview | None = b""
        while True:
            # The witnesses hear of a command before its answer.
            if events := session.events():
                self._learn(events)
            if chunk:
                self._send(chunk)
            # What stands behind an answer shows once the answer is out.
            if self._outlet is not None and self._outlet.holding:
                break
            if self._untreated:
                self._act_on_events()
            elif chunk is None:
                break
            if self._closing or self._paused:
                break
            try:
                chunk = session.next_chunk()
            except OSError:
                # Half a message is out; cutting the connection is the one honest thing left.
                self.drop(DropReason.MESSAGE_BROKE)
                return
        if session.wants_input is not self._reading:
            self._read_if_wanted()

    def _learn(self, events: Sequence[ServerEvent]) -> None:
        """Let the witnesses know what the session tells."""
        self._untreated += events
        for witness in self._witnesses:
            for event in events:
                witness.told(event)

    def _act_on_events(self) -> None:
        """Act on what the session has told."""
        events, self._untreated = self._untreated, []
        for event in events:
            self._act_on(event)

    def _read_if_wanted(self) -> None:
        if self._closing:
            return
        self._reading = self._session.wants_input
        if self._reading:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _send(self, chunk: bytes | memoryview) -> None:
        """Let octets of replies leave as the seam says."""
        actions = self._seam.deliver(chunk)
        if actions is None:
            self._write(chunk)
            return
        if self._outlet is None:
            self._outlet = Outlet(write=self._write, end=self._end_early, released=self._pump)
        self._outlet.carry_out(actions)

    def _write(self, chunk: bytes | memoryview) -> None:
        for witness in self._witnesses:
            witness.sent(chunk)
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
            case SessionEnded():
                self._how = event.because
                self._close()
            case LoginWithdrawn():
                self._release()
                self._lease = None
            case SizesRequested():
                assert self._lease is not None
                self._count_sizes(self._lease)
            case CommitRequested():
                assert self._lease is not None
                self._commit(self._lease, event.numbers)
            case TlsRequested():
                self._tls = self._new_tls()
                self._wait(self._host.patience.handshake_seconds, DropReason.NO_HANDSHAKE)

    def _log_in(self, attempt: LoginAttempt) -> None:
        refusal = self._open_maildrop(attempt)
        if refusal is not None:
            self._refuse(refusal)
        elif self._lease is not None:
            maildrop: Maildrop = self._lease.maildrop
            if self._host.persona.unique_ids is not None:
                maildrop = RenamedMaildrop(maildrop, self._host.persona.unique_ids)
            self._session.accept(self._seam.maildrop(maildrop))

    def _refuse(self, refusal: Occasion) -> None:
        """Refuse a login, after as long as the server takes for that."""
        if not self._host.refusal_seconds:
            self._session.refuse(refusal)
            return
        self._refusing = self._loop.call_later(
            self._host.refusal_seconds, self._refuse_now, refusal
        )

    def _refuse_now(self, refusal: Occasion) -> None:
        if self._closing:
            return
        self._session.refuse(refusal)
        self._pump()

    def _open_maildrop(self, attempt: LoginAttempt) -> Occasion | None:
        """Open the maildrop that an attempt is right for, or return why not."""
        account = self._host.find_account(attempt)
        if account is None:
            return attempt.if_wrong
        if self._host.login_too_soon(account, encrypted=self._session.encrypted):
            return Occasion.LOGIN_TOO_SOON
        refusal = self._seam.refused_login(account)
        if refusal is not None:
            return refusal
        try:
            self._lease = self._host.open_maildrop(account)
        except MaildropLocked:
            return Occasion.MAILDROP_LOCKED
        except MaildropError:
            return Occasion.TROUBLE_LASTING
        except OSError:
            return Occasion.TROUBLE_PASSING
        self._host.logged_in(account)
        for witness in self._witnesses:
            witness.logged_in(account)
        return None

    def _count_sizes(self, lease: Lease) -> None:
        """Have all messages counted in a thread, because that means reading them."""
        maildrop = lease.maildrop
        counting = self._loop.run_in_executor(None, maildrop.count_octets, self._is_there)
        counting.add_done_callback(self._sizes_counted)

    def _is_there(self) -> bool:
        return not self._closing

    def _sizes_counted(self, counting: asyncio.Future[None]) -> None:
        counting.result()
        if not self._closing:
            self._session.sizes_counted()
            self._pump()
            self._wait_for_commands()

    def _commit(self, lease: Lease, numbers: tuple[int, ...]) -> None:
        """Remove messages; in a thread if that means waiting for a disk, which others need not."""
        if not lease.writes:
            lease.commit(numbers)
            self._session.committed()
            return
        self._committing = True
        commit = self._loop.run_in_executor(None, lease.commit, numbers)
        commit.add_done_callback(self._committed)

    def _committed(self, commit: asyncio.Future[None]) -> None:
        try:
            commit.result()
        except (CommitRefused, OSError):
            self._session.commit_failed()
        else:
            self._session.committed()
        self._pump()

    def _release(self) -> None:
        if self._lease is not None and not self._committing:
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
        self._hang_up()

    def _hang_up(self) -> None:
        if self._input_over:
            self._transport.close()
            return
        # From now on `_paused` tells whether anything is still queued.
        self._transport.set_write_buffer_limits(high=0)
        self._transport.write_eof()
        if not self._reading:
            self._transport.resume_reading()
        self._linger()

    def _linger(self) -> None:
        """Wait until the client has taken what is queued, and then for its side to be closed."""
        assert self._how is not None
        seconds = self._host.patience.idle_seconds if self._paused else LINGER_SECONDS
        self._wait(seconds, DropReason.IDLE)

    def _end_early(self, ending: Ending) -> None:
        """End the connection where it stands: no goodbye of TLS, and no UPDATE (RFC 1939 §6)."""
        self._closing = True
        self._how = self._how or DropReason.FAULT
        if ending is Ending.CLOSE:
            self._release()
            self._hang_up()
            return
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.drop(DropReason.FAULT)

    # TLS.

    def _new_tls(self) -> TlsLayer:
        from poptalk.net.tls import TlsLayer

        context = self._seam.tls_context(self._host.certificates)
        return TlsLayer(context or self._host.tls_context(), server_side=True)

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
            self._how = DropReason.TLS_FAILED
            self._transport.close()
            return b""
        if self._tls.established and not had_been_established:
            for witness in self._witnesses:
                witness.tls_began()
            if self._session.state is State.GREETING:
                self._session.greet()
            else:
                self._session.tls_established()
            self._wait_for_login()
        self._send_ciphertext(self._tls)
        return plaintext

    # Time.

    def _wait_for_login(self) -> None:
        patience = self._host.patience
        if self._tls is not None and not self._tls.established:
            self._wait(patience.handshake_seconds, DropReason.NO_HANDSHAKE)
        else:
            self._wait(patience.login_seconds, DropReason.NO_LOGIN)

    def _wait_for_commands(self) -> None:
        """Begin the inactivity timer of a session that is logged in anew (RFC 1939 §3)."""
        if self._session.state is State.TRANSACTION and not self._closing:
            self._wait(self._host.patience.idle_seconds, DropReason.IDLE)

    def _wait(self, seconds: float, overdue: DropReason) -> None:
        """Set the time at which the connection is dropped."""
        self._overdue = overdue
        self.deadline = self._loop.time() + seconds
        self._host.deadlines.note(self.deadline)

    def time_is_up(self) -> None:
        """Drop a connection that has been silent, without a word and without UPDATE (RFC 1939 §3)."""
        self.drop(self._overdue)
