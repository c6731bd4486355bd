"""The words of a server: a closed set of occasions, and a text for each.

The text after the status indicator is for people (RFC 1939 §3), and every server has its own; the
indicator, the response code and the fields that are data don't depend on the words and are not here.
The default texts are RFC 1939's examples where it has one, and otherwise say what would have been
right.  There is one language, and that is what LANG says (RFC 6856 §3.2).
"""

from __future__ import annotations

from codecs import getincrementaldecoder
from enum import Enum
from itertools import chain

from poptalk.pop3.replies import MAX_REPLY_OCTETS, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

if TYPE_CHECKING:
    Field = bytes | int | str | Callable[[], int] | Callable[[], str]
    """What is filled into a text; what takes work to find is only asked for if it is in it."""

MAX_FIELD_OCTETS = 80
"""Most octets that are filled in for a field; names and numbers have fewer, a timestamp about 60."""

MAX_TEXT_OCTETS = MAX_REPLY_OCTETS - len(b"-ERR [LOGIN-DELAY] \r\n")
"""Longest text, counting each field as `MAX_FIELD_OCTETS`: the whole line keeps to RFC 1939 §3."""

MAX_SHOWN_OCTETS = 40
"""Octets that are shown of what a client sent: the longest argument of RFC 1939 §3."""


_MAILDROP = ("count", "messages", "octets")


def _ok(key: str, text: str, *fields: str, like: str | None = None) -> tuple[Any, ...]:
    return key, Status.OK, text, frozenset(fields), None, like


def _err(
    key: str, text: str, *fields: str, code: bytes | None = None, like: str | None = None
) -> tuple[Any, ...]:
    return key, Status.ERR, text, frozenset(fields), code, like


