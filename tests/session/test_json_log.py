"""The log for machines: an object a line, with times, statuses, sizes and the facts of TLS."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from poptalk.session.log import JsonLog
from poptalk.session.session import Session
from tests.servers.recording import RecordingServer, by_keyword
from tests.session.transports import KeptTransport
from tests.shell.shells import live, practising


def objects(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def without_time(file: Path) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in each.items() if key not in ("time", "ms")}
        for each in objects(file)
    ]


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 2, 3, 4, 5, 6, 789_000, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1.5)
        return self.now


def test_every_line_and_what_lies_between(tmp_path: Path) -> None:
    file = tmp_path / "log"
    session = Session(clock=float)
    session.log = JsonLog(str(file), session, now=Clock())
    session.opened(KeptTransport(), None, where="localhost port 110", encrypted=False)
    session.received(b"+OK hello\r\n")
    session.send(b"USER bob\r\nPASS jones\r\n")
    session.received(b"+OK\r\n-ERR [AUTH] no, not jones\r\n")
    session.send(b"AUTH PLAIN AGJvYgBqb25lcw==\r\n")
    session.received(b"+OK\r\n")
    session.send(b"LIST\r\n")
    session.received(b"+OK\r\n1 10\r\n.\r\n")
    session.close()
    assert without_time(file) == [
        {"event": "open", "server": "localhost port 110", "tls": False},
        {"event": "server", "line": "+OK hello", "octets": 9, "status": "+OK"},
        {"event": "client", "line": "USER bob"},
        {"event": "client", "line": "PASS ****"},
        {"event": "server", "line": "+OK", "octets": 3, "status": "+OK"},
        {"event": "end", "ok": True},
        {
            "event": "server",
            "line": "-ERR [AUTH] no, not ****",
            "octets": 24,
            "status": "-ERR",
            "code": "AUTH",
        },
        {"event": "end", "ok": False},
        {"event": "client", "line": "AUTH PLAIN AGJvYgAqKioqKioqKg=="},
        {"event": "server", "line": "+OK", "octets": 3, "status": "+OK"},
        {"event": "end", "ok": True},
        {"event": "client", "line": "LIST"},
        {"event": "server", "line": "+OK", "octets": 3, "status": "+OK"},
        {"event": "server", "line": "1 10", "octets": 4},
        {"event": "server", "line": ".", "octets": 1},
        {"event": "end", "ok": True, "octets": 9},
    ]
    first, *_, last = objects(file)
    assert first["time"] == "2026-02-03T04:05:06.792+00:00"
    assert first["ms"] == 1.5
    assert last["ms"] == 1.5 * 16


async def test_tls_and_the_end_of_the_connection(tmp_path: Path) -> None:
    file = tmp_path / "log"
    with practising() as practice:
        async with live(practice) as shell:
            await shell.enter(f":log --jsonl {file}", until="logging to")
            await shell.ask("STLS")
            await shell.see("certificate verified")
            await shell.ask("QUIT")
            await shell.see("(closed)>")
    found = {each["event"]: each for each in without_time(file)}
    assert found["tls"]["version"].startswith("TLSv1.")
    assert found["tls"]["verified"] is True
    assert found["tls"]["upgraded"] is True
    assert len(found["tls"]["sha256"]) == 64
    assert found["close"] == {
        "event": "close",
        "by": "the server",
        "how": "closed the connection",
        "clean": True,
    }
    assert file.stat().st_mode & 0o777 == 0o600


async def test_what_a_hostile_server_says_is_harmless_and_exact(tmp_path: Path) -> None:
    file = tmp_path / "log"
    hostile = b"\x1b]0;title\x07 \xe2\x80\xae \xff"
    letter = b"+OK\r\n" + hostile + b"\r\n\\xff\n.\r\n"
    with RecordingServer(reply=by_keyword({b"RETR": letter})) as server:
        async with live(server) as shell:
            await shell.enter(f":log --jsonl {file}", until="logging to")
            await shell.ask("RETR 1")
    assert all(line.isprintable() for line in file.read_text().splitlines())
    said = without_time(file)
    assert {
        "event": "server",
        "line": "\x1b]0;title\x07 \u202e \ufffd",
        "base64": b64encode(hostile).decode(),
        "octets": 16,
    } in said
    assert {"event": "server", "line": "\\xff\n", "octets": 4} in said


async def test_a_log_needs_a_name() -> None:
    with RecordingServer() as server:
        async with live(server) as shell:
            await shell.enter(":log --jsonl", until="name the file")
