"""What a learner may try in a step: nothing, something else, what is accepted as well, each mistake.

The step is begun by itself, as after a break, and tried at each of its turns.  After a try that has
changed the session, another pupil goes from the beginning of the step to the same turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from poptalk.lesson.classroom import PracticeLessonServer
from poptalk.lesson.document import Block, BlockKind, Mistake, Step
from poptalk.lesson.errors import LessonFault
from poptalk.lesson.proof.instances import instances
from poptalk.lesson.proof.pupil import DryRunLearner, Stuck
from poptalk.lesson.proof.subject import Subject
from poptalk.lesson.replaying import Cursor
from poptalk.notation.dialogue import ClientLine
from poptalk.notation.exchanges import Send
from poptalk.notation.match import Agreement, match_client
from poptalk.protocol.verbs import Verb

NOTHING = "NOOP"
"""What a learner may send who does nothing of what is asked."""

NO_LINE = "no line could be found that fits it"


@dataclass(frozen=True, slots=True, kw_only=True)
class DueLine:
    """A line of a task, and where the lesson stands when it is due."""

    cursor: Cursor
    send: Send

    @property
    def step(self) -> ClientLine:
        """The line as the lesson has it."""
        return self.send.step


class StepMutations:
    """The proof of one step.

    Args:
        subject: the lesson.
        practice_server: its practice server.
        step: one that a pupil who did the whole lesson has passed.
    """

    def __init__(self, subject: Subject, practice_server: PracticeLessonServer, step: Step) -> None:
        self._subject = subject
        self._practice_server = practice_server
        self._step = step
        self._learner: DryRunLearner | None = None
        self._spoiled = False
        """Whether a try has changed the session, so that another pupil is due."""
        self._tried = False
        """Whether this pupil has tried anything: if they get stuck, that may be the cause."""
        self._due_lines: list[DueLine] = []
        """The lines that the learner is to send."""

    def findings(self) -> Iterator[LessonFault]:
        """Find what is wrong with the step (PT021, PT022, PT023, PT026)."""
        try:
            self._find_turns()
            for due in self._due_lines:
                yield from self._try_nothing(due)
                yield from self._try_what_is_accepted(due)
            for block in self._step.blocks(BlockKind.TASK):
                yield from self._try_mistakes(block)
        except Stuck as stuck:
            yield self._subject.fault(
                "cannot-resume", stuck.line or self._step.line, advice=stuck.last_words
            )
        finally:
            self._leave()

    # Going to a line that is due.

    def _find_turns(self) -> None:
        """Go through the step alone, and note the lines that are to be sent."""
        learner = self._new_learner()
        while learner.go_to_turn(self._step):
            send = learner.turn.act if learner.turn is not None else None
            # Whatever answers a challenge is an answer: nothing else can be tried there.
            if isinstance(send, Send) and not send.answers_challenge:
                self._due_lines.append(DueLine(cursor=learner.tutor.cursor, send=send))
            learner.go_on()

    def _new_learner(self) -> DryRunLearner:
        self._leave()
        self._learner = DryRunLearner(
            self._subject.lesson, self._practice_server, at=self._step.slug
        )
        self._spoiled = self._tried = False
        self._learner.begin()
        return self._learner

    def _at(self, due: DueLine) -> DryRunLearner:
        """Stand at a line that is due, where nothing that was tried before can be noticed."""
        learner = self._learner
        if learner is not None and not self._spoiled and self._is_before(learner, due):
            try:
                learner.go_to_turn(self._step, due.cursor)
            except Stuck:
                if not self._tried:
                    raise
            if _is_at(learner, due):
                return learner
        learner = self._new_learner()
        learner.go_to_turn(self._step, due.cursor)
        if not _is_at(learner, due):
            raise Stuck(due.step.line, "it was asked for at the first time, and not at the second")
        return learner

    def _is_before(self, learner: DryRunLearner, due: DueLine) -> bool:
        return (
            not learner.over
            and learner.tutor.step is self._step
            and learner.tutor.cursor <= due.cursor
        )

    def _leave(self) -> None:
        if self._learner is not None:
            self._learner.close()
            self._learner = None

    def _try(self, learner: DryRunLearner, line: str) -> bool:
        """Send a line; tell whether the lesson took it for the one that it awaits."""
        before = learner.situation
        moved = learner.send(line)
        self._tried = True
        self._spoiled = learner.situation != before
        return moved

    # What is tried.

    def _try_nothing(self, due: DueLine) -> Iterator[LessonFault]:
        learner = self._at(due)
        if learner.fall_silent():
            yield self._subject.fault("goes-on-alone", due.step.line)
            return
        if any(
            pattern.text.upper() == NOTHING
            for pattern in (due.step.pattern, *due.step.alternatives)
        ):
            return
        if self._try(learner, NOTHING):
            yield self._subject.fault("noop-passes", due.step.line, source=due.step.pattern.source)

    def _try_what_is_accepted(self, due: DueLine) -> Iterator[LessonFault]:
        for pattern in due.step.alternatives:
            learner = self._at(due)
            line = next(instances(pattern, learner.tutor.bindings), None)
            if line is None or not self._try(learner, line):
                yield self._subject.fault(
                    "alternative-refused",
                    due.step.line,
                    source=pattern.source,
                    advice=learner.last_told,
                )

    def _try_mistakes(self, block: Block) -> Iterator[LessonFault]:
        due_lines = [
            due for due in self._due_lines if any(each is due.step for each in block.dialogue.steps)
        ]
        for mistake in block.mistakes:
            act = mistake.turn.act
            assert isinstance(act, Send)
            verb = act.command.verb
            # It is met where its own command is awaited, or at the end, where most is possible.
            last_first = sorted(due_lines, key=lambda due: due.cursor, reverse=True)
            due_lines = sorted(last_first, key=partial(_has_other_verb, verb))
            reasons = []
            for due in due_lines:
                reason = self._why_not_met(mistake, due)
                if reason is None:
                    break
                reasons.append(reason)
            else:
                yield self._subject.fault(
                    "mistake-never-met", mistake.line, reason=reasons[0] if reasons else NO_LINE
                )

    def _why_not_met(self, mistake: Mistake, due: DueLine) -> str | None:
        """Make the mistake at a turn; say what came in its place, None if it had its say."""
        assert isinstance(mistake.turn.act, Send)
        reason = NO_LINE
        for line in instances(mistake.turn.act.step.pattern, self._at(due).tutor.bindings):
            learner = self._at(due)
            if _is_answer(learner, due.step, line):
                reason = f"'{line}' is the answer itself" if reason == NO_LINE else reason
                continue
            self._try(learner, line)
            verdict = learner.tutor.verdict
            if verdict is not None and verdict.mistake is mistake:
                return None
            if verdict is not None and verdict.mistake is not None:
                first = verdict.mistake.line
                reason = f"'{line}' is met by the one in line {first}, which comes first"
            elif reason == NO_LINE:
                reason = f"'{line}' gets: {learner.last_told}"
            if learner.waits_in_vain:
                # A server that breaks down over it does so again, and each time takes long.
                break
        return reason


def _is_at(learner: DryRunLearner, due: DueLine) -> bool:
    act = learner.turn.act if learner.turn is not None else None
    return isinstance(act, Send) and act.step is due.step


def _is_answer(learner: DryRunLearner, step: ClientLine, line: str) -> bool:
    octets = line.encode("utf-8", "surrogateescape")
    return isinstance(match_client(step, octets, learner.tutor.bindings), Agreement)


def _has_other_verb(verb: Verb | None, due: DueLine) -> bool:
    return due.send.command.verb is not verb
