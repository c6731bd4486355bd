"""The front matter: `key: value` lines between two `---`, at the top of a lesson.

It looks like YAML, so that code-hosting pages show it as a table, but it is not read as such: a value
is the rest of its line, and `yes` is a word.  Quotation marks around a whole value are taken off; YAML
wants them around one that holds `: ` or begins with `#`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from poptalk.lesson.errors import near_miss
from poptalk.lesson.markup.source import LessonText
from poptalk.notation.pattern import unwritable
from poptalk.practice.accounts import BOB
from poptalk.protocol.commands import MASK

DEFAULT_PERSONA = "plain"
"""How the practice server of a lesson speaks unless the lesson says otherwise."""

FENCE = "---"
"""The line above and below the front matter."""

MOST_MINUTES = 240
"""Nobody sits longer; a larger number is a slip of the pen."""

_LINE = re.compile(r"(?P<key>[^:\s]+)[ \t]*:(?:[ \t]+(?P<value>.*))?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key of the front matter.

    Args:
        meaning: what it is for, a few words.
        default: what holds where it is left out; None for a key that every lesson needs.
        pattern: what the value looks like, None for any text.
        form: the same in words.
    """

    meaning: str
    default: str | None = None
    pattern: re.Pattern[str] | None = None
    form: str = "a text"


def _list_of(item: str) -> re.Pattern[str]:
    return re.compile(rf"{item}(?:[ \t]*,[ \t]*{item})*")


KEYS: Mapping[str, Key] = {
    "title": Key(meaning="what the lesson is called, as in its first heading"),
    "summary": Key(meaning="one line for the list of lessons"),
    "minutes": Key(
        meaning="how long it takes a beginner",
        pattern=re.compile(r"[1-9][0-9]{0,2}"),
        form=f"a number of minutes from 1 to {MOST_MINUTES}",
    ),
    "mailbox": Key(
        meaning="the folder of letters among the mailboxes, beside the lesson or poptalk's own",
        pattern=_NAME,
        form="the name of a folder of mailboxes/, without a slash",
    ),
    "persona": Key(
        meaning="how the practice server speaks",
        default=DEFAULT_PERSONA,
        pattern=_NAME,
        form="a name that 'poptalk serve --list-personas' tells",
    ),
    "user": Key(
        meaning="the name of the account",
        default=BOB.name,
        pattern=re.compile(r"[^\s{}]+"),
        form="one word",
    ),
    "password": Key(
        meaning="its password, which everybody can read",
        default=BOB.password,
        pattern=re.compile(r"[^{}]+"),
        form="a text without braces",
    ),
    "fault": Key(
        meaning="what the server does wrong, parted by commas",
        default="",
        pattern=_list_of(r"[^\s,]+"),
        form="a list such as slow:5s, #2=locked ('poptalk serve --list-faults' tells them)",
    ),
    "after": Key(
        meaning="ids of the lessons that should come before, parted by commas",
        default="",
        pattern=_list_of(_NAME.pattern),
        form="a list of ids such as 03-looking, 04-reading",
    ),
}
"""Every key, in the order in which a lesson has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontMatter:
    """The values of a front matter, and how many lines it takes.

    Args:
        values: one for each of `KEYS`; the default where the key is left out, and an empty text
            where the value is wrong (which is noted as a fault).
        lines: number of lines, both fences included.
    """

    values: Mapping[str, str] = field(repr=False)
    lines: int

    def __getitem__(self, key: str) -> str:
        return self.values[key]

    @property
    def minutes(self) -> int:
        """How long the lesson takes; 0 where it is not said rightly."""
        return int(self.values["minutes"] or "0")

    def items(self, key: str) -> tuple[str, ...]:
        """Return a value that is a list."""
        return tuple(part.strip() for part in self.values[key].split(",") if part.strip())


def read_front_matter(source: LessonText) -> FrontMatter:
    """Read the front matter of a lesson; what is wrong with it is noted in the source."""
    lines = source.lines
    if lines[0].rstrip() != FENCE:
        source.wrong("no-front-matter", 0)
        return FrontMatter(values=_complete({}), lines=0)
    end = next((n for n, line in enumerate(lines[1:], 1) if line.rstrip() == FENCE), None)
    if end is None:
        source.wrong("front-matter-without-end", 0)
        return FrontMatter(values=_complete({}), lines=0)
    written = _read_lines(source, end)
    for key, about in KEYS.items():
        if about.default is None and key not in written:
            source.wrong("key-missing", end, quote="", key=key, meaning=about.meaning)
    return FrontMatter(values=_complete(written), lines=end + 1)


def line_of_key(path: Path, key: str) -> int:
    """Return the line of a key in a lesson's file, counted from 1; 1 where it does not stand there.

    Args:
        path: the file, which somebody may be writing meanwhile.
        key: one of `KEYS`.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError):
        return 1
    found = (number for number, line in enumerate(lines, 1) if _key_of(line) == key)
    return next(found, 1)


def _key_of(line: str) -> str | None:
    found = _LINE.fullmatch(line.strip())
    return found["key"] if found is not None else None


def _complete(written: Mapping[str, str]) -> dict[str, str]:
    return {key: written.get(key, about.default or "") for key, about in KEYS.items()}


def _read_lines(source: LessonText, end: int) -> dict[str, str]:
    written: dict[str, str] = {}
    for number in range(1, end):
        line = source.lines[number].strip()
        if not line or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            source.wrong("no-key-line", number, keys=", ".join(KEYS))
            continue
        key = found["key"]
        if key not in KEYS:
            source.wrong("unknown-key", number, key=key, advice=near_miss(key, KEYS, form="'{}'"))
        elif key in written:
            source.wrong("key-twice", number, key=key)
        else:
            written[key] = _read_value(source, number, key, _unquoted(found["value"] or ""))
    return written


def _unquoted(value: str) -> str:
    text = value.strip()
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1].strip()
    return text


def _read_value(source: LessonText, number: int, key: str, value: str) -> str:
    """Check the form of a value; give it back, or an empty text where it is wrong."""
    about = KEYS[key]
    right = bool(value) and unwritable(value) is None
    if about.pattern is not None:
        right = right and about.pattern.fullmatch(value) is not None
    if key == "minutes" and right:
        right = int(value) <= MOST_MINUTES
    if right:
        return value
    source.wrong(
        "wrong-value" if value else "empty-value",
        number,
        quote=f"{key}: {MASK.decode('ascii')}" if key == "password" else None,
        key=key,
        form=about.form if about.default is None else f"{about.form}, or leave it out",
    )
    return ""
