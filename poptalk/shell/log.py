"""Writing a dialogue to a file, in the project's notation, with secrets as placeholders.

Each line is flushed as it is written, so that a session that ends badly has its log.  What the
server says is made harmless first: people look at logs with `cat`.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime

from poptalk.net.destination import UsageError
from poptalk.notation.directions import Side
from poptalk.notation.mask import mask_sent
from poptalk.notation.pattern import Literal
from poptalk.notation.server_lines import MAX_LINE_LOGGED, ServerLines
from poptalk.notation.writer import DialogueWriter
from poptalk.protocol.events import Sent
from poptalk.terminal.safe import harmless


class DialogueLog:
    """A log file, made with mode 0600 because mail is private."""

    def __init__(self, name: str) -> None:
        """Open the file, adding to it if it exists.

        Raises:
            OSError: when it cannot be opened.
        """
        self.name = name
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._file = open(  # noqa: SIM115 - closed by `close` and `abandon`
            descriptor, "w", encoding="utf-8", errors="backslashreplace", newline="\n"
        )
        self._writer = DialogueWriter(self._write)
        self._lines = ServerLines()
        self._exchange = 0
        self._step = 0
        """Which response of an AUTH the last line was, an initial one included."""

    def _write(self, text: str) -> None:
        self._file.write(text)

    def client(self, event: Sent) -> None:
        """Write a line that was sent."""
        if event.exchange.number != self._exchange:
            self._exchange, self._step = event.exchange.number, 0
        self._step += event.sasl or len(event.exchange.command.arguments) > 1
        parts = mask_sent(event, step=max(self._step, 1))
        self._writer.client(
            *(Literal(text=harmless(p.text)) if isinstance(p, Literal) else p for p in parts)
        )
        self._file.flush()

    def server_line(self, line: bytes) -> None:
        """Write a line of the server, given without its end."""
        self._writer.server(harmless(line))
        self._file.flush()

    def server_data(self, data: bytes) -> None:
        """Write octets of a multi-line reply, as they crossed the wire, cut anywhere."""
        for line in self._lines.feed(data):
            self._writer.server(harmless(line[:MAX_LINE_LOGGED]))
        self._file.flush()

    def direction(self, side: Side, text: str) -> None:
        """Write a stage direction."""
        self._writer.direction(side, text)
        self._file.flush()

    def comment(self, text: str) -> None:
        """Write a comment with the time."""
        now = datetime.now(UTC).astimezone().isoformat(timespec="seconds")
        self._writer.comment(f"{now} {text}")
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


def open_log(name: str) -> DialogueLog:
    """Open a log file that was named on the command line.

    Raises:
        UsageError: when it cannot be opened.
    """
    try:
        return DialogueLog(name)
    except OSError as error:
        raise UsageError(f"the log {name} cannot be written: {error.strerror}") from error
