"""The course of a lesson: its steps and what stands in them, one after the other.

The walk yields cues until it must wait; `task` does the tasks, `session` has the connection.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from poptalk.lesson import situations
from poptalk.lesson.bookkeeper import Bookkeeper
from poptalk.lesson.cues import Ask, Comment, CommentKind, Finish, Heading, Manner, Prove, Say
from poptalk.lesson.document import (
    Block,
    BlockKind,
    Choice,
    Item,
    Lesson,
    Prose,
    Question,
    SpeakerNote,
)
from poptalk.lesson.happenings import Answered, Proved
from poptalk.lesson.judge import Verdict, VerdictKind
from poptalk.lesson.ladder import Ladder, answer_to_question
from poptalk.lesson.progress import EventKind
from poptalk.lesson.replaying import Place, items_at
from poptalk.lesson.session import LessonSession
from poptalk.lesson.task import Task, free_remark
from poptalk.lesson.turns import Turn, turns
from poptalk.lesson.walk import Awaiting, Chosen, Message, Request, Walk

OTHERWISE = "The server answered otherwise than the lesson says; `:why` tells how."
OPENED_LATER = "The lesson has closed the connection, and opens it again when it needs one."


class Course:
    """A lesson under way.

    Args:
        lesson: the lesson.
        session: its session.
        bookkeeper: writes down what is done in it.
        passed: slugs of the steps that are done.
    """

    def __init__(
        self,
        lesson: Lesson,
        session: LessonSession,
        bookkeeper: Bookkeeper,
        *,
        passed: Collection[str],
    ) -> None:
        self._lesson = lesson
        self._session = session
        self._bookkeeper = bookkeeper
        self.passed = set(passed)
        self.place = Place(step=-1)
        self.task: Task | None = None
        """The task that is awaited, None where something else is."""
        self.question: Question | None = None
        self.ladder: Ladder | None = None
        """The hints to the question."""
        self.verdict: Verdict | None = None
        """The last one outside tasks."""

    def begin(self, start: Place) -> Walk[None]:
        """Begin, or resume, the lesson at a place."""
        yield Heading(text=self._lesson.title, level=1)
        if start.step > 0:
            count = len(self._lesson.steps)
            news = f"step {start.step + 1} of {count}: resumed"
            yield from self._session.restore(start, news)
        yield from self.walk(start)

    def again(self, start: Place, news: str) -> Walk[None]:
        """Go to the beginning of a step that was begun before."""
        self.place = start
        self.task = self.question = self.ladder = self.verdict = None
        yield from self._session.restore(start, news)
        yield from self.walk(start)

    def walk(self, start: Place) -> Walk[None]:
        """Do the steps from a place on, and stay at the end for ever."""
        if start.step < 0:
            yield from self._items(-1)
        last = len(self._lesson.steps) - 1
        for index in range(max(start.step, 0), last + 1):
            yield from self._step(index)
            if index < last:
                yield from self._pause()
        yield self._bookkeeper.end()
        yield Finish()
        while True:
            message = yield from self._session.next(Awaiting.OVER)
            if isinstance(message, Answered):
                yield from free_remark(message, self._session.before)

    def _step(self, index: int) -> Walk[None]:
        step = self._lesson.steps[index]
        self.place = Place(step=index)
        yield Heading(text=step.title, level=2)
        yield self._bookkeeper.enter(step)
        yield from self._items(index)
        self.place = Place(step=index, item=len(step.items))
        self.passed.add(step.slug)
        yield self._bookkeeper.leave()

    def _items(self, step: int) -> Walk[None]:
        for index, item in enumerate(items_at(self._lesson, step)):
            self.place = Place(step=step, item=index)
            self.verdict = None
            yield from self._item(item)

    def _item(self, item: Item) -> Walk[None]:
        match item:
            case Prose():
                yield Say(source=item.source)
            case SpeakerNote():
                pass
            case Question():
                yield from self._question(item)
            case Block(kind=BlockKind.TASK):
                yield from self._task(item)
            case Block(kind=BlockKind.PROOF):
                yield from self._proof(item)
            case Block():
                yield from self._performance(item)

    def _task(self, block: Block) -> Walk[None]:
        self.task = Task(
            block, self.place, self._session, self._bookkeeper, later=self._turns_behind(self.place)
        )
        yield from self.task.walk()
        self.verdict = self.task.verdict
        self.task = None

    def _turns_behind(self, place: Place) -> tuple[Turn, ...]:
        """Return the turns of the step behind an item, up to where the connection is another."""
        found: list[Turn] = []
        for item in items_at(self._lesson, place.step)[place.item + 1 :]:
            if isinstance(item, Block) and item.kind is not BlockKind.PROOF:
                found += turns(item.dialogue)
        opening = next((at for at, turn in enumerate(found) if turn.opens), len(found))
        return tuple(found[:opening])

    def _performance(self, block: Block) -> Walk[None]:
        """Do a `show` or `setup` block."""
        folded = block.kind is BlockKind.SETUP
        manner = Manner.FOLDED if folded else Manner.TYPED
        session = self._session
        sent: list[str] = []
        parts = turns(block.dialogue)
        index = 0
        while index < len(parts):
            place = replace(self.place, turn=index)
            turn = parts[index]
            if not turn.opens and not turn.closes:
                yield from self._ready(place, manner)
            following = parts[index + 1] if index + 1 < len(parts) else None
            verdict = yield from session.perform(turn, manner, endless=turn.is_endless(following))
            if verdict is not None and verdict.kind is not VerdictKind.WANTED:
                self.verdict = verdict
                yield Comment(kind=CommentKind.UNJUDGED, text=OTHERWISE)
            if not session.lost:
                sent += [turn.keyword] if turn.keyword else []
                index += 1
        if folded and sent:
            yield Comment(kind=CommentKind.NEWS, text=f"Sent {situations.named(sent)}.")

    def _ready(self, place: Place, manner: Manner) -> Walk[None]:
        """Make sure that a connection stands; what is folded opens it folded too."""
        session = self._session
        if session.lost or session.seen.is_open:
            yield from session.ready(place)
        else:
            yield from session.connect(manner)

    def _proof(self, block: Block) -> Walk[None]:
        yield Prove(dialogue=block.dialogue, bindings=dict(self._session.bindings))
        message: Message | None = None
        while not isinstance(message, Proved):
            message = yield from self._session.next(Awaiting.BUSY)
        if message.difference is not None:
            yield Comment(kind=CommentKind.UNJUDGED, text=message.difference)

    def _question(self, question: Question) -> Walk[None]:
        self.question, self.ladder = question, Ladder(question.hints)
        yield Ask(question=question)
        answered = False
        while not answered:
            message = yield from self._session.next(Awaiting.CHOICE)
            match message:
                case Chosen():
                    answered = yield from self._answer(question, message.number)
                case Request.SKIP:
                    self._bookkeeper.shown = answered = True
                    text = answer_to_question(question)
                    yield Comment(kind=CommentKind.HINT, text=text)
                    yield from self._reply_of(question)
                case Request.GO_ON | Request.CONNECT if self._session.lost:
                    yield from self._session.restore(self.place)
                case Request.CONNECT:
                    yield Comment(kind=CommentKind.NEWS, text=OPENED_LATER)
                case Request.GO_ON:
                    text = f"Answer with {_number(question)}."
                    yield Comment(kind=CommentKind.NEWS, text=text)
                case Answered():
                    text = f"The server does not know this; the question wants {_number(question)}."
                    yield from free_remark(message, self._session.before, if_unknown=text)
                case _:
                    pass
        self.question = self.ladder = None

    def _answer(self, question: Question, number: int) -> Walk[bool]:
        """Reply to an answer; tell whether it is right."""
        if not 1 <= number <= len(question.choices):
            text = f"The choices are {_range(question)}."
            yield Comment(kind=CommentKind.NOT_YET, text=text)
            return False
        choice = question.choices[number - 1]
        self._bookkeeper.attempts += 1
        if not choice.right:
            yield self._bookkeeper.keep(EventKind.MISSED)
        yield _reply(choice)
        return choice.right

    def _reply_of(self, question: Question) -> Walk[None]:
        """Give the reply of the right choice."""
        for choice in question.choices:
            if choice.right:
                yield _reply(choice)

    def _pause(self) -> Walk[None]:
        """Wait for an empty line between two steps."""
        message: Message | None = None
        while message not in (Request.GO_ON, Request.SKIP):
            message = yield from self._session.next(Awaiting.PAUSE)
            if isinstance(message, Answered):
                yield from free_remark(message, self._session.before)
            elif isinstance(message, Request) and self._session.lost:
                yield from self._session.restore(self.place)
            elif message is Request.CONNECT:
                yield Comment(kind=CommentKind.NEWS, text=OPENED_LATER)


def _reply(choice: Choice) -> Comment:
    kind = CommentKind.DONE if choice.right else CommentKind.NOT_YET
    return Comment(kind=kind, text=choice.reply or ("Right." if choice.right else "Not this one."))


def _number(question: Question) -> str:
    return f"a number, {_range(question)}"


def _range(question: Question) -> str:
    return f"1 to {len(question.choices)}"
