"""What must hold of the screen after whatever a learner types."""

from __future__ import annotations

import re
from collections.abc import Iterator

from poptalk.lesson.actions import Awaiting
from poptalk.lesson.document.model import Turn
from poptalk.lesson.feedback import MAX_CHARACTERS
from poptalk.pop3.commands import State, parse_command
from poptalk.transcript.match import match_line
from poptalk.transcript.model import Send
from poptalk.transcript.pattern import Bindings
from tests.lesson.walk.learner import Place, Seen
from tests.lesson.walk.mistakes import WRONG_PASSWORD, Mistake

NEGATIVE = re.compile(
    r"isn't a command|no such|doesn't know|refused|not allowed|is missing|are missing|unknown"
)
"""Words that say that the server did not do something."""

BROKEN = ("a fault in poptalk", "Traceback", "Error:", "None", "{", "Right command")
"""What is never to be read in a lesson on its own server."""

_CODE = re.compile(r"`[^`]+`")


def findings(
    seen: Seen, mistake: Mistake, turn: Turn | None, bindings: Bindings, before: Place, after: Place
) -> Iterator[str]:
    """Give what is wrong with what was said to a mistake, in a sentence each.

    Args:
        seen: what came of it.
        mistake: what was typed.
        turn: what was awaited; None where that was no line.
        bindings: what its placeholders stood for.
        before: where the learner stood.
        after: where the learner stands now.
    """
    comments = seen.comments
    kinds = [kind for kind, _ in comments]
    said = " ".join(text for _, text in comments)
    for broken in BROKEN:
        if broken in said or (broken in BROKEN[:2] and broken in seen.text):
            yield f"it says {broken!r}"
    if WRONG_PASSWORD in seen.text:
        yield "the password is on the screen"
    if after.awaiting is Awaiting.BUSY:
        yield "the lesson is at work for ever"
    if "could not judge" in kinds and "broke off" not in said:
        yield "it could not judge"
    for kind, text in comments:
        if kind in ("not yet", "note") and seen.status in ("+OK", "+") and NEGATIVE.search(text):
            yield "it says no to a +OK"
        if kind != "hint" and len(text) > MAX_CHARACTERS:
            yield f"it is {len(text)} characters long"
        alone = text.rstrip().endswith(f": {mistake.line}")
        if kind == "not yet" and mistake.line and alone:
            yield "it advises what was typed"
    if turn is not None:
        yield from _of_progress(seen, turn, bindings, mistake, before, after)
    if before.awaiting is Awaiting.COMMAND and seen.status and not comments:
        yield "nothing is said to it"
    if mistake.kind == "looking around" and seen.status == "+OK" and "not yet" in kinds:
        if not _is_same_verb(turn, mistake.line):
            yield "looking around is called wrong"
    if seen.status == "-ERR" and "is fine here" in said:
        yield "it says that a -ERR is fine"


def _is_same_verb(turn: Turn | None, line: str) -> bool:
    if turn is None or not isinstance(turn.act, Send):
        return False
    return turn.keyword == parse_command(line.encode()).keyword.decode().upper()


def _of_progress(
    seen: Seen, turn: Turn, bindings: Bindings, mistake: Mistake, before: Place, after: Place
) -> Iterator[str]:
    """Compare what was counted with what was done."""
    passed = any(kind == "done" for kind, _ in seen.comments)
    if after.cursor > before.cursor and not passed:
        yield "the lesson has gone on without saying so"
    if not passed:
        return
    if turn.is_refusal and seen.status != "-ERR":
        yield f"{seen.status} is called done, and -ERR was asked for"
    if not turn.is_refusal and seen.status == "-ERR":
        yield "-ERR is called done, and +OK was asked for"
    if isinstance(turn.act, Send) and not is_asked_for(turn.act, mistake.line, bindings):
        yield "it is called done, and is another line"


def is_asked_for(send: Send, line: str, bindings: Bindings) -> bool:
    """Tell whether a line is the awaited one, but for case, spaces, and what prose puts around it."""
    bare = re.sub(r"(?i)^\s*(?:send|type)[ :]+", "", line).strip("\"'`. ")
    forms = (line, bare, " ".join(bare.split()))
    return any(match_line(send.step, form.encode(), bindings) is not None for form in forms)


def is_out_of_session(place: Place) -> bool:
    """Tell whether the connection is gone."""
    return place.state is State.CLOSED
