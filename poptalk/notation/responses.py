"""The placeholders of AUTH: `{login-1}`, `{scram-sha-256-2}`, and what a replay sends for them.

A recording hides each response of the client behind the name of its mechanism and the number of the
step.  A replay works the response out anew, with the same mechanism and the challenge that has come.
PLAIN and CRAM-MD5 have names without a number, `{plain}` and `{cram-md5}` (`known`): what they say
depends on no step before.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from poptalk.pop3.sasl.base64 import NotBase64, decode, encode
from poptalk.pop3.sasl.mechanism import ClientMechanism
from poptalk.pop3.sasl.table import METHODS
from poptalk.protocol.replies import Status, parse_status_line

MakeMechanism = Callable[[str], ClientMechanism]
"""Makes a mechanism by its name, for whoever logs in."""

_NAME = re.compile(r"(?P<mechanism>.+)-(?P<step>[1-9][0-9]?)")


def response_name(mechanism: str, step: int) -> str:
    """Return the name of a response's placeholder.

    Args:
        mechanism: its name, in any case.
        step: which response of the exchange it is, an initial one included, from 1.
    """
    return f"{mechanism.lower()}-{step}"


def parse_response_name(name: str) -> tuple[str, int] | None:
    """Read the name of a placeholder.

    Returns:
        The mechanism in upper case, and the step; None where the name is that of no response, or the
        mechanism is none that poptalk knows.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    mechanism = found["mechanism"].upper()
    method = METHODS.get(mechanism)
    return (mechanism, int(found["step"])) if method is not None and method.sasl else None


def reason_for_none(name: str) -> str | None:
    """Return why the placeholder of a response has no value; None for another placeholder."""
    if parse_response_name(name) is None:
        return None
    return "it needs a user name, a password or a token, and the steps of AUTH before it in their order"


class Responses:
    """The exchange of AUTH that a replay is in, and its responses.

    Args:
        make: makes a mechanism for whoever logs in.
    """

    def __init__(self, make: MakeMechanism) -> None:
        self._make = make
        self._mechanism: ClientMechanism | None = None
        self._name = ""
        self._step = 0

    def work_out(self, name: str, challenge: bytes | None) -> str | None:
        """Return what to send for a placeholder; asked again, it goes one step further.

        Args:
            name: the placeholder's.
            challenge: the line that is answered, whole, without its line end; None for an initial
                response.

        Returns:
            The base64 of the response; None where the name is that of no response, or it is not this
            step's turn.

        Raises:
            LoginError: the mechanism cannot take the name or the password, or the challenge is not
                what it lays down.
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
            question = _decoded(challenge)
            if question is None:
                return None
            response = self._mechanism.respond(question)
        return encode(response).decode("ascii")

    def say_nothing(self, challenge: bytes) -> None:
        """Take note that a challenge is answered with an empty line, as SCRAM's last one is.

        Args:
            challenge: the line that is answered, whole, without its line end.

        Raises:
            LoginError: the challenge is not what the mechanism lays down; of SCRAM, it proves nothing.
        """
        question = _decoded(challenge)
        if self._mechanism is not None and question is not None:
            self._mechanism.respond(question)
            self._step += 1


def _decoded(challenge: bytes | None) -> bytes | None:
    """Undo the base64 of a challenge; nothing was asked where there is none."""
    if challenge is None:
        return b""
    status = parse_status_line(challenge)
    if status.status is not Status.CHALLENGE:
        return None
    try:
        return decode(status.text)
    except NotBase64:
        return None
