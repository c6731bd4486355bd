"""Comparing what happened with what a dialogue says, by meaning.

In a status line the indicator counts, a response code if the dialogue has one, and the fields that the
table of commands defines as data; the words after them are for people: "the reply given by the POP3
server to any command is significant only to "+OK" and "-ERR"" (RFC 1939 §9, except for STAT, LIST and
UIDL).  Body lines are compared in full, and the lines of CAPA as a set.  So a session pasted from an
RFC runs against any server.  With `exact`, everything is compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import zip_longest

from poptalk.pop3.commands import Command, Field, FieldKind
from poptalk.pop3.replies import Status, parse_status_line
from poptalk.transcript.model import TERMINATOR, AnyLines, ClientLine, ExpectedReply, ServerLine
from poptalk.transcript.octets import octets_of, text_of
from poptalk.transcript.pattern import (
    Bindings,
    Literal,
    Pattern,
    Placeholder,
    PlaceholderKind,
    make_pattern,
)

Lines = Sequence[ServerLine | AnyLines]


class Aspect(Enum):
    """What differs."""

    INDICATOR = "the status indicator"
    CODE = "the response code"
    FIELD = "the field"
    STATUS_LINE = "the status line"
    BODY_LINE = "the line"
    CAPABILITY = "the capability"
    MECHANISM = "a challenge of the mechanism"
    END = "the end of the reply"
    CLOSE = "the server to close the connection"
    TIME = "the end of the reply within"
    SEARCH = "a place for the lines after 'S: ...' among the first"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What happened is what the dialogue says."""

    bindings: dict[str, str]
    """The given bindings, and what was captured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The first difference from the dialogue; its `str` is one sentence."""

    line: int
    """The line in the dialogue's file."""
    aspect: Aspect
    expected: str
    """As in the dialogue; empty for Aspect.END and Aspect.CLOSE."""
    came: str | None
    """The line that came, with octets that aren't UTF-8 as surrogates; None if none came.

    For Aspect.TIME, how long it took; None if the end hasn't come.
    """
    field: Field | None = None
    """Which field differs, for Aspect.FIELD."""

    def __str__(self) -> str:
        return f"Line {self.line}: {self.sentence}"

    @property
    def sentence(self) -> str:
        """The difference without its line number, for people who don't have the file."""
        if self.aspect is Aspect.TIME:
            took = "it has not come" if self.came is None else f"it took {self.came}"
            return f"expected {self.wanted}, but {took}."
        came = "nothing more" if self.came is None else f"'{make_pattern(self.came).source}'"
        return f"expected {self.wanted}, but {came} came."

    @property
    def wanted(self) -> str:
        """What was expected, as the object of a sentence."""
        return f"{self.aspect.value} {self.expected}" if self.expected else self.aspect.value


Comparison = Agreement | Difference


def match_line(
    step: ClientLine, line: bytes, bindings: Bindings, *, any_case: bool = True
) -> dict[str, str] | None:
    """Compare a line that a client sent.

    Args:
        step: what the dialogue says, with its alternatives.
        line: octets as sent, without CRLF.
        bindings: what was captured before, and the known values.
        any_case: whether the keyword may be in any case.

    Returns:
        The bindings with what was captured; None if the dialogue has another line.
    """
    text = text_of(line)
    for pattern in (step.pattern, *step.alternatives):
        found = pattern.match(text, bindings)
        if found is None and any_case:
            found = _match_in_any_case(pattern, text, bindings)
        if found is not None:
            return found
    return None


MOST_COMPARISONS = 1_000_000
"""Lines that are compared in search of those after `S: ...`, which takes a few seconds.  A reply that
needs more was made to be slow."""


def loosened(expected: ExpectedReply) -> ExpectedReply:
    """Return a reply without what differs between two servers that have the same mail.

    What remains of listings and STAT are the numbers of messages, without octets and unique-ids; of
    CAPA, the first line.
    """
    command, (first, *body) = expected.answers, expected.steps
    if command is None or command.verb is None or not command.verb.fields:
        return expected
    kinds = [field.kind for field in command.verb.fields]
    if not command.multi_line:
        steps = [_without_data(first, [FieldKind.WORD, *kinds])]
    elif FieldKind.MESSAGE in kinds:
        steps = [first, *(_without_data(step, kinds) for step in body)]
    else:
        steps = [first]
    return replace(expected, steps=tuple(steps))


