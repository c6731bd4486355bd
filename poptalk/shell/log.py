"""Writing a session to a file: in the project's notation here, as JSON in `json_log`.

Each line is flushed as it is written, so that a session that ends badly has its log.  Every octet can
be read back from it, and none can do harm: people look at logs with `cat`.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from poptalk.net.destination import UsageError
from poptalk.net.errors import EndedBy
from poptalk.notation.directions import Action, Side, write_direction
from poptalk.notation.mask import mask_sent
from poptalk.notation.server_lines import ServerLines
from poptalk.notation.writer import DialogueWriter
from poptalk.shell.settings import LOG_FORMATS
from poptalk.terminal.safe import harmless

if TYPE_CHECKING:
    from poptalk.net.errors import Ending
    from poptalk.net.tls import TlsFacts
    from poptalk.protocol.events import ReplyEnd, Sent

PAUSE_SECONDS = 0.1
"""After a pause of this length, the time is written in front of a reply as well."""

Now = Callable[[], datetime]


def now_here() -> datetime:
    """Return the time, with the difference to UTC that holds here."""
    return datetime.now(UTC).astimezone()


class Log(ABC):
    """Takes note of a session.  Every method may raise OSError where that is not possible."""

    @abstractmethod
    def opened(self, where: str, *, encrypted: bool) -> None:
        """Write that a connection stands.

        Args:
            where: host and port.
            encrypted: whether TLS began at once.
        """

    @abstractmethod
    def tls(self, facts: TlsFacts, *, upgraded: bool) -> None:
        """Write what came of a handshake.

        Args:
            facts: what came of it.
            upgraded: whether it was done after STLS.
        """

    @abstractmethod
    def client(self, event: Sent, *, stand_in: bytes | None = None) -> None:
        """Write a line that was sent.

        Args:
            event: the line; its secret is not written.
            stand_in: for a response of AUTH, a line of its form without a secret.
        """

    @abstractmethod
    def server_line(self, line: bytes) -> None:
        """Write the first line of a reply, a greeting or a challenge, without CRLF but with LF."""

    @abstractmethod
    def reply_end(self, event: ReplyEnd) -> None:
        """Write that a reply is complete."""

    @abstractmethod
    def ended(self, ending: Ending) -> None:
        """Write that the connection is gone."""

    @abstractmethod
    def server_data(self, data: bytes) -> None:
        """Write octets of a multi-line reply, as they crossed the wire, cut anywhere."""

    def unasked(self, data: bytes) -> None:
        """Write whole lines that answer nothing, their ends included."""
        self.server_data(data)


class FileLog(Log):
    """A log file, made with mode 0600 because mail is private."""

    def __init__(self, name: str, *, now: Now = now_here) -> None:
        """Open the file, adding to it if it exists.

        Args:
            name: the file.
            now: gives the time.

        Raises:
            OSError: when it cannot be opened.
        """
        self.name = name
        self._now = now
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._file = open(  # noqa: SIM115 - closed by `close` and `abandon`
            descriptor, "w", encoding="utf-8", errors="backslashreplace", newline="\n"
        )
        self._lines = ServerLines()

    @abstractmethod
    def _line(self, line: bytes) -> None:
        """Write a line that stands in a reply or alone; `server_data` flushes it."""

    def server_data(self, data: bytes) -> None:
        """Write octets of a multi-line reply, as they crossed the wire, cut anywhere."""
        for line in self._lines.feed(data):
            self._line(line)
        self._file.flush()

    def close(self) -> None:
        """Close the file.

        Raises:
            OSError: when what is left cannot be written.
        """
        self._file.close()

    def abandon(self) -> None:
        """Close the file after a failure, without trying to write what is left."""
        try:
            self._file.close()
        except OSError:
            pass


class DialogueLog(FileLog):
    """A log in the notation, with secrets as placeholders: it can be replayed.

    Comments hold the time: before each line of the client, and before replies that were waited for.
    """

    def __init__(self, name: str, *, now: Now = now_here) -> None:
        super().__init__(name, now=now)
        self._writer = DialogueWriter(self._write)
        self._told: datetime | None = None
        """The time that was written last."""

    def _write(self, text: str) -> None:
        self._file.write(text)

    def opened(self, where: str, *, encrypted: bool) -> None:
        """Write the stage direction, and where to."""
        self._writer.direction(Side.CLIENT, write_direction(Action.OPEN))
        self._comment(f"connected to {where}{', TLS' if encrypted else ''}")

    def tls(self, facts: TlsFacts, *, upgraded: bool) -> None:
        """Write the stage direction, if the dialogue has led to TLS, and the facts."""
        if upgraded:
            self._writer.direction(Side.CLIENT, write_direction(Action.NEGOTIATE_TLS))
        self._comment(facts.summary)

    def client(self, event: Sent, *, stand_in: bytes | None = None) -> None:
        """Write the line with placeholders in place of secrets."""
        del stand_in
        self._tell_time()
        self._writer.client(*mask_sent(event, step=max(event.step, 1)), end=event.end)
        self._file.flush()

    def server_line(self, line: bytes) -> None:
        """Write the line."""
        self._tell_time(after=PAUSE_SECONDS)
        self._line(line)
        self._file.flush()

    def _line(self, line: bytes) -> None:
        self._writer.received(line)

    def reply_end(self, event: ReplyEnd) -> None:
        """Write nothing: the lone dot says it, and a line alone needs no end."""

    def ended(self, ending: Ending) -> None:
        """Write the stage direction, and how it ended."""
        if self._lines.rest:
            self._line(self._lines.rest)
            self._writer.comment("that line had no end")
            self._lines = ServerLines()
        side = Side.SERVER if ending.by is EndedBy.SERVER else Side.CLIENT
        self._writer.direction(side, write_direction(Action.CLOSE))
        self._comment(str(ending))

    def _comment(self, text: str) -> None:
        """Write a comment with the day and the time."""
        self._told = self._now()
        self._writer.comment(f"{self._told.isoformat(timespec='seconds')} {harmless(text)}")
        self._file.flush()

    def _tell_time(self, *, after: float = 0.0) -> None:
        """Write the time; the day stands further up.

        Args:
            after: only if this many seconds have passed since it was written last.
        """
        now = self._now()
        if self._told is None or (now - self._told).total_seconds() >= after:
            self._told = now
            self._writer.comment(now.strftime("%H:%M:%S.") + f"{now.microsecond // 1000:03}")


def open_log(name: str, *, log_format: str = LOG_FORMATS[0]) -> FileLog:
    """Open a log file that was named on the command line.

    Args:
        name: the file.
        log_format: one of `LOG_FORMATS`.

    Raises:
        UsageError: when it cannot be opened.
    """
    try:
        return make_log(name, log_format=log_format)
    except OSError as error:
        raise UsageError(f"the log {name} cannot be written: {error.strerror}") from error


def make_log(name: str, *, log_format: str = LOG_FORMATS[0]) -> FileLog:
    """Open a log file.

    Args:
        name: the file.
        log_format: one of `LOG_FORMATS`.

    Raises:
        OSError: when it cannot be opened.
    """
    if log_format == "jsonl":
        from poptalk.shell.json_log import JsonLog

        return JsonLog(name)
    return DialogueLog(name)
