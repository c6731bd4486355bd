"""The client core: a POP3 session, seen from the client, without a socket.

There are three calls, in whatever order the connection needs them::

    session = ClientSession()
    for event in session.receive_data(octets_from_the_server): ...
    for event in session.send(octets_to_the_server): ...     # the driver writes the same octets
    for event in session.receive_eof(): ...

The core observes.  It never corrects or refuses what the user typed, and never discards octets from the
server without saying so.  Because lines may be sent before earlier ones are answered, it keeps a queue
of outstanding commands; the oldest decides whether a +OK begins a multi-line reply.

STLS is the one place where the driver must act: after `TlsRequested` all octets belong to TLS, until
`tls_established` is called.

Reading has modes.  A reader takes the input and a position, and returns the position after what it
used.  So a chunk with a hundred thousand short lines isn't copied for each of them, and the body of a
long reply passes in one piece per chunk.
"""

from __future__ import annotations

from collections import deque

from poptalk.pop3 import events
from poptalk.pop3.commands import (
    MAX_COMMAND_OCTETS,
    ArgumentKind,
    Command,
    Effect,
    Span,
    State,
    parse_command,
)
from poptalk.pop3.events import Exchange, ViolationKind
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
"""Octets kept of a reply line.  The RFC allows 512.  A line of up to sixteen times as much is worth
looking at; of one beyond that, the beginning is shown and the rest is dropped."""

MAX_COMMAND_KEPT = 65536
"""Octets kept of a command line that is sent piece by piece and has no line end yet."""


