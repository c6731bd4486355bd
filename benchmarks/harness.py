"""What the benchmarks share: measuring in turn, whole processes, servers, and the table.

A figure by itself says little, since machines differ and change their speed from one second to the
next.  So the contenders run in turn, A B C A B C ..., and what is told is the ratio of each to one of
them, taken within each round: its median, and its least and greatest.  Nothing here judges.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

CHECKOUT = Path(__file__).resolve().parent.parent

SERVER_SECONDS = 10.0
"""For a server to end once it was told to."""

WARM_UPS = 1
"""Rounds that are not counted: they bring programs and libraries into the page cache."""


class BenchmarkError(Exception):
    """Something did not do what it was measured at, so that its time would mean nothing."""


class Sample(NamedTuple):
    """One measurement."""

    seconds: float
    cpu: float = 0.0
    """Seconds of processor time, user and system; 0 where that was not measured."""
    peak: int = 0
    """Octets of memory at the most; 0 where that was not measured."""
    transfer: float = 0.0
    """Seconds of the transfer alone, as its server saw them; 0 where there was none."""


class Spread(NamedTuple):
    """Several measurements of one thing."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Take the median, the least and the greatest of some values."""
        known = sorted(values)
        return cls(statistics.median(known), known[0], known[-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """Something that is measured."""

    name: str
    measure: Callable[[], Sample]
    """Does it once.  Raises BenchmarkError if it was not done."""


Results = dict[str, list[Sample]]
"""What was measured, round by round, for each contender in the order of the table."""


def in_turn(contenders: Sequence[Contender], *, rounds: int) -> Results:
    """Measure the contenders in turn, after rounds that do not count.

    Raises:
        BenchmarkError: one of them did not do what it was measured at.
    """
    results: Results = {contender.name: [] for contender in contenders}
    for number in range(-WARM_UPS, rounds):
        for contender in contenders:
            sample = contender.measure()
            if number >= 0:
                results[contender.name].append(sample)
    return results


def ratio(values: Iterable[float], reference: Iterable[float]) -> Spread:
    """Return the spread of quotients, each taken within one round."""
    return Spread.of(a / b for a, b in zip(values, reference, strict=True))


# Processes.


def run_process(
    argv: Sequence[str | Path], *, typed: Path | None = None, output: Path | None = None
) -> Sample:
    """Run a program from its start to its end.

    Args:
        argv: the program and its arguments.
        typed: the file on its standard input; None for nothing.
        output: a new file for its standard output; None throws it away.

    Raises:
        BenchmarkError: its exit code is not 0.
    """
    with contextlib.ExitStack() as files:
        stdin = files.enter_context((typed or Path(os.devnull)).open("rb"))
        if output is not None:
            # To cut an old file of 100 MB short takes time that is nobody's.
            output.unlink(missing_ok=True)
        stdout = files.enter_context((output or Path(os.devnull)).open("wb"))
        begun = time.perf_counter()
        process = subprocess.Popen(argv, stdin=stdin, stdout=stdout, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        taken = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise BenchmarkError(f"{Path(argv[0]).name} ended with exit code {process.returncode}.")
    return Sample(taken, usage.ru_utime + usage.ru_stime, peak_octets(usage.ru_maxrss))


def peak_octets(maxrss: int) -> int:
    """Return octets of what getrusage calls maxrss: KiB, but on macOS octets."""
    return maxrss if sys.platform == "darwin" else maxrss * 1024


class Server:
    """A server in a process of its own, so that it takes no time from who is measured.

    It says in JSON where it listens, and may say more, a line at a time.

    Args:
        argv: the program and its arguments.
    """

    def __init__(self, argv: Sequence[str | Path]) -> None:
        self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=CHECKOUT)
        self.facts = self.next_line()

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._process.pid

    def next_line(self) -> dict[str, Any]:
        """Return the next line that it says.

        Raises:
            BenchmarkError: it has ended.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchmarkError(f"The server ended with {self._process.wait()}.")
        facts: dict[str, Any] = json.loads(line)
        return facts

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_failure: object) -> None:
        self._process.terminate()
        self._process.wait(SERVER_SECONDS)
        if self._process.stdout is not None:
            self._process.stdout.close()


# What is printed.


def print_heading(title: str, versions: Mapping[str, str], notes: Iterable[str] = ()) -> None:
    """Print what was measured where, without naming the machine."""
    now = datetime.datetime.now(datetime.UTC)
    print(f"{title}\n")
    print(f"{now:%Y-%m-%d}, {usable_cpus()} CPUs, {platform.system()} {platform.machine()}")
    for name, version in versions.items():
        print(f"{name}: {version}")
    for text in notes:
        print(text)


def usable_cpus() -> int:
    """Return how many processors this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table, in Markdown so that it can be pasted as it is."""
    cells = [list(columns), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    print(f"\n{title}\n" if title else "")
    for row in (cells[0], rule, *cells[1:]):
        first, *others = zip(row, widths, strict=True)
        aligned = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        print(f"| {' | '.join(aligned)} |")
    sys.stdout.flush()


def range_of(spread: Spread, form: str) -> str:
    """Write the least and the greatest of a spread."""
    return f"{spread.least:{form}} .. {spread.greatest:{form}}"


def ratio_cells(quotient: Spread) -> list[str]:
    """Write the median of a ratio, and its least and greatest."""
    # Small ratios keep two digits that say something.
    median, least, greatest = (f"{v:.2f}" if v >= 0.1 else f"{v:.2g}" for v in quotient)
    return [median, f"{least} .. {greatest}"]


def time_rows(results: Results, *, reference: str) -> Iterator[list[str]]:
    """Write a row for each contender: milliseconds, and the ratio to one of them.

    Processor time is told too where it was measured: other programs disturb it least.
    """
    for name, samples in results.items():
        times, theirs = ([s.seconds for s in some] for some in (samples, results[reference]))
        took = Spread.of(1000 * value for value in times)
        row = [
            name,
            f"{took.median:.1f}",
            range_of(took, ".1f"),
            *ratio_cells(ratio(times, theirs)),
        ]
        if samples[0].cpu:
            worked, they_worked = ([s.cpu for s in some] for some in (samples, results[reference]))
            row += [
                f"{1000 * Spread.of(worked).median:.1f}",
                *ratio_cells(ratio(worked, they_worked)),
            ]
        yield row


def times_the_rate(seconds: Iterable[float], reference: Iterable[float] | None) -> str:
    """Write how many times the rate of a reference something has, a dash where there is none.

    Args:
        seconds: how long it took, round by round.
        reference: how long the reference took for as much.
    """
    if reference is None:
        return "-"
    # Rates are times turned over.
    return f"{ratio(reference, seconds).median:.2f}"


def time_columns(first: str, *, reference: str, cpu: bool) -> list[str]:
    """Return the heads of the columns that `time_rows` fills."""
    compared = [f"of {reference}", "min .. max"]
    return [first, "ms", "min .. max", *compared, *(["CPU ms", *compared] if cpu else [])]
