"""Makes a session of what passes in one relayed session, to be shown, logged and counted.

`Relay` hands over octets after it has passed them on, and says what it does by itself.  The session is
the one that the server sees: it begins with TLS if the server's side does, and an STLS that the tap
answers is shown but isn't part of it.  So a log can be replayed against the same server.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from poptalk.net.errors import EndedBy, TlsFailed, peer_name, printable
from poptalk.pop3.commands import Span, State, parse_command
from poptalk.pop3.events import ReplyEnd, Sent, Violation, ViolationKind
from poptalk.pop3.replies import parse_status_line
from poptalk.session.log import open_log
from poptalk.session.overheard import OverheardSession
from poptalk.tap.view import TapView
from poptalk.terminal.render import client_line, note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poptalk.net.endpoint import Destination
    from poptalk.net.errors import Ending, NetError
    from poptalk.net.tls import TlsFacts
    from poptalk.pop3.client import ClientSession
    from poptalk.tap.printer import Printer
    from poptalk.tap.view import Shown

MOST_SHOWN = 2000
"""Octets shown of what is not passed on."""

PIPELINING = b"PIPELINING"

UNTRUSTED = (
    "It does not trust the certificate of the tap: have it trust the tap's authority, which --save-ca "
    "FILE writes, or switch the check of certificates off."
)
"""Said when a mail program ends TLS because of a certificate."""

_OF_CERTIFICATES = ("UNKNOWN_CA", "BAD_CERTIFICATE", "CERTIFICATE_UNKNOWN", "ACCESS_DENIED")
"""How OpenSSL's reasons end for alerts about our certificate (RFC 8446 §6.2)."""


@dataclass(slots=True, kw_only=True)
class Totals:
    """What has passed in all sessions."""

    sessions: int = 0
    commands: int = 0
    messages: int = 0
    from_server: int = 0
    from_clients: int = 0
    violations: Counter[ViolationKind] = field(default_factory=Counter)

    def lines(self) -> Sequence[str]:
        """Say it in sentences."""
        return (
            f"{_counted(self.sessions, 'session')}, {_counted(self.commands, 'command')}, "
            f"{_counted(self.messages, 'message')}; {_counted(self.from_server, 'octet')} from the "
            f"server, {self.from_clients:,} to it",
            *(
                f"{'once' if count == 1 else f'{count:,} times'}: {kind.sentence}{_clause(kind)}"
                for kind, count in self.violations.most_common()
            ),
        )


def _clause(kind: ViolationKind) -> str:
    return f" [{kind.clause}]" if kind.clause else ""


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def log_name(name: str, number: int | None) -> str:
    """Return the name of a session's log, with the session's number before the suffix."""
    if number is None:
        return name
    root, suffix = os.path.splitext(name)
    return f"{root}.{number}{suffix}"


