"""The state of the session as the tutor speaks of it: for explanations only, never to block.

A `ClientSession` of the tutor's own is fed one exchange after the other.  So it is where the tutor's
comments are, also where several replies have come at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from poptalk.lesson.actions import Answered, Connected, Disconnected, LessonEvent, SwitchedToTls
from poptalk.pop3.client import ClientSession
from poptalk.pop3.commands import ArgumentKind, Command, Effect, State
from poptalk.pop3.events import Event, ReplyEnd
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
        now: the state after the last event.
        before: the state before it.
    """

    def __init__(self, user: Known) -> None:
        self._user = user
        self._client = ClientSession()
        self.now = self.before = SessionState(known=user.bindings())

    def take(self, event: LessonEvent) -> None:
        """Take note of an event."""
        self.before = before = self.now
        greeting, challenge, named, state = before.greeting, None, False, None
        match event:
            case Connected():
                greeting = event.greeting
                self._client = ClientSession(encrypted=event.encrypted)
                self._client.receive_data(greeting + b"\r\n")
            case SwitchedToTls():
                self._client.tls_established()
            case Answered():
                state = event.after
                if event.complete:
                    named = any(map(_took_a_name, self._feed(event)))
                if self._client.challenge_open:
                    challenge = event.lines[0]
            case Disconnected():
                self._client.receive_eof()
            case _:
                return
        known = before.known
        if (greeting, challenge) != (before.greeting, before.challenge):
            user = self._user
            known = Known(
                user=user.user,
                password=user.password,
                host=user.host,
                greeting=greeting,
                challenge=challenge,
            ).bindings()
        self.now = SessionState(
            state=state or self._client.state,
            encrypted=self._client.encrypted,
            greeting=greeting,
            challenge=challenge,
            named=named,
            marked=frozenset(self._client.marked),
            farewell=self._client.farewell,
            known=known,
        )

    def _feed(self, answered: Answered) -> list[Event]:
        """Have the core draw its conclusions, for which the body of a reply is of no account."""
        client = self._client
        client.send(answered.line + b"\r\n")
        events = client.receive_data(answered.lines[0] + b"\r\n")
        return events + client.receive_data(b".\r\n") if client.in_body else events


def _took_a_name(event: Event) -> bool:
    if not isinstance(event, ReplyEnd) or not event.ok:
        return False
    verb = event.exchange.command.verb
    return verb is not None and verb.effect is Effect.NAME


def message_of(command: Command) -> int | None:
    """Return the message-number that a command is about, None where it is about none."""
    if command.verb is None:
        return None
    for index, argument in enumerate(command.verb.arguments):
        if argument.kind is ArgumentKind.MESSAGE:
            return command.number(index)
    return None
