"""Status lines and response codes: the first line of every answer.

RFC 1939 §3 has two status indicators, and RFC 5034 §4 adds the challenge, `+ `.  What real servers
send beside them is read as well, and told apart, so that the screen can say so.
"""

from __future__ import annotations

from enum import Enum

from poptalk.protocol.values import Value

MAX_REPLY_OCTETS = 512
"""Longest first line of a reply, its CRLF included (RFC 1939 §3, RFC 2449 §4)."""


class Status(Enum):
    """The status indicator of a reply line."""

    OK = "+OK"
    ERR = "-ERR"
    CHALLENGE = "+"
    """A SASL challenge (RFC 5034 §4)."""
    OTHER = ""
    """Anything else, such as `421` or `+ERR`: no indicator that POP3 knows."""


class StatusLine(Value):
    """A reply line taken apart."""

    line: bytes
    """Octets as received, without the line end."""
    status: Status
    code: bytes | None = None
    """The response code without its brackets (RFC 2449 §8), such as `SYS/TEMP`."""
    text: bytes = b""
    """What follows the indicator and one blank, the response code included."""
    end: bytes = b"\r\n"
    """The line end as received: CRLF, or LF alone."""

    @property
    def words(self) -> list[bytes]:
        """The text parted at blanks, without a response code."""
        text = self.text[len(self.code) + 2 :] if self.code is not None else self.text
        return text.split()


def parse_status_line(line: bytes, *, end: bytes = b"\r\n") -> StatusLine:
    """Take the first line of a reply apart.

    Args:
        line: octets without the line end.
        end: the line end that was cut off.

    Returns:
        The parts.  The indicator is recognised in any case (RFC 1939 §3 wants upper case; whoever
        cares compares `line`).  Never raises.
    """
    word, _, text = line.partition(b" ")
    status = _INDICATORS.get(word.upper(), Status.OTHER)
    if status is Status.OTHER:
        return StatusLine(line=line, status=status, text=line, end=end)
    return StatusLine(line=line, status=status, code=_response_code(text), text=text, end=end)


_INDICATORS = {s.value.encode("ascii"): s for s in Status if s is not Status.OTHER}


def _response_code(text: bytes) -> bytes | None:
    """Read `[CODE/DETAIL]` at the start of a text: one or more levels of printable octets."""
    if not text.startswith(b"["):
        return None
    code, bracket, _ = text[1:].partition(b"]")
    levels = code.split(b"/")
    if bracket and all(levels) and all(0x21 <= octet <= 0x7E for octet in code):
        return code
    return None


def timestamp_of(greeting: bytes) -> bytes | None:
    """Find the APOP timestamp of a greeting, angle brackets included (RFC 1939 §7).

    Args:
        greeting: the whole line or its text.

    Returns:
        `<...@...>` without a blank in it, as RFC 822's msg-id demands, else None.  A looser reading
        lets a hostile server choose what is hashed with the password (CVE-2007-1558).
    """
    start = greeting.find(b"<")
    stop = greeting.find(b">", start)
    if start < 0 or stop < 0:
        return None
    inner = greeting[start + 1 : stop]
    local, at, domain = inner.partition(b"@")
    if not (local and at and domain) or b"<" in inner:
        return None
    return greeting[start : stop + 1] if all(0x21 <= o <= 0x7E for o in inner) else None