class Watch:
    """What is seen of one session.

    Args:
        number: the number of the session.
        destination: the server.
        shown: what the screen shows.
        printer: writes it.
        totals: what the session is added to.
        ports: the tap's ports without and with TLS, for advice.
        log: the name of its log; None for no log.
        log_format: as `poptalk.session.log.open_log` takes it.
    """

    def __init__(
        self,
        number: int,
        destination: Destination,
        shown: Shown,
        printer: Printer,
        totals: Totals,
        *,
        ports: tuple[int, int],
        log: str | None = None,
        log_format: str = "notation",
    ) -> None:
        self._overheard = OverheardSession(destination)
        self._session = session = self._overheard.session
        self._destination = destination
        self._totals = totals
        self._port, self._tls_port = ports
        self._is_open = False
        self._goes_on = False
        self._view = TapView(session, number, shown, printer, counts=self._count)
        session.observe({Sent: self._on_sent, ReplyEnd: self._on_reply_end})
        totals.sessions += 1
        if log is not None:
            try:
                session.log = open_log(log, session, log_format=log_format)
            except OSError as error:
                self.warn(f"{printable(log)} cannot be written: {error.strerror}; there is no log")

    # What passes.

    @property
    def core(self) -> ClientSession:
        """The protocol core of the session."""
        return self._session.core

    @property
    def tls_requested(self) -> bool:
        """Whether STLS was answered with +OK, and TLS has not begun."""
        return self._session.tls_request is not None

    def came(self, peer: tuple[str, int], *, in_tls: bool) -> None:
        """Show that a mail program has connected."""
        port = " on the port for TLS" if in_tls else ""
        self.remark(f"from {peer_name(*peer[:2])}{port}, to {self._destination}")

    def opened(self, *, encrypted: bool) -> None:
        """Take note that the server is connected."""
        self._is_open = True
        self._overheard.opened(encrypted=encrypted)

    def client_said(self, octets: bytes) -> None:
        """Take octets of the mail program that were passed on."""
        if self._overheard.core is not None:
            self._overheard.client_said(octets)
        elif self._is_open and not self._goes_on:
            self._goes_on = True
            self.warn("the mail program goes on after the server has ended")

    def server_said(self, octets: bytes) -> None:
        """Take octets of the server that were passed on."""
        if self._overheard.core is not None:
            self._overheard.server_said(octets)

    def residue_after(self, octets: bytes) -> bytes:
        """Take octets of the server; return those that came in the clear after a +OK to STLS."""
        self.server_said(octets)
        request = self._session.tls_request
        return request.residue if request is not None else b""

    # What the tap does itself.

    def remark(self, text: str) -> None:
        """Show a sentence of poptalk's own."""
        self._view.remark(text)

    def warn(self, text: str) -> None:
        """Show a warning of poptalk's own."""
        self._view.warn(text)

    def remind(self) -> None:
        """If the greeting has not come, say what that may mean."""
        if self._overheard.core is not None and self.core.greeted is None:
            self._view.explain_silence()

    def said_here(self, line: bytes) -> None:
        """Show a line that the tap has sent to the server by itself."""
        self.client_said(line)
        self.remark("sent by the tap, because of --starttls")

    def answered_here(self, line: bytes, reply: bytes, *, why: str) -> None:
        """Show a line that the tap has answered by itself."""
        self._show_client(line)
        self._view.show_lines([self._view.server_line(parse_status_line(reply.rstrip(b"\r\n")))])
        self.remark(f"answered by the tap, not by the server: {why}")

    def unreadable(self) -> None:
        """Say that the mail program speaks TLS where the tap is in the clear."""
        self.warn(
            "the mail program begins with TLS on the port without it: what follows is passed on "
            f"unread. Give the program port {self._tls_port}, which is for TLS"
        )

    def waits_in_clear(self) -> None:
        """If nothing has come on the port for TLS, say what that may mean."""
        self.warn(
            "the mail program has not begun with TLS: if it uses none, or STARTTLS, give it port "
            f"{self._port}"
        )

    def near_tls(self, facts: TlsFacts) -> None:
        """Show that the mail program is in TLS."""
        self.remark(f"the mail program: {facts.version}, {facts.cipher}")

    def far_tls(self, facts: TlsFacts) -> None:
        """Take note that the server's side is in TLS."""
        self._overheard.tls_began(facts)

    def near_tls_failed(self, error: TlsFailed) -> None:
        """Say why TLS with the mail program failed."""
        said = str(getattr(error.__cause__, "reason", None) or "")
        self.warn(f"{error} {UNTRUSTED}" if said.endswith(_OF_CERTIFICATES) else str(error))

    def injected_by_client(self, octets: bytes) -> None:
        """Show what the mail program sent in the clear after STLS."""
        self._count(ViolationKind.LOST_IN_TLS)
        self.warn(
            f"command injection: {_counted(len(octets), 'octet')} in the clear came after STLS, before "
            f"TLS; not passed on [{ViolationKind.LOST_IN_TLS.clause}]"
        )
        self._show_client(octets)

    def injected_by_server(self, octets: bytes) -> None:
        """Show what the server sent in the clear after its +OK to STLS, in a later piece."""
        kind = ViolationKind.RESPONSE_INJECTION
        self._view.show_violation(Violation(kind=kind, detail=_counted(len(octets), "octet")))
        self._view.show_lines(
            self._view.server_line(parse_status_line(line))
            for line in octets[:MOST_SHOWN].splitlines()
        )

    def spoke_in_clear(self, octets: bytes) -> None:
        """Show what came in the clear on the port for TLS."""
        self.warn(
            "the mail program speaks in the clear on the port for TLS: have it use TLS from the "
            f"beginning (SSL/TLS, not STARTTLS), or give it port {self._port}"
        )
        self._show_client(octets)

    # The end.

    def near_over(self, *, clean: bool) -> None:
        """Take note that the mail program sends no more; its connection may go on."""
        core = self._overheard.core
        if not clean:
            self.warn("the mail program cut the TLS session without close_notify")
        elif core is not None and not core.settled:
            due = "the greeting" if core.greeted is None else "a reply"
            self.remark(f"the mail program has closed its side, and {due} is still due")

    def gave_up(self, error: NetError) -> None:
        """Say why there is no server behind the tap."""
        self.warn(str(error))
        if not isinstance(error, TlsFailed):
            return
        # What a certificate says is a table, so its lines are not wrapped.
        self._view.show_lines(note("\n".join(error.certificate)) if error.certificate else ())
        if error.wants_certificate:
            self.warn("a certificate of the mail program cannot pass through the tap")

    def ended(self, ending: Ending) -> None:
        """Take note of the end of the session."""
        if self._is_open:
            self._session.ended(ending)
        elif ending.by is not EndedBy.US:
            self.warn(str(ending))
        self._session.close()

    def carried(self, *, from_client: int, from_server: int) -> None:
        """Count the octets of a session that is over."""
        self._totals.from_clients += from_client
        self._totals.from_server += from_server

    # The rest.

    def _show_client(self, octets: bytes) -> None:
        """Show lines of the mail program that are not part of the session; secrets are masked."""
        for line in octets[:MOST_SHOWN].splitlines():
            command = parse_command(line)
            # A line that isn't a command may be the rest of one with a secret.
            secret = command.secret if command.verb else Span(start=0, stop=len(line))
            self._view.show_lines([client_line(line, secret, reveal=self._view.reveal)])

    def _count(self, kind: ViolationKind) -> None:
        self._totals.violations[kind] += 1

    def _on_sent(self, event: Sent) -> None:
        if event.sasl:
            return
        self._totals.commands += 1
        self._look_at_order(event)
        command = event.exchange.command
        if command.verb is None or not command.verb.challenges or not command.arguments:
            return
        mechanism = command.arguments[0].upper()
        if mechanism.endswith(b"-PLUS"):
            self.warn(
                "this login is bound to the mail program's TLS session, which ends at the tap, so it "
                "cannot succeed; without -PLUS it can [RFC 5802 §6]"
            )
        elif mechanism == b"EXTERNAL":
            self.warn(
                "this login is by a client's certificate in TLS; the mail program's own cannot pass "
                "through the tap, but --client-cert shows one in its place [RFC 4422 §A]"
            )

    def _look_at_order(self, sent: Sent) -> None:
        """Show that a command has not waited for its turn, which at a prompt may be on purpose."""
        core = self.core
        if core.state is State.GREETING:
            self._view.show_violation(Violation(kind=ViolationKind.BEFORE_GREETING))
        elif core.oldest not in (None, sent.exchange):
            # PIPELINING, once announced, holds after the login as well (RFC 2449 §6.6).
            answers = self._session.exchanges.facts.capability_answers
            if not any(PIPELINING in answer.parameters() for answer in answers):
                self._view.show_violation(Violation(kind=ViolationKind.PIPELINED))

    def _on_reply_end(self, event: ReplyEnd) -> None:
        if event.ok and event.exchange.command.keyword == b"RETR":
            self._totals.messages += 1
