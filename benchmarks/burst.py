"""How soon many lines are on the screen that come at once above a live prompt.

Run it with `python -m benchmarks.burst`.  The terminal answers questions for the cursor's position
late, as one does at the far end of a slow link, and somebody types meanwhile.  That is what the naive
way stumbles over: for each line it waits for the terminal, and hands the keyboard back to it.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import signal
import sys
import time
from dataclasses import dataclass

from benchmarks.burst_prompt import PROMPT, TOOLBAR, line
from benchmarks.harness import (
    CHECKOUT,
    BenchmarkError,
    Contender,
    Sample,
    in_turn,
    print_heading,
    print_table,
    time_columns,
    time_rows,
)
from tests.servers.terminal import Pty

WAYS = {"poptalk": "poptalk's LiveScreen", "naive": "print_formatted_text"}

HALF_TYPED = "RETR"
KEYS = " 2 and what else one types while so many lines come"
"""Typed one by one from the beginning of the burst."""

KEY_SECONDS = 0.03
"""From one key to the next: a fast typist, or a key that repeats."""

NAIVE_SECONDS = 120.0
"""Far more than the naive way needs for 200 lines."""


@dataclass(slots=True)
class Watched:
    """What a person saw in all rounds of one way."""

    stray: int = 0
    """Rows that hold a glyph which does not belong there, or lack one."""
    rounds: int = 0


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="(default: %(default)s)")
    parser.add_argument("--lines", type=int, default=200, help="(default: %(default)s)")
    parser.add_argument(
        "--answer-after",
        type=float,
        default=0.1,
        metavar="SECONDS",
        help="how late the terminal answers (default: %(default)s)",
    )
    options = parser.parse_args()
    toolkit = importlib.metadata.version("prompt_toolkit")
    python = sys.version.split()[0]
    print_heading("A burst above the prompt", {"prompt_toolkit": toolkit, "Python": python})
    watched = {name: Watched() for name in WAYS.values()}

    def contender(way: str, name: str) -> Contender:
        def measure() -> Sample:
            return burst(way, watched[name], options.lines, answer_after=options.answer_after)

        return Contender(name=name, measure=measure)

    results = in_turn([contender(*item) for item in WAYS.items()], rounds=options.rounds)
    table = time_rows(results, reference=WAYS["naive"])
    columns = time_columns("way", reference="naive", cpu=False)
    print_table(
        f"{options.lines} lines, on a terminal that answers after {options.answer_after:g} s: "
        "until the last is on the screen",
        [*columns, "spoilt rows in a burst"],
        ([*row, f"{watched[row[0]].stray / watched[row[0]].rounds:g}"] for row in table),
    )


def burst(way: str, watched: Watched, lines: int, *, answer_after: float) -> Sample:
    """Let a program print its burst, type meanwhile, and look at what is left on the screen."""
    argv = [sys.executable, "-m", "benchmarks.burst_prompt", way, str(lines)]
    with Pty(argv, cwd=CHECKOUT, answer_after=answer_after) as terminal:
        terminal.send(HALF_TYPED)
        # The toolbar is drawn when the terminal has answered for the first time.
        terminal.wait_until(lambda: HALF_TYPED in terminal.text and TOOLBAR in terminal.text)
        begun = time.perf_counter()
        os.kill(terminal.process.pid, signal.SIGUSR1)
        sample = Sample(_type_until(terminal, line(lines - 1).encode()) - begun)
        prompt = f"{PROMPT}{HALF_TYPED}{KEYS}"
        terminal.wait_until(lambda: _settled(terminal, prompt), timeout=NAIVE_SECONDS)
        watched.stray += spoilt_rows(terminal.history(), lines, prompt)
        watched.rounds += 1
        return sample


def _type_until(terminal: Pty, last: bytes) -> float:
    """Type all keys at their pace, and return the time at which the last line had come."""
    begun = time.perf_counter()
    typed = 0
    come = 0.0

    def all_typed_and_come() -> bool:
        nonlocal typed, come
        if not come and last in terminal.raw:
            come = time.perf_counter()
        due = int((time.perf_counter() - begun) / KEY_SECONDS)
        if typed < min(due, len(KEYS)):
            typed += 1
            terminal.send(KEYS[typed - 1])
        return bool(come) and typed == len(KEYS)

    terminal.wait_until(all_typed_and_come, timeout=NAIVE_SECONDS)
    return come


def _settled(terminal: Pty, prompt: str) -> bool:
    """Whether the prompt is back below the burst, with all that was typed."""
    rows = [row for row in terminal.lines() if row]
    return bool(rows) and rows[-1].strip() == TOOLBAR and any(row == prompt for row in rows)


def spoilt_rows(rows: list[str], lines: int, prompt: str) -> int:
    """Count rows that are neither a line of the burst nor the prompt or the toolbar.

    Raises:
        BenchmarkError: a line of the burst is not there at all.
    """
    expected = {f"+OK {line(number)}" for number in range(lines)}
    shown = [row.rstrip() for row in rows if row]
    missing = [row for row in expected if not any(row in other for other in shown)]
    if missing:
        raise BenchmarkError(f"{len(missing)} lines of the burst are not on the screen.")
    return sum(row not in expected and row != prompt and row.strip() != TOOLBAR for row in shown)


if __name__ == "__main__":
    main()
