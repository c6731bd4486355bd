"""Comparing two surveys: count, order, sizes, unique-ids, and the messages themselves."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from operator import attrgetter

from poptalk.diff.fetch import Message, Survey
from poptalk.pop3.commands import MAX_UNIQUE_ID_OCTETS
from poptalk.terminal.safe import Fragments, cells, harmless, wrap

MOST_EXAMPLES = 3
"""Messages that a verdict names: enough to look at, and short enough for a line."""


_Key = Callable[[Message], bytes | None]
"""Returns what a message is recognised by; None if it doesn't have that."""


class Outcome(Enum):
    """The result of a comparison; the values are words for people."""

    SAME = "same"
    DIFFERS = "differs"
    UNKNOWN = "cannot tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A row of the table."""

    subject: str
    outcome: Outcome
    left: str
    right: str
    details: tuple[str, ...] = ()
    """What people should look at, a sentence each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A message on both servers."""

    left: Message
    right: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """Which messages are the same."""

    pairs: tuple[Pair, ...]
    by: str
    """How they were recognised, in words."""
    only_left: tuple[Message, ...]
    only_right: tuple[Message, ...]


def _outcome(*, differs: bool, known: bool) -> Outcome:
    return Outcome.DIFFERS if differs else Outcome.SAME if known else Outcome.UNKNOWN


def compare(left: Survey, right: Survey) -> Iterator[Verdict]:
    """Compare two views of one mailbox.

    Args:
        left: the first server's; in a migration, the old one's.
        right: the second server's.
    """
    pairing = pair_up(left, right)
    yield _count(left, right)
    yield _legality(left, right)
    yield _unique_ids(left, right)
    yield _order(pairing)
    yield _sizes(left, right, pairing)
    if any(message.digests for message in (*left.messages, *right.messages)):
        yield _truth(left, right)
        yield _content(left, right, pairing)


def pair_up(left: Survey, right: Survey) -> Pairing:
    """Recognise the messages of one survey in the other.

    They are recognised by unique-id, and the rest by content if it was fetched.  If neither finds any,
    the place in the list is all there is to go by.
    """
    pairs: list[Pair] = []
    rest = (left.messages, right.messages)
    used: list[str] = []
    for by, key in (("unique-id", attrgetter("unique_id")), ("content", _body_of)):
        found = _pair_by(*rest, key=key)
        if found:
            used.append(by)
            pairs += found
            rest = (_without(rest[0], found), _without(rest[1], found))
    if not pairs and not all(each.digests for each in (*left.messages, *right.messages)):
        pairs = [Pair(left=a, right=b) for a, b in zip(*rest, strict=False)]
        used.append("place in the list")
        rest = (rest[0][len(pairs) :], rest[1][len(pairs) :])
    places = {id(message): place for place, message in enumerate(left.messages)}
    pairs.sort(key=lambda pair: places[id(pair.left)])
    by = " and ".join(used) or "content"
    return Pairing(pairs=tuple(pairs), by=by, only_left=rest[0], only_right=rest[1])


def _body_of(message: Message) -> bytes | None:
    return None if message.digests is None else message.digests.body


def _pair_by(left: Sequence[Message], right: Sequence[Message], *, key: _Key) -> list[Pair]:
    """Pair messages with the same key; if several have one key, in their order."""
    waiting: dict[bytes | None, deque[Message]] = {}
    for message in right:
        waiting.setdefault(key(message), deque()).append(message)
    return [
        Pair(left=message, right=found.popleft())
        for message in left
        if key(message) is not None and (found := waiting.get(key(message)))
    ]


def _without(messages: Sequence[Message], pairs: Iterable[Pair]) -> tuple[Message, ...]:
    paired = {id(message) for pair in pairs for message in (pair.left, pair.right)}
    return tuple(message for message in messages if id(message) not in paired)


def _count(left: Survey, right: Survey) -> Verdict:
    details = [
        f"{survey.place}: STAT counts {survey.count:,}, LIST has {len(survey.messages):,} lines"
        for survey in (left, right)
        if survey.count not in (None, len(survey.messages))
    ]
    same = len(left.messages) == len(right.messages)
    return Verdict(
        subject="messages",
        outcome=Outcome.SAME if same and not details else Outcome.DIFFERS,
        left=f"{len(left.messages):,}",
        right=f"{len(right.messages):,}",
        details=tuple(details),
    )


