"""The verdicts on the wire are those of `poptalk learn` for the same lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest

from poptalk.classroom.pupil import Pupil, Remark, plain
from poptalk.classroom.rehearsal import MISTAKES, Actor, Deed, cast, rehearsing
from poptalk.lesson.actions import Awaiting, FeedbackKind
from poptalk.lesson.document.model import Lesson, named_for
from poptalk.lesson.document.parser import load_lesson
from poptalk.lesson.library import find_lesson
from poptalk.lesson.progress import EventKind
from poptalk.lesson.runner import Tutor
from poptalk.lesson.server import PracticeLessonServer
from poptalk.lesson.verify.dry_run import DryRun
from poptalk.pop3.commands import MASK
from poptalk.transcript.placeholders import Known
from tests.classroom.rooms import PASSWORD, a_room, wait_until

PUPILS = 25

Said = Sequence[tuple[FeedbackKind, str]]


def said_on_the_wire(pupil: Pupil) -> Said:
    """Return the verdicts that a pupil of a class has had."""
    return judged((each.kind, each.text) for each in pupil.said if isinstance(each, Remark))


def said_by_learn(learner: Learner) -> Said:
    """Return those that a learner has had."""
    return judged((each.kind, plain(each.text)) for each in learner.run.comments)


def judged(comments: Iterable[tuple[FeedbackKind, str]]) -> Said:
    """Leave out what poptalk says of its own doings."""
    return [each for each in comments if each[0] is not FeedbackKind.NEWS]


class Learner:
    """Someone at `poptalk learn`, who does the same."""

    def __init__(self, lesson: Lesson, server: PracticeLessonServer) -> None:
        self.run = DryRun(
            Tutor(lesson, known=server.known, later_letters=server.later_letters), server
        )
        self.run.begin()
        self._go_through()

    def does(self, deed: Deed) -> None:
        """Do what a pupil of the class has done."""
        if deed.line is not None:
            if deed.is_judged:
                # As `:send` does, since an empty line that is typed there is none for the server.
                self.run.transmit(deed.line.encode())
        elif deed.opens:
            if self.run.tutor.awaiting is Awaiting.CLOSED:
                self.run.enter("")
        else:
            self.run.hang_up()
        self._go_through()

    def _go_through(self) -> None:
        """Answer questions, and go on after pauses."""
        while self.run.tutor.awaiting in (Awaiting.CHOICE, Awaiting.PAUSE):
            if self.run.tutor.awaiting is Awaiting.PAUSE:
                self.run.enter("")
            else:
                assert self.run.question is not None
                right = [choice.right for choice in self.run.question.choices].index(True)
                self.run.enter("abcdefgh"[right])

    @property
    def done(self) -> list[str]:
        """The steps that are done."""
        done = (EventKind.PASSED, EventKind.SHOWN)
        return [event.step for event in self.run.progress if event.kind in done]


def counted(actor: Actor) -> list[Deed]:
    """Leave out connections that ended before a name was given: here all have the same address."""
    connections: list[list[Deed]] = []
    for deed in actor.deeds:
        connections += [[]] if deed.opens else []
        connections[-1].append(deed)
    name = f"USER {actor.name}"
    return [
        deed for each in connections if any(deed.line == name for deed in each) for deed in each
    ]


def played(actors: Sequence[Actor]) -> None:
    """Let a class go through a lesson."""
    with rehearsing(actors):
        wait_until(lambda: all(actor.is_through for actor in actors), seconds=60)


# Lesson 5 has proofs and several connections, 8 letters that come in later, 9 lines in one go.
@pytest.mark.parametrize(("number", "count"), [("1", 5), ("5", PUPILS), ("8", 5), ("9", 5)])
def test_a_class_gets_the_verdicts_of_learn(number: str, count: int) -> None:
    lesson = load_lesson(find_lesson(number))
    with a_room(number) as room:
        actors = cast(room, count, pace=0)
        played(actors)
        for actor in actors:
            pupil = room.pupils.find(actor.name)
            assert pupil is not None, actor.name
            mine = named_for(lesson, Known(user=actor.name, password=MASK.decode()))
            own = replace(mine, user=actor.name, password=PASSWORD)
            with PracticeLessonServer(own) as server:
                learner = Learner(own, server)
                for deed in counted(actor):
                    learner.does(deed)
                learner.run.close()
            # The last are kept, which is enough: a verdict depends on all before it.
            said = said_on_the_wire(pupil)
            assert said == said_by_learn(learner)[-len(said) :]
            assert [*pupil.done] == learner.done
    assert len(MISTAKES) >= 10
