"""What a server says: a closed set of occasions, and a text for each.

The text after the status indicator is for people (RFC 1939 §3), and every server has its own.  The
indicator, the response code and the fields that are data don't depend on the texts and aren't here.
The default texts are the examples of RFC 1939 if it has one; others say what would have been right.
There is only one language, and LANG says so (RFC 6856 §3.2).
"""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from enum import Enum, unique
from itertools import chain

from poptalk.pop3.replies import MAX_REPLY_OCTETS, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    Field = bytes | int | str | Callable[[], int] | Callable[[], str]
    """What is filled into a text; a function is called only if the text needs its value."""

MAX_FIELD_OCTETS = 80
"""Octets of a field that are filled in at most; names and numbers are shorter, a timestamp has about
60."""

MAX_TEXT_OCTETS = MAX_REPLY_OCTETS - len(b"-ERR [LOGIN-DELAY] \r\n")
"""Longest text, with `MAX_FIELD_OCTETS` for each field, so that the line conforms to RFC 1939 §3."""

MAX_SHOWN_OCTETS = 40
"""Octets of a client's input that are shown: the longest argument of RFC 1939 §3."""


_MAILDROP = ("count", "messages", "octets")


def _ok(text: str, *more_fields: str, like: str | None = None) -> tuple[Any, ...]:
    return Status.OK, text, more_fields, None, like


def _err(
    text: str, *more_fields: str, code: bytes | None = None, like: str | None = None
) -> tuple[Any, ...]:
    return Status.ERR, text, more_fields, code, like


