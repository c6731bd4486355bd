"""Locks that other processes see, and the journal that makes a deletion whole.

A session that may delete holds a `SessionLock` from the login to the end: flock on a file of our own,
which the system releases when the process dies, however it dies.  Programs that deliver mail don't know
it and go on.

While an mbox is rewritten they are held up by the locks that they do know: a file with ``.lock`` after
its name, fcntl on the mbox itself and, on Linux, flock on it as well.  Programs take these in different
orders.  So we never wait for one lock while we hold another: both sides could wait until they give up.
The mbox stays the same file: a program that has opened it and waits for a lock writes, once it has the
lock, to the file that the next reader reads.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from poptalk.practice.maildrop.snapshot import (
    CommitRefused,
    MaildropError,
    MaildropLocked,
    open_regular,
    opened_folder,
)

# The journal: all messages of a QUIT are removed or none, whenever the process dies.
#
# A journal beside the messages first names those to remove.  The deletion happens at the moment when the
# journal gets its name: before that nothing has happened, after that the next session that opens the
# maildrop finishes the work, and no session lists what the journal names.
#
# A journal is believed only if it is a regular file of our own user, and every name in it is the plain
# name of a file: a maildrop may come from a stranger, or be where others can write.
#
# Everything here is done in steps, each of which ends with a `yield` that says what was done.  A session
# runs them all; a test dies after each of them in turn.


Steps = Iterator[str]
"""Says what has been done so far, and goes on when asked for more."""

JOURNAL_NAME = ".poptalk-journal"

LOCK_NAME = ".poptalk-lock"

UNFINISHED = "-unfinished"
"""Ends the name of a journal that is being written; left behind, it means that nothing was deleted."""

MAX_NAME_OCTETS = 255
"""The longest name of a file on any system."""

MAX_JOURNAL_OCTETS = 256 * 1024 * 1024
"""A journal that names half a million messages has a quarter of this."""


class Journal:
    """The journal of a folder.

    Args:
        folder: where the messages are, or the folders that they are in.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / JOURNAL_NAME

    def entries(self) -> dict[str, str]:
        """Return the messages to delete, unique-ids by name; empty if there is no journal.

        Raises:
            MaildropError: it isn't one of our journals.
            OSError: it cannot be read.
        """
        try:
            file = open_journal(self._path)
        except FileNotFoundError:
            return {}
        with file:
            stored = file.read(MAX_JOURNAL_OCTETS)
        try:
            entries = json.loads(stored)
            if isinstance(entries, dict) and all(
                isinstance(unique_id, str) and _is_plain(name)
                for name, unique_id in entries.items()
            ):
                return entries
        except (ValueError, RecursionError) as error:
            raise damaged(self._path) from error
        raise damaged(self._path)

    def write(self, entries: Mapping[str, str]) -> Steps:
        """Delete the messages that are named, for good; `clear_away` does the rest.

        Raises:
            OSError: it could not be written, and nothing was deleted.
        """
        with opened_folder(self._folder) as folder:
            blocks = [json.dumps(dict(entries)).encode("ascii")]
            yield from write_journal(JOURNAL_NAME, blocks, folder=folder)

    def clear_away(self, find: Callable[[Mapping[str, str]], Mapping[str, Iterable[str]]]) -> Steps:
        """Remove the files of the messages in the journal, then the journal.

        Args:
            find: returns the names of the files that are left, by folder (relative to this one).
        """
        entries = self.entries()
        with opened_folder(self._folder) as folder:
            remove_file(JOURNAL_NAME + UNFINISHED, folder=folder)
            for subfolder, names in find(entries).items() if entries else ():
                with opened_folder(subfolder, within=folder) as there:
                    for name in names:
                        remove_file(name, folder=there)
                        yield f"{name} is removed"
                    os.fsync(there)
            yield "the removal is on the disk"
            if remove_file(JOURNAL_NAME, folder=folder):
                yield "the journal is removed"
                os.fsync(folder)
                yield "the end of the journal is on the disk"


