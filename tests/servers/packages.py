"""POP3 servers out of Debian packages that exclude each other, unpacked into a folder beside the tests.

    python3 -m tests.servers.packages

Debian lets one package alone be the machine's POP3 server, and here that is Dovecot.  The others, and
the libraries that they need and the machine has not, are downloaded by apt-get and unpacked, not
installed: no account is made, no daemon is started, and it needs no privileges.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / ".servers"
"""Where they are unpacked; git ignores it."""

SERVERS = ("mailutils-pop3d", "solid-pop3d")

WRAPPERS = ("libnss-wrapper", "libuid-wrapper", "libpam-wrapper")
"""Libraries of the Samba project that let a server believe that it is root, with accounts and a PAM of
its own."""

HINT = "python3 -m tests.servers.packages unpacks it on Debian"


def find_program(name: str) -> Path | None:
    """Return a daemon that is unpacked; None if it is not."""
    path = FOLDER / "usr" / "sbin" / name
    return path if path.exists() else None


def find_library(name: str) -> Path | None:
    """Return a library that is unpacked; None if it is not."""
    return next(FOLDER.glob(f"usr/lib/*/{name}"), None)


def library_path() -> str:
    """Return the folders of the libraries that are unpacked, as the dynamic loader takes them."""
    found = {path.parent for lib in ("lib", "usr/lib") for path in FOLDER.glob(f"{lib}/*/*.so.*")}
    return os.pathsep.join(map(str, sorted(found)))


def unpack() -> None:
    """Download the packages, and unpack them.

    Raises:
        subprocess.CalledProcessError: apt-get or dpkg could not do it.
        FileNotFoundError: this is no Debian.
    """
    wanted = {*WRAPPERS}
    for server in SERVERS:
        wanted |= _with_what_it_needs(server)
    fresh = FOLDER.with_name(f"{FOLDER.name}.{os.getpid()}")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["apt-get", "download", "-qq", *sorted(wanted)], cwd=folder, check=True)
        for package in sorted(Path(folder).glob("*.deb")):
            subprocess.run(["dpkg", "-x", package, fresh], check=True)
    shutil.rmtree(FOLDER, ignore_errors=True)
    fresh.rename(FOLDER)


def _with_what_it_needs(package: str) -> set[str]:
    """Return the packages that installing one would bring to this machine; nothing is installed."""
    command = ["apt-get", "install", "--simulate", "--no-install-recommends", package]
    # In the C locale, as words are looked for in what it says.
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"}
    )
    lines = (line.split() for line in done.stdout.splitlines())
    return {words[1] for words in lines if words[:1] == ["Inst"]}


def main() -> int:
    """Unpack them; return the exit code."""
    try:
        unpack()
    except (OSError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"The other POP3 servers could not be unpacked: {error}.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
