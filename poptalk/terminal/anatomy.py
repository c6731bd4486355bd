"""Which octets of a line are what: a line in parts, each with the name of its style.

The renderer and the lexers both read lines with these functions, so that a dialogue has the same
colours on the screen, in a Markdown document and while it is typed.  The parts, joined, are the
line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from poptalk.protocol.commands import Span, parse_command
from poptalk.protocol.replies import Status, parse_status_line, timestamp_of
from poptalk.protocol.verbs import ArgumentKind, Field, FieldKind, Verb

Part = tuple[str, bytes]
"""The name of a style (see `theme`), and octets."""

LOCAL_MARK = b":"
"""What begins a line that is not sent."""

_BLANKS = re.compile(rb"([ \t]+)")

_STYLE_OF_STATUS = {Status.OK: "ok", Status.ERR: "err", Status.CHALLENGE: "challenge"}

_STYLE_OF_ARGUMENT = {
    ArgumentKind.NAME: "argument",
    ArgumentKind.PASSWORD: "secret",
    ArgumentKind.DIGEST: "secret",
    ArgumentKind.MECHANISM: "argument",
    ArgumentKind.INITIAL_RESPONSE: "secret",
    ArgumentKind.MESSAGE: "number",
    ArgumentKind.LINES: "number",
    ArgumentKind.LANGUAGE: "argument",
    ArgumentKind.TEXT: "argument",
}

_STYLE_OF_FIELD = {
    FieldKind.MESSAGE: "number",
    FieldKind.COUNT: "number",
    FieldKind.OCTETS: "octets",
    FieldKind.UNIQUE_ID: "uid",
    FieldKind.WORD: "keyword",
    FieldKind.REST: "text",
}


def command_parts(line: bytes, secret: Span | None) -> list[Part]:
    """Take a line of the client apart.

    Args:
        line: octets without the line end.
        secret: what `parse_command` or the client core found to be secret.

    Returns:
        The parts; the secret is one of them.
    """
    if secret is None:
        return _word_parts(line)
    parts = [
        *_word_parts(line[: secret.start]),
        ("secret", line[secret.start : secret.stop]),
        ("text", line[secret.stop :]),
    ]
    return [(style, octets) for style, octets in parts if octets]


def _word_parts(line: bytes) -> list[Part]:
    verb = parse_command(line).verb
    parts: list[Part] = []
    words = 0
    for octets, is_word in _runs(line):
        if not is_word:
            parts.append(("text", octets))
            continue
        style = _style_of_keyword(verb) if words == 0 else _style_of_argument(verb, words - 1)
        parts.append((style, octets))
        words += 1
    return parts


def _runs(data: bytes) -> Iterator[tuple[bytes, bool]]:
    """Part octets into blanks and words; tell which each is."""
    for index, octets in enumerate(_BLANKS.split(data)):
        if octets:
            yield octets, index % 2 == 0


def _style_of_keyword(verb: Verb | None) -> str:
    if verb is None:
        return "unknown"
    return "relic" if verb.relic else "keyword"


def _style_of_argument(verb: Verb | None, index: int) -> str:
    if verb is None or not verb.arguments:
        return "text"
    if index >= len(verb.arguments) and not verb.arguments[-1].rest:
        return "text"
    return _STYLE_OF_ARGUMENT[verb.arguments[min(index, len(verb.arguments) - 1)].kind]


def typed_parts(line: bytes) -> list[Part]:
    """Take apart what is typed at poptalk's own prompt.

    Args:
        line: octets of the line so far.

    Returns:
        The parts; of `:word ...` the word has the style "local", of `::text` the first colon.
    """
    if line.startswith(LOCAL_MARK * 2):
        return [("local", LOCAL_MARK), *command_parts(line[1:], None)]
    if line.startswith(LOCAL_MARK):
        word = _BLANKS.split(line, maxsplit=1)[0]
        return [("local", word), *([("text", line[len(word) :])] if line != word else [])]
    return command_parts(line, parse_command(line).secret)


def answer_parts(line: bytes) -> list[Part]:
    """Take apart an answer within AUTH: secret as a whole, but for `*`, the cancel (RFC 1734 §2)."""
    secret = Span(start=0, stop=len(line)) if line not in (b"", b"*") else None
    return command_parts(line, secret)


def status_parts(line: bytes, fields: Sequence[Field] | None = None) -> list[Part]:
    """Take the first line of a reply apart.

    Args:
        line: octets without the line end.
        fields: what the command defines as data of this line, which only a +OK has; None where the
            command is not known, and any number may be one.

    Returns:
        The parts.  A line without an indicator that POP3 knows is one part, "odd".
    """
    status = parse_status_line(line)
    if status.status is Status.OTHER:
        return [("odd", line)] if line else []
    indicator = line[: len(line) - len(status.text)]
    word = indicator.rstrip(b" ")
    parts = [(_STYLE_OF_STATUS[status.status], word), ("text", indicator[len(word) :])]
    text = status.text
    if status.code is not None:
        code, text = text[: len(status.code) + 2], text[len(status.code) + 2 :]
        parts.append(("code", code))
    if status.status is not Status.OK and fields is not None:
        fields = ()
    parts += _text_parts(text, fields)
    return [(style, octets) for style, octets in parts if octets]


def _text_parts(text: bytes, fields: Sequence[Field] | None) -> Iterable[Part]:
    """Take apart what follows the indicator and the response code."""
    if fields:
        return data_parts(text, fields)
    timestamp = timestamp_of(text)
    if timestamp is not None:
        before, _, after = text.partition(timestamp)
        return [("text", before), ("timestamp", timestamp), ("text", after)]
    if fields is None:
        return [(_number_or_text(octets), octets) for octets, _ in _runs(text)]
    return [("text", text)]


def _number_or_text(octets: bytes) -> str:
    return "number" if octets.isdigit() else "text"


def data_parts(line: bytes, fields: Sequence[Field]) -> list[Part]:
    """Take apart a line that holds data, such as one of LIST.

    Args:
        line: octets without the line end.
        fields: what the words of the line are, in their order (`Verb.fields`).

    Returns:
        The parts; a word that is not what its field says is "text".
    """
    parts: list[Part] = []
    words = 0
    for octets, is_word in _runs(line):
        style = "text"
        if is_word:
            field = fields[min(words, len(fields) - 1)] if fields else None
            if field and (words < len(fields) or field.kind is FieldKind.REST):
                style = _style_of_field(field, octets)
            words += 1
        parts.append((style, octets))
    return parts


def _style_of_field(field: Field, octets: bytes) -> str:
    numeric = field.kind in (FieldKind.MESSAGE, FieldKind.COUNT, FieldKind.OCTETS)
    return "text" if numeric and not octets.isdigit() else _STYLE_OF_FIELD[field.kind]


def header_parts(line: bytes) -> list[Part]:
    """Take a line of a message's header apart: the name with its colon, and the rest.

    A folded line, which begins with a blank, has no name.
    """
    name, colon, value = line.partition(b":")
    if colon and name and not _BLANKS.search(name):
        parts = [("header", name + colon), ("body", value)]
    else:
        parts = [("body", line)]
    return [(style, octets) for style, octets in parts if octets]
