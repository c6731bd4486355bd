"""The command ``poptalk serve``, as a process and by its parts."""

from __future__ import annotations

import argparse
import json
import poplib
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from poptalk.practice.options import add_serve_arguments
from poptalk.practice.serve import serve

PROGRAM = """
import argparse, sys
from poptalk.practice.options import add_serve_arguments
from poptalk.practice.serve import serve
parser = argparse.ArgumentParser()
add_serve_arguments(parser)
def say(line): print(line, flush=True)
def complain(line): print(line, file=sys.stderr, flush=True)
sys.exit(serve(parser.parse_args(), say=say, complain=complain))
"""
SECONDS = 20


@contextmanager
def running(*options: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command; it must end well when told to."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(SECONDS)


def test_json_is_one_line_by_which_one_can_connect() -> None:
    with running("--json", "--persona", "plain") as process:
        assert process.stdout is not None
        where = json.loads(process.stdout.readline())
        assert list(where) == ["host", "port", "tls_port", "accounts", "ca_file"]
        assert where["accounts"] == {"bob": "jones", "mrose": "tanstaaf"}
        context = ssl.create_default_context(cafile=where["ca_file"])
        client = poplib.POP3_SSL("127.0.0.1", where["tls_port"], context=context, timeout=SECONDS)
        client.user("mrose")
        client.pass_(where["accounts"]["mrose"])
        client.quit()
        clear = poplib.POP3(where["host"], where["port"], timeout=SECONDS)
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0
        clear.close()
        assert process.stdout.read() == ""
        assert process.stderr is not None
        assert process.stderr.read() == ""
        assert not Path(where["ca_file"]).exists()


def test_the_table_says_what_a_person_needs() -> None:
    with running() as process:
        assert process.stdout is not None
        table = "".join(process.stdout.readline() for _ in range(7))
        for word in ("Ctrl-C", "127.0.0.1", "STLS", "ca.pem", "bob/jones", "exchange"):
            assert word in table
        process.terminate()
        assert process.wait(SECONDS) == 0


def refused(*options: str) -> tuple[int, list[str]]:
    """Return the exit code and the complaints of options that cannot work."""
    parser = argparse.ArgumentParser()
    add_serve_arguments(parser)
    complaints: list[str] = []
    code = serve(parser.parse_args(options), say=complaints.append, complain=complaints.append)
    return code, complaints


def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, (sentence,) = refused("--port", str(port))
    assert code == 1
    assert sentence.startswith(
        f"127.0.0.1 port {port} cannot be listened on (address already in use)"
    )


def test_an_address_of_another_machine() -> None:
    code, (sentence,) = refused("--listen", "192.0.2.1")
    assert code == 1
    assert "192.0.2.1 cannot be listened on" in sentence


@pytest.mark.parametrize(
    ("option", "value", "word"),
    [
        ("--persona", "gmail", 'no persona "gmail"; there are exchange, plain'),
        ("--maildrop", "/nonexistent", "/nonexistent is no folder"),
    ],
)
def test_what_cannot_be_used(option: str, value: str, word: str) -> None:
    code, (sentence,) = refused(option, value)
    assert code == 2
    assert word in sentence


@pytest.mark.parametrize("port", ["x", "-1", "65536"])
def test_a_port_that_is_none(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        refused(f"--port={port}")
    assert stopped.value.code == 2
    assert "a port is a number" in capsys.readouterr().err


def test_another_address_is_warned_about() -> None:
    with running("--listen", "0.0.0.0") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("The practice server is ready")
        assert process.stderr is not None
        assert "the passwords are public knowledge" in process.stderr.readline()
