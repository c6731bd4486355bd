"""A session while it is recorded: events of the client core in, dialogues for a lesson out.

What only this server said, on this day, is left out or given a name: words for people, sizes and
numbers, the lines of bodies, secrets.  `write_lesson` makes the document.
"""

from __future__ import annotations

import re
import textwrap
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from poptalk.lesson.document.model import Lesson
from poptalk.lesson.document.parser import FENCE, MOST_MINUTES
from poptalk.net.errors import EndedBy, Ending
from poptalk.pop3 import events
from poptalk.pop3.commands import ArgumentKind, Command, Effect, Field, FieldKind
from poptalk.pop3.replies import Status, StatusLine
from poptalk.practice.accounts import Account
from poptalk.terminal.markdown import MOST_COLUMNS
from poptalk.terminal.safe import harmless
from poptalk.transcript.model import (
    TERMINATOR,
    Action,
    AnyLines,
    ClientLine,
    Dialogue,
    Direction,
    ServerLine,
    Side,
    Step,
)
from poptalk.transcript.octets import text_of
from poptalk.transcript.pattern import Literal, Part, Placeholder, PlaceholderKind, make_pattern
from poptalk.transcript.placeholders import REASONS
from poptalk.transcript.redact import mask_sent
from poptalk.transcript.writer import format_dialogue

_DIGITS = (FieldKind.MESSAGE, FieldKind.COUNT, FieldKind.OCTETS)

_WRONG = {"password": "wrong", "apop": "0" * 32}
"""What is sent in place of a secret that was refused: the lesson's own would be accepted."""

_WRONG_RESPONSE = "AAAA"
"""The same for an initial response: base64, and nobody's."""

_OPEN = Direction(side=Side.CLIENT, action=Action.OPEN)
_NEGOTIATE_TLS = Direction(side=Side.CLIENT, action=Action.NEGOTIATE_TLS)


@dataclass(slots=True, kw_only=True)
class RecordedCommand:
    """A command, the prose above it, and what was said until the next one."""

    exchange: events.Exchange
    prose: Sequence[str]
    lines: list[Step] = field(default_factory=list)
    multi_line: bool = False
    ended: bool = False
    """Whether its reply is complete."""
    refused: bool = False
    responses: int = 0
    """How many answers to challenges were sent, an initial one included (RFC 5034 §4)."""
    repeatable: bool = True
    """Whether the same answers will be right tomorrow."""


