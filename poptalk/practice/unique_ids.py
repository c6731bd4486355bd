"""Unique-ids that look like those of a certain server.

Every server has a form of its own: Courier's are like UID3-1795430507, Cyrus's like 1795430588.3.  A
form says how they look; what they are is still made from the message's own unique-id, and so from its
content, and is the same in every session (RFC 1939 §7).  The running numbers that stand in the real
ones would be used again for another message as soon as a maildrop is copied.
"""

from __future__ import annotations

import hashlib
import re

from poptalk.practice.another_maildrop import AnotherMaildrop
from poptalk.protocol.maildrop import Maildrop

MAX_UNIQUE_ID_OCTETS = 70
"""RFC 1939 §7."""

MOST_FIELDS = 4
"""A field takes 64 bits of a hash, and the hash is not to be a long one."""

_DIGITS = 10
_FIELDS = {"{hex}": "0123456789abcdef", "{digits}": "0123456789"}
"""The fields, each with an example of what is filled in."""


class FormError(ValueError):
    """A form that cannot be used, explained in one sentence."""


class UniqueIdForm:
    """How unique-ids look.

    Args:
        form: text with fields: ``{hex}`` is 16 hex digits, ``{digits}`` 10 decimal ones.  At least one
            ``{hex}`` or two ``{digits}`` must be in it, or two of 100,000 messages would share one.

    Raises:
        FormError: for a form that cannot be used.
    """

    def __init__(self, form: str) -> None:
        pieces = re.split(r"(\{[^{}]*\})", form)
        fields = pieces[1::2]
        if any(field not in _FIELDS for field in fields) or set("{}") & set("".join(pieces[::2])):
            raise FormError("only {hex} (16 hex digits) and {digits} (10 digits) may be in braces")
        if fields.count("{hex}") * 2 + fields.count("{digits}") < 2:
            raise FormError("at least one {hex} or two {digits} are needed, to tell messages apart")
        example = "".join(_FIELDS.get(piece, piece) for piece in pieces)
        if not all(0x21 <= ord(character) <= 0x7E for character in example):
            raise FormError("a unique-id has no blanks, and printable ASCII only (RFC 1939 §7)")
        if len(fields) > MOST_FIELDS or len(example) > MAX_UNIQUE_ID_OCTETS:
            raise FormError(
                f"a unique-id has {MAX_UNIQUE_ID_OCTETS} octets at most (RFC 1939 §7), made from "
                f"{MOST_FIELDS} fields at most; this one would have {len(example)} and {len(fields)}"
            )
        self._pieces = pieces

    def make(self, unique_id: bytes) -> bytes:
        """Return the unique-id in this form that stands for another one."""
        hashed = hashlib.blake2b(unique_id, digest_size=8 * MOST_FIELDS).digest()
        out = list(self._pieces)
        for at in range(1, len(out), 2):
            taken, hashed = hashed[:8], hashed[8:]
            number = int.from_bytes(taken, "big") % 10**_DIGITS
            out[at] = taken.hex() if out[at] == "{hex}" else f"{number:0{_DIGITS}}"
        return "".join(out).encode("ascii")


class RenamedMaildrop(AnotherMaildrop):
    """A maildrop whose unique-ids have another form.

    Args:
        maildrop: the maildrop.
        form: the form.
    """

    def __init__(self, maildrop: Maildrop, form: UniqueIdForm) -> None:
        super().__init__(maildrop)
        self._form = form

    def octets_in_all(self) -> int | None:
        """Return the size of all messages together, None while some have not been counted."""
        return self._maildrop.octets_in_all()

    def unique_id(self, number: int) -> bytes:
        """Return the unique-id of a message."""
        return self._form.make(super().unique_id(number))
