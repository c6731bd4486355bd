"""How far a byte travels: no trip that `benchmarks.trips` counts is longer than its goal."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

FIGURE = re.compile(
    r"^(?P<trip>.+): (?P<functions>\d+) functions .* (?P<stack>\d+) on the stack "
    r"\(goal (?P<most>\d+)(?: and (?P<deepest>\d+))?\)$",
    re.MULTILINE,
)
TRIPS = 5
ATTEMPTS = 3
"""A busy machine lets a timer of the prompt end within a trip, and that adds functions."""


def too_long() -> list[str]:
    """Count once, and return the trips that are longer than their goals."""
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.trips"],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    figures = list(FIGURE.finditer(ran.stdout))
    assert len(figures) == TRIPS, ran.stdout
    return [
        found[0]
        for found in figures
        if int(found["functions"]) > int(found["most"])
        or (found["deepest"] and int(found["stack"]) > int(found["deepest"]))
    ]


def test_no_trip_is_longer_than_its_goal() -> None:
    for _ in range(ATTEMPTS):
        long = too_long()
        if not long:
            return
    assert long == []
