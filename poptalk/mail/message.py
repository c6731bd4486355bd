"""A message taken apart: its header fields, the tree of its parts, and the text for reading."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import HeaderParseError, MessageDefect
from email.header import decode_header
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import compat32
from html.parser import HTMLParser
from itertools import islice
from typing import Self

MOST_PARTS = 500
"""Parts of a tree that are shown; real mail has a dozen, and a bomb of nested parts has thousands."""


class NestedTooDeeplyDefect(MessageDefect):
    """Parts stand within parts to a depth that only mail has that was made to hurt."""


def parse(octets: bytes) -> Message:
    """Read a message; of one whose parts are nested too deeply, the header and a body in one piece.

    Args:
        octets: as it is stored, byte-stuffing undone; the header alone will do.
    """
    # The older policy: the newer one raises on header fields that it cannot make sense of.
    try:
        return message_from_bytes(octets, policy=compat32)
    except RecursionError:
        message = BytesHeaderParser(policy=compat32).parsebytes(octets)
        message.defects.append(NestedTooDeeplyDefect())
        return message


# Header fields.


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderField:
    """One field of a header (RFC 5322 §2.2)."""

    name: str
    value: str
    """Unfolded, encoded words decoded (RFC 2047)."""
    encoded: bool
    """Whether anything had to be decoded, so that the raw value looks different."""


def header_fields(message: Message) -> Iterator[HeaderField]:
    """Give the fields in their order."""
    for name, raw in message.raw_items():
        text = " ".join(str(raw).split())
        value = decode_words(text)
        yield HeaderField(name=_characters(name), value=value, encoded=value != _characters(text))


def decode_words(text: str) -> str:
    """Decode the encoded words of a header's value; what cannot be decoded stays (RFC 2047 §6.3)."""
    try:
        pieces = decode_header(text)
    except (HeaderParseError, ValueError):
        return _characters(text)
    decoded = "".join(
        _decode(piece, charset) if isinstance(piece, bytes) else _characters(piece)
        for piece, charset in pieces
    )
    return decoded or _characters(text)


def _decode(octets: bytes, charset: str | None) -> str:
    """Decode octets; those that are not in the charset, or all if nobody knows it, as Latin-1."""
    for name in (charset or "utf-8", "utf-8"):
        try:
            return octets.decode(name)
        except (LookupError, ValueError):
            continue
    return octets.decode("latin-1")


def _characters(text: str) -> str:
    """Undo the surrogates by which `email` keeps octets that are not ASCII."""
    return _decode(text.encode("ascii", "surrogateescape"), None) if _surrogates(text) else text


def _surrogates(text: str) -> bool:
    try:
        text.encode("ascii", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return not text.isascii()


# The tree.


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A node of the MIME tree (RFC 2045)."""

    depth: int
    """0 for the message itself."""
    content_type: str
    """Such as ``text/plain``, in lower case."""
    charset: str | None
    encoding: str | None
    """The Content-Transfer-Encoding, in lower case; None where there is none."""
    name: str | None
    """The file name that the sender gave it: not a name to write to."""
    octets: int
    """Of the body as it is stored; of a part that has parts, the sum of theirs."""
    decoded_octets: int
    """The same, the encoding undone."""
    defects: tuple[str, ...]
    """What is wrong with it, a sentence each."""


def parts(message: Message) -> Iterator[Part]:
    """Give the tree from its root, each part before its own parts; `MOST_PARTS` at most."""
    sizes = {id(leaf): _Sizes.of(leaf) for leaf in _leaves(message)}
    for depth, node in islice(_walk(message, 0), MOST_PARTS):
        yield _part(node, depth, [sizes[id(leaf)] for leaf in _leaves(node)])


def _walk(message: Message, depth: int) -> Iterator[tuple[int, Message]]:
    pending = [(depth, message)]
    while pending:
        level, node = pending.pop()
        yield level, node
        if node.is_multipart():
            children = [child for child in node.get_payload() if isinstance(child, Message)]
            pending.extend((level + 1, child) for child in reversed(children))


def _leaves(node: Message) -> list[Message]:
    return [leaf for _, leaf in _walk(node, 0) if not leaf.is_multipart()]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sizes:
    """Octets of a part without parts, found once: each part around it counts them as well."""

    stored: int
    decoded: int

    @classmethod
    def of(cls, leaf: Message) -> Self:
        return cls(stored=len(_stored(leaf)), decoded=len(_content(leaf)))


def _part(node: Message, depth: int, sizes: Sequence[_Sizes]) -> Part:
    name = node.get_filename()
    encoding = node.get("Content-Transfer-Encoding")
    return Part(
        depth=depth,
        content_type=_characters(node.get_content_type()),
        charset=_charset(node),
        encoding=_characters(str(encoding)).strip().lower() if encoding else None,
        name=decode_words(name) if name else None,
        octets=sum(each.stored for each in sizes),
        decoded_octets=sum(each.decoded for each in sizes),
        defects=tuple(_in_words(defect) for defect in node.defects),
    )


def _charset(node: Message) -> str | None:
    # A parameter of RFC 2231 comes as three values.
    charset = node.get_param("charset")
    value = charset[2] if isinstance(charset, tuple) else charset
    return _characters(value).lower() if isinstance(value, str) else None


def _stored(leaf: Message) -> bytes:
    """Return the body as it is stored: what would be its content if nothing were encoded."""
    bare = copy(leaf)
    del bare["Content-Transfer-Encoding"]
    content = bare.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _content(leaf: Message) -> bytes:
    try:
        content = leaf.get_payload(decode=True)
    except (ValueError, LookupError, AssertionError):
        content = None
    return content if isinstance(content, bytes) else _stored(leaf)


def _in_words(defect: Exception) -> str:
    """Turn the name of a defect into words: `StartBoundaryNotFoundDefect` says all there is."""
    letters = type(defect).__name__.removesuffix("Defect")
    return "".join(f" {c.lower()}" if c.isupper() else c for c in letters).strip()


# The text.


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadableText:
    """What a message says to people."""

    text: str
    source: str
    """Where it was found: a content type."""


def readable_text(message: Message) -> ReadableText | None:
    """Return the text of a message: its first plain part, else its first HTML part without tags.

    None where it has neither.
    """
    texts = [leaf for leaf in _leaves(message) if leaf.get_content_disposition() != "attachment"]
    for content_type in ("text/plain", "text/html"):
        for leaf in texts:
            if leaf.get_content_type() == content_type:
                text = _decode(_content(leaf), _charset(leaf))
                readable = _without_tags(text) if content_type == "text/html" else text
                return ReadableText(text=readable, source=content_type)
    return None


def _without_tags(html: str) -> str:
    reader = _TextOfHtml()
    try:
        reader.feed(html)
        reader.close()
    except (ValueError, AssertionError):
        return html
    lines = ("".join(reader.pieces)).split("\n")
    return "\n".join(" ".join(line.split()) for line in lines).strip("\n")


class _TextOfHtml(HTMLParser):
    """Keeps the text of a document, a line for each block, and where a link leads to."""

    _BLOCKS = frozenset(
        {"p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "table", "blockquote"}
    )
    _UNSEEN = frozenset({"script", "style", "title", "head"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._unseen = 0
        self._link: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self._UNSEEN:
            self._unseen += 1
        elif tag in self._BLOCKS:
            self.pieces.append("\n")
        elif tag == "a":
            self._link = dict(attrs).get("href")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        elif tag == "a" and self._link:
            # Where a link leads is what a reader of suspicious mail looks for.
            self.pieces.append(f" <{self._link}>")
            self._link = None

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.pieces.append(" ".join(data.splitlines()))
