"""Ends that come from outside: SIGTERM and SIGHUP."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.shell.black_box import environment

HANGS = """\
import signal, sys, threading
from poptalk.shell import start
start.TIDYING_SECONDS = 0.2
start.Signals()
try:
    signal.raise_signal(signal.{signal})
except SystemExit:
    signal.raise_signal(signal.{signal})  # does not interrupt the tidying up
    print("tidying up", flush=True)
    threading.Event().wait()
"""


@pytest.mark.parametrize(("signal", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_an_end_that_hangs_is_an_end_all_the_same(signal: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANGS.format(signal=signal)],
        capture_output=True,
        env=environment(),
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert (done.returncode, done.stdout) == (code, b"tidying up\n")