class JournalledFolder(ABC):
    """A folder of messages, deleted with a journal (`poptalk.practice.maildrop.store.Storage`).

    Args:
        folder: its path.
    """

    def __init__(self, folder: Path) -> None:
        # From now on nobody can replace it with a link.
        self._folder = folder.resolve()
        self._journal = Journal(self._folder)

    def is_quick(self, _before: object) -> bool:
        """Return True: listing names is enough."""
        return True

    def lock(self) -> SessionLock:
        """Lock the folder by a file in it."""
        return SessionLock(self._folder / LOCK_NAME)

    def clear_away(self) -> Steps:
        """Finish the work in the journal."""
        return self._journal.clear_away(self._files_of)

    def _remove(self, entries: Mapping[str, str]) -> Steps:
        if entries:
            yield from self._journal.write(entries)
            yield from self.clear_away()

    @abstractmethod
    def _files_of(self, entries: Mapping[str, str]) -> Mapping[str, Iterable[str]]:
        """Return the names of the files of the journal's messages, by folder."""


def _is_plain(name: str) -> bool:
    """Tell whether a name can only be for something in the folder itself."""
    return (
        name not in ("", ".", "..")
        and not set("/\0") & set(name)
        and len(os.fsencode(name)) <= MAX_NAME_OCTETS
    )


def damaged(path: Path) -> MaildropError:
    """Explain a journal that cannot be believed."""
    return MaildropError(
        f"{path} is damaged, or isn't a journal that this program wrote for this maildrop, so nothing "
        "is deleted; look at it, and move it away if you don't need it."
    )


def open_journal(path: Path, flags: int = os.O_RDONLY, *, folder: int | None = None) -> BinaryIO:
    """Open a journal if it's a regular file of our own user, which nobody else can have written.

    Raises:
        MaildropError: it is something else.
        OSError: it cannot be opened.
    """
    try:
        descriptor = open_regular(str(path) if folder is None else path.name, flags, folder=folder)
    except OSError as error:
        if isinstance(error, FileNotFoundError | PermissionError):
            raise
        raise damaged(path) from error
    file = os.fdopen(descriptor, "rb" if flags == os.O_RDONLY else "r+b")
    if hasattr(os, "geteuid") and os.fstat(descriptor).st_uid != os.geteuid():
        file.close()
        raise damaged(path)
    return file


