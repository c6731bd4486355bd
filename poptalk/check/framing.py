"""Checks of the greeting and of framing: status indicators, line ends, lengths, the lone dot."""

from __future__ import annotations

from collections.abc import Iterable

from poptalk.check.connection import Spoken
from poptalk.check.model import Judge, Level, Problem, Seen, accepted, check, violates
from poptalk.pop3.events import ViolationKind
from poptalk.pop3.replies import Status

BASICS = "RFC 1939 §3"
STATUS = (
    'There are currently two status indicators: positive ("+OK") and negative ("-ERR"). Servers MUST '
    'send the "+OK" and "-ERR" in upper case.'
)
LINE_END = "All responses are terminated by a CRLF pair."


@check(
    "rfc1939/4/greeting-ok",
    Level.MUST,
    "RFC 1939 §4",
    "Once the TCP connection has been opened by a POP3 client, the POP3 server issues a one line "
    "greeting. This can be any positive response.",
    expects="the server speaks first, and its line begins with +OK",
    suffers="it gives up, or goes on with a server that has just turned it away",
    probes="greeting",
    witness="greeting-err",
)
def _greeting_ok(seen: Seen) -> Iterable[Problem]:
    spoken = seen("greeting", "greeting")
    # How it is spelled is another check's business.
    if spoken.status is not Status.OK:
        yield Problem(f"the greeting is {spoken.outcome.removeprefix('answered with ')}", spoken)


@check(
    "rfc1939/4/greeting-single",
    Level.MUST,
    "RFC 1939 §4",
    "Once the TCP connection has been opened by a POP3 client, the POP3 server issues a one line "
    "greeting.",
    expects="nothing comes after the greeting until a command is sent",
    suffers="it takes the second line for the reply to its first command, and is one reply off from "
    "then",
    probes="greeting",
)
def _greeting_single(seen: Seen) -> Iterable[Problem]:
    spoken = seen("greeting", "greeting")
    if spoken.unsolicited:
        yield Problem("more than one line comes before any command", spoken)


check(
    "rfc1939/3/crlf",
    Level.MUST,
    BASICS,
    LINE_END,
    expects="first lines of replies end in CR and LF",
    suffers="one that waits for CRLF waits for ever",
    judge=violates(ViolationKind.BARE_LF),
)


@check(
    "rfc1939/3/listing-crlf",
    Level.MUST,
    BASICS,
    "any additional lines are sent, each terminated by a CRLF pair.",
    expects="the lines of listings end in CR and LF",
    suffers="one that splits at CRLF takes the whole listing for one line",
)
def _listing_crlf(seen: Seen) -> Iterable[Problem]:
    for spoken in seen.all():
        if _lone_line_end(spoken) and spoken.reply and not spoken.reply.is_message:
            yield Problem(f"a line of the reply to {spoken.name} ends in LF or CR alone", spoken)


def _lone_line_end(spoken: Spoken) -> bool:
    rest = spoken.raw.replace(b"\r\n", b"")
    return b"\n" in rest or b"\r" in rest


check(
    "rfc1939/3/status-known",
    Level.MUST,
    BASICS,
    STATUS,
    expects="each reply begins with +OK or -ERR, and within AUTH perhaps with + and a space",
    suffers="one that looks at the first octet takes a refusal for a success, or waits",
    witness="plus-err",
    judge=violates(ViolationKind.NO_STATUS),
)
check(
    "rfc1939/3/status-upper",
    Level.MUST,
    BASICS,
    STATUS,
    expects="+OK and -ERR are in upper case",
    suffers="one that compares octets sees neither success nor failure",
    witness="lower-case-status",
    judge=violates(ViolationKind.LOWER_CASE_STATUS),
)
check(
    "rfc1939/3/reply-512",
    Level.MUST,
    BASICS,
    "Responses may be up to 512 characters long, including the terminating CRLF.",
    expects="the first line of a reply has 512 octets at most",
    suffers="its buffer is full: it cuts the line, or gives up",
    judge=violates(ViolationKind.LONG_REPLY_LINE),
)


