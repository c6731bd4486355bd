"""What stands in the lines of AUTH: base64 undone, part by part, and which part is a secret.

From the parts of a response follows its stand-in: a line of the same form in which the secret is
stars, so that it can be shown, and decodes to what it is about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from poptalk.protocol.sasl_lines import CANCEL, EMPTY_INITIAL_RESPONSE, NotBase64, decode, encode
from poptalk.protocol.values import Value

STARS = b"********"
"""What a secret becomes: always as many, as its length is nobody's business."""


class SaslPart(Value):
    """A part of a response or a challenge."""

    octets: bytes
    meaning: str
    """Empty for separators, which mean nothing by themselves."""
    secret: bool = False
    name: bytes | None = None
    """The name of the user, where this part holds it."""

    def __repr__(self) -> str:
        """Hide a secret: a repr ends up in tracebacks."""
        shown = STARS if self.secret else self.octets
        return f"SaslPart({shown!r}, {self.meaning!r})"


Parts = Sequence[SaslPart]


def response_parts(mechanism: bytes, step: int, octets: bytes) -> Parts:
    """Take a response of the client apart.

    Args:
        mechanism: its name, in any case.
        step: which response of the exchange it is, from 1, an initial one included.
        octets: base64 undone.

    Returns:
        All of the octets in their order.  Where the mechanism is not known, or the response is not
        what the mechanism lays down, one part, secret as a whole.
    """
    if not octets:
        return ()
    reader = _RESPONSES.get(mechanism.upper())
    parts = reader(step, octets) if reader is not None else None
    return parts or (SaslPart(octets=octets, meaning="a response", secret=True),)


def challenge_parts(mechanism: bytes, octets: bytes) -> Parts:
    """Take a challenge of the server apart; nothing in it is a secret of the user's.

    Args:
        mechanism: its name, in any case.
        octets: base64 undone.
    """
    if not octets:
        return ()
    name = mechanism.upper()
    if name.startswith(b"SCRAM-"):
        return _attributes(octets, _SCRAM_SERVER) or _words(octets)
    meaning = {
        b"LOGIN": "the question, in words that mean nothing: the name is asked for first",
        b"CRAM-MD5": "the challenge: whoever knows the password can make the digest of it",
        b"XOAUTH2": "why the token was refused; an empty line is the answer",
        b"OAUTHBEARER": "why the token was refused; Ctrl-A alone is the answer (RFC 7628 §3.2.3)",
    }.get(name)
    return (SaslPart(octets=octets, meaning=meaning or "the server's words"),)


def name_in(mechanism: bytes, step: int, line: bytes) -> bytes | None:
    """Return the name of the user that a response tells, None if it tells none.

    Args:
        mechanism: its name, in any case.
        step: as for `response_parts`.
        line: the response as it was sent, base64.
    """
    try:
        parts = response_parts(mechanism, step, decode(line))
    except NotBase64:
        return None
    return next((part.name for part in parts if part.name), None)


def asks_for_password(mechanism: bytes, challenge: bytes) -> bool:
    """Tell whether a challenge of LOGIN asks for something else than the name.

    The name is asked for first, in words that mean nothing; but whoever is asked for the password
    first, and types it, must not see it as a name.

    Args:
        mechanism: its name, in any case.
        challenge: base64.
    """
    if mechanism.upper() != b"LOGIN":
        return False
    try:
        return b"pass" in decode(challenge).lower()
    except NotBase64:
        return True


def stand_in(mechanism: bytes, step: int, line: bytes) -> bytes | None:
    """Return what may be shown in place of a response.

    Args:
        mechanism: its name, in any case.
        step: as for `response_parts`.
        line: the response as it was sent, base64.

    Returns:
        Base64 whose secret parts are stars; None where the line is no base64, so that it must be
        hidden as a whole.
    """
    if line in (b"", CANCEL, EMPTY_INITIAL_RESPONSE):
        return line
    try:
        parts = response_parts(mechanism, step, decode(line))
    except NotBase64:
        return None
    return encode(b"".join(STARS if part.secret else part.octets for part in parts))


# A reader for each mechanism: None where the response is not what it lays down.

_Reader = Callable[[int, bytes], "Parts | None"]


def _plain(_step: int, octets: bytes) -> Parts | None:
    """Read ``identity NUL name NUL password`` (RFC 4616 §2)."""
    fields = octets.split(b"\0")
    if len(fields) != 3:
        return None
    identity, name, password = fields
    separator = SaslPart(octets=b"\0", meaning="")
    first = (SaslPart(octets=identity, meaning="the identity to act as"),) if identity else ()
    return (
        *first,
        separator,
        SaslPart(octets=name, meaning="the name", name=name),
        separator,
        SaslPart(octets=password, meaning="the password", secret=True),
    )


