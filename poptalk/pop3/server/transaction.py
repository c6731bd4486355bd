"""The TRANSACTION state of a server session: what a client may do with its maildrop (RFC 1939 §5, §7).

Messages are only marked here; after QUIT the driver of the session removes the marked ones.  The driver
provides a `Maildrop`: sizes, unique-ids and octets by message-number.  Some sizes may not be known until
the messages are read: a command that needs all of them `needs_sizes`, and the session has them counted
first.
"""

from __future__ import annotations

from typing import Protocol

from poptalk.pop3.server.quirks import DeleAgain, Last
from poptalk.pop3.server.texts import Occasion, header_is_utf8, peek, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from poptalk.pop3.commands import Command
    from poptalk.pop3.server.replies import ServerConversation
    from poptalk.pop3.server.texts import Field


class MessageUnavailable(OSError):
    """A message can't be read: another program removed or changed it, or the disk fails.

    RFC 1939 doesn't mention this.  Raised before the answer, it makes it a negative one; raised while
    the octets are sent, it means that the connection must be closed.
    """


class Maildrop(Protocol):
    """The messages of one session, numbered from 1; they don't change while it lasts (RFC 1939 §4).

    All but `count`, `octets_in_all` and `has_dot_lines` may raise `MessageUnavailable`.
    """

    @property
    def count(self) -> int:
        """How many messages there are."""

    def octets(self, number: int) -> int:
        """Return the size of a message in octets, each line end counted as two (RFC 1939 §11)."""

    def octets_in_all(self) -> int | None:
        """Return the size of all messages together; None while some haven't been counted.

        Counting takes time, because the messages must be read.
        """

    def unique_id(self, number: int) -> bytes:
        """Return the unique-id of a message: 1 to 70 octets from 0x21 to 0x7E (RFC 1939 §7)."""

    def chunks(self, number: int) -> Iterable[bytes]:
        """Return the octets of a message, lines ending in CRLF, in pieces of any size.

        There are as many as `octets` says, or `MessageUnavailable` is raised after the last one.
        """

    def has_dot_lines(self, number: int) -> bool:
        """Return whether a line of the message begins with a dot; True also if that isn't known."""


def top(chunks: Iterable[bytes], lines: int) -> Iterator[bytes]:
    """Return the beginning of a message, as TOP does (RFC 1939 §7).

    Args:
        chunks: the octets of the message, cut anywhere.
        lines: how many lines of the body to return; 0 for none.

    Returns:
        The header, the empty line and that many lines, in pieces.
    """
    pieces = iter(chunks)
    # The empty line may be the first line, in a message without a header.
    before = b"\r\n"
    for chunk in pieces:
        seam = len(before)
        end = (before + chunk).find(b"\r\n\r\n")
        if end < 0:
            yield chunk
            before = (before + chunk)[-3:]
            continue
        body = end + 4 - seam
        yield chunk[:body]
        yield from _first_lines(chunk[body:], pieces, lines)
        return


def _first_lines(chunk: bytes, rest: Iterator[bytes], lines: int) -> Iterator[bytes]:
    """Return that many lines of `chunk` and what follows it."""
    while lines > 0:
        ends = chunk.count(b"\n")
        if ends >= lines:
            yield chunk[: len(chunk) - len(chunk.split(b"\n", lines)[-1])]
            return
        lines -= ends
        yield chunk
        following = next(rest, None)
        if following is None:
            return
        chunk = following


LISTING_LINES = 1_000
"""Lines of LIST and UIDL that are made at once: 10 KB or so, whatever the size of the maildrop."""

_TELLING_ALL_OCTETS: Mapping[bytes, tuple[Occasion, ...]] = {
    b"UIDL": (Occasion.UNIQUE_IDS_FOLLOW, Occasion.NO_SUCH_MESSAGE),
    b"RSET": (Occasion.MARKS_TAKEN_BACK,),
    b"QUIT": (Occasion.FAREWELL, Occasion.FAREWELL_AFTER_DELETION),
}
"""The texts that may state the octets of all messages, by command; for others see `needs_sizes`."""


