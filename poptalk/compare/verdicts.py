"""Comparing two surveys: count, order, sizes, unique-ids, and the messages themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from poptalk.compare.survey import Message, Survey

MOST_EXAMPLES = 3
"""Messages that a verdict names: enough to look at, and a line long."""

MAX_UNIQUE_ID_OCTETS = 70
"""RFC 1939 §7."""


_Key = Callable[[Message], bytes | None]
"""What messages are recognised by; None where a message has none."""


class Outcome(Enum):
    """What a comparison comes to; the values are words for people."""

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
    """What a person should look at, a sentence each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A message on both servers."""

    left: Message
    right: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """Which message is which."""

    pairs: tuple[Pair, ...]
    by: str
    """How they were recognised, in words."""
    only_left: tuple[Message, ...]
    only_right: tuple[Message, ...]


def compare(left: Survey, right: Survey) -> Iterator[Verdict]:
    """Compare two views of one mailbox.

    Args:
        left: the first server's, in a migration the old one.
        right: the second's.
    """
    pairing = pair_up(left, right)
    yield _count(left, right)
    yield _legality(left, right)
    yield _unique_ids(left, right)
    yield _order(pairing)
    yield _sizes(left, right, pairing)
    if any(message.digests for message in (*left.messages, *right.messages)):
        yield _truth(left, right)
        yield _content(pairing)


def pair_up(left: Survey, right: Survey) -> Pairing:
    """Recognise the messages of one survey in the other.

    By unique-id where both have the same, else by their content where it was fetched, else by their
    place in the list: that is all that is left.
    """
    if set(left.unique_ids()) & set(right.unique_ids()):
        return _pair_by(left, right, by="unique-id", key=lambda each: each.unique_id)
    if all(each.digests for each in (*left.messages, *right.messages)):
        return _pair_by(left, right, by="content", key=_body_of)
    pairs = tuple(
        Pair(left=mine, right=theirs)
        for mine, theirs in zip(left.messages, right.messages, strict=False)
    )
    return Pairing(
        pairs=pairs,
        by="place in the list",
        only_left=left.messages[len(pairs) :],
        only_right=right.messages[len(pairs) :],
    )


def _body_of(message: Message) -> bytes | None:
    return None if message.digests is None else message.digests.body


def _pair_by(left: Survey, right: Survey, *, by: str, key: _Key) -> Pairing:
    """Pair messages with the same key; of several with one key, in their order."""
    waiting: dict[bytes | None, list[Message]] = {}
    for message in right.messages:
        waiting.setdefault(key(message), []).append(message)
    pairs: list[Pair] = []
    only_left: list[Message] = []
    for message in left.messages:
        found = waiting.get(key(message)) if key(message) is not None else None
        if found:
            pairs.append(Pair(left=message, right=found.pop(0)))
        else:
            only_left.append(message)
    paired = {id(pair.right) for pair in pairs}
    return Pairing(
        pairs=tuple(pairs),
        by=by,
        only_left=tuple(only_left),
        only_right=tuple(each for each in right.messages if id(each) not in paired),
    )


def _count(left: Survey, right: Survey) -> Verdict:
    details = []
    for survey in (left, right):
        if survey.count is not None and survey.count != len(survey.messages):
            details.append(
                f"{survey.place}: STAT counts {survey.count:,}, LIST has "
                f"{len(survey.messages):,} lines"
            )
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
    known = left.has_unique_ids or right.has_unique_ids
    outcome = Outcome.DIFFERS if details else Outcome.SAME if known else Outcome.UNKNOWN
    return Verdict(
        subject="unique-ids are legal",
        outcome=outcome,
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
        outcome, details = Outcome.UNKNOWN, ["one of the servers has no UIDL"]
    elif old == new:
        outcome, details = Outcome.SAME, []
    else:
        outcome = Outcome.DIFFERS
        details = (
            ["every client that keeps mail on the server will fetch what is new to it again"]
            if new - old
            else []
        )
    return Verdict(
        subject="set of unique-ids",
        outcome=outcome,
        left=f"{len(old - new):,} only here" if old - new else f"{len(old):,}",
        right=f"{len(new - old):,} only here" if new - old else f"{len(new):,}",
        details=tuple(details),
    )


def _order(pairing: Pairing) -> Verdict:
    places = {id(pair.right): pair for pair in pairing.pairs}
    by_right = sorted(places.values(), key=lambda pair: pair.right.number)
    moved = [
        pair
        for pair, expected in zip(pairing.pairs, by_right, strict=True)
        if pair.right.number != expected.right.number
    ]
    outcome = Outcome.DIFFERS if moved else Outcome.SAME
    if pairing.by == "place in the list":
        outcome = Outcome.UNKNOWN
    return Verdict(
        subject="order",
        outcome=outcome,
        left=f"by {pairing.by}",
        right=f"{len(moved):,} elsewhere" if moved else "",
        details=(
            *(
                f"message {pair.left.number} has become {pair.right.number}"
                for pair in moved[:MOST_EXAMPLES]
            ),
            *_more(moved),
        ),
    )


def _sizes(left: Survey, right: Survey, pairing: Pairing) -> Verdict:
    other = [pair for pair in pairing.pairs if pair.left.octets != pair.right.octets]
    return Verdict(
        subject="sizes",
        outcome=Outcome.DIFFERS if other else Outcome.SAME,
        left=_total(left),
        right=_total(right),
        details=(
            *(
                f"message {pair.left.number}: {_octets(pair.left)} and {_octets(pair.right)} octets"
                for pair in other[:MOST_EXAMPLES]
            ),
            *_more(other),
        ),
    )


def _truth(left: Survey, right: Survey) -> Verdict:
    """Compare what LIST says of a message with what came (RFC 1939 §11)."""
    wrong = {survey.place: [*_untrue(survey)] for survey in (left, right)}
    details = [
        f"{place}: LIST says {_octets(each)} octets of message {each.number}, and "
        f"{each.digests.octets:,} came"
        for place, messages in wrong.items()
        for each in messages[:MOST_EXAMPLES]
        if each.digests is not None
    ]
    return Verdict(
        subject="sizes are true",
        outcome=Outcome.DIFFERS if details else Outcome.SAME,
        left=_wrong_in_words(wrong[left.place]),
        right=_wrong_in_words(wrong[right.place]),
        details=tuple(details),
    )


def _untrue(survey: Survey) -> Iterator[Message]:
    for message in survey.messages:
        digests = message.digests
        if digests is not None and digests.octets not in (None, message.octets):
            yield message


def _wrong_in_words(messages: Sequence[Message]) -> str:
    return f"{len(messages):,} wrong" if messages else "yes"


def _content(pairing: Pairing) -> Verdict:
    bodies, headers = [], []
    for pair in pairing.pairs:
        mine, theirs = pair.left.digests, pair.right.digests
        if mine is None or theirs is None or mine.body != theirs.body:
            bodies.append(pair)
        elif mine.header != theirs.header:
            headers.append(pair)
    details = [*_named("the body of", bodies), *_named("only the header of", headers)]
    return Verdict(
        subject="content",
        outcome=Outcome.DIFFERS if details else Outcome.SAME,
        left=f"{len(pairing.pairs):,} compared",
        right=f"{len(bodies):,} bodies, {len(headers):,} headers" if details else "",
        details=tuple(details),
    )


def _named(what: str, pairs: Sequence[Pair]) -> Iterable[str]:
    if pairs:
        numbers = _numbers([pair.left.number for pair in pairs])
        yield f"{what} message {numbers} is not the same"


def _more(pairs: Sequence[Pair]) -> Iterable[str]:
    if len(pairs) > MOST_EXAMPLES:
        yield f"and {len(pairs) - MOST_EXAMPLES:,} more"


def _numbers(numbers: Sequence[int]) -> str:
    shown = ", ".join(str(number) for number in numbers[:MOST_EXAMPLES])
    more = len(numbers) - MOST_EXAMPLES
    return f"{shown} and {more:,} more" if more > 0 else shown


def _total(survey: Survey) -> str:
    return "?" if survey.octets is None else f"{survey.octets:,} octets"


def _octets(message: Message) -> str:
    return "?" if message.octets is None else f"{message.octets:,}"
