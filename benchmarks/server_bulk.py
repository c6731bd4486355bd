"""Much at once: a message of 100 MB, a maildrop of 100,000 messages, and how fast that is opened.

Run it with `python -m benchmarks.server_bulk`.  Who reads is a socket that looks at the last octets of
what comes; what it can do at the most is measured in the same run, against `sender`, which sends the
reply from the page cache.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks import maildirs
from benchmarks.harness import (
    Contender,
    Results,
    Sample,
    Server,
    Spread,
    in_turn,
    print_heading,
    print_table,
    range_of,
    time_columns,
    time_rows,
)
from benchmarks.pop3_servers import (
    DOVECOT,
    Target,
    dovecot_servers,
    poptalk_servers,
    twisted_servers,
    versions,
)
from benchmarks.pop3_session import Session

CEILING = "ceiling of the reader"

MEGABYTE = 1_000_000

SMALL, BIG = 1_000, 1_000_000
"""Octets of the messages of two maildrops that are opened."""

LEAST_LISTED = len(b"1 1\r\n")


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="(default: %(default)s)")
    parser.add_argument("--octets", type=int, default=100 * MEGABYTE, help="(%(default)s)")
    parser.add_argument("--messages", type=int, default=100_000, help="(%(default)s)")
    options = parser.parse_args()
    print_heading("Much at once", versions())
    with tempfile.TemporaryDirectory(prefix="poptalk-benchmark-") as name:
        compare_retrieval(Path(name), octets=options.octets, rounds=options.rounds)
    with tempfile.TemporaryDirectory(prefix="poptalk-benchmark-") as name:
        compare_listing(Path(name), count=options.messages, rounds=options.rounds)
    with tempfile.TemporaryDirectory(prefix="poptalk-benchmark-") as name:
        compare_opening(Path(name), count=options.messages, rounds=options.rounds)


def compare_retrieval(folder: Path, *, octets: int, rounds: int) -> None:
    """Print how fast a large message comes, in clear and in TLS."""
    for copy in ("ours", "theirs"):
        maildirs.make_large_maildir(folder / copy, octets=octets)
    (folder / "letters").mkdir()
    (folder / "letters" / "1.eml").write_bytes(maildirs.attachment(octets))
    sender = [sys.executable, "-m", "benchmarks.sender", "base64", str(octets)]
    with Server(sender) as least, running(folder) as targets:
        ceiling = Target(
            name=CEILING,
            port=least.facts["port"],
            pid=least.pid,
            tls_port=least.facts["tls_port"],
            ca_file=Path(least.facts["ca_file"]),
        )
        for tls in (False, True):
            contenders = [
                Contender(name=target.name, measure=partial(retrieve, target, octets, tls=tls))
                for target in (ceiling, *targets)
                if target.tls_port or not tls
            ]
            results = in_turn(contenders, rounds=rounds)
            title = f"RETR of {octets:,} octets, {'TLS' if tls else 'in clear'}"
            columns = ["server", "MB/s", "min .. max", f"of {DOVECOT}"]
            print_table(title, columns, rates(results, octets=octets))


@contextlib.contextmanager
def running(folder: Path) -> Iterator[list[Target]]:
    """Run all servers, each over its copy of the same messages."""
    with (
        poptalk_servers(folder / "ours") as ours,
        twisted_servers(folder / "theirs", as_it_comes=False) as twisted,
        dovecot_servers(folder / "letters") as dovecot,
    ):
        yield [*ours, *twisted, *dovecot]


def retrieve(target: Target, octets: int, *, tls: bool) -> Sample:
    """Fetch the message once."""
    with Session(target, tls=tls) as session:
        session.log_in()
        # The header and the line ends come on top.
        return Sample(session.ask_for_lines("RETR 1", octets=octets * 95 // 100))


def rates(results: Results, *, octets: int) -> Iterator[list[str]]:
    """Write a row for each server: its rate."""
    reference = results.get(DOVECOT)
    for name, samples in results.items():
        rate = Spread.of(octets / sample.seconds / MEGABYTE for sample in samples)
        quotient = "-"
        if reference is not None:
            pairs = zip(samples, reference, strict=True)
            quotient = f"{Spread.of(b.seconds / a.seconds for a, b in pairs).median:.2f}"
        yield [name, f"{rate.median:,.0f}", range_of(rate, ",.0f"), quotient]


def compare_listing(folder: Path, *, count: int, rounds: int) -> None:
    """Print how long LIST and UIDL take over many messages."""
    for copy in ("ours", "theirs"):
        maildirs.make_maildir(folder / copy, count=count, octets=SMALL)
    maildirs.make_eml_folder(folder / "letters", count=count, octets=SMALL)
    with running(folder) as targets:
        first = [[target.name, f"{first_listing(target, count):.2f}"] for target in targets]
        title = f"The first login, and LIST over {count:,} messages that must be counted"
        print_table(title, ["server", "s"], first)
        for command in ("LIST", "UIDL"):
            compare_times(
                f"{command} over {count:,} messages, from then on",
                {target.name: partial(listed, target, command, count) for target in targets},
                rounds=rounds,
            )
        compare_times(
            f"Login to a Maildir of {count:,} messages that has not changed",
            {target.name: partial(logged_in, target) for target in targets},
            rounds=rounds,
        )


def compare_times(title: str, measures: dict[str, Callable[[], Sample]], *, rounds: int) -> None:
    """Measure in turn, and print the times."""
    contenders = [Contender(name=name, measure=measure) for name, measure in measures.items()]
    results = in_turn(contenders, rounds=rounds)
    reference = DOVECOT if DOVECOT in results else next(iter(results))
    columns = time_columns("server", reference=reference, cpu=False)
    print_table(title, columns, time_rows(results, reference=reference))


def first_listing(target: Target, count: int) -> float:
    """Return the seconds of a login and a listing."""
    with Session(target) as session:
        return session.log_in() + session.ask_for_lines("LIST", octets=count * LEAST_LISTED)


def listed(target: Target, command: str, count: int) -> Sample:
    """Ask for a listing once."""
    with Session(target) as session:
        session.log_in()
        return Sample(session.ask_for_lines(command, octets=count * LEAST_LISTED))


def logged_in(target: Target) -> Sample:
    """Log in once."""
    with Session(target) as session:
        return Sample(session.log_in())


def compare_opening(folder: Path, *, count: int, rounds: int) -> None:
    """Print how long it takes to open a Maildir that has changed, by the size of its messages."""
    with contextlib.ExitStack() as servers:
        measures: dict[str, Callable[[], Sample]] = {}
        for octets in (SMALL, BIG):
            maildir = folder / str(octets)
            maildirs.make_hollow_maildir(maildir, count=count, octets=octets)
            target = servers.enter_context(poptalk_servers(maildir))[0]
            deliveries = itertools.count(count + 1)
            name = f"messages of {octets:,} octets"
            measures[name] = partial(opened_anew, target, maildir, deliveries)
        contenders = [Contender(name=name, measure=measure) for name, measure in measures.items()]
        reference = contenders[0].name
        columns = time_columns(
            "poptalk, asyncio", reference=f"those of {SMALL:,} octets", cpu=False
        )
        print_table(
            f"Login to a Maildir of {count:,} messages to which one was delivered",
            columns,
            time_rows(in_turn(contenders, rounds=rounds), reference=reference),
        )


def opened_anew(target: Target, maildir: Path, deliveries: Iterator[int]) -> Sample:
    """Deliver a message, so that the Maildir must be listed anew, and log in."""
    maildirs.add_message(maildir, next(deliveries))
    return logged_in(target)


if __name__ == "__main__":
    main()
