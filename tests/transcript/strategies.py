"""Strategies of Hypothesis for dialogues, with every step that the notation has."""

from hypothesis import strategies as st

from poptalk.transcript.model import (
    MAX_WAIT_SECONDS,
    Action,
    AnyLines,
    ClientLine,
    Comment,
    Dialogue,
    Direction,
    ServerLine,
    Side,
    Step,
)
from poptalk.transcript.octets import text_of
from poptalk.transcript.pattern import Part, Pattern, Placeholder, PlaceholderKind, make_pattern

WRITABLE = st.characters(exclude_categories=("Cs", "Cc")) | st.just("\t")

AWKWARD = st.sampled_from(
    [
        "",
        ".",
        "...",
        "  ...",
        "<a b>",
        "<close connection>",
        "<a",
        "{",
        "}}",
        "{x}",
        " x",
        "\tx",
        "or x",
        "C: x",
        "# x",
        " ",
    ]
)
"""Lines that mean something else if they aren't escaped."""

TEXTS = AWKWARD | st.text(WRITABLE, max_size=30) | st.binary(max_size=9).map(text_of)

WORDS = st.text("abcXYZ0159.-@", min_size=1, max_size=8)

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,6}", fullmatch=True)

PLACEHOLDERS = st.builds(
    lambda name, kind: Placeholder(name=name, kind=kind), NAMES, st.sampled_from(PlaceholderKind)
) | st.just(Placeholder(name=None, kind=PlaceholderKind.REST))

WITH_DEFAULTS = st.builds(
    lambda name, default: Placeholder(name=name, default=default), NAMES, WORDS
) | st.builds(
    lambda name, number: Placeholder(name=name, kind=PlaceholderKind.INT, default=str(number)),
    NAMES,
    st.integers(min_value=0, max_value=999),
)


def patterns(parts: st.SearchStrategy[str | Part]) -> st.SearchStrategy[Pattern]:
    return st.lists(parts, max_size=4).map(lambda drawn: make_pattern(*drawn))


CLIENT_PATTERNS = patterns(TEXTS | PLACEHOLDERS | WITH_DEFAULTS)
SERVER_PATTERNS = patterns(TEXTS | PLACEHOLDERS)

DIRECTIONS = (
    st.builds(
        lambda action: Direction(side=Side.CLIENT, action=action),
        st.sampled_from([Action.OPEN, Action.CLOSE, Action.NEGOTIATE_TLS]),
    )
    | st.builds(
        lambda milliseconds: Direction(
            side=Side.CLIENT, action=Action.WAIT, seconds=milliseconds / 1000
        ),
        st.integers(min_value=0, max_value=MAX_WAIT_SECONDS * 1000),
    )
    | st.just(Direction(side=Side.SERVER, action=Action.CLOSE))
)

STEPS: st.SearchStrategy[Step] = (
    st.builds(
        lambda pattern, others: ClientLine(pattern=pattern, alternatives=tuple(others)),
        CLIENT_PATTERNS,
        st.lists(CLIENT_PATTERNS, max_size=2),
    )
    | SERVER_PATTERNS.map(lambda pattern: ServerLine(pattern=pattern))
    | st.just(AnyLines())
    | st.just(AnyLines(description="the POP3 server sends message 1"))
    | DIRECTIONS
    | st.text(WRITABLE, max_size=20).map(lambda text: Comment(text=text))
)

DIALOGUES = st.lists(STEPS, max_size=8).map(lambda steps: Dialogue(steps=tuple(steps)))
