"""Hints: the author's rungs, and the answer itself as the last one.

The answer comes from the very line that the lesson checks, so that it cannot be refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from poptalk.lesson.document import Prose, QuizQuestion
from poptalk.lesson.turns import Turn
from poptalk.notation.dialogue import Direction
from poptalk.notation.directions import Action, Side
from poptalk.notation.exchanges import Send
from poptalk.notation.pattern import Bindings, FillError

_DIRECTIONS = {
    (Side.CLIENT, Action.OPEN): "Enter opens the connection; so does `:open`.",
    (Side.CLIENT, Action.CLOSE): "`:close` hangs up without a word.",
    (Side.SERVER, Action.CLOSE): "Nothing is to be typed: the server will hang up by itself.",
    (Side.CLIENT, Action.NEGOTIATE_TLS): "Nothing is to be typed: TLS begins by itself.",
    (Side.CLIENT, Action.WAIT): "Nothing is to be typed: let the time pass.",
}


class Hints:
    """The hints to a question, or to a block of which one turn after the other is awaited.

    The author's are about the whole block, so that none is shown twice.
    """

    def __init__(self, hints: Sequence[Prose]) -> None:
        self._hints = hints
        self._used = 0
        """How many of the author's hints were shown."""
        self.given = 0
        """How many hints were shown to what is awaited now."""

    def next_hint(self, answer: str, *, nudge: str = "") -> str:
        """Return the next hint: the answer once the author's are used up, and from then on.

        Args:
            answer: what is to be done.
            nudge: less than the answer; a first hint where the author's were used up before.
        """
        is_first, self.given = self.given == 0, self.given + 1
        if self._used < len(self._hints):
            self._used += 1
            return " ".join(self._hints[self._used - 1].source.split())
        return nudge if is_first and nudge and self._hints else answer

    def next_turn(self) -> None:
        """Take note that something else is awaited now."""
        self.given = 0


def nudge_to(turn: Turn) -> str:
    """Say what a turn does, and not how it is written; empty where that is not known."""
    verb = turn.act.command.verb if isinstance(turn.act, Send) else None
    if verb is None or (isinstance(turn.act, Send) and turn.act.answers_challenge):
        return ""
    return f"What is due now: {verb.summary}."


def answer_to(turn: Turn, bindings: Bindings, *, live: bool) -> str:
    """Say what is to be done in a turn.

    Args:
        turn: what is awaited.
        bindings: what its placeholders stand for.
        live: whether the secrets are the learner's own, which are not shown.
    """
    if isinstance(turn.act, Direction):
        return _DIRECTIONS[turn.act.side, turn.act.action]
    if turn.act is None:
        return "Nothing is to be typed."
    return f"Send `{shown_line(turn.act, bindings, live=live)}`."


def answer_to_question(question: QuizQuestion) -> str:
    """Say which choice is right."""
    for number, choice in enumerate(question.choices, 1):
        if choice.right:
            return f"Answer `{number}`: {choice.text}"
    return "No choice is right; `:skip` goes on."


def shown_line(send: Send, bindings: Bindings, *, live: bool) -> str:
    """Write the line that is awaited; what has no value, or is secret, stays in its braces."""
    pattern = send.step.pattern
    if live and (send.answers_challenge or send.command.secret is not None):
        return pattern.source
    try:
        return pattern.fill(bindings)
    except FillError:
        return pattern.source
