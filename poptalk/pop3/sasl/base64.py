"""The lines of AUTH: base64, and two that are not (RFC 5034 §4)."""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64

CANCEL = b"*"
"""The response that gives up (RFC 5034 §4)."""

EMPTY_INITIAL_RESPONSE = b"="
"""How an empty initial response is written: an empty argument could not be seen (RFC 5034 §4)."""


class NotBase64(ValueError):
    """A line that isn't base64, by the strict rules of RFC 4648 §3.3 and §3.5."""


def decode(line: bytes) -> bytes:
    """Decode base64, strictly (RFC 4648 §3.3, §3.5).

    Args:
        line: base64, without the line end.

    Raises:
        NotBase64: for octets outside of the alphabet, padding that is missing, too much or in the
            middle, and bits that are left over.
    """
    try:
        octets = a2b_base64(line, strict_mode=True)
    except Base64Error as error:
        raise NotBase64(str(error)) from error
    # Python's strict mode lets "AAAA=" and "AB==" pass.
    if encode(octets) != line:
        raise NotBase64("padding or bits are left over")
    return octets


def encode(octets: bytes) -> bytes:
    """Return base64 in one line, without an end."""
    return b2a_base64(octets, newline=False)


def encode_initial(octets: bytes) -> bytes:
    """Return an initial response as AUTH takes it, `=` for an empty one."""
    return encode(octets) or EMPTY_INITIAL_RESPONSE
