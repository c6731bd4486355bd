"""What `poptalk lessons check` does: prove lessons, and report what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import perf_counter

from markdown_it import MarkdownIt

from poptalk.exit_codes import EXIT_NO, EXIT_OK, EXIT_USAGE
from poptalk.lesson.document import model
from poptalk.lesson.document.blocks import LessonText
from poptalk.lesson.document.parser import line_of_key, read_front_matter, read_lesson, read_text
from poptalk.lesson.feedback import MAX_CHARACTERS, filled
from poptalk.lesson.library import (
    SUFFIX,
    LessonNotFound,
    curriculum,
    find_lesson,
    in_own_mailbox,
    lesson_files,
)
from poptalk.lesson.server import MailboxError, find_mailbox
from poptalk.lesson.verify.mutations import ADVICE, Check, CheckedLesson, check_runs
from poptalk.net.endpoint import UsageError
from poptalk.net.errors import reason
from poptalk.practice.faults.fault import SECONDS
from poptalk.practice.faults.plan import FAULTS
from poptalk.run import report as xml
from poptalk.run.report import Case, Result, Suite
from poptalk.terminal.markdown import MOST_COLUMNS, make_parser
from poptalk.terminal.safe import cells, wrap
from poptalk.transcript.model import ClientLine, ServerLine, Side, direction_text, parse_direction

# How a lesson reads on a screen: nothing is too wide, too long, or still to be written.


MOST_LINES_BEFORE_CONTACT = 6
"""Lines of prose before the learner types something: learners skip more, and then miss it."""

MOST_SECONDS = 5
"""A longer wait looks as if poptalk hung; and the proof runs a lesson many times."""

_REFUSES_AT_ONCE = ("login-delay",)
"""Faults with a time in which nobody is kept waiting."""


def check_todos(subject: CheckedLesson) -> Iterator[model.LessonFault]:
    """Find what is still to be written (PT060)."""
    for number, line in enumerate(subject.lines, 1):
        if re.search(r"\bTODO\b", line):
            yield subject.fault("todo", number)


def check_columns(subject: CheckedLesson) -> Iterator[model.LessonFault]:
    """Find lines of blocks and tables that don't fit (PT040); prose is wrapped, so it always fits."""
    for token in _parser().parse("\n".join(subject.lines)):
        if token.map is None or token.type not in ("fence", "code_block", "table_open"):
            continue
        for index in range(*token.map):
            if cells(subject.lines[index]) > MOST_COLUMNS:
                yield subject.fault("too-wide", index + 1, most=MOST_COLUMNS)


def check_waits(subject: CheckedLesson) -> Iterator[model.LessonFault]:
    """Find what keeps a learner waiting for long (PT041): a stage direction, or a fault's time."""
    for number, line in enumerate(subject.lines, 1):
        marker, _, payload = line.strip().partition(" ")
        direction = direction_text(payload) if marker == Side.CLIENT.value else None
        action = parse_direction(direction) if direction is not None else None
        if action is not None and (action[1] or 0) > MOST_SECONDS:
            yield subject.fault("long-wait", number, what=f"<{direction}>", most=MOST_SECONDS)
    for rule in subject.lesson.faults:
        name, _, text = rule.rpartition("=")[2].partition(":")
        parameter = FAULTS[name].parameter if name in FAULTS else None
        if parameter is None or parameter.name != SECONDS or name in _REFUSES_AT_ONCE:
            continue
        if parameter.read(text or parameter.default) > MOST_SECONDS:
            line_number = line_of_key(subject.lesson.path, "fault")
            yield subject.fault("long-wait", line_number, what=rule, most=MOST_SECONDS)


def check_comments(subject: CheckedLesson) -> Iterator[model.LessonFault]:
    """Find comments on mistakes that are longer than two lines (PT032)."""
    for block in subject.lesson.blocks(model.BlockKind.TASK):
        for mistake in block.mistakes:
            length = len(" ".join(_texts(mistake.comment)))
            if length > MAX_CHARACTERS:
                yield subject.fault(
                    "long-comment", mistake.comment.line, length=length, most=MAX_CHARACTERS
                )


def check_beginnings(subject: CheckedLesson) -> Iterator[model.LessonFault]:
    """Find steps that talk for long before the learner does anything (PT031)."""
    for step in subject.lesson.steps:
        contact = next((at for at, item in enumerate(step.items) if model.is_for_learner(item)), 0)
        prose = (item for item in step.items[:contact] if isinstance(item, model.Prose))
        rows = [row for item in prose for text in _texts(item) for row in wrap(text, MOST_COLUMNS)]
        if len(rows) > MOST_LINES_BEFORE_CONTACT:
            most = MOST_LINES_BEFORE_CONTACT
            yield subject.fault("long-beginning", step.line, lines=len(rows), most=most)


