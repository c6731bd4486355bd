"""The placeholders that have a value before any line has captured one.

A dialogue names what differs from account to account and from session to session, `{user}` or
`{apop}`.  A replay works the values out from the session so far: the greeting brings the timestamp of
APOP, the last challenge that of CRAM-MD5.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from poptalk.pop3.sasl.base64 import NotBase64, decode, encode
from poptalk.pop3.sasl.login import apop_digest
from poptalk.pop3.sasl.mechanism import Applicant
from poptalk.pop3.sasl.simple import CramMd5Client, plain_message
from poptalk.protocol.replies import Status, parse_status_line, timestamp_of
from poptalk.transcript.octets import octets_of, unescaped

REASONS: Mapping[str, str] = {
    "user": "no user name was given",
    "password": "no password was given",
    "host": "no host name was given",
    "apop": "it needs a user's password and a greeting that holds a <timestamp>",
    "plain": "it needs a user name and a password",
    "cram-md5": "it needs a user name, a password and a challenge from the server",
    "plain-for": "it needs a user name and a password",
}
"""Every name that is known beforehand, and why it may still have no value."""

PLAIN_FOR = "plain-for"
"""`{plain-for=team}` is the response of PLAIN for another authorization identity, which is no secret."""


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
        return apop_digest(timestamp, octets_of(self.password)).decode("ascii")

    def plain_for(self, identity: str) -> str | None:
        """Return PLAIN's response for another identity; None without a name or a password.

        Args:
            identity: as `{plain-for=...}` has it: text, or `0x` and hexadecimal digits.
        """
        decoded = unescaped(identity)
        return self._plain(octets_of(identity if decoded is None else decoded))

    def _plain(self, identity: bytes = b"") -> str | None:
        if self.user is None or self.password is None:
            return None
        name, password = octets_of(self.user), octets_of(self.password)
        return encode(plain_message(name, password, identity=identity)).decode("ascii")

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
        who = Applicant(user=octets_of(self.user), secret=octets_of(self.password))
        answer = CramMd5Client(who).respond(question)
        return encode(answer).decode("ascii")
