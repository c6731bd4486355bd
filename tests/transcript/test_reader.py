"""Parsing text: pages of the RFC, and an error for every kind of mistake."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poptalk.transcript.model import (
    Action,
    AnyLines,
    ClientLine,
    Comment,
    Direction,
    ServerLine,
    Side,
    Step,
)
from poptalk.transcript.parser import NotationError, parse_dialogue
from poptalk.transcript.pattern import make_pattern, parse_pattern

TRANSCRIPTS = Path(__file__).parent.parent / "transcripts"

RFC_1939_SECTION_10 = """
      S: <wait for connection on TCP port 110>
      C: <open connection>
      S:    +OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>
      C:    APOP mrose c4c9334bac560ecc979e58001b3e22fb
      S:    +OK mrose's maildrop has 2 messages (320 octets)
      C:    STAT
      S:    +OK 2 320
      C:    LIST
      S:    +OK 2 messages (320 octets)
      S:    1 120
      S:    2 200
      S:    .
      C:    RETR 1
      S:    +OK 120 octets
      S:    <the POP3 server sends message 1>
      S:    .
      C:    QUIT
      S:    +OK dewey POP3 server signing off (maildrop empty)
      C:  <close connection>
      S:  <wait for next connection>
"""


def client(text: str, *alternatives: str) -> ClientLine:
    return ClientLine(
        pattern=parse_pattern(text), alternatives=tuple(map(parse_pattern, alternatives))
    )


def server(text: str) -> ServerLine:
    return ServerLine(pattern=parse_pattern(text))


def steps(text: str) -> list[Step]:
    return list(parse_dialogue(text).steps)


def fault(text: str) -> NotationError:
    with pytest.raises(NotationError) as caught:
        parse_dialogue(text, name="session.pop3")
    return caught.value


def test_rfc_1939_section_10_pasted_as_it_stands() -> None:
    assert steps(RFC_1939_SECTION_10) == [
        AnyLines(description="wait for connection on TCP port 110"),
        Direction(side=Side.CLIENT, action=Action.OPEN),
        server("+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>"),
        client("APOP mrose c4c9334bac560ecc979e58001b3e22fb"),
        server("+OK mrose's maildrop has 2 messages (320 octets)"),
        client("STAT"),
        server("+OK 2 320"),
        client("LIST"),
        server("+OK 2 messages (320 octets)"),
        server("1 120"),
        server("2 200"),
        server("."),
        client("RETR 1"),
        server("+OK 120 octets"),
        AnyLines(description="the POP3 server sends message 1"),
        server("."),
        client("QUIT"),
        server("+OK dewey POP3 server signing off (maildrop empty)"),
        Direction(side=Side.CLIENT, action=Action.CLOSE),
        AnyLines(description="wait for next connection"),
    ]


def test_a_stage_direction_of_three_lines_as_in_rfc_1939_section_7() -> None:
    text = """
             S: <the POP3 server sends the headers of the
                message, a blank line, and the first 10 lines
                of the body of the message>
             S: .
    """
    description = (
        "the POP3 server sends the headers of the message, a blank line, "
        "and the first 10 lines of the body of the message"
    )
    assert steps(text) == [AnyLines(description=description), server(".")]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_common_indent_goes_and_a_folded_header_keeps_its_own(end: str) -> None:
    lines = ["S:   Subject: a", "S:     long one", "S:", "S:    ", "S: ...", "S: <and so on>"]
    assert steps(end.join(lines)) == [
        server("Subject: a"),
        server("  long one"),
        server(""),
        server(" "),
        AnyLines(),
        AnyLines(description="and so on"),
    ]


def test_a_blank_line_ends_a_block() -> None:
    assert steps("S:    a\nS:     b\n\f\nS: c\nS:  d") == [
        server("a"),
        server(" b"),
        server("c"),
        server(" d"),
    ]


def test_blanks_at_the_end_are_part_of_the_line() -> None:
    assert steps("C: USER bob \nS: + \nC:\n") == [client("USER bob "), server("+ "), client("")]


def test_comments_alternatives_and_directions() -> None:
    text = """\
#no blank
  #  two blanks
