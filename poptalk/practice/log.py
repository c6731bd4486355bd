"""The log of a server's sessions, in `C:` and `S:` lines, with placeholders for secrets.

Sessions that overlap take turns in the file: nothing waits for the end of a session, and nothing is lost
if the server dies.  Each turn is a block of its own, which begins with a comment that names the session;
a session without interruptions can be replayed.  Lines are written, and secrets masked, as in the log of
a client's session (`poptalk.session.log`, `poptalk.pop3.redaction`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from poptalk.net.errors import reason
from poptalk.pop3.commands import Command, Effect, Span, parse_command
from poptalk.pop3.events import Challenge, Exchange, Sent
from poptalk.pop3.redaction import SpokenSecrets, is_stray_secret
from poptalk.pop3.replies import parse_status_line
from poptalk.pop3.server import events
from poptalk.practice.observers import DropReason, How, Observer, Peer
from poptalk.session.log import SessionWriter, now_here, open_private
from poptalk.terminal.safe import harmless
from poptalk.transcript.model import Side
from poptalk.transcript.writer import ServerLines

if TYPE_CHECKING:
    from poptalk.practice.accounts import Account

_MAIL = (b"RETR", b"TOP")
"""Commands that are answered with a message, whose text doesn't echo a secret."""

_BY_CLIENT = (
    events.EndReason.CLIENT_GONE,
    DropReason.CLIENT_VANISHED,
    DropReason.NETWORK_BROKE,
)


class CannotLog(Exception):
    """A log that cannot be opened, explained in one sentence."""


class ServerLog:
    """A file with the dialogues of all sessions.

    Args:
        name: the file.
        complain: takes a sentence when the file cannot be written anymore.  Then the log ends, but the
            server goes on.

    Raises:
        CannotLog: the file cannot be opened.
    """

    def __init__(self, name: str, *, complain: Callable[[str], None]) -> None:
        self._name = name
        self._complain = complain
        try:
            self._file = open_private(name)
        except OSError as error:
            raise CannotLog(
                f"The log {name} cannot be written ({reason(error)}). Does the folder exist, and is it "
                "yours?"
            ) from error
        self._over = False
        self._turn: _SessionLog | None = None
        """The session that wrote last."""

    def begin(self, peer: Peer) -> Observer:
        """Begin to log a session."""
        return _SessionLog(self, peer)

    def close(self) -> None:
        """Close the file."""
        self.flush()
        self._over = True
        # If this fails, the user has heard of it already.
        with suppress(OSError):
            self._file.close()

    def write(self, text: str) -> None:
        """Write text, unless the log is over."""
        self._unless_over(self._file.write, text)

    def flush(self) -> None:
        """Flush the file, so that the log is there even if the server crashes."""
        self._unless_over(self._file.flush)

    def _unless_over(self, act: Callable[..., object], *text: str) -> None:
        if self._over:
            return
        try:
            act(*text)
        except OSError as error:
            self._over = True
            self._complain(
                f"The log {self._name} ends here ({reason(error)}). The server goes on without it; make "
                "room, and start it again to have one."
            )

    def take_turn(self, session: _SessionLog) -> bool:
        """Let a session write, and tell whether another one has written since it last did."""
        changed, self._turn = self._turn is not session, session
        return changed


