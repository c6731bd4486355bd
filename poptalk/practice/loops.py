"""The event loop under `poptalk serve`: asyncio's own, or uvloop's where that is installed.

uvloop is an optional extra, ``poptalk[fast]``.  `Server` itself runs on whatever loop it is entered in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class LoopMissing(Exception):
    """The loop that was asked for is not installed, explained in one sentence."""


def loop_factory(loop: str) -> LoopFactory:
    """Return what makes event loops, for `asyncio.Runner`.

    Args:
        loop: auto, uvloop or asyncio.

    Raises:
        LoopMissing: it is not installed.
    """
    if loop == "asyncio":
        return asyncio.new_event_loop
    try:
        import uvloop
    except ImportError:
        if loop == "uvloop":
            raise LoopMissing(
                "uvloop is not installed; try pip install 'poptalk[fast]', or --loop asyncio."
            ) from None
        return asyncio.new_event_loop
    factory: LoopFactory = uvloop.new_event_loop
    return factory
