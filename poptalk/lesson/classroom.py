"""The practice server of a lesson, in this process.

A classroom holds the lesson's mailbox, laid out afresh, its one account, its persona and its faults.
All connections of the lesson have the same maildrop, one session at a time, so that what one of them
has deleted is gone for the next; `fresh` makes everything as it was at first, and that is what replay
rests upon.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from poptalk.lesson.document import Lesson
from poptalk.lesson.front_matter import line_of_key
from poptalk.lesson.mailbox import Mailbox, MailboxError, find_mailbox
from poptalk.lesson.room import LessonServer
from poptalk.net.destination import UsageError
from poptalk.practice.accounts import Account, AccountError
from poptalk.practice.embedded import PracticeDestination
from poptalk.practice.maildrop import MaildropError
from poptalk.practice.persona import Persona, PersonaError, load_persona
from poptalk.practice.server import Server, ThreadedServer
from poptalk.practice.witness import Visit, Witness
from poptalk.protocol.server_events import EndReason, ServerEvent, SessionEnded

CHANCE = 1939
"""Where chance begins in a lesson's faults: they do the same to every learner, and in the proof."""

ASIDE = 0
"""The number of a connection that is none of the lesson's own: no fault such as `#1=locked` meets it."""


class LessonServerError(UsageError):
    """A lesson whose practice server cannot be had.

    Args:
        lesson: the lesson.
        key: the key of its front matter that is wrong.
        sentence: what is wrong, and what would be right.

    Attributes:
        line: where the key stands in the lesson's file, counted from 1.
        sentence: without the place.
    """

    def __init__(self, lesson: Lesson, key: str, sentence: str) -> None:
        self.line = line_of_key(lesson.path, key)
        self.sentence = sentence
        super().__init__(f"{lesson.path}:{self.line}: {sentence}")


class PracticeLessonServer(LessonServer):
    """The practice server of a lesson, as a context manager: it runs as long as the context lasts.

    Args:
        lesson: the lesson; its mailbox is copied, and nothing in the folder itself is changed.

    Raises:
        ClassroomError: on entering, if the mailbox, the persona, the account or a fault cannot be used.
    """

    def __init__(self, lesson: Lesson) -> None:
        self.lesson = lesson
        self.known = lesson.known
        self._open = ExitStack()
        self._wrong: tuple[int | None, ...] = ()
        """The connections that have a fault; None stands for all of them."""
        self._following = 1
        """The number of the next connection of the lesson."""

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            directory = tempfile.TemporaryDirectory(prefix="poptalk-", ignore_cleanup_errors=True)
            self._mailbox = self._lay_out(Path(opening.enter_context(directory)))
            self._server = opening.enter_context(ThreadedServer(self._new_server()))
            self._open = opening.pop_all()
        self.later_letters = self._mailbox.has_later
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.close()

    def destination(self, *, fresh: bool, number: int) -> PracticeDestination:
        """Return where to connect to, everything made as at first if that is asked for."""
        return self.fresh(connection=number) if fresh else self.again(connection=number)

    def fresh(self, *, connection: int = 1) -> PracticeDestination:
        """Make everything as it was at first, and return where to connect to.

        A session that is still open keeps the maildrop that it has, and its QUIT lets nothing in.

        Args:
            connection: which of the lesson's connections the next one is, for faults such as
                `#2=locked`.
        """
        self._mailbox.start_over()
        self._server.start_over()
        return self.again(connection=connection)

    def again(self, *, connection: int | None = None) -> PracticeDestination:
        """Return where to connect to, with the maildrop as it is now.

        Args:
            connection: as for `fresh`; None for the one after the last.
        """
        self._server.count_from(self._following if connection is None else connection)
        return PracticeDestination(
            host=self._server.host, port=self._server.port, label="practice", server=self._server
        )

    def has_fault(self, number: int) -> bool:
        """Tell whether one of the lesson's connections has a fault."""
        return number in self._wrong or None in self._wrong

    def aside(self) -> PracticeDestination:
        """Return where to connect to with one connection that is none of the lesson's own: a proof.

        The maildrop is as it is now.  Faults of numbered connections do not meet it, and its QUIT
        lets no letters in.
        """
        return self.again(connection=ASIDE)

    # Making the server.

    def _lay_out(self, directory: Path) -> Mailbox:
        try:
            source = find_mailbox(self.lesson.mailbox, beside=self.lesson.path)
            return Mailbox(source, directory)
        except MailboxError as error:
            raise LessonServerError(self.lesson, "mailbox", str(error)) from error

    def _new_server(self) -> Server:
        lesson = self.lesson
        persona = _load_persona(lesson)
        self._wrong = _connections_with_faults(lesson)
        try:
            return Server(
                persona=persona,
                maildrop=self._mailbox.maildrop,
                accounts=[Account(name=lesson.user, password=lesson.password)],
                shared=True,
                faults=lesson.faults,
                fault_seed=CHANCE,
                witnesses=[self._begin],
            )
        except AccountError as error:
            raise LessonServerError(lesson, "user", str(error)) from error
        except MaildropError as error:
            raise LessonServerError(lesson, "mailbox", str(error)) from error

    def _begin(self, visit: Visit) -> Witness:
        if visit.number == ASIDE:
            self._server.count_from(self._following)
            return Witness()
        self._following = visit.number + 1
        return _Postman(self._mailbox)


class _Postman(Witness):
    """Brings the letters that come in, once a session that was logged in has ended with QUIT."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._beginnings = mailbox.beginnings
        self._logged_in = False

    def logged_in(self, account: Account) -> None:
        """Take note that the session has seen the maildrop."""
        del account
        self._logged_in = True

    def told(self, event: ServerEvent) -> None:
        """Let the letters in before anybody can log in again."""
        ended = isinstance(event, SessionEnded) and event.because is EndReason.QUIT
        if ended and self._logged_in:
            self._mailbox.let_later_letters_in(beginnings=self._beginnings)


def _load_persona(lesson: Lesson) -> Persona:
    name = lesson.persona
    if name.endswith(".toml"):
        name = str(lesson.path.parent / name)
    try:
        return load_persona(name)
    except PersonaError as error:
        raise LessonServerError(lesson, "persona", str(error)) from error


def _connections_with_faults(lesson: Lesson) -> tuple[int | None, ...]:
    if not lesson.faults:
        return ()
    from poptalk.practice.faults.plan import FaultError, FaultPlan

    try:
        plan = FaultPlan(lesson.faults, accounts=[lesson.user], seed=CHANCE)
    except FaultError as error:
        # The option of `poptalk serve` is a key here.
        sentence = str(error).replace("--fault ", "fault ")
        raise LessonServerError(lesson, "fault", sentence) from error
    return tuple(rule.connection for rule in plan.rules)
