"""The server core: one POP3 session, seen from the server, without a socket, a clock or a disk.

Octets go in, events come out, and output is pulled::

    session.receive_data(octets)              # or receive_eof()
    for event in session.events(): ...        # answer those that wait, see `server_events`
    while (chunk := session.next_chunk()) is not None: write(chunk)

Because the caller pulls, a reply of a gigabyte needs no memory, and the pace at which the client reads
is the pace at which the message is read.  Commands are answered one after the other: while a long
reply is handed out, or a login is being decided, those behind it wait.  An event that belongs behind
an answer (`TlsRequested`, `SessionEnded`) appears once that answer has been pulled, so look at
`events` again after every chunk.

Which command is legal when, and with how many arguments, comes from the table in `verbs`; what is said
comes from the `Texts` handed in.  Every status line is made by `ServerSession._reply` and every body
leaves through `ServerSession._send_body`.

No input makes it raise.  Who calls `accept` without a `LoginAttempt`, and the like, gets RuntimeError.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from functools import lru_cache

from poptalk.protocol.capabilities import FULL_CAPABILITIES, CapabilityLists, parse_capability
from poptalk.protocol.codes import RESPONSE_CODES
from poptalk.protocol.commands import Command, parse_command
from poptalk.protocol.habits import (
    AfterWrongPassword,
    BehindLogin,
    Capa,
    DeleAgain,
    ErrorsCounted,
    Habits,
    Last,
    LastError,
    LineEnds,
    UserName,
)
from poptalk.protocol.intake import Intake, Line, OverlongLine
from poptalk.protocol.international import find_language, header_is_utf8, peek
from poptalk.protocol.maildrop import MessageUnavailable, top
from poptalk.protocol.proofs import ApopProof, PasswordProof
from poptalk.protocol.replies import timestamp_of
from poptalk.protocol.sasl import (
    Mechanism,
    SaslFailure,
    decode_response,
    encode_challenge,
    malformed,
)
from poptalk.protocol.sasl_lines import CANCEL, EMPTY_INITIAL_RESPONSE
from poptalk.protocol.seam import Seam
from poptalk.protocol.server_events import (
    CommandReceived,
    CommitRequested,
    EndReason,
    LoginAttempt,
    LoginWithdrawn,
    OverlongLineReceived,
    PlaintextAfterStls,
    ResponseReceived,
    ServerEvent,
    SessionEnded,
    TlsRequested,
)
from poptalk.protocol.states import State
from poptalk.protocol.stuffing import stuff, terminate
from poptalk.protocol.texts import LANGUAGES, WORDINGS, Occasion, Texts, shown
from poptalk.protocol.values import Value
from poptalk.protocol.verbs import MAX_COMMAND_OCTETS, VERBS, Effect, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from poptalk.protocol.maildrop import Maildrop
    from poptalk.protocol.sasl import Mechanisms
    from poptalk.protocol.texts import Field

CHUNK_OCTETS = 262_144
"""Octets handed out at once: measured best for a socket, with and without TLS."""

JOINED_OCTETS = 65_536
"""A part of at least this size is handed out alone: joining would copy it for nothing."""

MAX_INPUT_WAITING = 16_384
"""Octets of waiting commands beyond which `ServerSession.wants_input` says no: some 2,000 RETR."""

MAX_OUTPUT_WAITING = 65_536
"""Octets of replies that may wait to be pulled before the next command is looked at."""

LISTING_LINES = 1_000
"""Lines of LIST and UIDL that are made at once: some 10 KB, so that 100,000 messages need no memory."""


class Limits(Value):
    """How much a server puts up with."""

    line: int = 1_024
    """Octets of a command line with its line end.  A server with CAPA must take 255 (RFC 2449 §4);
    Dovecot takes about as many before the login."""
    sasl_line: int = 12_288
    """Octets of a response within AUTH with its line end.  Tokens are long, and RFC 5034 §4 sets no
    limit; this is what RFC 4954 §4 asks of SMTP's servers.  Dovecot takes 8,192."""
    discarded: int = 65_536
    """Octets of an overlong line that are thrown away while its end is waited for."""
    overlong_lines: int = 2
    """The overlong line after which the session ends: one may be an accident."""
    errors_before_login: int = 10
    """Negative replies in a row.  Enough for a learner's typing errors, too few for a web browser
    or a guessing machine; Dovecot has 3."""
    errors_after_login: int = 20
    """As Dovecot has it."""
    failed_logins: int = 5
    """In the whole session: a learner may err, and nobody should guess for ever."""


class _Wait(Enum):
    """What the session waits for from its driver."""

    NOTHING = auto()
    LOGIN = auto()
    COMMIT = auto()
    TLS = auto()


