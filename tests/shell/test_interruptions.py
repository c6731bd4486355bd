"""Each cause at each point ends a session, or does not, as a person would expect; no orphan is left."""

from __future__ import annotations

import pytest

from tests.shell.interruptions import CAUSES, DRIVERS, POINTS, interrupted

ENDS = {"SIGTERM": ("exit 143", "signal SIGTERM"), "SIGHUP": ("exit 129", "signal SIGHUP")}


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("cause", CAUSES)
def test_an_interruption(driver: str, point: str, cause: str) -> None:
    outcome = interrupted(driver, point, cause)
    assert outcome.restored
    match cause:
        case "SIGTERM" | "SIGHUP":
            assert outcome.what in ENDS[cause]
        case "Ctrl-C" if driver == "pipe" or point in ("connecting", "in TLS"):
            assert outcome.what == "exit 130"
        case "Ctrl-C":
            assert outcome.what == "goes on"  # the prompt is there again
        case "Ctrl-Z" | "SIGTSTP":
            assert outcome.what == "stopped"
        case _:
            assert outcome.what.startswith(("exit", "signal"))
