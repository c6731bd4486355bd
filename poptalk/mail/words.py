"""The text of one part as people read it: HTML without tags, lines that flow, calendars in words."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from encodings import normalize_encoding
from encodings.aliases import aliases
from functools import lru_cache
from math import inf
from time import monotonic

import webencodings

# Decoding octets of a message.
#
# Labels have the meaning that the WHATWG Encoding Standard gives them, as in every mail program that
# contains a browser: gb2312 is decoded as gb18030, iso-8859-1 as windows-1252.  Labels that it doesn't
# list are looked up among Python's codecs.  An octet that isn't in its charset becomes a lone surrogate,
# which the screen shows as an escape such as ``\xfc``; the rest of the text isn't affected.


_NAMED_TOO = re.compile(r"[^a-z0-9]+")
_LONGEST_LABEL = 40
"""Characters; the longest label of the Encoding Standard has 19."""

_ODD = "poptalk-odd-octets"

_DECODED_AS = {
    # The Encoding Standard decodes GBK as GB18030, which includes it.
    "gbk": "gb18030",
    # The Standard replaces these by U+FFFD, because of what web pages can do with them; mail can't.
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
"""Python's names of charsets.  `codecs.lookup` would search the disk for labels made up by strangers."""

_UNSAID = frozenset({"", "us-ascii", "ascii", "ansi_x3.4-1968", "unknown-8bit", "x-unknown"})
"""Labels that don't say anything about octets above 127."""


def _mark(error: UnicodeError) -> tuple[str, int]:
    """Keep octets that aren't in a charset, as `surrogateescape` does, whatever they are."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    octets = error.object[error.start : error.end]
    return "".join(chr(0xDC00 + o) if o > 0x7F else chr(o) for o in octets), error.end


codecs.register_error(_ODD, _mark)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """A text, and remarks about it."""

    text: str
    """Octets that aren't in its charset are U+DC80 to U+DCFF."""
    remarks: tuple[str, ...] = ()


def decode(octets: bytes, label: str | None) -> Decoded:
    """Decode octets in the charset that their sender named.

    Args:
        octets: those of the text.
        label: the charset; None if none is given.
    """
    name = (label or "").strip().strip("'\"").lower()
    if name in _UNSAID:
        return Decoded(text=_guessed(octets)[0])
    codec = codec_of(name)
    if codec is None:
        text, guess = _guessed(octets)
        read = "" if octets.isascii() else f"; it is read as {guess}"
        remark = f'the charset "{name[:_LONGEST_LABEL]}" isn\'t known{read}'
        return Decoded(text=text, remarks=(remark,))
    # The handlers, from the fastest to the one that accepts everything.
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
    """Decode octets without a label: as UTF-8 if most of them fit, otherwise as windows-1252."""
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
    """Return the name of Python's codec for a label in lower case; None if it is unknown."""
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
    """Return a label as it is, and other spellings that may have been meant."""
    bare = label.removeprefix("x-").removeprefix("cs")
    # "cp-850", "cp_850" and "dos-850" are cp850; "iso2022jp" and "iso 8859-15" lack a hyphen.
    numbered = re.fullmatch(r"(?:cp|ibm|dos|ms|windows|win)[-_ ]*(\d{3,5})", bare)
    dashed = re.sub(r"^iso[-_ ]*(8859|2022|646)[-_ ]*", r"iso-\1-", bare)
    ways = [label, bare, dashed, _NAMED_TOO.sub("-", bare)]
    if numbered:
        ways += [f"windows-{numbered[1]}", f"cp{numbered[1]}"]
    return list(dict.fromkeys(ways))


# How long a view may take, and how to stop it.


SECONDS = 1.4
"""For one view: including the longest step between two looks at the clock, it is below two seconds."""


class TooLong(Exception):
    """Parsing takes longer than a view may take, or was stopped."""


class TimeLimit:
    """The moment at which parsing ends; it is checked between short pieces of work."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._end = monotonic() + seconds

    def check(self) -> None:
        """Check that there is time left.

        Raises:
            TooLong: there is none.
        """
        if monotonic() > self._end:
            raise TooLong

    def extend(self, seconds: float) -> None:
        """Allow for work that isn't the fault of the message: the first HTML imports a library."""
        self._end += seconds

    def stop(self) -> None:
        """Stop at the next check; any thread may call this."""
        self._end = -inf


HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})

_META = re.compile(rb"<meta\s[^>]{0,200}?charset\s?=\s?[\"']?\s?([\w.:-]{1,40})", re.IGNORECASE)
_LOOKED_AT = 1024
"""Octets at the beginning in which HTML must name its charset (HTML Standard §4.2.5.4)."""


def charset_within(content_type: str, octets: bytes) -> str | None:
    """Return the charset that a part names in its text, as HTML may; None if it doesn't.

    Args:
        content_type: in lower case.
        octets: those of the part.
    """
    found = _META.search(octets[:_LOOKED_AT]) if content_type in HTML_TYPES else None
    return found[1].decode("ascii") if found else None


