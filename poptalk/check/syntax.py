"""Checks of commands that are wrong: unknown, incomplete, out of their state, or too long."""

from __future__ import annotations

from collections.abc import Iterable

from poptalk.check.model import INVALID, Level, NotApplicable, Problem, Seen, check, refused
from poptalk.check.probes import LENGTHS, LONGEST_PROMISED

BASICS = "RFC 1939 §3"
WRONG_STATE = (
    "A server MUST respond to a command issued when the session is in an incorrect state by responding "
    "with a negative status indicator."
)


@check(
    "rfc1939/3/keyword-case",
    Level.MUST,
    BASICS,
    "Commands in the POP3 consist of a case-insensitive keyword, possibly followed by one or more "
    "arguments.",
    expects="cApA and nOoP are answered as CAPA and NOOP are",
    suffers="one that writes its commands in lower case gets nothing but refusals",
    probes="capa listings",
)
def _case(seen: Seen) -> Iterable[Problem]:
    for probe, one, other in (("capa", "CAPA", "cApA"), ("listings", "NOOP", "nOoP")):
        usual, unusual = seen.get(probe, one), seen.get(probe, other)
        if usual is not None and unusual is not None and usual.status is not unusual.status:
            yield Problem(f"{one} is {usual.outcome}, {other} {unusual.outcome}", usual, unusual)
    seen("capa", "cApA")


check(
    "rfc1939/3/unknown-command",
    Level.MUST,
    BASICS,
    INVALID,
    expects="a command that doesn't exist is refused",
    suffers="it takes an extension for supported that is not",
    probes="syntax",
    judge=refused("syntax", "XYZZY"),
)
check(
    "rfc1939/3/unknown-command-after-login",
    Level.MUST,
    BASICS,
    INVALID,
    expects="a command that doesn't exist is refused after the login, too",
    suffers="it takes an extension for supported that is not",
    probes="wrong_syntax",
    judge=refused("wrong_syntax", "XYZZY"),
)


@check(
    "robust/unknown-command-goes-on",
    Level.SHOULD,
    BASICS,
    INVALID,
    expects="the session goes on after a command that doesn't exist",
    suffers="one that tries a command to see if it is there loses its connection",
    probes="syntax",
)
def _goes_on(seen: Seen) -> Iterable[Problem]:
    spoken, after = seen("syntax", "XYZZY"), seen("syntax", "CAPA after XYZZY")
    if spoken.closed or after.connection is not spoken.connection:
        yield Problem("the server hangs up at a command that doesn't exist", spoken)


check(
    "rfc1939/3/empty-line",
    Level.MUST,
    BASICS,
    INVALID,
    expects="an empty line is refused",
    suffers="it waits, if its line ends are doubled by something in between",
    probes="syntax",
    judge=refused("syntax", "an empty line"),
)
check(
    "rfc1939/3/empty-line-after-login",
    Level.MUST,
    BASICS,
    INVALID,
    expects="an empty line is refused after the login, too",
    suffers="it waits, if its line ends are doubled by something in between",
    probes="wrong_syntax",
    judge=refused("wrong_syntax", "an empty line"),
)
check(
    "rfc1939/7/user-argument",
    Level.MUST,
    BASICS,
    INVALID,
    expects="USER without a name is refused",
    suffers="an empty name in its settings shows only as a wrong password",
    probes="syntax",
    judge=lambda seen: [
        Problem(f"USER without a name is {spoken.outcome}", spoken)
        for spoken in [seen("syntax", "USER")]
        if not spoken.refused
    ],
)
check(
    "rfc1939/7/pass-needs-user",
    Level.MUST,
    "RFC 1939 §7",
    "may only be given in the AUTHORIZATION state immediately after a successful USER command",
    expects="PASS without a USER before it is refused",
    suffers="nothing; but a server that takes it does not know who logs in",
    probes="syntax",
    judge=refused("syntax", "PASS"),
)
check(
    "rfc1939/7/apop-argument",
    Level.MUST,
    BASICS,
    INVALID,
    expects="APOP without a name, or without a digest, is refused",
    suffers="a mistake in its settings shows only later",
    probes="syntax",
    judge=refused("syntax", "APOP"),
)

_AFTER_LOGIN_ONLY = {
    "STAT": "5",
    "LIST": "5",
    "UIDL": "7",
    "RETR": "5",
    "TOP": "7",
    "DELE": "5",
    "NOOP": "5",
    "RSET": "5",
}
for _command, _section in _AFTER_LOGIN_ONLY.items():
    check(
        f"rfc1939/{_section}/{_command.lower()}-before-login",
        Level.MUST,
        BASICS,
        WRONG_STATE,
        expects=f"{_command} before the login is refused",
        suffers="it believes that it is logged in",
        probes="before_login",
        judge=refused("before_login", _command),
    )