@check(
    "rfc2449/3/reply-printable",
    Level.SHOULD,
    "RFC 2449 §3",
    'schar = %x21-5A / %x5C-7F ;printable ASCII, excluding "["',
    expects="first lines of replies are printable ASCII",
    suffers="shown as it is, the text colours or clears a terminal",
    witness="escape-greeting",
)
def _printable(seen: Seen) -> Iterable[Problem]:
    for spoken in seen.all():
        line = spoken.line.line if spoken.line is not None else b""
        # What a server only sends back is for robust/control-echo.
        odd = [octet for octet in line if not 0x20 <= octet <= 0x7E and octet not in spoken.sent]
        if odd:
            yield Problem(f"the reply to {spoken.name or 'nothing'} has other octets in it", spoken)


@check(
    "rfc1939/3/multiline-end",
    Level.MUST,
    BASICS,
    "When all lines of the response have been sent, a final line is sent, consisting of a termination "
    'octet (decimal code 046, ".") and a CRLF pair.',
    expects="listings and messages end with a lone dot",
    suffers="silence after the last line, until a time-out",
    witness="no-final-dot:LIST",
)
def _multiline_end(seen: Seen) -> Iterable[Problem]:
    for spoken in seen.all():
        if spoken.status is Status.OK and spoken.reply and not spoken.reply.complete:
            yield Problem(f"the reply to {spoken.name} does not end", spoken)


@check(
    "rfc1939/3/reply-comes",
    Level.MUST,
    "RFC 1939 §5",
    "After each command, the POP3 server issues a response.",
    expects="each command is answered, and before the next one",
    suffers="it waits in vain; if it goes on after a time-out, it stays one reply late",
    witness="late-reply",
)
def _reply_comes(seen: Seen) -> Iterable[Problem]:
    for spoken in seen.all():
        ordinary = spoken.is_line and 0 < len(spoken.sent) < MOST_ORDINARY_OCTETS
        if spoken.reply is None and spoken.silent and ordinary:
            yield Problem(f"{spoken.name} is not answered", spoken)


MOST_ORDINARY_OCTETS = 250
"""A longer line is another check's business."""


@check(
    "rfc1939/5/one-reply",
    Level.MUST,
    "RFC 1939 §5",
    "After each command, the POP3 server issues a response.",
    expects="a command gets one reply, and nothing is sent unasked",
    suffers="it reads each reply as the next command's: a wrong PASS looks right",
    witness="double-reply",
)
def _one_reply(seen: Seen) -> Iterable[Problem]:
    # Waiting, and what comes behind STLS, have checks of their own, as messages have.
    elsewhere = {*seen.all("waiting", "stls_injection")}
    for spoken in seen.all():
        of_message = spoken.reply is not None and spoken.reply.is_message
        ordinary = spoken.is_line and 0 < len(spoken.sent) < MOST_ORDINARY_OCTETS
        kinds = {violation.kind for violation in spoken.violations}
        if ordinary and not of_message and spoken not in elsewhere and kinds & _UNASKED:
            yield Problem(f"more comes after the reply to {spoken.name}", spoken)


_UNASKED = {ViolationKind.UNSOLICITED, ViolationKind.DATA_AFTER_QUIT}

check(
    "rfc1939/4/quit",
    Level.MUST,
    "RFC 1939 §4",
    "or the client may issue the QUIT command.",
    expects="QUIT before the login is answered with +OK, in any case of letters",
    suffers="it reports an error at the end of a session without one",
    probes="greeting syntax",
    judge=lambda seen: [
        *accepted("greeting", "QUIT")(seen),
        *accepted("syntax", "qUiT")(seen),
    ],
)


def _closes(*probes: str) -> Judge:
    def judge(seen: Seen) -> Iterable[Problem]:
        for probe in probes:
            for spoken in seen.some(probe, "QUIT"):
                if not spoken.closed:
                    yield Problem("the connection stands five seconds after QUIT", spoken)

    return judge


