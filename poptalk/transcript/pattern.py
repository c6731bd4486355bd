"""A line of a dialogue: literal text, with placeholders in braces.

`{name}` stands for one word, `{name:int}` for digits, `{name...}` for the rest of the line, `{...}`
for the same without a name, `{{` and `}}` for braces, `{0x1b}` for octets that text can't show.  `{}`
stands for nothing: it prevents the meaning that a line would have without it (`{}...` is three dots,
not "any lines").  The first use of a name captures, and later uses must be equal.

A line ends in CRLF; one that ends in LF alone has that LF at its end, written `{0x0a}`.

A line is never a regular expression.  A placeholder ends where the text after it first occurs; if
another placeholder follows directly, it takes as much as possible.  So matching takes one pass, and has
one result.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from poptalk.transcript.octets import escaped, joined, unescaped
from poptalk.transcript.placeholders import reason_for_none

Bindings = Mapping[str, str]
"""What the placeholders stand for, by name."""


class PatternError(ValueError):
    """A line isn't a pattern: what is wrong with it, and what would be right."""

    def __init__(self, problem: str, advice: str) -> None:
        super().__init__(f"{problem}; {advice}.")
        self.problem = problem
        self.advice = advice


class FillError(ValueError):
    """A placeholder has no value to send."""


class PlaceholderKind(Enum):
    """What a placeholder stands for."""

    WORD = "", r"[^ \t]+"
    INT = ":int", r"[0-9]+"
    REST = "...", r"(?s:.*)"

    def __init__(self, suffix: str, run: str) -> None:
        self.suffix = suffix
        """What follows the name."""
        self.run = re.compile(run)


