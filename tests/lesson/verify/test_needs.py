"""Whether what is to be typed was shown before."""

from __future__ import annotations

import pytest

from poptalk.lesson.verify.mutations import riddles
from poptalk.transcript.model import ClientLine
from poptalk.transcript.pattern import parse_pattern

KNOWN = {"user": "bob", "password": "73 and out", "apop": "c4c9334b", "n": "2"}


def riddles_in(line: str, shown: str, *earlier: str) -> list[str]:
    step = ClientLine(pattern=parse_pattern(line))
    return list(riddles(step, KNOWN, shown=shown, earlier=earlier))


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("TOP 2 0", "Use `TOP` for letter 2, with 0 lines."),
        ("TOP 2 0", "top: the second letter, and none of its lines"),
        ("RETR {n}", "RETR brings one"),
        ("RETR {m:int=3}", "RETR brings any"),
        ("USER {user}", "USER, and the name is bob."),
        ("PASS {password}", "PASS 73 and out"),
        ("APOP {user} {apop}", "APOP takes bob and a digest"),
        ("AUTH PLAIN AGJvYgBqb25lcw==", "AUTH PLAIN, then `AGJvYgBqb25lcw==`"),
        ("", "an empty line"),
    ],
)
def test_what_was_shown_is_no_riddle(line: str, shown: str) -> None:
    assert riddles_in(line, shown) == []


@pytest.mark.parametrize(
    ("line", "shown", "riddle"),
    [
        ("STAT", "Count the STATIONS.", ["STAT"]),
        ("TOP 2 0", "`TOP` looks at letter 2, of 10.", ["0"]),
        ("USER bob", "USER takes a name: Bob's.", ["bob"]),
        ("USER {user}", "USER takes a name.", ["bob"]),
        ("PASS {password}", "PASS 73", ["73 and out"]),
        ("AUTH PLAIN AGJvYg==", "AUTH PLAIN AGJvYgBqb25lcw==", ["AGJvYg=="]),
    ],
)
def test_what_was_not_is_one(line: str, shown: str, riddle: list[str]) -> None:
    assert riddles_in(line, shown) == riddle


def test_a_keyword_may_come_from_a_lesson_before() -> None:
    assert riddles_in("USER {user}", "The name is bob.") == ["USER"]
    assert riddles_in("USER {user}", "The name is bob.", "Then `USER`.") == []
    assert riddles_in("USER {user}", "Give your name.", "USER bob") == ["bob"]
