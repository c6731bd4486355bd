"""Replaying a dialogue: its `C:` lines are sent, and what comes is compared with its `S:` lines.

A `Replay` reports what happens as it happens, so that its driver can show it::

    with closing(Replay(dialogue, server, options)) as replay:
        for occurrence in replay.run():
            ...
    print(replay.difference or "all as written")

It stops at the first difference and hangs up without QUIT, so that an unexpected session deletes nothing
(RFC 1939 §6).  With `keep_going` it continues, unless the server waits for a response of AUTH, and still
deletes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from poptalk.net.endpoint import UsageError
from poptalk.net.errors import ConnectionLost, NetError
from poptalk.pop3.commands import Command, Effect, State
from poptalk.pop3.events import Challenge, Event, Exchange, Greeting
from poptalk.pop3.explain import ReplyContext
from poptalk.pop3.redaction import SpokenSecrets
from poptalk.pop3.replies import Status, parse_status_line
from poptalk.pop3.sasl.mechanism import LoginBroken, LoginError
from poptalk.run.server import RunSettings, Serving
from poptalk.session.client import Client
from poptalk.session.exchanges import BEGINNING_OCTETS, Note, StoredReply
from poptalk.session.session import Session
from poptalk.transcript.match import (
    Agreement,
    Aspect,
    Comparison,
    Difference,
    loosened,
    match_reply,
)
from poptalk.transcript.model import (
    TERMINATOR,
    Act,
    Action,
    AnyLines,
    Dialogue,
    Direction,
    ExpectedReply,
    Send,
    ServerLine,
    Side,
    exchanges,
)
from poptalk.transcript.octets import octets_of, text_of
from poptalk.transcript.pattern import FillError, Pattern
from poptalk.transcript.placeholders import PLAIN_FOR, parse_response_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """A reply is what the dialogue says."""

    expected: ExpectedReply
    heard: StoredReply


@dataclass(frozen=True, slots=True, kw_only=True)
class Differed:
    """Something isn't what the dialogue says."""

    difference: Difference
    command: Command | None = None
    """What was answered; None for the greeting, and for lines that answer nothing."""
    exchange: int | None = None
    """The number of the exchange whose reply differs."""
    known: ReplyContext | None = None
    """What the session knows apart from that reply."""
    octets_left_out: int = 0
    """Octets of a very long reply that weren't compared."""


Occurrence = Event | Agreed | Differed
"""What happens in a replay: every event of the session, and the results of comparing."""


SILENCE_SECONDS = 1.0
"""How long a server must be silent before a reply without its lone dot is taken as complete, if the
dialogue has no lone dot either and hangs up next."""

DELETES_NOTHING = "QUIT is not sent: after a difference no message is deleted"

Occurrences = Generator[Occurrence, None, None]


class ScriptError(UsageError):
    """A dialogue can't be replayed; the message names its file and line."""


class _Differs(Exception):
    """Something isn't what the dialogue says."""

    def __init__(self, difference: Difference, **about: Any) -> None:
        super().__init__(str(difference))
        self.differed = Differed(difference=difference, **about)


