"""Logging in, seen from the client: USER and PASS, APOP, and AUTH with its mechanisms.

A login is a talk: a generator that yields the lines to be sent, without their line ends, and is sent
the first line of each reply.  It ends when the server has let the user in, and raises `LoginRefused` or
`LoginBroken` when it has not.  Whoever drives it sends what it yields and shows what comes, so that
everything crosses the wire, and the screen, as if it had been typed::

    talk = authenticate(Plain(user, password))
    line = next(talk)
    while True:
        line = talk.send(reply_to(line))  # until StopIteration

SCRAM needs a library that is not for this room: it is one `ClientMechanism` more (`net.scram`).
"""

from __future__ import annotations

import hashlib
import hmac
from abc import ABC, abstractmethod
from collections.abc import Collection, Generator, Mapping

from poptalk.protocol.replies import Status, StatusLine
from poptalk.protocol.sasl_lines import CANCEL, NotBase64, decode, encode, encode_initial
from poptalk.protocol.values import Value
from poptalk.protocol.verbs import MAX_COMMAND_OCTETS, Clause

Talk = Generator[bytes, StatusLine, None]


class LoginError(Exception):
    """A login that did not come about; `str(error)` says why, in one sentence without a secret."""


class BadCredential(LoginError):
    """A name, password or token that no line can carry."""


class LoginRefused(LoginError):
    """The server has said no."""

    def __init__(self, status_line: StatusLine) -> None:
        super().__init__("the server did not let you in")
        self.status_line = status_line


class LoginBroken(LoginError):
    """The server did not keep to the mechanism, so that nothing it says can be relied upon."""


class Need(Value):
    """What a method wants to know of the user."""

    password: bool = False
    token: bool = False


class Method(Value):
    """A way to log in."""

    name: str
    """As `:login` takes it: a SASL mechanism, or USER, or APOP."""
    sasl: bool = True
    need: Need
    readable: bool
    """Whether whoever listens can read the password or the token from it."""
    summary: str
    clause: Clause


_PASSWORD = Need(password=True)
_TOKEN = Need(token=True)

_ROWS = (
    Method(
        name="SCRAM-SHA-256",
        need=_PASSWORD,
        readable=False,
        summary="both sides prove that they know the password, which never crosses",
        clause=Clause(rfc=7677, section="3"),
    ),
    Method(
        name="SCRAM-SHA-1",
        need=_PASSWORD,
        readable=False,
        summary="as SCRAM-SHA-256, with an older hash",
        clause=Clause(rfc=5802, section="3"),
    ),
    Method(
        name="OAUTHBEARER",
        need=_TOKEN,
        readable=True,
        summary="a token that somebody else has issued, instead of a password",
        clause=Clause(rfc=7628, section="3"),
    ),
    Method(
        name="XOAUTH2",
        need=_TOKEN,
        readable=True,
        summary="a token, in the form of Google and Microsoft; there is no RFC",
        clause=Clause(rfc=5034, section="4"),
    ),
    Method(
        name="CRAM-MD5",
        need=_PASSWORD,
        readable=False,
        summary="a digest of the server's challenge and the password",
        clause=Clause(rfc=2195, section="2"),
    ),
    Method(
        name="APOP",
        sasl=False,
        need=_PASSWORD,
        readable=False,
        summary="a digest of the greeting's timestamp and the password; MD5, and broken today",
        clause=Clause(rfc=1939, section="7"),
    ),
    Method(
        name="PLAIN",
        need=_PASSWORD,
        readable=True,
        summary="name and password in one line of base64, which hides nothing",
        clause=Clause(rfc=4616, section="2"),
    ),
    Method(
        name="LOGIN",
        need=_PASSWORD,
        readable=True,
        summary="name and password in two lines of base64; older than PLAIN, and no RFC has it",
        clause=Clause(rfc=5034, section="4"),
    ),
    Method(
        name="USER",
        sasl=False,
        need=_PASSWORD,
        readable=True,
        summary="USER and PASS, as they are",
        clause=Clause(rfc=1939, section="7"),
    ),
    Method(
        name="EXTERNAL",
        need=Need(),
        readable=False,
        summary="who you are is known from elsewhere, such as a certificate in TLS",
        clause=Clause(rfc=4422, section="A"),
    ),
)

