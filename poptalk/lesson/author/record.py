"""A session while it is recorded: events of the client core in, dialogues for a lesson out.

What only this server said, on this day, is left out or given a name: words for people, sizes and
numbers, the lines of bodies, secrets.  `write_lesson` makes the document of it.
"""

from __future__ import annotations

import re
import textwrap
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from poptalk.lesson.document.parser import FENCE, MOST_MINUTES
from poptalk.net.errors import EndedBy, Ending
from poptalk.pop3.commands import ArgumentKind, Command, Effect, Field, FieldKind
from poptalk.pop3.events import (
    Challenge,
    Event,
    Exchange,
    Greeting,
    Reply,
    ReplyEnd,
    Sent,
    TlsRequested,
)
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
from poptalk.transcript.pattern import (
    Bindings,
    Literal,
    Part,
    Placeholder,
    PlaceholderKind,
    make_pattern,
)
from poptalk.transcript.placeholders import REASONS, Known
from poptalk.transcript.redact import mask_sent
from poptalk.transcript.writer import format_dialogue

_DIGITS = (FieldKind.MESSAGE, FieldKind.COUNT, FieldKind.OCTETS)

_WRONG = {"password": "wrong", "apop": "0" * 32}
"""What is sent in place of a secret that was refused, whose right value would not be."""

_WRONG_RESPONSE = "AAAA"
"""The same for an initial response: base64, and nobody's."""

_LOGIN_RESPONSES = 2
"""Name and password, in base64: what AUTH LOGIN asks for, which no RFC defines."""

_OPEN = Direction(side=Side.CLIENT, action=Action.OPEN)
_NEGOTIATE_TLS = Direction(side=Side.CLIENT, action=Action.NEGOTIATE_TLS)


@dataclass(slots=True, kw_only=True)
class RecordedCommand:
    """A command, what stands above it, and what was said until the next one."""

    exchange: Exchange
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

    @property
    def said_farewell(self) -> bool:
        """Whether it was a QUIT that was answered with +OK (RFC 1939 §6)."""
        verb = self.exchange.command.verb
        is_farewell = verb is not None and verb.effect is Effect.FAREWELL
        return is_farewell and self.ended and not self.refused


