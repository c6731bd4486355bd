"""A task: the learner takes the turns of a block in order, and may send anything else in between."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from string import ascii_lowercase

from poptalk.lesson import actions, feedback
from poptalk.lesson.actions import Awaiting, Feedback, FeedbackKind, Flow, Manner, Message, Request
from poptalk.lesson.document import model
from poptalk.lesson.document.model import Block, Lesson, Step, Turn
from poptalk.lesson.judge import Judgement, JudgementKind, judge
from poptalk.lesson.progress import EventKind, ProgressEvent, step_hash
from poptalk.lesson.session import Cursor, LessonSession
from poptalk.net.errors import EndedBy
from poptalk.pop3.commands import Effect, State, parse_command
from poptalk.transcript.model import Action, Direction, Send, Side
from poptalk.transcript.octets import octets_of
from poptalk.transcript.pattern import Bindings, FillError


class ProgressRecorder:
    """Makes the events that go into the learner's progress.

    Args:
        lesson: the lesson.
    """

    def __init__(self, lesson: Lesson) -> None:
        self._lesson = lesson
        self.step: Step | None = None
        """The step that is being done; None in the introduction and at the end."""
        self._hash = ""
        self.attempts = 0
        """How many lines, and answers to questions, were tried in the step."""
        self.shown = False
        """Whether `:skip` did a part of the step."""

    def enter(self, step: Step) -> actions.Keep:
        """Begin a step."""
        self.step, self.attempts, self.shown = step, 0, False
        self._hash = step_hash(step)
        return self.keep(EventKind.STARTED)

    def keep(self, kind: EventKind) -> actions.Keep:
        """Make an event of the step, or of the lesson if there is none."""
        event = ProgressEvent(
            lesson=self._lesson.name,
            step=self.step.slug if self.step else "",
            step_hash=self._hash if self.step else "",
            kind=kind,
            attempt=self.attempts,
        )
        return actions.Keep(event=event)


# Hints: the author's first, then the answer.  It is the very line that is checked, so it can't be wrong.


_DIRECTIONS = {
    (Side.CLIENT, Action.OPEN): "Enter opens the connection; so does `:open`.",
    (Side.CLIENT, Action.CLOSE): "`:close` hangs up without a word.",
    (Side.SERVER, Action.CLOSE): "There is nothing to type: the server will hang up by itself.",
    (Side.CLIENT, Action.NEGOTIATE_TLS): "There is nothing to type: TLS begins by itself.",
    (Side.CLIENT, Action.WAIT): "There is nothing to type: let the time pass.",
}
_ELSEWHERE = "One of the commands above, in another window; Enter shows them again."


class Hints:
    """The hints to a question, or to a block whose turns are awaited one after the other.

    The author's are about the whole block, so none is shown twice.
    """

    def __init__(self, hints: Sequence[model.Prose]) -> None:
        self._hints = hints
        self._used = 0
        """How many of the author's hints were shown."""
        self.given = 0
        """How many hints were shown for what is awaited now; its owner sets it back."""

    def next_hint(self, answer: str, *, nudge: str = "") -> str:
        """Return the next hint: one of the author's, and the answer once these are used up.

        Args:
            answer: what is to be done.
            nudge: less than the answer; the first hint if the author's were used up before.
        """
        is_first, self.given = self.given == 0, self.given + 1
        if self._used < len(self._hints):
            self._used += 1
            return " ".join(self._hints[self._used - 1].source.split())
        return nudge if is_first and nudge else answer


def answer_to(turn: Turn, bindings: Bindings, *, live: bool) -> str:
    """Say what is to be done in a turn.

    Args:
        turn: what is awaited.
        bindings: what its placeholders stand for.
        live: whether the secrets are the learner's own, which aren't shown.
    """
    if isinstance(turn.act, Direction):
        return _DIRECTIONS[turn.act.side, turn.act.action]
    if turn.act is None:
        return "There is nothing to type."
    # A full stop after the line would look like a part of it.
    return f"Send: `{shown_line(turn.act, bindings, live=live)}`"


def answer_to_question(question: model.QuizQuestion) -> str:
    """Say which choice is right."""
    for letter, choice in zip(ascii_lowercase, question.choices, strict=False):
        if choice.right:
            return f"Answer `{letter}`: {choice.text}"
    return "No choice is right; `:skip` goes on."


