"""Replies: status lines, response codes, how other protocols greet, and byte-stuffing.

RFC 1939 §3 defines two status indicators, and RFC 5034 §4 adds the challenge, `+ `.  Anything else
that real servers send is recognised too, and kept apart, so that the screen can say so.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache

from poptalk.pop3.commands import Clause
from poptalk.pop3.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# The registered response codes: why a server said -ERR, in a form for programs.
#
# RFC 2449 §8 lets the text of a reply begin with a code in square brackets.  Six codes are registered,
# and a server that uses them announces that with a capability.


class ResponseCode(Value):
    """A row of the registry of response codes."""

    name: bytes
    """In upper case, without brackets; levels are separated by slashes."""
    meaning: str
    capability: bytes
    """The tag of the capability that announces the code."""
    clause: Clause


def _row(
    name: bytes, rfc: int, section: str, meaning: str, capability: bytes = b"RESP-CODES"
) -> ResponseCode:
    clause = Clause(rfc=rfc, section=section)
    return ResponseCode(name=name, meaning=meaning, capability=capability, clause=clause)


_ROWS = (
    _row(b"LOGIN-DELAY", 2449, "8.1.1", "the last login was too recent; wait before the next"),
    _row(
        b"IN-USE",
        2449,
        "8.1.2",
        "the login was right, but the maildrop is in use, probably by another session",
    ),
    _row(
        b"SYS/TEMP",
        3206,
        "4",
        "a fault of the server, which it calls temporary; name and password may be right",
    ),
    _row(
        b"SYS/PERM",
        3206,
        "4",
        "a lasting fault of the server, for its operator; name and password may be right",
    ),
    _row(
        b"AUTH",
        3206,
        "5",
        "a problem with the credentials or the account: name, password, an expired account ...",
        capability=b"AUTH-RESP-CODE",
    ),
    _row(
        b"UTF8", 6856, "5", "the message holds UTF-8, and the session is not in UTF-8 mode", b"UTF8"
    ),
)

RESPONSE_CODES: Mapping[bytes, ResponseCode] = {row.name: row for row in _ROWS}
"""Every registered response code by its name in upper case."""


def find_response_code(code: bytes) -> ResponseCode | None:
    """Look a response code up in the registry.

    Args:
        code: the code without brackets, in any case, such as ``SYS/TEMP/DISK``.

    Returns:
        The row of the code itself, or of the longest beginning of it that is registered: "clients MUST
        ignore unknown hierarchical detail" (RFC 2449 §8).  None if there is no such row.
    """
    levels = code.upper().split(b"/")
    beginnings = (b"/".join(levels[:count]) for count in range(len(levels), 0, -1))
    return next((RESPONSE_CODES[each] for each in beginnings if each in RESPONSE_CODES), None)


MAX_REPLY_OCTETS = 512
"""Longest first line of a reply, including its CRLF (RFC 1939 §3, RFC 2449 §4)."""


class Status(Enum):
    """The status indicator of a reply line."""

    OK = "+OK"
    ERR = "-ERR"
    CHALLENGE = "+"
    """A SASL challenge (RFC 5034 §4)."""
    OTHER = ""
    """Anything else, such as `421` or `+ERR`: not a status indicator of POP3."""


class StatusLine(Value):
    """The first line of a reply, parsed."""

    line: bytes
    """Octets as received, without the line end."""
    status: Status
    code: bytes | None = None
    """The response code without its brackets (RFC 2449 §8), such as `SYS/TEMP`."""
    text: bytes = b""
    """What follows the indicator and one space, including a response code."""
    end: bytes = b"\r\n"
    """The line end as received: CRLF, or LF alone."""

    @property
    def words(self) -> list[bytes]:
        """The words of the text, without a response code."""
        text = self.text[len(self.code) + 2 :] if self.code is not None else self.text
        return text.split()


@lru_cache(maxsize=8)  # A reply is kept, shown and judged, and each of them parses its line.
def parse_status_line(line: bytes, *, end: bytes = b"\r\n") -> StatusLine:
    """Parse the first line of a reply.

    Args:
        line: octets without the line end.
        end: the line end that was removed.

    Returns:
        The parts.  Never raises.  The indicator is recognised in any case; RFC 1939 §3 requires upper
        case, so compare `line` to be strict.
    """
    word, _, text = line.partition(b" ")
    status = _INDICATORS.get(word.upper(), Status.OTHER)
    if status is Status.OTHER:
        return StatusLine(line=line, status=status, text=line, end=end)
    found = _CODE.match(text)
    code = found[1] if found else None
    return StatusLine(line=line, status=status, code=code, text=text, end=end)


_INDICATORS = {s.value.encode("ascii"): s for s in Status if s is not Status.OTHER}
_CODE = re.compile(rb"\[([!-.0-\\^-~]+(?:/[!-.0-\\^-~]+)*)\]")
"""`[CODE/DETAIL]` at the beginning of a text: one level or more of printable octets."""


def timestamp_of(greeting: bytes) -> bytes | None:
    """Find the APOP timestamp in a greeting (RFC 1939 §7).

    Args:
        greeting: the whole line or its text.

    Returns:
        `<...@...>` without spaces, as RFC 822 defines a msg-id; None if there is none.  A more lenient
        parser lets a hostile server choose what is hashed with the password (CVE-2007-1558).
    """
    found = _TIMESTAMP.search(greeting)
    return found[1] if found else None


_TIMESTAMP = re.compile(rb"\A[^<]*(<[!-;=?A-~]+@[!-;=?-~]+>)")
"""It begins with the first `<` in the line: otherwise a server could hide one timestamp in another."""


def quoted(words: str) -> str:
    """Quote a server's words at the end of a sentence, with one full stop and not two."""
    return f'"{words}"' + "." * (not words.endswith((".", "!", "?")))


