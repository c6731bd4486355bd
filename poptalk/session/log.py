"""The one writer of a session's dialogue with masked secrets: in the notation, or as JSON.

Each line is flushed as it is written, so that a session that ends badly has its log.  Every octet can
be read back from it, and none can do harm: people look at logs with `cat`.  A log observes the session;
every method may raise OSError, which ends the log and not the session.

`TextLog` writes a dialogue that can be replayed, `SessionRecord` keeps one from its first byte for when
it is asked for, and `recent_lines` gives the end of one for `:report`.
`JsonLog` writes JSON, an object a line, each with `time` (ISO 8601), `ms` (milliseconds since the log
was begun) and `event`:

- `open`: `server`, `tls`
- `tls`: `version`, `cipher`, `verified`, `pinned`, `name`, `sha256` (of the certificate), `upgraded`
- `client`: `line`, secrets as stars; `sasl` where it answers a challenge of AUTH
- `server`: `line`, `octets`; `status` where the line has one, and `code`
- `end`: of a reply: `ok`, and of one with several lines `octets` after the first
- `left-out`: `octets` of a long reply that were not kept (see `SessionRecord`)
- `close`: `by`, `how`, `clean`

A `line` is without its CRLF; where it ended in LF alone, that LF is there.  A line that is not UTF-8
also has `base64`, its exact octets; its `line` has U+FFFD for each octet that is not text.
"""

from __future__ import annotations

import os
import shutil
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from copy import copy
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Self, TextIO, cast

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
    SHORT_OCTETS,
    ConnectionEnded,
    ConnectionOpened,
    StoredReply,
    TlsEstablished,
    split_lines,
)
from poptalk.terminal.safe import harmless
from poptalk.transcript.model import TERMINATOR, Side
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


PRIVATE = 0o600
"""The mode of files with mail in them."""


def open_private(name: str) -> TextIO:
    """Open a log file, adding to it if it exists; made with mode 0600, because mail is private.

    Raises:
        OSError: it cannot be opened.
    """
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE)
    return open(descriptor, "w", encoding="utf-8", errors="backslashreplace", newline="\n")


class FileLog(ABC):
    """A log file."""

    def __init__(
        self, name: str, session: Session, *, now: Now = now_here, file: TextIO | None = None
    ) -> None:
        """Open the file, adding to it if it exists.

        Args:
            name: the file.
            session: whose secrets are masked.
            now: gives the time.
            file: one that is open already, in place of the one that is named.

        Raises:
            OSError: when it cannot be opened.
        """
        self.name = name
        self._session = session
        self._now = now
        self._file = open_private(name) if file is None else file
        self._lines = ServerLines()

    def continued(self, name: str, file: TextIO) -> Self:
        """Return a log that goes on in another file where this one is now.

        Args:
            name: the file.
            file: what it holds already is as in this log.
        """
        other = copy(self)
        other.name, other._file = name, file
        other._lines = copy(self._lines)
        return other

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

    def leave_out(self, octets: int, *, complete: bool) -> int:
        """Write that the rest of a body was not kept; return how much that is.

        Args:
            octets: of it, the final dot not counted, and the beginning of its first line neither.
            complete: whether the final dot has come.
        """
        octets += len(self._lines.rest)
        self._lines = ServerLines()
        self._left_out(octets, complete=complete)
        return octets

    @abstractmethod
    def _left_out(self, octets: int, *, complete: bool) -> None:
        """Write how much is missing, and the final dot."""

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
        _give_up(self._file)


