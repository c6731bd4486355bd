"""A message parsed: its header, the tree of its parts, and the readable text."""

from __future__ import annotations

import binascii
import re
import unicodedata
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.errors import MessageDefect
from email.feedparser import BytesFeedParser
from email.message import Message
from email.policy import Compat32
from functools import lru_cache
from itertools import islice
from math import inf
from secrets import token_hex

from poptalk.mail.header import (
    LONGEST_MIME_FIELD,
    MOST_OCTETS,
    RawHeader,
    WithParameters,
    is_name,
    read_date,
    read_header,
    with_parameters,
)
from poptalk.mail.words import (
    HTML_TYPES,
    Decoded,
    TimeLimit,
    TooLong,
    charset_within,
    decode,
    words_of,
)

# Long runs of a body are removed before it is parsed, and restored when a part is read.
#
# Python's `email` goes through a message line by line, at 30 MB a second.  An attachment has hundreds of
# thousands of lines, and they are all content.  The parser only needs the lines that begin with two
# hyphens, and the beginning of each part: everything in between is replaced by one line.

KEPT = 64 * 1024
"""Octets at the beginning of a run that the parser sees, because they include the header of its part."""

_LONG = 2 * KEPT
_HYPHENS = (b"\n--", b"\r--")


class Bulk:
    """The removed runs of one message.

    Attributes:
        condensed: the body without them, for the parser.
    """

    def __init__(self, body: bytes) -> None:
        # No message can contain a mark that is made after it.
        self._mark = f"poptalk-{token_hex(16)}-"
        self._runs: list[bytes] = []
        self.condensed = body if len(body) <= _LONG else self._condense(body)

    def restored(self, content: bytes) -> bytes:
        """Return the whole content of a part, given its content in the condensed body."""
        mark = self._mark.encode()
        if mark not in content:
            return content
        pieces = re.split(re.escape(mark) + rb"(\d+);\n?", content)
        return b"".join(self._runs[int(p)] if n % 2 else p for n, p in enumerate(pieces))

    def _condense(self, body: bytes) -> bytes:
        pieces: list[bytes] = []
        done = at = 0
        while at < len(body):
            last = max(body.rfind(hyphens, at, at + _LONG) for hyphens in _HYPHENS)
            if last >= 0:
                at = last + 1
                continue
            # Keep the line before the hyphens: its end belongs to the boundary (RFC 2046 §5.1.1).
            found = (body.find(hyphens, at + _LONG - len(_HYPHENS[0])) for hyphens in _HYPHENS)
            end = min((each for each in found if each >= 0), default=len(body))
            run_start = body.find(b"\n", at + KEPT, end) + 1
            run_end = body.rfind(b"\n", at, end) + 1
            if 0 < run_start < run_end:
                pieces += [body[done:run_start], f"{self._mark}{len(self._runs)};\n".encode()]
                self._runs.append(body[run_start:run_end])
                done = run_end
            at = end + 1
        return b"".join([*pieces, body[done:]])


MOST_PARTS = 500
"""Parts of a tree that are shown; real mail has a dozen, and a bomb of nested parts has thousands."""

_MOST_PARTS_READ = 2_000
"""Parts after which the parser is stopped; those that it has made by then are shown."""

_FEW_PARTS = 30
_CHUNK = 64 * 1024
_SMALL_CHUNK = 512
"""Octets that the parser is fed between two looks at the clock: few at the beginning, and if there are
more than `_FEW_PARTS`, since it compares each line with the boundary of every part around it."""

_MOST_BOUNDARIES = 200


class NestedTooDeeplyDefect(MessageDefect):
    """Parts are nested so deeply that the message was made to do harm."""


class TooManyPartsDefect(MessageDefect):
    """There are so many parts that the message was made to do harm."""


class CouldNotBeReadDefect(MessageDefect):
    """Python's `email` raised something unexpected; the argument says what."""


class _Part(Message):
    """A part; a message in an encoding that RFC 2046 §5.2.1 forbids isn't parsed at first."""

    def get_content_type(self) -> str:
        """Return the type in lower case."""
        found = super().get_content_type()
        return "application/octet-stream" if self.is_encoded_message(found) else found

    def is_encoded_message(self, kind: str | None = None) -> bool:
        """Return whether it is a message that hasn't been decoded yet."""
        kind = super().get_content_type() if kind is None else kind
        encoding = str(self.get("Content-Transfer-Encoding", ""))
        return (
            kind in ("message/rfc822", "message/global")
            and encoding in ("base64", "quoted-printable")
            and not self.is_multipart()
        )


