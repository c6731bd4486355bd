"""What the server core has to know of a maildrop, and TOP's share of a message.

The core asks for sizes, unique-ids and octets by message-number and never changes anything: marks are
kept by the session, and whoever drives it removes messages when the session asks for it.
"""

from __future__ import annotations

from typing import Protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class MessageUnavailable(OSError):
    """A message cannot be read: somebody removed or changed it, or the disk fails.

    RFC 1939 has no words for that.  Raised before the answer, it makes it a negative one; raised while
    the octets are handed out, it means that the connection must be cut.
    """


class Maildrop(Protocol):
    """The messages of one session, numbered from 1, the same as long as it lasts (RFC 1939 §4).

    All but `count`, `octets_in_all` and `has_dot_lines` may raise `MessageUnavailable`.
    """

    @property
    def count(self) -> int:
        """How many messages there are."""

    def octets(self, number: int) -> int:
        """Return the size of a message in octets, each line end counted as two (RFC 1939 §11)."""

    def octets_in_all(self) -> int | None:
        """Return the size of all messages together, None while some have not been counted.

        Those that have not been counted take time, because they must be read.
        """

    def unique_id(self, number: int) -> bytes:
        """Return the unique-id of a message: 1 to 70 octets from 0x21 to 0x7E (RFC 1939 §7)."""

    def chunks(self, number: int) -> Iterable[bytes]:
        """Return the octets of a message, lines ending in CRLF, in pieces of any size.

        They are as many as `octets` says, or `MessageUnavailable` is raised behind the last.
        """

    def has_dot_lines(self, number: int) -> bool:
        """Tell whether a line of the message begins with a dot; True also where that is unknown."""


def top(chunks: Iterable[bytes], lines: int) -> Iterator[bytes]:
    """Cut a message short as TOP does (RFC 1939 §7).

    Args:
        chunks: the octets of the message, cut anywhere.
        lines: how many lines of the body are wanted; 0 for none.

    Returns:
        The header, the empty line and that many lines, in pieces.
    """
    pieces = iter(chunks)
    # The empty line may come first of all, in a message without a header.
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
    """Pass on that many lines of `chunk` and what follows it."""
    while lines > 0:
        ends = chunk.count(b"\n")
        if ends >= lines:
            yield chunk[: _position_behind(chunk, lines)]
            return
        lines -= ends
        yield chunk
        following = next(rest, None)
        if following is None:
            return
        chunk = following


def _position_behind(chunk: bytes, lines: int) -> int:
    """Return where the first `lines` lines of a chunk end."""
    position = 0
    for _ in range(lines):
        position = chunk.index(b"\n", position) + 1
    return position
