"""The C programs of this folder, compiled when they are needed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from benchmarks.harness import BenchmarkError


def compiled(name: str, folder: Path) -> Path:
    """Compile a program of this folder.

    Args:
        name: of its source, without the suffix.
        folder: where the program goes.

    Raises:
        BenchmarkError: there is no compiler.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        raise BenchmarkError("The load comes from a C program; install a C compiler, cc.")
    source, program = Path(__file__).with_name(f"{name}.c"), folder / name
    subprocess.run([compiler, "-O2", "-Wall", "-Werror", "-o", program, source], check=True)
    return program
