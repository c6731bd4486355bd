"""What a store has to know of a maildrop on the disk: list it, lock it, remove messages from it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from poptalk.practice.maildrop.journal import Steps
from poptalk.practice.maildrop.locks import SessionLock
from poptalk.practice.maildrop.snapshot import Snapshot


class Storage(Protocol):
    """A maildrop on the disk, in one of the formats."""

    def scan(self, before: Snapshot | None) -> Snapshot:
        """List the messages.

        Args:
            before: what was found last time; returned again if nothing has changed, and otherwise
                what it has counted is not counted again.

        Raises:
            MaildropError: it is not of this format.
            OSError: it cannot be read.
        """

    def lock(self) -> SessionLock:
        """Lock the maildrop for a session that may delete; MaildropLocked if another one has."""

    def clear_away(self) -> Steps:
        """Finish or forget, under the lock, what a process was doing when it died.

        Raises:
            MaildropError: it left a journal that is damaged, or that another program has planted.
            MaildropLocked: another program is using the maildrop.
        """

    def remove(self, snapshot: Snapshot, numbers: Iterable[int]) -> Steps:
        """Remove messages, under the lock; all or none, whenever the process dies.

        Args:
            snapshot: what `scan` returned for this session.
            numbers: of messages in it.

        Raises:
            CommitRefused: another program has changed the maildrop; nothing was removed.
            OSError: what has been begun is finished when the maildrop is next opened, or was not
                begun.
        """
