"""The SASL mechanisms of the practice server: those of the core, and SCRAM (RFC 5802, RFC 7677).

With SCRAM the server says a salt before it knows whether the client has the password.  Here the salt
is made from the name and a secret of the server, whether or not anybody has that name, so it tells
nothing; and the key is derived only when the proof is tried, which costs the same for everybody.

The arithmetic, and the reading of messages, is done by the library scramp.  It loads ssl, so it is
imported when the first client asks for SCRAM.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Any

from poptalk.protocol.proofs import Credentials
from poptalk.protocol.sasl import (
    CramMd5,
    Login,
    Mechanism,
    Mechanisms,
    OAuthBearer,
    Plain,
    XOAuth2,
    malformed,
)
from poptalk.protocol.server_events import LoginAttempt

ITERATIONS = 4096
"""What RFC 5802 §5.1 and RFC 7677 §4 ask for at least: a login costs some two milliseconds."""

SALT_OCTETS = 16

NONCE_OCTETS = 18
"""144 random bits, 24 characters: more than anybody tries."""


def make_mechanisms(new_challenge: Callable[[], bytes]) -> Mechanisms:
    """Return all mechanisms there are, the stronger ones last, as makers of exchanges.

    Args:
        new_challenge: returns a msg-id that was never used (RFC 2195 §2).
    """
    salt_key = secrets.token_bytes(32)

    def salt_of(name: str) -> bytes:
        return hmac.new(salt_key, name.encode(), hashlib.sha256).digest()[:SALT_OCTETS]

    def scram(name: str) -> Callable[[], Mechanism]:
        return lambda: Scram(name, salt_of=salt_of, nonce=secrets.token_urlsafe(NONCE_OCTETS))

    return {
        b"PLAIN": Plain,
        b"LOGIN": Login,
        b"XOAUTH2": XOAuth2,
        b"OAUTHBEARER": OAuthBearer,
        b"CRAM-MD5": lambda: CramMd5(new_challenge()),
        b"SCRAM-SHA-1": scram("SCRAM-SHA-1"),
        b"SCRAM-SHA-256": scram("SCRAM-SHA-256"),
    }


class Scram(Mechanism):
    """SCRAM: both sides prove that they know the password, and it never crosses (RFC 5802 §3).

    Args:
        name: SCRAM-SHA-1 or SCRAM-SHA-256.
        salt_of: returns the salt for a user's name, always the same for the same name.
        nonce: the server's part of the nonce, never used before.
    """

    def __init__(self, name: str, *, salt_of: Callable[[str], bytes], nonce: str) -> None:
        from scramp import ScramMechanism  # type: ignore[import-untyped]

        self._library = ScramMechanism(name)
        self._salt_of = salt_of
        self._nonce = nonce
        self._name = ""
        self._client_first: str | None = None
        self._proof: ScramProof | None = None

    def respond(self, response: bytes) -> bytes | LoginAttempt:
        """Take the client's first message, then the one with its proof."""
        from scramp import ScramException

        try:
            message = response.decode()
            if self._client_first is None:
                return self._answer_to_first(message)
        except (UnicodeDecodeError, ScramException) as error:
            raise malformed() from error
        self._proof = ScramProof(
            library=self._library,
            nonce=self._nonce,
            salt=self._salt_of(self._name),
            client_first=self._client_first,
            client_final=message,
        )
        return LoginAttempt(name=self._name.encode(), proof=self._proof)

    def last_challenge(self, *, accepted: bool) -> bytes | None:
        """Show that the server knows the password too (`v=`, RFC 5802 §5.1)."""
        if not accepted or self._proof is None:
            return None
        return self._proof.server_final

    def _answer_to_first(self, message: str) -> bytes:
        # Who it is, the library finds out; the keys are not needed for this answer.
        server = self._library.make_server(self._keys_to_come, s_nonce=self._nonce)
        server.set_client_first(message)
        answer: str = server.get_server_first()
        self._client_first = message
        return answer.encode()

    def _keys_to_come(self, name: str) -> tuple[bytes, bytes, bytes, int]:
        self._name = name
        return self._salt_of(name), b"", b"", ITERATIONS


class ScramProof:
    """The client's proof, together with the messages that it signs.

    Args:
        library: the mechanism as scramp has it.
        nonce: the server's part of the nonce.
        salt: what the key is derived with.
        client_first: the client's first message.
        client_final: the client's final message.

    Attributes:
        server_final: what the server shows in return, once the proof has matched.
    """

    def __init__(
        self, *, library: Any, nonce: str, salt: bytes, client_first: str, client_final: str
    ) -> None:
        self._library = library
        self._nonce = nonce
        self._salt = salt
        self._client_first = client_first
        self._client_final = client_final
        self.server_final: bytes | None = None

    def matches(self, credentials: Credentials) -> bool:
        """Derive the keys from the password, and go through the exchange with them."""
        from scramp import ScramException

        password = credentials.password.decode()
        keys = self._library.make_auth_info(password, ITERATIONS, self._salt)
        server = self._library.make_server(lambda _: keys, s_nonce=self._nonce)
        server.set_client_first(self._client_first)
        server.get_server_first()
        try:
            server.set_client_final(self._client_final)
        except ScramException:
            return False
        self.server_final = server.get_server_final().encode()
        return True
