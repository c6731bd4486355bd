"""The programs that poptalk is compared with, and what each is told to do the same thing.

Certificates are verified by all of them.  A program that is not installed is named as missing.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import BenchmarkError
from benchmarks.installed import Installed

PROGRAMS = {
    "curl": ["curl", "--version"],
    "openssl": ["openssl", "version"],
    "ncat": ["ncat", "--version"],
}
"""Every program that is looked for, and how it tells its version."""

POPTALK = "poptalk"
POPLIB = "poplib script"
CURL = "curl"

USER, PASSWORD = "bob", "jones"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a server listens.

    Args:
        host: an address or a name.
        port: its port.
        ca_file: PEM file of the authority to trust, for TLS from the first octet; None for none.
    """

    host: str
    port: int
    ca_file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A program with its arguments.

    Args:
        name: what the tables call it.
        argv: the program and its arguments.
        reads_lines: whether it is told what to do by lines on its standard input.
    """

    name: str
    argv: Sequence[str]
    reads_lines: bool = False


def versions() -> dict[str, str]:
    """Return the version of each program, or that it is not installed."""
    return {name: _version(argv) for name, argv in PROGRAMS.items()}


def _version(argv: Sequence[str]) -> str:
    if not shutil.which(argv[0]):
        return "not installed, and so not measured"
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).strip()
    return said.splitlines()[0].split(" (")[0] if said else "installed"


def poptalk(ours: Installed, place: Place) -> Peer:
    """Return poptalk, piped or on a terminal."""
    tls = ["--tls", "--ca-file", place.ca_file] if place.ca_file else []
    argv = [str(ours.command), place.host, str(place.port), *tls]
    return Peer(name=POPTALK, argv=argv, reads_lines=True)


def poplib_script(ours: Installed, place: Place, script: str) -> Peer:
    """Return a script of this folder, under the same interpreter as poptalk."""
    argv = [str(ours.python), str(Path(__file__).with_name(script)), place.host, str(place.port)]
    if place.ca_file:
        argv.append(place.ca_file)
    return Peer(name=POPLIB, argv=argv)


def line_programs(place: Place) -> list[Peer]:
    """Return those programs that carry lines to a server and know nothing of POP3."""
    at = [place.host, str(place.port)]
    found = []
    if shutil.which("ncat"):
        argv = ["ncat", *at]
        if place.ca_file:
            # It verifies names only, no addresses.
            trust = ["--ssl-verify", "--ssl-trustfile", place.ca_file]
            argv = ["ncat", *trust, "localhost", str(place.port)]
        found.append(Peer(name="ncat", argv=argv, reads_lines=True))
    if place.ca_file and shutil.which("openssl"):
        argv = [
            *("openssl", "s_client", "-quiet", "-verify_return_error"),
            *("-CAfile", place.ca_file, "-connect", ":".join(at)),
        ]
        found.append(Peer(name="openssl s_client", argv=argv, reads_lines=True))
    return found


def curl(place: Place, *, path: str = "", options: Sequence[str] = ()) -> list[Peer]:
    """Return curl with a URL, if it is installed."""
    if not shutil.which("curl"):
        return []
    scheme = "pop3s" if place.ca_file else "pop3"
    trust = ["--cacert", place.ca_file] if place.ca_file else []
    login = ["--user", f"{USER}:{PASSWORD}"]
    url = f"{scheme}://{place.host}:{place.port}/{path}"
    return [Peer(name=CURL, argv=["curl", "--silent", *login, *trust, *options, url])]


def typed(folder: Path, *lines: str) -> Path:
    """Write lines to a file for the standard input of a program: a login, these, and QUIT."""
    file = folder / "typed"
    all_lines = (f"USER {USER}", f"PASS {PASSWORD}", *lines, "QUIT")
    file.write_text("".join(f"{line}\n" for line in all_lines), encoding="ascii")
    return file


def check_holds(file: Path, expected: bytes, peer: Peer) -> None:
    """Raise BenchmarkError unless a program's output holds what the server said."""
    if expected not in file.read_bytes():
        raise BenchmarkError(f"{peer.name} did not show {expected!r}.")
