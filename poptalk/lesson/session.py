"""The session of a lesson: opened, used, and brought back to where it was by sending lines again.

An end of the connection that the lesson did not ask for is explained here, once, wherever it comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, zip_longest

from poptalk.lesson import actions, feedback
from poptalk.lesson.actions import Awaiting, Feedback, FeedbackKind, Flow, Manner, Message, Request
from poptalk.lesson.document.model import Block, BlockKind, Item, Lesson, Turn
from poptalk.lesson.judge import Judgement, JudgementKind, judge, judge_free
from poptalk.pop3.commands import Effect, State
from poptalk.pop3.replies import Status, parse_status_line
from poptalk.transcript.match import Agreement, match_reply
from poptalk.transcript.model import Action, ClientLine, Direction, Send, ServerLine, Side
from poptalk.transcript.pattern import Bindings, FillError
from poptalk.transcript.placeholders import REASONS, Known

# Replay: reset, back, resume and reconnect are one mechanism: a fresh maildrop, and then the client's
# lines of the setups, shows and tasks before a place.  A connection before the last one is replayed only
# for what it left: deletions, messages that came in after it, or values that later lines use.


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Cursor:
    """A place in a lesson."""

    step: int
    """An index; -1 is the introduction."""
    item: int = 0
    turn: int = 0
    """An index among the turns of the item, if it is a block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastConnection:
    """A connection of the lesson, up to a place."""

    number: int
    """Which one of the lesson it is, from 1."""
    turns: tuple[Turn, ...] = ()
    is_over: bool = False
    """Whether the lesson itself has ended it."""


def items_at(lesson: Lesson, step: int) -> tuple[Item, ...]:
    """Return the items of a step, of the introduction for -1."""
    return lesson.introduction if step < 0 else lesson.steps[step].items


def connections(lesson: Lesson, cursor: Cursor) -> list[PastConnection]:
    """Split what the lesson has done before a place into its connections."""
    past: list[PastConnection] = []
    for turn in _turns_before(lesson, cursor):
        if turn.opens or ((not past or past[-1].is_over) and not turn.closes):
            past.append(PastConnection(number=len(past) + 1))
        if turn.opens or not past:
            continue
        over = past[-1].is_over or turn.closes or _succeeds(turn, Effect.FAREWELL)
        past[-1] = replace(past[-1], turns=(*past[-1].turns, turn), is_over=over)
    return past


def _changes_mailbox(connection: PastConnection, *, later_letters: bool) -> bool:
    """Tell whether the mailbox is another one after a connection."""
    # With QUIT deletions come true (RFC 1939 §6), and messages come in.
    effects = {turn.effect for turn in connection.turns if not turn.is_refusal}
    changes_it = {Effect.MARK, Effect.LOGIN} if later_letters else {Effect.MARK}
    return Effect.FAREWELL in effects and not changes_it.isdisjoint(effects)


def changes(lesson: Lesson, cursor: Cursor, *, later_letters: bool) -> int:
    """Count how often a lesson has changed the mailbox before a place."""
    past = connections(lesson, cursor)
    return sum(_changes_mailbox(each, later_letters=later_letters) for each in past)


def to_replay(
    lesson: Lesson, cursor: Cursor, *, live: bool, later_letters: bool, lasting: bool
) -> list[PastConnection]:
    """Choose what is replayed to reach a place.

    Args:
        lesson: the lesson.
        cursor: everything before it counts.
        live: whether only the login is to be done again.
        later_letters: whether letters come in once a session has ended.
        lasting: whether what earlier connections did to the mailbox is still there.

    Returns:
        The connections in order.  If the last one is over, none is to stay open.
    """
    past = connections(lesson, cursor)
    current = [past.pop()] if past and not past[-1].is_over else []
    if live:
        return [_up_to_login(connection) for connection in current]
    used = {name for turn in _turns_from(lesson, cursor) for name in _names(turn)}
    needed = []
    for connection in past:
        changed = _changes_mailbox(connection, later_letters=later_letters)
        captured = {name for turn in connection.turns for name in _names(turn)}
        if (changed and not lasting) or (not changed and captured & used):
            needed.append(connection)
    return [_without_endless(connection) for connection in (*needed, *current)]


