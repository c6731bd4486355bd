"""`:export`: a document of the session so far, whatever happened in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from poptalk.cli import main
from tests.export.documents import dialogues_of_html
from tests.servers.recording import RecordingServer, by_keyword
from tests.shell.shells import live, practising


async def test_it_has_the_session_from_its_first_byte(tmp_path: Path) -> None:
    page = tmp_path / "session.html"
    with practising() as practice:
        async with live(practice, columns=200) as shell:
            for line in ("USER bob", "PASS jones", "RETR 3", "QUIT"):
                await shell.ask(line)
            await shell.see("(closed)>")
            await shell.enter(":open")
            await shell.see("AUTHORIZATION practice>")
            await shell.enter(f":export --explain {page}", until="is written")
            await shell.enter(f":export {page}", until="is there already: give another name")
    (copied,) = dialogues_of_html(page.read_text())
    assert copied.count("C: <open connection>") == 2
    assert "words for people" in copied
    assert "<title>A session with practice</title>" in page.read_text()
    assert page.stat().st_mode & 0o777 == 0o600
    (tmp_path / "again.pop3").write_text(copied)
    assert main(["run", str(tmp_path / "again.pop3")]) == 0


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (":export", ":export: name a file: :export session.html"),
        (":export --explain", ":export: name a file"),
        (":export --sheet x.html", ":export: name a file"),
        (
            ":export session.pdf",
            "session.pdf doesn't say which format it is: .html, .svg, .cast or",
        ),
        (":export no/such/folder/x.md", "cannot be written: no such file or directory"),
    ],
)
async def test_what_is_wrong_is_said(typed: str, said: str) -> None:
    with RecordingServer() as server:
        async with live(server, columns=200) as shell:
            await shell.enter(typed, until=said)


async def test_of_a_flood_only_the_beginning_is_there(tmp_path: Path) -> None:
    flood = b"+OK\r\n" + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 2000 + b".\r\n"
    with RecordingServer(reply=by_keyword({b"RETR": flood})) as server:
        async with live(server, columns=200) as shell:
            await shell.ask("RETR 1")
            await shell.enter(f":export {tmp_path / 'a.md'}", until="octets of long replies")
    text = (tmp_path / "a.md").read_text()
    assert len(text) < 80_000
    assert "octets more, which were not kept>\nS: .\n" in text
