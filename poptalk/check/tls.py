"""Checks of STLS (RFC 2595 §4): whether it is offered where it works, and what crosses its border."""

from __future__ import annotations

from collections.abc import Iterable

from poptalk.check.connection import Spoken
from poptalk.check.model import (
    INVALID,
    MUST,
    NOTE,
    SHOULD,
    NotApplicable,
    Problem,
    Seen,
    Sentence,
    check,
    refused,
)
from poptalk.check.probes import tags
from poptalk.pop3.events import ViolationKind

PRESENT = Sentence(
    "RFC 2595 §4",
    'The capability name "STLS" indicates this command is present and permitted in the current state.',
)
STATE = Sentence(
    "RFC 2595 §4",
    "The STLS command is only permitted in AUTHORIZATION state and the server remains in AUTHORIZATION "
    "state, even if client credentials are supplied during the TLS negotiation.",
)
FURTHER = Sentence(
    "RFC 2595 §4",
    "Once a client issues a STLS command, it MUST NOT issue further commands until a server response is "
    "seen and the TLS negotiation is complete.",
)


@check(
    "rfc2595/4/handshake",
    MUST,
    PRESENT,
    expects="STLS is answered with +OK where CAPA lists it, and TLS begins",
    suffers="it cannot encrypt; if it falls back, it sends the password in the clear",
    probes="stls",
    witness="stls-refused",
)
def _handshake(seen: Seen) -> Iterable[Problem]:
    spoken, begun = seen("stls", "STLS"), seen.get("stls", "TLS")
    if not spoken.ok:
        yield Problem(f"CAPA lists STLS, but it is {spoken.outcome}", spoken)
    elif begun is not None and begun.failure and not _is_injected(spoken):
        yield Problem(f"TLS does not begin: {begun.failure}", spoken)


def _is_injected(spoken: Spoken) -> bool:
    return any(each.kind is ViolationKind.RESPONSE_INJECTION for each in spoken.violations)


@check(
    "rfc2595/4/nothing-before-tls",
    MUST,
    "A TLS negotiation begins immediately after the CRLF at the end of the +OK response from the "
    "server.",
    expects="nothing is sent in the clear after the +OK to STLS",
    suffers="if it keeps its buffer, it believes inside TLS what anybody could have said outside",
    probes="stls",
    witness="stls-injection",
)
def _before_tls(seen: Seen) -> Iterable[Problem]:
    spoken = seen("stls", "STLS")
    if any(_is_injected(each) for each in (spoken, seen.get("stls", "TLS")) if each is not None):
        yield Problem("octets in the clear follow the +OK to STLS", spoken)


def _inside(seen: Seen, label: str) -> Spoken:
    """Return what came of a line inside TLS.

    Raises:
        NotApplicable: TLS has not begun.
    """
    begun = seen.get("stls", "TLS")
    if begun is None or begun.failure:
        seen("stls", "STLS")
        raise NotApplicable("TLS did not begin")
    return seen("stls", label)


@check(
    "rfc2595/4/no-second-greeting",
    MUST,
    "the server remains in AUTHORIZATION state",
    expects="nothing is sent unasked once TLS has begun",
    suffers="it takes the greeting for the reply to its first command inside TLS",
    probes="stls",
)
def _no_greeting(seen: Seen) -> Iterable[Problem]:
    spoken = _inside(seen, "TLS")
    if spoken.unsolicited:
        yield Problem("the server speaks unasked after the handshake", spoken)


@check(
    "rfc2595/4/still-authorization",
    MUST,
    STATE,
    expects="STAT is refused inside TLS, before the login",
    suffers="it believes that it is logged in",
    probes="stls",
)
def _still(seen: Seen) -> Iterable[Problem]:
    return _refused_inside(seen, "STAT inside")


def _refused_inside(seen: Seen, label: str) -> Iterable[Problem]:
    spoken = _inside(seen, label)
    if not spoken.refused:
        yield Problem(f"{spoken.name} inside TLS is {spoken.outcome}, and not refused", spoken)


