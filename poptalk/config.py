"""Where poptalk's files lie, and the TOML files that people write, with the line of each mistake.

`tomllib` doesn't say on which line a key is.  It can be used to find out: of all beginnings of the file
that it can read, the first that holds a key ends with the line on which that key ends.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

_PACKAGE = Path(__file__).resolve().parent


def lessons_directory() -> Path:
    """Return the folder of the curriculum: inside the package if installed, beside it in a checkout.

    Raises:
        FileNotFoundError: there is neither; the installation is incomplete.
    """
    for folder in (_PACKAGE / "lessons", _PACKAGE.parent / "lessons"):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(
        f"The lessons are missing: there is no folder {_PACKAGE / 'lessons'}. Install poptalk again."
    )


def mailbox_directory(name: str) -> Path:
    """Return the folder of a mailbox that comes with the lessons, such as ``article``.

    Raises:
        FileNotFoundError: there is none with that name; the sentence lists those there are.
    """
    mailboxes = lessons_directory() / "mailboxes"
    known = sorted(folder.name for folder in mailboxes.iterdir() if folder.is_dir())
    if name not in known:
        raise FileNotFoundError(
            f'There is no mailbox "{name}" among the lessons; there are {", ".join(known)}.'
        )
    return mailboxes / name


def state_directory() -> Path:
    """Return the folder for history and progress, which need not exist yet."""
    import platformdirs

    return platformdirs.user_state_path("poptalk", appauthor=False)


def config_directory() -> Path:
    """Return the folder for what a user writes or has written on request; it need not exist yet."""
    import platformdirs

    return platformdirs.user_config_path("poptalk", appauthor=False)


def not_installed(package: str) -> str:
    """Return the sentence about an optional package that is missing, without a full stop."""
    return (
        f"the package {package} is not installed. Run pip install {package} in the environment that "
        f"poptalk is installed in, or pipx inject poptalk {package}"
    )


class TomlError(Exception):
    """A mistake in a file, explained in one sentence with the file, the line and the key."""


class TomlFile:
    """The text of a TOML file.

    Args:
        text: its content.
        source: what to call it in a message.
    """

    def __init__(self, text: str, *, source: str) -> None:
        self.source = source
        self._lines = [f"{line}\n" for line in text.split("\n")]
        try:
            self._content = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise self._syntax_error(error) from error
        except ValueError:  # Python reads no decimal number of more than 4,300 digits.
            raise TomlError(f"{source} cannot be read: a number is too long.") from None
        except RecursionError:
            raise TomlError(f"{source} cannot be read: brackets are nested too deeply.") from None

    @classmethod
    def read(cls, path: Path) -> TomlFile:
        """Read a file.

        Raises:
            TomlError: it cannot be read, is not UTF-8, or isn't TOML.
        """
        try:
            octets = path.read_bytes()
            return cls(octets.decode("utf-8-sig"), source=str(path))
        except OSError as error:
            raise TomlError(f"{path} cannot be read ({error.strerror}).") from error
        except UnicodeDecodeError as error:
            line = octets.count(b"\n", 0, error.start) + 1
            raise TomlError(f"{path}, line {line}: not UTF-8, as TOML must be.") from error

    @property
    def names(self) -> list[str]:
        """The keys and tables at the top level, in the order of the file."""
        return list(self._content)

    def table(self, allowed: Collection[str]) -> Table:
        """Return the whole file as a table.

        Args:
            allowed: the keys that may be in it.
        """
        return Table(self, self._content, path=(), allowed=allowed)

    def line_of(self, path: Sequence[str]) -> int | None:
        """Return the line on which a key or a table begins, counted from 1; None if it isn't there."""
        readable = 0
        for count in range(1, len(self._lines) + 1):
            try:
                reduce(getitem, path, tomllib.loads("".join(self._lines[:count])))
            except tomllib.TOMLDecodeError:
                # In the middle of a value of several lines.
                continue
            except (KeyError, TypeError):
                readable = count
            else:
                return readable + 1
        return None

    def _syntax_error(self, error: tomllib.TOMLDecodeError) -> TomlError:
        found = re.search(r" \(at line (\d+), column (\d+)\)$", str(error))
        if found is None:
            why = str(error).removesuffix(" (at end of document)")
            return TomlError(f"{self.source}, line {len(self._lines)}: no TOML at the end ({why}).")
        line, column = found.groups()
        why = str(error)[: found.start()]
        return TomlError(f"{self.source}, line {line}: no TOML at column {column} ({why}).")


