"""What a lesson is: steps, and in them prose, dialogues, questions and hints, in their order.

Everything knows its line in the file, for messages; the line does not count when two are compared.
Prose is kept as its Markdown source: what it looks like is the screen's matter.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from pathlib import Path

from poptalk.lesson.turns import Turn, turns
from poptalk.notation.dialogue import ClientLine, Dialogue
from poptalk.notation.known import Known
from poptalk.protocol.commands import parse_command
from poptalk.protocol.verbs import Effect


class BlockKind(Enum):
    """What is done with a fenced `pop3` block; the values are the words behind `pop3`."""

    TASK = ""
    """The learner is to do these exchanges, in order."""
    SHOW = "show"
    """poptalk does them, and shows them."""
    SETUP = "setup"
    """poptalk does them, folded, to reach a state."""
    PROOF = "proof"
    """poptalk does them on a second connection, to prove an effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prose:
    """Paragraphs, lists, tables and fenced blocks of other kinds."""

    line: int = field(compare=False, default=0)
    source: str
    """Markdown, without the line end behind it."""


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """What is said when a certain line was sent and, perhaps, when a certain reply came."""

    line: int = field(compare=False, default=0)
    dialogue: Dialogue
    """One `C:` line; where `S:` lines follow, the reply must match as well."""
    comment: Prose
    """May name what the dialogue captured, as `{n}`."""

    @cached_property
    def turn(self) -> Turn:
        """The line, with the reply if there is one."""
        return turns(self.dialogue)[0]


@dataclass(frozen=True, kw_only=True)
class Block:
    """A dialogue, and who does it."""

    line: int = field(compare=False, default=0)
    kind: BlockKind
    dialogue: Dialogue
    hints: tuple[Prose, ...] = ()
    """The rungs of the ladder without the last one, which is the answer itself."""
    mistakes: tuple[Mistake, ...] = ()

    @cached_property
    def turns(self) -> tuple[Turn, ...]:
        """What the client does, each with the whole reply to it."""
        return turns(self.dialogue)

    @property
    def deletes(self) -> bool:
        """Whether one of its lines marks messages as deleted."""
        lines = (step for step in self.dialogue.steps if isinstance(step, ClientLine))
        verbs = (parse_command(line.payload.encode("utf-8")).verb for line in lines)
        return any(verb is not None and verb.effect is Effect.MARK for verb in verbs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One answer to a question."""

    line: int = field(compare=False, default=0)
    right: bool
    text: str
    """Inline Markdown."""
    reply: str
    """What is said to whoever chooses it; empty where the author wrote nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuizQuestion:
    """A question, to be answered before going on.  What is asked stands in the prose above it."""

    line: int = field(compare=False, default=0)
    choices: tuple[Choice, ...]
    hints: tuple[Prose, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerNote:
    """`<!-- note: ... -->`: for whoever shows the lesson to others."""

    line: int = field(compare=False, default=0)
    text: str


Item = Prose | Block | QuizQuestion | SpeakerNote


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A heading of the second level, and what stands under it."""

    line: int = field(compare=False, default=0)
    slug: str
    """Its id within the lesson: the heading as code-hosting pages make links of it."""
    title: str
    items: tuple[Item, ...]

    def blocks(self, *kinds: BlockKind) -> Iterator[Block]:
        """Give the blocks of certain kinds, of every kind where none is named."""
        return _blocks(self.items, kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """A lesson, as its author wrote it."""

    name: str
    """Its id: the name of its file without the suffix, such as `03-looking`."""
    path: Path = field(compare=False, default=Path())
    title: str
    summary: str
    minutes: int
    """How long it takes a beginner."""
    mailbox: str
    """The folder among the mailboxes of the lessons, or one beside the lesson's own file."""
    persona: str
    user: str
    password: str = field(repr=False)
    faults: tuple[str, ...] = ()
    """As `Server(faults=...)` takes them; `#2=locked` is about the lesson's second connection."""
    after: tuple[str, ...] = ()
    """Ids of the lessons that should come before."""
    introduction: tuple[Item, ...] = ()
    """What stands above the first step: prose, `show` and `setup` blocks; nothing to be done."""
    steps: tuple[Step, ...]

    def step(self, slug: str) -> Step | None:
        """Return the step with an id, None if there is none."""
        return next((step for step in self.steps if step.slug == slug), None)

    @property
    def known(self) -> Known:
        """Who the learner is on the lesson's practice server."""
        return Known(user=self.user, password=self.password)

    def items(self) -> Iterator[Item]:
        """Give everything in the lesson, in its order."""
        yield from self.introduction
        for step in self.steps:
            yield from step.items

    def blocks(self, *kinds: BlockKind) -> Iterator[Block]:
        """Give the blocks of certain kinds, of every kind where none is named."""
        return _blocks(self.items(), kinds)

    @property
    def deletes(self) -> bool:
        """Whether any line, whoever is to send it, marks messages as deleted."""
        return any(block.deletes for block in self.blocks())


def _blocks(items: Iterable[Item], kinds: Collection[BlockKind]) -> Iterator[Block]:
    return (item for item in items if isinstance(item, Block) and (not kinds or item.kind in kinds))
