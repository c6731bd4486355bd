"""The menu: what is done of each lesson, and which comes next."""

from __future__ import annotations

from pathlib import Path

import pytest

from poptalk.config import state_directory
from poptalk.lesson.document.parser import load_lesson
from poptalk.lesson.library import curriculum
from poptalk.lesson.progress import EventKind, ProgressEvent, ProgressLog, step_hash
from poptalk.lesson.ui.controller import LessonController
from poptalk.lesson.ui.menu import PROGRESS_FILE, Menu, as_sentence, card
from tests.shell.learners import learning
from tests.shell.shells import CTRL_D

FIRST, SECOND, THIRD, FOURTH, *_ = [load_lesson(place.path) for place in curriculum()]


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def did(*, whole: tuple[object, ...] = (), begun: object = None) -> None:
    """Write into the learner's progress: lessons that are done, and one with its first step done."""
    log = ProgressLog(state_directory() / PROGRESS_FILE)
    for lesson in (FIRST, SECOND, THIRD):
        steps = lesson.steps if lesson in whole else lesson.steps[: int(lesson is begun)]
        for step in steps:
            for kind in (EventKind.STARTED, EventKind.PASSED):
                event = ProgressEvent(
                    lesson=lesson.name, step=step.slug, step_hash=step_hash(step), kind=kind
                )
                log.append(event)
        if lesson in whole:
            log.append(ProgressEvent(lesson=lesson.name, kind=EventKind.ENDED))


@pytest.mark.parametrize("columns", [40, 120])
async def test_a_newcomer_is_greeted_and_sees_all_lessons(columns: int) -> None:
    async with learning(None, columns=columns, rows=60) as learner:
        await learner.says("Welcome to poptalk.")
        for place in curriculum():
            assert f"{place.number} {load_lesson(place.path).title}" in learner.words
        await learner.says(f"Enter begins lesson 1, {FIRST.title}.")
        assert learner.prompt == f"lesson 1-{len(curriculum())}>"
        assert "[done]" not in learner.words


async def test_on_24_rows_the_greeting_is_still_there() -> None:
    async with learning(None, rows=24) as learner:
        await learner.says("Welcome to poptalk.")
        assert any("Welcome to poptalk." in row for row in learner.terminal.screen.display)


@pytest.mark.parametrize(
    ("title", "sentence"), [("Reading", "Reading."), ("What can you do?", "What can you do?")]
)
def test_a_title_ends_a_sentence(title: str, sentence: str) -> None:
    assert as_sentence(title) == sentence


async def test_enter_takes_the_first_lesson() -> None:
    async with learning(None, rows=40) as learner:
        await learner.does("")
        await learner.says(f"Step 1 of {len(FIRST.steps)}")
        assert isinstance(learner.shell.controller, LessonController)


async def test_what_is_done_is_said_in_words() -> None:
    did(whole=(FIRST,), begun=SECOND)
    async with learning(None, rows=40) as learner:
        await learner.says("[done]")
        await learner.says(f"[begun 1/{len(SECOND.steps)}]")
        assert "Welcome" not in learner.words
        await learner.says(f"Enter goes on with lesson 2, {SECOND.title}.")
        await learner.does("")
        await learner.says(f"Step 2 of {len(SECOND.steps)}: resumed")


async def test_enter_takes_the_one_behind_what_is_done() -> None:
    did(whole=(FIRST, SECOND))
    async with learning(None, rows=40) as learner:
        await learner.says("Enter begins lesson 3")


@pytest.mark.parametrize("word", ["3", "03", "looking", "03-looking"])
async def test_any_lesson_by_number_and_by_name(word: str) -> None:
    async with learning(None, rows=40) as learner:
        await learner.does(word)
        await learner.says(f"Step 1 of {len(THIRD.steps)}")


async def test_what_is_no_lesson_is_said_and_nothing_is_sent() -> None:
    async with learning(None, rows=40) as learner:
        await learner.does("lokking", "QUIT")
        await learner.says("did you mean 03-looking?")
        assert isinstance(learner.shell.controller, Menu)
        assert learner.view() == []


@pytest.mark.parametrize("command", [":hint", ":skip", ":back", ":reset", ":state", ":report"])
async def test_commands_for_inside_a_lesson(command: str) -> None:
    async with learning(None, rows=40) as learner:
        await learner.does(command)
        await learner.says(f"{command} is for inside a lesson")


async def test_other_local_commands_do_no_harm() -> None:
    async with learning(None, rows=60) as learner:
        for command in (":help", ":why", ":raw", ":last", ":open", ":open localhost", ":close"):
            await learner.does(command)
        assert "a fault in poptalk" not in learner.words
        await learner.does(":map")
        assert learner.words.count(f" {THIRD.title} ") == 2


async def test_after_a_lesson_enter_goes_on_to_the_next() -> None:
    async with learning(FIRST.path, rows=40) as learner:
        while not learner.controller.finished:
            await learner.does(":skip")
        await learner.says(f"Next comes lesson 2, {SECOND.title}.")
        await learner.does("")
        await learner.says(f"Step 1 of {len(SECOND.steps)}")
        await learner.does(":menu")
        await learner.says("[done]")


async def test_ctrl_d_leaves() -> None:
    async with learning(None) as learner:
        learner.send(CTRL_D)
        await learner.left()


# The card at the end of a lesson.


def test_the_card_has_what_a_lesson_added_and_what_is_to_come() -> None:
    words = card(THIRD, before=[FIRST, SECOND], later=[FOURTH])
    assert "- `STAT`: how many messages, how many octets\n- `LIST [msg]`: " in words
    assert "`USER" not in words
    assert words.endswith("Still to come: `TOP`, `RETR`.")


def test_a_lesson_without_a_new_command_names_what_was_practised() -> None:
    words = card(THIRD, before=[THIRD])
    assert words == "You have practised `USER`, `PASS`, `STAT`, `LIST`."


def test_a_refused_command_was_not_learnt() -> None:
    """Lesson 1 has LIST refused before the login."""
    assert "`LIST" not in card(FIRST)


async def test_the_card_is_shown_at_the_end_of_a_lesson() -> None:
    async with learning(rows=60) as learner:
        await learner.does("USER bob", "PASS jones", "", "b", "STAT", "", "DELE 3", "QUIT")
        await learner.does("", "", "USER bob", "PASS jones", "STAT")
        assert learner.controller.finished
        await learner.says("What you can do now: - USER name: say whose maildrop you want")
