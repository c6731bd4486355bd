"""Writing a dialogue, line by line as a session goes on, so that parsing it gives the same dialogue.

Any octets can be written.  Anything that would be parsed as something else (braces, three dots, a body
line that looks like a stage direction, an indented first line) is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import copy

from poptalk.transcript import model
from poptalk.transcript.octets import text_of
from poptalk.transcript.parser import ANY_LINES
from poptalk.transcript.pattern import (
    Part,
    Pattern,
    Placeholder,
    PlaceholderKind,
    make_pattern,
    unwritable,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

MAX_LINE_LOGGED = 65_536
"""Octets of one line that are written; lines of mail are much shorter."""


class ServerLines:
    """Splits octets from the server into lines, for logs.

    Attributes:
        rest: the beginning of the next line, up to one octet more than `MAX_LINE_LOGGED`.
    """

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, octets: bytes | memoryview) -> list[bytes]:
        """Return the lines that are complete now, without CRLF, but with an LF alone.

        They may be longer than `MAX_LINE_LOGGED`: secrets are masked before a line is cut.
        """
        *lines, rest = (self.rest + octets).split(b"\n")
        self.rest = rest[: MAX_LINE_LOGGED + 1]
        return [line[:-1] if line.endswith(b"\r") else line + b"\n" for line in lines]


_NOTHING = "{}"
"""Written between a marker and text that would be parsed as something else."""


_is_plain = re.compile(rb"[!-\-/-;=-z|~](?:[ -z|~]*[!-z|~])?").fullmatch
"""Matches lines that are written as they are: most are, and a message may have a million lines."""


class DialogueWriter:
    """Writes a dialogue to a function that takes text.

    Args:
        write: called with whole lines, each with its line end.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._anchored = False
        """Whether the block has a line without an indent, so that the next lines may have one."""

    def continued(self, write: Callable[[str], None]) -> Self:
        """Return a writer that continues from here in another place."""
        other = copy(self)
        other._write = write
        return other

    def client(self, *parts: str | Part, end: bytes = b"\r\n") -> None:
        """Write a line from the client.

        Args:
            parts: text, which is literal, and placeholders for secrets.
            end: the line end, CRLF or LF.
        """
        self._line(model.Side.CLIENT.value, make_pattern(*parts, *_own_end(end)))

    def alternative(self, *parts: str | Part) -> None:
        """Write an `or` line, right after the client's line.  Arguments as for `client`."""
        self._line("or", make_pattern(*parts))

    def server(self, *parts: str | Part, end: bytes = b"\r\n") -> None:
        """Write a line from the server.  Arguments as for `client`."""
        self._line(model.Side.SERVER.value, make_pattern(*parts, *_own_end(end)))

    def received(self, line: bytes) -> None:
        """Write a line from the server, or the beginning of a very long one.

        Args:
            line: octets as `ServerLines` returns them: without CRLF, but with an LF alone.
        """
        if _is_plain(line) and len(line) <= MAX_LINE_LOGGED:
            self._anchored = True
            self._write(f"S: {line.decode('ascii')}\n")
            return
        cut = len(line) > MAX_LINE_LOGGED
        rest = (Placeholder(name=None, kind=PlaceholderKind.REST),) if cut else ()
        self.server(text_of(line[:MAX_LINE_LOGGED]), *rest)

    def any_lines(self, description: str | None = None) -> None:
        """Write that the server sends lines that aren't shown.

        Args:
            description: two words or more, such as `the POP3 server sends message 1`.
        """
        if description is None:
            self._put(f"{model.Side.SERVER.value} {ANY_LINES}")
        elif model.parse_direction(description) is not None:
            raise ValueError(f"'<{description}>' stands for no lines; describe them otherwise.")
        else:
            self.direction(model.Side.SERVER, description)

    def direction(self, side: model.Side, text: str) -> None:
        """Write a stage direction.

        Args:
            side: who acts.
            text: between the angle brackets.

        Raises:
            ValueError: it wouldn't be parsed as a stage direction of that side.
        """
        written = f"<{text}>"
        if model.direction_text(written) is None or (
            side is model.Side.CLIENT and model.parse_direction(text) is None
        ):
            raise ValueError(
                f"'{written}' is no stage direction; write one of {', '.join(model.FORMS)}."
            )
        self._put(f"{side.value} {written}")

    def open(self) -> None:
        """Write that the client opens the connection."""
        self.direction(model.Side.CLIENT, model.write_direction(model.Action.OPEN))

    def negotiate_tls(self) -> None:
        """Write that TLS begins."""
        self.direction(model.Side.CLIENT, model.write_direction(model.Action.NEGOTIATE_TLS))

    def close(self, side: model.Side, lines: ServerLines) -> None:
        """Write who closed the connection, and before that an incomplete last line."""
        if lines.rest:
            self.received(lines.rest)
            self.comment("that line had no end")
        self.direction(side, model.write_direction(model.Action.CLOSE))

    def comment(self, text: str) -> None:
        """Write a comment; each line of the text is a line."""
        for line in text.split("\n"):
            self._put(f"# {line}" if line else "#")

    def blank(self) -> None:
        """Write an empty line, which ends a block."""
        self._anchored = False
        self._write("\n")

    def dialogue(self, dialogue: model.Dialogue) -> None:
        """Write a whole dialogue."""
        for step in dialogue.steps:
            match step:
                case model.ClientLine():
                    self.client(*step.pattern.parts)
                    for alternative in step.alternatives:
                        self.alternative(*alternative.parts)
                case model.ServerLine():
                    self.server(*step.pattern.parts)
                case model.AnyLines():
                    self.any_lines(step.description)
                case model.Direction():
                    self.direction(step.side, model.write_direction(step.action, step.seconds))
                case model.Comment():
                    self.comment(step.text)

    def _line(self, marker: str, pattern: Pattern) -> None:
        source = pattern.source
        indented = source[:1] in (" ", "\t") and not self._anchored
        if indented or source.strip(" \t") == ANY_LINES or model.direction_text(source) is not None:
            source = _NOTHING + source
        self._anchored = self._anchored or source[:1] not in ("", " ", "\t")
        self._put(f"{marker} {source}" if source else marker)

    def _put(self, line: str) -> None:
        strange = unwritable(line)
        if strange is not None:
            raise ValueError(
                f"A comment or a placeholder cannot hold the character U+{ord(strange):04X}; "
                "write it as octets, or leave it out."
            )
        self._write(line + "\n")


def _own_end(end: bytes) -> tuple[str, ...]:
    return () if end == b"\r\n" else (end.decode("ascii"),)


def format_dialogue(dialogue: model.Dialogue) -> str:
    """Return the text of a dialogue.

    Raises:
        ValueError: a comment or a placeholder has a control character.
    """
    written: list[str] = []
    DialogueWriter(written.append).dialogue(dialogue)
    return "".join(written)
