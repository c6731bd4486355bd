"""Matching by meaning, and exactly."""

import pytest

from poptalk.transcript.match import Agreement, Aspect, Difference, match_line, match_reply
from poptalk.transcript.model import ClientLine, ExpectedReply, exchanges
from poptalk.transcript.parser import parse_dialogue


def client_line(text: str) -> ClientLine:
    (step,) = parse_dialogue(text).steps
    assert isinstance(step, ClientLine)
    return step


def expected_reply(text: str) -> ExpectedReply:
    reply = exchanges(parse_dialogue(text))[-1]
    assert isinstance(reply, ExpectedReply)
    return reply


def compare(
    command: str, expected: str, came: str, *, exact: bool = False, **bindings: str
) -> Agreement | Difference:
    """Compare a reply, given as lines separated by ` | `."""
    lines = [f"C: {command}"] if command else []
    lines += [f"S: {line}".rstrip() for line in expected.split(" | ")]
    wire = [line.encode() for line in came.split(" | ")] if came else []
    return match_reply(expected_reply("\n".join(lines)), wire, bindings, exact=exact)


@pytest.mark.parametrize(
    ("text", "line", "captured"),
    [
        ("C: RETR 2", b"RETR 2", {}),
        ("C: RETR 2", b"retr 2", {}),
        ("C: retr 2", b"RETR 2", {}),
        ("C: STAT", b"stat", {}),
        ("C: XYZZY", b"xyzzy", {}),
        ("C: RETR {n:int=2}", b"Retr 3", {"n": "3"}),
        ("C: STAT\nor LIST\nor LIST {n}", b"list 1", {"n": "1"}),
        ("C: {verb} 2", b"list 2", {"verb": "list"}),
        ("C: USER b\u00f6b", "USER b\u00f6b".encode(), {}),
        ("C:", b"", {}),
    ],
)
def test_client_lines_agree(text: str, line: bytes, captured: dict[str, str]) -> None:
    assert match_line(client_line(text), line, {}) == captured


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("C: RETR 2", b"RETR 3"),
        ("C: RETR 2", b"RETR  2"),
        ("C: RETR 2", b" RETR 2"),
        ("C: STAT", b"STAT "),
        ("C: USER bob", b"USER BOB"),
        ("C: USER bob", b"USER b\xffb"),
        ("C: LIST {n}", b"LIST"),
        ("C: STAT", b""),
    ],
)
def test_client_lines_differ(text: str, line: bytes) -> None:
    assert match_line(client_line(text), line, {}) is None


def test_the_case_of_a_keyword_may_count() -> None:
    step = client_line("C: dGVz")
    assert match_line(step, b"DGVZ", {}, any_case=False) is None
    assert match_line(step, b"dGVz", {}, any_case=False) == {}


