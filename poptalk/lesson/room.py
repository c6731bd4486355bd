"""Where a lesson's connections go: to its own practice server, or to a server of the learner's.

The practice server is `classroom.Classroom`; a `LiveRoom` is any other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from poptalk.net.destination import Destination
from poptalk.net.link import Link
from poptalk.notation.dialogue import Dialogue
from poptalk.notation.known import Known
from poptalk.script.replay import Replay


class Room(ABC):
    """A server that a lesson runs on, and who the learner is there."""

    known: Known
    """The user's name and password."""
    live: bool = False
    """Whether the mail on it is somebody's, and what is deleted is gone."""
    later_letters: bool = False
    """Whether letters come in once a session that was logged in has ended with QUIT."""

    @abstractmethod
    def destination(self, *, fresh: bool, number: int) -> Destination:
        """Return where to connect to.

        Args:
            fresh: whether the maildrop must be as it was at first; of no effect on a live server.
            number: which connection of the lesson it will be, from 1.
        """

    def does_wrong(self, number: int) -> bool:  # noqa: ARG002 - what nobody knows of is no fault
        """Tell whether the server has a fault, on purpose, on one of the lesson's connections.

        Args:
            number: which one, from 1.
        """
        return False

    @abstractmethod
    def aside(self) -> Destination:
        """Return where to connect to with one connection that is none of the lesson's own."""

    def second_connection(
        self, dialogue: Dialogue, bindings: Mapping[str, str], *, timeout: float
    ) -> Replay:
        """Make a `pop3 proof` ready to be run, on a connection beside the lesson's own.

        Args:
            dialogue: what is to happen.
            bindings: what the lesson has captured.
            timeout: seconds that the server may be silent.
        """
        destination = self.aside()
        settings = destination.tls_settings() if destination.tls else None
        return Replay(
            dialogue,
            connect=lambda: Link.open(destination.target, timeout=timeout, tls=settings),
            destination=destination,
            known=self.known,
            bindings=bindings,
        )


class LiveRoom(Room):
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
