"""The table of all ways to log in: how each begins, what its lines mean, and which part is a secret."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial

from poptalk.pop3.commands import MAX_COMMAND_OCTETS, Clause
from poptalk.pop3.replies import Status, StatusLine
from poptalk.pop3.sasl import mechanisms
from poptalk.pop3.sasl.mechanism import (
    CANCEL,
    EMPTY_INITIAL_RESPONSE,
    STARS,
    LoginBroken,
    LoginError,
    LoginRefused,
    Method,
    Need,
    SaslPart,
    apop_digest,
    decoded,
    encode,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from poptalk.pop3.sasl.mechanism import (
        Applicant,
        ClientMechanism,
        Parts,
        ServerMechanism,
        ServerMechanisms,
    )

_TOKEN = Need(token=True)

_ROWS = (
    Method(
        name="SCRAM-SHA-256",
        summary="both sides prove that they know the password, which never crosses",
        clause=Clause(rfc=7677, section="3"),
        client=partial(mechanisms.ScramClient, "SCRAM-SHA-256"),
        responses=2,
        response=mechanisms.scram_parts,
    ),
    Method(
        name="SCRAM-SHA-1",
        summary="as SCRAM-SHA-256, with an older hash",
        clause=Clause(rfc=5802, section="3"),
        client=partial(mechanisms.ScramClient, "SCRAM-SHA-1"),
        responses=2,
        response=mechanisms.scram_parts,
    ),
    Method(
        name="OAUTHBEARER",
        need=_TOKEN,
        readable=True,
        summary="a token issued elsewhere, instead of a password",
        clause=Clause(rfc=7628, section="3"),
        client=mechanisms.oauthbearer_client,
        response=mechanisms.bearer_parts,
        challenge="why the token was refused; Ctrl-A alone is the answer (RFC 7628 §3.2.3)",
    ),
    Method(
        name="XOAUTH2",
        need=_TOKEN,
        readable=True,
        summary="a token, in the form of Google and Microsoft; there is no RFC",
        clause=Clause(rfc=5034, section="4"),
        client=mechanisms.xoauth2_client,
        response=mechanisms.bearer_parts,
        challenge="why the token was refused; an empty line is the answer",
    ),
    Method(
        name="CRAM-MD5",
        summary="a digest of the server's challenge and the password",
        clause=Clause(rfc=2195, section="2"),
        client=mechanisms.CramMd5Client,
        response=mechanisms.cram_md5_parts,
        challenge="the challenge: whoever knows the password can make the digest of it",
    ),
    Method(
        name="APOP",
        sasl=False,
        summary="a digest of the greeting's timestamp and the password; MD5, and broken today",
        clause=Clause(rfc=1939, section="7"),
    ),
    Method(
        name="PLAIN",
        readable=True,
        summary="name and password in one line of base64, which hides nothing",
        clause=Clause(rfc=4616, section="2"),
        client=mechanisms.plain_client,
        response=mechanisms.plain_parts,
    ),
    Method(
        name="LOGIN",
        readable=True,
        summary="name and password in two lines of base64; older than PLAIN, and no RFC has it",
        clause=Clause(rfc=5034, section="4"),
        client=mechanisms.LoginClient,
        responses=2,
        response=mechanisms.login_parts,
        challenge="the question, in words that mean nothing: the name is asked for first",
    ),
    Method(
        name="USER",
        sasl=False,
        readable=True,
        summary="USER and PASS, as they are",
        clause=Clause(rfc=1939, section="7"),
    ),
    Method(
        name="EXTERNAL",
        need=Need(),
        summary="who you are is known from elsewhere, such as a certificate in TLS",
        clause=Clause(rfc=4422, section="A"),
        client=mechanisms.external_client,
        response=mechanisms.external_parts,
    ),
)

_UNKNOWN = Method(name="", summary="a mechanism that poptalk doesn't know", clause=_ROWS[0].clause)

METHODS: Mapping[str, Method] = {row.name: row for row in _ROWS}
"""Every way to log in by its name, in the order in which they protect against eavesdroppers."""


def find_method(name: str) -> Method:
    """Find a method by its name, in any case.

    Raises:
        LoginError: there is none; the message names a similar one, and all of them.  It doesn't quote
            the name, since people type their password there.
    """
    method = METHODS.get(name.upper())
    if method is None:
        from difflib import get_close_matches

        near = get_close_matches(name.upper(), METHODS, n=1)
        meant = f"is {near[0]} meant? There" if near else "there"
        raise LoginError(f"that is no way to log in: {meant} are {', '.join(METHODS)}")
    return method


def make_mechanism(name: str, who: Applicant) -> ClientMechanism:
    """Begin an exchange.

    Args:
        name: one of `METHODS`, but neither USER nor APOP.
        who: the client.

    Raises:
        LoginError: SCRAM forbids a character of the name or the password.
    """
    client = METHODS[name].client
    assert client is not None
    return client(who)


def choose(
    *,
    mechanisms: Collection[bytes] | None,
    user_pass: bool,
    timestamp: bool,
    encrypted: bool,
    token: bool,
) -> Method | None:
    """Choose the best way to log in among those that a server offers.

    Args:
        mechanisms: what its SASL capability lists; None if it lists nothing: a client shouldn't try
            AUTH then (RFC 5034 §3).
        user_pass: whether USER and PASS may be tried: CAPA lists USER, or is unknown.
        timestamp: whether the greeting has one, which means that APOP is offered (RFC 1939 §7).
        encrypted: whether TLS hides what is sent.  Then PLAIN comes before digests: it works with
            passwords that the server keeps hashed, and APOP must not use a greeting from before TLS.
        token: whether there is a token instead of a password.

    Returns:
        None if nothing suits.  EXTERNAL is never chosen, since nothing shows whether it works.
    """
    offered = {mechanism.upper().decode("ascii", "replace") for mechanism in mechanisms or ()}
    offered |= {"USER"} if user_pass else set()
    offered |= {"APOP"} if timestamp and not encrypted else set()
    need = _TOKEN if token else Need(password=True)
    suiting = [method for method in _ROWS if method.name in offered and method.need == need]
    if encrypted:
        suiting.sort(key=lambda method: method.name == "CRAM-MD5")
    return suiting[0] if suiting else None


def responses_needed(mechanism: bytes) -> int:
    """Return how many responses a login needs: an earlier +OK can't be the end of one."""
    return _method_named(mechanism).responses


