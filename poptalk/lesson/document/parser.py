"""Reading a lesson: Markdown in, a `Lesson` out, or everything that is wrong with it.

A lesson is Markdown with seven special things in it (`docs/lessons.md`).  The reader takes the blocks of
the document one after the other.  A heading of the second level begins a step.  Fenced `pop3` blocks,
tips, task lists and comments each have a reader of their own.  All lines between two of them are prose,
and kept as they are.

Nothing is guessed: what is almost one of the seven is a fault, reported with its line and with what
would be right.  Reading goes on after a fault, so that all of them are reported at once.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import resources
from pathlib import Path

from markdown_it.token import Token

from poptalk.lesson.document import blocks, model
from poptalk.lesson.document.blocks import LessonText, Section
from poptalk.pop3.commands import MASK
from poptalk.terminal.markdown import make_parser
from poptalk.transcript.model import ClientLine, Comment, Dialogue, Direction
from poptalk.transcript.pattern import unwritable

# The front matter looks like YAML, so that code-hosting pages show it as a table, but it isn't read as
# YAML: a value is the rest of its line, and `yes` is a word.  Quotation marks around it are taken off.


FENCE = "---"
"""The line above and below the front matter."""

MOST_MINUTES = 240
"""Nobody sits longer; in `front_matter.toml` a larger number is a mistake."""

_LINE = re.compile(r"(?P<key>[^:\s]+)[ \t]*:(?:[ \t]+(?P<value>.*))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key of the front matter; `front_matter.toml` says what its fields mean."""

    meaning: str
    default: str | None = None
    pattern: str = ".*"
    form: str = "a text"


KEYS: Mapping[str, Key] = {
    name: Key(**fields)
    for name, fields in tomllib.loads(
        resources.files("poptalk.lesson").joinpath("front_matter.toml").read_text(encoding="utf-8")
    ).items()
}
"""Every key, in the order in which a lesson has them."""

DEFAULT_PERSONA = KEYS["persona"].default or ""
"""How the practice server of a lesson speaks unless the lesson says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontMatter:
    """The values of a front matter, and how many lines it takes.

    Args:
        values: one for each of `KEYS`; the default where the key is left out, and an empty text
            where the value is wrong (which is noted as a fault).
        lines: its number of lines, both fences included.
    """

    values: Mapping[str, str] = field(repr=False)
    lines: int

    def __getitem__(self, key: str) -> str:
        return self.values[key]

    @property
    def minutes(self) -> int:
        """How long the lesson takes; 0 where the value is wrong."""
        return int(self.values["minutes"] or "0")

    def items(self, key: str) -> tuple[str, ...]:
        """Return a value that is a list."""
        return tuple(part.strip() for part in self.values[key].split(",") if part.strip())


def read_front_matter(source: LessonText) -> FrontMatter:
    """Read the front matter of a lesson; what is wrong with it is noted in the source."""
    written: dict[str, str] = {}
    fences = [at for at, line in enumerate(source.lines) if line.rstrip() == FENCE][:2]
    end = 0
    match fences:
        case [0, end]:
            written = _read_lines(source, end)
            for key, about in KEYS.items():
                if about.default is None and key not in written:
                    source.wrong("key-missing", end, quote="", key=key, meaning=about.meaning)
        case [0]:
            source.wrong("front-matter-without-end", 0)
        case _:
            source.wrong("no-front-matter", 0)
    values = {key: written.get(key, about.default or "") for key, about in KEYS.items()}
    return FrontMatter(values=values, lines=end + 1 if end else 0)


def line_of_key(path: Path, key: str) -> int:
    """Return the line of a key in a lesson's file, counted from 1; 1 where it isn't there.

    Args:
        path: the file, which an author may be changing.
        key: one of `KEYS`.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError):
        return 1
    for number, line in enumerate(lines, 1):
        found = _LINE.fullmatch(line.strip())
        if found is not None and found["key"] == key:
            return number
    return 1


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
            source.wrong(
                "unknown-key", number, key=key, advice=model.near_miss(key, KEYS, form="'{}'")
            )
        elif key in written:
            source.wrong("key-twice", number, key=key)
        else:
            value = (found["value"] or "").strip()
            if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
                value = value[1:-1].strip()
            written[key] = _read_value(source, number, key, value)
    return written


