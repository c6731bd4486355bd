"""A SASL mechanism, seen from both sides (RFC 4422, RFC 5034).

AUTH names a mechanism, and then the two sides take turns: the server sends challenges, the client
responses.  `ClientMechanism` and `ServerMechanism` are one such exchange each, in octets.  Base64, the
lines around it and the cancelling `*` belong to `table.authenticate` and to the server core; whether
the proof is right is for the server's accounts to say.
"""

from __future__ import annotations

import hashlib
import hmac
from abc import ABC, abstractmethod
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Mapping, Sequence
from enum import Enum

from poptalk.pop3.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from poptalk.pop3.commands import Clause
    from poptalk.pop3.replies import StatusLine

# The lines of AUTH: base64, and two that are not (RFC 5034 §4).

CANCEL = b"*"
"""The response that gives up (RFC 5034 §4)."""

EMPTY_INITIAL_RESPONSE = b"="
"""How an empty initial response is written: an empty argument could not be seen (RFC 5034 §4)."""


class NotBase64(ValueError):
    """A line that isn't base64, by the strict rules of RFC 4648 §3.3 and §3.5."""


def decode(line: bytes) -> bytes:
    """Decode base64, strictly (RFC 4648 §3.3, §3.5).

    Args:
        line: base64, without the line end.

    Raises:
        NotBase64: for octets outside of the alphabet, padding that is missing, too much or in the
            middle, and bits that are left over.
    """
    try:
        octets = a2b_base64(line, strict_mode=True)
    except Base64Error as error:
        raise NotBase64(str(error)) from error
    # Python's strict mode lets "AAAA=" and "AB==" pass.
    if encode(octets) != line:
        raise NotBase64("padding or bits are left over")
    return octets


def decoded(line: bytes) -> bytes | None:
    """Decode base64 as `decode` does; None where the line isn't base64."""
    try:
        return decode(line)
    except NotBase64:
        return None


def encode(octets: bytes) -> bytes:
    """Return base64 in one line, without an end."""
    return b2a_base64(octets, newline=False)


def encode_initial(octets: bytes) -> bytes:
    """Return an initial response as AUTH takes it, `=` for an empty one."""
    return encode(octets) or EMPTY_INITIAL_RESPONSE


class LoginError(Exception):
    """A login that failed; `str(error)` says why, in one sentence without a secret."""


class BadCredential(LoginError):
    """A name, password or token that no line can carry."""


class LoginRefused(LoginError):
    """The server has said no."""

    def __init__(self, status_line: StatusLine) -> None:
        super().__init__("the server did not let you in")
        self.status_line = status_line


class LoginBroken(LoginError):
    """The server did not keep to the mechanism, so that nothing it says can be relied upon."""


class Applicant(Value):
    """The client of a login.

    Args:
        user: the name.
        secret: the password or the token; empty where the method needs none.
        host: the server as it was named, for OAUTHBEARER (RFC 7628 §3.1).
        port: its port, for the same.
    """

    user: bytes
    secret: bytes = b""
    host: bytes = b""
    port: int = 0

    def __repr__(self) -> str:
        """Leave the secret out: a repr ends up in tracebacks."""
        return f"Applicant({self.user!r})"


def credential(text: str, what: str) -> bytes:
    """Return the octets of a name, a password or a token.

    Args:
        text: as the user gave it.
        what: its name in the message.

    Raises:
        BadCredential: for CR, LF and NUL: they would end the line or the field, and the rest would be
            a command of its own.
    """
    octets = text.encode("utf-8", "surrogateescape")
    if set(octets) & {0x00, 0x0A, 0x0D}:
        raise BadCredential(
            f"this {what} holds a line end or NUL, which no login can carry; "
            ":send sends any octets there are"
        )
    return octets


def applicant(user: str, secret: str, *, host: str, port: int) -> Applicant:
    """Make an applicant out of text.

    Raises:
        BadCredential: the name or the secret holds CR, LF or NUL.
    """
    return Applicant(
        user=credential(user, "name"),
        secret=credential(secret, "password"),
        host=host.encode("utf-8", "surrogateescape"),
        port=port,
    )


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


STARS = b"********"
"""Replaces a secret: always of one length, since the length is a secret too."""

Parts = Sequence[SaslPart]
ReadResponse = Callable[[int, bytes], Parts | None]
"""Takes the number of a response, from 1, and its octets; None where it isn't the mechanism's."""


class Need(Value):
    """The secret that a method takes from the user."""

    password: bool = False
    token: bool = False


class Method(Value):
    """A way to log in: a mechanism of SASL, or USER, or APOP."""

    name: str
    """As `:login` takes it."""
    sasl: bool = True
    need: Need = Need(password=True)
    readable: bool = False
    """Whether an eavesdropper can read the password or the token from it."""
    summary: str
    clause: Clause
    client: Callable[[Applicant], ClientMechanism] | None = None
    """Begins an exchange; None for USER and APOP."""
    response: ReadResponse | None = None
    """Takes a response apart."""
    challenge: str = "the server's words"
    """The meaning of a challenge."""
    responses: int = 1
    """Responses without which no login is complete."""


# The client's side.


class ClientMechanism(ABC):
    """One exchange, seen from the client (RFC 4422 §3), in octets.

    Attributes:
        name: the mechanism's name in upper case.
    """

    name: bytes

    def initial(self) -> bytes | None:
        """Return the initial response, None where the server speaks first."""
        return None

    @abstractmethod
    def respond(self, challenge: bytes) -> bytes:
        """Answer a challenge.

        Raises:
            LoginBroken: the challenge is not one that the mechanism allows.
        """

    def check_finished(self) -> None:  # noqa: B027 - most mechanisms ask nothing of the server
        """Make sure, after +OK, that the server has proved all that it must.

        Raises:
            LoginBroken: it has not.
        """


