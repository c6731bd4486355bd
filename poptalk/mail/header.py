"""The header of a message: its fields, the encoded words in them, their parameters, their dates.

`summary` makes one row of a table of it, and `MessageChoice` says which of these rows are meant.

Real headers break RFC 5322 in known ways.  A space before the colon is allowed by its §4.5.8; a line
among the fields that isn't one (programs that wrap badly write such) is passed over with a remark.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote_to_bytes

from poptalk.mail.words import Decoded, decode
from poptalk.terminal.safe import harmless

MOST_OCTETS = 256 * 1024
"""Octets of a header that are read; large ones of real mail have 30,000."""

LONGEST_FIELD = 64 * 1024
"""Octets of one field that are read; a To field with a thousand addresses has 40,000."""

LONGEST_MIME_FIELD = 8 * 1024
"""Octets that are read of a field with parameters; long file names in pieces take 1,000."""

_LONGEST_DATE = 120
_MOST_SECTIONS = 100
"""Pieces of a parameter (RFC 2231 §3) that are put together."""

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")
_ODD_FIELD = re.compile(rb"([^\x00-\x20:][^\x00-\x1f:]{0,75}):")
"""What is no name of a field but was meant as one: with spaces, or with octets above 127."""
_SURE_FIELD = re.compile(
    rb"(?i)(?:received|return-path|from|to|cc|bcc|subject|date|message-id|mime-version|content-[a-z-]+"
    rb"|x-[!-9;-~]+|reply-to|sender|references|in-reply-to|list-[a-z-]+|dkim-signature"
    rb"|authentication-results|delivered-to)[ \t]*:"
)
"""A field that shows that the header goes on, whatever came before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawHeader:
    """A header taken apart, nothing decoded."""

    fields: tuple[tuple[bytes, bytes], ...]
    """Names, and values with their line ends inside."""
    end: int
    """Where the body begins, after the empty line."""
    remarks: tuple[str, ...]
    """What is wrong with it."""


def read_header(octets: bytes) -> RawHeader:
    """Read the fields at the beginning of a message or of a part.

    Args:
        octets: the message, or the header alone.
    """
    end = _end(octets)
    lines = octets[: min(end, MOST_OCTETS)].rstrip(b"\r\n").splitlines(keepends=True)
    remarks = []
    if end > MOST_OCTETS:
        remarks.append(f"the header is longer than {MOST_OCTETS:,} octets; the rest isn't read")
    kept = _end_of_fields(lines)
    if kept < len(lines):
        remarks.append("no empty line ends the header")
        end = sum(map(len, lines[:kept]))
    fields: list[tuple[bytes, list[bytes]]] = []
    junk = 0
    for line in lines[:kept]:
        match = _field(line)
        if match is not None:
            fields.append((match[1], [line[match.end() :]]))
        elif line[:1] in (b" ", b"\t") and fields:
            fields[-1][1].append(line)
        elif line.strip() and not line.startswith((b"From ", b">From ")):  # They begin an mbox.
            junk += 1
    if junk:
        one = "1 line of the header isn't a field"
        remarks.append(one if junk == 1 else f"{junk:,} lines of the header aren't fields")
    values = [(name, b"".join(value)) for name, value in fields]
    if any(len(value) > LONGEST_FIELD for _, value in values):
        remarks.append(
            f"a field is longer than {LONGEST_FIELD:,} octets; the rest of it isn't read"
        )
    cut = tuple(
        (name, value[:LONGEST_FIELD].lstrip(b" \t").rstrip(b"\r\n")) for name, value in values
    )
    return RawHeader(fields=cut, end=end, remarks=tuple(remarks))


def _end(octets: bytes) -> int:
    """Return where the first empty line ends, with line ends of any kind; the length without one."""
    if octets.startswith((b"\r\n", b"\n", b"\r")):
        return 2 if octets.startswith(b"\r\n") else 1
    end = len(octets)
    for empty in (b"\n\r\n", b"\n\n", b"\r\r"):
        at = octets.find(empty, 0, end)
        if at >= 0:
            end = at + len(empty)
    return end


def _field(line: bytes) -> re.Match[bytes] | None:
    if line.startswith((b"From ", b">From ")):
        return None
    return _FIELD.match(line) or _ODD_FIELD.match(line)


def is_name(octets: bytes) -> bool:
    """Whether octets can be the name of a field (RFC 5322 §2.2)."""
    return _FIELD.fullmatch(octets + b":") is not None


