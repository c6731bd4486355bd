"""Checks of RETR and TOP: sizes, byte-stuffing, line ends, and whether they send the same message."""

from __future__ import annotations

import re
from collections.abc import Iterable

from poptalk.check.connection import Spoken
from poptalk.check.model import (
    Judge,
    Level,
    NotApplicable,
    Problem,
    Seen,
    accepted,
    check,
    refused,
    refuses_wrong_numbers,
    violates,
)
from poptalk.check.probes import SEED_BODIES, WHOLE
from poptalk.pop3.commands import parse_command
from poptalk.pop3.events import ViolationKind
from poptalk.session.consistency import only_final_line_end

STUFFING = (
    "If any line of the multi-line response begins with the termination octet, the line is "
    '"byte-stuffed" by pre-pending the termination octet to that line of the response.'
)
TOP = (
    "If the POP3 server issues a positive response, then the response given is multi-line. After the "
    "initial +OK, the POP3 server sends the headers of the message, the blank line separating the "
    "headers "
    "from the body, and then the number of lines of the indicated message's body"
)
RETR = (
    "After the initial +OK, the POP3 server sends the message corresponding to the given "
    "message-number, "
    "being careful to byte-stuff the termination character"
)


def _tops(seen: Seen, *, lines: int | None = None) -> list[Spoken]:
    """Return the answers to TOP that are positive.

    Raises:
        NotApplicable: there are none.
    """
    found = [
        spoken
        for spoken in seen.some("reading", "TOP ")
        if spoken.ok and (lines is None or spoken.name.endswith(f" {lines}"))
    ]
    if not found:
        raise NotApplicable("TOP is refused; it is optional")
    return found


check(
    "rfc1939/5/retr",
    Level.MUST,
    "RFC 1939 §5",
    RETR,
    expects="RETR is answered with +OK for messages that LIST has",
    suffers="the messages never arrive",
    probes="reading",
    judge=accepted("reading", "RETR "),
)


@check(
    "rfc1939/5/size-exact",
    Level.MUST,
    "RFC 1939 §5",
    "A scan listing consists of the message-number of the message, followed by a single space and the "
    "exact size of the message in octets.",
    expects="RETR sends as many octets as LIST has for the message, byte-stuffing undone",
    suffers="progress bars and quotas are wrong; one that reads by size loses the thread",
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
    Level.MUST,
    "RFC 1939 §4",
    "the POP3 server then acquires an exclusive-access lock on the maildrop, as necessary to prevent "
    "messages from being modified or removed before the session enters the UPDATE state.",
    expects="RETR sends the same octets when it is asked again",
    suffers="signatures no longer match, and what it has in parts doesn't fit together",
    probes="reading",
    judge=violates(ViolationKind.MESSAGE_CHANGES),
)


def _stuffed(command: str) -> Judge:
    """Return a judge of byte-stuffing: a line may begin with two dots, or end the message with one."""

    def judge(seen: Seen) -> Iterable[Problem]:
        for spoken in seen.some("reading", f"{command} "):
            bare = re.search(rb"(?:\A|\n)\.[^.\r\n]", spoken.raw)
            if spoken.ok and (spoken.unsolicited and not _empty(spoken.unsolicited)):
                text = f"{spoken.name} ends early, at a line that is a lone dot; the rest follows"
                yield Problem(text, spoken)
            elif bare is not None:
                yield Problem(
                    f"{spoken.name}: a line begins with one dot, and not with two", spoken
                )

    return judge


def _empty(octets: bytes) -> bool:
    return not octets.strip(b"\r\n.")


check(
    "rfc1939/3/dot-stuffing",
    Level.MUST,
    "RFC 1939 §3",
    STUFFING,
    expects="in the answer to RETR each line that begins with a dot has a second one in front",
    suffers="the message ends at its first lone dot; the rest arrives as if it were replies",
    probes="reading",
    witness="no-dot-stuffing",
    judge=_stuffed("RETR"),
)
check(
    "rfc1939/3/dot-stuffing-top",
    Level.MUST,
    "RFC 1939 §3",
    STUFFING,
    expects="in the answer to TOP each line that begins with a dot has a second one in front",
    suffers="previews end early, or lose a dot, while whole messages are fine",
    probes="reading",
    witness="top-no-dot-stuffing",
    judge=_stuffed("TOP"),
)


