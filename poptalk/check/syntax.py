"""Checks of commands that are wrong: unknown, incomplete, out of their state, or too long."""

from __future__ import annotations

from collections.abc import Iterable

from poptalk.check.model import (
    INVALID,
    MUST,
    NOTE,
    PRINTABLE,
    SHOULD,
    WRONG_STATE,
    NotApplicable,
    Problem,
    Seen,
    check,
    refused,
    wrong_if,
)
from poptalk.check.probes import AFTER_LOGIN, LENGTHS, LONGEST_PROMISED


@check(
    "rfc1939/3/keyword-case",
    MUST,
    "Commands in the POP3 consist of a case-insensitive keyword, possibly followed by one or more "
    "arguments.",
    expects="cApA and nOoP are answered like CAPA and NOOP",
    suffers="if it writes its commands in lower case, all of them are refused",
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
    MUST,
    INVALID,
    expects="a command that doesn't exist is refused",
    suffers="it believes that the server has an extension",
    probes="syntax",
    judge=refused("syntax", "XYZZY"),
)
check(
    "rfc1939/3/unknown-command-after-login",
    MUST,
    INVALID,
    expects="a command that doesn't exist is refused after the login, too",
    suffers="it believes that the server has an extension",
    probes="wrong_syntax",
    judge=refused("wrong_syntax", "XYZZY"),
)


@check(
    "robust/unknown-command-goes-on",
    SHOULD,
    INVALID,
    expects="the session goes on after a command that doesn't exist",
    suffers="it loses its connection when it tries whether there is a command",
    probes="syntax",
)
def _goes_on(seen: Seen) -> Iterable[Problem]:
    spoken, after = seen("syntax", "XYZZY"), seen("syntax", "CAPA after XYZZY")
    if spoken.closed or after.connection is not spoken.connection:
        yield Problem("the server hangs up at a command that doesn't exist", spoken)


check(
    "rfc1939/3/empty-line",
    MUST,
    INVALID,
    expects="an empty line is refused",
    suffers="it waits, if something on the way doubles its line ends",
    probes="syntax",
    judge=refused("syntax", "an empty line"),
)
check(
    "rfc1939/3/empty-line-after-login",
    MUST,
    INVALID,
    expects="an empty line is refused after the login, too",
    suffers="it waits, if something on the way doubles its line ends",
    probes="wrong_syntax",
    judge=refused("wrong_syntax", "an empty line"),
)
check(
    "rfc1939/7/user-argument",
    MUST,
    INVALID,
    expects="USER without a name is refused",
    suffers="an empty name in its settings looks like a wrong password",
    probes="syntax",
    judge=wrong_if(
        lambda spoken: not spoken.refused,
        "USER without a name is {outcome}",
        "syntax",
        "USER",
    ),
)
check(
    "rfc1939/7/pass-needs-user",
    MUST,
    "may only be given in the AUTHORIZATION state immediately after a successful USER command",
    expects="PASS without a USER before it is refused",
    suffers="nothing; but a server that takes it does not know who logs in",
    probes="syntax",
    judge=refused("syntax", "PASS"),
)
check(
    "rfc1939/7/apop-argument",
    MUST,
    INVALID,
    expects="APOP without a name, or without a digest, is refused",
    suffers="a mistake in its settings shows only later",
    probes="syntax",
    judge=refused("syntax", "APOP"),
)

for _verb in AFTER_LOGIN:
    check(
        f"rfc1939/{_verb.clause.section}/{_verb.keyword.lower()}-before-login",
        MUST,
        WRONG_STATE,
        expects=f"{_verb.keyword} before the login is refused",
        suffers="it believes that it is logged in",
        probes="before_login",
        judge=refused("before_login", _verb.keyword),
    )

for _command, _label in (
    ("USER", "USER poptalk-check"),
    ("PASS", "PASS poptalk-check"),
    ("APOP", "APOP poptalk-check 00"),
    ("AUTH", "AUTH after the login"),
):
    check(
        f"rfc1939/7/{_command.lower()}-after-login",
        MUST,
        WRONG_STATE,
        expects=f"{_command} after the login is refused",
        suffers="it believes that it is logged in as someone else now",
        probes="wrong_syntax",
        judge=refused("wrong_syntax", _label),
    )

for _command, _section, _lacks, _suffers in (
    ("RETR", "5", "a message-number", "it gets a message that it did not ask for"),
    ("DELE", "5", "a message-number", "a message is deleted that it did not name"),
    (
        "TOP",
        "7",
        "a message-number, or without a number of lines,",
        "it gets more or less of a message than it takes it for",
    ),
):
    check(
        f"rfc1939/{_section}/{_command.lower()}-argument",
        MUST,
        INVALID,
        expects=f"{_command} without {_lacks} is refused",
        suffers=_suffers,
        probes="wrong_syntax",
        judge=wrong_if(
            lambda spoken: not spoken.refused,
            "{name} without all of its arguments is {outcome}",
            "wrong_syntax",
            _command,
        ),
    )
check(
    "rfc1939/3/arity-none",
    NOTE,
    INVALID,
    expects="STAT, NOOP and RSET with an argument are refused, since they have none",
    suffers="nothing, as a rule: many servers ignore extra words",
    probes="wrong_syntax",
    judge=refused("wrong_syntax", "STAT x", "NOOP x", "RSET x"),
)


# Lines that are too long, and octets that no command has.


@check(
    "rfc2449/4/command-255",
    MUST,
    "The maximum length of a command is increased from 47 characters (4 character command, single "
    "space, 40 character argument, CRLF) to 255 octets, including the terminating CRLF.",
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
    SHOULD,
    INVALID,
    expects="a long line gets one -ERR, or ends the connection",
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


check(
    "robust/nul",
    MUST,
    INVALID,
    expects="a command with NUL in it is refused",
    suffers="nothing; but a server that stops reading at the NUL sees other lines than a filter",
    probes="odd_octets",
    judge=wrong_if(
        lambda spoken: spoken.ok, "CA, NUL, PA is answered with +OK", "odd_octets", "NUL"
    ),
)
check(
    "robust/high-octets",
    MUST,
    INVALID,
    expects="octets that aren't ASCII are refused",
    suffers="nothing; but if the server falls over them, anyone can bring it down",
    probes="odd_octets",
    judge=refused("odd_octets", "high octets"),
)
check(
    "robust/control-echo",
    SHOULD,
    PRINTABLE,
    expects="control characters of a command are not sent back in its reply",
    suffers="its log, or the terminal that shows it, obeys whoever sent them",
    probes="odd_octets",
    judge=wrong_if(
        lambda spoken: spoken.line and any(octet < 0x20 for octet in spoken.line.line),
        "the reply repeats control characters of the command",
        "odd_octets",
        "escapes",
    ),
)
