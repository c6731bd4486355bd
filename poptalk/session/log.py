"""Writes a session's dialogue with masked secrets: in the notation, or as JSON.

Each line is flushed as it is written, so that even a session that ends badly has its log.  Every octet
can be read back from it, and none can do harm: people read logs with `cat`.  A log observes the session;
every method may raise OSError, which ends the log, not the session.

`TextLog` writes a dialogue that can be replayed, `SessionRecord` writes one afterwards, from its first
byte, and `recent_lines` gives its end for `:report`.
`JsonLog` writes JSON, one object per line, each with `time` (ISO 8601), `ms` (milliseconds since the log
was begun) and `event`:

- `open`: `server`, `tls`
- `tls`: `version`, `cipher`, `verified`, `pinned`, `name`, `sha256` (of the certificate), `upgraded`
- `client`: `line`, secrets as stars; `sasl` if it answers a challenge of AUTH
- `server`: `line`, `octets`; `status` and `code` if the line has them
- `end`: of a reply: `ok`, and `octets` after its first line if there are any
- `left-out`: `octets` of a long reply that were not kept (see `SessionRecord`)
- `close`: `by`, `how`, `clean`

What was said before `:log` has the times at which it was said; the lines of a body have the time at
which the body was complete.

A `line` lacks its CRLF; if it ended in LF alone, it has that LF.  A line that is not UTF-8 also has
`base64`, its exact octets; its `line` has U+FFFD for each octet that is not text.
"""

from __future__ import annotations

import os
import shutil
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from datetime import UTC, datetime, timedelta
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
    StoredUnsolicited,
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
"""After a pause this long, the time is written before a reply too."""

Now = Callable[[], datetime]
Field = str | int | float | bool | None


def now_here() -> datetime:
    """Return the time in the local time zone."""
    return datetime.now(UTC).astimezone()


PRIVATE = 0o600
"""The mode of files with mail in them."""


