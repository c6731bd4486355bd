"""What a piped session in clear must not load: it is a whole process, and each import is its time."""

from __future__ import annotations

import subprocess
import sys

import pytest

TOO_SLOW = {
    *("asyncio", "dataclasses", "inspect", "logging", "pathlib", "ssl", "tempfile", "typing"),
    *("encodings.idna", "pygments", "prompt_toolkit", "cryptography"),
}


@pytest.mark.parametrize(
    "module", ["poptalk.net.errors", "poptalk.net.dial", "poptalk.net.connection"]
)
def test_the_path_of_a_piped_session_is_light(module: str) -> None:
    code = f"""
import sys
from {module} import *
import poptalk.net.dial as dial
try:
    dial.dial(dial.Target(host="127.0.0.1", port=0), timeout=1)
except dial.ConnectFailed:
    print(*sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "socket" in loaded
    assert not loaded & TOO_SLOW
