"""The letters of the lessons are right as mail, so that a learner sees nothing wrong by accident."""

from __future__ import annotations

import re
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from poptalk.config import lessons_directory

MAILBOXES = lessons_directory() / "mailboxes"

SOURCES = ("rfc1939", "article")
"""Mailboxes whose sizes are given by what they come from; their letters are as bare as that asks for."""

LETTERS = sorted(
    letter
    for letter in MAILBOXES.glob("**/*.eml")
    if letter.parent not in [MAILBOXES / name for name in SOURCES]
)

BARE = MAILBOXES / "dots" / "1-ida.eml"
"""So short that its octets can be counted by hand, which its lesson asks for."""

MOST_COLUMNS = 72
"""Cells of a line, with `S: ` in front of it, on a screen of 80."""

NEEDED = ("Date", "From", "To", "Subject", "Message-ID")

_DOMAIN = re.compile(rb"[\w.+-]+@([\w.-]+)")


def test_there_are_letters() -> None:
    assert {"letters", "later"} <= {letter.parent.name for letter in LETTERS}


@pytest.mark.parametrize(
    "letter", LETTERS, ids=lambda letter: f"{letter.parent.name}/{letter.name}"
)
def test_a_letter_is_right_as_mail(letter: Path) -> None:
    content = letter.read_bytes()
    message = message_from_bytes(content, policy=default)
    assert content.count(b"\n") == content.count(b"\r\n") == content.count(b"\r")
    assert content.endswith(b"\r\n")
    assert max(map(len, content.splitlines())) <= MOST_COLUMNS
    assert [name for name in NEEDED if name not in message] == [] or letter == BARE
    defects = [part.defects for part in message.walk()]
    defects += [value.defects for value in message.values()]
    assert not any(defects)
    assert all(domain.endswith(b".example") for domain in _DOMAIN.findall(content))
