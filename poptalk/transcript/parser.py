r"""Reading a dialogue: text in, steps out, or an error that says what would be right.

    S: +OK POP3 server ready
    C: STAT
    S: +OK 2 320

The text of an RFC pastes unchanged.  Spaces before `C:` and `S:` do not count, one space after
them belongs to the marker, and the smallest indent common to all payloads of a block (a run of lines
without an empty one) is removed, so that a folded header keeps a space of its own.  A stage direction
of the server may go on over several lines, up to its closing bracket.
"""

from dataclasses import dataclass, replace
from enum import Enum

from poptalk.pop3.commands import parse_command
from poptalk.pop3.replies import Status, parse_status_line
from poptalk.transcript.model import (
    FORMS,
    Action,
    AnyLines,
    ClientLine,
    Comment,
    Dialogue,
    Direction,
    ServerLine,
    Side,
    Step,
    direction_text,
    parse_direction,
)
from poptalk.transcript.octets import escaped
from poptalk.transcript.pattern import (
    Literal,
    Pattern,
    PatternError,
    make_pattern,
    parse_pattern,
    unwritable,
)
from poptalk.transcript.placeholders import is_secret
from poptalk.transcript.redact import masked

ANY_LINES = "..."
"""The payload of an `S:` line that stands for any number of lines."""

_SHOWN_CHARACTERS = 100
"""How much of a faulty line its error quotes: enough to find it, too little to flood a screen."""

_FOREIGN_MARKERS = {
    "c:": "C:", "client:": "C:", "c>": "C:", ">": "C:", "-->": "C:", "->": "C:",
    "s:": "S:", "server:": "S:", "s>": "S:", "<": "S:", "<--": "S:", "<-": "S:",
}  # fmt: skip
"""What other programs and other hands write in place of the two markers."""

_FOREIGN_COMMENTS = ("//", "--", ";", "<!--", "%", "*")


class NotationError(ValueError):
    """A line that is no dialogue.

    Attributes:
        name: the file.
        line_number: the line in it, from 1.
        line: the line itself, a password in it masked.
        problem: what is wrong with it.
        advice: the nearest thing that would be right.
    """

    def __init__(
        self, *, name: str, line_number: int, line: str, problem: str, advice: str
    ) -> None:
        super().__init__(f"{name}:{line_number}: {problem}: {line!r}; {advice}.")
        self.name = name
        self.line_number = line_number
        self.line = line
        self.problem = problem
        self.advice = advice


class _Marker(Enum):
    """How a line begins."""

    CLIENT = "C:"
    SERVER = "S:"
    OR = "or"
    COMMENT = "#"


@dataclass(slots=True)
class _MarkedLine:
    """A line of the file on its way to a step."""

    number: int
    source: str
    marker: _Marker
    payload: str

    @property
    def has_indent(self) -> bool:
        """Whether the indent of the line counts: it holds text, and is no stage direction."""
        return (
            self.marker is not _Marker.COMMENT
            and self.payload.strip(" \t") not in ("", ANY_LINES)
            and direction_text(self.payload) is None
        )


def parse_dialogue(text: str, *, name: str = "<dialogue>", first_line: int = 1) -> Dialogue:
    """Read a dialogue.

    Args:
        text: the whole file, or the lines between two fences of a Markdown document.
        name: the file, for messages.
        first_line: the number of the first line of the text in its file.

    Returns:
        The steps in order.

    Raises:
        NotationError: for the first line that is none of the notation's.
    """
    return _DialogueReader(name).read(text, first_line)


