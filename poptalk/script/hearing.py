"""Whole replies, put together from the events of the client core, in bounded memory.

A reply is compared as a whole, so it is kept; but a server may send a gigabyte where a dialogue says
`S: ...`.  Of a very long reply its beginning and its end are kept, which is all that a comparison
needs unless lines are named in the middle.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from poptalk.protocol.events import (
    BodyChunk,
    Challenge,
    Closed,
    Event,
    Exchange,
    Greeting,
    Reply,
    ReplyEnd,
    Unsolicited,
)
from poptalk.protocol.replies import StatusLine

BEGINNING_OCTETS = 4 * 1024 * 1024
"""Octets kept of the beginning of a body: more than anybody writes into a dialogue by hand."""

END_OCTETS = 1024 * 1024
"""Octets kept of the end of a longer body, for the lines that a dialogue has behind `S: ...`."""

MOST_UNASKED = 1000
"""Lines kept that answer nothing; a flood beyond is dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A reply, a greeting, a challenge, or one line that answers nothing."""

    exchange: Exchange | None
    """What is answered; None for a greeting, and for a line that answers nothing."""
    lines: Sequence[bytes]
    """As received, byte-stuffed, without line ends, the lone dot included."""
    complete: bool = True
    """False where the end of the connection, or of our patience, cut the reply off."""
    octets_left_out: int = 0
    """Octets in the middle of a very long body that are not among the lines."""


class _Body:
    """The octets of a multi-line reply: all of them, or the first and the last."""

    def __init__(self) -> None:
        self._beginning = bytearray()
        self._end = b""
        self._octets = 0

    def add(self, data: bytes) -> None:
        self._octets += len(data)
        room = BEGINNING_OCTETS - len(self._beginning)
        self._beginning += data[:room]
        if len(data) > room:
            self._end = (self._end + data[room:])[-END_OCTETS:]

    @property
    def left_out(self) -> int:
        return self._octets - len(self._beginning) - len(self._end)

    def lines(self) -> list[bytes]:
        if not self.left_out:
            return _lines(bytes(self._beginning) + self._end)
        # Half a line on either side of the gap would be a line that nobody sent.
        whole = self._beginning[: self._beginning.rfind(b"\n") + 1]
        return _lines(bytes(whole)) + _lines(self._end.partition(b"\n")[2])


def _lines(data: bytes) -> list[bytes]:
    lines = data.replace(b"\r\n", b"\n").split(b"\n")
    if not lines[-1]:
        del lines[-1]
    return lines


class Hearing:
    """Takes events, and gives the replies that are complete."""

    def __init__(self) -> None:
        self._heard: deque[Heard] = deque()
        self._unasked: deque[Heard] = deque(maxlen=MOST_UNASKED)
        self._begun: tuple[Exchange, StatusLine, _Body] | None = None

    def take(self, event: Event) -> None:
        """Take note of an event; most of them are of no account here."""
        match event:
            case Greeting():
                self._heard.append(Heard(exchange=None, lines=(event.status_line.line,)))
            case Challenge():
                self._heard.append(Heard(exchange=event.exchange, lines=(event.status_line.line,)))
            case Reply():
                self._begun = (event.exchange, event.status_line, _Body())
            case BodyChunk() if self._begun is not None:
                self._begun[2].add(event.data)
            case ReplyEnd():
                self._finish(complete=True)
            case Unsolicited():
                lines = _lines(event.data[-END_OCTETS:])
                self._unasked.extend(Heard(exchange=None, lines=(line,)) for line in lines)
            case Closed():
                self._cut_off(event)

    def reply_to(self, exchange: Exchange) -> Heard | None:
        """Take the oldest reply to a command; None where none is complete yet."""
        return self._take_first(lambda heard: heard.exchange is exchange)

    def greeting(self) -> Heard | None:
        """Take the greeting; None where it has not come, or was taken."""
        return self._take_first(lambda heard: heard.exchange is None)

    def unasked(self) -> Heard | None:
        """Take the oldest line that answers nothing; None where there is none."""
        return self._unasked.popleft() if self._unasked else None

    def has_begun(self, exchange: Exchange) -> bool:
        """Tell whether the reply to a command has begun, and its end has not come."""
        return self._begun is not None and self._begun[0] is exchange

    def so_far(self, exchange: Exchange) -> Heard | None:
        """Give what has come of the reply to a command whose end is still missing."""
        return self._heard_so_far(complete=False) if self.has_begun(exchange) else None

    def _take_first(self, is_wanted: Callable[[Heard], bool]) -> Heard | None:
        for heard in self._heard:
            if is_wanted(heard):
                self._heard.remove(heard)
                return heard
        return None

    def _heard_so_far(self, *, complete: bool) -> Heard | None:
        if self._begun is None:
            return None
        exchange, status_line, body = self._begun
        return Heard(
            exchange=exchange,
            lines=(status_line.line, *body.lines()),
            complete=complete,
            octets_left_out=body.left_out,
        )

    def _finish(self, *, complete: bool) -> None:
        heard = self._heard_so_far(complete=complete)
        if heard is not None:
            self._heard.append(heard)
        self._begun = None

    def _cut_off(self, closed: Closed) -> None:
        """Keep what came of a reply whose end was never sent."""
        if self._begun is not None:
            self._finish(complete=False)
        elif closed.partial:
            exchange = closed.unanswered[0] if closed.unanswered else None
            self._heard.append(Heard(exchange=exchange, lines=(closed.partial,), complete=False))
