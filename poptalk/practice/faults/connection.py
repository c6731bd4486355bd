"""Faults at the login, around TLS, and of the network between.

Those of the network make octets come late, in pieces, or not at all.  They act on octets before TLS
encrypts them, and count from the moment at which they begin: with the connection, or with the login of
the account that they are for.
"""

from __future__ import annotations

import asyncio
import datetime
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from poptalk.pop3.commands import Command, State
from poptalk.pop3.server.texts import Occasion
from poptalk.practice.faults import fault
from poptalk.practice.faults.fault import Action, EarlyEnd, Fault, Pause
from poptalk.practice.faults.replies import Lines, without_capabilities

if TYPE_CHECKING:
    import ssl

    from poptalk.practice.accounts import Account
    from poptalk.practice.certificates import Certificates

# Faults at the login: the proof is right, and the login is refused.


APP_PASSWORD = b"-ERR [AUTH] Application-specific password required\r\n"
"""Gmail's reply (mailman/mailman#50), without its link."""

CLEARTEXT_REFUSED = (
    b"-ERR [AUTH] Cleartext authentication disallowed on non-secure (SSL/TLS) connections.\r\n"
)
"""Dovecot's reply."""

LOGON_FAILURE = b"-ERR Logon failure: unknown user name or bad password.\r\n"
"""The reply of Exchange Online where basic authentication was switched off (nicm/fdm#123)."""

TOKEN_MECHANISMS = b"SASL XOAUTH2 OAUTHBEARER"


class Locked(Fault):
    """Refuses the login because another session has the maildrop open."""

    parameter = fault.one_of("said", "unsaid")
    value: str

    def capabilities(self, lines: Lines, _state: State) -> Lines:
        """Promise response codes, so that one can give the reason."""
        if self.value == "unsaid":
            return lines
        return (*without_capabilities(lines, b"RESP-CODES"), b"RESP-CODES")

    def refused_login(self, _account: Account) -> Occasion:
        """Refuse the login."""
        return Occasion.WRONG_PASSWORD if self.value == "unsaid" else Occasion.MAILDROP_LOCKED


class LoginDelay(Fault):
    """Refuses a login that comes too soon after the last one."""

    parameter = fault.seconds("60s")
    value: float

    def __init__(self, value: Any) -> None:
        super().__init__(value)
        self._last_logins: dict[str, float] = {}
        """By account; shared by all sessions."""

    def capabilities(self, lines: Lines, _state: State) -> Lines:
        """Announce the delay, and response codes, of which one gives the reason."""
        kept = without_capabilities(lines, b"RESP-CODES", b"LOGIN-DELAY")
        return (*kept, b"RESP-CODES", b"LOGIN-DELAY %d" % max(1, round(self.value)))

    def refused_login(self, account: Account) -> Occasion | None:
        """Refuse the login until the delay is over."""
        now = asyncio.get_running_loop().time()
        if now - self._last_logins.get(account.name, -math.inf) < self.value:
            return Occasion.LOGIN_TOO_SOON
        self._last_logins[account.name] = now
        return None


class AppPassword(Fault):
    """Refuses the account's password, and says that programs need one of their own."""

    _was_right = False

    def refused_login(self, _account: Account) -> Occasion:
        """Refuse the login, whose password was right."""
        self._was_right = True
        return Occasion.WRONG_PASSWORD

    def reply(self, _command: Command | None, line: bytes) -> bytes:
        """Give the reason."""
        was_right, self._was_right = self._was_right, False
        return APP_PASSWORD if was_right else line


class TokenOnly(Fault):
    """Takes no password: only OAuth tokens (RFC 7628) will do."""

    _shows_token = False

    def command(self, command: Command) -> Command:
        """Take note of the mechanism of a login."""
        mechanism = b"".join(command.arguments[:1]).upper()
        self._shows_token = mechanism in TOKEN_MECHANISMS.split()
        return command

    def capabilities(self, lines: Lines, _state: State) -> Lines:
        """Offer only mechanisms that take tokens."""
        return (*without_capabilities(lines, b"USER", b"SASL"), TOKEN_MECHANISMS)

    def refused_login(self, _account: Account) -> Occasion | None:
        """Refuse a password in the same words as a wrong one."""
        return None if self._shows_token else Occasion.WRONG_PASSWORD

    def reply(self, command: Command | None, line: bytes) -> bytes:
        """Blame the password, even before there was one."""
        by_password = command is not None and command.keyword in (b"USER", b"PASS", b"APOP")
        return LOGON_FAILURE if by_password and line.startswith(b"-ERR") else line


class CleartextRefused(Fault):
    """Refuses names and passwords until TLS is up."""

    _encrypted = False

    def tls_context(self, _certificates: Callable[[], Certificates]) -> None:
        """Take note that TLS begins."""
        self._encrypted = True

    def capabilities(self, lines: Lines, _state: State) -> Lines:
        """Offer nothing in the clear that shows a password."""
        return lines if self._encrypted else without_capabilities(lines, b"USER", b"SASL")

    def refusal(self, command: Command) -> Occasion | None:
        """Refuse commands that would begin such a login."""
        return None if self._encrypted or not _shows_password(command) else Occasion.AUTH_FAILED

    def reply(self, command: Command | None, line: bytes) -> bytes:
        """Give the reason."""
        refused = command is not None and not self._encrypted and _shows_password(command)
        return CLEARTEXT_REFUSED if refused and line.startswith(b"-ERR") else line