class Occasion(Enum):
    """Why a server speaks; the value of each is its key in a persona file.

    Attributes:
        status: positive or negative.
        text: the default words.
        fields: the names that may be in braces in a text for this occasion.
        code: the response code that is given where the server announces that it uses it.
        like: the key of the occasion whose text serves for this one too, if only that one has its own.
    """

    _value_: str
    status: Status
    text: str
    fields: frozenset[str]
    code: bytes | None
    like: str | None

    def __new__(cls, *row: Any) -> Occasion:  # noqa: D102
        occasion = object.__new__(cls)
        occasion._value_, occasion.status, occasion.text, occasion.fields, *rest = row
        occasion.code, occasion.like = rest
        return occasion

    # Each reply is looked up by its occasion, and the hash that Enum makes of a name takes longer.
    __hash__ = object.__hash__

    GREETING = _ok("greeting", "POP3 server ready {timestamp}", "timestamp")
    USER_ACCEPTED = _ok("user-accepted", "{name} is a real hoopy frood", "name")
    LOGGED_IN = _ok(
        "logged-in", "{name}'s maildrop has {messages} ({octets} octets)", "name", *_MAILDROP
    )
    CAPABILITIES_FOLLOW = _ok("capabilities-follow", "Capability list follows")
    TLS_BEGINS = _ok("tls-begins", "Begin TLS negotiation")
    LISTING_FOLLOWS = _ok("listing-follows", "{messages} ({octets} octets)", *_MAILDROP)
    MESSAGE_FOLLOWS = _ok("message-follows", "{octets} octets", "number", "octets")
    TOP_FOLLOWS = _ok("top-follows", "", "number", "lines")
    UNIQUE_IDS_FOLLOW = _ok("unique-ids-follow", "", *_MAILDROP)
    MESSAGE_MARKED = _ok("message-marked", "message {number} deleted", "number")
    MARKS_TAKEN_BACK = _ok(
        "marks-taken-back", "maildrop has {messages} ({octets} octets)", *_MAILDROP
    )
    NOTHING_DONE = _ok("nothing-done", "")
    MECHANISMS_FOLLOW = _ok("mechanisms-follow", "mechanisms follow")
    UTF8_ENABLED = _ok("utf8-enabled", "UTF8 mode enabled")
    LANGUAGES_FOLLOW = _ok("languages-follow", "Language listing follows:")
    LANGUAGE_CHOSEN = _ok("language-chosen", "this is the language of all texts")
    FAREWELL_BEFORE_LOGIN = _ok("farewell-before-login", "dewey POP3 server signing off")
    FAREWELL = _ok("farewell", "dewey POP3 server signing off ({left})", "left", *_MAILDROP)
    FAREWELL_AFTER_DELETION = _ok(
        "farewell-after-deletion",
        "dewey POP3 server signing off ({left})",
        "left",
        *_MAILDROP,
        like="farewell",
    )

    UNKNOWN_COMMAND = _err(
        "unknown-command", "unknown command; CAPA tells what works here", "keyword"
    )
    UNKNOWN_COMMAND_AFTER_LOGIN = _err(
        "unknown-command-after-login",
        "unknown command; CAPA tells what works here",
        "keyword",
        like="unknown-command",
    )
    EMPTY_LINE = _err("empty-line", "an empty line is no command; try CAPA, or QUIT to leave")
    LINE_TOO_LONG = _err(
        "line-too-long", "line too long, at most {limit} octets are taken", "limit"
    )
    LOGIN_FIRST = _err("login-first", "log in first: USER name, then PASS password", "keyword")
    ALREADY_LOGGED_IN = _err(
        "already-logged-in", "{keyword} comes before the login, which is done", "keyword"
    )
    ARGUMENT_MISSING = _err(
        "argument-missing", "an argument is missing: {syntax}", "keyword", "syntax"
    )
    ARGUMENT_EXCESS = _err(
        "argument-excess", "too many arguments: {syntax}", "keyword", "syntax", "extra"
    )
    USER_FIRST = _err("user-first", "PASS goes right behind USER: send USER name first")
    USER_TWICE = _err("user-twice", "a name was given already: send PASS password")
    WRONG_PASSWORD = _err(
        "wrong-password", "invalid password; begin again with USER", "name", code=b"AUTH"
    )
    WRONG_DIGEST = _err(
        "wrong-digest",
        "permission denied; the digest is MD5 of the timestamp, then the password",
        code=b"AUTH",
    )
    APOP_NOT_OFFERED = _err(
        "apop-not-offered",
        "APOP needs the timestamp of a greeting, here is none: USER name, then PASS password",
    )
    MECHANISM_UNKNOWN = _err(
        "mechanism-unknown",
        "no mechanism {mechanism} here; AUTH alone lists those there are",
        "mechanism",
    )
    MECHANISM_NEEDS_TLS = _err(
        "mechanism-needs-tls",
        "{mechanism} is for TLS alone, as the password crosses in clear: STLS first",
        "mechanism",
    )
    INITIAL_RESPONSE_UNWANTED = _err(
        "initial-response-unwanted",
        "{mechanism} begins with a question of the server: send AUTH {mechanism} alone",
        "mechanism",
    )
    INITIAL_RESPONSE_TOO_LONG = _err(
        "initial-response-too-long",
        "a line with an initial response has {limit} octets at most: send AUTH {mechanism} alone, "
        "then the response",
        "mechanism",
        "limit",
    )
    RESPONSE_NOT_BASE64 = _err(
        "response-not-base64", "that is no base64; begin again with AUTH", "mechanism"
    )
    RESPONSE_MALFORMED = _err(
        "response-malformed",
        "that is no response of {mechanism}; begin again with AUTH",
        "mechanism",
    )
    OTHER_IDENTITY = _err(
        "other-identity",
        "nobody acts for somebody else here: leave the authorization identity empty",
        "mechanism",
    )
    AUTH_CANCELLED = _err("auth-cancelled", "authentication cancelled", "mechanism")
    AUTH_FAILED = _err("auth-failed", "authentication failed", code=b"AUTH")
    MAILDROP_LOCKED = _err(
        "maildrop-locked", "maildrop already locked; is another session open?", code=b"IN-USE"
    )
    LOGIN_TOO_SOON = _err(
        "login-too-soon", "too soon after the last login, wait", code=b"LOGIN-DELAY"
    )
    TROUBLE_PASSING = _err(
        "trouble-passing", "trouble on our side, try again later", code=b"SYS/TEMP"
    )
    TROUBLE_LASTING = _err(
        "trouble-lasting", "trouble on our side, tell the postmaster", code=b"SYS/PERM"
    )
    TLS_ACTIVE = _err("tls-active", "Command not permitted when TLS active")
    OCTETS_BEHIND_STLS = _err(
        "octets-behind-stls",
        "{octets} octets came behind STLS, where only TLS may follow the answer; closing",
        "octets",
    )
    STLS_AFTER_UTF8 = _err(
        "stls-after-utf8", "STLS must not follow UTF8: connect again and begin with STLS"
    )
    LANGUAGE_UNKNOWN = _err(
        "language-unknown", "no texts in that language; LANG alone lists those there are"
    )
    UTF8_NEEDED = _err(
        "utf8-needed",
        "the header of message {number} is in UTF-8; send UTF8 before the login",
        "number",
        code=b"UTF8",
    )
    NO_NUMBER = _err(
        "no-number", "a message-number is needed, such as 1: {syntax}", "syntax", "argument"
    )
    NO_LINE_COUNT = _err(
        "no-line-count", "a number of lines is needed, 0 or more: {syntax}", "syntax", "argument"
    )
    NO_SUCH_MESSAGE = _err(
        "no-such-message", "no such message, only {messages} in maildrop", "number", *_MAILDROP
    )
    MAILDROP_EMPTY = _err("maildrop-empty", "no such message, the maildrop is empty", "number")
    MESSAGE_DELETED = _err(
        "message-deleted", "message {number} already deleted; RSET takes that back", "number"
    )
    MESSAGE_UNAVAILABLE = _err(
        "message-unavailable",
        "the message cannot be read: somebody else removed or changed it; log in again",
    )
    SOME_NOT_REMOVED = _err("some-not-removed", "some deleted messages not removed")
    TOO_MANY_ERRORS = _err(
        "too-many-errors", "too many errors one after the other; closing", "limit"
    )
    TOO_MANY_LOGINS = _err(
        "too-many-logins", "too many logins failed; closing", "limit", code=b"AUTH"
    )
    TOO_MANY_CONNECTIONS = _err(
        "too-many-connections", "too many connections; close one and try again", code=b"SYS/TEMP"
    )


