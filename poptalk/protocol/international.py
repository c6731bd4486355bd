"""What UTF8 and LANG ask of a server (RFC 6856): headers in UTF-8, and the language of its texts.

There are texts in one language, and that is what LANG says.
"""

from __future__ import annotations

from codecs import getincrementaldecoder
from itertools import chain

from poptalk.protocol.texts import LANGUAGES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PREFERRED_RANGE = b"*"
"""Asks for the language that the server prefers (RFC 6856 §3.2)."""

MAX_HEADER_READ = 65_536
"""Octets of a header that are looked at.  Those of mail are a few thousand; a message without an empty
line is all header, and may be large."""


def find_language(language_range: bytes) -> bytes | None:
    """Find the language that a client asks for.

    Args:
        language_range: a basic language range, in any case: a tag or the beginning of one, whole
            subtags (RFC 4647 §3.3.1), or `*`.

    Returns:
        The tag of the first language that matches, None if there is none.
    """
    if language_range == PREFERRED_RANGE:
        return next(iter(LANGUAGES))
    wanted = language_range.lower() + b"-"
    return next((tag for tag in LANGUAGES if (tag.lower() + b"-").startswith(wanted)), None)


def peek(chunks: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Look at the beginning of a message without reading it twice.

    Args:
        chunks: the octets of the message, cut anywhere.

    Returns:
        The beginning: all of the header, as far as `MAX_HEADER_READ`; and the whole message.
    """
    pieces = iter(chunks)
    taken: list[bytes] = []
    beginning = b""
    for piece in pieces:
        taken.append(piece)
        beginning += piece[:MAX_HEADER_READ]
        if len(beginning) >= MAX_HEADER_READ or _header_end(beginning) >= 0:
            break
    return beginning, chain(taken, pieces)


def header_is_utf8(beginning: bytes) -> bool:
    """Tell whether a header holds UTF-8 beyond ASCII, which was not mail before RFC 6532.

    A header in another charset was never legal, and UTF-8 mode would not help; a body with 8-bit
    octets is older, and has a label of its own (RFC 6152).

    Args:
        beginning: octets of a message, at least its header.
    """
    end = _header_end(beginning)
    header = beginning if end < 0 else beginning[:end]
    if header.isascii():
        return False
    try:
        # The last character may be cut in the middle.
        getincrementaldecoder("utf-8")().decode(header)
    except UnicodeDecodeError:
        return False
    return True


def _header_end(octets: bytes) -> int:
    """Return where the empty line begins, -1 if it has not come; it may come first of all."""
    return 0 if octets.startswith(b"\r\n") else octets.find(b"\r\n\r\n")
