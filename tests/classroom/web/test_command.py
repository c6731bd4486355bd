"""`poptalk class --web` on the command line."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from poptalk.cli import main

SECONDS = 20


@contextmanager
def started(*options: str) -> Iterator[subprocess.Popen[str]]:
    """Run a class that prints lines."""
    command = [sys.executable, "-m", "poptalk", "class", "1", "--plain", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        yield program
        program.send_signal(signal.SIGTERM)
        assert program.wait(SECONDS) == 0


def test_the_blackboard_has_the_address_and_the_code() -> None:
    with started("--web", "0") as program:
        assert program.stdout is not None
        shown = ""
        while "for you alone" not in shown:
            shown += program.stdout.readline()
        found = re.search(r"browser +(http://127\.0\.0\.1:\d+/)\n +code +(\d{3} \d{3})\n", shown)
        assert found is not None, shown
        address, code = found.groups()
        assert f"{address}board#" in shown
        join = urllib.request.Request(
            f"{address}join",
            data=json.dumps({"name": "Ada", "code": code}).encode(),
            headers={"Origin": address.rstrip("/")},
        )
        with urllib.request.urlopen(join, timeout=SECONDS) as answer:
            assert json.load(answer) == {"name": "Ada"}


def test_without_the_package_a_sentence_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("poptalk.classroom.web")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    assert main(["class", "1", "--plain", "--web", "0"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "--web: the package aiohttp is not installed. Run pip install aiohttp" in said


def test_a_port_that_is_taken_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["class", "1", "--plain", "--web", str(port)]) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert f"port {port} cannot be listened on" in said
    assert "--web 0 takes a free one" in said
    assert "Ports below 1024" not in said
