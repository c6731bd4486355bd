r"""Parsing a dialogue: text in, steps out, or an error that says what would be right.

    S: +OK POP3 server ready
    C: STAT
    S: +OK 2 320

Text can be pasted from an RFC unchanged.  Spaces before `C:` and `S:` don't count, one space after
them belongs to the marker, and the indent that all payloads of a block (lines without an empty one
between them) have in common is removed, so that a folded header keeps its own space.  A stage direction
of the server may continue over several lines, up to its closing bracket.
"""

from dataclasses import dataclass, replace
from enum import Enum

from poptalk.pop3.commands import parse_command
from poptalk.pop3.replies import Status, parse_status_line
from poptalk.transcript import model
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
"""How much of a faulty line its error quotes: enough to find the line, without flooding the screen."""

_FOREIGN_MARKERS = {
    "c:": "C:", "client:": "C:", "c>": "C:", ">": "C:", "-->": "C:", "->": "C:",
    "s:": "S:", "server:": "S:", "s>": "S:", "<": "S:", "<--": "S:", "<-": "S:",
}  # fmt: skip
"""What other programs and people write instead of the two markers."""

_FOREIGN_COMMENTS = ("//", "--", ";", "<!--", "%", "*")


class NotationError(ValueError):
    """A line isn't in the notation.

    Attributes:
        name: the file.
        line_number: the line in it, from 1.
        line: the line itself, with a password masked.
        problem: what is wrong with it.
        advice: what would be right.
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
    """A line of the file whose marker is known."""

    number: int
    source: str
    marker: _Marker
    payload: str

    @property
    def indent(self) -> str | None:
        """The spaces before its text; None for a comment, a stage direction and an empty payload."""
        text = self.payload.lstrip(" \t")
        if self.marker is _Marker.COMMENT or text.rstrip(" \t") in ("", ANY_LINES):
            return None
        is_direction = model.direction_text(text) is not None
        return None if is_direction else self.payload.removesuffix(text)


def parse_dialogue(text: str, *, name: str = "<dialogue>", first_line: int = 1) -> model.Dialogue:
    """Parse a dialogue.

    Args:
        text: the whole file, or the lines between two fences in a Markdown document.
        name: the file, for messages.
        first_line: the number of the text's first line in its file.

    Raises:
        NotationError: a line isn't in the notation; the first such line counts.
    """
    return _DialogueReader(name).read(text, first_line)


class _DialogueReader:
    """Parses one text.

    What is wrong with a line is raised as a `PatternError`; `_error` adds the place.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._in_auth = False
        """Whether the last command was an AUTH, which the next lines may answer."""

    def read(self, text: str, first_line: int) -> model.Dialogue:
        """Split the text into blocks, and parse each."""
        steps: list[model.Step] = []
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
        return model.Dialogue(name=self._name, steps=(*steps, *self._steps(block)))

    def _steps(self, block: list[_MarkedLine]) -> list[model.Step]:
        """Remove the common indent of a block and make steps of its lines."""
        indents = [line.indent for line in block if line.indent is not None]
        common = min(indents, key=len, default="")
        while not all(indent.startswith(common) for indent in indents):
            common = common[:-1]
        steps: list[model.Step] = []
        for line in block:
            indented = line.payload.startswith(common) or line.payload.strip(" \t")
            line.payload = line.payload.removeprefix(common) if indented else ""
            try:
                if line.marker is _Marker.OR:
                    self._add_alternative(steps, line)
                else:
                    steps.append(self._step(line))
            except PatternError as error:
                raise self._error(line.number, line.source, error) from None
        return steps

    def _step(self, line: _MarkedLine) -> model.Step:
        if line.marker is _Marker.COMMENT:
            return model.Comment(line=line.number, text=line.payload)
        direction = model.direction_text(line.payload)
        if line.marker is _Marker.CLIENT:
            if direction is not None:
                return _client_direction(line, direction)
            return model.ClientLine(line=line.number, pattern=self._pattern(line))
        if line.payload.strip(" \t") == ANY_LINES:
            return model.AnyLines(line=line.number)
        if direction is None:
            return model.ServerLine(line=line.number, pattern=self._server_pattern(line))
        if direction.lower() == model.Action.CLOSE.value:
            return model.Direction(
                line=line.number, side=model.Side.SERVER, action=model.Action.CLOSE
            )
        return model.AnyLines(line=line.number, description=direction)

    def _add_alternative(self, steps: list[model.Step], line: _MarkedLine) -> None:
        """Add an `or` line to the `C:` line above it."""
        above = steps[-1] if steps else None
        if not isinstance(above, model.ClientLine):
            problem = "an 'or' line must be right under a 'C:' line"
            raise PatternError(problem, f"write 'C: {line.payload}', or move it there")
        steps[-1] = replace(above, alternatives=(*above.alternatives, self._pattern(line)))

    def _pattern(self, line: _MarkedLine) -> Pattern:
        try:
            pattern = parse_pattern(line.payload)
        except PatternError as error:
            if parse_command(_octets(line.payload)).secret is None:
                raise
            # What the error says about the brace may be a part of a password.
            problem = "a brace in a secret belongs to no placeholder"
            raise PatternError(problem, error.advice) from None
        self._check_secrets(line, pattern)
        return pattern

    def _check_secrets(self, line: _MarkedLine, pattern: Pattern) -> None:
        """Refuse a secret in a place where nothing would mask it, by the table of commands.

        A dialogue may come from a stranger, and the password that is put into it doesn't.
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
        """Parse a line from the server, which can't have default values."""
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
    """Add a line to a block, or continue the stage direction of its last line."""
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


