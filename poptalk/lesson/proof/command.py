"""What `poptalk lessons check` does: prove lessons, tell what is wrong, and give an exit code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from poptalk.exit_codes import EXIT_NO, EXIT_OK, EXIT_USAGE
from poptalk.lesson.codes import CODES
from poptalk.lesson.errors import LessonFault
from poptalk.lesson.proof.prove import Report, prove
from poptalk.lesson.proof.subject import ADVICE
from poptalk.lesson.shelf import SUFFIX, lesson_files
from poptalk.net.destination import UsageError
from poptalk.net.errors import reason

Show = Callable[[str], None]
"""Shows a line."""


def check(
    *,
    paths: Sequence[str] = (),
    ignore: str = "",
    format: str = "text",
    output: str | None = None,
    say: Show,
    complain: Show,
) -> int:
    """Prove lessons.

    Args:
        paths: lessons and folders; none for all that are shipped.
        ignore: codes that do not count, separated by commas.
        format: of the result, `text` or `junit`.
        output: the file for it, None for standard output.
        say: shows a line of the result.
        complain: shows why nothing could be checked.

    Returns:
        0 if nothing is wrong (advice counts as nothing), 1 if something is, 2 if a path or a code
        does not exist, or the file cannot be written.
    """
    try:
        ignored = read_codes(ignore)
        lessons = lessons_at([Path(path) for path in paths])
    except UsageError as error:
        complain(str(error))
        return EXIT_USAGE
    reports = [without(prove(path), ignored) for path in lessons]
    failed = any(fault.code not in ADVICE for report in reports for fault in report.faults)
    text = _junit(reports) if format == "junit" else "\n".join(_lines(reports))
    try:
        _put(text, output, say)
    except OSError as error:
        complain(f"{output} cannot be written ({reason(error)}); name another file.")
        return EXIT_USAGE
    return EXIT_NO if failed else EXIT_OK


def read_codes(text: str) -> frozenset[str]:
    """Read codes, parted by commas.

    Raises:
        UsageError: there is no such code.
    """
    codes = frozenset(word.strip().upper() for word in text.split(",") if word.strip())
    for code in sorted(codes):
        if code not in CODES:
            raise UsageError(f"There is no code {code}; they go from {min(CODES)} to {max(CODES)}.")
    return codes


def lessons_at(paths: Sequence[Path]) -> list[Path]:
    """Return the lessons at paths, of a folder all that are in it; all that are shipped without any.

    Raises:
        UsageError: a path does not exist, or a folder has no lesson.
    """
    if not paths:
        return list(lesson_files())
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise UsageError(
                f"{path} does not exist; name a lesson's file, or a folder of lessons."
            )
        inside = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path]
        if not inside:
            raise UsageError(
                f"{path} has no lesson in it; a lesson is a file that ends in {SUFFIX}."
            )
        found += inside
    return found


def without(report: Report, ignored: Iterable[str]) -> Report:
    """Return a report without the findings of some codes."""
    left = tuple(fault for fault in report.faults if fault.code not in ignored)
    return Report(path=report.path, faults=left, seconds=report.seconds)


def _lines(reports: Sequence[Report]) -> list[str]:
    faults = [fault for report in reports for fault in report.faults]
    seconds = sum(report.seconds for report in reports)
    lines = [str(fault) for fault in faults]
    lines.append(f"{_counted(len(reports), 'lesson')}, {_found(faults)} ({seconds:.1f} s)")
    return lines


def _found(faults: Sequence[LessonFault]) -> str:
    advice = sum(fault.code in ADVICE for fault in faults)
    wrong = len(faults) - advice
    told = _counted(wrong, "fault") if wrong else "all right"
    return f"{told}, {_counted(advice, 'piece')} of advice" if advice else told


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _junit(reports: Sequence[Report]) -> str:
    from poptalk.lesson.proof.junit import junit

    return junit(reports)


def _put(text: str, output: str | None, say: Show) -> None:
    if output is None:
        for line in text.rstrip("\n").split("\n"):
            say(line)
    else:
        Path(output).write_text(text.rstrip("\n") + "\n", encoding="utf-8")
