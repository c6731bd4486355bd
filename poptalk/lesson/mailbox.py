"""The mailbox of a lesson, laid out in a folder of its own before the lesson begins.

In the lesson's mailbox, `*.eml` are the letters that are there from the beginning.  Those in its
folder `later/` come in once a session that was logged in has ended with QUIT.  A letter whose header
has a field `X-Poptalk-Grow: 6000000` is stored small and laid out large: without that field, and with
its last line repeated until it has about as many octets.
"""

from __future__ import annotations

import re
import shutil
import threading
from pathlib import Path

from poptalk.paths import mailbox_directory

GROW_FIELD = b"X-Poptalk-Grow"

MOST_OCTETS = 64_000_000
"""Largest letter that is grown: more than any mail server takes, and laid out in a tenth of a second."""

LATER = "later"
"""The folder with the letters that come in."""

_GROW_LINE = re.compile(
    rb"^" + GROW_FIELD + rb":[ \t]*(.*?)[ \t]*\r?\n", re.IGNORECASE | re.MULTILINE
)
_CLOSING_BOUNDARY = re.compile(rb"^--[^\r\n]+--[ \t]*(?:\r?\n)?\s*\Z", re.MULTILINE)
_END_OF_HEADER = re.compile(rb"^\r?\n", re.MULTILINE)


class MailboxError(Exception):
    """A mailbox that cannot be used, explained in one sentence."""


class Mailbox:
    """A lesson's mailbox, laid out afresh.

    Args:
        source: the folder that belongs to the lesson; nothing in it is changed.
        folder: an empty one, for the copy.

    Attributes:
        maildrop: the folder that the practice server serves.
        has_later: whether there are letters that come in later.

    Raises:
        MailboxError: a letter cannot be laid out.
    """

    def __init__(self, source: Path, folder: Path) -> None:
        self.maildrop = folder / "maildrop"
        self._later = folder / LATER
        self._lock = threading.Lock()
        """The server's thread lets letters in, and the lesson's begins anew."""
        self._beginnings = 0
        try:
            _lay_out(source, self.maildrop)
            _lay_out(source / LATER, self._later)
        except OSError as error:
            raise MailboxError(
                f"The mailbox {source} cannot be copied ({error.strerror}: {error.filename})."
            ) from error
        self.has_later = any(self._later.iterdir())

    @property
    def beginnings(self) -> int:
        """How often it was made as at first; a session that is older lets nothing in."""
        return self._beginnings

    def let_later_letters_in(self, *, beginnings: int) -> None:
        """Add the letters that come in; again does no harm.

        Args:
            beginnings: what that was when the session began that has ended.
        """
        with self._lock:
            if beginnings != self._beginnings:
                return
            for letter in self._later.iterdir():
                if not (self.maildrop / letter.name).exists():
                    shutil.copy2(letter, self.maildrop)

    def start_over(self) -> None:
        """Take the letters that came in away again."""
        with self._lock:
            self._beginnings += 1
            for letter in self._later.iterdir():
                (self.maildrop / letter.name).unlink(missing_ok=True)


def find_mailbox(name: str, *, beside: Path) -> Path:
    """Return the folder of a mailbox.

    Args:
        name: as the lesson's front matter has it.
        beside: the lesson's file; the folder `mailboxes` beside it comes first, then the one that
            is shipped.

    Raises:
        MailboxError: there is none of that name.
    """
    if Path(name).name != name or name in ("", ".."):
        raise MailboxError(f'"{name}" is no mailbox: give the name of a folder in mailboxes/.')
    own = beside.parent / "mailboxes" / name
    if own.is_dir():
        return own
    try:
        return mailbox_directory(name)
    except FileNotFoundError as error:
        raise MailboxError(str(error)) from error


def _lay_out(source: Path, folder: Path) -> None:
    folder.mkdir()
    for letter in sorted(source.glob("*.eml")):
        content = letter.read_bytes()
        try:
            grown = grow(content)
        except ValueError as error:
            raise MailboxError(f"{letter}: {error}") from error
        (folder / letter.name).write_bytes(grown)


def grow(letter: bytes) -> bytes:
    """Lay a letter out: as large as its header asks for, and without the field that does.

    Args:
        letter: as it is stored.

    Returns:
        The letter itself, if its header has no `X-Poptalk-Grow`.  Otherwise its last line, or the
        one above its closing boundary, is repeated.

    Raises:
        ValueError: the field holds no number that can be reached; one sentence.
    """
    end = _END_OF_HEADER.search(letter)
    field = _GROW_LINE.search(letter, 0, end.start() if end else len(letter))
    if field is None:
        return letter
    wanted = _octets(field[1])
    letter = letter[: field.start()] + letter[field.end() :]
    closing = _CLOSING_BOUNDARY.search(letter)
    above = letter[: closing.start()] if closing else letter
    text = above.rstrip(b"\r\n")
    blanks = above[len(text) :] or b"\r\n"
    line_end = b"\r\n" if blanks.startswith(b"\r\n") else b"\n"
    line = line_end + text[text.rfind(b"\n") + 1 :]
    # A line end that is stored as one octet travels as two (RFC 1939 §11).
    octets = len(letter) + (letter.count(b"\n") - letter.count(b"\r\n"))
    times = max(0, wanted - octets) // (len(line) + (line_end == b"\n"))
    return text + line * times + blanks + (letter[closing.start() :] if closing else b"")


def _octets(text: bytes) -> int:
    if not text.isdigit() or int(text[:12]) > MOST_OCTETS:
        raise ValueError(
            f"{GROW_FIELD.decode()} takes a number of octets, {MOST_OCTETS:,} at most."
        )
    return int(text)
