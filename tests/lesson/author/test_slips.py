"""Slips of an author's pen: each is one finding, which names the place and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from poptalk.lesson.author.preview import preview
from tests.lesson.verify.lessons import GOOD, faults_of, line_of, with_change, write_mailbox

NEXT_QUESTION = "That is letter {n} alone. Count them all.\n"


@pytest.mark.parametrize(
    ("old", "new", "line", "code", "remedy"),
    [
        (
            "C: PASS {password}\nS: +OK\n```\n\n> [!TIP]\n> First the name.",
            "C: PASS {password}\nS: +OK\n\n> [!TIP]\n> First the name.",
            "> [!TIP]\n> First the name.",
            "PT019",
            "write '```' on a line of its own above this one",
        ),
        ("## Look", "##Look", "##Look", "PT007", "write '## Look'"),
        ("- [x] three", "-[x] three", "-[x] three", "PT017", "- [x] choice -- reply"),
        (NEXT_QUESTION, "", "- [ ] two", "PT017", "right below each 'pop3 mistake' block"),
        ("S: ...", "S: …", "S: …", "PT011", "write three dots, 'S: ...'"),
        ("mailbox: three", "mailbox: none-yet", "mailbox: none-yet", "PT038", "ends in .eml"),
    ],
)
def test_a_slip_is_named_with_its_place_and_its_remedy(
    tmp_path: Path, old: str, new: str, line: str, code: str, remedy: str
) -> None:
    (tmp_path / "mailboxes" / "none-yet").mkdir(parents=True)
    text = with_change(old, new)
    first = faults_of(text, tmp_path)[0]
    assert first.line_number == line_of(text, line)
    assert first.code == code
    assert remedy in str(first)


@pytest.mark.parametrize("change", [("## Look", "##Look"), ("- [x] three", "-[x] three")])
def test_one_slip_is_one_finding(tmp_path: Path, change: tuple[str, str]) -> None:
    assert len(faults_of(with_change(*change), tmp_path)) == 1


def test_a_shipped_lesson_may_come_before(tmp_path: Path) -> None:
    """As the comment in a new lesson suggests."""
    text = with_change("mailbox: three", "mailbox: three\nafter: 03-looking")
    assert faults_of(text, tmp_path) == []
    (fault,) = faults_of(text.replace("03-looking", "03-lookin"), tmp_path)
    assert "did you mean 03-looking?" in str(fault)


def test_a_proof_while_the_learner_is_logged_in_says_so(tmp_path: Path) -> None:
    text = with_change("C: DELE 3\nS: +OK\nC: QUIT\nS: +OK\n", "C: DELE 3\nS: +OK\n")
    (fault,) = [each for each in faults_of(text, tmp_path) if each.code == "PT027"]
    assert "[IN-USE]" in str(fault)
    assert "the learner is still logged in, so QUIT comes first" in str(fault)


def test_findings_are_wrapped_between_words(tmp_path: Path) -> None:
    write_mailbox(tmp_path)
    path = tmp_path / "lesson.md"
    path.write_text(GOOD.replace("- [x]", "-[x]"), encoding="utf-8")
    rows = ["".join(text for _, text in row) for row in preview(path, columns=40)]
    assert max(map(len, rows)) <= 40
    assert "a space is missing after the '-'" in " ".join(" ".join(rows).split())