METHODS: Mapping[str, Method] = {row.name: row for row in _ROWS}
"""Every way to log in by its name, the best ones first where nobody may listen in."""


def choose(
    *,
    mechanisms: Collection[bytes] | None,
    user_pass: bool,
    timestamp: bool,
    encrypted: bool,
    token: bool,
) -> Method | None:
    """Choose the best way to log in of those that a server offers.

    Args:
        mechanisms: what its SASL capability lists; None where it lists none, and then no client
            should try AUTH (RFC 5034 §3).
        user_pass: whether USER and PASS may be tried: they may where CAPA lists USER or is unknown.
        timestamp: whether the greeting holds one, which is the offer of APOP (RFC 1939 §7).
        encrypted: whether TLS hides what is sent.  Then PLAIN comes before digests: it works with
            passwords that the server keeps hashed, and APOP must not use a greeting from before TLS.
        token: whether there is a token in place of a password.

    Returns:
        None where nothing suits.  EXTERNAL is never chosen: whether it works cannot be known.
    """
    offered = {mechanism.upper().decode("ascii", "replace") for mechanism in mechanisms or ()}
    offered |= {"USER"} if user_pass else set()
    offered |= {"APOP"} if timestamp and not encrypted else set()
    suiting = [
        method
        for method in _ROWS
        if method.name in offered and method.need == (_TOKEN if token else _PASSWORD)
    ]
    if encrypted:
        weak = {"CRAM-MD5"}
        suiting.sort(key=lambda method: method.name in weak)
    return suiting[0] if suiting else None


def credential(text: str, what: str) -> bytes:
    """Return the octets of a name, a password or a token.

    Args:
        text: as the user gave it.
        what: what to call it in the message.

    Raises:
        BadCredential: for CR, LF and NUL: they would end the line or the field, and what stands
            behind them would be a command of its own.
    """
    octets = text.encode("utf-8", "surrogateescape")
    if set(octets) & {0x00, 0x0A, 0x0D}:
        raise BadCredential(
            f"this {what} holds a line end or NUL, which no login can carry; "
            ":send sends any octets there are"
        )
    return octets


# The talks.


def user_and_pass(user: bytes, password: bytes) -> Talk:
    """Log in with USER and PASS (RFC 1939 §7)."""
    _accepted((yield b"USER " + user))
    _accepted((yield b"PASS " + password))


def apop(user: bytes, password: bytes, timestamp: bytes) -> Talk:
    """Log in with APOP (RFC 1939 §7).

    Args:
        user: the name.
        password: the shared secret.
        timestamp: of the greeting, angle brackets included.
    """
    _accepted((yield b"APOP %b %b" % (user, apop_digest(timestamp, password))))


def apop_digest(timestamp: bytes, password: bytes) -> bytes:
    """Return MD5 over timestamp and password as 32 hexadecimal digits (RFC 1939 §7)."""
    return hashlib.md5(timestamp + password, usedforsecurity=False).hexdigest().encode("ascii")


def authenticate(mechanism: ClientMechanism, *, two_step: bool = False) -> Talk:
    """Log in with AUTH (RFC 5034 §4).

    The initial response goes in the same line, unless that would be longer than 255 octets, which
    RFC 5034 §4 forbids, or `two_step` asks for a line of its own (Exchange Online wants that).
    """
    command = b"AUTH " + mechanism.name
    initial = mechanism.initial()
    reply: StatusLine
    if initial is None:
        reply = yield command
    else:
        line = command + b" " + encode_initial(initial)
        if two_step or len(line) + len(b"\r\n") > MAX_COMMAND_OCTETS:
            reply = yield command
            if reply.status is Status.CHALLENGE:
                reply = yield encode(initial)
        else:
            reply = yield line
    while reply.status is Status.CHALLENGE:
        try:
            answer = mechanism.respond(decode(reply.text))
        except LoginBroken:
            yield CANCEL
            raise
        except NotBase64:
            yield CANCEL
            raise LoginBroken("a challenge of the server is no base64; cancelled") from None
        reply = yield encode(answer)
    _accepted(reply)
    mechanism.check_finished()


def _accepted(reply: StatusLine) -> None:
    if reply.status is not Status.OK:
        raise LoginRefused(reply)


# The mechanisms.


