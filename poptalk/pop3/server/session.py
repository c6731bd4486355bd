"""The server core: one POP3 session, seen from the server, without a socket, a clock or a disk.

Octets go in, events come out, and output is pulled::

    session.receive_data(octets)              # or receive_eof()
    for event in session.events(): ...        # answer those that need it, see `events`
    while (chunk := session.next_chunk()) is not None: write(chunk)

Because the caller pulls, a reply of a gigabyte needs no memory, and a message is read as fast as the
client takes it.  Commands are answered in order: while a long reply is sent, or a login is being
decided, later ones wait.  An event that belongs after an answer (`StlsAnswered`, `SessionEnded`)
appears once that answer has been pulled, so look at `events` again after every chunk.

Which command is legal when, and with how many arguments, comes from the table in
`poptalk.pop3.commands`; the words come from the given `Texts`.  `authorization` and `transaction` carry
out the commands of one state; they answer through the base class, `ServerConversation`.

No input makes it raise.  Calling `accept` without a `LoginAttempt`, and the like, is a RuntimeError.
"""

from __future__ import annotations

from poptalk.pop3.capabilities import FULL_CAPABILITIES, CapabilityLists
from poptalk.pop3.commands import VERBS, Command, Effect, Limits, State, Verb, parse_command
from poptalk.pop3.replies import timestamp_of
from poptalk.pop3.server.authorization import Authorization
from poptalk.pop3.server.events import (
    CommandReceived,
    CommitRequested,
    EndReason,
    OverlongLineReceived,
    PlaintextAfterStls,
    ResponseReceived,
    ServerEvent,
    SessionEnded,
    SessionHooks,
    SizesRequested,
    StlsAnswered,
)
from poptalk.pop3.server.quirks import BehindLogin, Capa, Last, Quirks
from poptalk.pop3.server.replies import AwaitedStep, OverlongLine, ServerConversation, split_end
from poptalk.pop3.server.texts import LANGUAGES, Occasion, Texts, find_language, shown
from poptalk.pop3.server.transaction import MessageUnavailable, Transaction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from poptalk.pop3.sasl.mechanism import ServerMechanisms
    from poptalk.pop3.server.authorization import Accepted
    from poptalk.pop3.server.transaction import Maildrop

    Handler = Callable[[Any, Command], None]
    """A method that carries a command out."""

CHUNK_OCTETS = 262_144
"""Octets returned at once: by measurement the best for a socket, with and without TLS."""

JOINED_OCTETS = 65_536
"""A part of at least this size is returned alone: joining it would be a useless copy."""

MAX_INPUT_WAITING = 16_384
"""Octets of waiting commands beyond which `ServerSession.wants_input` is False: some 2,000 RETR."""

MAX_OUTPUT_WAITING = 65_536
"""Octets of replies that may wait to be pulled before the next command is carried out."""

MAX_REPLIES_AT_ONCE = 64
"""Parts of replies that are made at once: a client that sends thousands of commands must not keep the
driver from its other clients until all are answered."""

_BEHIND_ANSWERS = (StlsAnswered, SessionEnded)
"""Events that appear once the answer before them has been pulled."""

_NOTHING, _TLS, _END = AwaitedStep.NOTHING, AwaitedStep.TLS, AwaitedStep.END
_START_TLS = Effect.START_TLS
"""Looked up once: before Python 3.12, looking up a member of an Enum takes as long as calling a
function, and these are needed for every command."""

_LIMITS, _QUIRKS, _TEXTS, _HOOKS = Limits(), Quirks(), Texts(), SessionHooks()


