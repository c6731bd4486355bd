"""From a name, a secret and a method to the talk that logs in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches

from poptalk.protocol.logins import (
    METHODS,
    ClientMechanism,
    CramMd5,
    External,
    Login,
    LoginError,
    Method,
    OAuthBearer,
    Plain,
    Talk,
    XOAuth2,
    apop,
    authenticate,
    credential,
    user_and_pass,
)
from poptalk.protocol.values import Value


class Applicant(Value):
    """Who wants to log in, and where.

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


def applicant(user: str, secret: str, *, host: str, port: int) -> Applicant:
    """Make an applicant of what people type.

    Args:
        user: the name.
        secret: the password or the token.
        host: the server as it was named.
        port: its port.

    Raises:
        BadCredential: the name or the secret holds CR, LF or NUL.
    """
    return Applicant(
        user=credential(user, "name"),
        secret=credential(secret, "password"),
        host=host.encode("utf-8", "surrogateescape"),
        port=port,
    )


def find_method(name: str) -> Method:
    """Return the method of a name, in any case.

    Raises:
        LoginError: there is none; the sentence names a near one, and all.  What was given is not
            quoted, since people type their password there.
    """
    method = METHODS.get(name.upper())
    if method is None:
        near = get_close_matches(name.upper(), METHODS, n=1)
        meant = f"is {near[0]} meant? " if near else ""
        raise LoginError(f"that is no way to log in: {meant}there are {', '.join(METHODS)}")
    return method


def make_talk(
    method: Method, who: Applicant, *, timestamp: bytes | None, two_step: bool = False
) -> Talk:
    """Return the talk that logs in.

    Args:
        method: the way.
        who: for whom.
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


def make_mechanism(name: str, who: Applicant) -> ClientMechanism:
    """Return a mechanism of SASL for somebody.

    Args:
        name: as `METHODS` has it; neither USER nor APOP.
        who: for whom.

    Raises:
        LoginError: SCRAM cannot take the name or the password.
    """
    return _MECHANISMS[name](who)


def _scram(name: str) -> Callable[[Applicant], ClientMechanism]:
    def make(who: Applicant) -> ClientMechanism:
        from poptalk.net.scram import Scram

        return Scram(name.encode("ascii"), who.user, who.secret)

    return make


_MECHANISMS: Mapping[str, Callable[[Applicant], ClientMechanism]] = {
    "PLAIN": lambda who: Plain(who.user, who.secret),
    "LOGIN": lambda who: Login(who.user, who.secret),
    "CRAM-MD5": lambda who: CramMd5(who.user, who.secret),
    "SCRAM-SHA-1": _scram("SCRAM-SHA-1"),
    "SCRAM-SHA-256": _scram("SCRAM-SHA-256"),
    "XOAUTH2": lambda who: XOAuth2(who.user, who.secret),
    "OAUTHBEARER": lambda who: OAuthBearer(who.user, who.secret, host=who.host, port=who.port),
    # The certificate says who it is; the name would be that of somebody to act for.
    "EXTERNAL": lambda _who: External(),
}