def open_private(name: str) -> TextIO:
    """Open a log file to append to it; it is created with mode 0600, because mail is private.

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
        """Open the file, to append to it.

        Args:
            name: the file.
            session: whose secrets are masked.
            now: gives the time.
            file: a file that is open already, instead of the named one.

        Raises:
            OSError: it cannot be opened.
        """
        self.name = name
        self._session = session
        self._now = now
        self._file = open_private(name) if file is None else file
        self._lines = ServerLines()
        self._last = session.exchanges.last
        """What the server said before the line that is being written."""

    def continued(self, name: str, file: TextIO) -> Self:
        """Return a log that continues this one in another file.

        Args:
            name: the file.
            file: the same, open; it has what this log has.
        """
        other = copy(self)
        other.name, other._file, other._now = name, file, now_here
        other._lines = copy(self._lines)
        return other

    def __call__(self, event: Event) -> None:
        """Write down what happened."""
        match event:
            case Greeting() | Reply() | Challenge():
                assert self._session.exchanges.last is not None, "it has just been kept"
                self.first_line(self._session.exchanges.last)
            case BodyChunk():
                self.server_data(event.data)
            case Unsolicited():
                self.server_data(self._session.secrets.mask(event.data))
            case Sent():
                self._client(event)
            case ReplyEnd():
                self.reply_end(ok=event.ok, octets=event.body_octets)
            case ConnectionOpened():
                self._opened(event)
            case TlsEstablished():
                self._tls(event.facts, upgraded=event.upgraded)
            case ConnectionEnded():
                self._ended(event.ending)
        self._file.flush()

    @abstractmethod
    def _opened(self, event: ConnectionOpened) -> None:
        """Write that a connection was opened."""

    @abstractmethod
    def _tls(self, facts: TlsFacts, *, upgraded: bool) -> None:
        """Write the result of a TLS handshake; `upgraded` if it came after STLS."""

    @abstractmethod
    def _client(self, event: Sent) -> None:
        """Write a line that was sent, without its secret."""

    @abstractmethod
    def _server_line(self, line: bytes) -> None:
        """Write the first line of a reply, a greeting or a challenge, without CRLF; a lone LF stays."""

    @abstractmethod
    def _line(self, line: bytes) -> None:
        """Write a line of a body, or an unsolicited one."""

    def reply_end(self, *, ok: bool, octets: int) -> None:  # noqa: B027 - the lone dot says it
        """Write that a reply is complete, with `octets` after its first line."""

    @abstractmethod
    def _ended(self, ending: Ending) -> None:
        """Write how the connection ended."""

    def leave_out(self, octets: int, *, complete: bool) -> int:
        """Write that the rest of a body was not kept; return how many octets that is.

        Args:
            octets: that were not kept, without the final dot, and without what is still in `_lines`.
            complete: whether the final dot has come.
        """
        octets += len(self._lines.rest)
        self._lines = ServerLines()
        self._left_out(octets, complete=complete)
        return octets

    @abstractmethod
    def _left_out(self, octets: int, *, complete: bool) -> None:
        """Write how much is missing, and the final dot if it has come."""

    def first_line(self, reply: StoredReply) -> None:
        """Write the first line of a reply, a greeting or a challenge."""
        self._last = reply
        end = reply.status_line.end
        self._server_line(reply.masked + (end if end != b"\r\n" else b""))

    def server_data(self, data: bytes) -> None:
        """Write octets of a body, or of unsolicited lines."""
        for line in self._lines.feed(data):
            self._line(line)

    def close(self) -> None:
        """Close the file.

        Raises:
            OSError: the rest cannot be written.
        """
        self._file.close()

    def abandon(self) -> None:
        """Close the file; an error is ignored."""
        _give_up(self._file)


def _give_up(file: TextIO) -> None:
    try:
        file.close()
    except OSError:
        pass


class SessionWriter(DialogueWriter):
    """Writes what happens in a session, secrets as placeholders."""

    def sent(self, event: Sent, *, most: int | None = None) -> None:
        """Write a line of the client, at most `most` characters of each part."""
        parts = mask_sent(event, step=max(event.step, 1))
        self.client(*(p.text[:most] if isinstance(p, Literal) else p for p in parts), end=event.end)

    def ended(self, ending: Ending, lines: ServerLines) -> None:
        """Write who closed the connection."""
        self.close(Side.SERVER if ending.by is EndedBy.SERVER else Side.CLIENT, lines)


def _where(event: ConnectionOpened) -> str:
    return f"connected to {event.where}{', TLS' if event.encrypted else ''}"


class TextLog(FileLog):
    """A log in the notation that can be replayed, with placeholders for secrets.

    Comments hold the time: before each line of the client, and before each reply that took a while.
    """

    def __init__(
        self, name: str, session: Session, *, now: Now = now_here, file: TextIO | None = None
    ) -> None:
        super().__init__(name, session, now=now, file=file)
        self._writer = SessionWriter(self._write)
        self._told: datetime | None = None
        """The last time that was written."""

    def continued(self, name: str, file: TextIO) -> Self:
        """Return a log that continues this one in another file."""
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
        """Write the time, without the day, which is further up.

        Args:
            after: only if this many seconds have passed since the last time.
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
            response = self._session.exchanges.response_in(event, self._last)
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

    def reply_end(self, *, ok: bool, octets: int) -> None:
        """Write that a reply is complete, with so many octets after its first line."""
        said: dict[str, Field] = {"ok": ok}
        if octets:
            said["octets"] = octets
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
    """Return what stands for a response of AUTH: of the same form, without its secret."""
    from poptalk.pop3.sasl.table import redacted_response

    return (redacted_response(*response) if response is not None else None) or MASK


def open_log(name: str, session: Session, *, log_format: str = "notation") -> FileLog:
    """Open a log file.

    Args:
        name: the file.
        session: what is logged.
        log_format: `notation` or `jsonl`.

    Raises:
        OSError: it cannot be opened.
    """
    return _LOGS[log_format](name, session)


_LOGS: Mapping[str, type[FileLog]] = {"notation": TextLog, "jsonl": JsonLog}


# The session so far, for `:log` and `:export`.
#
# Nobody knows beforehand which session will be worth keeping, so at a prompt it can be written
# afterwards, from what `Exchanges` keeps and by the same writers.  What it is about to forget is written
# first: to memory while that is little, then to a file without a name, which is gone when poptalk ends.
# Only the beginning of a long reply is kept, and the record says where something is missing, and how
# much.  A pipe keeps nothing.