def server_mechanisms(
    new_challenge: Callable[[], bytes], *, new_nonce: Callable[[], str], salt_key: bytes
) -> ServerMechanisms:
    """Return the server's side of all mechanisms, the strongest last.

    Args:
        new_challenge: returns a new msg-id each time (RFC 2195 §2).
        new_nonce: returns the server's part of a nonce for SCRAM, a new one each time.
        salt_key: a secret of the server, from which the salts are made.
    """

    def scram(name: str) -> ServerMechanism:
        return mechanisms.ScramServer(
            name, salt_of=partial(mechanisms.salt_of, salt_key), nonce=new_nonce()
        )

    return {
        b"PLAIN": mechanisms.PlainServer,
        b"LOGIN": mechanisms.LoginServer,
        b"XOAUTH2": mechanisms.XOAuth2Server,
        b"OAUTHBEARER": mechanisms.OAuthBearerServer,
        b"CRAM-MD5": lambda: mechanisms.CramMd5Server(new_challenge()),
        b"SCRAM-SHA-1": lambda: scram("SCRAM-SHA-1"),
        b"SCRAM-SHA-256": lambda: scram("SCRAM-SHA-256"),
    }


# Parsing the lines.


def response_parts(mechanism: bytes, step: int, octets: bytes) -> Parts:
    """Parse a response of the client.

    Args:
        mechanism: its name, in any case.
        step: which response of the exchange it is, counting an initial one as 1.
        octets: decoded from base64.

    Returns:
        All of the octets in order.  If the mechanism isn't known, or doesn't allow the response, they
        are one secret part.
    """
    if not octets:
        return ()
    read = _method_named(mechanism).response
    parts = read(step, octets) if read is not None else None
    return parts or (SaslPart(octets=octets, meaning="a response", secret=True),)


def challenge_parts(mechanism: bytes, octets: bytes) -> Parts:
    """Parse a challenge of the server; nothing in it is a secret of the user.

    Args:
        mechanism: its name, in any case.
        octets: decoded from base64.
    """
    if not octets:
        return ()
    scram = mechanism.upper().startswith(b"SCRAM-")
    parts = mechanisms.scram_challenge_parts(octets) if scram else None
    return parts or (SaslPart(octets=octets, meaning=_method_named(mechanism).challenge),)


def _method_named(mechanism: bytes) -> Method:
    return METHODS.get(mechanism.upper().decode("latin-1"), _UNKNOWN)


def name_in(mechanism: bytes, step: int, line: bytes) -> bytes | None:
    """Return the name of the user in a response; None if it has none.

    Args:
        mechanism: its name, in any case.
        step: as for `response_parts`.
        line: the response as it was sent, base64.
    """
    response = decoded(line)
    parts = () if response is None else response_parts(mechanism, step, response)
    return next((part.name for part in parts if part.name), None)