def _give_up(file: TextIO) -> None:
    try:
        file.close()
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

    def __init__(
        self, name: str, session: Session, *, now: Now = now_here, file: TextIO | None = None
    ) -> None:
        super().__init__(name, session, now=now, file=file)
        self._writer = SessionWriter(self._write)
        self._told: datetime | None = None
        """The time that was written last."""

    def continued(self, name: str, file: TextIO) -> Self:
        """Return a log that goes on in another file where this one is now."""
        other = super().continued(name, file)
        other._writer = self._writer.continued(other._write)
        return other

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

    def _left_out(self, octets: int, *, complete: bool) -> None:
        self._writer.any_lines(f"the server sends {octets:,} octets more, which were not kept")
        if complete:
            self._writer.server(TERMINATOR)

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

    def __init__(
        self, name: str, session: Session, *, now: Now = now_here, file: TextIO | None = None
    ) -> None:
        super().__init__(name, session, now=now, file=file)
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

    def _left_out(self, octets: int, *, complete: bool) -> None:  # noqa: ARG002 - "end" says it
        self._put("left-out", {"octets": octets})

    def _put(self, event: str, fields: Mapping[str, Field]) -> None:
        now = self._now()
        since = (now - self._begun).total_seconds() * 1000
        head = {"time": now.isoformat(timespec="milliseconds"), "ms": round(since, 3)}
        self._file.write(json_object({**head, "event": event, **fields}) + "\n")


def _stand_in(response: tuple[bytes, int, bytes] | None) -> bytes:
    """Return a line of the form of a response of AUTH, without its secret."""
    from poptalk.pop3.sasl.table import redacted_response

    return (redacted_response(*response) if response is not None else None) or MASK


def open_log(
    name: str, session: Session, *, log_format: str = "notation", file: TextIO | None = None
) -> FileLog:
    """Open a log file.

    Args:
        name: the file.
        session: what is logged.
        log_format: `notation` or `jsonl`.
        file: one that is open already, in place of the one that is named.

    Raises:
        OSError: when it cannot be opened.
    """
    return _LOGS[log_format](name, session, file=file)


_LOGS: Mapping[str, type[FileLog]] = {"notation": TextLog, "jsonl": JsonLog}


# The session so far, for `:log` and `:export`.
#
# Nobody knows beforehand which session will be worth keeping.  So a session at a prompt is written down
# from its first byte, by the same writers: in memory while it is short, then in a file without a name
# that is gone when poptalk ends.  Of long replies only the beginning is kept, and how much is missing is
# written where it would be.  A pipe keeps nothing.


KEPT_OCTETS = 8 * 1024 * 1024
"""Octets of replies that are kept altogether, `SHORT_OCTETS` of each; after that, only commands and
first lines are."""

MEMORY_CHARACTERS = 256 * 1024
"""Characters that are kept in memory; what is longer goes to a temporary file."""

_FINAL_DOT = 3
"""Octets of the line that ends a reply."""


_WRITTEN = (
    *(ConnectionOpened, TlsEstablished, ConnectionEnded),
    *(Greeting, Sent, Challenge, Reply, ReplyEnd),
)
"""What a log writes beside the lines of replies."""


