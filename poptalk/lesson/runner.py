"""The tutor: runs a lesson.  It is told what happens, and answers with what is to be done.

It has no socket, no screen and no clock.  A driver carries out its actions one after the other, and
tells it what happened::

    tutor = Tutor(lesson)
    actions = tutor.begin()
    ...                                     # Say, Heading, Connect, ...: carry them out
    actions = tutor.tell(Connected(greeting=b"+OK ready"))
    actions = tutor.entered("2")            # at a question; None: the line goes to the server
    actions = tutor.hint()                  # `:hint`

Everything typed that doesn't begin with a colon is sent first; the tutor learns of it from `Answered`,
comments, and never holds anything back.  `awaiting` says what the learner is expected to do.

The lesson itself is one generator, `Tutor._lesson_from`, which yields actions until it must wait;
`task` does the tasks, `session` has the connection.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import takewhile
from string import ascii_lowercase

from poptalk.lesson import actions, feedback, task
from poptalk.lesson.actions import Awaiting, Feedback, FeedbackKind, Flow, Manner, Message, Request
from poptalk.lesson.document import model
from poptalk.lesson.document.model import Block, BlockKind, Lesson, Step, Turn
from poptalk.lesson.judge import JudgementKind, judge_free
from poptalk.lesson.progress import EventKind
from poptalk.lesson.session import Cursor, LessonSession, items_at, turns_of
from poptalk.lesson.task import Hints, ProgressRecorder, Task
from poptalk.pop3.commands import ArgumentKind, State, parse_command
from poptalk.transcript.model import Send
from poptalk.transcript.pattern import Bindings
from poptalk.transcript.placeholders import Known

__all__ = ["Awaiting", "SILENCES", "Tutor"]

SILENCES = (3.0, feedback.STUCK_SECONDS)
"""After so many seconds without a complete reply `silence` has something to say: before anyone wonders
whether the program hangs, and again when patience has run out."""

_OTHERWISE = "The server's answer isn't the one in the lesson; `:why` says how they differ."
_GUESS = "Take the one you would bet on: a wrong guess costs nothing, and says why it's wrong."
_NOT_COUNTED = "Answered, but not counted: this step is done. Enter goes on to the next."
_ALL_THE_SAME = "The lesson goes on all the same."
_OPENED_LATER = "The lesson has closed the connection, and opens it again when it needs one."

_NAMED = ("user", "host")
"""Known placeholders that prose may name; of what was captured it may name numbers."""

_LETTER = re.compile(r"\s*([A-Za-z])[.)]?\s*")
"""An answer to a question: `b`, `B)`.  No command of POP3 looks like one."""


def chosen(question: model.QuizQuestion, text: str) -> int | None:
    """Read an answer to a question: the letter of a choice, its words, or its number.

    Where the choices themselves are numbers, a number means what it says: to "two, three or four?",
    `3` is "three" and not the third.

    Args:
        question: the question.
        text: what was typed.

    Returns:
        The number of a choice, from 1; 0 for a number that no choice has; None for anything else.
    """
    if letter := _LETTER.fullmatch(text):
        number = ascii_lowercase.index(letter[1].lower()) + 1
        return number if number <= len(question.choices) else None
    words, *texts = (_plain(each) for each in (text, *(c.text for c in question.choices)))
    if words in texts:
        return texts.index(words) + 1
    value, *values = (model.number_meant(each) for each in (words, *texts))
    if value is not None and value in values:
        return values.index(value) + 1
    if value is not None and all(values):
        return 0
    if re.fullmatch("[0-9]{1,2}", words):
        return int(words) if 1 <= int(words) <= len(texts) else 0
    begun = [
        number
        for number, each in enumerate(texts, 1)
        if words and each.startswith(words) and not each[len(words)].isalnum()
    ]
    is_command = parse_command(text.encode("utf-8", "surrogateescape")).verb is not None
    return begun[0] if len(begun) == 1 and not is_command else None


def _plain(text: str) -> str:
    """Return the words of a choice: without Markdown, quotation marks, capitals, a final full stop."""
    bare = re.sub("[`*\"'\u2018\u2019\u201c\u201d]", "", text)
    return " ".join(bare.casefold().split()).rstrip(".)")


_NO_END = "Wait for the rest of the answer. If you think that it never comes: `:close` hangs up."

_HINTS = {
    Awaiting.COMMAND: "Type a command, and Enter sends it.",
    Awaiting.PAUSE: "Enter goes on to the next step.",
    Awaiting.CLOSED: "Enter connects, and brings the lesson back to where it was.",
    Awaiting.OUTSIDE: "This is done in another window. Enter shows what to type there.",
    Awaiting.BUSY: "One moment: poptalk is at work.",
    Awaiting.OVER: "The lesson is over. `:reset` begins its last step again.",
}
"""What `:hint` says if nothing of the lesson is awaited."""

_REASONS = {
    Awaiting.COMMAND: "The step waits for a line to the server; anything else may be sent as well.",
    Awaiting.CHOICE: "Say what you expect before you see it: a wrong guess costs nothing.",
    Awaiting.PAUSE: "The step is done. What you send now is for your own curiosity.",
    Awaiting.CLOSED: "Commands need a connection, and there is none.",
    Awaiting.OUTSIDE: "The step is done with another program, and poptalk follows at the server.",
    Awaiting.BUSY: "poptalk itself is at work, and waits for the server.",
    Awaiting.OVER: "The lesson is over.",
}
"""What `:why` says before anything was judged."""


class Tutor:
    """One run of a lesson.

    Args:
        lesson: what is run.
        passed: slugs of the steps that are done, for the map.
        position: the slug of the step to begin with; what comes before it is replayed.  Without it, or
            if the lesson has no such step, it begins at the beginning.
        live: whether the server is the learner's own; then only the login is replayed, and secrets are
            never shown.
        lasting: whether what is deleted stays deleted, so that earlier steps can't be done again.
        known: the user's name and password; None for those of the lesson.
        later_letters: whether letters come in once a session has ended (the mailbox has `later/`),
            so that earlier sessions must be replayed as well.
        by_hand: whether the learner alone connects and sends lines, as in a class, where the server
            judges; what poptalk would do by itself is waited for, or left out if it changes nothing.

    Attributes:
        session: the connection to the server, and what is known of it.
        awaiting: what is expected next.
    """

    def __init__(
        self,
        lesson: Lesson,
        *,
        passed: Collection[str] = (),
        position: str | None = None,
        live: bool = False,
        lasting: bool = False,
        known: Known | None = None,
        later_letters: bool = False,
        by_hand: bool = False,
    ) -> None:
        self._lesson = lesson
        self._recorder = ProgressRecorder(lesson)
        self.session = LessonSession(
            lesson,
            known if known is not None else lesson.known,
            live=live,
            lasting=lasting,
            later_letters=later_letters,
            by_hand=by_hand,
            when_lost=lambda: self._recorder.keep(EventKind.LOST),
        )
        self._passed = set(passed)
        slugs = [step.slug for step in lesson.steps]
        self._cursor = Cursor(step=slugs.index(position) if position in slugs[1:] else -1)
        self._task: Task | None = None
        """The task that is awaited; None if something else is."""
        self._question: model.QuizQuestion | None = None
        self._hints = Hints(())
        """The hints to the question."""
        self._flow: Flow[None] | None = None
        self.awaiting = Awaiting.BUSY
        self._disproved = False
        """Whether a proof has just failed."""
        self._disproofs: set[int] = set()
        """Steps that began again because of that."""
        self._said = ""
        """The last comment, for reports."""
        self._silent = False
        """Whether a reply is overdue."""

    # What a driver may ask.

    @property
    def awaited(self) -> Turn | None:
        """The turn that the learner is to take; None if something else is awaited."""
        task_turn = self._task.turn if self._task is not None else None
        return self.session.awaited or task_turn

    @property
    def in_one_go(self) -> tuple[Turn, ...]:
        """What the learner is to send in one go; empty if one line comes after the other."""
        return self._task.in_one_go if self._task is not None else ()

    @property
    def cursor(self) -> Cursor:
        """How far the lesson has come; a mistake doesn't move it back."""
        return self._task.reached if self._task is not None else self._cursor

    @property
    def step(self) -> Step | None:
        """The step that is being done; None in the introduction."""
        at = self._cursor.step
        return self._lesson.steps[at] if 0 <= at < len(self._lesson.steps) else None

    @property
    def place(self) -> str:
        """The id of the step, for reports; in the introduction, that of the lesson."""
        return f"{self._lesson.name}#{self.step.slug}" if self.step else self._lesson.name

    @property
    def prompt(self) -> str:
        """Where the learner is, in a few characters such as `2/5`; empty in the introduction."""
        at = self._cursor.step
        return f"{at + 1}/{len(self._lesson.steps)}" if at >= 0 else ""

    @property
    def bindings(self) -> Bindings:
        """What the placeholders of the lesson stand for at present."""
        return self.session.bindings

    # What a driver tells.

    def begin(self) -> list[actions.LessonAction]:
        """Begin the lesson, or resume it at its position."""
        start = self._cursor
        count = len(self._lesson.steps)
        news = f"step {start.step + 1} of {count}: resumed" if start.step > 0 else ""
        self.session.resumed(start)
        return [actions.Heading(text=self._lesson.title, level=1), *self._go_to(start.step, news)]

    def tell(self, message: Message | None) -> list[actions.LessonAction]:
        """Take note of what happened, and let the lesson go on up to the next thing to wait for."""
        assert self._flow is not None, "A tutor must begin before it is told anything."
        self._silent = False
        todo: list[actions.LessonAction] = []
        # A generator that hasn't begun takes nothing but None.
        given = next(self._flow) if message is None else self._flow.send(message)
        while not isinstance(given, Awaiting):
            todo.append(given)
            if isinstance(given, Feedback):
                self._said = given.text
            given = next(self._flow)
        self.awaiting = given
        return todo

    def entered(self, text: str) -> list[actions.LessonAction] | None:
        """Take a line that doesn't begin with a colon.

        Returns:
            What is to be done; None if the line isn't for the tutor and goes to the server.
        """
        if self.awaiting is Awaiting.COMMAND and not text and not self._may_be_empty():
            return self.task()
        if self.awaiting in (Awaiting.COMMAND, Awaiting.BUSY, Awaiting.OVER):
            return None
        if not text:
            return self.tell(Request.GO_ON)
        if self.awaiting is not Awaiting.CHOICE or self._question is None:
            return None
        number = chosen(self._question, text)
        return self.tell(actions.Chosen(number=number)) if number is not None else None

    def is_choice(self, text: str) -> bool:
        """Tell whether a line is one of the choices of the question that awaits an answer."""
        if self.awaiting is not Awaiting.CHOICE or self._question is None:
            return False
        return bool(chosen(self._question, text))

    def _may_be_empty(self) -> bool:
        """Tell whether an empty line means something to the server, and is sent."""
        act = self.awaited.act if self.awaited is not None else None
        awaited = isinstance(act, Send) and not act.step.pattern.text
        return self._task is None or self.session.now.challenge is not None or awaited

    def task(self) -> list[actions.LessonAction]:
        """Show the task, or the question, again."""
        todo = self._asked(self._prose)
        in_part = self._task is not None and self._task.reached.turn and not self.in_one_go
        if self._task is not None and in_part and (due := feedback.due(self._task.turn)):
            todo.append(_news(f"Next: {due}."))
        return todo or [_news(_HINTS[self.awaiting])]

    def remind(self) -> list[actions.LessonAction]:
        """Show the end of the task, or the question, again, as it has scrolled away."""
        again = [] if self.session.lost else self._asked(self.asked)
        what = "question" if self._question is not None else "task"
        return [_news(f"Here's the {what} again:"), *again] if again else []

    @property
    def asked(self) -> str:
        """The end of the prose above the task or the question; an example with what introduces it."""
        *above, last = self._prose.split("\n\n")
        return "\n\n".join((*above[-1:], last)) if last.startswith("    ") else last

    @property
    def _prose(self) -> str:
        """The prose above the task or the question."""
        above = items_at(self._lesson, self._cursor.step)[: self._cursor.item]
        prose = [item for item in above if isinstance(item, model.Prose)]
        return self._with_what_is_known(prose[-1].source) if prose else ""

    def _asked(self, prose: str) -> list[actions.LessonAction]:
        """Show prose, and the choices of a question; nothing if neither task nor question is due."""
        if self._task is None and self._question is None:
            return []
        todo: list[actions.LessonAction] = [actions.Say(source=prose)] if prose else []
        return todo if self._question is None else [*todo, actions.Ask(question=self._question)]

    def open(self) -> list[actions.LessonAction]:
        """Open the connection, as `:open` asks."""
        if self.session.now.is_open:
            return [_news("You are connected already. `:close` hangs up.")]
        return self.tell(Request.CONNECT)

    def silence(self, seconds: float, *, lines: int = 0) -> list[actions.LessonAction]:
        """Comment on a reply that doesn't come to its end.

        Call it when each of `SILENCES` has passed.  What it returns is carried out at once, before
        anything that is queued: the silent reply may be what the queue waits for.

        Args:
            seconds: since the last octet came.
            lines: how many lines of the reply have come, its first one included.
        """
        if self.session.hangs_up_if_silent:
            return [actions.HangUp()]
        self._silent = True
        return [_news(feedback.silent(seconds, lines))]

    # What the learner asks.

    def answer(self, command: str) -> list[actions.LessonAction]:
        """Answer a local command: one of the methods below."""
        own = (
            self.hint,
            self.why,
            self.skip,
            self.back,
            self.reset,
            self.map,
            self.state,
            self.task,
        )
        return {answer.__name__: answer for answer in own}[command]()

    def hint(self) -> list[actions.LessonAction]:
        """Show the next hint, the last of which is the answer."""
        if self._silent:
            # What is sent now would be answered after the reply that doesn't end.
            return [Feedback(kind=FeedbackKind.HINT, text=_NO_END)]
        if self.awaiting is Awaiting.CHOICE and self._question is not None:
            answer = task.answer_to_question(self._question)
            text = self._hints.next_hint(answer, nudge=_GUESS)
            comment = Feedback(kind=FeedbackKind.HINT, text=text)
        elif self._task is not None and not self.session.lost:
            comment = self._task.next_hint()
        else:
            return [Feedback(kind=FeedbackKind.HINT, text=_HINTS[self.awaiting])]
        return [self._recorder.keep(EventKind.HINTED), comment]

    def why(self) -> list[actions.LessonAction]:
        """Explain the last verdict at more length, or what is awaited."""
        verdict = self.session.verdict
        text = verdict.why if verdict is not None and verdict.why else _REASONS[self.awaiting]
        return [actions.Say(source=text)]

    def skip(self) -> list[actions.LessonAction]:
        """Do what is awaited in the learner's place, and say why it is the answer."""
        if self.awaiting is Awaiting.OVER:
            return [_news(_HINTS[Awaiting.OVER])]
        return self.tell(Request.SKIP)

    def back(self) -> list[actions.LessonAction]:
        """Go back to the beginning of the step before."""
        first = -1 if self._lesson.introduction else 0
        at = self._cursor.step
        if at <= first:
            return self._go_to(first, "this is the beginning")
        return self._go_to(at - 1, f"back at {self._name(at - 1)}")

    def reset(self) -> list[actions.LessonAction]:
        """Begin the step again."""
        at = self._cursor.step
        return self._go_to(at, f"{self._name(at)} begins again")

    def map(self) -> list[actions.LessonAction]:
        """Show all steps, and which are done."""
        lines = []
        for index, step in enumerate(self._lesson.steps):
            state = "done" if step.slug in self._passed else "to do"
            here = ", **you are here**" if index == self._cursor.step else ""
            lines.append(f"{index + 1}. {step.title} ({state}{here})")
        return [actions.Say(source="\n".join(lines))]

    def state(self) -> list[actions.LessonAction]:
        """Show the state of the session, what is marked, and the step."""
        now = self.session.now
        if not now.is_open:
            return [_news(f"There is no connection. {self._where()}.")]
        all_states = (State.AUTHORIZATION, State.TRANSACTION, State.UPDATE)
        names = (f"[{each.value}]" if each is now.state else each.value for each in all_states)
        marked = f" Marked as deleted: {feedback.messages(now.marked)}." if now.marked else ""
        return [_news(f"`{' > '.join(names)}`.{marked} {self._where()}.")]

    def report(self, session: Sequence[str]) -> str:
        """Write a text for an issue, in Markdown; it does not name the lesson's fault.

        Args:
            session: the lines that the shell reports of its session, without secrets.
        """
        lines = (
            f"Lesson: {self._where().replace('`', '')}",
            f"Awaited: {self.awaiting.value}",
            f"Said last: {self._said or 'nothing'}",
            *("", "```pop3", *session, "```", ""),
            "What I did, and what I expected instead:",
        )
        return "\n".join(lines) + "\n"

    def _where(self) -> str:
        """Name the step by its id and its number."""
        name = "at its beginning" if self.step is None else self._name(self._cursor.step)
        return f"`{self.place}`, {name}"

    def _name(self, index: int) -> str:
        count = len(self._lesson.steps)
        return f"step {index + 1} of {count}" if index >= 0 else "the introduction"

    # The flow of the lesson.

    def _go_to(self, step: int, news: str) -> list[actions.LessonAction]:
        """Go to the beginning of a step, and bring the session there if there is news to tell."""
        if self._flow is not None and not self.session.is_as_before(Cursor(step=step)):
            return [_news(feedback.CHANGED_FOR_GOOD)]
        if self._flow is not None:
            self._flow.close()
        self._flow = self._lesson_from(Cursor(step=step), news)
        return self.tell(None)

    def _lesson_from(self, start: Cursor, news: str) -> Flow[None]:
        """Do the steps from a place on, and stay at the end forever."""
        self._cursor = start
        self._task = self._question = self.session.verdict = None
        yield from self.session.come_back()
        if news:
            yield from self.session.restore(start, news)
        for index in range(start.step, len(self._lesson.steps)):
            if index >= 0 and not (yield from self._enter(index, self._lesson.steps[index])):
                continue
            for at, item in enumerate(items_at(self._lesson, index)):
                self._cursor = Cursor(step=index, item=at)
                self.session.verdict = None
                if isinstance(item, model.Prose):
                    yield actions.Say(source=self._with_what_is_known(item.source))
                elif not isinstance(item, model.SpeakerNote):
                    yield from self._flow_of(item)
                self._task = None
                if self._disproved:
                    self._disproved = False
                    yield from self._lesson_from(Cursor(step=index), self._name(index))
                    return
            if index >= 0:
                yield from self._leave(index, self._lesson.steps[index])
        yield from self._stay_at_the_end()

    def _enter(self, index: int, step: Step) -> Flow[bool]:
        """Begin a step, unless it needs a message and the learner's own mailbox has none."""
        turns = turns_of(step.blocks(BlockKind.TASK))
        if self.session.live and self.session.now.count == 0 and any(map(_wants_mail, turns)):
            yield _news(f"Your mailbox is empty, so step {index + 1}, {step.title}, is left out.")
            return False
        self._cursor = Cursor(step=index)
        yield actions.Heading(text=step.title, level=2)
        yield self._recorder.enter(step)
        return True

    def _leave(self, index: int, step: Step) -> Flow[None]:
        """End a step, and pause before the next one."""
        self._cursor = Cursor(step=index, item=len(step.items))
        self._passed.add(step.slug)
        yield self._recorder.keep(EventKind.SHOWN if self._recorder.shown else EventKind.PASSED)
        if index + 1 < len(self._lesson.steps):
            yield from self._pause()

    def _with_what_is_known(self, source: str) -> str:
        """Replace each `{name}` by a name or a number, if the lesson suits any mailbox."""
        if not self._lesson.suits_any_mailbox:
            return source
        known = {
            name: value
            for name, value in self.session.bindings.items()
            if (name in _NAMED and value) or value.isdigit()
        }
        return feedback.filled(source, known)

    def _flow_of(self, item: model.QuizQuestion | Block) -> Flow[None]:
        """Return the flow of a question or a block."""
        if isinstance(item, model.QuizQuestion):
            return self._ask(item)
        match item.kind:
            case BlockKind.TASK:
                # Up to the next connection, for which nothing needs to be left as it is.
                after = items_at(self._lesson, self._cursor.step)[self._cursor.item + 1 :]
                later = tuple(takewhile(lambda turn: not turn.opens, turns_of(after)))
                self._task = Task(item, self._cursor, self.session, self._recorder, later=later)
                return self._task.flow()
            case BlockKind.PROOF:
                return self._prove(item)
            case _:
                return self._perform(item)

    def _stay_at_the_end(self) -> Flow[None]:
        self._recorder.step = None
        yield self._recorder.keep(EventKind.ENDED)
        yield actions.Finish()
        while True:
            message = yield from self.session.next(Awaiting.OVER)
            if isinstance(message, actions.Answered):
                yield from self._remark(message)

    def _remark(
        self, answered: actions.Answered, if_unknown: str = "", *, otherwise: str = ""
    ) -> Iterator[actions.LessonAction]:
        """Comment on a line that nothing awaits, if it is a mistake; nothing is counted.

        Args:
            answered: the line and its reply.
            if_unknown: the comment on a line that is nothing like a command.
            otherwise: the comment if there is no mistake.
        """
        self.session.verdict = verdict = judge_free(answered, before=self.session.before)
        text = verdict.text
        if if_unknown and text in (feedback.NO_COMMAND, feedback.A_NUMBER_ALONE):
            text = if_unknown
        if text or otherwise:
            yield Feedback(kind=FeedbackKind.ASIDE, text=text or otherwise)

    def _perform(self, block: Block) -> Flow[None]:
        """Do a `show` or `setup` block."""
        session = self.session
        manner = Manner.FOLDED if block.kind is BlockKind.SETUP else Manner.TYPED
        index = 0
        while index < len(block.turns):
            turn, *rest = block.turns[index:]
            if not (turn.opens or turn.closes):
                if session.lost or session.now.is_open:
                    yield from session.ready(replace(self._cursor, turn=index))
                else:
                    yield from session.connect(manner)
            endless = turn.is_endless(rest[0] if rest else None)
            verdict = yield from session.perform(turn, manner, endless=endless)
            if verdict is not None and verdict.kind is not JudgementKind.WANTED:
                self.session.verdict = verdict
                yield Feedback(kind=FeedbackKind.UNJUDGED, text=_OTHERWISE)
            index += not session.lost
        sent = [turn.keyword for turn in block.turns if turn.keyword]
        if manner is Manner.FOLDED and sent and not session.by_hand:
            yield _news(f"Sent {feedback.named(sent)}.")

    def _prove(self, block: Block) -> Flow[None]:
        yield actions.Prove(dialogue=block.dialogue, bindings=dict(self.session.bindings))
        message: Message | None = None
        while not isinstance(message, actions.Proved):
            message = yield from self.session.next(Awaiting.BUSY)
        if message.difference is None:
            return
        # The learner does the step again once; if that fails too, something else must be wrong.
        at = Cursor(step=self._cursor.step)
        self._disproved = at.step not in self._disproofs and self.session.is_as_before(at)
        self._disproofs.add(at.step)
        kind = FeedbackKind.NOT_YET if self._disproved else FeedbackKind.UNJUDGED
        end = "The step begins again." if self._disproved else _ALL_THE_SAME
        found = feedback.without_placeholders(message.difference, self.session.bindings)
        yield Feedback(kind=kind, text=f"The second connection found something else: {found} {end}")

    def _ask(self, question: model.QuizQuestion) -> Flow[None]:
        self._question, self._hints = question, Hints(question.hints)
        yield actions.Ask(question=question)
        answered = False
        while not answered:
            message = yield from self.session.next(Awaiting.CHOICE)
            match message:
                case actions.Chosen():
                    answered = yield from self._answer(question, message.number)
                case Request.SKIP:
                    self._recorder.shown = answered = True
                    text = task.answer_to_question(question)
                    yield Feedback(kind=FeedbackKind.HINT, text=text)
                    yield from (_reply(choice) for choice in question.choices if choice.right)
                case Request.GO_ON | Request.CONNECT if self.session.lost:
                    yield from self.session.restore(self._cursor)
                case Request.CONNECT:
                    yield _news(_OPENED_LATER)
                case Request.GO_ON:
                    yield _news(f"Answer with a letter, {_range(question)}.")
                case actions.Answered():
                    wanted = f"the question wants a letter, {_range(question)}."
                    yield from self._remark(message, f"The server doesn't know this; {wanted}")
                case _:
                    pass
        self._question = None

    def _answer(self, question: model.QuizQuestion, number: int) -> Flow[bool]:
        """Reply to an answer; tell whether it is right."""
        if not 1 <= number <= len(question.choices):
            out_of_range = f"The choices are {_range(question)}."
            yield Feedback(kind=FeedbackKind.NOT_YET, text=out_of_range)
            return False
        choice = question.choices[number - 1]
        self._recorder.attempts += 1
        if not choice.right:
            yield self._recorder.keep(EventKind.MISSED)
        yield _reply(choice)
        return choice.right

    def _pause(self) -> Flow[None]:
        """Wait for an empty line between two steps."""
        message: Message | None = None
        while message not in (Request.GO_ON, Request.SKIP):
            message = yield from self.session.next(Awaiting.PAUSE)
            if isinstance(message, actions.Answered):
                yield from self._remark(message, otherwise=_NOT_COUNTED)
            elif isinstance(message, Request) and self.session.lost:
                yield from self.session.restore(self._cursor)
            elif message is Request.CONNECT:
                yield _news(_OPENED_LATER)


def _wants_mail(turn: Turn) -> bool:
    """Tell whether a turn is about one message, which must be there."""
    if not isinstance(turn.act, Send) or turn.is_refusal:
        return False
    command = turn.act.command
    return ArgumentKind.MESSAGE in actions.kinds_of(command)[: len(command.arguments)]


def _reply(choice: model.Choice) -> Feedback:
    kind = FeedbackKind.DONE if choice.right else FeedbackKind.NOT_YET
    return Feedback(kind=kind, text=choice.reply or ("Right." if choice.right else "Not this one."))


def _range(question: model.QuizQuestion) -> str:
    return f"a to {ascii_lowercase[len(question.choices) - 1]}"


def _news(text: str) -> Feedback:
    return Feedback(kind=FeedbackKind.NEWS, text=text)
