"""How long a server takes to answer, to the end of each reply."""

from __future__ import annotations

from collections.abc import Callable

from poptalk.protocol.events import Challenge, Greeting, Reply, ReplyEnd, Sent
from poptalk.script.occurrences import Occurrence, Opened

_FEW_MILLISECONDS = 100
"""Below, tenths are shown."""


class Stopwatch:
    """Measures each exchange: from the sending of its line to the end of the reply.

    Args:
        clock: seconds, such as ``time.monotonic``.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since = clock()
        self._sent: dict[int, float] = {}

    def take(self, occurrence: Occurrence) -> str | None:
        """Take note of what happens; return the time where it ends something, for people."""
        now = self._clock()
        match occurrence:
            case Opened():
                self._since = now
                self._sent.clear()
            case Sent():
                self._sent[occurrence.exchange.number] = now
            case Greeting():
                return _shown(now - self._since)
            case Challenge():
                return _shown(now - self._sent.get(occurrence.exchange.number, self._since))
            case Reply() if not occurrence.multi_line:
                return _shown(now - self._sent.get(occurrence.exchange.number, self._since))
            case ReplyEnd() if occurrence.body_octets:
                return _shown(now - self._sent.get(occurrence.exchange.number, self._since))
        return None


def _shown(seconds: float) -> str:
    milliseconds = seconds * 1000
    digits = 1 if milliseconds < _FEW_MILLISECONDS else 0
    return f"{milliseconds:,.{digits}f} ms"
