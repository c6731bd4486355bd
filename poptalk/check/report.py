"""What came of a run: on the screen, as JSON, JUnit XML or a page of HTML; and the baseline.

There is no grade and no percentage: one lost message weighs more than ninety passes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

from poptalk.check.model import CHECKS, Check, CheckVerdict
from poptalk.check.runner import CheckResult
from poptalk.net.endpoint import UsageError
from poptalk.run.report import Case, Result, Suite
from poptalk.terminal.markdown import dialogue_lines
from poptalk.terminal.render import note, plain_text
from poptalk.terminal.safe import Fragments, cells, harmless, wrap

INDENT = "      "

_STYLES = {
    CheckVerdict.PASS: "done",
    CheckVerdict.FAIL: "err",
    CheckVerdict.WARN: "warn",
    CheckVerdict.NOTE: "aside",
    CheckVerdict.SKIP: "note",
    CheckVerdict.UNCLEAR: "advice",
}

_SHOWN = (CheckVerdict.FAIL, CheckVerdict.WARN, CheckVerdict.NOTE, CheckVerdict.UNCLEAR)
"""The verdicts that are always shown."""

MOST_SHOWN = 72
"""Characters of a line where it is only an example."""

MOST_REASONS = 4
"""Problems of one check that are shown; the others are counted."""

MOST_SKIP_REASONS = 8
"""Reasons for skipping checks that are shown, the most frequent first."""


def on_screen(
    results: Sequence[CheckResult],
    *,
    known: Mapping[str, str],
    columns: int,
    everything: bool = False,
) -> Iterator[Fragments]:
    """Show what is wrong, each with the exchange that shows it, and count the rest.

    Args:
        results: in the order of the table.
        known: the baseline, as `read_baseline` returns it.
        columns: cells of a row.
        everything: whether checks that passed or were skipped are shown as well.
    """
    for result in results:
        if result.verdict in _SHOWN:
            yield from _finding(result, known.get(result.check.id), columns)
        elif everything:
            yield from _heading(result, "text", "".join(result.reasons), columns)
    yield from note(summary(results, known), columns=columns)
    if not everything:
        skipped = (result for result in results if result.verdict is CheckVerdict.SKIP)
        reasons = Counter(result.reasons[0] for result in skipped)
        for reason, count in reasons.most_common(MOST_SKIP_REASONS):
            yield from note(f"{count} skipped: {reason}", columns=columns)


def _heading(result: CheckResult, style: str, more: str, columns: int) -> Iterator[Fragments]:
    """Show a verdict and an id, with more beside them, or below if it doesn't fit."""
    head: Fragments = [
        (_STYLES[result.verdict], f"{result.verdict.value:<8}"),
        (style, result.check.id),
    ]
    if cells(plain_text(head)) + 2 + cells(more) <= columns:
        yield [*head, ("text", f"  {more}")] if more else head
    else:
        yield head
        yield from _paragraph(more, "text", columns)


def _finding(result: CheckResult, reason: str | None, columns: int) -> Iterator[Fragments]:
    check = result.check
    is_note = result.verdict is CheckVerdict.NOTE
    weight = check.clause if is_note else f"{check.level.value}, {check.clause}"
    yield from _heading(result, "heading", weight, columns)
    if reason is not None:
        yield from _paragraph(f"known: {reason}", "note", columns)
    for text in result.reasons[:MOST_REASONS]:
        yield from _paragraph(text, "text", columns)
    if result.reasons[MOST_REASONS:]:
        yield from _paragraph(f"and {len(result.reasons) - MOST_REASONS} more", "text", columns)
    if result.verdict is CheckVerdict.UNCLEAR:
        return
    yield from _paragraph(f"expected: {check.expects}", "note", columns)
    yield from _paragraph(f"effect on a mail program: {check.suffers}", "note", columns)
    for line in dialogue_lines(result.exchange.rstrip()) if result.exchange else ():
        yield [("text", INDENT), *line]
    yield [("text", "")]


def shown_lines(exchange: str) -> list[str]:
    """Return the lines of an exchange after its last greeting and login, made harmless."""
    lines = [harmless(line, limit=MOST_SHOWN) for line in exchange.splitlines() if line]
    ends = [
        number
        for number, line in enumerate(lines)
        if line.startswith(("C: <open", "C: PASS {", "C: {"))
    ]
    # The greeting, or the reply to the last line of the login.
    return lines[ends[-1] + 2 :] if ends else lines


def _paragraph(text: str, style: str, columns: int) -> Iterator[Fragments]:
    for row in wrap(harmless(text, limit=1000), max(20, columns - len(INDENT))):
        yield [(style, INDENT + row)]


def summary(results: Sequence[CheckResult], known: Mapping[str, str]) -> str:
    """Count the verdicts."""
    counts = Counter(result.verdict for result in results)
    counted = ", ".join(
        f"{counts[verdict]} {verdict.value}" for verdict in CheckVerdict if counts[verdict]
    )
    failed = sum(result.verdict is CheckVerdict.FAIL for result in results)
    expected = sum(
        result.verdict is CheckVerdict.FAIL and result.check.id in known for result in results
    )
    baseline = f"; {expected} of the {failed} failures known" if expected else ""
    plural = "check" if len(results) == 1 else "checks"
    return f"{len(results)} {plural}: {counted}{baseline}"


