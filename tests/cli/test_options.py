"""One source of defaults: what the parser gives and what a session without a parser gets are equal."""

from __future__ import annotations

import subprocess
import sys

import pytest

from poptalk.cli.parser import parse
from tests.servers.recording import RecordingServer
from tests.shell.black_box import environment


@pytest.mark.parametrize("words", [[], ["mail.example.org"], ["mail.example.org", "110"]])
def test_words_without_options_need_no_parser(words: list[str]) -> None:
    assert parse("connect", words) == ({"target": tuple(words)} if words else {})


@pytest.mark.parametrize("arguments", [[], ["--timeout", "9"]])
def test_argparse_is_loaded_for_options_alone_and_shutil_never(arguments: list[str]) -> None:
    code = """
import sys
from poptalk.cli import main
main(sys.argv[1:])
sys.stderr.write(" ".join(sys.modules))
"""
    with RecordingServer(closing_keyword=b"QUIT") as server:
        done = subprocess.run(
            [sys.executable, "-S", "-c", code, server.host, str(server.port), *arguments],
            input=b"QUIT\n",
            capture_output=True,
            env=environment(),
            timeout=30,
            check=True,
        )
    loaded = set(done.stderr.decode().split())
    assert ("argparse" in loaded) is bool(arguments)
    assert "shutil" not in loaded