def _up_to_login(connection: PastConnection) -> PastConnection:
    """Keep what leads to the last login."""
    logins = [at for at, turn in enumerate(connection.turns, 1) if _succeeds(turn, Effect.LOGIN)]
    return replace(connection, turns=connection.turns[: logins[-1] if logins else 0])


def _without_endless(connection: PastConnection) -> PastConnection:
    """Leave out what has no end of its own, and what only lets time pass or hangs up."""
    turns = connection.turns
    kept = (
        turn
        for turn, following in zip_longest(turns, turns[1:])
        if not (turn.waits or turn.closes or turn.is_endless(following))
    )
    return replace(connection, turns=tuple(kept))


def _succeeds(turn: Turn, effect: Effect) -> bool:
    return turn.effect is effect and not turn.is_refusal


def _names(turn: Turn) -> Iterator[str]:
    """Give the names in a turn that have no value beforehand."""
    sent = [turn.act.step] if isinstance(turn.act, Send) else []
    for step in (*sent, *(turn.reply.steps if turn.reply is not None else ())):
        if isinstance(step, ClientLine | ServerLine):
            for placeholder in step.pattern.placeholders:
                if placeholder.name is not None and placeholder.name not in REASONS:
                    yield placeholder.name


def _turns_before(lesson: Lesson, cursor: Cursor) -> Iterator[Turn]:
    for step in range(-1, cursor.step + 1):
        items = items_at(lesson, step)
        if step < cursor.step:
            yield from turns_of(items)
        else:
            yield from turns_of(items[: cursor.item])
            current = turns_of(items[cursor.item : cursor.item + 1])
            yield from islice(current, cursor.turn)


def _turns_from(lesson: Lesson, cursor: Cursor) -> Iterator[Turn]:
    for step in range(cursor.step, len(lesson.steps)):
        start = cursor.item if step == cursor.step else 0
        yield from turns_of(items_at(lesson, step)[start:], proofs=True)


def turns_of(items: Iterable[Item], *, proofs: bool = False) -> Iterator[Turn]:
    """Give the turns of some items, without those of proofs unless these are asked for."""
    for item in items:
        if isinstance(item, Block) and (proofs or item.kind is not BlockKind.PROOF):
            yield from item.turns


