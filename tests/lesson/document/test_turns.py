"""Turns: which reply belongs to which line."""

from __future__ import annotations

from poptalk.lesson.document.model import Turn, turns
from poptalk.pop3.commands import Effect
from poptalk.transcript.model import Send
from poptalk.transcript.parser import parse_dialogue


def of(text: str) -> tuple[Turn, ...]:
    return turns(parse_dialogue(text))


def line(turn: Turn) -> str:
    assert isinstance(turn.act, Send)
    return turn.act.step.payload


def first_line(turn: Turn) -> str:
    assert turn.reply is not None
    return getattr(turn.reply.steps[0], "payload", "...")


def test_replies_to_pipelined_lines_stand_beside_them() -> None:
    """RFC 2449 §6.6."""
    found = of("C: STAT\nC: LIST\nC: NOOP\nS: +OK 2 320\nS: +OK\nS: ...\nS: .\nS: +OK nothing")
    assert [(line(turn), first_line(turn)) for turn in found] == [
        ("STAT", "+OK 2 320"),
        ("LIST", "+OK"),
        ("NOOP", "+OK nothing"),
    ]


def test_a_response_has_the_reply_of_its_own() -> None:
    found = of("C: AUTH PLAIN\nS: + \nC: {plain}\nS: +OK")
    assert [(line(turn), turn.keyword) for turn in found] == [
        ("AUTH PLAIN", "AUTH"),
        ("{plain}", ""),
    ]
    assert [first_line(turn) for turn in found] == ["+ ", "+OK"]


def test_a_greeting_stands_beside_the_opening_or_alone() -> None:
    (opening,) = of("C: <open connection>\nS: +OK ready")
    assert opening.opens
    assert first_line(opening) == "+OK ready"
    (greeting, _) = of("S: +OK ready\nC: QUIT")
    assert greeting.act is None
    assert first_line(greeting) == "+OK ready"


def test_what_a_turn_is() -> None:
    dele, refused, wait, close = of(
        "C: DELE 1\nS: +OK\nC: DELE 1\nS: -ERR\nC: <wait 2 s>\nC: <close connection>"
    )
    assert dele.effect is Effect.MARK
    assert not dele.is_refusal
    assert refused.is_refusal
    assert wait.waits
    assert not wait.is_done_by_somebody
    assert close.closes
    assert close.hangs_up
    assert close.effect is Effect.NOTHING


def test_a_reply_that_is_cut_off_by_hanging_up_has_no_end() -> None:
    retr, close = of("C: RETR 1\nS: +OK\nS: ...\nC: <close connection>")
    assert retr.may_be_cut_off
    assert retr.is_endless(close)
    assert not retr.is_endless(None)
    (whole,) = of("C: RETR 1\nS: +OK\nS: ...\nS: .")
    assert not whole.is_endless(close)