@check(
    "rfc2595/4/not-twice",
    MUST,
    "S: -ERR Command not permitted when TLS active",
    expects="STLS is refused inside TLS",
    suffers="nothing; but TLS inside TLS is of no use to anybody",
    probes="stls",
)
def _not_twice(seen: Seen) -> Iterable[Problem]:
    return _refused_inside(seen, "STLS inside")


@check(
    "rfc2595/4/capa-inside",
    MUST,
    PRESENT,
    expects="CAPA does not list STLS where it is refused: inside TLS, and after the login",
    suffers="it tries STLS again, and takes the refusal for an attack",
    probes="stls listings capa",
)
def _capa_inside(seen: Seen) -> Iterable[Problem]:
    after_login = seen.get("listings", "CAPA")
    for spoken in (seen.get("stls", "CAPA inside"), after_login):
        if spoken is not None and b"STLS" in tags(spoken):
            where = "after the login" if spoken is after_login else "inside TLS"
            yield Problem(f"CAPA lists STLS {where}", spoken)
    if after_login is None:
        _inside(seen, "TLS")


check(
    "rfc2595/4/stls-after-login",
    MUST,
    STATE,
    expects="STLS after the login is refused",
    suffers="nothing; but what was said in the clear then counts inside TLS",
    probes="wrong_syntax",
    judge=refused("wrong_syntax", "STLS after the login"),
)
check(
    "rfc2595/4/stls-argument",
    NOTE,
    INVALID,
    expects="STLS with an argument is refused, since it has none",
    suffers="nothing, as a rule: many servers ignore extra words",
    probes="stls",
    judge=refused("stls", "STLS 1"),
)


@check(
    "rfc2595/4/isolation",
    MUST,
    PRESENT,
    expects="after one session has begun TLS, STLS is still offered to others",
    suffers="the second program of the day is offered no TLS",
    probes="stls",
)
def _isolation(seen: Seen) -> Iterable[Problem]:
    answers = [_inside(seen, label) for label in ("CAPA afterwards", "CAPA once more")]
    if all(spoken.ok and b"STLS" not in tags(spoken) for spoken in answers):
        # Two connections have shown it, and it cannot be asked again from the beginning.
        yield Problem("CAPA no longer lists STLS on new connections", *answers, certain=True)


@check(
    "rfc2595/4/injection-line",
    MUST,
    FURTHER,
    expects="a command that came in the clear after STLS is forgotten, or the session ends",
    suffers="anybody on the way can put commands into its session, before its own (CVE-2011-0411, "
    "CVE-2021-38084)",
    probes="stls_injection",
    witness="stls-executes-residue",
)
def _injection_line(seen: Seen) -> Iterable[Problem]:
    spoken = seen("stls_injection", "STLS with a line")
    for each in spoken.connection.spoken:
        if any(v.kind is ViolationKind.STLS_RESIDUE_OBEYED for v in each.violations):
            text = "a command that was sent in the clear after STLS is answered inside TLS"
            yield Problem(text, spoken, each)
            return


@check(
    "rfc2595/4/injection-half-line",
    MUST,
    FURTHER,
    expects="half a line that came in the clear after STLS is forgotten, or the session ends",
    suffers="anybody on the way can put words in front of its first command inside TLS",
    probes="stls_injection",
    witness="stls-executes-residue",
)
def _injection_half(seen: Seen) -> Iterable[Problem]:
    begun = seen("stls_injection", "STLS with half a line")
    inside = seen.get("stls_injection", "PA after half a line")
    if inside is not None and inside.ok:
        yield Problem("CA in the clear and PA inside TLS make CAPA", begun, inside)


@check(
    "rfc2595/2.4/certificate",
    SHOULD,
    "During the TLS negotiation, the client MUST check its understanding of the server hostname "
    "against the server's identity as presented in the server Certificate message, in order to "
    "prevent man-in-the-middle attacks.",
    expects="the certificate is valid, for this name, and from an authority that is trusted here",
    suffers="it refuses to connect, or asks its user what to do",
    probes="certificate",
    witness="bad-certificate",
)
def _certificate(seen: Seen) -> Iterable[Problem]:
    spoken = seen("certificate", "TLS")
    if spoken.failure and not _is_injected(spoken):
        yield Problem(spoken.failure.partition("\n")[0], spoken)
