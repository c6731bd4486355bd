"""The event loop under `poptalk serve`: asyncio's own, or uvloop's where that is installed.

uvloop is an optional extra, ``poptalk[fast]``.  `Server` itself runs on whatever loop it is entered in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from poptalk.practice.options import Loop

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class LoopMissing(Exception):
    """The loop that was asked for is not installed, explained in one sentence."""


def run(main: Coroutine[Any, Any, None], loop: Loop) -> None:
    """Run a coroutine to its end, as `asyncio.run` does.

    Args:
        main: what to run.
        loop: on which event loop.

    Raises:
        LoopMissing: it is not installed; nothing was run.
    """
    try:
        factory = _factory(loop)
    except LoopMissing:
        main.close()
        raise
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main)


def _factory(loop: Loop) -> LoopFactory | None:
    """Return what makes the loop; None is asyncio's own choice."""
    if loop is Loop.ASYNCIO:
        return None
    try:
        import uvloop
    except ImportError:
        if loop is Loop.UVLOOP:
            raise LoopMissing(
                "uvloop is not installed; try pip install 'poptalk[fast]', or --loop asyncio."
            ) from None
        return None
    factory: LoopFactory = uvloop.new_event_loop
    return factory
