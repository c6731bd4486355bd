"""A whole login, seen from the client: USER and PASS, APOP, or AUTH with a mechanism.

A login is a generator that yields the lines to be sent, without their line ends, and is sent the first
line of each reply.  It ends when the server has let the user in, and raises `LoginRefused` or
`LoginBroken` when it has not.  The driver sends and shows each line, so that everything crosses the
wire, and the screen, as if it had been typed::

    login = authenticate(make_mechanism("PLAIN", who))
    line = next(login)
    while True:
        line = login.send(reply_to(line))  # until StopIteration
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator

from poptalk.pop3.sasl.base64 import CANCEL, NotBase64, decode, encode, encode_initial
from poptalk.pop3.sasl.mechanism import LoginBroken, LoginError, LoginRefused
from poptalk.pop3.sasl.table import make_mechanism
from poptalk.protocol.replies import Status, StatusLine
from poptalk.protocol.verbs import MAX_COMMAND_OCTETS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from poptalk.pop3.sasl.mechanism import Applicant, ClientMechanism, Method

Talk = Generator[bytes, StatusLine, None]


def make_talk(
    method: Method, who: Applicant, *, timestamp: bytes | None, two_step: bool = False
) -> Talk:
    """Return the login by a method.

    Args:
        method: the way.
        who: the client.
        timestamp: the greeting's, for APOP; None where it has none.
        two_step: whether an initial response is to have a line of its own.

    Raises:
        LoginError: APOP is asked for and there is no timestamp; or SCRAM cannot take the name or the
            password.
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
    line = command if initial is None else command + b" " + encode_initial(initial)
    apart = initial is not None and (two_step or len(line + b"\r\n") > MAX_COMMAND_OCTETS)
    reply: StatusLine = yield command if apart else line
    if apart and initial is not None and reply.status is Status.CHALLENGE:
        reply = yield encode(initial)
    while reply.status is Status.CHALLENGE:
        try:
            answer = mechanism.respond(decode(reply.text))
        except LoginBroken:
            yield CANCEL
            raise
        except NotBase64:
            yield CANCEL
            raise LoginBroken("a challenge of the server isn't base64; cancelled") from None
        reply = yield encode(answer)
    _accepted(reply)
    mechanism.check_finished()


def _accepted(reply: StatusLine) -> None:
    if reply.status is not Status.OK:
        raise LoginRefused(reply)
