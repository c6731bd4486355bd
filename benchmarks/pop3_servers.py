"""The servers that are measured side by side, each in processes of its own and over the same mail.

bob's password is jones everywhere.  What is not installed is left out, and named as missing in the
versions.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import Server
from poptalk import __version__
from tests.servers.dovecot import BINARY, DOVECOT_MISSING, start_dovecot

POPTALK = "poptalk, asyncio"
POPTALK_UVLOOP = "poptalk, uvloop"
TWISTED = "Twisted"
TWISTED_NO_DELAY = "Twisted, TCP_NODELAY"
DOVECOT = "Dovecot"

MISSING = "not installed, and so not measured"

CONNECTIONS = 20_000
"""That poptalk lets in: more than any benchmark opens."""

SCRIPT = [sys.executable, "-m"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A running server.

    Args:
        name: what the tables call it.
        port: on 127.0.0.1, in clear.
        pid: its process, of which all others descend.
        tls_port: for TLS from the first octet, None if it has none.
        ca_file: the authority to trust.
    """

    name: str
    port: int
    pid: int
    tls_port: int | None = None
    ca_file: Path | None = None


def versions() -> dict[str, str]:
    """Return the version of each server and of what it runs on."""
    return {
        "poptalk": __version__,
        "Python": sys.version.split()[0],
        "uvloop": _version("uvloop"),
        "Twisted": _version("twisted"),
        "Dovecot": _dovecot_version(),
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return MISSING


def _dovecot_version() -> str:
    if BINARY is None or DOVECOT_MISSING is not None:
        return MISSING
    told = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True)
    return told.stdout.split()[0]


@contextlib.contextmanager
def poptalk_servers(maildir: Path) -> Iterator[list[Target]]:
    """Run ``poptalk serve``, on asyncio's loop and, if it is installed, on uvloop's."""
    loops = {"asyncio": POPTALK}
    if _version("uvloop") != MISSING:
        loops["uvloop"] = POPTALK_UVLOOP
    with contextlib.ExitStack() as running:
        targets = []
        for loop, name in loops.items():
            argv = [
                *(*SCRIPT, "poptalk", "serve", "--json", "--loop", loop),
                *("--maildrop", f"maildir:{maildir}", "--connections", str(CONNECTIONS)),
            ]
            server = running.enter_context(Server(argv))
            facts = server.facts
            targets.append(
                Target(
                    name=name,
                    port=facts["port"],
                    pid=server.pid,
                    tls_port=facts["tls_port"],
                    ca_file=Path(facts["ca_file"]),
                )
            )
        yield targets


@contextlib.contextmanager
def twisted_servers(maildir: Path, *, as_it_comes: bool = True) -> Iterator[list[Target]]:
    """Run Twisted's server, as it comes and with TCP_NODELAY.

    Args:
        maildir: its mail.
        as_it_comes: whether the first of them is wanted.
    """
    if _version("twisted") == MISSING:
        yield []
        return
    kinds = {TWISTED: [""], TWISTED_NO_DELAY: ["no-delay"]}
    if not as_it_comes:
        del kinds[TWISTED]
    with contextlib.ExitStack() as running:
        servers = {
            name: running.enter_context(
                Server([*SCRIPT, "benchmarks.twisted_server", maildir, *options])
            )
            for name, options in kinds.items()
        }
        yield [
            Target(name=name, port=server.facts["port"], pid=server.pid)
            for name, server in servers.items()
        ]


@contextlib.contextmanager
def dovecot_servers(letters: Path) -> Iterator[list[Target]]:
    """Run Dovecot over a copy of a folder of ``.eml`` files, if it is installed."""
    if DOVECOT_MISSING is not None:
        yield []
        return
    # Its sockets need a short path.
    with tempfile.TemporaryDirectory() as name, start_dovecot(letters, Path(name)) as dovecot:
        yield [
            Target(
                name=DOVECOT,
                port=dovecot.port,
                pid=int(Path(name, "run", "master.pid").read_text()),
                tls_port=dovecot.tls_port,
                ca_file=dovecot.ca_file,
            )
        ]
