"""A SASL mechanism, seen from both sides (RFC 4422, RFC 5034).

AUTH names a mechanism, and then the two sides take turns: the server sends challenges, the client
responses.  A `ClientMechanism` or a `ServerMechanism` is one side of one such exchange, in octets.
`table.authenticate` and the server core do the rest: base64, the lines around it, and the `*` that
cancels.  Whether the proof is right is decided by the server's accounts.
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

# The lines of AUTH: base64, and two exceptions (RFC 5034 §4).

CANCEL = b"*"
"""The response that cancels the exchange (RFC 5034 §4)."""

EMPTY_INITIAL_RESPONSE = b"="
"""An empty initial response, since an empty argument couldn't be seen (RFC 5034 §4)."""


class NotBase64(ValueError):
    """A line that isn't base64, by the strict rules of RFC 4648 §3.3 and §3.5."""


def decode(line: bytes) -> bytes:
    """Decode base64, strictly (RFC 4648 §3.3, §3.5).

    Args:
        line: base64, without the line end.

    Raises:
        NotBase64: there are octets outside the alphabet, padding is missing, excessive or in the
            middle, or bits are left over.
    """
    try:
        octets = a2b_base64(line, strict_mode=True)
    except Base64Error as error:
        raise NotBase64(str(error)) from error
    # Python's strict mode accepts "AAAA=" and "AB==".
    if encode(octets) != line:
        raise NotBase64("padding or bits are left over")
    return octets


def decoded(line: bytes) -> bytes | None:
    """Decode base64 as `decode` does; return None if the line isn't base64."""
    try:
        return decode(line)
    except NotBase64:
        return None


def encode(octets: bytes) -> bytes:
    """Encode octets in base64, as one line without its end."""
    return b2a_base64(octets, newline=False)


class LoginError(Exception):
    """A login that failed; `str(error)` says why, in one sentence without a secret."""


class BadCredential(LoginError):
    """A name, password or token that can't be sent in a line."""


class LoginRefused(LoginError):
    """The server refused the login."""

    def __init__(self, status_line: StatusLine) -> None:
        super().__init__("the server did not let you in")
        self.status_line = status_line


class LoginBroken(LoginError):
    """The server violated the mechanism, so that nothing it says can be relied on."""


class Applicant(Value):
    """The client of a login.

    Args:
        user: the name.
        secret: the password or the token; empty if the method needs neither.
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
        text: as the user entered it.
        what: what it is, for the message.

    Raises:
        BadCredential: it has CR, LF or NUL, which would end the line or the field; the rest would be
            taken for a command.
    """
    octets = text.encode("utf-8", "surrogateescape")
    if set(octets) & {0x00, 0x0A, 0x0D}:
        raise BadCredential(
            f"this {what} holds a line end or NUL, which no login can carry; "
            ":send sends any octets there are"
        )
    return octets


def applicant(user: str, secret: str, *, host: str, port: int) -> Applicant:
    """Make an applicant from text.

    Raises:
        BadCredential: the name or the secret has CR, LF or NUL.
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
    """Empty for separators."""
    secret: bool = False
    name: bytes | None = None
    """The name of the user, if this part has it."""

    def __repr__(self) -> str:
        """Hide a secret: a repr ends up in tracebacks."""
        shown = STARS if self.secret else self.octets
        return f"SaslPart({shown!r}, {self.meaning!r})"


STARS = b"********"
"""Replaces a secret.  Its length is fixed, because the length of the secret is a secret too."""

Parts = Sequence[SaslPart]
ReadResponse = Callable[[int, bytes], Parts | None]
"""Takes the number of a response, from 1, and its octets; returns None if they don't fit."""


class Need(Value):
    """Which secret of the user a method needs."""

    password: bool = False
    token: bool = False


class Method(Value):
    """A way to log in: a SASL mechanism, USER, or APOP."""

    name: str
    """As in `:login`."""
    sasl: bool = True
    need: Need = Need(password=True)
    readable: bool = False
    """Whether an eavesdropper can read the password or the token."""
    summary: str
    clause: Clause
    client: Callable[[Applicant], ClientMechanism] | None = None
    """Begins an exchange; None for USER and APOP."""
    response: ReadResponse | None = None
    """Parses a response."""
    challenge: str = "the server's words"
    """The meaning of a challenge."""
    responses: int = 1
    """How many responses a login needs at least."""


# The client's side.


