"""Faults around TLS: what an attacker on the way can do before it begins, and bad certificates."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from poptalk.practice.faults import parameters
from poptalk.practice.faults.fault import Fault
from poptalk.practice.faults.replies import without_capabilities
from poptalk.protocol.commands import Command
from poptalk.protocol.states import State
from poptalk.protocol.texts import Occasion

if TYPE_CHECKING:
    import ssl

    from poptalk.practice.certificates import Certificates

INJECTED = b"+OK injected in clear, before TLS began\r\n"

OTHER_HOST = "mail.other.example"
"""Another host, whose certificate is shown."""


class StlsInjection(Fault):
    """Sends an answer in the clear to a command that will come inside TLS."""

    def reply(self, command: Command | None, line: bytes) -> bytes:
        """Put another answer after the answer."""
        stls = command is not None and command.keyword == b"STLS"
        return line + INJECTED if stls and line.startswith(b"+OK") else line


class StlsRefused(Fault):
    """Announces STLS and refuses it."""

    def refusal(self, command: Command) -> Occasion | None:
        """Refuse STLS."""
        return Occasion.TROUBLE_PASSING if command.keyword == b"STLS" else None


class StlsStripped(Fault):
    """Takes STLS out of the capabilities, as an attacker on the way would."""

    def capabilities(self, lines: tuple[bytes, ...], _state: State) -> tuple[bytes, ...]:
        """Leave out STLS."""
        return without_capabilities(lines, b"STLS")


class BadCertificate(Fault):
    """Shows a certificate that has exactly one thing wrong with it."""

    parameter = parameters.one_of("self-signed", "expired", "wrong-host")
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
            case _:
                return certificates.self_signed_context()
