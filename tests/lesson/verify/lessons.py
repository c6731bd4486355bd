"""A lesson that is all right, and the same with one thing wrong."""

from __future__ import annotations

from pathlib import Path

from poptalk.lesson.document.model import LessonFault
from poptalk.lesson.verify.check import check_lesson

GOOD = (Path(__file__).parent / "good.md").read_text(encoding="utf-8")


def with_change(old: str, new: str) -> str:
    """Return the good lesson with one place changed, which must stand in it once."""
    assert GOOD.count(old) == 1, f"{old!r} stands there {GOOD.count(old)} times"
    return GOOD.replace(old, new)


def faults_of(text: str, folder: Path) -> list[LessonFault]:
    """Prove a lesson that is written into a folder."""
    write_mailbox(folder)
    path = folder / "lesson.md"
    path.write_text(text, encoding="utf-8")
    return list(check_lesson(path).faults)


def line_of(text: str, part: str) -> int:
    """Return the line on which a part of a text begins."""
    return text[: text.index(part)].count("\n") + 1


def write_mailbox(folder: Path) -> None:
    """Write the three letters of the good lesson beside it."""
    mailbox = folder / "mailboxes" / "three"
    mailbox.mkdir(parents=True, exist_ok=True)
    for number in (1, 2, 3):
        letter = f"From: nora@club.example\r\nSubject: {number}\r\n\r\nHello again.\r\n"
        (mailbox / f"{number}.eml").write_bytes(letter.encode())
