"""How fast a message of 100 MB gets from a server into a file, and how much memory that takes.

Run it with `python -m benchmarks.big_retr`.  The server is `sender`, made for this; what it can do at
the most is measured in the same run, by a program that throws everything away.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import peers
from benchmarks.harness import (
    BenchmarkError,
    Contender,
    Results,
    Sample,
    Server,
    Spread,
    in_turn,
    print_heading,
    print_table,
    range_of,
    run_process,
    times_the_rate,
)
from benchmarks.installed import Installed, add_arguments, installed
from benchmarks.messages import KINDS
from benchmarks.peers import Peer, Place

MEGABYTE = 1_000_000
MEBIBYTE = 1 << 20

CEILING = "thrown away"

UNSTUFFED = 0.98
"""Share of the octets on the wire that is left at the least when stuffed dots are taken away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieval:
    """A program that fetches the message.

    Args:
        peer: the program.
        to_file: whether its standard output is to go to the file, and must hold the message.
    """

    peer: Peer
    to_file: bool = True


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, rounds=7)
    parser.add_argument("--octets", type=int, default=100 * MEGABYTE, help="(%(default)s)")
    parser.add_argument("--directory", type=Path, help="where to write (default: a temporary one)")
    options = parser.parse_args()
    with (
        installed(options.venv) as ours,
        tempfile.TemporaryDirectory(prefix="poptalk-benchmark-", dir=options.directory) as folder,
    ):
        print_heading("RETR to a file", {"poptalk": ours.version(), **peers.versions()})
        for kind in KINDS:
            argv = [sys.executable, "-m", "benchmarks.sender", kind, str(options.octets)]
            with Server(argv) as server:
                compare(ours, server, Path(folder), kind=kind, rounds=options.rounds)


def compare(ours: Installed, server: Server, folder: Path, *, kind: str, rounds: int) -> None:
    """Print the tables of one message: in clear and with TLS."""
    facts = server.facts
    clear = Place(host=facts["host"], port=facts["port"])
    tls = Place(host=facts["host"], port=facts["tls_port"], ca_file=facts["ca_file"])
    for where, place in (("in clear", clear), ("TLS", tls)):
        contenders = [
            Contender(
                name=retrieval.peer.name, measure=partial(retrieve, retrieval, server, folder)
            )
            for retrieval in retrievals(ours, place)
        ]
        results = in_turn(contenders, rounds=rounds)
        title = f"RETR of {facts['octets']:,} octets of {kind}, {where}"
        print_table(title, ["program", *COLUMNS], rows(results, octets=facts["octets"]))


def retrievals(ours: Installed, place: Place) -> Iterator[Retrieval]:
    """Return all programs that fetch the message from one place."""
    ceiling = peers.poplib_script(ours, place, "drain.py")
    yield Retrieval(peer=Peer(name=CEILING, argv=ceiling.argv), to_file=False)
    yield Retrieval(peer=peers.poptalk(ours, place))
    for peer in peers.curl(place, path="1"):
        yield Retrieval(peer=peer)
    for peer in peers.line_programs(place):
        yield Retrieval(peer=peer)
    yield Retrieval(peer=peers.poplib_script(ours, place, "poplib_retr.py"))


def retrieve(retrieval: Retrieval, server: Server, folder: Path) -> Sample:
    """Fetch the message once with a program."""
    peer = retrieval.peer
    typed = peers.typed(folder, "RETR 1") if peer.reads_lines else None
    output = folder / "output" if retrieval.to_file else None
    sample = run_process(peer.argv, typed=typed, output=output)
    if output is not None and output.stat().st_size < UNSTUFFED * server.facts["octets"]:
        raise BenchmarkError(f"{peer.name} wrote {output.stat().st_size:,} octets only.")
    return sample._replace(transfer=server.next_line()["seconds"])


COLUMNS = (
    *("MB/s", "min .. max", f"of {peers.CURL}", f"of {peers.POPLIB}"),
    *("whole process, s", "min .. max", "peak MiB"),
)


def rows(results: Results, *, octets: int) -> Iterator[list[str]]:
    """Write a row for each program: the rate of the transfer, and the whole process."""
    for name, samples in results.items():
        rate = Spread.of(octets / sample.transfer / MEGABYTE for sample in samples)
        whole = Spread.of(sample.seconds for sample in samples)
        peak = max(sample.peak for sample in samples)
        yield [
            name,
            f"{rate.median:.0f}",
            range_of(rate, ".0f"),
            *(_rate_ratio(samples, results.get(other)) for other in (peers.CURL, peers.POPLIB)),
            f"{whole.median:.3f}",
            range_of(whole, ".3f"),
            f"{peak / MEBIBYTE:.0f}",
        ]


def _rate_ratio(samples: list[Sample], reference: list[Sample] | None) -> str:
    """Write how many times the rate of another program this one has: the octets are the same."""
    return times_the_rate(
        (sample.transfer for sample in samples),
        None if reference is None else (sample.transfer for sample in reference),
    )


if __name__ == "__main__":
    main()