class _SessionLog(Observer):
    """Writes down one session."""

    def __init__(self, log: ServerLog, peer: Peer) -> None:
        self._log = log
        self._peer = peer
        self._writer = SessionWriter(log.write)
        self._secrets = SpokenSecrets()
        self._exchange = Exchange(number=0, command=parse_command(b""))
        """The last command."""
        self._step = 0
        """The number of the last response within AUTH, counting an initial one."""
        self._asked: list[int] = [0]
        """The numbers of the commands whose replies may be sent now."""
        self._answered = False
        """Whether anything was sent since the last command."""
        self._lines = ServerLines()
        self._begun = False
        self._login_begun = self._after_auth = self._logged_in = False
        """Whether a command of a login was sent, AUTH since the last one, and whether it succeeded."""
        self._turn()
        self._writer.open()
        log.flush()

    # As an observer.

    def told(self, event: events.ServerEvent) -> None:
        match event:
            case events.CommandReceived():
                self._command(event.command, event.end)
            case events.ResponseReceived():
                self._step += 1
                line = event.line
                secret = Span(start=0, stop=len(line)) if line not in (b"", b"*") else None
                self._client(line, event.end, secret, sasl=True)
            case events.OverlongLineReceived():
                self._comment(f"a line of {event.octets:,} octets was thrown away")
            case events.PlaintextAfterStls():
                self._comment(f"{len(event.residue):,} octets came in the clear after STLS")

    def logged_in(self, account: Account) -> None:
        self._logged_in = True
        self._comment(f"{account.name} is logged in")

    def tls_began(self) -> None:
        self._turn()
        self._writer.negotiate_tls()
        self._log.flush()

    def sent(self, octets: bytes | memoryview) -> None:
        self._answered = True
        lines = self._lines.feed(octets)
        if lines:
            self._turn()
        for line in lines:
            self._writer.received(self._masked(line))
        self._log.flush()

    def ended(self, how: How) -> None:
        self._turn()
        self._lines.rest = self._masked(self._lines.rest)
        self._writer.close(Side.CLIENT if how in _BY_CLIENT else Side.SERVER, self._lines)
        self._comment(f"session {self._peer.number} ended: {how.value}")

    # Lines.

    def _command(self, command: Command, end: bytes) -> None:
        verb, logged_in = command.verb, self._logged_in
        begun = self._login_begun and not logged_in
        after_auth = self._after_auth
        if is_stray_secret(command, login_begun=begun, after_auth=after_auth, outside=logged_in):
            secret = Span(start=0, stop=len(command.line))
            command = command.replaced(arguments=(), secret=secret)
        elif verb is not None:
            self._after_auth = verb.challenges
            self._login_begun |= verb.effect in (Effect.NAME, Effect.LOGIN)
        if self._answered:
            self._asked, self._answered = [], False
        self._exchange = Exchange(number=self._exchange.number + 1, command=command)
        self._asked.append(self._exchange.number)
        self._step = len(command.arguments) - 1 if verb is not None and verb.challenges else 0
        self._client(command.line, end, command.secret, sasl=False)

    def _client(self, line: bytes, end: bytes, secret: Span | None, *, sasl: bool) -> None:
        event = Sent(
            line=line, end=end, secret=secret, exchange=self._exchange, sasl=sasl, step=self._step
        )
        number = self._exchange.number
        self._secrets.sent(line, secret, exchange=number)
        # The server may repeat only some of the words.
        for word in line[secret.start :].split() if secret else ():
            self._secrets.remember(word, exchange=number)
        self._turn()
        self._writer.sent(event)
        self._log.flush()

    def _masked(self, line: bytes) -> bytes:
        """Mask echoes of secrets in a line of the server, except in mail."""
        if self._exchange.command.keyword in _MAIL:
            return line
        if line.startswith(b"+ "):
            challenge = parse_status_line(line)
            self._secrets.heard_challenge(Challenge(exchange=self._exchange, status_line=challenge))
        elif not self._logged_in:
            self._secrets.heard(line)
        for number in self._asked:
            line = self._secrets.mask(line, answers=number)
        return line

    def _comment(self, text: str) -> None:
        self._turn()
        self._writer.comment(_dated(harmless(text)))
        self._log.flush()

    def _turn(self) -> None:
        """Begin a block if another session wrote last."""
        if not self._log.take_turn(self):
            return
        self._writer.blank()
        which = f"session {self._peer.number} from {self._peer.address}"
        self._writer.comment(_dated(f"{which}{', continued' if self._begun else ''}"))
        self._begun = True


def _dated(text: str) -> str:
    return f"{now_here().isoformat(timespec='seconds')} {text}"
