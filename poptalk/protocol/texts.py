"""What a server says: a closed set of occasions, and the words for each.

The words after the status indicator are for people (RFC 1939 §3), and every server has its own; the
indicator, the response code and the fields that are data are not a matter of wording and are not
found here.  The default words are RFC 1939's examples where it has one, and otherwise say what would
have been right.
"""

from __future__ import annotations

from enum import Enum

from poptalk.protocol.replies import MAX_REPLY_OCTETS, Status
from poptalk.protocol.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Field = bytes | int | str | Callable[[], int] | Callable[[], str]
    """What is filled into a text; what takes work to find is only asked for if it is in it."""

MAX_FIELD_OCTETS = 80
"""Most octets that are filled in for a field; names and numbers have fewer, a timestamp about 60."""

MAX_TEXT_OCTETS = MAX_REPLY_OCTETS - len(b"-ERR [LOGIN-DELAY] \r\n")
"""Longest text, counting each field as `MAX_FIELD_OCTETS`: the whole line keeps to RFC 1939 §3."""

MAX_SHOWN_OCTETS = 40
"""Octets that are shown of what a client sent: the longest argument of RFC 1939 §3."""


class Occasion(Enum):
    """Why a server speaks; the values are the keys of a persona file."""

    # Each reply is looked up by its occasion, and the hash that Enum makes of a name takes longer.
    __hash__ = object.__hash__

    GREETING = "greeting"
    USER_ACCEPTED = "user-accepted"
    LOGGED_IN = "logged-in"
    CAPABILITIES_FOLLOW = "capabilities-follow"
    TLS_BEGINS = "tls-begins"
    LISTING_FOLLOWS = "listing-follows"
    MESSAGE_FOLLOWS = "message-follows"
    TOP_FOLLOWS = "top-follows"
    UNIQUE_IDS_FOLLOW = "unique-ids-follow"
    MESSAGE_MARKED = "message-marked"
    MARKS_TAKEN_BACK = "marks-taken-back"
    NOTHING_DONE = "nothing-done"
    MECHANISMS_FOLLOW = "mechanisms-follow"
    UTF8_ENABLED = "utf8-enabled"
    LANGUAGES_FOLLOW = "languages-follow"
    LANGUAGE_CHOSEN = "language-chosen"
    FAREWELL_BEFORE_LOGIN = "farewell-before-login"
    FAREWELL = "farewell"
    FAREWELL_AFTER_DELETION = "farewell-after-deletion"

    UNKNOWN_COMMAND = "unknown-command"
    UNKNOWN_COMMAND_AFTER_LOGIN = "unknown-command-after-login"
    EMPTY_LINE = "empty-line"
    LINE_TOO_LONG = "line-too-long"
    LOGIN_FIRST = "login-first"
    ALREADY_LOGGED_IN = "already-logged-in"
    ARGUMENT_MISSING = "argument-missing"
    ARGUMENT_EXCESS = "argument-excess"
    USER_FIRST = "user-first"
    USER_TWICE = "user-twice"
    WRONG_PASSWORD = "wrong-password"
    WRONG_DIGEST = "wrong-digest"
    APOP_NOT_OFFERED = "apop-not-offered"
    MECHANISM_UNKNOWN = "mechanism-unknown"
    MECHANISM_NEEDS_TLS = "mechanism-needs-tls"
    INITIAL_RESPONSE_UNWANTED = "initial-response-unwanted"
    INITIAL_RESPONSE_TOO_LONG = "initial-response-too-long"
    RESPONSE_NOT_BASE64 = "response-not-base64"
    RESPONSE_MALFORMED = "response-malformed"
    OTHER_IDENTITY = "other-identity"
    AUTH_CANCELLED = "auth-cancelled"
    AUTH_FAILED = "auth-failed"
    MAILDROP_LOCKED = "maildrop-locked"
    LOGIN_TOO_SOON = "login-too-soon"
    TROUBLE_PASSING = "trouble-passing"
    TROUBLE_LASTING = "trouble-lasting"
    TLS_ACTIVE = "tls-active"
    OCTETS_BEHIND_STLS = "octets-behind-stls"
    STLS_AFTER_UTF8 = "stls-after-utf8"
    LANGUAGE_UNKNOWN = "language-unknown"
    UTF8_NEEDED = "utf8-needed"
    NO_NUMBER = "no-number"
    NO_LINE_COUNT = "no-line-count"
    NO_SUCH_MESSAGE = "no-such-message"
    MAILDROP_EMPTY = "maildrop-empty"
    MESSAGE_DELETED = "message-deleted"
    MESSAGE_UNAVAILABLE = "message-unavailable"
    SOME_NOT_REMOVED = "some-not-removed"
    TOO_MANY_ERRORS = "too-many-errors"
    TOO_MANY_LOGINS = "too-many-logins"
    TOO_MANY_CONNECTIONS = "too-many-connections"


LANGUAGES = {b"en": b"English", b"i-default": b"English"}
"""The languages of the texts: tag, and its name in itself (RFC 6856 §3.2).

There is one.  `i-default` is what RFC 2277 §4.5 calls a text that was not asked for in any language,
and which must be understandable to somebody who reads English.
"""


