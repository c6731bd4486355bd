"""The command: where it listens, what it says, how it ends."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from poptalk.cli.main import main
from poptalk.net.endpoint import UsageError
from poptalk.practice.server import Server
from poptalk.tap import relay
from poptalk.tap.tap import Listen, part_words
from tests.servers.terminal import Pty
from tests.shell.black_box import poptalk
from tests.tap.running import SECONDS, End, played


@pytest.mark.parametrize(
    ("words", "listen", "target"),
    [
        ("mail.example.org", Listen(), "mail.example.org"),
        ("mail.example.org 110", Listen(), "mail.example.org 110"),
        ("1110 mail.example.org", Listen(port=1110), "mail.example.org"),
        ("1110 mail.example.org 110", Listen(port=1110), "mail.example.org 110"),
        ("::1:1110", Listen(), "::1:1110"),
        ("[::1]:1110 mail.example.org", Listen(host="::1", port=1110), "mail.example.org"),
        ("0.0.0.0:1110 a 995", Listen(host="0.0.0.0", port=1110), "a 995"),
        ("1110", Listen(port=1110), ""),
        ("", Listen(), ""),
    ],
)
def test_the_words_are_parted(words: str, listen: Listen, target: str) -> None:
    assert part_words(words.split()) == (listen, target.split())


@pytest.mark.parametrize("words", ["here there", "127.0.0.1 there", "99999 there", "a:b there"])
def test_no_place_to_listen_is_a_sentence(words: str) -> None:
    with pytest.raises(UsageError, match="is no place to listen at"):
        part_words(words.split())


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


class Command:
    """The command in a process of its own, up to the end of the context."""

    def __init__(self, *arguments: object) -> None:
        self.process = subprocess.Popen(
            poptalk("tap", *arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.head = ""
        """What it said before its first session."""

    def __enter__(self) -> Self:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.head += line
            if line == "# Ctrl-C ends the tap.\n":
                break
        return self

    def __exit__(self, *_: object) -> None:
        with self.process:
            self.process.kill()

    @property
    def port(self) -> int:
        """The port in the clear."""
        found = re.search(r"  port +(\d+)", self.head)
        assert found is not None, self.head
        return int(found[1])

    def end(self) -> str:
        """Wait for its end, and return what it said meanwhile."""
        return self.process.communicate(timeout=SECONDS)[0]


def test_sigterm_ends_it_with_the_totals(server: Server) -> None:
    with Command(server.host, server.port) as command:
        with End.to(command.port) as client:
            client.line()
            assert client.say(b"CAPA").startswith(b"+OK")
            command.process.send_signal(signal.SIGTERM)
            client.rest()
        assert command.end().splitlines()[-1].startswith("# 1 session, 1 command, 0 messages; ")
        assert command.process.returncode == 0


def test_once_ends_with_the_first_session(server: Server, tmp_path: Path) -> None:
    authority, log = tmp_path / "ca.pem", tmp_path / "talk.pop3"
    options = ("--once", "--save-ca", authority, "--log", log)
    with Command(*options, server.host, server.port) as command:
        assert str(authority) in command.head
        with End.to(command.port) as client:
            client.line()
            client.say(b"QUIT")
        assert "1 C: QUIT" in command.end()
        assert command.process.returncode == 0
    assert authority.read_text().startswith("-----BEGIN CERTIFICATE-----")
    assert "C: QUIT" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


def test_without_a_server_there_is_the_practice_server() -> None:
    with Command("--once") as command:
        with End.to(command.port) as client:
            assert client.line().startswith(b"+OK Microsoft Exchange")
        command.end()


def test_a_server_that_is_not_there_gives_its_exit_code(server: Server) -> None:
    with Command("--once", "127.0.0.1", "1") as command:
        with End.to(command.port) as client, pytest.raises(ConnectionResetError):
            client.rest()
        assert "refused the connection" in command.end()
        assert command.process.returncode == 3
    with Command("--once", "--tls", server.host, server.port) as command:
        with End.to(command.port) as client:
            client.rest()
        assert "speaks POP3 in the clear" in command.end()
        assert command.process.returncode == 4


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("a", "b"), 2, "is no place to listen at"),
        (("127.0.0.1:{port}", "localhost"), 1, "cannot be listened on (address already in use)"),
        (("198.51.100.1:0", "localhost"), 2, "is no address of this machine"),
        (("--log", "/nowhere/log", "localhost"), 2, "--log: /nowhere/log cannot be written"),
        (("--save-ca", "/nowhere/ca", "localhost"), 2, "--save-ca: /nowhere/ca cannot be written"),
        (("--log-format", "jsonl", "localhost"), 2, "--log-format is for --log FILE"),
        (("--persona", "plain", "localhost"), 2, "are for the practice server"),
        (("--ca-file", "/nowhere/ca", "localhost"), 4, "cannot be read"),
    ],
)
def test_what_cannot_be_is_a_sentence(
    server: Server,
    arguments: tuple[str, ...],
    code: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["tap", *(word.format(port=server.port) for word in arguments)]) == code
    assert said in capsys.readouterr().err


def test_another_address_is_warned_of(server: Server) -> None:
    with Command("0.0.0.0:0", server.host, server.port) as command:
        assert "Warning: everyone who can reach 0.0.0.0 can use this tap" in command.head


def test_a_reader_that_goes_away_ends_it(server: Server) -> None:
    with Command(server.host, server.port) as command:
        assert command.process.stdout is not None
        command.process.stdout.close()
        with End.to(command.port) as client:
            client.line()
            client.rest()
        assert command.process.wait(SECONDS) == 1


def test_on_a_terminal_sessions_are_coloured_and_ctrl_c_gives_the_totals(server: Server) -> None:
    with Pty([sys.executable, "-m", "poptalk", "tap", server.host, str(server.port)]) as pty:
        pty.wait_for("Ctrl-C ends the tap.")
        found = re.search(r"  port +(\d+)", pty.text)
        assert found is not None
        assert all(len(row) < 80 for row in pty.lines())
        with End.to(int(found[1])) as client:
            client.line()
            client.say(b"USER " + b"x" * 200)
            client.say(b"QUIT")
            client.rest()
        pty.wait_for("the server closed the connection")
        assert pty.colour_of("+OK host closing") == "green"
        # A long line is broken with an indent: no row begins as a stranger likes.
        assert any(row.startswith("     xxx") for row in pty.lines())
        pty.send("\x03")
        pty.wait_for("# 1 session, 2 commands, 0 messages;")
        assert pty.wait_exit() == 0


def test_a_server_that_says_nothing_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "REMIND_SECONDS", 0.05)
    with played() as (tap, _client, _far):
        tap.wait_for("A port that expects TLS stays silent until the client speaks TLS")
