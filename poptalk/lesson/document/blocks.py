"""What is special in the Markdown of a lesson, each thing with its reader.

Questions, comments, the fenced `pop3` blocks with the word after `pop3` and the dialogue inside, the ids
of steps, tips, and sections, which are the steps while they are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path

from markdown_it.token import Token

from poptalk.lesson.document import model
from poptalk.pop3.commands import State
from poptalk.transcript.model import ClientLine, Dialogue, Direction, ServerLine
from poptalk.transcript.parser import NotationError, parse_dialogue
from poptalk.transcript.pattern import Placeholder
from poptalk.transcript.placeholders import REASONS

# The text of a lesson while it is read: its lines, and what was found wrong with them.


class LessonText:
    """The lines of a file.

    Args:
        text: the file, with any line ends; a byte order mark does not count.
        path: the file, for messages.

    Attributes:
        lines: without their ends.
        faults: what is wrong with them.
    """

    def __init__(self, text: str, *, path: Path) -> None:
        normal = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
        self.lines = normal.split("\n")
        self.path = path
        self.faults: list[model.LessonFault] = []

    def text(self, begin: int, end: int) -> str:
        """Return some lines as one text, without blank ones at its ends.

        Args:
            begin: the first line, counted from 0 as Markdown parsers do.
            end: the line after the last one.
        """
        return "\n".join(self.lines[begin:end]).strip("\n")

    def wrong(self, name: str, line: int, /, *, quote: str | None = None, **values: object) -> None:
        """Note a fault.

        Args:
            name: one of `FAULTS`.
            line: where, counted from 0 as Markdown parsers do.
            quote: shown instead of the line, which may hold a secret, or say nothing.
            values: what the names in braces stand for.
        """
        text = self.lines[line] if quote is None else quote
        self.faults.append(model.make_fault(name, self.path, line + 1, text, values))


def line_of(token: Token) -> int:
    """Return the line that a block begins on, counted from 0."""
    return token.map[0] if token.map else 0


# Questions: a task list, `- [x]` right, `- [ ]` wrong, each `choice -- reply`.


REPLY = " -- "
"""What separates a choice from what is said to those who choose it."""

FEWEST_CHOICES = 2
"""With one choice nothing is asked."""

_MARK = re.compile(r"\[[ xX]\](?=\s|$)")
_MARK_WITHOUT_SPACE = re.compile(r"\s*[-*+]\[[ xX]?\]")
_ALMOST_A_MARK = re.compile(r"\[\s?[xX]?\s?\](?=\s|$)")


def is_question(tokens: Sequence[Token]) -> bool:
    """Tell whether a list, given with all its tokens, has an item that begins with a mark."""
    return any(_ALMOST_A_MARK.match(text) for text, _ in _items(tokens))


def read_question(source: LessonText, tokens: Sequence[Token]) -> model.QuizQuestion:
    """Read a task list.

    Args:
        source: notes what is wrong.
        tokens: the list, from its opening token to its closing one.

    Returns:
        The question, without the choices that cannot be read.
    """
    begin = line_of(tokens[0])
    slips = check_marks(source, tokens[0])
    found = [_read_choice(source, text, line) for text, line in _items(tokens)]
    if len(found) + slips < FEWEST_CHOICES:
        source.wrong("one-choice", begin)
    for line in _more_than_paragraphs(tokens):
        source.wrong("long-choice", line)
    choices = tuple(choice for choice in found if choice is not None)
    return model.QuizQuestion(line=begin + 1, choices=choices)


def check_marks(source: LessonText, token: Token) -> int:
    """Note the lines of a list or a paragraph that were meant as choices; return how many there are."""
    begin, end = token.map or (0, 0)
    slips = [at for at in range(begin, end) if _MARK_WITHOUT_SPACE.match(source.lines[at])]
    for at in slips:
        source.wrong("mark-without-space", at)
    return len(slips)


def _items(tokens: Sequence[Token]) -> list[tuple[str, int]]:
    """Return the text of each item of the list itself, and the line that it begins on."""
    level = tokens[0].level + 1
    items = []
    for index, token in enumerate(tokens):
        if token.type == "list_item_open" and token.level == level:
            text = ""
            if index + 2 < len(tokens) and tokens[index + 1].type == "paragraph_open":
                text = tokens[index + 2].content
            items.append((text, line_of(token)))
    return items


def _more_than_paragraphs(tokens: Sequence[Token]) -> Iterator[int]:
    """Give the line of each item's second block: another paragraph, a list, a dialogue."""
    level = tokens[0].level + 1
    blocks = 0
    for token in tokens:
        if token.type == "list_item_open" and token.level == level:
            blocks = 0
        elif token.level == level + 1 and token.nesting >= 0:
            blocks += 1
            if blocks == 2:
                yield line_of(token)


