"""Asking a server what it has in a mailbox: STAT, LIST, UIDL, and on request every message.

A reading ends without QUIT, so the server never enters the UPDATE state, and nothing is removed
(RFC 1939 §6).  Messages are hashed as they come, and never held.
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

# Not left to the two threads: Python 3.11 may report a deadlock where both import it at the same time.
import poptalk.net.tls  # noqa: F401
from poptalk.net.connection import Link
from poptalk.net.endpoint import Destination
from poptalk.net.errors import ConnectionLost, NetError
from poptalk.pop3.events import Exchange
from poptalk.pop3.replies import Status, StatusLine, Unstuffer, parse_status_line, quoted
from poptalk.pop3.sasl.mechanism import LoginError
from poptalk.pop3.sasl.table import find_method
from poptalk.session.client import Client
from poptalk.session.exchanges import Note, StoredReply
from poptalk.session.login import Asker, LoginRequest, log_in
from poptalk.session.procedure import LocalError

# What one server says of a mailbox.


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """Hashes of one message, in two parts: a migration often adds header fields, and nothing else."""

    header: bytes
    """Of the header, the empty line included."""
    body: bytes
    octets: int | None = None
    """How many octets the message has, byte-stuffing undone; None where that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message, as LIST and UIDL have it."""

    number: int
    octets: int | None
    """None where LIST has no line for it, or one that cannot be read."""
    unique_id: bytes | None
    """None where UIDL has no line for it."""
    digests: Digests | None = None
    """None where the message itself was not fetched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """One mailbox on one server."""

    place: str
    """The server, as the table calls it."""
    count: int | None
    """What STAT says; None where it cannot be read."""
    octets: int | None
    messages: tuple[Message, ...]
    """In the order of LIST."""
    has_unique_ids: bool
    """Whether UIDL was answered with +OK."""
    remarks: tuple[str, ...] = ()
    """What went wrong without stopping the survey, a sentence each."""

    def unique_ids(self) -> tuple[bytes, ...]:
        """Return the unique-ids in the order of the messages."""
        return tuple(each.unique_id for each in self.messages if each.unique_id is not None)


# Hashing a message as it comes: its header and its body apart.


_EMPTY_LINE = re.compile(rb"\n\r?\n")
"""The end of the header.  Some servers forget CR; the line is empty nevertheless."""

_BEFORE = b"\n"
"""Put in front of a message, so that one without a header begins with its empty line."""


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
        """Return what has come of it so far."""
        return Digests(header=self._header.digest(), body=self._body.digest(), octets=self._octets)


MOST_MESSAGES = 1_000_000
"""Lines taken of a listing; a server that sends more is after our memory."""

MOST_LINE_OCTETS = 4096
"""Longest line of a listing that is taken; RFC 1939 §3 allows 512."""

WINDOW = 8
"""Messages asked for ahead where the server allows it: then a round trip costs an eighth."""

ALL_LINES = 2**31 - 1
"""What TOP is asked for where the whole message is meant: the largest number that servers take."""


class Fetch(Enum):
    """How messages are fetched; the values are the options of the command line."""

    RETR = "--bodies"
    TOP = "--top"


