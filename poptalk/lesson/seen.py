"""What can be known of a session from what happened in it: for explanations only, never to block.

The server has the last word.  Where it does otherwise than is noted here, its reply counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from poptalk.lesson.happenings import Answered, Connected, Ended, Happening, TlsBegun
from poptalk.notation.known import Known
from poptalk.protocol.commands import Command, parse_command
from poptalk.protocol.replies import Status, parse_status_line
from poptalk.protocol.states import State
from poptalk.protocol.verbs import ArgumentKind, Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One connection after the other, as the happenings tell of it."""

    user: Known = field(default_factory=Known)
    """The user's name and password."""
    state: State = State.CLOSED
    encrypted: bool = False
    greeting: bytes = b""
    challenge: bytes | None = None
    """The challenge that waits for an answer (RFC 5034 §4)."""
    named: bool | None = None
    """Whether the line before was a USER that was taken; None before any connection."""
    marked: frozenset[int] = frozenset()
    """Message-numbers that DELE marked."""
    farewell: bool = False
    """Whether QUIT was answered with +OK."""

    @property
    def is_open(self) -> bool:
        """Whether a connection stands that takes commands."""
        return self.state is not State.CLOSED and not self.farewell

    @property
    def known(self) -> Known:
        """What the known placeholders are worked out from, as of now."""
        return replace(self.user, greeting=self.greeting, challenge=self.challenge)

    def after(self, happening: Happening) -> Seen:
        """Return what is known once this has happened."""
        match happening:
            case Connected():
                return Seen(
                    user=self.user,
                    state=State.AUTHORIZATION,
                    greeting=happening.greeting,
                    encrypted=happening.encrypted,
                    named=False,
                )
            case TlsBegun():
                # RFC 2595 §4: what was learnt in clear, a name too, is forgotten.
                return replace(self, encrypted=True, named=False)
            case Answered():
                return self._after_reply(happening)
            case Ended():
                return replace(self, state=State.CLOSED, challenge=None, named=False)
            case _:
                return self

    def _after_reply(self, answered: Answered) -> Seen:
        status = parse_status_line(answered.lines[0]).status if answered.lines else Status.OTHER
        challenge = answered.lines[0] if status is Status.CHALLENGE else None
        seen = replace(self, state=answered.after, challenge=challenge, named=False)
        if answered.sasl or not answered.complete or status is not Status.OK:
            return seen
        return seen._after_command(parse_command(answered.line))

    def _after_command(self, command: Command) -> Seen:
        """Return what is known once a command has succeeded."""
        match command.verb.effect if command.verb is not None else Effect.NOTHING:
            case Effect.NAME:
                return replace(self, named=True)
            case Effect.MARK:
                return replace(self, marked=self.marked | {command.number() or 0})
            case Effect.UNMARK_ALL:
                return replace(self, marked=frozenset())
            case Effect.FAREWELL:
                return replace(self, farewell=True)
            case _:
                return self


def message_of(command: Command) -> int | None:
    """Return the message-number that a command is about, None where it is about none."""
    if command.verb is None:
        return None
    for index, argument in enumerate(command.verb.arguments):
        if argument.kind is ArgumentKind.MESSAGE:
            return command.number(index)
    return None