class _DialogueReader:
    """Reads one text; it keeps the file's name for its errors.

    What is wrong with a line is raised as a `PatternError`, and named with its place by `_error`.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._in_auth = False
        """Whether the last command was an AUTH, which the next lines may answer."""

    def read(self, text: str, first_line: int) -> Dialogue:
        """Part the text into blocks, and read each."""
        steps: list[Step] = []
        block: list[_MarkedLine] = []
        for number, source in enumerate(text.removeprefix("\ufeff").split("\n"), first_line):
            line = source.removesuffix("\r")
            if line.strip():
                try:
                    _add(block, number, line)
                except PatternError as error:
                    raise self._error(number, line, error) from None
            else:
                steps += self._steps(block)
                block = []
        return Dialogue(name=self._name, steps=(*steps, *self._steps(block)))

    def _steps(self, block: list[_MarkedLine]) -> list[Step]:
        """Remove the common indent of a block and make steps of its lines."""
        indents = [_indent(line.payload) for line in block if line.has_indent]
        common = min(indents, key=len, default="")
        while not all(indent.startswith(common) for indent in indents):
            common = common[:-1]
        steps: list[Step] = []
        for line in block:
            line.payload = _without_indent(line.payload, common)
            try:
                if line.marker is _Marker.OR:
                    self._add_alternative(steps, line)
                else:
                    steps.append(self._step(line))
            except PatternError as error:
                raise self._error(line.number, line.source, error) from None
        return steps

    def _step(self, line: _MarkedLine) -> Step:
        if line.marker is _Marker.COMMENT:
            return Comment(line=line.number, text=line.payload)
        direction = direction_text(line.payload)
        if line.marker is _Marker.CLIENT:
            if direction is not None:
                return _client_direction(line, direction)
            return ClientLine(line=line.number, pattern=self._pattern(line))
        if line.payload.strip(" \t") == ANY_LINES:
            return AnyLines(line=line.number)
        if direction is None:
            return ServerLine(line=line.number, pattern=self._server_pattern(line))
        if direction.lower() == Action.CLOSE.value:
            return Direction(line=line.number, side=Side.SERVER, action=Action.CLOSE)
        return AnyLines(line=line.number, description=direction)

    def _add_alternative(self, steps: list[Step], line: _MarkedLine) -> None:
        """Give an `or` line to the `C:` line above it."""
        above = steps[-1] if steps else None
        if not isinstance(above, ClientLine):
            problem = "an 'or' line must be right under a 'C:' line"
            raise PatternError(problem, f"write 'C: {line.payload}', or move it there")
        steps[-1] = replace(above, alternatives=(*above.alternatives, self._pattern(line)))

    def _pattern(self, line: _MarkedLine) -> Pattern:
        try:
            pattern = parse_pattern(line.payload)
        except PatternError as error:
            if parse_command(_octets(line.payload)).secret is None:
                raise
            # What the error says of the brace may be a piece of a password.
            problem = "a brace in a secret belongs to no placeholder"
            raise PatternError(problem, error.advice) from None
        self._check_secrets(line, pattern)
        return pattern

    def _check_secrets(self, line: _MarkedLine, pattern: Pattern) -> None:
        """Refuse a secret where the table of commands has none: nothing would mask it there.

        A dialogue may be a stranger's, and the password that is put into it is not.
        """
        command = parse_command(_octets(pattern.source))
        if line.marker is _Marker.CLIENT and command.verb is not None:
            self._in_auth = command.asks_for_responses
        place = 0
        for part in pattern.parts:
            start, place = place, place + len(_octets(part.source))
            if isinstance(part, Literal) or part.name is None or not is_secret(part.name):
                continue
            in_secret = command.secret is not None and start >= command.secret.start
            answers = self._in_auth and len(pattern.parts) == 1
            if line.marker is _Marker.SERVER or not (in_secret or answers):
                raise PatternError(
                    f"{part.source} is a secret, and would be shown here",
                    "it belongs after PASS, at the end of APOP, or in the answers to AUTH",
                )

    def _server_pattern(self, line: _MarkedLine) -> Pattern:
        """Read a line of the server, in which nothing is chosen by a replay."""
        pattern = self._pattern(line)
        for placeholder in pattern.placeholders:
            if placeholder.default is not None:
                problem = f"only a 'C:' line gives a value, as in '{placeholder.source}'"
                raise PatternError(problem, f"write '{placeholder.source.partition('=')[0]}}}'")
        return pattern

    def _error(self, number: int, source: str, error: PatternError) -> NotationError:
        return NotationError(
            name=self._name,
            line_number=number,
            line=_quoted(source),
            problem=error.problem,
            advice=error.advice,
        )


def _add(block: list[_MarkedLine], number: int, source: str) -> None:
    """Add a line to a block, or lengthen the stage direction that the last one began."""
    strange = unwritable(source)
    if strange is not None:
        raise PatternError(
            f"the character U+{ord(strange):04X} cannot be seen in a dialogue",
            f"write its octets instead, '{escaped(strange)}'",
        )
    line = _mark(number, source)
    if line is not None:
        block.append(line)
    elif block and _is_open_direction(block[-1]):
        block[-1].payload += " " + source.strip(" \t")
    else:
        raise PatternError(*_nearest(source.strip(" \t")))


def _client_direction(line: _MarkedLine, text: str) -> Direction:
    """Read a stage direction of the client, which is something that a replay must do."""
    try:
        found = parse_direction(text)
    except ValueError as error:
        raise PatternError(str(error), "ask for less") from None
    if found is None:
        raise PatternError(
            "the client knows no such stage direction",
            f"write one of {', '.join(FORMS)}, or 'C: {{}}{line.payload.strip()}' to send it",
        )
    action, seconds = found
    return Direction(line=line.number, side=Side.CLIENT, action=action, seconds=seconds)


def _mark(number: int, source: str) -> _MarkedLine | None:
    """Take the marker off a line; None where it has none."""
    text = source.lstrip(" \t")
    if text.startswith("#"):
        return _MarkedLine(number, source, _Marker.COMMENT, text[1:].removeprefix(" "))
    for marker in (_Marker.CLIENT, _Marker.SERVER, _Marker.OR):
        rest = text[len(marker.value) :]
        if text.startswith(marker.value) and rest[:1] in ("", " ", "\t"):
            return _MarkedLine(number, source, marker, rest[1:])
    return None


def _is_open_direction(line: _MarkedLine) -> bool:
    """Tell whether a stage direction goes on, as that of RFC 1939 §7 under TOP does."""
    begun = line.payload.lstrip(" \t")
    return line.marker is _Marker.SERVER and begun.startswith("<") and ">" not in begun


def _indent(payload: str) -> str:
    return payload[: len(payload) - len(payload.lstrip(" \t"))]


def _without_indent(payload: str, common: str) -> str:
    if payload.startswith(common):
        return payload[len(common) :]
    return payload if payload.strip(" \t") else ""


def _nearest(text: str) -> tuple[str, str]:
    """Say what is wrong with a line that has no marker, and what its writer may have meant."""
    problem = "a line begins with 'C:', 'S:', 'or' or '#'"
    first, _, rest = text.partition(" ")
    if text[:2] in ("C:", "S:"):
        return "a space comes after 'C:' and 'S:'", f"write '{text[:2]} {_safe(text[2:])}'"
    if first.lower() in _FOREIGN_MARKERS:
        return problem, f"write '{_FOREIGN_MARKERS[first.lower()]} {_safe(rest.strip())}'"
    if text.startswith(_FOREIGN_COMMENTS):
        return problem, f"write '# {text.lstrip('/-;<!%* ')}' for a comment"
    if text in (".", ANY_LINES) or parse_status_line(_octets(text)).status is not Status.OTHER:
        return problem, f"write 'S: {text}'"
    if parse_command(_octets(text)).verb is not None:
        return problem, f"write 'C: {_safe(text)}'"
    return problem, f"write 'S: {_shortened(text)}' if the server sends it, or '#' for a comment"


def _quoted(source: str) -> str:
    """Quote a line without a password that it may hold."""
    line = source.strip(" \t")
    first = line.partition(" ")[0]
    marker = first if first.lower() in (*_FOREIGN_MARKERS, _Marker.OR.value) else line[:2]
    if marker not in (first, _Marker.CLIENT.value, _Marker.SERVER.value):
        return _safe(line)
    rest = line[len(marker) :]
    return marker + " " * rest.startswith(" ") + _safe(rest.lstrip(" "))


def _safe(text: str) -> str:
    """Mask what is secret of a text that may be a command."""
    if parse_command(_octets(text)).secret is None:
        return _shortened(text)
    return _shortened(make_pattern(*masked(_octets(text))).source)


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
