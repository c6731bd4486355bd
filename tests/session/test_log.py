"""The log: the dialogue in the notation, readable with `cat`, replayable, and without secrets."""

import os
from pathlib import Path

import pytest

from poptalk.net.endpoint import UsageError
from poptalk.pop3.commands import parse_command
from poptalk.pop3.events import BodyChunk, Exchange
from poptalk.session.log import TextLog
from poptalk.session.session import Session
from poptalk.shell.commands.login import start_log
from poptalk.shell.script import ShellSettings
from poptalk.transcript.model import ClientLine, Comment, Direction, ServerLine
from poptalk.transcript.parser import parse_dialogue
from poptalk.transcript.writer import MAX_LINE_LOGGED
from tests.servers.recording import RecordingServer, by_keyword
from tests.shell.shells import live, practising

LETTER = b"+OK\r\nSubject: \x1b]0;title\x07 \xe2\x80\xae\r\n\r\n..dot\r\n{brace}\r\n.\r\n"


def said_in(file: Path) -> str:
    """Return a log without its comments."""
    lines = file.read_text().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("#"))


async def test_a_session_can_be_read_as_a_dialogue(tmp_path: Path) -> None:
    file = tmp_path / "session.pop3"
    with practising() as practice:
        async with live(practice) as shell:
            await shell.enter(f":log {file}", until="logging to")
            for line in ("USER bob", "PASS jones", "LIST", "STAT", "QUIT"):
                await shell.ask(line)
            await shell.see("(closed)>")
    text = file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert "jones" not in text
    steps = parse_dialogue(text).steps
    said = [(type(step).__name__, step.payload) for step in steps if hasattr(step, "payload")]
    assert said == [
        ("ClientLine", "USER bob"),
        ("ServerLine", "+OK name is a valid mailbox"),
        ("ClientLine", "PASS {password}"),
        ("ServerLine", "+OK mailbox locked and ready"),
        ("ClientLine", "LIST"),
        *[("ServerLine", line) for line in ("+OK 3 messages (6183 octets)", "1 1903", "2 4255")],
        *[("ServerLine", line) for line in ("3 25", ".")],
        ("ClientLine", "STAT"),
        ("ServerLine", "+OK 3 6183"),
        ("ClientLine", "QUIT"),
        ("ServerLine", "+OK host closing connection"),
    ]
    assert isinstance(steps[-2], Direction)
    assert isinstance(steps[-1], Comment)
    times = [step.text for step in steps if isinstance(step, Comment)]
    assert len(times) > len([step for step in steps if isinstance(step, ClientLine)])
    assert {type(step) for step in steps} == {ClientLine, ServerLine, Direction, Comment}


async def test_what_a_hostile_server_says_is_harmless_in_the_log(tmp_path: Path) -> None:
    file = tmp_path / "log"
    with RecordingServer(reply=by_keyword({b"RETR": LETTER})) as server:
        async with live(server, columns=200) as shell:
            await shell.enter(f":log {file}", until="logging to")
            await shell.ask("RETR 1")
            await shell.enter(":log off", until="is closed")
            await shell.enter(":log off", until="no log is being written")
            await shell.enter(":log", until=":log FILE begins one")
    text = file.read_text()
    assert all(line.isprintable() for line in text.splitlines())
    assert "S: Subject: {0x1b}]0;title{0x07} {0xe280ae}\n" in text
    assert "S: ..dot\nS: {{brace}}\nS: .\n" in text
    assert parse_dialogue(text).steps


async def test_every_line_is_in_the_file_when_it_is_on_the_screen(tmp_path: Path) -> None:
    file = tmp_path / "log"
    with RecordingServer() as server:
        async with live(server) as shell:
            await shell.enter(f":log {file}", until="logging to")
            await shell.see("· logging ·")
            await shell.ask("NOOP")
            assert said_in(file).endswith("C: NOOP\nS: +OK\n")


async def test_one_log_after_another(tmp_path: Path) -> None:
    with RecordingServer() as server:
        async with live(server) as shell:
            for name in ("one", "two", "one"):
                await shell.enter(f":log {tmp_path / name}")
                await shell.ask(f"NOOP {name}")
    one = "C: NOOP one\nS: +OK\nC: NOOP one\nS: +OK\nC: <close connection>\n"
    assert said_in(tmp_path / "one") == one
    assert said_in(tmp_path / "two") == "C: NOOP two\nS: +OK\n"


async def test_a_log_that_cannot_be_opened_is_said(tmp_path: Path) -> None:
    with RecordingServer() as server:
        async with live(server, columns=200) as shell:
            await shell.enter(f":log {tmp_path}", until="Is a directory")
            assert shell.shell.session.log is None
    with pytest.raises(UsageError, match="cannot be written: Is a directory"):
        start_log(Session(clock=float), ShellSettings(log=str(tmp_path)))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
async def test_a_full_disk_ends_the_log_and_not_the_session() -> None:
    with RecordingServer() as server:
        async with live(server) as shell:
            await shell.enter(":log /dev/full", until="logging to")
            await shell.ask("NOOP")
            await shell.see("logging to /dev/full has stopped: No space left on device")
            await shell.ask("STAT")
            assert shell.view()[-1] == "S: +OK"


def test_the_cut_of_a_body_does_not_matter(tmp_path: Path) -> None:
    body = b"one\r\ntwo\nthree \xff\r\n" + b"x" * (MAX_LINE_LOGGED + 10) + b"\r\n.\r\n"
    exchange = Exchange(number=1, command=parse_command(b"RETR 1"))
    for name, size in (("whole", len(body)), ("pieces", 1000), ("thirds", 7)):
        log = TextLog(str(tmp_path / name), Session(clock=float))
        for at in range(0, len(body), size):
            log(BodyChunk(exchange=exchange, data=body[at : at + size]))
        log.close()
    whole = (tmp_path / "whole").read_text()
    assert whole.startswith("S: one\nS: two{0x0a}\nS: three {0xff}\nS: xxx")
    assert whole.endswith("x{...}\nS: .\n")
    assert whole == (tmp_path / "pieces").read_text() == (tmp_path / "thirds").read_text()
