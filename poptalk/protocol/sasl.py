"""SASL mechanisms, seen from the server (RFC 4422, RFC 5034).

AUTH names a mechanism, and then the two sides take turns: the server sends challenges, the client
responses, both in base64.  A `Mechanism` is one such exchange in octets; base64, the lines around it
and the cancelling `*` are the business of the server core, whether the proof is right is that of
whoever keeps the accounts.  So a mechanism does no more than to part responses and to say what is to
be asked next::

    mechanism.challenge()           # where the client sent no initial response
    mechanism.respond(octets)       # the next challenge, or the `LoginAttempt` that all led up to
    mechanism.last_challenge(...)   # what is to be said before the outcome, if anything

Here are the mechanisms that need nothing but octets.  SCRAM stands outside of this room, because its
library does; to the core it is one `Mechanism` more.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

from poptalk.protocol.proofs import CramMd5Proof, PasswordProof, TokenProof
from poptalk.protocol.sasl_lines import NotBase64, decode, encode
from poptalk.protocol.server_events import LoginAttempt
from poptalk.protocol.texts import Occasion


class SaslFailure(Exception):
    """A response that ends the exchange without any account having been looked at.

    Args:
        occasion: what to say.
    """

    def __init__(self, occasion: Occasion) -> None:
        super().__init__(f"the exchange fails: {occasion.value}")
        self.occasion = occasion


def malformed() -> SaslFailure:
    """Return the failure of a response that is not what its mechanism lays down."""
    return SaslFailure(Occasion.RESPONSE_MALFORMED)


def decode_response(line: bytes) -> bytes:
    """Decode a response, strictly (RFC 4648 §3.3, §3.5).

    Args:
        line: base64, without the line end.

    Raises:
        SaslFailure: it is no base64.
    """
    try:
        return decode(line)
    except NotBase64 as error:
        raise SaslFailure(Occasion.RESPONSE_NOT_BASE64) from error


def encode_challenge(octets: bytes) -> bytes:
    """Return a challenge as a line: "+", a blank, and base64 or nothing (RFC 5034 §4)."""
    return b"+ %b\r\n" % encode(octets)


class Mechanism(ABC):
    """One exchange by one mechanism.

    Attributes:
        client_first: whether the client speaks first, so that an initial response has a meaning.
    """

    client_first = True

    def challenge(self) -> bytes:
        """Return the first challenge; empty where it only gives the client its turn."""
        return b""

    @abstractmethod
    def respond(self, response: bytes) -> bytes | LoginAttempt:
        """Take a response.

        Args:
            response: octets, base64 undone.

        Returns:
            The next challenge, or the attempt to log in that the exchange has led to.

        Raises:
            SaslFailure: the response is not what the mechanism lays down.
        """

    def last_challenge(self, *, accepted: bool) -> bytes | None:
        """Return what is to be said once it is known whether the proof was right.

        The outcome itself carries no data (RFC 5034 §4), so this goes as a challenge, which the client
        answers before it is told.  None where the mechanism has nothing to say.
        """
        del accepted
        return None


Mechanisms = Mapping[bytes, Callable[[], Mechanism]]
"""Makers of mechanisms by name in upper case; each exchange has a mechanism of its own."""


class Plain(Mechanism):
    """PLAIN: an identity to act as, a name and a password, parted by NUL (RFC 4616 §2)."""

    def respond(self, response: bytes) -> LoginAttempt:
        """Part the message."""
        parts = response.split(b"\0")
        if len(parts) != 3 or not all(parts[1:]):
            raise malformed()
        identity, name, password = parts
        if identity not in (b"", name):
            # Told from what the client sent alone, so it says nothing about the accounts.
            raise SaslFailure(Occasion.OTHER_IDENTITY)
        return LoginAttempt(name=name, proof=PasswordProof(password=password))


class Login(Mechanism):
    """LOGIN: asks for the name, then for the password (draft-murchison-sasl-login-00 §2.2).

    The server speaks first.  Both questions are asked whatever the name is.
    """

    client_first = False

    def __init__(self) -> None:
        self._name: bytes | None = None

    def challenge(self) -> bytes:
        """Ask for the name, in the words that a widely deployed client waits for (§2.2)."""
        return b"Username:"

    def respond(self, response: bytes) -> bytes | LoginAttempt:
        """Take the name, then the password."""
        if self._name is None:
            self._name = response
            return b"Password:"
        return LoginAttempt(name=self._name, proof=PasswordProof(password=response))


class CramMd5(Mechanism):
    """CRAM-MD5: a digest of a challenge that is never used twice (RFC 2195 §2).

    Args:
        challenge: in the form of a msg-id, angle brackets included.
    """

    client_first = False

    def __init__(self, challenge: bytes) -> None:
        self._challenge = challenge

    def challenge(self) -> bytes:
        """Return the challenge."""
        return self._challenge

    def respond(self, response: bytes) -> LoginAttempt:
        """Part name and digest at the last blank: a name may hold some."""
        name, blank, digest = response.rpartition(b" ")
        if not blank:
            raise malformed()
        proof = CramMd5Proof(challenge=self._challenge, digest=digest)
        return LoginAttempt(name=name, proof=proof)


class _Bearer(Mechanism):
    """What XOAUTH2 and OAUTHBEARER have in common: pairs parted by Ctrl-A, among them a token."""

    refusal: bytes
    """What a client is told of a token that is not right, as JSON."""

    def last_challenge(self, *, accepted: bool) -> bytes | None:
        """Say in JSON why it failed; whatever the client answers, -ERR follows."""
        return None if accepted else self.refusal


class XOAuth2(_Bearer):
    """XOAUTH2: a name and a token, as Google and Microsoft lay it down; there is no RFC."""

    refusal = b'{"status":"401","schemes":"bearer"}'

    def respond(self, response: bytes) -> LoginAttempt:
        """Part the response: ``user=NAME^Aauth=Bearer TOKEN^A^A``."""
        pairs = _pairs(response)
        if "user" not in pairs:
            raise malformed()
        return LoginAttempt(name=pairs["user"], proof=_token(pairs))


class OAuthBearer(_Bearer):
    """OAUTHBEARER: the same with a GS2 header in front, which holds the name (RFC 7628 §3.1)."""

    refusal = b'{"status":"invalid_token"}'

    def respond(self, response: bytes) -> LoginAttempt:
        """Part the response: ``n,a=NAME,^Ahost=HOST^Aport=PORT^Aauth=Bearer TOKEN^A^A``.

        Host and port are not looked at: "unknown key/value pairs MUST be ignored", and what this
        server is called is known to nobody here.
        """
        header, separator, pairs = response.partition(_SEPARATOR)
        if not separator:
            raise malformed()
        return LoginAttempt(name=_gs2_identity(header), proof=_token(_pairs(pairs)))


_SEPARATOR = b"\x01"


def _pairs(response: bytes) -> dict[str, bytes]:
    """Read ``key=value^A`` any number of times, and the Ctrl-A that ends them (RFC 7628 §3.1)."""
    parts = response.split(_SEPARATOR)
    if len(parts) < 2 or parts[-1] or parts[-2]:
        raise malformed()
    pairs: dict[str, bytes] = {}
    for line in parts[:-2]:
        key, equals, value = line.partition(b"=")
        if not (equals and key.isalpha()) or key.decode("ascii") in pairs:
            raise malformed()
        pairs[key.decode("ascii")] = value
    return pairs


def _token(pairs: Mapping[str, bytes]) -> TokenProof:
    """Take the token out of what HTTP's Authorization field would hold (RFC 7628 §3.1).

    An empty field is how a client asks what is needed (RFC 7628 §4.3), and is no token that is right.
    """
    if "auth" not in pairs:
        raise malformed()
    scheme, _, token = pairs["auth"].partition(b" ")
    if scheme.lower() not in (b"bearer", b""):
        raise malformed()
    return TokenProof(token=token.strip(b" "))


def _gs2_identity(header: bytes) -> bytes:
    """Read the name out of a GS2 header; empty where it has none (RFC 5801 §4).

    The flag in front says that there is no channel binding: `n` or `y`.
    """
    flag, *rest = header.split(b",")
    if flag not in (b"n", b"y") or len(rest) != 2 or rest[1]:
        raise malformed()
    if not rest[0]:
        return b""
    if not rest[0].startswith(b"a="):
        raise malformed()
    first, *escapes = rest[0][2:].split(b"=")
    name = first
    for escape in escapes:
        if escape[:2] not in _GS2_ESCAPES:
            raise malformed()
        name += _GS2_ESCAPES[escape[:2]] + escape[2:]
    return name


_GS2_ESCAPES = {b"2C": b",", b"3D": b"="}
"""A comma parts the header, so a name has it escaped, and the escape as well (RFC 5801 §4)."""
