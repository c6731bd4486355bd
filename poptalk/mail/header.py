"""The header of a message: its fields, the encoded words in them, their parameters, their dates.

`summary` makes one row of a table from it, and `MessageChoice` selects some of these rows.

Real headers break RFC 5322 in known ways.  A space before the colon is allowed by its §4.5.8; a line
among the fields that isn't one (some programs wrap badly) is skipped with a remark.
"""

from __future__ import annotations

import binascii
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote_to_bytes

from poptalk.mail.words import Decoded, decode
from poptalk.terminal.safe import harmless

MOST_OCTETS = 256 * 1024
"""Octets of a header that are parsed; large ones in real mail have 30,000."""

LONGEST_FIELD = 64 * 1024
"""Octets of one field that are parsed; a To field with a thousand addresses has 40,000."""

LONGEST_MIME_FIELD = 8 * 1024
"""Octets of a field with parameters that are parsed; long file names in pieces take 1,000."""

_LONGEST_DATE = 120
_MOST_SECTIONS = 100
"""Pieces of a parameter (RFC 2231 §3) that are joined."""

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")
_ODD_FIELD = re.compile(rb"([^\x00-\x20:][^\x00-\x1f:]{0,75}):")
"""A field whose name is invalid: it has spaces, or octets above 127."""
_SURE_FIELD = re.compile(
    rb"(?i)(?:received|return-path|from|to|cc|bcc|subject|date|message-id|mime-version|content-[a-z-]+"
    rb"|x-[!-9;-~]+|reply-to|sender|references|in-reply-to|list-[a-z-]+|dkim-signature"
    rb"|authentication-results|delivered-to)[ \t]*:"
)
"""A field that shows that the header continues, whatever came before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawHeader:
    """A header split into fields, with nothing decoded."""

    fields: tuple[tuple[bytes, bytes], ...]
    """Names, and values that may contain line ends."""
    end: int
    """Where the body begins, after the empty line."""
    remarks: tuple[str, ...]
    """What is wrong with it."""


def read_header(octets: bytes) -> RawHeader:
    """Parse the fields at the beginning of a message or a part.

    Args:
        octets: the message, or only the header.
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
    """Return where the first empty line ends, with any line ends; the length if there is none."""
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
    """Return whether octets can be the name of a field (RFC 5322 §2.2)."""
    return _FIELD.fullmatch(octets + b":") is not None


def _end_of_fields(lines: list[bytes]) -> int:
    """Return how many lines belong to the header, which may lack the empty line at its end.

    A line that isn't a field ends the header, as in Python's `email`, unless a well-known field comes
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
    """Unfolded, with encoded words decoded (RFC 2047)."""
    encoded: bool
    """Whether anything was decoded, so that the raw value looks different."""
    remarks: tuple[str, ...] = ()
    """What could not be decoded."""


def header_fields(header: RawHeader) -> Iterator[HeaderField]:
    """Yield the fields in order."""
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
    """Return the value of the first field with a name, unfolded; None if there is none."""
    return next(
        (b" ".join(raw.split()) for each, raw in header.fields if each.lower() == name), None
    )


# Encoded words.

_WORD = re.compile(rb"=\?([^?\s*]{1,60})(?:\*[^?\s]{0,40})?\?([bBqQ])\?([^?]*)\?=")
_HEX = re.compile(rb"=([0-9A-Fa-f]{2})")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")


def decode_words(text: bytes) -> Decoded:
    """Decode the encoded words in an unfolded value; a bad one is left as it is (RFC 2047 §6.3)."""
    pieces: list[tuple[str | None, bytes]] = []  # Octets with their charset, None between words.
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
            # A character may be cut in two, although RFC 2047 §5 forbids it.
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
    """Decode the octets of an encoded word; return None if its encoding is invalid."""
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
"""Matches in an unfolded value.  Without quotes a parameter ends at a semicolon, or where the next name
begins: programs forget the semicolon, and the quotes around file names with spaces."""
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class WithParameters:
    """A value such as ``text/plain; charset=utf-8`` (RFC 2045 §5.1)."""

    value: str
    """In lower case."""
    parameters: dict[str, Decoded]
    """By name in lower case; the first parameter of each name counts."""

    def get(self, name: str) -> str | None:
        """Return the text of a parameter; None if it is missing."""
        found = self.parameters.get(name)
        return found.text if found else None


def with_parameters(raw: bytes) -> WithParameters:
    """Parse a value with parameters, and join parameters that come in pieces (RFC 2231)."""
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
    # Encoded words aren't allowed within quotes (RFC 2047 §5), but nearly all senders put them there.
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
    """Parse a date (RFC 5322 §3.3); return None if that isn't possible.

    Args:
        text: the value of a Date field, or the end of a Received field.
    """
    try:
        when = parsedate_to_datetime(text[:_LONGEST_DATE].strip())
        # "-0000" means that the time zone isn't known (RFC 5322 §3.3).
        when = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        return None
    # Close to the years 1 and 9999 a date doesn't exist in other time zones.
    return when if 1 < when.year < 9999 else None


# One message in one row: what a table of a maildrop shows, and what messages are selected by.


_LONGEST = 500
"""Characters of a cell that are kept; no screen is wider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a header says about a message.  All texts come from a stranger, and are one line."""

    number: int
    size: int | None
    """Octets from LIST; None if it wasn't asked."""
    when: datetime | None
    """With a time zone, so that dates can be compared; None if the date can't be parsed."""
    date: str
    """The Date field unparsed, or the date in the top Received field; empty if there is none."""
    sender: str
    subject: str


