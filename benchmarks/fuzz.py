"""Bad input in bulk: what a practice server makes of a million random and mutated command lines.

Run it with `python -m benchmarks.fuzz`.  The server is a process of its own, as `poptalk serve` starts
it.  A hundred sessions send lines at the same time and reckon that each is answered with a status
indicator; one more session asks the same question all the while and wants the same answer.  Told is
what was seen, and how much memory the server had on the way.  A broken rule ends it with an error.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.harness import CHECKOUT, SERVER_SECONDS, BenchmarkError
from tests.practice.fuzzing import Books, UnexpectedReply, fuzz

LINES = 1_000_000
SESSIONS = 100
PARTS = 10
"""How often memory is looked at."""

GROWTH = 0.1
"""Share by which memory may grow from the second part to the last: allocators are never at rest."""


def main() -> int:
    """Send the lines and tell what was seen."""
    parser = argparse.ArgumentParser(description="Send random command lines to a practice server.")
    parser.add_argument("--lines", type=int, default=LINES)
    parser.add_argument("--sessions", type=int, default=SESSIONS)
    parser.add_argument("--seed", type=int, default=1939)
    options = parser.parse_args()
    with subprocess.Popen(
        [sys.executable, "-m", "poptalk", "serve", "--json", "--persona", "plain"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=CHECKOUT,
    ) as server:  # fmt: skip
        try:
            memory = send(server, options)
        except (UnexpectedReply, TimeoutError, OSError) as error:
            print(f"The server broke the rules: {error!r}", file=sys.stderr)
            return 1
        finally:
            server.terminate()
            _, complaints = server.communicate(timeout=SERVER_SECONDS)
    if complaints or server.returncode:
        print(f"The server ended with {server.returncode} and said:\n{complaints}", file=sys.stderr)
        return 1
    if memory and memory[-1] > memory[1] * (1 + GROWTH):
        print("The server's memory grew.", file=sys.stderr)
        return 1
    print("No exception, no reply without a status indicator, and the bystander noticed nothing.")
    return 0


def send(server: subprocess.Popen[str], options: argparse.Namespace) -> list[int]:
    """Send the lines part by part, telling what was seen; return the server's memory after each."""
    assert server.stdout is not None
    where = json.loads(server.stdout.readline())
    print(f"{options.lines:,} lines over {options.sessions} sessions, seed {options.seed}")
    memory = [resident(server.pid)]
    total = Books()
    for part in range(PARTS):
        start = time.perf_counter()
        books, rounds = asyncio.run(
            fuzz(
                where["host"],
                where["port"],
                sessions=options.sessions,
                lines=options.lines // PARTS,
                seed=options.seed + part * options.sessions,
            )
        )
        seconds = time.perf_counter() - start
        memory.append(resident(server.pid))
        total.lines += books.lines
        total.answered += books.answered
        total.connections += books.connections
        total.replies += books.replies
        print(
            f"{total.lines:>10,} lines {books.lines / seconds:>8,.0f} a second"
            f"{books.connections:>8,} connections {rounds:>6,} answers to the bystander"
            f"{memory[-1] / 1024:>8,.0f} KiB"
        )
    replies = ", ".join(
        f"{indicator.decode('ascii')} {count:,}" for indicator, count in total.replies.most_common()
    )
    print(f"{total.answered:,} lines answered ({replies}) over {total.connections:,} connections;")
    print(f"{total.lines - total.answered:,} stood behind a line that ended their session.")
    return memory if all(memory) else []


def resident(pid: int) -> int:
    """Return the memory of a process in octets; 0 where there is no /proc to tell."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise BenchmarkError(f"the process {pid} has ended")


if __name__ == "__main__":
    sys.exit(main())
