"""What the tutor costs: processor time from Enter to its comment, against the plain shell's reply.

Run it with `python -m benchmarks.tutor_cost`.  The same command, NOOP, is sent to a practice server in
the plain live shell and in a lesson, whose tutor comments on it each time.  Both shells run in this
process, on a terminal of this process; what the terminal takes to show what it gets is not counted, nor
is the server, which has a thread of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from unittest.mock import patch

from benchmarks.harness import (
    Contender,
    Sample,
    Spread,
    in_turn,
    print_heading,
    print_table,
    time_columns,
    time_rows,
)
from poptalk import __version__
from poptalk.net.endpoint import Destination
from poptalk.practice.server import Server
from tests.servers import terminal
from tests.shell import learners, shells

PLAIN, LESSON = "plain shell", "lesson"

COMMENT = "note"
"""How the tutor's comment on NOOP begins, where the step waits for something else."""


class TimedTerminal(terminal.Terminal):
    """A terminal that stops a clock when a text is written to it, before it shows anything."""

    awaited = ""
    stopped: asyncio.Event
    at = 0.0
    """When the text came, in seconds of processor time of this thread."""
    spent = 0.0
    """Seconds of processor time that the terminal itself has taken."""

    def write(self, text: str, /) -> int:
        """Note when the awaited text comes, and show what is written."""
        began = time.thread_time()
        if self.awaited and self.awaited in text:
            self.at, self.awaited = began - self.spent, ""
            self.stopped.set()
        written = super().write(text)
        self.spent += time.thread_time() - began
        return written


async def sample(shell: shells.LiveTest, awaited: str) -> Sample:
    """Measure a NOOP, from Enter until a text is written to the terminal."""
    screen = shell.terminal
    assert isinstance(screen, TimedTerminal)
    await shell.type("NOOP")
    await shell.drawn()
    screen.stopped, screen.awaited = asyncio.Event(), awaited
    begun, cpu = time.perf_counter(), time.thread_time() - screen.spent
    shell.send(shells.ENTER)
    await screen.stopped.wait()
    taken = Sample(seconds=time.perf_counter() - begun, cpu=screen.at - cpu)
    await shell.drawn()
    return taken


async def measure(rounds: int) -> None:
    """Open both shells, measure in turn, and print the table."""
    with ExitStack() as open_, tempfile.TemporaryDirectory() as state:
        open_.enter_context(patch.dict(os.environ, {"XDG_STATE_HOME": state}))
        for module in (shells, learners):
            open_.enter_context(patch.object(module, "Terminal", TimedTerminal))
        server = open_.enter_context(Server(persona="plain"))
        async with AsyncExitStack() as shells_:
            here = Destination(host=server.host, port=server.port or 0)
            plain = await shells_.enter_async_context(shells.live(here))
            learner = await shells_.enter_async_context(learners.learning())
            for shell in (plain, learner):
                for line in ("USER bob", "PASS jones"):
                    await shell.ask(line)
            await learner.does("", "b")
            results = await asyncio.to_thread(
                in_turn,
                [
                    Contender(name=PLAIN, measure=_from_thread(partial(sample, plain, "+OK"))),
                    Contender(name=LESSON, measure=_from_thread(partial(sample, learner, COMMENT))),
                ],
                rounds=rounds,
            )
    print_heading("From Enter to the tutor's comment", {"poptalk": __version__})
    columns = time_columns("shell", reference=PLAIN, cpu=True)
    print_table("", columns, time_rows(results, reference=PLAIN))
    pairs = zip(results[LESSON], results[PLAIN], strict=True)
    beyond = Spread.of(1000 * (ours.cpu - theirs.cpu) for ours, theirs in pairs)
    print(
        f"\nProcessor time beyond the plain shell: {beyond.median:.1f} ms "
        f"({beyond.least:.1f} .. {beyond.greatest:.1f}), at most 5 wanted"
    )


def _from_thread(one: Callable[[], Coroutine[None, None, Sample]]) -> Callable[[], Sample]:
    """Return a function that has this loop measure, and that another thread waits for."""
    loop = asyncio.get_running_loop()

    def ask() -> Sample:
        return asyncio.run_coroutine_threadsafe(one(), loop).result()

    return ask


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100, metavar="N", help="rounds (100)")
    asyncio.run(measure(parser.parse_args().rounds))


if __name__ == "__main__":
    main()
