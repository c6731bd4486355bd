"""What the tests of a class share."""

from __future__ import annotations

import time
from collections.abc import Callable

PASSWORD = "maple47"


def wait_until(met: Callable[[], object], *, seconds: float = 10) -> None:
    """Wait until something is so.

    Raises:
        AssertionError: it is not, after so many seconds.
    """
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.005)
