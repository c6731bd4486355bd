"""Finds which reply answers which command, for a replay.

POP3 answers in order, so a queue of outstanding commands is all it takes; pipelined commands
(RFC 2449 §6.6) are no special case.  Where a reply ends follows from the command table: a positive
reply to a multi-line command goes on up to the lone dot.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from poptalk.notation.dialogue import AnyLines, ClientLine, Comment, Dialogue, Direction, ServerLine
from poptalk.notation.directions import Action
from poptalk.protocol.commands import Command, parse_command
from poptalk.protocol.replies import Status, parse_status_line
from poptalk.transcript.octets import octets_of

TERMINATOR = "."
"""The line that ends a multi-line reply (RFC 1939 §3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """A line for the client to send."""

    step: ClientLine
    command: Command
    """The line taken apart; of a line that answers a challenge, the AUTH command before it."""
    answers_challenge: bool = False
    """Whether the line is a SASL response, which has no keyword (RFC 5034 §4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedReply:
    """A whole reply: its status line, and the lines after it as far as the dialogue has any."""

    answers: Command | None
    """The command; None for the greeting, and for what a server says unasked."""
    steps: tuple[ServerLine | AnyLines, ...]
    """Never empty.  The lone dot is among them where the dialogue has it."""


Act = Send | ExpectedReply | AnyLines | Direction
"""What a replay does next.  `AnyLines` stands where no reply is due, so that none need come."""


def exchanges(dialogue: Dialogue) -> tuple[Act, ...]:
    """Put the lines of a dialogue together.

    Args:
        dialogue: its comments are left out.

    Returns:
        What is to be done, in order.  A command to which the dialogue has no answer is a `Send`
        without an `ExpectedReply`.
    """
    return tuple(_Exchanges().acts(dialogue))


class _Exchanges:
    """Walks through the steps with the commands that still wait for an answer."""

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
        if last is not None and command.verb is None and _asks_for_responses(last):
            # Sent ahead of the challenge that it answers.
            self._outstanding.append(last)
            return Send(step=step, command=last, answers_challenge=True)
        self._outstanding.append(command)
        return Send(step=step, command=command)

    def _server(self, step: ServerLine | AnyLines) -> Iterator[Act]:
        """Take a line of the server: it begins a reply, goes on with one or ends it."""
        if self._reply:
            self._reply.append(step)
            if isinstance(step, ServerLine) and step.payload == TERMINATOR:
                yield self._end_of_reply()
            return
        if isinstance(step, AnyLines) and not self._outstanding:
            yield step
            return
        self._answers = self._outstanding.popleft() if self._outstanding else None
        self._reply.append(step)
        if not self._goes_on(step):
            yield self._end_of_reply()

    def _goes_on(self, first: ServerLine | AnyLines) -> bool:
        """Tell whether a reply with this first line has more lines; note a challenge."""
        if isinstance(first, AnyLines):
            return True
        command = self._answers
        if command is None:
            return False
        status = parse_status_line(octets_of(first.payload)).status
        ahead = bool(self._outstanding) and self._outstanding[0] is command
        if status is Status.CHALLENGE and _asks_for_responses(command) and not ahead:
            self._challenged = command
        return status is Status.OK and command.multi_line

    def _end_of_reply(self) -> ExpectedReply:
        reply = ExpectedReply(answers=self._answers, steps=tuple(self._reply))
        self._reply.clear()
        return reply

    def _end_of_turn(self) -> Iterator[ExpectedReply]:
        """End a reply that has no lone dot; any lines at its end answer all that is outstanding."""
        if not self._reply:
            return
        last = self._reply[-1]
        yield self._end_of_reply()
        if isinstance(last, AnyLines):
            while self._outstanding:
                yield ExpectedReply(answers=self._outstanding.popleft(), steps=(last,))


def _asks_for_responses(command: Command) -> bool:
    """Whether a command is an AUTH with a mechanism, whose lines are its responses."""
    return command.verb is not None and command.verb.challenges and bool(command.arguments)
