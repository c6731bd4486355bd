"""List what servers do wrong, from the reports of `poptalk check`.

    python -m tools.make_servers

writes docs/servers.md from the reports in tests/transcripts/checks, which `python -m tests.check.record`
makes: of the real servers that the tests can start, and of the personas of the practice server.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from poptalk.check import command  # noqa: F401 - fills the table of checks
from poptalk.check.model import CHECKS, VERDICTS
from poptalk.check.report import shown_lines

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "servers.md"
REPORTS = ROOT / "tests" / "transcripts" / "checks"

REAL = {
    "dovecot": "Dovecot 2.3.19",
    "mailutils": "GNU mailutils 3.15",
    "solid": "Solid POP3 0.15",
}
"""The real servers, as Debian 12 has them."""

PERSONA = "persona-"

MOST_LINES = 6
"""Lines of an exchange that are shown, the last ones."""

HEAD = """\
# What servers do wrong

[`poptalk check`](operate.md#is-this-server-right) has {count} checks, each of them a sentence of an RFC
that a server keeps or breaks. This page lists what it finds wrong with the real servers that poptalk's
tests can start, and with the [personas](reference/practice-server.md) of the practice server, which are
likenesses of real ones. What isn't listed has passed, or could not be asked of that server.

A *fail* breaks a MUST, a *warn* a SHOULD, and a *note* breaks nothing that matters to most mail
programs. There is no grade: what counts is whether a mail program of yours stumbles. `poptalk check
--explain ID` has the sentence of the RFC and what a mail program suffers.

Made by `python -m tools.make_servers` from reports that `python -m tests.check.record` has made, with
everything but `--slow`.
"""


def reports() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Give the title of each server with what is wrong, the real ones first."""
    for name, title in REAL.items():
        path = REPORTS / f"{name}.json"
        if path.exists():
            yield title, _checks(path)
    for path in sorted(REPORTS.glob(f"{PERSONA}*.json")):
        yield f"The persona `{path.stem.removeprefix(PERSONA)}`", _checks(path)


def _checks(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["checks"]
    return found


def make_document() -> str:
    """Write the document."""
    parts = [HEAD.format(count=len(CHECKS))]
    for title, checks in reports():
        parts.append(f"\n## {title}\n")
        if not checks:
            parts.append("\nNothing.\n")
        parts += [_finding(each) for each in checks if each["id"] in CHECKS]
    return "".join(parts)


def _finding(found: dict[str, Any]) -> str:
    row = CHECKS[found["id"]]
    usual = VERDICTS[row.level].value == found["verdict"]
    level = row.level.value if usual else found["verdict"]
    reason = found["reasons"][0]
    stop = "" if reason.endswith(("?", '."')) else "."
    lines = [
        f"\n**{found['verdict']}** `{row.id}` ({level}, {row.clause}): {reason}{stop}\n",
        f"Expected: {row.expects}.\n",
    ]
    shown = shown_lines(found["exchange"])[-MOST_LINES:]
    if shown:
        lines += ["\n```pop3\n", *(f"{line}\n" for line in shown), "```\n"]
    return "".join(lines)


def main() -> int:
    """Write the document; return the exit code."""
    DOCUMENT.write_text(make_document(), encoding="utf-8")
    sys.stdout.write(f"{DOCUMENT}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
