"""What is odd in a session: observed by the core, commented on by the screen, never corrected.

Each oddity has a name, one sentence for people, and the clause that it touches.
"""

from __future__ import annotations

from enum import Enum

from poptalk.protocol.values import Value
from poptalk.protocol.verbs import Clause


class OddityKind(Enum):
    """Every oddity that the client core can observe: in what the server sent, then in what we did."""

    LOWER_CASE_STATUS = "lower-case-status"
    NO_STATUS = "no-status"
    NEGATIVE_GREETING = "negative-greeting"
    NOT_POP3 = "not-pop3"
    LONG_REPLY_LINE = "long-reply-line"
    ENDLESS_LINE = "endless-line"
    BARE_LF = "bare-lf"
    BARE_LF_BEFORE_DOT = "bare-lf-before-dot"
    CHALLENGE_WITHOUT_BLANK = "challenge-without-blank"
    UNSOLICITED = "unsolicited"
    DATA_AFTER_QUIT = "data-after-quit"
    RESPONSE_INJECTION = "response-injection"
    REPLY_CUT_SHORT = "reply-cut-short"

    UNKNOWN_COMMAND = "unknown-command"
    RELIC = "relic"
    WRONG_STATE = "wrong-state"
    LONG_COMMAND = "long-command"
    SENT_BARE_LF = "sent-bare-lf"
    SENT_CONTROL = "sent-control"
    LOST_IN_TLS = "lost-in-tls"


class OddityFact(Value):
    """What is always true of one kind of oddity."""

    sentence: str
    clause: Clause | None = None


_STATUS = Clause(rfc=1939, section="3")

FACTS: dict[OddityKind, OddityFact] = {
    OddityKind.LOWER_CASE_STATUS: OddityFact(
        sentence='the status indicator is not in upper case, as it MUST be: "+OK" or "-ERR"',
        clause=_STATUS,
    ),
    OddityKind.NO_STATUS: OddityFact(
        sentence='a reply begins with "+OK" or "-ERR"; this line begins with neither',
        clause=_STATUS,
    ),
    OddityKind.NEGATIVE_GREETING: OddityFact(
        sentence="the greeting should be positive; this server turns us away",
        clause=Clause(rfc=1939, section="4"),
    ),
    OddityKind.NOT_POP3: OddityFact(
        sentence=(
            'a greeting begins with "+OK", and this one does not: is it POP3 that is spoken here? '
            "POP3 is port 110, with TLS 995"
        ),
        clause=Clause(rfc=1939, section="4"),
    ),
    OddityKind.LONG_REPLY_LINE: OddityFact(
        sentence="the first line of a reply may have 512 octets at most, its CRLF included",
        clause=_STATUS,
    ),
    OddityKind.ENDLESS_LINE: OddityFact(
        sentence="this line does not end; what comes beyond 8,192 octets of it is thrown away",
        clause=_STATUS,
    ),
    OddityKind.BARE_LF: OddityFact(
        sentence="the line ends in LF alone; POP3 lines end in CRLF", clause=_STATUS
    ),
    OddityKind.BARE_LF_BEFORE_DOT: OddityFact(
        sentence="the last line before the lone dot ends in LF alone; the reply is taken as ended",
        clause=_STATUS,
    ),
    OddityKind.CHALLENGE_WITHOUT_BLANK: OddityFact(
        sentence='a challenge is "+", one blank, and base64; here the blank is missing',
        clause=Clause(rfc=5034, section="4"),
    ),
    OddityKind.UNSOLICITED: OddityFact(
        sentence="the server speaks without having been asked", clause=_STATUS
    ),
    OddityKind.DATA_AFTER_QUIT: OddityFact(
        sentence="the server goes on talking after its answer to QUIT",
        clause=Clause(rfc=1939, section="6"),
    ),
    OddityKind.RESPONSE_INJECTION: OddityFact(
        sentence=(
            "response injection: octets in clear came behind the +OK to STLS, before TLS began; "
            "anybody on the way can have put them there, so they are not read as a reply"
        ),
        clause=Clause(rfc=2595, section="4"),
    ),
    OddityKind.REPLY_CUT_SHORT: OddityFact(
        sentence="the connection ended in the middle of a reply", clause=_STATUS
    ),
    OddityKind.UNKNOWN_COMMAND: OddityFact(
        sentence="not a command of POP3 that poptalk knows; sent all the same", clause=_STATUS
    ),
    OddityKind.RELIC: OddityFact(sentence="a relic; few servers know it"),
    OddityKind.WRONG_STATE: OddityFact(
        sentence="not legal in this state; sent all the same", clause=_STATUS
    ),
    OddityKind.LONG_COMMAND: OddityFact(
        sentence="longer than the 255 octets that a server has to take, CRLF included",
        clause=Clause(rfc=2449, section="4"),
    ),
    OddityKind.SENT_BARE_LF: OddityFact(
        sentence="sent with LF alone at its end; a strict server goes on waiting for CRLF",
        clause=_STATUS,
    ),
    OddityKind.SENT_CONTROL: OddityFact(
        sentence="sent with octets in it that are not printable ASCII", clause=_STATUS
    ),
    OddityKind.LOST_IN_TLS: OddityFact(
        sentence=(
            "commands that were sent behind STLS in clear get no answer: the server must forget "
            "them when TLS begins"
        ),
        clause=Clause(rfc=2595, section="4"),
    ),
}
