"""What happens when a lesson is run: its answers pass, nothing else does, each mistake has its say.

One pupil does the whole lesson.  Then each step that was passed is proved by itself (`trials`).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

from poptalk.lesson.classroom import LessonServerError, PracticeLessonServer
from poptalk.lesson.document import BlockKind, Step
from poptalk.lesson.errors import LessonFault
from poptalk.lesson.proof.needs import riddles
from poptalk.lesson.proof.pupil import MOST_ACTIONS, DryRunLearner, Stuck
from poptalk.lesson.proof.subject import Subject
from poptalk.lesson.proof.trials import StepMutations
from poptalk.notation.exchanges import Send
from poptalk.notation.match import Agreement, match_client
from poptalk.notation.pattern import Bindings


def check_runs(subject: Subject) -> Iterator[LessonFault]:
    """Find what is wrong with a lesson when it is run (PT020 to PT029)."""
    try:
        with PracticeLessonServer(subject.lesson) as practice_server:
            passed = yield from _whole_lesson(subject, practice_server)
            for step in passed:
                yield from StepMutations(subject, practice_server, step).findings()
    except LessonServerError as error:
        sentence = error.sentence.rstrip(".")
        yield subject.fault("no-server", error.line, problem=sentence)


def _whole_lesson(
    subject: Subject, practice_server: PracticeLessonServer
) -> Generator[LessonFault, None, list[Step]]:
    """Do the lesson from its beginning; return the steps that were passed."""
    steps = subject.lesson.steps
    learner = DryRunLearner(subject.lesson, practice_server)
    try:
        learner.begin()
        for _ in range(MOST_ACTIONS):
            if learner.over:
                break
            yield from _riddles(subject, learner)
            learner.go_on()
        else:
            raise Stuck(None, f"it asks for more than {MOST_ACTIONS} things")
    except Stuck as stuck:
        line = stuck.line or (learner.tutor.step.line if learner.tutor.step else 1)
        yield subject.fault("answer-refused", line, advice=stuck.last_words)
    finally:
        learner.close()
    for line, sentence in learner.dry_run.differences:
        yield subject.fault("proof-fails", line, advice=sentence.rstrip("."))
    yield from _surprises(subject, learner)
    if learner.over:
        return list(steps)
    return list(steps[: _index(steps, learner.tutor.step)])


def _index(steps: Sequence[Step], step: Step | None) -> int:
    return next((index for index, each in enumerate(steps) if each is step), 0)


def _riddles(subject: Subject, learner: DryRunLearner) -> Iterator[LessonFault]:
    """Find words of the line that is due which the learner has not been shown (PT025)."""
    turn = learner.turn
    if turn is None or not isinstance(turn.act, Send):
        return
    shown = "\n".join(learner.dry_run.shown)
    step, bindings = turn.act.step, learner.tutor.bindings
    for word in riddles(step, bindings, shown=shown, earlier=subject.earlier):
        yield subject.fault("riddle", step.line, word=word)


def _surprises(subject: Subject, learner: DryRunLearner) -> Iterator[LessonFault]:
    """Find what poptalk itself did, and what went otherwise than the lesson says (PT034)."""
    for sent, came in learner.dry_run.surprises:
        line = 1 if sent is None else _line_that_sends(subject, sent, learner.tutor.bindings)
        yield subject.fault(
            "other-answer" if sent else "other-greeting",
            line,
            came=came.decode("utf-8", "replace"),
        )


def _line_that_sends(subject: Subject, sent: bytes, bindings: Bindings) -> int:
    """Find the line of a `show` or `setup` block that has led to a line; 1 where there is none."""
    for block in subject.lesson.blocks(BlockKind.SHOW, BlockKind.SETUP):
        for turn in block.turns:
            if isinstance(turn.act, Send) and isinstance(
                match_client(turn.act.step, sent, bindings), Agreement
            ):
                return turn.act.step.line
    return 1