class SessionRecord:
    """What was said in a session since it began.

    Args:
        session: before its first connection.

    Attributes:
        octets_left_out: how much of replies was not kept.
        failure: why nothing more is kept, such as a full disk; empty where all is well.
    """

    def __init__(self, session: Session) -> None:
        self.octets_left_out = 0
        self.failure = ""
        self._session = session
        self._files: dict[str, TextIO] = {}
        self._logs: dict[str, FileLog] = {}
        self._kept = 0
        """Octets of replies, altogether."""
        self._of_body = 0
        """Octets of the body that is coming in."""
        self._cut = 0
        """Octets of it that were not kept."""
        self._written: dict[str, dict[str, int]] = {}
        """By the name of a log file, how much of each kind of record it holds."""

    def take(self, event: Event) -> None:
        """Write down what happened, while there is room."""
        if self.failure:
            return
        try:
            if isinstance(event, BodyChunk | Unsolicited):
                data = self._shortened(event.data)
                if data:
                    self._write(event if data == event.data else _with(event, data))
            elif isinstance(event, _WRITTEN):
                # Lines that nobody asked for, in however many pieces, count as one reply.
                self._end_of_body(complete=isinstance(event, ReplyEnd))
                self._write(event)
        except OSError as error:
            self.failure = error.strerror or str(error)

    def _begin(self) -> None:
        if not self._logs:
            self._files = {each: _temporary_file() for each in _LOGS}
            self._logs = {
                each: open_log("", self._session, log_format=each, file=file)
                for each, file in self._files.items()
            }

    def _write(self, event: Event) -> None:
        self._begin()
        for log in self._logs.values():
            log(event)

    def _shortened(self, data: bytes) -> bytes:
        """Return what is to be kept of octets of a reply: whole lines, within both limits."""
        room = min(SHORT_OCTETS - self._of_body, KEPT_OCTETS - self._kept)
        keeps_all = not self._cut and len(data) <= room
        kept = data if keeps_all else b"" if self._cut else data[: max(0, room)]
        if not keeps_all:
            kept = kept[: kept.rfind(b"\n") + 1]
        self._of_body += len(data)
        self._kept += len(kept)
        self._cut += len(data) - len(kept)
        return kept

    def _end_of_body(self, *, complete: bool) -> None:
        if self._cut:
            octets = max(0, self._cut - (_FINAL_DOT if complete else 0))
            # Each log has the same lines.
            left_out = {log.leave_out(octets, complete=complete) for log in self._logs.values()}
            self.octets_left_out += max(left_out)
        self._of_body = self._cut = 0

    def log_to(self, name: str, *, log_format: str) -> FileLog:
        """Begin a log file with all that came before, or what the file lacks of it.

        Args:
            name: the file; added to if it exists.
            log_format: `notation` or `jsonl`.

        Raises:
            OSError: it cannot be written.
        """
        self._begin()
        source = self._files[log_format]
        file = open_private(name)
        try:
            source.seek(self._written.get(os.path.realpath(name), {}).get(log_format, 0))
            shutil.copyfileobj(source, file)
            file.flush()
        except OSError:
            _give_up(file)
            raise
        finally:
            source.seek(0, os.SEEK_END)
        log = self._logs[log_format].continued(name, file)
        if self._cut:
            log.leave_out(self._cut, complete=False)
        return log

    def has_written(self, name: str) -> bool:
        """Tell whether a file holds the beginning of the session already."""
        return os.path.realpath(name) in self._written

    def stopped(self, log: FileLog) -> None:
        """Take note of how far a log file has come, for when it is gone on with."""
        here = {each: file.tell() for each, file in self._files.items()}
        self._written[os.path.realpath(log.name)] = here

    @property
    def gaps(self) -> str:
        """What is missing, as the end of a sentence."""
        failed = f"; since then nothing could be kept: {self.failure}" if self.failure else ""
        missing = self.octets_left_out + self._cut
        left_out = f", but for {missing:,} octets of long replies" if missing else ""
        return left_out + failed

    def text(self) -> str:
        """Return the session so far, in the notation."""
        self._begin()
        source = self._files["notation"]
        source.seek(0)
        text = source.read()
        source.seek(0, os.SEEK_END)
        return text

    def close(self) -> None:
        """Give the temporary files back."""
        for file in self._files.values():
            file.close()


def _with(event: BodyChunk | Unsolicited, data: bytes) -> Event:
    """Return an event with less data."""
    if isinstance(event, Unsolicited):
        return Unsolicited(data=data)
    return BodyChunk(exchange=event.exchange, data=data)


def _temporary_file() -> TextIO:
    from tempfile import SpooledTemporaryFile

    file = SpooledTemporaryFile(  # noqa: SIM115 - see `close`
        MEMORY_CHARACTERS, "w+", encoding="utf-8", errors="backslashreplace", newline="\n"
    )
    return cast(TextIO, file)  # It has what a file has.


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
        writer.server(TERMINATOR)
