r"""Any octets as text from which they can be restored: in a dialogue, and in a JSON log.

In a dialogue, tabs and printable UTF-8 are left as they are.  Everything else is written in hexadecimal
digits, `{0x1b}`: control characters, octets that aren't UTF-8, a space at the end of a line, and
characters that a screen would hide or reorder.  A line ends in CRLF; if it ends in LF alone, that is
written `{0x0a}`.

Within poptalk, octets that aren't UTF-8 are surrogates in text ("surrogateescape").
"""

from __future__ import annotations

import json
import re
from itertools import groupby

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

SHAPELESS = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, range(0xFE00, 0xFE10)))
    + "".join(map(chr, range(0xE0100, 0xE01F0)))
)
"""Characters that are invisible although `str.isprintable` accepts them: fillers, the blank braille
pattern, and the variation selectors, which can hide whole texts."""

_SPACES = " \xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u202f\u205f\u3000"
"""Spaces of every width; `str.isprintable` accepts only the first."""

_HEXADECIMAL = re.compile(r"0[xX]((?:[0-9a-fA-F]{2})+)")
_SURROGATE = re.compile("[\udc80-\udcff]")


def text_of(octets: bytes) -> str:
    """Return octets as text; those that aren't UTF-8 become surrogates."""
    return octets.decode("utf-8", "surrogateescape")


def octets_of(text: str) -> bytes:
    """Return the octets that `text_of` made a text of."""
    return text.encode("utf-8", "surrogateescape")


def joined(text: str) -> str:
    """Normalise a text joined from pieces: surrogates that together are UTF-8 become characters."""
    return text_of(octets_of(text)) if _SURROGATE.search(text) else text


def escaped(text: str, *, ends_line: bool = False) -> str:
    """Write text as in a dialogue.

    Args:
        text: any characters; octets that aren't UTF-8 are surrogates.
        ends_line: whether a space at its end must be visible.
    """
    kept = text.rstrip(_SPACES) if ends_line else text
    if kept.isascii() and kept.isprintable():
        written = _doubled(kept)
    else:
        runs = ((hidden, "".join(run)) for hidden, run in groupby(kept, is_hidden))
        written = "".join(_in_hex(run) if hidden else _doubled(run) for hidden, run in runs)
    return written + _in_hex(text[len(kept) :])


def unescaped(inside: str) -> str | None:
    """Parse what is between braces, such as `0x1b`; return None if it isn't an escape."""
    found = _HEXADECIMAL.fullmatch(inside)
    return text_of(bytes.fromhex(found[1])) if found else None


def _doubled(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _in_hex(text: str) -> str:
    return f"{{0x{octets_of(text).hex()}}}" if text else ""


def is_hidden(character: str) -> bool:
    """Return whether a screen would hide a character, or would reorder others because of it."""
    visible = character.isprintable() or character == "\t" or character in _SPACES
    return not visible or character in SHAPELESS


def json_line(line: bytes) -> Mapping[str, str]:
    """Return the fields of a line in a JSON log.

    Args:
        line: octets, without the CRLF.

    Returns:
        `line`, the text.  If the line isn't UTF-8 there is `base64` too, which is exact, while each
        octet that isn't UTF-8 is U+FFFD in `line`.
    """
    try:
        return {"line": line.decode()}
    except UnicodeDecodeError:
        from binascii import b2a_base64

        exact = b2a_base64(line, newline=False).decode("ascii")
        return {"line": line.decode("utf-8", "replace"), "base64": exact}


def json_object(fields: Mapping[str, object]) -> str:
    r"""Write an object as one line of JSON, hidden characters as `\u` escapes: people use `cat`."""
    written = json.dumps(fields, ensure_ascii=False)
    if written.isascii() and written.isprintable():
        return written
    return "".join(json.dumps(c)[1:-1] if is_hidden(c) else c for c in written)