def _seeded(name: str) -> Judge:
    """Return a judge of a message of `--seed`: its body is known to the octet."""

    def judge(seen: Seen) -> Iterable[Problem]:
        spoken = seen.get("seeds", name)
        if spoken is None:
            raise seen.missing.get("seeds") or NotApplicable(
                "needs the messages of --seed, delivered"
            )
        body = spoken.content.partition(b"\r\n\r\n")[2]
        if spoken.ok and body.rstrip(b"\r\n") != SEED_BODIES[name].rstrip(b"\r\n"):
            text = f"{spoken.name} sends another body than the message has"
            yield Problem(text, spoken)

    return judge


check(
    "rfc1939/3/dots-kept",
    Level.MUST,
    "RFC 1939 §3",
    STUFFING,
    expects="a message with all kinds of dot lines, from --seed, arrives as it was delivered",
    suffers="the message ends early, or lacks dots",
    probes="seeds",
    witness="no-dot-stuffing",
    judge=_seeded("dots"),
)
check(
    "rfc1939/3/dots-between-chunks",
    Level.MUST,
    "RFC 1939 §3",
    STUFFING,
    expects="a message of nothing but dots, from --seed, arrives as it was delivered, whatever the "
    "chunks that the server sends it in",
    suffers="one message in thousands ends early, and never one of those in the tests",
    probes="seeds",
    witness="chunk-no-dot-stuffing",
    judge=_seeded("dots-everywhere"),
)


@check(
    "rfc1939/3/nothing-after-dot",
    Level.MUST,
    "RFC 1939 §3",
    'Hence a multi-line response is terminated with the five octets "CRLF.CRLF".',
    expects="nothing comes after the lone dot that ends a message",
    suffers="it takes an empty line for the reply to its next command",
    probes="reading",
)
def _after_dot(seen: Seen) -> Iterable[Problem]:
    for spoken in seen.all("reading"):
        of_message = spoken.reply is not None and spoken.reply.is_message
        if of_message and spoken.unsolicited and _empty(spoken.unsolicited):
            yield Problem(f"an empty line, or a dot, follows the answer to {spoken.name}", spoken)


@check(
    "rfc1939/3/body-crlf",
    Level.MUST,
    "RFC 1939 §3",
    "any additional lines are sent, each terminated by a CRLF pair.",
    expects="the lines of messages end in CR and LF, and neither comes alone",
    suffers="one that waits for CRLF.CRLF waits for ever, one that splits at LF ends too early",
    probes="reading",
    witness="bare-lf",
)
def _body_crlf(seen: Seen) -> Iterable[Problem]:
    for spoken in seen.all("reading"):
        if not (spoken.reply and spoken.reply.is_message):
            continue
        rest = spoken.raw.replace(b"\r\n", b"")
        for octet, name in ((b"\n", "LF"), (b"\r", "CR")):
            if octet in rest:
                yield Problem(f"{spoken.name}: a line has {name} alone", spoken)


@check(
    "robust/long-message-line",
    Level.NOTE,
    "RFC 1939 §3",
    "Responses may be up to 512 characters long, including the terminating CRLF.",
    expects="lines of messages have 2,048 octets at most; longer ones are legal",
    suffers="Python's poplib gives up at the message, every time; those after it never arrive",
    probes="reading",
    witness="long-line",
)
def _long_lines(seen: Seen) -> Iterable[Problem]:
    for spoken in seen.some("reading", "RETR "):
        longest = max(map(len, spoken.raw.split(b"\n")), default=0) + 1
        if longest > POPLIB_OCTETS:
            yield Problem(f"{spoken.name}: a line of {longest:,} octets", spoken)


POPLIB_OCTETS = 2048

