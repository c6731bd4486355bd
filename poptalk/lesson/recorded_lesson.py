"""The lesson that is made of a recorded session: a step a command, as Markdown.

What an author must still write is marked with TODO, as in the lesson that `poptalk lessons new` begins.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping

from poptalk.lesson.front_matter import FENCE, MOST_MINUTES
from poptalk.lesson.recording import RecordedCommand, Recording
from poptalk.notation.dialogue import ClientLine, Dialogue, Direction, Step
from poptalk.notation.directions import Action, Side
from poptalk.notation.known import Known
from poptalk.notation.pattern import Bindings, Literal, Part
from poptalk.notation.writer import format_dialogue
from poptalk.terminal.prose import MOST_COLUMNS
from poptalk.terminal.safe import harmless

MINUTES_PER_STEP = 1
"""How long a step takes a beginner, as a first guess."""

_BLOCK_MARK = re.compile(
    r"(?=#{1,6}(?:\s|$)|>|`{3}|~{3}|[-+*](?:\s|$)|<|\||\[|=+\s*$|(?:[-*_]\s*){2,}$)"
    r"|(?<=[0-9])(?=[.)](?:\s|$))"
)
"""The places in a line of Markdown where a backslash makes it a line of a paragraph."""

_NUMBERED = re.compile(r"[0-9]+")


def write_lesson(
    recording: Recording, *, title: str, mailbox: str, persona: str, where: str | None = None
) -> str:
    """Write the lesson.

    Args:
        recording: the session.
        title: what the lesson is called.
        mailbox: the folder of letters that it is to run on.
        persona: of the practice server.
        where: the server on which it was recorded, if that was no practice server.

    Returns:
        The whole document.
    """
    account = recording.account
    head = [
        FENCE,
        f"title: {title}",
        "summary: TODO one line for the list of lessons",
        f"minutes: {min(max(1, MINUTES_PER_STEP * recording.exchanges), MOST_MINUTES)}",
        f"mailbox: {mailbox}",
        f"persona: {persona}",
        f"user: {account.name}",
        f"password: {account.password}",
    ]
    if where is not None:
        head.append(f"# Recorded on {harmless(where)}; does the mailbox have such letters?")
    known = Known(user=account.name, password=account.password).bindings()
    parts = [
        "\n".join([*head, FENCE]),
        f"# {title}",
        "TODO what this lesson is about, in two or three sentences.",
        *(_step(number, one, known) for number, one in enumerate(recording.commands(), 1)),
        *(_paragraph(text) for text in recording.prose),
    ]
    return "\n\n".join(parts) + "\n"


def _step(number: int, one: RecordedCommand, known: Bindings) -> str:
    command = one.exchange.command
    keyword = command.verb.keyword if command.verb is not None else "something else"
    prose = [_paragraph(text) for text in (*one.prose, *_cautions(one))]
    dialogue = format_dialogue(Dialogue(steps=tuple(one.lines)))
    return "\n\n".join(
        (
            f"## Step {number}: {keyword}",
            *(prose or [_paragraph(f"TODO a task. What was typed: {_typed(one, known)}.")]),
            f"```pop3\n{dialogue}```",
            "> [!TIP]\n> TODO a nudge, but not the answer.",
        )
    )


def _cautions(one: RecordedCommand) -> Iterator[str]:
    if not one.repeatable:
        mechanism = harmless(one.exchange.command.arguments[0].upper())
        yield f"TODO take this step out: the answers of {mechanism} are other ones each time."


def _typed(one: RecordedCommand, known: Bindings) -> str:
    """Quote what a learner would type in a step, local commands included."""
    lines = [_as_typed(step, known) for step in one.lines]
    return ", then ".join(
        f"`{line}`" if line else "an empty line" for line in lines if line is not None
    )


def _as_typed(step: Step, bindings: Mapping[str, str]) -> str | None:
    """Return what a learner types for a line of a dialogue; None for what the server does."""
    match step:
        case ClientLine():
            return "".join(_value(part, bindings) for part in step.pattern.parts)
        case Direction(action=Action.OPEN):
            return ":open"
        case Direction(action=Action.CLOSE, side=Side.CLIENT):
            return ":close"
    return None


def _value(part: Part, bindings: Mapping[str, str]) -> str:
    if isinstance(part, Literal):
        return part.text
    return bindings.get(part.name or "") or part.default or part.source


def _paragraph(text: str) -> str:
    """Wrap a paragraph, in which no line begins another kind of block."""
    rows = textwrap.wrap(
        harmless(text), MOST_COLUMNS, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(map(_plain_row, rows))


def _plain_row(row: str) -> str:
    number = _NUMBERED.match(row)
    at = number.end() if number else 0
    return f"{row[:at]}\\{row[at:]}" if _BLOCK_MARK.match(row, at) else row
