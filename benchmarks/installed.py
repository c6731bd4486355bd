"""poptalk as users have it: installed from the checkout, not linked to it, with its console script.

An editable installation, or `python -m` in the checkout, starts in another time.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import CHECKOUT


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """An installed poptalk."""

    command: Path
    """The console script."""
    python: Path
    """The interpreter that it runs under, which runs the poplib scripts as well."""

    def version(self) -> str:
        """Return what it says of itself and of its interpreter."""
        return ", ".join(_version(program) for program in (self.command, self.python))


def _version(program: Path) -> str:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def add_arguments(parser: argparse.ArgumentParser, *, rounds: int) -> None:
    """Add the options that every benchmark of whole processes has."""
    parser.add_argument("--rounds", type=int, default=rounds, help="(default: %(default)s)")
    parser.add_argument(
        "--venv",
        type=Path,
        help="measure the poptalk of this virtual environment (default: a new one, into which the "
        "checkout is installed)",
    )


@contextlib.contextmanager
def installed(environment: Path | None) -> Iterator[Installed]:
    """Give the poptalk of a virtual environment, or of a new one that lasts as long as this.

    Raises:
        subprocess.CalledProcessError: it could not be installed.
    """
    with tempfile.TemporaryDirectory(prefix="poptalk-benchmark-") as directory:
        if environment is None:
            environment = Path(directory) / "venv"
            print("Installing the checkout ...", file=sys.stderr)
            venv.create(environment, with_pip=True)
            python = str(environment / "bin" / "python")
            subprocess.run([python, "-m", "pip", "--quiet", "install", str(CHECKOUT)], check=True)
        folder = environment.absolute() / "bin"
        yield Installed(command=folder / "poptalk", python=folder / "python")