class _TooManyParts(Exception):
    """Raised inside the parser to stop it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedMessage:
    """A message after parsing."""

    header: RawHeader
    root: Message
    bulk: Bulk
    """The parts of its body that the parser hasn't seen."""
    deadline: TimeLimit
    """That of the view."""


# Python's `email`.


class _SafePolicy(Compat32):
    """Shows the parser of `email` only fields that it can't fail on.

    It gets the fields that it needs in their simplest form, after `header.with_parameters` has parsed
    them; the originals are in `Message.raw_items`.
    """

    deadline = TimeLimit(inf)

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        self.deadline.check()  # All fields of a part are parsed at once, and there may be a million.
        return super().header_source_parse(sourcelines)

    def header_fetch_parse(self, name: str, value: str) -> str:
        match name.lower():
            case "content-type":
                return _simplest_type(value)
            case "content-transfer-encoding":
                return _token(value)
        return ""


def _octets(value: str) -> bytes:
    return value[:LONGEST_MIME_FIELD].encode("utf-8", "surrogateescape")


def _token(value: str) -> str:
    words = _octets(value).split(b";", 1)[0].split(None, 1)
    return words[0].decode("ascii", "replace").strip("\"',").lower() if words else ""


@lru_cache(maxsize=64)
def _simplest_type(value: str) -> str:
    """Return a content type with its boundary as its only parameter."""
    found = with_parameters(_octets(value))
    boundary = found.get("boundary")
    if not boundary or not found.value.startswith("multipart/"):
        return found.value
    boundary = boundary.encode("utf-8", "surrogateescape").decode("ascii", "surrogateescape")
    escaped = boundary.replace("\\", "\\\\").replace('"', '\\"')
    return f'{found.value}; boundary="{escaped}"'


def parse(octets: bytes, *, deadline: TimeLimit | None = None) -> ParsedMessage:
    """Parse a message; if its parts are nested too deeply, its body becomes one part.

    Args:
        octets: the message, byte-stuffing undone; the header is enough.
        deadline: when to give up; None for never.

    Raises:
        TooLong: it took too long.
    """
    deadline = deadline or TimeLimit(inf)
    header = read_header(octets)
    bulk = Bulk(octets[header.end :])
    body = memoryview(_spaces_before_colons_removed(octets[: header.end], bulk.condensed))
    policy = _SafePolicy(deadline=deadline)  # type: ignore[call-arg] # policies take what they have
    try:
        root = _parsed(header, body, policy)
        _undo_encoded_messages(root, bulk, policy)
    except TooLong:
        raise
    except RecursionError:
        root = _in_one_piece(header, body, policy, NestedTooDeeplyDefect())
    except Exception as error:  # noqa: BLE001 - nothing in a message may end the session
        root = _in_one_piece(header, body, policy, CouldNotBeReadDefect(repr(error)[:200]))
    return ParsedMessage(header=header, root=root, bulk=bulk, deadline=deadline)


def _parsed(header: RawHeader, body: memoryview, policy: _SafePolicy) -> Message:
    made: list[Message] = []

    def make(policy: _SafePolicy = policy) -> Message:
        if len(made) >= _MOST_PARTS_READ:
            raise _TooManyParts
        made.append(_Part(policy=policy))
        return made[-1]

    parser = BytesFeedParser(make, policy=policy)
    made.clear()  # The parser tries its factory once.
    try:
        known = (name + b": " + value + b"\r\n" for name, value in header.fields if is_name(name))
        parser.feed(b"".join(known) + b"\r\n")
        at = 0
        while at < len(body):
            policy.deadline.check()
            size = _CHUNK if at >= KEPT and len(made) <= _FEW_PARTS else _SMALL_CHUNK
            parser.feed(bytes(body[at : at + size]))
            at += size
        return parser.close()
    except _TooManyParts:
        made[0].defects.append(TooManyPartsDefect())
        return made[0]


def _undo_encoded_messages(root: Message, bulk: Bulk, policy: _SafePolicy) -> None:
    encoded = [n for _, n in _walk(root) if isinstance(n, _Part) and n.is_encoded_message()]
    for node in encoded:
        leaf = _Node(node, bulk)
        octets = leaf.decoded(leaf.stored)[0]
        header = read_header(octets)
        inner = _parsed(header, memoryview(octets)[header.end :], policy)
        _undo_encoded_messages(inner, bulk, policy)
        node.set_payload([inner])