_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_UNWRITABLE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\ud800-\udfff]")
_TOKENS = re.compile(r"(\{\{|\}\}|\{[^{}]*\}|[{}])")
_INSIDE = re.compile(
    rf"(?P<name>{_NAME.pattern})?(?P<rest>\.\.\.)?(?::(?P<type>[^=]*))?(?:=(?P<default>.*))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal:
    """Text that stands for itself."""

    text: str

    @property
    def source(self) -> str:
        """The text as in a dialogue: braces doubled, invisible octets in hexadecimal."""
        return escaped(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placeholder:
    """A part that differs from session to session.

    Raises:
        PatternError: on construction, if the name, the kind or the default is impossible.
    """

    name: str | None
    """None for `{...}`."""
    kind: PlaceholderKind = PlaceholderKind.WORD
    default: str | None = None
    """What a replay sends if nothing was captured before."""

    def __post_init__(self) -> None:
        if self.name is None:
            if self.kind is not PlaceholderKind.REST or self.default is not None:
                raise PatternError(
                    "a placeholder without a name is the rest of the line", "write '{...}'"
                )
        elif not _NAME.fullmatch(self.name):
            raise PatternError(
                f"'{self.name}' is no name for a placeholder",
                "begin with a letter, go on with letters, digits, '-' and '_'",
            )
        default, is_rest = self.default, self.kind is PlaceholderKind.REST
        if default is not None and (
            is_rest or not self.kind.run.fullmatch(default) or set(default) & set("{}")
        ):
            raise PatternError(
                f"'{default}' is no value for '{{{self.name}}}'",
                "give one word after '=', or digits after ':int='",
            )

    @property
    def source(self) -> str:
        """The placeholder as in a dialogue."""
        default = "" if self.default is None else f"={self.default}"
        return f"{{{self.name or ''}{self.kind.suffix}{default}}}"


Part = Literal | Placeholder


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """A parsed payload; two patterns are equal if they mean the same."""

    parts: tuple[Part, ...]

    @cached_property
    def source(self) -> str:
        """The pattern as in a dialogue."""
        sources = [part.source for part in self.parts]
        if self.parts and isinstance(self.parts[-1], Literal):
            sources[-1] = escaped(self.parts[-1].text, ends_line=True)
        return "".join(sources)

    @cached_property
    def ends_in_lf(self) -> bool:
        """Whether the line ends in LF instead of CRLF."""
        last = self.parts[-1] if self.parts else None
        return isinstance(last, Literal) and last.text.endswith("\n")

    @cached_property
    def text(self) -> str:
        """The line as on the wire; placeholders stay in their braces."""
        return "".join(p.text if isinstance(p, Literal) else p.source for p in self.parts)

    @cached_property
    def placeholders(self) -> tuple[Placeholder, ...]:
        """The placeholders from left to right."""
        return tuple(part for part in self.parts if isinstance(part, Placeholder))

    def match(self, text: str, bindings: Bindings) -> dict[str, str] | None:
        """Compare a line with the pattern.

        Args:
            text: the line, without its line end, which is not compared.
            bindings: what was captured before; it isn't changed.

        Returns:
            The bindings with what this line captured; None if the line doesn't match.
        """
        found = dict(bindings)
        if self.ends_in_lf:
            text = text.removesuffix("\n") + "\n"
        at = 0
        for index, part in enumerate(self.parts):
            value = _known_text(part, found)
            if value is not None:
                if not text.startswith(value, at):
                    return None
            elif isinstance(part, Placeholder):
                value = _take(part, self.parts[index + 1 :], text[at:], found)
                if value is None:
                    return None
                if part.name is not None:
                    found[part.name] = value
            at += len(value or "")
        return found if at == len(text) else None

    def fill(self, bindings: Bindings) -> str:
        """Write the line that a replay sends.

        Args:
            bindings: values by name; a default in the pattern replaces a missing one.

        Returns:
            The line, without CRLF, but with an LF alone.

        Raises:
            FillError: a placeholder has no value, or one that would break the line.
        """
        return "".join(
            part.text if isinstance(part, Literal) else _value_of(part, bindings)
            for part in self.parts
        )


def _known_text(part: Part, found: Bindings) -> str | None:
    """Return what a part must be equal to; None for a placeholder that captures."""
    if isinstance(part, Literal):
        return part.text
    return found.get(part.name) if part.name is not None else None


def _take(placeholder: Placeholder, rest: Sequence[Part], text: str, found: Bindings) -> str | None:
    """Find what a placeholder without a value stands for.

    Args:
        placeholder: the one at the beginning of the text.
        rest: the parts after it.
        text: the rest of the line.
        found: the bindings so far.

    Returns:
        The beginning of the text; None if the placeholder doesn't match.
    """
    run = placeholder.kind.run.match(text)
    if run is None:
        return None
    shortest, longest = int(placeholder.kind is not PlaceholderKind.REST), run.end()
    following, is_last = _what_follows(rest, found)
    if is_last:
        stop = len(text) - len(following) if text.endswith(following) else -1
    elif following:
        stop = text.find(following, shortest)
    else:
        stop = longest
    return text[:stop] if shortest <= stop <= longest else None


def _what_follows(rest: Sequence[Part], found: Bindings) -> tuple[str, bool]:
    """Join the parts up to the next one that captures; return also whether there is none."""
    texts: list[str] = []
    for part in rest:
        text = _known_text(part, found)
        if text is None:
            return "".join(texts), False
        texts.append(text)
    return "".join(texts), True


def _value_of(placeholder: Placeholder, bindings: Bindings) -> str:
    """Find what a replay sends for a placeholder."""
    name = placeholder.name
    if name is None:
        raise FillError("'{...}' cannot be sent; give it a name and a value.")
    value = bindings.get(name, placeholder.default)
    if value is None:
        reason = reason_for_none(name)
        raise FillError(
            f"'{{{name}}}' has no value, because {reason}; give one with '{{{name}=...}}'."
        )
    if set(value) & set("\r\n\0"):
        raise FillError(
            f"The value of '{{{name}}}' holds a line end or NUL; one line is sent at a time."
        )
    return value


def make_pattern(*parts: str | Part) -> Pattern:
    """Make a pattern of text and placeholders.

    Args:
        parts: a `str` is literal, including braces.
    """
    together: list[Part] = []
    for part in parts:
        new = Literal(text=part) if isinstance(part, str) else part
        if isinstance(new, Literal) and together and isinstance(together[-1], Literal):
            together[-1] = Literal(text=joined(together[-1].text + new.text))
        elif new != Literal(text=""):
            together.append(new)
    return Pattern(parts=tuple(together))


def parse_pattern(source: str) -> Pattern:
    """Parse a payload of a dialogue.

    Args:
        source: the text after the marker.

    Raises:
        PatternError: a brace doesn't belong to a placeholder, or a placeholder has none of the forms.
    """
    parts: list[str | Part] = []
    for token in _TOKENS.split(source):
        if token in ("{", "}"):
            raise PatternError(
                f"a lone '{token}' belongs to no placeholder", f"write '{token * 2}' for a brace"
            )
        if token in ("{{", "}}"):
            parts.append(token[0])
        elif token.startswith("{"):
            octets = unescaped(token[1:-1])
            parts.extend(_parse_placeholder(token[1:-1]) if octets is None else [octets])
        else:
            parts.append(token)
    return make_pattern(*parts)


def _parse_placeholder(inside: str) -> list[Part]:
    """Parse what is between the braces of a placeholder; `{}` is nothing."""
    if not inside:
        return []
    if inside[:2].lower() == "0x":
        raise PatternError(
            f"'{{{inside}}}' is no octet", "write two hexadecimal digits for each, as in '{0x1b}'"
        )
    found = _INSIDE.fullmatch(inside)
    if not found or found["type"] not in (None, "int") or (found["rest"] and found["type"]):
        raise PatternError(
            f"'{{{inside}}}' is no placeholder",
            "write '{name}', '{name:int}', '{name...}' or '{...}', or double the braces",
        )
    kind = PlaceholderKind.INT if found["type"] else PlaceholderKind.WORD
    kind = PlaceholderKind.REST if found["rest"] else kind
    return [Placeholder(name=found["name"], kind=kind, default=found["default"])]


def unwritable(text: str) -> str | None:
    """Find the first character that a line of a dialogue must not contain.

    Args:
        text: one line.

    Returns:
        A control character other than the tab, or a surrogate (in place of an octet that isn't UTF-8);
        None if every character is allowed.
    """
    found = _UNWRITABLE.search(text)
    return found[0] if found else None
