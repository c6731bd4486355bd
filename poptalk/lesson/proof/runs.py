"""What happens when a lesson is run: its answers pass, nothing else does, each mistake has its say.

One pupil does the whole lesson.  Then each step that was passed is proved by itself (`trials`).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

from poptalk.lesson.classroom import Classroom, ClassroomError
from poptalk.lesson.document import BlockKind, Step
from poptalk.lesson.errors import LessonFault
from poptalk.lesson.proof.needs import riddles
from poptalk.lesson.proof.pupil import MOST_ACTIONS, Pupil, Stuck
from poptalk.lesson.proof.subject import Subject
from poptalk.lesson.proof.trials import StepProof
from poptalk.notation.exchanges import Send
from poptalk.notation.match import Agreement, match_client
from poptalk.notation.pattern import Bindings


def check_runs(subject: Subject) -> Iterator[LessonFault]:
    """Find what is wrong with a lesson when it is run (PT020 to PT029)."""
    try:
        with Classroom(subject.lesson) as classroom:
            passed = yield from _whole_lesson(subject, classroom)
            for step in passed:
                yield from StepProof(subject, classroom, step).findings()
    except ClassroomError as error:
        sentence = error.sentence.rstrip(".")
        yield subject.fault("no-server", error.line, problem=sentence)


def _whole_lesson(
    subject: Subject, classroom: Classroom
) -> Generator[LessonFault, None, list[Step]]:
    """Do the lesson from its beginning; return the steps that were passed."""
    steps = subject.lesson.steps
    pupil = Pupil(subject.lesson, classroom)
    try:
        pupil.begin()
        for _ in range(MOST_ACTIONS):
            if pupil.over:
                break
            yield from _riddles(subject, pupil)
            pupil.go_on()
        else:
            raise Stuck(None, f"it asks for more than {MOST_ACTIONS} things")
    except Stuck as stuck:
        line = stuck.line or (pupil.tutor.step.line if pupil.tutor.step else 1)
        yield subject.fault("answer-refused", line, advice=stuck.last_words)
    finally:
        pupil.close()
    for line, sentence in pupil.rehearsal.differences:
        yield subject.fault("proof-fails", line, advice=sentence.rstrip("."))
    yield from _surprises(subject, pupil)
    if pupil.over:
        return list(steps)
    return list(steps[: _index(steps, pupil.tutor.step)])


def _index(steps: Sequence[Step], step: Step | None) -> int:
    return next((index for index, each in enumerate(steps) if each is step), 0)


def _riddles(subject: Subject, pupil: Pupil) -> Iterator[LessonFault]:
    """Find words of the line that is due which the learner has not been shown (PT025)."""
    turn = pupil.turn
    if turn is None or not isinstance(turn.act, Send):
        return
    shown = "\n".join(pupil.rehearsal.shown)
    step, bindings = turn.act.step, pupil.tutor.bindings
    for word in riddles(step, bindings, shown=shown, earlier=subject.earlier):
        yield subject.fault("riddle", step.line, word=word)


def _surprises(subject: Subject, pupil: Pupil) -> Iterator[LessonFault]:
    """Find what poptalk itself did, and what went otherwise than the lesson says (PT034)."""
    for sent, came in pupil.rehearsal.surprises:
        line = 1 if sent is None else _line_that_sends(subject, sent, pupil.tutor.bindings)
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
