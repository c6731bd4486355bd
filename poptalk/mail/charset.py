r"""Octets of a message made into characters.

Labels mean what the WHATWG Encoding Standard says they mean, as in every mail program with a browser
inside: gb2312 is read as gb18030, iso-8859-1 as windows-1252.  Labels that it does not list are sought
among Python's codecs.  An octet that is not in its charset becomes a lone surrogate, which the screen
shows as an escape such as ``\xfc``: it marks one place and leaves the rest of the text alone.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from encodings import normalize_encoding
from encodings.aliases import aliases
from functools import lru_cache

import webencodings

_NAMED_TOO = re.compile(r"[^a-z0-9]+")
_LONGEST_LABEL = 40
"""Characters; the longest label of the Encoding Standard has 19."""

_ODD = "poptalk-odd-octets"

_DECODED_AS = {
    # The Encoding Standard reads GBK by the decoder of GB18030, which contains it.
    "gbk": "gb18030",
    # The Standard replaces these by U+FFFD, for what web pages can do with them; mail cannot.
    "iso-2022-kr": "iso2022_kr",
    "hz-gb-2312": "hz",
    "iso-2022-cn": "",
    "iso-2022-cn-ext": "",
}

_PYTHONS = frozenset(
    name
    for name in aliases.values()
    if not name.endswith("_codec") and name not in ("rot_13", "mbcs", "tactis")
)
"""Python's names of charsets.  `codecs.lookup` would search the disk for each label of a stranger's."""

_UNSAID = frozenset({"", "us-ascii", "ascii", "ansi_x3.4-1968", "unknown-8bit", "x-unknown"})
"""Labels that say nothing about octets above 127."""


def _mark(error: UnicodeError) -> tuple[str, int]:
    """Keep octets that are not in a charset, as `surrogateescape` does, whatever they are."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    octets = error.object[error.start : error.end]
    return "".join(chr(0xDC00 + o) if o > 0x7F else chr(o) for o in octets), error.end


codecs.register_error(_ODD, _mark)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """Characters, and what was wrong with the octets."""

    text: str
    """Odd octets are U+DC80 to U+DCFF."""
    remarks: tuple[str, ...] = ()


def decode(octets: bytes, label: str | None) -> Decoded:
    """Decode octets by the label that their sender gave them.

    Args:
        octets: of text.
        label: a charset; None where none is given.
    """
    name = (label or "").strip().strip("'\"").lower()
    if name in _UNSAID:
        return Decoded(text=_guessed(octets)[0])
    codec = codec_of(name)
    if codec is None:
        text, guess = _guessed(octets)
        read = "" if octets.isascii() else f"; it is read as {guess}"
        return Decoded(
            text=text, remarks=(f'the charset "{name[:_LONGEST_LABEL]}" isn\'t known{read}',)
        )
    return _by(octets, name, codec)


def _by(octets: bytes, name: str, codec: str) -> Decoded:
    # The handlers from the quick one to the one that takes everything.
    for errors in ("strict", "surrogateescape", _ODD):
        try:
            text = octets.decode(codec, errors)
            break
        except ValueError:
            continue
    else:
        return Decoded(text=_guessed(octets)[0], remarks=(f"it isn't {name}, as it says",))
    odd = len(_SURROGATES.findall(text))
    if errors == "strict":
        return Decoded(text=text)
    if not odd:
        return Decoded(text=text, remarks=(f"some of it isn't {name}",))
    octets_are = "1 octet isn't" if odd == 1 else f"{odd:,} octets aren't"
    return Decoded(text=text, remarks=(f"{octets_are} {name}",))


_SURROGATES = re.compile("[\udc80-\udcff]")


def _guessed(octets: bytes) -> tuple[str, str]:
    """Decode octets that nobody has named: UTF-8 if more of it fits than not, else windows-1252."""
    text = octets.decode("utf-8", "surrogateescape")
    if octets.isascii():
        return text, "us-ascii"
    odd = len(_SURROGATES.findall(text))
    fitting = sum(character > "\x7f" for character in text) - odd if odd else 1
    if fitting > odd:
        return text, "utf-8"
    return octets.decode("cp1252", _ODD), "windows-1252"


@lru_cache(maxsize=256)
def codec_of(label: str) -> str | None:
    """Return the name of Python's codec for a label in lower case; None where nobody knows it."""
    if not label.isascii() or not label.isprintable() or len(label) > _LONGEST_LABEL:
        return None
    for spelling in _spellings(label):
        if spelling in _DECODED_AS:
            return _DECODED_AS[spelling] or None
        encoding = webencodings.lookup(spelling)
        if encoding is not None and encoding.name not in ("replacement", "x-user-defined"):
            return _DECODED_AS.get(encoding.name) or str(encoding.codec_info.name)
        name = normalize_encoding(spelling)
        name = aliases.get(name, name)
        if name in _PYTHONS:
            return name
    return None


def _spellings(label: str) -> list[str]:
    """Return a label as it is and in the ways in which it may have been meant."""
    bare = label.removeprefix("x-").removeprefix("cs")
    # "cp-850", "cp_850" and "dos-850" are cp850; "iso2022jp" and "iso 8859-15" lack a hyphen.
    numbered = re.fullmatch(r"(?:cp|ibm|dos|ms|windows|win)[-_ ]*(\d{3,5})", bare)
    dashed = re.sub(r"^iso[-_ ]*(8859|2022|646)[-_ ]*", r"iso-\1-", bare)
    ways = [label, bare, dashed, _NAMED_TOO.sub("-", bare)]
    if numbered:
        ways += [f"windows-{numbered[1]}", f"cp{numbered[1]}"]
    return list(dict.fromkeys(ways))
