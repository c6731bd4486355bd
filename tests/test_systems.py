"""What can be tested of other systems here: that nothing needs what Windows does not have."""

from __future__ import annotations

import subprocess
import sys

from poptalk.config import not_installed

WITHOUT_POSIX = """
import asyncio, multiprocessing, pkgutil, selectors, socket, subprocess, sys, tempfile
import pytest
import prompt_toolkit.input.vt100, prompt_toolkit.output.vt100
for name in ("termios", "fcntl", "pwd", "grp", "resource", "tty", "pty", "curses", "uvloop"):
    sys.modules[name] = None
del socket.AF_UNIX
import signal
for name in ("SIGHUP", "SIGQUIT", "SIGTSTP", "SIGWINCH", "SIGUSR1"):
    if hasattr(signal, name):
        delattr(signal, name)
import poptalk
for module in pkgutil.walk_packages(poptalk.__path__, "poptalk."):
    if not module.name.endswith("__main__"):
        __import__(module.name)
        print(module.name)
"""
"""asyncio and prompt_toolkit have modules of their own for Windows, so theirs for POSIX come first."""


def test_every_module_imports_without_what_windows_lacks() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_POSIX],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    modules = done.stdout.split()
    assert {"poptalk.shell.live", "poptalk.shell.plain", "poptalk.practice.serve"} <= set(modules)
    assert len(modules) > 100


def test_a_missing_package_is_named_with_what_installs_it() -> None:
    said = not_installed("python-socks")
    assert "pip install python-socks" in said
    assert "pipx inject poptalk python-socks" in said
