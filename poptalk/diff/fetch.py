"""Asking a server what is in a mailbox: STAT, LIST, UIDL, and on request every message.

A reading ends without QUIT, so the server never enters the UPDATE state, and nothing is removed
(RFC 1939 §6).  Messages are hashed as they come, and never kept.
"""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from threading import Event, Thread
from time import monotonic

# Imported before the two threads need it: Python 3.11 may report a deadlock if both import it at once.
import poptalk.net.tls  # noqa: F401
from poptalk.net.connection import Link
from poptalk.net.endpoint import Destination
from poptalk.net.errors import ConnectionLost, NetError
from poptalk.pop3.commands import MAX_DIGITS
from poptalk.pop3.events import Exchange
from poptalk.pop3.replies import Status, StatusLine, Unstuffer, parse_status_line, quoted
from poptalk.pop3.sasl.mechanism import LoginError
from poptalk.pop3.sasl.table import find_method
from poptalk.session.client import Client
from poptalk.session.exchanges import Note, StoredReply
from poptalk.session.login import Asker, LoginRequest, log_in
from poptalk.session.procedure import LocalError
from poptalk.session.session import Session

# What one server says about a mailbox.


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """Hashes of the two parts of one message: a migration often adds header fields, and nothing else."""

    header: bytes
    """That of the header, including the empty line."""
    body: bytes
    octets: int | None = None
    """How many octets the message has, byte-stuffing undone; None if that isn't known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message in LIST and UIDL."""

    number: int
    octets: int | None
    """None if LIST has no line for it, or a malformed one."""
    unique_id: bytes | None
    """None if UIDL has no line for it."""
    digests: Digests | None = None
    """None if the message itself wasn't fetched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """One mailbox on one server."""

    place: str
    """The name of the server in the table."""
    count: int | None
    """The count in STAT; None if it can't be parsed."""
    octets: int | None
    messages: tuple[Message, ...]
    """In the order of LIST."""
    has_unique_ids: bool
    """Whether UIDL was answered with +OK."""
    remarks: tuple[str, ...] = ()
    """Problems that didn't stop the survey, a sentence each."""

    def unique_ids(self) -> tuple[bytes, ...]:
        """Return the unique-ids in the order of the messages."""
        return tuple(each.unique_id for each in self.messages if each.unique_id is not None)


# Hashing a message as it comes, header and body separately.


_EMPTY_LINE = re.compile(rb"\n\r?\n")
"""The end of the header.  The line is empty even if the server forgets CR."""

_BEFORE = b"\n"
"""Put before a message, to find the empty line of one without a header."""


class Hashing:
    """The hash of one message, fed piece by piece."""

    def __init__(self) -> None:
        self._header = hashlib.sha256()
        self._body = hashlib.sha256()
        self._in_body = False
        self._last = _BEFORE
        self._octets = 0

    def feed(self, data: bytes) -> None:
        """Take the next octets of the message, byte-stuffing undone, cut anywhere."""
        self._octets += len(data)
        if self._in_body:
            self._body.update(data)
            return
        joined = self._last + data
        found = _EMPTY_LINE.search(joined)
        if found is None:
            self._header.update(data)
            self._last = joined[-2:]
            return
        end = found.end() - len(self._last)
        self._header.update(data[:end])
        self._body.update(data[end:])
        self._in_body = True

    def digests(self) -> Digests:
        """Return the hashes of what has come so far."""
        return Digests(header=self._header.digest(), body=self._body.digest(), octets=self._octets)


MOST_MESSAGES = 1_000_000
"""Lines of a listing that are accepted; a server that sends more is after our memory."""

MOST_LINE_OCTETS = 4096
"""Longest line of a listing that is accepted; RFC 1939 §3 allows 512."""

WINDOW = 8
"""Messages requested ahead if the server allows it: a round trip then costs an eighth."""

ALL_LINES = 2**31 - 1
"""The number of lines in TOP that means the whole message: the largest that servers accept."""


class Fetch(Enum):
    """How messages are fetched; the values are the options of the command line."""

    RETR = "--bodies"
    TOP = "--top"


