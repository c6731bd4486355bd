"""Listening for the tutor: protocol events of one connection become happenings of a lesson."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from poptalk.lesson.happenings import Answered, Connected, Happening
from poptalk.protocol.events import (
    Challenge,
    Closed,
    Event,
    Exchange,
    Greeting,
    ReplyEnd,
    Sent,
    StateChanged,
)
from poptalk.protocol.states import State
from poptalk.session.exchanges import Exchanges, StoredReply


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A line that was sent, and is not answered yet."""

    line: bytes
    sasl: bool
    exchange: Exchange
    before: State


class Ear:
    """Hears one connection.

    Args:
        exchanges: what is said on the connection.
        encrypted: whether TLS came before the greeting.
    """

    def __init__(self, exchanges: Exchanges, *, encrypted: bool) -> None:
        self.state = State.GREETING
        """Where the session stands, or stood when the connection ended."""
        self.marked: tuple[int, ...] = ()
        """Once it has ended: messages that stay although they were marked (RFC 1939 §6)."""
        self.heard: deque[Happening] = deque()
        """What the tutor has not been told yet."""
        self._encrypted = encrypted
        self._exchanges = exchanges
        self._unanswered: deque[_Line] = deque()

    @property
    def lines_so_far(self) -> int:
        """How many lines have come of the reply that is due."""
        begun = self._exchanges.receiving
        return len(begun.lines) if begun is not None else 0

    def take(self, event: Event) -> None:
        """Take note of an event; see `Session.listeners`."""
        match event:
            case Sent(line=line, sasl=sasl, exchange=exchange):
                sent = _Line(line=line, sasl=sasl, exchange=exchange, before=self.state)
                self._unanswered.append(sent)
            case Greeting(status_line=status_line):
                greeted = Connected(greeting=status_line.line, encrypted=self._encrypted)
                self.heard.append(greeted)
            case Challenge(exchange=exchange) | ReplyEnd(exchange=exchange):
                if self._unanswered:
                    reply = self._exchanges.last
                    assert reply is not None
                    assert reply.exchange is exchange
                    self._append(lines=reply.lines, complete=True)
            case StateChanged(new=new):
                self._move_to(new)
            case Closed(marked=marked, partial=partial):
                self.marked = marked
                self._give_up(self._exchanges.cut_off, partial)

    def tls_begun(self) -> None:
        """Forget what was sent in clear behind STLS, and is not answered any more (RFC 2595 §4)."""
        self._unanswered.clear()

    def give_up(self) -> None:
        """Take what has come of the replies that are due for all of them."""
        self._give_up(self._exchanges.receiving)

    def _give_up(self, begun: StoredReply | None, partial: bytes = b"") -> None:
        came = begun.lines if begun is not None else (partial,) if partial else ()
        while self._unanswered:
            self._append(lines=came, complete=False)
            came = ()

    def _append(self, *, lines: Sequence[bytes], complete: bool) -> None:
        """Lines are answered in the order in which they were sent (RFC 1939 §3, RFC 2449 §6.6)."""
        sent = self._unanswered.popleft()
        answered = Answered(
            line=sent.line,
            sasl=sent.sasl,
            lines=lines,
            before=sent.before,
            after=self.state,
            complete=complete,
        )
        self.heard.append(answered)

    def _move_to(self, new: State) -> None:
        """Take note of a new state: of the reply that came just before, it is the outcome."""
        if new is State.CLOSED:
            return
        self.state = new
        if self.heard and isinstance(last := self.heard[-1], Answered):
            self.heard[-1] = replace(last, after=new)
