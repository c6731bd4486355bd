"""Hints: the author's rungs, and the answer itself as the last one.

The answer comes from the very line that the lesson checks, so that it cannot be refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from poptalk.lesson.document import Prose, Question
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


class Ladder:
    """The hints to one thing that is awaited."""

    def __init__(self, hints: Sequence[Prose]) -> None:
        self._hints = hints
        self.rung = 0
        """How many hints were shown."""

    def climb(self, answer: str) -> str:
        """Return the next hint: the answer once the author's are used up, and from then on."""
        at, self.rung = self.rung, self.rung + 1
        return " ".join(self._hints[at].source.split()) if at < len(self._hints) else answer

    def start_over(self) -> None:
        """Go back to the foot: something else is awaited."""
        self.rung = 0


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


def answer_to_question(question: Question) -> str:
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
