"""The judge: every verdict, its words, and what they never say."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from poptalk.lesson.actions import Answered, SessionState
from poptalk.lesson.document.model import Mistake, Prose, Turn, turns
from poptalk.lesson.feedback import MAX_CHARACTERS, on_style, tidied
from poptalk.lesson.judge import MISSES, Judgement, JudgementKind, judge, judge_free
from poptalk.pop3.commands import VERBS, State, parse_command
from poptalk.transcript.parser import parse_dialogue

RETR_2 = "C: RETR 2\nS: +OK\nS: ...\nS: ."
STAT = "C: STAT\nS: +OK"
LOGIN = "C: PASS {password}\nS: +OK"
KNOWN = {"user": "bob", "password": "jones"}


def awaited(dialogue: str) -> Turn:
    return turns(parse_dialogue(dialogue))[-1]


def answered(
    line: str,
    *lines: str,
    state: State = State.TRANSACTION,
    sasl: bool = False,
    complete: bool = True,
) -> Answered:
    octets = tuple(text.encode() for text in lines)
    return Answered(
        line=line.encode(), sasl=sasl, lines=octets, before=state, after=state, complete=complete
    )


def mistake(dialogue: str, comment: str) -> Mistake:
    return Mistake(dialogue=parse_dialogue(dialogue), comment=Prose(source=comment))


def verdict_on(
    dialogue: str, line: str, *lines: str, state: State = State.TRANSACTION
) -> Judgement:
    return judge(awaited(dialogue), answered(line, *lines, state=state), KNOWN)


@pytest.mark.parametrize(
    ("dialogue", "line", "reply", "kind", "words"),
    [
        (STAT, "STAT", ["+OK 2 320"], JudgementKind.WANTED, ""),
        (RETR_2, "STAT", ["+OK 2 320"], JudgementKind.ASIDE, "`STAT` is fine here: how many mess"),
        (RETR_2, "RETR 1", ["+OK", "."], JudgementKind.WRONG_ARGUMENTS, "another message number"),
        (RETR_2, "RETR", ["-ERR"], JudgementKind.WRONG_ARGUMENTS, "one message number: `RETR msg`"),
        (RETR_2, "RETR two", ["-ERR"], JudgementKind.WRONG_ARGUMENTS, "the msg is a number"),
        (RETR_2, "TOP 2", ["-ERR"], JudgementKind.WRONG_ARGUMENTS, "two numbers: `TOP msg n`"),
        (RETR_2, "STAT 2", ["-ERR"], JudgementKind.WRONG_ARGUMENTS, "no argument: `STAT`"),
        ("C: LIST 2\nS: +OK", "LIST", ["+OK", "."], JudgementKind.ASIDE, "with an arg"),
        ("C: LIST\nS: +OK", "LIST 2", ["+OK"], JudgementKind.ASIDE, "without an arg"),
        (RETR_2, "RTER 2", ["-ERR"], JudgementKind.UNKNOWN, "Did you mean `RETR`?"),
        (RETR_2, "retrieve 2", ["-ERR"], JudgementKind.UNKNOWN, "POP3 shortens it: `RETR`"),
        (RETR_2, "letter 2", ["-ERR"], JudgementKind.UNKNOWN, "doesn't know this word"),
        (RETR_2, "2", ["-ERR"], JudgementKind.UNKNOWN, "A number alone isn't a command"),
        (RETR_2, "LIST1", ["-ERR"], JudgementKind.UNKNOWN, "a space between `LIST`"),
        (RETR_2, "hint", ["-ERR"], JudgementKind.ASIDE, "write `:hint`"),
        (RETR_2, "", ["-ERR"], JudgementKind.ASIDE, "empty line"),
        (RETR_2, "  ", ["-ERR"], JudgementKind.UNKNOWN, "line of spaces"),
        (RETR_2, "XYZZY", ["+OK nothing happens"], JudgementKind.ASIDE, "poptalk doesn't know"),
        (RETR_2, "USER bob", ["-ERR"], JudgementKind.WRONG_STATE, "logged in already"),
        (RETR_2, "RETR 2", ["-ERR no"], JudgementKind.REFUSED, "is there a message 2?"),
        (RETR_2, "RETR 9", ["-ERR no"], JudgementKind.WRONG_ARGUMENTS, "another message number"),
        (RETR_2, "LIST 9", ["-ERR no"], JudgementKind.REFUSED, "is there a message 9?"),
        (RETR_2, "UIDL", ["-ERR no"], JudgementKind.REFUSED, "`CAPA` lists"),
        ("C: STAT\nS: +OK 2 320", "STAT", ["+OK 3 1"], JudgementKind.UNJUDGED, "`:skip` goes on"),
        ("C: STAT\nS: -ERR", "STAT", ["+OK 3 1"], JudgementKind.OTHER_REPLY, "about a refusal"),
    ],
)
def test_verdicts(
    dialogue: str, line: str, reply: list[str], kind: JudgementKind, words: str
) -> None:
    verdict = verdict_on(dialogue, line, *reply)
    assert verdict.kind is kind
    assert words in verdict.text
    assert verdict.is_miss == (kind in MISSES)
    assert verdict.text if words else not verdict.text


def test_a_command_that_needs_a_login() -> None:
    answer = answered("LIST", "-ERR", state=State.AUTHORIZATION)
    nobody = judge(awaited(RETR_2), answer, {}, before=SessionState(named=False))
    assert nobody.kind is JudgementKind.WRONG_STATE
    assert "you are in AUTHORIZATION: `USER` and `PASS` are missing" in nobody.text
    named = judge(awaited(RETR_2), answer, {}, before=SessionState(named=True))
    assert "`PASS` is missing" in named.text


def test_a_password_without_a_name() -> None:
    answer = answered("PASS jones", "-ERR", state=State.AUTHORIZATION)
    verdict = judge(awaited(STAT), answer, {}, before=SessionState(named=False))
    assert verdict.kind is JudgementKind.WRONG_STATE
    assert "right after a `USER`" in verdict.text


def test_a_command_that_is_wanted_where_it_cannot_succeed() -> None:
    """Somebody has logged in already, and the step is about logging in."""
    verdict = verdict_on("C: USER {user}\nS: +OK", "USER bob", "-ERR")
    assert verdict.kind is JudgementKind.WRONG_STATE
    assert ":reset" in verdict.text


def test_a_refusal_is_explained_by_its_code() -> None:
    verdict = verdict_on(LOGIN, "PASS jones", "-ERR [IN-USE] locked", state=State.AUTHORIZATION)
    assert verdict.kind is JudgementKind.REFUSED
    assert "the maildrop is in use" in verdict.text
    assert "`PASS password`" in verdict.why


def test_a_message_that_is_marked() -> None:
    answer = answered("RETR 2", "-ERR deleted")
    verdict = judge(awaited(RETR_2), answer, {}, before=SessionState(marked=frozenset({2})))
    assert "`RSET` takes marks back" in verdict.text


def test_a_reply_that_differs_because_of_a_mark() -> None:
    turn = awaited("C: STAT\nS: +OK 2 320")
    verdict = judge(turn, answered("STAT", "+OK 1 120"), {}, stray={2})
    assert verdict.kind is JudgementKind.OTHER_REPLY
    assert "message 2 is marked" in verdict.text


def test_on_a_live_server_the_words_are_calm() -> None:
    turn = awaited("C: STAT\nS: +OK 2 320")
    verdict = judge(turn, answered("STAT", "+OK 1 120"), {}, live=True)
    assert "this server words it differently" in verdict.text


@pytest.mark.parametrize(
    ("line", "reply", "passes"),
    [
        ("USER ADA", "+OK", True),
        ("user ada", "+OK", True),
        ("USER ADA", "-ERR", False),
        ("USER ben", "+OK", False),
    ],
)
def test_where_case_makes_no_difference_a_name_in_capitals_passes(
    line: str, reply: str, passes: bool
) -> None:
    turn, known = awaited("C: USER {user}\nS: +OK"), {"user": "Ada"}
    answer = answered(line, reply, state=State.AUTHORIZATION)
    there = judge(turn, answer, known, any_case=True)
    elsewhere = judge(turn, answer, known)
    assert (there.kind is JudgementKind.WANTED) is passes
    assert elsewhere.kind is not JudgementKind.WANTED


def test_the_learner_may_choose_another_number() -> None:
    turn = awaited("C: RETR {n:int=2}\nS: +OK")
    verdict = judge(turn, answered("RETR 1", "+OK", "."), {})
    assert verdict.kind is JudgementKind.WANTED
    assert verdict.bindings == {"n": "1"}


def test_an_alternative_passes() -> None:
    turn = awaited("C: LIST\nor STAT\nS: +OK")
    assert judge(turn, answered("STAT", "+OK 1 1"), {}).kind is JudgementKind.WANTED


def test_blanks_belong_to_a_password() -> None:
    verdict = verdict_on(LOGIN, "PASS  jones", "-ERR", state=State.AUTHORIZATION)
    assert verdict.kind is JudgementKind.WRONG_ARGUMENTS
    assert "a space too many beside the password, which the stars hide" in verdict.text


# Mistakes.


def test_a_mistake_speaks_first() -> None:
    other = mistake("C: RETR {n:int}\nS: +OK", "That was message {n}.\nThis is about 2.")
    turn, answer = awaited(RETR_2), answered("RETR 1", "+OK", "x", ".")
    verdict = judge(turn, answer, {}, mistakes=[other])
    assert verdict.kind is JudgementKind.MISTAKE
    assert verdict.mistake is other
    assert verdict.text == "That was message 1. This is about 2."


@pytest.mark.parametrize(
    ("dialogue", "line", "reply", "remark"),
    [
        (STAT, "stat", ["+OK 2 320"], "any case. (RFC 1939 §3)"),
        (STAT, " STAT", ["+OK 2 320"], "One space"),
        (RETR_2, "RETR  2", ["+OK", "x", "."], "One space"),
    ],
)
def test_a_line_passes_with_a_remark_on_its_style(
    dialogue: str, line: str, reply: list[str], remark: str
) -> None:
    verdict = verdict_on(dialogue, line, *reply)
    assert verdict.kind is JudgementKind.WANTED
    assert verdict.command is not None
    assert remark in on_style(verdict.command)


def test_the_answer_comes_before_any_mistake() -> None:
    other = mistake("C: RETR {n:int}", "never said")
    verdict = judge(awaited(RETR_2), answered("RETR 2", "+OK", "x", "."), {}, mistakes=[other])
    assert verdict.kind is JudgementKind.WANTED


def test_a_mistake_with_any_number_is_not_about_the_right_one() -> None:
    other = mistake("C: LIST {n:int}\nS: +OK", "That is {n}, and not the one.")
    turn = awaited("C: LIST 6\nS: +OK 6 100")
    verdict = judge(turn, answered("LIST 6", "+OK 6 99"), {}, mistakes=[other])
    assert verdict.kind is JudgementKind.UNJUDGED


def test_a_mistake_needs_its_reply() -> None:
    refused = mistake("C: RETR {n:int}\nS: -ERR", "There is no message {n}.")
    turn = awaited(RETR_2)
    assert judge(turn, answered("RETR 9", "-ERR"), {}, mistakes=[refused]).mistake is refused
    assert judge(turn, answered("RETR 1", "+OK", "."), {}, mistakes=[refused]).mistake is None


def test_of_several_mistakes_the_first_speaks() -> None:
    first = mistake("C: STAT", "first")
    second = mistake("C: STAT", "second")
    verdict = judge(awaited(RETR_2), answered("STAT", "+OK 1 1"), {}, mistakes=[first, second])
    assert verdict.text == "first"


def test_a_captured_password_is_masked() -> None:
    wrong = mistake("C: PASS {wrong...}\nS: -ERR", "`{wrong}` is not it, {user}. {password}")
    answer = answered("PASS swordfish", "-ERR", state=State.AUTHORIZATION)
    verdict = judge(awaited(LOGIN), answer, KNOWN, mistakes=[wrong])
    assert verdict.text == "`****` is not it, bob. {password}"


def test_a_mistake_may_be_an_answer_to_a_challenge() -> None:
    clear = mistake("C: jones\nS: -ERR", "That was the password in clear.")
    turn = awaited("C: AUTH PLAIN\nS: +\nC: {plain}\nS: +OK")
    answer = answered("jones", "-ERR", state=State.AUTHORIZATION, sasl=True)
    assert judge(turn, answer, {}, mistakes=[clear]).mistake is clear


# Challenges.


@pytest.mark.parametrize(
    ("line", "reply", "kind", "words"),
    [
        ("AGJvYgBqb25lcw==", "+OK", JudgementKind.WANTED, ""),
        ("*", "-ERR", JudgementKind.ASIDE, "cancels the exchange"),
        ("jones!", "-ERR", JudgementKind.WRONG_ARGUMENTS, "in base64"),
        ("aGVsbG8=", "-ERR", JudgementKind.WRONG_ARGUMENTS, "begins again with `AUTH`"),
        ("aGVsbG8=", "+OK", JudgementKind.ASIDE, "another one"),
    ],
)
def test_answers_to_a_challenge(line: str, reply: str, kind: JudgementKind, words: str) -> None:
    turn = awaited("C: AUTH PLAIN\nS: +\nC: {plain}\nS: +OK")
    answer = answered(line, reply, state=State.AUTHORIZATION, sasl=True)
    verdict = judge(turn, answer, {"plain": "AGJvYgBqb25lcw=="})
    assert verdict.kind is kind
    assert words in verdict.text


# Replies without an end.


def test_a_reply_that_broke_off_is_not_judged() -> None:
    answer = answered("RETR 2", "+OK", "half a let", complete=False)
    verdict = judge(awaited(RETR_2), answer, {})
    assert verdict.kind is JudgementKind.UNJUDGED
    assert not verdict.is_miss


def test_a_reply_whose_end_is_left_open_may_break_off() -> None:
    turn = turns(parse_dialogue("C: RETR 2\nS: +OK\nS: ...\nC: <close connection>"))[0]
    answer = answered("RETR 2", "+OK", "half a let", complete=False)
    assert judge(turn, answer, {}).kind is JudgementKind.WANTED


# What nothing awaits.


def test_a_free_line_is_commented_on_for_mistakes_alone() -> None:
    assert judge_free(answered("STAT", "+OK 1 1")).text == ""
    assert "Did you mean `STAT`" in judge_free(answered("STTA", "-ERR")).text


# What holds for every line.

_LINES = st.one_of(
    st.binary(max_size=60).map(lambda octets: octets.replace(b"\r", b"").replace(b"\n", b"")),
    st.builds(
        lambda verb, rest: verb + b" " + rest,
        st.sampled_from(sorted(VERBS)),
        st.from_regex(rb"[ 0-9a-z]{0,12}", fullmatch=True),
    ),
)


@given(
    line=_LINES,
    reply=st.sampled_from([b"+OK", b"-ERR", b"-ERR [AUTH] x", b"+ ", b"", b"+ERR"]),
    state=st.sampled_from(State),
    sasl=st.booleans(),
    named=st.sampled_from([None, True, False]),
    dialogue=st.sampled_from([RETR_2, STAT, LOGIN, "C: LIST 4711\nS: +OK"]),
)
def test_every_line_gets_a_short_verdict_that_does_not_give_the_answer_away(
    line: bytes, reply: bytes, state: State, sasl: bool, named: bool | None, dialogue: str
) -> None:
    answer = Answered(line=line, sasl=sasl, lines=(reply,), before=state, after=state)
    bindings = {"user": "bob", "password": "correct-horse"}
    verdict = judge(awaited(dialogue), answer, bindings, before=SessionState(named=named))
    assert len(verdict.text) <= MAX_CHARACTERS
    assert "correct-horse" not in verdict.text + verdict.why
    assert "4711" not in verdict.text or b"4711" in line
    if verdict.kind is not JudgementKind.WANTED:
        assert verdict.text


@given(secret=st.from_regex(r"[a-z]{3}[0-9]{4,8}zq", fullmatch=True))
@example(secret="utf0008zq")
def test_a_password_that_was_typed_is_in_no_comment(secret: str) -> None:
    for line in (f"PASS {secret}", f"AUTH PLAIN {secret}", f"APOP bob {secret}", secret):
        for dialogue in (RETR_2, LOGIN):
            answer = answered(line, "-ERR", state=State.AUTHORIZATION)
            verdict = judge(awaited(dialogue), answer, KNOWN, before=SessionState(named=True))
            assert secret not in (verdict.text + verdict.why).lower()


def test_what_looks_like_a_blank_and_is_none_is_a_word() -> None:
    """RFC 1939 §3 knows blanks alone; Python takes a vertical tab for one as well."""
    assert tidied(parse_command(b"\x0b")) == b"\x0b"
    assert tidied(parse_command(b" STAT\x0b\t1")) == b"STAT\x0b 1"


def test_a_password_at_the_wrong_place_is_not_quoted() -> None:
    """Somebody forgets PASS, and the password looks like a command."""
    answer = answered("stats", "-ERR", state=State.AUTHORIZATION)
    verdict = judge(awaited(LOGIN), answer, {"password": "stats"}, before=SessionState(named=True))
    assert "stats" not in verdict.text.lower()


@pytest.mark.parametrize("live", [True, False])
def test_a_password_that_somebodys_server_takes_passes(live: bool) -> None:
    turn = awaited("C: PASS {password}\nS: +OK")
    bindings = {"user": "me", "password": "mistyped"}
    taken = judge(
        turn, answered("PASS right", "+OK in", state=State.AUTHORIZATION), bindings, live=live
    )
    assert (taken.kind is JudgementKind.WANTED) is live
    assert "right" not in taken.bindings.values()
    refused = judge(
        turn, answered("PASS other", "-ERR no", state=State.AUTHORIZATION), bindings, live=live
    )
    assert refused.kind is (JudgementKind.REFUSED if live else JudgementKind.WRONG_ARGUMENTS)
