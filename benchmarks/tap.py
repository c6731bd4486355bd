"""How much slower a message of 100 MB comes through the tap, and what memory the tap takes for it.

Run it with `python -m benchmarks.tap`.  The server is `sender`; each program fetches the message from it
directly and through `poptalk tap`, in turn, so that both have the same minutes of the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import signal
import subprocess
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
    ratio,
    run_process,
)
from benchmarks.installed import Installed, add_arguments, installed
from benchmarks.peers import Peer, Place

MEGABYTE = 1_000_000
MEBIBYTE = 1 << 20

THROUGH = " through the tap"

COLUMNS = ("MB/s", "min .. max", "of direct", "min .. max", "peak of the tap, MiB")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tap:
    """A tap that runs."""

    pid: int
    place: Place

    @property
    def peak(self) -> int:
        """The most memory that it had, in octets."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024


@contextlib.contextmanager
def running_tap(ours: Installed, behind: Place, folder: Path) -> Iterator[Tap]:
    """Run a tap in front of a server: in the clear on both sides, or in TLS on both."""
    authority = folder / "tap-ca.pem"
    tls = ["--tls", "--ca-file", behind.ca_file] if behind.ca_file else []
    where = [behind.host, str(behind.port)]
    argv = [str(ours.command), "tap", "--save-ca", str(authority), *tls, *where]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        head = "".join(iter(process.stdout.readline, "# Ctrl-C ends the tap.\n"))
        word = "TLS port" if tls else "port"
        found = re.search(rf"#   {word} +(\d+)", head)
        assert found is not None
        # Nobody reads on: what is shown of so few sessions fits into the pipe.
        place = Place(host="127.0.0.1", port=int(found[1]), ca_file=str(authority) if tls else None)
        yield Tap(pid=process.pid, place=place)
        process.send_signal(signal.SIGTERM)
        process.communicate()


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, rounds=7)
    parser.add_argument("--octets", type=int, default=100 * MEGABYTE, help="(%(default)s)")
    options = parser.parse_args()
    with (
        installed(options.venv) as ours,
        tempfile.TemporaryDirectory(prefix="poptalk-benchmark-") as name,
        Server([sys.executable, "-m", "benchmarks.sender", "base64", str(options.octets)]) as it,
    ):
        print_heading("RETR through the tap", {"poptalk": ours.version(), **peers.versions()})
        facts = it.facts
        clear = Place(host=facts["host"], port=facts["port"])
        tls = Place(host=facts["host"], port=facts["tls_port"], ca_file=facts["ca_file"])
        for where, place in (("in clear", clear), ("TLS", tls)):
            with running_tap(ours, place, Path(name)) as tap:
                contenders = [
                    Contender(
                        name=program.name + suffix,
                        measure=partial(fetch, program, it, Path(name) / "output"),
                    )
                    for suffix, at in (("", place), (THROUGH, tap.place))
                    for program in programs(ours, at)
                ]
                results = in_turn(contenders, rounds=options.rounds)
                title = f"RETR of {facts['octets']:,} octets, {where}"
                print_table(title, ["program", *COLUMNS], rows(results, facts["octets"], tap.peak))


def programs(ours: Installed, place: Place) -> Iterator[Peer]:
    """Return the programs that fetch the message from one place."""
    yield from peers.curl(place, path="1")
    yield peers.poplib_script(ours, place, "poplib_retr.py")


def fetch(program: Peer, server: Server, output: Path) -> Sample:
    """Fetch the message once."""
    sample = run_process(program.argv, output=output)
    if output.stat().st_size < 0.98 * server.facts["octets"]:
        raise BenchmarkError(f"{program.name} wrote {output.stat().st_size:,} octets only.")
    server.next_line()
    return sample


def rows(results: Results, octets: int, peak: int) -> Iterator[list[str]]:
    """Write a row for each program: the rate of the whole process, and its ratio to the direct one."""
    for name, samples in results.items():
        seconds = [sample.seconds for sample in samples]
        rate = Spread.of(octets / each / MEGABYTE for each in seconds)
        row = [name, f"{rate.median:.0f}", range_of(rate, ".0f")]
        if name.endswith(THROUGH):
            direct = results[name.removesuffix(THROUGH)]
            of_direct = ratio((sample.seconds for sample in direct), seconds)
            yield [
                *row,
                f"{of_direct.median:.2f}",
                range_of(of_direct, ".2f"),
                f"{peak / MEBIBYTE:.0f}",
            ]
        else:
            yield [*row, "", "", ""]


if __name__ == "__main__":
    main()
