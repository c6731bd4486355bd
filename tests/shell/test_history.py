"""The history: no secrets, readable by its owner alone, and no reason to stop."""

import os
from pathlib import Path

import pytest

from poptalk.shell.completion import MAX_LINES, SecretlessHistory
from tests.servers.recording import RecordingServer
from tests.shell.shells import UP, live


def make(path: Path | None) -> SecretlessHistory:
    return SecretlessHistory(
        None if path is None else str(path), holds_secret=lambda text: text.startswith("PASS")
    )


def loaded(history: SecretlessHistory) -> list[str]:
    return list(history.load_history_strings())


def test_lines_come_back_newest_first(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "below" / "history"
    history = make(file)
    for line in ("USER bob", "PASS jones", "  odd\ttabs ", "漢字"):
        history.append_string(line)
    assert loaded(make(file)) == ["漢字", "  odd\ttabs ", "USER bob"]
    assert history.get_strings() == ["USER bob", "  odd\ttabs ", "漢字"]


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    file = tmp_path / "state" / "history"
    make(file).append_string("STAT")
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_a_secret_is_neither_on_disk_nor_in_memory(tmp_path: Path) -> None:
    file = tmp_path / "history"
    history = make(file)
    history.append_string("PASS jones")
    assert not file.exists()
    assert history.get_strings() == []


def test_a_line_with_odd_characters_stays_one_line(tmp_path: Path) -> None:
    file = tmp_path / "history"
    history = make(file)
    for line in ("a\x0bb\x0cc\x1cd\u2028e\u0085f\rg", "two\nlines", "\udcff"):
        history.append_string(line)
    assert loaded(make(file)) == ["\udcff", "two lines", "a\x0bb\x0cc\x1cd\u2028e\u0085f\rg"]


def test_the_newest_lines_are_read(tmp_path: Path) -> None:
    file = tmp_path / "history"
    file.write_text("".join(f"NOOP {number}\n" for number in range(MAX_LINES + 10)))
    lines = loaded(make(file))
    assert len(lines) == MAX_LINES
    assert (lines[0], lines[-1]) == (f"NOOP {MAX_LINES + 9}", "NOOP 10")


def test_without_a_file_it_is_in_memory_only() -> None:
    history = make(None)
    history.append_string("STAT")
    assert history.get_strings() == ["STAT"]
    assert loaded(history) == []


def test_a_place_that_cannot_be_written_is_no_reason_to_stop(tmp_path: Path) -> None:
    # Not by permissions: the superuser may write anywhere.
    (tmp_path / "file").write_bytes(b"")
    history = make(tmp_path / "file" / "history")
    history.append_string("STAT")
    history.append_string("NOOP")
    assert history.get_strings() == ["STAT", "NOOP"]
    assert loaded(make(tmp_path)) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_a_full_disk_is_no_reason_to_stop() -> None:
    history = make(Path("/dev/full"))
    history.append_string("STAT")
    assert history.get_strings() == ["STAT"]


async def test_two_shells_one_after_the_other_share_it(tmp_path: Path) -> None:
    file = tmp_path / "history"
    with RecordingServer() as server:
        async with live(server, history=file) as one:
            for line in ("USER bob", "PASS jones", ":send PASS jones\\r\\n", "APOP bob 12345"):
                await one.enter(line)
            await one.enter("STAT")
        async with live(server, history=file) as other:
            other.send(UP)
            await other.until(lambda: other.line == "STAT")
            other.send(UP)
            await other.until(lambda: other.line == "USER bob")
            other.send(UP + UP)
            await other.drawn()
            assert other.line == "USER bob"
    assert file.read_text() == "USER bob\nSTAT\n"
    assert file.stat().st_mode & 0o777 == 0o600


async def test_two_shells_at_once_both_write_to_it(tmp_path: Path) -> None:
    file = tmp_path / "history"
    with RecordingServer() as server:
        async with live(server, history=file) as one, live(server, history=file) as other:
            await one.enter("USER one")
            await other.enter("USER other")
            await one.enter("STAT")
    assert file.read_text() == "USER one\nUSER other\nSTAT\n"


async def test_a_shell_without_a_place_for_it_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with RecordingServer() as server:
        async with live(server, history=tmp_path / "file" / "history") as shell:
            await shell.ask("USER bob")
            shell.send(UP)
            await shell.until(lambda: shell.line == "USER bob")


async def test_a_secret_sent_in_two_pieces_is_remembered_in_none(tmp_path: Path) -> None:
    file = tmp_path / "history"
    with RecordingServer() as server:
        async with live(server, history=file) as shell:
            await shell.enter(":send PASS jo")
            await shell.enter(":send nes\\r\\n", until="C: PASS ****")
            await shell.enter(":send AUTH PLAIN\\r\\nAGJvYgBqb25lcw==\\r\\n")
            assert "nes" not in shell.terminal.raw.replace("lines", "")
        server.wait_for(lambda received: received.endswith(b"lcw==\r\n"))
    assert not file.exists()


async def test_without_a_connection_what_may_be_a_password_is_not_kept(tmp_path: Path) -> None:
    file = tmp_path / "history"
    with RecordingServer() as server:
        async with live(server, history=file) as shell:
            await shell.enter(":close", until="(closed)> ")
            for line in ("geheim79", "hunter", "PASS geheim79", "PAS geheim79"):
                await shell.enter(line, until="not connected")
            await shell.enter("NOOP", until="not connected")
    assert file.read_text(encoding="utf-8") == ":close\nNOOP\n"
