"""The mechanisms: PLAIN, LOGIN, CRAM-MD5, EXTERNAL, XOAUTH2, OAUTHBEARER and SCRAM.

Each has its client, its server, and a function that parses its lines, to explain them and to find the
secret in them.  The library scramp does the cryptography of SCRAM and parses its messages.  It loads
ssl, so it is imported only when SCRAM is used.
"""

from __future__ import annotations

import hashlib
import hmac

from poptalk.pop3.sasl.mechanism import (
    Applicant,
    BadCredential,
    Claim,
    ClientMechanism,
    DigestProof,
    Flaw,
    LoginBroken,
    OneMessage,
    PasswordProof,
    SaslFailure,
    SaslPart,
    ServerMechanism,
    TokenProof,
    cram_md5_digest,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from poptalk.pop3.sasl.mechanism import Credentials, Parts

# PLAIN: an identity to act as, a name and a password, separated by NUL (RFC 4616 §2).


def plain_message(user: bytes, password: bytes, *, identity: bytes = b"") -> bytes:
    """Return the response of PLAIN."""
    return b"\0".join((identity, user, password))


def plain_client(who: Applicant) -> ClientMechanism:
    """Begin PLAIN."""
    return OneMessage(b"PLAIN", plain_message(who.user, who.secret))


class PlainServer(ServerMechanism):
    """PLAIN, for a server in which nobody acts for another."""

    def respond(self, response: bytes) -> Claim:
        """Split the message."""
        parts = response.split(b"\0")
        if len(parts) != 3 or not all(parts[1:]):
            raise SaslFailure
        identity, name, password = parts
        if identity not in (b"", name):
            # This follows from the response alone, so it reveals nothing about the accounts.
            raise SaslFailure(Flaw.OTHER_IDENTITY)
        return Claim(name=name, proof=PasswordProof(password=password))


def plain_parts(_step: int, octets: bytes) -> Parts | None:
    """Parse ``identity NUL name NUL password``."""
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


# LOGIN: the name, then the password (draft-murchison-sasl-login-00 §2.2).


class LoginClient(ClientMechanism):
    """LOGIN: the name, then the password, whatever the questions say."""

    name = b"LOGIN"

    def __init__(self, who: Applicant) -> None:
        self._answers = [who.user, who.secret]

    def respond(self, _challenge: bytes) -> bytes:
        """Give the next answer."""
        if not self._answers:
            raise LoginBroken("the server asks a third question, and LOGIN has two; cancelled")
        return self._answers.pop(0)


class LoginServer(ServerMechanism):
    """LOGIN: the server speaks first, and asks both questions whatever the name is."""

    client_first = False

    def __init__(self) -> None:
        self._name: bytes | None = None

    def challenge(self) -> bytes:
        """Ask for the name, in the words that a widely used client expects (§2.2)."""
        return b"Username:"

    def respond(self, response: bytes) -> bytes | Claim:
        """Take the name, then the password."""
        if self._name is None:
            self._name = response
            return b"Password:"
        return Claim(name=self._name, proof=PasswordProof(password=response))


def login_parts(step: int, octets: bytes) -> Parts:
    """Parse the name or the password."""
    if step == 1:
        return (SaslPart(octets=octets, meaning="the name", name=octets),)
    return (SaslPart(octets=octets, meaning="the password", secret=True),)


# CRAM-MD5: the name, and a digest of a challenge that is used only once (RFC 2195 §2).


class CramMd5Client(ClientMechanism):
    """CRAM-MD5: name and digest."""

    name = b"CRAM-MD5"

    def __init__(self, who: Applicant) -> None:
        self._who = who
        self._answered = False

    def respond(self, challenge: bytes) -> bytes:
        """Answer the only challenge."""
        if self._answered:
            raise LoginBroken(
                "the server sends a second challenge, and CRAM-MD5 has one; cancelled"
            )
        self._answered = True
        return self._who.user + b" " + cram_md5_digest(challenge, self._who.secret)


class CramMd5Server(ServerMechanism):
    """CRAM-MD5.

    Args:
        challenge: in the form of a msg-id, with its angle brackets.
    """

    client_first = False

    def __init__(self, challenge: bytes) -> None:
        self._challenge = challenge

    def challenge(self) -> bytes:
        """Return the challenge."""
        return self._challenge

    def respond(self, response: bytes) -> Claim:
        """Split name and digest at the last space: a name may contain spaces."""
        name, space, digest = response.rpartition(b" ")
        if not space:
            raise SaslFailure
        proof = DigestProof(challenge=self._challenge, digest=digest, make=cram_md5_digest)
        return Claim(name=name, proof=proof)


def cram_md5_parts(_step: int, octets: bytes) -> Parts | None:
    """Parse ``name SP digest``."""
    name, space, digest = octets.rpartition(b" ")
    if not space:
        return None
    # The digest is secret: with it and the challenge anybody can try passwords offline.
    meaning = "HMAC-MD5 of the challenge, the key being the password"
    return (
        SaslPart(octets=name, meaning="the name", name=name),
        SaslPart(octets=space, meaning=""),
        SaslPart(octets=digest, meaning=meaning, secret=True),
    )


# EXTERNAL: the identity to act as, or nothing for the client's own (RFC 4422 §A.1).


def external_client(_who: Applicant) -> ClientMechanism:
    """Begin EXTERNAL: the certificate says who the client is; a name would be whom to act for."""
    return OneMessage(b"EXTERNAL", b"")


def external_parts(_step: int, octets: bytes) -> Parts:
    """Parse the identity."""
    return (SaslPart(octets=octets, meaning="the identity to act as"),)


# XOAUTH2 and OAUTHBEARER: pairs separated by Ctrl-A, among them a token.

_SEPARATOR = b"\x01"


def xoauth2_client(who: Applicant) -> ClientMechanism:
    """Begin XOAUTH2, as Google and Microsoft define it; there is no RFC."""
    return OneMessage(b"XOAUTH2", b"user=%b\x01auth=Bearer %b\x01\x01" % (who.user, who.secret))


def oauthbearer_client(who: Applicant) -> ClientMechanism:
    """Begin OAUTHBEARER: the name in a GS2 header, host, port and token (RFC 7628 §3.1).

    A failure is a challenge with JSON in it, and must be answered with Ctrl-A (§3.2.3).
    """
    name = who.user.replace(b"=", b"=3D").replace(b",", b"=2C")  # RFC 5801 §4
    message = b"n,a=%b,\x01host=%b\x01port=%d\x01auth=Bearer %b\x01\x01"
    filled = message % (name, who.host, who.port, who.secret)
    return OneMessage(b"OAUTHBEARER", filled, acknowledgement=_SEPARATOR)


class XOAuth2Server(ServerMechanism):
    """XOAUTH2: a name and a token."""

    refusal = b'{"status":"401","schemes":"bearer"}'
    """Says that a token is wrong, in JSON."""

    def respond(self, response: bytes) -> Claim:
        """Split the response: ``user=NAME^Aauth=Bearer TOKEN^A^A``."""
        pairs = _pairs(response)
        if b"user" not in pairs:
            raise SaslFailure
        return Claim(name=pairs[b"user"], proof=_token(pairs))

    def last_challenge(self, *, accepted: bool) -> bytes | None:
        """Say why it failed, in JSON; whatever the client answers, -ERR follows."""
        return None if accepted else self.refusal


class OAuthBearerServer(XOAuth2Server):
    """OAUTHBEARER: the same with a GS2 header first, which has the name (RFC 7628 §3.1)."""

    refusal = b'{"status":"invalid_token"}'

    def respond(self, response: bytes) -> Claim:
        """Split the response: ``n,a=NAME,^Ahost=HOST^Aport=PORT^Aauth=Bearer TOKEN^A^A``.

        Host and port are ignored: "unknown key/value pairs MUST be ignored", and this server doesn't
        know by which name the client found it.
        """
        header, separator, pairs = response.partition(_SEPARATOR)
        if not separator:
            raise SaslFailure
        return Claim(name=_gs2_identity(header), proof=_token(_pairs(pairs)))


def _pairs(response: bytes) -> dict[bytes, bytes]:
    """Parse any number of ``key=value^A``, and the Ctrl-A that ends them (RFC 7628 §3.1)."""
    parts = response.split(_SEPARATOR)
    if len(parts) < 2 or parts[-1] or parts[-2]:
        raise SaslFailure
    pairs: dict[bytes, bytes] = {}
    for line in parts[:-2]:
        key, equals, value = line.partition(b"=")
        if not (equals and key.isalpha()) or key in pairs:
            raise SaslFailure
        pairs[key] = value
    return pairs


def _token(pairs: Mapping[bytes, bytes]) -> TokenProof:
    """Get the token from the value of HTTP's Authorization field (RFC 7628 §3.1).

    A client sends an empty field to ask what is needed (RFC 7628 §4.3); no token is empty.
    """
    scheme, _, token = pairs.get(b"auth", b"none").partition(b" ")
    if scheme.lower() not in (b"bearer", b""):
        raise SaslFailure
    return TokenProof(token=token.strip(b" "))


def _gs2_identity(header: bytes) -> bytes:
    """Get the name from a GS2 header; empty if it has none (RFC 5801 §4).

    The flag at its beginning says that there is no channel binding: `n` or `y`.
    """
    flag, *rest = header.split(b",")
    if flag not in (b"n", b"y") or len(rest) != 2 or rest[1]:
        raise SaslFailure
    if not rest[0]:
        return b""
    if not rest[0].startswith(b"a="):
        raise SaslFailure
    name, *escapes = rest[0][2:].split(b"=")
    for escape in escapes:
        if escape[:2] not in _GS2_ESCAPES:
            raise SaslFailure
        name += _GS2_ESCAPES[escape[:2]] + escape[2:]
    return name


_GS2_ESCAPES = {b"2C": b",", b"3D": b"="}
"""The header is separated by commas, so they are escaped in a name, and so is `=` (RFC 5801 §4)."""


def bearer_parts(_step: int, octets: bytes) -> Parts | None:
    """Parse pairs separated by Ctrl-A, with or without a GS2 header (RFC 7628 §3.1)."""
    if octets == _SEPARATOR:
        return (SaslPart(octets=octets, meaning="Ctrl-A: the failure is acknowledged"),)
    parts: list[SaslPart] = []
    for field in octets.split(_SEPARATOR):
        key, equals, value = field.partition(b"=")
        if key == b"auth" and equals:
            scheme, space, token = value.partition(b" ")
            field = b"auth=" + scheme + space
            parts.append(SaslPart(octets=field, meaning="a bearer token follows"))
            parts.append(SaslPart(octets=token, meaning="the token", secret=True))
        elif field:
            name = unescaped_name(value.rstrip(b",")) if key in (b"user", b"n,a") else None
            parts.append(SaslPart(octets=field, meaning=_PAIRS.get(key, "a field"), name=name))
        parts.append(SaslPart(octets=_SEPARATOR, meaning=""))
    return parts[:-1] if any(part.secret for part in parts) else None


_PAIRS = {
    b"user": "the name",
    b"host": "the server that is meant",
    b"port": "its port",
    b"n,a": "no channel binding, and the name",
}


def unescaped_name(name: bytes) -> bytes:
    """Undo the escapes of commas and equals signs in a name (RFC 5802 §5.1)."""
    return name.replace(b"=2C", b",").replace(b"=3D", b"=")


# SCRAM: both sides prove that they know the password, which never crosses (RFC 5802, RFC 7677).

MOST_ITERATIONS = 1_000_000
"""The server says how often the password is hashed.  This takes a second or two; a server that wants
more is after our processor time (RFC 5802 §9)."""

SALT_OCTETS = 16

ITERATIONS = 4096
"""The least that RFC 5802 §5.1 and RFC 7677 §4 allow a server; a login takes about two milliseconds."""

_NO_PROOF = "the server has not proved that it knows the password; it may be another server"


class ScramClient(ClientMechanism):
    """SCRAM-SHA-1 or SCRAM-SHA-256, without channel binding.

    Args:
        name: the mechanism.
        who: name and password, in UTF-8; they are prepared with SASLprep (RFC 5802 §5.1).
        nonce: for tests; by default a random one.

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
        """Send the name and a nonce."""
        return self._first.encode()

    def respond(self, challenge: bytes) -> bytes:
        """Send our proof, then check the server's."""
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
        """Check that the server has proved itself: otherwise a +OK is worth nothing."""
        if not self._proved:
            raise LoginBroken(_NO_PROOF)


def salt_of(key: bytes, name: str) -> bytes:
    """Return the salt for a user's name, made with a secret key of the server."""
    return hmac.new(key, name.encode(), "sha256").digest()[:SALT_OCTETS]


class ScramServer(ServerMechanism):
    """SCRAM-SHA-1 or SCRAM-SHA-256.

    The server sends a salt before it knows whether the client has the password.  The salt is made from
    the name and a secret of the server, whether or not there is such an account, so it reveals nothing;
    and the key is derived only when the proof is checked, which costs the same for every name.

    Args:
        name: the mechanism.
        salt_of: returns the salt for a user's name, always the same for the same name.
        nonce: the server's part of the nonce, which must be new.
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
        """Prove that the server knows the password too (`v=`, RFC 5802 §5.1)."""
        return self._proof.server_final if accepted and self._proof is not None else None

    def _answer_to_first(self, message: str) -> bytes:
        # The library parses the name; this answer doesn't need the keys.
        server = self._library.make_server(self._keys_to_come, s_nonce=self._nonce)
        server.set_client_first(message)
        answer: str = server.get_server_first()
        self._client_first = message
        return answer.encode()

    def _keys_to_come(self, name: str) -> tuple[bytes, bytes, bytes, int]:
        self._name = name
        return self._salt_of(name), b"", b"", ITERATIONS


class ScramProof:
    """The client's proof, and the messages that it signs.

    Args:
        library: scramp's mechanism.
        nonce: the server's part of the nonce.
        salt: used to derive the key.
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
        """Derive the keys from the password, and repeat the exchange with them."""
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
    """Derive the keys from a password that was prepared with SASLprep (RFC 5802 §3).

    The work is the same for every password, so that the time reveals neither its length nor that nobody
    has the name.  HMAC pads a short key with zeros and hashes a long one (RFC 2104 §2), in each of
    4,096 rounds.  Here both are done for every key, once, before the first round.
    """
    hashed = new_hash(password)
    octets = hashed.block_size
    key = (hashed.digest() if len(password) > octets else password).ljust(octets, b"\0")
    salted = hashlib.pbkdf2_hmac(hashed.name, key, salt, ITERATIONS)
    client_key, server_key = (
        hmac.digest(salted, label, hashed.name) for label in (b"Client Key", b"Server Key")
    )
    return salt, new_hash(client_key).digest(), server_key, ITERATIONS


# The messages of SCRAM: attributes separated by commas (RFC 5802 §5.1).


def scram_parts(_step: int, octets: bytes) -> Parts | None:
    """Parse a message from the client."""
    header: tuple[SaslPart, ...] = ()
    if octets.startswith((b"n,", b"y,", b"p=")) and octets.count(b",") >= 3:
        flag, identity, octets = octets.split(b",", 2)
        meaning = "the GS2 header: no channel binding"
        header = (SaslPart(octets=flag + b"," + identity + b",", meaning=meaning),)
    parts = _attributes(octets, _CLIENT)
    return None if parts is None else (*header, *parts)


def scram_challenge_parts(octets: bytes) -> Parts | None:
    """Parse a message from the server."""
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