class ClientMechanism(ABC):
    """One exchange of a SASL mechanism, seen from the client (RFC 4422 §3), in octets.

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
            LoginBroken: the challenge is not what the mechanism lays down.
        """

    def check_finished(self) -> None:
        """Make sure, after +OK, that the server has shown all that it had to.

        Raises:
            LoginBroken: it has not.
        """
        return None  # Most mechanisms ask nothing of the server.


class _OneMessage(ClientMechanism):
    """A mechanism in which the client says one thing, and the server has nothing to ask."""

    @abstractmethod
    def message(self) -> bytes:
        """Return what the client says."""

    def initial(self) -> bytes:
        """Say it at once."""
        return self.message()

    def respond(self, challenge: bytes) -> bytes:
        """Answer nothing: what comes as a challenge now is the reason of a failure."""
        del challenge
        return b""


class Plain(_OneMessage):
    """PLAIN: an identity to act as, a name and a password, parted by NUL (RFC 4616 §2)."""

    name = b"PLAIN"

    def __init__(self, user: bytes, password: bytes, *, identity: bytes = b"") -> None:
        self._parts = (identity, user, password)

    def message(self) -> bytes:
        """Return the three parts."""
        return b"\0".join(self._parts)


class External(_OneMessage):
    """EXTERNAL: the identity to act as, or nothing for the one that is known (RFC 4422 §A.1)."""

    name = b"EXTERNAL"

    def __init__(self, identity: bytes = b"") -> None:
        self._identity = identity

    def message(self) -> bytes:
        """Return the identity."""
        return self._identity


class Login(ClientMechanism):
    """LOGIN: the name, then the password, whatever the questions say (draft-murchison-sasl-login)."""

    name = b"LOGIN"

    def __init__(self, user: bytes, password: bytes) -> None:
        self._answers = [user, password]

    def respond(self, challenge: bytes) -> bytes:
        """Give the next answer."""
        del challenge
        if not self._answers:
            raise LoginBroken("the server asks a third question, and LOGIN has two; cancelled")
        return self._answers.pop(0)


class CramMd5(ClientMechanism):
    """CRAM-MD5: name and digest (RFC 2195 §2)."""

    name = b"CRAM-MD5"

    def __init__(self, user: bytes, password: bytes) -> None:
        self._user = user
        self._password = password
        self._answered = False

    def respond(self, challenge: bytes) -> bytes:
        """Answer the one challenge there is."""
        if self._answered:
            raise LoginBroken(
                "the server sends a second challenge, and CRAM-MD5 has one; cancelled"
            )
        self._answered = True
        digest = hmac.new(self._password, challenge, "md5").hexdigest()
        return self._user + b" " + digest.encode("ascii")


class _Bearer(_OneMessage):
    """What XOAUTH2 and OAUTHBEARER have in common."""

    answer_to_failure: bytes
    """A failure comes as a challenge with JSON in it, and is to be answered before -ERR comes."""

    def respond(self, challenge: bytes) -> bytes:
        """Acknowledge the reason of the failure."""
        del challenge
        return self.answer_to_failure


class XOAuth2(_Bearer):
    """XOAUTH2: name and token, as Google and Microsoft lay it down."""

    name = b"XOAUTH2"
    answer_to_failure = b""

    def __init__(self, user: bytes, token: bytes) -> None:
        self._user = user
        self._token = token

    def message(self) -> bytes:
        """Return the pairs, each with Ctrl-A behind it, and one at the end."""
        return b"user=%b\x01auth=Bearer %b\x01\x01" % (self._user, self._token)


class OAuthBearer(_Bearer):
    """OAUTHBEARER: the name in a GS2 header, host, port and token (RFC 7628 §3.1)."""

    name = b"OAUTHBEARER"
    answer_to_failure = b"\x01"

    def __init__(self, user: bytes, token: bytes, *, host: bytes, port: int) -> None:
        self._user = user
        self._token = token
        self._host = host
        self._port = port

    def message(self) -> bytes:
        """Return header and pairs; a comma and an equals sign in the name are escaped (RFC 5801 §4)."""
        name = self._user.replace(b"=", b"=3D").replace(b",", b"=2C")
        return b"n,a=%b,\x01host=%b\x01port=%d\x01auth=Bearer %b\x01\x01" % (
            name,
            self._host,
            self._port,
            self._token,
        )
