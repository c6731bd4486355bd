"""Locks that other processes see.

A session that may delete holds a `SessionLock` from the login to the end: flock on a file of our own,
which the system gives back when the process dies, however it dies.  Programs that deliver mail know
nothing of it and are not held up.  While an mbox is rewritten they are, by the two locks that they do
know: a file with ``.lock`` behind its name, and fcntl on the mbox itself.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from poptalk.practice.maildrop.errors import CommitRefused, MaildropError, MaildropLocked

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

DELIVERY_SECONDS = 5.0
"""How long a delivery in progress is waited for: a large letter takes a second or two."""

RETRY_SECONDS = 0.05
"""How often a lock is tried meanwhile."""

DOT_LOCK_MARK = b"poptalk"
"""The second line of a dot-lock of ours, behind the number of the process that all programs write."""


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
        MaildropLocked: somebody else holds it.
        OSError: the file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        # flock, because a second lock by fcntl would be granted to the process that has the first.
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._descriptor)
            raise MaildropLocked from error
        except OSError:
            os.close(self._descriptor)
            raise

    def release(self) -> None:
        """Let the next one in; to be called once."""
        os.close(self._descriptor)


@contextmanager
def delivery_stopped(path: Path) -> Iterator[BinaryIO]:
    """Keep everybody from delivering into an mbox, and hand it out open.

    Raises:
        CommitRefused: somebody else holds one of the locks for too long.
        OSError: the mbox or the folder that it is in cannot be written to.
    """
    until = time.monotonic() + DELIVERY_SECONDS
    dot_lock = _dot_lock_of(path)
    _take_dot_lock(dot_lock, until)
    try:
        # Buffered reading, but open for writing too: fcntl wants that for an exclusive lock.
        with path.open("r+b") as file:
            _take_fcntl_lock(file, until)
            yield file
    finally:
        dot_lock.unlink(missing_ok=True)


def remove_stale_dot_lock(path: Path) -> None:
    """Remove the dot-lock of a process of ours that died; only the holder of the session's lock may."""
    dot_lock = _dot_lock_of(path)
    _draft_of(dot_lock).unlink(missing_ok=True)
    try:
        ours = dot_lock.read_bytes().endswith(b"\n" + DOT_LOCK_MARK + b"\n")
    except FileNotFoundError:
        return
    if ours:
        dot_lock.unlink()


def _dot_lock_of(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


def _draft_of(dot_lock: Path) -> Path:
    return dot_lock.with_name(f".{dot_lock.name}.poptalk-draft")


def _take_dot_lock(dot_lock: Path, until: float) -> None:
    # Written first and linked then, so that a lock of ours is never there without saying so.
    draft = _draft_of(dot_lock)
    draft.write_bytes(b"%d\n%b\n" % (os.getpid(), DOT_LOCK_MARK))
    try:
        while True:
            try:
                os.link(draft, dot_lock)
                return
            except FileExistsError:
                _wait(until, f"{dot_lock} is there")
    finally:
        draft.unlink()


def _take_fcntl_lock(file: BinaryIO, until: float) -> None:
    while True:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except (BlockingIOError, PermissionError):
            # POSIX lets a system choose between EAGAIN and EACCES.
            _wait(until, f"{file.name} is locked")


def _wait(until: float, why: str) -> None:
    if time.monotonic() > until:
        raise CommitRefused(f"{why}: somebody else is at it, so nothing was deleted.")
    time.sleep(RETRY_SECONDS)
