"""The rules of the walk find what they are there to find."""

from __future__ import annotations

from dataclasses import replace

import pytest

from poptalk.lesson.actions import Awaiting
from poptalk.lesson.document.model import Turn, turns
from poptalk.lesson.session import Cursor
from poptalk.pop3.commands import State
from poptalk.transcript.parser import parse_dialogue
from tests.lesson.walk.learner import Place, Seen
from tests.lesson.walk.mistakes import WRONG_PASSWORD, Mistake
from tests.lesson.walk.rules import Case, findings

PLACE = Place(
    awaiting=Awaiting.COMMAND,
    cursor=Cursor(step=0, item=1),
    state=State.TRANSACTION,
    marked=frozenset(),
)
FURTHER = replace(PLACE, cursor=Cursor(step=0, item=2))


def turn(text: str) -> Turn:
    return turns(parse_dialogue(text))[0]


RETR = turn("C: RETR 2\nS: +OK\nS: ...\nS: .")
REFUSAL = turn("C: HELLO\nS: -ERR")


def case(typed: str, *rows: str, kind: str = "", turn: Turn = RETR, after: Place = PLACE) -> Case:
    return Case(
        mistake=Mistake(kind, typed),
        turn=turn,
        bindings={},
        before=PLACE,
        after=after,
        seen=Seen(typed=typed, rows=rows),
    )


@pytest.mark.parametrize(
    "case",
    [
        case("RETR 1", "S: +OK", "not yet: That was message 1."),
        case("RETR 9", "S: -ERR", "not yet: The server refused: is there a message 9?"),
        case("retr 2", "S: +OK", "done: RETR.", after=FURTHER),
        case("HELLO", "S: -ERR", "done: HELLO.", turn=REFUSAL, after=FURTHER),
        case("NOOP", "S: +OK", "note: NOOP is fine here.", kind="looking around"),
        case("LIST 1", "S: +OK 1 9", "not yet: Message 2.", turn=turn("C: LIST 2\nS: +OK")),
    ],
)
def test_what_is_right_is_not_found(case: Case) -> None:
    assert list(findings(case)) == []


@pytest.mark.parametrize(
    ("case", "found"),
    [
        (case("STAT", "S: +OK 1 2", "not yet: The server doesn't know STAT."), "says no to a +OK"),
        (case("STAT", "S: -ERR", "note: STAT is fine here."), "says that a -ERR is fine"),
        (case("RETR 2", "S: -ERR", "done: RETR.", after=FURTHER), "-ERR is called done"),
        (
            case("HELLO", "S: +OK", "done: HELLO.", turn=REFUSAL, after=FURTHER),
            "+OK is called done",
        ),
        (case("RETR 3", "S: +OK", "done: RETR.", after=FURTHER), "is another line"),
        (case("XYZ", "S: -ERR", "S: ."), "nothing is said"),
        (case("RETR 2", "S: +OK", after=FURTHER), "without saying so"),
        (case("STAT", "S: +OK", "not yet: No.", kind="looking around"), "looking around is called"),
        (case("x", "S: -ERR", "note: Did you mean None?"), "says 'None'"),
        (case("x", "Traceback (most recent call last)"), "says 'Traceback'"),
        (case("x", f"C: PAS {WRONG_PASSWORD}", "S: -ERR", "not yet: No."), "password"),
        (case("RETR 2", "S: -ERR", "not yet: Now type: RETR 2"), "advises what was typed"),
        (case("x", "S: -ERR", "not yet: " + "no " * 60), "characters long"),
        (case("x", "S: +OK", "could not judge: The reply is another."), "could not judge"),
        (case("x", after=replace(PLACE, awaiting=Awaiting.BUSY)), "at work for ever"),
    ],
)
def test_what_is_wrong_is_found(case: Case, found: str) -> None:
    assert any(found in each for each in findings(case)), list(findings(case))


def test_comments_are_read_from_the_rows_of_a_narrow_screen() -> None:
    rows = (
        "C: XYZ",
        "S: -ERR",
        "not yet: The server doesn't",
        "  know it.",
        "",
        "hint: :hint helps.",
    )
    seen = Seen(typed="XYZ", rows=rows)
    assert seen.status == "-ERR"
    assert seen.comments == [
        ("not yet", "The server doesn't know it."),
        ("hint", ":hint helps."),
    ]