C: STAT
or LIST
or stat
C: <WAIT 2.5 s>
C: <Negotiate  TLS>
S: <Close connection>
S: {}...
C: {}<open connection>
"""
    assert steps(text) == [
        Comment(text="no blank"),
        Comment(text=" two blanks"),
        client("STAT", "LIST", "stat"),
        Direction(side=Side.CLIENT, action=Action.WAIT, seconds=2.5),
        Direction(side=Side.CLIENT, action=Action.NEGOTIATE_TLS),
        Direction(side=Side.SERVER, action=Action.CLOSE),
        ServerLine(pattern=make_pattern("...")),
        ClientLine(pattern=make_pattern("<open connection>")),
    ]


def test_every_step_knows_its_line() -> None:
    dialogue = parse_dialogue("# x\n\nC: STAT\nor LIST\nS: +OK", first_line=10, name="a.md")
    assert [step.line for step in dialogue.steps] == [10, 12, 14]
    assert dialogue.name == "a.md"


def test_payloads_are_what_the_wire_has() -> None:
    line = steps("S: {{a}} {b} é")[0]
    assert isinstance(line, ServerLine)
    assert line.payload == "{a} {b} é"


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    assert steps("\ufeffC: STAT") == [client("STAT")]


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("+OK ready", "write 'S: +OK ready'"),
        ("-ERR no", "write 'S: -ERR no'"),
        ("+ PDE4OTY=", "write 'S: + PDE4OTY='"),
        (".", "write 'S: .'"),
        ("...", "write 'S: ...'"),
        ("RETR 1", "write 'C: RETR 1'"),
        ("  retr 1", "write 'C: retr 1'"),
        ("c: RETR 1", "write 'C: RETR 1'"),
        ("Client: RETR 1", "write 'C: RETR 1'"),
        ("> RETR 1", "write 'C: RETR 1'"),
        ("s: +OK", "write 'S: +OK'"),
        ("< +OK", "write 'S: +OK'"),
        ("S:+OK", "write 'S: +OK'"),
        ("C:STAT", "write 'C: STAT'"),
        ("// a remark", "write '# a remark'"),
        ("<!-- a remark", "write '# a remark'"),
        ("Subject: hello", "write 'S: Subject: hello'"),
    ],
)
def test_the_nearest_thing_that_would_be_right(line: str, advice: str) -> None:
    error = fault(f"C: STAT\n{line}\nS: +OK")
    assert error.line_number == 2
    assert error.line == line.strip()
    assert advice in error.advice
    assert str(error).startswith("session.pop3:2: ")
    assert repr(line.strip()) in str(error)


@pytest.mark.parametrize(
    ("text", "problem", "advice"),
    [
        ("or STAT", "right under a 'C:' line", "write 'C: STAT'"),
        ("C: STAT\n# x\nor LIST", "right under a 'C:' line", "move it"),
        ("C: STAT\n\nor LIST", "right under a 'C:' line", "move it"),
        ("C: <wait 2 minutes>", "no such stage direction", "<wait 2 s>"),
        ("C: <a b>", "no such stage direction", "'C: {}<a b>' to send it"),
        ("C: <wait 4000 s>", "3600 seconds at most", "ask for less"),
        ("S: {n:int=2}", "only a 'C:' line gives a value", "write '{n:int}'"),
        ("S: {two words}", "is no placeholder", "double the braces"),
        ("C: STAT {", "lone '{'", "write '{{'"),
        ("or {", "right under", "move it"),
        ("C: STAT\nor {", "lone '{'", "write '{{'"),
        ("S: a\x1b[31m", "U+001B", "write its octets instead, '{0x1b}'"),
        ("S: a\rb", "U+000D", "write its octets instead, '{0x0d}'"),
        ("S: \udcff", "U+DCFF", "'{0xff}'"),
        ("S: {0x1}", "no octet", "two hexadecimal digits for each"),
        ("S: {0xgg}", "no octet", "two hexadecimal digits for each"),
        ("C: \x9b", "U+009B", "'{0xc29b}'"),
    ],
)
def test_faults_say_what_to_do(text: str, problem: str, advice: str) -> None:
    error = fault(text)
    assert problem in error.problem
    assert advice in error.advice
    assert error.line_number == len(text.split("\n"))


@pytest.mark.parametrize(
    "line",
    [
        "PASS open sesame",
        "c: PASS open sesame",
        "C:PASS open sesame",
        "C: PASS open {sesame",
        "C: PASS {open sesame}",
        "C: PASS open sesame\x00",
        "PASS open {sesame",
    ],
)
def test_no_password_in_an_error(line: str) -> None:
    error = fault(line)
    assert "sesame" not in str(error)
    assert "{password}" in error.line


def test_a_long_line_is_quoted_in_part() -> None:
    assert len(str(fault("x" * 100_000))) < 500


@given(st.text(st.sampled_from("CS: or#{}<>.\n\tab=3int"), max_size=60))
def test_any_text_is_a_dialogue_or_a_notation_error(text: str) -> None:
    try:
        dialogue = parse_dialogue(text)
    except NotationError as error:
        assert 1 <= error.line_number <= text.count("\n") + 1  # noqa: PT017
    else:
        assert all(step.line >= 1 for step in dialogue.steps)


@pytest.mark.parametrize("path", sorted(TRANSCRIPTS.glob("*.pop3")), ids=lambda path: path.stem)
def test_every_transcript_is_read_and_names_its_maildrop(path: Path) -> None:
    dialogue = parse_dialogue(path.read_text("utf-8"), name=path.name)
    first = dialogue.steps[0]
    assert isinstance(first, Comment)
    assert first.text in ("maildrop: rfc1939", "maildrop: article")