_PROTOCOLS = (
    (rb"(220|421|554)[ -].*\bE?SMTP\b", "SMTP, which sends mail: ports 25, 465 and 587"),
    (rb"220[ -].*\bLMTP\b", "LMTP, which delivers mail: port 24"),
    (rb"220[ -].*(FTP|FileZilla)", "FTP: port 21"),
    (rb"(220|421|554)[ -]", "SMTP (ports 25, 465 and 587) or FTP (port 21)"),
    (rb"\* (OK|PREAUTH|BYE|BAD)\b", "IMAP: port 143, with TLS 993"),
    (rb"HTTP/|<!doctype|<html", "HTTP, a web server: ports 80 and 443"),
    (rb"SSH-", "SSH: port 22"),
    (rb"20[01][ -].*poppassd", "poppassd, which changes passwords: port 106"),
    (rb"20[01][ -]", "NNTP, which serves news: port 119"),
    (rb'"IMPLEMENTATION"|(OK|NO|BYE) ["({]', "ManageSieve: port 4190"),
    (rb"\+ POP2|\+ .*\bPOP2", "POP2, a predecessor: port 109"),
    (rb"[\x15\x16]\x03[\x00-\x04]", "TLS from the first octet on: --tls speaks it"),
    (rb".[\x00-\x02]\x00[\x00-\x02](\Z|[\n\xff])", "MySQL: port 3306"),
    (rb"E\x00\x00..?S(FATAL|ERROR)", "PostgreSQL: port 5432"),
    (rb"RFB \d", "VNC, a remote screen: port 5900"),
    (rb"RTSP/", "RTSP, which plays films: port 554"),
    (rb"SIP/", "SIP, for telephone calls: port 5060"),
    (rb"@RSYNCD:", "rsync: port 873"),
    (rb":\S+ (NOTICE|\d{3}) |NOTICE \S+ :|ERROR :", "IRC, a chat: port 6667"),
    (rb"<\?xml.*<stream:|<stream:", "XMPP, a chat: port 5222"),
    (rb"-(DENIED|NOAUTH)\b", "Redis: port 6379"),
    (rb"(CLIENT_)?ERROR\Z", "memcached: port 11211"),
    (rb"0.{1,5}\x02\x01.[\x61-\x79]", "LDAP: port 389"),
    (rb"\xff[\xfb-\xfe]", "Telnet: port 23"),
    (rb"AMQP", "AMQP, which carries messages between programs: port 5672"),
    (rb"\x00\x00.\x04\x00\x00\x00\x00\x00", "HTTP/2, a web server: port 443"),
)
"""How other protocols greet, and what they are called."""