def _read_choice(source: LessonText, text: str, line: int) -> model.Choice | None:
    mark = _MARK.match(text)
    if mark is None:
        source.wrong("item-without-mark", line)
        return None
    right = mark[0] != "[ ]"
    words = " ".join(text[mark.end() :].split())
    # With spaces around it, a reply without a choice is found as well.
    choice, _, reply = (part.strip() for part in f" {words} ".partition(REPLY))
    if not choice:
        source.wrong("choice-without-text", line)
        return None
    if not reply and not right:
        source.wrong("choice-without-reply", line)
    return model.Choice(line=line + 1, right=right, text=choice, reply=reply)


# Comments: `<!-- note: ... -->` is a speaker's note; any other is for the author alone.


NOTE = "note"
"""The word that makes a comment a speaker's note."""

BEGIN, END = "<!--", "-->"

_WORD = re.compile(r"\s*(?P<word>[A-Za-z]+)[ \t]*:(?P<text>.*)", re.DOTALL)
_SURELY_MEANT = 0.8
"""How similar a word must be to NOTE to be a misspelling of it, as `Note` and `notes` are."""


def is_comment(token: Token) -> bool:
    """Tell whether a block of HTML is a comment."""
    return token.type == "html_block" and token.content.lstrip().startswith(BEGIN)


def is_note(html: str) -> bool:
    """Tell whether HTML begins with a speaker's note."""
    found = _WORD.match(html.strip().removeprefix(BEGIN))
    return html.lstrip().startswith(BEGIN) and found is not None and found["word"] == NOTE


def read_comment(source: LessonText, token: Token) -> model.SpeakerNote | None:
    """Read a comment; None for one that is no speaker's note."""
    line = line_of(token)
    inside, end, after = token.content.strip().removeprefix(BEGIN).partition(END)
    if not end:
        source.wrong("comment-without-end", line)
        return None
    if after.strip():
        source.wrong("text-after-comment", line)
    found = _WORD.match(inside)
    if found is None:
        return None
    word = found["word"]
    if word != NOTE:
        if get_close_matches(word.casefold(), [NOTE], cutoff=_SURELY_MEANT):
            source.wrong("misspelt-note", line, word=word)
        return None
    return model.SpeakerNote(line=line + 1, text=found["text"].strip())


# Fenced blocks.


LANGUAGE = "pop3"
"""The word that makes a fenced block more than prose."""

MISTAKE = "mistake"
"""The word of a block that says what a learner may do wrong."""

AT_ONCE = "at-once"
"""The word of a task whose lines are sent in one go."""

IN_STATE = {f"in {state.value}": state for state in (State.AUTHORIZATION, State.TRANSACTION)}
"""The words of a task whose last line must be sent in a certain state."""

OUTSIDE = "outside"
"""The word of a task that is done with another program."""

ANY_ORDER = "any-order"
"""The word of a task whose lines may be sent in any order."""

TASK_WORDS = (AT_ONCE, ANY_ORDER, OUTSIDE, *IN_STATE)
"""The words of tasks that ask for more."""

WORDS = (*(kind.value for kind in model.BlockKind if kind.value), *TASK_WORDS, MISTAKE)
"""Every word that may come after `pop3`."""

ELLIPSIS = "\u2026"
"""What some editors make of three dots."""

_OTHER_MARKDOWN = re.compile(r"\s*(?:`{3}|~{3}|> ?\[!|#{2,6} )")
"""How a fence, a tip or a heading begins, which no line of a dialogue does."""

MOST_NOTATION_FAULTS = 10
"""Faults reported of one block: an author who pasted something else into it needs no more."""


def is_pop3(fence: Token) -> bool:
    """Tell whether a fenced block is meant for poptalk; `POP3` and `pop-3` are, and are faults."""
    return fence.info.strip().casefold().startswith("pop")


def has_end(source: LessonText, fence: Token) -> bool:
    """Tell whether a fenced block has a closing fence, and not only ends with what it is in."""
    begin, end = fence.map or (0, 0)
    last = source.lines[end - 1].strip().lstrip("> \t")
    return end - begin > 1 and len(last) >= len(fence.markup) and not last.strip(fence.markup[0])


