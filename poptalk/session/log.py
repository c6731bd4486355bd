"""The one writer of a session's dialogue with masked secrets: in the notation, or as JSON.

Each line is flushed as it is written, so that a session that ends badly has its log.  Every octet can
be read back from it, and none can do harm: people look at logs with `cat`.  A log observes the session;
every method may raise OSError, which ends the log and not the session.

`TextLog` writes a dialogue that can be replayed, `recent_lines` the end of one for `:report`.
`JsonLog` writes JSON, an object a line, each with `time` (ISO 8601), `ms` (milliseconds since the log
was begun) and `event`:

- `open`: `server`, `tls`
- `tls`: `version`, `cipher`, `verified`, `pinned`, `name`, `sha256` (of the certificate), `upgraded`
- `client`: `line`, secrets as stars; `sasl` where it answers a challenge of AUTH
- `server`: `line`, `octets`; `status` where the line has one, and `code`
- `end`: of a reply: `ok`, and of one with several lines `octets` after the first
- `close`: `by`, `how`, `clean`

A `line` is without its CRLF; where it ended in LF alone, that LF is there.  A line that is not UTF-8
also has `base64`, its exact octets; its `line` has U+FFFD for each octet that is not text.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, TextIO

from poptalk.net.errors import EndedBy
from poptalk.pop3.commands import MASK
from poptalk.pop3.events import (
    BodyChunk,
    Challenge,
    Event,
    Greeting,
    Reply,
    ReplyEnd,
    Sent,
    Unsolicited,
)
from poptalk.pop3.replies import Status, parse_status_line
from poptalk.session.exchanges import (
    ConnectionEnded,
    ConnectionOpened,
    StoredReply,
    TlsEstablished,
    split_lines,
)
from poptalk.terminal.safe import harmless
from poptalk.transcript.model import Side
from poptalk.transcript.octets import json_line, json_object, text_of
from poptalk.transcript.pattern import Literal
from poptalk.transcript.redact import mask_sent
from poptalk.transcript.writer import DialogueWriter, ServerLines

if TYPE_CHECKING:
    from poptalk.net.errors import Ending
    from poptalk.net.tls import TlsFacts
    from poptalk.session.session import Session

PAUSE_SECONDS = 0.1
"""After a pause of this length, the time is written in front of a reply as well."""

Now = Callable[[], datetime]
Field = str | int | float | bool | None


def now_here() -> datetime:
    """Return the time, with the difference to UTC that holds here."""
    return datetime.now(UTC).astimezone()


def open_private(name: str) -> TextIO:
    """Open a log file, adding to it if it exists; made with mode 0600, because mail is private.

    Raises:
        OSError: it cannot be opened.
    """
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    return open(descriptor, "w", encoding="utf-8", errors="backslashreplace", newline="\n")


class FileLog(ABC):
    """A log file."""

    def __init__(self, name: str, session: Session, *, now: Now = now_here) -> None:
        """Open the file, adding to it if it exists.

        Args:
            name: the file.
            session: whose secrets are masked.
            now: gives the time.

        Raises:
            OSError: when it cannot be opened.
        """
        self.name = name
        self._session = session
        self._now = now
        self._file = open_private(name)
        self._lines = ServerLines()

    def __call__(self, event: Event) -> None:
        """Write down what happened."""
        match event:
            case Greeting() | Reply() | Challenge():
                line = event.status_line
                own_end = line.end if line.end != b"\r\n" else b""
                self._server_line(self._session.secrets.mask(line.line) + own_end)
            case BodyChunk():
                self._server_data(event.data)
            case Unsolicited():
                self._server_data(self._session.secrets.mask(event.data))
            case Sent():
                self._client(event)
            case ReplyEnd():
                self._reply_end(event)
            case ConnectionOpened():
                self._opened(event)
            case TlsEstablished():
                self._tls(event.facts, upgraded=event.upgraded)
            case ConnectionEnded():
                self._ended(event.ending)
        self._file.flush()

    @abstractmethod
    def _opened(self, event: ConnectionOpened) -> None:
        """Write that a connection has been made."""

    @abstractmethod
    def _tls(self, facts: TlsFacts, *, upgraded: bool) -> None:
        """Write what came of a handshake, `upgraded` where it was done after STLS."""

    @abstractmethod
    def _client(self, event: Sent) -> None:
        """Write a line that was sent, without its secret."""

    @abstractmethod
    def _server_line(self, line: bytes) -> None:
        """Write the first line of a reply, a greeting or a challenge, without CRLF but with LF."""

    @abstractmethod
    def _line(self, line: bytes) -> None:
        """Write a line of a body, or one that answers nothing."""

    def _reply_end(self, event: ReplyEnd) -> None:  # noqa: B027 - the lone dot says it
        """Write that a reply is complete."""

    @abstractmethod
    def _ended(self, ending: Ending) -> None:
        """Write that the connection is gone."""

    def _server_data(self, data: bytes) -> None:
        for line in self._lines.feed(data):
            self._line(line)

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


class SessionWriter(DialogueWriter):
    """Writes what happens in a session, secrets as placeholders."""

    def sent(self, event: Sent, *, most: int | None = None) -> None:
        """Write a line of the client, `most` octets of each part."""
        parts = mask_sent(event, step=max(event.step, 1))
        self.client(*(p.text[:most] if isinstance(p, Literal) else p for p in parts), end=event.end)

    def ended(self, ending: Ending, lines: ServerLines) -> None:
        """Write who closed the connection."""
        self.close(Side.SERVER if ending.by is EndedBy.SERVER else Side.CLIENT, lines)


def _where(event: ConnectionOpened) -> str:
    return f"connected to {event.where}{', TLS' if event.encrypted else ''}"


class TextLog(FileLog):
    """A log in the notation, with secrets as placeholders: it can be replayed.

    Comments hold the time: before each line of the client, and before replies that were waited for.
    """

    def __init__(self, name: str, session: Session, *, now: Now = now_here) -> None:
        super().__init__(name, session, now=now)
        self._writer = SessionWriter(self._write)
        self._told: datetime | None = None
        """The time that was written last."""

    def _write(self, text: str) -> None:
        self._file.write(text)

    def _opened(self, event: ConnectionOpened) -> None:
        self._writer.open()
        self._comment(_where(event))

    def _tls(self, facts: TlsFacts, *, upgraded: bool) -> None:
        if upgraded:
            self._writer.negotiate_tls()
        self._comment(facts.summary)

    def _client(self, event: Sent) -> None:
        self._tell_time()
        self._writer.sent(event)

    def _server_line(self, line: bytes) -> None:
        self._tell_time(after=PAUSE_SECONDS)
        self._line(line)

    def _line(self, line: bytes) -> None:
        self._writer.received(line)

    def _ended(self, ending: Ending) -> None:
        self._writer.ended(ending, self._lines)
        self._lines = ServerLines()
        self._comment(str(ending))

    def _comment(self, text: str) -> None:
        """Write a comment with the day and the time."""
        self._told = self._now()
        self._writer.comment(f"{self._told.isoformat(timespec='seconds')} {harmless(text)}")

    def _tell_time(self, *, after: float = 0.0) -> None:
        """Write the time; the day is further up.

        Args:
            after: only if this many seconds have passed since it was written last.
        """
        now = self._now()
        if self._told is None or (now - self._told).total_seconds() >= after:
            self._told = now
            self._writer.comment(now.strftime("%H:%M:%S.") + f"{now.microsecond // 1000:03}")


class JsonLog(FileLog):
    """A log as JSON Lines."""

    def __init__(self, name: str, session: Session, *, now: Now = now_here) -> None:
        super().__init__(name, session, now=now)
        self._begun = now()

    def _opened(self, event: ConnectionOpened) -> None:
        self._put("open", {"server": harmless(event.where), "tls": event.encrypted})

    def _tls(self, facts: TlsFacts, *, upgraded: bool) -> None:
        from hashlib import sha256

        self._put(
            "tls",
            {
                "version": facts.version,
                "cipher": facts.cipher,
                "verified": facts.verified,
                "pinned": facts.pinned,
                "name": facts.server_name,
                "sha256": sha256(facts.chain[0]).hexdigest() if facts.chain else None,
                "upgraded": upgraded,
            },
        )

    def _client(self, event: Sent) -> None:
        line = event.line
        if event.secret is not None:
            response = self._session.exchanges.response_in(event)
            line = line[: event.secret.start] + _stand_in(response) + line[event.secret.stop :]
        own_end = event.end if event.end != b"\r\n" else b""
        said: dict[str, Field] = {**json_line(line + own_end)}
        if event.sasl:
            said["sasl"] = True
        self._put("client", said)

    def _server_line(self, line: bytes) -> None:
        parsed = parse_status_line(line.removesuffix(b"\n"))
        said: dict[str, Field] = {**json_line(line), "octets": len(parsed.line)}
        if parsed.status is not Status.OTHER:
            said["status"] = parsed.status.value
        if parsed.code is not None:
            said["code"] = text_of(parsed.code)
        self._put("server", said)

    def _line(self, line: bytes) -> None:
        self._put("server", {**json_line(line), "octets": len(line.removesuffix(b"\n"))})

    def _reply_end(self, event: ReplyEnd) -> None:
        said: dict[str, Field] = {"ok": event.ok}
        if event.body_octets:
            said["octets"] = event.body_octets
        self._put("end", said)

    def _ended(self, ending: Ending) -> None:
        self._put("close", {"by": ending.by.value, "how": ending.how, "clean": ending.clean})

    def _put(self, event: str, fields: Mapping[str, Field]) -> None:
        now = self._now()
        since = (now - self._begun).total_seconds() * 1000
        head = {"time": now.isoformat(timespec="milliseconds"), "ms": round(since, 3)}
        self._file.write(json_object({**head, "event": event, **fields}) + "\n")


def _stand_in(response: tuple[bytes, int, bytes] | None) -> bytes:
    """Return a line of the form of a response of AUTH, without its secret."""
    from poptalk.pop3.sasl.table import redacted_response

    return (redacted_response(*response) if response is not None else None) or MASK


def open_log(name: str, session: Session, *, log_format: str = "notation") -> FileLog:
    """Open a log file.

    Args:
        name: the file.
        session: what is logged.
        log_format: `notation` or `jsonl`.

    Raises:
        OSError: when it cannot be opened.
    """
    return (JsonLog if log_format == "jsonl" else TextLog)(name, session)


# For `:report`.

MOST_LINES = 80
"""Lines that are reported: enough to see what led to the trouble, short enough to be read."""

MOST_LINES_OF_A_LISTING = 20

MOST_LINES_UNSOLICITED = 5

MOST_OCTETS = 600
"""Octets reported of a line; RFC 1939 §3 allows 512."""


def recent_lines(session: Session) -> tuple[str, ...]:
    """Return the last lines of a session, from the first one that a client or a connection began.

    Of a message only the size is among them.
    """
    lines: deque[str] = deque(maxlen=MOST_LINES)
    writer = SessionWriter(lines.append)
    of_message = False
    for each in session.exchanges.said:
        if isinstance(each, StoredReply):
            of_message = each.is_message
            _report_reply(writer, each, session)
        elif of_message and isinstance(each, Unsolicited):
            # An unstuffed dot has cut a message in two, and this is the rest of it.
            writer.any_lines(
                f"the server sends {len(each.data):,} octets that no command asked for"
            )
        else:
            _report_event(writer, each, session)
    while lines and not lines[0].startswith(("C: ", "#")):
        lines.popleft()
    return tuple(line.rstrip("\n") for line in lines)


def _report_event(writer: SessionWriter, event: Event, session: Session) -> None:
    match event:
        case Sent():
            writer.sent(event, most=MOST_OCTETS)
        case Unsolicited():
            data = session.secrets.mask(event.data)
            for line in split_lines(data)[:MOST_LINES_UNSOLICITED]:
                writer.received(line[:MOST_OCTETS])
        case ConnectionOpened():
            writer.open()
            writer.comment(harmless(_where(event)))
        case TlsEstablished():
            if event.upgraded:
                writer.negotiate_tls()
            writer.comment(harmless(event.facts.summary))
        case ConnectionEnded():
            writer.ended(event.ending, ServerLines())
            writer.comment(harmless(str(event.ending)))


def _report_reply(writer: DialogueWriter, reply: StoredReply, session: Session) -> None:
    number = None if reply.exchange is None else reply.exchange.number
    writer.received(session.secrets.mask(reply.status_line.line, answers=number)[:MOST_OCTETS])
    if not reply.octets:
        return
    shown = 0
    for line in islice(reply.raw_lines(), 0 if reply.is_message else MOST_LINES_OF_A_LISTING):
        writer.received(line.rstrip(b"\r\n")[:MOST_OCTETS])
        shown += len(line)
    if shown < reply.octets:
        writer.any_lines(f"the server sends {reply.octets:,} octets")
        writer.server(".")
