"""What a server's processes take, all of them together: as Linux tells it in /proc.

A server may be one process or hundreds (Dovecot has one for each session).  Memory is counted as the
kernel shares it out (PSS), because processes of one program have most of theirs in common, and adding
up what each has resident would count that again and again.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")

TICKS = os.sysconf("SC_CLK_TCK")
"""In a second."""

KIBIBYTE = 1024

# Fields of /proc/PID/stat behind the name of the program, which may hold blanks (proc(5)).
PARENT = 1
TIMES = slice(11, 15)
"""User, system, and the same of children that have ended."""


def family(pid: int) -> Iterator[int]:
    """Return a process and all that descend from it."""
    children = defaultdict(list)
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))):
            children[int(stat[PARENT])].append(int(entry.name))
    waiting = [pid]
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting += children[pid]


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process and its descendants, those that have ended included."""
    ticks = sum(int(value) for each in family(pid) for value in _stat(each)[TIMES])
    return ticks / TICKS


def memory_octets(pid: int) -> int:
    """Return the memory of a process and its descendants, each page shared out among its users."""
    return sum(map(_proportional, family(pid)))


def _stat(pid: int) -> list[str]:
    """Return the fields behind the name; none if the process has ended."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(") ")[2].split()


def _proportional(pid: int) -> int:
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) * KIBIBYTE for line in lines if line.startswith("Pss:"))