def _login(step: int, octets: bytes) -> Parts | None:
    if step == 1:
        return (SaslPart(octets=octets, meaning="the name", name=octets),)
    return (SaslPart(octets=octets, meaning="the password", secret=True),)


def _cram_md5(_step: int, octets: bytes) -> Parts | None:
    """Read ``name SP digest`` (RFC 2195 §2)."""
    name, blank, digest = octets.rpartition(b" ")
    if not blank:
        return None
    # Whoever has the challenge and the digest can try passwords at home.
    return (
        SaslPart(octets=name, meaning="the name", name=name),
        SaslPart(octets=blank, meaning=""),
        SaslPart(
            octets=digest,
            meaning="HMAC-MD5 of the challenge, the key being the password",
            secret=True,
        ),
    )


def _bearer(_step: int, octets: bytes) -> Parts | None:
    """Read pairs that Ctrl-A parts, with or without a GS2 header (RFC 7628 §3.1)."""
    if octets == b"\x01":
        return (SaslPart(octets=octets, meaning="Ctrl-A: the failure is acknowledged"),)
    parts: list[SaslPart] = []
    for field in octets.split(b"\x01"):
        key, equals, value = field.partition(b"=")
        if key == b"auth" and equals:
            scheme, blank, token = value.partition(b" ")
            parts.append(
                SaslPart(octets=b"auth=" + scheme + blank, meaning="a bearer token follows")
            )
            parts.append(SaslPart(octets=token, meaning="the token", secret=True))
        elif field:
            name = _unescaped(value.rstrip(b",")) if key in (b"user", b"n,a") else None
            parts.append(SaslPart(octets=field, meaning=_PAIRS.get(key, "a field"), name=name))
        parts.append(SaslPart(octets=b"\x01", meaning=""))
    return parts[:-1] if any(part.secret for part in parts) else None


_PAIRS = {
    b"user": "the name",
    b"host": "the server that is meant",
    b"port": "its port",
    b"n,a": "no channel binding, and the name",
}


def _scram(_step: int, octets: bytes) -> Parts | None:
    """Read attributes that commas part (RFC 5802 §5.1)."""
    header = b""
    if octets.startswith((b"n,", b"y,", b"p=")) and octets.count(b",") >= 3:
        flag, identity, octets = octets.split(b",", 2)
        header = flag + b"," + identity + b","
    parts = _attributes(octets, _SCRAM_CLIENT)
    if parts is None:
        return None
    first = (SaslPart(octets=header, meaning="the GS2 header: no channel binding"),)
    return (*(first if header else ()), *parts)


def _attributes(octets: bytes, meanings: Mapping[bytes, str]) -> Parts | None:
    parts: list[SaslPart] = []
    for field in octets.split(b","):
        key, equals, _ = field.partition(b"=")
        if not equals or key not in meanings:
            return None
        name = _unescaped(field[2:]) if key == b"n" else None
        parts.append(SaslPart(octets=field, meaning=meanings[key], secret=key == b"p", name=name))
        parts.append(SaslPart(octets=b",", meaning=""))
    return parts[:-1]


def _unescaped(name: bytes) -> bytes:
    """Undo what a name needs among commas and equals signs (RFC 5802 §5.1)."""
    return name.replace(b"=2C", b",").replace(b"=3D", b"=")


_SCRAM_CLIENT = {
    b"n": "the name",
    b"r": "a number used once",
    b"c": "the GS2 header again, so that nobody can change it on the way",
    b"p": "the proof: made from the password and all messages so far",
}

_SCRAM_SERVER = {
    b"r": "the client's number used once, with the server's behind it",
    b"s": "the salt",
    b"i": "how often the password is hashed",
    b"v": "the server's own proof that it knows the password",
    b"e": "why it failed",
}


def _external(_step: int, octets: bytes) -> Parts | None:
    return _words(octets, meaning="the identity to act as")


def _words(octets: bytes, *, meaning: str = "the server's words") -> Parts:
    return (SaslPart(octets=octets, meaning=meaning),)


_RESPONSES: Mapping[bytes, _Reader] = {
    b"PLAIN": _plain,
    b"LOGIN": _login,
    b"CRAM-MD5": _cram_md5,
    b"XOAUTH2": _bearer,
    b"OAUTHBEARER": _bearer,
    b"SCRAM-SHA-1": _scram,
    b"SCRAM-SHA-256": _scram,
    b"EXTERNAL": _external,
}
