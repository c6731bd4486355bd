"""The local commands of lessons, and what the tutor knows of them."""

from __future__ import annotations

import pytest

from poptalk.lesson.feedback import LESSON_COMMANDS
from poptalk.pop3.commands import VERBS
from poptalk.shell.commands.general import LOCAL_COMMANDS


def test_the_tutor_knows_what_may_be_typed_without_its_colon() -> None:
    of_lessons = {name for name, command in LOCAL_COMMANDS.items() if command.in_lessons}
    assert of_lessons < set(LESSON_COMMANDS) <= set(LOCAL_COMMANDS)


@pytest.mark.parametrize("word", LESSON_COMMANDS)
def test_none_of_them_is_a_command_of_pop3(word: str) -> None:
    assert word.upper() not in {verb.keyword for verb in VERBS.values()}