def _legality(left: Survey, right: Survey) -> Verdict:
    details = [*_illegal(left), *_illegal(right)]
    known = left.has_unique_ids and right.has_unique_ids
    return Verdict(
        subject="unique-ids are legal",
        outcome=_outcome(differs=bool(details), known=known),
        left=_legal_in_words(left),
        right=_legal_in_words(right),
        details=tuple(details),
    )


def _legal_in_words(survey: Survey) -> str:
    if not survey.has_unique_ids:
        return "no UIDL"
    return "no" if any(_illegal(survey)) else "yes"


def _illegal(survey: Survey) -> Iterator[str]:
    """Find unique-ids that RFC 1939 §7 forbids."""
    for message in survey.messages:
        unique_id = message.unique_id
        if unique_id is None:
            if survey.has_unique_ids:
                yield f"{survey.place}: message {message.number} has no unique-id"
        elif not 0 < len(unique_id) <= MAX_UNIQUE_ID_OCTETS:
            yield (
                f"{survey.place}: the unique-id of message {message.number} has {len(unique_id)} "
                f"octets; 1 to {MAX_UNIQUE_ID_OCTETS} are allowed (RFC 1939 §7)"
            )
        elif not all(0x21 <= octet <= 0x7E for octet in unique_id):
            yield (
                f"{survey.place}: the unique-id of message {message.number} holds octets that are "
                "not allowed (RFC 1939 §7)"
            )
    for unique_id, times in Counter(survey.unique_ids()).items():
        if times > 1:
            numbers = [each.number for each in survey.messages if each.unique_id == unique_id]
            yield (
                f"{survey.place}: messages {_numbers(numbers)} have the same unique-id, which is "
                "allowed for identical messages alone (RFC 1939 §7)"
            )


def _unique_ids(left: Survey, right: Survey) -> Verdict:
    old, new = set(left.unique_ids()), set(right.unique_ids())
    if not left.has_unique_ids or not right.has_unique_ids:
        sides = [
            f"{len(s.unique_ids()):,}" if s.has_unique_ids else "no UIDL" for s in (left, right)
        ]
        return Verdict(
            subject="set of unique-ids", outcome=Outcome.UNKNOWN, left=sides[0], right=sides[1]
        )
    again = "every client that keeps mail on the server will fetch what is new to it again"
    return Verdict(
        subject="set of unique-ids",
        outcome=Outcome.SAME if old == new else Outcome.DIFFERS,
        left=f"{len(old - new):,} only here" if old - new else f"{len(old):,}",
        right=f"{len(new - old):,} only here" if new - old else f"{len(new):,}",
        details=(again,) if new - old else (),
    )


def _order(pairing: Pairing) -> Verdict:
    by_right = sorted(pairing.pairs, key=lambda pair: pair.right.number)
    moved = [
        pair
        for pair, expected in zip(pairing.pairs, by_right, strict=True)
        if pair.right.number != expected.right.number
    ]
    outcome = Outcome.DIFFERS if moved else Outcome.SAME
    if pairing.by == "place in the list" or not pairing.pairs:
        outcome = Outcome.UNKNOWN
    unpaired = bool(pairing.only_left or pairing.only_right)
    compared = f"{len(pairing.pairs):,} compared, " if pairing.pairs and unpaired else ""
    details = [f"message {pair.left.number} has become {pair.right.number}" for pair in moved]
    return Verdict(
        subject="order",
        outcome=outcome,
        left=f"{compared}by {pairing.by}",
        right=f"{len(moved):,} elsewhere" if moved else "",
        details=_shortened(details),
    )


def _sizes(left: Survey, right: Survey, pairing: Pairing) -> Verdict:
    """Compare the sizes of paired messages, and those of the others taken together."""
    other = [
        f"message {pair.left.number}: {_octets(pair.left)} and {_octets(pair.right)} octets"
        for pair in pairing.pairs
        if pair.left.octets != pair.right.octets
    ]
    rest = [
        Counter(each.octets for each in only) for only in (pairing.only_left, pairing.only_right)
    ]
    unread = any(each.octets is None for each in (*left.messages, *right.messages))
    unpaired = [*_unpaired(left, right, pairing)]
    return Verdict(
        subject="sizes",
        outcome=_outcome(
            differs=bool(other) or (all(rest) and rest[0] != rest[1]),
            known=not unpaired and not unread,
        ),
        left=_total(left),
        right=_total(right),
        details=(
            *_shortened(other),
            *(f"{each}, so its size was not compared" for each in unpaired),
        ),
    )