def _texts(prose: model.Prose) -> Iterator[str]:
    """Give the paragraphs and list items as they are read, without tables and blocks of code."""
    in_table = False
    for token in _parser().parse(prose.source):
        if token.type in ("table_open", "table_close"):
            in_table = token.type == "table_open"
        elif token.type == "inline" and not in_table:
            children = token.children or ()
            yield "".join(" " if each.type.endswith("break") else each.content for each in children)


@cache
def _parser() -> MarkdownIt:
    return make_parser()


# Whether a lesson has all its parts: hints, one right choice, names that stand for something.


def check_hints(subject: CheckedLesson) -> Iterator[model.LessonFault]:
    """Find tasks without a hint (PT030)."""
    for block in subject.lesson.blocks(model.BlockKind.TASK):
        if not block.hints:
            yield subject.fault("no-hint", block.line)


def check_questions(subject: CheckedLesson) -> Iterator[model.LessonFault]:
    """Find questions without one right choice, and wrong choices without a reply (PT024)."""
    for item in subject.lesson.items():
        if not isinstance(item, model.QuizQuestion):
            continue
        right = sum(choice.right for choice in item.choices)
        if right != 1:
            yield subject.fault(
                "right-choices", item.line, count=right or "no", plural="s" * (right > 1)
            )
        for choice in item.choices:
            if not choice.right and not choice.reply:
                yield subject.fault("no-reply", choice.line)


def check_names(subject: CheckedLesson) -> Iterator[model.LessonFault]:
    """Find comments on mistakes with a name in braces that has no value (PT028)."""
    for block in subject.lesson.blocks(model.BlockKind.TASK):
        for mistake in block.mistakes:
            lines = (s for s in mistake.dialogue.steps if isinstance(s, ClientLine | ServerLine))
            parts = (part for line in lines for part in line.pattern.placeholders)
            captured = {part.name: "" for part in parts if part.name is not None}
            if "{" in filled(mistake.comment.source, captured):
                names = ", ".join(f"{{{name}}}" for name in captured) or "nothing"
                yield subject.fault("braces", mistake.comment.line, names=names)


def check_earlier_lessons(subject: CheckedLesson) -> Iterator[model.LessonFault]:
    """Find earlier lessons that don't exist (PT033)."""
    lesson = subject.lesson
    beside = {path.stem for path in lesson.path.parent.glob(f"*{SUFFIX}")}
    known = sorted(beside | {listed.id for listed in curriculum()})
    for name in lesson.after:
        if name not in known:
            yield subject.fault(
                "no-earlier-lesson",
                line_of_key(lesson.path, "after"),
                name=name,
                advice=model.near_miss(name, known),
            )


def check_own_mailbox(subject: CheckedLesson) -> Iterator[model.LessonFault]:
    """Find a lesson for a learner's own mailbox that is missing, or isn't for any mailbox (PT037)."""
    lesson = subject.lesson
    if lesson.own_mailbox in ("yes", "no"):
        return
    problem = ""
    try:
        text = read_text(in_own_mailbox(lesson.path, lesson.own_mailbox))
    except model.LessonErrors:
        problem = "cannot be read"
    else:
        if read_front_matter(LessonText(text, path=lesson.path))["own-mailbox"] != "yes":
            problem = "isn't for any mailbox"
    if problem:
        line = line_of_key(lesson.path, "own-mailbox")
        yield subject.fault("no-own-lesson", line, name=lesson.own_mailbox, problem=problem)


def check_mailbox(subject: CheckedLesson) -> Iterator[model.LessonFault]:
    """Find mailboxes without a message (PT038), such as a folder with other files in it."""
    lesson = subject.lesson
    try:
        folder = find_mailbox(lesson.mailbox, beside=lesson.path)
    except MailboxError:
        return  # PT029, when the lesson is run.
    if not any(folder.glob("*.eml")):
        yield subject.fault("no-message", line_of_key(lesson.path, "mailbox"), name=lesson.mailbox)


# Proving one lesson: read it, look at it, run it.