def _end_of_fields(lines: list[bytes]) -> int:
    """Return how many lines are the header's where no empty line may end it.

    A line that is no field ends the header, as in Python's `email`, unless a well-known field comes
    after it.
    """
    sure = [index for index, line in enumerate(lines) if _SURE_FIELD.match(line)]
    after = sure[-1] + 1 if sure else 0
    for index in range(after, len(lines)):
        line = lines[index]
        if line[:1] not in (b" ", b"\t") and _field(line) is None and index:
            return index
    return len(lines)


# Fields as people read them.


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderField:
    """One field of a header (RFC 5322 §2.2)."""

    name: str
    value: str
    """Unfolded, encoded words decoded (RFC 2047)."""
    encoded: bool
    """Whether anything had to be decoded, so that the raw value looks different."""
    remarks: tuple[str, ...] = ()
    """What could not be decoded."""


def header_fields(header: RawHeader) -> Iterator[HeaderField]:
    """Give the fields in their order."""
    for name, raw in header.fields:
        text = b" ".join(raw.split())
        plain = decode(text, None).text
        words = decode_words(text)
        yield HeaderField(
            name=decode(name, None).text,
            value=words.text,
            encoded=words.text != plain,
            remarks=words.remarks,
        )


def first_value(header: RawHeader, name: bytes) -> bytes | None:
    """Return the value of the first field of a name, unfolded; None where there is none."""
    return next(
        (b" ".join(raw.split()) for each, raw in header.fields if each.lower() == name), None
    )


# Encoded words.

_WORD = re.compile(rb"=\?([^?\s*]{1,60})(?:\*[^?\s]{0,40})?\?([bBqQ])\?([^?]*)\?=")
_HEX = re.compile(rb"=([0-9A-Fa-f]{2})")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")


def decode_words(text: bytes) -> Decoded:
    """Decode the encoded words of an unfolded value; a bad one stays as it is (RFC 2047 §6.3)."""
    pieces: list[tuple[str | None, bytes]] = []  # Octets with their charset; None outside of words.
    at = 0
    for match in _WORD.finditer(text):
        octets = _octets_of_word(match)
        if octets is None:
            continue
        between = text[at : match.start()]
        charset = match[1].decode("ascii", "replace").lower()
        after_word = bool(pieces) and pieces[-1][0] is not None
        if between and not (after_word and between.isspace()):  # RFC 2047 §6.2
            pieces.append((None, between))
            after_word = False
        if after_word and pieces[-1][0] == charset:
            # A character may be cut in two, against RFC 2047 §5.
            pieces[-1] = (charset, pieces[-1][1] + octets)
        else:
            pieces.append((charset, octets))
        at = match.end()
    if text[at:] or not pieces:
        pieces.append((None, text[at:]))
    decoded = [decode(octets, charset) for charset, octets in pieces]
    remarks = dict.fromkeys(remark for piece in decoded for remark in piece.remarks)
    return Decoded(text="".join(piece.text for piece in decoded), remarks=tuple(remarks))


def _octets_of_word(match: re.Match[bytes]) -> bytes | None:
    """Undo the encoding of an encoded word; None where it is not what it says."""
    if match[2] in b"qQ":
        return _HEX.sub(
            lambda found: bytes.fromhex(found[1].decode()), match[3].replace(b"_", b" ")
        )
    digits = b"".join(match[3].split()).rstrip(b"=")
    if _NOT_BASE64.search(digits) or len(digits) % 4 == 1:
        return None
    return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))


# Fields with parameters.

_PARAMETER = re.compile(
    rb"[;\s]\s?([^\s;=\"*]+)(?:\*(\d{1,3}))?(\*)?\s?=\s?"
    rb"(?:\"((?:[^\"\\]|\\.)*+)(?:\"|\Z)|([^;]*?)(?=;|\Z|\s[\w-]+[*\d]*\s?=))",
    re.DOTALL,
)
"""Of an unfolded value.  Without quotes it ends at a semicolon, or where the next name begins: programs
forget the semicolon, and the quotes of file names with spaces."""
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class WithParameters:
    """A value such as ``text/plain; charset=utf-8`` (RFC 2045 §5.1)."""

    value: str
    """In lower case."""
    parameters: dict[str, Decoded]
    """By name in lower case; the first of a name counts."""

    def get(self, name: str) -> str | None:
        """Return the text of a parameter; None where it is missing."""
        found = self.parameters.get(name)
        return found.text if found else None


