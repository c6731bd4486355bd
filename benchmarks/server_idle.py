"""Connections that do nothing: the memory that they take, and whether the others notice them.

Run it with `python -m benchmarks.server_idle`.  First 1,000 sessions are logged in and left alone, and
the memory of the server's processes is compared with what it was before.  Then 10,000 connections are
greeted and held open, and one whole session after the other is timed among them.
"""

from __future__ import annotations

import argparse
import contextlib
import resource
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import maildirs
from benchmarks.harness import Spread, print_heading, print_table, range_of
from benchmarks.pop3_servers import (
    Target,
    dovecot_servers,
    poptalk_servers,
    twisted_servers,
    versions,
)
from benchmarks.pop3_session import HOST, PATIENCE_SECONDS, Session
from benchmarks.processes import memory_octets

MESSAGES, MESSAGE_OCTETS = 10, 2_048

SPARE_FILES = 200
"""That a server, or this program, has open besides its connections."""

AT_A_TIME = 100
"""Connections that are begun before the first of them is awaited: fewer than any server's backlog."""

WARM_UP = 50
"""Sessions before the memory is first looked at, so that what is made once has been made."""

KILOBYTE = 1_000


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1_000, help="(default: %(default)s)")
    parser.add_argument("--connections", type=int, default=10_000, help="(default: %(default)s)")
    parser.add_argument("--probes", type=int, default=200, help="timed (default: %(default)s)")
    options = parser.parse_args()
    connections = min(options.connections, raise_limit_of_files() - SPARE_FILES)
    print_heading("Idle connections", versions(), ["memory: PSS, of all processes of the server"])
    with tempfile.TemporaryDirectory(prefix="poptalk-benchmark-") as name:
        with running(Path(name)) as targets:
            rows = [memory_row(target, options.sessions) for target in targets]
        print_table(f"{options.sessions:,} sessions that are logged in", MEMORY_COLUMNS, rows)
        with running(Path(name)) as targets:
            rows = [crowd_row(target, connections, options.probes) for target in targets]
        print_table(f"{connections:,} connections held open", CROWD_COLUMNS, rows)


def raise_limit_of_files() -> int:
    """Let this process, and those that it starts, open as many files as is permitted."""
    _, permitted = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (permitted, permitted))
    return permitted


@contextlib.contextmanager
def running(folder: Path) -> Iterator[list[Target]]:
    """Run all servers, new ones, each over its copy of the same messages."""
    with (
        tempfile.TemporaryDirectory(dir=folder) as name,
        contextlib.ExitStack() as servers,
    ):
        ours, theirs, letters = (Path(name, copy) for copy in ("ours", "theirs", "letters"))
        maildirs.make_maildir(ours, count=MESSAGES, octets=MESSAGE_OCTETS)
        maildirs.make_maildir(theirs, count=MESSAGES, octets=MESSAGE_OCTETS)
        maildirs.make_eml_folder(letters, count=MESSAGES, octets=MESSAGE_OCTETS)
        yield [
            *servers.enter_context(poptalk_servers(ours)),
            *servers.enter_context(twisted_servers(theirs, as_it_comes=False)),
            *servers.enter_context(dovecot_servers(letters)),
        ]


# Memory.

MEMORY_COLUMNS = ("server", "before, MB", "with them, MB", "KB a session")


def memory_row(target: Target, sessions: int) -> list[str]:
    """Log in so many times, and write how much memory that took."""
    for _ in range(WARM_UP):
        whole_session(target)
    before = memory_octets(target.pid)
    with contextlib.ExitStack() as open_sessions:
        for _ in range(sessions):
            session = open_sessions.enter_context(Session(target))
            session.log_in()
            session.ask("STAT")
        after = memory_octets(target.pid)
    megabytes = [f"{octets / KILOBYTE**2:.1f}" for octets in (before, after)]
    return [target.name, *megabytes, f"{(after - before) / sessions / KILOBYTE:.1f}"]


# A crowd.

CROWD_COLUMNS = (
    *("server", "to connect, s", "KB a connection"),
    *("a session alone, ms", "min .. max", "in the crowd, ms", "min .. max"),
)


def crowd_row(target: Target, connections: int, probes: int) -> list[str]:
    """Hold connections open, and write how long a session takes without them and among them."""
    for _ in range(WARM_UP):
        whole_session(target)
    alone = Spread.of(1000 * whole_session(target) for _ in range(probes))
    before = memory_octets(target.pid)
    with contextlib.ExitStack() as crowd:
        begun = time.perf_counter()
        for first in range(0, connections, AT_A_TIME):
            number = min(AT_A_TIME, connections - first)
            connected = [crowd.enter_context(connect(target)) for _ in range(number)]
            for connection in connected:
                connection.recv(512)
        took = time.perf_counter() - begun
        after = memory_octets(target.pid)
        among = Spread.of(1000 * whole_session(target) for _ in range(probes))
    return [
        target.name,
        f"{took:.1f}",
        f"{(after - before) / connections / KILOBYTE:.1f}",
        *(f"{alone.median:.2f}", range_of(alone, ".2f")),
        *(f"{among.median:.2f}", range_of(among, ".2f")),
    ]


def connect(target: Target) -> socket.socket:
    """Connect without waiting for the greeting."""
    return socket.create_connection((HOST, target.port), PATIENCE_SECONDS)


def whole_session(target: Target) -> float:
    """Return the seconds of a session from the connection to the answer to QUIT."""
    begun = time.perf_counter()
    with Session(target) as session:
        session.log_in()
        session.ask("STAT")
        session.ask_for_lines("UIDL", octets=MESSAGES)
        session.ask_for_lines("RETR 1", octets=MESSAGE_OCTETS // 2)
        session.ask("QUIT")
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
