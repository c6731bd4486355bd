"""The log of a server's sessions, in `C:` and `S:` lines, with placeholders for secrets.

Sessions that overlap take turns in the file: nothing waits for the end of a session, and nothing is lost
if the server dies.  Each turn is a block of its own, headed by a comment that names the session; a
session without interruptions can be replayed.  The lines are written by
`poptalk.transcript.writer.DialogueWriter`, as in the log of a client's session (`poptalk.session.log`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from poptalk.net.errors import reason
from poptalk.pop3.commands import Command, Effect, Span, State
from poptalk.pop3.redaction import SpokenSecrets, is_stray_secret
from poptalk.pop3.server.events import (
    CommandReceived,
    EndReason,
    OverlongLineReceived,
    PlaintextAfterStls,
    ResponseReceived,
)
from poptalk.practice.observers import DropReason, How, Observer, Peer
from poptalk.session.log import now_here, open_private
from poptalk.terminal.safe import harmless
from poptalk.transcript.model import Side
from poptalk.transcript.pattern import Placeholder
from poptalk.transcript.redact import mask_command, mask_sasl_line
from poptalk.transcript.writer import DialogueWriter, ServerLines

if TYPE_CHECKING:
    from poptalk.pop3.server.events import ServerEvent
    from poptalk.practice.accounts import Account
    from poptalk.transcript.pattern import Part

_MAIL = (b"RETR", b"TOP")
"""Commands that are answered with a message, whose text is no echo of a secret."""

_BY_CLIENT = (EndReason.CLIENT_GONE, DropReason.CLIENT_VANISHED)


class CannotLog(Exception):
    """A log that cannot be opened, explained in one sentence."""


class ServerLog:
    """A file with the dialogues of all sessions.

    Args:
        name: the file.
        complain: takes one sentence when the file cannot be written any more.  The log is over then,
            and the server is not.

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
        """Whose lines were written last."""

    def begin(self, peer: Peer) -> Observer:
        """Begin to log a session."""
        return _SessionLog(self, peer)

    def close(self) -> None:
        """Close the file."""
        self.flush()
        self._over = True
        try:
            self._file.close()
        except OSError:
            # What is left in the buffer is what the complaint was about.
            pass

    def write(self, text: str) -> None:
        """Write text, unless the log is over."""
        self._unless_over(self._file.write, text)

    def flush(self) -> None:
        """Bring what was written to the file: a server that ends badly has its log."""
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
        """Let a session write; tell whether another one has written since it did."""
        changed, self._turn = self._turn is not session, session
        return changed


class _SessionLog(Observer):
    """Writes down one session."""

    def __init__(self, log: ServerLog, peer: Peer) -> None:
        self._log = log
        self._peer = peer
        self._writer = DialogueWriter(log.write)
        self._secrets = SpokenSecrets()
        self._mail = False
        """Whether the answer to the last command is a message."""
        self._mechanism = b""
        self._step = 0
        """Which response of an AUTH the last line was, an initial one included."""
        self._lines = ServerLines()
        self._begun = False
        self._named = self._auth = self._logged_in = False
        """Whether USER and AUTH were sent, and whether a login succeeded."""
        self._turn()
        self._writer.open()
        log.flush()

    # What an observer sees.

    def told(self, event: ServerEvent) -> None:
        match event:
            case CommandReceived():
                self._command(event.command)
            case ResponseReceived():
                self._response(event.line)
            case OverlongLineReceived():
                self._comment(f"a line of {event.octets:,} octets was thrown away")
            case PlaintextAfterStls():
                self._comment(f"{len(event.residue):,} octets came in the clear after STLS")

    def logged_in(self, account: Account) -> None:
        self._logged_in = True
        self._comment(f"{account.name} is logged in")

    def tls_began(self) -> None:
        self._turn()
        self._writer.negotiate_tls()
        self._log.flush()

    def sent(self, octets: bytes | memoryview) -> None:
        lines = self._lines.feed(octets)
        if lines:
            self._turn()
        for line in lines:
            self._writer.received(line if self._mail else self._secrets.mask(line))
        self._log.flush()

    def ended(self, how: How) -> None:
        self._turn()
        if not self._mail:
            self._lines.rest = self._secrets.mask(self._lines.rest)
        self._writer.close(Side.CLIENT if how in _BY_CLIENT else Side.SERVER, self._lines)
        self._comment(f"session {self._peer.number} ended: {how.value}")

    # Lines.

    def _command(self, command: Command) -> None:
        if not self._logged_in:
            command = self._without_stray_secrets(command)
        self._mail = command.keyword in _MAIL
        self._step = 0
        if command.verb is not None and command.verb.challenges:
            self._mechanism = command.arguments[0] if command.arguments else b""
            self._step = len(command.arguments) - 1
        secret = b"" if command.secret is None else command.line[command.secret.start :]
        self._client(mask_command(command), secret)

    def _without_stray_secrets(self, command: Command) -> Command:
        """Hide a secret that was sent where the table of commands has none."""
        verb, line = command.verb, command.line
        start = None
        if verb is None:
            if is_stray_secret(command, login_begun=self._named, after_auth=self._auth):
                start = 0
        else:
            self._named |= verb.effect is Effect.NAME
            self._auth |= verb.challenges
            extra = line.split(None, len(verb.arguments) + 1)[len(verb.arguments) + 1 :]
            if extra and State.TRANSACTION not in verb.states:
                start = line.rindex(extra[0])
        if start is None:
            return command
        # A server may repeat only some of the words.
        for word in line[start:].split():
            self._secrets.remember(word)
        if command.secret is not None:
            return command
        return Command(
            line=line,
            keyword=command.keyword,
            verb=verb,
            arguments=command.arguments,
            secret=Span(start=start, stop=len(line)),
        )

    def _response(self, line: bytes) -> None:
        self._step += 1
        self._client(mask_sasl_line(line, self._mechanism, step=self._step), line)

    def _client(self, parts: tuple[Part, ...], secret: bytes) -> None:
        if any(isinstance(part, Placeholder) for part in parts):
            self._secrets.remember(secret)
        self._turn()
        self._writer.client(*parts)
        self._log.flush()

    def _comment(self, text: str) -> None:
        self._turn()
        self._writer.comment(f"{_now()} {harmless(text)}")
        self._log.flush()

    def _turn(self) -> None:
        """Begin a block if another session wrote last."""
        if not self._log.take_turn(self):
            return
        self._writer.blank()
        which = f"session {self._peer.number} from {self._peer.address}"
        self._writer.comment(f"{_now()} {which}{', continued' if self._begun else ''}")
        self._begun = True


def _now() -> str:
    return now_here().isoformat(timespec="seconds")
