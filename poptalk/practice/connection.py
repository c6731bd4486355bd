"""One connection to the practice server: octets between a socket, TLS and the server core.

The core is `poptalk.pop3.server.session`; TLS is a layer of its own, so that octets that came in the
clear after STLS are a value that can be refused, not a forgotten buffer.  Nothing is written while the
client doesn't read, and nothing is read while the core has enough to do.  A fault can make octets leave
late or in pieces.  Work that may read much mail or wait for a disk is done in a thread.
"""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

from poptalk.net.errors import EndedBy, ending_of
from poptalk.pop3.commands import State
from poptalk.pop3.server import events
from poptalk.pop3.server.session import ServerSession
from poptalk.pop3.server.texts import Occasion
from poptalk.practice.faults.fault import Action, EarlyEnd, Pause
from poptalk.practice.maildrop import CommitRefused, Lease
from poptalk.practice.observers import DropReason, How, Observer
from poptalk.practice.persona import in_the_form_of

if TYPE_CHECKING:
    from poptalk.net.tls import TlsLayer
    from poptalk.practice.accounts import Account
    from poptalk.practice.server import Server


_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER with a time of zero: closing a socket resets the connection."""

LINGER_SECONDS = 2.0
"""How long the client may take to close its side after the last reply; most do so at once."""

MAX_QUEUED_OCTETS = 65_536
"""Octets waiting for a slow reader at which no more are pulled from the core; one chunk may come on top.
Dovecot stops at 4,096, but writes in small pieces; more would only cost memory."""


TURN_SECONDS = 0.01
"""How long one client is served before the others get a turn; a reply takes a fraction of that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a server waits, and for how many clients.

    Args:
        login_seconds: from the connection to the login.  Servers in the field allow three minutes;
            a learner reads in between.
        idle_seconds: between two commands after the login; at least ten minutes (RFC 1939 §3).  Also
            how long a reader may take nothing of what waits for it.
        handshake_seconds: for TLS, during which nothing is typed: half of what asyncio allows.
        connections: at the same time: for a class of thirty with a few windows each.
        connections_per_address: how many of these, so that one program gone wild leaves room for
            others; half, because a class may share one router.  A class has `FOR_A_CLASS`.
    """

    login_seconds: float = 1800
    idle_seconds: float = 1800
    handshake_seconds: float = 30
    connections: int = 256
    connections_per_address: int = 128


FOR_A_CLASS = Patience(connections=1024, connections_per_address=1024)
"""Two hundred with a few windows each, all of them behind one router or at one machine."""


class ServerConnection(asyncio.Protocol):
    """One connection to the practice server.

    Args:
        server: the server that accepted it.
        implicit_tls: whether TLS begins at once (RFC 8314 §3).

    Attributes:
        deadline: until when something has to happen, by the clock of the loop.
    """

    def __init__(self, server: Server, *, implicit_tls: bool = False) -> None:
        self._server = server
        self._hooks = server.new_hooks()
        self._session = ServerSession(
            texts=server.persona.texts,
            capabilities=server.persona.capabilities,
            timestamp=server.new_timestamp(),
            encrypted=implicit_tls,
            limits=server.limits,
            mechanisms=server.mechanisms,
            quirks=server.persona.quirks,
            hooks=self._hooks,
        )
        self._observers: tuple[Observer, ...] = ()
        self._pending: list[events.ServerEvent] = []
        """Events that the observers know, and that are still to be acted upon."""
        self._how: How | None = None
        """How the session ended."""
        self._actions: Iterator[Action] = iter(())
        """What is left of a reply that a pause of the hooks holds up."""
        self._holding = False
        """Whether a pause is on: nothing may be sent, and what follows must wait."""
        self._pause: asyncio.TimerHandle | None = None
        self._tls: TlsLayer | None = self._new_tls() if implicit_tls else None
        self._lease: Lease | None = None
        self._committing = False
        """Whether messages are being removed; the lease is given back after that."""
        self._paused = False
        self._reading = True
        self._input_over = False
        self._closing = False
        self.deadline = math.inf
        self._overdue = DropReason.NO_LOGIN
        """Why the connection is dropped if nothing happens before the deadline."""
        self._next_turn: asyncio.Handle | None = None
        """The rest of the answers, put off so that others get a turn."""
        self._refusing: asyncio.TimerHandle | None = None
        """A refusal of a login that is still to be sent."""

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet the client, or turn it away."""
        # uvloop's has the methods, but not the class.
        self._transport = transport = cast("asyncio.Transport", transport)
        self._loop = asyncio.get_running_loop()
        transport.set_write_buffer_limits(high=MAX_QUEUED_OCTETS)
        self._wait_for_login()
        # None if the client has already gone.
        address, port = (transport.get_extra_info("peername") or ("unknown", 0))[:2]
        self._observers = self._server.observers(address, port, implicit_tls=self._tls is not None)
        self._session.tells_input = bool(self._observers)
        if self._server.connections.admit(self, address):
            if self._tls is None:
                self._session.greet()
        else:
            # Clients that are turned away are not waited for, or they would add up.  Where TLS comes
            # first they hear nothing, because a handshake would cost too much.
            self._input_over = True
            self._session.turn_away(Occasion.TOO_MANY_CONNECTIONS)
        self._pump()

    def data_received(self, data: bytes) -> None:
        """Take octets of the client, through TLS if that is on."""
        if self._closing:
            return
        plaintext = data if self._tls is None else self._decrypted(data)
        if plaintext:
            for observer in self._observers:
                observer.received(plaintext)
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

    def connection_lost(self, error: Exception | None) -> None:
        """Give back what the session held; without QUIT nothing is removed (RFC 1939 §6)."""
        self._closing = True
        self.deadline = math.inf
        self._actions = iter(())
        for timer in (self._refusing, self._pause):
            if timer is not None:
                timer.cancel()
        self._release()
        by_network = isinstance(error, OSError) and ending_of(error).by is EndedBy.NETWORK
        lost = DropReason.NETWORK_BROKE if by_network else DropReason.CLIENT_VANISHED
        for observer in self._observers:
            observer.ended(self._how or lost)
        self._server.connections.forget(self)

    def pause_writing(self) -> None:
        """Stop pulling output, because the client does not read."""
        self._paused = True

    def resume_writing(self) -> None:
        """Go on: the client has read, so it is still there."""
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
        """Whether there is something to finish: a user is logged in, or the last words go out."""
        return self._session.state not in (State.GREETING, State.AUTHORIZATION)

    # Between the session and the transport.

    def _pump(self) -> None:
        """Act on events and send octets, for as long as there are any and the client takes them."""
        session, turn_ends = self._session, self._loop.time() + TURN_SECONDS
        chunk: bytes | memoryview | None = b""
        while True:
            # The observers hear of a command before its answer.
            if told := session.events():
                self._learn(told)
            if chunk:
                self._send(chunk)
            # What follows an answer shows once the answer is out.
            if self._holding:
                break
            if self._pending:
                self._act_on_events()
            elif chunk is None:
                break
            if self._closing or self._paused or (chunk and self._turn_is_over(turn_ends)):
                break
            try:
                chunk = session.next_chunk()
            except OSError:
                # Half a message is out; only cutting the connection is honest now.
                self.drop(DropReason.MESSAGE_BROKE)
                return
        if session.wants_input is not self._reading:
            self._read_if_wanted()

    def _read_if_wanted(self) -> None:
        if self._closing:
            return
        self._reading = self._session.wants_input
        if self._reading:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _learn(self, told: Sequence[events.ServerEvent]) -> None:
        """Tell the observers about events."""
        self._pending += told
        for observer in self._observers:
            for event in told:
                observer.told(event)

    def _act_on_events(self) -> None:
        pending, self._pending = self._pending, []
        for event in pending:
            self._act_on(event)

    def _turn_is_over(self, turn_ends: float) -> bool:
        """Tell whether it is the others' turn now; after them it is this client's again."""
        if self._loop.time() < turn_ends:
            return False
        self._next_turn = self._next_turn or self._loop.call_soon(self._take_turn)
        return True

    def _take_turn(self) -> None:
        self._next_turn = None
        if not self._closing and not self._paused:
            self._pump()

    def _send(self, chunk: bytes | memoryview) -> None:
        """Send octets of replies as the hooks say."""
        actions = self._hooks.deliver(chunk)
        if actions is None:
            self._write(chunk)
            return
        self._actions = iter(actions)
        self._carry_on()

    def _carry_on(self) -> None:
        """Do what the hooks say, up to the next pause."""
        self._holding = False
        for action in self._actions:
            if isinstance(action, Pause):
                self._holding = True
                if not math.isinf(action.seconds):
                    self._pause = self._loop.call_later(action.seconds, self._pause_is_over)
                return
            if isinstance(action, EarlyEnd):
                self._actions = iter(())
                self._end_early(action)
                return
            self._write(action)

    def _pause_is_over(self) -> None:
        self._carry_on()
        if not self._holding:
            self._pump()

    def _write(self, chunk: bytes | memoryview) -> None:
        for observer in self._observers:
            observer.sent(chunk)
        if self._tls is None:
            self._transport.write(chunk)
            return
        self._tls.send(bytes(chunk))
        self._send_ciphertext(self._tls)

    def _send_ciphertext(self, tls: TlsLayer) -> None:
        ciphertext = tls.data_to_send()
        if ciphertext:
            self._transport.write(ciphertext)

    def _act_on(self, event: events.ServerEvent) -> None:
        match event:
            case events.LoginAttempt():
                self._log_in(event)
            case events.SessionEnded():
                self._how = event.because
                self._close()
            case events.LoginWithdrawn():
                self._release()
                self._lease = None
            case events.SizesRequested():
                assert self._lease is not None
                self._count_sizes(self._lease)
            case events.CommitRequested():
                assert self._lease is not None
                self._commit(self._lease, event.numbers)
            case events.StlsAnswered():
                self._tls = self._new_tls()
                self._wait(self._server.patience.handshake_seconds, DropReason.NO_HANDSHAKE)

    def _log_in(self, attempt: events.LoginAttempt) -> None:
        server = self._server
        account = server.check_login(attempt, self._hooks, encrypted=self._session.encrypted)
        if isinstance(account, Occasion):
            self._refuse(account)
            return
        if server.stores.is_quick(account.name):
            self._logged_in(account, server.open_maildrop(account))
            return
        opening = self._loop.run_in_executor(None, server.open_maildrop, account)
        opening.add_done_callback(partial(self._opened, account))

    def _opened(self, account: Account, opening: asyncio.Future[Lease | Occasion]) -> None:
        """Go on with a login now that the maildrop is open; give it back if the client has gone."""
        answer = opening.result()
        if self._closing:
            if isinstance(answer, Lease):
                answer.release()
            return
        self._logged_in(account, answer)
        self._pump()

    def _logged_in(self, account: Account, answer: Lease | Occasion) -> None:
        """Answer a login with a maildrop, or with the reason why there is none."""
        if isinstance(answer, Occasion):
            self._refuse(answer)
            return
        self._lease = answer
        for observer in self._observers:
            observer.logged_in(account)
        maildrop = in_the_form_of(self._server.persona, answer.maildrop)
        self._session.accept(self._hooks.maildrop(maildrop))

    def _refuse(self, refusal: Occasion) -> None:
        """Refuse a login, after the delay of the server."""
        if seconds := self._server.refusal_seconds:
            self._refusing = self._loop.call_later(seconds, self._refuse_now, refusal)
        else:
            self._session.refuse(refusal)

    def _refuse_now(self, refusal: Occasion) -> None:
        if not self._closing:
            self._session.refuse(refusal)
            self._pump()

    def _count_sizes(self, lease: Lease) -> None:
        """Count all messages in a thread, because that means reading them."""
        count = partial(lease.maildrop.count_octets, lambda: not self._closing)
        self._loop.run_in_executor(None, count).add_done_callback(self._sizes_counted)

    def _sizes_counted(self, counting: asyncio.Future[None]) -> None:
        counting.result()
        if not self._closing:
            self._session.sizes_counted()
            self._pump()
            self._wait_for_commands()

    def _commit(self, lease: Lease, numbers: tuple[int, ...]) -> None:
        """Remove messages, in a thread if that means waiting for a disk."""
        if not lease.writes:
            lease.commit(numbers)
            self._session.committed()
            return
        self._committing = True
        work = self._loop.run_in_executor(None, lease.commit, numbers)
        work.add_done_callback(self._committed)

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
        """Close in good order: everything written goes out, and what still arrives is read.

        Closing while octets of the client are unread would reset the connection, and the client could
        lose our last words.
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
        # From now on `_paused` says whether anything is still queued.
        self._transport.set_write_buffer_limits(high=0)
        self._transport.write_eof()
        if not self._reading:
            self._transport.resume_reading()
        self._linger()

    def _linger(self) -> None:
        """Wait until the client has taken what is queued, and then until it closes its side."""
        assert self._how is not None
        seconds = self._server.patience.idle_seconds if self._paused else LINGER_SECONDS
        self._wait(seconds, DropReason.IDLE)

    def _end_early(self, ending: EarlyEnd) -> None:
        """End the connection at once: no goodbye of TLS, and no UPDATE (RFC 1939 §6)."""
        self._closing = True
        self._how = self._how or DropReason.FAULT
        if ending is EarlyEnd.CLOSE:
            self._release()
            self._hang_up()
            return
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.drop(DropReason.FAULT)

    # TLS.

    def _new_tls(self) -> TlsLayer:
        from poptalk.net.tls import TlsLayer

        context = self._hooks.tls_context(self._server.certificates)
        return TlsLayer(context or self._server.tls_context(), server_side=True)

    def _decrypted(self, data: bytes) -> bytes:
        """Return the plaintext of `data`; empty during the handshake, and when TLS has failed."""
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
            for observer in self._observers:
                observer.tls_began()
            if self._session.state is State.GREETING:
                self._session.greet()
            else:
                self._session.tls_established()
            self._wait_for_login()
        self._send_ciphertext(self._tls)
        return plaintext

    # Time.

    def _wait_for_login(self) -> None:
        patience = self._server.patience
        if self._tls is not None and not self._tls.established:
            self._wait(patience.handshake_seconds, DropReason.NO_HANDSHAKE)
        else:
            self._wait(patience.login_seconds, DropReason.NO_LOGIN)

    def _wait_for_commands(self) -> None:
        """Restart the inactivity timer of a session that is logged in (RFC 1939 §3)."""
        if self._session.state is State.TRANSACTION and not self._closing:
            self._wait(self._server.patience.idle_seconds, DropReason.IDLE)

    def _wait(self, seconds: float, overdue: DropReason) -> None:
        """Set the time at which the connection is dropped."""
        self._overdue = overdue
        self.deadline = self._loop.time() + seconds
        self._server.deadlines.note(self.deadline)

    def time_is_up(self) -> None:
        """Drop a connection that has been silent, without a reply and without UPDATE (RFC 1939 §3)."""
        self.drop(self._overdue)