MOST_HTML = 256 * 1024
"""Characters of HTML that are parsed: mail programs stop at 100,000, and the worst case that was found
(nothing but ``&``) takes half a second with this many."""


def words_of(
    content_type: str, text: str, parameter: Callable[[str], str], deadline: TimeLimit
) -> Decoded:
    """Make the text of a part readable.

    Args:
        content_type: in lower case.
        text: that of the part.
        parameter: returns a parameter of its content type.
        deadline: when to give up.

    Raises:
        TooLong: it took too long.
    """
    if content_type in HTML_TYPES:
        return _from_html(text, deadline)
    if content_type == "text/calendar":
        return Decoded(text=_from_calendar(text))
    if content_type == "text/plain" and parameter("format") == "flowed":
        return Decoded(text=_unflowed(text, delete_space=parameter("delsp") == "yes"))
    return Decoded(text=text)


# format=flowed.

_SIGNATURE = "-- "


def _unflowed(text: str, *, delete_space: bool) -> str:
    """Join the lines that flow (RFC 3676 §4.1 to §4.5)."""
    paragraphs: list[list[str]] = []
    depth_before, flows = -1, False
    for line in re.split(r"\r\n|\r|\n", text):
        quoted = line.lstrip(">")
        depth = len(line) - len(quoted)
        words = quoted.removeprefix(" ")  # Space-stuffing, §4.4.
        is_signature = words == _SIGNATURE
        if flows and depth == depth_before and not is_signature:
            paragraphs[-1].append(words)
        else:
            paragraphs.append([">" * depth + " " * bool(depth), words])
        flows = words.endswith(" ") and not is_signature
        if flows and delete_space:
            paragraphs[-1][-1] = words[:-1]
        depth_before = depth
    return "\n".join("".join(pieces) for pieces in paragraphs)


# Calendars.

_CALENDAR = {
    "METHOD": "Method",
    "SUMMARY": "What",
    "DTSTART": "From",
    "DTEND": "To",
    "DUE": "Due",
    "DURATION": "Duration",
    "RRULE": "Repeats",
    "LOCATION": "Where",
    "ORGANIZER": "Organizer",
    "ATTENDEE": "Attendee",
    "STATUS": "Status",
    "URL": "URL",
    "DESCRIPTION": "Description",
}
"""Properties that are shown, and their labels."""

_PROPERTY = re.compile(r'([A-Za-z0-9-]+)((?:;(?:[^":;]|"[^"]*")*)*+):(.*)', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_MOMENT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)\d\d(Z?))?\Z")


def _from_calendar(text: str) -> str:
    """Show events and tasks (RFC 5545 §3.1, §3.8); return the text unchanged if there are none."""
    within: list[str] = []
    rows: list[str] = []
    for line in re.sub(r"(?:\r\n|\r|\n)[ \t]", "", text).splitlines():
        match = _PROPERTY.match(line)
        if match is None:
            continue
        name, parameters, value = match[1].upper(), match[2], match[3]
        if name == "BEGIN":
            within.append(value.strip().upper())
            if within[-1] in ("VEVENT", "VTODO") and rows:
                rows.append("")
        elif name == "END":
            del within[-1:]
        elif name in _CALENDAR and within and within[-1] in ("VCALENDAR", "VEVENT", "VTODO"):
            rows.append(f"{_CALENDAR[name]}: {_calendar_value(name, parameters, value)}")
    return "\n".join(rows) or text


def _calendar_value(name: str, parameters: str, value: str) -> str:
    if name in ("DTSTART", "DTEND", "DUE"):
        zone = re.search(r';TZID="?([^";:]+)', parameters, re.IGNORECASE)
        return _moment(value.strip()) + (f" ({zone[1]})" if zone else "")
    if name in ("ORGANIZER", "ATTENDEE"):
        called = re.search(r';CN=(?:"([^"]*)"|([^;:]*))', parameters, re.IGNORECASE)
        address = re.sub(r"(?i)^mailto:", "", value.strip())
        return f"{called[1] or called[2]} <{address}>" if called else address
    return _ESCAPE.sub(lambda found: "\n" if found[1] in "nN" else found[1], value)


def _moment(value: str) -> str:
    """Format a DATE-TIME or DATE (RFC 5545 §3.3.4, §3.3.5) for people."""
    match = _MOMENT.match(value)
    if match is None:
        return value
    year, month, day, hour, minute, utc = match.groups()
    try:
        day_of_week = datetime(int(year), int(month), int(day)).strftime("%a ")
    except ValueError:
        day_of_week = ""
    time = f" {hour}:{minute}" if hour else ""
    return f"{day_of_week}{year}-{month}-{day}{time}{' UTC' if utc else ''}"


# HTML.

