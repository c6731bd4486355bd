"""Sentences about where a session stands: its state, its silence, its end."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from poptalk.lesson.happenings import Disconnected
from poptalk.lesson.seen import SessionState
from poptalk.net.errors import EndedBy
from poptalk.protocol.states import State

STATES = (State.AUTHORIZATION, State.TRANSACTION, State.UPDATE)
"""The three states of RFC 1939 §3, in their order."""

MOST_WORDS = 10
"""Commands that are named of what was sent; the others are counted."""

RECONNECT = "Enter connects again."

STUCK_SECONDS = 30.0
"""Silence after which hanging up is a fair answer."""

_WHO = {EndedBy.SERVER: "The server", EndedBy.US: "You", EndedBy.NETWORK: "The network"}


def strip(state: State) -> str:
    """Write the three states, the present one in brackets."""
    return " > ".join(f"[{each.value}]" if each is state else each.value for each in STATES)


def messages(numbers: Collection[int]) -> str:
    """Name messages: "message 2", "messages 2, 3 and 5"."""
    *most, last = [str(number) for number in sorted(numbers)]
    return f"messages {', '.join(most)} and {last}" if most else f"message {last}"


def closed(ended: Disconnected, before: SessionState) -> str:
    """Say who closed the connection, in which state, and what becomes of marked messages.

    Args:
        ended: the end.
        before: the session before it.
    """
    if before.farewell:
        gone = ""
        if before.marked:
            gone = f" M{messages(before.marked)[1:]} went with it."
        return f"`QUIT` was answered, so the session is over.{gone} {RECONNECT}"
    stays = ""
    if ended.marked:
        verb = "stays" if len(ended.marked) == 1 else "stay"
        stays = f" Without `QUIT`, {messages(ended.marked)} {verb}."
    who = _WHO[ended.ending.by]
    return f"{who} {ended.ending.how} in {ended.state.value}.{stays} {RECONNECT}"


def silent(seconds: float, lines: int) -> str:
    """Say what a reply still lacks.

    Args:
        seconds: how long nothing has come.
        lines: how many lines of the reply have come.
    """
    noun = "line" if lines == 1 else "lines"
    lacking = f"no lone dot yet, {lines} {noun} so far" if lines else "no line has come yet"
    if seconds < STUCK_SECONDS:
        return f"Waiting: {lacking}."
    return f"Still waiting: {lacking}. `:close` hangs up."


def named(words: Sequence[str]) -> str:
    """Write what was sent: "`USER`, `PASS`, `LIST`"."""
    shown = ", ".join(f"`{word}`" for word in words[:MOST_WORDS])
    more = len(words) - MOST_WORDS
    return f"{shown} and {more} more" if more > 0 else shown
