"""The placeholders that have a value before any line has captured one.

A dialogue names what differs from account to account and from session to session, `{user}` or
`{apop}`, and whoever replays it works the values out from the session so far: the greeting brings
the timestamp of APOP, the last challenge that of CRAM-MD5.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from poptalk.protocol.logins import CramMd5, Plain, apop_digest
from poptalk.protocol.replies import Status, parse_status_line, timestamp_of
from poptalk.protocol.sasl_lines import NotBase64, decode, encode

REASONS: Mapping[str, str] = {
    "user": "no user name was given",
    "password": "no password was given",
    "host": "no host name was given",
    "apop": "it needs a user's password and a greeting that holds a <timestamp>",
    "plain": "it needs a user name and a password",
    "cram-md5": "it needs a user name, a password and a challenge from the server",
}
"""Every name that is known beforehand, and why it may still have no value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a session has given so far to work the known placeholders out from."""

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    host: str | None = None
    greeting: bytes = b""
    """The greeting, without its line end."""
    challenge: bytes | None = None
    """The last line that began with `+ `, whole, without its line end."""

    def bindings(self) -> dict[str, str]:
        """Return the values by name; a name whose ingredients are missing is left out."""
        worked_out = {
            "user": self.user,
            "password": self.password,
            "host": self.host,
            "apop": self._apop(),
            "plain": self._plain(),
            "cram-md5": self._cram_md5(),
        }
        return {name: value for name, value in worked_out.items() if value is not None}

    def _apop(self) -> str | None:
        timestamp = timestamp_of(self.greeting)
        if timestamp is None or self.password is None:
            return None
        return apop_digest(timestamp, _octets(self.password)).decode("ascii")

    def _plain(self) -> str | None:
        if self.user is None or self.password is None:
            return None
        message = Plain(_octets(self.user), _octets(self.password)).message()
        return encode(message).decode("ascii")

    def _cram_md5(self) -> str | None:
        if self.user is None or self.password is None or self.challenge is None:
            return None
        status = parse_status_line(self.challenge)
        if status.status is not Status.CHALLENGE:
            return None
        try:
            question = decode(status.text)
        except NotBase64:
            return None
        answer = CramMd5(_octets(self.user), _octets(self.password)).respond(question)
        return encode(answer).decode("ascii")


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
