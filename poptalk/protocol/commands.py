"""A command line taken apart: for the client core to know what was typed, for the server to act on.

Both sides read it leniently, as most servers do (blanks in front and doubled, tabs, any case of the
keyword); the strict form is a question of `faults_of`, which names every way in which a line leaves
RFC 1939 §3.  Nothing here changes a line.
"""

from __future__ import annotations

from functools import lru_cache

from poptalk.protocol.values import Value
from poptalk.protocol.verbs import VERBS, MultiLine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from poptalk.protocol.verbs import Argument, Verb

    Range = slice[int, int, None]
    """Where a word stands in a line."""

BLANKS = (b" ", b"\t")
"""What parts words; tabs are no blanks to RFC 1939 §3, but to many servers."""


class Span(Value, often=True):
    """A range of octets in a line: from `start` up to, not including, `stop`."""

    start: int
    stop: int


MASK = b"****"
"""What stands for a secret: of fixed length, because the length is a secret as well."""


def masked(line: bytes, secret: Span | None) -> bytes:
    """Return a line with `MASK` in place of what is secret."""
    return line if secret is None else line[: secret.start] + MASK + line[secret.stop :]


class Command(Value, often=True):
    """A command line, without its line end."""

    line: bytes
    keyword: bytes
    """In upper case; empty where the line holds nothing but blanks."""
    verb: Verb | None
    """The row of the table, None for a word that is not in it."""
    arguments: tuple[bytes, ...]
    """A last argument that takes the rest of the line is given with the blanks in it."""
    secret: Span | None
    """What must not be shown, logged or remembered."""

    def __repr__(self) -> str:
        """Show the line without its secret: a repr ends up in tracebacks."""
        return f"Command({masked(self.line, self.secret)!r})"

    @property
    def multi_line(self) -> bool:
        """Whether a positive reply has more lines than one (RFC 1939 §3, RFC 2449 §3)."""
        if self.verb is None or self.verb.multi_line is MultiLine.NEVER:
            return False
        return self.verb.multi_line is MultiLine.ALWAYS or not self.arguments

    def number(self, index: int = 0) -> int | None:
        """Return the argument at `index` as a decimal number, None where it is none."""
        if index < len(self.arguments) and self.arguments[index].isdigit():
            return int(self.arguments[index][:MAX_DIGITS])
        return None


MAX_DIGITS = 18
"""Digits that are read of a number: no maildrop has more, and int() grows costly with length."""


@lru_cache(
    maxsize=8
)  # What shows a line that is typed, masks it and sends it asks each for itself.
def parse_command(line: bytes) -> Command:
    """Take a command line apart.

    Args:
        line: octets as sent, without CRLF.

    Returns:
        The parts.  Never raises: an odd line is a command whose verb is None.
    """
    bare = _BARE.get(line)
    if bare is not None:
        return bare
    words = [word for word in line.replace(b"\t", b" ").split(b" ") if word]
    if not words:
        return Command(line=line, keyword=b"", verb=None, arguments=(), secret=None)
    keyword = words[0].upper()
    verb = VERBS.get(keyword)
    if keyword in _INTRICATE and verb is not None:
        return _parse_intricate(line, keyword, verb)
    arguments = tuple(words[1:])
    return Command(line=line, keyword=keyword, verb=verb, arguments=arguments, secret=None)


def may_become_command(line: bytes) -> bool:
    """Tell whether a line begins with a known keyword, or is itself the beginning of one."""
    keyword, blank, _rest = line.upper().partition(b" ")
    if blank:
        return keyword in VERBS
    return any(known.startswith(keyword) for known in VERBS)


def _parse_intricate(line: bytes, keyword: bytes, verb: Verb) -> Command:
    """Take a command apart for which it matters where its words stand in the line."""
    first, *given = _words(line)
    given = _join_rest(verb.arguments, given, line, first.stop)
    return Command(
        line=line,
        keyword=keyword,
        verb=verb,
        arguments=tuple([line[word] for word in given]),
        secret=_secret(verb.arguments, given, len(line)),
    )


def _words(line: bytes) -> list[Range]:
    """Find the words of a line, parted by any number of blanks and tabs."""
    words = []
    at = 0
    for word in line.replace(b"\t", b" ").split(b" "):
        stop = at + len(word)
        if word:
            words.append(slice(at, stop))
        at = stop + 1
    return words


def _join_rest(
    arguments: tuple[Argument, ...], given: list[Range], line: bytes, keyword_stop: int
) -> list[Range]:
    """Let a last argument swallow the rest of the line: "spaces may be part of the password"."""
    last = len(arguments) - 1
    if not arguments[last].rest:
        return given
    if last == 0:
        # RFC 1939 §7: all after the one blank behind PASS is the password, blanks at its ends too.
        start = keyword_stop + 1
        return [slice(start, len(line))] if start < len(line) else []
    if len(given) > last:
        return [*given[:last], slice(given[last].start, len(line))]
    return given


def _secret(arguments: tuple[Argument, ...], given: list[Range], length: int) -> Span | None:
    """Find what is secret: the first secret argument and all that follows it."""
    for argument, word in zip(arguments, given, strict=False):
        if argument.secret:
            return Span(start=word.start, stop=length)
    return None


_INTRICATE = frozenset(
    verb.name
    for verb in VERBS.values()
    if any(argument.rest or argument.secret for argument in verb.arguments)
)
"""The commands with a secret, or with an argument that takes the rest of the line."""

_BARE = {
    verb.name: Command(line=verb.name, keyword=verb.name, verb=verb, arguments=(), secret=None)
    for verb in VERBS.values()
}
"""Commands that are a keyword and nothing else, as most are, taken apart beforehand."""


def expects_argument(line_so_far: bytes) -> Argument | None:
    """Tell which argument of a half-typed command the next octet would belong to.

    Args:
        line_so_far: octets up to the cursor.

    Returns:
        The argument, or None while the keyword is being typed, and past the last one.
    """
    command = parse_command(line_so_far)
    if command.verb is None or not command.verb.arguments:
        return None
    words = len(_words(line_so_far))
    if line_so_far[-1:] not in (b" ", b"\t"):
        words -= 1
    if words < 1:
        return None
    arguments = command.verb.arguments
    index = words - 1
    if index < len(arguments):
        return arguments[index]
    return arguments[-1] if arguments[-1].rest else None
