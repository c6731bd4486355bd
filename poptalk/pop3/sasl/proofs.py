"""Proofs that a client knows its password, and whether they are right.

USER and PASS, APOP and every SASL mechanism end in the same: a name and a proof.  The server looks the
name up and asks the proof whether it `matches` the credentials of that account.  For an unknown name it
asks about credentials that nobody has: the work is the same, so the time gives nothing away.

Comparisons take as long for octets that are nearly right as for those that are not.
"""

from __future__ import annotations

import hashlib
import hmac

from poptalk.protocol.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object


class Credentials(Value):
    """The secrets that a user shares with the server."""

    password: bytes
    token: bytes
    """The OAuth access token (RFC 6749 §1.4)."""

    def __repr__(self) -> str:
        return "Credentials(...)"


class Proof(Protocol):
    """Shows that a client is who it says."""

    def matches(self, credentials: Credentials) -> bool:
        """Tell whether the proof was made with these credentials."""


class _Hidden(Value):
    """A value whose fields are secret: a repr ends up in tracebacks."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


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
