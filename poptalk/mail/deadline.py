"""How long a view may take, and how to stop it."""

from __future__ import annotations

from math import inf
from time import monotonic

SECONDS = 1.4
"""For one view: with the longest step between two looks at the clock it stays below two seconds."""


class TooLong(Exception):
    """Reading takes longer than a view may take, or was stopped."""


class TimeLimit:
    """The moment at which reading ends; it is asked between pieces of work that are short themselves."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._end = monotonic() + seconds

    def check(self) -> None:
        """Go on only while there is time.

        Raises:
            TooLong: there is none left.
        """
        if monotonic() > self._end:
            raise TooLong

    def extend(self, seconds: float) -> None:
        """Allow for work that isn't the message's: the first HTML imports a library."""
        self._end += seconds

    def stop(self) -> None:
        """End the reading at its next check; any thread may call this."""
        self._end = -inf
