"""One timer for all deadlines: each is kept, whatever the others are."""

from __future__ import annotations

import asyncio
import math

from poptalk.practice.limits import GRAIN_SECONDS, Deadlines

SECONDS = 10


class Somebody:
    """Notes when its time was up."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.deadline = math.inf
        self.late: asyncio.Future[float] = loop.create_future()
        self._loop = loop

    def time_is_up(self) -> None:
        self.late.set_result(self._loop.time() - self.deadline)
        self.deadline = math.inf


async def test_each_deadline_is_kept_in_whatever_order_they_are_noted() -> None:
    loop = asyncio.get_running_loop()
    people = [Somebody(loop) for _ in range(5)]
    deadlines = Deadlines(people)
    for somebody, wait in zip(people, (0.4, 0.1, 0.3, 0.1001, 0.2), strict=True):
        somebody.deadline = loop.time() + wait
        deadlines.note(somebody.deadline)
    late = await asyncio.wait_for(asyncio.gather(*(each.late for each in people)), SECONDS)
    assert min(late) >= 0


async def test_a_deadline_that_was_moved_is_not_kept_before() -> None:
    loop = asyncio.get_running_loop()
    moved, other = Somebody(loop), Somebody(loop)
    deadlines = Deadlines([moved, other])
    for somebody in (moved, other):
        somebody.deadline = loop.time() + 0.1
        deadlines.note(somebody.deadline)
    moved.deadline = loop.time() + 3600
    deadlines.note(moved.deadline)
    await asyncio.wait_for(other.late, SECONDS)
    assert not moved.late.done()
    deadlines.cancel()


async def test_everybody_who_is_due_within_a_grain_is_met() -> None:
    loop = asyncio.get_running_loop()
    people = [Somebody(loop) for _ in range(50)]
    deadlines = Deadlines(people)
    for number, somebody in enumerate(people):
        somebody.deadline = loop.time() + number * GRAIN_SECONDS / 10
        deadlines.note(somebody.deadline)
    await asyncio.wait_for(asyncio.gather(*(each.late for each in people)), SECONDS)


async def test_after_cancel_nobody_is_called() -> None:
    loop = asyncio.get_running_loop()
    somebody = Somebody(loop)
    deadlines = Deadlines([somebody])
    somebody.deadline = loop.time() + 0.05
    deadlines.note(somebody.deadline)
    deadlines.cancel()
    gone_by: asyncio.Future[None] = loop.create_future()
    loop.call_at(somebody.deadline + 0.1, gone_by.set_result, None)
    await gone_by
    assert not somebody.late.done()