class LessonSession(actions.SessionTracker):
    """The learner's connections to the server, one after the other, and what is known of them.

    Args:
        lesson: the lesson.
        known: the user's name and password.
        live: whether the server is not the lesson's practice server.
        lasting: whether the mailbox cannot be made as it was at first.
        later_letters: whether letters come in once a session has ended.
        by_hand: whether the learner alone connects and sends lines.
        when_lost: returns what is to be noted when the connection has ended too early.
    """

    def __init__(
        self,
        lesson: Lesson,
        known: Known,
        *,
        live: bool,
        lasting: bool,
        later_letters: bool,
        by_hand: bool,
        when_lost: Callable[[], actions.LessonAction],
    ) -> None:
        super().__init__(known)
        self._lesson = lesson
        self._later_letters = later_letters
        self._when_lost = when_lost
        self.live = live
        self.lasting = lasting
        self.changes = 0
        """How often the mailbox was changed for good, where that lasts."""
        self.by_hand = by_hand
        self.captured: Bindings = {}
        """What the placeholders of the lesson stand for."""
        self.chosen: dict[str, str] = {}
        """What the learner chose for `{n:int=2}` and the like; replay sends it again."""
        self.lesson_marks: frozenset[int] = frozenset()
        """Messages that are marked because the lesson asked for it."""
        self.lost = False
        """Whether the connection ended too early, and has not been brought back."""
        self.hangs_up_if_silent = False
        """Whether the reply under way has no end, and is meant to be cut off."""
        self.outside = False
        """Whether another program is at work, and not poptalk (see `outside`)."""
        self.awaited: Turn | None = None
        """The turn whose effect is waited for, as poptalk can't take it by itself."""
        self._was_encrypted = False
        """Whether TLS was ever up: then nothing secret is replayed without it."""
        self._said: set[str] = set()
        """Remarks that were made; once is enough."""
        self.number = 0
        """Which connection of the lesson is the last one, from 1."""
        self._is_used = True
        """Whether the maildrop may differ from what it was at first."""
        self._may_end = False
        """Whether an end of the connection would be the lesson's own doing."""

    @property
    def bindings(self) -> Bindings:
        """What all placeholders stand for."""
        return {**self.captured, **self.now.known}

    @property
    def stray_marks(self) -> frozenset[int]:
        """Messages that are marked, though the lesson did not ask for it."""
        return self.now.marked - self.lesson_marks

    def next(self, awaiting: Awaiting, *, may_end: bool = False) -> Flow[Message]:
        """Wait for what comes next.

        Args:
            awaiting: what the learner is expected to do.
            may_end: whether the end of the connection is what is waited for.
        """
        message = yield awaiting
        if isinstance(message, actions.LessonEvent):
            self.take(message)
            if self.lasting and self.now.farewell and not self.before.farewell:
                # With QUIT deletions come true; letters come in after a login.
                logged_in = self.before.state is State.TRANSACTION
                self.changes += bool(self.now.marked) or (logged_in and self._later_letters)
            self._was_encrypted = self._was_encrypted or self.now.encrypted
        if isinstance(message, actions.Disconnected) and not (may_end or self._may_end):
            yield from self.explain_end(message)
        return message

    def is_as_before(self, cursor: Cursor) -> bool:
        """Tell whether the mailbox is as the lesson has it at a place, as far as that is known."""
        count = changes(self._lesson, cursor, later_letters=self._later_letters)
        return not self.lasting or self.changes <= count

    def resumed(self, cursor: Cursor) -> None:
        """Note that the lesson goes on at a place, with what was done before."""
        self.changes = changes(self._lesson, cursor, later_letters=self._later_letters)

    def once(self, remark: str) -> str:
        """Return a remark, or nothing if it was made before."""
        is_new = remark not in self._said
        self._said.add(remark)
        return remark if is_new else ""

    def explain_end(self, ended: actions.Disconnected) -> Flow[None]:
        """Say that the connection is gone, and what that means."""
        self.lost = True
        yield self._when_lost()
        text = feedback.closed(ended, self.before)
        if self.outside:
            again = "The task begins again: connect once more."
            text = text.removesuffix(feedback.RECONNECT) + again
        yield Feedback(kind=FeedbackKind.CLOSED, text=text)

    def ready(self, cursor: Cursor) -> Flow[bool]:
        """Make sure that there is a connection, in the state that the lesson is in.

        Returns:
            False if the learner asked, on the way, to have the next thing done for them.
        """
        for_themselves = True
        while self.now.farewell and self.now.state is not State.CLOSED and not self._may_end:
            # A QUIT that the lesson did not ask for: the end that follows is explained first
            # (the server has yet to hang up, RFC 1939 §6).
            message = yield from self.next(Awaiting.COMMAND)
            if message is Request.SKIP:
                for_themselves = False
                yield from self.restore(cursor)
        while self.lost:
            message = yield from self.next(Awaiting.CLOSED)
            if message is Request.SKIP:
                for_themselves = False
            if isinstance(message, Request | actions.Connected):
                yield from self.restore(cursor)
        if not self.now.is_open:
            yield from self.connect(Manner.TYPED)
        return for_themselves

    def connect(self, manner: Manner, *, number: int | None = None) -> Flow[None]:
        """Open a connection: the lesson's next one, or the one with a number."""
        if self.by_hand:
            yield from self._await_connection()
            return
        self.number = self.number + 1 if number is None else number
        self._may_end = True
        connection = actions.Connect(fresh=self._is_used, number=self.number, manner=manner)
        yield connection
        message: Message | None = None
        while not isinstance(message, actions.Connected):
            message = yield from self.next(Awaiting.BUSY)
            if isinstance(message, actions.CannotConnect):
                text = f"{message.reason} Enter tries again."
                yield Feedback(kind=FeedbackKind.CLOSED, text=text)
                while not isinstance(message, Request | actions.Connected):
                    message = yield from self.next(Awaiting.CLOSED)
                if isinstance(message, Request):
                    yield connection
        self.opened()

    def opened(self) -> None:
        """Note that there is a connection: poptalk or the learner has opened it."""
        self.number += self.by_hand
        self._is_used = self._may_end = self.lost = False
        self.lesson_marks = frozenset()

    def hang_up(self) -> Flow[None]:
        """Close the connection, if there is one, without a word."""
        if self.now.is_open:
            self._may_end = True
            yield actions.HangUp()
            while self.now.is_open:
                yield from self.next(Awaiting.BUSY)

    def go_outside(self) -> Flow[None]:
        """Leave the next connection to another program; a second time, with everything as at first."""
        yield from self.hang_up()
        self._is_used = self._is_used or self.outside
        self.number += not self.outside
        self.outside, self.lost = True, False
        yield actions.Follow(fresh=self._is_used, number=self.number)

    def come_back(self) -> Flow[None]:
        """Take the connections back from another program."""
        if self.outside:
            self.outside = False
            self._may_end = True
            yield actions.Unfollow()

    def send(self, turn: Turn, manner: Manner, *, endless: bool = False) -> Flow[Judgement | None]:
        """Send the line of a turn, and judge the reply.

        Args:
            turn: its act is a line.
            manner: how it is shown.
            endless: whether the reply has no end, and is to be cut off when silence falls.

        Returns:
            The verdict; None if a placeholder has no value to send, or the connection ended instead.
        """
        assert isinstance(turn.act, Send)
        try:
            text = turn.act.step.pattern.fill({**self.chosen, **self.bindings})
        except FillError as error:
            yield Feedback(kind=FeedbackKind.UNJUDGED, text=str(error))
            return None
        line = text.encode("utf-8", "surrogateescape")
        self._may_end = self._may_end or endless or _ends_session(turn)
        self.hangs_up_if_silent = endless
        yield actions.SendLine(line=line, manner=manner)
        message: Message | None = None
        while not isinstance(message, actions.Disconnected):
            message = yield from self.next(Awaiting.BUSY)
            if isinstance(message, actions.Answered) and message.line == line:
                self.hangs_up_if_silent = False
                verdict = judge(
                    turn,
                    message,
                    self.bindings,
                    before=self.before,
                    live=self.live,
                    any_case=self.lasting,
                )
                if verdict.kind is JudgementKind.WANTED:
                    self.passed(turn, verdict)
                return verdict
        self.hangs_up_if_silent = False
        return None

    def passed(self, turn: Turn, verdict: Judgement) -> None:
        """Note that a line has passed: what it captured, what it marked, whether it was the last."""
        self._capture(verdict.bindings)
        if self.live and verdict.command is not None and not turn.is_refusal:
            self.remember_login(verdict.command)
        if isinstance(turn.act, Send):
            for part in turn.act.step.pattern.placeholders:
                if part.name and part.default is not None and part.name in verdict.bindings:
                    self.chosen[part.name] = verdict.bindings[part.name]
        if turn.effect in (Effect.MARK, Effect.UNMARK_ALL):
            new = self.now.marked - self.before.marked
            self.lesson_marks = (self.lesson_marks | new) & self.now.marked
        self._may_end = self._may_end or _ends_session(turn)

    def _capture(self, bindings: Bindings) -> None:
        known = self.now.known
        self.captured = {name: value for name, value in bindings.items() if name not in known}

    def perform(
        self, turn: Turn, manner: Manner, *, endless: bool = False
    ) -> Flow[Judgement | None]:
        """Take any turn in the learner's place; arguments as for `send`."""
        if self.by_hand:
            yield from self._await_effect(turn)
            return None
        match turn.act:
            case Send():
                return (yield from self.send(turn, manner, endless=endless))
            case Direction():
                yield from self.follow(turn.act, manner)
        if turn.opens or turn.act is None:
            yield from self.check_greeting(turn)
        return None

    def check_greeting(self, turn: Turn) -> Flow[None]:
        """Compare the greeting with the one in a turn, and capture what it holds."""
        result = match_reply(turn.reply, [self.now.greeting], self.bindings)
        if isinstance(result, Agreement):
            self._capture(result.bindings)
        else:
            text = "The greeting isn't the one the lesson knows; it goes on all the same."
            yield Feedback(kind=FeedbackKind.UNJUDGED, text=text)

    def follow(self, direction: Direction, manner: Manner = Manner.TYPED) -> Flow[None]:
        """Follow a stage direction."""
        match direction.action:
            case Action.OPEN:
                yield from self.connect(manner)
            case Action.CLOSE if direction.side is Side.CLIENT:
                yield from self.hang_up()
            case Action.CLOSE:
                while self.now.is_open:
                    message = yield from self.next(Awaiting.BUSY, may_end=True)
                    if message is Request.SKIP:
                        yield from self.hang_up()
            case Action.NEGOTIATE_TLS:
                while self.now.is_open and not self.now.encrypted:
                    yield from self.next(Awaiting.BUSY)
            case Action.WAIT:
                yield actions.WaitSeconds(seconds=direction.seconds or 0)
                waited: Message | None = None
                while not isinstance(waited, actions.Waited):
                    waited = yield from self.next(Awaiting.BUSY)

    def restore(self, cursor: Cursor, news: str = "") -> Flow[None]:
        """Bring the session to where the lesson is, by replay.

        Args:
            cursor: where the lesson is.
            news: what is said, together with what was replayed; a clause without a full stop.
        """
        if self.by_hand:
            yield from self._await_return(cursor)
            return
        self.captured = {}
        self._is_used = True
        is_as_before = self.is_as_before(cursor)
        past = to_replay(
            self._lesson,
            cursor,
            live=self.live or not is_as_before,
            later_letters=self._later_letters,
            lasting=self.lasting,
        )
        sent: list[str] = []
        self.lost = False
        for connection in past:
            yield from self._replay(connection, sent)
            if self.lost:
                return
        if not past or past[-1].is_over:
            yield from self.hang_up()
        self.number = len(connections(self._lesson, cursor))
        text = news or ("connected again" if self.now.is_open else "")
        if sent:
            text = f"{news or 'back where you were'}; sent again for you: {feedback.named(sent)}"
        if text:
            yield Feedback(kind=FeedbackKind.NEWS, text=f"{text[0].upper()}{text[1:]}.")
        if not is_as_before:
            yield Feedback(kind=FeedbackKind.NEWS, text=feedback.CHANGED_FOR_GOOD)

    def _replay(self, connection: PastConnection, sent: list[str]) -> Flow[None]:
        """Do a connection again, folded, and note the keywords that were sent."""
        protected = self._was_encrypted
        yield from self.connect(Manner.FOLDED, number=connection.number)
        begins_tls = any(turn.effect is Effect.START_TLS for turn in connection.turns)
        if self.live and protected and not begins_tls and not self.now.encrypted:
            yield from self._protect()
            sent.append("STLS")
        for turn in connection.turns:
            if self.lost:
                return
            if isinstance(turn.act, Send) and not turn.act.answers_challenge:
                sent.append(turn.keyword)
            yield from self.perform(turn, Manner.FOLDED)

    def _protect(self) -> Flow[None]:
        """Begin TLS as the learner did: a password that was encrypted never crosses in the clear."""
        yield actions.SendLine(line=b"STLS", manner=Manner.FOLDED)
        while self.now.is_open and not self.now.encrypted:
            message = yield from self.next(Awaiting.BUSY)
            # There may be no reply, if the server hangs up or patience runs out.
            if isinstance(message, actions.Answered) and not _is_ok(message):
                yield from self.hang_up()
                self.lost = True
                yield Feedback(kind=FeedbackKind.CLOSED, text=feedback.NO_TLS_ANY_MORE)

    # Where the learner alone connects and sends: what poptalk would do is waited for.

    def _await_connection(self) -> Flow[None]:
        """Wait for the end of the connection, if there is one, and for the next."""
        self._may_end = True
        message: Message | None = None
        while not isinstance(message, actions.Connected):
            message = yield from self.next(Awaiting.CLOSED)
        self.opened()

    def _await_effect(self, turn: Turn) -> Flow[None]:
        """Wait for what a turn changes, however it comes about; don't wait if it changes nothing."""
        self.awaited = turn
        if turn.opens:
            yield from self._await_connection()
        elif turn.closes or _ends_session(turn):
            self._may_end = True
            yield from self._await_until(lambda: not self.now.is_open, LEAVE)
        elif _succeeds(turn, Effect.LOGIN):
            yield from self._await_until(lambda: self.now.state is State.TRANSACTION, LOG_IN)
        elif (number := _marked_by(turn)) is not None:
            marked = MARK_AGAIN.format(number=number)
            yield from self._await_until(lambda: number in self.now.marked, marked)
            self.lesson_marks |= {number} & self.now.marked
        self.awaited = None

    def _await_until(self, met: Callable[[], bool], text: str) -> Flow[None]:
        """Say what is waited for, and explain mistakes on the way; nothing is counted."""
        if not met():
            yield Feedback(kind=FeedbackKind.NEWS, text=text)
        while not (met() or self.lost):
            message = yield from self.next(Awaiting.COMMAND)
            if isinstance(message, actions.Answered):
                verdict = judge_free(message, before=self.before)
                if verdict.text:
                    yield Feedback(kind=FeedbackKind.ASIDE, text=verdict.text)

    def _await_return(self, cursor: Cursor) -> Flow[None]:
        """Wait until the learner is where the lesson is; the maildrop is made as it was there."""
        past = connections(self._lesson, cursor)
        current = past[-1:] if past and not past[-1].is_over else []
        self.number = len(past)
        self.lost = False
        yield actions.TakeBack(number=len(past) + (not current))
        for turn in [turn for connection in current for turn in _lasting(connection.turns)]:
            yield from self._await_effect(turn)
            if self.lost:
                return


LOG_IN = "This goes on after the login."
LEAVE = "This goes on after `QUIT`."
MARK_AGAIN = "Without `QUIT` no mark lasts, so `DELE {number}` comes again."
"""What is waited for if the learner alone connects and sends."""


def _is_ok(answered: actions.Answered) -> bool:
    return bool(answered.lines) and parse_status_line(answered.lines[0]).status is Status.OK


def _ends_session(turn: Turn) -> bool:
    return turn.effect is Effect.FAREWELL and not turn.is_refusal


def _marked_by(turn: Turn) -> int | None:
    """Return the message that a turn marks; None if it marks none."""
    if not isinstance(turn.act, Send) or not _succeeds(turn, Effect.MARK):
        return None
    return actions.message_of(turn.act.command)


def _lasting(turns: Sequence[Turn]) -> list[Turn]:
    """Leave out the marks that RSET has taken back."""
    lasting: list[Turn] = []
    for turn in turns:
        if _succeeds(turn, Effect.UNMARK_ALL):
            lasting = [each for each in lasting if _marked_by(each) is None]
        lasting.append(turn)
    return lasting