class Replay:
    """The replay of a dialogue.

    Args:
        dialogue: what should happen.
        server: the server, and who logs in.
        options: how to compare, and what to do about a difference.
        bindings: what earlier dialogues captured.
    """

    def __init__(
        self,
        dialogue: Dialogue,
        server: Serving,
        options: RunSettings,
        *,
        bindings: Mapping[str, str] | None = None,
    ) -> None:
        self.differences: list[Difference] = []
        """The differences; just the first one, unless it keeps going."""
        self.exchanges = 0
        """How many lines were sent and answered as written."""
        self.compared = 0
        """How many replies, including greetings, were compared with the dialogue."""
        self.bindings: dict[str, str] = dict(bindings or {})
        """What was captured so far, without the known placeholders."""
        self._name = dialogue.name
        acts = exchanges(dialogue)
        self._acts = (
            [loosened(act) if isinstance(act, ExpectedReply) else act for act in acts]
            if options.loose
            else acts
        )
        self._answered = _answered(self._acts)
        self._server = server
        self._known = server.known
        """It gets the greeting and the challenges as they come."""
        self._options = options
        # A reply must be kept as far as it may be compared with the dialogue.
        lines = (step.payload for step in dialogue.steps if isinstance(step, ServerLine))
        octets = sum(len(octets_of(line)) + 2 for line in lines)
        self._octets_kept = max(BEGINNING_OCTETS, octets)
        self._since = 0.0
        """When connecting began, or the last line was sent."""
        self._sent_at: dict[int, float] = {}
        """When each line was sent, by the number of its exchange."""
        self._sent: dict[int, Exchange] = {}
        """The exchange of each `Send`, by its index among the acts."""
        self._client: Client | None = None
        self.secrets = SpokenSecrets()
        """Those of the present connection, or of the last one."""
        self._was_open = False
        self._compared_at = 0
        """The line of the last reply that was compared."""
        self._any_unasked = False
        """Whether the dialogue lets the server say anything until the next line is sent."""

    @property
    def difference(self) -> Difference | None:
        """The first difference; None if there is none."""
        return self.differences[0] if self.differences else None

    def close(self) -> None:
        """Hang up, if the connection is still open."""
        if self._client is not None:
            self._client.close()

    def run(self) -> Iterator[Occurrence]:
        """Go through the dialogue, and yield what happens.

        Raises:
            ConnectFailed: connecting failed.
            TlsFailed: TLS failed.
            ConnectionLost: the server hung up, or was silent, while something was awaited.
            ScriptError: a line can't be carried out: for example, a placeholder has no value.
        """
        for index, act in enumerate((*self._acts, None)):
            if self.differences and self._would_delete(act):
                yield Note(text=DELETES_NOTHING)
                break
            try:
                yield from self._hang_up() if act is None else self._perform(index, act)
            except _Differs as found:
                self.differences.append(found.differed.difference)
                yield found.differed
                if not self._goes_on():
                    break

    def _goes_on(self) -> bool:
        """Return whether to go on after a difference: never if a response of AUTH is awaited."""
        return self._options.keep_going and not (
            self._client is not None and self._client.session.core.challenge_open
        )

    def _would_delete(self, act: Act | None) -> bool:
        """Return whether a line is a QUIT that removes messages (RFC 1939 §6)."""
        if not isinstance(act, Send) or act.answers_challenge or self._client is None:
            return False
        leaves = act.command.effect is Effect.FAREWELL
        return leaves and bool(self._client.session.core.marked)

    # Acts.

    def _perform(self, index: int, act: Act) -> Occurrences:
        match act:
            case Send():
                yield from self._send(index, act)
            case ExpectedReply(answers=None):
                yield from self._expect_unasked(act)
            case ExpectedReply():
                yield from self._expect(index, act)
            case AnyLines():
                self._any_unasked = self._client is not None
            case Direction(action=Action.OPEN):
                yield from self._hang_up()
                yield from self._open()
            case Direction(action=Action.CLOSE, side=Side.CLIENT):
                yield from self._hang_up()
            case Direction(action=Action.CLOSE):
                yield from self._expect_close(act.line)
            case Direction(action=Action.NEGOTIATE_TLS):
                yield from self._negotiate_tls(act.line)
            case Direction():
                yield from self._wait(act.seconds or 0, following=self._following(index))

    def _send(self, index: int, act: Send) -> Occurrences:
        """Send a line; if the dialogue has no reply to it, hear whether it is refused."""
        at = act.step.line
        client = yield from self._ready(at)
        core = client.session.core
        if act.answers_challenge and self.differences and not core.answering_auth:
            return  # Nobody asks for it any more, and it would be visible as a command.
        starts_tls = act.command.effect is Effect.START_TLS
        if self._server.destination.starttls and not core.encrypted and not starts_tls:
            yield from self._require_tls(client)
        # Before AUTH is answered the server may take any line for a response (RFC 5034 §4).
        while core.answering_auth and not core.challenge_open:
            yield from self._listen(at, awaited="the reply to AUTH")
        self._refuse_unasked(self._compared_at, aspect=Aspect.END)
        line = self._filled(act)
        self._any_unasked = False
        sent = client.observe(line)
        self._sent[index] = sent.exchange
        yield from client.take_events()
        yield sent
        self._since = self._sent_at[sent.exchange.number] = time.monotonic()
        with self._explained(at, f"{_keyword(act.command)} was to be sent"):
            client.transmit(line)
        client.take_events()  # They were yielded above.
        if index in self._answered.values():
            return
        heard = yield from self._hear(sent.exchange, line=at)
        if parse_status_line(heard.lines[0]).status not in (Status.OK, Status.CHALLENGE):
            refusal = _refused(at, heard.lines[0])
            known = client.session.exchanges.context_of(heard)
            number = sent.exchange.number
            raise _Differs(refusal, command=act.command, exchange=number, known=known)
        self._check_time(at, sent.exchange)
        self.exchanges += 1

    def _filled(self, act: Send) -> bytes:
        """Fill in the placeholders of a line, and remember its default values, as in `{n:int=2}`."""
        bindings = {**self.bindings, **self._known.bindings()}
        try:
            bindings |= self._responses_in(act.step.pattern, answers=act.answers_challenge)
            text = act.step.pattern.fill(bindings)
        except LoginBroken:
            came = self._known.challenge
            difference = _unlike(act.step.line, Aspect.MECHANISM, came)
            raise _Differs(difference, command=act.command) from None
        except (FillError, LoginError) as error:
            raise self._error(act.step.line, str(error)) from None
        if "\n" in text[:-1]:
            raise self._error(
                act.step.line, "a line end within a line; write two lines, each with its own 'C:'."
            )
        self._remember(act.step.pattern.match(text, bindings) or {})
        return octets_of(text)

    def _responses_in(self, pattern: Pattern, *, answers: bool) -> dict[str, str]:
        """Compute the responses of AUTH in a line.

        Args:
            pattern: the line.
            answers: whether it answers a challenge.
        """
        challenge = self._known.challenge if answers else None
        responses = self._server.responses
        values: dict[str, str | None] = {}
        for part in pattern.placeholders:
            if part.name == PLAIN_FOR:
                values[PLAIN_FOR] = self._known.plain_for(part.default or "")
            elif part.name is not None and responses is not None:
                values[part.name] = responses.work_out(part.name, challenge)
        if responses is not None and challenge is not None and not pattern.source:
            responses.say_nothing(challenge)
        return {name: value for name, value in values.items() if value is not None}

    def _expect(self, index: int, act: ExpectedReply) -> Occurrences:
        """Hear the reply to a command, and compare it."""
        at = act.steps[0].line
        exchange = self._sent.get(self._answered[index])
        if exchange is None:
            return  # Its line wasn't sent, because of a difference.
        following = self._following(index)
        patience = SILENCE_SECONDS if _closes(following, Side.CLIENT) else None
        heard = yield from self._hear(
            exchange, line=at, unended=_is_cut_off(act, following), patience=patience
        )
        self._compare(act, heard)
        self._check_time(at, exchange)
        self.exchanges += 1
        yield Agreed(expected=act, heard=heard)

    def _expect_unasked(self, act: ExpectedReply) -> Occurrences:
        """Hear the greeting, or a line that answers nothing, and compare it."""
        at = act.steps[0].line
        client = yield from self._opened(at)
        while True:
            greeting = client.take_reply(None)
            heard = greeting or client.take_unsolicited()
            if heard is None:
                yield from self._listen(at, awaited=_GREETING if _is_fresh(client) else "a line")
            elif (
                greeting
                or not self._any_unasked
                or not isinstance(self._match(act, heard), Difference)
            ):
                break
        self._compare(act, heard)
        if greeting:
            self._check_time(at, None)
        yield Agreed(expected=act, heard=heard)

    def _expect_close(self, at: int) -> Occurrences:
        """Wait until the server hangs up; anything that it says instead is a difference."""
        client = self._connected(at)
        while client.ending is None:
            self._refuse_unasked(at, aspect=Aspect.CLOSE)
            try:
                events = client.hear()
            except ConnectionLost:
                raise _Differs(_unlike(at, Aspect.CLOSE, None)) from None
            yield from self._noted(events or ())
        self._refuse_unasked(at, aspect=Aspect.CLOSE)
        yield from self._hang_up()

    def _negotiate_tls(self, at: int) -> Occurrences:
        if self._connected(at).session.tls_request is None:
            raise self._error(
                at, "TLS is negotiated after the +OK to STLS; write 'C: STLS' and 'S: +OK' first."
            )
        yield from self._begin_tls()

    def _wait(self, seconds: float, *, following: Act | None) -> Occurrences:
        """Wait, and take what comes meanwhile.

        If the server should hang up next, the wait ends when it does.
        """
        end = time.monotonic() + seconds
        for_close = _closes(following, Side.SERVER)
        while (left := end - time.monotonic()) > 0:
            if self._client is None or self._client.ending is not None:
                if for_close:
                    return
                time.sleep(left)
            else:
                yield from self._noted(self._client.hear(patience=left) or ())

    def _following(self, index: int) -> Act | None:
        return self._acts[index + 1] if index + 1 < len(self._acts) else None

    # The connection.

    def _open(self) -> Occurrences:
        self._since = time.monotonic()
        link = self._server.connect()
        session = Session(clock=time.monotonic, whole=False, tls_at_once=False)
        session.exchanges.beginning_octets = self._octets_kept
        session.user = self._known.user
        self._client = Client(link, self._server.destination, session=session)
        self._sent_at.clear()
        self._was_open = True
        self._any_unasked = False
        self._known = replace(self._known, greeting=b"", challenge=None)
        self.secrets = session.secrets
        yield from self._client.take_events()

    def _opened(self, at: int) -> Generator[Occurrence, None, Client]:
        """Open the first connection, if the dialogue doesn't say so at its beginning."""
        if not self._was_open:
            yield from self._open()
        return self._connected(at)

    def _connected(self, at: int) -> Client:
        if self._client is None:
            raise self._error(
                at, "There is no connection here; write 'C: <open connection>' first."
            )
        return self._client

    def _ready(self, at: int) -> Generator[Occurrence, None, Client]:
        """Return a connection whose greeting has come, and that is in TLS if STLS was accepted."""
        client = yield from self._opened(at)
        while _is_fresh(client):
            yield from self._listen(at, awaited=_GREETING)
        greeting = client.take_reply(None)
        if greeting is not None and parse_status_line(greeting.lines[0]).status is not Status.OK:
            raise _Differs(_refused(at, greeting.lines[0]))
        if client.session.tls_request is not None:
            yield from self._begin_tls()
        return client

    def _require_tls(self, client: Client) -> Occurrences:
        """Send STLS if the dialogue doesn't; without TLS the replay can't go on."""
        client.take_events()
        failed = None
        try:
            client.require_tls()
        except NetError as error:
            failed = error
        yield from self._noted(client.take_events())
        if failed is not None:
            raise failed

    def _begin_tls(self) -> Occurrences:
        assert self._client is not None
        self._client.take_events()
        self._client.begin_tls()
        yield from self._client.take_events()

    def _hang_up(self) -> Occurrences:
        """Close the connection, if the server hasn't done so."""
        self._refuse_unasked(self._compared_at, aspect=Aspect.END)
        client, self._client = self._client, None
        if client is not None:
            client.take_events()
            client.close()
            yield from self._noted(client.take_events())

    # Listening.

    def _hear(
        self, exchange: Exchange, *, line: int, unended: bool = False, patience: float | None = None
    ) -> Generator[Occurrence, None, StoredReply]:
        """Wait for the whole reply to a command.

        Args:
            exchange: the command.
            line: the line in the dialogue.
            unended: whether an incomplete reply is enough.
            patience: seconds of silence after which an incomplete reply is returned.
        """
        client = self._connected(line)
        reply = f"the reply to {_keyword(exchange.command)}"
        while (heard := client.take_reply(exchange)) is None:
            begun = client.so_far(exchange)
            awaited = f"the lone dot that ends {reply}" if begun is not None else reply
            silent_for = patience if begun is not None and unended else None
            came = yield from self._listen(line, awaited=awaited, within=silent_for, of=exchange)
            if not came and begun is not None:
                return begun
        if not heard.complete and not unended:
            raise self._lost(line, f"{client.ending} in the middle of {reply}")
        return heard

    def _listen(
        self, at: int, *, awaited: str, within: float | None = None, of: Exchange | None = None
    ) -> Generator[Occurrence, None, bool]:
        """Take what the server says next; if it has hung up, the replay ends.

        Args:
            at: the line in the dialogue.
            awaited: what the server should say, in words.
            within: seconds in which it should.
            of: the exchange that the reply belongs to; None for the greeting.

        Returns:
            Whether it has said anything within that time.
        """
        client = self._connected(at)
        if client.ending is not None:
            raise self._lost(at, f"{client.ending} while {awaited} was awaited")
        left = None
        if within is None and self._options.max_time is not None and not self._options.keep_going:
            since = self._since if of is None else self._sent_at[of.number]
            left = since + self._options.max_time - time.monotonic()
        with self._explained(at, f"{awaited} was awaited"):
            events = client.hear(patience=within if left is None else max(left, 0))
        if events is None and left is not None:
            raise self._too_slow(at, of, None)
        yield from self._noted(events or ())
        return events is not None

    def _noted(self, events: Sequence[Event]) -> Occurrences:
        for event in events:
            match event:
                case Greeting():
                    self._known = replace(self._known, greeting=event.status_line.line)
                case Challenge():
                    self._known = replace(self._known, challenge=event.status_line.line)
            yield event

    # Comparing.

    def _match(self, act: ExpectedReply, heard: StoredReply) -> Comparison:
        bindings = {**self.bindings, **self._known.bindings()}
        lines = heard.lines
        result = match_reply(act, lines, bindings, exact=self._options.exact)
        if isinstance(result, Difference):
            # In a log, a secret that the server repeated is masked.
            masked = (self.secrets.mask(lines[0]), *lines[1:])
            if masked != lines:
                second = match_reply(act, masked, bindings, exact=self._options.exact)
                result = second if isinstance(second, Agreement) else result
        return result

    def _check_time(self, at: int, exchange: Exchange | None) -> None:
        """Report a reply that took longer than allowed as a difference; None is the greeting."""
        since = self._since if exchange is None else self._sent_at[exchange.number]
        seconds = time.monotonic() - since
        if self._options.max_time is not None and seconds > self._options.max_time:
            raise self._too_slow(at, exchange, f"{seconds:.3g} s")

    def _too_slow(self, at: int, exchange: Exchange | None, took: str | None) -> _Differs:
        allowed = f"{self._options.max_time:g} s"
        difference = Difference(line=at, aspect=Aspect.TIME, expected=allowed, came=took)
        return _Differs(difference, command=exchange.command if exchange is not None else None)

    def _compare(self, act: ExpectedReply, heard: StoredReply) -> None:
        client = self._client
        result = self._match(act, heard)
        if isinstance(result, Difference):
            raise _Differs(
                result,
                command=act.answers,
                exchange=heard.exchange.number if heard.exchange is not None else None,
                known=client.session.exchanges.context_of(heard) if client is not None else None,
                octets_left_out=heard.octets_left_out,
            )
        self.compared += 1
        self._compared_at = act.steps[-1].line
        self._remember(result.bindings)

    def _remember(self, found: Mapping[str, str]) -> None:
        """Keep what was captured; the known placeholders are computed again each time."""
        known = self._known.bindings()
        self.bindings = {
            name: value
            for name, value in found.items()
            if name not in known and name != PLAIN_FOR and parse_response_name(name) is None
        }

    def _refuse_unasked(self, at: int, *, aspect: Aspect) -> None:
        """Report a line that answers nothing as a difference, unless the dialogue allows it."""
        while self._client is not None and (unasked := self._client.take_unsolicited()) is not None:
            if not self._any_unasked:
                raise _Differs(_unlike(at, aspect, unasked.lines[0]))

    # Errors.

    def _error(self, at: int, sentence: str) -> ScriptError:
        return ScriptError(f"{self._name}:{at}: {sentence}")

    def _lost(self, at: int, clause: str) -> ConnectionLost:
        return ConnectionLost(f"{self._name}:{at}: {clause}.")

    @contextmanager
    def _explained(self, at: int, clause: str) -> Iterator[None]:
        """If the connection is lost, say what it was needed for."""
        try:
            yield
        except ConnectionLost as error:
            raise ConnectionLost(f"{self._name}:{at}: {clause}. {error}") from error


