"""From a source to a file: which format, and writing it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from poptalk.export.cast import has_times, write_cast
from poptalk.export.html import write_html
from poptalk.export.markdown import write_markdown
from poptalk.export.page import Page, Passage, Talk
from poptalk.export.reading import read
from poptalk.export.svg import write_svg
from poptalk.net.endpoint import UsageError
from poptalk.net.errors import reason
from poptalk.pop3.values import Value
from poptalk.run.run import MARKDOWN, STANDARD_INPUT, SUFFIX, check_not_empty, named, read_text
from poptalk.session.log import PRIVATE
from poptalk.terminal.markdown import make_parser
from poptalk.transcript.parser import NotationError, parse_dialogue

STANDARD_OUTPUT = "-"

WHOLE, SHEET, KEY = "whole", "sheet", "key"
"""What is made of a lesson."""

PUBLIC = 0o666
"""The mode of files that are for everybody, less what the umask takes away."""

PAPER = ("html", "md")
"""The formats of what a person writes on."""

_LESSON_BEGINS = "---"
"""The first line of a lesson, which no other Markdown document needs."""

WRITERS: Mapping[str, Callable[[Page], str]] = {
    "html": write_html,
    "svg": write_svg,
    "cast": write_cast,
    "md": write_markdown,
}
"""What writes each of `FORMATS`."""

_MADE_UP = "; there are no times in it, so the pace of the cast is made up"


class ExportSettings(Value):
    """What `poptalk export` was asked for."""

    source: str
    output: str
    format: str | None = None
    handout: str = WHOLE
    explain: bool = False
    force: bool = False


Show = Callable[[str], None]


def export(
    settings: ExportSettings,
    *,
    page_of_lesson: Callable[[ExportSettings], Page],
    write: Show,
    say: Show,
) -> None:
    """Make a document of a source.

    Args:
        settings: what was asked for.
        page_of_lesson: makes a page of a lesson.
        write: writes text to standard output as it is.
        say: prints a sentence.

    Raises:
        UsageError: the source is none, or the document cannot be written.
    """
    source, name = settings.source, settings.output
    is_lesson = _is_lesson(source)
    if name == STANDARD_OUTPUT and settings.format is None:
        raise UsageError("standard output has no name that says which format: add --format")
    chosen = format_of(name, settings.format)
    on_paper = settings.handout != WHOLE
    if on_paper and not is_lesson:
        raise UsageError(f"--sheet and --key are for a lesson, and {source} isn't one")
    if on_paper and chosen not in PAPER:
        raise UsageError("--sheet and --key are for paper: name a file that ends in .html or .md")
    if settings.handout == SHEET and settings.explain:
        raise UsageError("a work sheet explains nothing: leave --explain out")
    if name != STANDARD_OUTPUT and not settings.force and os.path.isfile(name):
        raise UsageError(f"{name} is there already: give another name, or say --force")
    page = page_of_lesson(settings) if is_lesson else page_of_file(source, explain=settings.explain)
    if name == STANDARD_OUTPUT:
        write(WRITERS[chosen](page))
        return
    # A session has mail in it.
    mode = PUBLIC if is_lesson else PRIVATE
    say(export_page(page, name, doc_format=chosen, force=settings.force, mode=mode))


def _is_lesson(source: str) -> bool:
    """Tell whether a source is a lesson: its number, its name, or a file that begins as one does."""
    if source == STANDARD_INPUT or source.endswith((SUFFIX, ".txt")):
        return False
    if not os.path.isfile(source):
        return True
    if not source.lower().endswith(MARKDOWN):
        return False
    try:
        with open(source, "rb") as file:
            return file.readline().strip() == _LESSON_BEGINS.encode()
    except OSError:
        return False  # What is wrong with it is said where it is read.


def format_of(name: str, given: str | None) -> str:
    """Return the format of a document.

    Args:
        name: of its file.
        given: what the command line says; None for nothing.

    Raises:
        UsageError: neither says it.
    """
    end = Path(name).suffix.removeprefix(".").lower()
    if given is None and end not in WRITERS:
        *others, last = (f".{each}" for each in WRITERS)
        ends = f"{', '.join(others)} or {last}"
        raise UsageError(f"the end of {name} doesn't say which format it is: {ends} would")
    return given or end


def export_page(
    page: Page, name: str, *, doc_format: str | None = None, force: bool = False, mode: int
) -> str:
    """Write a document to a file.

    Args:
        page: the document.
        name: of the file.
        doc_format: one of `WRITERS`; None for what the name says.
        force: whether a file that is there is replaced.
        mode: who may read a new file, less what the umask takes away.

    Returns:
        What was done, one sentence without its full stop.

    Raises:
        UsageError: it cannot be written, or is there already.
    """
    chosen = format_of(name, doc_format)
    text = WRITERS[chosen](page)
    try:
        write_file(name, text, force=force, mode=mode)
    except FileExistsError as error:
        raise UsageError(f"{name} is there already: give another name") from error
    except (OSError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else "its name cannot be one"
        raise UsageError(f"{name} cannot be written: {why}") from error
    made_up = _MADE_UP if chosen == "cast" and not has_times(page) else ""
    return f"{name} is written, {len(text.encode()):,} octets{made_up}"


def write_file(name: str, text: str, *, force: bool, mode: int) -> None:
    """Write a whole file, or none.

    Raises:
        FileExistsError: it is there already, and not to be replaced.
        OSError: it cannot be written.
    """
    if os.path.exists(name) and not os.path.isfile(name):
        # A device or a pipe, such as /dev/stdout.
        with open(name, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        return
    if not force and os.path.lexists(name):
        raise FileExistsError
    folder, _ = os.path.split(os.path.realpath(name))
    descriptor, new = tempfile.mkstemp(dir=folder, prefix=".poptalk-")
    try:
        with open(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(new, mode & ~_umask())
        os.replace(new, os.path.realpath(name))
    except BaseException:
        os.unlink(new)
        raise


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def page_of_session(text: str, *, title: str, explain: bool = False) -> Page:
    """Return the document of a session.

    Args:
        text: in the notation.
        title: of the document.
        explain: whether each reply is explained.
    """
    dialogue = parse_dialogue(text, name="the session")
    return Page(title=title, parts=(Talk(dialogue=read(dialogue, explain=explain)),))


def page_of_file(name: str, *, explain: bool) -> Page:
    """Return the document of a dialogue, or of a Markdown document with dialogues.

    Args:
        name: of the file; `-` for standard input.
        explain: whether each reply is explained.

    Raises:
        UsageError: it cannot be read, or is neither; names the line.
    """
    text = read_text(name)
    try:
        if name.lower().endswith(MARKDOWN):
            return _page_of_markdown(text, name=name, explain=explain)
        dialogue = parse_dialogue(text, name=named(name))
    except NotationError as error:
        raise UsageError(str(error)) from error
    check_not_empty(dialogue)
    title = "A POP3 session" if name == STANDARD_INPUT else Path(name).stem
    return Page(title=title, parts=(Talk(dialogue=read(dialogue, explain=explain)),))


def _page_of_markdown(text: str, *, name: str, explain: bool) -> Page:
    """Read a document in which dialogues are fenced as `pop3`; the rest is prose."""
    lines = text.split("\n")
    title, begin = Path(name).stem, 0
    parts: list[Passage | Talk] = []

    def prose(end: int) -> None:
        source = "\n".join(lines[begin:end]).strip("\n")
        if source:
            parts.append(Passage(source=source))

    tokens = make_parser().parse(text)
    for number, token in enumerate(tokens):
        if token.map is None or token.level:
            continue
        if token.type == "heading_open" and token.tag == "h1" and not begin and not parts:
            prose(token.map[0])
            title, begin = tokens[number + 1].content, token.map[1]
        elif token.type == "fence" and token.info.split()[:1] == ["pop3"]:
            prose(token.map[0])
            dialogue = parse_dialogue(token.content, name=name, first_line=token.map[0] + 2)
            parts.append(Talk(dialogue=read(dialogue, explain=explain)))
            begin = token.map[1]
    prose(len(lines))
    if not any(isinstance(part, Talk) for part in parts):
        raise UsageError(f"{name} has no dialogue in it: fence one as ```pop3")
    return Page(title=title, parts=tuple(parts))
