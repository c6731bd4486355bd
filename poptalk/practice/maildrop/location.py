"""Where a maildrop is and what it is: a path as people give it, perhaps with the format in front."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from poptalk.practice.maildrop.eml import EmlFolder
from poptalk.practice.maildrop.errors import MaildropError
from poptalk.practice.maildrop.maildir import FOLDERS, Maildir
from poptalk.practice.maildrop.mbox import Mbox
from poptalk.practice.maildrop.source import Storage


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
        match self.format:
            case Format.EML:
                return EmlFolder(self.path)
            case Format.MAILDIR:
                return Maildir(self.path)
            case Format.MBOX:
                return Mbox(self.path)


def locate(text: str | Path) -> Location:
    """Find out what a maildrop is.

    Args:
        text: its path; a string may have ``eml:``, ``maildir:`` or ``mbox:`` in front, which decides.

    Raises:
        MaildropError: there is nothing, or it is not what it is said to be, or it could be two things.
    """
    named, path = (None, text) if isinstance(text, Path) else _parse(text)
    try:
        if not path.exists():
            raise MaildropError(
                f"{path} does not exist. A maildrop is a folder of .eml files, a Maildir or an mbox."
            )
        format_ = _recognise(path) if named is None else _check(named, path)
    except OSError as error:
        raise MaildropError(f"The maildrop {path} cannot be read ({error.strerror}).") from error
    return Location(path=path, format=format_)


def _parse(text: str) -> tuple[Format | None, Path]:
    prefix, colon, path = text.partition(":")
    for named in Format:
        if colon and prefix == named.value:
            return named, Path(path)
    return None, Path(text)


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
