"""Findings as JUnit XML, which continuous integration services read: a suite a lesson, a case a code."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from poptalk.lesson.codes import CODES
from poptalk.lesson.proof.prove import Report
from poptalk.lesson.proof.subject import ADVICE


def junit(reports: Sequence[Report]) -> str:
    """Write reports as a JUnit document.

    Args:
        reports: one for each lesson.

    Returns:
        XML with a line end behind it.  Advice is a skipped case, not a failed one.
    """
    root = Element("testsuites", name="poptalk lessons check")
    for report in reports:
        _add_suite(root, report)
    indent(root)
    return tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _add_suite(root: Element, report: Report) -> None:
    failed = {fault.code for fault in report.faults}
    suite = SubElement(
        root,
        "testsuite",
        name=report.path.stem,
        file=str(report.path),
        tests=str(len(CODES)),
        failures=str(len(failed - ADVICE)),
        skipped=str(len(failed & ADVICE)),
        errors="0",
        time=f"{report.seconds:.3f}",
    )
    for code, meaning in CODES.items():
        case = SubElement(suite, "testcase", classname=report.path.stem, name=f"{code} {meaning}")
        for fault in (fault for fault in report.faults if fault.code == code):
            case.set("file", str(report.path))
            case.set("line", str(fault.line_number))
        told = [str(fault) for fault in report.faults if fault.code == code]
        if told:
            tag = "skipped" if code in ADVICE else "failure"
            SubElement(case, tag, message=told[0]).text = "\n".join(told)
