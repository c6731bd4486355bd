"""What the board looks like: it fits, says nothing by colour alone, and hides names when asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from poptalk.classroom import board
from poptalk.classroom.board import LETTERS, Looks
from poptalk.classroom.pupil import Remark
from poptalk.classroom.view import BoardView, PupilView, StepState, StepTally
from poptalk.lesson.actions import FeedbackKind
from poptalk.terminal.safe import Fragments, cells

SIZES = [(80, 24), (60, 18), (40, 18), (40, 10)]

STATES = (StepState.DONE, StepState.DUE, StepState.TO_DO, StepState.TO_DO)

ADA = PupilView(
    number=1,
    name="ada",
    is_named=True,
    is_connected=True,
    is_finished=False,
    steps=STATES,
    step="2 A mark",
    misses=3,
    all_misses=4,
    stuck_seconds=75,
    line="USER ada, please",
    word="not yet",
    remark="Only the name goes after USER, and ada knows it. " * 3,
    trouble="",
)

JOIN = ("On the blackboard:", "", "    telnet 192.0.2.1 2110", "    password  amber42")


def a_class(*pupils: PupilView) -> BoardView:
    """Return a class with some pupils."""
    return BoardView(
        lesson="Changing your mind",
        pupils=tuple(sorted(pupils, key=lambda pupil: pupil.urgency)),
        steps=tuple(StepTally(number=n, title="Step", done=25 - n) for n in (1, 2, 4, 6)),
        wrong_lines=(("LSIT", 4), ("USER ada", 2)),
        seconds=3725,
        finished=0,
        connected=1,
    )


def texts(rows: list[Fragments]) -> list[str]:
    """Return the rows as a person reads them."""
    return ["".join(text for _, text in row) for row in rows]


def many(count: int) -> list[PupilView]:
    """Return pupils, the first of them most in need of help."""
    return [
        replace(ADA, number=n, name=f"pupil{n}", stuck_seconds=1000 - n, remark="Try again.")
        for n in range(1, count + 1)
    ]


@pytest.mark.parametrize(("columns", "rows"), SIZES)
@pytest.mark.parametrize("selected", [None, 1, 12, 25])
def test_it_fits(columns: int, rows: int, selected: int | None) -> None:
    looks = Looks(columns=columns, rows=rows, selected=selected)
    drawn = texts(board.draw(a_class(*many(25)), looks))
    assert len(drawn) <= rows
    assert max(map(cells, drawn)) <= columns
    assert selected is None or any(f"> pupil{selected}"[: 9 + 2] in row for row in drawn)


@pytest.mark.parametrize(("columns", "rows"), SIZES)
def test_everything_else_fits_as_well(columns: int, rows: int) -> None:
    looks = Looks(columns=columns, rows=rows)
    said = [[("client", "C: "), ("text", "x" * 200)], [("server", "S: "), ("text", "+OK")]]
    remark = Remark(line="", kind=FeedbackKind.NOT_YET, text=ADA.remark)
    for drawn in (
        board.exchange(ADA, [*said, remark], a_class(ADA), looks),
        board.joining(JOIN, looks),
        board.nobody(JOIN, ["127.0.0.1"], 2110, 61, looks),
    ):
        assert len(drawn) <= rows
        assert max(map(cells, texts(drawn))) <= columns


def test_the_stuck_come_first_and_those_who_have_finished_last() -> None:
    pupils = (
        replace(ADA, number=1, name="finished", is_finished=True),
        replace(ADA, number=2, name="away", is_connected=False),
        replace(ADA, number=3, name="quick", misses=0, stuck_seconds=5),
        replace(ADA, number=4, name="slow", misses=0, stuck_seconds=600),
        replace(ADA, number=5, name="wrong", misses=9, stuck_seconds=500),
    )
    found = [pupil.name for pupil in a_class(*pupils).pupils]
    assert found == ["wrong", "slow", "quick", "away", "finished"]


def test_a_pupil_is_a_row_of_blocks_the_line_and_what_poptalk_says() -> None:
    drawn = texts(board.draw(a_class(ADA), Looks(columns=80, rows=24)))
    assert drawn[0].startswith("Changing your mind")
    assert drawn[0].endswith("1 here, 0 finished, 1:02:05")
    assert drawn[1] == "past step 1:24 2:23 4:21 6:19"
    assert drawn[2] == "wrong lines  LSIT (4), USER ada (2)"
    assert drawn[4].split() == ["ada", "█▒░░", "1m", "3", "wrong", "USER", "ada,", "please"]
    assert drawn[5].startswith("    not yet: Only the name goes after USER")


def test_the_whole_address_stands_for_a_pupil_without_a_name() -> None:
    unknown = replace(ADA, number=-1, name="192.168.178.101", is_named=False)
    drawn = texts(board.draw(a_class(unknown), Looks(columns=60, rows=17)))
    assert drawn[4].split()[0] == "192.168.178.101"


def test_letters_stand_for_blocks_where_there_are_none() -> None:
    drawn = texts(board.draw(a_class(ADA), Looks(blocks=LETTERS)))
    assert "#>.." in drawn[4]
    assert "\n".join(drawn).isascii()


def test_hidden_names_are_nowhere() -> None:
    looks = Looks(hides_names=True, selected=1)
    said = [[("client", "C: "), ("text", "USER Ada")], [("server", "S: "), ("text", "+OK ada, hi")]]
    shown = texts(board.draw(a_class(ADA), looks))
    shown += texts(board.exchange(ADA, said, a_class(ADA), looks))
    assert "ada" not in "\n".join(shown).casefold()
    assert "pupil 1" in "\n".join(shown)


def test_a_narrow_blackboard_keeps_its_columns() -> None:
    join = (
        "    or poptalk learn 5 127.0.0.1 2110",
        "",
        "    name      your own first name, one word",
    )
    assert texts(board.joining(join, Looks(columns=40)))[:4] == [
        "    or poptalk learn 5 127.0.0.1 2110",
        "",
        "    name      your own first name, one",
        "              word",
    ]


def test_nobody_yet_names_the_usual_causes_after_a_minute() -> None:
    looks = Looks(columns=60, rows=18)
    assert "firewall" not in "\n".join(texts(board.nobody(JOIN, ["0.0.0.0"], 2110, 59, looks)))
    others = " ".join(texts(board.nobody(JOIN, ["0.0.0.0"], 2110, 60, looks)))
    for cause in ("firewall", "address may be wrong", "client isolation"):
        assert cause in others
    assert "telnet 127.0.0.1 2110" in others
    alone = " ".join(texts(board.nobody(JOIN, ["127.0.0.1"], 2110, 60, looks)))
    assert "only this machine can reach" in alone
    assert "--listen 0.0.0.0" in alone