def _unpaired(left: Survey, right: Survey, pairing: Pairing) -> Iterator[str]:
    """Name the messages that were found on only one server."""
    sides = (
        (left.place, pairing.only_left, right.place),
        (right.place, pairing.only_right, left.place),
    )
    for place, only, other in sides:
        if only:
            numbers = _numbers([each.number for each in only])
            yield f"{place}: no message on {other} is recognised as message {numbers}"


def _truth(left: Survey, right: Survey) -> Verdict:
    """Compare the sizes in LIST with those of the messages that came (RFC 1939 §11)."""
    wrong = {
        survey.place: [
            each
            for each in survey.messages
            if each.digests is not None and each.digests.octets not in (None, each.octets)
        ]
        for survey in (left, right)
    }
    details = [
        f"{place}: LIST says {_octets(each)} octets of message {each.number}, and "
        f"{each.digests.octets:,} came"
        for place, messages in wrong.items()
        for each in messages[:MOST_EXAMPLES]
        if each.digests is not None
    ]
    all_fetched = all(each.digests for each in (*left.messages, *right.messages))
    return Verdict(
        subject="sizes are true",
        outcome=_outcome(differs=bool(details), known=all_fetched),
        left=_wrong_in_words(wrong[left.place]),
        right=_wrong_in_words(wrong[right.place]),
        details=tuple(details),
    )


def _wrong_in_words(messages: Sequence[Message]) -> str:
    return f"{len(messages):,} wrong" if messages else "yes"


def _content(left: Survey, right: Survey, pairing: Pairing) -> Verdict:
    """Compare the messages themselves; one without a counterpart is a difference too."""
    bodies, headers, unread = [], [], []
    refused = 0
    for pair in pairing.pairs:
        mine, theirs = pair.left.digests, pair.right.digests
        if mine is None or theirs is None:
            unread.append(pair)
            refused += (mine is None) is not (theirs is None)
        elif mine.body != theirs.body:
            bodies.append(pair)
        elif mine.header != theirs.header:
            headers.append(pair)
    unpaired = [*_unpaired(left, right, pairing)]
    details = [*_named("the body of", bodies), *_named("only the header of", headers), *unpaired]
    if unread:
        numbers = _numbers([pair.left.number for pair in unread])
        details.append(f"message {numbers} did not come from both servers, so it was not compared")
    differs = bool(bodies or headers or unpaired or refused)
    compared = len(pairing.pairs) - len(unread)
    return Verdict(
        subject="content",
        outcome=_outcome(differs=differs, known=not unread),
        left=f"{compared:,} compared",
        right=_differing(
            body=len(bodies),
            header=len(headers),
            unmatched=len(pairing.only_left) + len(pairing.only_right),
            unread=len(unread),
        ),
        details=tuple(details),
    )


def _differing(*, body: int, header: int, unmatched: int, unread: int) -> str:
    """Say how many messages are not the same, and in what; empty if all are."""
    counts = (
        (body, "body" if body == 1 else "bodies"),
        (header, "header" if header == 1 else "headers"),
        (unmatched, "unmatched"),
        (unread, "unread"),
    )
    return ", ".join(f"{count:,} {what}" for count, what in counts if count)


def _named(what: str, pairs: Sequence[Pair]) -> Iterable[str]:
    if pairs:
        numbers = _numbers([pair.left.number for pair in pairs])
        yield f"{what} message {numbers} is not the same"


def _shortened(details: Sequence[str], most: int = MOST_EXAMPLES) -> tuple[str, ...]:
    """Keep the first of many sentences, and say how many more there are."""
    more = len(details) - most
    return (*details[:most], *([f"and {more:,} more"] if more > 0 else ()))


def _numbers(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:MOST_EXAMPLES]))
    more = len(numbers) - MOST_EXAMPLES
    return f"{shown} and {more:,} more" if more > 0 else shown


def _total(survey: Survey) -> str:
    return "?" if survey.octets is None else f"{survey.octets:,} octets"