class Transaction:
    """A session after the login.

    Args:
        conversation: sends the replies.
        maildrop: that of the session.

    Attributes:
        deleted: the message-numbers that are marked.
    """

    __slots__ = (
        *("_conversation", "_gone", "_highest", "_maildrop", "_octets_counted", "_sizes_asked_for"),
        "deleted",
    )

    def __init__(self, conversation: ServerConversation, maildrop: Maildrop) -> None:
        self.deleted: set[int] = set()
        self._conversation = conversation
        self._maildrop = maildrop
        self._highest = 0
        """The highest message-number that was retrieved, for LAST (RFC 1460 §5)."""
        self._gone: set[int] = set()
        """Messages that another program removed before their size was known; they aren't listed."""
        self._octets_counted: int | None = None
        """Octets of the messages that aren't marked; None until needed, see `octets_left`."""
        self._sizes_asked_for = False

    # Counting.

    def fields(self) -> dict[str, Field]:
        """Return what a text may say about the maildrop; each is called only if the text does."""
        return {
            "count": self.count_left,
            "messages": lambda: _messages(self.count_left()),
            "octets": self.octets_left,
        }

    def count_left(self) -> int:
        """Return how many messages aren't marked."""
        gone = len(self.deleted | self._gone) if self.deleted or self._gone else 0
        return self._maildrop.count - gone

    def octets_left(self) -> int:
        """Return the octets of the messages that aren't marked.

        They are counted when a reply first needs them, since that may mean reading every message.
        """
        if self._octets_counted is None:
            self._octets_counted = self._count_octets()
        return self._octets_counted

    def _count_octets(self) -> int:
        in_all = self._maildrop.octets_in_all()
        if in_all is not None:
            return in_all - sum(map(self._octets, self.deleted))
        numbers = range(1, self._maildrop.count + 1)
        return sum(self._octets(number) for number in numbers if number not in self.deleted)

    def _octets(self, number: int) -> int:
        """Return the size of a message; 0 if it is gone."""
        try:
            return self._maildrop.octets(number)
        except MessageUnavailable:
            self._gone.add(number)
            return 0

    def needs_sizes(self, command: Command) -> bool:
        """Return whether a command has to wait until the sizes of all messages are counted.

        They are counted only once: a message that can't be read then is left out.
        """
        needed = not self._sizes_asked_for and self._tells_all_sizes(command)
        return needed and self._sizes_missing()

    def needs_sizes_for(self, occasion: Occasion) -> bool:
        """Return whether a text has to wait for that."""
        return self._conversation.texts.mentions(occasion, "octets") and self._sizes_missing()

    def _sizes_missing(self) -> bool:
        self._sizes_asked_for = True
        return self._maildrop.octets_in_all() is None

    def _tells_all_sizes(self, command: Command) -> bool:
        if command.keyword == b"STAT" or (command.keyword == b"LIST" and not command.arguments):
            return True
        # The answer to any other command may say how many messages there are, if it is about none.
        occasions = _TELLING_ALL_OCTETS.get(command.keyword, (Occasion.NO_SUCH_MESSAGE,))
        texts = self._conversation.texts
        return any(texts.mentions(occasion, "octets") for occasion in occasions)

    # STAT, LIST and UIDL.

    def on_stat(self, _command: Command) -> None:
        """Say how many messages and octets there are."""
        # Counting octets may show that messages are gone, so it comes first.
        octets = self.octets_left()
        self._conversation.reply_with_data(b"%d %d" % (self.count_left(), octets))

    def on_list(self, command: Command) -> None:
        """List sizes."""
        octets = self._maildrop.octets
        self._list_by(command, Occasion.LISTING_FOLLOWS, lambda number: b"%d" % octets(number))

    def on_uidl(self, command: Command) -> None:
        """List unique-ids."""
        self._list_by(command, Occasion.UNIQUE_IDS_FOLLOW, self._maildrop.unique_id)

    def _list_by(self, command: Command, occasion: Occasion, field: Callable[[int], bytes]) -> None:
        """Answer LIST or UIDL: a field of one message, or of all that aren't marked."""
        if not command.arguments:
            self._conversation.reply(occasion, **self.fields())
            self._conversation.send_body(self._listing(field))
        elif (number := self._message(command)) is not None:
            self._conversation.reply_with_data(b"%d %b" % (number, field(number)))

    def _listing(self, field: Callable[[int], bytes]) -> Iterator[bytes]:
        count, deleted, gone = self._maildrop.count, self.deleted, self._gone
        for first in range(1, count + 1, LISTING_LINES):
            numbers: Iterable[int] = range(first, min(first + LISTING_LINES, count + 1))
            if deleted or gone:
                numbers = [n for n in numbers if n not in deleted and n not in gone]
            try:
                yield b"".join([b"%d %b\r\n" % (number, field(number)) for number in numbers])
            except MessageUnavailable:
                yield b"".join([self._listed(number, field) for number in numbers])

    def _listed(self, number: int, field: Callable[[int], bytes]) -> bytes:
        """Return the line of a message; nothing if it is gone."""
        try:
            return b"%d %b\r\n" % (number, field(number))
        except MessageUnavailable:
            self._gone.add(number)
            return b""

    # RETR and TOP.

    def on_retr(self, command: Command) -> None:
        """Send a message."""
        number = self._message(command)
        if number is None:
            return
        octets = self._maildrop.octets(number)
        # This comes before the answer, which is a negative one if the message can't be read.
        chunks = self._permitted_chunks(number)
        if chunks is None:
            return
        self._highest = max(self._highest, number)
        self._conversation.reply(Occasion.MESSAGE_FOLLOWS, number=number, octets=octets)
        self._send_message(number, chunks)

    def on_top(self, command: Command) -> None:
        """Send the beginning of a message."""
        session = self._conversation
        lines = session.quirks.number(command, 1)
        if lines is None and command.verb is not None:
            argument = shown(command.arguments[1])
            session.complain(Occasion.NO_LINE_COUNT, syntax=command.verb.syntax, argument=argument)
            return
        number = self._message(command)
        if number is None or lines is None:
            return
        chunks = self._permitted_chunks(number)
        if chunks is None:
            return
        session.reply(Occasion.TOP_FOLLOWS, number=number, lines=lines)
        self._send_message(number, top(chunks, lines))

    def _message(self, command: Command) -> int | None:
        """Return the message-number of a command; if it isn't valid, refuse the command."""
        session = self._conversation
        number = session.quirks.number(command)
        count = self._maildrop.count
        if number is None and command.verb is not None:
            argument = shown(command.arguments[0])
            session.complain(Occasion.NO_NUMBER, syntax=command.verb.syntax, argument=argument)
        elif number in self.deleted:
            session.complain(Occasion.MESSAGE_DELETED, number=number)
        elif number in self._gone:
            session.complain(Occasion.MESSAGE_UNAVAILABLE)
        elif number is not None and 1 <= number <= count:
            return number
        elif not count:
            session.complain(Occasion.MAILDROP_EMPTY, number=number or 0)
        else:
            there = {"messages": _messages(count), "count": str(count)}
            session.complain(
                Occasion.NO_SUCH_MESSAGE, number=number or 0, octets=self.octets_left, **there
            )
        return None

    def _permitted_chunks(self, number: int) -> Iterable[bytes] | None:
        """Return the octets of a message; refuse one that needs UTF-8 mode (RFC 6856 §2.1).

        LIST is answered all the same, since a size does no harm.  A server that doesn't offer UTF8 is
        older than UTF8, and sends what it has.
        """
        chunks = self._maildrop.chunks(number)
        session = self._conversation
        if session.utf8 or b"UTF8" not in session.offered:
            return chunks
        beginning, chunks = peek(chunks)
        if not header_is_utf8(beginning):
            return chunks
        session.complain(Occasion.UTF8_NEEDED, number=number)
        return None

    def _send_message(self, number: int, chunks: Iterable[bytes]) -> None:
        self._conversation.send_body(chunks, dot_lines=self._maildrop.has_dot_lines(number))

    # Marks.

    def on_dele(self, command: Command) -> None:
        """Mark a message."""
        session = self._conversation
        number = session.quirks.number(command)
        if number in self.deleted and session.quirks.dele_again is DeleAgain.ACCEPTED:
            session.reply(Occasion.MESSAGE_MARKED, number=number)
            return
        number = self._message(command)
        if number is None:
            return
        if self._octets_counted is not None:
            self._octets_counted -= self._octets(number)
        self.deleted.add(number)
        session.reply(Occasion.MESSAGE_MARKED, number=number)

    def on_rset(self, _command: Command) -> None:
        """Take all marks back."""
        if self._octets_counted is not None:
            self._octets_counted += sum(map(self._octets, self.deleted))
        self.deleted.clear()
        self._highest = 0
        self._conversation.reply(Occasion.MARKS_TAKEN_BACK, **self.fields())

    def on_last(self, _command: Command) -> None:
        """Say the highest message-number that was retrieved."""
        highest = self._conversation.quirks.last is Last.HIGHEST
        self._conversation.reply_with_data(b"%d" % (self._highest if highest else 0))

    def on_noop(self, _command: Command) -> None:
        """Do nothing."""
        self._conversation.reply(Occasion.NOTHING_DONE)

    # The end.

    def say_farewell(self) -> None:
        """Answer QUIT."""
        count = self.count_left()
        left = f"{_messages(count)} left" if count else "maildrop empty"
        deleted = bool(self.deleted)
        occasion = Occasion.FAREWELL_AFTER_DELETION if deleted else Occasion.FAREWELL
        self._conversation.reply(occasion, left=left, **self.fields())


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count} messages"