LANGUAGES = {b"en": b"English", b"i-default": b"English"}
"""The languages of the texts: tag, and its name in itself (RFC 6856 §3.2).

`i-default` is what RFC 2277 §4.5 calls a text that was not asked for in any language, and which an
English-speaking person must be able to understand.
"""


class TextError(ValueError):
    """A text that cannot be used, explained in one sentence."""


class Texts:
    """The words of one server.

    Args:
        own: texts by occasion that replace the default ones, with fields such as ``{number}``.

    Raises:
        TextError: for a text that holds anything but printable ASCII, can become longer than
            `MAX_TEXT_OCTETS`, or names a field that the occasion does not have.
    """

    def __init__(self, own: Mapping[Occasion, str] | None = None) -> None:
        words = {occasion.value: text for occasion, text in (own or {}).items()}
        self._pieces = {
            each: _parse(each, words.get(each.value, words.get(each.like or "", each.text)))
            for each in Occasion
        }

    def fill(self, occasion: Occasion, values: Mapping[str, Field]) -> bytes:
        """Return the text for an occasion, its fields filled in and without spaces at its ends.

        Args:
            occasion: why the server speaks.
            values: at least the fields of the occasion.
        """
        literals, fields = self._pieces[occasion]
        if not fields:
            return literals[0]
        # Literal text and fields take turns, and a literal comes first.
        out = literals[:1]
        for field, literal in zip(fields, literals[1:], strict=True):
            value = values[field]
            value = value() if callable(value) else value
            filled_in = value if isinstance(value, bytes) else str(value).encode("ascii")
            out += (filled_in[:MAX_FIELD_OCTETS], literal)
        return b"".join(out).strip(b" ")

    def mentions(self, occasion: Occasion, field: str) -> bool:
        """Tell whether the text for an occasion has a field."""
        return field in self._pieces[occasion][1]


def _parse(occasion: Occasion, text: str) -> tuple[tuple[bytes, ...], tuple[str, ...]]:
    """Split a text into literals and names of fields, which take turns; a literal comes first."""
    if not text.isascii() or not text.isprintable():
        raise TextError("a text is printable ASCII on one line (RFC 1939 §3)")
    if len(text) + MAX_FIELD_OCTETS * text.count("{") > MAX_TEXT_OCTETS:
        raise TextError(
            f"a text has {MAX_TEXT_OCTETS} octets at most, each field counted as {MAX_FIELD_OCTETS}, "
            f"because a reply line has {MAX_REPLY_OCTETS} (RFC 1939 §3)"
        )
    allowed = occasion.fields
    first, *parts = text.split("{")
    literals, fields = [first], []
    for part in parts:
        name, brace, literal = part.partition("}")
        if not brace or name not in allowed:
            known = ", ".join(f"{{{field}}}" for field in sorted(allowed)) or "none"
            raise TextError(
                f'"{{{part}" is no field here; the fields of {occasion.value} are {known}'
            )
        literals.append(literal)
        fields.append(name)
    if any("}" in literal for literal in literals):
        raise TextError('"}" stands alone; braces are only for fields such as {number}')
    return tuple(literal.encode("ascii") for literal in literals), tuple(fields)


def shown(octets: bytes) -> bytes:
    """Return what may be shown of octets that a client sent: short, printable, no brackets.

    Without the brackets no client can make the server say a response code or a timestamp of its choice.
    """
    return octets[:MAX_SHOWN_OCTETS].translate(_SHOWN)


def _shown_octet(octet: int) -> int:
    return octet if 0x20 <= octet <= 0x7E and octet not in b"[]<>" else ord("?")


_SHOWN = bytes(_shown_octet(octet) for octet in range(256))


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
