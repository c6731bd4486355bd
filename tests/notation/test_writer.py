"""What is written is read back equal."""

import pytest
from hypothesis import example, given

from poptalk.notation.dialogue import ClientLine, Dialogue, ServerLine
from poptalk.notation.directions import Side
from poptalk.notation.pattern import Placeholder, make_pattern
from poptalk.notation.reader import parse_dialogue
from poptalk.notation.writer import DialogueWriter, format_dialogue
from tests.notation.strategies import DIALOGUES


def written(*calls: tuple[str, *tuple[object, ...]]) -> str:
    lines: list[str] = []
    writer = DialogueWriter(lines.append)
    for method, *arguments in calls:
        getattr(writer, method)(*arguments)
    return "".join(lines)


@given(DIALOGUES)
@example(Dialogue(steps=(ServerLine(pattern=make_pattern(" a")),)))
@example(Dialogue(steps=(ServerLine(pattern=make_pattern("<a", " b>")),)))
@example(
    Dialogue(steps=(ClientLine(pattern=make_pattern()), ServerLine(pattern=make_pattern("..."))))
)
def test_round_trip(dialogue: Dialogue) -> None:
    assert parse_dialogue(format_dialogue(dialogue)) == dialogue


def test_a_session() -> None:
    assert written(
        ("comment", "localhost, port 110"),
        ("direction", Side.CLIENT, "open connection"),
        ("server", "+OK {ready}"),
        ("client", "PASS ", Placeholder(name="password")),
        ("alternative", "STAT"),
        ("server", "+OK"),
        ("server", ""),
        ("server", " folded"),
        ("server", "..."),
        ("server", "<a href='x'>"),
        ("any_lines",),
        ("any_lines", "the rest of it"),
        ("blank",),
        ("server", " alone"),
        ("server", " beside it"),
        ("direction", Side.SERVER, "close connection"),
    ) == (
        "# localhost, port 110\n"
        "C: <open connection>\n"
        "S: +OK {{ready}}\n"
        "C: PASS {password}\n"
        "or STAT\n"
        "S: +OK\n"
        "S:\n"
        "S:  folded\n"
        "S: {}...\n"
        "S: {}<a href='x'>\n"
        "S: ...\n"
        "S: <the rest of it>\n"
        "\n"
        "S: {} alone\n"
        "S:  beside it\n"
        "S: <close connection>\n"
    )


def test_a_comment_of_two_lines() -> None:
    assert written(("comment", "one\n\n two")) == "# one\n#\n#  two\n"


@pytest.mark.parametrize("text", ["\x1b[31m", "a\nb", "a\rb", "\udcff", "\x9b"])
def test_what_cannot_stand_in_a_dialogue_is_refused(text: str) -> None:
    for method in ("client", "server", "alternative"):
        with pytest.raises(ValueError, match="make the text harmless"):
            written((method, text))


@pytest.mark.parametrize("text", ["negotiate", "stand on your head", "wait 2 minutes", "open > x"])
def test_the_client_has_four_directions(text: str) -> None:
    with pytest.raises(ValueError, match="<open connection>, <close connection>, <negotiate TLS>"):
        written(("direction", Side.CLIENT, text))


def test_any_lines_are_not_an_action() -> None:
    with pytest.raises(ValueError, match="describe them otherwise"):
        written(("any_lines", "close connection"))
