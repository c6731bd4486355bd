"""What is kept of a class: a table for a spreadsheet, and the pupils' dialogues.

The table has a row for each pupil and step.  It is written whenever a pupil finishes a step, and
flushed to the disk before anything else happens, so that no finished step is lost if the program is
killed.  The file is always complete: a new one replaces the old.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from poptalk.classroom.pupil import Pupil, steps_to_do
from poptalk.classroom.pupils import Pupils
from poptalk.net.errors import reason
from poptalk.session.log import PRIVATE
from poptalk.terminal.safe import harmless

HEADER = (
    *("pupil", "step", "title", "state", "finished at", "seconds", "lines", "wrong lines"),
    *("last line not asked for", "what poptalk said"),
)

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "|", "%")
"""What a formula begins with in one spreadsheet or another (OWASP, CSV injection)."""


class CannotWriteResults(Exception):
    """A file that cannot be written, explained in one sentence."""


def cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula, after an apostrophe if necessary."""
    shown = harmless(text)
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA) else shown


class ClassResults:
    """The file with the results of a class.

    Args:
        path: the file, which must not exist yet.
        pupils: the class.
        complain: called with a sentence when the file can no longer be written.

    Raises:
        CannotWriteResults: it exists, or cannot be written.
    """

    def __init__(self, path: Path, pupils: Pupils, *, complain: Callable[[str], None]) -> None:
        self._path, self._pupils, self._complain = path, pupils, complain
        self._steps = steps_to_do(pupils.lesson)
        self._complained = ""
        if path.exists():
            raise CannotWriteResults(
                f"{path} is there already, and may hold the results of another class: give --results "
                "the name of a new file."
            )
        try:
            self._write()
        except OSError as error:
            raise CannotWriteResults(
                f"{path} cannot be written ({reason(error)}). Does the folder exist, and is it yours?"
            ) from error

    def save(self) -> None:
        """Write the file again; complain once if that fails, and try again next time."""
        try:
            self._write()
        except OSError as error:
            sentence = f"{self._path} cannot be written ({reason(error)}); the class goes on."
            if sentence != self._complained:
                self._complain(sentence)
            self._complained = sentence
        else:
            self._complained = ""

    def _write(self) -> None:
        text = io.StringIO(newline="")
        # RFC 4180 §2: CRLF, and quotation marks where necessary.
        table = csv.writer(text)
        table.writerow(HEADER)
        with self._pupils.lock:
            for pupil in self._pupils.all():
                table.writerows(self._rows(pupil))
        new = self._path.with_name(f".{self._path.name}.new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE)
        with os.fdopen(descriptor, "wb") as file:
            # The byte order mark tells Excel that the file is UTF-8.
            file.write(text.getvalue().encode("utf-8-sig"))
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, self._path)
        _sync_folder(self._path.parent)

    def _rows(self, pupil: Pupil) -> Iterator[list[str]]:
        """Yield a row for each step that is done or begun."""
        due = pupil.step
        for step in self._steps:
            done = pupil.done.get(step.slug)
            is_due = due is not None and step.slug == due.slug
            if done is None and not is_due:
                continue
            remark = pupil.remark if is_due and done is None else None
            yield [
                cell(pupil.name),
                str(self._pupils.number_of(step.slug)),
                cell(step.title),
                "not done" if done is None else "done",
                "" if done is None else done.at.strftime("%Y-%m-%d %H:%M:%S"),
                "" if done is None else f"{done.seconds:.0f}",
                str(pupil.lines[step.slug] if done is None else done.lines),
                str(pupil.misses[step.slug] if done is None else done.misses),
                cell(remark.line) if remark is not None else "",
                cell(remark.text) if remark is not None else "",
            ]


def _sync_folder(folder: Path) -> None:
    """Flush a folder's list of names to the disk, where the system can."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Dialogues:
    """A folder with the dialogue of each pupil, written as it happens; `poptalk run` replays them.

    Args:
        folder: created if necessary; files that exist are appended to.
        complain: called with a sentence when a file cannot be written.

    Raises:
        CannotWriteResults: the folder cannot be created.
    """

    def __init__(self, folder: Path, *, complain: Callable[[str], None]) -> None:
        self._folder, self._complain = folder, complain
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise CannotWriteResults(f"{folder} cannot be created ({reason(error)}).") from error

    def begin(self, pupil: Pupil) -> None:
        """Begin the dialogue of a pupil."""
        path = self._path(pupil)
        try:
            pupil.log_to(str(path))
        except OSError as error:
            self._complain(f"{path} cannot be written ({reason(error)}).")

    def forget(self, pupil: Pupil) -> None:
        """Remove a dialogue that is in another pupil's file too."""
        self._path(pupil).unlink(missing_ok=True)

    def _path(self, pupil: Pupil) -> Path:
        # Strangers choose the names: none may become another path, or a hidden file.
        safe = "".join(
            character if character.isalnum() or character in "-_" else f"%{ord(character):x}"
            for character in pupil.name
        )
        return self._folder / f"{safe}.pop3"