_BEFORE_LOGIN_ONLY = {
    "USER": "USER poptalk-check",
    "PASS": "PASS poptalk-check",
    "APOP": "APOP poptalk-check 00",
    "AUTH": "AUTH after the login",
}
for _command, _label in _BEFORE_LOGIN_ONLY.items():
    check(
        f"rfc1939/7/{_command.lower()}-after-login",
        Level.MUST,
        BASICS,
        WRONG_STATE,
        expects=f"{_command} after the login is refused",
        suffers="it believes that it is someone else now",
        probes="wrong_syntax",
        judge=refused("wrong_syntax", _label),
    )

check(
    "rfc1939/5/retr-argument",
    Level.MUST,
    BASICS,
    INVALID,
    expects="RETR without a message-number is refused",
    suffers="it gets a message that it did not ask for",
    probes="wrong_syntax",
    judge=lambda seen: _alone(seen, "RETR"),
)
check(
    "rfc1939/5/dele-argument",
    Level.MUST,
    BASICS,
    INVALID,
    expects="DELE without a message-number is refused",
    suffers="a message is deleted that it did not name",
    probes="wrong_syntax",
    judge=lambda seen: _alone(seen, "DELE"),
)
check(
    "rfc1939/7/top-argument",
    Level.MUST,
    BASICS,
    INVALID,
    expects="TOP without a message-number, or without a number of lines, is refused",
    suffers="it gets more or less of a message than it takes it for",
    probes="wrong_syntax",
    judge=lambda seen: [*_alone(seen, "TOP"), *_alone(seen, "TOP 1")],
)


def _alone(seen: Seen, label: str) -> Iterable[Problem]:
    spoken = seen("wrong_syntax", label)
    if not spoken.refused:
        yield Problem(f"{label} without what it needs is {spoken.outcome}", spoken)


@check(
    "rfc1939/3/arity-none",
    Level.NOTE,
    BASICS,
    INVALID,
    expects="STAT, NOOP and RSET with an argument are refused, since they have none",
    suffers="nothing, as a rule: many servers pass over words that are too many",
    probes="wrong_syntax",
)
def _arity(seen: Seen) -> Iterable[Problem]:
    for label in ("STAT x", "NOOP x", "RSET x"):
        spoken = seen("wrong_syntax", label)
        if not spoken.refused:
            yield Problem(f"{label} is {spoken.outcome}", spoken)


# Lines that are too long, and octets that no command has.


@check(
    "rfc2449/4/command-255",
    Level.MUST,
    "RFC 2449 §4",
    "The maximum length of a command is increased from 47 characters (4 character command, single "
    "space, "
    "40 character argument, CRLF) to 255 octets, including the terminating CRLF.",
    expects="a command of 255 octets is answered, whatever the answer",
    suffers="a long name or a token is cut, and the login fails",
    probes="long_lines capa",
)
def _command_255(seen: Seen) -> Iterable[Problem]:
    if not seen("capa", "CAPA").ok:
        raise NotApplicable("the limit of 255 octets is for servers with CAPA")
    spoken = seen("long_lines", f"a line of {LONGEST_PROMISED}")
    if spoken.line is None or spoken.unsolicited:
        yield Problem(f"a line of {LONGEST_PROMISED} octets is {spoken.outcome}", spoken)


@check(
    "robust/long-line",
    Level.SHOULD,
    BASICS,
    INVALID,
    expects="a long line gets one -ERR, or the end of the connection",
    suffers="a token that is longer than the server's buffer puts it out of step",
    probes="long_lines",
)
def _long_line(seen: Seen) -> Iterable[Problem]:
    for length in LENGTHS:
        spoken = seen("long_lines", f"a line of {length}")
        if spoken.unsolicited and not spoken.closed:
            yield Problem(f"a line of {length} octets is answered more than once", spoken)
        elif spoken.line is None and not spoken.closed:
            yield Problem(f"a line of {length} octets is not answered", spoken)


@check(
    "robust/nul",
    Level.MUST,
    BASICS,
    INVALID,
    expects="a command with NUL in it is refused",
    suffers="nothing; but a server that takes what is before the NUL reads other lines than a filter",
    probes="odd_octets",
)
def _nul(seen: Seen) -> Iterable[Problem]:
    spoken = seen("odd_octets", "NUL")
    if spoken.ok:
        yield Problem("CA, NUL, PA is answered with +OK", spoken)


check(
    "robust/high-octets",
    Level.MUST,
    BASICS,
    INVALID,
    expects="octets that are no ASCII are refused",
    suffers="nothing; but a server that falls over them can be felled by anyone",
    probes="odd_octets",
    judge=refused("odd_octets", "high octets"),
)


@check(
    "robust/control-echo",
    Level.SHOULD,
    "RFC 2449 §3",
    'schar = %x21-5A / %x5C-7F ;printable ASCII, excluding "["',
    expects="control characters of a command are not sent back in its reply",
    suffers="its log, or the terminal that shows it, obeys whoever sent them",
    probes="odd_octets",
)
def _control_echo(seen: Seen) -> Iterable[Problem]:
    spoken = seen("odd_octets", "escapes")
    if spoken.line is not None and any(octet < 0x20 for octet in spoken.line.line):
        yield Problem("the reply repeats control characters of the command", spoken)