def _in_one_piece(
    header: RawHeader, body: memoryview, policy: _SafePolicy, defect: MessageDefect
) -> Message:
    message = Message(policy=policy)
    for name, value in header.fields:
        message.set_raw(name.decode("ascii", "replace"), value.decode("ascii", "surrogateescape"))
    message.set_payload(bytes(body).decode("ascii", "surrogateescape"))
    message.defects.append(defect)
    return message


_CANDIDATE = re.compile(rb"\n[!-9;-~]++[ \t]++:")
_BOUNDARY = re.compile(rb"(?i)boundary\s{0,9}=\s{0,9}(?:\"([^\"\r\n]{1,200})|([^\";\s]{1,200}))")
_SPACED = re.compile(rb"(?m)^([!-9;-~]++)[ \t]++:")


def _spaces_before_colons_removed(header: bytes, body: bytes) -> bytes:
    """Return the body with the fields of its parts in the form that `email` knows (RFC 5322 §4.5.8)."""
    if _CANDIDATE.search(body) is None:
        return body
    found = islice(_BOUNDARY.finditer(header[:MOST_OCTETS] + body), _MOST_BOUNDARIES)
    boundaries = {match[1] or match[2] for match in found}
    if not boundaries:
        return body
    any_of = b"|".join(re.escape(boundary.rstrip()) for boundary in boundaries)
    block = re.compile(
        rb"(?m)^--(?:%s)[ \t]*\r?\n(?:[!-9;-~]++[ \t]*+:[^\n]*\n|[ \t]++[^\r\n][^\n]*\n)*+" % any_of
    )
    return block.sub(lambda match: _SPACED.sub(rb"\1:", match[0]), body, count=_MOST_PARTS_READ)


