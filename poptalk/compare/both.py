"""Two readings at the same time, each in a thread of its own: what one waits for, the other need not."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread

from poptalk.compare.reading import Reading
from poptalk.compare.survey import Survey

TICK_SECONDS = 0.1
"""How often it is looked how far they have come."""

PARTING_SECONDS = 1.0
"""How long an interrupted reading may take to end; one that still connects is left behind."""


class ReadingFailed(Exception):
    """A reading has failed; `__cause__` is why.

    Attributes:
        place: what the table calls the server.
    """

    def __init__(self, place: str) -> None:
        super().__init__(f"{place} could not be read")
        self.place = place


class _Worker(Thread):
    """A reading, and what came of it."""

    def __init__(self, reading: Reading, finished: Event) -> None:
        super().__init__(name=f"reading {reading.place}", daemon=True)
        self.reading = reading
        self.survey: Survey | None = None
        self.error: Exception | None = None
        self._finished = finished

    def run(self) -> None:
        """Read, and keep what comes of it for the other thread."""
        try:
            self.survey = self.reading.run()
        except Exception as error:  # noqa: BLE001 - raised again where the work was asked for
            self.error = error
        finally:
            self.reading.doing = "done"
            self._finished.set()


def read_both(left: Reading, right: Reading, *, tick: Callable[[], None]) -> tuple[Survey, Survey]:
    """Read two servers at the same time.

    Args:
        left: the first.
        right: the second.
        tick: called now and then while they are being read.

    Raises:
        ReadingFailed: one of them failed; the other was interrupted.
    """
    finished = Event()
    workers = [_Worker(reading, finished) for reading in (left, right)]
    for worker in workers:
        worker.start()
    try:
        while any(worker.is_alive() for worker in workers):
            finished.wait(TICK_SECONDS)
            finished.clear()
            tick()
            _raise_failure(workers)
        _raise_failure(workers)
    except BaseException:
        _interrupt(workers)
        raise
    first, second = (worker.survey for worker in workers)
    assert first is not None
    assert second is not None
    return first, second


def _raise_failure(workers: list[_Worker]) -> None:
    for worker in workers:
        if worker.error is not None:
            raise ReadingFailed(worker.reading.place) from worker.error


def _interrupt(workers: list[_Worker]) -> None:
    for worker in workers:
        worker.reading.interrupt()
    for worker in workers:
        worker.join(PARTING_SECONDS)
