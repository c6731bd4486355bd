"""The file of a lesson that is new: how it is named, and that nothing is written over.

`poptalk lessons new` and `poptalk lessons record` begin such files, and end with the same advice.
"""

from __future__ import annotations

import re
from pathlib import Path

from poptalk.lesson.errors import why_not
from poptalk.lesson.shelf import SUFFIX
from poptalk.net.destination import UsageError

_NUMBER = re.compile(r"[0-9]+[-_ ]")


class CannotWrite(UsageError):
    """A lesson that cannot be begun, explained in one sentence."""


def lesson_path(name: str) -> Path:
    """Return the path of a lesson that is named with or without `.md`."""
    return Path(name if name.endswith(SUFFIX) else name + SUFFIX)


def begin_lesson(path: Path, text: str = "") -> None:
    """Make a new file.

    Args:
        path: the file.
        text: what stands in it.

    Raises:
        CannotWrite: it is there already, or it cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise CannotWrite(f"{path} is there already; give another name.") from None
    except (OSError, ValueError) as error:
        raise CannotWrite(
            f"{path} cannot be written ({why_not(error)}); give another name."
        ) from None


def title_of(stem: str) -> str:
    """Make a title of a file's name: `14-my-lesson` is "My lesson"."""
    words = re.findall(r"\w+", _NUMBER.sub("", stem, count=1).replace("_", " "))
    title = " ".join(words) or "A lesson"
    return title[0].upper() + title[1:]


def what_is_left(path: Path) -> str:
    """Say what the author does next, in two lines."""
    return (
        "What is left to be written is marked with TODO; this shows it as you go:\n"
        f"  poptalk lessons watch {path}"
    )