def other_protocol(greeting: bytes) -> str:
    """Name the protocol of a greeting that isn't POP3's, and its ports; empty if it isn't known."""
    for pattern, name in _PROTOCOLS:
        if re.match(pattern, greeting, re.IGNORECASE | re.DOTALL):
            return f"this looks like {name}"
    return ""


# Byte-stuffing and its reversal (RFC 1939 §3).
#
# A multi-line reply ends with a line that is a lone dot, so a line of the message that begins with a
# dot is sent with a second one before it.  Both directions work on whole chunks and remember the end of
# the chunk before: a dot may come in one chunk and the line end before it in another.  A server that
# forgets this sends "." and CRLF in the middle of a message, which ends it early.
#
# A line begins after any LF, although RFC 1939 allows only CRLF.  In a proper message that is the same;
# in one with a bare LF it prevents readers that split at LF from seeing an end too early.


TERMINATION = b".\r\n"
"""The last line of a multi-line reply: the termination octet and CRLF."""


def stuff(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Encode the body of a multi-line reply.

    Args:
        chunks: the octets of the lines with their CRLF, cut anywhere.

    Returns:
        The same octets, byte-stuffed; a CRLF if the last line has none; and the termination.
    """
    last = b"\n"
    for chunk in chunks:
        if not chunk:
            continue
        # Searching for "." alone uses memchr, which is thirty times faster; base64 has no dots.
        if b"." in chunk and (b"\n." in chunk or b"\n." in last + chunk[:1]):
            yield (last + chunk).replace(b"\n.", b"\n..")[1:]
        else:
            yield chunk
        last = chunk[-1:]
    if last != b"\n":
        yield b"\r\n"
    yield TERMINATION


def terminate(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Encode a body as `stuff` does, when no line begins with a dot, without looking at the lines.

    Args:
        chunks: the octets of the lines with their CRLF, including the last line's.
    """
    yield from chunks
    yield TERMINATION


class Unstuffer:
    """Undoes byte-stuffing, chunk by chunk.

    It is fed the octets after the status line, cut anywhere, up to and including the termination, which
    it removes.  Finding the termination is up to the caller.
    """

    def __init__(self) -> None:
        self._last = b"\n"
        self._held = b""
        """A dot at the beginning of a line, perhaps with CR: the next octet decides what it means."""

    def feed(self, data: bytes) -> bytes:
        """Return what `data` adds to the message.

        Args:
            data: octets from the wire.
        """
        wire = self._last + self._held + data
        if len(wire) == 1:
            return b""
        for undecided in (b"\n.", b"\n.\r"):
            if wire.endswith(undecided):
                self._held = undecided[1:]
                wire = wire[: -len(self._held)]
                break
        else:
            self._held = b""
            wire = _without_termination(wire)
        self._last = wire[-1:]
        if b"." in wire:
            wire = wire.replace(b"\n.", b"\n")
        return wire[1:]


def _without_termination(wire: bytes) -> bytes:
    """Remove the termination, which some servers send with LF alone."""
    for termination in (TERMINATION, b".\n"):
        if wire.endswith(b"\n" + termination):
            return wire[: -len(termination)]
    return wire
