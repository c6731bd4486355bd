"""Bad input in bulk: lines that are random, mutated, too long or right, and a client that sends them.

The client keeps books: each line is owed one reply, with a status indicator and, where it has one, a
body up to the lone dot.  A server that does anything else, or sends what nobody asked for, is found
out at once.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field

from poptalk.pop3.commands import VERBS, Limits, parse_command

SECONDS = 60
"""For a reply: a server that takes longer has forgotten it."""

BATCH = 12
"""Lines that are sent at once at the most."""

_LIMITS = Limits()
_NUMBERS = (b"0", b"1", b"2", b"3", b"4", b"-1", b"007", b"4294967297", b"9" * 400, b"1e3", b"\xb2")
_WORDS = (b"bob", b"mrose", b"jones", b"tanstaaf", b"PLAIN", b"LOGIN", b"CRAM-MD5", b"SCRAM-SHA-256",
          b"XOAUTH2", b"=", b"*", b"AGJvYgBqb25lcw==", b"Ym9i", b"am9uZXM=", b"c4c9334bac560ecc979e",
          b"<1896.697170952@dbc.mtview.ca.us>", b"", b" ", b"\t", b"\0", b"\r", b"\x1b[2J", b"\xff\xfe",
          b"{name}", b"%s%n", b"../../etc", b"+OK", b"-ERR", b".", b"..")  # fmt: skip
_LOGIN = (b"USER bob", b"PASS jones")


class UnexpectedReply(Exception):
    """The server did something that POP3 has no word for."""


class Lines:
    """A source of lines; the same seed makes the same.

    Args:
        seed: any number.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._next: list[bytes] = []
        self._kinds = (
            (30, self._right),
            (30, self._mutated),
            (18, self._words),
            (15, self._octets),
            (6, self._log_in),
            (1, self._long),
        )

    def batch(self) -> list[bytes]:
        """Return some lines with their line ends, none of them with an LF in it."""
        return [self.line() for _ in range(self._random.randint(1, BATCH))]

    def line(self) -> bytes:
        """Return a line with its line end."""
        if not self._next:
            weights, makers = zip(*self._kinds, strict=True)
            (make,) = self._random.choices(makers, weights)
            self._next = make()
        content = self._next.pop(0).replace(b"\n", b"")
        return content + (b"\n" if self._random.random() < 0.05 else b"\r\n")

    def _right(self) -> list[bytes]:
        name = self._random.choice(list(VERBS))
        # These end a session, or turn it into one that this client cannot follow.
        if name in (b"QUIT", b"STLS") and self._random.random() < 0.8:
            name = b"NOOP"
        arguments = self._random.choices(
            (*_NUMBERS[:5], *_WORDS[:8]), k=self._random.choice((0, 0, 1, 2))
        )
        return [b" ".join((name, *arguments))]

    def _mutated(self) -> list[bytes]:
        line = bytearray(self._right()[0])
        for _ in range(self._random.randint(1, 4)):
            at = self._random.randrange(len(line) + 1)
            match self._random.randrange(5):
                case 0:
                    line[at:at] = self._random.randbytes(1)
                case 1:
                    del line[at : at + self._random.randint(1, 3)]
                case 2 if at < len(line):
                    line[at] ^= 1 << self._random.randrange(8)
                case 3:
                    line[at:at] = self._random.choice((*_WORDS, *_NUMBERS))
                case _:
                    line = line.swapcase()
        return [bytes(line)]

    def _words(self) -> list[bytes]:
        words = self._random.choices((*VERBS, *_WORDS, *_NUMBERS), k=self._random.randint(0, 6))
        return [self._random.choice((b" ", b"  ", b"\t", b"")).join(words)]

    def _octets(self) -> list[bytes]:
        return [self._random.randbytes(self._random.choice((0, 1, 4, 40, 255, 600)))]

    def _log_in(self) -> list[bytes]:
        return list(_LOGIN)

    def _long(self) -> list[bytes]:
        longest = self._random.choice((_LIMITS.line, _LIMITS.sasl_line, _LIMITS.discarded))
        return [self._random.randbytes(1) * (longest + self._random.randint(-3, 3))]


@dataclass(slots=True, kw_only=True)
class Books:
    """What was seen, of all clients together."""

    lines: int = 0
    answered: int = 0
    connections: int = 0
    replies: Counter[bytes] = field(default_factory=Counter)
    """Replies by status indicator."""