class NoSurvey(Exception):
    """The server refuses something that the survey needs; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxSide:
    """A server, and who logs in there."""

    place: str
    """The name of the server in the table."""
    destination: Destination
    user: str
    secret: str
    mechanism: str | None = None
    """The way to log in; None for the best one."""

    def __repr__(self) -> str:
        """Leave the secret out: a repr ends up in tracebacks."""
        return f"MailboxSide({self.place!r}, {self.user!r})"


class Reading:
    """The survey of one server in progress.

    Args:
        side: the server.
        timeout: seconds for a connection, a TLS handshake or a reply.
        fetch: how messages are fetched; None if they aren't.
        warn: takes a message.
    """

    def __init__(
        self, side: MailboxSide, *, timeout: float, fetch: Fetch | None, warn: Callable[[str], None]
    ) -> None:
        self.doing = "connecting"
        """What is going on, in a few words, for those who wait."""
        self._side = side
        self._timeout = timeout
        self._fetch = fetch
        self._warn = warn
        self._link: Link | None = None
        self._interrupted = False
        self._remarks: list[str] = []
        self._window = 1
        """How many messages are requested before the first of them has come."""

    @property
    def place(self) -> str:
        """The name of the server in the table."""
        return self._side.place

    def interrupt(self) -> None:
        """End the reading from another thread."""
        self._interrupted = True
        if self._link is not None:
            self._link.interrupt()

    def run(self) -> Survey:
        """Connect, log in, ask, and hang up without QUIT.

        Raises:
            NetError: no connection, no TLS, or the connection was lost.
            LoginError: the login failed.
            NoSurvey: the server refuses LIST.
        """
        destination = self._side.destination
        settings = destination.tls_settings() if destination.tls else None
        with Link.open(destination.target, timeout=self._timeout, tls=settings) as link:
            self._link = link
            if self._interrupted:
                link.interrupt()
            session = Session(clock=monotonic, whole=False, tls_at_once=False)
            session.user = self._side.user
            session.observe({Note: self._warn_of})
            client = Client(link, destination, session=session)
            try:
                self._log_in(client)
                return self._survey(client)
            except (NetError, NoSurvey) as error:
                raise client.session.staged(error) from error.__cause__

    # The login.

    def _log_in(self, client: Client) -> None:
        self.doing = "logging in"
        greeting = parse_status_line(client.greeting().lines[0])
        if greeting.status is not Status.OK:
            raise NoSurvey(f"it greets with {quoted(_words(greeting))}")
        if self._side.destination.starttls:
            client.require_tls()
        _whole(client, client.ask(b"CAPA"))
        facts = client.session.exchanges.facts
        answer = facts.capabilities_now(client.session.core)
        if answer is not None and b"PIPELINING" in answer.parameters():
            self._window = WINDOW
        side = self._side
        method = None if side.mechanism is None else find_method(side.mechanism)
        request = LoginRequest(user=side.user, method=method)
        plan = log_in(client.session, request, asker=Asker(at_prompt=False), secret=side.secret)
        try:
            client.carry_out(plan)
        except LocalError as error:
            raise LoginError(str(error)) from error

    def _warn_of(self, note: Note) -> None:
        if note.warning:
            self._warn(f"{self.place}: {note.text}")

    # The survey.

    def _survey(self, client: Client) -> Survey:
        self.doing = "asking STAT"
        count, octets = self._totals(client)
        self.doing = "asking LIST"
        listing = _Listing()
        reply = _whole(client, client.ask(b"LIST", body=listing.feed))
        if not _is_ok(reply):
            raise NoSurvey(f"LIST was answered with {quoted(_words(_status(reply)))}")
        sizes = {number: _size(rest) for number, rest in listing.rows.items()}
        self.doing = "asking UIDL"
        names = _Listing()
        unique = _whole(client, client.ask(b"UIDL", body=names.feed))
        digests = dict(self._digests(client, [*sizes])) if self._fetch else {}
        messages = [
            Message(
                number=number,
                octets=size,
                unique_id=names.rows.get(number),
                digests=digests.get(number),
            )
            for number, size in sizes.items()
        ]
        return Survey(
            place=self.place,
            count=count,
            octets=octets,
            messages=tuple(messages),
            has_unique_ids=_is_ok(unique),
            remarks=tuple(self._remarks),
        )

    def _totals(self, client: Client) -> tuple[int | None, int | None]:
        reply = _status(client.ask(b"STAT"))
        numbers = [int(word) for word in reply.words[:2] if _is_number(word)]
        if reply.status is not Status.OK or len(numbers) < 2:
            self._remarks.append(f"{self.place}: STAT was answered with {_words(reply)}")
            return None, None
        return numbers[0], numbers[1]

    def _digests(
        self, client: Client, numbers: Sequence[int]
    ) -> Iterator[tuple[int, Digests | None]]:
        """Fetch messages and hash them; request some of them ahead if the server allows that.

        The requests are a few short lines, so that neither side waits for the other to read
        (RFC 2449 §6.6).
        """
        asked: deque[tuple[int, Exchange, Hashing]] = deque()
        to_come = iter(numbers)
        for count in range(len(numbers)):
            self.doing = f"message {count + 1:,} of {len(numbers):,}"
            for number in islice(to_come, self._window - len(asked)):
                asked.append((number, *self._ask_for(client, number)))
            number, exchange, hashing = asked.popleft()
            reply = _whole(client, client.answer(exchange))
            if _is_ok(reply):
                yield number, hashing.digests()
            else:
                words = _words(_status(reply))
                self._remarks.append(f"{self.place}: message {number} was not given: {words}")

    def _ask_for(self, client: Client, number: int) -> tuple[Exchange, Hashing]:
        command = f"RETR {number}" if self._fetch is Fetch.RETR else f"TOP {number} {ALL_LINES}"
        hashing = Hashing()
        unstuffer = Unstuffer()
        exchange = client.say(
            command.encode("ascii"), body=lambda data: hashing.feed(unstuffer.feed(data))
        )
        return exchange, hashing


_ROW = re.compile(rb"\s*(\d{1,%d})(?:[ \t](.*))?" % MAX_DIGITS, re.DOTALL)


class _Listing:
    """The reply to LIST or UIDL.

    Attributes:
        rows: what follows the message-number and a space in each line, by that number.
    """

    def __init__(self) -> None:
        self.rows: dict[int, bytes] = {}
        self._unstuffer = Unstuffer()
        self._rest = b""
        self._count = 0

    def feed(self, data: bytes) -> None:
        """Take octets as they were received.

        Raises:
            NoSurvey: the listing, or a line of it, is too long for any mailbox.
        """
        *lines, self._rest = (self._rest + self._unstuffer.feed(data)).split(b"\n")
        self._count += len(lines)
        if self._count > MOST_MESSAGES:
            raise NoSurvey(f"a listing has more than {MOST_MESSAGES:,} lines; this is no mailbox")
        if max(map(len, (*lines, self._rest))) > MOST_LINE_OCTETS:
            raise NoSurvey(f"a listing has a line of more than {MOST_LINE_OCTETS:,} octets")
        for line in lines:
            found = _ROW.fullmatch(line.removesuffix(b"\r"))
            if found:
                self.rows[int(found[1])] = found[2] or b""


def _size(rest: bytes) -> int | None:
    word, *_ = rest.split() or [b""]
    return int(word) if _is_number(word) else None


def _is_number(word: bytes) -> bool:
    return word.isdigit() and len(word) <= MAX_DIGITS


def _whole(client: Client, heard: StoredReply) -> StoredReply:
    """Return a reply if it is complete; otherwise the survey ends."""
    if not heard.complete:
        verb = heard.exchange.command.verb if heard.exchange is not None else None
        command = verb.keyword if verb is not None else "a line"
        raise ConnectionLost(f"{client.ending} in the middle of the reply to {command}")
    return heard


def _status(heard: StoredReply) -> StatusLine:
    return parse_status_line(heard.lines[0])


def _is_ok(heard: StoredReply) -> bool:
    return _status(heard).status is Status.OK


def _words(reply: StatusLine) -> str:
    return reply.line.decode("utf-8", "surrogateescape")


# Two readings at the same time, each in its own thread, so that neither waits for the other.


TICK_SECONDS = 0.1
"""How often the progress is shown."""

PARTING_SECONDS = 1.0
"""How long an interrupted reading may take to end; one that is still connecting is abandoned."""


class ReadingFailed(Exception):
    """A reading has failed; `__cause__` is why.

    Attributes:
        place: the name of the server in the table.
    """

    def __init__(self, place: str) -> None:
        super().__init__(f"{place} could not be read")
        self.place = place


class _Worker(Thread):
    """A reading, and its result."""

    def __init__(self, reading: Reading, finished: Event) -> None:
        super().__init__(name=f"reading {reading.place}", daemon=True)
        self.reading = reading
        self.survey: Survey | None = None
        self.error: Exception | None = None
        self._finished = finished

    def run(self) -> None:
        """Read, and keep the result for the other thread."""
        try:
            self.survey = self.reading.run()
        except Exception as error:  # noqa: BLE001 - raised again in the thread that started this one
            self.error = error
        finally:
            self.reading.doing = "done"
            self._finished.set()


def read_both(left: Reading, right: Reading, *, tick: Callable[[], None]) -> tuple[Survey, Survey]:
    """Read two servers at the same time.

    Args:
        left: the first.
        right: the second.
        tick: called regularly while they are being read.

    Raises:
        ReadingFailed: one of them failed; the other was interrupted.
    """
    finished = Event()
    workers = [_Worker(reading, finished) for reading in (left, right)]
    for worker in workers:
        worker.start()
    try:
        while any(worker.is_alive() for worker in workers):
            finished.wait(TICK_SECONDS)
            finished.clear()
            tick()
            _raise_failure(workers)
        _raise_failure(workers)
    except BaseException:
        for worker in workers:
            worker.reading.interrupt()
        for worker in workers:
            worker.join(PARTING_SECONDS)
        raise
    first, second = (worker.survey for worker in workers)
    assert first is not None
    assert second is not None
    return first, second


def _raise_failure(workers: list[_Worker]) -> None:
    for worker in workers:
        if worker.error is not None:
            raise ReadingFailed(worker.reading.place) from worker.error
