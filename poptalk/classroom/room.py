"""A class: the lesson's practice server, and the pupils that it sees.

Beside it, on loopback, runs a server for proofs: a second connection sees a pupil's maildrop as it is,
whether or not the pupil has it open, and none of the lesson's faults affect it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Hashable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from poptalk.classroom.pupils import Pupils
from poptalk.classroom.server import address_here, arguments_for
from poptalk.lesson.document.model import Lesson
from poptalk.lesson.server import LessonMailboxes, LessonServer, Mailbox
from poptalk.net.endpoint import Destination
from poptalk.pop3.server.texts import Occasion
from poptalk.practice.accounts import Account
from poptalk.practice.maildrop import Lease, MaildropError, Store
from poptalk.practice.observers import Observer
from poptalk.practice.persona import LOOPBACK
from poptalk.practice.server import PracticeDestination, Server
from poptalk.transcript.placeholders import Known


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moment:
    """The state of a maildrop at one moment."""

    removed: frozenset[Hashable] = frozenset()
    later_is_here: bool = False


class PupilServer(LessonServer):
    """The server as one pupil sees it.

    Args:
        room: the class.
        name: the pupil's.
    """

    def __init__(self, room: ClassRoom, name: str) -> None:
        self._room, self._name = room, name
        self._moments: dict[int, _Moment] = {}
        """The maildrop at the beginning of each of the lesson's connections."""
        self.known = Known(user=name, password=room.password)

    def destination(self, *, fresh: bool, number: int) -> Destination:  # noqa: ARG002 - the pupil connects
        """Return the server of the class."""
        return self._room.destination(self._room.server)

    def aside(self) -> Destination:
        """Return where a proof can look at the pupil's maildrop."""
        return self._room.destination(self._room.proofs)

    def remember(self, number: int) -> None:
        """Remember the maildrop as it is when a connection of the lesson begins for the first time."""
        if number not in self._moments:
            self._moments[number] = self._room.moment(self._name)

    def take_back_all(self) -> None:
        """Restore the maildrop to its state at the beginning of the lesson."""
        self._room.go_back(self._name, _Moment())

    def take_back(self, number: int) -> None:
        """Restore the maildrop to its state at the beginning of a connection of the lesson."""
        if number in self._moments:
            self._room.go_back(self._name, self._moments[number])
            self._moments = {at: kept for at, kept in self._moments.items() if at <= number}


class _ProofServer(Server):
    """Gives each session a copy of a pupil's maildrop as it is now, unless the pupil is logged in."""

    room: ClassRoom

    def open_maildrop(self, account: Account) -> Lease | Occasion:
        """Open the copy."""
        name = self.room.account_of(account.name) or account.name
        if self.room.pupils.has_open_maildrop(name):
            # Not by the lock itself: a quick pupil may be back already.
            return Occasion.MAILDROP_LOCKED
        try:
            return self.room.server.stores.of(name).copy().open()
        except (MaildropError, OSError):
            return Occasion.TROUBLE_PASSING


class ClassRoom:
    """A class with its server, as a context manager: it runs in a thread while the context lasts.

    Args:
        lesson: the lesson; its own mailbox is not changed.
        password: for everyone.
        host: the addresses to listen on.
        port: 0 for any that is free.
        tls_port: for TLS from the first octet; 0 for any that is free.

    Attributes:
        pupils: who they are, and how far they have got.
        server: the server itself.
        proofs: the server for proofs.

    Raises:
        UsageError: the mailbox or the persona of the lesson cannot be used, or a class can't do it.
        AccountError: the password is not allowed.
        CannotListen: on entering, a port is not available.
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
        self.lesson, self.password = lesson, password
        self._names: dict[str, str] = {}
        """The name of each account as the server has it, by what pupils are known by."""
        with ExitStack() as opening:
            directory = opening.enter_context(
                tempfile.TemporaryDirectory(prefix="poptalk-", ignore_cleanup_errors=True)
            )
            self._mailboxes = LessonMailboxes(lesson, Path(directory))
            arguments = arguments_for(lesson, self._mailboxes)
            self.pupils = Pupils(lesson, lambda name: PupilServer(self, name))
            self.server = Server(
                accounts=(),
                any_name=password,
                own=True,
                host=host,
                port=port,
                tls_port=tls_port,
                observers=[
                    self._mailboxes.begin,
                    lambda _: _NameObserver(self._names),
                    self.pupils.begin,
                ],
                **arguments,
            )
            if self.server.faults is not None:
                self.server.faults.number_of = self.pupils.connection_of
            self.proofs = _ProofServer(accounts=(), any_name=password, persona=arguments["persona"])
            self.proofs.room = self
            self._open = opening.pop_all()

    def __enter__(self) -> Self:
        if not self.server.listeners:
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
        self.close()

    def close(self) -> None:
        """End the class, also one that has never begun."""
        self._open.close()
        self.server.take_no_more()
        self.pupils.close()

    @staticmethod
    def destination(server: Server) -> PracticeDestination:
        """Return one of the two servers as something to connect to."""
        host = address_here(server.host)
        return PracticeDestination(host=host, port=server.port, label="practice", server=server)

    # Maildrops.

    @property
    def has_later_letters(self) -> bool:
        """Whether letters arrive once a session has ended."""
        return self._mailboxes.has_later

    def account_of(self, name: str) -> str | None:
        """Return the name of an account as the server has it; None if nobody has logged in to it."""
        return self._names.get(name.casefold())

    def moment(self, name: str) -> _Moment:
        """Return the present state of a maildrop."""
        found = self._maildrop(name)
        if found is None:
            return _Moment()
        store, mailbox = found
        return _Moment(removed=store.removed, later_is_here=mailbox.later_is_here)

    def go_back(self, name: str, moment: _Moment) -> None:
        """Restore a maildrop to an earlier state."""
        found = self._maildrop(name)
        if found is not None:
            store, mailbox = found
            store.take_back(moment.removed)
            if not moment.later_is_here:
                mailbox.start_over()

    def _maildrop(self, name: str) -> tuple[Store, Mailbox] | None:
        """Return what an account's maildrop consists of; None if nobody has logged in to it."""
        account = self.account_of(name)
        mailbox = self._mailboxes.of(account) if account is not None else None
        if account is None or mailbox is None:
            return None
        return self.server.stores.of(account), mailbox


class _NameObserver(Observer):
    """Takes note of the names of accounts as the server has them."""

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names

    def logged_in(self, account: Account) -> None:
        self._names[account.name.casefold()] = account.name
