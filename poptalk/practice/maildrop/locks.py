"""Locks that other processes see.

A session that may delete holds a `SessionLock` from the login to the end: flock on a file of our own,
which the system gives back when the process dies, however it dies.  Programs that deliver mail don't
know it and are not held up.

While an mbox is rewritten they are, by the locks that they do know: a file with ``.lock`` after its
name, fcntl on the mbox itself and, on Linux, flock on it as well.  Programs take these in different
orders.  So we never wait for one lock while we hold another: both sides could wait until they give up.
The mbox stays the same file: a program that has opened it and waits for a lock writes, once it has the
lock, to the file that the next reader reads.
"""

from __future__ import annotations

import os
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from poptalk.practice.maildrop.errors import CommitRefused, MaildropError, MaildropLocked
from poptalk.practice.maildrop.journal import remove_file
from poptalk.practice.maildrop.text import open_regular, opened_folder

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

DELIVERY_SECONDS = 5.0
"""How long to wait for a delivery in progress: a large message takes a second or two."""

RETRY_SECONDS = 0.05
"""How often the locks are tried meanwhile."""

DOT_LOCK_MARK = b"poptalk"
"""The second line of a dot-lock of ours, after the number of the process that all programs write."""

MAX_DOT_LOCK_OCTETS = 100
"""More than is in any dot-lock of ours."""


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
        path: the file to lock; it is made if need be, and stays.

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
        # Otherwise another program has put a new file in its place meanwhile.
        if os.path.samestat(status, os.stat(path.name, dir_fd=folder, follow_symlinks=False)):
            undo.pop_all()
            return file
    return None


def _lock_file(descriptor: int) -> None:
    """Take the locks of an open mbox, if no other program has them."""
    if sys.platform != "linux":
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    # The lock of a process ends as soon as any thread of it closes the file, which a session does that
    # reads a message.  This one belongs to the descriptor.  (l_type, l_whence, l_start, l_len, l_pid)
    whole_file = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, whole_file)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _give_up_after(until: float, why: str) -> None:
    if time.monotonic() > until:
        raise CommitRefused(f"{why}: another program is using the mbox, so nothing was deleted.")


def remove_stale_dot_lock(path: Path, *, folder: int) -> None:
    """Remove the dot-lock of a process of ours that died; only the holder of the session's lock may.

    Args:
        path: the mbox.
        folder: the descriptor of its folder.
    """
    remove_file(_draft_of(path), folder=folder)
    try:
        descriptor = open_regular(_dot_lock_of(path), folder=folder)
    except OSError:
        # There is none, or it isn't ours.
        return
    with os.fdopen(descriptor, "rb") as file:
        ours = file.read(MAX_DOT_LOCK_OCTETS).endswith(b"\n" + DOT_LOCK_MARK + b"\n")
    if ours:
        remove_file(_dot_lock_of(path), folder=folder)


def _dot_lock_of(path: Path) -> str:
    return path.name + ".lock"


def _draft_of(path: Path) -> str:
    return f".{path.name}.lock.poptalk-draft"
