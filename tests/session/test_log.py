"""The log: the dialogue in the notation, readable with `cat`, replayable, and without secrets."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import pytest

from poptalk.cli import main
from poptalk.net.endpoint import UsageError
from poptalk.net.errors import CLOSED_BY_SERVER
from poptalk.pop3.commands import parse_command
from poptalk.pop3.events import BodyChunk, Exchange
from poptalk.session.exchanges import MOST_KEPT, SHORT_OCTETS
from poptalk.session.log import KEPT_OCTETS, SessionRecord, TextLog, recent_lines
from poptalk.session.session import Session
from poptalk.shell.commands.login import start_log
from poptalk.shell.script import ShellSettings
from poptalk.transcript.model import ClientLine, Comment, Direction, ServerLine
from poptalk.transcript.parser import parse_dialogue
from poptalk.transcript.writer import MAX_LINE_LOGGED
from tests.servers.recording import RecordingServer, by_keyword
from tests.session.transports import KeptTransport
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
        ("ServerLine", "+OK Microsoft Exchange POP3 server version 5.0.1457.10 ready"),
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
        async with live(server, columns=200) as shell:
            for name, what in (("one", "before"), ("two", "before"), ("one", "since")):
                await shell.enter(f":log {tmp_path / name}", until=f"with what came {what}")
                await shell.ask(f"NOOP {name}")
            closed = [line for line in shell.said() if " is closed; logging to " in line]
            assert [line.split(" is closed")[0][-3:] for line in closed] == ["one", "two"]
    begin, end = "C: <open connection>\nS: +OK recording server ready\n", "C: <close connection>\n"
    one, two = ("C: NOOP one\nS: +OK\n", "C: NOOP two\nS: +OK\n")
    # Each begins with the session, and the one that was gone on with has nothing twice.
    assert said_in(tmp_path / "one") == begin + one + two + one + end
    assert said_in(tmp_path / "two") == begin + one + two


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
            await shell.enter(":log /dev/full", until=":log: No space left on device")
            start_log(shell.shell.session, ShellSettings(log="/dev/full"))
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


# The session so far.


@pytest.fixture
def session() -> Iterator[Session]:
    session = Session(clock=float)
    session.record = SessionRecord(session)
    session.opened(KeptTransport(), None, where="localhost port 110", encrypted=False)
    session.received(b"+OK hello\r\n")
    yield session
    session.close()


@pytest.fixture
def record(session: Session) -> SessionRecord:
    assert session.record is not None
    return session.record


def said_of(record: SessionRecord) -> str:
    lines = record.text().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("#"))


def retrieve(session: Session, body: bytes, *, at_once: int = 100_000) -> None:
    session.send(b"RETR 1\r\n")
    session.received(b"+OK\r\n")
    for at in range(0, len(body), at_once):
        session.received(body[at : at + at_once])


BEGIN = "C: <open connection>\nS: +OK hello\n"


@pytest.mark.parametrize("at_once", [7, 10**6])
def test_a_reply_is_kept_whole(at_once: int, session: Session, record: SessionRecord) -> None:
    retrieve(session, b"one\r\n" * 1000 + b".\r\n", at_once=at_once)
    assert said_of(record) == BEGIN + "C: RETR 1\nS: +OK\n" + "S: one\n" * 1000 + "S: .\n"
    assert record.gaps == ""


@pytest.mark.parametrize("at_once", [7, 10**6])
def test_what_is_asked_for_again_and_again_has_nothing_twice(
    at_once: int, session: Session, record: SessionRecord, tmp_path: Path
) -> None:
    file = tmp_path / "log"
    session.send(b"RETR 1\r\nNOOP\r\n")
    session.received(b"+OK\r\none\r\ntw")
    assert said_of(record) == BEGIN + "C: RETR 1\nC: NOOP\nS: +OK\nS: one\n"
    session.log = record.log_to(str(file), log_format="notation")
    for part in (b"o\r\nthree\r\n", b".\r\n+OK noop\r\n"):
        session.received(part)
        assert said_of(record).count("one") == 1
    all_of_it = BEGIN + "C: RETR 1\nC: NOOP\nS: +OK\nS: one\nS: two\nS: three\nS: .\nS: +OK noop\n"
    assert said_of(record) == said_in(file) == all_of_it
    for number in range(MOST_KEPT):
        session.send(b"TOP %d 0\r\n" % number)
        session.received(b"+OK\r\n%d\r\n.\r\n" % number)
    more = "".join(f"C: TOP {n} 0\nS: +OK\nS: {n}\nS: .\n" for n in range(MOST_KEPT))
    assert said_of(record) == said_in(file) == all_of_it + more


def test_the_times_are_those_of_the_session(
    session: Session, record: SessionRecord, tmp_path: Path
) -> None:
    sent = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC).timestamp()
    with patch("poptalk.session.exchanges.time", lambda: sent):
        retrieve(session, b"one\r\n.\r\n")
    record.log_to(str(tmp_path / "log"), log_format="jsonl").close()
    events = [json.loads(each) for each in (tmp_path / "log").read_text().splitlines()]
    assert events[0]["ms"] == 0
    times = {datetime.fromisoformat(each["time"]).timestamp() for each in events[2:]}
    assert times == {sent}


def test_an_echo_of_a_secret_is_masked_for_ever(session: Session, record: SessionRecord) -> None:
    for _ in range(2):
        session.send(b"USER bob\r\nPASS x1\r\n")
        session.received(b"+OK\r\n-ERR no, not x1\r\n")
    session.send(b"PASS jones\r\n")
    session.received(b"-ERR no, not jones\r\nno jones here\r\n")
    session.ended(CLOSED_BY_SERVER)
    session.opened(KeptTransport(), None, where="localhost port 110", encrypted=False)
    for text in (record.text(), "\n".join(recent_lines(session))):
        assert "jones" not in text
        assert "x1" not in text
        assert text.count("not ****") == 3


@pytest.mark.parametrize("at_once", [1000, 4096, 10**6])
def test_of_a_long_reply_the_beginning_is_kept(
    at_once: int, session: Session, record: SessionRecord, tmp_path: Path
) -> None:
    line = b"x" * 98 + b"\r\n"
    body = line * (SHORT_OCTETS // 100 + 50) + b".\r\n"
    retrieve(session, body, at_once=at_once)
    lines = record.text().splitlines()
    kept = sum(len(each) - len("S: ") + 2 for each in lines if each.startswith("S: x"))
    assert kept <= SHORT_OCTETS < kept + 200
    left = len(body) - 3 - kept
    assert lines[-2:] == [
        f"S: <the server sends {left:,} octets more, which were not kept>",
        "S: .",
    ]
    assert record.gaps == f", except {left:,} octets of long replies"
    assert parse_dialogue(record.text()).steps[-2:]
    for log_format in ("notation", "jsonl"):
        record.log_to(str(tmp_path / log_format), log_format=log_format).close()
    assert (tmp_path / "notation").read_text() == record.text()
    events = [json.loads(each) for each in (tmp_path / "jsonl").read_text().splitlines()]
    assert [each["event"] for each in events[-2:]] == ["left-out", "end"]
    assert events[-2]["octets"] == left


def test_all_replies_together_have_a_limit_too(session: Session, record: SessionRecord) -> None:
    body = b"y" * 60_000 + b"\r\n"
    for _ in range(KEPT_OCTETS // len(body) + 5):
        retrieve(session, body + b".\r\n")
    assert len(record.text()) < KEPT_OCTETS * 1.1
    assert record.text().endswith("60,002 octets more, which were not kept>\nS: .\n")


@pytest.mark.parametrize("at_once", [1, 100])
def test_a_flood_that_nobody_asked_for_counts_as_one_reply(
    at_once: int, session: Session, record: SessionRecord
) -> None:
    for _ in range(0, 100, at_once):
        session.received((b"x" * 998 + b"\r\n") * at_once)
    session.send(b"RETR 1\r\n")
    kept = said_of(record).removeprefix(BEGIN).splitlines()
    assert len(kept) == SHORT_OCTETS // 1000 + 2
    assert kept[-2] == "S: <the server sends 35,000 octets more, which were not kept>"
    assert kept[-1] == "C: RETR 1"


async def test_a_log_that_is_begun_late_has_what_came_before(tmp_path: Path) -> None:
    early, late, machine = (tmp_path / name for name in ("early", "late", "machine"))
    with practising() as practice:
        async with live(practice, columns=500, log=early) as shell:
            for line in ("USER bob", "PASS jones", "RETR 2"):
                await shell.ask(line)
            await shell.enter(f":log --jsonl {machine}", until="with what came before")
            await shell.enter(f":log {late}", until="late, with what came before")
            await shell.ask("QUIT")
            await shell.see("(closed)>")
    assert late.stat().st_mode & 0o777 == 0o600
    # The one that was there from the beginning ends where the next one began.
    begun = said_in(early).removesuffix("C: <close connection>\n")
    assert "PASS {password}" in begun
    assert (
        said_in(late) == begun + "C: QUIT\nS: +OK host closing connection\nS: <close connection>\n"
    )
    events = [json.loads(line) for line in machine.read_text().splitlines()]
    assert [each["event"] for each in events[:3]] == ["open", "server", "client"]
    assert "jones" not in machine.read_text()


def test_a_pipe_keeps_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log, page = tmp_path / "log", tmp_path / "page.html"
    lines = [
        word for line in ("NOOP", f":log {log}", f":export {page}", "QUIT") for word in ("-e", line)
    ]
    assert main(["connect", "--local-commands", *lines]) in (0, 1)
    assert "NOOP" not in log.read_text()
    assert not page.exists()
    said = capfd.readouterr().err.replace("\n# ", " ")
    assert "from here on: in a pipe nothing is kept before" in said
    assert ":export: in a pipe nothing is kept: write a --log" in said