class ClientMechanism(ABC):
    """One exchange, seen from the client (RFC 4422 §3), in octets.

    Attributes:
        name: the mechanism's name in upper case.
    """

    name: bytes

    def initial(self) -> bytes | None:
        """Return the initial response; None if the server speaks first."""
        return None

    @abstractmethod
    def respond(self, challenge: bytes) -> bytes:
        """Answer a challenge.

        Raises:
            LoginBroken: the mechanism doesn't allow this challenge.
        """

    def check_finished(self) -> None:  # noqa: B027 - in most mechanisms the server proves nothing
        """Check, after +OK, that the server has proved what it must.

        Raises:
            LoginBroken: it hasn't.
        """


class OneMessage(ClientMechanism):
    """A client that sends one message, and acknowledges the reason if it fails.

    Args:
        name: of the mechanism.
        message: the initial response.
        acknowledgement: the response to a challenge, which can only be the reason of a failure.
    """

    def __init__(self, name: bytes, message: bytes, acknowledgement: bytes = b"") -> None:
        self.name = name
        self.message = message
        self._acknowledgement = acknowledgement

    def initial(self) -> bytes:
        """Return the message."""
        return self.message

    def respond(self, _challenge: bytes) -> bytes:
        """Acknowledge the reason of a failure."""
        return self._acknowledgement


# The server's side.


class Claim(Value):
    """The result of an exchange: who the client claims to be, and its proof."""

    name: bytes
    proof: Proof


class Flaw(Enum):
    """What is wrong with a response, whatever the accounts are; the values are keys of a persona."""

    NOT_BASE64 = "response-not-base64"
    MALFORMED = "response-malformed"
    OTHER_IDENTITY = "other-identity"
    CANCELLED = "auth-cancelled"


class SaslFailure(Exception):
    """A response ends the exchange before any account is looked at."""

    def __init__(self, flaw: Flaw = Flaw.MALFORMED) -> None:
        super().__init__(f"the exchange fails: {flaw.value}")
        self.flaw = flaw


class ServerMechanism(ABC):
    """One exchange, seen from the server.

    Attributes:
        client_first: whether the client speaks first, so that it may send an initial response.
    """

    client_first = True

    def challenge(self) -> bytes:
        """Return the first challenge; empty if it is just the client's turn."""
        return b""

    @abstractmethod
    def respond(self, response: bytes) -> bytes | Claim:
        """Take a response.

        Args:
            response: octets, decoded from base64.

        Returns:
            The next challenge, or the result of the exchange.

        Raises:
            SaslFailure: the mechanism doesn't allow this response.
        """

    def last_challenge(self, *, accepted: bool) -> bytes | None:  # noqa: ARG002
        """Return the data that comes with the outcome; None if there is none.

        The final reply can't have data (RFC 5034 §4), so it is sent as a challenge, which the client
        answers before the final reply.
        """
        return None


ServerMechanisms = Mapping[bytes, Callable[[], ServerMechanism]]
"""What makes mechanisms, by their names in upper case; each exchange gets a new one."""


# Proofs that a client knows its password, and whether they are right.
#
# USER and PASS, APOP and every SASL mechanism result in a name and a proof.  The server looks the name
# up and asks the proof whether it `matches` the credentials of that account.  For an unknown name it
# asks about credentials that nobody has: the work is the same, so the time gives nothing away.
#
# Comparing takes as long for octets that are nearly right as for others.


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
    """Proves that a client is who it claims to be."""

    def matches(self, credentials: Credentials) -> bool:
        """Return whether the proof was made with these credentials."""


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


def apop_digest(timestamp: bytes, password: bytes) -> bytes:
    """Return MD5 over timestamp and password as 32 hexadecimal digits (RFC 1939 §7).

    MD5 is what the RFC says; it protects nobody today.
    """
    return hashlib.md5(timestamp + password, usedforsecurity=False).hexdigest().encode("ascii")


def cram_md5_digest(challenge: bytes, password: bytes) -> bytes:
    """Return HMAC-MD5 over the challenge, keyed with the password, in hexadecimal (RFC 2195 §2)."""
    return hmac.new(password, challenge, "md5").hexdigest().encode("ascii")


class DigestProof(_Hidden):
    """A digest of something that the server said, and the password: APOP and CRAM-MD5."""

    challenge: bytes
    """With its angle brackets; for APOP, the timestamp of the greeting."""
    digest: bytes
    """Should be 32 hexadecimal digits in lower case."""
    make: Callable[[bytes, bytes], bytes]
    """Makes the digest from the challenge and the password."""

    def matches(self, credentials: Credentials) -> bool:
        """Make the digest with the right password, and compare."""
        return hmac.compare_digest(self.make(self.challenge, credentials.password), self.digest)


def _same(given: bytes, known: bytes) -> bool:
    """Compare secrets by their digests, which are all of one length: `compare_digest` leaks it."""
    return hmac.compare_digest(hashlib.sha256(given).digest(), hashlib.sha256(known).digest())
