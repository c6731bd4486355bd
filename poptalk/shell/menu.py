"""The menu: all lessons, what is done of each, and the question which comes next.

It is a prompt of the shell like any other; a line that is typed names a lesson, as it does on the
command line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from poptalk.lesson.cues import FeedbackKind
from poptalk.shell.base import Shell
from poptalk.shell.companion import Companion
from poptalk.shell.lesson_view import LessonView
from poptalk.terminal.safe import Fragments, harmless
from poptalk.terminal.width import cells, wrap

GREETING = (
    "Welcome to poptalk. Here you learn to speak POP3, the language in which mail is fetched. You "
    "type, a server answers, and nothing can be broken."
)
"""What a newcomer reads first; with all lessons below it, it is to fit on 24 rows."""

_WIDE_COLUMNS = 60
"""Cells from which on a lesson has its minutes and its mark in columns of their own."""

_TITLE_CELLS = 36


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A lesson in the menu."""

    number: int
    """Its place in the curriculum; 0 for a lesson that is not of it."""
    id: str
    title: str
    minutes: int
    done: bool
    passed: int
    """Steps that are done."""
    steps: int
    begun: bool

    @property
    def mark(self) -> str:
        """What is done of it, in words; empty if nothing is."""
        if self.done:
            return "[done]"
        return f"[begun {self.passed}/{self.steps}]" if self.begun else ""


class Menu(Companion):
    """Asks which lesson is next.

    Args:
        shell: where.
        entries: the lessons, in their order; at least one.
        suggested: the one that Enter takes.
        choose: opens what was chosen: an entry, or a word as `poptalk learn` takes it.
        view: shows the list.
    """

    gives_completions = False

    def __init__(
        self,
        shell: Shell,
        *,
        entries: Sequence[Entry],
        suggested: Entry,
        choose: Callable[[str], None],
        view: LessonView,
    ) -> None:
        self._shell = shell
        self._entries = entries
        self._suggested = suggested
        self._choose = choose
        self._view = view

    def begin(self) -> None:
        """Show the list."""
        columns = self._shell.dialogue.size()[1]
        if not any(entry.begun or entry.done for entry in self._entries):
            self._view.prose(GREETING)
        self._view.block([line for entry in self._entries for line in _row(entry, columns=columns)])
        self._view.prose(self._advice())

    def _advice(self) -> str:
        entry = self._suggested
        verb = "goes on with" if entry.begun and not entry.done else "begins"
        return (
            f"Enter {verb} lesson {entry.number}, {as_sentence(entry.title)} A number takes another "
            "lesson. "
            "Ctrl-D leaves, at any time; what is done is kept."
        )

    def take(self, text: str) -> bool:
        """Take the name of a lesson; nothing is sent from here."""
        self._choose(text.strip() or self._suggested.id)
        return True

    def answer(self, command: str) -> None:
        """Show the list again, or say that there is no lesson yet."""
        if command in ("map", "menu"):
            self.begin()
        else:
            self._view.comment(
                FeedbackKind.NEWS,
                f"`:{command}` is for inside a lesson; choose one first, Enter takes "
                f"{self._suggested.number}.",
            )

    def reopen(self) -> None:
        """Say that a lesson comes first."""
        self._view.comment(FeedbackKind.NEWS, "Choose a lesson; it opens its own connection.")

    def prompt(self, usual: str, *, short: bool) -> str:  # noqa: ARG002 - there is no session
        """Ask for a number."""
        numbers = [entry.number for entry in self._entries]
        return f"lesson {min(numbers)}-{max(numbers)}> "

    def facts(self) -> Sequence[str]:
        """Return what can be done here."""
        return ("Enter: the next lesson", "Ctrl-D: leave")


def as_sentence(title: str) -> str:
    """End a title with a full stop, unless it ends with a mark of its own."""
    return title if title.endswith(("?", "!", ".")) else f"{title}."


def _row(entry: Entry, *, columns: int) -> list[Fragments]:
    """Show a lesson: in columns, or on a narrow screen one behind the other."""
    number = f"{entry.number:>2}  "
    title = harmless(entry.title)
    style = "heading" if entry.begun and not entry.done else "text"
    minutes = f"{entry.minutes} min"
    if columns >= _WIDE_COLUMNS and cells(title) <= _TITLE_CELLS:
        gap = " " * (_TITLE_CELLS - cells(title) + 2)
        row: Fragments = [("number", number), (style, title), ("text", f"{gap}{minutes:>6}")]
        return [[*row, ("done", f"  {entry.mark}")] if entry.mark else row]
    first, *others = wrap(f"{title} ({minutes})", max(1, columns - len(number)))
    lines: list[Fragments] = [[("number", number), (style, first)]]
    lines += ([("text", " " * len(number)), (style, row)] for row in others)
    if entry.mark:
        lines.append([("text", " " * len(number)), ("done", entry.mark)])
    return lines
