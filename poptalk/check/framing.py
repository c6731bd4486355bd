"""Checks of greeting, QUIT and framing: status indicators, line ends, lengths, the lone dot."""

from __future__ import annotations

from collections.abc import Iterable

from poptalk.check.connection import Spoken
from poptalk.check.model import (
    BODY_END,
    COMMAND_END,
    MUST,
    NOTE,
    PRINTABLE,
    REPLY_512,
    RESPONDS,
    SHOULD,
    Problem,
    Seen,
    Sentence,
    accepted,
    check,
    violates,
    wrong_if,
)
from poptalk.pop3.events import ViolationKind
from poptalk.pop3.replies import Status

GREETING = Sentence(
    "RFC 1939 §4",
    "Once the TCP connection has been opened by a POP3 client, the POP3 server issues a one line "
    "greeting. This can be any positive response.",
)
STATUS = Sentence(
    "RFC 1939 §3",
    'There are currently two status indicators: positive ("+OK") and negative ("-ERR"). Servers MUST '
    'send the "+OK" and "-ERR" in upper case.',
)


@check(
    "rfc1939/4/greeting-ok",
    MUST,
    GREETING,
    expects="the server speaks first, and its line begins with +OK",
    suffers="it gives up, or goes on with a server that has just turned it away",
    probes="greeting",
    witness="greeting-err",
)
def _greeting_ok(seen: Seen) -> Iterable[Problem]:
    spoken = seen("greeting", "greeting")
    # Whether it is in upper case is another check's business.
    if spoken.status is not Status.OK:
        yield Problem(f"the greeting is {spoken.outcome.removeprefix('answered with ')}", spoken)


check(
    "rfc1939/4/greeting-single",
    MUST,
    GREETING,
    expects="nothing comes after the greeting until a command is sent",
    suffers="it takes the second line for the reply to its first command, and is one reply off from "
    "then on",
    probes="greeting",
    judge=lambda seen: [
        Problem("more than one line comes before any command", spoken)
        for spoken in [seen("greeting", "greeting")]
        if spoken.unsolicited
    ],
)
check(
    "rfc1939/3/crlf",
    MUST,
    "All responses are terminated by a CRLF pair.",
    expects="first lines of replies end in CR and LF",
    suffers="it waits for ever for the CRLF",
    judge=violates(ViolationKind.BARE_LF),
)


@check(
    "rfc1939/3/listing-crlf",
    MUST,
    BODY_END,
    expects="the lines of listings end in CR and LF",
    suffers="if it splits at CRLF, it takes the whole listing for one line",
)
def _listing_crlf(seen: Seen) -> Iterable[Problem]:
    for spoken in seen.all():
        rest = spoken.raw.replace(b"\r\n", b"")
        if (b"\n" in rest or b"\r" in rest) and not spoken.is_message:
            yield Problem(f"a line of the reply to {spoken.name} ends in LF or CR alone", spoken)


check(
    "rfc1939/3/status-known",
    MUST,
    STATUS,
    expects="each reply begins with +OK or -ERR, or, within AUTH, with + and a space",
    suffers="if it looks at the first octet, it takes a refusal for a success; others wait",
    witness="plus-err",
    judge=violates(ViolationKind.NO_STATUS),
)
check(
    "rfc1939/3/status-upper",
    MUST,
    STATUS,
    expects="+OK and -ERR are in upper case",
    suffers="if it compares octets, it sees neither success nor failure",
    witness="lower-case-status",
    judge=violates(ViolationKind.LOWER_CASE_STATUS),
)
check(
    "rfc1939/3/reply-512",
    MUST,
    REPLY_512,
    expects="the first line of a reply has 512 octets at most",
    suffers="its buffer is full: it cuts the line, or gives up",
    judge=violates(ViolationKind.LONG_REPLY_LINE),
)


@check(
    "rfc2449/3/reply-printable",
    SHOULD,
    PRINTABLE,
    expects="first lines of replies are printable ASCII, unless UTF8 or LANG allow more",
    suffers="if it shows the text as it is, the text can colour or clear a terminal",
    witness="escape-greeting",
)
def _printable(seen: Seen) -> Iterable[Problem]:
    elsewhere = {*seen.all("languages", "utf8_mode")}
    for spoken in seen.all():
        line = spoken.line.line if spoken.line is not None else b""
        # What a server only sends back is for robust/control-echo.
        odd = [octet for octet in line if not 0x20 <= octet <= 0x7E and octet not in spoken.sent]
        if odd and spoken not in elsewhere:
            yield Problem(f"the reply to {spoken.name} has other octets in it", spoken)


@check(
    "rfc1939/3/multiline-end",
    MUST,
    "When all lines of the response have been sent, a final line is sent, consisting of a "
    'termination octet (decimal code 046, ".") and a CRLF pair.',
    expects="listings and messages end with a lone dot",
    suffers="it waits for a time-out after the last line",
    witness="no-final-dot:LIST",
)
def _multiline_end(seen: Seen) -> Iterable[Problem]:
    for spoken in seen.all():
        if spoken.status is Status.OK and spoken.reply and not spoken.reply.complete:
            yield Problem(f"the reply to {spoken.name} does not end", spoken)


@check(
    "rfc1939/3/reply-comes",
    MUST,
    RESPONDS,
    expects="each command is answered, and before the next one",
    suffers="it waits in vain; if it goes on after a time-out, it stays one reply late",
    witness="late-reply",
)
def _reply_comes(seen: Seen) -> Iterable[Problem]:
    for spoken in seen.all():
        if spoken.reply is None and spoken.silent and _is_ordinary(spoken):
            yield Problem(f"{spoken.name} is not answered", spoken)


