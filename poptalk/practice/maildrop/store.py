"""Where a maildrop is, its state between sessions, and the lease that a session has on it.

`locate` recognises the format at a path, `Storage` is the interface of the formats, and `Store` hands
out leases.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Protocol

from poptalk.practice.maildrop.eml import EmlFolder
from poptalk.practice.maildrop.locks import SessionLock, Steps, require_locks
from poptalk.practice.maildrop.maildir import FOLDERS, Maildir
from poptalk.practice.maildrop.mbox import Mbox
from poptalk.practice.maildrop.snapshot import (
    CommitRefused,
    MaildropError,
    MaildropLocked,
    Selection,
    Snapshot,
)


class Storage(Protocol):
    """A maildrop on the disk, in one of the formats."""

    def is_quick(self, before: Snapshot | None) -> bool:
        """Tell whether `scan` opens no mail now.

        Args:
            before: the previous snapshot.
        """

    def scan(self, before: Snapshot | None) -> Snapshot:
        """List the messages.

        Args:
            before: the previous snapshot; returned again if nothing has changed, and otherwise its
                sizes are taken over.

        Raises:
            MaildropError: it is not of this format.
            OSError: it cannot be read.
        """

    def lock(self) -> SessionLock:
        """Lock the maildrop for a session that may delete; MaildropLocked if another one has."""

    def clear_away(self) -> Steps:
        """Finish or forget, under the lock, the work of a process that died.

        Raises:
            MaildropError: its journal is damaged, or another program has planted one.
            MaildropLocked: another program is using the maildrop.
        """

    def remove(self, snapshot: Snapshot, numbers: Iterable[int]) -> Steps:
        """Remove messages, under the lock; all or none, whenever the process dies.

        Args:
            snapshot: the one that `scan` returned for this session.
            numbers: those of messages in it.

        Raises:
            CommitRefused: another program has changed the maildrop; nothing was removed.
            OSError: the removal was not begun, or is finished when the maildrop is next opened.
        """


class Format(Enum):
    """The formats of maildrops; a value can be put before a path."""

    EML = "eml"
    MAILDIR = "maildir"
    MBOX = "mbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A maildrop on the disk.

    Args:
        path: a folder, or the file of an mbox.
        format: what is there.
    """

    path: Path
    format: Format

    def storage(self) -> Storage:
        """Return the maildrop in its format."""
        return _STORAGE[self.format](self.path)


_STORAGE: dict[Format, Callable[[Path], Storage]] = {
    Format.EML: EmlFolder,
    Format.MAILDIR: Maildir,
    Format.MBOX: Mbox,
}


def locate(text: str | Path) -> Location:
    """Find out the format of a maildrop.

    Args:
        text: its path; a string can begin with ``eml:``, ``maildir:`` or ``mbox:``, which decides.

    Raises:
        MaildropError: there is nothing, or not a maildrop of that format, or it could have two formats.
    """
    named, path = None, Path(text)
    prefix, colon, rest = text.partition(":") if isinstance(text, str) else ("", "", "")
    if colon and prefix in {each.value for each in Format}:
        named, path = Format(prefix), Path(rest)
    try:
        if not path.exists():
            raise MaildropError(
                f"{path} does not exist. A maildrop is a folder of .eml files, a Maildir or an mbox."
            )
        format_ = _recognise(path) if named is None else _check(named, path)
    except OSError as error:
        raise MaildropError(f"The maildrop {path} cannot be read ({error.strerror}).") from error
    return Location(path=path, format=format_)


def _recognise(path: Path) -> Format:
    if path.is_file():
        return Format.MBOX
    if not path.is_dir():
        raise MaildropError(
            f"{path} is neither a folder nor a file, so no mail can be read from it."
        )
    if not _is_maildir(path):
        return Format.EML
    if any(entry.suffix.lower() == ".eml" for entry in path.iterdir()):
        raise MaildropError(
            f"{path} has .eml files in it and is a Maildir as well; "
            f"say eml:{path} or maildir:{path}."
        )
    return Format.MAILDIR