def asks_for_password(mechanism: bytes, challenge: bytes) -> bool:
    """Return whether a challenge of LOGIN asks for the password, or for nothing legible.

    The name is asked for first, in words that mean nothing; but if a server asks for the password
    first, the answer must not be taken for a name.

    Args:
        mechanism: its name, in any case.
        challenge: base64.
    """
    question = decoded(challenge)
    return mechanism.upper() == b"LOGIN" and (question is None or b"pass" in question.lower())


def redacted_response(mechanism: bytes, step: int, line: bytes) -> bytes | None:
    """Return a response with its secret replaced by stars, in base64 again.

    Args:
        mechanism: its name, in any case.
        step: as for `response_parts`.
        line: the response as it was sent, base64.

    Returns:
        None if the line isn't base64, so that it must be hidden as a whole.
    """
    if line in (b"", CANCEL, EMPTY_INITIAL_RESPONSE):
        return line
    response = decoded(line)
    if response is None:
        return None
    parts = response_parts(mechanism, step, response)
    return encode(b"".join(STARS if part.secret else part.octets for part in parts))


# A complete login, seen from the client: USER and PASS, APOP, or AUTH with a mechanism.
#
# A login is a generator that yields the lines to be sent, without their line ends, and is sent the first
# line of each reply.  It ends when the server has accepted the login, and otherwise raises
# `LoginRefused` or `LoginBroken`.  The driver sends and shows each line as if it had been typed::
#
#     login = authenticate(make_mechanism("PLAIN", who))
#     line = next(login)
#     while True:
#         line = login.send(reply_to(line))  # until StopIteration

SaslExchange = Generator[bytes, StatusLine, None]


def begin_login(
    method: Method, who: Applicant, *, timestamp: bytes | None, two_step: bool = False
) -> SaslExchange:
    """Begin a login.

    Args:
        method: how to log in.
        who: the client.
        timestamp: the greeting's, for APOP; None if it has none.
        two_step: whether to send an initial response in a line of its own.

    Raises:
        LoginError: the method is APOP and there is no timestamp; or SCRAM forbids a character of the
            name or the password.
    """
    if method.name == "USER":
        return user_and_pass(who.user, who.secret)
    if method.name == "APOP":
        if timestamp is None:
            raise LoginError(
                "APOP needs a <timestamp> in the greeting, and there is none: this server does not "
                "offer it (RFC 1939 §7)"
            )
        return apop(who.user, who.secret, timestamp)
    return authenticate(make_mechanism(method.name, who), two_step=two_step)


def user_and_pass(user: bytes, password: bytes) -> SaslExchange:
    """Log in with USER and PASS (RFC 1939 §7)."""
    _accepted((yield b"USER " + user))
    _accepted((yield b"PASS " + password))


def apop(user: bytes, password: bytes, timestamp: bytes) -> SaslExchange:
    """Log in with APOP (RFC 1939 §7).

    Args:
        user: the name.
        password: the shared secret.
        timestamp: of the greeting, with its angle brackets.
    """
    _accepted((yield b"APOP %b %b" % (user, apop_digest(timestamp, password))))


def authenticate(mechanism: ClientMechanism, *, two_step: bool = False) -> SaslExchange:
    """Log in with AUTH (RFC 5034 §4).

    The initial response goes in the same line, unless that would make it longer than 255 octets, which
    RFC 5034 §4 forbids, or `two_step` asks for a line of its own (Exchange Online wants that).
    """
    line = b"AUTH " + mechanism.name
    initial = mechanism.initial()
    given = 0
    if initial is not None:
        with_initial = line + b" " + (encode(initial) or EMPTY_INITIAL_RESPONSE)
        if not two_step and len(with_initial + b"\r\n") <= MAX_COMMAND_OCTETS:
            line, initial, given = with_initial, None, 1
    reply: StatusLine = yield line
    while _is_challenge(mechanism, reply, given):
        try:
            answer = mechanism.respond(_challenge_in(reply)) if initial is None else initial
        except LoginBroken:
            yield CANCEL
            raise
        reply = yield encode(answer)
        initial = None
        given += 1
    _accepted(reply)
    mechanism.check_finished()


def _accepted(reply: StatusLine) -> None:
    if reply.status is not Status.OK:
        raise LoginRefused(reply)


def _is_challenge(mechanism: ClientMechanism, reply: StatusLine, given: int) -> bool:
    """Return whether a reply asks for a response: a +OK does too while responses are due."""
    if reply.status is Status.OK and given < responses_needed(mechanism.name):
        mechanism.check_finished()  # A server that must prove something hasn't done so.
        return True
    return reply.status is Status.CHALLENGE


def _challenge_in(reply: StatusLine) -> bytes:
    octets = decoded(reply.text)
    if octets is not None:
        return octets
    if reply.status is Status.OK:  # Words for people, in place of a challenge.
        return b""
    raise LoginBroken("a challenge of the server isn't base64; cancelled")