def _is_ordinary(spoken: Spoken) -> bool:
    """Tell whether it is a line that no check of its own is about."""
    return spoken.is_line and 0 < len(spoken.sent) < MOST_ORDINARY_OCTETS


MOST_ORDINARY_OCTETS = 250


@check(
    "rfc1939/5/one-reply",
    MUST,
    RESPONDS,
    expects="a command gets one reply, and nothing is sent unasked",
    suffers="it takes each reply for the next command's: a wrong PASS looks right",
    witness="double-reply",
)
def _one_reply(seen: Seen) -> Iterable[Problem]:
    # Waiting, messages, and what comes after STLS in one segment have checks of their own.
    elsewhere = {*seen.all("waiting", "stls_injection")}
    unasked = {ViolationKind.UNSOLICITED, ViolationKind.DATA_AFTER_QUIT}
    for spoken in seen.all():
        kinds = {violation.kind for violation in spoken.violations}
        ordinary = _is_ordinary(spoken) and not spoken.is_message and spoken not in elsewhere
        if ordinary and kinds & unasked:
            yield Problem(f"more comes after the reply to {spoken.name}", spoken)


check(
    "rfc1939/4/quit",
    MUST,
    "or the client may issue the QUIT command.",
    expects="QUIT before the login is answered with +OK, in upper or lower case",
    suffers="it reports an error at the end of a session that had none",
    probes="greeting syntax",
    judge=lambda seen: [
        *accepted("greeting", "QUIT")(seen),
        *accepted("syntax", "qUiT")(seen),
    ],
)

STAYS_OPEN = "the connection is still open five seconds after QUIT"

check(
    "rfc1939/3/quit-closes",
    MUST,
    "In this state, the POP3 server releases any resources acquired during the TRANSACTION state "
    "and says goodbye. The TCP connection is then closed.",
    expects="the server closes the connection after its answer to QUIT, before a login as well",
    suffers="it hangs, if it waits for the end of the connection",
    probes="greeting",
    judge=wrong_if(lambda spoken: not spoken.closed, STAYS_OPEN, "greeting", "QUIT"),
)


@check(
    "rfc1939/6/nothing-after-quit",
    SHOULD,
    "When the client issues the QUIT command from the TRANSACTION state, the POP3 session enters "
    "the UPDATE state.",
    expects="a command after QUIT, in the same segment, is not carried out",
    suffers="nothing, as it sends none; but what comes after its QUIT may not be its own",
    probes="pieces",
)
def _nothing_after_quit(seen: Seen) -> Iterable[Problem]:
    after = seen("pieces", "CAPA after QUIT")
    if after.line is not None:
        yield Problem("CAPA after QUIT is answered", seen("pieces", "QUIT before CAPA"), after)


@check(
    "robust/octet-by-octet",
    MUST,
    COMMAND_END,
    expects="a command that comes in pieces is answered like one that comes whole",
    suffers="over a slow line its commands are refused now and then, and nobody finds out why",
    probes="capa pieces",
)
def _octet_by_octet(seen: Seen) -> Iterable[Problem]:
    one, other = seen("capa", "CAPA"), seen("pieces", "CAPA in pieces")
    if one.status is not other.status:
        text = f"CAPA is {one.outcome}; octet by octet it is {other.outcome}"
        yield Problem(text, one, other)


check(
    "robust/bare-lf",
    NOTE,
    COMMAND_END,
    expects="a line that ends in LF alone is answered or refused, and doesn't leave the client waiting",
    suffers="netcat and scripts that send LF alone hear nothing; the server is right all the same",
    probes="line_ends",
    judge=wrong_if(
        lambda spoken: spoken.reply is None and not spoken.closed,
        "a line that ends in LF alone is not answered",
        "line_ends",
        "CAPA with LF",
    ),
)
check(
    "robust/bare-cr",
    MUST,
    COMMAND_END,
    expects="a CR in the middle of a line does not end it",
    suffers="a proxy in front of the server sees one command where the server sees two, so that one "
    "can be hidden",
    probes="line_ends",
    judge=wrong_if(
        lambda spoken: spoken.ok and spoken.unsolicited,
        "a CR in the middle of a line makes two commands of it",
        "line_ends",
        "CAPA CR CAPA",
    ),
)


@check(
    "rfc1939/3/idle-ten-minutes",
    MUST,
    "A POP3 server MAY have an inactivity autologout timer. Such a timer MUST be of at least 10 "
    "minutes' duration.",
    expects="a session stays open for ten minutes without a command",
    suffers="its user reads a message and comes back, and what was marked is not deleted",
    probes="waiting",
)
def _idle(seen: Seen) -> Iterable[Problem]:
    before = seen("waiting", "NOOP before")
    after = seen.get("waiting", "NOOP afterwards")
    if before.closed or after is None or not after.ok:
        yield Problem("the session has ended in less than ten minutes", before)


check(
    "rfc1939/3/idle-silent",
    SHOULD,
    "When the timer expires, the session does NOT enter the UPDATE state--the server should close "
    "the TCP connection without removing any messages or sending any response to the client.",
    expects="nothing is said in a session without commands, not even when it is closed",
    suffers="it takes the words for the reply to its next command",
    probes="waiting",
    judge=wrong_if(
        lambda spoken: spoken.unsolicited,
        "the server speaks unasked while nothing is sent",
        "waiting",
        "NOOP before",
    ),
)
