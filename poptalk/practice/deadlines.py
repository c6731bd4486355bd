"""When connections are dropped that have been silent for too long: one timer for all of them.

A timer for each connection would have to be made and cancelled with it, which takes longer than a
command.  Here a connection just notes until when it may be silent; the one timer goes off when the
first of these times has come, and looks at everybody.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from typing import Protocol

GRAIN_SECONDS = 0.05
"""Least time between two looks at everybody; so late may a connection be dropped."""


class HasDeadline(Protocol):
    """What has a deadline."""

    deadline: float
    """By the clock of the loop; infinity for none."""

    def time_is_up(self) -> None:
        """Act on the deadline, which has come."""


class Deadlines:
    """The deadlines of all connections of a server.

    Args:
        present: those there are, whenever it is asked.
    """

    def __init__(self, present: Iterable[HasDeadline]) -> None:
        self._present = present
        self._timer: asyncio.TimerHandle | None = None
        self._next_look = math.inf

    def note(self, deadline: float) -> None:
        """Take note of somebody's new deadline, by the clock of the running loop."""
        if deadline < self._next_look:
            self._look_at(deadline)

    def cancel(self) -> None:
        """Forget all deadlines."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._next_look = math.inf

    def _look_at(self, when: float) -> None:
        self.cancel()
        if math.isinf(when):
            return
        self._next_look = when
        self._timer = asyncio.get_running_loop().call_at(when, self._look)

    def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        # Whoever is dropped may have another deadline then, and one that is nearer.
        self.cancel()
        for mortal in self._present:
            if mortal.deadline <= now:
                mortal.time_is_up()
        first = min((mortal.deadline for mortal in self._present), default=math.inf)
        self.note(max(first, now + GRAIN_SECONDS))
