"""How a lesson runs: a generator that gives cues until it must wait for something.

A part of a lesson, such as a task, is a generator too; it is run by `yield from`.  What it is sent
while it waits is a `Message`: a happening, or what the learner asks of the tutor.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from poptalk.lesson.cues import LessonAction
from poptalk.lesson.happenings import LessonEvent


class Awaiting(Enum):
    """What is expected of the learner."""

    COMMAND = "a line for the server"
    CHOICE = "the answer to a question"
    PAUSE = "an empty line, to go on"
    CLOSED = "an empty line, to connect"
    BUSY = "nothing: poptalk is at work"
    OVER = "nothing: the lesson is over"


class Request(Enum):
    """What the learner may ask at any time."""

    GO_ON = "an empty line"
    SKIP = "`:skip`"
    CONNECT = "`:open`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """An answer to a question: the number of a choice, from 1; perhaps there is none of that number."""

    number: int


Message = LessonEvent | Request | Chosen

T = TypeVar("T")
Flow = Generator[LessonAction | Awaiting, Message, T]