def read_word(source: LessonText, fence: Token) -> model.BlockKind | str | None:
    """Read what comes after the three back-quotes.

    Returns:
        The kind of block, MISTAKE, or None for neither, which is noted as a fault.
    """
    language, *words = fence.info.split()
    word = " ".join(words)
    line = line_of(fence)
    if language != LANGUAGE:
        source.wrong("not-pop3", line, word=language, meant=" ".join((LANGUAGE, *words)))
    elif word not in ("", *WORDS):
        advice = model.near_miss(word, WORDS, form=f"'{LANGUAGE} {{}}'")
        source.wrong("unknown-block", line, word=word, advice=advice)
    elif word == MISTAKE:
        return MISTAKE
    else:
        return model.BlockKind.TASK if word in TASK_WORDS else model.BlockKind(word)
    return None


def read_dialogue(source: LessonText, fence: Token) -> Dialogue:
    """Read what is between the fences; every line that is wrong is noted, and left out."""
    lines = fence.content.split("\n")
    opening = line_of(fence)
    first = opening + 1
    beyond = next((at for at, line in enumerate(lines) if _OTHER_MARKDOWN.match(line)), None)
    if beyond is not None:
        markup = fence.markup
        source.wrong("block-not-closed", first + beyond, begin=opening + 1, markup=markup)
        del lines[beyond:]
    for _ in range(MOST_NOTATION_FAULTS):
        try:
            dialogue = parse_dialogue("\n".join(lines), name=str(source.path), first_line=first + 1)
        except NotationError as error:
            line = error.line_number - 1
            source.wrong(
                "notation", line, quote=error.line, problem=error.problem, advice=error.advice
            )
            # A right line takes its place, so that an `or` line below it is as right as it was.
            faulty, below = (*lines[line - first :], "")[:2]
            if faulty.lstrip().startswith("or "):
                lines[line - first] = "or NOOP"
            elif faulty.lstrip().startswith("C:") or below.lstrip().startswith("or "):
                lines[line - first] = "C: NOOP"
            else:
                lines[line - first] = "#"
            continue
        if not any(isinstance(step, ClientLine | Direction) for step in dialogue.steps):
            source.wrong("nothing-to-send", opening)
        for step in dialogue.steps:
            if isinstance(step, ServerLine) and step.payload == ELLIPSIS:
                problem = "the server's line is the one character '\u2026'"
                advice = "write three dots, 'S: ...', if any lines may come here"
                source.wrong("notation", step.line - 1, problem=problem, advice=advice)
        return dialogue
    return Dialogue(name=str(source.path), steps=())


# The ids of steps: headings, as code-hosting pages make links of them.


_LEFT_OUT = re.compile(r"[^\w\- ]")


def plain_text(inline: Token) -> str:
    """Return the text of a heading without its Markdown."""
    children = inline.children or []
    return "".join(" " if child.type == "softbreak" else child.content for child in children)


def slug(title: str) -> str:
    """Make the id of a step.

    Args:
        title: the heading, without Markdown.

    Returns:
        Lower case, with hyphens for spaces, and nothing else but letters, digits, `-` and `_`; empty
        where none of these is left.
    """
    return _LEFT_OUT.sub("", title.strip().lower()).replace(" ", "-")


# Every placeholder that a lesson sends needs a value: one that was captured before, or is known anyway.


def check_placeholders(source: LessonText, items: Iterable[model.Item]) -> None:
    """Note every placeholder that is sent and has no value.

    Args:
        source: notes it.
        items: everything in the lesson, in its order.
    """
    named = set(REASONS)
    for item in items:
        if not isinstance(item, model.Block):
            continue
        # The second connection of a proof knows what was captured, and captures nothing for the lesson.
        scope = set(named) if item.kind is model.BlockKind.PROOF else named
        for line, placeholder in without_value(item.dialogue, scope):
            source.wrong(
                "no-value", line - 1, source=placeholder.source, advice=_advice(placeholder, scope)
            )