def with_parameters(raw: bytes) -> WithParameters:
    """Read a value with parameters; of a parameter in pieces, the pieces in their order (RFC 2231)."""
    raw = b" ".join(raw[:LONGEST_MIME_FIELD].split())
    value = re.split(b"[;,]", raw, maxsplit=1)[0].replace(b" / ", b"/").split(None, 1)
    plain: dict[str, bytes] = {}
    sections: dict[str, dict[int, tuple[bytes, bool]]] = {}
    for match in _PARAMETER.finditer(raw):
        name = match[1].decode("ascii", "replace").lower()
        octets = _ESCAPED.sub(rb"\1", match[4]) if match[4] is not None else match[5].strip()
        if match[2] is None and match[3] is None:
            plain.setdefault(name, octets)
        elif len(sections.setdefault(name, {})) < _MOST_SECTIONS:
            sections[name].setdefault(int(match[2] or 0), (octets, match[3] is not None))
    # Encoded words are not allowed within quotes (RFC 2047 §5), and nearly all senders put them there.
    parameters = {name: decode_words(b" ".join(octets.split())) for name, octets in plain.items()}
    parameters.update((name, _joined(pieces)) for name, pieces in sections.items())
    shown = value[0].decode("ascii", "replace").lower() if value else ""
    return WithParameters(value=shown, parameters=parameters)


def _joined(pieces: dict[int, tuple[bytes, bool]]) -> Decoded:
    first, extended = pieces[min(pieces)]
    charset: str | None = None
    if extended and first.count(b"'") >= 2:
        label, _, first = first.split(b"'", 2)
        charset = label.decode("ascii", "replace")
    octets = b""
    for index, number in enumerate(sorted(pieces)):
        piece, is_extended = pieces[number]
        piece = piece if index else first
        octets += unquote_to_bytes(piece) if is_extended else piece
    return decode(octets, charset)


# Dates.


def read_date(text: str) -> datetime | None:
    """Read a date (RFC 5322 §3.3); None where that is not possible.

    Args:
        text: of a Date field, or of the end of a Received field.
    """
    try:
        when = parsedate_to_datetime(text[:_LONGEST_DATE].strip())
        # "-0000" says that nothing is known of the zone (RFC 5322 §3.3).
        when = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        return None
    # Near the years 1 and 9999 a date has no place in other zones.
    return when if 1 < when.year < 9999 else None


# One message in one row: what a table of a maildrop shows of it, and by what messages are chosen.


_LONGEST = 500
"""Characters of a cell that are kept; no screen is wider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What is known of a message from its header.  All texts are a stranger's, on one line."""

    number: int
    size: int | None
    """Octets, as LIST gives them; None where it was not asked."""
    when: datetime | None
    """With its zone, so that two of them compare by real time; None where the date can't be read."""
    date: str
    """The Date field as it is, or that of the top Received field; empty where there is none."""
    sender: str
    subject: str


def summary(number: int, octets: bytes, *, size: int | None) -> Summary:
    """Read what a table shows of a message.

    Args:
        number: the message's.
        octets: its header, as TOP n 0 gives it; a whole message will do.
        size: octets of the message, if they are known.
    """
    header = read_header(octets)
    date = _date_of(header)
    return Summary(
        number=number,
        size=size,
        when=read_date(date),
        date=date,
        sender=_text(header, b"from") or _text(header, b"sender") or _text(header, b"return-path"),
        subject=_text(header, b"subject"),
    )


def _text(header: RawHeader, name: bytes) -> str:
    value = first_value(header, name) or b""
    return " ".join(decode_words(value).text.split())[:_LONGEST]


def _date_of(header: RawHeader) -> str:
    date = _text(header, b"date")
    if date and read_date(date) is not None:
        return date
    top = first_value(header, b"received") or b""
    received = decode(top.rpartition(b";")[2].strip(), None).text
    return received if read_date(received) is not None else date


# Which messages of a maildrop are meant: `1-20,30`, `last 20`, `from "Bob Jones" and older than 30d`.


CHOICE = (
    "1-20,30, last 20, all, from TEXT, subject TEXT, older than 30d or 2026-01-31, larger than 1M, "
    "joined by and"
)
"""What can be written."""