def _client_direction(line: _MarkedLine, text: str) -> model.Direction:
    """Parse a stage direction of the client, which a replay carries out."""
    try:
        found = model.parse_direction(text)
    except ValueError as error:
        raise PatternError(str(error), "ask for less") from None
    if found is None:
        raise PatternError(
            "the client knows no such stage direction",
            f"write one of {', '.join(model.FORMS)}, or 'C: {{}}{line.payload.strip()}' to send it",
        )
    action, seconds = found
    return model.Direction(line=line.number, side=model.Side.CLIENT, action=action, seconds=seconds)


def _mark(number: int, source: str) -> _MarkedLine | None:
    """Split a line into marker and payload; return None if it has no marker."""
    text = source.lstrip(" \t")
    if text.startswith("#"):
        return _MarkedLine(number, source, _Marker.COMMENT, text[1:].removeprefix(" "))
    for marker in (_Marker.CLIENT, _Marker.SERVER, _Marker.OR):
        rest = text[len(marker.value) :]
        if text.startswith(marker.value) and rest[:1] in ("", " ", "\t"):
            return _MarkedLine(number, source, marker, rest[1:])
    return None


def _is_open_direction(line: _MarkedLine) -> bool:
    """Return whether a stage direction continues, as the one in RFC 1939 §7 for TOP does."""
    begun = line.payload.lstrip(" \t")
    return line.marker is _Marker.SERVER and begun.startswith("<") and ">" not in begun


def _nearest(text: str) -> tuple[str, str]:
    """Say what is wrong with a line that has no marker, and what its author may have meant."""
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
    """Quote a line, with a password masked."""
    line = source.strip(" \t")
    first = line.partition(" ")[0]
    marker = first if first.lower() in (*_FOREIGN_MARKERS, _Marker.OR.value) else line[:2]
    if marker not in (first, _Marker.CLIENT.value, _Marker.SERVER.value):
        return _safe(line)
    rest = line[len(marker) :]
    return marker + " " * rest.startswith(" ") + _safe(rest.lstrip(" "))


def _safe(text: str) -> str:
    """Mask the secret in a text that may be a command."""
    if parse_command(_octets(text)).secret is None:
        return _shortened(text)
    return _shortened(make_pattern(*masked(_octets(text))).source)


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