def without_value(dialogue: Dialogue, named: set[str]) -> Iterator[tuple[int, Placeholder]]:
    """Find the placeholders that are sent and have no value, each with its line.

    Args:
        dialogue: the dialogue.
        named: the names that have a value; those that the dialogue captures are added.
    """
    for step in dialogue.steps:
        if not isinstance(step, ClientLine | ServerLine):
            continue
        # An `or` line is compared with what a learner sends, and never sent itself.
        for placeholder in step.pattern.placeholders:
            has_value = placeholder.name in named or placeholder.default is not None
            if isinstance(step, ClientLine) and not has_value:
                yield step.line, placeholder
        named |= {each.name for each in step.pattern.placeholders if each.name is not None}


def _advice(placeholder: Placeholder, named: set[str]) -> str:
    if placeholder.name is None:
        return "write what is to be sent, or give it a name and a value, as in '{name=value}'"
    giving = f"{placeholder.source.removesuffix('}').removesuffix('...')}=...}}"
    return (
        f"give one with '{giving}', capture it in an 'S:' line above, or name another: "
        + model.near_miss(placeholder.name, sorted(named), form="'{{{}}}'")
    )


# Tips: a quote that begins with `[!TIP]`, as code-hosting pages know it.


TIP = "TIP"
"""The alert that is a hint."""

ALERTS = (TIP, "NOTE", "IMPORTANT", "WARNING", "CAUTION")
"""The alerts that code-hosting pages know; all but the first are prose."""

_ALERT = re.compile(r"\[!(?P<name>[^\]\n]*)\][ \t]*(?P<rest>.*)")
_QUOTE_MARK = re.compile(r"[ \t]*> ?")


def is_tip(source: LessonText, tokens: Sequence[Token]) -> bool:
    """Tell whether a quote, given with all its tokens, is a hint; note an unknown alert."""
    found = _alert(tokens)
    if found is None:
        return False
    name = found["name"].strip().upper()
    if name not in ALERTS:
        source.wrong(
            "unknown-alert",
            line_of(tokens[0]),
            name=found["name"],
            advice=model.near_miss(name, ALERTS, form="'[!{}]'"),
        )
    return name == TIP


def read_tip(source: LessonText, tokens: Sequence[Token]) -> model.Prose | None:
    """Read a tip; None where it says nothing, which is noted."""
    begin, end = tokens[0].map or (0, 0)
    found = _alert(tokens)
    if found is not None and found["rest"].strip():
        source.wrong("tip-not-alone", begin)
        return None
    lines = [_QUOTE_MARK.sub("", line, count=1) for line in source.lines[begin + 1 : end]]
    text = "\n".join(lines).strip("\n")
    if not text.strip():
        source.wrong("empty-tip", begin)
        return None
    return model.Prose(line=begin + 2, source=text)


def _alert(tokens: Sequence[Token]) -> re.Match[str] | None:
    """Match the first line of a quote, if it begins with a paragraph."""
    if len(tokens) < 3 or tokens[1].type != "paragraph_open":
        return None
    return _ALERT.match(tokens[2].content)


# A step while it is read: what is under its heading, and what belongs to what.


@dataclass(slots=True, kw_only=True)
class Section:
    """The introduction, or a step.

    Args:
        line: that of its heading, counted from 1.
        slug: its id; None for the introduction.
        title: its heading.
        items: what was read so far.
    """

    line: int = 1
    slug: str | None = None
    title: str = ""
    items: list[model.Item] = field(default_factory=list)

    def add_hint(self, hint: model.Prose) -> bool:
        """Add a hint to what it follows; False where that is neither a task nor a question."""
        at, about = self._last
        if about is not None:
            self.items[at] = replace(about, hints=(*about.hints, hint))
        return about is not None

    def add_mistake(self, mistake: model.Mistake) -> bool:
        """Add a mistake to the task that it follows; False where there is none."""
        at, about = self._last
        if isinstance(about, model.Block):
            self.items[at] = replace(about, mistakes=(*about.mistakes, mistake))
        return isinstance(about, model.Block)

    @property
    def _last(self) -> tuple[int, model.Block | model.QuizQuestion | None]:
        """The last dialogue or question so far, and its place; None where a dialogue is no task."""
        for at, item in reversed([*enumerate(self.items)]):
            if isinstance(item, model.Block | model.QuizQuestion):
                is_task = isinstance(item, model.QuizQuestion) or item.kind is model.BlockKind.TASK
                return at, item if is_task else None
        return 0, None

    def step(self) -> model.Step:
        """Return the step, once it is complete."""
        assert self.slug is not None, "the introduction is no step"
        return model.Step(line=self.line, slug=self.slug, title=self.title, items=tuple(self.items))