class Table:
    """A table of a file, which knows its place, for messages.

    Args:
        file: the file.
        content: keys and values.
        path: the keys that lead here.
        allowed: the keys that may be in it.

    Raises:
        TomlError: there is another key.
    """

    def __init__(
        self,
        file: TomlFile,
        content: Mapping[str, Any],
        *,
        path: tuple[str, ...],
        allowed: Collection[str],
    ) -> None:
        self._file = file
        self._content = content
        self._path = path
        self._allowed = tuple(allowed)
        for key in content:
            if key not in self._allowed:
                raise self.mistake(key, f"no such key; {_choices(key, self._allowed)}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._content)

    def __contains__(self, key: str) -> bool:
        return key in self._content

    def mistake(self, key: str, why: str) -> TomlError:
        """Return the error for a key of this table, or for one that is missing from it."""
        path = (*self._path, key)
        # A missing key has the line of its table, unless that is the whole file.
        line = self._file.line_of(path) or (self._path and self._file.line_of(self._path))
        place = f"{self._file.source}, line {line}" if line else self._file.source
        return TomlError(f"{place}, {'.'.join(path)}: {why}.")

    def _get(self, key: str) -> Any:
        if key not in self._content:
            raise self.mistake(key, "missing, and needed here")
        return self._content[key]

    def _typed(self, key: str, kind: type[T], needed: str) -> T:
        """Return a value of a type.

        Args:
            key: its key.
            kind: its type; true and false aren't numbers here, though `bool` is a subclass of `int`.
            needed: what the sentence says where it has another type.
        """
        value = self._get(key)
        if type(value) is not kind:
            raise self.mistake(key, needed)
        return value

    def text(self, key: str) -> str:
        """Return a text."""
        return self._typed(key, str, 'a text in quotation marks is needed, such as "ready"')

    def texts(self, key: str) -> list[str]:
        """Return a list of texts."""
        needed = 'a list of texts is needed, such as ["TOP", "UIDL"]'
        value = self._typed(key, list, needed)
        if not all(isinstance(item, str) for item in value):
            raise self.mistake(key, needed)
        return value

    def truth(self, key: str) -> bool:
        """Return true or false."""
        return self._typed(key, bool, "true or false is needed, without quotation marks")

    def whole_number(self, key: str, *, least: int, most: int) -> int:
        """Return a whole number within limits."""
        needed = f"a whole number from {least} to {most} is needed"
        value = self._typed(key, int, needed)
        if not least <= value <= most:
            raise self.mistake(key, needed)
        return value

    def choice(self, key: str, allowed: Collection[str]) -> str:
        """Return one of several words."""
        value = self._get(key)
        if value not in allowed:
            raise self.mistake(key, f"{value!r} is no value here; {_choices(str(value), allowed)}")
        return str(value)

    def table(self, key: str, *, allowed: Collection[str]) -> Table:
        """Return a table within this one."""
        value = self._typed(key, dict, f"a table is needed, with the keys {', '.join(allowed)}")
        return Table(self._file, value, path=(*self._path, key), allowed=allowed)

    def optional_table(self, key: str, *, allowed: Collection[str]) -> Table:
        """Return a table within this one, or an empty one where it is left out."""
        if key in self:
            return self.table(key, allowed=allowed)
        return Table(self._file, {}, path=(*self._path, key), allowed=allowed)


def _choices(given: str, allowed: Collection[str]) -> str:
    near = get_close_matches(given, allowed, n=1)
    words = f"llowed here are {', '.join(allowed)}"
    return f'is "{near[0]}" meant? A{words}' if near else f"a{words}"
