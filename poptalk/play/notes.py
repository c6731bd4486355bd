"""Speaker's notes: a file that a demo writes, and the screen of a second terminal that follows it.

The projector never shows them.  Each page is a whole new file, put in the place of the old one, so that
a reader never sees half of it.  Only its owner can read it.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poptalk.net.endpoint import UsageError
from poptalk.net.errors import reason
from poptalk.terminal.markdown import MOST_COLUMNS, render_comment, render_prose
from poptalk.terminal.safe import Fragments, harmless, wrap

if TYPE_CHECKING:
    from prompt_toolkit.formatted_text import StyleAndTextTuples

    from poptalk.shell.script import ShellSettings

_KIND = "poptalk-notes"
"""The first key of the file, so that no other file is overwritten."""

_MOST_OCTETS = 1_000_000
"""More than any step has to say; a larger file isn't one of ours."""

REFRESH_SECONDS = 0.3
"""How often the second terminal looks at the file, and draws the clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotesPage:
    """What the speaker sees."""

    started: float
    """When the demo began, in seconds since 1970."""
    place: str
    """The step, such as `step 3 of 7: Letter by letter`."""
    following: str
    """What the next key does, secrets masked."""
    notes: Sequence[str] = ()
    """The speaker's notes of the step."""
    text: Sequence[str] = ()
    """The prose that the audience does not see, in Markdown."""
    hands: str = ""
    """Who types, where it isn't the script."""


class NotesFile:
    """A file with the present page of notes.

    Args:
        path: the file; notes from an earlier demo are overwritten.

    Raises:
        UsageError: it cannot be written, or holds something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._page: NotesPage | None = None
        try:
            if path.exists() and path.stat().st_size and _read(path) is None:
                raise UsageError(f"{path} holds something else than notes: name another file")
            self._put("{}")
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {reason(error)}") from error

    def write(self, page: NotesPage) -> None:
        """Write a page, if it isn't there already.

        Raises:
            OSError: it cannot be written.
        """
        if page != self._page:
            self._put(json.dumps(asdict(page)))
            self._page = page

    def remove(self) -> None:
        """Remove the file: the demo is over."""
        with suppress(OSError):
            self._path.unlink()

    def _put(self, page: str) -> None:
        descriptor, name = tempfile.mkstemp(prefix=".poptalk-", dir=self._path.parent)
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(f'{{"{_KIND}": {page}}}\n')
            os.replace(name, self._path)
        except BaseException:
            with suppress(OSError):
                os.unlink(name)
            raise


def _read(path: Path) -> dict[str, Any] | None:
    """Read a file of notes; return None for any other file."""
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(_MOST_OCTETS))
        page = found[_KIND]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return page if isinstance(page, dict) else None


def read_notes(path: Path) -> NotesPage | None:
    """Read the present page; None where there is none, or no file."""
    try:
        found = _read(path)
        return NotesPage(**found) if found else None
    except (OSError, TypeError):
        return None


def render_notes(
    page: NotesPage | None, *, now: float, columns: int, path: Path
) -> list[Fragments]:
    """Give the rows of the second terminal.

    Args:
        page: the present page; None before the demo, and after it.
        now: seconds since 1970.
        columns: cells of a row.
        path: the file, to be named where there is nothing to show.
    """
    clock = time.strftime("%H:%M", time.localtime(now))
    if page is None:
        words = f"{clock}  No demo writes its notes to {path} now. q leaves."
        return [[("note", row)] for row in wrap(harmless(words), columns)]
    width = min(columns, MOST_COLUMNS)
    minutes, seconds = divmod(int(max(0, now - page.started)), 60)
    head = f"{minutes}:{seconds:02}  {clock}  {page.place}"
    rows: list[Fragments] = [[("heading", row)] for row in wrap(harmless(head), columns)]
    if page.hands:
        rows.append([("warn", harmless(page.hands))])
    rows += ([("typed", row)] for row in wrap(harmless(f"next: {page.following}"), columns))
    for note in page.notes:
        rows += [[], *render_comment(("advice", "note"), note, columns=width)]
    for source in page.text:
        rows += [[], *render_prose(source, columns=width)]
    return rows


def show_notes(name: str, options: ShellSettings) -> int:
    """Follow a file of notes in another terminal until `q`; return the exit code.

    Args:
        name: the file; it need not be there yet.
        options: the colours and the theme.
    """
    from prompt_toolkit import Application
    from prompt_toolkit.key_binding import KeyBindings
    from prompt_toolkit.layout import FormattedTextControl, Layout, Window

    from poptalk.terminal.screen import use_color
    from poptalk.terminal.theme import MONO, ptk_color_depth, ptk_style, theme_named

    path = Path(name)
    color = use_color(options.color, os.environ, isatty=True)
    keys = KeyBindings()

    def draw() -> StyleAndTextTuples:
        columns = application.output.get_size().columns
        rows = render_notes(read_notes(path), now=time.time(), columns=columns, path=path)
        text: StyleAndTextTuples = []
        for row in rows:
            text += [(f"class:{style}", words) for style, words in row]
            text.append(("", "\n"))
        return text

    application: Application[None] = Application(
        layout=Layout(Window(FormattedTextControl(draw), wrap_lines=True)),
        key_bindings=keys,
        style=ptk_style(theme_named(options.theme) if color else MONO),
        color_depth=ptk_color_depth(color=color),
        include_default_pygments_style=False,
        full_screen=True,
        refresh_interval=REFRESH_SECONDS,
    )
    for key in ("q", "c-c", "c-d"):
        keys.add(key)(lambda _event: application.exit())
    application.run()
    return 0
