"""poptalk as its users have it: a process with three streams, an environment and an exit code.

`poptalk` is the command line, `piped` runs it with a pipe on each stream, `Household` is the place
where it may leave files: what a test of secrets must search.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import poptalk as package
from tests.servers.loopback import LoopbackServer
from tests.servers.terminal import Pty

TIMEOUT = 30.0  # seconds for one process; all take a fraction of one, or a few under a flood

CHECKOUT = str(Path(package.__file__).parent.parent)

ESCAPE_SEQUENCE = re.compile(rb"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[()][0-9A-B]|\x1b[=>78]")
"""What prompt_toolkit writes to a terminal, and nothing that takes text (OSC, DCS)."""


def poptalk(*arguments: object) -> list[str]:
    """Return the command line."""
    return [sys.executable, "-m", "poptalk", *map(str, arguments)]


def at(server: LoopbackServer) -> tuple[str, int]:
    """Return host and port, as arguments."""
    return server.host, server.port


def environment(**changes: str) -> dict[str, str]:
    """Return an environment in which the package is found, whatever the present directory."""
    path = os.pathsep.join(filter(None, (CHECKOUT, os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, **changes}


class Finished(NamedTuple):
    """What a process left behind."""

    code: int
    stdout: bytes
    stderr: str


def piped(
    lines: bytes, *arguments: object, cwd: Path | None = None, timeout: float = TIMEOUT
) -> Finished:
    """Run poptalk with lines on its standard input, to its end."""
    done = subprocess.run(
        poptalk(*arguments),
        input=lines,
        capture_output=True,
        env=environment(),
        cwd=cwd,
        timeout=timeout,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr.decode("utf-8"))


def started(*arguments: object) -> subprocess.Popen[bytes]:
    """Start poptalk with a pipe on each stream, without waiting for it."""
    return subprocess.Popen(
        poptalk(*arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )


def on_a_terminal(
    *arguments: object, columns: int = 80, rows: int = 24, cwd: Path | None = None
) -> Pty:
    """Start poptalk behind a pseudo-terminal."""
    return Pty(poptalk(*arguments), columns=columns, rows=rows, env=environment(), cwd=cwd)


def piped_to_a_terminal(lines: bytes, *arguments: object, folder: Path) -> Pty:
    """Start poptalk with lines of a file on its standard input, and a terminal behind the rest."""
    file = folder / "standard-input"
    file.write_bytes(lines)
    shell = ["sh", "-c", 'file=$1; shift; exec "$@" < "$file"', "sh", str(file)]
    return Pty([*shell, *poptalk(*arguments)], env=environment())


def peak_memory(process: int) -> int:
    """Return the most octets of memory that a living process has had in use."""
    status = Path(f"/proc/{process}/status").read_text("ascii")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def without_escapes(raw: bytes) -> bytes:
    """Return the octets that a program wrote to a terminal, without escape sequences."""
    return ESCAPE_SEQUENCE.sub(b"", raw)


def said_once(text: str) -> str:
    """Join what a terminal of a certain width has wrapped, so that a sentence can be found."""
    return " ".join(text.split())


def written_files(*folders: Path) -> dict[Path, bytes]:
    """Return the content of every file in and below folders."""
    return {
        path: path.read_bytes()
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
