"""What must hold of the screen after whatever a learner types."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from poptalk.lesson.actions import Awaiting
from poptalk.lesson.document.model import Turn
from poptalk.lesson.feedback import MAX_CHARACTERS
from poptalk.pop3.commands import parse_command
from poptalk.transcript.match import match_line
from poptalk.transcript.model import Send
from poptalk.transcript.pattern import Bindings
from tests.lesson.walk.learner import Place, Seen
from tests.lesson.walk.mistakes import WRONG_PASSWORD, Mistake

NEGATIVE = re.compile(
    r"isn't a command|no such|doesn't know|refused|not allowed|is missing|are missing|unknown"
)
"""Words that say that the server did not do something."""

BROKEN = ("a fault in poptalk", "Traceback")
NEVER_SAID = ("Error:", "None", "{", "Right command; th")
"""What is never to be read in a comment, in a lesson on its own server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A mistake that was made, and what came of it.

    Attributes:
        turn: what was awaited; None where that was no line.
        bindings: what its placeholders stood for.
    """

    mistake: Mistake
    turn: Turn | None
    bindings: Bindings
    before: Place
    after: Place
    seen: Seen

    @property
    def said(self) -> str:
        """All comments, in one line."""
        return " ".join(text for _, text in self.seen.comments)

    def is_marked(self, *kinds: str) -> bool:
        """Tell whether one of the comments begins with one of these words."""
        return any(kind in kinds for kind, _ in self.seen.comments)


def findings(case: Case) -> Iterator[str]:
    """Give what is wrong with what was said to a mistake, in a sentence each."""
    for rule in (_of_the_screen, _of_the_words, _of_the_reply, _of_looks, _of_progress):
        yield from rule(case)


def _of_the_screen(case: Case) -> Iterator[str]:
    for broken in BROKEN:
        if broken in case.seen.text:
            yield f"it says {broken!r}"
    if WRONG_PASSWORD in case.seen.text:
        yield "the password is on the screen"
    if case.after.awaiting is Awaiting.BUSY:
        yield "the lesson is at work for ever"


def _of_the_words(case: Case) -> Iterator[str]:
    for never in NEVER_SAID:
        if never in case.said:
            yield f"it says {never!r}"
    if case.said.count("`") > case.mistake.line.count("`"):
        yield "it has marks of Markdown"
    if case.is_marked("could not judge") and "broke off" not in case.said:
        yield "it could not judge"
    for kind, text in case.seen.comments:
        if case.turn is not None and kind != "hint" and len(text) > MAX_CHARACTERS:
            yield f"it is {len(text)} characters long"
        if kind == "not yet" and case.mistake.line and text.endswith(f": {case.mistake.line}"):
            yield "it advises what was typed"


def _of_the_reply(case: Case) -> Iterator[str]:
    """Compare what was said with what the server said."""
    status = case.seen.status
    if status in ("+OK", "+") and any(
        kind in ("not yet", "note") and NEGATIVE.search(text) for kind, text in case.seen.comments
    ):
        yield "it says no to a +OK"
    if status == "-ERR" and "is fine here" in case.said:
        yield "it says that a -ERR is fine"
    if status and case.before.awaiting is Awaiting.COMMAND and not case.seen.comments:
        yield "nothing is said to it"


def _of_looks(case: Case) -> Iterator[str]:
    """Find a look that is called wrong; only another argument of the awaited command may be."""
    line, turn = case.mistake.line, case.turn
    keyword = turn.keyword if turn is not None else ""
    is_look = case.mistake.kind == "looking around" and case.seen.status == "+OK"
    if (
        is_look
        and case.is_marked("not yet")
        and parse_command(line.encode()).keyword.decode() != keyword
    ):
        yield "looking around is called wrong"


def _of_progress(case: Case) -> Iterator[str]:
    """Compare what was counted with what was done."""
    turn, status = case.turn, case.seen.status
    if turn is None:
        return
    if not case.is_marked("done"):
        if case.after.cursor > case.before.cursor:
            yield "the lesson has gone on without saying so"
        return
    if turn.is_refusal and status != "-ERR":
        yield f"{status} is called done, and -ERR was asked for"
    if not turn.is_refusal and status == "-ERR":
        yield "-ERR is called done, and +OK was asked for"
    if isinstance(turn.act, Send) and not is_asked_for(turn.act, case.mistake.line, case.bindings):
        yield "it is called done, and is another line"


def is_asked_for(send: Send, line: str, bindings: Bindings) -> bool:
    """Tell whether a line is the awaited one, but for case, spaces, and what prose puts around it."""
    bare = re.sub(r"(?i)^\s*(?:(?:send|type)[ :]+|c: )", "", line).strip("\"'`. ")
    forms = (line, bare, " ".join(bare.split()))
    return any(match_line(send.step, form.encode(), bindings) is not None for form in forms)