def write_journal(name: str, blocks: Iterable[bytes], *, folder: int) -> Steps:
    """Write a journal and give it its name, which is the point of no return.

    Args:
        name: its name.
        blocks: its content; an exception that the iterator raises is passed on.
        folder: the descriptor of its folder.

    Raises:
        OSError: it could not be written, and nothing was deleted.
    """
    unfinished = name + UNFINISHED
    # O_EXCL follows no link, and takes no file that another program holds open.
    remove_file(unfinished, folder=folder)
    descriptor = open_regular(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, folder=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield "the journal is begun"
            for block in blocks:
                file.write(block)
            file.flush()
            yield "the journal is written"
            os.fsync(descriptor)
        yield "the journal is on the disk"
        os.rename(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        remove_file(unfinished, folder=folder)
    yield "the journal has its name"
    os.fsync(folder)
    yield "the name of the journal is on the disk"


def remove_file(name: str, *, folder: int) -> bool:
    """Remove a file from an open folder; tell whether it was there."""
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
        return True
    return False


try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

DELIVERY_SECONDS = 5.0
"""How long to wait for a delivery in progress: a large message takes a second or two."""

RETRY_SECONDS = 0.05
"""How often to try the locks meanwhile."""

DOT_LOCK_MARK = b"poptalk"
"""The second line of our dot-locks, after the process number that all programs write."""

MAX_DOT_LOCK_OCTETS = 100
"""More than there are in any of our dot-locks."""


def require_locks() -> None:
    """Make sure that this system has the locks.

    Raises:
        MaildropError: it has not.
    """
    if fcntl is None:
        raise MaildropError(
            "A maildrop cannot be written to on this system, which has no fcntl locks; "
            "leave --writable out, and DELE lasts no longer than the session."
        )


class SessionLock:
    """The lock of a session on a maildrop.

    Args:
        path: the file to lock; it is made if necessary, and stays.

    Raises:
        MaildropLocked: another session holds it.
        OSError: the file cannot be made, or is not a file.
    """

    def __init__(self, path: Path) -> None:
        with opened_folder(path.parent) as folder:
            self._descriptor = open_regular(path.name, os.O_RDWR | os.O_CREAT, folder=folder)
        try:
            # flock, because a process that has a lock by fcntl would be granted a second one.
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._descriptor)
            raise MaildropLocked from error
        except OSError:
            os.close(self._descriptor)
            raise

    def release(self) -> None:
        """Let the next session in; to be called once."""
        os.close(self._descriptor)


@contextmanager
def delivery_stopped(
    path: Path, *, folder: int, seconds: float | None = None
) -> Iterator[BinaryIO]:
    """Keep all programs from delivering into an mbox, and yield it, open for reading and writing.

    Args:
        path: the mbox.
        folder: the descriptor of its folder.
        seconds: how long to wait for a delivery; `DELIVERY_SECONDS` by default.

    Raises:
        CommitRefused: another program holds one of the locks for too long.
        OSError: the mbox or the folder that it is in cannot be written to.
    """
    until = time.monotonic() + (DELIVERY_SECONDS if seconds is None else seconds)
    draft = _draft_of(path)
    remove_file(draft, folder=folder)
    # Written first and linked then, so that a lock of ours is never there without saying so.
    descriptor = open_regular(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, folder=folder)
    try:
        with os.fdopen(descriptor, "wb") as written:
            written.write(b"%d\n%b\n" % (os.getpid(), DOT_LOCK_MARK))
        while (file := _take_locks(path, draft, folder, until)) is None:
            time.sleep(RETRY_SECONDS)
    finally:
        remove_file(draft, folder=folder)
    try:
        with file:
            yield file
    finally:
        remove_file(_dot_lock_of(path), folder=folder)


def _take_locks(path: Path, draft: str, folder: int, until: float) -> BinaryIO | None:
    """Take all locks and return the mbox, or take none and return None."""
    dot_lock = _dot_lock_of(path)
    try:
        os.link(draft, dot_lock, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        _give_up_after(until, f"{path.with_name(dot_lock)} is there")
        return None
    with ExitStack() as undo:
        undo.callback(remove_file, dot_lock, folder=folder)
        descriptor = open_regular(path.name, os.O_RDWR, folder=folder)
        file = undo.enter_context(os.fdopen(descriptor, "r+b"))
        try:
            _lock_file(descriptor)
        except (BlockingIOError, PermissionError):
            # POSIX lets a system choose between EAGAIN and EACCES.
            _give_up_after(until, f"{path} is locked")
            return None
        status = os.fstat(descriptor)
        if status.st_nlink > 1:
            raise CommitRefused(
                f"{path} has another name as well (a hard link); nothing was deleted."
            )
        # Otherwise another program has replaced it with a new file meanwhile.
        if os.path.samestat(status, os.stat(path.name, dir_fd=folder, follow_symlinks=False)):
            undo.pop_all()
            return file
    return None


def _lock_file(descriptor: int) -> None:
    """Take the locks of an open mbox, if no other program has them."""
    if sys.platform != "linux":
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    # The lock of a process ends as soon as any of its threads closes the file, as a session does after
    # reading a message.  This one belongs to the descriptor.  (l_type, l_whence, l_start, l_len, l_pid)
    whole_file = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, whole_file)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _give_up_after(until: float, why: str) -> None:
    if time.monotonic() > until:
        raise CommitRefused(f"{why}: another program is using the mbox, so nothing was deleted.")


def remove_stale_dot_lock(path: Path, *, folder: int) -> None:
    """Remove the dot-lock of a poptalk that died; only the holder of the session's lock may do that.

    Args:
        path: the mbox.
        folder: the descriptor of its folder.
    """
    remove_file(_draft_of(path), folder=folder)
    try:
        descriptor = open_regular(_dot_lock_of(path), folder=folder)
    except OSError:
        # There is none, or not one of ours.
        return
    with os.fdopen(descriptor, "rb") as file:
        ours = file.read(MAX_DOT_LOCK_OCTETS).endswith(b"\n" + DOT_LOCK_MARK + b"\n")
    if ours:
        remove_file(_dot_lock_of(path), folder=folder)


def _dot_lock_of(path: Path) -> str:
    return path.name + ".lock"


def _draft_of(path: Path) -> str:
    return f".{path.name}.lock.poptalk-draft"