@pytest.mark.parametrize(
    ("command", "expected", "came"),
    [
        ("", "+OK ready", "+OK hello <1.2@host>"),
        ("NOOP", "+OK", "+OK done"),
        ("NOOP", "+OK done", "+OK"),
        ("NOOP", "+OK", "+ok"),
        ("DELE 1", "-ERR no such message", "-ERR [SYS/PERM] gone"),
        ("STAT", "+OK 2 320", "+OK 2 320 and more"),
        ("STAT", "+OK", "+OK 2 320"),
        ("STAT", "+OK {n:int} {...}", "+OK 2 320"),
        ("STAT", "-ERR 1 2", "-ERR 3 4"),
        ("LIST 2", "+OK 2 200", "+OK 2 200"),
        ("UIDL 2", "+OK 2 abc", "+OK 2 abc"),
        ("LAST", "+OK 3", "+OK 3 is the last"),
        ("AUTH PLAIN eA==", "+OK welcome", "+OK maildrop locked"),
        ("AUTH PLAIN", "+ ", "+ eA=="),
        ("LANG es", "+OK es Idioma cambiado", "+OK es hecho"),
        ("PASS x", "-ERR [IN-USE] locked", "-ERR [in-use] another"),
        ("PASS x", "-ERR [SYS] later", "-ERR [SYS/TEMP] later"),
        ("XYZZY", "-ERR", "-ERR what?"),
        ("NOOP", "+OK {...}", "+OK"),
        ("NOOP", "421 busy", "421 busy"),
        ("STAT", "...", "-ERR"),
        ("LIST", "+OK 2 messages (320 octets) | 1 120 | 2 200 | .", "+OK | 1 120 | 2 200 | ."),
        ("LIST", "+OK", "+OK | 1 120 | ."),
        ("LIST", "+OK | ... | .", "+OK | ."),
        ("LIST", "+OK | ... | 2 200 | .", "+OK | 1 120 | 2 200 | ."),
        ("LIST", "+OK | ... | 2 200 | ... | .", "+OK | 1 120 | 2 200 | 3 3 | 4 4 | ."),
        ("LIST", "+OK | 1 120 | ...", "+OK | 1 120 | 2 200 | ."),
        ("LIST", "+OK | ... | ... | .", "+OK | ."),
        ("LIST", "... | .", "+OK | 1 120 | ."),
        ("RETR 1", "+OK | <message 1 comes> | .", "+OK | Subject: x |  | .. | ."),
        ("RETR 1", "+OK | ... |  | a | .", "+OK | Subject: x |  | a | ."),
        ("CAPA", "+OK | TOP | USER | .", "+OK | USER | top | ."),
        ("CAPA", "+OK | SASL {...} | ... | .", "+OK | STLS | SASL PLAIN LOGIN | UIDL | ."),
        ("CAPA", "+OK | {a} | TOP | .", "+OK | TOP | UIDL | ."),
        ("capa", "+OK | ...", "+OK | TOP | ."),
    ],
)
def test_replies_agree(command: str, expected: str, came: str) -> None:
    assert isinstance(compare(command, expected, came), Agreement)


@pytest.mark.parametrize(
    ("command", "expected", "came", "aspect", "said"),
    [
        ("NOOP", "+OK", "-ERR no", Aspect.INDICATOR, "'+OK', but '-ERR no' came"),
        ("NOOP", "+OK", "OK", Aspect.INDICATOR, "'+OK', but 'OK' came"),
        ("NOOP", "+OK", "", Aspect.STATUS_LINE, "nothing more came"),
        ("STAT", "+OK 2 320", "+OK 2 321", Aspect.FIELD, "'octets' = 320"),
        ("STAT", "+OK 2 320", "+OK 3 320", Aspect.FIELD, "'messages' = 2"),
        ("STAT", "+OK 2 320", "+OK 2", Aspect.FIELD, "'octets' = 320"),
        ("LIST 2", "+OK 2 200", "+OK 2 201", Aspect.FIELD, "'octets' = 200"),
        ("UIDL 2", "+OK 2 abc", "+OK 2 ABC", Aspect.FIELD, "'unique-id' = abc"),
        ("STAT", "+OK {n:int} 320", "+OK 2 321", Aspect.STATUS_LINE, "'+OK {n:int} 320'"),
        ("PASS x", "-ERR [IN-USE]", "-ERR locked", Aspect.CODE, "'[IN-USE]'"),
        ("PASS x", "-ERR [IN-USE]", "-ERR [AUTH] x", Aspect.CODE, "'[IN-USE]'"),
        ("PASS x", "-ERR [SYS/TEMP]", "-ERR [SYS] x", Aspect.CODE, "'[SYS/TEMP]'"),
        ("NOOP", "421 busy", "421 calm", Aspect.STATUS_LINE, "'421 busy'"),
        ("LIST", "+OK | 1 120 | .", "+OK | 1 121 | .", Aspect.BODY_LINE, "'1 120', but '1 121'"),
        ("LIST", "+OK | 1 120 | .", "+OK | .", Aspect.BODY_LINE, "'1 120', but '.' came"),
        ("LIST", "+OK | .", "+OK | 1 120 | .", Aspect.BODY_LINE, "'.', but '1 120' came"),
        ("LIST", "+OK | 1 120", "+OK | 1 120 | .", Aspect.END, "the end of the reply, but '.'"),
        ("LIST", "+OK | 1 120 | .", "+OK | 1 120", Aspect.BODY_LINE, "'.', but nothing more"),
        ("LIST", "+OK | ... | 3 3 | ... | .", "+OK | 1 1 | .", Aspect.BODY_LINE, "'3 3'"),
        ("LIST", "+OK | 1 1 | ... | .", "+OK | 2 2 | .", Aspect.BODY_LINE, "'1 1', but '2 2'"),
        ("LIST", "+OK | ... | 2 2 | .", "+OK | 1 1 | .", Aspect.BODY_LINE, "'2 2', but '1 1'"),
        ("LIST", "+OK | 1 120 | ... | 1 120 | .", "+OK | 1 120 | .", Aspect.BODY_LINE, "'1 120'"),
        ("CAPA", "+OK | TOP | UIDL | .", "+OK | TOP | .", Aspect.CAPABILITY, "'UIDL', but nothing"),
        ("CAPA", "+OK | TOP | .", "+OK | STLS | TOP | .", Aspect.END, "'STLS' came"),
        ("CAPA", "+OK | SASL PLAIN | .", "+OK | SASL plain | .", Aspect.CAPABILITY, "'SASL PLAIN'"),
        ("CAPA", "+OK | TOP | .", "+OK | TOP", Aspect.BODY_LINE, "'.'"),
    ],
)
def test_replies_differ(command: str, expected: str, came: str, aspect: Aspect, said: str) -> None:
    difference = compare(command, expected, came)
    assert isinstance(difference, Difference)
    assert difference.aspect is aspect
    assert said in str(difference)
    assert str(difference).startswith(f"Line {difference.line}: expected {aspect.value}")
    assert str(difference).endswith(".")


