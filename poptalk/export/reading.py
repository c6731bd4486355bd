"""A dialogue prepared for others: its secrets masked, and explained on request.

A dialogue may come from a log, which masks secrets itself, or from anywhere else, with a password in
it.  So its lines go through a `Session` without a connection, as if they were sent and received now.
The session knows which part of a line is secret, where a server repeats it, and what `:why` would say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from poptalk.net.errors import CLOSED_BY_SERVER, CLOSED_BY_US
from poptalk.pop3.commands import State
from poptalk.pop3.events import (
    BodyChunk,
    Challenge,
    Event,
    Greeting,
    ReplyEnd,
    Sent,
    Unsolicited,
)
from poptalk.pop3.explain import Explanation, ReplyContext
from poptalk.pop3.redaction import SpokenSecrets
from poptalk.session.overheard import NoTransport
from poptalk.session.session import Session
from poptalk.terminal.safe import cells, harmless, wrap
from poptalk.transcript.model import (
    Action,
    AnyLines,
    ClientLine,
    Comment,
    Dialogue,
    Direction,
    ServerLine,
    Side,
    Step,
)
from poptalk.transcript.octets import octets_of, text_of
from poptalk.transcript.pattern import Literal, Part, Pattern, Placeholder, make_pattern
from poptalk.transcript.placeholders import PLAIN_FOR, is_secret
from poptalk.transcript.redact import mask_sent, masked

COLUMNS = 76
"""Cells of an explanation: as a comment it fits on a terminal and on A4 paper."""

_EXPLAINED = (Greeting, Challenge, ReplyEnd, Unsolicited)


def read(dialogue: Dialogue, *, explain: bool = False) -> Dialogue:
    """Return a dialogue that others may see.

    Args:
        dialogue: any.
        explain: whether to add what `:why` says after each reply, as comments.
    """
    reading = _Reading(explain=explain)
    steps = list(reading.steps(dialogue))
    # A comment may have a secret in it before that is sent.
    return Dialogue(name=dialogue.name, steps=tuple(map(reading.without_echo, steps)))


class _Reading:
    """Puts a dialogue through a session, line by line."""

    def __init__(self, *, explain: bool) -> None:
        self._explain = explain
        self._session = Session(clock=lambda: 0.0, tls_at_once=False)
        self._events: list[Event] = []
        """The events of the last line."""
        self._session.listeners.append(self._events.append)
        self._secrets: list[SpokenSecrets] = []
        """Those of all connections."""
        self._knows_state = True
        """Whether the dialogue has the beginning of this connection."""
        self._open()

    def steps(self, dialogue: Dialogue) -> Iterator[Step]:
        for step in dialogue.steps:
            self._events.clear()
            match step:
                case ClientLine():
                    yield self._client(step)
                case ServerLine():
                    yield self._server(step)
                    if self._explain:
                        yield from self._explanations()
                case AnyLines():
                    yield step
                    self._any_lines()
                case Direction():
                    yield step
                    self._direction(step)
                case Comment():
                    yield Comment(text=harmless(step.text, limit=len(step.text)))

    # What happens.

    def _open(self) -> None:
        self._knows_state = True
        self._session.opened(NoTransport(), None, where="", encrypted=False)
        self._secrets.append(self._session.secrets)

    def _settle(self) -> None:
        """Supply what the dialogue leaves out before the next line of the client."""
        core = self._session.core
        if core.state is State.CLOSED:
            self._open()
            core = self._session.core
        if core.greeted is None:
            self._knows_state = False
            self._session.received(b"+OK\r\n")
        if core.in_body:
            self._session.received(b".\r\n")
        if core.awaiting_tls and not core.outstanding:
            core.tls_established()

    def _any_lines(self) -> None:
        """Supply the beginning of a reply that the dialogue doesn't spell out."""
        core = self._session.core
        if core.state is not State.CLOSED and core.outstanding and not core.in_body:
            self._session.received(b"+OK\r\n")

    def _direction(self, step: Direction) -> None:
        core = self._session.core
        if step.action is Action.OPEN:
            self._open()
        elif step.action is Action.CLOSE:
            self._session.ended(CLOSED_BY_US if step.side is Side.CLIENT else CLOSED_BY_SERVER)
        elif step.action is Action.NEGOTIATE_TLS and core.awaiting_tls and not core.outstanding:
            core.tls_established()

    # Its lines, without secrets.

    def _client(self, step: ClientLine) -> ClientLine:
        self._settle()
        self._events.clear()
        self._session.send(_octets(step))
        sent = next((event for event in self._events if isinstance(event, Sent)), None)
        if _is_masked(step.pattern):
            pattern = make_pattern(*map(_without_value, step.pattern.parts))
        elif sent is None or sent.secret is None:
            pattern = step.pattern
        else:
            own_end = ("\n",) if step.pattern.ends_in_lf else ()
            pattern = make_pattern(*mask_sent(sent, step=max(sent.step, 1)), *own_end)
        others = tuple(self._alternative(each, sent) for each in step.alternatives)
        return replace(step, pattern=pattern, alternatives=others)

    def _alternative(self, pattern: Pattern, sent: Sent | None) -> Pattern:
        """Mask an alternative, which is accepted too but never sent here."""
        if _is_masked(pattern):
            return make_pattern(*map(_without_value, pattern.parts))
        if sent is not None and sent.sasl and sent.secret is not None:
            return make_pattern(Placeholder(name="secret"))
        return make_pattern(*masked(octets_of(pattern.text))) if _has_secret(pattern) else pattern

    def _server(self, step: ServerLine) -> ServerLine:
        self._session.received(_octets(step))
        if any(isinstance(event, BodyChunk) for event in self._events):
            return step
        parts = [self._masked(part) for part in step.pattern.parts]
        return ServerLine(line=step.line, pattern=make_pattern(*parts))

    def _masked(self, part: Part) -> Part:
        if isinstance(part, Placeholder):
            return part
        return Literal(text=text_of(self._session.secrets.mask(octets_of(part.text))))

    def without_echo(self, step: Step) -> Step:
        """Mask the secrets of the whole dialogue in a comment, or in a description of lines."""
        if isinstance(step, Comment):
            return replace(step, text=self._without_secrets(step.text))
        if isinstance(step, AnyLines) and step.description is not None:
            return replace(step, description=self._without_secrets(step.description))
        return step

    def _without_secrets(self, text: str) -> str:
        octets = text.encode()
        for secrets in self._secrets:
            octets = secrets.mask(octets)
        return octets.decode("utf-8", "replace")

    # What `:why` says.

    def _explanations(self) -> Iterator[Comment]:
        if not any(isinstance(event, _EXPLAINED) for event in self._events):
            return
        for each in self._explained():
            part = harmless(self._session.secrets.mask(each.part))
            meaning = f"{each.meaning} [{each.clause}]" if each.clause else each.meaning
            yield from (Comment(text=f"  {row}") for row in _beside(part, meaning))

    def _explained(self) -> Iterator[Explanation]:
        exchanges = self._session.exchanges
        if exchanges.unsolicited is not None:
            return exchanges.explained_unsolicited()
        reply = exchanges.last
        assert reply is not None
        known = exchanges.context_of(reply)
        if not self._knows_state:
            fields = {name: getattr(known, name) for name in ReplyContext._fields}
            known = ReplyContext(**fields | {"state": None})
        return exchanges.explained(reply, known)


def _octets(step: ClientLine | ServerLine) -> bytes:
    """Return the octets of a line, with its line end."""
    return octets_of(step.payload) + (b"\n" if step.pattern.ends_in_lf else b"\r\n")


def _beside(part: str, meaning: str) -> list[str]:
    """Return a part of a reply with its meaning beside it, or below it if that is too long."""
    if not part:
        return wrap(meaning, COLUMNS)
    if cells(part) + 2 + cells(meaning) <= COLUMNS:
        return [f"{part}  {meaning}"]
    return [part, *(f"    {row}" for row in wrap(meaning, COLUMNS - 4))]


def _is_masked(pattern: Pattern) -> bool:
    """Tell whether the secret of a line is already a placeholder."""
    return any(each.name is not None and is_secret(each.name) for each in pattern.placeholders)


def _without_value(part: Part) -> Part:
    """Remove the value from the placeholder of a secret."""
    if (
        isinstance(part, Placeholder)
        and part.name not in (None, PLAIN_FOR)
        and is_secret(part.name)
    ):
        return replace(part, default=None)
    return part


def _has_secret(pattern: Pattern) -> bool:
    return any(isinstance(part, Placeholder) for part in masked(octets_of(pattern.text)))