def _read_value(source: LessonText, number: int, key: str, value: str) -> str:
    """Check the form of a value; return it, or an empty text where it is wrong."""
    about = KEYS[key]
    if value and unwritable(value) is None and re.fullmatch(about.pattern, value):
        return value
    source.wrong(
        "wrong-value" if value else "empty-value",
        number,
        quote=f"{key}: {MASK.decode('ascii')}" if key == "password" else None,
        key=key,
        form=about.form if about.default is None else f"{about.form}, or leave it out",
    )
    return ""


MAX_LESSON_OCTETS = 262_144
"""Size of the largest lesson: twenty times what a quarter of an hour needs, and read in a second."""

_TOO_LARGE = f"the file has more than {MAX_LESSON_OCTETS:,} octets"
_ALMOST_A_HEADING = re.compile(r"(?P<mark>#{1,2})(?P<text>[^\W\d_].*)")


def load_lesson(path: Path) -> model.Lesson:
    """Read a lesson from its file.

    Args:
        path: a Markdown file in UTF-8, of MAX_LESSON_OCTETS at most.

    Raises:
        LessonErrors: it cannot be read, or something is wrong with it.
    """
    return read_lesson(read_text(path), name=path.stem, path=path)


def read_text(path: Path) -> str:
    """Read the text of a lesson.

    Args:
        path: as for `load_lesson`.

    Raises:
        LessonErrors: it cannot be read, is too large, or is no text in UTF-8.
    """
    try:
        with path.open("rb") as file:
            octets = file.read(MAX_LESSON_OCTETS + 1)
    except (OSError, ValueError) as error:
        raise _unreadable(path, f"the file cannot be read ({model.why_not(error)})") from None
    if b"\0" in octets:
        raise _unreadable(path, "the file isn't text")
    if len(octets) > MAX_LESSON_OCTETS:
        raise _unreadable(path, _TOO_LARGE)
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start)
        raise _unreadable(path, "the file isn't text in UTF-8", line=line) from None


