"""Letters that are stored small and laid out large."""

from __future__ import annotations

from pathlib import Path

import pytest

from poptalk.lesson.server import MOST_OCTETS, Mailbox, MailboxError, find_mailbox, grow

HEADER = b"From: ted@club.example\r\n%bSubject: A map\r\n"
GROW = b"X-Poptalk-Grow: 5000\r\n"
PARTS = (
    b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="edge"\r\n\r\n'
    b"--edge\r\n\r\nSee the map.\r\n--edge\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    b"iVBORw0KGgoAAAANSUhEUgAA\r\n--edge--\r\n"
)


def test_an_ordinary_letter_stays_what_it_is() -> None:
    letter = HEADER % b"" + b"\r\n" + GROW
    assert grow(letter) == letter


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
def test_a_part_is_grown(line_end: bytes) -> None:
    stored = (HEADER % GROW + PARTS).replace(b"\r\n", line_end)
    grown = grow(stored)
    assert GROW[:14] not in grown
    assert 4900 <= len(grown.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")) <= 5000
    lines = grown.split(line_end)
    assert lines[-2:] == [b"--edge--", b""]
    assert lines[-3] == lines[-100] == b"iVBORw0KGgoAAAANSUhEUgAA"
    assert grown.startswith((HEADER % b"").replace(b"\r\n", line_end))


@pytest.mark.parametrize("end", [b"\r\n", b""])
def test_without_parts_the_last_line_is_grown(end: bytes) -> None:
    grown = grow(HEADER % GROW + b"\r\nDear all,\r\n73 de Ted" + end)
    assert 4900 <= len(grown) <= 5000
    assert grown.endswith(b"\r\n73 de Ted" * 100 + b"\r\n")
    assert grown.count(b"Dear all") == 1


def test_a_letter_that_is_large_enough_only_loses_the_field() -> None:
    assert grow(HEADER % b"x-poptalk-grow: 3\r\n" + b"\r\n73\r\n") == HEADER % b"" + b"\r\n73\r\n"


@pytest.mark.parametrize("number", [b"", b"many", b"-1", b"%d" % (MOST_OCTETS + 1), b"9" * 5000])
def test_what_is_no_number_is_refused(number: bytes, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "1.eml").write_bytes(
        HEADER % (b"X-Poptalk-Grow: " + number + b"\r\n") + b"\r\n73\r\n"
    )
    with pytest.raises(MailboxError, match=r"1\.eml: X-Poptalk-Grow takes a number of octets"):
        Mailbox(source, tmp_path)


def test_the_folder_beside_the_lesson_comes_first(tmp_path: Path) -> None:
    own = tmp_path / "mailboxes" / "article"
    assert find_mailbox("article", beside=tmp_path / "lesson.md") != own
    own.mkdir(parents=True)
    assert find_mailbox("article", beside=tmp_path / "lesson.md") == own


def test_the_source_is_left_alone(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "later").mkdir(parents=True)
    (source / "later" / "2.eml").write_bytes(HEADER % b"" + b"\r\n73\r\n")
    mailbox = Mailbox(source, tmp_path)
    mailbox.let_later_letters_in(beginnings=mailbox.beginnings)
    assert [letter.name for letter in mailbox.maildrop.iterdir()] == ["2.eml"]
    mailbox.start_over()
    assert not list(mailbox.maildrop.iterdir())
    assert [path.name for path in source.iterdir()] == ["later"]