class ServerSession(ServerConversation):
    """One POP3 session, seen from the server.

    Args:
        texts: what the server says.
        capabilities: what is offered.  A command whose capability isn't listed is unknown.
        timestamp: the APOP timestamp, with its angle brackets, different for each session
            (RFC 1939 §7).  APOP is offered if the greeting shows it.
        encrypted: whether the session begins in TLS (RFC 8314 §3).
        limits: how much is tolerated.
        mechanisms: those of AUTH.  The ones that the capabilities list after SASL are offered.
        quirks: those of the server.
        hooks: change what this session does; by default they change nothing.
    """

    __slots__ = (
        *("_authorization", "_input_over", "_overlong_lines", "_postponed"),
        *("_spare", "_stage", "_timestamp", "_transaction"),
    )

    def __init__(
        self,
        *,
        texts: Texts | None = None,
        capabilities: CapabilityLists = FULL_CAPABILITIES,
        timestamp: bytes | None = None,
        encrypted: bool = False,
        limits: Limits | None = None,
        mechanisms: ServerMechanisms | None = None,
        quirks: Quirks | None = None,
        hooks: SessionHooks | None = None,
    ) -> None:
        super().__init__(
            texts=texts or _TEXTS,
            capabilities=capabilities,
            limits=limits or _LIMITS,
            quirks=quirks or _QUIRKS,
            hooks=hooks or _HOOKS,
            encrypted=encrypted,
        )
        self._authorization = Authorization(self, mechanisms=mechanisms or {})
        self._transaction: Transaction | None = None
        self._stage: Authorization | Transaction = self._authorization
        """What carries out the commands of the present state."""
        self._timestamp = timestamp
        self._input_over = False
        self._overlong_lines = 0
        self._spare: bytes | memoryview | None = None
        """A part that didn't fit into the last chunk."""
        self._postponed: Callable[[], None] | None = None
        """What to do once the sizes are counted."""

    # For the driver.

    @property
    def wants_input(self) -> bool:
        """Whether more octets should be read from the client now."""
        return self.waits_for is not _END and self.reader.waiting < MAX_INPUT_WAITING

    @property
    def deleted(self) -> frozenset[int]:
        """The message-numbers marked as deleted."""
        return frozenset(self._transaction.deleted if self._transaction else ())

    def greet(self) -> None:
        """Send the greeting; the session enters AUTHORIZATION (RFC 1939 §4)."""
        self.reply(Occasion.GREETING, timestamp=self._timestamp or b"")
        greeting = self.output[-1]
        # The greeting decides whether there is APOP, so a persona need not say it twice.
        seen = timestamp_of(greeting) if isinstance(greeting, bytes) else None
        self._authorization.timestamp = seen
        self.state = State.AUTHORIZATION
        self.waits_for = AwaitedStep.NOTHING
        self._proceed()

    def turn_away(self, occasion: Occasion) -> None:
        """Send a negative reply instead of the greeting, and end the session."""
        self.reply(occasion)
        self.end(EndReason.TURNED_AWAY)

    def receive_data(self, data: bytes) -> None:
        """Take octets from the client, cut anywhere; those after the end of the session are ignored."""
        if self.waits_for is _END or not data:
            return
        self.reader.feed(data)
        if self.waits_for is _TLS:
            self._refuse_residue()
        else:
            self._proceed()

    def receive_eof(self) -> None:
        """Take the end of the client's octets; what it sent before is still answered."""
        self._input_over = True
        self._proceed()

    def events(self) -> list[ServerEvent]:
        """Return what has happened since the last call."""
        events, self.happened = self.happened, []
        return events

    def next_chunk(self, limit: int = CHUNK_OCTETS) -> bytes | memoryview | None:
        """Return the next octets for the client; None if there are none now.

        Args:
            limit: how many octets to return at most.

        Raises:
            Exception: the maildrop raised it while reading a message.  The reply can't be completed,
                so the connection must be closed.
        """
        parts: list[bytes | memoryview] = []
        size = 0
        while size < limit and len(parts) < MAX_REPLIES_AT_ONCE and self._has_output():
            part = self._next_part()
            if part is None:
                continue
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
        """Answer a `LoginAttempt`: the maildrop is open, and locked for this session."""
        login = self._authorization.accept(maildrop)
        if login is not None:
            self._enter_transaction(login)
        self._proceed()

    def refuse(self, occasion: Occasion) -> None:
        """Answer a `LoginAttempt` in the negative; the session stays in AUTHORIZATION."""
        self._authorization.refuse(occasion)
        self._proceed()

    def sizes_counted(self) -> None:
        """Answer a `SizesRequested`: they are counted, as far as the messages can be read."""
        self.answered(AwaitedStep.SIZES)
        postponed, self._postponed = self._postponed, None
        assert postponed is not None
        postponed()
        self._proceed()

    def committed(self) -> None:
        """Answer a `CommitRequested`: the messages have been removed (RFC 1939 §6)."""
        self.answered(AwaitedStep.COMMIT)
        self._say_farewell()

    def commit_failed(self) -> None:
        """Answer a `CommitRequested`: some messages could not be removed (RFC 1939 §6)."""
        self.answered(AwaitedStep.COMMIT)
        self.reply(Occasion.SOME_NOT_REMOVED)
        self.end(EndReason.QUIT)

    def tls_established(self) -> None:
        """Take note that TLS has begun: nothing said in the clear counts any longer (RFC 2595 §4)."""
        self.answered(AwaitedStep.TLS)
        self.encrypted = True
        self._authorization.forget()
        self.learn_what_is_offered()

    # Octets in, octets out.

    def _proceed(self) -> None:
        """Carry out the commands that have come, as far as possible now."""
        while self._ready():
            line = self.reader.next_line()
            if line is None:
                if self._input_over:
                    self.end(EndReason.CLIENT_GONE)
                return
            if isinstance(line, OverlongLine):
                self._take_overlong(line)
            elif self._authorization.exchange is not None:
                self._take_response(line)
            else:
                self._take(line)

    def _ready(self) -> bool:
        return (
            self.waits_for is _NOTHING
            and self.output_waiting < MAX_OUTPUT_WAITING
            and len(self.output) < MAX_REPLIES_AT_ONCE
            # Commands wait until a body has been pulled: their answers may depend on that.
            and (not self.output or isinstance(self.output[-1], bytes))
        )

    def _has_output(self) -> bool:
        """Return whether anything can be pulled; carry out more commands if there is nothing left."""
        if self.output or self._spare is not None:
            return True
        if self._input_over or self.reader.waiting:
            self._proceed()
        return bool(self.output)

    def _next_part(self) -> bytes | memoryview | None:
        """Take the first part of the output; return None if it has no octets (left)."""
        if self._spare is not None:
            part, self._spare = self._spare, None
            return part
        output = self.output
        item = output[0]
        if isinstance(item, bytes):
            self.output_waiting -= len(item)
            output.popleft()
            return item
        if isinstance(item, _BEHIND_ANSWERS):
            output.popleft()
            if isinstance(item, SessionEnded):
                self.state = State.CLOSED
            self.happened.append(item)
            return None
        chunk = next(item, None)
        if chunk is None:
            output.popleft()
        return chunk or None

    # Lines.

    def _take(self, line: bytes) -> None:
        content, end = split_end(line)
        command = parse_command(content)
        if self.tells_input:
            self.happened.append(CommandReceived(command=command, end=end))
        self.command = command = self.quirks.without_extra(self.hooks.command(command))
        if self._transaction is None:
            self._authorization.begin_command()
        elif self._transaction.needs_sizes(command):
            self._have_sizes_counted(lambda: self._answer(command))
            return
        self._answer(command)

    def _answer(self, command: Command) -> None:
        """Carry a command out, or refuse it."""
        handler = self._handler(command)
        if self._refused(command, known=handler is not None) or handler is None:
            return
        try:
            handler(self if command.keyword in _OWN else self._stage, command)
        except MessageUnavailable:
            self.complain(Occasion.MESSAGE_UNAVAILABLE)

    def _handler(self, command: Command) -> Handler | None:
        """Return what carries a command out; None if this server doesn't know the command."""
        quirks = self.quirks
        unknown = (
            (command.keyword == b"CAPA" and quirks.capa is Capa.UNKNOWN)
            or (command.keyword == b"LAST" and quirks.last is Last.UNKNOWN)
            or quirks.refuses_blanks(command)
        )
        return None if unknown else _HANDLERS.get(command.keyword)

    def _have_sizes_counted(self, then: Callable[[], None]) -> None:
        """Have the sizes of all messages counted, and then go on."""
        self._postponed = then
        self.ask(SizesRequested(), AwaitedStep.SIZES)

    def _take_response(self, line: bytes) -> None:
        content, end = split_end(line)
        if self.tells_input:
            self.happened.append(ResponseReceived(line=content, end=end))
        login = self._authorization.take_response(content)
        if login is not None:
            self._enter_transaction(login)

    def _take_overlong(self, line: OverlongLine) -> None:
        if self.tells_input:
            self.happened.append(OverlongLineReceived(octets=line.octets))
        self.command = None
        limit = self.reader.longest
        self._authorization.give_up()
        self._overlong_lines += 1
        if self._overlong_lines < self.limits.overlong_lines and line.complete:
            self.complain(Occasion.LINE_TOO_LONG, limit=limit)
        else:
            self.reply(Occasion.LINE_TOO_LONG, limit=limit)
            self.end(EndReason.LINE_TOO_LONG)

    # Refusing, by the table of commands.

    def _refused(self, command: Command, *, known: bool) -> bool:
        """Refuse a command that can't be carried out; return whether it was refused."""
        verb = command.verb
        if not command.keyword:
            self.complain(Occasion.EMPTY_LINE)
        elif verb is None or not known:
            self._complain_unknown(command)
        elif self.state not in verb.states:
            before = self.state is State.AUTHORIZATION
            occasion = Occasion.LOGIN_FIRST if before else Occasion.ALREADY_LOGGED_IN
            self.complain(occasion, keyword=verb.name)
        elif verb.effect is _START_TLS and self.encrypted:
            self.complain(Occasion.TLS_ACTIVE)
        elif verb.effect is _START_TLS and self.utf8:
            self.complain(Occasion.STLS_AFTER_UTF8)
        elif verb.capability is not None and verb.capability not in self.offered:
            self._complain_unknown(command)
        elif (refusal := self.hooks.refusal(command)) is not None:
            self.complain(refusal)
        else:
            return self._refused_for_arguments(verb, command.arguments)
        return True

    def _complain_unknown(self, command: Command) -> None:
        logged_in = self.state is State.TRANSACTION
        occasion = Occasion.UNKNOWN_COMMAND_AFTER_LOGIN if logged_in else Occasion.UNKNOWN_COMMAND
        self.complain(occasion, keyword=shown(command.keyword))

    def _refused_for_arguments(self, verb: Verb, given: tuple[bytes, ...]) -> bool:
        most = len(verb.arguments)
        if len(given) == most:
            return False
        needed = sum(not argument.optional for argument in verb.arguments)
        if len(given) < needed:
            self.complain(Occasion.ARGUMENT_MISSING, syntax=verb.syntax, keyword=verb.name)
        elif len(given) > most:
            extra = shown(b" ".join(given[most:]))
            self.complain(
                Occasion.ARGUMENT_EXCESS, syntax=verb.syntax, keyword=verb.name, extra=extra
            )
        else:
            return False
        return True

    # From one state to the next.

    def _enter_transaction(self, login: Accepted) -> None:
        if self.quirks.behind_login is BehindLogin.LOST:
            self.reader.take_rest()
        transaction = Transaction(self, login.maildrop)
        if transaction.needs_sizes_for(Occasion.LOGGED_IN):
            self._have_sizes_counted(lambda: self._welcome(login, transaction))
        else:
            self._welcome(login, transaction)

    def _welcome(self, login: Accepted, transaction: Transaction) -> None:
        self._stage = self._transaction = transaction
        self.state = State.TRANSACTION
        self.learn_what_is_offered()
        self.reply(Occasion.LOGGED_IN, name=shown(login.name), **transaction.fields())

    def _say_farewell(self) -> None:
        assert self._transaction is not None
        self._transaction.say_farewell()
        self.end(EndReason.QUIT)

    def _refuse_residue(self) -> None:
        """End the session, because octets came in the clear where TLS should begin (RFC 2595 §4)."""
        residue = self.reader.take_rest()
        self.happened.append(PlaintextAfterStls(residue=residue))
        if self.output and isinstance(self.output[-1], StlsAnswered):
            self.output.pop()
        else:
            self.reply(Occasion.OCTETS_BEHIND_STLS, octets=len(residue))
        self.end(EndReason.PLAINTEXT_AFTER_STLS)

    # Commands that work in both states, or change the session itself.

    def on_capa(self, command: Command) -> None:
        """List the capabilities."""
        if not self.offered:
            # A server without capabilities is from before 1998: it doesn't know CAPA either.
            self._complain_unknown(command)
            return
        self.reply(Occasion.CAPABILITIES_FOLLOW)
        lines = self.capability_lines()
        self.send_body([b"".join(line + b"\r\n" for line in lines)])

    def on_lang(self, command: Command) -> None:
        """List the languages of the texts, or choose one."""
        if not command.arguments:
            self.reply(Occasion.LANGUAGES_FOLLOW)
            names = LANGUAGES.items()
            self.send_body([b"".join(b"%b %b\r\n" % (tag, name) for tag, name in names)])
            return
        tag = find_language(command.arguments[0])
        if tag is None:
            self.complain(Occasion.LANGUAGE_UNKNOWN)
        else:
            # "followed by a single space, the exact language tag selected, and another space"
            text = self.texts.fill(Occasion.LANGUAGE_CHOSEN, {})
            self.reply_with_data(b"%b %b" % (tag, text))

    def on_utf8(self, _command: Command) -> None:
        """Accept UTF-8 in headers from now on."""
        self.utf8 = True
        self.reply(Occasion.UTF8_ENABLED)

    def on_stls(self, _command: Command) -> None:
        """Let TLS begin after the answer."""
        self.waits_for = AwaitedStep.TLS
        if self.reader.waiting and not self.hooks.keeps_residue():
            self._refuse_residue()
            return
        self.reply(Occasion.TLS_BEGINS)
        self.output.append(StlsAnswered())

    def on_quit(self, _command: Command) -> None:
        """End the session; in TRANSACTION the marked messages are removed first."""
        transaction = self._transaction
        if transaction is None:
            self.reply(Occasion.FAREWELL_BEFORE_LOGIN)
            self.end(EndReason.QUIT)
            return
        self.state = State.UPDATE
        if transaction.deleted:
            numbers = tuple(sorted(transaction.deleted))
            self.ask(CommitRequested(numbers=numbers), AwaitedStep.COMMIT)
        else:
            self._say_farewell()


def _handlers(*kinds: type) -> Mapping[bytes, Handler]:
    """Find the methods that carry out the commands in the table: `on_list` carries out LIST."""
    return {
        name: getattr(kind, method)
        for name, verb in VERBS.items()
        for kind in kinds
        if hasattr(kind, method := f"on_{verb.keyword.lower()}")
    }


_OWN = _handlers(ServerSession)
_HANDLERS = _handlers(ServerSession, Authorization, Transaction)
