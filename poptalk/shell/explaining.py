"""Explanations on the screen: for `:why`, and of everything while `:explain on` holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from poptalk.pop3.sasl.base64 import NotBase64, decode
from poptalk.pop3.sasl.mechanism import STARS
from poptalk.pop3.sasl.table import asks_for_password, response_parts, stand_in
from poptalk.protocol.explain import Explanation, explain_greeting, explain_reply, explain_unasked
from poptalk.terminal.render import plain_text
from poptalk.terminal.safe import Fragments, harmless
from poptalk.terminal.width import cells

if TYPE_CHECKING:
    from poptalk.protocol.events import Sent
    from poptalk.protocol.replies import StatusLine
    from poptalk.shell.dialogue import Dialogue
    from poptalk.shell.kept import KeptReply

MOST_LINES = 100
"""Lines of a listing that are looked at."""


def explained_reply(dialogue: Dialogue, reply: KeptReply) -> Iterator[Fragments]:
    """Explain a greeting, a reply or a challenge, part by part.

    Args:
        dialogue: in which it came.
        reply: what is explained.
    """
    if reply.exchange is None:
        return _shown(dialogue, explain_greeting(reply.status_line))
    command = reply.exchange.command
    lines = reply.lines(most=MOST_LINES)
    return _shown(
        dialogue, explain_reply(command, reply.status_line, lines, complete=reply.complete)
    )


def explained_unasked(dialogue: Dialogue, line: StatusLine) -> Iterator[Fragments]:
    """Explain a line that answers nothing.

    Args:
        dialogue: in which it came.
        line: what is explained.
    """
    return _shown(dialogue, explain_unasked(line))


def _shown(dialogue: Dialogue, explanations: Iterable[Explanation]) -> Iterator[Fragments]:
    for each in explanations:
        clause = f" [{each.clause}]" if each.clause else ""
        part = harmless(dialogue.mask(each.part))
        yield from beside(dialogue, part, f"{each.meaning}{clause}")


def beside(dialogue: Dialogue, part: str, meaning: str) -> list[Fragments]:
    """Show a part with what it means beside it, or below it where that is too long.

    Args:
        dialogue: knows how wide the screen is.
        part: harmless text; empty for what is about all of it.
        meaning: one sentence.
    """
    lines = dialogue.note(meaning)
    if not part:
        return lines
    head = ("keyword", part)
    if len(lines) == 1 and cells(part + "  " + plain_text(lines[0])) < dialogue.size()[1]:
        return [[head, ("note", "  "), *lines[0]]]
    return [[head], *lines]


# While `:explain on` holds.


def as_much_as_fits(dialogue: Dialogue, lines: Iterable[Fragments]) -> Iterator[Fragments]:
    """Give lines until the screen is full.

    Args:
        dialogue: knows how large it is.
        lines: what there is to be said.
    """
    budget = dialogue.screenful()
    for line in lines:
        if not budget.spend(plain_text(line)):
            yield from dialogue.note("there is more to say: :why does")
            return
        yield line


def response_stand_in(dialogue: Dialogue, sent: Sent) -> bytes | None:
    """Return what is shown in place of a response of AUTH; None where it is no response, or no base64.

    Args:
        dialogue: in which it was sent, the last challenge being the one that it answers.
        sent: the line.
    """
    response = _response(sent)
    if response is None or _is_misled(dialogue, sent):
        return None
    return stand_in(sent.exchange.command.arguments[0], sent.step, response)


def explained_response(dialogue: Dialogue, sent: Sent) -> Iterator[Fragments]:
    """Show what stands in a response of AUTH, base64 undone, secrets as stars.

    Args:
        dialogue: as for `response_stand_in`.
        sent: the line.
    """
    response = _response(sent)
    if response is None or _is_misled(dialogue, sent):
        return
    try:
        octets = decode(response)
    except NotBase64:
        return
    for part in response_parts(sent.exchange.command.arguments[0], sent.step, octets):
        if part.meaning:
            shown = STARS if part.secret else part.octets
            yield from beside(dialogue, harmless(shown), part.meaning)


def _response(sent: Sent) -> bytes | None:
    if not sent.step or sent.secret is None:
        return None
    return sent.line if sent.sasl else sent.exchange.command.arguments[1]


def _is_misled(dialogue: Dialogue, sent: Sent) -> bool:
    """Tell whether what is usually the name may be the password here."""
    if sent.step != 1:
        return False
    last = dialogue.last
    challenge = last.status_line.text if sent.sasl and last is not None else b""
    return asks_for_password(sent.exchange.command.arguments[0], challenge)
