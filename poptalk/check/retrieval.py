"""Checks of RETR and TOP: sizes, byte-stuffing, line ends, and whether they send the same message."""

from __future__ import annotations

import re
from collections.abc import Iterable

from poptalk.check.connection import Spoken
from poptalk.check.model import (
    BODY_END,
    LOCK,
    MUST,
    NOTE,
    REPLY_512,
    RESPONDS,
    SCAN_LISTING,
    Judge,
    NotApplicable,
    Problem,
    Seen,
    Sentence,
    accepted,
    check,
    refused,
    refuses_wrong_numbers,
    violates,
    wrong_if,
)
from poptalk.check.probes import SEED_BODIES, WHOLE
from poptalk.pop3.commands import parse_command
from poptalk.pop3.events import ViolationKind
from poptalk.session.consistency import only_final_line_end

STUFFING = Sentence(
    "RFC 1939 §3",
    "If any line of the multi-line response begins with the termination octet, the line is "
    '"byte-stuffed" by pre-pending the termination octet to that line of the response.',
)
TOP = Sentence(
    "RFC 1939 §7",
    "If the POP3 server issues a positive response, then the response given is multi-line. After the "
    "initial +OK, the POP3 server sends the headers of the message, the blank line separating the "
    "headers from the body, and then the number of lines of the indicated message's body",
)

check(
    "rfc1939/5/retr",
    MUST,
    "After the initial +OK, the POP3 server sends the message corresponding to the given "
    "message-number, being careful to byte-stuff the termination character",
    expects="RETR is answered with +OK for messages that LIST has",
    suffers="the messages never arrive",
    probes="reading",
    judge=accepted("reading", "RETR "),
)


@check(
    "rfc1939/5/size-exact",
    MUST,
    SCAN_LISTING,
    expects="RETR sends as many octets as LIST has for the message, not counting byte-stuffing",
    suffers="its progress bars and quotas are wrong; if it reads by size, it loses its place",
    probes="reading",
    witness="wrong-octets:-3",
)
def _size(seen: Seen) -> Iterable[Problem]:
    for spoken in seen.some("reading", "RETR "):
        for violation in spoken.violations:
            if violation.kind is ViolationKind.SIZE_DIFFERS:
                minor = only_final_line_end(violation)
                yield Problem(violation.detail, seen("reading", "LIST"), spoken, minor=minor)


check(
    "rfc1939/4/retr-stable",
    MUST,
    LOCK,
    expects="RETR sends the same octets when it is sent again",
    suffers="signatures no longer match, and parts that it has already don't fit the others",
    probes="reading",
    judge=violates(ViolationKind.MESSAGE_CHANGES),
)


def _stuffed(command: str) -> Judge:
    """Return a judge of byte-stuffing: a line may begin with two dots, or end the message with one."""

    def judge(seen: Seen) -> Iterable[Problem]:
        for spoken in seen.some("reading", f"{command} "):
            if spoken.ok and spoken.unsolicited and not _is_empty(spoken.unsolicited):
                text = "ends early, at a line that is a lone dot; the rest follows"
                yield Problem(f"{spoken.name} {text}", spoken)
            elif re.search(rb"(?:\A|\n)\.[^.\r\n]", spoken.raw):
                yield Problem(f"{spoken.name}: a line begins with one dot, not with two", spoken)

    return judge


def _is_empty(octets: bytes) -> bool:
    return not octets.strip(b"\r\n.")


def _seeded(name: str) -> Judge:
    """Return a judge of a message of `--seed`, whose body is known to the octet."""

    def judge(seen: Seen) -> Iterable[Problem]:
        spoken = seen.get("seeds", name)
        if spoken is None:
            raise seen.missing.get("seeds") or NotApplicable(
                "the messages of --seed have not been delivered"
            )
        body = spoken.content.partition(b"\r\n\r\n")[2]
        if spoken.ok and body.rstrip(b"\r\n") != SEED_BODIES[name].rstrip(b"\r\n"):
            yield Problem(f"{spoken.name} sends another body than the message has", spoken)

    return judge