_GREETING = "the greeting"


def _answered(acts: Sequence[Act]) -> dict[int, int]:
    """Find the line that each reply answers: the index of the `Send` by that of the reply."""
    found: dict[int, int] = {}
    outstanding: list[tuple[int, Command]] = []
    for index, act in enumerate(acts):
        match act:
            case Send():
                outstanding.append((index, act.command))
            case ExpectedReply(answers=Command()):
                answered = next(each for each in outstanding if each[1] is act.answers)
                found[index] = answered[0]
                outstanding.remove(answered)
            case Direction(action=Action.OPEN | Action.CLOSE):
                outstanding.clear()
    return found


def _closes(act: Act | None, *sides: Side) -> bool:
    """Return whether an act is the end of the connection, by one of these sides."""
    return isinstance(act, Direction) and act.action is Action.CLOSE and act.side in sides


def _is_cut_off(act: ExpectedReply, following: Act | None) -> bool:
    """Return whether a reply in the dialogue is incomplete, because the connection ends in it."""
    last = act.steps[-1]
    ends = isinstance(last, ServerLine) and last.payload == TERMINATOR
    return not ends and _closes(following, *Side)


def _is_fresh(client: Client) -> bool:
    return client.session.core.state is State.GREETING


def _keyword(command: Command) -> str:
    """Name a command in a sentence; an unknown one may be a secret."""
    return command.verb.keyword if command.verb is not None else "this line"


def _unlike(at: int, aspect: Aspect, came: bytes | None, expected: str = "") -> Difference:
    came_text = text_of(came) if came is not None else None
    return Difference(line=at, aspect=aspect, expected=expected, came=came_text)


def _refused(at: int, came: bytes) -> Difference:
    """Say that a line was refused which the dialogue has no reply to."""
    return _unlike(at, Aspect.INDICATOR, came, f"'{Status.OK.value}'")
