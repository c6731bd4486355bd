"""Checks of AUTH and APOP, and of response codes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from poptalk.check.connection import FAKE, Spoken
from poptalk.check.model import (
    MUST,
    RESPONDS,
    SHOULD,
    Judge,
    NotApplicable,
    Problem,
    Seen,
    Sentence,
    check,
    refused,
    wrong_if,
)
from poptalk.check.probes import tags
from poptalk.pop3.events import ViolationKind
from poptalk.pop3.replies import Status, find_response_code
from poptalk.pop3.sasl.mechanism import NotBase64, decode

AUTH = "RFC 1734 §2, now RFC 5034 §4"
CHALLENGE = Sentence(
    AUTH,
    'A server challenge, otherwise known as a ready response, is a line consisting of a "+" character '
    "followed by a single space and a BASE64 encoded string.",
)
FAILED = Sentence(
    AUTH,
    "If an AUTH command fails with a negative response, the session remains in the AUTHORIZATION state "
    "and client may try another authentication mechanism by issuing another AUTH command",
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
    MUST,
    "",
    expects="SASL is followed by names of mechanisms: 1 to 20 of A-Z, 0-9, - and _",
    suffers="it finds no mechanism that it knows",
    probes="auth",
)
def _names(seen: Seen) -> Iterable[Problem]:
    spoken = _offered(seen)
    mechanisms = tags(spoken)[b"SASL"]
    wrong = [name for name in mechanisms if not re.fullmatch(rb"[A-Z0-9_-]{1,20}", name)]
    if not mechanisms:
        yield Problem("SASL is followed by no mechanism", spoken)
    elif wrong:
        name = wrong[0].decode("ascii", "backslashreplace")
        yield Problem(f'SASL lists "{name}", which cannot be the name of a mechanism', spoken)


check(
    "rfc5034/4/unknown-mechanism",
    MUST,
    Sentence(
        AUTH,
        "If the requested authentication mechanism is not supported, the server should reject the AUTH "
        "command by sending a negative response.",
    ),
    expects="AUTH with a mechanism that doesn't exist is refused",
    suffers="it goes on with a mechanism that the server does not have",
    probes="auth",
    judge=refused("auth", "AUTH unknown"),
)


@check(
    "rfc5034/4/after-unknown-mechanism",
    SHOULD,
    FAILED,
    expects="after that the session is still in the AUTHORIZATION state, and goes on",
    suffers="if it tries its mechanisms one after the other, it gets no further than the first",
    probes="auth",
)
def _after_unknown(seen: Seen) -> Iterable[Problem]:
    spoken, after = seen("auth", "AUTH unknown"), seen("auth", "CAPA after AUTH unknown")
    if spoken.closed or after.connection is not spoken.connection:
        yield Problem("the server hangs up after AUTH with an unknown mechanism", spoken)


def _begun(seen: Seen, *mechanisms: str) -> list[Spoken]:
    """Return what came of AUTH with some mechanisms and no initial response.

    Raises:
        NotApplicable: CAPA lists none of them.
    """
    _offered(seen)
    labels = [f"AUTH {name}{again}" for name in mechanisms for again in ("", " again")]
    begun = [spoken for label in labels if (spoken := seen.get("auth", label)) is not None]
    if not begun:
        raise NotApplicable(f"SASL lists no {' or '.join(mechanisms)}")
    return begun


@check(
    "rfc5034/4/empty-challenge",
    MUST,
    CHALLENGE,
    expects="AUTH PLAIN without a response is answered with a plus sign and a space, and nothing more",
    suffers="if it compares the line, it waits for a challenge that has come already",
    probes="auth",
)
def _empty(seen: Seen) -> Iterable[Problem]:
    for spoken in _begun(seen, "PLAIN"):
        line = spoken.line.line if spoken.line is not None else b""
        if spoken.refused:
            yield Problem(f"SASL lists PLAIN, but AUTH PLAIN is {spoken.outcome}", spoken)
        elif spoken.status is Status.CHALLENGE and line != b"+ ":
            yield Problem(f"the challenge of AUTH PLAIN is {spoken.outcome}", spoken)


@check(
    "rfc5034/4/challenge-clean",
    MUST,
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
            yield Problem(f"{spoken.name} is {spoken.outcome}, which isn't base64", spoken)


@check(
    "rfc5034/4/ok-for-challenge",
    MUST,
    CHALLENGE,
    expects="AUTH is answered with a challenge, and not with +OK, while a response is due",
    suffers="it believes that it is logged in, or sends its password as a command",
    probes="auth",
)
def _ok_for_challenge(seen: Seen) -> Iterable[Problem]:
    for spoken in _begun(seen, "PLAIN", "LOGIN", "CRAM-MD5"):
        if any(each.kind is ViolationKind.OK_FOR_CHALLENGE for each in spoken.violations):
            yield Problem(f"{spoken.name} is {spoken.outcome}", spoken)


@check(
    "rfc5034/4/cancel",
    MUST,
    Sentence(
        AUTH,
        "If the client wishes to cancel an authentication exchange, it should issue a line with a "
        'single "*". If the server receives such an answer, it must reject the AUTH command by sending '
        "a negative response.",
    ),
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
    SHOULD,
    FAILED,
    expects="after a cancelled exchange the session goes on",
    suffers="it cannot give up one mechanism and try another",
    probes="auth",
)
def _after_cancel(seen: Seen) -> Iterable[Problem]:
    _begun(seen, "PLAIN", "LOGIN", "CRAM-MD5")
    for label, spoken in seen.heard["auth"].items():
        if label.startswith("* "):
            after = seen("auth", f"CAPA after {label}")
            if spoken.refused and (spoken.closed or after.connection is not spoken.connection):
                yield Problem("the server hangs up after a cancelled exchange", spoken)
            if not after.ok:
                yield Problem(f"CAPA after a cancelled exchange is {after.outcome}", after)


@check(
    "rfc2195/2/challenge-fresh",
    MUST,
    "The data encoded in the first ready response contains an presumptively arbitrary string of "
    "random digits, a timestamp, and the fully-qualified primary host name of the server.",
    expects="each challenge of CRAM-MD5 is another one",
    suffers="a response that was overheard once lets anybody in",
    probes="auth",
)
def _fresh_challenge(seen: Seen) -> Iterable[Problem]:
    begun = [each for each in _begun(seen, "CRAM-MD5") if each.status is Status.CHALLENGE]
    texts = [spoken.line.text for spoken in begun if spoken.line is not None]
    if len(set(texts)) < len(texts):
        yield Problem("two challenges of CRAM-MD5 are the same", *begun)


@check(
    "rfc5034/4/login-works",
    MUST,
    Sentence("RFC 5034 §3", ""),
    expects="one can log in by the mechanisms that SASL lists, PLAIN in one line and in two",
    suffers="it takes the best mechanism that is listed, and reports a wrong password",
    probes="mechanisms",
)
def _login_works(seen: Seen) -> Iterable[Problem]:
    tried = seen.heard.get("mechanisms", {})
    if not tried:
        raise seen.missing.get("mechanisms") or NotApplicable(
            "SASL lists no mechanism that takes a password"
        )
    for label, spoken in tried.items():
        if spoken.failure:
            yield Problem(f"no login by {label}", spoken)


_NO_APOP = "the greeting has no timestamp, so there is no APOP"


@check(
    "rfc1939/7/apop-timestamp-syntax",
    MUST,
    "The syntax of the timestamp corresponds to the `msg-id' in [RFC822]",
    expects="what is in angle brackets in the greeting is a msg-id: <left@right>, without spaces",
    suffers="it does not use APOP; if it reads the timestamp loosely, a stranger chooses what is hashed",
    probes="greeting",
)
def _timestamp_syntax(seen: Seen) -> Iterable[Problem]:
    spoken = seen("greeting", "greeting")
    line = spoken.line.line if spoken.line is not None else b""
    if not re.search(rb"<[^<>]*@[^<>]*>", line):
        raise NotApplicable(_NO_APOP)
    if spoken.timestamp is None:
        yield Problem("the timestamp of the greeting isn't a msg-id", spoken)


@check(
    "rfc1939/7/apop-timestamp-fresh",
    MUST,
    "and MUST be different each time the POP3 server issues a banner greeting.",
    expects="each greeting has another timestamp",
    suffers="a digest that was overheard once lets anybody in",
    probes="greeting",
)
def _timestamp_fresh(seen: Seen) -> Iterable[Problem]:
    greetings = seen.some("greeting", "greeting")
    stamps = [spoken.timestamp for spoken in greetings]
    if None in stamps:
        raise NotApplicable(_NO_APOP)
    if len(set(stamps)) < len(stamps):
        yield Problem("greetings have the same timestamp", *greetings)


# Responses that cannot be right.


def _refuses(*labels: str) -> Judge:
    def judge(seen: Seen) -> Iterable[Problem]:
        for label in labels:
            spoken = seen("bad_responses", label)
            if not spoken.refused:
                yield Problem(f"{label} in AUTH PLAIN is {spoken.outcome}", spoken)

    return judge


check(
    "rfc5034/4/bad-base64",
    MUST,
    "",
    expects="a response that isn't base64 is refused",
    suffers="an error on the way goes unnoticed",
    probes="bad_responses",
    judge=_refuses("bad base64", "padding inside"),
)
check(
    "rfc4616/2/nul-count",
    MUST,
    "message = [authzid] UTF8NUL authcid UTF8NUL passwd",
    expects="a response of PLAIN without its two NULs is refused",
    suffers="nothing; but a server that guesses where the name ends can be fooled",
    probes="bad_responses",
    judge=_refuses("no NUL", "an empty response"),
)


@check(
    "rfc5034/4/long-response",
    MUST,
    "",
    expects="a response of some thousand octets after a challenge is read whole, and answered once",
    suffers="its tickets and tokens, which are longer than a password, are cut",
    probes="bad_responses",
)
def _long_response(seen: Seen) -> Iterable[Problem]:
    spoken = seen("bad_responses", "a long response")
    after = seen("bad_responses", "CAPA after a long response")
    octets = f"a response of {len(spoken.sent):,} octets"
    if spoken.closed or after.connection is not spoken.connection:
        yield Problem(f"the server hangs up at {octets}", spoken)
    elif not spoken.refused or spoken.unsolicited:
        yield Problem(f"{octets} is {spoken.outcome}", spoken)


check(
    "robust/line-end-in-response",
    MUST,
    RESPONDS,
    expects="a line end inside base64 does not end a line of the reply",
    suffers="what it sends as a name comes back as the server's own words",
    probes="bad_responses",
    judge=wrong_if(
        lambda spoken: spoken.unsolicited or spoken.ok,
        "a line end in the name makes two replies",
        "bad_responses",
        "a line end",
    ),
)


# A wrong password, and response codes.


@check(
    "rfc1939/7/wrong-password",
    MUST,
    "-ERR invalid password",
    expects="a wrong password is refused, and the session is not logged in then",
    suffers="nothing; but anybody can read the mail",
    probes="wrong_passwords",
)
def _wrong_password(seen: Seen) -> Iterable[Problem]:
    seen("wrong_passwords", "PASS user")
    for label in ("PASS user", "STAT user", "PASS nobody"):
        spoken = seen.get("wrong_passwords", label)
        if spoken is not None and not spoken.refused:
            yield Problem(f"{spoken.name}, after a wrong password, is {spoken.outcome}", spoken)


@check(
    "rfc3206/7/no-oracle",
    SHOULD,
    Sentence(
        "RFC 1939 §13",
        "Servers that answer -ERR to the USER command are giving potential attackers clues about which "
        "names are valid.",
    ),
    expects="a name that nobody has is refused in the same words as a wrong password",
    suffers="nothing; but anybody can find out which names there are",
    probes="wrong_passwords",
)
def _oracle(seen: Seen) -> Iterable[Problem]:
    name = seen("wrong_passwords", "USER user").sent.partition(b" ")[2]
    for command in ("USER", "PASS"):
        user, nobody = (
            seen("wrong_passwords", f"{command} {label}") for label in ("user", "nobody")
        )
        if user.line is None or nobody.line is None:
            continue
        lines = user.line.line.replace(name, b"*"), nobody.line.line
        if lines[0] != lines[1].replace(FAKE + b"-nobody", b"*"):
            text = f"the answers to {command} tell a name that there is from one that there isn't"
            yield Problem(text, user, nobody)


@check(
    "rfc3206/6/auth-on-wrong-password",
    MUST,
    "",
    expects="where CAPA lists AUTH-RESP-CODE, a wrong password is refused with [AUTH]",
    suffers="it does not ask its user for another password, as it takes the fault for the server's",
    probes="wrong_passwords",
)
def _auth_code(seen: Seen) -> Iterable[Problem]:
    if b"AUTH-RESP-CODE" not in tags(seen("wrong_passwords", "CAPA")):
        raise NotApplicable("CAPA lists no AUTH-RESP-CODE")
    spoken = seen("wrong_passwords", "PASS user")
    if spoken.refused and spoken.line is not None and not _has_auth_code(spoken):
        yield Problem(f"a wrong password is {spoken.outcome}", spoken)


def _has_auth_code(spoken: Spoken) -> bool:
    return spoken.line is not None and (spoken.line.code or b"").upper() == b"AUTH"


check(
    "rfc3206/5/auth-for-credentials-only",
    SHOULD,
    "",
    expects="an unknown mechanism is not refused with [AUTH], which is for credentials",
    suffers="it tells its user that the password is wrong",
    probes="auth",
    judge=wrong_if(_has_auth_code, "an unknown mechanism is {outcome}", "auth", "AUTH unknown"),
)


def _coded(seen: Seen) -> list[Spoken]:
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
    MUST,
    Sentence(
        "RFC 2449 §6.4",
        "The RESP-CODES capability indicates that any response text issued by this server which begins "
        'with an open square bracket ("[") is an extended response code (see section 8).',
    ),
    expects="a text that begins with a bracket begins with a response code",
    suffers="it takes it for the reason for a refusal",
)
def _code_syntax(seen: Seen) -> Iterable[Problem]:
    for spoken in _coded(seen):
        if spoken.line is not None and spoken.line.code is None:
            text = f"{spoken.name} is {spoken.outcome}, which isn't a response code"
            yield Problem(text, spoken)


@check(
    "rfc2449/8/code-registered",
    SHOULD,
    'Immediately following the open square bracket "[" character is a response code which is '
    "interpreted in a case-insensitive fashion by the client.",
    expects="response codes are registered ones",
    suffers="it does not know the reason for a refusal",
)
def _code_registered(seen: Seen) -> Iterable[Problem]:
    for spoken in _coded(seen):
        code = spoken.line.code if spoken.line is not None else None
        if code is not None and find_response_code(code) is None and code[:1].upper() != b"X":
            text = f"{spoken.name} is {spoken.outcome}, and that code is not registered"
            yield Problem(text, spoken)