@unique
class Occasion(Enum):
    """Why a server speaks.

    Attributes:
        status: positive or negative.
        text: the default words.
        fields: the names that a text for this occasion may have in braces: those in the default words,
            and more.
        code: the response code that is sent if the server announces it.
        like: the key of another occasion, whose text is used for this one if only that one has one.
    """

    status: Status
    text: str
    fields: frozenset[str]
    code: bytes | None
    like: str | None

    def __init__(self, *row: Any) -> None:
        self.status, self.text, more_fields, self.code, self.like = row
        named = (part.partition("}")[0] for part in self.text.split("{")[1:])
        self.fields = frozenset((*named, *more_fields))

    @property
    def key(self) -> str:
        """Its name in a persona file."""
        return self.name.lower().replace("_", "-")

    # Each reply looks its occasion up, and Enum's hash of the name is slower.
    __hash__ = object.__hash__

    GREETING = _ok("POP3 server ready {timestamp}")
    USER_ACCEPTED = _ok("{name} is a real hoopy frood")
    LOGGED_IN = _ok("{name}'s maildrop has {messages} ({octets} octets)", *_MAILDROP)
    CAPABILITIES_FOLLOW = _ok("Capability list follows")
    TLS_BEGINS = _ok("Begin TLS negotiation")
    LISTING_FOLLOWS = _ok("{messages} ({octets} octets)", *_MAILDROP)
    MESSAGE_FOLLOWS = _ok("{octets} octets", "number")
    TOP_FOLLOWS = _ok("", "lines", "number")
    UNIQUE_IDS_FOLLOW = _ok("", *_MAILDROP)
    MESSAGE_MARKED = _ok("message {number} deleted")
    MARKS_TAKEN_BACK = _ok("maildrop has {messages} ({octets} octets)", *_MAILDROP)
    NOTHING_DONE = _ok("")
    MECHANISMS_FOLLOW = _ok("mechanisms follow")
    UTF8_ENABLED = _ok("UTF8 mode enabled")
    LANGUAGES_FOLLOW = _ok("Language listing follows:")
    LANGUAGE_CHOSEN = _ok("this is the language of all texts")
    FAREWELL_BEFORE_LOGIN = _ok("dewey POP3 server signing off")
    FAREWELL = _ok("dewey POP3 server signing off ({left})", *_MAILDROP)
    FAREWELL_AFTER_DELETION = _ok(
        "dewey POP3 server signing off ({left})", *_MAILDROP, like="farewell"
    )

    UNKNOWN_COMMAND = _err("unknown command; CAPA tells what works here", "keyword")
    UNKNOWN_COMMAND_AFTER_LOGIN = _err(
        "unknown command; CAPA tells what works here", "keyword", like="unknown-command"
    )
    EMPTY_LINE = _err("an empty line is no command; try CAPA, or QUIT to leave")
    LINE_TOO_LONG = _err("line too long, at most {limit} octets are taken")
    LOGIN_FIRST = _err("log in first: USER name, then PASS password", "keyword")
    ALREADY_LOGGED_IN = _err("{keyword} comes before the login, which is done")
    ARGUMENT_MISSING = _err("an argument is missing: {syntax}", "keyword")
    ARGUMENT_EXCESS = _err("too many arguments: {syntax}", "extra", "keyword")
    USER_FIRST = _err("PASS goes right after USER: send USER name first")
    USER_TWICE = _err("a name was given already: send PASS password")
    WRONG_PASSWORD = _err("invalid password; begin again with USER", "name", code=b"AUTH")
    WRONG_DIGEST = _err(
        "permission denied; the digest is MD5 of the timestamp, then the password", code=b"AUTH"
    )
    APOP_NOT_OFFERED = _err(
        "APOP needs the timestamp of a greeting, here is none: USER name, then PASS password"
    )
    MECHANISM_UNKNOWN = _err("no mechanism {mechanism} here; AUTH alone lists those there are")
    MECHANISM_NEEDS_TLS = _err(
        "{mechanism} is for TLS alone, as the password crosses in the clear: STLS first"
    )
    INITIAL_RESPONSE_UNWANTED = _err(
        "{mechanism} begins with a question of the server: send AUTH {mechanism} alone"
    )
    INITIAL_RESPONSE_TOO_LONG = _err(
        "a line with an initial response has {limit} octets at most: send AUTH {mechanism} alone, "
        "then the response"
    )
    RESPONSE_NOT_BASE64 = _err("that is no base64; begin again with AUTH", "mechanism")
    RESPONSE_MALFORMED = _err("that is no response of {mechanism}; begin again with AUTH")
    OTHER_IDENTITY = _err(
        "nobody acts for somebody else here: leave the authorization identity empty", "mechanism"
    )
    AUTH_CANCELLED = _err("authentication cancelled", "mechanism")
    AUTH_FAILED = _err("authentication failed", code=b"AUTH")
    MAILDROP_LOCKED = _err("maildrop already locked; is another session open?", code=b"IN-USE")
    LOGIN_TOO_SOON = _err("too soon after the last login, wait", code=b"LOGIN-DELAY")
    TROUBLE_PASSING = _err("trouble on our side, try again later", code=b"SYS/TEMP")
    TROUBLE_LASTING = _err("trouble on our side, tell the postmaster", code=b"SYS/PERM")
    TLS_ACTIVE = _err("Command not permitted when TLS active")
    OCTETS_BEHIND_STLS = _err(
        "{octets} octets came after STLS, where only TLS may follow the answer; closing"
    )
    STLS_AFTER_UTF8 = _err("STLS must not follow UTF8: connect again and begin with STLS")
    LANGUAGE_UNKNOWN = _err("no texts in that language; LANG alone lists those there are")
    UTF8_NEEDED = _err(
        "the header of message {number} is in UTF-8; send UTF8 before the login", code=b"UTF8"
    )
    NO_NUMBER = _err("a message-number is needed, such as 1: {syntax}", "argument")
    NO_LINE_COUNT = _err("a number of lines is needed, 0 or more: {syntax}", "argument")
    NO_SUCH_MESSAGE = _err("no such message, only {messages} in maildrop", "number", *_MAILDROP)
    MAILDROP_EMPTY = _err("no such message, the maildrop is empty", "number")
    MESSAGE_DELETED = _err("message {number} already deleted; RSET takes that back")
    MESSAGE_UNAVAILABLE = _err(
        "the message cannot be read: somebody else removed or changed it; log in again"
    )
    SOME_NOT_REMOVED = _err("some deleted messages not removed")
    TOO_MANY_ERRORS = _err("too many errors one after the other; closing", "limit")
    TOO_MANY_LOGINS = _err("too many logins failed; closing", "limit", code=b"AUTH")
    TOO_MANY_CONNECTIONS = _err("too many connections; close one and try again", code=b"SYS/TEMP")


OCCASIONS: Mapping[str, Occasion] = {occasion.key: occasion for occasion in Occasion}
"""Every occasion by its key."""

LANGUAGES = {b"en": b"English", b"i-default": b"English"}
"""The languages of the texts: the tag of each, and its name in that language (RFC 6856 §3.2).

`i-default` is for text in no particular language, which English-speaking people must be able to
understand (RFC 2277 §4.5).
"""


class TextError(ValueError):
    """A text can't be used; the message is one sentence."""