KEPT_OCTETS = 8 * 1024 * 1024
"""Octets of bodies that are kept in total, `SHORT_OCTETS` of each; after that, only commands and first
lines are kept."""

MEMORY_CHARACTERS = 256 * 1024
"""Characters that are kept in memory; a longer record goes to a temporary file."""

_FINAL_DOT = 3
"""Octets of the line that ends a reply."""


class SessionRecord:
    """A session since its beginning, to be written when it is asked for.

    Args:
        session: before its first connection.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        session.exchanges.before_forgetting = self._catch_up
        self._files: dict[str, TextIO] = {}
        self._logs: dict[str, FileLog] = {}
        self._next = 0
        """How many of the things that were ever kept have been written."""
        self._then = now_here()
        """The time of what is being written."""
        self._body: StoredReply | None = None
        """The reply whose body is not written to its end."""
        self._body_began = self._then
        self._of_body = 0
        """Octets of that body, or of unsolicited lines, that have been dealt with."""
        self._cut = 0
        """How many of them were left out."""
        self._left_out = 0
        """Octets of earlier replies that were left out."""
        self._kept = 0
        """Octets of bodies that were written, in total."""
        self._failure = ""
        """Why nothing more is kept, such as a full disk; empty if all is well."""
        self._written: dict[str, dict[str, int]] = {}
        """For each log file by its name, how far into each of `_files` it reaches."""

    def _catch_up(self) -> None:
        """Write what was said since the last call."""
        if self._failure:
            return
        exchanges = self._session.exchanges
        try:
            self._write_body()
            for when, thing in islice(exchanges.said, self._next - exchanges.forgotten, None):
                self._next += 1
                self._then = datetime.fromtimestamp(when).astimezone()
                self._write(thing)
            self._writers()
        except OSError as error:
            self._failure = error.strerror or str(error)

    def _writers(self) -> Iterable[FileLog]:
        """Return the logs, which begin with the first thing that is written."""
        if not self._logs:
            for each, kind in _LOGS.items():
                self._files[each] = _temporary_file()
                self._logs[each] = kind(
                    "", self._session, now=lambda: self._then, file=self._files[each]
                )
        return self._logs.values()

    def _write(self, thing: Event | StoredReply) -> None:
        if isinstance(thing, StoredUnsolicited):
            # Unsolicited lines, in however many pieces, count as one reply.
            self._add(thing.data, thing.octets)
            return
        if self._body is None:
            self._end_body(complete=False)
        for log in self._writers():
            if isinstance(thing, StoredReply):
                log.first_line(thing)
            else:
                log(thing)
        if isinstance(thing, StoredReply):
            self._body, self._body_began = thing, self._then
            self._write_body()

    def _write_body(self) -> None:
        """Write what has come of a body since the last call, and its end if that has come."""
        reply = self._body
        if reply is None:
            return
        if reply.seconds is not None and reply.total_seconds is not None:
            took = timedelta(seconds=reply.total_seconds - reply.seconds)
            self._then = self._body_began + took
        begun = self._of_body
        self._add(reply.read(begun, max(0, SHORT_OCTETS - begun)), reply.octets - begun)
        if reply is self._session.exchanges.receiving:
            return
        self._body = None
        self._end_body(complete=reply.complete)
        if reply.ok is not None:
            for log in self._writers():
                log.reply_end(ok=reply.ok, octets=reply.octets)

    def _add(self, data: bytes, octets: int) -> None:
        """Write octets of a body: all of them, or the whole lines that both limits allow.

        Args:
            data: what was kept of them.
            octets: how many came.
        """
        room = max(0, min(SHORT_OCTETS - self._of_body, KEPT_OCTETS - self._kept))
        if self._cut or len(data) < octets or octets > room:
            data = b"" if self._cut else data[:room]
            data = data[: data.rfind(b"\n") + 1]
        self._of_body += octets
        self._kept += len(data)
        self._cut += octets - len(data)
        if data:
            for log in self._writers():
                log.server_data(data)

    def _end_body(self, *, complete: bool) -> None:
        if self._cut:
            octets = max(0, self._cut - (_FINAL_DOT if complete else 0))
            # Each log has the same lines.
            left_out = {log.leave_out(octets, complete=complete) for log in self._writers()}
            self._left_out += max(left_out)
        self._of_body = self._cut = 0

    def log_to(self, name: str, *, log_format: str) -> FileLog:
        """Begin a log file with all that was said before, or with what the file lacks of it.

        Args:
            name: the file, to be appended to.
            log_format: `notation` or `jsonl`.

        Raises:
            OSError: it cannot be written.
        """
        self._catch_up()
        log = self._logs[log_format]
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
        log = log.continued(name, file)
        if self._cut:
            log.leave_out(self._cut, complete=False)
        return log

    def has_written(self, name: str) -> bool:
        """Tell whether a file already has the beginning of the session."""
        return os.path.realpath(name) in self._written

    def stopped(self, log: FileLog) -> None:
        """Remember how far a log file reaches, in case it is continued."""
        self._catch_up()
        here = {each: file.tell() for each, file in self._files.items()}
        self._written[os.path.realpath(log.name)] = here

    @property
    def gaps(self) -> str:
        """What is missing, for the end of a sentence."""
        failed = f"; since then nothing could be kept: {self._failure}" if self._failure else ""
        missing = self._left_out + self._cut
        left_out = f", but for {missing:,} octets of long replies" if missing else ""
        return left_out + failed

    def text(self) -> str:
        """Return the session so far, in the notation."""
        self._catch_up()
        source = self._files["notation"]
        source.seek(0)
        text = source.read()
        source.seek(0, os.SEEK_END)
        return text

    def close(self) -> None:
        """Close the temporary files."""
        for file in self._files.values():
            file.close()


def _temporary_file() -> TextIO:
    from tempfile import SpooledTemporaryFile

    file = SpooledTemporaryFile(  # noqa: SIM115 - see `close`
        MEMORY_CHARACTERS, "w+", encoding="utf-8", errors="backslashreplace", newline="\n"
    )
    return cast(TextIO, file)  # It has what a file has.


# For `:report`.

MOST_LINES = 80
"""Lines that are reported: enough to show what led to the trouble, few enough to be read."""

MOST_LINES_OF_A_LISTING = 20

MOST_LINES_UNSOLICITED = 5

MOST_OCTETS = 600
"""Octets reported of a line; RFC 1939 §3 allows 512."""


def recent_lines(session: Session) -> tuple[str, ...]:
    """Return the last lines of a session, starting with a line of the client or a connection.

    Of a message they have only the size.
    """
    lines: deque[str] = deque(maxlen=MOST_LINES)
    writer = SessionWriter(lines.append)
    of_message = False
    for _, each in session.exchanges.said:
        if isinstance(each, StoredReply):
            of_message = each.is_message
            _report_reply(writer, each)
        elif of_message and isinstance(each, StoredUnsolicited):
            # An unstuffed dot has cut a message in two, and this is the rest of it.
            writer.any_lines(f"the server sends {each.octets:,} octets that no command asked for")
        else:
            _report_event(writer, each)
    while lines and not lines[0].startswith(("C: ", "#")):
        lines.popleft()
    return tuple(line.rstrip("\n") for line in lines)


def _report_event(writer: SessionWriter, event: Event) -> None:
    match event:
        case Sent():
            writer.sent(event, most=MOST_OCTETS)
        case Unsolicited():
            for line in split_lines(event.data)[:MOST_LINES_UNSOLICITED]:
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


def _report_reply(writer: DialogueWriter, reply: StoredReply) -> None:
    writer.received(reply.masked[:MOST_OCTETS])
    if not reply.octets:
        return
    shown = 0
    for line in islice(reply.raw_lines(), 0 if reply.is_message else MOST_LINES_OF_A_LISTING):
        writer.received(line.rstrip(b"\r\n")[:MOST_OCTETS])
        shown += len(line)
    if shown < reply.octets:
        writer.any_lines(f"the server sends {reply.octets:,} octets")
        writer.server(TERMINATOR)