def _octets(message: Message) -> str:
    return "?" if message.octets is None else f"{message.octets:,}"


# Verdicts on a screen: in a table if there is room for one, otherwise in a list.


LEAST_TABLE_COLUMNS = 72
"""With fewer, the columns would be narrower than their contents."""

MOST_COLUMNS = 100
"""Longer rows are hard to read, on however wide a terminal."""

_OUTCOME_CELLS = max(len(outcome.value) for outcome in Outcome)
_SUBJECT_CELLS = len("unique-ids are legal")
_INDENT = "  "

_STYLES = {Outcome.SAME: "done", Outcome.DIFFERS: "notyet", Outcome.UNKNOWN: "note"}


def table(
    verdicts: Sequence[Verdict], *, places: Sequence[str], columns: int
) -> Iterator[Fragments]:
    """Show verdicts.

    Args:
        verdicts: the rows.
        places: what the two servers are called.
        columns: cells in a row of the terminal.
    """
    room = min(columns, MOST_COLUMNS)
    if room >= LEAST_TABLE_COLUMNS:
        yield from _rows(verdicts, places, room)
    else:
        yield from _list(verdicts, places, room)


def _rows(verdicts: Sequence[Verdict], places: Sequence[str], room: int) -> Iterator[Fragments]:
    first = _OUTCOME_CELLS + 2
    width = (room - first - _SUBJECT_CELLS - 2 * len(_INDENT)) // 2
    head = [" " * (first + _SUBJECT_CELLS), *places]
    yield [("heading", _INDENT.join((head[0], head[1].ljust(width), head[2])).rstrip())]
    for verdict in verdicts:
        text = _INDENT.join(
            (verdict.subject.ljust(_SUBJECT_CELLS), verdict.left.ljust(width), verdict.right)
        )
        yield [
            (_STYLES[verdict.outcome], verdict.outcome.value.ljust(first)),
            ("text", text.rstrip()),
        ]
        yield from _paragraphs(verdict.details, room=room, indent=" " * first)


def _list(verdicts: Sequence[Verdict], places: Sequence[str], room: int) -> Iterator[Fragments]:
    for verdict in verdicts:
        yield [(_STYLES[verdict.outcome], verdict.outcome.value), ("text", f": {verdict.subject}")]
        sides = zip(places, (verdict.left, verdict.right), strict=True)
        values = [f"{place} {value}" for place, value in sides if value]
        yield from _paragraphs(values, room=room, indent=_INDENT)
        yield from _paragraphs(verdict.details, room=room, indent=_INDENT)


def _paragraphs(texts: Sequence[str], *, room: int, indent: str) -> Iterator[Fragments]:
    """Show sentences, beginning a row with each; of very many, only the first."""
    for text in _shortened(texts, 2 * MOST_EXAMPLES):
        words = harmless(text)
        rows = [words] if cells(words) <= room - len(indent) else wrap(words, room - len(indent))
        yield from ([("text", indent + row)] for row in rows)


def summary(verdicts: Sequence[Verdict]) -> str:
    """Sum the verdicts up in one sentence."""
    unknown = [each.subject for each in verdicts if each.outcome is Outcome.UNKNOWN]
    differing = [each.subject for each in verdicts if each.outcome is Outcome.DIFFERS]
    result = f"different: {', '.join(differing)}" if differing else "nothing differs"
    return f"{result}; nothing can be said of: {', '.join(unknown)}" if unknown else result


def as_json(
    verdicts: Sequence[Verdict], surveys: Mapping[str, Survey], *, where: Mapping[str, str]
) -> dict[str, object]:
    """Return the verdicts, and what they are about, for JSON.

    Args:
        verdicts: the rows.
        surveys: the two surveys, by the names of the servers.
        where: the addresses of the servers, by the same.
    """
    return {
        "same": not any(each.outcome is Outcome.DIFFERS for each in verdicts),
        "servers": {
            place: {
                "server": where[place],
                "messages": len(survey.messages),
                "octets": survey.octets,
                "remarks": list(survey.remarks),
            }
            for place, survey in surveys.items()
        },
        "verdicts": [
            {
                "subject": each.subject,
                "outcome": each.outcome.name.lower(),
                **dict(zip(surveys, (each.left, each.right), strict=True)),
                "details": list(each.details),
            }
            for each in verdicts
        ],
    }
