"""Where a maildrop is, what it is between sessions, and the lease that a session has on it.

`locate` recognises the format at a path, `Storage` is what each format can do, `Store` hands out leases.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
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
            before: what was found last time.
        """

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


class Format(Enum):
    """The formats of maildrops; the values are what may be put in front of a path."""

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
        """Return what can list it."""
        return _STORAGE[self.format](self.path)


_STORAGE: dict[Format, Callable[[Path], Storage]] = {
    Format.EML: EmlFolder,
    Format.MAILDIR: Maildir,
    Format.MBOX: Mbox,
}


def locate(text: str | Path) -> Location:
    """Find out what a maildrop is.

    Args:
        text: its path; a string may have ``eml:``, ``maildir:`` or ``mbox:`` in front, which decides.

    Raises:
        MaildropError: there is nothing, or it is not what it is said to be, or it could be two things.
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
        shared: whether all sessions have the same maildrop, one at a time, and what one of them
            deletes is gone for the others, but not from the disk; otherwise each has a copy.
        writable: whether it is shared, even with other processes, and deletions are made on the disk.
        one_at_a_time: whether one session at a time may have it, even where each has a copy.
        like: a store of the same location, whose list of messages need not be made again.

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
        """Held while the messages are listed, so that two sessions do not read an mbox both."""
        self._removed: set[Hashable] = set()
        """What a shared maildrop lacks, although it is on the disk."""
        if writable:
            _require_writable(location)
        with _explained(location):
            self._snapshot: Snapshot = self._storage.scan(None if like is None else like._snapshot)

    def open(self) -> Lease:
        """Open the maildrop for a session, as it is now.

        Raises:
            MaildropLocked: one session at a time may have it, and another one does.
            MaildropError: it cannot be read any more.
        """
        with self._opening, _explained(self.location):
            if self._in_use:
                raise MaildropLocked
            lock = self._lock() if self._writable else None
            try:
                self._snapshot = self._storage.scan(self._snapshot)
            except BaseException:
                if lock is not None:
                    lock.release()
                raise
            self._in_use = self._one_at_a_time
            return Lease(self, self._snapshot, self._selection(), lock)

    @property
    def removed(self) -> frozenset[Hashable]:
        """What sessions of a shared maildrop have deleted so far."""
        return frozenset(self._removed)

    def take_back(self, removed: Iterable[Hashable]) -> None:
        """Let a shared maildrop lack just what it lacked at an earlier moment."""
        self._removed = set(removed)

    def copy(self) -> Store:
        """Return a private store of what is here now, whoever has it open."""
        store = Store(self.location, like=self)
        store._removed = set(self._removed)
        return store

    @property
    def is_quick(self) -> bool:
        """Whether `open` takes no time, so that no thread is needed for it."""
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

    def _lock(self) -> SessionLock:
        lock = self._storage.lock()
        try:
            carry_out(self._storage.clear_away())
        except BaseException:
            lock.release()
            raise
        return lock

    def _selection(self) -> Selection | None:
        """Return what is left of the snapshot, None if that is everything."""
        if not self._removed:
            return None
        numbers = range(1, self._snapshot.count + 1)
        return Selection(
            self._snapshot, (n for n in numbers if self._snapshot.key(n) not in self._removed)
        )


Place = str | Path
"""Where a maildrop is, as `locate` takes it."""


class Stores:
    """The maildrops of a server, each made when its account first needs it.

    Args:
        place: returns where the maildrop of an account is; called once for each name.
        names: the accounts that there are from the beginning.
        own: whether each account has a maildrop of its own, with deletions that last, even where
            several have the same place.
        shared: as for `Store`, among all accounts with the same place.
        writable: as for `Store`.
        one_at_a_time: as for `Store`.

    Raises:
        MaildropError: a maildrop cannot be listed, or what was asked for contradicts itself.
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
        self._options = {
            "shared": shared or own,
            "writable": writable,
            "one_at_a_time": one_at_a_time,
        }
        self._by_place: dict[Place, Store] = {}
        self._by_name: dict[str, Store] = {}
        self._making = Lock()
        """Two names can come in two threads."""
        for name in names:
            self.of(name)

    def of(self, name: str) -> Store:
        """Return the maildrop of an account.

        Raises:
            MaildropError: it cannot be listed.
        """
        with self._making:
            store = self._by_name.get(name)
            if store is None:
                store = self._by_name[name] = self._new(name)
            return store

    def is_quick(self, name: str) -> bool:
        """Tell whether opening the maildrop of an account takes no time, so that no thread is needed."""
        store = self._by_name.get(name)
        return store is not None and store.is_quick

    def _new(self, name: str) -> Store:
        place = self._place(name)
        first = self._by_place.get(place)
        if first is not None and not self._own:
            return first
        store = Store(locate(place), like=first, **self._options)
        return self._by_place.setdefault(place, store) if first is None else store


class Lease:
    """A maildrop that one session has open.

    Args:
        store: where it comes from.
        snapshot: what the store found.
        selection: what of it the session has, None for everything.
        lock: what keeps other processes out, if anything must.

    Attributes:
        maildrop: what the session sees.
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
            OSError: the disk failed; what was begun is finished when the maildrop is next opened.
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
