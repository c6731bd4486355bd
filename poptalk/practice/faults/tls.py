"""Faults around TLS: what somebody on the way can do before it begins, and certificates that are bad."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from poptalk.practice.faults import parameters
from poptalk.practice.faults.bodies import answers
from poptalk.practice.faults.fault import About, Fault, Stance
from poptalk.practice.faults.replies import without_capabilities
from poptalk.protocol.commands import Command
from poptalk.protocol.texts import Occasion
from poptalk.protocol.verbs import Clause

if TYPE_CHECKING:
    import ssl

    from poptalk.practice.certificates import Certificates

RFC_2595_4 = Clause(rfc=2595, section="4")

INJECTED = b"+OK injected in clear, before TLS began\r\n"

OTHER_HOST = "mail.other.example"
"""Whose certificate is shown by a server that is not that host."""


class StlsInjection(Fault):
    """Sends an answer in clear to a command that will come inside TLS."""

    about = About(
        name="stls-injection",
        summary="an answer in clear stands behind the +OK to STLS",
        seen="CVE-2020-14954 (mutt, NeoMutt), CVE-2021-22947 (curl)",
        clause=RFC_2595_4,
        sentence=(
            "A TLS negotiation begins immediately after the CRLF at the end of the +OK response "
            "from the server."
        ),
        suffers="one that keeps its buffer believes inside TLS what was said outside",
    )
    excludes = "STLS"
    before_login = True

    def reply(self, command: Command | None, line: bytes) -> bytes:
        """Put an answer behind the answer."""
        if answers(command, b"STLS") and line.startswith(b"+OK"):
            return line + INJECTED
        return line


class StlsRefused(Fault):
    """Announces STLS and refuses it."""

    about = About(
        name="stls-refused",
        summary="STLS is announced, and answered with -ERR",
        seen="Email-Analysis-Toolkit/fake-mail-server (Negotiation O_2)",
        clause=RFC_2595_4,
        sentence=(
            'The capability name "STLS" indicates this command is present and permitted in the '
            "current state."
        ),
        suffers="one that falls back sends the password in clear, which is what was wanted",
    )
    excludes = "STLS"
    before_login = True

    def refusal(self, command: Command) -> Occasion | None:
        """Refuse STLS."""
        return Occasion.TROUBLE_PASSING if command.keyword == b"STLS" else None


class StlsStripped(Fault):
    """Takes STLS out of the capabilities, as somebody on the way would."""

    about = About(
        name="stls-stripped",
        summary="STLS is not announced, and unknown",
        seen="Email-Analysis-Toolkit/fake-mail-server (Negotiation O_1)",
        clause=Clause(rfc=2595, section="2.5"),
        sentence=(
            "Both the client and server MUST check the result of the STARTTLS command and subsequent "
            "TLS negotiation to see whether acceptable authentication or privacy was achieved."
        ),
        stance=Stance.TESTS,
        suffers="one that encrypts only if it can sends the password in clear",
    )
    excludes = "STLS"
    before_login = True

    def capabilities(self, lines: tuple[bytes, ...], *, logged_in: bool) -> tuple[bytes, ...]:
        """Leave out STLS."""
        del logged_in
        return without_capabilities(lines, b"STLS")


class BadCertificate(Fault):
    """Shows a certificate with which something is wrong, and no other thing."""

    about = About(
        name="bad-certificate",
        summary="the certificate is self-signed, has expired, or is for another host",
        seen="Email-Analysis-Toolkit/fake-mail-server (Certificate T_1, T_3, T_4)",
        clause=Clause(rfc=2595, section="2.4"),
        sentence=(
            "During the TLS negotiation, the client MUST check its understanding of the server "
            "hostname against the server's identity as presented in the server Certificate message, "
            "in order to prevent man-in-the-middle attacks."
        ),
        stance=Stance.TESTS,
        suffers="it refuses, as it must; one that goes on talks to anybody",
    )
    parameter = parameters.one_of("self-signed", "expired", "wrong-host")
    before_login = True
    value: str

    def __init__(self, value: Any) -> None:
        super().__init__(value)
        self._made: dict[str, ssl.SSLContext] = {}
        """Shared by all sessions, because making a certificate takes time."""

    def tls_context(self, certificates: Callable[[], Certificates]) -> ssl.SSLContext | None:
        """Return settings with the bad certificate."""
        if self.value not in self._made:
            self._made[self.value] = _make(self.value, certificates())
        return self._made[self.value]


def _make(how: str, certificates: Certificates) -> ssl.SSLContext:
    match how:
        case "expired":
            return certificates.server_context(expired=datetime.timedelta(days=1))
        case "wrong-host":
            return certificates.server_context(names=[OTHER_HOST])
        case _:
            return certificates.self_signed_context()
