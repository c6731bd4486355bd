"""What a lesson is: steps, and in them prose, dialogues, questions and hints, in their order.

Everything knows its line in the file, for messages; the line doesn't count when two are compared.  Prose
is kept as its Markdown source: how it looks is up to the screen.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from enum import Enum
from functools import cached_property
from importlib import resources
from pathlib import Path

from poptalk.net.errors import reason
from poptalk.pop3.commands import Effect, State, parse_command
from poptalk.pop3.replies import Status, StatusLine, parse_status_line
from poptalk.terminal.safe import harmless
from poptalk.transcript import model as notation
from poptalk.transcript.model import Action, AnyLines, Dialogue, Direction, ExpectedReply, Send
from poptalk.transcript.placeholders import Known

# Everything that can be wrong with a lesson is in `faults.toml`.


_DATA = tomllib.loads(
    resources.files("poptalk.lesson").joinpath("faults.toml").read_text(encoding="utf-8")
)

CODES: Mapping[str, str] = _DATA["codes"]
"""What each code means, in one sentence."""

FAULTS: Mapping[str, tuple[str, str, str]] = _DATA["faults"]
"""For each fault its code, what is wrong, and what would be right, with names in braces for values."""


# Turns: a lesson awaits, judges, hints at and replays one line and its whole reply at a time.


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Something that the client does, and what the server says to it."""

    act: Send | Direction | None
    """None where the server speaks first: the greeting of a connection that is open already."""
    reply: ExpectedReply | None = None
    """None where the dialogue has no answer, so that any will do."""

    @property
    def _action(self) -> Action | None:
        return self.act.action if isinstance(self.act, Direction) else None

    @property
    def opens(self) -> bool:
        """Whether the turn is `C: <open connection>`."""
        return self._action is Action.OPEN

    @property
    def closes(self) -> bool:
        """Whether the turn is `<close connection>`, of either side."""
        return self._action is Action.CLOSE

    @property
    def waits(self) -> bool:
        """Whether the turn is `<wait 2 s>`."""
        return self._action is Action.WAIT

    @property
    def hangs_up(self) -> bool:
        """Whether the turn is `C: <close connection>`."""
        return self.closes and getattr(self.act, "side", None) is notation.Side.CLIENT

    def is_endless(self, following: Turn | None) -> bool:
        """Tell whether the reply has no end, so that one can only hang up, which follows."""
        endless = self.reply is not None and self.may_be_cut_off
        return endless and following is not None and following.hangs_up

    @property
    def is_done_by_somebody(self) -> bool:
        """Whether a person, or a server, has to do something: not so for TLS and a wait."""
        return isinstance(self.act, Send) or self.opens or self.closes

    @property
    def is_refusal(self) -> bool:
        """Whether the awaited reply is -ERR, so that nothing changes."""
        return self._status_line.status is Status.ERR

    @property
    def is_coded(self) -> bool:
        """Whether the awaited reply has a response code (RFC 2449 §8)."""
        return self._status_line.code is not None

    @property
    def _status_line(self) -> StatusLine:
        first = self.reply.steps[0] if self.reply is not None else None
        line = first.payload if isinstance(first, notation.ServerLine) else ""
        return parse_status_line(line.encode("utf-8", "surrogateescape"))

    @property
    def keyword(self) -> str:
        """The keyword of the line; empty for an answer to a challenge, and for a direction."""
        if not isinstance(self.act, Send) or self.act.answers_challenge:
            return ""
        return self.act.command.keyword.decode("utf-8", "replace")

    @property
    def effect(self) -> Effect:
        """What the positive reply to the line changes; NOTHING for a stage direction."""
        verb = self.act.command.verb if isinstance(self.act, Send) else None
        return verb.effect if verb is not None else Effect.NOTHING

    @property
    def may_be_cut_off(self) -> bool:
        """Whether a part of the reply will do: the dialogue leaves its end open."""
        return self.reply is None or isinstance(self.reply.steps[-1], AnyLines)


def come_before_login(turns: Iterable[Turn]) -> bool:
    """Tell whether some turns log in on the connection that is open when they begin."""
    for turn in turns:
        if turn.opens or turn.closes or turn.effect is Effect.FAREWELL:
            return False
        if turn.effect in (Effect.NAME, Effect.LOGIN) and not turn.is_refusal:
            return True
    return False


def turns(dialogue: Dialogue) -> tuple[Turn, ...]:
    """Take a dialogue apart.

    Returns:
        The turns in the order in which the client takes them, replies to pipelined lines
        (RFC 2449 §6.6) with the line that each answers.  "Any lines" that answer nothing are left out:
        there need not be any.
    """
    found: list[Turn] = []
    for act in notation.exchanges(dialogue):
        match act:
            case Send() | Direction():
                found.append(Turn(act=act))
            case ExpectedReply():
                _put_reply(found, act)
            case AnyLines():
                pass
    return tuple(found)


