"""What the cores make of octets, without a socket: against `bytes.split` in a loop.

Run it with `python -m benchmarks.core`.  Each table compares one piece of the core with a plain loop
that cuts the same octets, in the same chunks, into lines: less than what any line reader has to do.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.harness import (
    BenchmarkError,
    Contender,
    Sample,
    Spread,
    in_turn,
    print_heading,
    print_table,
    range_of,
    ratio,
    ratio_cells,
)
from benchmarks.messages import KINDS, reply
from poptalk import __version__
from poptalk.pop3.client import ClientSession
from poptalk.pop3.events import BodyChunk, ReplyEnd, Unsolicited
from poptalk.pop3.replies import Unstuffer
from poptalk.pop3.server.events import LoginAttempt
from poptalk.pop3.server.session import ServerSession
from poptalk.terminal.safe import harmless

CHUNK = 131_072
"""Octets in one read of a socket, as the pipe reads them."""

MEGABYTE = 1_000_000

BASELINE = "split loop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Something to be done with octets.

    Args:
        name: what the table calls it.
        octets: how many it is about.
        baseline: what the plain loop cuts.
        do: does it, and raises BenchmarkError if the outcome is wrong.
    """

    name: str
    octets: int
    baseline: Sequence[bytes]
    do: Callable[[], None]


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument("--octets", type=int, default=100 * MEGABYTE, help="(%(default)s)")
    options = parser.parse_args()
    print_heading("The cores", {"poptalk": __version__, "Python": sys.version.split()[0]})
    rows = [row for work in works(options.octets) for row in measured(work, options.rounds)]
    print_table(
        "Octets that one thread takes",
        ["work", "MB/s", "min .. max", "split loop, MB/s", f"of {BASELINE}", "min .. max"],
        rows,
    )


