"""`poptalk lessons new`: the beginning of a lesson, with comments that explain the format.

It is `skeleton.md` beside this file.  It can be read and run as it stands; what is left to be
written is marked with TODO, and `poptalk lessons check` finds each.
"""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from poptalk.lesson.shelf import SUFFIX

_TITLE = "__TITLE__"
_NUMBER = re.compile(r"[0-9]+[-_ ]")


class CannotWrite(Exception):
    """A lesson that cannot be begun, explained in one sentence."""


def write_skeleton(name: str) -> Path:
    """Write the beginning of a lesson to a new file.

    Args:
        name: its path, with or without `.md`.

    Returns:
        The file.

    Raises:
        CannotWrite: it is there already, or it cannot be written.
    """
    path = Path(name if name.endswith(SUFFIX) else name + SUFFIX)
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(skeleton(title_of(path.stem)))
    except FileExistsError:
        raise CannotWrite(f"{path} is there already; give another name.") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "its name cannot be one"
        raise CannotWrite(f"{path} cannot be written ({why}); give another name.") from None
    return path


def title_of(stem: str) -> str:
    """Make a title of a file's name: `14-my-lesson` is "My lesson"."""
    words = re.findall(r"\w+", _NUMBER.sub("", stem, count=1).replace("_", " "))
    title = " ".join(words) or "A lesson"
    return title[0].upper() + title[1:]


def skeleton(title: str) -> str:
    """Return the beginning of a lesson with this title."""
    text = resources.files("poptalk.lesson").joinpath("skeleton.md").read_text(encoding="utf-8")
    return text.replace(_TITLE, title)
