"""Tips: a quote that begins with `[!TIP]`, as code-hosting pages know it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from markdown_it.token import Token

from poptalk.lesson.document import Prose
from poptalk.lesson.errors import near_miss
from poptalk.lesson.markup.source import LessonText

TIP = "TIP"
"""The alert that is a hint."""

ALERTS = (TIP, "NOTE", "IMPORTANT", "WARNING", "CAUTION")
"""The alerts that code-hosting pages know; all but the first are prose."""

_ALERT = re.compile(r"\[!(?P<name>[^\]\n]*)\][ \t]*(?P<rest>.*)")
_QUOTE_MARK = re.compile(r"[ \t]*> ?")


def is_tip(source: LessonText, tokens: Sequence[Token]) -> bool:
    """Tell whether a quote, given with all its tokens, is a hint; note an alert that is unknown."""
    found = _alert(tokens)
    if found is None:
        return False
    name = found["name"].strip().upper()
    if name not in ALERTS:
        source.wrong(
            "unknown-alert",
            _begin(tokens),
            name=found["name"],
            advice=near_miss(name, ALERTS, form="'[!{}]'"),
        )
    return name == TIP


def read_tip(source: LessonText, tokens: Sequence[Token]) -> Prose | None:
    """Read what a tip says; None where it says nothing, which is noted."""
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
    return Prose(line=begin + 2, source=text)


def _begin(tokens: Sequence[Token]) -> int:
    return tokens[0].map[0] if tokens[0].map else 0


def _alert(tokens: Sequence[Token]) -> re.Match[str] | None:
    """Match the first line of a quote, if it begins with a paragraph."""
    if len(tokens) < 3 or tokens[1].type != "paragraph_open":
        return None
    return _ALERT.match(tokens[2].content)