check(
    "rfc1939/3/dot-stuffing",
    MUST,
    STUFFING,
    expects="in the answer to RETR each line that begins with a dot has a second one in front",
    suffers="the message ends at its first lone dot; it takes the rest for replies",
    probes="reading",
    witness="no-dot-stuffing",
    judge=_stuffed("RETR"),
)
check(
    "rfc1939/3/dot-stuffing-top",
    MUST,
    STUFFING,
    expects="in the answer to TOP each line that begins with a dot has a second one in front",
    suffers="previews end early, or lose a dot, while whole messages are fine",
    probes="reading",
    witness="top-no-dot-stuffing",
    judge=_stuffed("TOP"),
)
check(
    "rfc1939/3/dots-kept",
    MUST,
    STUFFING,
    expects="a message with all kinds of dot lines, from --seed, arrives as it was delivered",
    suffers="the message ends early, or lacks dots",
    probes="seeds",
    witness="no-dot-stuffing",
    judge=_seeded("dots"),
)
check(
    "rfc1939/3/dots-between-chunks",
    MUST,
    STUFFING,
    expects="a message of nothing but dots, from --seed, arrives as it was delivered, however large "
    "the chunks are in which the server sends it",
    suffers="one message in thousands ends early, and never one of those in the tests",
    probes="seeds",
    witness="chunk-no-dot-stuffing",
    judge=_seeded("dots-everywhere"),
)


@check(
    "rfc1939/3/nothing-after-dot",
    MUST,
    'Hence a multi-line response is terminated with the five octets "CRLF.CRLF".',
    expects="nothing comes after the lone dot that ends a message",
    suffers="it takes an empty line for the reply to its next command",
    probes="reading",
)
def _after_dot(seen: Seen) -> Iterable[Problem]:
    for spoken in seen.all("reading"):
        if spoken.is_message and spoken.unsolicited and _is_empty(spoken.unsolicited):
            yield Problem(f"an empty line, or a dot, follows the answer to {spoken.name}", spoken)


@check(
    "rfc1939/3/body-crlf",
    MUST,
    BODY_END,
    expects="the lines of messages end in CR and LF, and neither comes alone",
    suffers="if it waits for CRLF.CRLF, it waits for ever; if it splits at LF, it may stop too early",
    probes="reading",
    witness="bare-lf",
)
def _body_crlf(seen: Seen) -> Iterable[Problem]:
    for spoken in seen.all("reading"):
        rest = spoken.raw.replace(b"\r\n", b"") if spoken.is_message else b""
        for octet, name in ((b"\n", "LF"), (b"\r", "CR")):
            if octet in rest:
                yield Problem(f"{spoken.name}: a line has {name} alone", spoken)


@check(
    "robust/long-message-line",
    NOTE,
    REPLY_512,
    expects="lines of messages have 2,048 octets at most, though longer ones are legal",
    suffers="if it is made with Python's poplib, it gives up at the message, every time; those after "
    "it never arrive",
    probes="reading",
    witness="long-line",
)
def _long_lines(seen: Seen) -> Iterable[Problem]:
    for spoken in seen.some("reading", "RETR "):
        longest = max(map(len, spoken.raw.split(b"\n"))) + 1
        if longest > POPLIB_OCTETS:
            yield Problem(f"{spoken.name}: a line of {longest:,} octets", spoken)


POPLIB_OCTETS = 2048


def _tops(seen: Seen) -> list[Spoken]:
    """Return the positive answers to TOP.

    Raises:
        NotApplicable: there are none.
    """
    found = [spoken for spoken in seen.some("reading", "TOP ") if spoken.ok]
    if not found:
        raise NotApplicable("TOP is refused; it is optional")
    return found


def _lines_asked_for(top: Spoken) -> int:
    return int(parse_command(top.sent).arguments[1])


def _of_whole(seen: Seen, top: Spoken) -> Spoken | None:
    """Return what RETR had for the message of an answer to TOP."""
    return seen.get("reading", f"RETR {top.name.split()[1]}")


