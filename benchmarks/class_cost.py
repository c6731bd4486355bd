"""What a class costs: the processor time of `poptalk class` with 200 pupils at human pace.

Run it with `python -m benchmarks.class_cost`; it needs Linux.  The pupils' lines, mistakes and all, are
those of a rehearsal, and come from this process over real sockets.  The class has its board on a
pseudo-terminal.  It is measured beside `poptalk serve --lesson` with the same pupils, which judges
nothing and draws nothing, and beside a class that nobody comes to.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import time
from collections.abc import Sequence
from random import Random

from benchmarks.harness import print_heading, print_table
from benchmarks.processes import cpu_seconds
from poptalk import __version__
from poptalk.classroom.rehearsal import Actor, cast, rehearsing
from poptalk.classroom.room import ClassRoom
from poptalk.lesson.document.parser import load_lesson
from poptalk.lesson.library import find_lesson
from tests.servers.terminal import Pty
from tests.shell.black_box import environment, poptalk

LESSON = "5"

PASSWORD = "maple47"

PACE_SECONDS = 6.0
"""For a line: reading, thinking and typing."""


def scripts(count: int) -> list[list[str | None]]:
    """Return what pupils send, None where they connect: those of a rehearsal without waiting."""
    with ClassRoom(load_lesson(find_lesson(LESSON)), password=PASSWORD) as room:
        actors = cast(room, count, pace=0)
        with rehearsing(actors):
            while not all(actor.is_through for actor in actors):
                time.sleep(0.05)
    return [_script(actor) for actor in actors]


def _script(actor: Actor) -> list[str | None]:
    return [deed.line for deed in actor.deeds if deed.opens or deed.line is not None]


async def _pupil(script: Sequence[str | None], port: int, chance: Random) -> None:
    writer: asyncio.StreamWriter | None = None
    reading: asyncio.Task[bytes] | None = None
    try:
        for line in script:
            await asyncio.sleep(chance.uniform(0.5, 1.5) * PACE_SECONDS)
            if line is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                reading = asyncio.create_task(reader.read(-1))
            elif writer is not None:
                writer.write(line.encode() + b"\r\n")
    finally:
        if writer is not None:
            writer.close()
        if reading is not None:
            reading.cancel()


async def _load(pupils: Sequence[Sequence[str | None]], port: int, seconds: float) -> None:
    coming = [
        asyncio.create_task(_pupil(script, port, Random(number)))
        for number, script in enumerate(pupils)
    ]
    await asyncio.sleep(seconds)
    for task in coming:
        task.cancel()
    await asyncio.gather(*coming, return_exceptions=True)


def share(words: Sequence[str], pupils: Sequence[Sequence[str | None]], seconds: float) -> float:
    """Return the share of a processor that a command takes, in the time after its start."""
    with Pty(poptalk(*words), env=environment()) as pty:
        pty.wait_until(lambda: re.search(r"127\.0\.0\.1 (\d+)", pty.text) is not None)
        found = re.search(r"127\.0\.0\.1 (\d+)", pty.text)
        assert found is not None
        before = cpu_seconds(pty.process.pid)
        asyncio.run(_watched(pty, pupils, int(found[1]), seconds))
        return (cpu_seconds(pty.process.pid) - before) / seconds


async def _watched(
    pty: Pty, pupils: Sequence[Sequence[str | None]], port: int, seconds: float
) -> None:
    """Load the server, and take from the terminal what it shows."""
    loading = asyncio.create_task(_load(pupils, port, seconds))
    while not loading.done():
        pty.read(0)
        await asyncio.sleep(0.1)
    await loading


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pupils", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    pupils = scripts(options.pupils)
    mine = ("class", LESSON, f"--any-name={PASSWORD}")
    serves = ("serve", "--lesson", LESSON, f"--any-name={PASSWORD}", "--quiet")
    rows = []
    for name, words, load in (
        (f"class, {options.pupils} pupils", mine, pupils),
        ("class, nobody", mine, []),
        (f"serve --lesson, {options.pupils} pupils", serves, pupils),
    ):
        rows.append((name, share(words, load, options.seconds)))
    print_heading(
        "class_cost",
        {"poptalk": __version__},
        [f"{options.seconds:.0f} seconds each; a line of each pupil every {PACE_SECONDS:.0f} s."],
    )
    print_table(
        "",
        ("command", "% of a processor", "of serve"),
        [(name, f"{100 * cpu:.1f}", f"{cpu / rows[-1][1]:.2f}") for name, cpu in rows],
    )


if __name__ == "__main__":
    main()