check(
    "rfc1939/3/quit-closes",
    Level.MUST,
    BASICS,
    "In this state, the POP3 server releases any resources acquired during the TRANSACTION state and "
    "says goodbye. The TCP connection is then closed.",
    expects="the server closes the connection after its answer to QUIT, without a login too",
    suffers="one that waits for the end of the connection hangs",
    probes="greeting",
    judge=_closes("greeting"),
)


@check(
    "rfc1939/6/nothing-after-quit",
    Level.SHOULD,
    "RFC 1939 §6",
    "When the client issues the QUIT command from the TRANSACTION state, the POP3 session enters the "
    "UPDATE state.",
    expects="a command behind QUIT, in the same segment, is not carried out",
    suffers="nothing: it would not send one; but what comes behind its QUIT may not be its own",
    probes="pieces",
)
def _nothing_after_quit(seen: Seen) -> Iterable[Problem]:
    behind = seen("pieces", "CAPA behind QUIT")
    if behind.line is not None:
        yield Problem("CAPA behind QUIT is answered", seen("pieces", "QUIT before CAPA"), behind)


check(
    "robust/octet-by-octet",
    Level.MUST,
    BASICS,
    "All commands are terminated by a CRLF pair.",
    expects="a command that comes in pieces is answered as one that comes whole",
    suffers="over a slow line its commands are refused now and then, and nobody finds out why",
    probes="capa pieces",
    judge=lambda seen: _same(seen("capa", "CAPA"), seen("pieces", "CAPA in pieces")),
)


def _same(one: Spoken, other: Spoken) -> Iterable[Problem]:
    if one.status is not other.status:
        yield Problem(f"CAPA is {one.outcome}; octet by octet it is {other.outcome}", one, other)


@check(
    "robust/bare-lf",
    Level.NOTE,
    BASICS,
    "All commands are terminated by a CRLF pair.",
    expects="a line that ends in LF alone is answered, or refused, but not waited on",
    suffers="netcat and scripts that send LF alone hear nothing; the server is right all the same",
    probes="line_ends",
)
def _bare_lf(seen: Seen) -> Iterable[Problem]:
    spoken = seen("line_ends", "CAPA with LF")
    if spoken.reply is None and not spoken.closed:
        yield Problem("a line that ends in LF alone is not answered", spoken)


@check(
    "robust/bare-cr",
    Level.MUST,
    BASICS,
    "All commands are terminated by a CRLF pair.",
    expects="a CR in the middle of a line does not end it",
    suffers="a proxy before it sees one command where the server sees two: one can be hidden",
    probes="line_ends",
)
def _bare_cr(seen: Seen) -> Iterable[Problem]:
    spoken = seen("line_ends", "CAPA CR CAPA")
    if spoken.ok and spoken.unsolicited:
        yield Problem("a CR in the middle of a line makes two commands of it", spoken)


@check(
    "rfc1939/3/idle-ten-minutes",
    Level.MUST,
    BASICS,
    "A POP3 server MAY have an inactivity autologout timer. Such a timer MUST be of at least 10 "
    "minutes' duration.",
    expects="a session stands ten minutes without a command",
    suffers="its user reads a message, comes back, and what was marked is not deleted",
    probes="waiting",
)
def _idle(seen: Seen) -> Iterable[Problem]:
    before = seen("waiting", "NOOP before")
    after = seen.get("waiting", "NOOP afterwards")
    if before.closed or after is None or not after.ok:
        yield Problem("the session has ended in less than ten minutes", before)


@check(
    "rfc1939/3/idle-silent",
    Level.SHOULD,
    BASICS,
    "When the timer expires, the session does NOT enter the UPDATE state--the server should close the "
    "TCP connection without removing any messages or sending any response to the client.",
    expects="nothing is said in a session without commands, not even when it is closed",
    suffers="it takes the words for the reply to its next command",
    probes="waiting",
)
def _idle_silent(seen: Seen) -> Iterable[Problem]:
    before = seen("waiting", "NOOP before")
    if before.unsolicited:
        yield Problem("the server speaks unasked while nothing is sent", before)
