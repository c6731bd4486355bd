"""Where a lesson's connections go: to its own practice server, or to a server of the learner's."""

from __future__ import annotations

from abc import ABC, abstractmethod

from poptalk.lesson.classroom import Classroom
from poptalk.net.destination import Destination
from poptalk.notation.known import Known


class LessonRoom(ABC):
    """A server that a lesson runs on, and who the learner is there."""

    known: Known
    """The user's name and password."""
    live = False
    """Whether the mail on it is somebody's, and what is deleted is gone."""
    later_letters = False
    """Whether letters come in once a session has ended."""

    @abstractmethod
    def destination(self, *, fresh: bool, number: int) -> Destination:
        """Return where to connect to.

        Args:
            fresh: whether the maildrop must be as it was at first.
            number: which connection of the lesson it will be.
        """

    @abstractmethod
    def aside(self) -> Destination:
        """Return where to connect to for a proof."""


class PracticeRoom(LessonRoom):
    """The practice server of a lesson.

    Args:
        classroom: open as long as the room is used.
    """

    def __init__(self, classroom: Classroom) -> None:
        self._classroom = classroom
        lesson = classroom.lesson
        self.known = Known(user=lesson.user, password=lesson.password)
        self.later_letters = classroom.has_later_letters

    def destination(self, *, fresh: bool, number: int) -> Destination:
        """Return where to connect to, the maildrop laid out anew if that is asked for."""
        if fresh:
            return self._classroom.fresh(connection=number)
        return self._classroom.again(connection=number)

    def aside(self) -> Destination:
        """Return where a proof connects to; it does not count."""
        return self._classroom.aside()


class LiveRoom(LessonRoom):
    """A server of the learner's.

    Args:
        destination: the server.
        known: the user's name there, and the password, which is kept nowhere else.
    """

    live = True

    def __init__(self, destination: Destination, known: Known) -> None:
        self._destination = destination
        self.known = known

    def destination(self, *, fresh: bool, number: int) -> Destination:  # noqa: ARG002 - its mail is as it is
        """Return the server."""
        return self._destination

    def aside(self) -> Destination:
        """Return the server."""
        return self._destination