def shown_line(send: Send, bindings: Bindings, *, live: bool) -> str:
    """Write the line that is awaited; what has no value, or is secret, stays in braces."""
    pattern = send.step.pattern
    if live and (send.answers_challenge or send.command.secret is not None):
        return pattern.source
    try:
        return pattern.fill(bindings)
    except FillError:
        return pattern.source


MISSES_BEFORE_HINT_IS_NAMED = 2
MISSES_BEFORE_FIRST_HINT = 4
MISSES_BEFORE_SKIP_IS_OFFERED = 6
"""Help comes by degrees: a mistake teaches more than an answer, but not the sixth mistake."""

_KINDS = {
    JudgementKind.ASIDE: FeedbackKind.ASIDE,
    JudgementKind.EARLY: FeedbackKind.ASIDE,
    JudgementKind.UNJUDGED: FeedbackKind.UNJUDGED,
}
"""What a comment on a verdict is about; all others are NOT_YET."""

SENT = (JudgementKind.UNJUDGED, JudgementKind.OTHER_REPLY)
"""Verdicts after which the awaited line need not be sent again."""

LINE_END = r"\r\n"
"""How `:send` writes the end of a line."""


class Task:
    """A block that the learner does.

    Args:
        block: the block.
        cursor: where it is in the lesson.
        session: the session.
        recorder: makes the events of what is done in the step.
        later: the turns of the step after this block.
    """

    def __init__(
        self,
        block: Block,
        cursor: Cursor,
        session: LessonSession,
        recorder: ProgressRecorder,
        *,
        later: tuple[Turn, ...],
    ) -> None:
        self._block = block
        self._turns = block.turns
        self._later = later
        self._cursor = cursor
        self._session = session
        self._recorder = recorder
        self._hints = Hints(block.hints)
        self._index = 0
        self._reached = 0
        """The turn up to which all were done; `_index` is before it where one must be done again."""
        self._misses = 0
        self._together = False
        """Whether `:skip` does what is left of the task."""
        self.verdict: Judgement | None = None
        """The last one, for `:why`."""

    @property
    def turn(self) -> Turn:
        """What is awaited."""
        return self._turns[min(self._index, len(self._turns) - 1)]

    @property
    def cursor(self) -> Cursor:
        """Where the lesson is."""
        return replace(self._cursor, turn=self._index)

    @property
    def reached(self) -> Cursor:
        """How far the task has come; a refusal that undid a turn doesn't count."""
        return replace(self._cursor, turn=self._reached)

    def next_hint(self) -> Feedback:
        """Show the next hint."""
        session = self._session
        answer = answer_to(self.turn, session.bindings, live=session.live)
        if session.outside and self.turn.opens:
            answer = _ELSEWHERE
        if self.in_one_go:
            acts = [turn.act for turn in self._turns if isinstance(turn.act, Send)]
            lines = [shown_line(act, session.bindings, live=session.live) for act in acts]
            answer = f"Type: `:send {LINE_END.join((*lines, ''))}`"
        due = feedback.due(self.turn)
        text = self._hints.next_hint(answer, nudge=f"Next: {due}." if due else "")
        return Feedback(kind=FeedbackKind.HINT, text=text)

    def flow(self) -> Flow[None]:
        """Await all turns."""
        yield from self._begin()
        while self._index < len(self._turns):
            yield from self._rewind_if_lost()
            match self.turn.act:
                case Direction() as direction:
                    yield from self._await_direction(self.turn, direction)
                case None:
                    yield from self._session.ready(self.cursor)
                    yield from self._session.check_greeting(self.turn)
                    self._go_on()
                case Send() if not (yield from self._is_ready()) or self._together:
                    yield from self._do_together()
                case Send():
                    message = yield from self._session.next(self._awaiting)
                    if isinstance(message, actions.Answered):
                        yield from self._comment_on(message, self._judge(message))
                    elif message is Request.SKIP:
                        yield from self._do_together()
                    elif message is Request.GO_ON:
                        yield self.next_hint()
        yield from self._session.come_back()

    def _begin(self) -> Flow[None]:
        for number in sorted(self._session.stray_marks & self._needed())[:1]:
            # What was done before this task makes it impossible.
            yield Feedback(kind=FeedbackKind.ASIDE, text=feedback.needed_but_marked(number))
        if self._block.outside:
            yield from self._session.go_outside()

    def _rewind_if_lost(self) -> Flow[None]:
        """Go back to what has to be done again because the connection is gone."""
        session = self._session
        if session.outside and session.lost:
            self._index = self._reached = 0
            yield from session.go_outside()
        elif session.lost and not session.now.farewell:
            self._together = False
            self._index = self._reached = self._first_lost_mark()

    @property
    def _awaiting(self) -> Awaiting:
        return Awaiting.OUTSIDE if self._session.outside else Awaiting.COMMAND

    def _is_ready(self) -> Flow[bool]:
        """Make sure that there is a connection, unless another program makes it."""
        if self._session.outside:
            return True
        return (yield from self._session.ready(self.cursor))

    def _judge(self, answered: actions.Answered) -> Judgement:
        """Judge a line by the first turn that awaits it, else by the one that is asked for."""
        self._recorder.attempts += 1
        session = self._session
        # Where a refusal has undone a turn, the one that was due before still passes.
        indices = [self._reached, self._index]
        if self._block.any_order:
            indices = [*range(self._reached + 1, len(self._turns)), self._reached]
        for at in dict.fromkeys(indices):
            self.verdict = verdict = judge(
                self._turns[at],
                answered,
                session.bindings,
                mistakes=self._block.mistakes,
                done=self._turns[:at],
                later=self._turns[at + 1 :],
                before=session.before,
                stray=session.before.marked - session.lesson_marks,
                live=session.live,
                any_case=session.lasting,
            )
            if verdict.kind is JudgementKind.WANTED:
                self._index = at
                break
        if self._block.any_order and self._index > self._reached:
            # The turn that was taken before its time becomes the next one.
            turns, at, due = self._turns, self._index, self._reached
            self._turns = (*turns[:due], turns[at], *turns[due:at], *turns[at + 1 :])
            self._index = due
        return verdict

    def _comment_on(
        self, answered: actions.Answered, verdict: Judgement
    ) -> Iterator[actions.LessonAction]:
        """Say what a line means for the task."""
        if verdict.kind is not JudgementKind.WANTED:
            yield from self._remark(answered, verdict)
            self._index = self._rewound()
        elif missing := self._what_is_missing(answered):
            yield self._recorder.keep(EventKind.MISSED)
            yield Feedback(kind=FeedbackKind.NOT_YET, text=missing)
        else:
            yield self._passed(answered, verdict)

    def _what_is_missing(self, answered: actions.Answered) -> str:
        """Say what the task asks for besides line and reply, and did not get; empty if it did."""
        block, is_last = self._block, self._index == len(self._turns) - 1
        if block.at_once and self._index and not answered.at_once:
            self._index = self._reached = 0
            return (
                "The right lines, but one after the other. This step wants all of them in one go: "
                f"`:send` with `{LINE_END}` after each."
            )
        if block.state is not None and is_last and answered.before is not block.state:
            return (
                f"The right line, but sent in {answered.before.value}. This step is about "
                f"{block.state.value}: `:reset` begins it again."
            )
        return ""

    @property
    def in_one_go(self) -> tuple[Turn, ...]:
        """The turns that are to be taken at once; none where one comes after the other."""
        return self._turns[self._index :] if self._block.at_once else ()

    def _passed(self, answered: actions.Answered, verdict: Judgement) -> Feedback:
        """Go on to the next turn."""
        turn = self.turn
        self._session.passed(turn, verdict)
        if answered.sasl:
            comment = self._done("the response")
        else:
            # The keyword that was sent: it may be the one of an `or` line.
            command = parse_command(answered.line)
            remark = self._session.once(feedback.on_style(command))
            comment = self._done(f"`{command.keyword.decode('utf-8', 'replace')}`", remark)
        self._go_on()
        return comment

    def _done(self, what: str, remark: str = "") -> Feedback:
        """Say that a turn is done, and which one of how many."""
        by_somebody = [at for at, turn in enumerate(self._turns) if turn.is_done_by_somebody]
        count, done = len(by_somebody), bisect_right(by_somebody, self._index)
        part = f" ({done} of {count})" if count > 1 else ""
        text = f"{what}{part}. {remark}".rstrip()
        return Feedback(kind=FeedbackKind.DONE, text=text[0].upper() + text[1:])

    def _go_on(self) -> None:
        """Await the next turn."""
        self._index += 1
        self._reached = max(self._reached, self._index)
        self._misses = self._hints.given = 0

    def _first_lost_mark(self) -> int:
        """Find the learner's first mark that the end of the connection has undone (RFC 1939 §6).

        Replay must not make it again, as if nothing had happened: the learner is to mark once more.
        """
        done = self._turns[: self._reached]
        opened = [at for at, turn in enumerate(done) if turn.opens]
        for at, turn in enumerate(done):
            if at >= (opened or [0])[-1] and turn.effect is Effect.MARK and not turn.is_refusal:
                return at
        return self._reached

    def _rewound(self) -> int:
        """Find the turn that is due now: a refusal may have undone earlier ones.

        A refused answer to a challenge ends the exchange (RFC 5034 §4), and PASS needs a USER right
        before it (RFC 1939 §7).
        """
        now = self._session.now
        turn = self._turns[self._reached]
        if not isinstance(turn.act, Send) or (turn.is_refusal and not turn.is_coded):
            return self._reached  # Any refusal will do, whatever came before.
        command = turn.act.command
        for at in reversed(range(self._reached)):
            act = self._turns[at].act
            if turn.act.answers_challenge and now.challenge is None:
                is_line = isinstance(act, Send) and not act.answers_challenge
                if is_line and isinstance(act, Send) and act.command.line == command.line:
                    return at
            elif feedback.lacks_user(command, now) and self._turns[at].effect is Effect.NAME:
                return at
        return self._reached

    def _remark(
        self, answered: actions.Answered, verdict: Judgement
    ) -> Iterator[actions.LessonAction]:
        """Comment on a line that isn't the awaited one, and offer help if that happens often."""
        if verdict.is_miss:
            self._misses += 1
            yield self._recorder.keep(EventKind.MISSED)
        elif verdict.kind in (JudgementKind.ASIDE, JudgementKind.EARLY):
            yield self._recorder.keep(EventKind.ASIDE)
        if text := self._on_effect(answered, verdict):
            yield Feedback(kind=_KINDS.get(verdict.kind, FeedbackKind.NOT_YET), text=text)
        if verdict.is_miss:
            yield from self._offer()

    def _on_effect(self, answered: actions.Answered, verdict: Judgement) -> str:
        """Say what a valid line did to the step, if it did something."""
        if verdict.kind not in (JudgementKind.ASIDE, JudgementKind.EARLY) or answered.sasl:
            return verdict.text
        session = self._session
        command = parse_command(answered.line)
        effect = command.verb.effect if command.verb is not None else Effect.NOTHING
        if effect is Effect.FAREWELL and verdict.kind is JudgementKind.ASIDE:
            return ""  # The end of the connection, which follows, is explained.
        if effect is Effect.LOGIN and self._needs_no_login():
            return (
                "You are logged in now, and what this step asks for comes before the login: "
                "`:reset` begins it again."
            )
        if effect is Effect.UNMARK_ALL and session.lesson_marks:
            before, self._reached = self._reached, self._first_lost_mark()
            again = "`:reset` brings it back" if self._reached == before else "send it again"
            return f"That took back the lesson's own `DELE` as well: {again}."
        if effect is Effect.UNMARK_ALL and session.before.marked:
            return "No message is marked any more; the step goes on."
        number = actions.message_of(command)
        if effect is Effect.MARK and number in self._needed():
            return feedback.needed_but_marked(number or 0)
        return verdict.text

    def _needs_no_login(self) -> bool:
        """Tell whether what is due can't be done after the login."""
        verb = self.turn.act.command.verb if isinstance(self.turn.act, Send) else None
        wrong_state = verb is not None and State.TRANSACTION not in verb.states
        is_about_authorization = self._block.state is State.AUTHORIZATION
        before_login = model.come_before_login(self._turns[self._index + 1 :])
        return wrong_state or is_about_authorization or before_login

    def _needed(self) -> set[int]:
        """Find the messages that the rest of the step needs unmarked."""
        session = self._session
        lines = (
            shown_line(turn.act, session.bindings, live=session.live)
            for turn in (*self._turns[self._index :], *self._later)
            if isinstance(turn.act, Send) and not turn.is_refusal
        )
        numbers = {actions.message_of(parse_command(octets_of(line))) for line in lines}
        return {number for number in numbers if number is not None}

    def _offer(self) -> Iterator[actions.LessonAction]:
        """Offer help by degrees."""
        if self._misses == MISSES_BEFORE_HINT_IS_NAMED:
            yield Feedback(kind=FeedbackKind.HINT, text="`:hint` helps.")
        elif self._misses == MISSES_BEFORE_FIRST_HINT and self._hints.given == 0:
            yield self._recorder.keep(EventKind.HINTED)
            yield self.next_hint()
        elif self._misses >= MISSES_BEFORE_SKIP_IS_OFFERED and self._misses % 2 == 0:
            text = "Shall we do it together? `:skip` sends the answer, and says why it's right."
            yield Feedback(kind=FeedbackKind.HINT, text=text)

    def _do_together(self) -> Flow[None]:
        """Send the answer in the learner's place, say why it is one, and go on in any case."""
        self._recorder.shown = self._together = True
        turn, session = self.turn, self._session
        assert isinstance(turn.act, Send)
        if session.outside:
            yield from session.come_back()
            yield from session.restore(self.cursor)
        if self.verdict is not None and self.verdict.kind in SENT:
            text = "You have sent it already, so the lesson goes on."
            yield Feedback(kind=FeedbackKind.NEWS, text=text)
            self.verdict = None
            self._go_on()
            return
        if self._is_out_of_place(turn, turn.act):
            yield from session.restore(self.cursor)
            yield from session.ready(self.cursor)
        endless = turn.is_endless(next(iter(self._turns[self._index + 1 :]), None))
        verdict = yield from session.send(turn, Manner.TYPED, endless=endless)
        if session.lost:
            return
        self.verdict = None
        if verdict is not None and verdict.kind is JudgementKind.WANTED:
            yield Feedback(kind=FeedbackKind.DONE, text=feedback.reason(turn.act.command))
        elif verdict is not None:
            text = "That got another reply than the lesson knows. It goes on all the same."
            yield Feedback(kind=FeedbackKind.UNJUDGED, text=text)
        self._go_on()

    def _is_out_of_place(self, turn: Turn, line: Send) -> bool:
        """Tell whether the answer can't succeed in the state that the session is in."""
        session, verb = self._session, line.command.verb
        if line.answers_challenge or turn.is_refusal:
            return False
        wrong_state = verb is not None and session.now.state not in verb.states
        is_asked = session.now.challenge is not None
        return wrong_state or is_asked or bool(session.stray_marks & self._needed())

    def _await_direction(self, turn: Turn, direction: Direction) -> Flow[None]:
        if turn.opens:
            yield from self._await_opening(turn)
        elif turn.closes:
            yield from self._await_end(direction)
        else:
            yield from self._session.follow(direction)
            self._go_on()

    def _await_opening(self, turn: Turn) -> Flow[None]:
        """Wait until the learner opens the connection."""
        message: Message | None = Request.SKIP if self._together else None
        while not isinstance(message, Request | actions.Connected):
            outside = self._session.outside
            message = yield from self._session.next(
                Awaiting.OUTSIDE if outside else Awaiting.CLOSED
            )
            if outside and message in (Request.GO_ON, Request.CONNECT):
                yield from self._session.go_outside()
                message = None
        if isinstance(message, actions.Connected):
            self._session.opened()
        else:
            if message is Request.SKIP:
                self._recorder.shown = self._together = True
            yield from self._session.come_back()
            yield from self._session.connect(Manner.TYPED)
        yield from self._session.check_greeting(turn)
        if len(self._turns) > 1:
            yield self._done("connected")
        self._go_on()

    def _await_end(self, direction: Direction) -> Flow[None]:
        """Wait until the connection is closed by the side that is to close it."""
        session = self._session
        if self._together:
            yield from session.follow(direction)
        while session.now.state is not State.CLOSED:
            message = yield from session.next(self._awaiting, may_end=True)
            if message is Request.SKIP:
                self._recorder.shown = self._together = True
                yield from session.hang_up()
            elif isinstance(message, actions.Answered):
                yield from self._remark(message, self._judge(message))
            elif isinstance(message, actions.Disconnected) and not (
                direction.side is Side.SERVER or message.ending.by is EndedBy.US
            ):
                yield from session.explain_end(message)
                yield from session.ready(self.cursor)
        yield self._done("closed")
        self._go_on()