class _Pending:
    """An exchange in the queue, and what is known about its reply so far."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.step = 0
        """How many responses within AUTH have been sent."""
        self.question: bytes | None = None
        """The last challenge, in base64."""
        self.name: bytes | None = None
        """The name of the user, from a response."""
        self.ahead: list[Exchange] = []
        """Lines sent after an AUTH before it was answered: responses if it asks, else commands."""
        self.taken_early = False
        """Whether the last answer was a +OK although responses were still due."""


class ClientSession:
    """One POP3 session, seen from the client."""

    def __init__(self, *, encrypted: bool = False) -> None:
        self.state = State.GREETING
        self.encrypted = encrypted
        """Whether the connection is in TLS; set by `tls_established`."""
        self.greeted: Status | None = None
        """The status of the greeting; None before it has come."""
        self.user: str | None = None
        """The name that the server accepted with USER, APOP or a login, as far as it is known."""
        self.timestamp: bytes | None = None
        """The APOP timestamp of the greeting (RFC 1939 §7); forgotten when TLS begins."""
        self.marked: set[int] = set()
        """Message-numbers that are marked as deleted."""
        self.highest: int | None = None
        """The highest message-number that the server has mentioned; None if it isn't known."""
        self.farewell = False
        """Whether QUIT was answered with +OK."""
        self.quit_refused = False
        """Whether QUIT was answered with anything else."""
        self.answered = 0
        """How many commands have been answered completely."""
        self._queue: deque[_Pending] = deque()
        self._challenged: _Pending | None = None
        """The AUTH whose challenge hasn't been answered yet."""
        self._exchanges = 0
        self._unsent = b""
        self._greeting = b""
        self._line = bytearray()
        self._line_overflow = 0
        self._unsolicited_reported = False
        self._events: list[events.Event] = []
        self._after_auth = False
        """Whether AUTH was sent, and no known command since."""
        self._login_begun = False
        """Whether a command of a login was sent, so that a password may be next."""
        self._read: Callable[[bytes, int], int] = self._read_line
        self.awaiting_tls = False
        """Whether STLS was sent and TLS hasn't begun: the next octets should be TLS."""
        self.lost_in_tls = False
        """Whether commands were sent in the clear after STLS, and none since TLS began."""
        self._suspended = False
        """Whether STLS was answered with +OK and TLS hasn't been established."""
        self._body_tail = b""
        self._body_octets = 0
        self._body_lf_only = False

    # The state of the session.

    @property
    def outstanding(self) -> tuple[Exchange, ...]:
        """Commands without a complete reply, the oldest first."""
        return tuple(pending.exchange for pending in self._queue)

    @property
    def oldest(self) -> Exchange | None:
        """The command whose reply is due first; None if no reply is due."""
        return self._queue[0].exchange if self._queue else None

    @property
    def partial(self) -> bytes:
        """The beginning of a reply line whose end hasn't come."""
        return bytes(self._line)

    @property
    def looks_like(self) -> str:
        """The protocol that the greeting (or its beginning) belongs to, if that isn't POP3."""
        return other_protocol(self._greeting or (b"" if self.greeted else self.partial))

    @property
    def unfinished(self) -> bytes:
        """The beginning of a line that was sent without its end."""
        return self._unsent

    def is_stray_secret(self, command: Command) -> bool:
        """Return whether a line that isn't a command may be a secret, and must be hidden."""
        outside = self.state in (State.TRANSACTION, State.UPDATE)
        begun = self._login_begun and self.state in (State.GREETING, State.AUTHORIZATION)
        return is_stray_secret(
            command, login_begun=begun, after_auth=self._after_auth, outside=outside
        )

    @property
    def in_body(self) -> bool:
        """Whether the final dot of a multi-line reply is still to come."""
        return self._read == self._read_body

    @property
    def answering_auth(self) -> bool:
        """Whether the next line sent will be a response within AUTH (RFC 5034 §4)."""
        return self._auth_in_progress() is not None

    @property
    def challenge_open(self) -> bool:
        """Whether the server has sent a challenge and waits for the response."""
        return self._challenged is not None and self._queue[0] is self._challenged

    @property
    def in_handshake(self) -> bool:
        """Whether STLS was answered with +OK, and TLS is beginning."""
        return self._suspended and self.awaiting_tls

    @property
    def settled(self) -> bool:
        """Whether the server owes nothing: all replies are complete, or it waits for a response."""
        if self.state is State.GREETING:
            return False
        return not self._queue or self._queue[0] is self._challenged

    # Sending.

    def send(self, data: bytes) -> list[events.Event]:
        """Observe octets that go to the server; the caller sends them, unchanged.

        Args:
            data: any octets, cut anywhere.

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
        pending = _Pending(self._new_exchange(command))
        self._queue.append(pending)
        self.awaiting_tls |= command.effect is Effect.START_TLS
        if command.asks_for_responses and len(command.arguments) > 1:
            self._responded(pending, command.arguments[1])
        self._sent(line, end, command.secret, pending, sasl=False)
        self._remark_on_command(command)

    def _sasl_line_sent(self, auth: _Pending, line: bytes, end: bytes) -> None:
        """Take note of a line after AUTH: it is a secret, unless it is empty or "*", which cancels."""
        command = parse_command(line)
        if auth.taken_early and command.verb is not None:
            # Its +OK was neither a challenge nor a login: the client goes on.
            self._queue.remove(auth)
            self._challenged = None
            self._events.append(events.ReplyEnd(exchange=auth.exchange, ok=False, body_octets=0))
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
            events.Sent(line=line, end=end, secret=secret, exchange=exchange, sasl=sasl, step=step)
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
        """Find the AUTH whose final reply hasn't come: it can only be the last in the queue."""
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

    def receive_data(self, data: bytes) -> list[events.Event]:
        """Take octets from the server.

        Args:
            data: any number of octets, cut anywhere.

        Returns:
            What they mean, in order.

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
            self._events.append(events.TlsRequested(residue=residue))
        return self._events

    def receive_eof(self) -> list[events.Event]:
        """Take the end of the server's side of the connection."""
        self._events = []
        if self.greeted is None:
            self._greeting = self.partial
        if self.looks_like and self._line:
            self._odd(ViolationKind.NOT_POP3, self.looks_like)
        elif self.in_body or self._line:
            self._odd(ViolationKind.REPLY_CUT_SHORT)
        self._events.append(
            events.Closed(
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

    def tls_established(self) -> list[events.Event]:
        """Take note that TLS has begun: nothing learnt in the clear is kept (RFC 2595 §4).

        For implicit TLS, construct the session with ``encrypted=True`` instead.
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
        self._events.append(events.Violation(kind=kind, detail=detail))

    def _move_to(self, new: State) -> None:
        if new is not self.state:
            self._events.append(events.StateChanged(new=new))
            self.state = new

    # Readers: each returns the position after what it used.

    def _read_line(self, data: bytes, at: int) -> int:
        if not self._queue and self.state is not State.GREETING and not self._line:
            return self._read_unsolicited(data, at)
        stop = data.find(b"\n", at) + 1
        if 0 < stop <= at + MAX_LINE_KEPT and not self._line:
            self._whole_line(data[at:stop])  # Nearly all lines come in one piece.
            return stop
        self._keep(data[at : stop or None])
        if stop:
            self._whole_line(bytes(self._line))
        return stop or len(data)

    def _keep(self, part: bytes) -> None:
        """Add to the line that is being read, up to `MAX_LINE_KEPT`."""
        room = MAX_LINE_KEPT - len(self._line)
        self._line += part[:room]
        if len(part) <= room:
            return
        if not self._line_overflow:
            self._odd(ViolationKind.ENDLESS_LINE)
        self._line_overflow += len(part) - room

    def _whole_line(self, line: bytes) -> None:
        """Take a complete line; it has its line end, unless it was too long."""
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
        """Pass on all complete lines at once: a server may send ten million of them."""
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
        self._events.append(events.Unsolicited(data=block))

    def _read_body(self, data: bytes, at: int) -> int:
        """Pass on a multi-line reply up to its lone dot: "the five octets CRLF.CRLF".

        The dot's line must end as the first line of the reply did.  The line before it may end in LF
        alone, a mistake of some servers, which is reported.
        """
        end = b"\n.\n" if self._body_lf_only else b"\n.\r\n"
        tail = self._body_tail
        # The end may be cut in two: look for it together with what was kept of the chunk before.
        seam = tail + data[at : at + len(end) - 1]
        found = seam.find(end)
        if found >= 0:
            stop = at + found + len(end) - len(tail)
            before = seam[:found]
        else:
            # In all chunks but the last the answer is no, and there are two quick ways to find that
            # out: searching for "." alone uses memchr, and rfind is three times as fast as find.
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
        self._events.append(events.BodyChunk(exchange=self._queue[0].exchange, data=data))

    # What lines mean.

    def _greeted(self, status_line: StatusLine) -> None:
        self.greeted = status_line.status
        self.timestamp = timestamp_of(status_line.line)
        self._events.append(events.Greeting(status_line=status_line, timestamp=self.timestamp))
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
            events.Reply(exchange=exchange, status_line=status_line, multi_line=multi_line)
        )
        self._remark_on_status(status_line)
        self._body_octets = 0
        if multi_line:
            # The body begins right after the line end of the first line.
            self._body_tail = status_line.end
            self._body_lf_only = status_line.end == b"\n"
            self._read = self._read_body
        else:
            self._finish(ok=ok)

    def _owes_response(self, pending: _Pending) -> bool:
        """Return whether the mechanism needs more responses than the server has asked for."""
        from poptalk.pop3.sasl.table import responses_needed

        # Lines that were sent ahead have been counted, but not been asked for.
        given = pending.step - len(pending.ahead)
        return given < responses_needed(pending.exchange.command.arguments[0])

    def _challenge(self, pending: _Pending, status_line: StatusLine, *, early: bool) -> None:
        """Take a challenge; an `early` one is a +OK in place of "+ ", which can't be a login."""
        pending.question = status_line.text
        pending.taken_early = early
        self._events.append(events.Challenge(exchange=pending.exchange, status_line=status_line))
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
        # The server took what was sent ahead for commands, since AUTH didn't ask for it.
        self._queue.extendleft(map(_Pending, reversed(pending.ahead)))
        end = events.ReplyEnd(exchange=exchange, ok=ok, body_octets=self._body_octets)
        self._events.append(end)
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
        """Draw the conclusions of a positive reply; `name` was given within AUTH."""
        match command.effect:
            case Effect.NAME | Effect.LOGIN:
                self._named_or_logged_in(command, name)
            case Effect.START_TLS:
                self._suspended = True
            case Effect.MARK:
                number = command.number()
                # Some servers say +OK to any number; only a message that may exist is marked.
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
            return  # AUTH without an argument asks for the list of mechanisms.
        if command.effect is Effect.LOGIN and self.state is State.AUTHORIZATION:
            self._move_to(State.TRANSACTION)


def _as_text(name: bytes | None) -> str | None:
    return None if name is None else name.decode("utf-8", "backslashreplace")