# The tree.


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A node of the MIME tree (RFC 2045)."""

    depth: int
    """0 for the message itself."""
    content_type: str
    """In lower case, such as ``text/plain``."""
    charset: str | None
    encoding: str | None
    """The Content-Transfer-Encoding, in lower case; None if there is none."""
    name: str | None
    """The file name that the sender gave it; never write to it."""
    octets: int
    """Octets of the body before decoding; of a part that has parts, the sum of theirs."""
    decoded_octets: int
    """The same, after decoding."""
    defects: tuple[str, ...]
    """What is wrong with it, a sentence each."""


def parts(parsed: ParsedMessage) -> Iterator[Part]:
    """Yield the tree from its root, each part before its own parts; `MOST_PARTS` at most.

    Raises:
        TooLong: it took too long.
    """
    nodes = [(depth, _Node(node, parsed.bulk)) for depth, node in _walk(parsed.root)]
    stored, decoded = [0] * len(nodes), [0] * len(nodes)
    remarks: dict[int, tuple[str, ...]] = {}
    open_nodes: list[int] = []
    for index, (depth, node) in enumerate(nodes):
        parsed.deadline.check()
        del open_nodes[depth:]
        open_nodes.append(index)
        if node.is_leaf:
            octets = node.stored
            content, remarks[index] = node.decoded(octets)
            for around in open_nodes:
                stored[around] += len(octets)
                decoded[around] += len(content)
    for index, (depth, node) in enumerate(nodes[:MOST_PARTS]):
        yield Part(
            depth=depth,
            content_type=node.content_type,
            charset=node.charset,
            encoding=node.encoding or None,
            name=node.name,
            octets=stored[index],
            decoded_octets=decoded[index],
            defects=(*map(_in_words, node.message.defects), *remarks.get(index, ())),
        )


def _walk(message: Message) -> Iterator[tuple[int, Message]]:
    pending = [(0, message)]
    while pending:
        level, node = pending.pop()
        yield level, node
        if node.is_multipart():
            children = [child for child in node.get_payload() if isinstance(child, Message)]
            pending.extend((level + 1, child) for child in reversed(children))


_Content = tuple[bytes, tuple[str, ...]]
"""The decoded octets of a part, and what was wrong with them."""


class _Node:
    """One part, with its fields parsed carefully."""

    def __init__(self, message: Message, bulk: Bulk) -> None:
        self.message = message
        self._bulk = bulk
        self.is_leaf = not message.is_multipart()
        self.content_type = message.get_content_type()
        self._type = self._field("content-type")
        self._disposition = self._field("content-disposition")
        self.is_attachment = self._disposition.value == "attachment"
        self.encoding = str(message.get("Content-Transfer-Encoding", ""))

    def _field(self, name: str) -> WithParameters:
        values = (value for each, value in self.message.raw_items() if each.lower() == name)
        return with_parameters(_octets(next(values, "")))

    @property
    def charset(self) -> str | None:
        words = (self._type.get("charset") or "").split()
        return words[0].lower() if words else None

    @property
    def name(self) -> str | None:
        return self._disposition.get("filename") or self._type.get("name")

    def parameter(self, name: str) -> str:
        """Return a parameter of the content type, in lower case; empty if it is missing."""
        return (self._type.get(name) or "").strip().lower()

    @property
    def stored(self) -> bytes:
        """The body before decoding."""
        bare = copy(self.message)
        del bare["Content-Transfer-Encoding"]
        content = bare.get_payload(decode=True)
        return self._bulk.restored(content) if isinstance(content, bytes) else b""

    def decoded(self, stored: bytes) -> _Content:
        """Undo the Content-Transfer-Encoding."""
        match self.encoding:
            case "base64":
                return _from_base64(stored)
            case "quoted-printable":
                return binascii.a2b_qp(stored), ()
            case "x-uuencode" | "uuencode" | "uue" | "x-uue":
                return _from_uu(stored)
            case "" | "7bit" | "8bit" | "binary":
                return stored, ()
        return stored, (f'the encoding "{self.encoding[:40]}" isn\'t known',)


_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")


def _from_base64(stored: bytes) -> _Content:
    """Decode base64 up to its padding, ignoring other characters in it (RFC 2045 §6.8)."""
    rest = _NOT_BASE64.sub(b"", stored.partition(b"=")[2])
    remarks = ("what follows the end of the base64 isn't read",) if rest else ()
    try:
        return binascii.a2b_base64(stored, strict_mode=False), remarks
    except ValueError:
        pass
    digits = _NOT_BASE64.sub(b"", stored.split(b"=", 1)[0])
    digits = digits[: len(digits) - (len(digits) % 4 == 1)]
    octets = binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))
    return octets, ("the base64 is cut off or damaged",)


def _from_uu(stored: bytes) -> _Content:
    pieces = []
    lines = stored.splitlines()
    begin = next((n + 1 for n, line in enumerate(lines) if line.startswith(b"begin ")), 0)
    for line in lines[begin:]:
        if line.strip() in (b"end", b"`", b""):
            continue
        try:
            pieces.append(binascii.a2b_uu(line))
        except ValueError:
            return b"".join(pieces), ("the uuencoded text is damaged",)
    return b"".join(pieces), ()


def _in_words(defect: Exception) -> str:
    """Turn the name of a defect into words: `StartBoundaryNotFoundDefect` says it all."""
    if isinstance(defect, CouldNotBeReadDefect):
        return f"this part could not be read: {defect.args[0]}"
    letters = type(defect).__name__.removesuffix("Defect")
    return "".join(f" {c.lower()}" if c.isupper() else c for c in letters).strip()


# The text.


_MOST_OCTETS_OF_TEXT = 1024 * 1024
"""Octets of one part that are decoded: four hundred pages."""


def readable_text(parsed: ParsedMessage) -> Decoded | None:
    """Return the text of a message, with remarks on what could not be decoded or was left out.

    It is the first plain part that says anything, or the first HTML part, or any other text; or the
    whole body, if its parts can't be told apart.  None if there are none of these.

    Raises:
        TooLong: it took too long.
    """
    nodes = (_Node(node, parsed.bulk) for _, node in _walk(parsed.root) if not node.is_multipart())
    texts = [node for node in nodes if not node.is_attachment and _rank(node) <= _BROKEN]
    first: Decoded | None = None
    for leaf in sorted(texts, key=_rank):
        parsed.deadline.check()
        found = _text_of(leaf, parsed.deadline)
        if _says_anything(found.text):
            same = [each for each in texts if _rank(each) == _rank(leaf) and each is not leaf]
            others = sum(bool(each.stored.strip()) for each in same)
            if others and _rank(leaf) < _BROKEN:
                more = f"{others} more part{'s' * (others > 1)} of text: :structure shows what there is"
                found = Decoded(text=found.text, remarks=(*found.remarks, more))
            return found
        first = first or found
    return first


def _says_anything(text: str) -> bool:
    """Return whether there is more than spaces and invisible characters."""
    return any(not c.isspace() and unicodedata.category(c) != "Cf" for c in text)


_BROKEN = 3


def _rank(leaf: _Node) -> int:
    """Return the rank of a part among those that may be shown; those beyond `_BROKEN` are not."""
    kind = leaf.content_type
    is_kind = (
        kind == "text/plain",
        kind in HTML_TYPES,
        kind.startswith("text/"),
        kind.startswith(("multipart/", "message/")),
    )
    return (*is_kind, True).index(True)


def _text_of(leaf: _Node, deadline: TimeLimit) -> Decoded:
    content, remarks = leaf.decoded(leaf.stored)
    octets = content[:_MOST_OCTETS_OF_TEXT]
    decoded = decode(octets, leaf.charset or charset_within(leaf.content_type, octets))
    text = decoded.text.removeprefix("\ufeff")  # a byte order mark
    words = words_of(leaf.content_type, text, leaf.parameter, deadline)
    said = [*remarks, *decoded.remarks, *words.remarks]
    if len(octets) < len(content):
        said.append(f"only the first {len(octets):,} octets of it are shown")
    if _rank(leaf) == _BROKEN:
        said.insert(0, f"the parts of this {leaf.content_type} could not be told apart")
    return Decoded(text=words.text, remarks=tuple(said))


# The path of a message: its Received fields in chronological order, with the delays between them.
#
# Each host that accepts a message adds a Received field at the top (RFC 5321 §4.4), so the last one in
# the header is the oldest.  A host can write anything, and forgers add fields of hosts that never saw
# the message: trust only the fields that were written by hosts that you trust.


MOST_HOPS = 200
"""Received fields that are parsed: servers refuse a message with a hundred (RFC 5321 §6.3)."""

_LONGEST = 4096
"""Characters of a Received field; real ones have a few hundred."""

_CLAUSES = re.compile(
    r"(?:^|\s)(from|by|with|id|for|via)\s+(Microsoft SMTP Server\b|\S+)", re.IGNORECASE
)
_COMMENT = re.compile(r"\([^()]*\)")
_DEEPEST_COMMENT = 5
"""Levels of nested comments; only mail that was made to do harm has more."""

_FROM = re.compile(r"(?:^|\s)from\s(.*?)(?=\s(?:by|via|with|id|for)\s|\Z)", re.IGNORECASE)
_ADDRESS = re.compile(
    r"\[(?:IPv6:)?([0-9A-F.:]{3,45})\]"
    r"|[\s(](\d{1,3}(?:\.\d{1,3}){3}|(?:[0-9A-F]{0,4}:){2,7}[0-9A-F.]{0,15})(?=[\s:)])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One host that received the message."""

    sender: str | None
    """The name by which the sending host introduced itself."""
    address: str | None
    """The IP address of the sending host, as the receiving host saw it (RFC 5321 §4.4)."""
    receiver: str | None
    """The name of the receiving host, in its own words."""
    protocol: str | None
    queue_id: str | None
    """The name of the message in the logs of the receiving host."""
    recipient: str | None
    """For whom the host accepted the message."""
    when: datetime | None
    """None if the date can't be parsed."""
    delay: timedelta | None
    """Since the hop before; negative if a clock is wrong, or a field is forged."""