class Recording:
    """What was said in a session.

    Args:
        account: who the lesson's learner will be; the names and secrets that were sent become those of
            this account.
        user: the name that was sent in the session, where it isn't the account's.
    """

    def __init__(self, *, account: Account, user: str | None = None) -> None:
        self.account = account
        self._user = user or account.name
        self._recorded: list[RecordedCommand] = []
        self.prose: list[str] = []
        """The paragraphs above the next command."""
        self._names: Counter[str] = Counter()
        self._greeted = False
        self._before: list[Step] = []
        """What the next block begins with."""
        self._after: list[Step] = []
        """What the last block ends with, if the session goes on."""

    @property
    def exchanges(self) -> int:
        """How many commands were recorded."""
        return len(self._recorded)

    def take(self, event: events.Event) -> None:
        """Take note of what happened."""
        match event:
            case events.Greeting():
                if self._greeted:
                    self._settle()
                    self._before = [_OPEN, _status(event.status_line)]
                self._greeted = True
            case events.Sent():
                self._on_sent(event)
            case events.Challenge():
                challenge = ServerLine(pattern=make_pattern(Status.CHALLENGE.value))
                self._of(event.exchange).lines.append(challenge)
            case events.Reply():
                self._on_reply(event)
            case events.ReplyEnd():
                recorded = self._of(event.exchange)
                recorded.ended = True
                if recorded.multi_line:
                    recorded.lines.append(ServerLine(pattern=make_pattern(TERMINATOR)))
            case events.TlsRequested() if self._recorded:
                self._recorded[-1].lines.append(_NEGOTIATE_TLS)

    def end(self, ending: Ending) -> None:
        """Take note that the connection is gone."""
        if not self._recorded:
            return
        last = self._recorded[-1]
        verb = last.exchange.command.verb
        is_farewell = verb is not None and verb.effect is Effect.FAREWELL
        # The server hangs up after a QUIT that was answered with +OK (RFC 1939 §6): that isn't written.
        if not (is_farewell and last.ended and not last.refused):
            side = Side.CLIENT if ending.by is EndedBy.US else Side.SERVER
            self._after = [Direction(side=side, action=Action.CLOSE)]

    def _on_sent(self, event: events.Sent) -> None:
        if not event.sasl:
            self._settle()
            self._recorded.append(
                RecordedCommand(exchange=event.exchange, prose=self.prose, lines=self._before)
            )
            self.prose, self._before = [], []
        recorded = self._of(event.exchange)
        parts = [self._generalised_part(part, recorded, event) for part in mask_sent(event)]
        recorded.lines.append(ClientLine(pattern=make_pattern(*chain(*parts))))

    def _on_reply(self, event: events.Reply) -> None:
        recorded = self._of(event.exchange)
        recorded.lines.append(self._status_line(event))
        recorded.refused = event.status_line.status is not Status.OK
        if recorded.refused:
            recorded.lines = [self._refused(step) for step in recorded.lines]
        if event.multi_line:
            recorded.multi_line = True
            recorded.lines.append(AnyLines())

    def _settle(self) -> None:
        """Write the end of a connection after the last command, now that others follow."""
        if self._recorded:
            self._recorded[-1].lines += self._after
        self._after = []

    def _of(self, exchange: events.Exchange) -> RecordedCommand:
        return next(each for each in reversed(self._recorded) if each.exchange is exchange)

    # Generalising.

    def _generalised_part(
        self, part: Part, recorded: RecordedCommand, event: events.Sent
    ) -> Sequence[str | Part]:
        """Make a part of a line that was sent right for the lesson's account."""
        if isinstance(part, Placeholder):
            return (part if part.name in REASONS else self._response(recorded),)
        verb = event.exchange.command.verb
        if event.sasl:
            return (part,)
        keyword, blank, rest = part.text.partition(" ")
        name, space, others = rest.partition(" ")
        takes_name = any(a.kind is ArgumentKind.NAME for a in verb.arguments) if verb else False
        if not takes_name or name != self._user:
            return (part,)
        return (keyword + blank, Placeholder(name="user"), space + others)

    def _response(self, recorded: RecordedCommand) -> Placeholder:
        """Write an answer to a challenge that a replay cannot work out: only those of LOGIN can be."""
        # What AUTH LOGIN asks for, one after the other, in base64; no RFC defines it.
        asked_for = (self.account.name, self.account.password)
        recorded.responses += 1
        mechanism = recorded.exchange.command.arguments[0].upper()
        if mechanism == b"LOGIN" and recorded.responses <= len(asked_for):
            spoken = asked_for[recorded.responses - 1]
            value = b64encode(spoken.encode("utf-8")).decode("ascii")
            return Placeholder(name=self._named("login"), default=value)
        recorded.repeatable = False
        return Placeholder(name=self._named("response"), default=_WRONG_RESPONSE)

    def _refused(self, step: Step) -> Step:
        """Give a secret that was refused a value that is refused again."""
        if not isinstance(step, ClientLine):
            return step
        parts = (
            Placeholder(name=self._named("wrong"), default=_WRONG.get(p.name, _WRONG_RESPONSE))
            if isinstance(p, Placeholder) and p.name is not None and p.name != "user"
            else p
            for p in step.pattern.parts
        )
        return replace(step, pattern=make_pattern(*parts))

    def _status_line(self, event: events.Reply) -> ServerLine:
        """Leave the words for people out, and give the data names."""
        command, status_line = event.exchange.command, event.status_line
        verb = command.verb
        fields: Sequence[Field] = ()
        if verb is not None and not verb.challenges and not event.multi_line:
            fields = [each for each in verb.fields if each.kind is not FieldKind.REST]
        if status_line.status is not Status.OK or not fields:
            return _status(status_line)
        parts: list[str | Part] = [Status.OK.value]
        for field_, word in zip(fields, status_line.words, strict=False):
            parts += [" ", self._generalised(field_, word, command)]
        if len(status_line.words) > len(fields):
            parts += [" ", Placeholder(name=None, kind=PlaceholderKind.REST)]
        return ServerLine(pattern=make_pattern(*parts))

    def _generalised(self, field_: Field, word: bytes, command: Command) -> Part:
        """Give a name to what the server chose; what the client has named stays."""
        if word in command.arguments:
            return Literal(text=text_of(word))
        is_number = field_.kind in _DIGITS and word.isdigit()
        kind = PlaceholderKind.INT if is_number else PlaceholderKind.WORD
        return Placeholder(name=self._named(field_.name), kind=kind)

    def _named(self, name: str) -> str:
        """Make a name for one value: the second STAT need not say what the first did."""
        self._names[name] += 1
        count = self._names[name]
        return name if count == 1 else f"{name}-{count}"

    def commands(self) -> Iterator[RecordedCommand]:
        """Give what was recorded; a reply without an end is followed by the end of the connection."""
        yield from self._recorded[:-1]
        for last in self._recorded[-1:]:
            closing = self._after or [Direction(side=Side.CLIENT, action=Action.CLOSE)]
            yield last if last.ended else replace(last, lines=[*last.lines, *closing])