def _check(named: Format, path: Path) -> Format:
    if named is Format.MBOX and not path.is_file():
        raise MaildropError(f"{path} is not an mbox, because it is not a file.")
    if named is Format.EML and not path.is_dir():
        raise MaildropError(
            f"{path} is not a folder. An eml maildrop is a folder with .eml files in it."
        )
    if named is Format.MAILDIR and not _is_maildir(path):
        raise MaildropError(f"{path} is not a Maildir, which is a folder with {_LIST} in it.")
    return named


_LIST = " and ".join(FOLDERS)


def _is_maildir(path: Path) -> bool:
    return all((path / folder).is_dir() for folder in FOLDERS)


def carry_out(steps: Steps) -> None:
    """Run an operation to its end."""
    deque(steps, maxlen=0)


class Store:
    """A maildrop between sessions.

    Args:
        location: where it is; also an attribute.
        shared: whether all sessions have the same maildrop, one at a time, and messages that one of
            them deletes are gone for the others, but not from the disk; otherwise each has a copy.
        writable: whether it is shared, even with other processes, and messages are deleted on the disk.
        one_at_a_time: whether one session at a time may have it, even where each has a copy.
        like: a store of the same location, whose list of messages is used.

    Raises:
        MaildropError: it cannot be listed, or is to be written to and cannot.
    """

    def __init__(
        self,
        location: Location,
        *,
        shared: bool = False,
        writable: bool = False,
        one_at_a_time: bool = False,
        like: Store | None = None,
    ) -> None:
        self.location = location
        self._storage = location.storage()
        self._shared = shared or writable
        self._one_at_a_time = one_at_a_time or self._shared
        self._writable = writable
        self._in_use = False
        self._opening = Lock()
        """Held while the messages are listed, so that two sessions don't both read an mbox."""
        self._removed: set[Hashable] = set()
        """The messages that were deleted from a shared maildrop, but not from the disk."""
        if writable:
            _require_writable(location)
        with _explained(location):
            self._snapshot: Snapshot = self._storage.scan(None if like is None else like._snapshot)

    def open(self) -> Lease:
        """Open the maildrop for a session, as it is now.

        Raises:
            MaildropLocked: one session at a time may have it, and another one does.
            MaildropError: it cannot be read anymore.
        """
        with self._opening, _explained(self.location):
            if self._in_use:
                raise MaildropLocked
            with ExitStack() as undo:
                lock = None
                if self._writable:
                    lock = self._storage.lock()
                    undo.callback(lock.release)
                    carry_out(self._storage.clear_away())
                snapshot = self._snapshot = self._storage.scan(self._snapshot)
                undo.pop_all()
            self._in_use = self._one_at_a_time
            selection = None
            if self._removed:
                numbers = range(1, snapshot.count + 1)
                left = (n for n in numbers if snapshot.key(n) not in self._removed)
                selection = Selection(snapshot, left)
            return Lease(self, snapshot, selection, lock)

    @property
    def removed(self) -> frozenset[Hashable]:
        """The messages that sessions of a shared maildrop have deleted so far."""
        return frozenset(self._removed)

    def take_back(self, removed: Iterable[Hashable]) -> None:
        """Return a shared maildrop to an earlier moment, at which these messages were deleted."""
        self._removed = set(removed)

    def copy(self) -> Store:
        """Return a private store of what is here now, even while a session has it open."""
        store = Store(self.location, like=self)
        store._removed = set(self._removed)
        return store

    @property
    def is_quick(self) -> bool:
        """Whether `open` takes no time, so that it needs no thread."""
        return not self._opening.locked() and self._storage.is_quick(self._snapshot)

    def remove(self, snapshot: Snapshot, numbers: Iterable[int]) -> None:
        """Remove messages as far as a session of this store may.

        Raises:
            CommitRefused: another program has changed the maildrop; nothing was removed.
            OSError: as `Storage.remove` does.
        """
        if self._writable:
            try:
                carry_out(self._storage.remove(snapshot, numbers))
            except MaildropError as error:
                raise CommitRefused(str(error)) from error
        elif self._shared:
            self._removed.update(map(snapshot.key, numbers))

    def close(self) -> None:
        """Let the next session in."""
        self._in_use = False


Place = str | Path
"""Where a maildrop is, as `locate` takes it."""