check(
    "rfc1939/7/top-zero",
    Level.MUST,
    "RFC 1939 §7",
    TOP,
    expects="TOP 1 0 sends the header and the empty line, and no line of the body",
    suffers="a preview of all headers costs as much as fetching the mail",
    probes="reading",
    judge=lambda seen: _too_long(seen, zero=True),
)
check(
    "rfc1939/7/top-count",
    Level.MUST,
    "RFC 1939 §7",
    TOP,
    expects="TOP 1 3 sends three lines of the body at most",
    suffers="a preview is longer than there is room for",
    probes="reading",
    judge=lambda seen: _too_long(seen, zero=False),
)


def _too_long(seen: Seen, *, zero: bool) -> Iterable[Problem]:
    for spoken in _tops(seen):
        for violation in spoken.violations:
            kind = violation.kind is ViolationKind.TOP_TOO_LONG
            if kind and spoken.name.endswith(" 0") is zero:
                yield Problem(f"{spoken.name}: {violation.detail}", spoken)


@check(
    "rfc1939/7/top-empty-line",
    Level.MUST,
    "RFC 1939 §7",
    TOP,
    expects="the answer to TOP 1 0 ends with the empty line after the header",
    suffers="it cannot tell where the header ends",
    probes="reading",
)
def _top_empty_line(seen: Seen) -> Iterable[Problem]:
    for spoken in _tops(seen, lines=0):
        number = spoken.name.split()[1]
        whole = seen.get("reading", f"RETR {number}")
        has_body = whole is not None and b"\r\n\r\n" in whole.content
        if has_body and not re.search(rb"(?:\A|\n)\r?\n", spoken.content):
            yield Problem(f"{spoken.name} has no empty line", spoken)


def _differs(seen: Seen, *, whole: bool) -> Iterable[Problem]:
    for spoken in _tops(seen):
        for violation in spoken.violations:
            is_whole = parse_command(spoken.sent).arguments[1:2] == (b"%d" % WHOLE,)
            if violation.kind is ViolationKind.TOP_DIFFERS and is_whole is whole:
                number = spoken.name.split()[1]
                retr = seen.get("reading", f"RETR {number}")
                shown = (retr, spoken) if retr is not None else (spoken,)
                text = f"{spoken.name} is not the beginning of the message: {violation.detail}"
                yield Problem(text, *shown)


check(
    "rfc1939/7/top-beginning",
    Level.MUST,
    "RFC 1939 §7",
    TOP,
    expects="TOP sends the beginning of what RETR sends",
    suffers="the preview is that of another message, or lacks lines",
    probes="reading",
    judge=lambda seen: _differs(seen, whole=False),
)
check(
    "rfc1939/7/top-more",
    Level.MUST,
    "RFC 1939 §7",
    "Note that if the number of lines requested by the POP3 client is greater than than the number of "
    "lines in the body, then the POP3 server sends the entire message.",
    expects="TOP with more lines than there are sends the whole message",
    suffers="one that fetches by TOP, so as not to mark messages as read, loses their ends",
    probes="reading",
    judge=lambda seen: _differs(seen, whole=True),
)


@check(
    "rfc1939/5/after-message",
    Level.MUST,
    "RFC 1939 §5",
    "After each command, the POP3 server issues a response.",
    expects="NOOP after a message is answered with +OK",
    suffers="it is out of step after a message, and reports errors that there are not",
    probes="reading",
)
def _after_message(seen: Seen) -> Iterable[Problem]:
    for spoken in seen.some("reading", "NOOP after "):
        if not spoken.ok and not spoken.silent:
            yield Problem(f"NOOP after a message is {spoken.outcome}", spoken)


for _name, _section in (("RETR", "5"), ("TOP", "7")):
    refuses_wrong_numbers(_name, _section, suffers="it stores a message that does not exist")
check(
    "rfc1939/7/top-lines",
    Level.MUST,
    "RFC 1939 §7",
    "a message-number (required) which may NOT refer to to a message marked as deleted, and a "
    "non-negative number of lines (required)",
    expects="TOP 1 -1 and TOP 1 x are refused",
    suffers="nothing; but a server that counts with such a number can be felled",
    probes="wrong_numbers",
    judge=refused("wrong_numbers", "TOP 1 "),
)
