"""Findings as JUnit XML, which continuous integration services read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring


class Result(Enum):
    """What came of a case; the values are the elements of JUnit that say so."""

    PASSED = ""
    FAILED = "failure"
    BROKEN = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One thing that was looked at."""

    name: str
    result: Result = Result.PASSED
    messages: Sequence[str] = ()
    """What was found; none where it passed."""
    line: int | None = None
    """The line of the file."""
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """One file that was looked at."""

    path: Path
    cases: Sequence[Case]
    seconds: float


def junit(suites: Sequence[Suite], *, name: str) -> str:
    """Write suites as a JUnit document.

    Args:
        suites: one for each file.
        name: what found all that.

    Returns:
        XML with a line end behind it.
    """
    root = Element("testsuites", name=name)
    for suite in suites:
        _add_suite(root, suite)
    indent(root)
    return tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _add_suite(root: Element, suite: Suite) -> None:
    counts = {result: sum(case.result is result for case in suite.cases) for result in Result}
    element = SubElement(
        root,
        "testsuite",
        name=suite.path.stem,
        file=str(suite.path),
        tests=str(len(suite.cases)),
        failures=str(counts[Result.FAILED]),
        skipped=str(counts[Result.SKIPPED]),
        errors=str(counts[Result.BROKEN]),
        time=f"{suite.seconds:.3f}",
    )
    for case in suite.cases:
        _add_case(element, case, suite.path)


def _add_case(suite: Element, case: Case, path: Path) -> None:
    element = SubElement(suite, "testcase", classname=path.stem, name=_writable(case.name))
    if case.line is not None:
        element.set("file", str(path))
        element.set("line", str(case.line))
    if case.seconds is not None:
        element.set("time", f"{case.seconds:.3f}")
    if case.result is not Result.PASSED:
        messages = [_writable(message) for message in case.messages]
        told = SubElement(element, case.result.value, message=messages[0] if messages else "")
        told.text = "\n".join(messages)


def _writable(text: str) -> str:
    """Write characters that XML 1.0 cannot hold as escapes: servers send whatever they like."""
    return "".join(
        character
        if character in "\t\n" or (character.isprintable() and character not in "\ufffe\uffff")
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
