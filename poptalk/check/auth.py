"""Checks of AUTH and APOP, and of response codes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from poptalk.check.connection import Spoken
from poptalk.check.model import (
    Judge,
    Level,
    NotApplicable,
    Problem,
    Seen,
    check,
    refused,
)
from poptalk.check.probes import tags
from poptalk.pop3.events import ViolationKind
from poptalk.pop3.replies import Status, find_response_code
from poptalk.pop3.sasl.mechanism import NotBase64, decode

AUTH = "RFC 1734 §2, now RFC 5034 §4"
CHALLENGE = (
    'A server challenge, otherwise known as a ready response, is a line consisting of a "+" character '
    "followed by a single space and a BASE64 encoded string."
)
CANCEL = (
    "If the client wishes to cancel an authentication exchange, it should issue a line with a single "
    '"*". '
    "If the server receives such an answer, it must reject the AUTH command by sending a negative "
    "response."
)
UNSUPPORTED = (
    "If the requested authentication mechanism is not supported, the server should reject the AUTH "
    "command "
    "by sending a negative response."
)
FAILED = (
    "If an AUTH command fails with a negative response, the session remains in the AUTHORIZATION "
    "state and "
    "client may try another authentication mechanism by issuing another AUTH command"
)


def _offered(seen: Seen) -> Spoken:
    """Return an answer to CAPA that lists SASL.

    Raises:
        NotApplicable: none does.
    """
    spoken = seen("auth", "CAPA")
    if b"SASL" not in tags(spoken):
        raise NotApplicable("CAPA lists no SASL")
    return spoken


@check(
    "rfc5034/3/mechanism-names",
    Level.MUST,
    "RFC 5034 §3",
    "",
    expects="SASL is followed by names of mechanisms: 1 to 20 of A-Z, 0-9, - and _",
    suffers="it finds no mechanism that it knows",
    probes="auth",
)
def _names(seen: Seen) -> Iterable[Problem]:
    spoken = _offered(seen)
    mechanisms = tags(spoken)[b"SASL"]
    wrong = [name for name in mechanisms if not re.fullmatch(rb"[A-Z0-9_-]{1,20}", name)]
    if wrong or not mechanisms:
        name = wrong[0].decode("ascii", "backslashreplace") if wrong else "none"
        yield Problem(f"of the mechanisms of SASL, {name} is named", spoken)


check(
    "rfc5034/4/unknown-mechanism",
    Level.MUST,
    AUTH,
    UNSUPPORTED,
    expects="AUTH with a mechanism that doesn't exist is refused",
    suffers="it goes on with a mechanism that the server does not have",
    probes="auth",
    judge=refused("auth", "AUTH unknown"),
)


@check(
    "rfc5034/4/after-unknown-mechanism",
    Level.SHOULD,
    AUTH,
    FAILED,
    expects="after that the session is in AUTHORIZATION still, and goes on",
    suffers="one that tries its mechanisms one after the other gets no further than the first",
    probes="auth",
)
def _after_unknown(seen: Seen) -> Iterable[Problem]:
    spoken, after = seen("auth", "AUTH unknown"), seen("auth", "CAPA after AUTH unknown")
    if spoken.closed or after.connection is not spoken.connection:
        yield Problem("the server hangs up after AUTH with an unknown mechanism", spoken)


def _begun(seen: Seen, *mechanisms: str) -> list[Spoken]:
    _offered(seen)
    found = [
        seen.get("auth", f"AUTH {name}{again}") for name in mechanisms for again in ("", " again")
    ]
    begun = [spoken for spoken in found if spoken is not None]
    if not begun:
        raise NotApplicable(f"SASL lists no {' or '.join(mechanisms)}")
    return begun


@check(
    "rfc5034/4/empty-challenge",
    Level.MUST,
    AUTH,
    CHALLENGE,
    expects="AUTH PLAIN without a response is answered with a plus sign and a space, and nothing more",
    suffers="one that compares the line waits for a challenge that has come already",
    probes="auth",
)
def _empty(seen: Seen) -> Iterable[Problem]:
    for spoken in _begun(seen, "PLAIN"):
        line = spoken.line.line if spoken.line is not None else b""
        if spoken.refused:
            yield Problem(f"SASL lists PLAIN, and AUTH PLAIN is {spoken.outcome}", spoken)
        elif spoken.status is Status.CHALLENGE and line != b"+ ":
            yield Problem(f"the challenge of AUTH PLAIN is {spoken.outcome}", spoken)


@check(
    "rfc5034/4/challenge-clean",
    Level.MUST,
    AUTH,
    CHALLENGE,
    expects="a challenge is a plus sign, a space, and base64, and nothing more",
    suffers="it cannot read the challenge, and gives up",
    probes="auth",
)
def _clean(seen: Seen) -> Iterable[Problem]:
    for spoken in _begun(seen, "LOGIN", "CRAM-MD5"):
        if spoken.status is not Status.CHALLENGE or spoken.line is None:
            continue
        try:
            decode(spoken.line.text)
        except NotBase64:
            yield Problem(f"{spoken.name} is {spoken.outcome}, which is no base64", spoken)


check(
    "rfc5034/4/ok-for-challenge",
    Level.MUST,
    AUTH,
    CHALLENGE,
    expects="AUTH is answered with a challenge, and not with +OK, while a response is owed",
    suffers="it believes that it is logged in, or sends its password as a command",
    probes="auth",
    judge=lambda seen: [
        Problem(f"{spoken.name} is {spoken.outcome}", spoken)
        for spoken in _begun(seen, "PLAIN", "LOGIN", "CRAM-MD5")
        if any(each.kind is ViolationKind.OK_FOR_CHALLENGE for each in spoken.violations)
    ],
)


@check(
    "rfc5034/4/cancel",
    Level.MUST,
    AUTH,
    CANCEL,
    expects="a line with * ends the exchange with -ERR",
    suffers="it cannot give up one mechanism and try another",
    probes="auth",
)
def _cancel(seen: Seen) -> Iterable[Problem]:
    _begun(seen, "PLAIN", "LOGIN", "CRAM-MD5")
    for spoken in seen.some("auth", "* "):
        if not spoken.refused:
            yield Problem(f"* is {spoken.outcome}", spoken)


@check(
    "rfc5034/4/after-cancel",
    Level.SHOULD,
    AUTH,
    FAILED,
    expects="after a cancelled exchange the session goes on",
    suffers="it cannot give up one mechanism and try another",
    probes="auth",
)
def _after_cancel(seen: Seen) -> Iterable[Problem]:
    _begun(seen, "PLAIN", "LOGIN", "CRAM-MD5")
    for spoken in seen.some("auth", "* "):
        label = next(label for label, each in seen.heard["auth"].items() if each is spoken)
        after = seen("auth", f"CAPA after {label}")
        if spoken.refused and (spoken.closed or after.connection is not spoken.connection):
            yield Problem("the server hangs up after a cancelled exchange", spoken)
    for spoken in seen.all("auth", beginning="CAPA after *"):
        if not spoken.ok:
            yield Problem(f"CAPA after a cancelled exchange is {spoken.outcome}", spoken)


@check(
    "rfc2195/2/challenge-fresh",
    Level.MUST,
    "RFC 2195 §2",
    "The data encoded in the first ready response contains an presumptively arbitrary string of random "
    "digits, a timestamp, and the fully-qualified primary host name of the server.",
    expects="each challenge of CRAM-MD5 is another one",
    suffers="a response that was overheard once lets anybody in",
    probes="auth",
)
def _fresh_challenge(seen: Seen) -> Iterable[Problem]:
    texts = [spoken.line.text for spoken in _begun(seen, "CRAM-MD5") if spoken.line is not None]
    if (
        len(texts) > 1
        and len(set(texts)) < len(texts)
        and seen("auth", "AUTH CRAM-MD5").status is (Status.CHALLENGE)
    ):
        yield Problem("two challenges of CRAM-MD5 are the same", *_begun(seen, "CRAM-MD5"))


@check(
    "rfc5034/4/login-works",
    Level.MUST,
    "RFC 5034 §3",
    "",
    expects="one can log in by the mechanisms that SASL lists, PLAIN in one line and in two",
    suffers="it takes the best mechanism that is listed, and reports a wrong password",
    probes="mechanisms",
)
def _login_works(seen: Seen) -> Iterable[Problem]:
    tried = seen.heard.get("mechanisms", {})
    if not tried:
        raise seen.missing.get("mechanisms") or NotApplicable(
            "SASL lists none that takes a password"
        )
    for label, spoken in tried.items():
        if spoken.failure:
            yield Problem(f"no login by {label}", spoken)


@check(
    "rfc1939/7/apop-timestamp-syntax",
    Level.MUST,
    "RFC 1939 §7",
    "The syntax of the timestamp corresponds to the `msg-id' in [RFC822]",
    expects="what is in angle brackets in the greeting is a msg-id: <left@right>, without spaces",
    suffers="it uses no APOP; one that reads it loosely lets a stranger choose what is hashed",
    probes="greeting",
)
def _timestamp_syntax(seen: Seen) -> Iterable[Problem]:
    spoken = seen("greeting", "greeting")
    line = spoken.line.line if spoken.line is not None else b""
    if not re.search(rb"<[^<>]*@[^<>]*>", line):
        raise NotApplicable("the greeting has no timestamp, so there is no APOP")
    if spoken.timestamp is None:
        yield Problem("the timestamp of the greeting is no msg-id", spoken)


@check(
    "rfc1939/7/apop-timestamp-fresh",
    Level.MUST,
    "RFC 1939 §7",
    "and MUST be different each time the POP3 server issues a banner greeting.",
    expects="each greeting has another timestamp",
    suffers="a digest that was overheard once lets anybody in",
    probes="greeting",
)
def _timestamp_fresh(seen: Seen) -> Iterable[Problem]:
    greetings = seen.some("greeting", "greeting")
    stamps = [spoken.timestamp for spoken in greetings]
    if None in stamps:
        raise NotApplicable("the greeting has no timestamp, so there is no APOP")
    if len(set(stamps)) < len(stamps):
        yield Problem("greetings have the same timestamp", *greetings)


# Responses that cannot be right.


def _fails(*labels: str) -> Judge:
    def judge(seen: Seen) -> Iterable[Problem]:
        for label in labels:
            spoken = seen("bad_responses", label)
            if not spoken.refused:
                yield Problem(f"{label} in AUTH PLAIN is {spoken.outcome}", spoken)

    return judge


check(
    "rfc5034/4/bad-base64",
    Level.MUST,
    "RFC 5034 §4",
    "",
    expects="a response that is no base64 is refused",
    suffers="a mistake on the way goes unseen",
    probes="bad_responses",
    judge=_fails("bad base64", "padding inside"),
)
check(
    "rfc4616/2/nul-count",
    Level.MUST,
    "RFC 4616 §2",
    "message = [authzid] UTF8NUL authcid UTF8NUL passwd",
    expects="a response of PLAIN without its two NULs is refused",
    suffers="nothing; but a server that guesses where the name ends can be fooled",
    probes="bad_responses",
    judge=_fails("no NUL", "an empty response"),
)


@check(
    "rfc5034/4/long-response",
    Level.MUST,
    "RFC 5034 §4",
    "",
    expects="a response of some thousand octets after a challenge is read whole, and answered once",
    suffers="tickets and tokens are longer than a password, and are cut",
    probes="bad_responses",
)
def _long_response(seen: Seen) -> Iterable[Problem]:
    spoken = seen("bad_responses", "a long response")
    after = seen("bad_responses", "CAPA after a long response")
    if spoken.closed or after.connection is not spoken.connection:
        yield Problem("the server hangs up at a response of 3,400 octets", spoken)
    elif not spoken.refused or spoken.unsolicited:
        yield Problem(f"a response of 3,400 octets is {spoken.outcome}", spoken)


@check(
    "robust/line-end-in-response",
    Level.MUST,
    "RFC 1939 §5",
    "After each command, the POP3 server issues a response.",
    expects="a line end inside base64 does not end a line of the reply",
    suffers="what it sends as a name comes back as the server's own words",
    probes="bad_responses",
)
def _line_end(seen: Seen) -> Iterable[Problem]:
    spoken = seen("bad_responses", "a line end")
    if spoken.unsolicited or spoken.ok:
        yield Problem("a line end in the name makes two replies", spoken)


# A wrong password, and response codes.


@check(
    "rfc1939/7/wrong-password",
    Level.MUST,
    "RFC 1939 §7",
    "-ERR invalid password",
    expects="a wrong password is refused, and the session is not logged in then",
    suffers="nothing; but anybody can read the mail",
    probes="wrong_passwords",
)
def _wrong_password(seen: Seen) -> Iterable[Problem]:
    for label in ("PASS user", "STAT user", "PASS nobody"):
        spoken = seen.get("wrong_passwords", label)
        if spoken is not None and not spoken.refused:
            yield Problem(f"{spoken.name}, after a wrong password, is {spoken.outcome}", spoken)
    seen("wrong_passwords", "PASS user")


@check(
    "rfc3206/7/no-oracle",
    Level.SHOULD,
    "RFC 1939 §13",
    "Servers that answer -ERR to the USER command are giving potential attackers clues about which "
    "names are valid.",
    expects="a name that nobody has is refused in the same words as a wrong password",
    suffers="nothing; but anybody can find out which names there are",
    probes="wrong_passwords",
)
def _oracle(seen: Seen) -> Iterable[Problem]:
    for command in ("USER", "PASS"):
        user, nobody = (
            seen("wrong_passwords", f"{command} {label}") for label in ("user", "nobody")
        )
        name = seen.heard["wrong_passwords"]["USER user"].sent.partition(b" ")[2]
        if user.line is None or nobody.line is None:
            continue
        lines = user.line.line.replace(name, b"*"), nobody.line.line
        if lines[0] != lines[1].replace(b"poptalk-check-nobody", b"*"):
            yield Problem(
                f"{command} tells a name that there is from one that there isn't", user, nobody
            )


@check(
    "rfc3206/6/auth-on-wrong-password",
    Level.MUST,
    "RFC 3206 §6",
    "",
    expects="where CAPA lists AUTH-RESP-CODE, a wrong password is refused with [AUTH]",
    suffers="it does not ask its user for another password, as it takes the fault for the server's",
    probes="wrong_passwords",
)
def _auth_code(seen: Seen) -> Iterable[Problem]:
    if b"AUTH-RESP-CODE" not in tags(seen("wrong_passwords", "CAPA")):
        raise NotApplicable("CAPA lists no AUTH-RESP-CODE")
    spoken = seen("wrong_passwords", "PASS user")
    code = (spoken.line.code or b"") if spoken.line is not None else b""
    if spoken.refused and spoken.line is not None and code.upper() != b"AUTH":
        yield Problem(f"a wrong password is {spoken.outcome}", spoken)


@check(
    "rfc3206/5/auth-for-credentials-only",
    Level.SHOULD,
    "RFC 3206 §5",
    "",
    expects="an unknown mechanism is not refused with [AUTH], which is for credentials",
    suffers="it tells its user that the password is wrong",
    probes="auth",
)
def _auth_only(seen: Seen) -> Iterable[Problem]:
    spoken = seen("auth", "AUTH unknown")
    if spoken.line is not None and (spoken.line.code or b"").upper() == b"AUTH":
        yield Problem(f"an unknown mechanism is {spoken.outcome}", spoken)


def _codes(seen: Seen) -> list[Spoken]:
    """Return the replies whose text begins with a bracket, where that means a response code.

    Raises:
        NotApplicable: CAPA lists no RESP-CODES.
    """
    listed = [tags(spoken) for spoken in seen.all(beginning="CAPA")]
    if not any(b"RESP-CODES" in each for each in listed):
        raise NotApplicable("CAPA lists no RESP-CODES")
    lines = [(spoken, spoken.line) for spoken in seen.all()]
    return [spoken for spoken, line in lines if line is not None and line.text.startswith(b"[")]


@check(
    "rfc2449/8/code-syntax",
    Level.MUST,
    "RFC 2449 §6.4",
    "The RESP-CODES capability indicates that any response text issued by this server which begins with "
    'an open square bracket ("[") is an extended response code (see section 8).',
    expects="a text that begins with a bracket begins with a response code",
    suffers="it reads a reason for a refusal that is none",
)
def _code_syntax(seen: Seen) -> Iterable[Problem]:
    for spoken in _codes(seen):
        if spoken.line is not None and spoken.line.code is None:
            yield Problem(f"{spoken.name} is {spoken.outcome}, which is no response code", spoken)


@check(
    "rfc2449/8/code-registered",
    Level.SHOULD,
    "RFC 2449 §8",
    'Immediately following the open square bracket "[" character is a response code which is '
    "interpreted in a case-insensitive fashion by the client.",
    expects="response codes are registered ones",
    suffers="it does not know the reason for a refusal",
)
def _code_registered(seen: Seen) -> Iterable[Problem]:
    for spoken in _codes(seen):
        code = spoken.line.code if spoken.line is not None else None
        if code is not None and find_response_code(code) is None and code[:1].upper() != b"X":
            yield Problem(
                f"{spoken.name} is {spoken.outcome}, and nobody registered that code", spoken
            )
