""":headers, :structure, :text, :trace and :save with a number: fetched in sight, shown beside."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mail.test_message import LETTER
from tests.servers.recording import RecordingServer, by_keyword
from tests.shell.black_box import at, on_a_terminal, piped
from tests.shell.shells import live, practising

HOSTILE = (
    b"Subject: \x1b]0;title\x07 \xe2\x80\xae\r\n"
    b"\r\n"
    b"S: +OK not what the server said\r\n"
    b"# not what poptalk says\r\n"
    b"\x1b[2J\r\n"
)


def given(letter: bytes) -> dict[bytes, bytes]:
    header = letter.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    return {b"RETR": b"+OK\r\n" + letter + b".\r\n", b"TOP": b"+OK\r\n" + header + b".\r\n"}


@pytest.mark.parametrize(
    ("command", "sent", "seen"),
    [
        (":headers 3", b"TOP 3 0\r\n", "| From: Zoë <zoe@club.example> (decoded)"),
        (":trace 3", b"TOP 3 0\r\n", "| no Received field: nobody says how it came"),
        (":structure 3", b"RETR 3\r\n", "|   1 multipart/alternative"),
        (":text 3", b"RETR 3\r\n", "| café"),
    ],
)
async def test_it_is_fetched_in_sight_and_shown_beside(
    command: str, sent: bytes, seen: str
) -> None:
    with RecordingServer(reply=by_keyword(given(LETTER))) as server:
        async with live(server, rows=70) as shell:
            await shell.enter(command, until=seen)
            assert f"C: {sent.decode().strip()}" in shell.view()
            assert "S: ." in shell.view()
            assert "# as poptalk reads it:" in shell.said()
        assert server.received == sent


def test_what_has_come_of_a_message_is_no_whole_one() -> None:
    unfinished = b"+OK\r\nSubject: x\r\n\r\nhalf\r\n"
    with (
        RecordingServer(reply=by_keyword({b"RETR": unfinished})) as server,
        on_a_terminal("connect", "--plain", *at(server)) as pty,
    ):
        pty.wait_for("AUTHORIZATION")
        pty.send("RETR 1\r")
        pty.wait_for("S: half")
        pty.send("\x03")
        pty.wait_for("no longer waiting")
        pty.send(":text\r")
        pty.wait_for("# as poptalk reads it, as far as it has come:")


async def test_without_a_number_it_is_the_last_message() -> None:
    with RecordingServer(reply=by_keyword(given(LETTER))) as server:
        async with live(server, rows=70) as shell:
            await shell.ask("RETR 1")
            await shell.enter(":text", until="| café")
            await shell.enter(":headers", until="| Subject: a folded subject")
            await shell.enter(":structure", until="1.2 text/html")
        assert server.received == b"RETR 1\r\n"


@pytest.mark.parametrize(
    ("before", "command", "sentence"),
    [
        ("NOOP", ":text", ":text: the last reply isn't a message; :text 1 fetches the first one"),
        ("TOP 2 0", ":text", "TOP gives only part of a message; :text 2 fetches all of it"),
        ("NOOP", ":text 1 2", "give the number of a message: :text 3"),
        ("NOOP", ":text one", "give the number of a message: :text 3"),
        ("NOOP", ":save 3", ":save: name a file: :save letter.eml, or :save 3 letter.eml"),
    ],
)
async def test_what_cannot_be_read(before: str, command: str, sentence: str) -> None:
    with RecordingServer(reply=by_keyword({**given(LETTER), b"NOOP": b"+OK\r\n"})) as server:
        async with live(server, columns=120) as shell:
            await shell.ask(before)
            await shell.enter(command, until=sentence)
        assert server.received == before.encode() + b"\r\n"


async def test_a_message_that_is_not_given() -> None:
    answers = by_keyword({b"USER": b"+OK\r\n", b"PASS": b"+OK\r\n"})
    with RecordingServer(reply=answers) as server:
        async with live(server) as shell:
            await shell.ask("USER bob")
            await shell.ask("PASS jones")
            await shell.enter(":headers 7", until="refused it; RETR gives all of it")
            await shell.enter(":structure 7", until=":structure: the server refused it")


async def test_a_stranger_cannot_pretend_to_be_somebody_else() -> None:
    with RecordingServer(reply=by_keyword(given(HOSTILE))) as server:
        async with live(server, rows=60, color=False) as shell:
            await shell.enter(":text 1", until=r"| \x1b[2J")
            assert "| S: +OK not what the server said" in shell.said()
            assert "| # not what poptalk says" in shell.said()
            await shell.enter(":headers 1", until=r"| Subject: \x1b]0;title\x07 \u{202e}")


async def test_a_long_text_is_folded() -> None:
    letter = b"Subject: long\r\n\r\n" + b"".join(b"line %d\r\n" % n for n in range(1, 501))
    with RecordingServer(reply=by_keyword(given(letter))) as server:
        async with live(server) as shell:
            await shell.enter(":text 1", until="more rows: :text 1 all")
            assert "| line 500" not in shell.said()
            await shell.enter(":text all", until="| line 500")
        assert server.received == b"RETR 1\r\n"


async def test_a_message_is_saved_octet_for_octet(tmp_path: Path) -> None:
    file = tmp_path / "3.eml"
    letter = b"Subject: \xff\r\n\r\n..dot\r\n"
    with RecordingServer(reply=by_keyword(given(letter))) as server:
        async with live(server, columns=150) as shell:
            await shell.enter(f":save 3 {file}", until="octets written to")
            await shell.enter(f":save 3 {file}", until="is there already")
            await shell.enter(f":save 3 {tmp_path / 'no' / 'x'}", until="No such file or directory")
        # It has come by then, and is not fetched again.
        assert server.received == b"RETR 3\r\n"
    assert file.read_bytes() == letter.replace(b"..dot", b".dot")
    assert file.stat().st_mode & 0o777 == 0o600


async def test_a_unique_id_is_never_a_file_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answers = {**given(LETTER), b"UIDL": b"+OK\r\n1 ../../evil\r\n.\r\n"}
    with RecordingServer(reply=by_keyword(answers)) as server:
        async with live(server, columns=150) as shell:
            await shell.ask("UIDL")
            await shell.enter(":save 1 letter.eml", until="octets written to letter.eml")
    assert [path.name for path in tmp_path.iterdir()] == ["letter.eml"]


def test_in_a_pipe_the_octets_stay_exact() -> None:
    """What is read there goes to standard error, like all that local commands say."""
    with RecordingServer(reply=by_keyword(given(LETTER))) as server:
        finished = piped(b":text 1\n", *at(server), "--local-commands")
    assert finished.code == 0
    assert finished.stdout.endswith(LETTER + b".\r\n")
    assert finished.stderr.endswith("# as poptalk reads it:\n| café\n")


async def test_the_practice_server_at_forty_columns() -> None:
    with practising(persona="plain") as practice:
        async with live(practice, columns=40, rows=100) as shell:
            for line in ("USER bob", "PASS jones"):
                await shell.ask(line)
            await shell.enter(":structure 2", until="| text/plain")
            assert all(len(row) <= 40 for row in shell.said())