_SPACES = re.compile(r"[ \t\n\f\r]+")
_SHAPELESS = dict.fromkeys((0xAD, 0x34F, 0x200B, 0x2060, 0xFEFF))
"""Invisible characters, with which senders pad the preview in mail programs."""
_UNSEEN = frozenset({"script", "style", "title", "template", "noframes"})
_BLOCK = re.compile(
    "address|article|aside|blockquote|body|caption|center|d[dlt]|div|fieldset|figcaption|figure|footer"
    "|form|h[1-6r]|header|html|legend|main|nav|ol|option|p|pre|section|table|t(body|foot|head|r)|ul"
)
_CELLS = frozenset({"td", "th"})
_RULE = "-" * 20
_DEEPEST_LIST = 8
"""Levels of nested lists that are indented."""


def _from_html(html: str, deadline: TimeLimit) -> Decoded:
    before = monotonic()
    from justhtml import stream  # Importing it takes as long as starting a session.

    deadline.extend(monotonic() - before)
    layout = _Layout()
    remarks: tuple[str, ...] = ()
    if len(html) > MOST_HTML:
        remarks = (f"only the first {MOST_HTML:,} characters of the HTML are read",)
    for count, event in enumerate(stream(html[:MOST_HTML])):
        if count % 100 == 0:
            deadline.check()
        match event:
            case ("start", (tag, attributes)):
                layout.start(tag.lower(), attributes)
            case ("end", tag):
                layout.end(tag.lower())
            case ("text", text):
                layout.text(text)
    return Decoded(text=layout.finished(), remarks=remarks)


class _Layout:
    """Arranges the text of a document in lines, with separate blocks and cells, and link targets."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._line_empty = True
        self._space = False
        """Whether a space is due before the next word."""
        self._unseen: str | None = None
        self._pre = 0
        self._lists: list[int | None] = []
        """The open lists: the next number of each, None if it has no numbers."""
        self._after_target = False
        """Whether the target of a link was written last."""
        self._links: list[tuple[str, int]] = []

    def start(self, tag: str, attributes: dict[str, str | None]) -> None:
        """Take a start tag."""
        if self._unseen:
            return
        if tag in _UNSEEN:
            self._unseen = tag
        elif tag == "br":
            self._new_line()
        elif tag in ("hr", "li"):
            self._break()
            self._word(_RULE if tag == "hr" else self._list_mark())
            self._space = True
        elif tag in _CELLS and not self._line_empty:
            self._pieces.append("  ")
            self._space = False
        elif tag == "img" and (attributes.get("alt") or "").strip():
            self.text(f"[{attributes['alt']}]")
        elif tag == "a":
            self._link_ended()
            self._links.append(((attributes.get("href") or "").strip(), len(self._pieces)))
        elif tag in ("ul", "ol"):
            first = attributes.get("start") or "1"
            number = int(first) if re.fullmatch(r"\d{1,6}", first) else 1
            self._lists.append(number if tag == "ol" else None)
        if _BLOCK.fullmatch(tag):
            self._break()
        self._pre += tag == "pre"

    def end(self, tag: str) -> None:
        """Take an end tag."""
        if self._unseen:
            self._unseen = None if tag == self._unseen else self._unseen
            return
        if tag == "a":
            self._link_ended()
        elif tag in ("ul", "ol"):
            del self._lists[-1:]
        if _BLOCK.fullmatch(tag):
            self._break()
        self._pre = max(0, self._pre - (tag == "pre"))

    def text(self, text: str) -> None:
        """Take text."""
        if self._unseen:
            return
        text = text.translate(_SHAPELESS)
        if self._pre:
            for index, line in enumerate(text.split("\n")):
                if index:
                    self._new_line()
                if line:
                    self._word(line.rstrip("\r"))
            return
        words = _SPACES.sub(" ", text.replace("\xa0", " "))
        if words[:1] == " ":
            self._space = True
        if words.strip(" "):
            self._word(words.strip(" "))
            self._space = words[-1:] == " "

    def finished(self) -> str:
        """Return the lines."""
        self._link_ended()
        return "\n".join(line.rstrip() for line in "".join(self._pieces).split("\n")).strip("\n")

    def _list_mark(self) -> str:
        number = self._lists[-1] if self._lists else None
        if number is not None:
            self._lists[-1] = number + 1
        indent = "  " * min(len(self._lists) - 1, _DEEPEST_LIST)
        return f"{indent}*" if number is None else f"{indent}{number}."

    def _word(self, word: str) -> None:
        if self._after_target and (word[0].isalnum() or word[0] == "["):
            self._space = True
        self._after_target = False
        if self._space and not self._line_empty:
            self._pieces.append(" ")
        self._pieces.append(word)
        self._line_empty = self._space = False

    def _new_line(self) -> None:
        self._pieces.append("\n")
        self._line_empty, self._space = True, False

    def _break(self) -> None:
        """Begin a line, unless the present one is empty."""
        if not self._line_empty:
            self._new_line()

    def _link_ended(self) -> None:
        """Show the target of a link: readers of suspicious mail look for it."""
        if not self._links:
            return
        target, since = self._links.pop()
        shown = " ".join("".join(self._pieces[since:]).split())
        if target and not target.startswith("#") and target not in (shown, f"mailto:{shown}"):
            was_due, self._space = self._space, True
            self._word(f"<{target}>")
            self._space, self._after_target = was_due, True
