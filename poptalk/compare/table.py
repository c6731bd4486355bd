"""Verdicts on a screen: a table where there is room for one, and a list where there is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from poptalk.compare.survey import Survey
from poptalk.compare.verdicts import MOST_EXAMPLES, Outcome, Verdict
from poptalk.terminal.safe import Fragments, harmless
from poptalk.terminal.width import cells, wrap

LEAST_TABLE_COLUMNS = 72
"""Below, the columns would be narrower than what stands in them."""

MOST_COLUMNS = 100
"""Longer rows are hard to read, on however wide a terminal."""

_OUTCOME_CELLS = max(len(outcome.value) for outcome in Outcome)
_SUBJECT_CELLS = len("unique-ids are legal")
_INDENT = "  "

_STYLES = {Outcome.SAME: "done", Outcome.DIFFERS: "notyet", Outcome.UNKNOWN: "note"}


def table(
    verdicts: Sequence[Verdict], *, places: Sequence[str], columns: int
) -> Iterator[Fragments]:
    """Show verdicts.

    Args:
        verdicts: the rows.
        places: what the two servers are called.
        columns: cells in a row of the terminal.
    """
    room = min(columns, MOST_COLUMNS)
    if room >= LEAST_TABLE_COLUMNS:
        yield from _rows(verdicts, places, room)
    else:
        yield from _list(verdicts, places, room)


def _rows(verdicts: Sequence[Verdict], places: Sequence[str], room: int) -> Iterator[Fragments]:
    first = _OUTCOME_CELLS + 2
    width = (room - first - _SUBJECT_CELLS - 2 * len(_INDENT)) // 2
    head = [" " * (first + _SUBJECT_CELLS), *places]
    yield [("heading", _INDENT.join((head[0], head[1].ljust(width), head[2])).rstrip())]
    for verdict in verdicts:
        text = _INDENT.join(
            (verdict.subject.ljust(_SUBJECT_CELLS), verdict.left.ljust(width), verdict.right)
        )
        yield [
            (_STYLES[verdict.outcome], verdict.outcome.value.ljust(first)),
            ("text", text.rstrip()),
        ]
        yield from _paragraphs(verdict.details, room=room, indent=" " * first)


def _list(verdicts: Sequence[Verdict], places: Sequence[str], room: int) -> Iterator[Fragments]:
    for verdict in verdicts:
        yield [(_STYLES[verdict.outcome], verdict.outcome.value), ("text", f": {verdict.subject}")]
        sides = zip(places, (verdict.left, verdict.right), strict=True)
        values = [f"{place} {value}" for place, value in sides if value]
        yield from _paragraphs(values, room=room, indent=_INDENT)
        yield from _paragraphs(verdict.details, room=room, indent=_INDENT)


def _paragraphs(texts: Sequence[str], *, room: int, indent: str) -> Iterator[Fragments]:
    """Show sentences, each beginning a row; of very many the first ones."""
    shown = texts[: MOST_EXAMPLES * 2]
    more = len(texts) - len(shown)
    for text in (*shown, *([f"and {more:,} more"] if more else [])):
        words = harmless(text)
        rows = [words] if cells(words) <= room - len(indent) else wrap(words, room - len(indent))
        yield from ([("text", indent + row)] for row in rows)


def summary(verdicts: Sequence[Verdict]) -> str:
    """Say in one sentence what it comes to."""
    by_outcome = {
        outcome: [each.subject for each in verdicts if each.outcome is outcome]
        for outcome in Outcome
    }
    unknown = by_outcome[Outcome.UNKNOWN]
    beside = f"; nothing can be said of: {', '.join(unknown)}" if unknown else ""
    differing = by_outcome[Outcome.DIFFERS]
    if differing:
        return f"different: {', '.join(differing)}{beside}"
    return f"nothing differs{beside}"


def as_json(
    verdicts: Sequence[Verdict], surveys: Mapping[str, Survey], *, where: Mapping[str, str]
) -> dict[str, object]:
    """Give the verdicts, and what they are about, as values for JSON.

    Args:
        verdicts: the rows.
        surveys: the two surveys by what the servers are called.
        where: the server's address by the same.
    """
    return {
        "same": not any(each.outcome is Outcome.DIFFERS for each in verdicts),
        "servers": {
            place: {
                "server": where[place],
                "messages": len(survey.messages),
                "octets": survey.octets,
                "remarks": list(survey.remarks),
            }
            for place, survey in surveys.items()
        },
        "verdicts": [
            {
                "subject": each.subject,
                "outcome": each.outcome.name.lower(),
                **dict(zip(surveys, (each.left, each.right), strict=True)),
                "details": list(each.details),
            }
            for each in verdicts
        ],
    }
