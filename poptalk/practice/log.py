"""The log of all sessions, in the notation of `poptalk.transcript`, with secrets as placeholders.

Sessions that overlap take turns in the file, so that nothing has to wait for the end of a session and
nothing is lost if the server dies.  Each turn is a block of its own, headed by a comment that tells
whose it is; a session that nobody interrupted can be replayed as it stands.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
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
from poptalk.terminal.safe import harmless
from poptalk.transcript.model import Action, Side, write_direction
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
        name: the file; added to if it exists, made with mode 0600 if not, because mail is private.
        complain: told in one sentence when the file cannot be written any more.  The log is over
            then, and the server is not.

    Raises:
        CannotLog: the file cannot be opened.
    """

    def __init__(self, name: str, *, complain: Callable[[str], None]) -> None:
        self._name = name
        self._complain = complain
        try:
            descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise CannotLog(
                f"The log {name} cannot be written ({reason(error)}). Is there such a folder, and is it "
                "yours?"
            ) from error
        self._file = open(descriptor, "w", encoding="utf-8", newline="\n")  # noqa: SIM115
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
            # What is left in the buffer is what has been complained about.
            pass

    def write(self, text: str) -> None:
        """Write text, unless the log is over."""
        if not self._over:
            try:
                self._file.write(text)
            except OSError as error:
                self._give_up(error)

    def flush(self) -> None:
        """Bring what was written to the file: a server that ends badly has its log."""
        if not self._over:
            try:
                self._file.flush()
            except OSError as error:
                self._give_up(error)

    def take_turn(self, scribe: _SessionLog) -> bool:
        """Let a session write; tell whether another one wrote since it did."""
        changed, self._turn = self._turn is not scribe, scribe
        return changed

    def _give_up(self, error: OSError) -> None:
        self._over = True
        self._complain(
            f"The log {self._name} ends here ({reason(error)}). The server goes on without it; make "
            "room and start it again to have one."
        )


class _SessionLog(Observer):
    """Writes down one session."""

    def __init__(self, log: ServerLog, peer: Peer) -> None:
        self._log = log
        self._peer = peer
        self._writer = DialogueWriter(log.write)
        self._secrets = SpokenSecrets()
        self._mail = False
        """Whether the last command is answered with a message."""
        self._mechanism = b""
        self._step = 0
        """Which response of an AUTH the last line was, an initial one included."""
        self._lines = ServerLines()
        self._begun = False
        self._named = self._auth = self._logged_in = False
        """Whether USER and AUTH were sent, and whether a login was right."""
        self._turn()
        self._direct(Side.CLIENT, Action.OPEN)
        log.flush()

    # What a observer is told.

    def told(self, event: ServerEvent) -> None:
        match event:
            case CommandReceived():
                self._command(event.command)
            case ResponseReceived():
                self._response(event.line)
            case OverlongLineReceived():
                self._comment(f"a line of {event.octets:,} octets was thrown away")
            case PlaintextAfterStls():
                self._comment(f"{len(event.residue):,} octets came in clear behind STLS")

    def logged_in(self, account: Account) -> None:
        self._logged_in = True
        self._comment(f"the login is right, for {account.name}")

    def tls_began(self) -> None:
        self._turn()
        self._direct(Side.CLIENT, Action.NEGOTIATE_TLS)
        self._log.flush()

    def sent(self, octets: bytes | memoryview) -> None:
        lines = self._lines.feed(octets)
        if lines:
            self._turn()
        for line in lines:
            self._server(line)
        self._log.flush()

    def ended(self, how: How) -> None:
        if self._lines.rest:
            self._turn()
            self._server(self._lines.rest)
            self._comment("that line had no end")
        self._turn()
        self._direct(Side.CLIENT if how in _BY_CLIENT else Side.SERVER, Action.CLOSE)
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

    def _server(self, line: bytes) -> None:
        if not self._mail:
            line = self._secrets.mask(line)
        self._writer.received(line)

    def _direct(self, side: Side, action: Action) -> None:
        self._writer.direction(side, write_direction(action))

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
    return datetime.now(UTC).astimezone().isoformat(timespec="seconds")