def read_lesson(text: str, *, name: str, path: Path) -> model.Lesson:
    """Read a lesson.

    Args:
        text: the Markdown document; any line ends, with or without a byte order mark.
        name: the id of the lesson, such as `03-looking`.
        path: its file, for messages and to find its mailbox.

    Raises:
        LessonErrors: something is wrong with it; has all faults that were found.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_LESSON_OCTETS:
        raise _unreadable(path, _TOO_LARGE)
    source = LessonText(text, path=path)
    front = read_front_matter(source)
    sections = _LessonReader(source, title=front["title"], begin=front.lines).read()
    introduction, *steps = sections
    blocks.check_placeholders(source, (item for section in sections for item in section.items))
    if not steps:
        source.wrong("no-step", len(source.lines) - 1)
    if source.faults:
        raise model.LessonErrors(source.faults)
    return model.Lesson(
        name=name,
        path=path,
        title=front["title"],
        summary=front["summary"],
        minutes=front.minutes,
        mailbox=front["mailbox"],
        persona=front["persona"],
        user=front["user"],
        password=front["password"],
        faults=front.items("fault"),
        own_mailbox=front["own-mailbox"],
        after=front.items("after"),
        introduction=tuple(introduction.items),
        steps=tuple(step.step() for step in steps),
    )


def _unreadable(path: Path, problem: str, *, line: int = 0) -> model.LessonErrors:
    return model.LessonErrors(
        [model.make_fault("unreadable", path, line + 1, "", {"problem": problem})]
    )


class _LessonReader:
    """Walks through the blocks of a document.

    Args:
        source: the lines; notes what is wrong with them.
        title: as the front matter has it.
        begin: the first line after the front matter, counted from 0.
    """

    def __init__(self, source: LessonText, *, title: str, begin: int) -> None:
        self._source = source
        self._title = title
        self._begin = begin
        self._sections = [Section()]
        self._titled = False
        self._prose_begins = begin
        self._mistake: tuple[int, Dialogue] | None = None
        """A mistake that waits for its paragraph, and its line."""
        self._comment_of: model.Item | None = None
        """The task whose last mistake took a paragraph that isn't directly below it."""

    @property
    def _section(self) -> Section:
        return self._sections[-1]

    def read(self) -> list[Section]:
        """Return the introduction, and the steps."""
        # Blank lines in place of the front matter keep the numbers of all others.
        text = "\n" * self._begin + "\n".join(self._source.lines[self._begin :])
        for tokens in _blocks(make_parser().parse(text)):
            self._take(tokens)
        self._mistake_ends()
        self._prose_ends(len(self._source.lines), len(self._source.lines))
        return self._sections

    def _take(self, tokens: Sequence[Token]) -> None:
        """Read one block of the document, given with all its tokens."""
        first = tokens[0]
        begin, end = first.map or (0, 0)
        if self._mistake is not None:
            if first.type == "paragraph_open":
                self._read_comment_on_mistake(*self._mistake, begin, end)
                return
            self._mistake_ends()
        special = self._reader_of(tokens)
        if special is None:
            self._check_inside(tokens)
        else:
            self._prose_ends(begin, end)
            special()

    def _reader_of(self, tokens: Sequence[Token]) -> Callable[[], None] | None:
        """Return what reads a block that is special; None for prose."""
        first = tokens[0]
        if first.type == "heading_open":
            return partial(self._heading, tokens)
        if first.type == "fence" and not blocks.has_end(self._source, first):
            wrong = partial(self._source.wrong, "block-without-end", blocks.line_of(first))
            return partial(wrong, markup=first.markup)
        if first.type == "fence" and blocks.is_pop3(first):
            return partial(self._fence, first)
        if first.type == "blockquote_open" and blocks.is_tip(self._source, tokens):
            return partial(self._tip, tokens)
        if first.type.endswith("_list_open") and blocks.is_question(tokens):
            return partial(self._question, tokens)
        return partial(self._comment, first) if blocks.is_comment(first) else None

    def _comment(self, token: Token) -> None:
        note = blocks.read_comment(self._source, token)
        if note is not None:
            self._section.items.append(note)

    def _prose_ends(self, begin: int, end: int) -> None:
        """Make prose of the lines since the last special block; the next one may begin at `end`."""
        lines = self._source.lines
        first = self._prose_begins
        while first < begin and not lines[first].strip():
            first += 1
        if first < begin:
            prose = model.Prose(line=first + 1, source=self._source.text(first, begin).rstrip())
            self._section.items.append(prose)
        self._prose_begins = end

    def _check_inside(self, tokens: Sequence[Token]) -> None:
        """Note what would be special, but is in a list, a quote or a line, where it is only text."""
        line = 0
        if tokens[0].type == "paragraph_open":
            blocks.check_marks(self._source, tokens[0])
            for number in range(*(tokens[0].map or (0, 0))):
                found = _ALMOST_A_HEADING.fullmatch(self._source.lines[number])
                if found is not None:
                    heading = f"{found['mark']} {found['text']}"
                    self._source.wrong("heading-without-space", number, heading=heading)
        for token in tokens:
            line = token.map[0] if token.map else line
            inside = [token, *(token.children or ())]
            html = [each.content for each in inside if each.type in ("html_inline", "html_block")]
            if token.level and token.type == "fence" and blocks.is_pop3(token):
                self._source.wrong("block-inside", line)
            elif any(map(blocks.is_note, html)):
                self._source.wrong("note-inside", line)

    def _heading(self, tokens: Sequence[Token]) -> None:
        opening, text = tokens[0], blocks.plain_text(tokens[1]).strip()
        line = blocks.line_of(opening)
        if opening.markup in ("=", "-"):
            self._source.wrong("underlined-heading", line)
        if opening.tag == "h1":
            if self._titled or self._section.slug is not None or self._section.items:
                self._source.wrong("second-title", line)
            elif self._title and text != self._title:
                self._source.wrong("other-title", line, title=self._title)
            self._titled = True
            return
        if opening.tag != "h2":
            self._source.wrong("deep-heading", line)
            return
        name = blocks.slug(text)
        same = next((step for step in self._sections if step.slug == name), None)
        if not name:
            self._source.wrong("heading-without-id", line)
        elif same is not None:
            self._source.wrong("same-id", line, name=name, other_line=same.line)
        self._sections.append(Section(line=line + 1, slug=name, title=text))

    def _fence(self, fence: Token) -> None:
        line = blocks.line_of(fence)
        word = blocks.read_word(self._source, fence)
        dialogue = blocks.read_dialogue(self._source, fence)
        if word == blocks.MISTAKE:
            steps = [step for step in dialogue.steps if not isinstance(step, Comment)]
            sent = [step for step in steps if isinstance(step, ClientLine | Direction)]
            if len(sent) != 1 or steps[0] is not sent[0] or isinstance(sent[0], Direction):
                self._source.wrong("not-one-line", line)
            self._mistake = line, dialogue
            return
        if self._section.slug is None and word in (model.BlockKind.TASK, model.BlockKind.PROOF):
            self._source.wrong("block-outside", line, info=fence.info.strip())
        # An unknown word was noted; as a task the block takes what follows it.
        kind = word if isinstance(word, model.BlockKind) else model.BlockKind.TASK
        words = " ".join(fence.info.split()[1:])
        block = model.Block(
            line=line + 1,
            kind=kind,
            dialogue=dialogue,
            at_once=words == blocks.AT_ONCE,
            state=blocks.IN_STATE.get(words),
            outside=words == blocks.OUTSIDE,
            any_order=words == blocks.ANY_ORDER,
        )
        if block.outside and not block.is_whole_session:
            self._source.wrong("not-a-session", line)
        elif block.any_order and not block.only_reads:
            self._source.wrong("order-matters", line)
        self._section.items.append(block)

    def _read_comment_on_mistake(self, line: int, dialogue: Dialogue, begin: int, end: int) -> None:
        """Take a paragraph for what is said about a mistake."""
        apart = begin > self._prose_begins
        self._prose_ends(begin, end)
        comment = model.Prose(line=begin + 1, source=self._source.text(begin, end))
        self._mistake = None
        if not self._section.add_mistake(
            model.Mistake(line=line + 1, dialogue=dialogue, comment=comment)
        ):
            self._source.wrong("mistake-without-task", line)
        self._comment_of = self._section.items[-1] if apart and self._section.items else None

    def _mistake_ends(self) -> None:
        """Note a mistake that no paragraph follows."""
        if self._mistake is not None:
            self._source.wrong("mistake-without-text", self._mistake[0])
            self._mistake = None

    def _tip(self, tokens: Sequence[Token]) -> None:
        self._check_inside(tokens)
        hint = blocks.read_tip(self._source, tokens)
        if hint is not None and not self._section.add_hint(hint):
            self._source.wrong("tip-without-task", blocks.line_of(tokens[0]))

    def _question(self, tokens: Sequence[Token]) -> None:
        question = blocks.read_question(self._source, tokens)
        if self._comment_of is not None and self._section.items[-1:] == [self._comment_of]:
            self._source.wrong("question-without-text", blocks.line_of(tokens[0]))
        if self._section.slug is None:
            self._source.wrong("question-outside", blocks.line_of(tokens[0]))
        self._section.items.append(question)


def _blocks(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """Part the tokens of a document into its blocks, each from its opening to its closing token."""
    begin = 0
    for index, token in enumerate(tokens):
        if token.level == 0 and token.nesting <= 0:
            yield tokens[begin : index + 1]
            begin = index + 1
