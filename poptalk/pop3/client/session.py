"""The client core: what one side of a POP3 session knows, without a socket.

Three calls, in any order a connection brings them::

    session = ClientSession()
    for event in session.receive_data(octets_from_the_server): ...
    for event in session.send(octets_to_the_server): ...     # the driver writes the same octets
    for event in session.receive_eof(): ...

The core observes.  It never corrects what the user typed, never refuses it, and never throws octets
of the server away without saying so.  Because lines may be sent before earlier ones are answered, it
keeps a queue of outstanding commands; the oldest decides whether a +OK opens a multi-line reply.

STLS is the one place where the driver must act: after `TlsRequested` every further octet belongs to
TLS, until `tls_established` is called.

Reading is by mode.  A reader takes the input and a position and returns the position after what it
used, so that a chunk with a hundred thousand short lines is never copied for each of them, and the
body of a long reply passes in one piece per chunk.
"""

from __future__ import annotations

from collections import deque

from poptalk.pop3.commands import (
    MAX_COMMAND_OCTETS,
    ArgumentKind,
    Command,
    Effect,
    Span,
    State,
    parse_command,
)
from poptalk.pop3.events import (
    BodyChunk,
    Challenge,
    Closed,
    Event,
    Exchange,
    Greeting,
    Reply,
    ReplyEnd,
    Sent,
    StateChanged,
    TlsRequested,
    Unsolicited,
    Violation,
    ViolationKind,
)
from poptalk.pop3.redaction import is_stray_secret
from poptalk.pop3.replies import (
    MAX_REPLY_OCTETS,
    Status,
    StatusLine,
    other_protocol,
    parse_status_line,
    timestamp_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MAX_LINE_KEPT = 8192
"""Octets kept of a reply line.  The RFC allows 512; sixteen times as much is a server worth looking
at, and beyond that a line is a flood: its beginning is shown, its rest is dropped."""

MAX_COMMAND_KEPT = 65536
"""Octets kept of a command line that is being sent piece by piece without a line end."""


class _Pending:
    """An exchange in the queue: what is known of its reply so far."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.step = 0
        """How many responses of AUTH have been sent."""
        self.question: bytes | None = None
        """The last challenge, as it came."""
        self.name: bytes | None = None
        """The name that a response has told."""
        self.ahead: list[Exchange] = []
        """Lines sent after an AUTH before it was answered: SASL lines if it asks, else commands."""
        self.taken_early = False
        """Whether the last answer was a +OK although responses are still owed."""


class ClientSession:
    """One POP3 session, seen from the client."""

    def __init__(self, *, encrypted: bool = False) -> None:
        self.state = State.GREETING
        self.encrypted = encrypted
        """Whether the octets cross inside TLS; set by `tls_established`."""
        self.greeted: Status | None = None
        """The status of the greeting, None before it."""
        self.user: str | None = None
        """The name that the server took with USER, APOP or a finished login, as far as it is known."""
        self.timestamp: bytes | None = None
        """The APOP timestamp of the greeting (RFC 1939 §7); forgotten when TLS begins."""
        self.marked: set[int] = set()
        """Message-numbers that DELE marked in this session."""
        self.highest: int | None = None
        """The highest message-number that the server has spoken of, None where that is not known."""
        self.farewell = False
        """Whether QUIT was answered with +OK."""
        self.quit_refused = False
        """Whether QUIT was answered with something else."""
        self.answered = 0
        """How many commands have been answered in full."""
        self._queue: deque[_Pending] = deque()
        self._challenged: _Pending | None = None
        """The AUTH whose challenge has not been answered yet."""
        self._exchanges = 0
        self._unsent = b""
        self._greeting = b""
        self._line = bytearray()
        self._line_overflow = 0
        self._unsolicited_reported = False
        self._events: list[Event] = []
        self._after_auth = False
        """Whether AUTH has been sent, and no line since that begins with a known command."""
        self._login_begun = False
        """Whether a command of a login has been sent, so that a password may be next."""
        self._read: Callable[[bytes, int], int] = self._read_line
        self.awaiting_tls = False
        """Whether STLS was sent and TLS has not begun: the next octets should be TLS."""
        self.lost_in_tls = False
        """Whether commands were sent in the clear after STLS, and none since TLS began."""
        self._suspended = False
        """Whether STLS was answered and TLS has not been established."""
        self._body_tail = b""
        self._body_octets = 0
        self._body_lf_only = False

    # Looking at the session.

    @property
    def outstanding(self) -> tuple[Exchange, ...]:
        """Commands without a complete reply, oldest first."""
        return tuple(pending.exchange for pending in self._queue)

    @property
    def oldest(self) -> Exchange | None:
        """The command whose reply is due first; None where none is."""
        return self._queue[0].exchange if self._queue else None

    @property
    def partial(self) -> bytes:
        """The beginning of a reply line whose end has not come."""
        return bytes(self._line)

    @property
    def looks_like(self) -> str:
        """The protocol that the greeting, or what has come of it, belongs to, if that isn't POP3's."""
        return other_protocol(self._greeting or (b"" if self.greeted else self.partial))

    @property
    def unfinished(self) -> bytes:
        """The beginning of a line that was sent without its end."""
        return self._unsent

    def is_stray_secret(self, command: Command) -> bool:
        """Tell whether a line that isn't a command may be a secret, and must be hidden as one."""
        begun = self._login_begun and self.state in (State.GREETING, State.AUTHORIZATION)
        outside = self.state in (State.TRANSACTION, State.UPDATE, State.CLOSED)
        return is_stray_secret(
            command, login_begun=begun, after_auth=self._after_auth, outside=outside
        )

    @property
    def in_body(self) -> bool:
        """Whether the final dot of a multi-line reply is still to come."""
        return self._read == self._read_body

    @property
    def answering_auth(self) -> bool:
        """Whether the next line sent will be an answer within AUTH (RFC 5034 §4)."""
        return self._auth_in_progress() is not None

    @property
    def challenge_open(self) -> bool:
        """Whether the server has asked within AUTH and waits for a line."""
        return self._challenged is not None and self._queue[0] is self._challenged

    @property
    def in_handshake(self) -> bool:
        """Whether STLS was answered with +OK, and TLS is beginning."""
        return self._suspended and self.awaiting_tls

    @property
    def settled(self) -> bool:
        """Whether the server owes nothing: greeting and all replies are complete, or it asks."""
        if self.state is State.GREETING:
            return False
        return not self._queue or self._queue[0] is self._challenged

    # Sending.

    def send(self, data: bytes) -> list[Event]:
        """Observe octets that go to the server; the caller sends them, unchanged.

        Args:
            data: any octets; complete lines need not be divided between calls.

        Returns:
            A `Sent` for each line that is complete now, and what is odd about it.
        """
        self._events = []
        self._unsolicited_reported = self.lost_in_tls = False
        lines = (self._unsent + data).split(b"\n")
        self._unsent = lines.pop()[-MAX_COMMAND_KEPT:]
        for line in lines:
            end = b"\r\n" if line.endswith(b"\r") else b"\n"
            self._line_sent(line.removesuffix(b"\r"), end)
        return self._events

    def _line_sent(self, line: bytes, end: bytes) -> None:
        auth = self._auth_in_progress()
        if auth is not None:
            self._sasl_line_sent(auth, line, end)
            return
        command = parse_command(line)
        if self.is_stray_secret(command):
            command = command.replaced(secret=Span(start=0, stop=len(line)))
        elif command.verb is not None:
            self._after_auth = command.verb.challenges
            self._login_begun |= command.verb.effect in (Effect.NAME, Effect.LOGIN)
        exchange = self._new_exchange(command)
        pending = _Pending(exchange)
        self._queue.append(pending)
        self.awaiting_tls |= command.effect is Effect.START_TLS
        if exchange.command.asks_for_responses and len(command.arguments) > 1:
            self._responded(pending, command.arguments[1])
        self._sent(line, end, command.secret, pending, sasl=False)
        self._remark_on_command(command)

    def _sasl_line_sent(self, auth: _Pending, line: bytes, end: bytes) -> None:
        """Note a line after AUTH: secret whatever it holds, but for "*", the cancel."""
        command = parse_command(line)
        if auth.taken_early and command.verb is not None:
            # Its +OK was neither a challenge nor a login: the client goes on.
            self._queue.remove(auth)
            self._challenged = None
            self._events.append(ReplyEnd(exchange=auth.exchange, ok=False, body_octets=0))
            self.answered += 1
            self._line_sent(line, end)
            return
        secret = Span(start=0, stop=len(line)) if line not in (b"", b"*") else None
        if command.verb is not None and self._challenged is not auth:
            secret = command.secret
        self._responded(auth, line)
        if self._challenged is auth:
            self._challenged = None
        else:
            auth.ahead.append(self._new_exchange(command.replaced(secret=secret)))
        self._sent(line, end, secret, auth, sasl=True)

    def _sent(
        self, line: bytes, end: bytes, secret: Span | None, pending: _Pending, *, sasl: bool
    ) -> None:
        exchange, step = pending.exchange, pending.step
        self._events.append(
            Sent(line=line, end=end, secret=secret, exchange=exchange, sasl=sasl, step=step)
        )
        if end == b"\n":
            self._odd(ViolationKind.SENT_BARE_LF)

    def _responded(self, auth: _Pending, response: bytes) -> None:
        """Count a response, and look for the name in it."""
        from poptalk.pop3.sasl.table import asks_for_password, name_in

        auth.step += 1
        mechanism = auth.exchange.command.arguments[0]
        if auth.name is None and not asks_for_password(mechanism, auth.question or b""):
            auth.name = name_in(mechanism, auth.step, response)

    def _auth_in_progress(self) -> _Pending | None:
        """Find the AUTH with a mechanism that has no final reply: the last in the queue, if any."""
        last = self._queue[-1] if self._queue else None
        return last if last is not None and last.exchange.command.asks_for_responses else None

    def _new_exchange(self, command: Command) -> Exchange:
        self._exchanges += 1
        return Exchange(number=self._exchanges, command=command)

    def _remark_on_command(self, command: Command) -> None:
        verb = command.verb
        if verb is None:
            self._odd(ViolationKind.UNKNOWN_COMMAND)
        elif verb.relic:
            self._odd(ViolationKind.RELIC, verb.relic)
        elif (
            # No reply is due that could still change the state.
            len(self._queue) == 1
            and self.state is not State.GREETING
            and self.state not in verb.states
        ):
            self._odd(ViolationKind.WRONG_STATE, f"{verb.keyword} belongs to {verb.legal}")
        if len(command.line) + 2 > MAX_COMMAND_OCTETS:
            self._odd(ViolationKind.LONG_COMMAND, f"{len(command.line) + 2} octets")
        if not (command.line.isascii() and command.line.decode("ascii").isprintable()):
            self._odd(ViolationKind.SENT_CONTROL)

    # Receiving.

    def receive_data(self, data: bytes) -> list[Event]:
        """Take octets of the server.

        Args:
            data: any number of octets, cut anywhere.

        Returns:
            What they mean, in their order.

        Raises:
            RuntimeError: after `TlsRequested` and before `tls_established`: the octets belong to
                the TLS layer.
        """
        if self._suspended:
            raise RuntimeError("after STLS the octets of the server belong to the TLS layer")
        self._events = []
        at, size = 0, len(data)
        while at < size and not self._suspended:
            at = self._read(data, at)
        if self._suspended:
            # "The TLS negotiation begins immediately after the CRLF" (RFC 2595 §4).
            residue = data[at:]
            if residue:
                self._odd(ViolationKind.RESPONSE_INJECTION, f"{len(residue)} octets")
            self._events.append(TlsRequested(residue=residue))
        return self._events

    def receive_eof(self) -> list[Event]:
        """Take the end of the server's side of the connection."""
        self._events = []
        if self.greeted is None:
            self._greeting = self.partial
        if self.looks_like and self._line:
            self._odd(ViolationKind.NOT_POP3, self.looks_like)
        elif self.in_body or self._line:
            self._odd(ViolationKind.REPLY_CUT_SHORT)
        self._events.append(
            Closed(
                partial=self.partial,
                unanswered=self.outstanding,
                marked=() if self.farewell else tuple(sorted(self.marked)),
                quit_refused=self.quit_refused,
            )
        )
        self._line.clear()
        self._queue.clear()
        self._challenged = None
        self.awaiting_tls = False
        self._move_to(State.CLOSED)
        return self._events

    def tls_established(self) -> list[Event]:
        """Take note that TLS has begun: nothing learnt in the clear is kept (RFC 2595 §4).

        For implicit TLS the session is made with ``encrypted=True`` instead.
        """
        self._events = []
        self.encrypted = True
        self.timestamp = None
        self.user = None
        self.lost_in_tls = bool(self._queue or self._unsent)
        if self.lost_in_tls:
            self._odd(ViolationKind.LOST_IN_TLS)
        self._queue.clear()
        self._challenged = None
        self._unsent = b""
        self.awaiting_tls = self._suspended = False
        return self._events

    def _odd(self, kind: ViolationKind, detail: str = "") -> None:
        self._events.append(Violation(kind=kind, detail=detail))

    def _move_to(self, new: State) -> None:
        if new is not self.state:
            self._events.append(StateChanged(old=self.state, new=new))
            self.state = new

    # Readers: each returns the position after what it used.

    def _read_line(self, data: bytes, at: int) -> int:
        if not self._queue and self.state is not State.GREETING and not self._line:
            return self._read_unsolicited(data, at)
        stop = data.find(b"\n", at) + 1
        if 0 < stop <= at + MAX_LINE_KEPT and not self._line:
            self._whole_line(data[at:stop])  # As nearly all lines come: in one piece.
            return stop
        self._keep(data[at : stop or None])
        if stop:
            self._whole_line(bytes(self._line))
        return stop or len(data)

    def _keep(self, part: bytes) -> None:
        """Add to the line that is being read, within bounds."""
        room = MAX_LINE_KEPT - len(self._line)
        self._line += part[:room]
        if len(part) <= room:
            return
        if not self._line_overflow:
            self._odd(ViolationKind.ENDLESS_LINE)
        self._line_overflow += len(part) - room

    def _whole_line(self, line: bytes) -> None:
        """Use a line that is complete; it has its line end, unless it was too long."""
        if self._line:
            line += b"\r\n" if self._line_overflow else b""
            self._line, self._line_overflow = bytearray(), 0
        if self.state is not State.GREETING and not self._queue:
            self._unsolicited(line)
            return
        if line.endswith(b"\r\n"):
            status_line = parse_status_line(line[:-2])
        else:
            self._odd(ViolationKind.BARE_LF)
            status_line = parse_status_line(line[:-1], end=b"\n")
        if self.state is State.GREETING:
            self._greeted(status_line)
        else:
            self._replied(status_line)

    def _read_unsolicited(self, data: bytes, at: int) -> int:
        """Pass on all whole lines at once: a server may send ten million of them."""
        stop = data.rfind(b"\n", at) + 1
        if stop == 0:
            self._keep(data[at:])
            return len(data)
        block = data[at:stop]
        lines = block.split(b"\n")[:-1] if len(block) > MAX_LINE_KEPT else []
        if all(len(line) < MAX_LINE_KEPT for line in lines):
            self._unsolicited(block)
            return stop
        for line in lines:
            self._keep(line + b"\n")
            self._whole_line(bytes(self._line))
        return stop

    def _unsolicited(self, block: bytes) -> None:
        if not self._unsolicited_reported:
            self._unsolicited_reported = True
            kind = ViolationKind.UNSOLICITED
            if self.farewell:
                kind = ViolationKind.DATA_AFTER_QUIT
            elif self.lost_in_tls:
                kind = ViolationKind.STLS_RESIDUE_OBEYED
            self._odd(kind)
        self._events.append(Unsolicited(data=block))

    def _read_body(self, data: bytes, at: int) -> int:
        """Pass on a multi-line reply until its lone dot: "the five octets CRLF.CRLF".

        The dot's own line must end as the first line of the reply did; the line before it may end
        in LF alone, which some servers get wrong, and is then reported.
        """
        end = b"\n.\n" if self._body_lf_only else b"\n.\r\n"
        tail = self._body_tail
        # The end may lie across the cut: look at it in what was kept of the chunk before.
        seam = tail + data[at : at + len(end) - 1]
        found = seam.find(end)
        if found >= 0:
            stop = at + found + len(end) - len(tail)
            before = seam[:found]
        else:
            # Two quick ways to a no, which is the answer in all chunks but the last: "." alone is
            # searched by memchr, and base64 holds none; and rfind is three times as fast as find.
            holds_end = data.find(b".", at) >= 0 and data.rfind(end, at) >= 0
            found = data.find(end, at) if holds_end else -1
            stop = found + len(end)
            before = data[found - 1 : found] if found > at else tail
        if found < 0:
            self._body_tail = (tail + data[max(at, len(data) - 4) :])[-4:]
            self._pass_body(data[at:] if at else data)
            return len(data)
        self._pass_body(data[at:stop])
        if not self._body_lf_only and not before.endswith(b"\r"):
            self._odd(ViolationKind.BARE_LF_BEFORE_DOT)
        self._read = self._read_line
        self._finish(ok=True)
        return stop

    def _pass_body(self, data: bytes) -> None:
        self._body_octets += len(data)
        self._events.append(BodyChunk(exchange=self._queue[0].exchange, data=data))

    # What a line means.

    def _greeted(self, status_line: StatusLine) -> None:
        self.greeted = status_line.status
        self.timestamp = timestamp_of(status_line.line)
        self._events.append(Greeting(status_line=status_line, timestamp=self.timestamp))
        if status_line.status in (Status.OTHER, Status.CHALLENGE):
            self._greeting = status_line.line
            self._odd(ViolationKind.NOT_POP3, self.looks_like)
        else:
            self._remark_on_status(status_line)
        if status_line.status is Status.ERR:
            self._odd(ViolationKind.NEGATIVE_GREETING)
        self._move_to(State.AUTHORIZATION)

    def _replied(self, status_line: StatusLine) -> None:
        pending = self._queue[0]
        exchange = pending.exchange
        ok = status_line.status is Status.OK
        if exchange.command.asks_for_responses:
            early = ok and self._owes_response(pending)
            if early or status_line.status is Status.CHALLENGE:
                self._challenge(pending, status_line, early=early)
                return
        multi_line = ok and exchange.command.multi_line
        self._events.append(
            Reply(exchange=exchange, status_line=status_line, multi_line=multi_line)
        )
        self._remark_on_status(status_line)
        self._body_octets = 0
        if multi_line:
            # Line one of the body begins right after the line end of the first line.
            self._body_tail = status_line.end
            self._body_lf_only = status_line.end == b"\n"
            self._read = self._read_body
        else:
            self._finish(ok=ok)

    def _owes_response(self, pending: _Pending) -> bool:
        """Whether responses are missing without which no login by this mechanism is complete."""
        from poptalk.pop3.sasl.table import responses_needed

        # Lines that were sent ahead have been counted, and have not been asked for.
        given = pending.step - len(pending.ahead)
        return given < responses_needed(pending.exchange.command.arguments[0])

    def _challenge(self, pending: _Pending, status_line: StatusLine, *, early: bool) -> None:
        """Take a challenge; an `early` one is a +OK where "+ " is due, and no login."""
        pending.question = status_line.text
        pending.taken_early = early
        self._events.append(Challenge(exchange=pending.exchange, status_line=status_line))
        if early:
            self._odd(ViolationKind.OK_FOR_CHALLENGE)
        if status_line.line == b"+":
            self._odd(ViolationKind.CHALLENGE_WITHOUT_BLANK)
        if pending.ahead:
            pending.ahead.pop(0)
        else:
            self._challenged = pending

    def _remark_on_status(self, status_line: StatusLine) -> None:
        indicator = status_line.status.value.encode("ascii")
        if status_line.status in (Status.OTHER, Status.CHALLENGE):
            self._odd(ViolationKind.NO_STATUS)
        elif not status_line.line.startswith(indicator):
            self._odd(ViolationKind.LOWER_CASE_STATUS)
        if len(status_line.line) + 2 > MAX_REPLY_OCTETS:
            self._odd(ViolationKind.LONG_REPLY_LINE)

    def _finish(self, *, ok: bool) -> None:
        """Close the oldest exchange and draw the conclusions of a positive reply."""
        pending = self._queue.popleft()
        exchange = pending.exchange
        self._challenged = None
        # What was sent ahead of an answer that AUTH never asked for reached the server as commands.
        self._queue.extendleft(map(_Pending, reversed(pending.ahead)))
        self._events.append(ReplyEnd(exchange=exchange, ok=ok, body_octets=self._body_octets))
        self._body_octets = 0
        self.answered += 1
        effect = exchange.command.effect
        if ok:
            self._conclude(exchange.command, pending.name)
        elif effect is Effect.START_TLS:
            self.awaiting_tls = any(p.exchange.command.effect is effect for p in self._queue)
        elif effect is Effect.LOGIN and self.state is State.AUTHORIZATION:
            self.user = None
        elif effect is Effect.FAREWELL:
            self.quit_refused = True

    def _conclude(self, command: Command, name: bytes | None) -> None:
        """Draw the conclusions of a positive reply; `name` is the one that was given within AUTH."""
        match command.effect:
            case Effect.NAME | Effect.LOGIN:
                self._named_or_logged_in(command, name)
            case Effect.START_TLS:
                self._suspended = True
            case Effect.MARK:
                number = command.number()
                # Some servers say +OK to any number; only a message that can exist is marked.
                if number and (self.highest is None or number <= self.highest):
                    self.marked.add(number)
            case Effect.UNMARK_ALL:
                self.marked.clear()
            case Effect.FAREWELL:
                self.farewell = True
                if self.state is State.TRANSACTION:
                    self._move_to(State.UPDATE)

    def _named_or_logged_in(self, command: Command, name: bytes | None) -> None:
        assert command.verb is not None, "it has an effect"
        kind = command.verb.arguments[0].kind
        if kind is ArgumentKind.NAME:
            self.user = _as_text(command.arguments[0]) if command.arguments else None
        elif command.asks_for_responses:
            self.user = _as_text(name)
        elif kind is ArgumentKind.MECHANISM:
            return  # AUTH alone asks for the list of mechanisms.
        if command.effect is Effect.LOGIN and self.state is State.AUTHORIZATION:
            self._move_to(State.TRANSACTION)


def _as_text(name: bytes | None) -> str | None:
    return None if name is None else name.decode("utf-8", "backslashreplace")
