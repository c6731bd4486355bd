"""Feed a core whole, and cut at every octet: the events must be the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from poptalk.pop3.client import ClientSession
from poptalk.pop3.events import BodyChunk, Event, Unsolicited


def joined(events: Iterable[Event]) -> list[Any]:
    """Join neighbouring chunks, whose division depends on the cut."""
    result: list[Any] = []
    for event in events:
        last = result[-1] if result else None
        if isinstance(event, BodyChunk) and isinstance(last, BodyChunk):
            result[-1] = BodyChunk(exchange=event.exchange, data=last.data + event.data)
        elif isinstance(event, Unsolicited) and isinstance(last, Unsolicited):
            result[-1] = Unsolicited(data=last.data + event.data)
        else:
            result.append(event)
    return result


def same_events_at_every_cut(
    make: Callable[[], ClientSession], data: bytes, *, eof: bool = False
) -> list[Any]:
    """Return the events of `data`, after proving that no cut changes them."""

    def run(pieces: Iterable[bytes]) -> list[Any]:
        session = make()
        events = [event for piece in pieces for event in session.receive_data(piece)]
        return joined(events + (session.receive_eof() if eof else []))

    whole = run([data])
    for cut in range(1, len(data)):
        assert run([data[:cut], data[cut:]]) == whole, f"cut at {cut}"
    assert run(bytes([octet]) for octet in data) == whole
    return whole
