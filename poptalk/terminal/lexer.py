"""A Pygments lexer for dialogues in the notation.

`Pop3Lexer` is registered as the entry point `pop3`, so that Markdown tools and `pygmentize -l pop3`
colour the dialogues of the documentation.  The tokens are subtypes of Pygments' own, so that every
Pygments style has a colour for them; `STYLE_OF_TOKEN` maps them to our own themes.  The texts of the
tokens, joined, are the input.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import ClassVar

from pygments.lexer import Lexer
from pygments.token import Comment, Error, Generic, Keyword, Literal, Name, Number, Text
from pygments.token import _TokenType as TokenType

from poptalk.pop3.commands import ArgumentKind, Command, Field, FieldKind, Span, Verb, parse_command
from poptalk.pop3.replies import Status, parse_status_line, timestamp_of
from poptalk.transcript.model import direction_text
from poptalk.transcript.parser import ANY_LINES
from poptalk.transcript.pattern import PatternError, Placeholder, parse_pattern

# Dividing a line into parts, each with the name of its style.
#
# The renderer and the lexer both read lines with these functions, so that a dialogue has the same
# colours on the screen, in a Markdown document and while it is typed.  The parts, joined, are the
# line.


Part = tuple[str, bytes]
"""The name of a style (see `theme`), and octets."""

LOCAL_MARK = b":"
"""Begins a line that is not sent."""

_BLANKS = re.compile(rb"([ \t]+)")

_STYLE_OF_STATUS = {Status.OK: "ok", Status.ERR: "err", Status.CHALLENGE: "challenge"}

_STYLE_OF_ARGUMENT = {
    ArgumentKind.PASSWORD: "secret",
    ArgumentKind.DIGEST: "secret",
    ArgumentKind.INITIAL_RESPONSE: "secret",
    ArgumentKind.MESSAGE: "number",
    ArgumentKind.LINES: "number",
}
"""All others are "argument"."""

_STYLE_OF_FIELD = {
    FieldKind.MESSAGE: "number",
    FieldKind.COUNT: "number",
    FieldKind.OCTETS: "octets",
    FieldKind.UNIQUE_ID: "uid",
    FieldKind.WORD: "keyword",
}
"""All others are "text"."""

_NUMERIC = ("number", "octets")


def command_parts(line: bytes, secret: Span | None) -> list[Part]:
    """Take a line of the client apart.

    Args:
        line: octets without the line end.
        secret: the secret in it, as `parse_command` or the client core found it.

    Returns:
        The parts; the secret is one of them.
    """
    before = line if secret is None else line[: secret.start]
    verb = parse_command(before).verb
    words = 0
    parts = []
    for octets, is_word in _runs(before):
        parts.append((_style_of_word(verb, words) if is_word else "text", octets))
        words += is_word
    if secret is not None:
        parts += [("secret", line[secret.start : secret.stop]), ("text", line[secret.stop :])]
    return list(filter(_has_octets, parts))


def _runs(data: bytes) -> Iterator[tuple[bytes, bool]]:
    """Yield the words of a line and the spaces between them, and whether each is a word."""
    for index, octets in enumerate(_BLANKS.split(data)):
        if octets:
            yield octets, index % 2 == 0


def _style_of_word(verb: Verb | None, index: int) -> str:
    """Return the style of a word of a command; the first is the keyword."""
    if index == 0:
        return "unknown" if verb is None else "relic" if verb.relic else "keyword"
    arguments = () if verb is None else verb.arguments
    if index > len(arguments) and not (arguments and arguments[-1].rest):
        return "text"
    return _STYLE_OF_ARGUMENT.get(arguments[:index][-1].kind, "argument")


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
        fields: the data that the command defines for this line, which only a +OK has; None where the
            command is not known, and any number may be data.

    Returns:
        The parts.  A line without a status indicator of POP3 is one part, "odd".
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
    if fields and status.status is Status.OK:
        parts += data_parts(text, fields)
    elif (timestamp := timestamp_of(text)) is not None:
        before, _, after = text.partition(timestamp)
        parts += [("text", before), ("timestamp", timestamp), ("text", after)]
    elif fields is None:
        parts += [("number" if run.isdigit() else "text", run) for run, _ in _runs(text)]
    else:
        parts.append(("text", text))
    return list(filter(_has_octets, parts))


_has_octets = itemgetter(1)


def data_parts(line: bytes, fields: Sequence[Field]) -> list[Part]:
    """Take apart a line that holds data, such as one of LIST.

    Args:
        line: octets without the line end.
        fields: what the words of the line are, in their order (`Verb.fields`).

    Returns:
        The parts; a word that is not what its field says is "text".
    """
    words = iter(fields)
    parts = []
    for octets, is_word in _runs(line):
        field = next(words, None) if is_word else None
        style = _STYLE_OF_FIELD.get(field.kind, "text") if field else "text"
        parts.append(("text" if style in _NUMERIC and not octets.isdigit() else style, octets))
    return parts


def header_parts(line: bytes) -> list[Part]:
    """Take a line of a message's header apart: the name with its colon, and the rest.

    A folded line, which begins with a space, has no name.
    """
    name, colon, value = line.partition(b":")
    named = colon and name and not _BLANKS.search(name)
    parts = [("header", name + colon), ("body", value)] if named else [("body", line)]
    return list(filter(_has_octets, parts))


STYLE_OF_TOKEN: dict[TokenType, str] = {
    Text: "text",
    Generic.Prompt.Client: "client",
    Generic.Prompt.Server: "server",
    Generic.Inserted.Ok: "ok",
    Generic.Deleted.Err: "err",
    Generic.Strong.Challenge: "challenge",
    Generic.Error.Odd: "odd",
    Name.Exception.ResponseCode: "code",
    Keyword.Command: "keyword",
    Keyword.Pseudo.Relic: "relic",
    Name.Unknown: "unknown",
    Name.Argument: "argument",
    Number.Message: "number",
    Number.Octets: "octets",
    Literal.UniqueId: "uid",
    Literal.Timestamp: "timestamp",
    Literal.String.Secret: "secret",
    Generic.Strong.Dot: "dot",
    Name.Attribute.Header: "header",
    Generic.Output.Body: "body",
    Name.Variable.Placeholder: "placeholder",
    Comment.Direction: "direction",
    Comment: "note",
    Keyword.Local: "local",
    Error: "error",
}
"""The style of `theme` that each token has."""

TOKEN_OF_STYLE = {style: token for token, style in STYLE_OF_TOKEN.items()}
"""The same, read the other way."""

Token = tuple[int, TokenType, str]
"""Where it begins, its type and its text."""


Piece = tuple[TokenType, str]
"""The token type of a part of a line, and its text."""


class Pop3Lexer(Lexer):
    """Colours whole dialogues in the notation of `poptalk.transcript`."""

    name = "POP3"
    aliases: ClassVar[list[str]] = ["pop3"]
    filenames: ClassVar[list[str]] = ["*.pop3"]
    url = "https://www.rfc-editor.org/rfc/rfc1939"

    def get_tokens_unprocessed(self, text: str) -> Iterator[Token]:
        """Yield the tokens of a dialogue."""
        pieces_of = _Dialogue().pieces
        at = 0
        for line in text.split("\n"):
            if at:
                yield at - 1, Text, "\n"
            for token, piece in pieces_of(line):
                if piece:
                    yield at, token, piece
                    at += len(piece)
            at += 1

    @staticmethod
    def analyse_text(text: str) -> float:
        """Guess whether a text is a dialogue: it begins with a greeting."""
        return 0.9 if text.lstrip().startswith("S: +OK") else 0.0


class _Dialogue:
    """Follows a dialogue, to know which command a line of the server answers."""

    def __init__(self) -> None:
        self._waiting: deque[Command] = deque()
        self._body: Command | None = None
        self._in_header = False
        """Whether the body is a message, and its header goes on."""
        self._challenged = False
        self._in_direction = False
        """Whether a stage direction goes on in the next line."""

    def pieces(self, line: str) -> Iterator[Piece]:
        """Divide the next line."""
        continues, self._in_direction = self._in_direction, False
        text = line.lstrip(" \t")
        yield Text, line[: len(line) - len(text)]
        mark, payload = text[:2], text[2:]
        if payload[:1].strip(" \t\r"):  # neither a space nor the end of the line
            mark = ""
        if not text.strip():
            yield Text, text
        elif text.startswith("#"):
            yield Comment, text
        elif mark == "C:":
            yield Generic.Prompt.Client, mark
            yield from _payload_pieces(payload, self.client_parts)
        elif mark == "S:":
            yield Generic.Prompt.Server, mark
            self._in_direction = payload.lstrip().startswith("<") and ">" not in payload
            yield from _payload_pieces(payload, self.server_parts)
        elif mark == "or":
            yield Comment.Direction, mark
            yield from _payload_pieces(
                payload, lambda line: command_parts(line, parse_command(line).secret)
            )
        else:
            yield (Comment.Direction if continues else Error), text
            self._in_direction = continues and ">" not in text

    def client_parts(self, payload: bytes) -> list[Part]:
        """Take a line of the client apart, and remember it."""
        self._body = None
        if self._challenged:
            self._challenged = False
            return answer_parts(payload)
        command = parse_command(payload)
        self._waiting.append(command)
        return command_parts(payload, command.secret)

    def server_parts(self, payload: bytes) -> list[Part]:
        """Take a line of the server apart, by what it answers."""
        if self._body is not None:
            return self._body_parts(payload, self._body)
        status = parse_status_line(payload).status
        self._challenged = status is Status.CHALLENGE
        if not self._waiting or self._challenged:
            return status_parts(payload)
        command = self._waiting.popleft()
        if command.multi_line and status is Status.OK:
            self._body = command
            self._in_header = bool(command.verb and not command.verb.fields)
            return status_parts(payload, ())
        return status_parts(payload, command.verb.fields if command.verb else ())

    def _body_parts(self, payload: bytes, command: Command) -> list[Part]:
        if payload == b".":
            self._body = None
            return [("dot", payload)]
        if payload.startswith(b"."):
            return [("dot", b"."), ("body", payload[1:])]
        if command.verb and command.verb.fields:
            return data_parts(payload, command.verb.fields)
        self._in_header = self._in_header and payload != b""
        return header_parts(payload) if self._in_header else [("body", payload)]


def _payload_pieces(payload: str, parts_of: Callable[[bytes], list[Part]]) -> Iterator[Piece]:
    """Divide what comes after a mark: a space, then a direction or a line with placeholders."""
    line = payload[1:].rstrip("\r")
    yield Text, payload[:1]
    text = line.strip(" \t")
    begins_direction = text.startswith("<") and " " in text and ">" not in text
    if begins_direction or text == ANY_LINES or direction_text(line) is not None:
        yield Comment.Direction, line
    else:
        octets = _encoded(line)
        for style, part in _with_placeholders(octets, parts_of(octets)):
            yield TOKEN_OF_STYLE[style], _decoded(part)
    yield Text, payload[1 + len(line) :]


def _with_placeholders(line: bytes, parts: Iterable[Part]) -> Iterator[Part]:
    """Lay the placeholders of a line over its parts."""
    ranges = deque(_placeholder_ranges(line))
    at = 0
    for style, octets in parts:
        stop = at + len(octets)
        while ranges and ranges[0][0] < stop:
            start, end = ranges[0]
            if at < start:
                yield style, line[at:start]
                at = start
            yield "placeholder", line[at : min(end, stop)]
            at = min(end, stop)
            if end > stop:
                break
            ranges.popleft()
        if at < stop:
            yield style, line[at:stop]
        at = stop


def _placeholder_ranges(line: bytes) -> list[tuple[int, int]]:
    """Find the placeholders of a line; none in a line that isn't a pattern, or not written as one."""
    try:
        pattern = parse_pattern(_decoded(line))
        source = _encoded(pattern.source)
        lengths = [len(_encoded(part.source)) for part in pattern.parts]
    except (PatternError, UnicodeEncodeError):  # The latter for a lone surrogate.
        return []
    ranges = []
    at = 0
    for part, length in zip(pattern.parts, lengths, strict=True):
        if isinstance(part, Placeholder) and source == line:
            ranges.append((at, at + length))
        at += length
    return ranges


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _decoded(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogatepass")
