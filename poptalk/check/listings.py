"""Checks of STAT, LIST, UIDL and NOOP: their form, and whether they agree with each other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from poptalk.check.connection import Spoken
from poptalk.check.model import (
    INVALID,
    Judge,
    Level,
    NotApplicable,
    NotClear,
    Problem,
    Seen,
    accepted,
    check,
    refused,
    refuses_wrong_numbers,
    violates,
)
from poptalk.pop3.commands import Command, parse_command
from poptalk.pop3.events import ViolationKind
from poptalk.pop3.explain import FormFault, faults_of_line

STAT = "RFC 1939 §5"
DROP_LISTING = (
    'The positive response consists of "+OK" followed by a single space, the number of messages in the '
    "maildrop, a single space, and the size of the maildrop in octets."
)
SCAN_LISTING = (
    "A scan listing consists of the message-number of the message, followed by a single space and the "
    "exact size of the message in octets."
)
ID_LISTING = (
    "A unique-id listing consists of the message-number of the message, followed by a single space and "
    "the unique-id of the message."
)
ID_RULE = (
    "The unique-id of a message is an arbitrary server-determined string, consisting of one to 70 "
    "characters in the range 0x21 to 0x7E, which uniquely identifies a message within a maildrop and "
    "which persists across sessions."
)
NUMBERS = (
    'The first message in the maildrop is assigned a message-number of "1", the second is assigned "2", '
    'and so on, so that the nth message in a maildrop is assigned a message-number of "n".'
)


def _command(spoken: Spoken) -> Command:
    return parse_command(spoken.sent)


def _ok(seen: Seen, label: str) -> Spoken:
    """Return an exchange of the probe `listings` that was answered with +OK.

    Raises:
        NotApplicable: it was refused.
        NotClear: it did not come whole.
    """
    spoken = seen("listings", label)
    if spoken.refused:
        raise NotApplicable(f"{label} is {spoken.outcome}")
    if not spoken.ok:
        raise NotClear(f"{label} is {spoken.outcome}")
    return spoken


_STAT = re.compile(rb"\+OK [0-9]+ [0-9]+(?: .*)?", re.IGNORECASE)
_ROW = {
    "LIST": re.compile(rb"[0-9]+ [0-9]+(?: .*)?"),
    "UIDL": re.compile(rb"[0-9]+ \S.*"),
}


@check(
    "rfc1939/5/stat-format",
    Level.MUST,
    STAT,
    DROP_LISTING,
    expects="STAT is answered with +OK, a number and a number, one space between",
    suffers="it reads no totals, and may believe that there is no mail",
    probes="listings",
)
def _stat_format(seen: Seen) -> Iterable[Problem]:
    spoken = seen("listings", "STAT")
    if not spoken.ok:
        yield Problem(f"STAT is {spoken.outcome}", spoken)
    elif spoken.line is not None and not _STAT.fullmatch(spoken.line.line):
        yield Problem("the answer to STAT is not two numbers", spoken)


@check(
    "rfc1939/5/stat-nothing-more",
    Level.SHOULD,
    STAT,
    "This memo STRONGLY discourages implementations from supplying additional information in the drop "
    "listing.",
    expects="nothing follows the two numbers of STAT",
    suffers="one that takes the last word for the size reads something else",
    probes="listings",
)
def _stat_more(seen: Seen) -> Iterable[Problem]:
    spoken = _ok(seen, "STAT")
    if len(spoken.words) > 2:
        yield Problem("more follows the size in the answer to STAT", spoken)


check(
    "rfc1939/5/stat-count",
    Level.MUST,
    STAT,
    "Note that messages marked as deleted are not counted in either total.",
    expects="STAT counts as many messages as LIST has",
    suffers="it fetches too few messages, or asks for some that are not there",
    judge=violates(ViolationKind.COUNTS_DIFFER),
)
check(
    "rfc1939/5/stat-sum",
    Level.SHOULD,
    STAT,
    DROP_LISTING,
    expects="the octets of STAT are the sum of those of LIST",
    suffers="its progress ends before, or after, a hundred percent",
    judge=violates(ViolationKind.TOTALS_DIFFER),
)


def _rows(command: str, is_wrong: Callable[[Spoken, bytes], bool], text: str) -> Judge:
    """Return a judge of the lines of a listing; the answer for one message belongs to other checks."""

    def judge(seen: Seen) -> Iterable[Problem]:
        spoken = _ok(seen, command)
        wrong = [row for row in spoken.rows if is_wrong(spoken, row)]
        if wrong:
            yield Problem(f"{len(wrong)} of {len(spoken.rows)} lines of {command}: {text}", spoken)

    return judge


def _form(*forms: FormFault) -> Callable[[Spoken, bytes], bool]:
    """Tell whether a line of a listing has one of some faults."""
    return lambda spoken, row: any(
        fault.form in forms for fault in faults_of_line(_command(spoken), row.split())
    )


@check(
    "rfc1939/5/list-ok",
    Level.MUST,
    STAT,
    "Possible Responses: +OK scan listing follows -ERR no such message",
    expects="LIST is answered with +OK, for an empty mailbox too",
    suffers="it finds no messages, and says so, or reports an error",
    probes="listings",
)
def _list_ok(seen: Seen) -> Iterable[Problem]:
    spoken = seen("listings", "LIST")
    if spoken.refused or spoken.line is None:
        yield Problem(f"LIST is {spoken.outcome}", spoken)


check(
    "rfc1939/5/list-format",
    Level.MUST,
    STAT,
    SCAN_LISTING,
    expects="each line of LIST is a number, one space, and a number",
    suffers="it takes a size for zero, or gives up at the line",
    probes="listings",
    judge=_rows("LIST", lambda _, row: not _ROW["LIST"].fullmatch(row), "not two numbers"),
)
check(
    "rfc1939/5/list-nothing-more",
    Level.SHOULD,
    STAT,
    "This memo STRONGLY discourages implementations from supplying additional information in the scan "
    "listing.",
    expects="nothing follows the size in a line of LIST",
    suffers="one that takes the last word for the size reads something else",
    probes="listings",
    judge=_rows("LIST", lambda _, row: len(row.split()) > 2, "more follows the size"),
)
check(
    "rfc1939/4/numbering",
    Level.MUST,
    "RFC 1939 §4",
    NUMBERS,
    expects="LIST and UIDL number the messages from 1, each once, without gaps",
    suffers="one that counts asks for messages that are not there",
    judge=violates(ViolationKind.NUMBERS_SKIP),
)


@check(
    "rfc1939/4/leading-zeros",
    Level.SHOULD,
    "RFC 1939 §4",
    "In POP3 commands and responses, all message-numbers and message sizes are expressed in base-10 "
    "(i.e., decimal).",
    expects="numbers in listings have no zeros in front",
    suffers="some languages read such a number as octal",
    probes="listings",
)
def _zeros(seen: Seen) -> Iterable[Problem]:
    for label in ("LIST", "UIDL"):
        spoken = seen.get("listings", label)
        if spoken is not None and any(re.match(rb"0\d", row) for row in spoken.rows):
            yield Problem(f"message-numbers of {label} begin with a zero", spoken)


def _one(command: str) -> Judge:
    """Return a judge of the answer to LIST or UIDL for one message."""

    def judge(seen: Seen) -> Iterable[Problem]:
        _ok(seen, command)
        for spoken in seen.some("listings", f"{command} "):
            if spoken.reply is None or spoken.status is None:
                yield Problem(f"{spoken.name} is {spoken.outcome}", spoken)
            elif not spoken.ok:
                yield Problem(
                    f"{spoken.name} is {spoken.outcome}, and the message is there", spoken
                )
            else:
                faults = [*faults_of_line(_command(spoken), spoken.words)]
                wrong = [fault for fault in faults if fault.form in _OF_ONE]
                if wrong:
                    yield Problem(f"{spoken.name} is {spoken.outcome}: {wrong[0]}", spoken)

    return judge


_OF_ONE = (FormFault.MISSING, FormFault.NOT_A_NUMBER, FormFault.OTHER_MESSAGE)

check(
    "rfc1939/5/list-one",
    Level.MUST,
    STAT,
    "If an argument was given and the POP3 server issues a positive response with a line containing "
    "information for that message.",
    expects="LIST 2 is answered with the number 2 and the size of that message, in one line",
    suffers="it reads the size from words, or takes a whole listing for the next replies",
    probes="listings",
    witness="list-ignores-argument",
    judge=_one("LIST"),
)


def _row_differs(command: str) -> Judge:
    def judge(seen: Seen) -> Iterable[Problem]:
        spoken_of = seen.some("listings", f"{command} ")
        for spoken in spoken_of:
            for violation in spoken.violations:
                if violation.kind is ViolationKind.ROW_DIFFERS:
                    text = f"{spoken.name} is {spoken.outcome}, the listing has something else"
                    yield Problem(text, *spoken.with_context)

    return judge


check(
    "rfc1939/5/list-one-agrees",
    Level.MUST,
    STAT,
    SCAN_LISTING,
    expects="LIST 2 has the size that LIST has for message 2",
    suffers="it cannot tell which of the two sizes to believe",
    probes="listings",
    judge=_row_differs("LIST"),
)
for _name, _section in (("LIST", "5"), ("UIDL", "7")):
    refuses_wrong_numbers(_name, _section, suffers="it goes on with a message that does not exist")
check(
    "rfc1939/5/list-negative",
    Level.MUST,
    "RFC 1939 §3",
    INVALID,
    expects="LIST -1 is refused",
    suffers="nothing; but a server that counts back from the end may count past the beginning",
    probes="wrong_numbers",
    judge=refused("wrong_numbers", "LIST -1"),
)
check(
    "rfc1939/5/list-two-arguments",
    Level.NOTE,
    "RFC 1939 §3",
    INVALID,
    expects="LIST 1 2 is refused, since LIST has one argument",
    suffers="nothing, as a rule: many servers pass over words that are too many",
    probes="wrong_numbers",
    judge=refused("wrong_numbers", "LIST 1 2"),
)
check(
    "robust/number-wrap",
    Level.MUST,
    STAT,
    "-ERR no such message",
    expects="4294967297 is no message, and not message 1",
    suffers="nothing; but two numbers mean one message, and only one of them is filtered",
    probes="wrong_numbers",
    judge=refused("wrong_numbers", "LIST wrapped", "RETR wrapped"),
)
check(
    "robust/digits-and-letters",
    Level.MUST,
    "RFC 1939 §3",
    INVALID,
    expects="LIST 1x is refused",
    suffers="a mistake in a number goes unseen, and another message is meant",
    probes="wrong_numbers",
    judge=refused("wrong_numbers", "LIST 1x"),
)


@check(
    "rfc1939/3/separator",
    Level.SHOULD,
    "RFC 1939 §3",
    "Keywords and arguments are each separated by a single SPACE character.",
    expects="LIST with two spaces or a tab is refused, or answered as LIST 1",
    suffers="it gets another message than it asked for",
    probes="wrong_numbers",
)
def _separator(seen: Seen) -> Iterable[Problem]:
    for label in ("two spaces", "tab", "a zero in front"):
        spoken = seen("wrong_numbers", label)
        if spoken.ok and (not spoken.words or spoken.words[0].lstrip(b"0") != b"1"):
            yield Problem(f"{spoken.name} is {spoken.outcome}", spoken)


# UIDL.

check(
    "rfc1939/7/uidl-format",
    Level.MUST,
    "RFC 1939 §7",
    ID_LISTING,
    expects="each line of UIDL is a number, a space, and a unique-id, and nothing more",
    suffers="it has no unique-id for a message, and fetches it each time",
    probes="listings",
    judge=_rows(
        "UIDL",
        _form(FormFault.MISSING, FormFault.NOT_A_NUMBER, FormFault.MORE_AFTER_ID),
        "not a number and a unique-id",
    ),
)
check(
    "rfc1939/7/uidl-single-space",
    Level.MUST,
    "RFC 1939 §7",
    ID_LISTING,
    expects="one space separates number and unique-id",
    suffers="split at single spaces, the unique-id is empty: all messages have the same one",
    probes="listings",
    witness="uidl-spaces",
    judge=_rows("UIDL", lambda _, row: b"  " in row or b"\t" in row, "more than one space"),
)
check(
    "rfc1939/7/uidl-charset",
    Level.MUST,
    "RFC 1939 §7",
    ID_RULE,
    expects="unique-ids are of octets from 0x21 to 0x7E",
    suffers="its list of what it has seen breaks at such a character",
    probes="listings",
    judge=_rows("UIDL", _form(FormFault.ID_OCTETS), "other octets in the unique-id"),
)
check(
    "rfc1939/7/uidl-length",
    Level.MUST,
    "RFC 1939 §7",
    ID_RULE,
    expects="unique-ids have 70 octets at most",
    suffers="it cuts them, and takes two messages for one",
    probes="listings",
    judge=_rows("UIDL", _form(FormFault.ID_TOO_LONG), "longer than 70 octets"),
)


@check(
    "rfc1939/7/uidl-unique",
    Level.SHOULD,
    "RFC 1939 §7",
    ID_RULE,
    expects="no two messages have the same unique-id, unless they are copies of each other",
    suffers="it fetches one of the two messages, and never the other",
    probes="listings",
)
def _uidl_unique(seen: Seen) -> Iterable[Problem]:
    spoken = _ok(seen, "UIDL")
    ids = [row.split()[1] for row in spoken.rows if len(row.split()) > 1]
    if len(ids) != len(set(ids)):
        twice = len(ids) - len(set(ids))
        yield Problem(f"{twice} unique-ids come more than once; copies may", spoken)


check(
    "rfc1939/7/uidl-one",
    Level.MUST,
    "RFC 1939 §7",
    "If an argument was given and the POP3 server issues a positive response with a line containing "
    "information for that message.",
    expects="UIDL 3 is answered with the number 3 and the unique-id of that message, in one line",
    suffers="it finds no unique-id where the second word is missing: an error, or the message is new "
    "each time",
    probes="listings",
    witness="uidl-without-number",
    judge=_one("UIDL"),
)
check(
    "rfc1939/7/uidl-one-agrees",
    Level.MUST,
    "RFC 1939 §7",
    ID_RULE,
    expects="UIDL 3 has the unique-id that UIDL has for message 3",
    suffers="the message is new each time",
    probes="listings",
    judge=_row_differs("UIDL"),
)
check(
    "rfc1939/7/uidl-same-messages",
    Level.MUST,
    "RFC 1939 §7",
    "the POP3 server issues a positive response, then the response given is multi-line. After the "
    "initial "
    "+OK, for each message in the maildrop, the POP3 server responds with a line containing information "
    "for that message.",
    expects="LIST and UIDL have the same messages",
    suffers="a message without a unique-id is never fetched, or each time",
    judge=violates(ViolationKind.LISTINGS_DIFFER),
)


@check(
    "rfc1939/7/uidl-persists",
    Level.MUST,
    "RFC 1939 §7",
    ID_RULE,
    expects="in the next session the messages have the unique-ids that they had",
    suffers="everything is fetched again, each time",
    probes="another_session",
)
def _uidl_persists(seen: Seen) -> Iterable[Problem]:
    lists = [seen("another_session", f"LIST {label}") for label in ("first", "second")]
    ids = [seen("another_session", f"UIDL {label}") for label in ("first", "second")]
    if not all(spoken.ok for spoken in (*lists, *ids)):
        raise NotApplicable("there is no UIDL")
    if lists[0].rows != lists[1].rows:
        raise NotClear("the mailbox has changed between two sessions")
    if ids[0].rows != ids[1].rows:
        yield Problem("the unique-ids of two sessions differ", *lists, *ids)


@check(
    "rfc1939/4/listing-stable",
    Level.MUST,
    "RFC 1939 §4",
    "the POP3 server then acquires an exclusive-access lock on the maildrop, as necessary to prevent "
    "messages from being modified or removed before the session enters the UPDATE state.",
    expects="LIST and STAT say the same when they are asked again in a session",
    suffers="the numbers that it has mean other messages now",
    probes="listings",
)
def _listing_stable(seen: Seen) -> Iterable[Problem]:
    for label in ("LIST", "STAT"):
        one, other = seen("listings", label), seen("listings", f"again {label}")
        words = slice(2) if label == "STAT" else slice(0)
        if one.ok and other.ok and (one.rows, one.words[words]) != (other.rows, other.words[words]):
            yield Problem(f"{label} is another when it is asked again", one, other)


check(
    "rfc1939/5/noop",
    Level.MUST,
    STAT,
    "The POP3 server does nothing, it merely replies with a positive response.",
    expects="NOOP is answered with +OK",
    suffers="one that keeps its session open with it believes it broken",
    probes="listings",
    judge=accepted("listings", "NOOP"),
)
