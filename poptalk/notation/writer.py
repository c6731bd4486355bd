"""Writing a dialogue, line by line as a session goes on, so that it is read back equal.

What would mean something else when read (braces, three dots, a body line that looks like a stage
direction, a first line with an indent of its own) is written so that it does not.
"""

from collections.abc import Callable

from poptalk.notation.dialogue import (
    AnyLines,
    ClientLine,
    Comment,
    Dialogue,
    Direction,
    ServerLine,
)
from poptalk.notation.directions import (
    FORMS,
    Side,
    direction_text,
    parse_direction,
    write_direction,
)
from poptalk.notation.pattern import Part, Pattern, make_pattern, unwritable
from poptalk.notation.reader import ANY_LINES

_NOTHING = "{}"
"""A placeholder for nothing: it stands between a marker and what would be read as something else."""


class DialogueWriter:
    """Writes a dialogue to a function that takes text.

    Args:
        write: called with whole lines, each with its line end.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._anchored = False
        """Whether the block has a line without an indent, so that others may have one."""

    def client(self, *parts: str | Part) -> None:
        """Write a line from the client.

        Args:
            parts: text, which stands for itself, and placeholders for what is not to be shown.

        Raises:
            ValueError: for a control character other than the tab, and for octets that are not
                UTF-8: make the text harmless first.
        """
        self._line(Side.CLIENT.value, make_pattern(*parts))

    def alternative(self, *parts: str | Part) -> None:
        """Write an `or` line, right after the client's line.  Arguments as for `client`."""
        self._line("or", make_pattern(*parts))

    def server(self, *parts: str | Part) -> None:
        """Write a line from the server.  Arguments as for `client`."""
        self._line(Side.SERVER.value, make_pattern(*parts))

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
            text: what stands between the angle brackets.

        Raises:
            ValueError: where it would not be read as a stage direction of that side.
        """
        written = f"<{text}>"
        if direction_text(written) is None or (
            side is Side.CLIENT and parse_direction(text) is None
        ):
            raise ValueError(f"'{written}' is no stage direction; write one of {', '.join(FORMS)}.")
        self._put(f"{side.value} {written}")

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
                f"The character U+{ord(strange):04X} cannot stand in a dialogue; "
                "make the text harmless before it is written."
            )
        self._write(line + "\n")


def format_dialogue(dialogue: Dialogue) -> str:
    """Write a whole dialogue to a string.

    Raises:
        ValueError: for a character that cannot stand in a dialogue.
    """
    written: list[str] = []
    DialogueWriter(written.append).dialogue(dialogue)
    return "".join(written)