class NoSurvey(Exception):
    """The server says no to something without which there is no survey; the sentence names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxSide:
    """A server, and who logs in there."""

    place: str
    """What the table calls it."""
    destination: Destination
    user: str
    secret: str
    mechanism: str | None = None
    """The way to log in; None for the best one."""

    def __repr__(self) -> str:
        """Leave the secret out: a repr ends up in tracebacks."""
        return f"Side({self.place!r}, {self.user!r})"


class Reading:
    """One server being asked.

    Args:
        side: the server.
        timeout: seconds for a connection, a TLS handshake or a reply.
        fetch: how messages are fetched; None where they are not.
        warn: takes a sentence.
    """

    def __init__(
        self, side: MailboxSide, *, timeout: float, fetch: Fetch | None, warn: Callable[[str], None]
    ) -> None:
        self.doing = "connecting"
        """What goes on now, in a few words, for those who wait."""
        self._side = side
        self._timeout = timeout
        self._fetch = fetch
        self._warn = warn
        self._link: Link | None = None
        self._interrupted = False
        self._remarks: list[str] = []
        self._window = 1
        """How many messages are asked for before the first of them has come."""

    @property
    def place(self) -> str:
        """What the table calls the server."""
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
            LoginError: the login did not come about.
            Refused: the server says no to LIST.
        """
        destination = self._side.destination
        settings = destination.tls_settings() if destination.tls else None
        with Link.open(destination.target, timeout=self._timeout, tls=settings) as link:
            self._link = link
            if self._interrupted:
                link.interrupt()
            client = Client(link, destination)
            client.session.user = self._side.user
            client.session.observe({Note: self._warn_of})
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
        mechanism = self._side.mechanism
        request = LoginRequest(
            user=self._side.user, method=None if mechanism is None else find_method(mechanism)
        )
        plan = log_in(
            client.session, request, asker=Asker(at_prompt=False), secret=self._side.secret
        )
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
        sizes: dict[int, int | None] = {}
        listing = _ask(
            client, b"LIST", body=_ListingLines(lambda line: _note_size(line, sizes)).feed
        )
        if not _is_ok(listing):
            raise NoSurvey(f"LIST was answered with {quoted(_words(_status(listing)))}")
        self.doing = "asking UIDL"
        names: dict[int, bytes] = {}
        unique = _ask(
            client, b"UIDL", body=_ListingLines(lambda line: _note_name(line, names)).feed
        )
        digests = dict(self._digests(client, [*sizes])) if self._fetch else {}
        messages = [
            Message(
                number=number, octets=size, unique_id=names.get(number), digests=digests.get(number)
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
        """Fetch messages and hash them; some are asked for ahead where the server allows that.

        What is asked for ahead is a few short lines, so that neither side waits for the other to
        read (RFC 2449 §6.6).
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


class _ListingLines:
    """Parts the octets of a listing into lines.

    Args:
        take: called with each line, without its end; the lone dot is none.
    """

    def __init__(self, take: Callable[[bytes], object]) -> None:
        self._take = take
        self._unstuffer = Unstuffer()
        self._rest = b""
        self._count = 0

    def feed(self, data: bytes) -> None:
        """Take octets as they crossed the wire.

        Raises:
            Refused: the listing, or a line of it, is longer than any mailbox makes it.
        """
        *lines, self._rest = (self._rest + self._unstuffer.feed(data)).split(b"\n")
        self._count += len(lines)
        if self._count > MOST_MESSAGES:
            raise NoSurvey(f"a listing has more than {MOST_MESSAGES:,} lines; this is no mailbox")
        if max(map(len, (*lines, self._rest))) > MOST_LINE_OCTETS:
            raise NoSurvey(f"a listing has a line of more than {MOST_LINE_OCTETS:,} octets")
        for line in lines:
            self._take(line.removesuffix(b"\r"))


def _note_size(line: bytes, sizes: dict[int, int | None]) -> None:
    number, *rest = line.split() or [b""]
    if _is_number(number):
        sizes[int(number)] = int(rest[0]) if rest and _is_number(rest[0]) else None


def _note_name(line: bytes, names: dict[int, bytes]) -> None:
    number, _, name = line.partition(b" ")
    if _is_number(number):
        names[int(number)] = name


def _is_number(word: bytes) -> bool:
    # Sixteen digits are more than any mailbox needs, and less than Python refuses to convert.
    return word.isdigit() and len(word) <= 16


def _ask(client: Client, line: bytes, *, body: Callable[[bytes], object]) -> StoredReply:
    return _whole(client, client.ask(line, body=body))


def _whole(client: Client, heard: StoredReply) -> StoredReply:
    """Return a reply that is complete; one that broke off is the end of the survey."""
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


# Two readings at the same time, each in a thread of its own: what one waits for, the other need not.


TICK_SECONDS = 0.1
"""How often it is looked how far they have come."""

PARTING_SECONDS = 1.0
"""How long an interrupted reading may take to end; one that still connects is left behind."""


class ReadingFailed(Exception):
    """A reading has failed; `__cause__` is why.

    Attributes:
        place: what the table calls the server.
    """

    def __init__(self, place: str) -> None:
        super().__init__(f"{place} could not be read")
        self.place = place


class _Worker(Thread):
    """A reading, and what came of it."""

    def __init__(self, reading: Reading, finished: Event) -> None:
        super().__init__(name=f"reading {reading.place}", daemon=True)
        self.reading = reading
        self.survey: Survey | None = None
        self.error: Exception | None = None
        self._finished = finished

    def run(self) -> None:
        """Read, and keep what comes of it for the other thread."""
        try:
            self.survey = self.reading.run()
        except Exception as error:  # noqa: BLE001 - raised again where the work was asked for
            self.error = error
        finally:
            self.reading.doing = "done"
            self._finished.set()


def read_both(left: Reading, right: Reading, *, tick: Callable[[], None]) -> tuple[Survey, Survey]:
    """Read two servers at the same time.

    Args:
        left: the first.
        right: the second.
        tick: called now and then while they are being read.

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
        _interrupt(workers)
        raise
    first, second = (worker.survey for worker in workers)
    assert first is not None
    assert second is not None
    return first, second


def _raise_failure(workers: list[_Worker]) -> None:
    for worker in workers:
        if worker.error is not None:
            raise ReadingFailed(worker.reading.place) from worker.error


def _interrupt(workers: list[_Worker]) -> None:
    for worker in workers:
        worker.reading.interrupt()
    for worker in workers:
        worker.join(PARTING_SECONDS)
