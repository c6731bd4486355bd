r"""The escapes of `:send`: `\r`, `\n`, `\t`, `\0`, `\xNN`, `\\`; everything else is itself.

Nothing is added: `:send STAT` sends four octets and no line end, `:send STAT\r\n` a line.
"""

from __future__ import annotations

from string import hexdigits

_SIMPLE = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "e": b"\x1b", "\\": b"\\"}


class BadEscape(ValueError):
    """A backslash that begins no escape; `str(error)` lists the escapes."""


def decode(text: str) -> bytes:
    r"""Return the octets that `text` means.

    Raises:
        BadEscape: for a backslash that begins no escape.
    """
    parts = text.split("\\")
    octets = parts[0].encode("utf-8", "surrogateescape")
    rest = iter(parts[1:])
    for part in rest:
        if part == "":
            # Two backslashes: the second begins the next part, which is text.
            following = next(rest, None)
            if following is None:
                raise BadEscape(r"a lone \ at the end: write \\ for a backslash")
            octets += b"\\" + following.encode("utf-8", "surrogateescape")
        else:
            octets += _escape(part)
    return octets


def _escape(part: str) -> bytes:
    if part[0] == "x":
        digits = part[1:3]
        if len(digits) != 2 or not set(digits) <= set(hexdigits):
            raise BadEscape(r"\x wants two hex digits, such as \x00")
        return bytes.fromhex(digits) + part[3:].encode("utf-8", "surrogateescape")
    if part[0] in _SIMPLE:
        return _SIMPLE[part[0]] + part[1:].encode("utf-8", "surrogateescape")
    raise BadEscape(rf"\{part[0]} isn't an escape; there are \r \n \t \0 \e \xNN and \\")


def decode_leniently(text: str) -> bytes:
    r"""Return the octets; what isn't an escape is itself.  For a line that is still being typed.

    The other escapes still count: a secret stays secret while a `\` after it is typed.
    """
    octets = b""
    rest = text
    while rest:
        literal, backslash, behind = rest.partition("\\")
        octets += literal.encode("utf-8", "surrogateescape")
        length = 3 if behind.startswith("x") else 1
        try:
            octets += decode(backslash + behind[:length])
        except BadEscape:
            octets += backslash.encode("ascii")
            length = 0
        rest = behind[length:]
    return octets