def works(octets: int) -> Iterator[Work]:
    """Make all works, one after the other, so that their octets need not be kept together."""
    for kind in KINDS:
        data = reply(kind, octets)
        chunks = cut(data, CHUNK)
        yield work(f"client: RETR, {kind}", chunks, partial(retrieve, chunks))
        yield work(f"server: RETR, {kind}", chunks, partial(serve, chunks))
        yield work(f"unstuffing, {kind}", chunks, partial(unstuff, chunks))
        lines = data[: octets // 20].split(b"\r\n")
        yield work(f"harmless, {kind}", cut(b"\r\n".join(lines), CHUNK), partial(clean, lines))
        octet_by_octet = cut(data[: octets // 100], 1)
        yield work(
            f"client: RETR, {kind}, cut to single octets",
            octet_by_octet,
            partial(retrieve, octet_by_octet, complete=False),
        )
    short_lines = cut(b"x\r\n" * (octets // 10), CHUNK)
    yield work("client: unasked lines of one octet", short_lines, partial(hear, short_lines))
    hostile = [b"a \x1b[2J\xff\xc2\x9b \xe2\x80\xae, now and then" * 2] * (octets // 5000)
    yield work("harmless, hostile", cut(b"\r\n".join(hostile), CHUNK), partial(clean, hostile))


def work(name: str, chunks: Sequence[bytes], do: Callable[[], None]) -> Work:
    """Make a work whose baseline has the same octets in the same chunks."""
    return Work(name=name, octets=sum(map(len, chunks)), baseline=chunks, do=do)


def measured(work: Work, rounds: int) -> Iterator[list[str]]:
    """Measure a work and the loop in turn, and write the row."""
    ours = Contender(name=work.name, measure=partial(timed, work.do))
    plain = Contender(name=BASELINE, measure=partial(timed, partial(split, work.baseline)))
    results = in_turn([ours, plain], rounds=rounds)
    times, theirs = ([sample.seconds for sample in samples] for samples in results.values())
    rate, their_rate = (
        Spread.of(work.octets / value / MEGABYTE for value in values) for values in (times, theirs)
    )
    # A rate is turned over time.
    quotient = ratio(theirs, times)
    yield [
        work.name,
        f"{rate.median:,.1f}",
        range_of(rate, ",.1f"),
        f"{their_rate.median:,.1f}",
        *ratio_cells(quotient),
    ]


def timed(do: Callable[[], None]) -> Sample:
    """Measure a call."""
    begun = time.perf_counter()
    do()
    return Sample(time.perf_counter() - begun)


def cut(data: bytes, size: int) -> list[bytes]:
    """Cut octets into chunks."""
    return [data[at : at + size] for at in range(0, len(data), size)]


def split(chunks: Iterable[bytes]) -> None:
    """Cut octets into lines: the plain loop."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\r\n")
        for _line in lines:
            pass


# The works.


def logged_in() -> ClientSession:
    """Return a client session in TRANSACTION."""
    session = ClientSession()
    session.receive_data(b"+OK\r\n")
    for command in (b"USER bob\r\n", b"PASS jones\r\n"):
        session.send(command)
        session.receive_data(b"+OK\r\n")
    return session


def retrieve(chunks: Iterable[bytes], *, complete: bool = True) -> None:
    """Receive a reply to RETR."""
    session = logged_in()
    session.send(b"RETR 1\r\n")
    octets, ended = 0, False
    for chunk in chunks:
        for event in session.receive_data(chunk):
            if isinstance(event, BodyChunk):
                octets += len(event.data)
            ended = ended or isinstance(event, ReplyEnd)
    if ended is not complete or not octets:
        raise BenchmarkError("The client core did not find the reply.")


def hear(chunks: Iterable[bytes]) -> None:
    """Receive lines that answer nothing."""
    session = logged_in()
    octets = 0
    for chunk in chunks:
        for event in session.receive_data(chunk):
            if isinstance(event, Unsolicited):
                octets += len(event.data)
    if not octets:
        raise BenchmarkError("The client core did not hear the lines.")


def unstuff(chunks: Sequence[bytes]) -> None:
    """Undo byte-stuffing."""
    unstuffer = Unstuffer()
    if not sum(len(unstuffer.feed(chunk)) for chunk in chunks):
        raise BenchmarkError("Nothing was left of the message.")


def clean(lines: Iterable[bytes]) -> None:
    """Make lines harmless."""
    if not all(harmless(line).isprintable() for line in lines):
        raise BenchmarkError("A line is not harmless.")


class OneMessage:
    """A maildrop of one message, which is in memory."""

    count = 1

    def __init__(self, chunks: Sequence[bytes]) -> None:
        self._chunks = chunks

    def octets(self, _number: int) -> int:
        """Return the size of the message."""
        return sum(map(len, self._chunks))

    def octets_in_all(self) -> int | None:
        """Return the size of all messages."""
        return self.octets(1)

    def unique_id(self, _number: int) -> bytes:
        """Return its unique-id."""
        return b"1"

    def chunks(self, _number: int) -> Iterable[bytes]:
        """Return its octets."""
        return self._chunks

    def has_dot_lines(self, _number: int) -> bool:
        """Say that it must be looked through for lines with a dot."""
        return True


def serve(chunks: Sequence[bytes]) -> None:
    """Answer RETR, which is to look through the message and stuff it."""
    session = ServerSession()
    session.greet()
    session.receive_data(b"USER bob\r\nPASS jones\r\nRETR 1\r\n")
    handed_out = pulled(session)
    if not any(isinstance(event, LoginAttempt) for event in session.events()):
        raise BenchmarkError("The server core did not ask about the login.")
    session.accept(OneMessage(chunks))
    handed_out += pulled(session)
    if handed_out < sum(map(len, chunks)):
        raise BenchmarkError("The server core did not hand out the message.")


def pulled(session: ServerSession) -> int:
    """Take all octets that a server session has, and return how many."""
    octets = 0
    while (chunk := session.next_chunk()) is not None:
        octets += len(chunk)
    return octets


if __name__ == "__main__":
    main()
