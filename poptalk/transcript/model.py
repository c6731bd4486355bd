"""What a dialogue contains, and which reply in it answers which command.

A dialogue is lines of both sides, stage directions and comments, in order.  `exchanges` prepares them
for a replay: POP3 answers in order, so a queue of outstanding commands is enough, and pipelined commands
(RFC 2449 §6.6) aren't a special case.  The table of commands says where a reply ends: a positive reply
to a multi-line command goes on up to the lone dot.
"""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from poptalk.pop3.commands import Command, parse_command
from poptalk.pop3.replies import Status, parse_status_line
from poptalk.transcript.octets import octets_of
from poptalk.transcript.pattern import Pattern

# Stage directions: what happens between the lines, in angle brackets as in the RFCs.

MAX_WAIT_SECONDS = 3600
"""Longest wait in a dialogue: long enough to see an autologout timer expire (at least ten minutes,
RFC 1939 §3), but short enough that a typing error doesn't cost a day."""

_DIRECTION = re.compile(r"<([^<>]*[^<> \t][ \t][^<>]*)>")
_WAIT = re.compile(r"wait ([0-9]{1,6}(?:\.[0-9]{1,3})?) s")


class Side(Enum):
    """Who speaks or acts."""

    CLIENT = "C:"
    SERVER = "S:"


class Action(Enum):
    """What a stage direction asks for."""

    OPEN = "open connection"
    CLOSE = "close connection"
    NEGOTIATE_TLS = "negotiate TLS"
    WAIT = "wait"


FORMS = (*(f"<{action.value}>" for action in Action if action is not Action.WAIT), "<wait 2 s>")
"""The directions that a `C:` line may have."""

_BY_TEXT = {action.value.lower(): action for action in Action if action is not Action.WAIT}


def direction_text(payload: str) -> str | None:
    """Parse a stage direction: a payload that is wholly in angle brackets, with a space in it.

    Args:
        payload: the text after the marker.

    Returns:
        The text between the brackets, with single spaces; None for any other payload.
    """
    found = _DIRECTION.fullmatch(payload.strip(" \t"))
    return " ".join(found[1].split()) if found else None


def parse_direction(text: str) -> tuple[Action, float | None] | None:
    """Find what a stage direction asks for.

    Args:
        text: the text between the brackets.

    Returns:
        The action, and the seconds of a wait; None if it is none of the four.

    Raises:
        ValueError: a wait is longer than MAX_WAIT_SECONDS.
    """
    action = _BY_TEXT.get(text.lower())
    if action is not None:
        return action, None
    wait = _WAIT.fullmatch(text.lower())
    if wait is None:
        return None
    seconds = float(wait[1])
    if seconds > MAX_WAIT_SECONDS:
        raise ValueError(f"a wait lasts {MAX_WAIT_SECONDS} seconds at most")
    return Action.WAIT, seconds


def write_direction(action: Action, seconds: float | None = None) -> str:
    """Write a direction as `parse_direction` takes it, without the brackets."""
    if action is Action.WAIT:
        return f"wait {seconds or 0:.3f}".rstrip("0").rstrip(".") + " s"
    return str(action.value)


