"""Ends that come from outside: SIGTERM and SIGHUP."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.servers.terminal import Pty
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


WRAPPED = """\
import signal, sys
from poptalk.net.endpoint import Destination
from poptalk.shell.script import ShellSettings
from poptalk.shell.start import run_interactive

class Late:
    def __set_name__(self, owner, name):
        signal.raise_signal(signal.SIGHUP)

def prepare(shell):
    type("Made", (), {{"late": Late()}})

run_interactive(ShellSettings(plain={plain}), Destination(host="127.0.0.1", port=1), prepare=prepare)
"""
"""SIGHUP while a class is being made, as in an import: Python wraps what the handler raises."""


@pytest.mark.parametrize("plain", [False, True])
def test_sighup_in_the_middle_of_an_import(*, plain: bool) -> None:
    with Pty([sys.executable, "-c", WRAPPED.format(plain=plain)], env=environment()) as pty:
        assert pty.wait_exit() == 129
        assert pty.text == ""
        assert pty.restored
