"""Writing a dialogue, line by line as a session goes on, so that it is read back equal.

Any octets can be written.  What would mean something else when read (braces, three dots, a body line
that looks like a stage direction, a first line with an indent of its own) is written so that it does
not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import copy

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
    direction_text,
    parse_direction,
    write_direction,
)
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

# Puts the lines of a server together, for logs.


MAX_LINE_LOGGED = 65_536
"""Octets that are written of one line; mail lines are shorter by far."""


class ServerLines:
    """Puts lines together from octets that are cut anywhere.

    Attributes:
        rest: the last line as far as it has come, or one octet more than `MAX_LINE_LOGGED` of it.
    """

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, octets: bytes | memoryview) -> list[bytes]:
        """Return the lines that are complete now, without CRLF; an LF alone stays.

        They may be longer than `MAX_LINE_LOGGED`, so that secrets are masked before a line is cut.
        """
        *lines, rest = (self.rest + octets).split(b"\n")
        self.rest = rest[: MAX_LINE_LOGGED + 1]
        return [line[:-1] if line.endswith(b"\r") else line + b"\n" for line in lines]


_NOTHING = "{}"
"""Goes between a marker and text that would otherwise be read as something else."""


_is_plain = re.compile(rb"[!-\-/-;=-z|~](?:[ -z|~]*[!-z|~])?").fullmatch
"""Whether a line is written as it is: most are, and a message may have a million of them."""


class DialogueWriter:
    """Writes a dialogue to a function that takes text.

    Args:
        write: called with whole lines, each with its line end.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._anchored = False
        """Whether the block has a line without an indent, so that others may have one."""

    def continued(self, write: Callable[[str], None]) -> Self:
        """Return a writer that goes on in another place where this one is now."""
        other = copy(self)
        other._write = write
        return other

    def client(self, *parts: str | Part, end: bytes = b"\r\n") -> None:
        """Write a line from the client.

        Args:
            parts: text, which is literal, and placeholders for secrets.
            end: CRLF, or the LF that the line ends in.
        """
        self._line(Side.CLIENT.value, make_pattern(*parts, *_own_end(end)))

    def alternative(self, *parts: str | Part) -> None:
        """Write an `or` line, right after the client's line.  Arguments as for `client`."""
        self._line("or", make_pattern(*parts))

    def server(self, *parts: str | Part, end: bytes = b"\r\n") -> None:
        """Write a line from the server.  Arguments as for `client`."""
        self._line(Side.SERVER.value, make_pattern(*parts, *_own_end(end)))

    def received(self, line: bytes) -> None:
        """Write a line from the server; of a very long one the beginning.

        Args:
            line: octets as `ServerLines` gives them: without CRLF, but with an LF alone.
        """
        if _is_plain(line) and len(line) <= MAX_LINE_LOGGED:
            self._anchored = True
            self._write(f"{Side.SERVER.value} {line.decode('ascii')}\n")
            return
        cut = len(line) > MAX_LINE_LOGGED
        rest = (Placeholder(name=None, kind=PlaceholderKind.REST),) if cut else ()
        self.server(text_of(line[:MAX_LINE_LOGGED]), *rest)

    def any_lines(self, description: str | None = None) -> None:
        """Write that the server sends lines that are not shown.

        Args:
            description: two words or more, such as `the POP3 server sends message 1`.
        """
        if description is None:
            self._put(f"{Side.SERVER.value} {ANY_LINES}")
        elif parse_direction(description) is not None:
            raise ValueError(f"'<{description}>' stands for no lines; describe them otherwise.")
        else:
            self.direction(Side.SERVER, description)

    def direction(self, side: Side, text: str) -> None:
        """Write a stage direction.

        Args:
            side: who acts.
            text: between the angle brackets.

        Raises:
            ValueError: where it would not be read as a stage direction of that side.
        """
        written = f"<{text}>"
        if direction_text(written) is None or (
            side is Side.CLIENT and parse_direction(text) is None
        ):
            raise ValueError(f"'{written}' is no stage direction; write one of {', '.join(FORMS)}.")
        self._put(f"{side.value} {written}")

    def open(self) -> None:
        """Write that the client opens the connection."""
        self.direction(Side.CLIENT, write_direction(Action.OPEN))

    def negotiate_tls(self) -> None:
        """Write that TLS begins."""
        self.direction(Side.CLIENT, write_direction(Action.NEGOTIATE_TLS))

    def close(self, side: Side, lines: ServerLines) -> None:
        """Write who closed the connection, and before that a line that came without its end."""
        if lines.rest:
            self.received(lines.rest)
            self.comment("that line had no end")
        self.direction(side, write_direction(Action.CLOSE))

    def comment(self, text: str) -> None:
        """Write a comment, a line for each line of the text."""
        for line in text.split("\n"):
            self._put(f"# {line}" if line else "#")

    def blank(self) -> None:
        """Write an empty line, which ends a block."""
        self._anchored = False
        self._write("\n")

    def dialogue(self, dialogue: Dialogue) -> None:
        """Write a whole dialogue."""
        for step in dialogue.steps:
            match step:
                case ClientLine():
                    self.client(*step.pattern.parts)
                    for alternative in step.alternatives:
                        self.alternative(*alternative.parts)
                case ServerLine():
                    self.server(*step.pattern.parts)
                case AnyLines():
                    self.any_lines(step.description)
                case Direction():
                    self.direction(step.side, write_direction(step.action, step.seconds))
                case Comment():
                    self.comment(step.text)

    def _line(self, marker: str, pattern: Pattern) -> None:
        source = pattern.source
        indented = source[:1] in (" ", "\t") and not self._anchored
        if indented or source.strip(" \t") == ANY_LINES or direction_text(source) is not None:
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


def format_dialogue(dialogue: Dialogue) -> str:
    """Write a whole dialogue to a string.

    Raises:
        ValueError: a comment or a placeholder holds a control character.
    """
    written: list[str] = []
    DialogueWriter(written.append).dialogue(dialogue)
    return "".join(written)
