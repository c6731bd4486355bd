"""List what poptalk says of replies, with the clauses that say so, so that people can review it.

    python -m tools.make_explanations

writes docs/explanations.md.  Each explanation that the replies of real servers call forth stands there
once, under its clause, with a reply for example; then those that no recorded reply called forth.  The
recordings are those of tests/transcripts/servers and tests/transcripts/personas.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from poptalk.pop3.capabilities import CAPABILITIES
from poptalk.pop3.commands import VERBS, Clause, Command
from poptalk.pop3.explain import (
    Explanation,
    explain_greeting,
    explain_reply,
    explain_unasked,
)
from poptalk.pop3.replies import RESPONSE_CODES, parse_status_line
from poptalk.terminal.safe import harmless
from poptalk.transcript.model import Action, Direction, ExpectedReply, Send, ServerLine, exchanges
from poptalk.transcript.parser import parse_dialogue

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "explanations.md"
TRANSCRIPTS = ROOT / "tests" / "transcripts"

NO_CLAUSE = "Without a clause"

LONGEST_EXAMPLE = 60
"""Characters of a reply that are shown of an example."""

HEAD = """\
# What `:why` says, and what it rests upon

This page is for reviewing explanations: it lists what `:why` and `:explain` say of replies, under
under the part of the RFC that says so.

Made by `python -m tools.make_explanations` from the explanations of all replies in
`tests/transcripts/servers` and `tests/transcripts/personas`. Each stands under the clause that it names,
with one reply for example: the part that is explained, and whose reply it is to which command.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A reply that a server gave, with its explanations."""

    source: str
    """The server."""
    command: Command | None
    """What it answers; None for a greeting, and for what was said unasked."""
    lines: tuple[bytes, ...]
    explanations: tuple[Explanation, ...]


def recordings() -> list[Path]:
    """Return the files with what real servers said."""
    return sorted(
        path for name in ("servers", "personas") for path in (TRANSCRIPTS / name).glob("*")
    )


def explained(path: Path) -> Iterator[Explained]:
    """Explain every reply of a recording, in its order."""
    dialogue = parse_dialogue(path.read_text(encoding="utf-8"), name=path.name)
    greeted = False
    for act in exchanges(dialogue):
        if isinstance(act, Direction) and act.action is Action.OPEN:
            greeted = False
        elif isinstance(act, Send):
            greeted = True
        elif isinstance(act, ExpectedReply):
            lines = tuple(_octets(step) for step in act.steps if isinstance(step, ServerLine))
            if lines:
                yield Explained(
                    source=path.stem,
                    command=act.answers,
                    lines=lines,
                    explanations=tuple(_explain(act.answers, lines, greeted=greeted)),
                )
                greeted = True


def _octets(step: ServerLine) -> bytes:
    return step.payload.encode("utf-8", "surrogateescape")


def _explain(
    command: Command | None, lines: tuple[bytes, ...], *, greeted: bool
) -> Iterable[Explanation]:
    status_line = parse_status_line(lines[0])
    if command is not None:
        return explain_reply(command, status_line, [line for line in lines[1:] if line != b"."])
    return explain_unasked(status_line) if greeted else explain_greeting(status_line)


# The document.


def make_document() -> str:
    """Write the document."""
    entries: dict[str, dict[str, str]] = {}
    for path in recordings():
        for reply in explained(path):
            for explanation in reply.explanations:
                clause, meaning = _entry(explanation)
                if meaning:
                    entries.setdefault(clause, {}).setdefault(meaning, _example(reply, explanation))
    for clause_found, meaning, where in _tables():
        entries.setdefault(str(clause_found), {}).setdefault(meaning, where)
    return HEAD + "".join(
        _section(clause, entries[clause]) for clause in sorted(entries, key=_order)
    )


def _entry(explanation: Explanation) -> tuple[str, str]:
    clause = str(explanation.clause) if explanation.clause else NO_CLAUSE
    words = explanation.part.split()
    # A line of a listing is explained by its own words, which are others in each.
    listed = words and all(harmless(word) in explanation.meaning for word in words)
    return clause, "" if listed and explanation.clause is None else explanation.meaning


def _example(reply: Explained, explanation: Explanation) -> str:
    part = harmless(explanation.part or reply.lines[0])
    shown = part if len(part) <= LONGEST_EXAMPLE else f"{part[:LONGEST_EXAMPLE]} ..."
    keyword = harmless(reply.command.keyword) if reply.command is not None else ""
    asked = f" to `{keyword}`" if keyword else ""
    return f"`{shown}`, {reply.source}{asked}" if shown.strip() else f"{reply.source}{asked}"


def _tables() -> Iterator[tuple[Clause, str, str]]:
    """Give what the tables say, whether a recorded reply has called it forth or not."""
    for tag, capability in CAPABILITIES.items():
        yield capability.clause, capability.meaning, f"the capability `{tag.decode()}`"
    for name, code in RESPONSE_CODES.items():
        yield code.clause, code.meaning, f"the response code `[{name.decode()}]`"
    for verb in VERBS.values():
        yield verb.clause, verb.details, f"`{verb.keyword}`"


def _section(clause: str, entries: dict[str, str]) -> str:
    lines = (f"- {meaning} ({example})\n" for meaning, example in entries.items())
    return f"\n## {clause}\n\n{''.join(lines)}"


def _order(clause: str) -> tuple[int, list[int], str]:
    """Sort clauses as a reader looks for them: by RFC, then by section."""
    words = clause.replace(",", "").split()
    if len(words) < 2 or not words[1].isdigit():
        return sys.maxsize, [], clause
    numbers = clause.partition("§")[2].split(".")
    return int(words[1]), [int(number) for number in numbers if number.isdigit()], clause


def main() -> int:
    """Write the document; return the exit code."""
    DOCUMENT.write_text(make_document(), encoding="utf-8")
    sys.stdout.write(f"{DOCUMENT}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
