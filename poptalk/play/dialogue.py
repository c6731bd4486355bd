"""A dialogue as a demo: a lesson in which each line of the client is a step, and any answer will do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Self

from poptalk.lesson.document.blocks import without_value
from poptalk.lesson.document.model import Block, BlockKind, Lesson, Step
from poptalk.lesson.server import LessonServer
from poptalk.net.endpoint import Destination, UsageError
from poptalk.pop3.commands import Effect
from poptalk.pop3.replies import Status, parse_status_line
from poptalk.practice.server import fresh_timestamp, practice_server
from poptalk.run.run import read_dialogue, refuse_long_waits
from poptalk.run.server import MAX_WAIT, account_for, greeting_timestamps, persona_for
from poptalk.transcript import model as notation
from poptalk.transcript.model import (
    Action,
    AnyLines,
    ClientLine,
    Dialogue,
    Direction,
    ExpectedReply,
    Send,
    ServerLine,
)
from poptalk.transcript.placeholders import REASONS


def lesson_of(name: str) -> tuple[Lesson, Dialogue]:
    """Read a dialogue, and make a lesson of it.

    Args:
        name: its file.

    Raises:
        UsageError: it is no dialogue, or has a placeholder whose value cannot be worked out.
    """
    dialogue = read_dialogue(name)
    refuse_long_waits(dialogue, most=MAX_WAIT)
    for line, placeholder in without_value(dialogue, set(REASONS)):
        raise UsageError(
            f"{dialogue.name}:{line}: play cannot work out {placeholder.source}; poptalk run may be "
            "able to"
        )
    account = account_for(dialogue, user=None)
    path = Path(name)
    parts = [Dialogue(steps=tuple(part)) for part in _parts(dialogue)]
    steps = [
        Step(
            slug=f"{number}", title=_title(part), items=(Block(kind=BlockKind.TASK, dialogue=part),)
        )
        for number, part in enumerate(parts, 1)
    ]
    lesson = Lesson(
        name=path.stem,
        path=path,
        title=path.name,
        mailbox=account.mailbox,
        persona=persona_for(dialogue),
        user=account.name,
        password=account.password,
        steps=tuple(steps),
    )
    return lesson, dialogue


def needs_login(dialogue: Dialogue) -> bool:
    """Tell whether a line needs a name or a password."""
    return bool(_named(dialogue) & (REASONS.keys() - {"host"}))


def _named(dialogue: Dialogue) -> set[str | None]:
    """Return the names in the lines of the client that have no value of their own."""
    lines = [step for step in dialogue.steps if isinstance(step, ClientLine)]
    parts = (part for line in lines for part in line.pattern.placeholders)
    return {part.name for part in parts if part.default is None}


def _title(part: Dialogue) -> str:
    """Name a step by its commands; what follows them may be a secret."""
    words = [
        act.command.verb.keyword if act.command.verb is not None else "a line"
        for act in notation.exchanges(part)
        if isinstance(act, Send) and not act.answers_challenge
    ]
    return ", ".join(words) or "the connection"


def _parts(dialogue: Dialogue) -> list[list[notation.Step]]:
    """Cut a dialogue where no reply is due, so that each part is a command with its reply."""
    loose = list(_loosened(dialogue))
    answered = any(isinstance(step, ServerLine | AnyLines) for step in dialogue.steps)
    begins = {id(step) for step in _beginnings(Dialogue(steps=tuple(loose)), answered=answered)}
    parts: list[list[notation.Step]] = [[]]
    for step in loose:
        # What opens a connection stays with the first line on it.
        if id(step) in begins and any(isinstance(each, ClientLine) for each in parts[-1]):
            parts.append([])
        parts[-1].append(step)
    return parts


def _beginnings(dialogue: Dialogue, *, answered: bool) -> Iterator[notation.Step]:
    """Give the lines at which a part may begin.

    Args:
        dialogue: the dialogue.
        answered: whether it has replies at all; without any, a part may begin at every line.
    """
    due = 0
    for act in notation.exchanges(dialogue):
        match act:
            case Send():
                if not act.answers_challenge and not due:
                    yield act.step
                due += answered
            case ExpectedReply(answers=command) if command is not None:
                due = max(0, due - 1)
            case Direction(action=Action.OPEN):
                due = 0
                yield act
            case Direction(action=Action.CLOSE):
                due = 0
            case _:
                pass


def _loosened(dialogue: Dialogue) -> Iterator[notation.Step]:
    """Give the lines of a dialogue, with any answer in place of those that nothing depends on."""
    used = _named(dialogue) - REASONS.keys() - {None}
    kept = {id(step) for step in dialogue.steps if not isinstance(step, ServerLine | AnyLines)}
    instead: dict[int, notation.Step] = {}
    for act, following in pairwise((*notation.exchanges(dialogue), None)):
        if not isinstance(act, ExpectedReply):
            continue
        verb = act.answers.verb if act.answers is not None else None
        match following:
            case Direction(action=Action.CLOSE, side=notation.Side.CLIENT) if (
                verb is not None and verb.effect is Effect.FAREWELL
            ):
                # The server closes by itself, and may be the first.
                kept.discard(id(following))
        lines = [step for step in act.steps if isinstance(step, ServerLine)]
        parts = [part for line in lines for part in line.pattern.placeholders]
        if _is_challenge(act) or any(part.name in used for part in parts):
            kept |= set(map(id, act.steps))
        else:
            instead[id(act.steps[0])] = AnyLines(line=act.steps[0].line)
    for step in dialogue.steps:
        if id(step) in kept:
            yield step
        elif id(step) in instead:
            yield instead[id(step)]


def _is_challenge(reply: ExpectedReply) -> bool:
    first = reply.steps[0]
    line = first.payload if isinstance(first, ServerLine) else ""
    return parse_status_line(line.encode("utf-8", "surrogateescape")).status is Status.CHALLENGE


class DialogueServer(LessonServer):
    """The practice server as a dialogue needs it; a context manager that stops it.

    Args:
        dialogue: the dialogue.
        lesson: what was made of it.
    """

    def __init__(self, dialogue: Dialogue, lesson: Lesson) -> None:
        self.known = lesson.known
        self._persona = lesson.persona
        self._timestamps = greeting_timestamps(dialogue)
        self._number = 0
        self._open = ExitStack()

    def __enter__(self) -> Self:
        served = practice_server(
            persona=self._persona, timestamp=self._timestamp, token=self.known.password
        )
        self._destination = self._open.enter_context(served)
        self.known = replace(self.known, host=self._destination.host)
        return self

    def __exit__(self, *_failure: object) -> None:
        self._open.close()

    def _timestamp(self) -> bytes:
        """Return the timestamp of the present connection: what a digest in the dialogue was made of."""
        written = self._timestamps[self._number - 1 : self._number]
        return (written[0] if written else None) or fresh_timestamp()

    def destination(self, *, fresh: bool, number: int) -> Destination:  # noqa: ARG002 - always fresh
        """Return where to connect to; each session has a copy of the mail."""
        self._number = number
        return self._destination

    def aside(self) -> Destination:
        """Return where to connect to."""
        return self._destination
