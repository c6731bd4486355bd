"""The history: what was typed, without secrets, in a file that only its owner can read.

A line that holds a secret never enters it, neither on disk nor in memory.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from prompt_toolkit.history import History

MAX_LINES = 5000
"""Lines that are read of the file, the newest."""


class SecretlessHistory(History):
    """A history file with one typed line a line."""

    def __init__(self, path: str | None, *, holds_secret: Callable[[str], bool]) -> None:
        """Make a history.

        Args:
            path: the file; None keeps the history in memory only.
            holds_secret: tells whether a line must not be remembered.
        """
        super().__init__()
        self._path = path
        self._holds_secret = holds_secret

    def load_history_strings(self) -> Iterable[str]:
        """Read the file, newest line first; a file that cannot be read is an empty one."""
        if self._path is None:
            return
        try:
            with open(self._path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
                lines = [line for line in file.read().split("\n") if line]
        except OSError:
            return
        yield from reversed(lines[-MAX_LINES:])

    def append_string(self, string: str) -> None:
        """Remember a line, unless it holds a secret."""
        if not self._holds_secret(string):
            super().append_string(string)

    def store_string(self, string: str) -> None:
        """Add a line to the file; a disk that is full, or read only, is no reason to stop."""
        if self._path is None:
            return
        line = string.replace("\n", " ").encode("utf-8", "surrogateescape") + b"\n"
        try:
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                os.write(descriptor, line)
            finally:
                os.close(descriptor)
        except OSError:
            self._path = None