def _put_reply(found: list[Turn], reply: ExpectedReply) -> None:
    """Put a reply with the first line that it can answer, a greeting with the opening."""
    for index, turn in enumerate(found):
        is_answer = isinstance(turn.act, Send) and turn.act.command is reply.answers
        if is_answer and turn.reply is None:
            found[index] = replace(turn, reply=reply)
            return
    if found and found[-1].opens and found[-1].reply is None:
        found[-1] = replace(found[-1], reply=reply)
    else:
        found.append(Turn(act=None, reply=reply))


class BlockKind(Enum):
    """What is done with a fenced `pop3` block; the values are the words after `pop3`."""

    TASK = ""
    """The learner does these exchanges, in order."""
    SHOW = "show"
    """poptalk does them, and shows them."""
    SETUP = "setup"
    """poptalk does them, folded away, to reach a state."""
    PROOF = "proof"
    """poptalk does them on a second connection, to prove an effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prose:
    """Paragraphs, lists, tables and fenced blocks of other kinds."""

    line: int = field(compare=False, default=0)
    source: str
    """Markdown, without a line end after it."""


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """What is said after a certain line and, perhaps, a certain reply."""

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
    """The author's hints; the last one is the answer itself, and added."""
    mistakes: tuple[Mistake, ...] = ()
    at_once: bool = False
    """Whether the lines of a task are sent in one go, before the first reply (RFC 2449 §6.6)."""
    state: State | None = None
    """The state in which the last line of a task must be sent; None for any."""
    outside: bool = False
    """Whether a task is done with another program, which poptalk follows on the practice server."""
    any_order: bool = False
    """Whether the learner chooses in which order a task's lines are sent."""

    @cached_property
    def turns(self) -> tuple[Turn, ...]:
        """What the client does, each with the whole reply to it."""
        return turns(self.dialogue)

    @property
    def is_whole_session(self) -> bool:
        """Whether it goes from the opening of a connection to its end."""
        first, last = self.turns[:1], self.turns[-1:]
        return any(turn.opens for turn in first) and any(
            turn.closes or turn.effect is Effect.FAREWELL for turn in last
        )

    @property
    def only_reads(self) -> bool:
        """Whether each of its turns is a command that changes nothing, so that their order is free."""
        return all(
            isinstance(turn.act, Send)
            and not turn.act.answers_challenge
            and turn.effect is Effect.NOTHING
            for turn in self.turns
        )

    @property
    def deletes(self) -> bool:
        """Whether one of its lines marks messages as deleted."""
        lines = (step for step in self.dialogue.steps if isinstance(step, notation.ClientLine))
        verbs = (parse_command(line.payload.encode("utf-8")).verb for line in lines)
        return any(verb is not None and verb.effect is Effect.MARK for verb in verbs)


_SPELT = (
    "zero/none/no one/first two/second three/third four/fourth five/fifth six/sixth seven/seventh "
    "eight/eighth nine/ninth ten/tenth eleven/eleventh twelve/twelfth"
)

WORDS_OF_NUMBERS = {str(number): words.split("/") for number, words in enumerate(_SPELT.split())}
"""Each number that prose may spell out, in digits, with the words for it."""