@pytest.mark.parametrize(
    ("command", "expected", "came"),
    [
        ("NOOP", "+OK", "+OK done"),
        ("NOOP", "+OK", "+ok"),
        ("STAT", "+OK 2 320", "+OK 2 320 more"),
        ("CAPA", "+OK | TOP | UIDL | .", "+OK | UIDL | TOP | ."),
        ("LIST", "+OK", "+OK | 1 1 | ."),
    ],
)
def test_exact_compares_everything(command: str, expected: str, came: str) -> None:
    assert isinstance(compare(command, expected, came, exact=True), Difference)
    assert isinstance(compare(command, expected, expected, exact=True), Agreement)


def test_what_is_captured_must_come_again() -> None:
    first = compare("UIDL", "+OK | 1 {one} | 2 {two} | .", "+OK | 1 abc | 2 xyz | .")
    assert first == Agreement(bindings={"one": "abc", "two": "xyz"})
    assert isinstance(compare("UIDL 2", "+OK 2 {two}", "+OK 2 xyz", two="xyz"), Agreement)
    assert isinstance(compare("UIDL 2", "+OK 2 {two}", "+OK 2 abc", two="xyz"), Difference)


def test_a_search_that_fails_captures_nothing() -> None:
    result = compare("LIST", "+OK | ... | {n} 1 | {n} 2 | ... | .", "+OK | 5 1 | 6 1 | 6 2 | .")
    assert result == Agreement(bindings={"n": "6"})


def test_octets_that_are_no_utf8_are_compared_as_octets() -> None:
    reply = expected_reply("C: RETR 1\nS: +OK\nS: caf\u00e9 {x}\nS: .")
    latin1 = match_reply(reply, [b"+OK", b"caf\xe9 1", b"."], {})
    assert isinstance(latin1, Difference)
    utf8 = match_reply(reply, [b"+OK", "caf\u00e9 ".encode() + b"\xff", b"."], {})
    assert utf8 == Agreement(bindings={"x": "\udcff"})


def test_a_difference_names_the_line_of_the_file() -> None:
    text = "# remark\nS: +OK\nC: STAT\nS: +OK 2 320"
    difference = match_reply(expected_reply(text), [b"+OK 2 321"], {})
    assert isinstance(difference, Difference)
    assert difference.line == 4


SEARCH = " | ".join(["+OK", "...", *["a"] * 20, "b", "...", "."])
"""Lines that match the beginning at every line that came, but never the end."""


def test_the_search_for_a_place_after_any_lines_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poptalk.transcript.match.MOST_COMPARISONS", 500)
    made_to_be_slow = " | ".join(["+OK", *["a"] * 10_000, "."])
    difference = compare("RETR 1", SEARCH, made_to_be_slow)
    assert isinstance(difference, Difference)
    assert difference.aspect is Aspect.SEARCH
    assert "a place for the lines after 'S: ...' among the first 24 lines" in difference.sentence
    usual = " | ".join(["+OK", *["a"] * 22, "b", "."])
    assert isinstance(compare("RETR 1", SEARCH, usual), Agreement)