_TOKEN = re.compile(r'"[^"]*"|\S+')
_RANGES = re.compile(r"\d{1,9}(-(\d{1,9})?)?(,\d{1,9}(-(\d{1,9})?)?)*")
_AGE = re.compile(r"(\d{1,6})([dw])")
_AMOUNT = re.compile(r"(\d{1,9})(k|kb|m|mb|g|gb)?", re.IGNORECASE)
_DAYS = {"d": 1, "w": 7}
_FACTORS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


class BadChoice(ValueError):
    """What was written chooses no messages; `str(error)` says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageChoice:
    """Which messages are meant: those that meet every condition."""

    numbers: tuple[tuple[int, int | None], ...] = ()
    """First and last of each range, None for the last there is; empty for all."""
    last: int | None = None
    """How many of the last ones; None for all."""
    larger: int | None = None
    """Octets that each must exceed."""
    conditions: tuple[Callable[[Summary], bool], ...] = ()
    """What its header must say."""
    by_age: bool = False
    """Whether one of them is about its date."""

    def by_size(self, sizes: Mapping[int, int | None]) -> list[int]:
        """Return those that may be meant, as far as their numbers and sizes tell.

        Args:
            sizes: octets by number, of all messages in the maildrop.
        """
        found = sorted(sizes)
        if self.last is not None:
            found = found[len(found) - min(self.last, len(found)) :]
        if self.numbers:
            found = [n for n in found if any(a <= n <= (b or n) for a, b in self.numbers)]
        if self.larger is not None:
            found = [n for n in found if (sizes[n] or 0) > self.larger]
        return found

    def takes(self, message: Summary) -> bool:
        """Whether what its header says is meant."""
        return all(condition(message) for condition in self.conditions)


def parse_choice(text: str, *, now: datetime) -> MessageChoice:
    """Read which messages are meant.

    Args:
        text: as `CHOICE` says; empty for all.
        now: from which ages are counted, with its time zone.

    Raises:
        BadChoice: it cannot be read.
    """
    terms: list[list[str]] = [[]]
    for token in _TOKEN.findall(text):
        if token.lower() == "and":
            terms.append([])
        else:
            terms[-1].append(token)
    choice = MessageChoice()
    for words in terms if text.strip() else ():
        choice = replace(choice, **_term(words, choice, now))
    return choice


def _term(words: list[str], choice: MessageChoice, now: datetime) -> dict[str, Any]:
    """Read one condition; return the fields of the choice that it changes."""
    name, *rest = [word.lower() for word in words] or [""]
    said = " ".join(word.strip('"') for word in words[1:]).strip("'").casefold()

    def condition(holds: Callable[[Summary], bool]) -> dict[str, Any]:
        return {"conditions": (*choice.conditions, holds)}

    match name, rest:
        case "all", []:
            return {}
        case "last", [count] if count.isascii() and count.isdigit() and len(count) < 10:
            return {"last": int(count)}
        case "", []:
            raise BadChoice(f"a condition is missing beside and: {CHOICE}")
        case "from", [_, *_] if said:
            return condition(lambda each: said in each.sender.casefold())
        case "subject", [_, *_] if said:
            return condition(lambda each: said in each.subject.casefold())
        case "older", ["than", age]:
            moment = _moment(age, now)
            aged = condition(lambda each: each.when is not None and each.when < moment)
            return {**aged, "by_age": True}
        case "larger", ["than", amount] if found := _AMOUNT.fullmatch(amount):
            factor = _FACTORS[(found[2] or "")[:1].lower()]
            return {"larger": max(choice.larger or 0, int(found[1]) * factor)}
    # "3 7" is two messages, as "3,7"; "3 - 7" and "3, 7" are what they look like.
    ranges = re.sub(r"(?<=\d) (?=\d)", ",", " ".join(words)).replace(" ", "")
    if not _RANGES.fullmatch(ranges) or choice.numbers:
        raise BadChoice(f"{harmless(' '.join(words))} is none of {CHOICE}")
    return {"numbers": tuple(map(_range, ranges.split(",")))}


def _range(text: str) -> tuple[int, int | None]:
    first, dash, last = text.partition("-")
    if not dash:
        return int(first), int(first)
    return int(first), int(last) if last else None


def _moment(text: str, now: datetime) -> datetime:
    """Return the moment before which a message is old."""
    try:
        if found := _AGE.fullmatch(text):
            return now - timedelta(days=int(found[1]) * _DAYS[found[2]])
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise BadChoice(
            f"{harmless(text)} is no age: say older than 30d, 4w or {now:%Y-%m-%d}"
        ) from None
