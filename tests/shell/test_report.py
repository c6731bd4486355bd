""":report: what somebody needs to know who is to find a fault, and nothing else."""

from __future__ import annotations

import base64
import platform
import re
from pathlib import Path

from poptalk import __version__
from poptalk.session.log import MOST_LINES, MOST_LINES_OF_A_LISTING, recent_lines
from poptalk.transcript.parser import parse_dialogue
from tests.servers.recording import RecordingServer, by_keyword
from tests.shell.shells import live, practising

PRIVATE = b"Subject: a secret meeting\r\n\r\nAt nine, as ever.\r\n"


async def test_it_holds_what_is_needed(tmp_path: Path) -> None:
    file = tmp_path / "report"
    with practising(persona="plain") as practice:
        async with live(practice, columns=150, rows=60) as shell:
            for line in ("CAPA", "STLS"):
                await shell.ask(line)
            await shell.see("certificate verified")
            for line in ("CAPA", "USER bob", "PASS jones", "STAT"):
                await shell.ask(line)
            await shell.enter(f":report {file}", until="the report is in")
            await shell.enter(f":report {file}", until="File exists")
    text = file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    for said in (
        f"# poptalk {__version__}, ",
        f"# Python {platform.python_version()}, OpenSSL ",
        "# server: 127.0.0.1 port ",
        "# TLS: TLSv1.",
        "# certificate 1 of ",
        "# CAPA in the clear, before the login:\n#   TOP\n",
        "# CAPA in TLS, before the login:\n#   TOP\n",
        "C: STLS\nS: +OK",
        "C: <negotiate TLS>\n",
        "C: USER bob\nS: +OK",
        "C: PASS {password}\nS: +OK",
        "C: STAT\nS: +OK 3 6183\n",
    ):
        assert said in text
    assert parse_dialogue(text).steps


async def test_it_holds_no_secret_and_no_letter() -> None:
    login = base64.b64encode(b"\0bob\0sesame").decode()
    answers = {
        b"PASS": b"-ERR sesame is wrong\r\n",
        b"AUTH": f"-ERR {login} is wrong\r\n".encode(),
        b"RETR": b"+OK\r\n" + PRIVATE + b".\r\n",
    }
    with RecordingServer(reply=by_keyword(answers)) as server:
        async with live(server, rows=100, columns=120) as shell:
            for line in ("PASS sesame", f"AUTH PLAIN {login}", "RETR 1"):
                await shell.ask(line)
            await shell.enter(":report", until=f"| S: <the server sends {len(PRIVATE) + 3} octets>")
            shown = [row for row in shell.said() if row.startswith("| ")]
    text = "\n".join(shown)
    for hidden in ("sesame", login, "meeting", "nine"):
        assert hidden not in text
    assert "| C: PASS {password}" in shown
    assert "| S: -ERR **** is wrong" in shown
    assert "| C: AUTH PLAIN {plain}" in shown


async def test_it_stays_short() -> None:
    listing = b"".join(b"%d 100\r\n" % number for number in range(1, 3000))
    with RecordingServer(reply=by_keyword({b"LIST": b"+OK\r\n" + listing + b".\r\n"})) as server:
        async with live(server) as shell:
            for _ in range(5):
                await shell.ask("LIST")
            lines = recent_lines(shell.shell.session)
    assert len(lines) <= MOST_LINES
    assert lines[0] == "C: LIST"
    assert lines.count("S: 1 100") == len([line for line in lines if line == "C: LIST"])
    assert f"S: {MOST_LINES_OF_A_LISTING} 100" in lines
    assert f"S: {MOST_LINES_OF_A_LISTING + 1} 100" not in lines
    assert f"S: <the server sends {len(listing) + 3:,} octets>" in lines
    assert lines[-1] == "S: ."


async def test_what_comes_unasked_is_no_part_of_the_next_reply() -> None:
    answers = {b"NOOP": b"+OK\r\nbye\r\nbye\r\n", b"STAT": b"+OK 1 2\r\n"}
    with RecordingServer(reply=by_keyword(answers)) as server:
        async with live(server) as shell:
            await shell.ask("NOOP")
            await shell.ask("STAT")
            lines = recent_lines(shell.shell.session)
    assert list(lines[-6:]) == ["C: NOOP", "S: +OK", "S: bye", "S: bye", "C: STAT", "S: +OK 1 2"]


async def test_before_anything_was_said(tmp_path: Path) -> None:
    with RecordingServer(greeting=b"") as server:
        async with live(server, greeted=False, columns=120) as shell:
            await shell.enter(":report", until="# what was said last:")
            assert re.search(r"^\| # no TLS$", shell.text, re.MULTILINE)


async def test_a_hostile_server_is_harmless_there(tmp_path: Path) -> None:
    file = tmp_path / "report"
    answers = {b"CAPA": b"+OK \x1b]0;x\x07\r\n\x1b[2J \xe2\x80\xae\r\n.\r\n"}
    with RecordingServer(reply=by_keyword(answers)) as server:
        async with live(server, columns=120) as shell:
            await shell.ask("CAPA")
            await shell.enter(f":report {file}", until="the report is in")
    assert all(line.isprintable() for line in file.read_text().splitlines())