class FuzzClient:
    """Sends lines to a server, over one connection after the other, as the server hangs up.

    Args:
        host: the server's address.
        port: its port in clear.
        lines: what to send.
        books: where to keep them.
    """

    def __init__(self, host: str, port: int, lines: Lines, books: Books) -> None:
        self._where = host, port
        self._lines = lines
        self._books = books

    async def send(self, count: int) -> None:
        """Send at least so many lines.

        Raises:
            UnexpectedReply: the server broke the rules.
            TimeoutError: it owes a reply and does not send it.
        """
        sent = 0
        while sent < count:
            sent += await self._one_connection(count - sent)

    async def _one_connection(self, count: int) -> int:
        """Send lines until there were enough of them or the server hangs up; return how many."""
        reader, writer = await asyncio.open_connection(*self._where)
        self._books.connections += 1
        session = _Session(reader, self._books)
        sent = 0
        try:
            going_on = await session.greeting()
            while going_on and sent < count:
                batch = self._lines.batch()
                writer.write(b"".join(batch))
                sent += len(batch)
                self._books.lines += len(batch)
                going_on = await session.replies_to(batch)
        finally:
            writer.close()
            try:
                await writer.wait_closed()
            except ConnectionError:
                # The server hung up first.
                pass
        return sent


class _Session:
    """Reads what a server owes."""

    def __init__(self, reader: asyncio.StreamReader, books: Books) -> None:
        self._reader = reader
        self._books = books
        self._challenged = False
        """Whether the next line answers a challenge (RFC 5034 §4)."""

    async def greeting(self) -> bool:
        line = await self._line()
        if line and not line.startswith((b"+OK", b"-ERR")):
            raise UnexpectedReply(f"the greeting is {line!r}")
        return line.startswith(b"+OK")

    async def replies_to(self, batch: list[bytes]) -> bool:
        """Read the replies to some lines; tell whether the connection is still open."""
        for sent in batch:
            command = parse_command(sent.rstrip(b"\r\n"))
            status = await self._line()
            if not status:
                return False
            indicator = status.split(b" ", 1)[0].removesuffix(b"\r\n")
            self._books.replies[indicator] += 1
            self._books.answered += 1
            if indicator not in (b"+OK", b"-ERR", b"+") or not status.endswith(b"\r\n"):
                raise UnexpectedReply(f"{sent!r} was answered with {status!r}")
            if indicator == b"+OK" and command.multi_line and not self._challenged:
                await self._body()
            if indicator == b"+OK" and command.keyword == b"STLS" and not self._challenged:
                # The server waits for a handshake that will not come.
                return False
            self._challenged = indicator == b"+"
        return True

    async def _body(self) -> None:
        while True:
            line = await self._line()
            if line == b".\r\n":
                return
            if not line.endswith(b"\r\n"):
                raise UnexpectedReply(f"a body ends with {line!r}")

    async def _line(self) -> bytes:
        """Return the next line, nothing where the connection has ended."""
        try:
            return await asyncio.wait_for(self._reader.readline(), SECONDS)
        except ConnectionError:
            return b""


class Bystander:
    """A session beside all these, which must notice nothing.

    Args:
        host: the server's address.
        port: its port in clear.
    """

    def __init__(self, host: str, port: int) -> None:
        self._where = host, port
        self.rounds = 0

    async def look_on(self, over: asyncio.Event) -> None:
        """Ask the same again and again, at a quiet pace, until it is over.

        Raises:
            UnexpectedReply: an answer is another than the one before.
        """
        reader, writer = await asyncio.open_connection(*self._where)
        try:
            await reader.readline()
            writer.write(b"USER bob\r\nPASS jones\r\n")
            await reader.readline()
            await reader.readline()
            first = await self._ask(reader, writer)
            while not over.is_set():
                if await self._ask(reader, writer) != first:
                    raise UnexpectedReply("the bystander was answered otherwise than before")
                self.rounds += 1
                try:
                    await asyncio.wait_for(over.wait(), 0.02)
                except TimeoutError:
                    pass
        finally:
            writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"STAT\r\nRETR 3\r\n")
        stat = await asyncio.wait_for(reader.readline(), SECONDS)
        message = await asyncio.wait_for(reader.readuntil(b"\r\n.\r\n"), SECONDS)
        return stat + message


async def fuzz(host: str, port: int, *, sessions: int, lines: int, seed: int) -> tuple[Books, int]:
    """Send lines over many sessions at the same time, while a bystander looks on.

    Args:
        host: the server's address.
        port: its port in clear.
        sessions: how many at the same time.
        lines: how many in all.
        seed: what they are made from.

    Returns:
        What was seen, and how often the bystander was answered.

    Raises:
        UnexpectedReply: the server broke the rules.
    """
    books = Books()
    over = asyncio.Event()
    bystander = Bystander(host, port)
    looking_on = asyncio.create_task(bystander.look_on(over))
    clients = [FuzzClient(host, port, Lines(seed + n), books) for n in range(sessions)]
    await asyncio.gather(*(client.send(lines // sessions) for client in clients))
    over.set()
    await looking_on
    return books, bystander.rounds
