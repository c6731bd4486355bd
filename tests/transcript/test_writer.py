"""Parsing what was written gives the same dialogue."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from poptalk.transcript.model import ClientLine, Dialogue, ServerLine, Side
from poptalk.transcript.octets import octets_of, text_of
from poptalk.transcript.parser import parse_dialogue
from poptalk.transcript.pattern import Placeholder, PlaceholderKind, make_pattern
from poptalk.transcript.writer import MAX_LINE_LOGGED, DialogueWriter, ServerLines, format_dialogue
from tests.transcript.strategies import DIALOGUES

LINE_ENDS = st.sampled_from([b"\r\n", b"\n", b"\r\r\n"])


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


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("\x1b[31m", "{0x1b}[31m"),
        ("a\r\nb", "a{0x0d0a}b"),
        ("\udcff", "{0xff}"),
        ("\x9b", "{0xc29b}"),
        ("\u202e\u200b", "{0xe280aee2808b}"),
        ("a\tb \u65e5\xa0c", "a\tb \u65e5\xa0c"),
        ("two  ", "two{0x2020}"),
        ("\ud55c\u3164", "\ud55c{0xe385a4}"),
        ("a\\x1b", "a\\x1b"),
        ("{0x1b}", "{{0x1b}}"),
    ],
)
def test_any_octet_can_be_written(text: str, source: str) -> None:
    assert written(("client", text)) == f"C: {source}\n"
    assert written(("server", text)) == f"S: {source}\n"


@pytest.mark.parametrize("text", ["\x1b[31m", "a\rb", "\udcff", "\x9b"])
def test_a_comment_holds_no_octets_without_a_shape(text: str) -> None:
    with pytest.raises(ValueError, match="comment or a placeholder cannot hold"):
        written(("comment", text))


OCTETS = st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))


@given(OCTETS | st.sampled_from([b"...", b"<a b>", b" x", b"", b" ", b"\t", b"C: x", b"<a"]))
def test_any_octets_are_read_back(octets: bytes) -> None:
    text = written(("client", text_of(octets)), ("server", text_of(octets)))
    assert all(line.isprintable() for line in text.replace("\t", "").split("\n") if line.isascii())
    client, server = parse_dialogue(text).steps
    assert isinstance(client, ClientLine)
    assert isinstance(server, ServerLine)
    assert octets_of(client.pattern.fill({})) == octets_of(server.pattern.text) == octets


@given(st.lists(st.tuples(OCTETS.map(lambda octets: octets.replace(b"\n", b"")), LINE_ENDS)))
def test_any_stream_is_read_back_with_its_line_ends(lines: list[tuple[bytes, bytes]]) -> None:
    stream = b"".join(octets + end for octets, end in lines)
    text: list[str] = []
    writer = DialogueWriter(text.append)
    for line in ServerLines().feed(stream):
        writer.received(line)
    read = [octets_of(step.pattern.text) for step in parse_dialogue("".join(text)).steps]  # type: ignore[union-attr]
    assert b"".join(line if line.endswith(b"\n") else line + b"\r\n" for line in read) == stream


def test_a_very_long_line_is_written_in_part_and_matches_as_a_whole() -> None:
    line = b"x" * (MAX_LINE_LOGGED + 5)
    (step,) = parse_dialogue(written(("received", line))).steps
    assert isinstance(step, ServerLine)
    assert step.pattern.match(line.decode(), {}) == {}


def test_an_lf_alone_is_written_and_is_not_compared() -> None:
    text = written(("received", b"+OK\n"))
    assert text == "S: +OK{0x0a}\n"
    (step,) = parse_dialogue(text).steps
    assert isinstance(step, ServerLine)
    assert step.payload == "+OK"
    assert step.pattern.match("+OK", {}) == {}


@pytest.mark.parametrize("text", ["negotiate", "stand on your head", "wait 2 minutes", "open > x"])
def test_the_client_has_four_directions(text: str) -> None:
    with pytest.raises(ValueError, match="<open connection>, <close connection>, <negotiate TLS>"):
        written(("direction", Side.CLIENT, text))


def test_any_lines_are_not_an_action() -> None:
    with pytest.raises(ValueError, match="describe them otherwise"):
        written(("any_lines", "close connection"))


@given(
    lines=st.lists(
        st.text(" .<>{}a#C:\x7f\xe9\t~", max_size=8).map(str.encode)
        | st.sampled_from([b"...", b"<close connection>", b"+OK", b"x" * 70_000, b"C: x", b"\n"])
    )
)
def test_a_received_line_is_written_as_any_line_of_the_server(lines: list[bytes]) -> None:
    one: list[str] = []
    other: list[str] = []
    quick, thorough = DialogueWriter(one.append), DialogueWriter(other.append)
    for line in lines:
        quick.received(line)
        cut = (
            (Placeholder(name=None, kind=PlaceholderKind.REST),)
            if len(line) > MAX_LINE_LOGGED
            else ()
        )
        thorough.server(text_of(line[:MAX_LINE_LOGGED]), *cut)
    assert one == other
