"""Says how much a difference matters by the RFCs, and which clause says so."""

from __future__ import annotations

from collections.abc import Iterator

from poptalk.notation.match import Aspect
from poptalk.protocol.capabilities import parse_capability
from poptalk.protocol.commands import Command
from poptalk.protocol.explain import explain_reply
from poptalk.protocol.replies import Status, parse_status_line
from poptalk.protocol.verbs import Clause
from poptalk.script.occurrences import Differed
from poptalk.transcript.octets import octets_of

_REPLIES = Clause(rfc=1939, section="3")
_FOR_PEOPLE = Clause(rfc=1939, section="9")
_CODES = Clause(rfc=2449, section="8")
_CAPABILITIES = Clause(rfc=2449, section="5")
_UPDATE = Clause(rfc=1939, section="6")


def views(differed: Differed) -> Iterator[str]:
    """Give sentences about a difference, each with its clause.

    Args:
        differed: the difference, and what was answered.
    """
    for meaning, clause in _views(differed):
        yield f"{meaning} [{clause}]" if clause is not None else meaning


def _views(differed: Differed) -> Iterator[tuple[str, Clause | None]]:
    difference, command = differed.difference, differed.command
    verb = command.verb if command is not None else None
    match difference.aspect:
        case Aspect.FIELD if difference.field is not None:
            yield (
                f"'{difference.field.name}' is data: {difference.field.meaning}",
                verb.clause if verb is not None else None,
            )
        case Aspect.INDICATOR if difference.came is not None and command is not None:
            yield from _of_the_answer(command, octets_of(difference.came))
        case Aspect.CODE:
            yield "a response code is for programs, unlike the words after it", _CODES
        case Aspect.STATUS_LINE:
            yield (
                "only the indicator and the fields that a command defines count for programs; the "
                "words are for people",
                _FOR_PEOPLE,
            )
        case Aspect.BODY_LINE if verb is not None:
            yield (
                "the lines of a listing are data"
                if verb.fields
                else "a message is sent as it is stored, octet for octet",
                verb.clause,
            )
        case Aspect.CAPABILITY:
            yield from _of_the_capability(difference.expected)
        case Aspect.MECHANISM:
            yield (
                "the server does not keep to the mechanism, or cannot prove that it knows the "
                "password: nothing that it says can be relied upon",
                None,
            )
        case Aspect.END:
            yield "a reply ends with its one line, or with the lone dot", _REPLIES
        case Aspect.CLOSE:
            yield "a server hangs up after its answer to QUIT", _UPDATE


def _of_the_answer(command: Command, line: bytes) -> Iterator[tuple[str, Clause | None]]:
    """Say what an answer means that has another indicator than was written."""
    indicator, *others = explain_reply(command, parse_status_line(line))
    refused = others[-1:] if parse_status_line(line).status is Status.ERR else []
    codes = [part for part in others if part.part.startswith(b"[")]
    for part in (indicator, *codes, *refused):
        yield part.meaning, part.clause


def _of_the_capability(expected: str) -> Iterator[tuple[str, Clause | None]]:
    capability = parse_capability(octets_of(expected.strip("'")))
    known = capability.registered
    if known is not None:
        yield f"{known.tag.decode('ascii')}: {known.meaning}", known.clause
    else:
        yield "not in the IANA registry of POP3 capabilities", _CAPABILITIES