# The table itself.


def listed(checks: Iterable[Check]) -> Iterator[str]:
    """List checks, a line each."""
    width = max(map(len, CHECKS))
    for check in checks:
        yield f"{check.level.value:<7}{check.id:<{width}}  {check.expects}"


def explained(check: Check, *, columns: int) -> Iterator[Fragments]:
    """Say all about a check."""
    yield [("heading", check.id), ("text", f"  {check.level.value}, {check.clause}")]
    rows = [
        f"expected: {check.expects}",
        f"effect on a mail program otherwise: {check.suffers}",
    ]
    if check.sentence.text:
        rows.insert(0, f'"{check.sentence.text}"')
    if check.witness is not None:
        rows.append(f"to see it fail: poptalk check --fault {check.witness} --only {check.id}")
    for row in rows:
        yield from _paragraph(row, "text", columns)


# Files.


def as_json(target: str, results: Iterable[CheckResult], known: Mapping[str, str]) -> str:
    """Write results as one JSON object."""
    checks = [
        {
            "id": result.check.id,
            "level": result.check.level.value,
            "verdict": result.verdict.value,
            "clause": result.check.clause,
            "exchange": result.exchange,
            "reasons": list(result.reasons),
            **({"known": known[result.check.id]} if result.check.id in known else {}),
        }
        for result in results
    ]
    return json.dumps({"target": target, "checks": checks}, indent=2)


def as_suite(results: Iterable[CheckResult], known: Mapping[str, str], *, seconds: float) -> Suite:
    """Return results for `junit`; known failures are skipped, with their reasons."""
    cases = [
        Case(
            name=result.check.id,
            result=_case_result(result, known),
            messages=[
                *([f"known: {known[result.check.id]}"] if result.check.id in known else []),
                *result.reasons,
                *result.exchange.splitlines(),
            ],
        )
        for result in results
    ]
    return Suite(path=Path("poptalk-check"), cases=cases, seconds=seconds)


def _case_result(result: CheckResult, known: Mapping[str, str]) -> Result:
    if result.verdict is CheckVerdict.FAIL:
        return Result.SKIPPED if result.check.id in known else Result.FAILED
    skipped = result.verdict in (CheckVerdict.SKIP, CheckVerdict.UNCLEAR)
    return Result.SKIPPED if skipped else Result.PASSED


_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ max-width: 60rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif }}
pre {{ overflow-x: auto; padding: .5rem 1rem; border: 1px solid #8888 }}
td {{ padding: .1rem 1rem .1rem 0; vertical-align: top }}
</style>
<h1>{title}</h1>
<p>{summary}</p>
{findings}
<h2>All checks</h2>
<table>
{rows}
</table>
</html>
"""


def as_html(target: str, results: Sequence[CheckResult], known: Mapping[str, str]) -> str:
    """Write results as a page of HTML that needs no other file."""
    findings = "\n".join(
        _section(result, known.get(result.check.id))
        for result in results
        if result.verdict in _SHOWN
    )
    rows = "\n".join(
        f"<tr><td>{result.verdict.value}<td>{_text(result.check.id)}<td>{_text(result.check.expects)}"
        for result in results
    )
    return _PAGE.format(
        title=_text(f"poptalk check {target}"),
        summary=_text(summary(results, known)),
        findings=findings,
        rows=rows,
    )


def _section(result: CheckResult, reason: str | None) -> str:
    check = result.check
    lines = [
        f"<h2>{result.verdict.value}: {_text(check.id)}</h2>",
        f"<p>{check.level.value}, {_text(check.clause)}</p>",
    ]
    if check.sentence.text:
        lines.append(f"<blockquote>{_text(check.sentence.text)}</blockquote>")
    lines += [f"<p>{_text(text)}</p>" for text in result.reasons]
    if reason is not None:
        lines.append(f"<p>Known: {_text(reason)}</p>")
    lines.append(f"<p>Expected: {_text(check.expects)}</p>")
    lines.append(f"<p>Effect on a mail program: {_text(check.suffers)}</p>")
    if result.exchange:
        shown = "\n".join(harmless(line, limit=2000) for line in result.exchange.splitlines())
        lines.append(f"<pre>{_text(shown)}</pre>")
    return "\n".join(lines)


def _text(text: str) -> str:
    return "\n".join(escape(harmless(line, limit=len(line))) for line in text.split("\n"))


# The baseline.


def read_baseline(name: str) -> dict[str, str]:
    """Read the failures that are known: a line for each, the id, a space, and the reason.

    Raises:
        UsageError: the file cannot be read, names a check that doesn't exist, or gives no reason.
    """
    try:
        text = Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not UTF-8, from octet {error.start:,} on") from error
    known: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split(None, 1)
        if not words or words[0].startswith("#"):
            continue
        if words[0] not in CHECKS:
            raise UsageError(f"{name}:{number}: there is no check {words[0]}; --list lists all")
        if len(words) == 1:
            raise UsageError(
                f"{name}:{number}: {words[0]} needs a reason after it: why may it fail?"
            )
        known[words[0]] = words[1].strip()
    return known
