"""Lessons on paper and as pages: nothing on a work sheet gives an answer away, in any lesson."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import unescape
from pathlib import Path

import pytest

from poptalk.cli import main
from poptalk.export.export import KEY, SHEET, WHOLE, WRITERS
from poptalk.export.page import Blanks, Chapter, Choices, Page, Passage, Talk
from poptalk.lesson.author.handout import make_page
from poptalk.lesson.document.model import Block, BlockKind, Lesson, QuizQuestion
from poptalk.lesson.document.parser import load_lesson, read_lesson
from poptalk.lesson.library import lesson_files
from poptalk.transcript.model import ClientLine
from poptalk.transcript.pattern import FillError
from tests.export.documents import dialogues_of_html, events_of_cast

LESSONS = [*lesson_files(), *sorted((lesson_files()[0].parent / "own").glob("*.md"))]


@pytest.fixture(params=LESSONS, ids=lambda path: path.stem)
def lesson(request: pytest.FixtureRequest) -> Lesson:
    path: Path = request.param
    return load_lesson(path)


def one_line(text: str) -> str:
    """Return text without Markdown, tags and line ends, as it is searched."""
    return " ".join(re.sub(r"[`*_\\]|<[^>]*>", "", unescape(text)).split())


def lines_of(lesson: Lesson, block: Block) -> Iterator[str]:
    """Give each line that is right in a task, as it is typed."""
    for step in block.dialogue.steps:
        if isinstance(step, ClientLine):
            for pattern in (step.pattern, *step.alternatives):
                try:
                    yield pattern.fill(lesson.known.bindings())
                except FillError:
                    yield pattern.source


def quotes(text: str, line: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(one_line(line))}(?!\w)", one_line(text), re.I) is not None


def words_of(part: object) -> str:
    match part:
        case Passage(source=text) | Chapter(text=text):
            return text
        case Choices(texts=texts):
            return "\n".join(texts)
    return ""


def test_a_sheet_holds_no_answer(lesson: Lesson) -> None:
    page = make_page(lesson, SHEET)
    assert not any(isinstance(part, Talk) for part in page.parts)
    assert not any(part.ticked for part in page.parts if isinstance(part, Choices))
    for end in ("html", "md"):
        sheet = WRITERS[end](page)
        assert "<!--" not in sheet
        assert "[x]" not in sheet
        assert "\u2611" not in sheet
        text = one_line(sheet)
        said = [*spoken_to_learners(lesson)]
        assert [words for words in said if one_line(words) in text] == []
    found = set(given_away(lesson, page))
    assert found == SAID_LATER.get(lesson.name, set())


def spoken_to_learners(lesson: Lesson) -> Iterator[str]:
    """Give all that the tutor says of answers: hints, mistakes, replies to choices."""
    for item in lesson.items():
        if isinstance(item, QuizQuestion):
            yield from (choice.reply for choice in item.choices if choice.reply)
        if isinstance(item, Block):
            yield from (mistake.comment.source for mistake in item.mistakes)
        if isinstance(item, QuizQuestion | Block):
            yield from (hint.source for hint in item.hints)


def given_away(lesson: Lesson, page: Page) -> Iterator[str]:
    """Give the lines of tasks that the sheet has after them, and that it did not tell before."""
    tasks = list(lesson.blocks(BlockKind.TASK))
    shows = [part for part in page.parts if isinstance(part, Blanks)]
    assert len(shows) == len(tasks) + len(list(lesson.blocks(BlockKind.SHOW)))
    texts = [words_of(part) for part in page.parts]
    places = [
        place for place, part in enumerate(page.parts) if _is_of_task(part, page.parts, place)
    ]
    for block, place in zip(tasks, places, strict=True):
        for line in lines_of(lesson, block):
            told = any(quotes(text, line) for text in texts[:place])
            if not told and any(quotes(text, line) for text in texts[place:]):
                yield line


SAID_LATER = {
    "05-changing-your-mind": {"RETR 5"},
    "09-what-can-you-do": {"USER bob", "PASS jones", "STAT"},
    "12-six-broken-servers": {"UIDL"},
    "13-the-help-desk": {"TOP 3 8"},
}
"""Lines of a task that a later task, or a later question, cannot but name."""


def _is_of_task(part: object, parts: Sequence[object], place: int) -> bool:
    before = parts[place - 1]
    watches = isinstance(before, Passage) and before.source.startswith("Watch what poptalk shows")
    return isinstance(part, Blanks) and not watches


def test_an_answer_that_slipped_in_would_be_found() -> None:
    text = """---
title: A slip
summary: It tells too much.
minutes: 1
mailbox: article
---
# A slip

## Ask

How many are there?

```pop3
C: USER {user}
S: +OK
C: PASS {password}
S: +OK
C: STAT
S: +OK
```

That was `PASS jones`.

What next? <!-- the answer is two -->

- [ ] one -- no
- [x] two -- yes

Both said, with `STAT`.
"""
    lesson = read_lesson(text, name="slip", path=LESSONS[0])
    page = make_page(lesson, SHEET)
    assert [words_of(part) for part in page.parts] == [
        "Ask",
        "How many are there?",
        "",
        "What next? ",
        "one\ntwo",
    ]
    leaking = Page(title="x", parts=(*page.parts, Passage(source="It was `PASS  jones`.")))
    assert not [*given_away(lesson, page)]
    assert [*given_away(lesson, leaking)] == ["PASS jones"]


def test_the_whole_lesson_and_its_key_are_valid_pages(lesson: Lesson) -> None:
    whole, key = make_page(lesson, WHOLE), make_page(lesson, KEY)
    for page in (whole, key):
        assert dialogues_of_html(WRITERS["html"](page))
        titles = [part.text for part in page.parts if isinstance(part, Chapter)]
        assert titles == [step.title for step in lesson.steps]
    questions = [item for item in lesson.items() if isinstance(item, QuizQuestion)]
    ticked = [part.ticked for part in key.parts if isinstance(part, Choices)]
    assert ticked == [
        [place for place, choice in enumerate(question.choices) if choice.right]
        for question in questions
    ]
    # The key has what was typed, and the page what may be shown.
    written = "".join(part.text for part in key.parts if isinstance(part, Talk))
    masked = "".join(part.text for part in whole.parts if isinstance(part, Talk))
    assert ("PASS {password}" in masked) == ("PASS jones" in written)
    assert "PASS jones" not in masked
    markers = [data for _, kind, data in events_of_cast(WRITERS["cast"](whole)) if kind == "m"]
    assert markers == titles


def test_what_is_copied_from_a_lesson_replays(tmp_path: Path) -> None:
    lesson = load_lesson(lesson_files()[2])
    copied = "".join(dialogues_of_html(WRITERS["html"](make_page(lesson, WHOLE, explain=True))))
    file = tmp_path / "copied.pop3"
    file.write_text(copied)
    assert "# " in copied
    mail = lesson.path.parent / "mailboxes" / lesson.mailbox
    assert main(["run", str(file), "--maildrop", str(mail), "--persona", lesson.persona]) == 0