class OneMessage(ClientMechanism):
    """A client that says one thing at once, and acknowledges the reason of a failure.

    Args:
        name: of the mechanism.
        message: the initial response.
        acknowledgement: the answer to a challenge, which can only be the reason of a failure.
    """

    def __init__(self, name: bytes, message: bytes, acknowledgement: bytes = b"") -> None:
        self.name = name
        self.message = message
        self._acknowledgement = acknowledgement

    def initial(self) -> bytes:
        """Say it."""
        return self.message

    def respond(self, _challenge: bytes) -> bytes:
        """Acknowledge the reason of a failure."""
        return self._acknowledgement


# The server's side.


class Claim(Value):
    """The end of an exchange: who the client says it is, and its proof."""

    name: bytes
    proof: Proof


class Flaw(Enum):
    """What is wrong with a response, whatever the accounts hold; the values are keys of a persona."""

    NOT_BASE64 = "response-not-base64"
    MALFORMED = "response-malformed"
    OTHER_IDENTITY = "other-identity"
    CANCELLED = "auth-cancelled"


class SaslFailure(Exception):
    """A response that ends the exchange before any account was looked at."""

    def __init__(self, flaw: Flaw = Flaw.MALFORMED) -> None:
        super().__init__(f"the exchange fails: {flaw.value}")
        self.flaw = flaw


class ServerMechanism(ABC):
    """One exchange, seen from the server.

    Attributes:
        client_first: whether the client speaks first, so that an initial response has a meaning.
    """

    client_first = True

    def challenge(self) -> bytes:
        """Return the first challenge; empty where it only gives the client its turn."""
        return b""

    @abstractmethod
    def respond(self, response: bytes) -> bytes | Claim:
        """Take a response.

        Args:
            response: octets, base64 undone.

        Returns:
            The next challenge, or the claim that the exchange has led to.

        Raises:
            SaslFailure: the response is not one that the mechanism allows.
        """

    def last_challenge(self, *, accepted: bool) -> bytes | None:  # noqa: ARG002
        """Return data that comes with the outcome, None if there is none.

        The final reply itself carries no data (RFC 5034 §4), so this goes as a challenge, which the
        client answers before the reply comes.
        """
        return None


ServerMechanisms = Mapping[bytes, Callable[[], ServerMechanism]]
"""Makers of mechanisms by name in upper case; each exchange has a mechanism of its own."""


def decode_response(line: bytes) -> bytes:
    """Decode a response, strictly (RFC 4648 §3.3, §3.5).

    Args:
        line: base64, without the line end.

    Raises:
        SaslFailure: it isn't base64.
    """
    try:
        return decode(line)
    except NotBase64 as error:
        raise SaslFailure(Flaw.NOT_BASE64) from error


def encode_challenge(octets: bytes) -> bytes:
    """Return a challenge as a line: "+", a space, and base64 or nothing (RFC 5034 §4)."""
    return b"+ %b\r\n" % encode(octets)


# Proofs that a client knows its password, and whether they are right.
#
# USER and PASS, APOP and every SASL mechanism end in the same: a name and a proof.  The server looks the
# name up and asks the proof whether it `matches` the credentials of that account.  For an unknown name
# it asks about credentials that nobody has: the work is the same, so the time gives nothing away.
#
# Comparisons take as long for octets that are nearly right as for those that are not.


if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object


class _Hidden(Value):
    """A value whose fields are secret: a repr ends up in tracebacks."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class Credentials(_Hidden):
    """The secrets that a user shares with the server."""

    password: bytes
    token: bytes
    """The OAuth access token (RFC 6749 §1.4)."""


class Proof(Protocol):
    """Shows that a client is who it says."""

    def matches(self, credentials: Credentials) -> bool:
        """Tell whether the proof was made with these credentials."""


class PasswordProof(_Hidden, often=True):
    """The password itself: PASS, and the mechanisms PLAIN and LOGIN."""

    password: bytes

    def matches(self, credentials: Credentials) -> bool:
        """Compare the passwords."""
        return _same(self.password, credentials.password)


class TokenProof(_Hidden):
    """An OAuth access token: the mechanisms XOAUTH2 and OAUTHBEARER."""

    token: bytes

    def matches(self, credentials: Credentials) -> bool:
        """Compare the tokens."""
        return _same(self.token, credentials.token)


class ApopProof(_Hidden):
    """MD5 over the timestamp of the greeting and the password (RFC 1939 §7).

    MD5 is what the RFC says; it protects nobody today.
    """

    timestamp: bytes
    """Angle brackets included."""
    digest: bytes
    """To be 32 hexadecimal digits in lower case."""

    def matches(self, credentials: Credentials) -> bool:
        """Make the digest that the right password makes, and compare."""
        keyed = self.timestamp + credentials.password
        expected = hashlib.md5(keyed, usedforsecurity=False).hexdigest()
        return hmac.compare_digest(expected.encode("ascii"), self.digest)


class CramMd5Proof(_Hidden):
    """HMAC-MD5 over the challenge, its key the password (RFC 2195 §2)."""

    challenge: bytes
    """Angle brackets included."""
    digest: bytes
    """To be 32 hexadecimal digits in lower case."""

    def matches(self, credentials: Credentials) -> bool:
        """Make the digest that the right password makes, and compare."""
        expected = hmac.new(credentials.password, self.challenge, "md5").hexdigest()
        return hmac.compare_digest(expected.encode("ascii"), self.digest)


def _same(given: bytes, known: bytes) -> bool:
    """Compare secrets by their digests, which have one length: `compare_digest` tells a length."""
    return hmac.compare_digest(hashlib.sha256(given).digest(), hashlib.sha256(known).digest())
