"""Whole sessions a second: the practice server beside Twisted and Dovecot.

Run it with `python -m benchmarks.server_sessions`.  A session is connect, USER, PASS, STAT, UIDL, RETR
of 2 KB and QUIT, one command after the other; there are ten messages.  The load is `load.c`, and what
that can do at the most is measured in the same run, against `responder.c`.

Twisted stands in the tables twice: as it comes, where its small packets wait for acknowledgements of
those before (Nagle's algorithm), and with TCP_NODELAY, which shows what its code takes.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.compiled import compiled
from benchmarks.harness import (
    WARM_UPS,
    Contender,
    Results,
    Sample,
    Server,
    Spread,
    in_turn,
    print_heading,
    print_table,
    range_of,
    times_the_rate,
)
from benchmarks.maildirs import make_eml_folder, make_maildir
from benchmarks.pop3_servers import (
    DOVECOT,
    TWISTED,
    TWISTED_NO_DELAY,
    Target,
    dovecot_servers,
    poptalk_servers,
    twisted_servers,
    versions,
)
from benchmarks.processes import cpu_seconds

CEILING = "ceiling of the load"

MESSAGES, MESSAGE_OCTETS = 10, 2_048

CLIENTS = (1, 50)

NANOSECOND = 1e-9

PERCENTILE = 99


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="(default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=2.0, help="each (default: %(default)s)")
    options = parser.parse_args()
    print_heading("Whole sessions", versions(), ["CPU: of all processes of the server"])
    with tempfile.TemporaryDirectory(prefix="poptalk-benchmark-") as name:
        folder = Path(name)
        load = compiled("load", folder)
        with running(folder) as targets:
            for clients in CLIENTS:
                loads = [Load(load, target, clients, options.seconds) for target in targets]
                contenders = [Contender(name=each.name, measure=each.measure) for each in loads]
                results = in_turn(contenders, rounds=options.rounds)
                title = "One client" if clients == 1 else f"{clients} clients at a time"
                print_table(title, COLUMNS, rows(results, loads))


@contextlib.contextmanager
def running(folder: Path) -> Iterator[list[Target]]:
    """Run all servers, each over the same messages."""
    # Each program its own copy: Dovecot writes index files into a Maildir, Twisted a folder.
    make_maildir(folder / "ours", count=MESSAGES, octets=MESSAGE_OCTETS)
    make_maildir(folder / "theirs", count=MESSAGES, octets=MESSAGE_OCTETS)
    make_eml_folder(folder / "letters", count=MESSAGES, octets=MESSAGE_OCTETS)
    responder: list[str | Path] = [compiled("responder", folder), str(MESSAGE_OCTETS)]
    with (
        Server(responder) as least,
        poptalk_servers(folder / "ours") as ours,
        twisted_servers(folder / "theirs") as twisted,
        dovecot_servers(folder / "letters") as dovecot,
    ):
        ceiling = Target(name=CEILING, port=least.facts["port"], pid=least.pid)
        yield [ceiling, *ours, *twisted, *dovecot]


class Load:
    """Load on one server.

    Args:
        program: what makes it.
        target: the server.
        clients: how many there are at a time.
        seconds: how long they go on beginning sessions.
    """

    def __init__(self, program: Path, target: Target, clients: int, seconds: float) -> None:
        self.name = target.name
        self._target = target
        self._argv: list[str | Path] = [program, str(target.port), str(clients), str(seconds)]
        self.durations: list[tuple[float, float]] = []
        """Median and 99th percentile of the sessions' seconds, measurement by measurement."""

    def measure(self) -> Sample:
        """Put load on the server once; a sample is that of one session, in the mean."""
        cpu = cpu_seconds(self._target.pid)
        done = subprocess.run(self._argv, stdout=subprocess.PIPE, check=True)
        cpu = cpu_seconds(self._target.pid) - cpu
        whole, *sessions = (int(line) * NANOSECOND for line in done.stdout.split())
        percentiles = statistics.quantiles(sessions, n=100, method="inclusive")
        self.durations.append((statistics.median(sessions), percentiles[PERCENTILE - 1]))
        return Sample(whole / len(sessions), cpu=cpu / len(sessions))


COLUMNS = (
    *("server", "sessions/s", "min .. max"),
    *(f"of {name}" for name in (TWISTED, TWISTED_NO_DELAY, DOVECOT)),
    *("a session, ms", f"{PERCENTILE} %, ms", "CPU a session, ms"),
)


def rows(results: Results, loads: list[Load]) -> Iterator[list[str]]:
    """Write a row for each server."""
    for each in loads:
        samples = results[each.name]
        rate = Spread.of(1 / sample.seconds for sample in samples)
        medians, tails = zip(*each.durations[WARM_UPS:], strict=True)
        yield [
            each.name,
            f"{rate.median:,.0f}",
            range_of(rate, ",.0f"),
            *(times(samples, results.get(name)) for name in (TWISTED, TWISTED_NO_DELAY, DOVECOT)),
            f"{1000 * statistics.median(medians):.2f}",
            f"{1000 * statistics.median(tails):.2f}",
            f"{1000 * statistics.median(sample.cpu for sample in samples):.2f}",
        ]


def times(samples: list[Sample], reference: list[Sample] | None) -> str:
    """Write how many times as many sessions there were as with another server."""
    return times_the_rate(
        (sample.seconds for sample in samples),
        None if reference is None else (sample.seconds for sample in reference),
    )


if __name__ == "__main__":
    main()
