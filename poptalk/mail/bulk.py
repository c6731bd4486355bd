"""Long runs of a body taken out before it is parsed, and put back when a part is read.

Python's `email` goes through a message line by line, at 30 MB a second; an attachment has lines by the
hundred thousand, and none of them is anything but content.  What tells the parser something begins with
two hyphens, or stands at the beginning of a part: all between is replaced by one line.
"""

from __future__ import annotations

import re
from secrets import token_hex

KEPT = 64 * 1024
"""Octets at the beginning of a run that the parser sees: the header of its part is there."""

_LONG = 2 * KEPT
_HYPHENS = (b"\n--", b"\r--")


class Bulk:
    """The runs of one message.

    Attributes:
        condensed: the body as the parser is given it.
    """

    def __init__(self, body: bytes) -> None:
        # No message can contain a mark that was made after it.
        self._mark = f"poptalk-{token_hex(16)}-"
        self._runs: list[bytes] = []
        self.condensed = body if len(body) <= _LONG else self._condense(body)

    def restored(self, content: bytes) -> bytes:
        """Return the content of a part, given what the parser has made of the condensed body."""
        mark = self._mark.encode()
        if mark not in content:
            return content
        pieces = re.split(re.escape(mark) + rb"(\d+);\n?", content)
        return b"".join(self._runs[int(p)] if n % 2 else p for n, p in enumerate(pieces))

    def _condense(self, body: bytes) -> bytes:
        pieces: list[bytes] = []
        done = at = 0
        while at < len(body):
            last = max(body.rfind(hyphens, at, at + _LONG) for hyphens in _HYPHENS)
            if last >= 0:
                at = last + 1
                continue
            # The line before the hyphens stays: its end belongs to the boundary (RFC 2046 §5.1.1).
            found = (body.find(hyphens, at + _LONG - len(_HYPHENS[0])) for hyphens in _HYPHENS)
            end = min((each for each in found if each >= 0), default=len(body))
            run_start = body.find(b"\n", at + KEPT, end) + 1
            run_end = body.rfind(b"\n", at, end) + 1
            if 0 < run_start < run_end:
                pieces += [body[done:run_start], f"{self._mark}{len(self._runs)};\n".encode()]
                self._runs.append(body[run_start:run_end])
                done = run_end
            at = end + 1
        return b"".join([*pieces, body[done:]])
