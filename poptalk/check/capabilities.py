"""Checks of CAPA, and of what it promises (RFC 2449)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from poptalk.check.connection import Spoken
from poptalk.check.model import Level, NotApplicable, Problem, Seen, check
from poptalk.check.probes import tags
from poptalk.pop3.capabilities import CAPABILITIES, MAX_CAPABILITY_OCTETS

SYNTAX = (
    "Each capability name MAY be followed by a single space and a space-separated list of "
    "parameters."
)
BOTH = "Capabilities available in the AUTHORIZATION state MUST be announced in both states."
AVAILABLE = "It is available in both the AUTHORIZATION and TRANSACTION states."


def _answers(seen: Seen) -> list[Spoken]:
    """Return all answers to CAPA that list something.

    Raises:
        NotApplicable: there is no CAPA.
    """
    found = [spoken for spoken in seen.all(beginning="CAPA") if spoken.ok and spoken.raw]
    if not found:
        raise NotApplicable("there is no CAPA, which is optional")
    return found


def _wrong_lines(seen: Seen, right: re.Pattern[bytes], text: str) -> Iterable[Problem]:
    for spoken in _answers(seen):
        wrong = [row for row in spoken.rows if not right.fullmatch(row)]
        if wrong:
            yield Problem(f'"{wrong[0].decode("ascii", "backslashreplace")}" {text}', spoken)
            return


_LINE = re.compile(rb"[!-\-/-~][!-~]*(?: [!-~]+)*")
"""capa-tag begins with no dot (RFC 2449 §3)."""

check(
    "rfc2449/3/capa-syntax",
    Level.MUST,
    "RFC 2449 §5",
    SYNTAX,
    expects="a line of CAPA is a name, and perhaps words after it, each after one space",
    suffers="it does not find what the server can do",
    probes="capa",
    judge=lambda seen: _wrong_lines(seen, _LINE, "is not a name and its parameters"),
)


@check(
    "rfc2449/6/capa-known",
    Level.SHOULD,
    "RFC 2449 §5",
    "When a capability response describes an optional command, the <capa-tag> SHOULD be identical to "
    "the "
    "command keyword.",
    expects="capabilities that are meant to be the registered ones are spelled as they are",
    suffers="it looks for the registered name, and does without the capability",
    probes="capa",
)
def _known(seen: Seen) -> Iterable[Problem]:
    names = [tag.decode() for tag in CAPABILITIES]
    for spoken in _answers(seen)[:1]:
        for tag in tags(spoken):
            name = tag.decode("ascii", "replace")
            glued = next((each for each in names if name.startswith(each) and len(each) > 4), None)
            near = get_close_matches(name, names, n=1, cutoff=0.8)
            if tag not in CAPABILITIES and not name.startswith("X") and (near or glued):
                yield Problem(f"{name} is not registered; is {glued or near[0]} meant?", spoken)


@check(
    "rfc2449/5/capa-512",
    Level.MUST,
    "RFC 2449 §5",
    "Each capability line is limited to 512 octets (including the CRLF).",
    expects="lines of CAPA have 512 octets at most",
    suffers="its buffer is full: it cuts the line, or gives up",
    probes="capa",
)
def _length(seen: Seen) -> Iterable[Problem]:
    for spoken in _answers(seen):
        if any(len(row) + 2 > MAX_CAPABILITY_OCTETS for row in spoken.rows):
            yield Problem(f"a line of CAPA is longer than {MAX_CAPABILITY_OCTETS} octets", spoken)


@check(
    "rfc2449/5/capa-once",
    Level.SHOULD,
    "RFC 2449 §5",
    "An +OK response is followed by a list of capabilities, one per line.",
    expects="each capability is listed once",
    suffers="it takes one of the two lines, and has half the parameters",
    probes="capa",
)
def _once(seen: Seen) -> Iterable[Problem]:
    for spoken in _answers(seen)[:1]:
        names = [row.split()[0].upper() for row in spoken.rows if row.split()]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            yield Problem(f"{twice[0].decode('ascii', 'replace')} is listed more than once", spoken)


@check(
    "rfc2449/5/capa-both-states",
    Level.MUST,
    "RFC 2449 §5",
    AVAILABLE,
    expects="CAPA is answered before and after the login, or not at all",
    suffers="it asks once, at the wrong moment, and believes that there are no capabilities",
    probes="capa listings",
)
def _both(seen: Seen) -> Iterable[Problem]:
    before, after = seen("capa", "CAPA"), seen("listings", "CAPA")
    if before.ok is not after.ok:
        yield Problem(
            f"CAPA before the login is {before.outcome}, after it {after.outcome}", before, after
        )


@check(
    "rfc2449/5/capa-stable",
    Level.MUST,
    "RFC 2449 §5",
    BOTH,
    expects="CAPA says the same when it is asked again, with nothing in between",
    suffers="what it does depends on chance",
    probes="capa",
)
def _stable(seen: Seen) -> Iterable[Problem]:
    one = seen("capa", "CAPA")
    for label in ("cApA", "CAPA again"):
        other = seen("capa", label)
        if one.ok and other.ok and sorted(one.rows) != sorted(other.rows):
            yield Problem("CAPA says something else when it is asked again", one, other)
            return


def _listed(seen: Seen) -> tuple[Spoken, Spoken]:
    """Return CAPA before and after the login, in the same situation otherwise.

    Raises:
        NotApplicable: one of them was refused.
    """
    before, after = seen("capa", "CAPA"), seen("listings", "CAPA")
    if not (before.ok and after.ok):
        raise NotApplicable("there is no CAPA in both states")
    return before, after


@check(
    "rfc2449/5/capa-superset",
    Level.MUST,
    "RFC 2449 §5",
    BOTH,
    expects="what is listed before the login is listed after it; STLS is not, as it is of use before "
    "only",
    suffers="one that asks once, after the login, believes that there is no such thing",
    probes="capa listings",
    witness="capa-changes-after-login",
)
def _superset(seen: Seen) -> Iterable[Problem]:
    before, after = _listed(seen)
    # RFC 5034 §3 has a sentence of its own on SASL, and so it has a check of its own.
    lost = [tag for tag in tags(before) if tag not in (b"STLS", b"SASL") and tag not in tags(after)]
    if lost:
        names = ", ".join(tag.decode("ascii", "replace") for tag in lost)
        yield Problem(f"after the login {names} is no longer listed", before, after)


@check(
    "rfc5034/3/sasl-kept",
    Level.MUST,
    "RFC 2449 §5",
    BOTH,
    expects="SASL is listed after the login, too",
    suffers="nothing, as a rule: it has logged in already",
    probes="capa listings",
)
def _sasl_kept(seen: Seen) -> Iterable[Problem]:
    before, after = _listed(seen)
    if b"SASL" in tags(before) and b"SASL" not in tags(after):
        yield Problem("after the login SASL is no longer listed", before, after)


@check(
    "rfc2449/5/capa-late",
    Level.SHOULD,
    "RFC 2449 §6",
    "Announced states / possible differences: both / no",
    expects="TOP, UIDL, PIPELINING and RESP-CODES are listed before the login, if at all",
    suffers="one that asks once, before the login, believes that there is no UIDL",
    probes="capa listings",
)
def _late(seen: Seen) -> Iterable[Problem]:
    before, after = _listed(seen)
    both = (b"TOP", b"UIDL", b"PIPELINING", b"RESP-CODES", b"USER")
    late = [tag.decode() for tag in both if tag in tags(after) and tag not in tags(before)]
    if late:
        yield Problem(f"{', '.join(late)} is listed after the login only", before, after)


def _promised(seen: Seen, tag: bytes, label: str) -> Iterable[Problem]:
    capa, spoken = seen("reading", "CAPA"), seen.some("reading", label)[0]
    if not capa.ok:
        raise NotApplicable("there is no CAPA")
    if tag in tags(capa) and spoken.refused:
        yield Problem(
            f"CAPA lists {tag.decode()}, and {spoken.name} is {spoken.outcome}", capa, spoken
        )


check(
    "rfc2449/6.1/top-promise",
    Level.MUST,
    "RFC 2449 §6.1",
    "The TOP capability indicates the optional TOP command is available.",
    expects="TOP works where CAPA lists it",
    suffers="it has no previews, and reports an error for each message",
    probes="reading",
    judge=lambda seen: _promised(seen, b"TOP", "TOP "),
)


@check(
    "rfc2449/6.8/uidl-promise",
    Level.MUST,
    "RFC 2449 §6.8",
    "The UIDL capability indicates that the optional UIDL command is supported.",
    expects="UIDL works where CAPA lists it",
    suffers="it cannot leave mail on the server",
    probes="listings",
)
def _uidl_promise(seen: Seen) -> Iterable[Problem]:
    capa, spoken = seen("listings", "CAPA"), seen("listings", "UIDL")
    if capa.ok and b"UIDL" in tags(capa) and spoken.refused:
        yield Problem(f"CAPA lists UIDL, and UIDL is {spoken.outcome}", capa, spoken)


@check(
    "rfc2449/6.6/pipelining-order",
    Level.MUST,
    "RFC 2449 §6.6",
    "The PIPELINING capability indicates the server is capable of accepting multiple commands at a "
    "time; "
    "the client does not have to wait for the response to a command before issuing a subsequent "
    "command.",
    expects="commands in one segment are all answered, in their order",
    suffers="it takes the reply to one command for that to another, or waits for ever",
    probes="pipelining",
)
def _order(seen: Seen) -> Iterable[Problem]:
    replies = [
        seen("pipelining", label) for label in ("1 NOOP", "2 STAT", "4 NOOP", "5 LIST", "6 NOOP")
    ]
    stat, refused = seen("pipelining", "2 STAT"), seen("pipelining", "3 RETR 0")
    in_order = all(spoken.ok for spoken in replies) and refused.refused
    if not in_order or not (stat.words and stat.words[0].isdigit()):
        yield Problem(
            "the replies are not those to the commands, in their order", *seen.all("pipelining")
        )


def _values(seen: Seen, tag: bytes, right: re.Pattern[bytes], text: str) -> Iterable[Problem]:
    for spoken in _answers(seen):
        parameters = tags(spoken).get(tag)
        if parameters is not None and not right.fullmatch(b" ".join(parameters)):
            yield Problem(f"{tag.decode()} {text}", spoken)
            return


check(
    "rfc2449/6.5/login-delay-syntax",
    Level.MUST,
    "RFC 2449 §6.5",
    "minimum seconds between logins; optionally followed by USER in AUTHENTICATION state.",
    expects="LOGIN-DELAY has a number of seconds, and perhaps USER",
    suffers="it does not know how long to wait, and is turned away",
    probes="capa",
    judge=lambda seen: _values(
        seen, b"LOGIN-DELAY", re.compile(rb"\d+( USER)?", re.IGNORECASE), "has no number of seconds"
    ),
)
check(
    "rfc2449/6.7/expire-syntax",
    Level.MUST,
    "RFC 2449 §6.7",
    "server-guaranteed minimum retention days, or NEVER; optionally followed by USER in AUTHENTICATION "
    "state",
    expects="EXPIRE has a number of days or NEVER, and perhaps USER",
    suffers="it does not know how long mail stays on the server",
    probes="capa",
    judge=lambda seen: _values(
        seen, b"EXPIRE", re.compile(rb"(\d+|NEVER)( USER)?", re.IGNORECASE), "has no number of days"
    ),
)
check(
    "rfc2449/6.9/implementation",
    Level.MUST,
    "RFC 2449 §6.9",
    "string giving server implementation information",
    expects="IMPLEMENTATION has a text",
    suffers="nothing: it must not act upon it",
    probes="capa",
    judge=lambda seen: _values(seen, b"IMPLEMENTATION", re.compile(rb".+"), "has no text"),
)


@check(
    "rfc1939/4/some-login",
    Level.MUST,
    "RFC 1939 §4",
    "While there is no single authentication mechanism that is required of all POP3 servers, a POP3 "
    "server must of course support at least one authentication mechanism.",
    expects="there is a way to log in: USER, SASL or APOP, or STLS first",
    suffers="its user is told that the password is wrong",
    probes="capa greeting",
)
def _some_login(seen: Seen) -> Iterable[Problem]:
    capa, greeting = seen("capa", "CAPA"), seen("greeting", "greeting")
    if not capa.ok:
        raise NotApplicable("there is no CAPA")
    ways = {b"USER", b"SASL", b"STLS"} & tags(capa).keys()
    if not ways and greeting.timestamp is None:
        yield Problem("CAPA lists neither USER, SASL nor STLS, and the greeting has no APOP", capa)
