"""SCRAM: both sides prove that they know the password, which never crosses (RFC 5802, RFC 7677).

The arithmetic, and the reading of messages, is done by the library scramp.  It loads ssl, so it is
imported when SCRAM is asked for, and not before.
"""

from __future__ import annotations

import hashlib
import hmac

from poptalk.pop3.sasl.mechanism import (
    Applicant,
    BadCredential,
    Claim,
    ClientMechanism,
    LoginBroken,
    SaslFailure,
    SaslPart,
    ServerMechanism,
)
from poptalk.pop3.sasl.simple import unescaped_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from poptalk.pop3.sasl.mechanism import Credentials, Parts

MOST_ITERATIONS = 1_000_000
"""The server says how often the password is hashed: beyond this, a second or two, it is no server that
wants proof but one that wants our processor (RFC 5802 §9)."""

SALT_OCTETS = 16

ITERATIONS = 4096
"""What RFC 5802 §5.1 and RFC 7677 §4 ask of a server at least: a login costs some two milliseconds."""

_NO_PROOF = "the server has not proved that it knows the password; it may be somebody else's"


class ScramClient(ClientMechanism):
    """SCRAM-SHA-1 or SCRAM-SHA-256, without channel binding.

    Args:
        name: the mechanism.
        who: name and password, in UTF-8; prepared by SASLprep (RFC 5802 §5.1).
        nonce: for tests; by default one that was never used.

    Raises:
        BadCredential: SASLprep forbids a character of the name or the password.
    """

    def __init__(self, name: str, who: Applicant, *, nonce: str | None = None) -> None:
        from scramp import ScramClient as Library  # type: ignore[import-untyped]
        from scramp import ScramException

        self.name = name.encode("ascii")
        self._refused = (ScramException, ValueError)
        try:
            self._client = Library([name], who.user.decode(), who.secret.decode(), c_nonce=nonce)
            self._first: str = self._client.get_client_first()
        except self._refused:
            raise BadCredential(
                "this name or password has a character that SCRAM forbids (RFC 4013)"
            ) from None
        self._answers = 0
        self._proved = False

    def initial(self) -> bytes:
        """Say the name and a nonce."""
        return self._first.encode()

    def respond(self, challenge: bytes) -> bytes:
        """Give our proof, then look at that of the server."""
        self._answers += 1
        try:
            message = challenge.decode()
            if self._answers == 1:
                self._client.set_server_first(message)
                iterations = int(self._client.iterations)
                if iterations > MOST_ITERATIONS:
                    raise LoginBroken(
                        f"the server wants the password hashed {iterations:,} times; cancelled"
                    )
                final: str = self._client.get_client_final()
                return final.encode()
            if self._answers == 2:
                self._client.set_server_final(message)
                self._proved = True
                return b""
        except self._refused as error:
            reason = _NO_PROOF if self._answers == 2 else "the server's message is not SCRAM's"
            raise LoginBroken(f"{reason}; cancelled") from error
        raise LoginBroken("the server goes on after its proof, which SCRAM does not; cancelled")

    def check_finished(self) -> None:
        """Make sure that the server has proved itself: an +OK without that is worth nothing."""
        if not self._proved:
            raise LoginBroken(_NO_PROOF)


def salt_of(key: bytes, name: str) -> bytes:
    """Return the salt for a user's name, made with a secret of the server."""
    return hmac.new(key, name.encode(), "sha256").digest()[:SALT_OCTETS]