def _without_data(step: ServerLine | AnyLines, kinds: Sequence[FieldKind]) -> ServerLine | AnyLines:
    """Accept anything in a line from its first field with octets or a unique-id on."""
    data = [i for i, kind in enumerate(kinds) if kind in (FieldKind.OCTETS, FieldKind.UNIQUE_ID)]
    if isinstance(step, AnyLines) or step.pattern.placeholders or not data:
        return step
    words = step.payload.split(" ")
    if words[0] == Status.ERR.value or len(words) <= data[0]:
        return step
    kept = " ".join([*words[: data[0]], ""])
    rest = Placeholder(name=None, kind=PlaceholderKind.REST)
    return replace(step, pattern=make_pattern(kept, rest))


def match_reply(
    expected: ExpectedReply | None,
    lines: Sequence[bytes],
    bindings: Bindings,
    *,
    exact: bool = False,
) -> Comparison:
    """Compare a whole reply.

    Args:
        expected: what the dialogue says, with the command that is answered; None if any will do.
        lines: the lines as received, byte-stuffed, without line ends, the lone dot included.
        bindings: what was captured before, and the known values.
        exact: whether to compare everything, including words for people.

    Returns:
        The bindings with what was captured, or the first difference.  If the dialogue has no lines
        after the status line of a multi-line reply, the body is compared only with `exact`.
    """
    if expected is None:
        return Agreement(bindings=dict(bindings))
    first, body = expected.steps[0], expected.steps[1:]
    if isinstance(first, AnyLines):
        return _match_lines(expected.steps, lines, bindings)
    if not lines:
        return _difference(first, Aspect.STATUS_LINE, None)
    command = expected.answers
    result = _match_status(first, lines[0], bindings, command=command, exact=exact)
    if isinstance(result, Difference) or (not body and not exact):
        return result
    if command is not None and command.keyword == b"CAPA" and not exact:
        return _match_capabilities(body, lines[1:], result.bindings, line=first.line)
    return _match_lines(body, lines[1:], result.bindings, line=first.line)


def _match_status(
    step: ServerLine, line: bytes, bindings: Bindings, *, command: Command | None, exact: bool
) -> Comparison:
    """Compare a status line: the indicator, the response code, the fields that are data."""
    wanted = parse_status_line(octets_of(step.payload))
    came = parse_status_line(line)
    if exact or wanted.status is Status.OTHER:
        return _match_in_full(step, Aspect.STATUS_LINE, line, bindings)
    if came.status is not wanted.status:
        return _difference(step, Aspect.INDICATOR, line, f"'{wanted.status.value}'")
    if step.pattern.placeholders:
        found = step.pattern.match(text_of(line), bindings)
        if found is None and b" " not in line:
            # A lone "+OK" lacks the space before the placeholder in "+OK {...}".
            found = step.pattern.match(text_of(line) + " ", bindings)
        if found is None:
            return _difference(step, Aspect.STATUS_LINE, line)
        return Agreement(bindings=found)
    # "Clients MUST ignore unknown hierarchical detail" in a response code (RFC 2449 §8).
    code = (came.code or b"").upper() + b"/"
    if wanted.code is not None and not code.startswith(wanted.code.upper() + b"/"):
        return _difference(step, Aspect.CODE, line, f"'[{text_of(wanted.code)}]'")
    fields = command.data_fields if command is not None and wanted.status is Status.OK else ()
    for field, want, got in zip_longest(fields, wanted.words, came.words):
        if field is None or want is None:
            break
        if want != got:
            wanted_field = f"'{field.name}' = {text_of(want)}"
            return _difference(step, Aspect.FIELD, line, wanted_field, field=field)
    return Agreement(bindings=dict(bindings))


def _match_lines(
    steps: Lines, lines: Sequence[bytes], bindings: Bindings, *, line: int = 0
) -> Comparison:
    """Compare lines in full and in order; `AnyLines` takes as few as possible.

    Args:
        steps: what is expected.
        lines: what came.
        bindings: what was captured before.
        line: the line number to report if nothing is expected, but something came.
    """
    runs = _runs(steps)
    first, *others = runs
    result = _match_run(first, lines, 0, bindings)
    at = len(first)
    for run in others[:-1]:
        if isinstance(result, Difference):
            return result
        result, at = _find_run(run, lines, at, result.bindings)
    if isinstance(result, Difference):
        return result
    if not others:
        end = steps[-1].line if steps else line
        if len(lines) > at:
            return Difference(line=end, aspect=Aspect.END, expected="", came=text_of(lines[at]))
        return result
    last = others[-1]
    return _match_run(last, lines, max(at, len(lines) - len(last)), result.bindings)