class Stores:
    """The maildrops of a server, each made when its account first needs it.

    Args:
        place: returns where the maildrop of an account is; called once for each name.
        names: the accounts at the beginning.
        own: whether each account has a maildrop of its own, in which deletions last, even where
            several have the same place.
        shared: as for `Store`, among all accounts with the same place.
        writable: as for `Store`.
        one_at_a_time: as for `Store`.

    Raises:
        MaildropError: a maildrop cannot be listed, or the arguments contradict each other.
    """

    def __init__(
        self,
        place: Callable[[str], Place],
        names: Sequence[str],
        *,
        own: bool = False,
        shared: bool = False,
        writable: bool = False,
        one_at_a_time: bool = False,
    ) -> None:
        if own and (shared or writable):
            raise MaildropError(
                "A maildrop of each account's own is neither shared nor written back to the disk: "
                "leave one of the two out."
            )
        self._place = place
        self._own = own
        self._new_store = partial(
            Store, shared=shared or own, writable=writable, one_at_a_time=one_at_a_time
        )
        self._by_place: dict[Place, Store] = {}
        self._by_name: dict[str, Store] = {}
        self._making = Lock()
        """Two names can arrive in two threads."""
        for name in names:
            self.of(name)

    def of(self, name: str) -> Store:
        """Return the maildrop of an account.

        Raises:
            MaildropError: it cannot be listed.
        """
        with self._making:
            if name not in self._by_name:
                place = self._place(name)
                store = first = self._by_place.get(place)
                if store is None or self._own:
                    store = self._new_store(locate(place), like=first)
                    self._by_place.setdefault(place, store)
                self._by_name[name] = store
            return self._by_name[name]

    def is_quick(self, name: str) -> bool:
        """Tell whether opening the maildrop of an account takes no time, so that it needs no thread."""
        store = self._by_name.get(name)
        return store is not None and store.is_quick


class Lease:
    """A maildrop that one session has open.

    Args:
        store: where it comes from.
        snapshot: all messages that the store found.
        selection: those of them that the session has, None for all.
        lock: keeps other processes out, None if none need be.

    Attributes:
        maildrop: the maildrop that the session sees.
        writes: whether `commit` works on the disk, which takes time and is better done in a thread.
    """

    def __init__(
        self,
        store: Store,
        snapshot: Snapshot,
        selection: Selection | None,
        lock: SessionLock | None,
    ) -> None:
        self.maildrop = snapshot if selection is None else selection
        self.writes = lock is not None
        self._store = store
        self._snapshot = snapshot
        self._selection = selection
        self._lock = lock
        self._released = False

    def commit(self, numbers: Collection[int]) -> None:
        """Remove messages by number, and give up the lock, "whether the removal was successful or not".

        These are the words of RFC 1939 §6.  From a private maildrop nothing is removed.

        Raises:
            CommitRefused: another program has changed the maildrop; nothing was removed.
            OSError: the disk failed; a removal that was begun is finished at the next opening.
        """
        try:
            if self._selection is not None:
                numbers = [self._selection.number_in_other(number) for number in numbers]
            self._store.remove(self._snapshot, numbers)
        finally:
            self.release()

    def release(self) -> None:
        """Give up the lock; to be called once the session is over, however it ended."""
        if self._released:
            return
        self._released = True
        if self._lock is not None:
            self._lock.release()
        self._store.close()


def _require_writable(location: Location) -> None:
    require_locks()
    path = location.path.resolve()
    needed = [path, path.parent] if location.format is Format.MBOX else [path]
    if location.format is Format.MAILDIR:
        needed += [path / folder for folder in FOLDERS]
    for path in needed:
        if not os.access(path, os.W_OK):
            raise MaildropError(
                f"The maildrop {location.path} cannot be written to: {path} belongs to another user. "
                "Without --writable it can be read."
            )


@contextmanager
def _explained(location: Location) -> Iterator[None]:
    """Explain errors of the system in one sentence."""
    try:
        yield
    except OSError as error:
        raise MaildropError(
            f"The maildrop {location.path} cannot be used ({error.strerror}: {error.filename})."
        ) from error