class ScramServer(ServerMechanism):
    """SCRAM-SHA-1 or SCRAM-SHA-256.

    The server says a salt before it knows whether the client has the password.  The salt is made from
    the name and a secret of the server, whether or not there is such an account, so it gives nothing
    away; and the key is derived only when the proof is tried, which costs the same for every name.

    Args:
        name: the mechanism.
        salt_of: returns the salt for a user's name, always the same for the same name.
        nonce: the server's part of the nonce, never used before.
    """

    def __init__(self, name: str, *, salt_of: Callable[[str], bytes], nonce: str) -> None:
        from scramp import ScramMechanism

        self._library = ScramMechanism(name)
        self._salt_of = salt_of
        self._nonce = nonce
        self._name = ""
        self._client_first: str | None = None
        self._proof: ScramProof | None = None

    def respond(self, response: bytes) -> bytes | Claim:
        """Take the client's first message, then the one with its proof."""
        from scramp import ScramException

        try:
            message = response.decode()
            if self._client_first is None:
                return self._answer_to_first(message)
        except (UnicodeDecodeError, ScramException) as error:
            raise SaslFailure from error
        self._proof = ScramProof(
            library=self._library,
            nonce=self._nonce,
            salt=self._salt_of(self._name),
            client_first=self._client_first,
            client_final=message,
        )
        return Claim(name=self._name.encode(), proof=self._proof)

    def last_challenge(self, *, accepted: bool) -> bytes | None:
        """Show that the server knows the password too (`v=`, RFC 5802 §5.1)."""
        return self._proof.server_final if accepted and self._proof is not None else None

    def _answer_to_first(self, message: str) -> bytes:
        # The library finds the name; the keys are not needed for this answer.
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
        server_final: the server's own proof, once the client's has matched.
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

        keys = _keys(self._library.hf, credentials.password, self._salt)
        server = self._library.make_server(lambda _: keys, s_nonce=self._nonce)
        server.set_client_first(self._client_first)
        server.get_server_first()
        try:
            server.set_client_final(self._client_final)
        except ScramException:
            return False
        self.server_final = server.get_server_final().encode()
        return True


def _keys(
    new_hash: Callable[[bytes], Any], password: bytes, salt: bytes
) -> tuple[bytes, bytes, bytes, int]:
    """Derive the keys from a password that SASLprep has prepared (RFC 5802 §3).

    The work is the same for every password, so that the time gives away neither the length of one nor
    that nobody has the name: HMAC would fill a short key with zeros and hash a long one by itself
    (RFC 2104 §2), in 4,096 rounds.  Here that's done once, before them, and both times.
    """
    hashed = new_hash(password)
    octets = hashed.block_size
    key = (hashed.digest() if len(password) > octets else password).ljust(octets, b"\0")
    salted = hashlib.pbkdf2_hmac(hashed.name, key, salt, ITERATIONS)
    client_key, server_key = (
        hmac.digest(salted, label, hashed.name) for label in (b"Client Key", b"Server Key")
    )
    return salt, new_hash(client_key).digest(), server_key, ITERATIONS


# The meaning of its messages: attributes separated by commas (RFC 5802 §5.1).


def scram_parts(_step: int, octets: bytes) -> Parts | None:
    """Read a message of the client."""
    header: tuple[SaslPart, ...] = ()
    if octets.startswith((b"n,", b"y,", b"p=")) and octets.count(b",") >= 3:
        flag, identity, octets = octets.split(b",", 2)
        meaning = "the GS2 header: no channel binding"
        header = (SaslPart(octets=flag + b"," + identity + b",", meaning=meaning),)
    parts = _attributes(octets, _CLIENT)
    return None if parts is None else (*header, *parts)


def scram_challenge_parts(octets: bytes) -> Parts | None:
    """Read a message of the server."""
    return _attributes(octets, _SERVER)


def _attributes(octets: bytes, meanings: Mapping[bytes, str]) -> Parts | None:
    parts: list[SaslPart] = []
    for field in octets.split(b","):
        key, equals, _ = field.partition(b"=")
        if not equals or key not in meanings:
            return None
        name = unescaped_name(field[2:]) if key == b"n" else None
        parts.append(SaslPart(octets=field, meaning=meanings[key], secret=key == b"p", name=name))
        parts.append(SaslPart(octets=b",", meaning=""))
    return parts[:-1]


_CLIENT = {
    b"n": "the name",
    b"r": "a number used once",
    b"c": "the GS2 header again, so that nobody can change it on the way",
    b"p": "the proof: made from the password and all messages so far",
}

_SERVER = {
    b"r": "the client's number used once, followed by the server's",
    b"s": "the salt",
    b"i": "how often the password is hashed",
    b"v": "the server's own proof that it knows the password",
    b"e": "why it failed",
}
