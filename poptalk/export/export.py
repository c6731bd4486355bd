"""From a source to a file: reading the one, choosing the format, writing the other."""

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
"""What to make of a lesson."""

PUBLIC = 0o666
"""The mode of files that everyone may read; the umask still applies."""

PAPER = ("html", "md")
"""The formats for paper."""

_LESSON_BEGINS = b"---"
"""The first line of a lesson; few other Markdown documents begin with it."""

WRITERS: Mapping[str, Callable[[Page], str]] = {
    "html": write_html,
    "svg": write_svg,
    "cast": write_cast,
    "md": write_markdown,
}
"""The writer for each of `FORMATS`."""


class ExportSettings(Value):
    """The options of `poptalk export`."""

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
    """Make a document from a source.

    Args:
        settings: the options.
        page_of_lesson: makes the page of a lesson.
        write: writes text to standard output as it is.
        say: prints a sentence.

    Raises:
        UsageError: the source cannot be used, or the document cannot be written.
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
    # Somebody's mail is in a session.
    mode = PUBLIC if is_lesson else PRIVATE
    say(export_page(page, name, doc_format=chosen, force=settings.force, mode=mode))


def _is_lesson(source: str) -> bool:
    """Tell whether a source is a lesson: its number, its name, or a file that begins like one."""
    if source == STANDARD_INPUT or source.endswith((SUFFIX, ".txt")):
        return False
    if not os.path.isfile(source):
        return True
    if not source.lower().endswith(MARKDOWN):
        return False
    try:
        with open(source, "rb") as file:
            return file.readline().strip() == _LESSON_BEGINS
    except OSError:
        return False  # The error is reported where the file is read.


def format_of(name: str, given: str | None) -> str:
    """Return the format of a document.

    Args:
        name: the name of its file.
        given: the format on the command line; None if there is none.

    Raises:
        UsageError: there is none, and the name doesn't say it.
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
        name: the name of the file.
        doc_format: one of `WRITERS`; None for the one that the name says.
        force: whether to replace an existing file.
        mode: the mode of a new file; the umask applies.

    Returns:
        What was done, as a sentence without a full stop.

    Raises:
        UsageError: it cannot be written, or exists already.
    """
    chosen = format_of(name, doc_format)
    text = WRITERS[chosen](page)
    try:
        write_file(name, text, force=force, mode=mode)
    except FileExistsError as error:
        raise UsageError(f"{name} is there already: give another name") from error
    except (OSError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else "no file can have this name"
        raise UsageError(f"{name} cannot be written: {why}") from error
    done = f"{name} is written, {len(text.encode()):,} octets"
    if chosen == "cast" and not has_times(page):
        done += "; there are no times in it, so the pace of the cast is made up"
    return done


def write_file(name: str, text: str, *, force: bool, mode: int) -> None:
    """Write a complete file, or none.

    Raises:
        FileExistsError: it exists already, and must not be replaced.
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
        text: the session in the notation.
        title: the title of the document.
        explain: whether to explain each reply.
    """
    dialogue = parse_dialogue(text, name="the session")
    return Page(title=title, parts=(Talk(dialogue=read(dialogue, explain=explain)),))


def page_of_file(name: str, *, explain: bool) -> Page:
    """Return the document of a dialogue, or of a Markdown document with dialogues.

    Args:
        name: the name of the file; `-` for standard input.
        explain: whether to explain each reply.

    Raises:
        UsageError: the file cannot be read, or is neither; names the line.
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
    """Read a document in which dialogues are fenced as `pop3`; everything else is prose."""
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