def number_meant(text: str) -> str | None:
    """Return the number that a lower-case text means, in digits; None where it means none."""
    if text.isdigit():
        return text
    return next((number for number, words in WORDS_OF_NUMBERS.items() if text in words[:1]), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One answer to a question."""

    line: int = field(compare=False, default=0)
    right: bool
    text: str
    """Inline Markdown."""
    reply: str
    """What is said to those who choose it; empty where the author wrote nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuizQuestion:
    """A question, to be answered before going on.  What is asked is in the prose above it."""

    line: int = field(compare=False, default=0)
    choices: tuple[Choice, ...]
    hints: tuple[Prose, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerNote:
    """`<!-- note: ... -->`: for someone who shows the lesson to others."""

    line: int = field(compare=False, default=0)
    text: str


Item = Prose | Block | QuizQuestion | SpeakerNote


def is_for_learner(item: Item) -> bool:
    """Tell whether the learner has something to do: a task, or a question."""
    is_task = isinstance(item, Block) and item.kind is BlockKind.TASK
    return is_task or isinstance(item, QuizQuestion)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A heading of the second level, and what is under it."""

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
    summary: str = ""
    minutes: int = 1
    """How long it takes a beginner."""
    mailbox: str
    """The folder among the mailboxes of the lessons, or one beside the lesson's own file."""
    persona: str
    user: str
    password: str = field(repr=False)
    faults: tuple[str, ...] = ()
    """As `Server(faults=...)` takes them; `#2=locked` is about the lesson's second connection."""
    own_mailbox: str = "no"
    """`yes` if it suits any mailbox, `no`, or the name of the lesson that takes its place there."""
    after: tuple[str, ...] = ()
    """Ids of the lessons that should come before."""
    introduction: tuple[Item, ...] = ()
    """What is above the first step: prose, `show` and `setup` blocks; nothing to be done."""
    steps: tuple[Step, ...] = ()

    def step(self, slug: str) -> Step | None:
        """Return the step with an id, None if there is none."""
        return next((step for step in self.steps if step.slug == slug), None)

    @property
    def suits_any_mailbox(self) -> bool:
        """Whether it can be done with anybody's mail; its prose may then name what it has captured."""
        return self.own_mailbox == "yes"

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
        """Whether any line, whoever sends it, marks messages as deleted."""
        return any(block.deletes for block in self.blocks())


def _blocks(items: Iterable[Item], kinds: Collection[BlockKind]) -> Iterator[Block]:
    return (item for item in items if isinstance(item, Block) and (not kinds or item.kind in kinds))


# Faults: each has its file, its line, and what would be right.


MAX_QUOTED_CHARACTERS = 100
"""How much of a faulty line is quoted: enough to find it, too little to flood a screen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonFault:
    """One thing that is wrong.

    Args:
        code: one of `CODES`.
        path: the file.
        line_number: the line in it, from 1.
        line: the line itself, harmless for a terminal.
        problem: what is wrong.
        advice: what would be right.
    """

    code: str
    path: Path
    line_number: int
    line: str = ""
    problem: str
    advice: str

    def __str__(self) -> str:
        quote = f": {self.line!r}" if self.line else ""
        end = "" if self.advice.endswith("?") else "."
        place = f"{harmless(str(self.path))}:{self.line_number}"
        return f"{place}: {self.code} {harmless(self.problem)}{quote}; {harmless(self.advice)}{end}"


def make_fault(
    name: str, path: Path, line_number: int, line: str, values: Mapping[str, object]
) -> LessonFault:
    """Make a fault of `FAULTS`.

    Args:
        name: which one.
        path: the file.
        line_number: the line in it, from 1.
        line: the line itself.
        values: what the names in braces stand for.
    """
    code, problem, advice = FAULTS[name]
    return LessonFault(
        code=code,
        path=path,
        line_number=line_number,
        line=harmless(line.strip(), limit=MAX_QUOTED_CHARACTERS),
        problem=problem.format(**values),
        advice=advice.format(**values),
    )


class LessonErrors(ValueError):
    """A lesson that cannot be used.

    Attributes:
        faults: everything that is wrong with it, in the order of its lines; at least one.
    """

    def __init__(self, faults: Iterable[LessonFault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: (fault.line_number, fault.code)))
        super().__init__("\n".join(map(str, self.faults)))


def why_not(error: OSError | ValueError) -> str:
    """Say in a few words why a file cannot be opened; a ValueError is about its name."""
    return reason(error) if isinstance(error, OSError) else "its name cannot be one"


def near_miss(word: str, known: Collection[str], *, form: str = "{}") -> str:
    """Say what an unknown word may have been meant for.

    Args:
        word: as it was written.
        known: the words that there are.
        form: how they are written, with `{}` for the word.

    Returns:
        The end of a sentence: a question with the nearest one, or all there are.
    """
    spelt = {each.casefold(): each for each in known}
    near = get_close_matches(word.casefold(), spelt, n=1)
    if near:
        return f"did you mean {form.format(spelt[near[0]])}?"
    return f"there are {', '.join(form.format(each) for each in known)}"


# A lesson for another person than the one in its story: who logs in, and with which password.


def named_for(lesson: Lesson, known: Known) -> Lesson:
    """Return a lesson whose words have another name and password than its own.

    A name in its story, such as Bob with a capital letter, and the dialogues stay as they are.

    Args:
        lesson: the lesson.
        known: the learner's name and password.
    """
    words = {lesson.user: known.user or "", lesson.password: known.password or ""}
    # In `\0bob\0jones` the zeros aren't part of the words, and bob@club.example is an address.
    either = "|".join(map(re.escape, words))
    pattern = re.compile(rf"(?<![A-Za-z@._-])(?:{either})(?![A-Za-z0-9@_-])")

    def text(source: str) -> str:
        return pattern.sub(lambda found: words[found[0]], source)

    def prose(each: Prose) -> Prose:
        return replace(each, source=text(each.source))

    def choice(each: Choice) -> Choice:
        return replace(each, text=text(each.text), reply=text(each.reply))

    def item(each: Item) -> Item:
        match each:
            case Prose():
                return prose(each)
            case QuizQuestion():
                hints = tuple(map(prose, each.hints))
                return replace(each, choices=tuple(map(choice, each.choices)), hints=hints)
            case Block():
                mistakes = (replace(one, comment=prose(one.comment)) for one in each.mistakes)
                return replace(each, hints=tuple(map(prose, each.hints)), mistakes=tuple(mistakes))
        return each

    return replace(
        lesson,
        introduction=tuple(map(item, lesson.introduction)),
        steps=tuple(replace(step, items=tuple(map(item, step.items))) for step in lesson.steps),
    )
