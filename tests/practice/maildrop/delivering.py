"""Deliver messages into an mbox as other programs do, with its locks in either order.

    python -m tests.practice.maildrop.delivering MBOX ORDER

For each number on standard input the message of that number is delivered.  ``opened`` is printed once
the mbox is open and before any lock is taken, ``holding`` once the first lock is taken, ``delivered`` at
the end.  ORDER is ``fcntl`` or ``dot-lock``: which lock comes first.
"""

from __future__ import annotations

import fcntl
import os
import sys
from typing import BinaryIO

from tests.practice.maildrop.letters import from_line


def say(word: str) -> None:
    """Tell the test how far we are."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def take_dot_lock(path: str) -> None:
    """Wait for the dot-lock."""
    while True:
        try:
            os.close(os.open(f"{path}.lock", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            os.sched_yield()
        else:
            return


def take_fcntl_lock(file: BinaryIO) -> None:
    """Wait for the lock of the file."""
    fcntl.lockf(file, fcntl.LOCK_EX)


def deliver(path: str, order: str, number: int) -> None:
    """Deliver one message."""
    with open(path, "ab") as file:
        say("opened")
        if order == "fcntl":
            take_fcntl_lock(file)
            say("holding")
            take_dot_lock(path)
        else:
            take_dot_lock(path)
            say("holding")
            take_fcntl_lock(file)
        file.write(from_line(number) + b"Subject: new %d\n\nnew %d\n\n" % (number, number))
        file.flush()
    os.unlink(f"{path}.lock")
    say("delivered")


if __name__ == "__main__":
    for line in sys.stdin:
        deliver(sys.argv[1], sys.argv[2], int(line))
