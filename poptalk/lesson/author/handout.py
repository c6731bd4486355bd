"""A lesson as a page, or on paper: the whole of it, a work sheet, and the key to that.

The whole lesson is a dry run of it: what the tutor says to a learner who makes no mistake, and the
session with the practice server's real replies.  The key is the same, with what was typed where the
other has placeholders.  A work sheet is made from the document alone.  It has the tasks, with lines to
write on, and nothing that would give an answer away: no line of a task, no reply, no hint, nothing after
the last task of a step, and between two tasks no paragraph that quotes the answer to the first, except
the one that states the second.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from poptalk.export.export import KEY, SHEET, ExportSettings
from poptalk.export.page import Blanks, Chapter, Choices, Page, Part, Passage, Talk
from poptalk.export.reading import read
from poptalk.lesson.actions import Ask, Feedback, FeedbackKind, Heading, LessonAction, Say
from poptalk.lesson.document import model
from poptalk.lesson.document.parser import load_lesson
from poptalk.lesson.driver import SecondConnection
from poptalk.lesson.library import LessonNotFound, find_lesson
from poptalk.lesson.server import LessonServer, LessonServerError, PracticeLessonServer
from poptalk.lesson.verify.dry_run import DryRunLearner, Stuck
from poptalk.net.endpoint import UsageError
from poptalk.pop3.events import Sent
from poptalk.session.log import TextLog
from poptalk.terminal.markdown import make_parser
from poptalk.transcript.model import ClientLine, Comment, Dialogue, Send, Side, Step
from poptalk.transcript.octets import text_of
from poptalk.transcript.parser import parse_dialogue
from poptalk.transcript.pattern import FillError, make_pattern


def page_of_lesson(settings: ExportSettings) -> Page:
    """Make the page that was asked for.

    Raises:
        UsageError: there is no such lesson, it is wrong, or its server cannot be started.
    """
    try:
        path = find_lesson(settings.source)
        return make_page(load_lesson(path), settings.handout, explain=settings.explain)
    except (LessonNotFound, FileNotFoundError, model.LessonErrors, LessonServerError) as error:
        raise UsageError(str(error)) from error
    except Stuck as error:
        place = f"{path}:{error.line}" if error.line else str(path)
        raise UsageError(
            f"{place}: the lesson doesn't go on: {error.last_words}; poptalk lessons check says more"
        ) from error


def make_page(lesson: model.Lesson, handout: str, *, explain: bool = False) -> Page:
    """Make a page of a lesson.

    Args:
        lesson: the lesson.
        handout: which page: `WHOLE`, `SHEET` or `KEY`.
        explain: whether each reply is explained.

    Raises:
        LessonServerError: the lesson's own server cannot be started.
        Stuck: the lesson doesn't go on, though what it awaits was done.
    """
    if handout == SHEET:
        # Without the summary, which may say what is to be found out.
        parts = tuple(_sheet(lesson))
        return Page(title=f"Work sheet: {lesson.title}", parts=parts, written_on=True)
    is_key = handout == KEY
    return Page(
        title=f"Key: {lesson.title}" if is_key else lesson.title,
        summary=lesson.summary,
        parts=tuple(_performed(lesson, explain=explain, as_typed=is_key)),
    )


# The whole lesson, and the key.


_CUT = re.compile(r"part (\d+)")
"""The comment that is put into the session where something else was said."""


class _Performance(DryRunLearner):
    """A dry run that keeps what was said, and the session."""

    def __init__(self, lesson: model.Lesson, lesson_server: LessonServer) -> None:
        super().__init__(lesson, lesson_server)
        self.file = io.StringIO()
        self._session.log = TextLog("", self._session, file=self.file)
        self.parts: list[Part] = []
        """All that isn't the session; a comment in the session marks the place of each."""
        self.sent: list[bytes] = []
        """Each line of the client."""
        self._asked = False
        self._session.observe({Sent: lambda event: self.sent.append(event.line)})

    def show(self, action: LessonAction) -> None:
        super().show(action)
        match action:
            case Heading(text=text, level=2):
                self._add(Chapter(text=text))
            case Say(source=source):
                self._add(Passage(source=source))
            case Ask(question=question):
                self._add(_choices(question, ticked=True))
            case Feedback(text=text) if text and (self._asked or action.kind is FeedbackKind.NEWS):
                self._add(Passage(source=text))
        if isinstance(action, Ask | Feedback):
            self._asked = isinstance(action, Ask)

    def prove(self, second: SecondConnection, done: Callable[[], None]) -> None:
        dialogue = read(second.dialogue)
        self._add(Talk(dialogue=dialogue, caption="On a second connection, by poptalk itself"))
        super().prove(second, done)

    def _add(self, part: Part) -> None:
        self.file.write(f"# part {len(self.parts)}\n")
        self.parts.append(part)