class Recording:
    """What was said in a session.

    Args:
        account: who the lesson's learner will be; the names and the secrets that were sent become
            this account's.
        user: whose name was sent in the session, where it is not the account's.
    """

    def __init__(self, *, account: Account, user: str | None = None) -> None:
        self.account = account
        self._user = user or account.name
        self._recorded: list[RecordedCommand] = []
        self.prose: list[str] = []
        """Paragraphs that stand above the next command."""
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

    def add_prose(self, text: str) -> None:
        """Put a paragraph above the next command.

        Args:
            text: one line of inline Markdown.
        """
        self.prose.append(text)

    def take(self, event: Event) -> None:
        """Take note of what happened."""
        match event:
            case Greeting():
                self._on_greeting(event)
            case Sent():
                self._on_sent(event)
            case Challenge():
                challenge = ServerLine(pattern=make_pattern(Status.CHALLENGE.value))
                self._of(event.exchange).lines.append(challenge)
            case Reply():
                self._on_reply(event)
            case ReplyEnd():
                self._on_reply_end(event)
            case TlsRequested() if self._recorded:
                self._recorded[-1].lines.append(_NEGOTIATE_TLS)

    def end(self, ending: Ending) -> None:
        """Take note that the connection is gone."""
        if self._recorded and not self._recorded[-1].said_farewell:
            side = Side.CLIENT if ending.by is EndedBy.US else Side.SERVER
            self._after = [Direction(side=side, action=Action.CLOSE)]

    def _on_greeting(self, event: Greeting) -> None:
        if self._greeted:
            self._settle()
            self._before = [_OPEN, _status(event.status_line)]
        self._greeted = True

    def _on_sent(self, event: Sent) -> None:
        if not event.sasl:
            self._settle()
            prose, self.prose = self.prose, []
            begun = RecordedCommand(exchange=event.exchange, prose=prose, lines=self._before)
            self._before = []
            self._recorded.append(begun)
        recorded = self._of(event.exchange)
        parts = [self._generalised_part(part, recorded, event) for part in mask_sent(event)]
        recorded.lines.append(ClientLine(pattern=make_pattern(*chain(*parts))))

    def _on_reply(self, event: Reply) -> None:
        recorded = self._of(event.exchange)
        recorded.lines.append(self._status_line(event))
        recorded.refused = event.status_line.status is not Status.OK
        if recorded.refused:
            recorded.lines = [self._refused(step) for step in recorded.lines]
        if event.multi_line:
            recorded.multi_line = True
            recorded.lines.append(AnyLines())

    def _on_reply_end(self, event: ReplyEnd) -> None:
        recorded = self._of(event.exchange)
        recorded.ended = True
        if recorded.multi_line:
            recorded.lines.append(ServerLine(pattern=make_pattern(TERMINATOR)))

    def _settle(self) -> None:
        """Write the end of a connection behind the last command, now that others follow."""
        if self._recorded:
            self._recorded[-1].lines += self._after
        self._after = []

    def _of(self, exchange: Exchange) -> RecordedCommand:
        return next(each for each in reversed(self._recorded) if each.exchange is exchange)

    # Generalising.

    def _generalised_part(
        self, part: Part, recorded: RecordedCommand, event: Sent
    ) -> Sequence[str | Part]:
        """Make a part of a line that was sent right for the lesson's account."""
        if isinstance(part, Literal):
            if event.sasl:
                return (part,)
            return self._with_user(part.text, event.exchange.command)
        if part.name in REASONS:
            return (part,)
        return (self._response(recorded),)

    def _with_user(self, text: str, command: Command) -> Sequence[str | Part]:
        verb = command.verb
        keyword, blank, rest = text.partition(" ")
        name, space, others = rest.partition(" ")
        takes_name = any(a.kind is ArgumentKind.NAME for a in verb.arguments) if verb else False
        if not takes_name or name != self._user:
            return (text,)
        return (keyword + blank, Placeholder(name="user"), space + others)

    def _response(self, recorded: RecordedCommand) -> Placeholder:
        """Write an answer to a challenge that a replay cannot work out: only those of LOGIN can be."""
        recorded.responses += 1
        mechanism = recorded.exchange.command.arguments[0].upper()
        if mechanism == b"LOGIN" and recorded.responses <= _LOGIN_RESPONSES:
            spoken = (self.account.name, self.account.password)[recorded.responses - 1]
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

    def _status_line(self, event: Reply) -> ServerLine:
        """Leave the words for people out, and give the data names."""
        command, status_line = event.exchange.command, event.status_line
        fields = _data_fields(command) if not event.multi_line else ()
        if status_line.status is not Status.OK or not fields:
            return _status(status_line)
        parts: list[str | Part] = [Status.OK.value]
        for field_, word in zip(fields, status_line.words, strict=False):
            parts += [" ", self._generalised(field_, word, command)]
        if len(status_line.words) > len(fields):
            parts += [" ", Placeholder(name=None, kind=PlaceholderKind.REST)]
        return ServerLine(pattern=make_pattern(*parts))

    def _generalised(self, field_: Field, word: bytes, command: Command) -> Part:
        """Give what the server chose a name; what the client has named, stays."""
        if word in command.arguments:
            return Literal(text=text_of(word))
        is_number = field_.kind in _DIGITS and word.isdigit()
        kind = PlaceholderKind.INT if is_number else PlaceholderKind.WORD
        return Placeholder(name=self._named(field_.name), kind=kind)

    def _named(self, name: str) -> str:
        """Make a name that stands for one value: the second STAT need not say what the first did."""
        self._names[name] += 1
        count = self._names[name]
        return name if count == 1 else f"{name}-{count}"

    def commands(self) -> Iterator[RecordedCommand]:
        """Give what was recorded, a reply without its end closed off by the end of the connection."""
        yield from self._recorded[:-1]
        for last in self._recorded[-1:]:
            closing = self._after or [Direction(side=Side.CLIENT, action=Action.CLOSE)]
            yield last if last.ended else replace(last, lines=[*last.lines, *closing])


def _data_fields(command: Command) -> Sequence[Field]:
    verb = command.verb
    if verb is None or verb.challenges:
        return ()
    return [f for f in verb.fields if f.kind is not FieldKind.REST]


def _status(status_line: StatusLine) -> ServerLine:
    """Write a status line by its indicator; what has none is left open."""
    if status_line.status is Status.OTHER:
        return ServerLine(pattern=make_pattern(Placeholder(name=None, kind=PlaceholderKind.REST)))
    return ServerLine(pattern=make_pattern(status_line.status.value))


