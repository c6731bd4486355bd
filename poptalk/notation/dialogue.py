"""What a dialogue holds: lines of both sides, stage directions and comments, in order.

Every step knows its line in the file.  The line does not count when two steps are compared, so that
a dialogue that was written and read again is equal to itself.
"""

from dataclasses import dataclass, field

from poptalk.notation.directions import Action, Side
from poptalk.notation.pattern import Pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLine:
    """`C:` and what the client sends."""

    line: int = field(compare=False, default=0)
    pattern: Pattern
    alternatives: tuple[Pattern, ...] = ()
    """What is accepted as well: the `or` lines underneath."""

    @property
    def payload(self) -> str:
        """The line as it is sent, without its line end; placeholders stay in their braces."""
        return self.pattern.text.removesuffix("\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLine:
    """`S:` and what the server sends."""

    line: int = field(compare=False, default=0)
    pattern: Pattern

    @property
    def payload(self) -> str:
        """The line as it is received, without its line end; placeholders stay in their braces."""
        return self.pattern.text.removesuffix("\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyLines:
    """Any number of lines from the server: `S: ...`, or a stage direction that describes them."""

    line: int = field(compare=False, default=0)
    description: str | None = None
    """The text between the angle brackets; None for `S: ...`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """Something that happens between the lines."""

    line: int = field(compare=False, default=0)
    side: Side
    action: Action
    seconds: float | None = None
    """How long a wait lasts; None for every other action."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A line that begins with `#`."""

    line: int = field(compare=False, default=0)
    text: str


Step = ClientLine | ServerLine | AnyLines | Direction | Comment


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialogue:
    """A session, or a part of one, as somebody wrote it down."""

    name: str = field(compare=False, default="<dialogue>")
    """The file it comes from, for messages."""
    steps: tuple[Step, ...]
