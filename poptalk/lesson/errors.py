"""What is wrong with a lesson: every fault with its file, its line, and what would be right."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from poptalk.lesson.codes import CODES, FAULTS
from poptalk.net.errors import reason
from poptalk.terminal.safe import harmless

MAX_QUOTED_CHARACTERS = 100
"""How much of a faulty line is quoted: enough to find it, too little to flood a screen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonFault:
    """One thing that is wrong.

    Args:
        code: one of `codes.CODES`.
        path: the file.
        line_number: the line in it, from 1.
        line: the line itself; it is made harmless for a terminal here.
        problem: what is wrong.
        advice: what would be right.
    """

    code: str
    path: Path
    line_number: int
    line: str = ""
    problem: str
    advice: str

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ValueError(f"{self.code} is no code of a fault; add it to CODES first.")
        quoted = harmless(self.line.strip(), limit=MAX_QUOTED_CHARACTERS)
        object.__setattr__(self, "line", quoted)

    def __str__(self) -> str:
        quote = f": {self.line!r}" if self.line else ""
        end = "" if self.advice.endswith("?") else "."
        place = f"{harmless(str(self.path))}:{self.line_number}"
        return f"{place}: {self.code} {harmless(self.problem)}{quote}; {harmless(self.advice)}{end}"


def make_fault(
    name: str, path: Path, line_number: int, line: str, values: Mapping[str, object]
) -> LessonFault:
    """Make a fault of `codes.FAULTS`.

    Args:
        name: which one.
        path: the file.
        line_number: the line in it, from 1.
        line: the line itself.
        values: what the names in braces stand for.
    """
    code, problem, advice = FAULTS[name]
    return LessonFault(
        code=code,
        path=path,
        line_number=line_number,
        line=line,
        problem=problem.format(**values),
        advice=advice.format(**values),
    )


class LessonErrors(ValueError):
    """A lesson that cannot be used.

    Attributes:
        faults: everything that is wrong with it, in the order of its lines; at least one.
    """

    def __init__(self, faults: Iterable[LessonFault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: (fault.line_number, fault.code)))
        super().__init__("\n".join(map(str, self.faults)))


def why_not(error: OSError | ValueError) -> str:
    """Say in a few words why a file cannot be opened; a ValueError is about its name."""
    return reason(error) if isinstance(error, OSError) else "its name cannot be one"


def near_miss(word: str, known: Collection[str], *, form: str = "{}") -> str:
    """Say what a word that is unknown may have been meant for.

    Args:
        word: as it was written.
        known: the words that there are.
        form: how one writes them, with `{}` for the word.

    Returns:
        The end of a sentence: a question that names the nearest one, or all there are.
    """
    spelt = {each.casefold(): each for each in known}
    near = get_close_matches(word.casefold(), spelt, n=1)
    if near:
        return f"did you mean {form.format(spelt[near[0]])}?"
    return f"there are {', '.join(form.format(each) for each in known)}"
