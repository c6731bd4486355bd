"""Checks of CAPA, and of what it promises (RFC 2449, RFC 6856)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from poptalk.check.connection import Spoken
from poptalk.check.model import (
    MUST,
    NOTE,
    SHOULD,
    WRONG_STATE,
    Judge,
    NotApplicable,
    Problem,
    Seen,
    Sentence,
    accepted,
    check,
    refused,
)
from poptalk.check.probes import PIPELINED, tags
from poptalk.pop3.capabilities import CAPABILITIES, MAX_CAPABILITY_OCTETS
from poptalk.pop3.events import ViolationKind
from poptalk.session.consistency import only_final_line_end

BOTH = Sentence(
    "RFC 2449 §5",
    "Capabilities available in the AUTHORIZATION state MUST be announced in both states.",
)


def _answers(seen: Seen) -> list[Spoken]:
    """Return all answers to CAPA that list something.

    Raises:
        NotApplicable: there is no CAPA.
    """
    found = [spoken for spoken in seen.all(beginning="CAPA") if spoken.ok and spoken.raw]
    if not found:
        raise NotApplicable("there is no CAPA, which is optional")
    return found


_CAPABILITY = re.compile(rb"[!-\-/-~][!-~]*(?: [!-~]+)*")
"""capa-tag does not begin with a dot (RFC 2449 §3)."""


@check(
    "rfc2449/3/capa-syntax",
    MUST,
    Sentence(
        "RFC 2449 §5",
        "Each capability name MAY be followed by a single space and a space-separated list of "
        "parameters.",
    ),
    expects="a line of CAPA is a name, and perhaps words after it, each after one space",
    suffers="it does not find what the server can do",
    probes="capa",
)
def _syntax(seen: Seen) -> Iterable[Problem]:
    for spoken in _answers(seen):
        wrong = [row for row in spoken.rows if not _CAPABILITY.fullmatch(row)]
        if wrong:
            line = wrong[0].decode("ascii", "backslashreplace")
            yield Problem(f'"{line}" is not a name and its parameters', spoken)
            return


@check(
    "rfc2449/6/capa-known",
    SHOULD,
    Sentence(
        "RFC 2449 §5",
        "When a capability response describes an optional command, the <capa-tag> SHOULD be identical "
        "to the command keyword.",
    ),
    expects="registered capabilities are spelled as they were registered",
    suffers="it looks for the registered name, and does without the capability",
    probes="capa",
)
def _known(seen: Seen) -> Iterable[Problem]:
    names = [tag.decode() for tag in CAPABILITIES]
    spoken = _answers(seen)[0]
    for tag in tags(spoken):
        name = tag.decode("ascii", "replace")
        glued = [each for each in names if name.startswith(each) and len(each) > 4]
        meant = glued[:1] or get_close_matches(name, names, n=1, cutoff=0.8)
        if meant and tag not in CAPABILITIES and not name.startswith("X"):
            yield Problem(f"{name} is not registered; is {meant[0]} meant?", spoken)


@check(
    "rfc2449/5/capa-512",
    MUST,
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
    SHOULD,
    "An +OK response is followed by a list of capabilities, one per line.",
    expects="each capability is listed once",
    suffers="it takes one of the two lines, and has half of the parameters",
    probes="capa",
)
def _once(seen: Seen) -> Iterable[Problem]:
    spoken = _answers(seen)[0]
    names = [row.split()[0].upper() for row in spoken.rows if row.split()]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        yield Problem(f"{twice[0].decode('ascii', 'replace')} is listed more than once", spoken)


@check(
    "rfc2449/5/capa-both-states",
    MUST,
    "It is available in both the AUTHORIZATION and TRANSACTION states.",
    expects="CAPA is answered before and after the login, or not at all",
    suffers="it asks once, at the wrong moment, and believes that there are no capabilities",
    probes="capa listings",
)
def _both(seen: Seen) -> Iterable[Problem]:
    before, after = seen("capa", "CAPA"), seen("listings", "CAPA")
    if before.ok is not after.ok:
        text = f"CAPA before the login is {before.outcome}, after it {after.outcome}"
        yield Problem(text, before, after)


@check(
    "rfc2449/5/capa-stable",
    MUST,
    BOTH,
    expects="CAPA says the same when it is sent again, with nothing in between",
    suffers="what it does depends on chance",
    probes="capa",
)
def _stable(seen: Seen) -> Iterable[Problem]:
    one = seen("capa", "CAPA")
    for label in ("cApA", "CAPA again"):
        other = seen("capa", label)
        if one.ok and other.ok and sorted(one.rows) != sorted(other.rows):
            yield Problem("CAPA says something else when it is sent again", one, other)
            return


def _listed(seen: Seen) -> tuple[Spoken, Spoken]:
    """Return CAPA before and after the login; all else is the same.

    Raises:
        NotApplicable: one of them was refused.
    """
    before, after = seen("capa", "CAPA"), seen("listings", "CAPA")
    if not (before.ok and after.ok):
        raise NotApplicable("CAPA is not answered in both states")
    return before, after


def _names(found: Iterable[bytes]) -> str:
    return ", ".join(tag.decode("ascii", "replace") for tag in found)


@check(
    "rfc2449/5/capa-superset",
    MUST,
    BOTH,
    expects="what is listed before the login is listed after it, except STLS, which is of use only "
    "before it",
    suffers="if it asks once, after the login, it does not find the capability",
    probes="capa listings",
    witness="capa-changes-after-login",
)
def _superset(seen: Seen) -> Iterable[Problem]:
    before, after = _listed(seen)
    # SASL has a check of its own.
    lost = [tag for tag in tags(before) if tag not in (b"STLS", b"SASL") and tag not in tags(after)]
    if lost:
        yield Problem(f"after the login {_names(lost)} is no longer listed", before, after)


@check(
    "rfc5034/3/sasl-kept",
    MUST,
    BOTH,
    expects="SASL is listed after the login, too",
    suffers="nothing, as a rule: it has logged in already",
    probes="capa listings",
)
def _sasl_kept(seen: Seen) -> Iterable[Problem]:
    before, after = _listed(seen)
    if b"SASL" in tags(before) and b"SASL" not in tags(after):
        yield Problem("after the login SASL is no longer listed", before, after)


_IN_BOTH_STATES = (
    *(b"TOP", b"UIDL", b"PIPELINING", b"RESP-CODES", b"USER"),
    *(b"UTF8", b"LANG"),  # RFC 6856 §2, §3
)


@check(
    "rfc2449/5/capa-late",
    SHOULD,
    Sentence("RFC 2449 §6", "Announced states / possible differences: both / no"),
    expects="TOP, UIDL, PIPELINING, RESP-CODES, UTF8 and LANG are listed before the login, if at all",
    suffers="if it asks once, before the login, it believes that there is no UIDL",
    probes="capa listings",
)
def _late(seen: Seen) -> Iterable[Problem]:
    before, after = _listed(seen)
    late = [tag for tag in _IN_BOTH_STATES if tag in tags(after) and tag not in tags(before)]
    if late:
        yield Problem(f"{_names(late)} is listed only after the login", before, after)


def _keeps_promise(tag: bytes, probe: str, beginning: str) -> Judge:
    """Return a judge that wants a command to work if CAPA lists it."""

    def judge(seen: Seen) -> Iterable[Problem]:
        capa, spoken = seen(probe, "CAPA"), seen.some(probe, beginning)[0]
        if not capa.ok:
            raise NotApplicable("there is no CAPA")
        if tag in tags(capa) and spoken.refused:
            text = f"CAPA lists {tag.decode()}, but {spoken.name} is {spoken.outcome}"
            yield Problem(text, capa, spoken)

    return judge


check(
    "rfc2449/6.1/top-promise",
    MUST,
    "The TOP capability indicates the optional TOP command is available.",
    expects="TOP works where CAPA lists it",
    suffers="it has no previews, and reports an error for each message",
    probes="reading",
    judge=_keeps_promise(b"TOP", "reading", "TOP "),
)
check(
    "rfc2449/6.8/uidl-promise",
    MUST,
    "The UIDL capability indicates that the optional UIDL command is supported.",
    expects="UIDL works where CAPA lists it",
    suffers="it cannot leave mail on the server",
    probes="listings",
    judge=_keeps_promise(b"UIDL", "listings", "UIDL"),
)


@check(
    "rfc2449/6.6/pipelining-order",
    MUST,
    "The PIPELINING capability indicates the server is capable of accepting multiple commands at a "
    "time; the client does not have to wait for the response to a command before issuing a "
    "subsequent command.",
    expects="commands in one segment are all answered, in their order",
    suffers="it takes the reply to one command for that to another, or waits for ever",
    probes="pipelining",
)
def _order(seen: Seen) -> Iterable[Problem]:
    spoken = [seen("pipelining", f"{number} {line}") for number, line in enumerate(PIPELINED, 1)]
    in_order = all(
        each.refused if line == "RETR 0" else each.ok
        for line, each in zip(PIPELINED, spoken, strict=True)
    )
    stat = spoken[PIPELINED.index("STAT")]
    if not in_order or not (stat.words and stat.words[0].isdigit()):
        yield Problem("the replies are not those to the commands, in their order", *spoken)


def _has_values(tag: bytes, right: bytes, text: str) -> Judge:
    """Return a judge of the parameters of a capability."""
    pattern = re.compile(right, re.IGNORECASE)

    def judge(seen: Seen) -> Iterable[Problem]:
        for spoken in _answers(seen):
            parameters = tags(spoken).get(tag)
            if parameters is not None and not pattern.fullmatch(b" ".join(parameters)):
                yield Problem(f"{tag.decode()} {text}", spoken)
                return

    return judge


check(
    "rfc2449/6.5/login-delay-syntax",
    MUST,
    "minimum seconds between logins; optionally followed by USER in AUTHENTICATION state.",
    expects="LOGIN-DELAY has a number of seconds, and perhaps USER",
    suffers="it does not know how long to wait, and is turned away",
    probes="capa",
    judge=_has_values(b"LOGIN-DELAY", rb"\d+( USER)?", "has no number of seconds"),
)
check(
    "rfc2449/6.7/expire-syntax",
    MUST,
    "server-guaranteed minimum retention days, or NEVER; optionally followed by USER in "
    "AUTHENTICATION state",
    expects="EXPIRE has a number of days or NEVER, and perhaps USER",
    suffers="it does not know how long mail stays on the server",
    probes="capa",
    judge=_has_values(b"EXPIRE", rb"(\d+|NEVER)( USER)?", "has no number of days"),
)
check(
    "rfc2449/6.9/implementation",
    MUST,
    "string giving server implementation information",
    expects="IMPLEMENTATION has a text",
    suffers="nothing: it must not act on it",
    probes="capa",
    judge=_has_values(b"IMPLEMENTATION", rb".+", "has no text"),
)


@check(
    "rfc1939/4/some-login",
    MUST,
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
    if not {b"USER", b"SASL", b"STLS"} & tags(capa).keys() and greeting.timestamp is None:
        text = "CAPA lists neither USER, SASL nor STLS, and the greeting has no timestamp for APOP"
        yield Problem(text, capa)


# UTF8 and LANG (RFC 6856).

UTF8_COMMAND = Sentence(
    "RFC 6856 §2.1",
    'The "UTF8" command enables UTF-8 mode. The "UTF8" command has no parameters.',
)
LANG_REPLY = Sentence(
    "RFC 6856 §3.2",
    "If the command succeeds, the server returns a +OK response followed by a single space, the exact "
    "language tag selected, and another space.",
)

check(
    "rfc6856/2/utf8-after-login",
    MUST,
    WRONG_STATE,
    expects="UTF8 after the login is refused: it belongs before it (RFC 6856 §2)",
    suffers="it may believe that messages which it has listed already come in UTF-8 now",
    probes="utf8_mode",
    judge=refused("utf8_mode", "UTF8 after the login"),
)
check(
    "rfc6856/2.1/utf8-argument",
    NOTE,
    UTF8_COMMAND,
    expects="UTF8 with an argument is refused, since it has none",
    suffers="nothing, as a rule: many servers ignore extra words",
    probes="languages",
    judge=refused("languages", "UTF8 x"),
)


@check(
    "rfc6856/2.1/ascii-without-utf8",
    MUST,
    "When UTF-8 mode has not been enabled, character strings outside the ASCII repertoire MUST NOT "
    "be sent to the client as is.",
    expects="where CAPA lists UTF8, headers are ASCII until UTF8 was sent",
    suffers="it shows names and subjects as gibberish, or gives up at the message",
    probes="reading",
)
def _ascii_without_utf8(seen: Seen) -> Iterable[Problem]:
    if b"UTF8" not in tags(seen("reading", "CAPA")):
        raise NotApplicable("CAPA lists no UTF8")
    for spoken in seen.some("reading", "RETR "):
        header = spoken.content.partition(b"\r\n\r\n")[0]
        if not header.isascii():
            text = f"{spoken.name} sends a header that isn't ASCII, though UTF8 was not sent"
            yield Problem(text, spoken)


@check(
    "rfc6856/2.1/size-in-utf8-mode",
    SHOULD,
    'The octet count (size) of a message reported in a response to the "LIST" command SHOULD match '
    'the actual number of octets sent in a "RETR" response (not counting byte-stuffing).',
    expects="after UTF8, RETR sends as many octets as LIST has for the message",
    suffers="its progress bars are wrong; if it reads by size, it loses its place",
    probes="utf8_mode",
)
def _size_in_utf8_mode(seen: Seen) -> Iterable[Problem]:
    for spoken in seen.some("utf8_mode", "RETR "):
        for violation in spoken.violations:
            if violation.kind is ViolationKind.SIZE_DIFFERS:
                text = f"after UTF8, {violation.detail}"
                minor = only_final_line_end(violation)
                yield Problem(text, seen("utf8_mode", "LIST"), spoken, minor=minor)


_LANGUAGE = re.compile(rb"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*(?: .+)?")
"""A language listing: a tag, and perhaps a space and a description."""


@check(
    "rfc6856/3.2/lang-listing",
    MUST,
    "A language listing consists of the language tag [RFC5646] of the message, optionally followed "
    "by a single space and a human-readable description of the language in the language itself, "
    "using the UTF-8 charset.",
    expects="each line of LANG is a language tag, and perhaps a space and a text in UTF-8",
    suffers="it cannot offer the languages to its user",
    probes="languages",
)
def _language_listing(seen: Seen) -> Iterable[Problem]:
    spoken = seen("languages", "LANG")
    if not spoken.ok:
        raise NotApplicable(f"LANG is {spoken.outcome}")
    wrong = [row for row in spoken.rows if not (_LANGUAGE.fullmatch(row) and _is_utf8(row))]
    if wrong:
        line = wrong[0].decode("ascii", "backslashreplace")
        yield Problem(f'"{line}" is not a language tag and its description', spoken)


def _is_utf8(octets: bytes) -> bool:
    return octets.decode("utf-8", "replace").encode() == octets


check(
    "rfc6856/3.2/lang-listed",
    MUST,
    "After the initial +OK, for each language tag the server supports, the POP3 server responds "
    "with a line for that language.",
    expects="LANG with a tag that LANG lists is answered with +OK",
    suffers="it offers its user a language that cannot be had",
    probes="languages",
    judge=accepted("languages", "LANG listed"),
)
check(
    "rfc6856/3.2/lang-unknown",
    SHOULD,
    "If the command fails, the server returns an -ERR response",
    expects="LANG with a language that no server has is refused",
    suffers="it believes that its user can read what comes",
    probes="languages",
    judge=refused("languages", "LANG unknown"),
)


@check(
    "rfc6856/3.2/lang-reply",
    MUST,
    LANG_REPLY,
    expects="a positive answer to LANG has the language tag that was chosen, and a space after it",
    suffers="it does not know in which language the texts come",
    probes="languages",
)
def _lang_reply(seen: Seen) -> Iterable[Problem]:
    for label in ("LANG listed", "LANG *"):
        spoken = seen("languages", label)
        line = spoken.line.line if spoken.ok and spoken.line is not None else None
        if line is not None and not re.match(rb"\+OK [A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})* ", line):
            yield Problem(f"{spoken.name} is {spoken.outcome}", spoken)


@check(
    "rfc6856/3.2/texts-in-utf8",
    MUST,
    "This, and subsequent protocol-level human-readable text, is encoded in the UTF-8 charset.",
    expects="the texts of replies are UTF-8 once a language was chosen",
    suffers="it shows its user gibberish",
    probes="languages",
)
def _texts_in_utf8(seen: Seen) -> Iterable[Problem]:
    for spoken in seen.some("languages", "LANG "):
        if spoken.line is not None and not _is_utf8(spoken.line.line):
            yield Problem(f"the text of the reply to {spoken.name} is not UTF-8", spoken)