CHECKS: tuple[Check, ...] = (
    check_waits,
    check_todos,
    check_columns,
    check_comments,
    check_beginnings,
    check_hints,
    check_questions,
    check_names,
    check_earlier_lessons,
    check_own_mailbox,
    check_mailbox,
    check_runs,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found in one lesson.

    Args:
        path: its file.
        faults: in the order of their lines; empty for a lesson that works.
        seconds: how long the proof took.
    """

    path: Path
    faults: tuple[model.LessonFault, ...]
    seconds: float


def check_lesson(path: Path, *, ignored: Collection[str] = ()) -> Report:
    """Prove one lesson.  All that is wrong with it is in the report; nothing is raised.

    Args:
        path: its file.
        ignored: codes that do not count.
    """
    began = perf_counter()
    found = {fault for fault in _faults(path) if fault.code not in ignored}
    faults = sorted(found, key=lambda fault: (fault.line_number, fault.code))
    return Report(path=path, faults=tuple(faults), seconds=perf_counter() - began)


def _faults(path: Path) -> Iterator[model.LessonFault]:
    try:
        text = read_text(path)
        lesson = read_lesson(text, name=path.stem, path=path)
    except model.LessonErrors as error:
        yield from error.faults
        return
    lines = tuple(LessonText(text, path=path).lines)
    subject = CheckedLesson(lesson=lesson, lines=lines, earlier=tuple(_texts_before(lesson)))
    waits_long = False
    for check in CHECKS:
        if waits_long and check is check_runs:
            continue
        try:
            for fault in check(subject):
                waits_long |= check is check_waits
                yield fault
        except Exception as error:  # noqa: BLE001 - whatever it is, the other checks go on
            kind = type(error).__name__
            yield subject.fault("broken-check", 1, check=check.__name__, kind=kind, error=error)


def _texts_before(lesson: model.Lesson) -> Iterator[str]:
    """Give the texts of the earlier lessons, as far as they can be read."""
    waiting, found = list(lesson.after), set()
    while waiting:
        name = waiting.pop()
        path = lesson.path.parent / f"{name}{SUFFIX}"
        if not path.exists():
            path = next((listed.path for listed in curriculum() if listed.id == name), path)
        if path in found:
            continue
        found.add(path)
        try:
            text = read_text(path)
        except model.LessonErrors:
            # It has a report of its own.
            continue
        yield text
        waiting += read_front_matter(LessonText(text, path=path)).items("after")


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
        0 if nothing is wrong (advice doesn't count), 1 if something is, 2 if a path or a code doesn't
        exist, or the file cannot be written.
    """
    try:
        ignored = read_codes(ignore)
        lessons = lessons_at([Path(path) for path in paths])
        reports = [check_lesson(path, ignored=ignored) for path in lessons]
        text = junit(reports) if format == "junit" else "\n".join(_lines(reports))
        if output is not None:
            Path(output).write_text(text.rstrip("\n") + "\n", encoding="utf-8")
        else:
            for line in text.rstrip("\n").split("\n"):
                say(line)
    except UsageError as error:
        complain(str(error))
        return EXIT_USAGE
    except OSError as error:
        complain(f"{output} cannot be written ({reason(error)}); name another file.")
        return EXIT_USAGE
    failed = any(fault.code not in ADVICE for report in reports for fault in report.faults)
    return EXIT_NO if failed else EXIT_OK


def read_codes(text: str) -> frozenset[str]:
    """Read codes, separated by commas.

    Raises:
        UsageError: there is no such code.
    """
    codes = frozenset(word.strip().upper() for word in text.split(",") if word.strip())
    for code in sorted(codes):
        if code not in model.CODES:
            raise UsageError(
                f"There is no code {code}; they go from {min(model.CODES)} to {max(model.CODES)}."
            )
    return codes


def lessons_at(paths: Sequence[Path]) -> list[Path]:
    """Return the lessons at some paths, for a folder all that are in it; without paths all of poptalk's.

    Args:
        paths: files, folders, or what `find_lesson` takes, such as `3`.

    Raises:
        UsageError: there is no such path and no such lesson, or a folder has no lesson.
    """
    if not paths:
        return list(lesson_files())
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            try:
                found.append(find_lesson(str(path)))
            except LessonNotFound as error:
                raise UsageError(str(error)) from error
            continue
        inside = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path]
        if not inside:
            raise UsageError(
                f"{path} has no lesson in it; a lesson is a file that ends in {SUFFIX}."
            )
        found += inside
    return found


def _lines(reports: Sequence[Report]) -> list[str]:
    faults = [fault for report in reports for fault in report.faults]
    seconds = sum(report.seconds for report in reports)
    advice = sum(fault.code in ADVICE for fault in faults)
    wrong = len(faults) - advice
    found = _counted(wrong, "fault") if wrong else "all right"
    if advice:
        found += f", {_counted(advice, 'piece')} of advice"
    total = f"{_counted(len(reports), 'lesson')}, {found} ({seconds:.1f} s)"
    return [*map(str, faults), total]


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


# Findings as JUnit XML: a suite a lesson, a case a code.


def junit(reports: Sequence[Report]) -> str:
    """Write reports, one for each lesson, as a JUnit document; advice is a skipped case."""
    suites = [
        Suite(path=report.path, cases=tuple(_cases(report)), seconds=report.seconds)
        for report in reports
    ]
    return xml.junit(suites, name="poptalk lessons check")


def _cases(report: Report) -> Iterator[Case]:
    for code, meaning in model.CODES.items():
        faults = [fault for fault in report.faults if fault.code == code]
        result = Result.SKIPPED if code in ADVICE else Result.FAILED
        yield Case(
            name=f"{code} {meaning}",
            result=result if faults else Result.PASSED,
            messages=[str(fault) for fault in faults],
            line=faults[-1].line_number if faults else None,
        )