# The lesson made of a recorded session has a step for each command, and TODO where the author goes on.


MINUTES_PER_STEP = 1
"""How long a step takes a beginner, as a first guess."""

_BLOCK_MARK = re.compile(
    r"(?=#{1,6}(?:\s|$)|>|`{3}|~{3}|[-+*](?:\s|$)|<|\||\[|=+\s*$|(?:[-*_]\s*){2,}$)"
    r"|(?<=[0-9])(?=[.)](?:\s|$))"
)
"""The places in a line of Markdown where a backslash makes it a line of a paragraph."""

_NUMBERED = re.compile(r"[0-9]+")


def write_lesson(
    recording: Recording, *, title: str, mailbox: str, persona: str, where: str | None = None
) -> str:
    """Write the lesson.

    Args:
        recording: the session.
        title: what the lesson is called.
        mailbox: the folder of letters that it is to run on.
        persona: of the practice server.
        where: the server on which it was recorded, if that was no practice server.

    Returns:
        The whole document.
    """
    account = recording.account
    head = [
        FENCE,
        f"title: {title}",
        "summary: TODO one line for the list of lessons",
        f"minutes: {min(max(1, MINUTES_PER_STEP * recording.exchanges), MOST_MINUTES)}",
        f"mailbox: {mailbox}",
        f"persona: {persona}",
        f"user: {account.name}",
        f"password: {account.password}",
    ]
    if where is not None:
        head.append(f"# Recorded on {harmless(where)}; does the mailbox have such letters?")
    known = Known(user=account.name, password=account.password).bindings()
    parts = [
        "\n".join([*head, FENCE]),
        f"# {title}",
        "TODO what this lesson is about, in two or three sentences.",
        *_steps(recording, known),
        *(_paragraph(text) for text in recording.prose),
    ]
    return "\n\n".join(parts) + "\n"


def _steps(recording: Recording, known: Bindings) -> Iterator[str]:
    """Yield a step for each command, called after it; the second LIST is `LIST (2)`."""
    times: Counter[str] = Counter()
    for one in recording.commands():
        verb = one.exchange.command.verb
        keyword = verb.keyword if verb is not None else "Something else"
        times[keyword] += 1
        title = keyword if times[keyword] == 1 else f"{keyword} ({times[keyword]})"
        yield _step(title, one, known)


def _step(title: str, one: RecordedCommand, known: Bindings) -> str:
    command = one.exchange.command
    texts = [*one.prose]
    if not one.repeatable:
        mechanism = harmless(command.arguments[0].upper())
        texts.append(f"TODO take this step out: the answers of {mechanism} differ each time.")
    parts = (
        f"## {title}",
        *map(_paragraph, texts or [f"TODO a task. What was typed: {_typed(one, known)}."]),
        f"```pop3\n{format_dialogue(Dialogue(steps=tuple(one.lines)))}```",
        "> [!TIP]\n> TODO a nudge, but not the answer.",
    )
    return "\n\n".join(parts)


def _typed(one: RecordedCommand, known: Bindings) -> str:
    """Quote what a learner would type in a step, local commands included."""
    lines = [_as_typed(step, known) for step in one.lines]
    return ", then ".join(
        f"`{line}`" if line else "an empty line" for line in lines if line is not None
    )


def _as_typed(step: Step, bindings: Mapping[str, str]) -> str | None:
    """Return what a learner types for a line of a dialogue; None for what the server does."""
    match step:
        case ClientLine():
            return "".join(_value(part, bindings) for part in step.pattern.parts)
        case Direction(action=Action.OPEN):
            return ":open"
        case Direction(action=Action.CLOSE, side=Side.CLIENT):
            return ":close"
    return None


def _value(part: Part, bindings: Mapping[str, str]) -> str:
    if isinstance(part, Literal):
        return part.text
    return bindings.get(part.name or "") or part.default or part.source


def _paragraph(text: str) -> str:
    """Wrap a paragraph, in which no line begins another kind of block."""
    rows = textwrap.wrap(
        harmless(text), MOST_COLUMNS, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(map(_plain_row, rows))


def _plain_row(row: str) -> str:
    number = _NUMBERED.match(row)
    at = number.end() if number else 0
    return f"{row[:at]}\\{row[at:]}" if _BLOCK_MARK.match(row, at) else row
