"""The placeholders of AUTH: `{login-1}`, `{scram-sha-256-2}`, and what a replay sends for them.

A recording replaces each response of the client by the name of its mechanism and the number of the
step.  A replay computes the response again, with the same mechanism and the challenge that has come.
PLAIN and CRAM-MD5 have names without a number, `{plain}` and `{cram-md5}` (`Known`), because their
responses don't depend on earlier steps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from poptalk.pop3.replies import Status, parse_status_line, timestamp_of
from poptalk.pop3.sasl.mechanism import Applicant, ClientMechanism, apop_digest, decoded, encode
from poptalk.pop3.sasl.mechanisms import CramMd5Client, plain_message
from poptalk.pop3.sasl.table import METHODS
from poptalk.transcript.octets import octets_of, unescaped

# The placeholders that have a value before any line has captured one.
#
# A dialogue has names for what differs between accounts and between sessions, such as `{user}` or
# `{apop}`.  A replay computes their values from the session so far: the timestamp for APOP is in the
# greeting, and CRAM-MD5 needs the last challenge.


REASONS: Mapping[str, str] = {
    "user": "no user name was given",
    "password": "no password was given",
    "host": "no host name was given",
    "apop": "it needs a user's password and a greeting that holds a <timestamp>",
    "plain": "it needs a user name and a password",
    "cram-md5": "it needs a user name, a password and a challenge from the server",
    "plain-for": "it needs a user name and a password",
}
"""Every name that is known beforehand, and why it may have no value."""

_PUBLIC = frozenset({"user", "host"})
"""Known names whose values aren't secret."""


def is_secret(name: str) -> bool:
    """Return whether the value of a placeholder is a secret, or computed from one."""
    return (name in REASONS and name not in _PUBLIC) or parse_response_name(name) is not None


PLAIN_FOR = "plain-for"
"""`{plain-for=team}` is the response of PLAIN for another authorization identity, which is no secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the values of the known placeholders are computed from, as far as the session has it."""

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    host: str | None = None
    greeting: bytes = b""
    """The greeting, without its line end."""
    challenge: bytes | None = None
    """The whole last line that began with `+ `, without its line end."""

    def bindings(self) -> dict[str, str]:
        """Return the values by name, without those that can't be computed yet."""
        values = {
            "user": self.user,
            "password": self.password,
            "host": self.host,
            "apop": self._apop(),
            "plain": self._plain(),
            "cram-md5": self._cram_md5(),
        }
        return {name: value for name, value in values.items() if value is not None}

    def _apop(self) -> str | None:
        timestamp = timestamp_of(self.greeting)
        if timestamp is None or self.password is None:
            return None
        return apop_digest(timestamp, octets_of(self.password)).decode("ascii")

    def plain_for(self, identity: str) -> str | None:
        """Return PLAIN's response for another identity; None without a name or a password.

        Args:
            identity: as in `{plain-for=...}`: text, or `0x` and hexadecimal digits.
        """
        decoded = unescaped(identity)
        return self._plain(octets_of(identity if decoded is None else decoded))

    def _plain(self, identity: bytes = b"") -> str | None:
        if self.user is None or self.password is None:
            return None
        name, password = octets_of(self.user), octets_of(self.password)
        return encode(plain_message(name, password, identity=identity)).decode("ascii")

    def _cram_md5(self) -> str | None:
        question = None if self.challenge is None else _question(self.challenge)
        if self.user is None or self.password is None or question is None:
            return None
        who = Applicant(user=octets_of(self.user), secret=octets_of(self.password))
        answer = CramMd5Client(who).respond(question)
        return encode(answer).decode("ascii")


MakeMechanism = Callable[[str], ClientMechanism]
"""Makes a mechanism by its name, for the user who logs in."""

_NAME = re.compile(r"(?P<mechanism>.+)-(?P<step>[1-9][0-9]?)")


def response_name(mechanism: str, step: int) -> str:
    """Return the name of the placeholder for a response.

    Args:
        mechanism: its name, in any case.
        step: which response of the exchange it is, counting an initial one as 1.
    """
    return f"{mechanism.lower()}-{step}"


def parse_response_name(name: str) -> tuple[str, int] | None:
    """Parse the name of a placeholder.

    Returns:
        The mechanism in upper case, and the step; None if the name isn't that of a response, or
        poptalk doesn't know the mechanism.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    mechanism = found["mechanism"].upper()
    method = METHODS.get(mechanism)
    return (mechanism, int(found["step"])) if method is not None and method.sasl else None


def reason_for_none(name: str) -> str:
    """Return why a placeholder has no value."""
    if parse_response_name(name) is not None:
        return (
            "it needs a user name, a password or a token, and the steps of AUTH before it, in order"
        )
    return REASONS.get(name, "no line before this one captured it")


class Responses:
    """Computes the responses within AUTH during a replay.

    Args:
        make: makes a mechanism for the user who logs in.
    """

    def __init__(self, make: MakeMechanism) -> None:
        self._make = make
        self._mechanism: ClientMechanism | None = None
        self._name = ""
        self._step = 0

    def work_out(self, name: str, challenge: bytes | None) -> str | None:
        """Return what to send for a placeholder; each call goes one step further.

        Args:
            name: that of the placeholder.
            challenge: the whole line that is answered, without its line end; None for an initial
                response.

        Returns:
            The response in base64; None if the name isn't that of a response, or it isn't the turn of
            its step.

        Raises:
            LoginError: the mechanism forbids the name, the password or the challenge.
        """
        parsed = parse_response_name(name)
        if parsed is None:
            return None
        mechanism, step = parsed
        if step == 1:
            self._mechanism, self._name = self._make(mechanism), mechanism
        elif self._mechanism is None or (mechanism, step) != (self._name, self._step + 1):
            return None
        self._step = step
        assert self._mechanism is not None
        response = self._mechanism.initial() if step == 1 else None
        if response is None:
            question = _question(challenge)
            if question is None:
                return None
            response = self._mechanism.respond(question)
        return encode(response).decode("ascii")

    def say_nothing(self, challenge: bytes) -> None:
        """Take note that a challenge is answered with an empty line, as the last one of SCRAM is.

        Args:
            challenge: the whole line that is answered, without its line end.

        Raises:
            LoginError: the mechanism forbids the challenge; with SCRAM, it doesn't prove anything.
        """
        question = _question(challenge)
        if self._mechanism is not None and question is not None:
            self._mechanism.respond(question)
            self._step += 1


def _question(challenge: bytes | None) -> bytes | None:
    """Decode a challenge from base64; empty if there is none."""
    if challenge is None:
        return b""
    status = parse_status_line(challenge)
    return decoded(status.text) if status.status is Status.CHALLENGE else None
