"""What a learner may try in a step: nothing, something else, what is accepted as well, each mistake.

The step is begun by itself, as after a break, and tried at each of its turns.  After a try that has
changed the session, another pupil goes from the beginning of the step to the same turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from poptalk.lesson.classroom import Classroom
from poptalk.lesson.document import Block, BlockKind, Mistake, Step
from poptalk.lesson.errors import LessonFault
from poptalk.lesson.proof.instances import instances
from poptalk.lesson.proof.pupil import Pupil, Stuck
from poptalk.lesson.proof.subject import Subject
from poptalk.lesson.replaying import Place
from poptalk.notation.dialogue import ClientLine
from poptalk.notation.exchanges import Send
from poptalk.notation.match import Agreement, match_client
from poptalk.notation.pattern import Pattern
from poptalk.protocol.verbs import Verb

NOTHING = "NOOP"
"""What a learner may send who does nothing of what is asked."""

NO_LINE = "no line could be found that fits it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A line of a task, and where the lesson stands when it is due."""

    place: Place
    send: Send

    @property
    def step(self) -> ClientLine:
        """The line as the lesson has it."""
        return self.send.step


class StepProof:
    """The proof of one step.

    Args:
        subject: the lesson.
        classroom: its practice server.
        step: one that a pupil who did the whole lesson has passed.
    """

    def __init__(self, subject: Subject, classroom: Classroom, step: Step) -> None:
        self._subject = subject
        self._classroom = classroom
        self._step = step
        self._pupil: Pupil | None = None
        self._spoiled = False
        """Whether a try has changed the session, so that another pupil is due."""
        self._tried = False
        """Whether this pupil has tried anything: if they get stuck, that may be the cause."""
        self._spots: list[Spot] = []
        """The lines that the learner is to send."""

    def findings(self) -> Iterator[LessonFault]:
        """Find what is wrong with the step (PT021, PT022, PT023, PT026)."""
        try:
            self._find_turns()
            for spot in self._spots:
                yield from self._try_nothing(spot)
                yield from self._try_what_is_accepted(spot)
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
        pupil = self._new_pupil()
        while pupil.go_to_turn(self._step):
            send = pupil.turn.act if pupil.turn is not None else None
            # Whatever answers a challenge is an answer: nothing else can be tried there.
            if isinstance(send, Send) and not send.answers_challenge:
                self._spots.append(Spot(place=pupil.tutor.place, send=send))
            pupil.go_on()

    def _new_pupil(self) -> Pupil:
        self._leave()
        self._pupil = Pupil(self._subject.lesson, self._classroom, at=self._step.slug)
        self._spoiled = self._tried = False
        self._pupil.begin()
        return self._pupil

    def _at(self, spot: Spot) -> Pupil:
        """Stand at a line that is due, where nothing that was tried before can be noticed."""
        pupil = self._pupil
        if pupil is not None and not self._spoiled and self._is_before(pupil, spot):
            try:
                pupil.go_to_turn(self._step, spot.place)
            except Stuck:
                if not self._tried:
                    raise
            if _is_at(pupil, spot):
                return pupil
        pupil = self._new_pupil()
        pupil.go_to_turn(self._step, spot.place)
        if not _is_at(pupil, spot):
            raise Stuck(spot.step.line, "it was asked for at the first time, and not at the second")
        return pupil

    def _is_before(self, pupil: Pupil, spot: Spot) -> bool:
        return not pupil.over and pupil.tutor.step is self._step and pupil.tutor.place <= spot.place

    def _leave(self) -> None:
        if self._pupil is not None:
            self._pupil.close()
            self._pupil = None

    def _try(self, pupil: Pupil, line: str) -> bool:
        """Send a line; tell whether the lesson took it for the one that it awaits."""
        before = pupil.situation
        moved = pupil.send(line)
        self._tried = True
        self._spoiled = pupil.situation != before
        return moved

    # What is tried.

    def _try_nothing(self, spot: Spot) -> Iterator[LessonFault]:
        pupil = self._at(spot)
        if pupil.fall_silent():
            yield self._subject.fault("goes-on-alone", spot.step.line)
            return
        if any(pattern.text.upper() == NOTHING for pattern in _patterns(spot.step)):
            return
        if self._try(pupil, NOTHING):
            yield self._subject.fault(
                "noop-passes", spot.step.line, source=spot.step.pattern.source
            )

    def _try_what_is_accepted(self, spot: Spot) -> Iterator[LessonFault]:
        for pattern in spot.step.alternatives:
            pupil = self._at(spot)
            line = next(instances(pattern, pupil.tutor.bindings), None)
            if line is None or not self._try(pupil, line):
                yield self._subject.fault(
                    "alternative-refused",
                    spot.step.line,
                    source=pattern.source,
                    advice=pupil.last_told,
                )

    def _try_mistakes(self, block: Block) -> Iterator[LessonFault]:
        spots = [spot for spot in self._spots if _is_in(spot.step, block)]
        for mistake in block.mistakes:
            verb = _verb(mistake)
            # It is met where its own command is awaited, or at the end, where most is possible.
            spots.sort(key=partial(_likelihood, verb), reverse=True)
            reasons = []
            for spot in spots:
                reason = self._why_not_met(mistake, spot)
                if reason is None:
                    break
                reasons.append(reason)
            else:
                yield self._subject.fault(
                    "mistake-never-met", mistake.line, reason=reasons[0] if reasons else NO_LINE
                )

    def _why_not_met(self, mistake: Mistake, spot: Spot) -> str | None:
        """Make the mistake at a turn; say what came in its place, None if it had its say."""
        assert isinstance(mistake.turn.act, Send)
        reason = NO_LINE
        for line in instances(mistake.turn.act.step.pattern, self._at(spot).tutor.bindings):
            pupil = self._at(spot)
            if _is_answer(pupil, spot.step, line):
                reason = f"'{line}' is the answer itself" if reason == NO_LINE else reason
                continue
            self._try(pupil, line)
            verdict = pupil.tutor.verdict
            if verdict is not None and verdict.mistake is mistake:
                return None
            if verdict is not None and verdict.mistake is not None:
                first = verdict.mistake.line
                reason = f"'{line}' is met by the one in line {first}, which comes first"
            elif reason == NO_LINE:
                reason = f"'{line}' gets: {pupil.last_told}"
            if pupil.waits_in_vain:
                # A server that breaks down over it does so again, and each time takes long.
                break
        return reason


def _is_at(pupil: Pupil, spot: Spot) -> bool:
    act = pupil.turn.act if pupil.turn is not None else None
    return isinstance(act, Send) and act.step is spot.step


def _is_answer(pupil: Pupil, step: ClientLine, line: str) -> bool:
    octets = line.encode("utf-8", "surrogateescape")
    return isinstance(match_client(step, octets, pupil.tutor.bindings), Agreement)


def _patterns(step: ClientLine) -> Sequence[Pattern]:
    return (step.pattern, *step.alternatives)


def _is_in(step: ClientLine, block: Block) -> bool:
    return any(each is step for each in block.dialogue.steps)


def _verb(mistake: Mistake) -> Verb | None:
    act = mistake.turn.act
    return act.command.verb if isinstance(act, Send) else None


def _likelihood(verb: Verb | None, spot: Spot) -> tuple[bool, Place]:
    return spot.send.command.verb is verb, spot.place