# The steps of a dialogue: lines of both sides, stage directions and comments.
#
# Every step has its line number in the file.  The number doesn't count when two steps are compared, so
# a dialogue is equal to itself after it was written and parsed again.


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    line: int = field(compare=False, default=0)
    pattern: Pattern

    @property
    def payload(self) -> str:
        """The line on the wire, without its line end; placeholders stay in their braces."""
        return self.pattern.text.removesuffix("\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLine(_Line):
    """`C:` and what the client sends."""

    alternatives: tuple[Pattern, ...] = ()
    """What is accepted as well: the `or` lines below."""


class ServerLine(_Line):
    """`S:` and what the server sends."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyLines:
    """Any number of lines from the server: `S: ...`, or a description of them in angle brackets."""

    line: int = field(compare=False, default=0)
    description: str | None = None
    """The text between the angle brackets; None for `S: ...`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """Something that happens between the lines."""

    line: int = field(compare=False, default=0)
    side: Side
    action: Action
    seconds: float | None = None
    """How long a wait lasts; None for every other action."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A line that begins with `#`."""

    line: int = field(compare=False, default=0)
    text: str


Step = ClientLine | ServerLine | AnyLines | Direction | Comment


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialogue:
    """A session, or a part of one, in the notation."""

    name: str = field(compare=False, default="<dialogue>")
    """The file that it comes from, for messages."""
    steps: tuple[Step, ...]


TERMINATOR = "."
"""The line that ends a multi-line reply (RFC 1939 §3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """A line for the client to send."""

    step: ClientLine
    command: Command
    """The parsed line; if it answers a challenge, the AUTH command before it."""
    answers_challenge: bool = False
    """Whether the line is a SASL response, which has no keyword (RFC 5034 §4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedReply:
    """A whole reply: its status line, and the lines after it if the dialogue has any."""

    answers: Command | None
    """The command; None for the greeting, and for anything that a server says unasked."""
    steps: tuple[ServerLine | AnyLines, ...]
    """Never empty.  They include the lone dot if the dialogue has it."""


Act = Send | ExpectedReply | AnyLines | Direction
"""What a replay does next.  `AnyLines` is an act if no reply is due, so that nothing needs to come."""


def exchanges(dialogue: Dialogue) -> tuple[Act, ...]:
    """Find the commands and replies in a dialogue.

    Args:
        dialogue: its comments are left out.

    Returns:
        What to do, in order.  A command that the dialogue has no answer to is a `Send` without an
        `ExpectedReply`.
    """
    return tuple(_Exchanges().acts(dialogue))


class _Exchanges:
    """Goes through the steps, with a queue of the commands that aren't answered yet."""

    def __init__(self) -> None:
        self._outstanding: deque[Command] = deque()
        self._challenged: Command | None = None
        self._reply: list[ServerLine | AnyLines] = []
        self._answers: Command | None = None

    def acts(self, dialogue: Dialogue) -> Iterator[Act]:
        for step in dialogue.steps:
            match step:
                case ClientLine():
                    yield from self._end_of_turn()
                    yield self._send(step)
                case Direction():
                    yield from self._end_of_turn()
                    if step.action in (Action.OPEN, Action.CLOSE):
                        self._outstanding.clear()
                        self._challenged = None
                    yield step
                case ServerLine() | AnyLines():
                    yield from self._server(step)
                case Comment():
                    pass
        yield from self._end_of_turn()

    def _send(self, step: ClientLine) -> Send:
        if self._challenged is not None:
            command, self._challenged = self._challenged, None
            self._outstanding.appendleft(command)
            return Send(step=step, command=command, answers_challenge=True)
        command = parse_command(octets_of(step.payload))
        last = self._outstanding[-1] if self._outstanding else None
        if last is not None and command.verb is None and last.asks_for_responses:
            # This line is sent before the challenge that it answers.
            self._outstanding.append(last)
            return Send(step=step, command=last, answers_challenge=True)
        self._outstanding.append(command)
        return Send(step=step, command=command)

    def _server(self, step: ServerLine | AnyLines) -> Iterator[Act]:
        """Take a line from the server: it begins a reply, continues one, or ends it."""
        if self._reply:
            self._reply.append(step)
            if self._is_end(step):
                yield self._end_of_reply()
            return
        if isinstance(step, AnyLines) and not self._outstanding:
            yield step
            return
        self._answers = self._outstanding.popleft() if self._outstanding else None
        self._reply.append(step)
        if not self._goes_on(step):
            yield self._end_of_reply()

    def _is_end(self, step: ServerLine | AnyLines) -> bool:
        """Return whether a line is the lone dot, with the same line end as the first line."""
        first = self._reply[0]
        return (
            isinstance(step, ServerLine)
            and step.payload == TERMINATOR
            and (isinstance(first, AnyLines) or step.pattern.ends_in_lf == first.pattern.ends_in_lf)
        )

    def _goes_on(self, first: ServerLine | AnyLines) -> bool:
        """Return whether a reply with this first line has more lines; note a challenge."""
        if isinstance(first, AnyLines):
            return True
        command = self._answers
        if command is None:
            return False
        status = parse_status_line(octets_of(first.payload)).status
        ahead = bool(self._outstanding) and self._outstanding[0] is command
        if status is Status.CHALLENGE and command.asks_for_responses and not ahead:
            self._challenged = command
        return status is Status.OK and command.multi_line

    def _end_of_reply(self) -> ExpectedReply:
        reply = ExpectedReply(answers=self._answers, steps=tuple(self._reply))
        self._reply.clear()
        return reply

    def _end_of_turn(self) -> Iterator[ExpectedReply]:
        """End a reply without a lone dot; `AnyLines` at its end answer all outstanding commands."""
        if not self._reply:
            return
        last = self._reply[-1]
        yield self._end_of_reply()
        if isinstance(last, AnyLines):
            while self._outstanding:
                yield ExpectedReply(answers=self._outstanding.popleft(), steps=(last,))