def _status(status_line: StatusLine) -> ServerLine:
    """Write a status line by its indicator; what has none is left open."""
    if status_line.status is Status.OTHER:
        return ServerLine(pattern=make_pattern(Placeholder(name=None, kind=PlaceholderKind.REST)))
    return ServerLine(pattern=make_pattern(status_line.status.value))


# The lesson made of a recorded session has a step for each command, and TODO where the author goes on.
# A step takes a beginner about a minute.


_BLOCK_MARK = re.compile(
    r"(?=#{1,6}(?:\s|$)|>|`{3}|~{3}|[-+*](?:\s|$)|<|\||\[|=+\s*$|(?:[-*_]\s*){2,}$)"
    r"|(?<=[0-9])(?=[.)](?:\s|$))"
)
"""The places in a line of Markdown where a backslash makes it a line of a paragraph."""


def write_lesson(recording: Recording, lesson: Lesson, *, where: str | None = None) -> str:
    """Write the whole document of a lesson.

    Args:
        recording: the session.
        lesson: its title, mailbox, persona and account.
        where: the server on which it was recorded, if that was no practice server.
    """
    head = [
        FENCE,
        f"title: {lesson.title}",
        "summary: TODO one line for the list of lessons",
        f"minutes: {min(max(1, recording.exchanges), MOST_MINUTES)}",
        f"mailbox: {lesson.mailbox}",
        f"persona: {lesson.persona}",
        f"user: {lesson.user}",
        f"password: {lesson.password}",
    ]
    if where is not None:
        head.append(f"# Recorded on {harmless(where)}; does the mailbox have such messages?")
    parts = [
        "\n".join([*head, FENCE]),
        f"# {lesson.title}",
        "TODO what this lesson is about, in two or three sentences.",
        *_steps(recording, lesson),
        *map(_paragraph, recording.prose),
    ]
    return "\n\n".join(parts) + "\n"


def _steps(recording: Recording, lesson: Lesson) -> Iterator[str]:
    """Give the parts of a step for each command, called after it; the second LIST is `LIST (2)`."""
    times: Counter[str] = Counter()
    for one in recording.commands():
        command = one.exchange.command
        keyword = command.verb.keyword if command.verb is not None else "Something else"
        times[keyword] += 1
        yield f"## {keyword}" if times[keyword] == 1 else f"## {keyword} ({times[keyword]})"
        texts = [*one.prose]
        if not one.repeatable:
            mechanism = harmless(command.arguments[0].upper())
            texts.append(f"TODO take this step out: the answers of {mechanism} differ each time.")
        yield from map(
            _paragraph, texts or [f"TODO a task. What was typed: {_typed(one.lines, lesson)}."]
        )
        yield f"```pop3\n{format_dialogue(Dialogue(steps=tuple(one.lines)))}```"
        yield "> [!TIP]\n> TODO a nudge, but not the answer."


def _typed(steps: Sequence[Step], lesson: Lesson) -> str:
    """Quote what a learner would type in a step, local commands included."""
    known = lesson.known.bindings()
    lines = []
    for step in steps:
        match step:
            case ClientLine():
                values = (
                    part.text
                    if isinstance(part, Literal)
                    else known.get(part.name or "") or part.default or part.source
                    for part in step.pattern.parts
                )
                lines.append("".join(values))
            case Direction(action=Action.OPEN):
                lines.append(":open")
            case Direction(action=Action.CLOSE, side=Side.CLIENT):
                lines.append(":close")
    return ", then ".join(f"`{line}`" if line else "an empty line" for line in lines)


def _paragraph(text: str) -> str:
    """Wrap a paragraph, in which no line begins another kind of block."""
    rows = textwrap.wrap(
        harmless(text), MOST_COLUMNS, break_long_words=False, break_on_hyphens=False
    )
    for place, row in enumerate(rows):
        at = len(row) - len(row.lstrip("0123456789"))
        if _BLOCK_MARK.match(row, at):
            rows[place] = f"{row[:at]}\\{row[at:]}"
    return "\n".join(rows)