def trace(header: RawHeader) -> tuple[Hop, ...]:
    """Return the last `MOST_HOPS` hops, the oldest first."""
    received = [value for name, value in header.fields if name.lower() == b"received"]
    hops: list[Hop] = []
    before: datetime | None = None
    for value in reversed(received[:MOST_HOPS]):
        raw = decode(b" ".join(value[:_LONGEST].split()), None).text
        what, _, date = raw.rpartition(";")
        when = read_date(date)
        found = _clauses(what or raw)
        hops.append(
            Hop(
                sender=found.get("from"),
                address=_address(what or raw),
                receiver=found.get("by"),
                protocol=found.get("with"),
                queue_id=found.get("id"),
                recipient=found.get("for"),
                when=when,
                delay=when - before if when is not None and before is not None else None,
            )
        )
        before = when or before
    return tuple(hops)


def _clauses(text: str) -> dict[str, str]:
    """Parse ``from X by Y with Z``; the first clause of each name counts (RFC 5321 §4.4)."""
    for _ in range(_DEEPEST_COMMENT):
        text = _COMMENT.sub(" ", text)
    found: dict[str, str] = {}
    for name, word in _CLAUSES.findall(text):
        found.setdefault(name.lower(), word)
    return found


def _address(text: str) -> str | None:
    """Return the last address between ``from`` and the next clause, including the outermost comment."""
    match = _FROM.search(text)
    found = [one or other for one, other in _ADDRESS.findall(match[1] if match else "")]
    return found[-1] if found else None