def summary(number: int, octets: bytes, *, size: int | None) -> Summary:
    """Make a row for a message.

    Args:
        number: that of the message.
        octets: its header, as from TOP n 0, or the whole message.
        size: octets of the message, if known.
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


# Selecting messages of a maildrop: `1-20,30`, `last 20`, `from "Bob Jones" and older than 30d`.


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
    """A selection can't be parsed; `str(error)` says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageChoice:
    """Which messages are selected: those that meet every condition."""

    numbers: tuple[tuple[int, int], ...] = ()
    """The first number of each range, and the one after its last; empty for all."""
    last: int | None = None
    """How many messages at the end; None for all."""
    larger: int | None = None
    """How many octets each must exceed."""
    conditions: tuple[Callable[[Summary], bool], ...] = ()
    """What the header must say."""
    by_age: bool = False
    """Whether a condition is about the date."""

    def by_size(self, sizes: Mapping[int, int | None]) -> list[int]:
        """Return the messages that may be selected, by their numbers and sizes.

        Args:
            sizes: octets by number, for all messages in the maildrop.
        """
        found = sorted(sizes)
        if self.last is not None:
            found = found[len(found) - min(self.last, len(found)) :]
        if self.numbers:
            found = [n for n in found if any(n in range(*each) for each in self.numbers)]
        if self.larger is not None:
            found = [n for n in found if (sizes[n] or 0) > self.larger]
        return found

    def takes(self, message: Summary) -> bool:
        """Return whether the header of a message meets the conditions."""
        return all(condition(message) for condition in self.conditions)


def parse_choice(text: str, *, now: datetime) -> MessageChoice:
    """Parse a selection of messages.

    Args:
        text: as `CHOICE` says; empty for all.
        now: the present, with a time zone.

    Raises:
        BadChoice: it can't be parsed.
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
    """Parse one condition; return the fields of the choice that it changes."""
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
    # "3 7" means the same as "3,7"; "3 - 7" and "3, 7" mean what they look like.
    ranges = re.sub(r"(?<=\d) (?=\d)", ",", " ".join(words)).replace(" ", "")
    if not _RANGES.fullmatch(ranges) or choice.numbers:
        raise BadChoice(f"{harmless(' '.join(words))} is none of {CHOICE}")
    return {"numbers": tuple(map(_range, ranges.split(",")))}


def _range(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    if not dash:
        return int(first), int(first) + 1
    return int(first), int(last) + 1 if last else sys.maxsize


def _moment(text: str, now: datetime) -> datetime:
    """Return the moment before which a message is older than a text says."""
    try:
        if found := _AGE.fullmatch(text):
            return now - timedelta(days=int(found[1]) * _DAYS[found[2]])
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise BadChoice(
            f"{harmless(text)} is no age: say older than 30d, 4w or {now:%Y-%m-%d}"
        ) from None
