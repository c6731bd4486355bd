r"""Any octets as text that reads back as the same octets: in a dialogue, and in a JSON log.

In a dialogue a TAB and printable UTF-8 are left as they are.  Everything else is written as its octets
in hexadecimal digits, `{0x1b}`: control characters, octets that are not UTF-8, a space at the end of a
line, and characters that a screen would hide or reorder.  A line ends in CRLF unless its text ends in
an LF of its own, which is written `{0x0a}`.

Inside poptalk, text holds octets that are not UTF-8 as surrogates ("surrogateescape").
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
"""Characters that `str.isprintable` lets pass although they draw nothing: fillers, the blank braille
pattern, and the variation selectors, in which whole texts can be hidden."""

_SPACES = " \xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u202f\u205f\u3000"
"""Spaces of every width; of these `str.isprintable` lets only the first pass."""

_HEXADECIMAL = re.compile(r"0[xX]((?:[0-9a-fA-F]{2})+)")
_SURROGATE = re.compile("[\udc80-\udcff]")


def text_of(octets: bytes) -> str:
    """Return octets as text; those that are not UTF-8 become surrogates."""
    return octets.decode("utf-8", "surrogateescape")


def octets_of(text: str) -> bytes:
    """Return the octets of a text that `text_of` made."""
    return text.encode("utf-8", "surrogateescape")


def joined(text: str) -> str:
    """Return a text put together from pieces as `text_of` would have made it from all octets at once."""
    return text_of(octets_of(text)) if _SURROGATE.search(text) else text


def escaped(text: str, *, ends_line: bool = False) -> str:
    """Write text as a dialogue does.

    Args:
        text: any characters, octets that are not UTF-8 as surrogates.
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
    """Read what an escape has between its braces, such as `0x1b`; None where it is no escape."""
    found = _HEXADECIMAL.fullmatch(inside)
    return text_of(bytes.fromhex(found[1])) if found else None


def _doubled(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _in_hex(text: str) -> str:
    return f"{{0x{octets_of(text).hex()}}}" if text else ""


def is_hidden(character: str) -> bool:
    """Tell whether a screen would not show a character, or would show others in another order."""
    visible = character.isprintable() or character == "\t" or character in _SPACES
    return not visible or character in SHAPELESS


def json_line(line: bytes) -> Mapping[str, str]:
    """Return the fields that hold a line in a JSON log.

    Args:
        line: octets, without the CRLF.

    Returns:
        `line`, the text.  For a line that is not UTF-8 also `base64`, which alone is exact: in its
        `line` each octet that is not UTF-8 is U+FFFD.
    """
    try:
        return {"line": line.decode()}
    except UnicodeDecodeError:
        from binascii import b2a_base64

        exact = b2a_base64(line, newline=False).decode("ascii")
        return {"line": line.decode("utf-8", "replace"), "base64": exact}


def json_object(fields: Mapping[str, object]) -> str:
    r"""Write an object in one line of JSON, hidden characters as `\u` escapes: people use `cat`."""
    written = json.dumps(fields, ensure_ascii=False)
    if written.isascii() and written.isprintable():
        return written
    return "".join(json.dumps(c)[1:-1] if is_hidden(c) else c for c in written)
