"""Finds lessons: by number, by name, by both, or by path."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from poptalk.config import lessons_directory
from poptalk.lesson.document.model import near_miss

SUFFIX = ".md"

OWN = "own"
"""The folder beside lessons with those that replace them on the learner's own server."""

_STEM = re.compile(r"(?P<number>[0-9]+)-(?P<name>.+)")


class LessonNotFound(LookupError):
    """No such lesson; the sentence names the nearest one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryLesson:
    """A lesson of the curriculum that is not read yet: its file and its name.

    Args:
        path: its file.
        number: its place in the curriculum.
        name: its id without the number, such as `looking`.
    """

    path: Path
    number: int
    name: str

    @property
    def id(self) -> str:
        """The lesson's id, such as `03-looking`."""
        return self.path.stem


def curriculum(folder: Path | None = None) -> list[LibraryLesson]:
    """Return the lessons of a folder that have a number, in their order.

    Args:
        folder: None for the lessons that come with poptalk.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    found = []
    for path in (folder or lessons_directory()).glob(f"*{SUFFIX}"):
        stem = _STEM.fullmatch(path.stem)
        if stem is not None and path.is_file():
            found.append(LibraryLesson(path=path, number=int(stem["number"]), name=stem["name"]))
    return sorted(found, key=lambda lesson: (lesson.number, lesson.name))


def lesson_files(folder: Path | None = None) -> list[Path]:
    """Return the files of `curriculum`."""
    return [lesson.path for lesson in curriculum(folder)]


def in_own_mailbox(path: Path, name: str) -> Path:
    """Return the file of the lesson that replaces another one on the learner's own server.

    Args:
        path: the file of the other one.
        name: as in its front matter.
    """
    return path.parent / OWN / f"{name}{SUFFIX}"


def find_lesson(word: str) -> Path:
    """Find a lesson of the curriculum, or a file.

    Args:
        word: `3`, `03`, `looking` or `03-looking`; what ends with `.md` or holds a slash is a path.

    Raises:
        LessonNotFound: there is no lesson of that name, or no such file.
        FileNotFoundError: the installation is incomplete.
    """
    if word.endswith(SUFFIX) or os.sep in word or "/" in word:
        path = Path(word)
        if path.is_file():
            return path
        raise LessonNotFound(
            f"There is no file {word}; give the path of a lesson, or a name that "
            "'poptalk lessons list' shows."
        )
    lessons = curriculum()
    name = word.casefold()
    number = int(name) if re.fullmatch("[0-9]{1,9}", name) else None
    for lesson in lessons:
        if lesson.number == number or name in (lesson.id.casefold(), lesson.name.casefold()):
            return lesson.path
    raise LessonNotFound(
        f'There is no lesson "{word}"; {near_miss(word, [lesson.id for lesson in lessons])}'
    )