class Wording(Value):
    """What is fixed about one occasion, and its default words."""

    status: Status
    text: str
    fields: frozenset[str] = frozenset()
    """The names that may stand in braces in a text for this occasion."""
    code: bytes | None = None
    """The response code that is given where the server announces that it uses it."""
    like: Occasion | None = None
    """The occasion whose text serves for this one too, where a server has one for that alone."""


def _ok(text: str, *fields: str, like: Occasion | None = None) -> Wording:
    return Wording(status=Status.OK, text=text, fields=frozenset(fields), like=like)


def _err(
    text: str, *fields: str, code: bytes | None = None, like: Occasion | None = None
) -> Wording:
    return Wording(status=Status.ERR, text=text, fields=frozenset(fields), code=code, like=like)


_MAILDROP = ("count", "messages", "octets")

WORDINGS: Mapping[Occasion, Wording] = {
    Occasion.GREETING: _ok("POP3 server ready {timestamp}", "timestamp"),
    Occasion.USER_ACCEPTED: _ok("{name} is a real hoopy frood", "name"),
    Occasion.LOGGED_IN: _ok(
        "{name}'s maildrop has {messages} ({octets} octets)", "name", *_MAILDROP
    ),
    Occasion.CAPABILITIES_FOLLOW: _ok("Capability list follows"),
    Occasion.TLS_BEGINS: _ok("Begin TLS negotiation"),
    Occasion.LISTING_FOLLOWS: _ok("{messages} ({octets} octets)", *_MAILDROP),
    Occasion.MESSAGE_FOLLOWS: _ok("{octets} octets", "number", "octets"),
    Occasion.TOP_FOLLOWS: _ok("", "number", "lines"),
    Occasion.UNIQUE_IDS_FOLLOW: _ok("", *_MAILDROP),
    Occasion.MESSAGE_MARKED: _ok("message {number} deleted", "number"),
    Occasion.MARKS_TAKEN_BACK: _ok("maildrop has {messages} ({octets} octets)", *_MAILDROP),
    Occasion.NOTHING_DONE: _ok(""),
    Occasion.MECHANISMS_FOLLOW: _ok("mechanisms follow"),
    Occasion.UTF8_ENABLED: _ok("UTF8 mode enabled"),
    Occasion.LANGUAGES_FOLLOW: _ok("Language listing follows:"),
    Occasion.LANGUAGE_CHOSEN: _ok("this is the language of all texts"),
    Occasion.FAREWELL_BEFORE_LOGIN: _ok("dewey POP3 server signing off"),
    Occasion.FAREWELL: _ok("dewey POP3 server signing off ({left})", "left", *_MAILDROP),
    Occasion.FAREWELL_AFTER_DELETION: _ok(
        "dewey POP3 server signing off ({left})", "left", *_MAILDROP, like=Occasion.FAREWELL
    ),
    Occasion.UNKNOWN_COMMAND: _err("unknown command; CAPA tells what works here", "keyword"),
    Occasion.UNKNOWN_COMMAND_AFTER_LOGIN: _err(
        "unknown command; CAPA tells what works here", "keyword", like=Occasion.UNKNOWN_COMMAND
    ),
    Occasion.EMPTY_LINE: _err("an empty line is no command; try CAPA, or QUIT to leave"),
    Occasion.LINE_TOO_LONG: _err("line too long, at most {limit} octets are taken", "limit"),
    Occasion.LOGIN_FIRST: _err("log in first: USER name, then PASS password", "keyword"),
    Occasion.ALREADY_LOGGED_IN: _err("{keyword} comes before the login, which is done", "keyword"),
    Occasion.ARGUMENT_MISSING: _err("an argument is missing: {syntax}", "syntax", "keyword"),
    Occasion.ARGUMENT_EXCESS: _err("too many arguments: {syntax}", "syntax", "keyword", "extra"),
    Occasion.USER_FIRST: _err("PASS goes right behind USER: send USER name first"),
    Occasion.USER_TWICE: _err("a name was given already: send PASS password"),
    Occasion.WRONG_PASSWORD: _err("invalid password; begin again with USER", "name", code=b"AUTH"),
    Occasion.WRONG_DIGEST: _err(
        "permission denied; the digest is MD5 of the timestamp, then the password", code=b"AUTH"
    ),
    Occasion.APOP_NOT_OFFERED: _err(
        "APOP needs the timestamp of a greeting, here is none: USER name, then PASS password"
    ),
    Occasion.MECHANISM_UNKNOWN: _err(
        "no mechanism {mechanism} here; AUTH alone lists those there are", "mechanism"
    ),
    Occasion.MECHANISM_NEEDS_TLS: _err(
        "{mechanism} is for TLS alone, as the password crosses in clear: STLS first", "mechanism"
    ),
    Occasion.INITIAL_RESPONSE_UNWANTED: _err(
        "{mechanism} begins with a question of the server: send AUTH {mechanism} alone", "mechanism"
    ),
    Occasion.INITIAL_RESPONSE_TOO_LONG: _err(
        "a line with an initial response has {limit} octets at most: send AUTH {mechanism} alone, "
        "then the response",
        "mechanism",
        "limit",
    ),
    Occasion.RESPONSE_NOT_BASE64: _err("that is no base64; begin again with AUTH", "mechanism"),
    Occasion.RESPONSE_MALFORMED: _err(
        "that is no response of {mechanism}; begin again with AUTH", "mechanism"
    ),
    Occasion.OTHER_IDENTITY: _err(
        "nobody acts for somebody else here: leave the authorization identity empty", "mechanism"
    ),
    Occasion.AUTH_CANCELLED: _err("authentication cancelled", "mechanism"),
    Occasion.AUTH_FAILED: _err("authentication failed", code=b"AUTH"),
    Occasion.MAILDROP_LOCKED: _err(
        "maildrop already locked; is another session open?", code=b"IN-USE"
    ),
    Occasion.LOGIN_TOO_SOON: _err("too soon after the last login, wait", code=b"LOGIN-DELAY"),
    Occasion.TROUBLE_PASSING: _err("trouble on our side, try again later", code=b"SYS/TEMP"),
    Occasion.TROUBLE_LASTING: _err("trouble on our side, tell the postmaster", code=b"SYS/PERM"),
    Occasion.TLS_ACTIVE: _err("Command not permitted when TLS active"),
    Occasion.OCTETS_BEHIND_STLS: _err(
        "{octets} octets came behind STLS, where only TLS may follow the answer; closing", "octets"
    ),
    Occasion.STLS_AFTER_UTF8: _err("STLS must not follow UTF8: connect again and begin with STLS"),
    Occasion.LANGUAGE_UNKNOWN: _err("no texts in that language; LANG alone lists those there are"),
    Occasion.UTF8_NEEDED: _err(
        "the header of message {number} is in UTF-8; send UTF8 before the login",
        "number",
        code=b"UTF8",
    ),
    Occasion.NO_NUMBER: _err(
        "a message-number is needed, such as 1: {syntax}", "syntax", "argument"
    ),
    Occasion.NO_LINE_COUNT: _err(
        "a number of lines is needed, 0 or more: {syntax}", "syntax", "argument"
    ),
    Occasion.NO_SUCH_MESSAGE: _err(
        "no such message, only {messages} in maildrop", "number", *_MAILDROP
    ),
    Occasion.MAILDROP_EMPTY: _err("no such message, the maildrop is empty", "number"),
    Occasion.MESSAGE_DELETED: _err(
        "message {number} already deleted; RSET takes that back", "number"
    ),
    Occasion.MESSAGE_UNAVAILABLE: _err(
        "the message cannot be read: somebody else removed or changed it; log in again"
    ),
    Occasion.SOME_NOT_REMOVED: _err("some deleted messages not removed"),
    Occasion.TOO_MANY_ERRORS: _err("too many errors one after the other; closing", "limit"),
    Occasion.TOO_MANY_LOGINS: _err("too many logins failed; closing", "limit", code=b"AUTH"),
    Occasion.TOO_MANY_CONNECTIONS: _err(
        "too many connections; close one and try again", code=b"SYS/TEMP"
    ),
}
"""Every occasion, in the order of `Occasion`."""


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
        own = own or {}
        self._pieces = {
            occasion: _parse(occasion, _text_for(occasion, own)) for occasion in WORDINGS
        }

    def fill(self, occasion: Occasion, values: Mapping[str, Field]) -> bytes:
        """Return the text for an occasion, its fields filled in and without blanks at its ends.

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
        """Tell whether a field stands in the text for an occasion."""
        return field in self._pieces[occasion][1]


def _text_for(occasion: Occasion, own: Mapping[Occasion, str]) -> str:
    wording = WORDINGS[occasion]
    if occasion not in own and wording.like is not None:
        return own.get(wording.like, wording.text)
    return own.get(occasion, wording.text)


def _parse(occasion: Occasion, text: str) -> tuple[tuple[bytes, ...], tuple[str, ...]]:
    """Part a text into literals and names of fields, which take turns; a literal comes first."""
    if not text.isascii() or not text.isprintable():
        raise TextError("a text is printable ASCII on one line (RFC 1939 §3)")
    if len(text) + MAX_FIELD_OCTETS * text.count("{") > MAX_TEXT_OCTETS:
        raise TextError(
            f"a text has {MAX_TEXT_OCTETS} octets at most, each field counted as {MAX_FIELD_OCTETS}, "
            f"because a reply line has {MAX_REPLY_OCTETS} (RFC 1939 §3)"
        )
    allowed = WORDINGS[occasion].fields
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

    Without the brackets nobody can make the server say a response code or a timestamp of his choice.
    """
    return octets[:MAX_SHOWN_OCTETS].translate(_SHOWN)


def _shown_octet(octet: int) -> int:
    return octet if 0x20 <= octet <= 0x7E and octet not in b"[]<>" else ord("?")


_SHOWN = bytes(_shown_octet(octet) for octet in range(256))
