"""An asciinema cast, version 2: lines and times, and a marker for each step.

A log has the time in comments, and the cast keeps it; its header asks players to cut long pauses short.
If a dialogue has no times, the pace is made up: as fast as people type and read.
"""

from __future__ import annotations

import json
import re
from itertools import pairwise

from poptalk.export.look import rows_of
from poptalk.export.page import Chapter, Page, Part, Talk
from poptalk.terminal.markdown import dialogue_lines
from poptalk.terminal.safe import Fragments
from poptalk.terminal.theme import NEUTRAL, SGR_RESET, sgr
from poptalk.transcript.model import Side, direction_text

COLUMNS, ROWS = 80, 24

IDLE_SECONDS = 3
"""The longest pause that players keep of a real session."""

KEY_SECONDS = 0.07
"""From one key to the next."""

THINKING_SECONDS = 1.0
"""Before a line is typed."""

REPLY_SECONDS = 0.3
"""Before the first line of a reply."""

LINE_SECONDS = 0.04
"""Before each further line."""

READING_SECONDS = 0.03
"""For each character of prose."""

MOST_READING_SECONDS = 8.0

DAY_SECONDS = 24 * 60 * 60

_DAY_AND_TIME = re.compile(r"# \d{4}-\d\d-\d\dT(\d\d):(\d\d):(\d\d)\S* ")
"""The beginning of a log's comment about a connection."""

_TIME = re.compile(r"# (\d\d):(\d\d):(\d\d\.\d{3})$")
"""A log's comment above a line."""

_TYPED = Side.CLIENT.value + " "


def has_times(page: Page) -> bool:
    """Tell whether a document's dialogues have the times of their lines."""
    talks = [part.text for part in page.parts if isinstance(part, Talk)]
    return any(_TIME.match(line) for talk in talks for line in talk.split("\n"))


def write_cast(page: Page) -> str:
    """Return a document as a cast."""
    return _Cast(page).text()


class _Cast:
    """Writes a cast, and keeps the time."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._events: list[tuple[float, str, str]] = []
        self._now = 0.0
        self._clock: float | None = None
        """What the log's clock showed at the beginning; None before the first time."""
        self._typed_by: float | None = None
        """When the next line was sent; None if that is not known."""
        self._marks_lines = not any(isinstance(part, Chapter) for part in page.parts)

    def text(self) -> str:
        """Return the file."""
        head: dict[str, object] = {
            "version": 2,
            "width": COLUMNS,
            "height": ROWS,
            "title": self._page.title,
            "env": {"TERM": "xterm-256color"},
        }
        if has_times(self._page):
            head["idle_time_limit"] = IDLE_SECONDS
        for part in self._page.parts:
            self._part(part)
        events = ([round(time, 3), kind, data] for time, kind, data in self._events)
        return "".join(f"{json.dumps(each)}\n" for each in (head, *events))

    def _part(self, part: Part) -> None:
        if isinstance(part, Chapter):
            self._mark(part.text)
        if isinstance(part, Talk):
            self._talk(part)
        else:
            characters = 0
            for row in rows_of(part, columns=COLUMNS):
                self._show(row)
                characters += sum(len(text) for _, text in row)
            self._now += min(characters * READING_SECONDS, MOST_READING_SECONDS)
        self._put("\r\n")

    def _talk(self, talk: Talk) -> None:
        if talk.caption:
            self._show([("note", f"# {talk.caption}")])
        lines = talk.text.removesuffix("\n")
        rows = zip(lines.split("\n"), dialogue_lines(lines), strict=True)
        for (before, _), (line, row) in pairwise([("", []), *rows]):
            if found := _TIME.match(line) or _DAY_AND_TIME.match(line):
                self._tell_time(found)
            if _TIME.match(line):
                continue
            if line.startswith(_TYPED) and direction_text(line.removeprefix(_TYPED)) is None:
                if self._marks_lines:
                    self._mark(line.removeprefix(_TYPED))
                self._type(row)
            else:
                self._now += REPLY_SECONDS if before.startswith(_TYPED) else LINE_SECONDS
                self._show(row)

    def _tell_time(self, found: re.Match[str]) -> None:
        """Take the time from a comment: the next line was sent, or came, then."""
        hours, minutes, seconds = found.groups()
        clock = float(hours) * 3600 + float(minutes) * 60 + float(seconds)
        if self._clock is None:
            self._clock = clock - self._now
        passed = (clock - self._clock) % DAY_SECONDS
        self._typed_by = max(passed, self._now)

    def _type(self, row: Fragments) -> None:
        """Type a line so that Enter comes when it was sent."""
        keys = sum(len(text) for _, text in row)
        if self._typed_by is None:
            begins, pause = self._now + THINKING_SECONDS, KEY_SECONDS
        else:
            pause = min(KEY_SECONDS, (self._typed_by - self._now) / keys)
            begins = self._typed_by - keys * pause
        self._typed_by = None
        mark, *others = row
        self._now = begins
        self._put(_coloured(mark))
        for style, text in others:
            begin = sgr(NEUTRAL, style)
            for place, character in enumerate(text, 1):
                self._now += pause
                end = SGR_RESET if begin and place == len(text) else ""
                self._put(f"{begin if place == 1 else ''}{character}{end}")
        self._now += pause
        self._put("\r\n")

    def _show(self, row: Fragments) -> None:
        if self._typed_by is not None:
            self._now, self._typed_by = self._typed_by, None
        self._put("".join(map(_coloured, row)) + "\r\n")

    def _put(self, text: str) -> None:
        self._events.append((self._now, "o", text))

    def _mark(self, label: str) -> None:
        self._events.append((self._now, "m", label))


def _coloured(fragment: tuple[str, str]) -> str:
    style, text = fragment
    begin = sgr(NEUTRAL, style)
    return f"{begin}{text}{SGR_RESET}" if begin else text
