"""What must be sent again so that a session stands where the lesson stands.

Reset, back, resume and reconnect are one mechanism: a fresh maildrop, and the client's lines of the
setups, shows and tasks before a place.  A connection that came before the last one is worth
replaying only for what it left behind: deletions, letters that came in after it, or values that
later lines use.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from poptalk.lesson.document.model import Block, BlockKind, Item, Lesson, Turn
from poptalk.pop3.commands import Effect
from poptalk.transcript.model import Send, ServerLine
from poptalk.transcript.pattern import Pattern
from poptalk.transcript.placeholders import REASONS


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Cursor:
    """Where a lesson stands."""

    step: int
    """An index; -1 is the introduction."""
    item: int = 0
    turn: int = 0
    """An index among the turns of the item, if it is a block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastConnection:
    """A connection as far as the lesson has gone with it."""

    number: int
    """Which one of the lesson it is, from 1."""
    turns: tuple[Turn, ...] = ()
    is_over: bool = False
    """Whether the lesson itself has ended it."""

    @property
    def said_farewell(self) -> bool:
        """Whether it ended with QUIT, so that deletions came true (RFC 1939 §6)."""
        return any(_succeeds(turn, Effect.FAREWELL) for turn in self.turns)

    @property
    def deletes(self) -> bool:
        """Whether it marked messages."""
        return any(_succeeds(turn, Effect.MARK) for turn in self.turns)

    @property
    def logs_in(self) -> bool:
        """Whether it came to TRANSACTION."""
        return any(_succeeds(turn, Effect.LOGIN) for turn in self.turns)


def items_at(lesson: Lesson, step: int) -> tuple[Item, ...]:
    """Return the items of a step, of the introduction for -1."""
    return lesson.introduction if step < 0 else lesson.steps[step].items


def connections(lesson: Lesson, cursor: Cursor) -> list[PastConnection]:
    """Part what the lesson has done before a place into its connections."""
    past: list[PastConnection] = []
    for turn in _turns_before(lesson, cursor):
        if turn.opens or ((not past or past[-1].is_over) and not turn.closes):
            past.append(PastConnection(number=len(past) + 1))
        if turn.opens or not past:
            continue
        over = past[-1].is_over or turn.closes or _succeeds(turn, Effect.FAREWELL)
        past[-1] = replace(past[-1], turns=(*past[-1].turns, turn), is_over=over)
    return past


def to_replay(
    lesson: Lesson, cursor: Cursor, *, live: bool, later_letters: bool
) -> list[PastConnection]:
    """Choose what is replayed to reach a place.

    Args:
        lesson: the lesson.
        cursor: everything before it counts.
        live: whether only the login is to be done again.
        later_letters: whether letters come in once a session has ended.

    Returns:
        The connections in order.  Where the last one is over, none is to stay open.
    """
    past = connections(lesson, cursor)
    current = [past.pop()] if past and not past[-1].is_over else []
    if live:
        return [_login_of(connection) for connection in current]
    used = {name for turn in _turns_from(lesson, cursor) for name in _names(turn)}
    earlier = []
    for connection in past:
        changes = connection.said_farewell and (
            connection.deletes or (later_letters and connection.logs_in)
        )
        captured = {name for turn in connection.turns for name in _names(turn)}
        if changes or captured & used:
            earlier.append(_without_endless(connection))
    return earlier + [_without_endless(connection) for connection in current]


def _login_of(connection: PastConnection) -> PastConnection:
    """Keep what leads to the last login."""
    logins = [at for at, turn in enumerate(connection.turns) if _succeeds(turn, Effect.LOGIN)]
    stop = logins[-1] + 1 if logins else 0
    return replace(connection, turns=connection.turns[:stop])


def _without_endless(connection: PastConnection) -> PastConnection:
    """Leave out what has no end of its own, and what only lets time pass or hangs up."""
    kept = [
        turn
        for turn, following in pairwise((*connection.turns, None))
        if turn is not None and not (turn.waits or turn.closes or turn.is_endless(following))
    ]
    return replace(connection, turns=tuple(kept))


def _succeeds(turn: Turn, effect: Effect) -> bool:
    return turn.effect is effect and not turn.is_refusal


def _names(turn: Turn) -> Iterator[str]:
    """Give the names in a turn that have no value beforehand."""
    patterns: list[Pattern] = []
    if isinstance(turn.act, Send):
        patterns.append(turn.act.step.pattern)
    if turn.reply is not None:
        patterns += [step.pattern for step in turn.reply.steps if isinstance(step, ServerLine)]
    for pattern in patterns:
        for placeholder in pattern.placeholders:
            if placeholder.name is not None and placeholder.name not in REASONS:
                yield placeholder.name


def _turns_before(lesson: Lesson, cursor: Cursor) -> Iterator[Turn]:
    for step in range(-1, cursor.step + 1):
        items = items_at(lesson, step)
        stop = cursor.item if step == cursor.step else len(items)
        yield from _turns_of(items[:stop])
        if step == cursor.step:
            yield from list(_turns_of(items[stop : stop + 1]))[: cursor.turn]


def _turns_from(lesson: Lesson, cursor: Cursor) -> Iterator[Turn]:
    for step in range(cursor.step, len(lesson.steps)):
        start = cursor.item if step == cursor.step else 0
        yield from _turns_of(items_at(lesson, step)[start:], proofs=True)


def _turns_of(items: Iterable[Item], *, proofs: bool = False) -> Iterator[Turn]:
    for item in items:
        if isinstance(item, Block) and (proofs or item.kind is not BlockKind.PROOF):
            yield from item.turns
