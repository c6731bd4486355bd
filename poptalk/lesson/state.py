"""The state of the session as the tutor speaks of it: for explanations only, never to block.

It follows the exchanges that the tutor has commented on, so that it is right for each comment even
where several replies have come at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from poptalk.lesson.actions import Answered, Connected, Disconnected, LessonEvent, SwitchedToTls
from poptalk.pop3.commands import ArgumentKind, Command, Effect, State, parse_command
from poptalk.pop3.replies import Status, parse_status_line
from poptalk.transcript.pattern import Bindings
from poptalk.transcript.placeholders import Known


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionState:
    """What is known of the session at one moment."""

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
    known: Bindings = field(default_factory=dict)
    """The values of the known placeholders, as of now."""

    @property
    def is_open(self) -> bool:
        """Whether there is a connection that takes commands."""
        return self.state is not State.CLOSED and not self.farewell


class SessionTracker:
    """Follows one connection after the other.

    Args:
        user: the user's name and password.

    Attributes:
        seen: the session after the last event.
        before: the session before it.
    """

    def __init__(self, user: Known) -> None:
        self._user = user
        self.seen = self.before = SessionState(known=user.bindings())

    def take(self, event: LessonEvent) -> None:
        """Take note of an event."""
        self.before = before = self.seen
        match event:
            case Connected(greeting=greeting, encrypted=encrypted):
                self.seen = SessionState(
                    state=State.AUTHORIZATION,
                    encrypted=encrypted,
                    greeting=greeting,
                    named=False,
                    known=self._known(greeting, None),
                )
            case SwitchedToTls():
                self.seen = replace(before, encrypted=True, named=False)
            case Answered():
                self._answered(event)
            case Disconnected():
                self.seen = replace(before, state=State.CLOSED, challenge=None, named=False)

    def _answered(self, event: Answered) -> None:
        before = self.before
        status = parse_status_line(event.lines[0]).status if event.lines else Status.OTHER
        challenge = event.lines[0] if event.complete and status is Status.CHALLENGE else None
        marked, named, farewell = before.marked, False, before.farewell
        command = parse_command(event.line)
        if event.complete and not event.sasl and status is Status.OK and command.verb is not None:
            named = command.verb.effect is Effect.NAME
            farewell = farewell or command.verb.effect is Effect.FAREWELL
            number = message_of(command)
            if command.verb.effect is Effect.MARK and number is not None:
                marked |= {number}
            elif command.verb.effect is Effect.UNMARK_ALL:
                marked = frozenset()
        self.seen = replace(
            before,
            state=event.after,
            challenge=challenge,
            named=named,
            marked=marked,
            farewell=farewell,
            known=before.known
            if challenge == before.challenge
            else self._known(before.greeting, challenge),
        )

    def _known(self, greeting: bytes, challenge: bytes | None) -> Bindings:
        """Return the values of the known placeholders, some of which answer the server's octets."""
        return replace(self._user, greeting=greeting, challenge=challenge).bindings()


def message_of(command: Command) -> int | None:
    """Return the message-number that a command is about, None where it is about none."""
    if command.verb is None:
        return None
    for index, argument in enumerate(command.verb.arguments):
        if argument.kind is ArgumentKind.MESSAGE:
            return command.number(index)
    return None