def _runs(steps: Lines) -> list[list[ServerLine]]:
    """Split the lines at each `AnyLines`."""
    runs: list[list[ServerLine]] = [[]]
    for step in steps:
        if isinstance(step, AnyLines):
            runs.append([])
        else:
            runs[-1].append(step)
    return runs


def _match_run(
    run: Sequence[ServerLine], lines: Sequence[bytes], at: int, bindings: Bindings
) -> Comparison:
    """Compare a run of lines with those that came, from `at` on."""
    result = Agreement(bindings=dict(bindings))
    for index, step in enumerate(run, at):
        if index >= len(lines):
            return _difference(step, Aspect.BODY_LINE, None)
        compared = _match_in_full(step, Aspect.BODY_LINE, lines[index], result.bindings)
        if isinstance(compared, Difference):
            return compared
        result = compared
    return result


def _find_run(
    run: Sequence[ServerLine], lines: Sequence[bytes], at: int, bindings: Bindings
) -> tuple[Comparison, int]:
    """Find the first occurrence of a run of lines from `at` on, and the place after it."""
    compared = 0
    for start in range(at, len(lines) - len(run) + 1):
        result = _match_run(run, lines, start, bindings)
        if isinstance(result, Agreement):
            return result, start + len(run)
        compared += result.line - run[0].line + 1
        if compared > MOST_COMPARISONS:
            most = f"{start + 1 - at:,} lines"
            return _difference(run[0], Aspect.SEARCH, None, expected=most), at
    return _difference(run[0], Aspect.BODY_LINE, None), at


def _match_capabilities(
    steps: Lines, lines: Sequence[bytes], bindings: Bindings, *, line: int
) -> Comparison:
    """Compare the lines of CAPA as a set, their tags in any case (RFC 2449 §5)."""
    wanted = [s for s in steps if isinstance(s, ServerLine) and s.payload != TERMINATOR]
    ends = [s for s in steps if isinstance(s, ServerLine) and s.payload == TERMINATOR]
    left = [text_of(line) for line in lines if line != b"."]
    found = dict(bindings)
    # Lines without placeholders come first: they match only themselves.
    for step in sorted(wanted, key=lambda step: len(step.pattern.placeholders)):
        for index, capability in enumerate(left):
            captured = _match_in_any_case(step.pattern, capability, found)
            if captured is not None:
                found = captured
                del left[index]
                break
        else:
            return _difference(step, Aspect.CAPABILITY, None)
    if left and not any(isinstance(step, AnyLines) for step in steps):
        return Difference(line=line, aspect=Aspect.END, expected="", came=left[0])
    if ends and b"." not in lines:
        return _difference(ends[0], Aspect.BODY_LINE, None)
    return Agreement(bindings=found)


def _match_in_full(step: ServerLine, aspect: Aspect, line: bytes, bindings: Bindings) -> Comparison:
    found = step.pattern.match(text_of(line), bindings)
    return _difference(step, aspect, line) if found is None else Agreement(bindings=found)


def _difference(
    step: ServerLine,
    aspect: Aspect,
    came: bytes | None,
    expected: str | None = None,
    *,
    field: Field | None = None,
) -> Difference:
    return Difference(
        line=step.line,
        aspect=aspect,
        expected=f"'{step.pattern.source}'" if expected is None else expected,
        came=None if came is None else text_of(came),
        field=field,
    )


def _match_in_any_case(pattern: Pattern, text: str, bindings: Bindings) -> dict[str, str] | None:
    """Compare, ignoring the case of the first word: a keyword is "case-insensitive" (RFC 1939 §3)."""
    first = pattern.parts[0] if pattern.parts else None
    if isinstance(first, Literal) and (" " in first.text or len(pattern.parts) == 1):
        pattern = make_pattern(_fold(first.text), *pattern.parts[1:])
        text = _fold(text)
    return pattern.match(text, bindings)


def _fold(text: str) -> str:
    keyword, space, rest = text.partition(" ")
    return keyword.upper() + space + rest