class Texts:
    """The texts of one server.

    Args:
        own: texts by occasion that replace the default ones, with fields such as ``{number}``.

    Raises:
        TextError: a text isn't printable ASCII, may become longer than `MAX_TEXT_OCTETS`, or names a
            field that the occasion doesn't have.
    """

    def __init__(self, own: Mapping[Occasion, str] | None = None) -> None:
        words = {occasion.key: text for occasion, text in (own or {}).items()}
        self._pieces = {
            each: _parse(each, words.get(key, words.get(each.like or "", each.text)))
            for key, each in OCCASIONS.items()
        }

    def fill(self, occasion: Occasion, values: Mapping[str, Field]) -> bytes:
        """Return the text for an occasion, with its fields filled in, without spaces at its ends.

        Args:
            occasion: why the server speaks.
            values: at least the fields of the occasion.
        """
        literals, fields = self._pieces[occasion]
        if not fields:
            return literals[0]
        # Literals and fields alternate, beginning with a literal.
        out = literals[:1]
        for field, literal in zip(fields, literals[1:], strict=True):
            value = values[field]
            value = value() if callable(value) else value
            filled_in = value if isinstance(value, bytes) else str(value).encode("ascii")
            out += (filled_in[:MAX_FIELD_OCTETS], literal)
        return b"".join(out).strip(b" ")

    def mentions(self, occasion: Occasion, field: str) -> bool:
        """Return whether the text for an occasion has a field."""
        return field in self._pieces[occasion][1]


def _parse(occasion: Occasion, text: str) -> tuple[tuple[bytes, ...], tuple[str, ...]]:
    """Split a text into literals and names of fields, which alternate; a literal comes first."""
    if not text.isascii() or not text.isprintable():
        raise TextError("a text is printable ASCII on one line (RFC 1939 §3)")
    if len(text) + MAX_FIELD_OCTETS * text.count("{") > MAX_TEXT_OCTETS:
        raise TextError(
            f"a text has {MAX_TEXT_OCTETS} octets at most, each field counted as {MAX_FIELD_OCTETS}, "
            f"because a reply line has {MAX_REPLY_OCTETS} (RFC 1939 §3)"
        )
    first, *parts = text.split("{")
    literals, fields = [first], []
    for part in parts:
        name, brace, literal = part.partition("}")
        if not brace or name not in occasion.fields:
            known = ", ".join(f"{{{field}}}" for field in sorted(occasion.fields)) or "none"
            raise TextError(
                f'"{{{part}" is no field here; the fields of {occasion.key} are {known}'
            )
        literals.append(literal)
        fields.append(name)
    if any("}" in literal for literal in literals):
        raise TextError('"}" stands alone; braces are only for fields such as {number}')
    return tuple(literal.encode("ascii") for literal in literals), tuple(fields)


def shown(octets: bytes) -> bytes:
    """Return octets that a client sent in a form that may be shown: short, printable, no brackets.

    With brackets a client could make the server send a response code or a timestamp of its choice.
    """
    return re.sub(rb"[^ -~]|[][<>]", b"?", octets[:MAX_SHOWN_OCTETS])


PREFERRED_RANGE = b"*"
"""Selects the language that the server prefers (RFC 6856 §3.2)."""

MAX_HEADER_READ = 65_536
"""Octets of a header that are looked at.  Headers have a few thousand; but a message without an empty
line is all header, and may be large."""


def find_language(language_range: bytes) -> bytes | None:
    """Find the language that a client asks for.

    Args:
        language_range: a basic language range, in any case: a tag, its first subtags
            (RFC 4647 §3.3.1), or `*`.

    Returns:
        The tag of the first language that matches; None if there is none.
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
        The beginning: the header, up to `MAX_HEADER_READ`; and the whole message.
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
    """Return whether a header has UTF-8 beyond ASCII, which was illegal before RFC 6532.

    A header in another charset was never legal, and UTF-8 mode wouldn't help.  Bodies with 8-bit
    octets are older, and have a label of their own (RFC 6152).

    Args:
        beginning: octets of a message, at least its header.
    """
    end = _header_end(beginning)
    header = beginning if end < 0 else beginning[:end]
    if header.isascii():
        return False
    try:
        # The last character may be cut in two.
        getincrementaldecoder("utf-8")().decode(header)
    except UnicodeDecodeError:
        return False
    return True


def _header_end(octets: bytes) -> int:
    """Return where the empty line begins, -1 if there is none; it may be the first line."""
    return 0 if octets.startswith(b"\r\n") else octets.find(b"\r\n\r\n")
