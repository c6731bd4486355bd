"""The server of a class: the lesson's practice server, with a maildrop for each name.

Beside it, on loopback, is one for proofs: a second connection that sees a pupil's maildrop as it is,
whether or not the pupil has it open, and meets none of the lesson's faults.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Hashable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from poptalk.classroom.pupils import Pupils
from poptalk.lesson.document.model import Lesson
from poptalk.lesson.server import (
    CHANCE,
    LessonServer,
    Mailbox,
    MailboxError,
    blaming,
    find_mailbox,
    persona_of,
)
from poptalk.net.endpoint import Destination
from poptalk.pop3.server.events import EndReason, ServerEvent, SessionEnded
from poptalk.pop3.server.texts import Occasion
from poptalk.practice.accounts import Account, AccountError
from poptalk.practice.maildrop import Lease, MaildropError
from poptalk.practice.observers import Observer, Peer
from poptalk.practice.persona import LOOPBACK
from poptalk.practice.server import PracticeDestination, Server
from poptalk.transcript.placeholders import Known


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moment:
    """What a maildrop was at one moment."""

    removed: frozenset[Hashable] = frozenset()
    has_later: bool = False
    """Whether the letters that come in later were there."""


class PupilServer(LessonServer):
    """The server as one pupil has it.

    Args:
        server: the server of the class.
        name: of the pupil.
    """

    def __init__(self, server: ClassServer, name: str) -> None:
        self._server, self._name = server, name
        self._moments: dict[int, _Moment] = {}
        """The maildrop when each of the lesson's connections began."""
        self.known = Known(user=name, password=server.password)

    def destination(self, *, fresh: bool, number: int) -> Destination:  # noqa: ARG002 - the pupil's own doing
        """Return the server of the class."""
        return self._server.destination(self._server.server)

    def aside(self) -> Destination:
        """Return where the pupil's maildrop can be looked at."""
        return self._server.destination(self._server.proofs)

    def remember(self, number: int) -> None:
        """Keep what the maildrop is as a connection of the lesson begins, the first time."""
        if number not in self._moments:
            self._moments[number] = self._server.moment(self._name)

    def take_back(self, number: int) -> None:
        """Make the maildrop as it was when a connection of the lesson began."""
        if number in self._moments:
            self._server.go_back(self._name, self._moments[number])
            self._moments = {at: kept for at, kept in self._moments.items() if at <= number}


class _ProofServer(Server):
    """Gives each session a copy of a pupil's maildrop as it is now."""

    pupils: ClassServer

    def open_maildrop(self, account: Account) -> Lease | Occasion:
        """Open the copy."""
        name = self.pupils.account_of(account.name) or account.name
        try:
            return self.pupils.server.stores.of(name).copy().open()
        except (MaildropError, OSError):
            return Occasion.TROUBLE_PASSING


class ClassServer:
    """The server of a class, as a context manager: it runs, in a thread, as long as the context lasts.

    Args:
        lesson: the lesson; nothing in its mailbox is changed.
        password: of everybody.
        host: the addresses to listen on.
        port: 0 for any that is free.
        tls_port: for TLS from the first octet, 0 for any that is free.

    Attributes:
        pupils: who they are, and how far.
        server: the server itself.
        proofs: the one beside it.

    Raises:
        LessonServerError: the mailbox, the persona or a fault of the lesson cannot be used.
        CannotListen: on entering, a port cannot be had.
    """

    def __init__(
        self,
        lesson: Lesson,
        *,
        password: str,
        host: Sequence[str] = (LOOPBACK,),
        port: int = 0,
        tls_port: int = 0,
    ) -> None:
        self.password = password
        self._lesson = lesson
        self._open = ExitStack()
        self._folder = Path(
            self._open.enter_context(
                tempfile.TemporaryDirectory(prefix="poptalk-", ignore_cleanup_errors=True)
            )
        )
        self._names: dict[str, str] = {}
        """The name of each account as the server has it, by what pupils are known by."""
        persona = persona_of(lesson)
        with blaming(lesson, "mailbox", MailboxError):
            source = find_mailbox(lesson.mailbox, beside=lesson.path)
            self._mailbox = Mailbox(source, self._folder)
        self.pupils = Pupils(lesson, self._pupil_server)
        with blaming(lesson, "user", AccountError), blaming(lesson, "mailbox", MaildropError):
            self.server = Server(
                persona=persona,
                maildrop=self._place,
                accounts=(),
                any_name=password,
                own=True,
                host=host,
                port=port,
                tls_port=tls_port,
                faults=lesson.faults,
                fault_seed=CHANCE,
                observers=[self._begin, self.pupils.begin],
            )
            self.proofs = _ProofServer(persona=persona, accounts=(), any_name=password)
        self.proofs.pupils = self

    def __enter__(self) -> Self:
        self.server.listen()
        self._open.enter_context(self.proofs)
        self._open.enter_context(self.server)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.pupils.close()
        self._open.close()

    @staticmethod
    def destination(server: Server) -> PracticeDestination:
        """Return one of the two servers as something to connect to."""
        return PracticeDestination(
            host=server.host, port=server.port, label="practice", server=server
        )

    def _pupil_server(self, name: str) -> PupilServer:
        return PupilServer(self, name)

    # Maildrops.

    def _place(self, _name: str) -> Path:
        """Lay out the maildrop of an account: its own folder only where letters come in later."""
        if not self._mailbox.has_later:
            return self._mailbox.maildrop
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        for letter in self._mailbox.maildrop.iterdir():
            os.link(letter, folder / letter.name)
        return folder

    def account_of(self, name: str) -> str | None:
        """Return the name of an account as the server has it; None where nobody has logged in to it."""
        return self._names.get(name.casefold())

    def moment(self, name: str) -> _Moment:
        """Return what a maildrop is now."""
        account = self.account_of(name)
        if account is None:
            return _Moment()
        store = self.server.stores.of(account)
        return _Moment(removed=store.removed, has_later=self._has_later(store.location.path))

    def go_back(self, name: str, moment: _Moment) -> None:
        """Make a maildrop what it was."""
        account = self.account_of(name)
        if account is None:
            return
        store = self.server.stores.of(account)
        store.take_back(moment.removed)
        if not moment.has_later:
            for letter in self._mailbox.later:
                (store.location.path / letter.name).unlink(missing_ok=True)

    def _has_later(self, folder: Path) -> bool:
        return any((folder / letter.name).exists() for letter in self._mailbox.later)

    def let_later_letters_in(self, account: str) -> None:
        """Add the letters that come in to the maildrop of an account; again does no harm."""
        folder = self.server.stores.of(account).location.path
        for letter in self._mailbox.later:
            if not (folder / letter.name).exists():
                shutil.copy2(letter, folder)

    def _begin(self, peer: Peer) -> Observer:
        del peer
        return _Doorkeeper(self, self._names)


class _Doorkeeper(Observer):
    """Takes note of names, and lets letters in once a session that was logged in has ended with QUIT."""

    def __init__(self, server: ClassServer, names: dict[str, str]) -> None:
        self._server = server
        self._names = names
        self._account = ""

    def logged_in(self, account: Account) -> None:
        """Take note of the name as the server has it."""
        self._account = account.name
        self._names[account.name.casefold()] = account.name

    def told(self, event: ServerEvent) -> None:
        """Let the letters in before anybody can log in again."""
        if self._account and isinstance(event, SessionEnded) and event.because is EndReason.QUIT:
            self._server.let_later_letters_in(self._account)
