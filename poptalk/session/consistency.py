"""Compares a reply with earlier ones: the rules that need two replies.

LIST has the size of a message that RETR then sends, STAT counts what LIST lists, a message that is
marked as deleted is in neither, and TOP begins as RETR does.  `Consistency.look` takes each complete
reply and returns its contradictions.  The shell shows them below the reply, and `poptalk check` makes
verdicts of them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

from poptalk.pop3.capabilities import Change, compare_capabilities
from poptalk.pop3.commands import Command
from poptalk.pop3.events import Violation, ViolationKind
from poptalk.pop3.explain import faults_of_answer
from poptalk.pop3.replies import Status
from poptalk.session.exchanges import (
    MOST_LINES_EXPLAINED,
    SHORT_OCTETS,
    Exchanges,
    StoredReply,
    number_of,
    totals_of,
)

MOST_MESSAGES_KEPT = 16
"""Messages of up to `SHORT_OCTETS` octets that are kept for comparison."""

Rows = dict[int, bytes]
"""What a listing has for each message-number."""


class Consistency:
    """What earlier replies of a session have said, to compare the next one with.

    Args:
        exchanges: of the session.  Call `begin` for each connection, and `look` for each reply.
    """

    def __init__(self, exchanges: Exchanges) -> None:
        self._exchanges = exchanges
        self._before: tuple[object, Rows, Rows] | None = None
        """Whose mailbox an earlier connection had, its sizes and its unique-ids."""
        self._where = ""
        self._user: str | None = None
        self._forget()

    def begin(self, where: str) -> None:
        """Take note of a new connection.

        Args:
            where: the server.
        """
        if self._sizes and self._ids:
            self._before = (self._where, self._user), self._sizes, self._ids
        self._where = where
        self._forget()

    def _forget(self) -> None:
        self._sizes: Rows | None = None
        """The rows of LIST, including messages that were marked since."""
        self._ids: Rows | None = None
        self._count: int | None = None
        """What STAT counted, plus the messages that were marked then."""
        self._marked: set[int] = set()
        self._messages: dict[int, bytes] = {}

    def look(self, reply: StoredReply) -> list[Violation]:
        """Return what is wrong with a complete reply, and note its contradictions in the reply."""
        exchange = reply.exchange
        if exchange is None or not reply.complete:
            return []
        command, found = exchange.command, []
        if not reply.is_message:
            core = self._exchanges.core
            highest = core.highest if core is not None else None
            rows = reply.listing(most=MOST_LINES_EXPLAINED) if reply.multi_line else ()
            faults = list(faults_of_answer(command, reply.status_line, rows, highest=highest))
            if faults:
                more = len(faults) - _MOST_FAULTS
                told = "; ".join(faults[:_MOST_FAULTS]) + (f"; {more:,} more" if more > 0 else "")
                found.append(Violation(kind=ViolationKind.MALFORMED_ANSWER, detail=told))
        rule = _RULES.get(command.keyword)
        if rule is not None and reply.status_line.status is Status.OK:
            reply.contradictions = tuple(rule(self, command, reply))
            found += reply.contradictions
        return found

    # One rule for each command: what its positive reply must agree with.

    def _stat(self, _command: Command, reply: StoredReply) -> Iterator[Violation]:
        count, octets = totals_of(reply.status_line)
        if count is None:
            return
        if self._sizes is not None:
            yield from self._against_rows(count, octets, self._sizes)
            self._count = len(self._sizes)
            return
        if self._count is not None and count != self._count - len(self._marked):
            kind = (
                ViolationKind.MARKED_COUNTED
                if count == self._count and self._marked
                else ViolationKind.COUNTS_DIFFER
            )
            yield _violation(kind, f"{count} now, {self._count} before, {len(self._marked)} marked")
            return
        self._count = count + len(self._marked)

    def _against_rows(self, count: int, octets: int | None, rows: Rows) -> Iterator[Violation]:
        left = {number: size for number, size in rows.items() if number not in self._marked}
        if count == len(rows) != len(left):
            yield _violation(ViolationKind.MARKED_COUNTED, f"STAT counts {count}")
            return
        if count != len(left):
            detail = f"STAT counts {count} messages, LIST has {len(left)}"
            yield _violation(ViolationKind.COUNTS_DIFFER, detail)
            return
        sizes = [number_of(size) for size in left.values()]
        total = sum(size for size in sizes if size is not None)
        if octets is not None and None not in sizes and octets != total:
            detail = f"STAT has {octets:,} octets, the lines of LIST add up to {total:,}"
            yield _violation(ViolationKind.TOTALS_DIFFER, detail)

    def _list(self, command: Command, reply: StoredReply) -> Iterator[Violation]:
        if not command.multi_line:
            yield from self._one(command, reply, self._sizes)
            return
        rows = yield from self._rows(reply)
        if rows is None:
            return
        if self._count is not None and not self._marked and len(rows) != self._count:
            detail = f"STAT counts {self._count} messages, LIST has {len(rows)}"
            yield _violation(ViolationKind.COUNTS_DIFFER, detail)
        yield from self._same_messages(rows, self._ids)
        self._sizes = rows

    def _uidl(self, command: Command, reply: StoredReply) -> Iterator[Violation]:
        if not command.multi_line:
            yield from self._one(command, reply, self._ids)
            return
        rows = yield from self._rows(reply)
        if rows is None:
            return
        yield from self._same_messages(self._sizes, rows)
        self._ids = rows
        core = self._exchanges.core
        self._user = core.user if core is not None else None
        if self._before is not None and self._sizes is not None:
            whose, sizes, ids = self._before
            same = whose == (self._where, self._user) and sizes == self._sizes
            changed = [number for number in rows if ids.get(number) != rows[number]]
            if same and changed:
                detail = f"of {len(changed)} of {len(rows)} messages"
                yield _violation(ViolationKind.IDS_CHANGE, detail)

    def _rows(self, reply: StoredReply) -> Generator[Violation, None, Rows | None]:
        """Read the rows of a listing; None if they cannot be compared."""
        lines = list(reply.listing(most=MOST_LINES_EXPLAINED + 1))
        pairs = [line.split() for line in lines]
        numbers = [number_of(words[0]) if words else None for words in pairs]
        if len(lines) > MOST_LINES_EXPLAINED or reply.lost or None in numbers:
            return None
        rows = {
            number: words[1] if words[1:] else b""
            for number, words in zip(numbers, pairs, strict=True)
            if number is not None
        }
        listed = sorted(self._marked & rows.keys())
        if listed:
            yield _violation(ViolationKind.MARKED_COUNTED, f"message {listed[0]} is listed")
        whole = sorted(rows.keys() | self._marked)
        if len(rows) != len(lines) or (whole and whole != [*range(1, len(whole) + 1)]):
            yield _violation(ViolationKind.NUMBERS_SKIP, f"{len(lines)} lines")
        return rows

    def _same_messages(self, sizes: Rows | None, ids: Rows | None) -> Iterator[Violation]:
        if sizes is None or ids is None:
            return
        different = sorted((sizes.keys() ^ ids.keys()) - self._marked)
        if different:
            which = "LIST" if different[0] in sizes else "UIDL"
            detail = f"message {different[0]} is in {which} only"
            yield _violation(ViolationKind.LISTINGS_DIFFER, detail)

    def _one(self, command: Command, reply: StoredReply, rows: Rows | None) -> Iterator[Violation]:
        number, words = command.number(), reply.status_line.words
        yield from self._served(number)
        # An answer about another message than the one asked for is malformed, and reported as that.
        if rows is None or number not in rows or len(words) < 2 or number_of(words[0]) != number:
            return
        if rows is self._sizes and None in (number_of(words[1]), number_of(rows[number])):
            return
        if words[1] != rows[number] and number not in self._marked:
            yield _violation(ViolationKind.ROW_DIFFERS, f"message {number}")

    def _retr(self, command: Command, reply: StoredReply) -> Iterator[Violation]:
        number = command.number()
        yield from self._served(number)
        if number is None or reply.lost or reply.octets_left_out:
            return
        content = [*reply.content()]
        octets = sum(map(len, content))
        size = number_of((self._sizes or {}).get(number, b""))
        if size is not None and size != octets:
            yield _violation(ViolationKind.SIZE_DIFFERS, _size_detail(number, size, octets))
        if octets > SHORT_OCTETS:
            return
        message = b"".join(content)
        if self._messages.get(number, message) != message:
            yield _violation(ViolationKind.MESSAGE_CHANGES, f"message {number}")
            del self._messages[number]  # TOP may begin either of them.
        elif len(self._messages) < MOST_MESSAGES_KEPT:
            self._messages[number] = message

    def _top(self, command: Command, reply: StoredReply) -> Iterator[Violation]:
        number = command.number()
        yield from self._served(number)
        asked = number_of(command.arguments[1]) if len(command.arguments) > 1 else None
        if number is None or asked is None or reply.octets > SHORT_OCTETS or reply.lost:
            return
        top = b"".join(reply.content())
        given = len(_body_lines(top))
        if given > asked:
            detail = f"{given} lines of the body of message {number}, and not {asked}"
            yield _violation(ViolationKind.TOP_TOO_LONG, detail)
            return
        message = self._messages.get(number)
        if message is None:
            return
        due = min(asked, len(_body_lines(message)))
        # Some servers leave out the empty line after the header if no line of the body follows.
        if not message.startswith(top.removesuffix(b"\r\n")) or given < due:
            pairs = zip(top.split(b"\n")[:-1], message.split(b"\n"), strict=False)
            different = next((at for at, (one, other) in enumerate(pairs, 1) if one != other), 0)
            where = f"line {different} is another" if different else "the end is missing"
            yield _violation(ViolationKind.TOP_DIFFERS, f"message {number}: {where}")

    def _dele(self, command: Command, _reply: StoredReply) -> Iterator[Violation]:
        number, core = command.number(), self._exchanges.core
        yield from self._served(number)
        if number is not None and core is not None and number in core.marked:
            self._marked.add(number)

    def _rset(self, _command: Command, _reply: StoredReply) -> Iterator[Violation]:
        # A listing from in between has no rows for the messages that are unmarked now.
        if not self._marked <= (self._sizes or {}).keys():
            self._sizes = None
        if not self._marked <= (self._ids or {}).keys():
            self._ids = None
        self._marked.clear()
        yield from ()

    def _capa(self, _command: Command, _reply: StoredReply) -> Iterator[Violation]:
        *earlier, now = self._exchanges.facts.capability_answers
        for before in reversed(earlier):
            if before.lines is not None and now.lines is not None:
                lost = [
                    f"{each.tag.decode('ascii', 'replace')} {_CHANGES[each.difference]}"
                    for each in compare_capabilities(before, now)
                    if each.odd
                ]
                if lost:
                    detail = f"{before.moment}: {', '.join(lost)}"
                    yield _violation(ViolationKind.CAPABILITIES_DIFFER, detail)
                return

    def _served(self, number: int | None) -> Iterator[Violation]:
        if number in self._marked:
            yield _violation(ViolationKind.MARKED_SERVED, f"message {number}")


_MOST_FAULTS = 5
"""Faults of one answer that are named; the others are counted."""

_CHANGES = {
    Change.CAME: "has come",
    Change.WENT: "is missing",
    Change.CHANGED: "has changed",
    Change.STAYED: "is still there",
}

_RULES: dict[bytes, Callable[[Consistency, Command, StoredReply], Iterator[Violation]]] = {
    b"STAT": Consistency._stat,
    b"LIST": Consistency._list,
    b"UIDL": Consistency._uidl,
    b"RETR": Consistency._retr,
    b"TOP": Consistency._top,
    b"DELE": Consistency._dele,
    b"RSET": Consistency._rset,
    b"CAPA": Consistency._capa,
}


def _violation(kind: ViolationKind, detail: str) -> Violation:
    return Violation(kind=kind, detail=detail)


def _size_detail(number: int, size: int, octets: int) -> str:
    detail = f"message {number}: {size:,} octets announced, {octets:,} came"
    if octets - size == len(FINAL_LINE_END):
        return f"{detail}; {_ONLY_LINE_END}"
    return detail


_ONLY_LINE_END = "perhaps only its final line end was not counted"
FINAL_LINE_END = b"\r\n"
"""What a server adds to a message that lacks it, because the lone dot needs it; it may not have counted
it."""


def _body_lines(message: bytes) -> list[bytes]:
    """Return the lines after the empty line that ends the header."""
    lines = message.split(b"\n")
    for at, line in enumerate(lines):
        if line in (b"", b"\r"):
            body = lines[at + 1 :]
            return body if body and body[-1] else body[:-1]
    return []


def only_final_line_end(violation: Violation) -> bool:
    """Tell whether a size may differ only by the line end that the lone dot needs before it."""
    return violation.detail.endswith(_ONLY_LINE_END)
