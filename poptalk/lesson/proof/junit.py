"""Findings as JUnit XML: a suite a lesson, a case a code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from poptalk.lesson.codes import CODES
from poptalk.lesson.proof.prove import Report
from poptalk.lesson.proof.subject import ADVICE
from poptalk.script import junit as xml
from poptalk.script.junit import Case, Result, Suite


def junit(reports: Sequence[Report]) -> str:
    """Write reports as a JUnit document.

    Args:
        reports: one for each lesson.

    Returns:
        XML with a line end behind it.  Advice is a skipped case, not a failed one.
    """
    suites = [
        Suite(path=report.path, cases=tuple(_cases(report)), seconds=report.seconds)
        for report in reports
    ]
    return xml.junit(suites, name="poptalk lessons check")


def _cases(report: Report) -> Iterator[Case]:
    for code, meaning in CODES.items():
        faults = [fault for fault in report.faults if fault.code == code]
        result = Result.SKIPPED if code in ADVICE else Result.FAILED
        yield Case(
            name=f"{code} {meaning}",
            result=result if faults else Result.PASSED,
            messages=[str(fault) for fault in faults],
            line=faults[-1].line_number if faults else None,
        )