def _shows_password(command: Command) -> bool:
    return command.keyword in (b"USER", b"PASS", b"AUTH")


# Faults around TLS: an attacker's doings before it begins, and bad certificates.


INJECTED = b"+OK injected in clear, before TLS began\r\n"

OTHER_HOST = "mail.other.example"
"""Another host, whose certificate is shown."""


class StlsInjection(Fault):
    """Answers in the clear a command that will come inside TLS."""

    def reply(self, command: Command | None, line: bytes) -> bytes:
        """Put another reply after the one to STLS."""
        stls = command is not None and command.keyword == b"STLS"
        return line + INJECTED if stls and line.startswith(b"+OK") else line


class StlsExecutesResidue(Fault):
    """Carries out inside TLS a command that came in the clear after STLS."""

    def keeps_residue(self) -> bool:
        """Keep it."""
        return True


class StlsRefused(Fault):
    """Announces STLS and refuses it."""

    def refusal(self, command: Command) -> Occasion | None:
        """Refuse STLS."""
        return Occasion.TROUBLE_PASSING if command.keyword == b"STLS" else None


class StlsStripped(Fault):
    """Takes STLS out of the capabilities, as an attacker on the way would."""

    def capabilities(self, lines: Lines, _state: State) -> Lines:
        """Leave out STLS."""
        return without_capabilities(lines, b"STLS")


class BadCertificate(Fault):
    """Shows a certificate that has exactly one thing wrong with it."""

    parameter = fault.one_of("self-signed", "expired", "wrong-host", "no-intermediate")
    value: str

    def __init__(self, value: Any) -> None:
        super().__init__(value)
        self._made: list[ssl.SSLContext] = []
        """Shared by all sessions, because making a certificate takes time."""

    def tls_context(self, certificates: Callable[[], Certificates]) -> ssl.SSLContext:
        """Return settings with the bad certificate."""
        if not self._made:
            self._made.append(self._make(certificates()))
        return self._made[0]

    def _make(self, certificates: Certificates) -> ssl.SSLContext:
        match self.value:
            case "expired":
                return certificates.server_context(expired=datetime.timedelta(days=1))
            case "wrong-host":
                return certificates.server_context(names=[OTHER_HOST])
            case "no-intermediate":
                return certificates.incomplete_context()
            case _:
                return certificates.self_signed_context()


MULTI_LINE_END = b"\r\n.\r\n"
"""The end of a multi-line reply, which byte-stuffing keeps out of everything before it."""

DRIP_OCTETS = 16
"""The most octets of one drop: a status line takes several."""


class SplitTerminator(Fault):
    """Sends the lone dot and its CRLF separately."""

    parameter = fault.seconds("2s")
    value: float
    _last = b""

    def deliver(self, octets: bytes | memoryview) -> Iterator[Action]:
        """Pause between the dot and its CRLF."""
        known, sent, joined = len(self._last), 0, self._last + octets
        at = joined.find(MULTI_LINE_END)
        while at >= 0:
            # The dot may have been the last octet before these.
            cut = max(at + 3 - known, 0)
            yield octets[sent:cut]
            yield Pause(seconds=self.value)
            sent = cut
            at = joined.find(MULTI_LINE_END, at + 3)
        yield octets[sent:]
        self._last = joined[-(len(MULTI_LINE_END) - 1) :]


class Slow(Fault):
    """Delays everything."""

    parameter = fault.seconds("2s")
    value: float

    def deliver(self, octets: bytes | memoryview) -> Iterator[Action]:
        """Pause first."""
        yield Pause(seconds=self.value)
        yield octets


class Drip(Fault):
    """Sends a few octets at a time."""

    parameter = fault.seconds("20ms")
    value: float

    def deliver(self, octets: bytes | memoryview) -> Iterator[Action]:
        """Pause between the pieces."""
        sent = 0
        while sent < len(octets):
            piece = octets[sent : sent + self.chance.randint(1, DRIP_OCTETS)]
            yield piece
            sent += len(piece)
            if sent < len(octets):
                yield Pause(seconds=self.value)


class _After(Fault):
    """Something happens once a number of octets has left."""

    parameter = fault.octets(500)
    value: int
    happens: Action
    _left: int | None = None
    """Octets that still leave; None before the first."""

    def deliver(self, octets: bytes | memoryview) -> Iterator[Action]:
        """Send the octets that still leave, then let it happen."""
        left = self.value if self._left is None else self._left
        self._left = max(0, left - len(octets))
        yield octets[:left]
        if left <= len(octets):
            yield self.happens


class Stall(_After):
    """Falls silent, with the connection open."""

    happens = Pause(seconds=math.inf)


class DropAfter(_After):
    """Hangs up in good order, in the middle of a reply."""

    happens = EarlyEnd.CLOSE


class Reset(_After):
    """Resets the connection, in the middle of a reply."""

    happens = EarlyEnd.RESET
