"""What can be tested of other systems here: that nothing needs what Windows does not have.

`pytest --without-posix` runs further tests so, as .ci/run does with those of pipes and of `--plain`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from poptalk.config import not_installed
from tests.servers.terminal import Pty

ROOT = Path(__file__).parent.parent
AS_ON_WINDOWS = os.pathsep.join([str(ROOT / "tests" / "servers" / "without_posix"), str(ROOT)])

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


def as_on_windows(*arguments: object, lines: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "poptalk", *map(str, arguments)],
        input=lines,
        env={**os.environ, "PYTHONPATH": AS_ON_WINDOWS},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_pipe_where_select_takes_sockets_alone() -> None:
    done = as_on_windows(lines="USER bob\nPASS jones\nSTAT\nQUIT\n")
    assert [line[:3] for line in done.stdout.splitlines()] == ["+OK"] * 5
    assert (done.returncode, done.stderr) == (0, "")


def test_a_plain_prompt_where_select_takes_sockets_alone() -> None:
    argv = [sys.executable, "-m", "poptalk", "connect", "--plain"]
    with Pty(argv, env={**os.environ, "PYTHONPATH": AS_ON_WINDOWS}) as terminal:
        terminal.wait_for("AUTHORIZATION practice>")
        terminal.send("USER bob\r")
        terminal.wait_for("AUTHORIZATION bob@practice>")
        terminal.send("PASS jonse\b\bes\r")
        terminal.wait_for("TRANSACTION bob@practice>")
        assert "PASS *****" in terminal.text
        assert "jonse" not in terminal.text
        terminal.send("\x1a")
        assert terminal.wait_exit() == 0


def test_unix_sockets_and_locks_are_refused_in_a_sentence(tmp_path: Path) -> None:
    done = as_on_windows("--socket", tmp_path / "socket")
    assert done.returncode == 3
    assert done.stderr.startswith("poptalk: Python has no unix sockets on this system")
    for folder in ("cur", "new", "tmp"):
        (tmp_path / "Maildir" / folder).mkdir(parents=True)
    done = as_on_windows("serve", "--writable", "--maildrop", tmp_path / "Maildir")
    assert done.returncode == 2
    assert done.stderr.startswith("poptalk: A maildrop cannot be written to on this system")


def test_a_missing_package_is_named_with_what_installs_it() -> None:
    said = not_installed("python-socks")
    assert "pip install python-socks" in said
    assert "pipx inject poptalk python-socks" in said