@check(
    "rfc1939/7/top-zero",
    MUST,
    TOP,
    expects="TOP 1 0 sends the header and the empty line, and no line of the body",
    suffers="a preview of all headers costs as much as fetching the mail",
    probes="reading",
)
def _top_zero(seen: Seen) -> Iterable[Problem]:
    return _too_long(top for top in _tops(seen) if _lines_asked_for(top) == 0)


@check(
    "rfc1939/7/top-count",
    MUST,
    TOP,
    expects="TOP 1 3 sends three lines of the body at most",
    suffers="a preview is longer than there is room for",
    probes="reading",
)
def _top_count(seen: Seen) -> Iterable[Problem]:
    return _too_long(top for top in _tops(seen) if _lines_asked_for(top) > 0)


def _too_long(tops: Iterable[Spoken]) -> Iterable[Problem]:
    for top in tops:
        for violation in top.violations:
            if violation.kind is ViolationKind.TOP_TOO_LONG:
                yield Problem(f"{top.name}: {violation.detail}", top)


@check(
    "rfc1939/7/top-empty-line",
    MUST,
    TOP,
    expects="the answer to TOP 1 0 ends with the empty line after the header",
    suffers="it cannot tell where the header ends",
    probes="reading",
)
def _top_empty_line(seen: Seen) -> Iterable[Problem]:
    for top in _tops(seen):
        whole = _of_whole(seen, top) if _lines_asked_for(top) == 0 else None
        has_body = whole is not None and b"\r\n\r\n" in whole.content
        if has_body and not re.search(rb"(?:\A|\n)\r?\n", top.content):
            yield Problem(f"{top.name} has no empty line", top)


@check(
    "rfc1939/7/top-beginning",
    MUST,
    TOP,
    expects="TOP sends the beginning of what RETR sends",
    suffers="the preview is that of another message, or lacks lines",
    probes="reading",
)
def _top_beginning(seen: Seen) -> Iterable[Problem]:
    return _differs(seen, (top for top in _tops(seen) if _lines_asked_for(top) < WHOLE))


@check(
    "rfc1939/7/top-more",
    MUST,
    "Note that if the number of lines requested by the POP3 client is greater than than the number "
    "of lines in the body, then the POP3 server sends the entire message.",
    expects="TOP with more lines than there are sends the whole message",
    suffers="if it fetches by TOP, so as not to mark messages as read, it loses their ends",
    probes="reading",
)
def _top_more(seen: Seen) -> Iterable[Problem]:
    return _differs(seen, (top for top in _tops(seen) if _lines_asked_for(top) == WHOLE))


def _differs(seen: Seen, tops: Iterable[Spoken]) -> Iterable[Problem]:
    for top in tops:
        for violation in top.violations:
            if violation.kind is ViolationKind.TOP_DIFFERS:
                whole = _of_whole(seen, top)
                shown = (whole, top) if whole is not None else (top,)
                text = f"{top.name} is not the beginning of the message: {violation.detail}"
                yield Problem(text, *shown)


check(
    "rfc1939/5/after-message",
    MUST,
    RESPONDS,
    expects="NOOP after a message is answered with +OK",
    suffers="it is out of step after a message, and reports errors where there are none",
    probes="reading",
    judge=wrong_if(
        lambda spoken: not spoken.ok and not spoken.silent,
        "NOOP after a message is {outcome}",
        "reading",
        "NOOP after ",
    ),
)

for _name, _section in (("RETR", "5"), ("TOP", "7")):
    refuses_wrong_numbers(_name, _section, suffers="it stores a message that does not exist")
check(
    "rfc1939/7/top-lines",
    MUST,
    "a message-number (required) which may NOT refer to to a message marked as deleted, and a "
    "non-negative number of lines (required)",
    expects="TOP 1 -1 and TOP 1 x are refused",
    suffers="nothing; but a server that calculates with such a number may be brought down",
    probes="wrong_numbers",
    judge=refused("wrong_numbers", "TOP 1 "),
)
