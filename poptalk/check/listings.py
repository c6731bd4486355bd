"""Checks of STAT, LIST, UIDL and NOOP: their form, and whether they agree with each other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from poptalk.check.connection import Spoken
from poptalk.check.model import (
    INVALID,
    LOCK,
    MUST,
    NO_SUCH_MESSAGE,
    NOTE,
    SCAN_LISTING,
    SHOULD,
    Judge,
    NotApplicable,
    NotClear,
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
from poptalk.pop3.commands import parse_command
from poptalk.pop3.events import ViolationKind
from poptalk.pop3.explain import FormFault, faults_of_line

DROP_LISTING = Sentence(
    "RFC 1939 §5",
    'The positive response consists of "+OK" followed by a single space, the number of messages in the '
    "maildrop, a single space, and the size of the maildrop in octets.",
)
FOR_ONE_MESSAGE = (
    "If an argument was given and the POP3 server issues a positive response with a line containing "
    "information for that message."
)
ID_LISTING = Sentence(
    "RFC 1939 §7",
    "A unique-id listing consists of the message-number of the message, followed by a single space and "
    "the unique-id of the message.",
)
ID_RULE = Sentence(
    "RFC 1939 §7",
    "The unique-id of a message is an arbitrary server-determined string, consisting of one to 70 "
    "characters in the range 0x21 to 0x7E, which uniquely identifies a message within a maildrop and "
    "which persists across sessions.",
)


def _ok(seen: Seen, label: str) -> Spoken:
    """Return an exchange of the probe `listings` that was answered with +OK.

    Raises:
        NotApplicable: it was refused.
        NotClear: the answer did not come whole.
    """
    spoken = seen("listings", label)
    if not spoken.ok:
        raise (NotApplicable if spoken.refused else NotClear)(f"{label} is {spoken.outcome}")
    return spoken


_STAT = re.compile(rb"\+OK [0-9]+ [0-9]+(?: .*)?", re.IGNORECASE)
_LIST_ROW = re.compile(rb"[0-9]+ [0-9]+(?: .*)?")


@check(
    "rfc1939/5/stat-format",
    MUST,
    DROP_LISTING,
    expects="STAT is answered with +OK and two numbers, one space between them",
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
    SHOULD,
    "This memo STRONGLY discourages implementations from supplying additional information in the "
    "drop listing.",
    expects="nothing follows the two numbers of STAT",
    suffers="if it takes the last word for the size, it reads something else",
    probes="listings",
)
def _stat_more(seen: Seen) -> Iterable[Problem]:
    spoken = _ok(seen, "STAT")
    if len(spoken.words) > 2:
        yield Problem("more follows the size in the answer to STAT", spoken)


check(
    "rfc1939/5/stat-count",
    MUST,
    "Note that messages marked as deleted are not counted in either total.",
    expects="STAT counts as many messages as LIST has",
    suffers="it fetches too few messages, or asks for some that are not there",
    judge=violates(ViolationKind.COUNTS_DIFFER),
)
check(
    "rfc1939/5/stat-sum",
    SHOULD,
    DROP_LISTING,
    expects="the octets of STAT are the sum of those of LIST",
    suffers="its progress bar ends before, or after, a hundred per cent",
    judge=violates(ViolationKind.TOTALS_DIFFER),
)


def _rows(command: str, is_wrong: Callable[[bytes], object], text: str) -> Judge:
    """Return a judge of the lines of a listing; answers for one message have checks of their own."""

    def judge(seen: Seen) -> Iterable[Problem]:
        spoken = _ok(seen, command)
        wrong = [row for row in spoken.rows if is_wrong(row)]
        if wrong:
            yield Problem(f"{len(wrong)} of {len(spoken.rows)} lines of {command}: {text}", spoken)

    return judge


def _uidl_rows(text: str, *forms: FormFault) -> Judge:
    """Return a judge of the lines of UIDL that looks for some faults in them."""

    def is_wrong(row: bytes) -> bool:
        faults = faults_of_line(parse_command(b"UIDL"), row.split())
        return any(fault.form in forms for fault in faults)

    return _rows("UIDL", is_wrong, text)


check(
    "rfc1939/5/list-ok",
    MUST,
    "Possible Responses: +OK scan listing follows -ERR no such message",
    expects="LIST is answered with +OK, even if the mailbox is empty",
    suffers="it reports an error, or finds no messages and says so",
    probes="listings",
    judge=lambda seen: [
        Problem(f"LIST is {spoken.outcome}", spoken)
        for spoken in [seen("listings", "LIST")]
        if spoken.refused or spoken.line is None
    ],
)
check(
    "rfc1939/5/list-format",
    MUST,
    SCAN_LISTING,
    expects="each line of LIST is a number, one space, and a number",
    suffers="it takes a size for zero, or gives up at the line",
    probes="listings",
    judge=_rows("LIST", lambda row: not _LIST_ROW.fullmatch(row), "not two numbers"),
)
check(
    "rfc1939/5/list-nothing-more",
    SHOULD,
    "This memo STRONGLY discourages implementations from supplying additional information in the "
    "scan listing.",
    expects="nothing follows the size in a line of LIST",
    suffers="if it takes the last word for the size, it reads something else",
    probes="listings",
    judge=_rows("LIST", lambda row: len(row.split()) > 2, "more follows the size"),
)
check(
    "rfc1939/4/numbering",
    MUST,
    'The first message in the maildrop is assigned a message-number of "1", the second is assigned '
    '"2", and so on, so that the nth message in a maildrop is assigned a message-number of "n".',
    expects="LIST and UIDL number the messages from 1, each once, without gaps",
    suffers="if it counts by itself, it asks for messages that are not there",
    judge=violates(ViolationKind.NUMBERS_SKIP),
)


@check(
    "rfc1939/4/leading-zeros",
    SHOULD,
    "In POP3 commands and responses, all message-numbers and message sizes are expressed in "
    "base-10 (i.e., decimal).",
    expects="numbers in listings have no leading zeros",
    suffers="some languages read such a number as octal",
    probes="listings",
)
def _zeros(seen: Seen) -> Iterable[Problem]:
    for label in ("LIST", "UIDL"):
        spoken = seen.get("listings", label)
        if spoken is not None and any(re.match(rb"0\d", row) for row in spoken.rows):
            yield Problem(f"message-numbers of {label} begin with a zero", spoken)


_FAULTS_FOR_ONE = {
    FormFault.MISSING: "something is missing",
    FormFault.NOT_A_NUMBER: "there is a word where a number has to be",
    FormFault.OTHER_MESSAGE: "that is another message",
}


def _one(command: str) -> Judge:
    """Return a judge of the answers to LIST or UIDL for one message."""

    def judge(seen: Seen) -> Iterable[Problem]:
        _ok(seen, command)
        for spoken in seen.some("listings", f"{command} "):
            said = f"{spoken.name} is {spoken.outcome}"
            if spoken.reply is None or spoken.status is None:
                yield Problem(said, spoken)
            elif not spoken.ok:
                yield Problem(f"{said}, though LIST has the message", spoken)
            else:
                faults = faults_of_line(parse_command(spoken.sent), spoken.words)
                wrong = [text for each in faults if (text := _FAULTS_FOR_ONE.get(each.form))]
                if wrong:
                    yield Problem(f"{said}: {wrong[0]}", spoken)

    return judge


def _row_differs(command: str) -> Judge:
    def judge(seen: Seen) -> Iterable[Problem]:
        for spoken in seen.some("listings", f"{command} "):
            if any(each.kind is ViolationKind.ROW_DIFFERS for each in spoken.violations):
                text = f"{spoken.name} is {spoken.outcome}, but {command} has something else"
                yield Problem(text, *spoken.with_context)

    return judge


check(
    "rfc1939/5/list-one",
    MUST,
    Sentence("RFC 1939 §5", FOR_ONE_MESSAGE),
    expects="LIST 2 is answered with the number 2 and the size of that message, in one line",
    suffers="it reads the size from words, or takes a whole listing for the next replies",
    probes="listings",
    witness="list-ignores-argument",
    judge=_one("LIST"),
)
check(
    "rfc1939/5/list-one-agrees",
    MUST,
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
    MUST,
    INVALID,
    expects="LIST -1 is refused",
    suffers="nothing; but a server that counts back from the end may count past the beginning",
    probes="wrong_numbers",
    judge=refused("wrong_numbers", "LIST -1"),
)
check(
    "rfc1939/5/list-two-arguments",
    NOTE,
    INVALID,
    expects="LIST 1 2 is refused, since LIST has one argument",
    suffers="nothing, as a rule: many servers ignore extra words",
    probes="wrong_numbers",
    judge=refused("wrong_numbers", "LIST 1 2"),
)
check(
    "robust/number-wrap",
    MUST,
    NO_SUCH_MESSAGE,
    expects="4294967297 is no message, and not message 1",
    suffers="nothing; but two numbers mean one message, and a filter may know only one of them",
    probes="wrong_numbers",
    judge=refused("wrong_numbers", "LIST wrapped", "RETR wrapped"),
)
check(
    "robust/digits-and-letters",
    MUST,
    INVALID,
    expects="LIST 1x is refused",
    suffers="a mistyped number stands for another message, and nobody notices",
    probes="wrong_numbers",
    judge=refused("wrong_numbers", "LIST 1x"),
)
check(
    "rfc1939/3/separator",
    SHOULD,
    "Keywords and arguments are each separated by a single SPACE character.",
    expects="LIST with two spaces, with a tab or with 01 is refused, or answered like LIST 1",
    suffers="it gets another message than it asked for",
    probes="wrong_numbers",
    judge=wrong_if(
        lambda spoken: spoken.ok and (not spoken.words or spoken.words[0].lstrip(b"0") != b"1"),
        "{name} is {outcome}",
        "wrong_numbers",
        *("two spaces", "tab", "a leading zero"),
    ),
)

# UIDL.

check(
    "rfc1939/7/uidl-format",
    MUST,
    ID_LISTING,
    expects="each line of UIDL is a number, a space, and a unique-id, and nothing more",
    suffers="it has no unique-id for a message, and fetches it each time",
    probes="listings",
    judge=_uidl_rows(
        "not a number and a unique-id",
        *(FormFault.MISSING, FormFault.NOT_A_NUMBER, FormFault.MORE_AFTER_ID),
    ),
)
check(
    "rfc1939/7/uidl-single-space",
    MUST,
    ID_LISTING,
    expects="one space separates number and unique-id",
    suffers="if it splits at single spaces, the unique-id is empty: all messages have the same one",
    probes="listings",
    witness="uidl-spaces",
    judge=_rows("UIDL", lambda row: b"  " in row or b"\t" in row, "not one space in between"),
)
check(
    "rfc1939/7/uidl-charset",
    MUST,
    ID_RULE,
    expects="unique-ids consist of octets from 0x21 to 0x7E",
    suffers="its list of messages that it has breaks at such a character",
    probes="listings",
    judge=_uidl_rows("other octets in the unique-id", FormFault.ID_OCTETS),
)
check(
    "rfc1939/7/uidl-length",
    MUST,
    ID_RULE,
    expects="unique-ids have 70 octets at most",
    suffers="it cuts them, and takes two messages for one",
    probes="listings",
    judge=_uidl_rows("longer than 70 octets", FormFault.ID_TOO_LONG),
)


@check(
    "rfc1939/7/uidl-unique",
    SHOULD,
    ID_RULE,
    expects="no two messages have the same unique-id, unless they are copies of each other",
    suffers="it fetches one of the two messages, and never the other",
    probes="listings",
)
def _uidl_unique(seen: Seen) -> Iterable[Problem]:
    spoken = _ok(seen, "UIDL")
    ids = [row.split()[1] for row in spoken.rows if len(row.split()) > 1]
    again = len(ids) - len(set(ids))
    if again:
        text = f"of {len(ids)} messages, {again} have the unique-id of another; copies may"
        yield Problem(text, spoken)


check(
    "rfc1939/7/uidl-one",
    MUST,
    Sentence("RFC 1939 §7", FOR_ONE_MESSAGE),
    expects="UIDL 3 is answered with the number 3 and the unique-id of that message, in one line",
    suffers="it finds no unique-id where the second word is missing: it reports an error, or the "
    "message is new each time",
    probes="listings",
    witness="uidl-without-number",
    judge=_one("UIDL"),
)
check(
    "rfc1939/7/uidl-one-agrees",
    MUST,
    ID_RULE,
    expects="UIDL 3 has the unique-id that UIDL has for message 3",
    suffers="the message is new each time",
    probes="listings",
    judge=_row_differs("UIDL"),
)
check(
    "rfc1939/7/uidl-same-messages",
    MUST,
    "the POP3 server issues a positive response, then the response given is multi-line. After the "
    "initial +OK, for each message in the maildrop, the POP3 server responds with a line "
    "containing information for that message.",
    expects="LIST and UIDL have the same messages",
    suffers="it fetches a message without a unique-id never, or each time",
    judge=violates(ViolationKind.LISTINGS_DIFFER),
)


@check(
    "rfc1939/7/uidl-persists",
    MUST,
    ID_RULE,
    expects="in the next session the messages have the same unique-ids",
    suffers="it fetches everything again, each time",
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
    MUST,
    LOCK,
    expects="LIST and STAT say the same when they are sent again in a session",
    suffers="its message-numbers mean other messages now",
    probes="listings",
)
def _listing_stable(seen: Seen) -> Iterable[Problem]:
    for label in ("LIST", "STAT"):
        one, other = seen("listings", label), seen("listings", f"again {label}")
        if one.ok and other.ok and one.data != other.data:
            yield Problem(f"{label} says something else when it is sent again", one, other)


check(
    "rfc1939/5/noop",
    MUST,
    "The POP3 server does nothing, it merely replies with a positive response.",
    expects="NOOP is answered with +OK",
    suffers="if it keeps its session open with it, it believes that the session is broken",
    probes="listings",
    judge=accepted("listings", "NOOP"),
)
