"""Stage directions: what happens between the lines, in angle brackets as the RFCs write it."""

import re
from enum import Enum

MAX_WAIT_SECONDS = 3600
"""Longest wait that a dialogue may ask for: enough to watch an autologout timer run out (at least
ten minutes, RFC 1939 §3), too little to hold a machine for a day by a slip of the pen."""

_DIRECTION = re.compile(r"<([^<>]*[^<> \t][ \t][^<>]*)>")
_WAIT = re.compile(r"wait ([0-9]{1,6}(?:\.[0-9]{1,3})?) s")


class Side(Enum):
    """Who speaks or acts."""

    CLIENT = "C:"
    SERVER = "S:"


class Action(Enum):
    """What a stage direction asks for."""

    OPEN = "open connection"
    CLOSE = "close connection"
    NEGOTIATE_TLS = "negotiate TLS"
    WAIT = "wait"


FORMS = (*(f"<{action.value}>" for action in Action if action is not Action.WAIT), "<wait 2 s>")
"""The directions on a `C:` line, as one writes them."""

_BY_TEXT = {action.value.lower(): action for action in Action if action is not Action.WAIT}


def direction_text(payload: str) -> str | None:
    """Read a payload that is wholly in angle brackets with a blank in it.

    Args:
        payload: the text behind the marker.

    Returns:
        The text between the brackets, each run of blanks made one; None for any other payload.
    """
    found = _DIRECTION.fullmatch(payload.strip(" \t"))
    return " ".join(found[1].split()) if found else None


def parse_direction(text: str) -> tuple[Action, float | None] | None:
    """Find what a stage direction asks for.

    Args:
        text: the text between the brackets.

    Returns:
        The action, and the seconds of a wait; None where it is none of the four.

    Raises:
        ValueError: for a wait that is longer than MAX_WAIT_SECONDS.
    """
    action = _BY_TEXT.get(text.lower())
    if action is not None:
        return action, None
    wait = _WAIT.fullmatch(text.lower())
    if wait is None:
        return None
    seconds = float(wait[1])
    if seconds > MAX_WAIT_SECONDS:
        raise ValueError(f"a wait lasts {MAX_WAIT_SECONDS} seconds at most")
    return Action.WAIT, seconds


def write_direction(action: Action, seconds: float | None = None) -> str:
    """Write a direction as `parse_direction` reads it, without the brackets."""
    if action is Action.WAIT:
        return f"wait {seconds or 0:.3f}".rstrip("0").rstrip(".") + " s"
    return str(action.value)
