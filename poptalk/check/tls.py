"""Checks of STLS (RFC 2595 §4): whether it is offered where it works, and what crosses its border."""

from __future__ import annotations

from collections.abc import Iterable

from poptalk.check.model import Level, NotApplicable, Problem, Seen, check, refused
from poptalk.check.probes import tags
from poptalk.pop3.events import ViolationKind

PRESENT = (
    'The capability name "STLS" indicates this command is present and permitted in the current '
    "state."
)
BEGINS = (
    "A TLS negotiation begins immediately after the CRLF at the end of the +OK response from the "
    "server."
)
STATE = (
    "The STLS command is only permitted in AUTHORIZATION state and the server remains in AUTHORIZATION "
    "state, even if client credentials are supplied during the TLS negotiation."
)
FURTHER = (
    "Once a client issues a STLS command, it MUST NOT issue further commands until a server response is "
    "seen and the TLS negotiation is complete."
)


@check(
    "rfc2595/4/handshake",
    Level.MUST,
    "RFC 2595 §4",
    PRESENT,
    expects="STLS is answered with +OK where CAPA lists it, and TLS begins",
    suffers="it cannot encrypt; one that falls back sends the password in the clear",
    probes="stls",
    witness="stls-refused",
)
def _handshake(seen: Seen) -> Iterable[Problem]:
    spoken, begun = seen("stls", "STLS"), seen.get("stls", "TLS")
    if not spoken.ok:
        yield Problem(f"CAPA lists STLS, and it is {spoken.outcome}", spoken)
    elif begun is not None and begun.failure and not _injected(spoken.violations):
        yield Problem(f"TLS does not begin: {begun.failure}", spoken)


def _injected(violations: Iterable[object]) -> bool:
    kinds = [getattr(violation, "kind", None) for violation in violations]
    return ViolationKind.RESPONSE_INJECTION in kinds


@check(
    "rfc2595/4/nothing-before-tls",
    Level.MUST,
    "RFC 2595 §4",
    BEGINS,
    expects="nothing is sent in the clear after the +OK to STLS",
    suffers="one that keeps its buffer believes inside TLS what anybody could have said outside",
    probes="stls",
    witness="stls-injection",
)
def _before_tls(seen: Seen) -> Iterable[Problem]:
    for label in ("STLS", "TLS"):
        spoken = seen.get("stls", label)
        if spoken is not None and _injected(spoken.violations):
            yield Problem("octets in the clear follow the +OK to STLS", spoken)
            return
    seen("stls", "STLS")


def _inside(seen: Seen) -> None:
    """See that TLS has begun.

    Raises:
        NotApplicable: it hasn't.
    """
    begun = seen.get("stls", "TLS")
    if begun is None or begun.failure:
        seen("stls", "STLS")
        raise NotApplicable("TLS did not begin")


@check(
    "rfc2595/4/no-second-greeting",
    Level.MUST,
    "RFC 2595 §4",
    "the server remains in AUTHORIZATION state",
    expects="nothing is said unasked when TLS has begun",
    suffers="it takes the greeting for the reply to its first command inside TLS",
    probes="stls",
)
def _no_greeting(seen: Seen) -> Iterable[Problem]:
    _inside(seen)
    spoken = seen("stls", "TLS")
    if spoken.unsolicited:
        yield Problem("the server speaks unasked after the handshake", spoken)


@check(
    "rfc2595/4/still-authorization",
    Level.MUST,
    "RFC 2595 §4",
    STATE,
    expects="STAT is refused inside TLS, before the login",
    suffers="it believes that it is logged in",
    probes="stls",
)
def _still(seen: Seen) -> Iterable[Problem]:
    _inside(seen)
    yield from refused("stls", "STAT inside")(seen)


@check(
    "rfc2595/4/not-twice",
    Level.MUST,
    "RFC 2595 §4",
    "S: -ERR Command not permitted when TLS active",
    expects="STLS is refused inside TLS",
    suffers="nothing; but TLS inside TLS serves nobody",
    probes="stls",
)
def _not_twice(seen: Seen) -> Iterable[Problem]:
    _inside(seen)
    yield from refused("stls", "STLS inside")(seen)


@check(
    "rfc2595/4/capa-inside",
    Level.MUST,
    "RFC 2595 §4",
    PRESENT,
    expects="CAPA lists no STLS where it is refused: inside TLS, and after the login",
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
        _inside(seen)


check(
    "rfc2595/4/stls-after-login",
    Level.MUST,
    "RFC 2595 §4",
    STATE,
    expects="STLS after the login is refused",
    suffers="nothing; but what was said in the clear counts inside TLS then",
    probes="wrong_syntax",
    judge=refused("wrong_syntax", "STLS after the login"),
)
check(
    "rfc2595/4/stls-argument",
    Level.NOTE,
    "RFC 1939 §3",
    "A server MUST respond to an unrecognized, unimplemented, or syntactically invalid command by "
    "responding with a negative status indicator.",
    expects="STLS with an argument is refused, since it has none",
    suffers="nothing, as a rule: many servers pass over words that are too many",
    probes="stls",
    judge=refused("stls", "STLS 1"),
)


@check(
    "rfc2595/4/isolation",
    Level.MUST,
    "RFC 2595 §4",
    PRESENT,
    expects="after one session has begun TLS, others are offered it still",
    suffers="the second program of the day is offered no TLS",
    probes="stls",
)
def _isolation(seen: Seen) -> Iterable[Problem]:
    _inside(seen)
    answers = [seen("stls", label) for label in ("CAPA afterwards", "CAPA once more")]
    if all(spoken.ok and b"STLS" not in tags(spoken) for spoken in answers):
        # Two connections have shown it, and to ask from the beginning is no longer possible.
        yield Problem("CAPA lists no STLS on new connections any more", *answers, certain=True)


@check(
    "rfc2595/4/injection-line",
    Level.MUST,
    "RFC 2595 §4",
    FURTHER,
    expects="a command that came in the clear behind STLS is forgotten, or the session ends",
    suffers="anybody on the way can put commands into its session, before its own (CVE-2011-0411, "
    "CVE-2021-38084)",
    probes="stls_injection",
    witness="stls-executes-residue",
)
def _injection_line(seen: Seen) -> Iterable[Problem]:
    spoken = seen("stls_injection", "STLS with a line")
    for each in spoken.connection.spoken:
        if any(v.kind is ViolationKind.STLS_RESIDUE_OBEYED for v in each.violations):
            text = "a command that was sent in the clear behind STLS is answered inside TLS"
            yield Problem(text, spoken, each)
            return


@check(
    "rfc2595/4/injection-half-line",
    Level.MUST,
    "RFC 2595 §4",
    FURTHER,
    expects="half a line that came in the clear behind STLS is forgotten, or the session ends",
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
    Level.SHOULD,
    "RFC 2595 §2.4",
    "During the TLS negotiation, the client MUST check its understanding of the server hostname against "
    "the server's identity as presented in the server Certificate message, in order to prevent "
    "man-in-the-middle attacks.",
    expects="the certificate is valid, for this name, and from an authority that is trusted here",
    suffers="it refuses to connect, or asks its user what to do",
    probes="certificate",
    witness="bad-certificate",
)
def _certificate(seen: Seen) -> Iterable[Problem]:
    spoken = seen("certificate", "TLS")
    if spoken.failure and not _injected(spoken.violations):
        yield Problem(spoken.failure.partition("\n")[0], spoken)