def _performed(lesson: model.Lesson, *, explain: bool, as_typed: bool) -> Iterator[Part]:
    """Give a lesson as it goes.

    Args:
        lesson: the lesson.
        explain: whether each reply is explained.
        as_typed: whether secrets are shown: the practice server's passwords are public.
    """
    with PracticeLessonServer(lesson) as lesson_server:
        performance = _Performance(lesson, lesson_server)
        try:
            performance.begin()
            while not performance.at_end:
                performance.go_on()
            text = performance.file.getvalue()
        finally:
            performance.close()
    said = parse_dialogue(text, name=lesson.name)
    steps: list[Step] = [
        step for step in said.steps if not isinstance(step, Comment) or _CUT.fullmatch(step.text)
    ]
    # The session is cut where something else was said, and that is put there.
    sent = iter(performance.sent)
    lines: list[Step] = []
    for step in read(Dialogue(steps=tuple(steps)), explain=explain).steps:
        cut = _CUT.fullmatch(step.text) if isinstance(step, Comment) else None
        if isinstance(step, ClientLine):
            line = next(sent)
            lines.append(replace(step, pattern=make_pattern(text_of(line))) if as_typed else step)
        elif cut is None:
            lines.append(step)
        else:
            if lines:
                yield Talk(dialogue=Dialogue(steps=tuple(lines)))
            lines.clear()
            yield performance.parts[int(cut[1])]
    if lines:
        yield Talk(dialogue=Dialogue(steps=tuple(lines)))


def _choices(question: model.QuizQuestion, *, ticked: bool) -> Choices:
    right = [place for place, choice in enumerate(question.choices) if choice.right]
    texts = tuple(choice.text for choice in question.choices)
    return Choices(texts=texts, ticked=right if ticked else ())


# The work sheet.


_WATCH = "Watch what poptalk shows here, and write down what you see."


def _sheet(lesson: model.Lesson) -> Iterator[Part]:
    answers = _Answers(lesson)
    yield from _section(lesson.introduction, answers)
    for step in lesson.steps:
        yield Chapter(text=step.title)
        yield from _section(step.items, answers)


def _section(items: Sequence[model.Item], answers: _Answers) -> Iterator[Part]:
    """Give what is on the sheet of the items under one heading."""
    answers.kept.clear()
    tasks = [place for place, item in enumerate(items) if model.is_for_learner(item)]
    for place, item in enumerate(items):
        match item:
            case model.Prose():
                comes_last = bool(tasks) and place > tasks[-1]
                source = "" if comes_last else answers.without(item.source, states_task=bool(tasks))
                if source:
                    yield Passage(source=source)
            case model.QuizQuestion():
                choices = _choices(item, ticked=False)
                answers.said += choices.texts
                yield choices
            case model.Block(kind=model.BlockKind.TASK):
                answers.add(item)
                labels: list[str] = []
                for turn in item.turns:
                    labels += [Side.CLIENT.value] if isinstance(turn.act, Send) else []
                    labels += [Side.SERVER.value] if turn.reply is not None else []
                yield Blanks(labels=tuple(labels))
            case model.Block(kind=model.BlockKind.SHOW):
                yield Passage(source=_WATCH)
                yield Blanks(labels=(Side.SERVER.value,) * 2)


class _Answers:
    """What a sheet doesn't say: the lines of the tasks so far that no prose before them has told."""

    def __init__(self, lesson: model.Lesson) -> None:
        self._known = lesson.known.bindings()
        self.said: list[str] = []
        """What the sheet has said so far."""
        self.kept: list[str] = []
        """The answers to the tasks under the present heading."""

    def add(self, task: model.Block) -> None:
        """Take note of the lines that are right in a task, as they are typed."""
        for step in task.dialogue.steps:
            if isinstance(step, ClientLine):
                for pattern in (step.pattern, *step.alternatives):
                    try:
                        line = pattern.fill(self._known)
                    except FillError:
                        continue  # It depends on what the server said, and is in no prose.
                    if not any(_quotes(text, line) for text in self.said):
                        self.kept.append(line)

    def without(self, source: str, *, states_task: bool) -> str:
        """Return prose without the paragraphs that quote an answer.

        Args:
            source: the prose.
            states_task: whether its last paragraph, and what belongs to it, states the next task.
        """
        lines = source.split("\n")
        tokens = [t for t in make_parser().parse(source) if t.map is not None and not t.level]
        blocks = ["\n".join(lines[slice(*token.map or ())]) for token in tokens]
        paragraphs = [place for place, t in enumerate(tokens) if t.type == "paragraph_open"]
        task = paragraphs[-1] if paragraphs and states_task else len(blocks)
        kept = [
            block
            for place, block in enumerate(blocks)
            if place >= task or not any(_quotes(block, line) for line in self.kept)
        ]
        self.said += kept
        return "\n\n".join(_COMMENT.sub("", block).strip("\n") for block in kept)


_COMMENT = re.compile(r"<!--.*?(-->|\Z)", re.DOTALL)


def _quotes(text: str, line: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(line)}(?!\w)", " ".join(text.split()), re.I) is not None