class _Accepted(Value):
    """A login that was right."""

    name: bytes
    maildrop: Maildrop


class _Exchange:
    """AUTH under way.

    Args:
        name: of the mechanism, in upper case.
        mechanism: what leads through it.

    Attributes:
        outcome: what the login came to, while the mechanism has more to say before it is told.
    """

    def __init__(self, name: bytes, mechanism: Mechanism) -> None:
        self.name = name
        self.mechanism = mechanism
        self.outcome: _Accepted | Occasion | None = None


class ServerSession:
    """One POP3 session, seen from the server.

    Args:
        texts: what is said.
        capabilities: what is offered.  A command whose capability is not among them is unknown.
        timestamp: the APOP timestamp, angle brackets included, different for each session
            (RFC 1939 §7).  APOP is offered if the greeting shows it.
        encrypted: whether the session began inside TLS (RFC 8314 §3).
        limits: how much is put up with.
        mechanisms: what AUTH can do.  Offered are those that stand behind SASL in the capabilities.
        habits: what is done differently from server to server.
        seam: changes what this session does; by default nothing.

    Attributes:
        state: where the session stands.
        encrypted: whether the octets cross inside TLS.
    """

    def __init__(
        self,
        *,
        texts: Texts | None = None,
        capabilities: CapabilityLists = FULL_CAPABILITIES,
        timestamp: bytes | None = None,
        encrypted: bool = False,
        limits: Limits | None = None,
        mechanisms: Mechanisms | None = None,
        habits: Habits | None = None,
        seam: Seam | None = None,
    ) -> None:
        self.state = State.GREETING
        self._habits = habits or Habits()
        self._seam = seam or Seam()
        self._command: Command | None = None
        """What is being answered, None where it could not be read."""
        self.encrypted = encrypted
        self._texts = texts or Texts()
        self._capabilities = capabilities
        self._limits = limits or Limits()
        self._timestamp = timestamp
        self._offered: frozenset[bytes] = frozenset()
        self._learn_what_is_offered()

        lone_lf = self._habits.line_ends is LineEnds.CRLF_OR_LF
        self._intake = Intake(
            longest=self._limits.line,
            discarded=self._limits.discarded,
            line_end=b"\n" if lone_lf else b"\r\n",
        )
        self._input_over = False
        self._events: list[ServerEvent] = []
        self._output: deque[bytes | Iterator[bytes] | TlsRequested | SessionEnded] = deque()
        self._output_waiting = 0
        self._spare: bytes | memoryview | None = None
        """A part that was too large for the chunk before."""
        self._waits_for = _Wait.NOTHING
        self._ending = False

        self._errors = 0
        self._failed_logins = 0
        self._overlong_lines = 0
        self._name: bytes | None = None
        """The name that USER gave, as long as it is remembered; see `UserName`."""
        self._just_named: bytes | None = None
        """The same for the command that is being carried out, which may be the last to know it."""
        self._attempt: LoginAttempt | None = None
        self._mechanisms = mechanisms or {}
        self._exchange: _Exchange | None = None
        """AUTH under way: while there is one, every line is a response (RFC 5034 §4)."""
        self._utf8 = False
        """Whether UTF8 was sent (RFC 6856 §2.1)."""
        self._maildrop: Maildrop
        """Set by `accept`; no command that is legal before the login asks for it."""
        self._deleted: set[int] = set()
        self._highest = 0
        """The highest message-number that was retrieved, for LAST (RFC 1460 §5)."""
        self._gone: set[int] = set()
        """Messages that somebody else removed before their size was known; nobody sees them again."""
        self._octets_counted: int | None = None
        """Octets that are not marked, None until somebody asks; see `_octets_left`."""

    # What the driver calls.

    @property
    def wants_input(self) -> bool:
        """Whether more octets should be read from the client now."""
        return not self._ending and self._intake.waiting < MAX_INPUT_WAITING

    @property
    def deleted(self) -> frozenset[int]:
        """The message-numbers marked as deleted."""
        return frozenset(self._deleted)

    def greet(self) -> None:
        """Send the greeting; the session enters AUTHORIZATION (RFC 1939 §4)."""
        self._reply(Occasion.GREETING, timestamp=self._timestamp or b"")
        greeting = self._output[-1]
        # What the client sees decides whether there is APOP, so a persona need not say it twice.
        self._timestamp = timestamp_of(greeting) if isinstance(greeting, bytes) else None
        self.state = State.AUTHORIZATION
        self._proceed()

    def turn_away(self, occasion: Occasion) -> None:
        """Send a negative reply in place of the greeting, and end."""
        self._reply(occasion)
        self._end(EndReason.TURNED_AWAY)

    def receive_data(self, data: bytes) -> None:
        """Take octets of the client, cut anywhere; none that follow a final QUIT are looked at."""
        if self._ending or not data:
            return
        self._intake.feed(data)
        if self._waits_for is _Wait.TLS:
            self._refuse_residue()
        else:
            self._proceed()

    def receive_eof(self) -> None:
        """Take the end of the client's octets; what it has sent before is still answered."""
        self._input_over = True
        self._proceed()

    def events(self) -> list[ServerEvent]:
        """Return what has happened since the last call."""
        events, self._events = self._events, []
        return events

    def next_chunk(self, limit: int = CHUNK_OCTETS) -> bytes | memoryview | None:
        """Return the next octets for the client, or None if there are none now.

        Args:
            limit: the most octets to return.

        Raises:
            Exception: whatever the maildrop raises while a message is read; the reply cannot be
                completed then, and the connection must be closed.
        """
        parts: list[bytes | memoryview] = []
        size = 0
        while size < limit:
            part = self._next_part()
            if part is None:
                break
            if parts and (len(part) >= JOINED_OCTETS or size + len(part) > limit):
                self._spare = part
                break
            parts.append(part)
            size += len(part)
        if size > limit:
            view = memoryview(parts[0])
            self._spare = view[limit:]
            return view[:limit]
        if len(parts) > 1:
            return b"".join(parts)
        return parts[0] if parts else None

    def accept(self, maildrop: Maildrop) -> None:
        """Answer a `LoginAttempt`: the maildrop is open and locked for this session alone."""
        attempt = self._answered_attempt()
        login = _Accepted(name=attempt.name, maildrop=maildrop)
        if not self._say_more_before(login):
            self._enter_transaction(login)
        self._proceed()

    def refuse(self, occasion: Occasion) -> None:
        """Answer a `LoginAttempt` in the negative; the session stays in AUTHORIZATION."""
        attempt = self._answered_attempt()
        # Why a token is refused is the mechanism's to say; that the maildrop is locked is not.
        of_proof = occasion is attempt.if_wrong
        if not (of_proof and self._say_more_before(occasion)):
            self._refuse_login(occasion)
        self._proceed()

    def committed(self) -> None:
        """Answer a `CommitRequested`: the messages are gone (RFC 1939 §6)."""
        self._answer(_Wait.COMMIT)
        self._say_farewell()

    def commit_failed(self) -> None:
        """Answer a `CommitRequested`: not all of the messages could be removed (RFC 1939 §6)."""
        self._answer(_Wait.COMMIT)
        self._reply(Occasion.SOME_NOT_REMOVED)
        self._end(EndReason.QUIT)

    def tls_established(self) -> None:
        """Take note that TLS has begun: nothing said in clear counts any longer (RFC 2595 §4)."""
        self._answer(_Wait.TLS)
        self.encrypted = True
        # The timestamp was read by whoever listens, and could have been put there by him.
        self._timestamp = None
        self._name = None
        self._learn_what_is_offered()

    # Octets in, octets out.

    def _proceed(self) -> None:
        """Carry out the commands that have come, as far as they may be carried out now."""
        while self._ready():
            line = self._intake.next_line()
            if line is None:
                if self._input_over:
                    self._end(EndReason.CLIENT_GONE)
                return
            if isinstance(line, OverlongLine):
                self._take_overlong(line)
            elif self._exchange is not None:
                self._take_response(self._exchange, line)
            else:
                self._take(line)

    def _ready(self) -> bool:
        return (
            self._waits_for is _Wait.NOTHING
            and not self._ending
            and self.state is not State.GREETING
            and self._output_waiting < MAX_OUTPUT_WAITING
            # Behind a body the commands wait: what they answer may depend on when they are answered.
            and (not self._output or isinstance(self._output[-1], bytes))
        )

    def _next_part(self) -> bytes | memoryview | None:
        if self._spare is not None:
            part, self._spare = self._spare, None
            return part
        while True:
            if not self._output:
                self._proceed()
            if not self._output:
                return None
            item = self._output[0]
            if isinstance(item, bytes):
                self._output_waiting -= len(item)
                self._output.popleft()
                return item
            if isinstance(item, TlsRequested | SessionEnded):
                self._output.popleft()
                self._pass_on(item)
                return None
            chunk = next(item, None)
            if chunk is None:
                self._output.popleft()
            elif chunk:
                return chunk

    def _pass_on(self, event: TlsRequested | SessionEnded) -> None:
        """Make an event known whose answer has been pulled."""
        if isinstance(event, SessionEnded):
            self.state = State.CLOSED
        self._events.append(event)

    def _reply(self, occasion: Occasion, **fields: Field) -> None:
        """Answer a command with the words for an occasion."""
        wording = WORDINGS[occasion]
        text = self._texts.fill(occasion, fields)
        if wording.code is not None and RESPONSE_CODES[wording.code].capability in self._offered:
            text = b"[%b] %b" % (wording.code, text)
        self._send_line(wording.status.value.encode("ascii"), text)

    def _reply_with_data(self, data: bytes) -> None:
        """Answer a command with fields that the RFC defines, and no words (RFC 1939 §5)."""
        self._send_line(b"+OK", data)

    def _send_line(self, indicator: bytes, text: bytes) -> None:
        if indicator == b"+OK" and self._habits.errors_counted is ErrorsCounted.IN_A_ROW:
            self._errors = 0
        self._queue_line(b"%b %b\r\n" % (indicator, text) if text else indicator + b"\r\n")

    def _queue_line(self, line: bytes) -> None:
        if self.state is State.GREETING:
            line = self._seam.greeting(line)
        else:
            line = self._seam.reply(self._command, line)
        self._output.append(line)
        self._output_waiting += len(line)

    def _send_body(self, chunks: Iterable[bytes], *, dot_lines: bool = True) -> None:
        """Send the lines behind a status line, and the lone dot."""
        encode = stuff if dot_lines else terminate
        self._output.append(self._seam.body(self._command, chunks, encode))

    def _end(self, because: EndReason) -> None:
        """End the session once everything said so far has been pulled."""
        self._ending = True
        self._output.append(SessionEnded(because=because))

    # Commands.

    def _take(self, line: Line) -> None:
        command = parse_command(line.content)
        self._events.append(CommandReceived(command=command, end=line.end))
        self._command = command = self._habits.without_extra(self._seam.command(command))
        self._just_named = self._name
        if self._habits.user_name is UserName.ONE_COMMAND:
            # "Immediately after a successful USER command" (RFC 1939 §7): the next uses it up.
            self._name = None
        carry_out = self._handler(command)
        if not self._refused(command, known=carry_out is not None) and carry_out is not None:
            try:
                carry_out(self, command)
            except MessageUnavailable:
                self._complain(Occasion.MESSAGE_UNAVAILABLE)

    def _handler(self, command: Command) -> Callable[[ServerSession, Command], None] | None:
        """Return what carries a command out, None if this server does not know it."""
        habits = self._habits
        unknown = (
            (command.keyword == b"CAPA" and habits.capa is Capa.UNKNOWN)
            or (command.keyword == b"LAST" and habits.last is Last.UNKNOWN)
            or habits.refuses_blanks(command)
        )
        return None if unknown else _HANDLERS.get(command.keyword)

    def _complain(self, occasion: Occasion, **fields: Field) -> None:
        """Answer a command in the negative; end the session if it was wrong too often in a row."""
        logged_in = self.state is State.TRANSACTION
        limit = self._limits.errors_after_login if logged_in else self._limits.errors_before_login
        self._errors += 1
        is_last = self._errors >= limit
        if not is_last or self._habits.last_error is not LastError.TOLD:
            self._reply(occasion, **fields)
        if not is_last:
            return
        if self._habits.last_error is not LastError.ANSWERED:
            self._reply(Occasion.TOO_MANY_ERRORS, limit=limit)
        self._end(EndReason.TOO_MANY_ERRORS)

    def _take_overlong(self, line: OverlongLine) -> None:
        self._events.append(OverlongLineReceived(octets=line.octets))
        self._command = None
        self._name = None
        limit = self._intake.longest
        if self._exchange is not None:
            self._withdraw(self._exchange)
        self._overlong_lines += 1
        if self._overlong_lines < self._limits.overlong_lines and line.complete:
            self._complain(Occasion.LINE_TOO_LONG, limit=limit)
        else:
            self._reply(Occasion.LINE_TOO_LONG, limit=limit)
            self._end(EndReason.LINE_TOO_LONG)

    def _refused(self, command: Command, *, known: bool) -> bool:
        """Refuse what cannot be carried out, by the table; tell whether it was refused."""
        verb = command.verb
        if not command.keyword:
            self._complain(Occasion.EMPTY_LINE)
        elif verb is None or not known:
            self._complain_unknown(command)
        elif self.state not in verb.states:
            before = self.state is State.AUTHORIZATION
            occasion = Occasion.LOGIN_FIRST if before else Occasion.ALREADY_LOGGED_IN
            self._complain(occasion, keyword=verb.name)
        elif verb.effect is Effect.START_TLS and self.encrypted:
            self._complain(Occasion.TLS_ACTIVE)
        elif verb.effect is Effect.START_TLS and self._utf8:
            self._complain(Occasion.STLS_AFTER_UTF8)
        elif verb.capability is not None and verb.capability not in self._offered:
            self._complain_unknown(command)
        elif (refusal := self._seam.refusal(command)) is not None:
            self._complain(refusal)
        else:
            return self._refused_for_arguments(verb, command.arguments)
        return True

    def _complain_unknown(self, command: Command) -> None:
        logged_in = self.state is State.TRANSACTION
        occasion = Occasion.UNKNOWN_COMMAND_AFTER_LOGIN if logged_in else Occasion.UNKNOWN_COMMAND
        self._complain(occasion, keyword=shown(command.keyword))

    def _refused_for_arguments(self, verb: Verb, given: tuple[bytes, ...]) -> bool:
        most = len(verb.arguments)
        if len(given) == most:
            return False
        needed = sum(not argument.optional for argument in verb.arguments)
        if len(given) < needed:
            self._complain(Occasion.ARGUMENT_MISSING, syntax=verb.syntax, keyword=verb.name)
        elif len(given) > most:
            extra = shown(b" ".join(given[most:]))
            self._complain(
                Occasion.ARGUMENT_EXCESS, syntax=verb.syntax, keyword=verb.name, extra=extra
            )
        else:
            return False
        return True

    def _learn_what_is_offered(self) -> None:
        self._offered = _tags(self._capability_lines())

    def _capability_lines(self) -> tuple[bytes, ...]:
        logged_in = self.state is State.TRANSACTION
        lines = self._capabilities.lines(encrypted=self.encrypted, logged_in=logged_in)
        return self._seam.capabilities(lines, logged_in=logged_in)

    def _on_capa(self, command: Command) -> None:
        if not self._offered:
            # A server without capabilities is one from before 1998: it does not know CAPA either.
            self._complain_unknown(command)
            return
        self._reply(Occasion.CAPABILITIES_FOLLOW)
        self._send_body([b"".join(line + b"\r\n" for line in self._capability_lines())])

    def _on_quit(self, command: Command) -> None:
        del command
        if self.state is State.AUTHORIZATION:
            self._reply(Occasion.FAREWELL_BEFORE_LOGIN)
            self._end(EndReason.QUIT)
            return
        self.state = State.UPDATE
        if self._deleted:
            self._waits_for = _Wait.COMMIT
            self._events.append(CommitRequested(numbers=tuple(sorted(self._deleted))))
        else:
            self._say_farewell()

    def _say_farewell(self) -> None:
        count = self._count_left()
        left = f"{_messages(count)} left" if count else "maildrop empty"
        occasion = Occasion.FAREWELL_AFTER_DELETION if self._deleted else Occasion.FAREWELL
        self._reply(occasion, left=left, **self._maildrop_fields())
        self._end(EndReason.QUIT)

    # AUTHORIZATION.

    def _on_stls(self, command: Command) -> None:
        del command
        self._waits_for = _Wait.TLS
        if self._intake.waiting:
            self._refuse_residue()
            return
        self._reply(Occasion.TLS_BEGINS)
        self._output.append(TlsRequested())

    def _refuse_residue(self) -> None:
        """End the session, because octets in clear came where TLS was to begin (RFC 2595 §4)."""
        residue = self._intake.take_rest()
        self._events.append(PlaintextAfterStls(residue=residue))
        if self._output and isinstance(self._output[-1], TlsRequested):
            self._output.pop()
        else:
            self._reply(Occasion.OCTETS_BEHIND_STLS, octets=len(residue))
        self._end(EndReason.PLAINTEXT_AFTER_STLS)

    def _on_user(self, command: Command) -> None:
        if self._just_named is not None and self._habits.user_name is UserName.KEPT_AND_FINAL:
            self._complain(Occasion.USER_TWICE)
            return
        # Any name is taken, so that nobody finds out which mailboxes exist (RFC 1939 §7 permits it).
        self._name = command.arguments[0]
        self._reply(Occasion.USER_ACCEPTED, name=shown(self._name))

    def _on_pass(self, command: Command) -> None:
        if self._just_named is None:
            self._complain(Occasion.USER_FIRST)
            return
        proof = PasswordProof(password=command.arguments[0])
        self._attempt_login(
            LoginAttempt(name=self._just_named, proof=proof, if_wrong=Occasion.WRONG_PASSWORD)
        )

    def _on_apop(self, command: Command) -> None:
        if self._timestamp is None:
            self._complain(Occasion.APOP_NOT_OFFERED)
            return
        name, digest = command.arguments
        proof = ApopProof(timestamp=self._timestamp, digest=digest)
        self._attempt_login(LoginAttempt(name=name, proof=proof, if_wrong=Occasion.WRONG_DIGEST))

    def _attempt_login(self, attempt: LoginAttempt) -> None:
        self._seam.login_attempted(attempt.name)
        self._attempt = attempt
        self._waits_for = _Wait.LOGIN
        self._events.append(attempt)

    def _answered_attempt(self) -> LoginAttempt:
        self._answer(_Wait.LOGIN)
        attempt, self._attempt = self._attempt, None
        assert attempt is not None
        return attempt

    def _answer(self, waited_for: _Wait) -> None:
        """Check that an answer of the driver was waited for."""
        if self._waits_for is not waited_for:
            raise RuntimeError(f"the session waits for {self._waits_for}, not for {waited_for}")
        self._waits_for = _Wait.NOTHING

    def _enter_transaction(self, login: _Accepted) -> None:
        self._end_exchange()
        if self._habits.behind_login is BehindLogin.LOST:
            self._intake.take_rest()
        self._maildrop = login.maildrop
        self.state = State.TRANSACTION
        self._learn_what_is_offered()
        self._reply(Occasion.LOGGED_IN, name=shown(login.name), **self._maildrop_fields())

    def _refuse_login(self, occasion: Occasion) -> None:
        self._end_exchange()
        self._failed_logins += 1
        name = shown(self._just_named or b"")
        if self._failed_logins >= self._limits.failed_logins:
            self._reply(Occasion.TOO_MANY_LOGINS, limit=self._limits.failed_logins)
            self._end(EndReason.TOO_MANY_LOGINS)
        elif self._habits.after_wrong_password is AfterWrongPassword.CLOSED:
            self._reply(occasion, name=name)
            self._end(EndReason.TOO_MANY_LOGINS)
        else:
            alone = self._habits.after_wrong_password is AfterWrongPassword.PASSWORD_ALONE
            self._name = self._just_named if alone else None
            self._complain(occasion, name=name)
        self._seam.login_refused()

    # AUTHORIZATION: AUTH (RFC 5034 §4).

    def _mechanism_names(self, lines: Iterable[bytes]) -> list[bytes]:
        """Return what stands behind SASL among capabilities and can be done (RFC 5034 §3)."""
        offers = map(parse_capability, lines)
        names = (name for offer in offers if offer.tag == b"SASL" for name in offer.parameters)
        return [name.upper() for name in names if name.upper() in self._mechanisms]

    def _on_auth(self, command: Command) -> None:
        if not command.arguments:
            # Older than CAPA, in no RFC, and still asked by some.
            self._reply(Occasion.MECHANISMS_FOLLOW)
            names = self._mechanism_names(self._capability_lines())
            self._send_body([b"".join(name + b"\r\n" for name in names)])
            return
        name = command.arguments[0].upper()
        if name not in self._mechanism_names(self._capability_lines()):
            inside = self._capabilities.lines(encrypted=True, logged_in=False)
            needs_tls = not self.encrypted and name in self._mechanism_names(inside)
            occasion = Occasion.MECHANISM_NEEDS_TLS if needs_tls else Occasion.MECHANISM_UNKNOWN
            self._complain(occasion, mechanism=shown(name))
            return
        self._exchange = _Exchange(name, self._mechanisms[name]())
        if len(command.arguments) == 1:
            self._ask(self._exchange.mechanism.challenge())
        else:
            self._take_initial_response(self._exchange, command)

    def _take_initial_response(self, exchange: _Exchange, command: Command) -> None:
        response = command.arguments[1]
        if not exchange.mechanism.client_first:
            self._give_up(exchange, Occasion.INITIAL_RESPONSE_UNWANTED)
        elif len(command.line) + len(b"\r\n") > MAX_COMMAND_OCTETS:
            # A long one has to wait for the challenge (RFC 5034 §4).
            self._give_up(exchange, Occasion.INITIAL_RESPONSE_TOO_LONG)
        else:
            self._respond(exchange, b"" if response == EMPTY_INITIAL_RESPONSE else response)

    def _ask(self, challenge: bytes) -> None:
        """Send a challenge; the next line is a response, whatever it says."""
        self._intake.longest = self._limits.sasl_line
        self._queue_line(encode_challenge(challenge))

    def _take_response(self, exchange: _Exchange, line: Line) -> None:
        self._events.append(ResponseReceived(line=line.content, end=line.end))
        if isinstance(exchange.outcome, Occasion):
            # The answer to the reason of a refusal; Ctrl-A or "*", it changes nothing (RFC 7628 §3.2.3).
            self._refuse_login(exchange.outcome)
        else:
            self._respond(exchange, line.content)

    def _respond(self, exchange: _Exchange, line: bytes) -> None:
        """Act on a response, which is still in base64."""
        try:
            if line == CANCEL:
                raise SaslFailure(Occasion.AUTH_CANCELLED)
            response = decode_response(line)
            if isinstance(exchange.outcome, _Accepted):
                if response:
                    raise malformed()
                self._enter_transaction(exchange.outcome)
                return
            answer = exchange.mechanism.respond(response)
        except SaslFailure as failure:
            self._give_up(exchange, failure.occasion)
            return
        if isinstance(answer, LoginAttempt):
            self._attempt_login(answer)
        else:
            self._ask(answer)

    def _say_more_before(self, outcome: _Accepted | Occasion) -> bool:
        """Let the mechanism ask once more before the outcome is told; tell whether it does."""
        if self._exchange is None:
            return False
        accepted = isinstance(outcome, _Accepted)
        challenge = self._exchange.mechanism.last_challenge(accepted=accepted)
        if challenge is None:
            return False
        self._exchange.outcome = outcome
        self._ask(challenge)
        return True

    def _give_up(self, exchange: _Exchange, occasion: Occasion) -> None:
        """End AUTH without a login; the session stays as it was."""
        self._withdraw(exchange)
        self._complain(occasion, mechanism=shown(exchange.name), limit=MAX_COMMAND_OCTETS)

    def _withdraw(self, exchange: _Exchange) -> None:
        self._end_exchange()
        self._seam.login_refused()
        if isinstance(exchange.outcome, _Accepted):
            self._events.append(LoginWithdrawn())

    def _end_exchange(self) -> None:
        self._exchange = None
        self._intake.longest = self._limits.line

    # UTF8 and LANG.

    def _on_utf8(self, command: Command) -> None:
        del command
        self._utf8 = True
        self._reply(Occasion.UTF8_ENABLED)

    def _on_lang(self, command: Command) -> None:
        if not command.arguments:
            self._reply(Occasion.LANGUAGES_FOLLOW)
            names = LANGUAGES.items()
            self._send_body([b"".join(b"%b %b\r\n" % (tag, name) for tag, name in names)])
            return
        tag = find_language(command.arguments[0])
        if tag is None:
            self._complain(Occasion.LANGUAGE_UNKNOWN)
        else:
            # "followed by a single space, the exact language tag selected, and another space"
            self._reply_with_data(b"%b %b" % (tag, self._texts.fill(Occasion.LANGUAGE_CHOSEN, {})))

    # TRANSACTION.

    def _maildrop_fields(self) -> dict[str, Field]:
        count = self._count_left()
        return {"count": count, "messages": _messages(count), "octets": self._octets_left}

    def _count_left(self) -> int:
        return self._maildrop.count - len(self._deleted | self._gone)

    def _octets_left(self) -> int:
        """Return the octets of the messages that are not marked.

        They are counted when a reply first needs them: it may mean reading every message.
        """
        if self._octets_counted is None:
            numbers = range(1, self._maildrop.count + 1)
            self._octets_counted = sum(self._octets(n) for n in numbers if n not in self._deleted)
        return self._octets_counted

    def _octets(self, number: int) -> int:
        """Return the size of a message, 0 if it is gone."""
        try:
            return self._maildrop.octets(number)
        except MessageUnavailable:
            self._gone.add(number)
            return 0

    def _message(self, command: Command) -> int | None:
        """Return the message-number of a command; answer it in the negative if there is none."""
        number = self._habits.number(command)
        count = self._maildrop.count
        if number is None and command.verb is not None:
            argument = shown(command.arguments[0])
            self._complain(Occasion.NO_NUMBER, syntax=command.verb.syntax, argument=argument)
        elif number in self._deleted:
            self._complain(Occasion.MESSAGE_DELETED, number=number)
        elif number in self._gone:
            self._complain(Occasion.MESSAGE_UNAVAILABLE)
        elif number is not None and 1 <= number <= count:
            return number
        elif not count:
            self._complain(Occasion.MAILDROP_EMPTY, number=number or 0)
        else:
            there = {"messages": _messages(count), "count": str(count)}
            self._complain(
                Occasion.NO_SUCH_MESSAGE, number=number or 0, octets=self._octets_left, **there
            )
        return None

    def _on_stat(self, command: Command) -> None:
        del command
        # Counting may find that messages are gone, so the octets come first.
        octets = self._octets_left()
        self._reply_with_data(b"%d %d" % (self._count_left(), octets))

    def _on_list(self, command: Command) -> None:
        self._list_by(command, Occasion.LISTING_FOLLOWS, lambda n: b"%d" % self._maildrop.octets(n))

    def _on_uidl(self, command: Command) -> None:
        self._list_by(command, Occasion.UNIQUE_IDS_FOLLOW, lambda n: self._maildrop.unique_id(n))

    def _list_by(self, command: Command, occasion: Occasion, field: Callable[[int], bytes]) -> None:
        """Answer LIST or UIDL: a field of one message, or of all that are not marked."""
        if not command.arguments:
            self._reply(occasion, **self._maildrop_fields())
            self._send_body(self._listing(field))
        elif (number := self._message(command)) is not None:
            self._reply_with_data(b"%d %b" % (number, field(number)))

    def _listing(self, field: Callable[[int], bytes]) -> Iterator[bytes]:
        for first in range(1, self._maildrop.count + 1, LISTING_LINES):
            numbers = range(first, min(first + LISTING_LINES, self._maildrop.count + 1))
            yield b"".join(self._listed(n, field) for n in numbers if n not in self._deleted)

    def _listed(self, number: int, field: Callable[[int], bytes]) -> bytes:
        """Return a message's line, nothing if it is gone."""
        try:
            return b"" if number in self._gone else b"%d %b\r\n" % (number, field(number))
        except MessageUnavailable:
            self._gone.add(number)
            return b""

    def _on_retr(self, command: Command) -> None:
        number = self._message(command)
        if number is None:
            return
        octets = self._maildrop.octets(number)
        # Before the answer, which is a negative one if the message cannot be read.
        chunks = self._permitted_chunks(number)
        if chunks is None:
            return
        self._highest = max(self._highest, number)
        self._reply(Occasion.MESSAGE_FOLLOWS, number=number, octets=octets)
        self._send_message(number, chunks)

    def _on_top(self, command: Command) -> None:
        lines = self._habits.number(command, 1)
        if lines is None and command.verb is not None:
            argument = shown(command.arguments[1])
            self._complain(Occasion.NO_LINE_COUNT, syntax=command.verb.syntax, argument=argument)
            return
        number = self._message(command)
        if number is None or lines is None:
            return
        chunks = self._permitted_chunks(number)
        if chunks is None:
            return
        self._reply(Occasion.TOP_FOLLOWS, number=number, lines=lines)
        self._send_message(number, top(chunks, lines))

    def _permitted_chunks(self, number: int) -> Iterable[bytes] | None:
        """Return the octets of a message; refuse one that needs UTF-8 mode (RFC 6856 §2.1).

        LIST is answered all the same, as there is no harm in a size; and a server that does not offer
        UTF8 is from before it, and sends what it has.
        """
        chunks = self._maildrop.chunks(number)
        if self._utf8 or b"UTF8" not in self._offered:
            return chunks
        beginning, chunks = peek(chunks)
        if not header_is_utf8(beginning):
            return chunks
        self._complain(Occasion.UTF8_NEEDED, number=number)
        return None

    def _send_message(self, number: int, chunks: Iterable[bytes]) -> None:
        self._send_body(chunks, dot_lines=self._maildrop.has_dot_lines(number))

    def _on_dele(self, command: Command) -> None:
        number = self._habits.number(command)
        if number in self._deleted and self._habits.dele_again is DeleAgain.ACCEPTED:
            self._reply(Occasion.MESSAGE_MARKED, number=number)
            return
        number = self._message(command)
        if number is None:
            return
        if self._octets_counted is not None:
            self._octets_counted -= self._octets(number)
        self._deleted.add(number)
        self._reply(Occasion.MESSAGE_MARKED, number=number)

    def _on_noop(self, command: Command) -> None:
        del command
        self._reply(Occasion.NOTHING_DONE)

    def _on_rset(self, command: Command) -> None:
        del command
        if self._octets_counted is not None:
            self._octets_counted += sum(map(self._octets, self._deleted))
        self._deleted.clear()
        self._highest = 0
        self._reply(Occasion.MARKS_TAKEN_BACK, **self._maildrop_fields())

    def _on_last(self, command: Command) -> None:
        del command
        self._reply_with_data(b"%d" % (self._highest if self._habits.last is Last.HIGHEST else 0))


@lru_cache(maxsize=64)
def _tags(lines: tuple[bytes, ...]) -> frozenset[bytes]:
    """Return the tags of capabilities; the same few lists serve every session."""
    return frozenset(parse_capability(line).tag for line in lines)


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count} messages"


def _handlers() -> Mapping[bytes, Callable[[ServerSession, Command], None]]:
    """Find the method of each command that this server carries out, by its name in the table."""
    named = {name: f"_on_{name.decode('ascii').lower()}" for name in VERBS}
    return {
        name: getattr(ServerSession, method)
        for name, method in named.items()
        if hasattr(ServerSession, method)
    }


_HANDLERS = _handlers()
