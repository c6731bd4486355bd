"""What learners type that is nearly right, and what they read then: rules, each with examples."""

from __future__ import annotations

import pytest

from poptalk.lesson.actions import Answered, Awaiting, Feedback, FeedbackKind, Say
from poptalk.lesson.document.model import Block
from poptalk.lesson.runner import Tutor, chosen
from poptalk.pop3.commands import State
from tests.lesson.drilling import LOGIN, Drill, drill, lesson_of

TIP = "\n\n> [!TIP]\n> A nudge.\n"


def task(block: str, *, login: bool = True, word: str = "") -> str:
    """Return a lesson with one step."""
    info = f"pop3 {word}".strip()
    return f"{LOGIN if login else ''}\n## One\n\nDo it.\n\n```{info}\n{block}\n```{TIP}"


def question(*choices: str) -> str:
    """Return a lesson with a question, whose last choice is right."""
    marks = ["[ ]"] * (len(choices) - 1) + ["[x]"]
    items = [
        f"- {mark} {choice} -- Because.\n" for mark, choice in zip(marks, choices, strict=True)
    ]
    return f"## One\n\nWhat?\n\n{''.join(items)}"


# Answers.


@pytest.mark.parametrize(
    ("choices", "typed", "number"),
    [
        (("six", "seven", "eight"), "8", 3),
        (("six", "seven", "eight"), "eight", 3),
        (("six", "seven", "eight"), "C", 3),
        (("six", "seven", "eight"), "3", 0),
        (("two", "three", "four"), "3", 2),
        (("two", "three", "four"), "Three.", 2),
        (("Bob", "Nora", "Ida"), "ida", 3),
        (("Bob", "Nora", "Ida"), "2", 2),
        (("CU?? MI", "CALL ME"), "call me.", 2),
        (("TRANSACTION", "UPDATE"), "update", 2),
        (("No, never.", "Yes, the code covers more."), "yes", 2),
        (("`APOP`", "`STLS` or port 995"), "apop", 1),
        (("`APOP`", "`STLS` or port 995"), "STLS", None),
        (("one", "two"), "STAT", None),
        (("one", "two"), "c", None),
    ],
)
def test_an_answer_is_a_letter_a_number_or_the_words(
    choices: tuple[str, ...], typed: str, number: int | None
) -> None:
    (step,) = lesson_of(question(*choices)).steps
    asked = next(
        item
        for item in step.items
        if not isinstance(item, Say | Block) and hasattr(item, "choices")
    )
    assert chosen(asked, typed) == number  # type: ignore[arg-type]


def test_a_question_without_a_tip_does_not_give_the_answer_at_once() -> None:
    run = drill(question("ham", "eggs"))
    run.ask(run.tutor.hint())
    assert "eggs" not in run.last.text
    run.ask(run.tutor.hint())
    assert run.last.text == "Answer `b`: eggs"


# Commands that are nearly right.

RSET = "C: RSET\nS: +OK"
STLS = "C: STLS\nS: +OK\nC: <negotiate TLS>"
TOP = "C: TOP 2 0\nS: +OK\nS: ...\nS: ."
LIST_3 = "C: LIST 3\nS: +OK"
USER = "C: USER {user}\nS: +OK\nC: PASS {password}\nS: +OK"


@pytest.mark.parametrize(
    ("block", "login", "typed", "words"),
    [
        (RSET, True, ("RESET",), "POP3 shortens it: `RSET` (poptalk's own is `:reset`)"),
        (STLS, False, ("STARTTLS",), "POP3 shortens it: `STLS`"),
        (RSET, True, ("STATE",), "POP3 shortens it: `STAT` (poptalk's own is `:state`)"),
        (RSET, True, ("RSET.",), "Every character is sent as you typed it, the full stop too."),
        (RSET, True, ('"RSET"',), "the quotation marks too. Leave that out."),
        (RSET, True, ("Send RSET",), "the word in front too. Leave that out."),
        (RSET, True, ("C: RSET",), "the `C:` in front too. Leave that out."),
        (TOP, True, ("C: TOP 1 0",), "Leave that out. The command is `TOP`"),
        (TOP, True, ("`TOP 2 0`",), "the quotation marks too. Leave that out."),
        (TOP, True, ("TO`P 2 0",), "doesn't know `` TO`P ``."),
        (TOP, True, ("TOP 0 2",), "The right numbers, but the other way round: `TOP msg n`"),
        (TOP, True, ("TOP 2, 0",), "A number has nothing glued to it"),
        (LIST_3, True, ("LIST 3.",), "A number has nothing glued to it"),
        (USER, False, ("USER mrose tanstaaf",), "Only the name goes after `USER`"),
        (USER, False, ("USER Mrose",), "Capital and small letters count in the name."),
        (USER, False, ("USER mrose", "PASS tanstaaf "), "a space too many beside the password"),
        (USER, False, ("USER mrose", "PASS Tanstaaf"), "letters count in the password."),
        ("C: DELE 1\nS: +OK\nC: STAT\nS: +OK", True, ("STAT",), "First comes something else: mark"),
    ],
)
def test_what_is_wrong_with_a_line_is_named(
    block: str, login: bool, typed: tuple[str, ...], words: str
) -> None:
    run = drill(task(block, login=login)).enter(*typed)
    assert words in run.last.text
    assert not run.awaits(Awaiting.OVER)


@pytest.mark.parametrize("typed", ["HELLO.", "Send HELLO", '"HELLO"', "hello"])
def test_a_word_that_is_to_be_refused_may_be_quoted(typed: str) -> None:
    run = drill(task("C: HELLO\nS: -ERR", login=False)).enter(typed)
    assert run.awaits(Awaiting.OVER)


@pytest.mark.parametrize("looking", ["LIST", "STAT", "UIDL", "UIDL 1", "TOP 1 0", "RETR 1", "NOOP"])
def test_looking_around_is_never_wrong(looking: str) -> None:
    run = drill(task(LIST_3)).enter(looking, "LIST 3")
    assert not run.texts(FeedbackKind.NOT_YET)
    assert "something else" not in run.comments[-2].text
    assert run.awaits(Awaiting.OVER)


def test_a_look_is_no_mistake_where_the_author_speaks_of_it_in_another_turn() -> None:
    block = "C: QUIT\nS: +OK\nC: <open connection>\nS: +OK\nC: UIDL 1\nS: -ERR"
    mistake = "```pop3 mistake\nC: UIDL\nS: +OK\n```\nThat lists them all.\n"
    run = drill(f"{task(block)}\n{mistake}").enter("UIDL")
    assert run.last == Feedback(kind=FeedbackKind.ASIDE, text="That lists them all.")


def test_the_last_hint_to_lines_in_one_go_can_be_typed_as_it_is() -> None:
    run = drill(task("C: NOOP\nS: +OK\nC: STAT\nS: +OK", word="at-once"))
    for _ in range(3):
        run.ask(run.tutor.hint())
    assert run.last.text == r"Type: `:send NOOP\r\nSTAT\r\n`"


def test_a_refusal_with_a_code_needs_its_user_again_once_the_name_is_forgotten() -> None:
    block = "C: USER {user}\nS: +OK\nC: PASS {password}\nS: -ERR [LOGIN-DELAY]"
    run = drill(task(block, login=False)).enter("USER mrose", "PASS no")
    for _ in range(3):
        run.ask(run.tutor.hint())
    assert run.last.text == "Send: `USER mrose`"


def test_what_is_to_be_typed_has_no_full_stop_glued_to_it() -> None:
    run = drill(task("C: AUTH PLAIN\nS: +\nC: {plain}\nS: +OK", login=False)).enter("AUTH PLAIN")
    for _ in range(3):
        run.ask(run.tutor.hint())
    assert run.last.text.endswith("`")


# The course of a step.


def test_the_mark_that_a_cut_undid_is_to_be_made_again() -> None:
    run = drill(task("C: DELE 1\nS: +OK\nC: QUIT\nS: +OK")).enter("DELE 1").close().enter("")
    assert "DELE" not in run.last.text
    run.enter("DELE 1")
    assert run.last.text == "`DELE` (1 of 2)."
    run.enter("QUIT")
    assert run.awaits(Awaiting.OVER)


def test_skip_does_what_is_left_of_the_task() -> None:
    run = drill(task(USER, login=False))
    run.ask(run.tutor.skip())
    assert run.sent == [b"USER mrose", b"PASS tanstaaf"]
    assert run.awaits(Awaiting.OVER)


def test_the_task_can_be_seen_again() -> None:
    run = drill(task(USER, login=False)).enter("USER mrose")
    for shown in (run.ask(run.tutor.task()), run.ask(run.tutor.entered("") or [])):
        assert Say(source="Do it.") in shown
        assert "give the password" in run.last.text
    run.enter("PASS tanstaaf")
    assert run.awaits(Awaiting.OVER), "the empty line was not sent: the name is still known"


def test_an_empty_line_is_an_answer_where_a_challenge_waits() -> None:
    run = drill(task("C: AUTH PLAIN\nS: +\nC: {plain}\nS: +OK", login=False)).enter("AUTH PLAIN")
    assert run.tutor.entered("") is None


def test_typing_ahead_at_a_pause_is_not_counted_and_says_so() -> None:
    run = drill(task(LIST_3) + "\n## Two\n\nDo.\n\n```pop3\nC: STAT\nS: +OK\n```" + TIP)
    run.enter("LIST 3", "STAT")
    assert "not counted" in run.last.text


# What an author can ask for.


def told(run: Drill, line: str, *lines: str, state: State, at_once: bool = False) -> None:
    """Tell the tutor of an exchange."""
    octets = tuple(each.encode() for each in lines)
    run.ask(
        run.tutor.tell(
            Answered(line=line.encode(), lines=octets, before=state, after=state, at_once=at_once)
        )
    )


def test_lines_in_one_go_are_not_passed_one_by_one() -> None:
    run = drill(task("C: NOOP\nS: +OK\nC: STAT\nS: +OK", word="at-once")).enter("NOOP", "STAT")
    assert run.last.kind is FeedbackKind.NOT_YET
    assert "in one go" in run.last.text
    told(run, "NOOP", "+OK", state=State.TRANSACTION)
    told(run, "STAT", "+OK 3 1", state=State.TRANSACTION, at_once=True)
    assert run.awaits(Awaiting.OVER)


ANY_ORDER = "C: LIST 2\nS: +OK\nC: STAT\nS: +OK\nC: UIDL 1\nS: +OK"


def test_lines_in_any_order_pass_in_any_order() -> None:
    run = drill(task(ANY_ORDER, word="any-order")).enter("UIDL 1", "LIST 2")
    assert [c.text for c in run.comments if c.kind is FeedbackKind.DONE][-2:] == [
        "`UIDL` (1 of 3).",
        "`LIST` (2 of 3).",
    ]
    run.enter("LIST 2")
    assert "done already" in run.last.text
    run.enter("STAT")
    assert run.awaits(Awaiting.OVER)


def test_a_mistake_in_any_order_is_about_what_is_open() -> None:
    run = drill(task(ANY_ORDER, word="any-order")).enter("STAT", "LIST 1")
    assert run.last.kind is FeedbackKind.NOT_YET
    assert "another message number" in run.last.text
    run.enter("UIDL 1", "LIST 2")
    assert run.awaits(Awaiting.OVER)


def test_a_line_in_the_wrong_state_does_not_pass() -> None:
    run = drill(task("C: CAPA\nS: +OK\nS: ...\nS: .", word="in AUTHORIZATION")).enter("CAPA")
    assert run.last.kind is FeedbackKind.NOT_YET
    assert "sent in TRANSACTION. This step is about AUTHORIZATION" in run.last.text
    told(run, "CAPA", "+OK", ".", state=State.AUTHORIZATION)
    assert run.awaits(Awaiting.OVER)


def test_a_tutor_without_a_question_has_a_task_to_show() -> None:
    tutor = Tutor(lesson_of(task(LIST_3)))
    tutor.begin()
    assert tutor.task()


# What comes before the login, and what was undone.

CAPABILITIES_TWICE = (
    "C: CAPA\nS: +OK\nS: ...\nS: .\nC: USER {user}\nS: +OK\nC: PASS {password}\nS: +OK"
)


def test_what_belongs_before_the_login_does_not_pass_after_it() -> None:
    """Whatever the server answers: what comes next could not be done any more."""
    run = drill(task(CAPABILITIES_TWICE, login=False)).enter("USER mrose", "PASS tanstaaf")
    assert "comes before the login: `:reset`" in run.last.text
    run.enter("CAPA")
    assert "you are logged in already" in run.last.text
    assert run.awaits(Awaiting.COMMAND)
    run.ask(run.tutor.reset())
    run.enter("CAPA")
    assert run.last.text == "`CAPA` (1 of 3)."


def test_a_login_is_remarked_on_where_the_step_is_about_authorization() -> None:
    step = "C: QUIT\nS: +OK\nC: <open connection>\nS: +OK\nC: CAPA\nS: +OK\nS: ...\nS: ."
    run = drill(task(step, word="in AUTHORIZATION"))
    run.enter("QUIT", "", "USER mrose", "PASS tanstaaf")
    assert "You are logged in now" in run.last.text


def test_a_mark_that_was_taken_back_is_to_be_made_again() -> None:
    run = drill(task("C: DELE 1\nS: +OK\nC: QUIT\nS: +OK")).enter("DELE 1", "RSET")
    assert run.last.text == "That took back the lesson's own `DELE` as well: send it again."
    run.enter("LIST", "DELE 1", "QUIT")
    assert run.last.text == "`QUIT` (2 of 2)."


def test_what_a_proof_found_is_told_without_placeholders() -> None:
    block = "C: DELE 1\nS: +OK\nC: QUIT\nS: +OK"
    text = task(block) + "\n```pop3 proof\nC: STAT\nS: +OK\n```\n"
    run = Drill(Tutor(lesson_of(text))).begin()
    run.proof_difference = "expected '+OK 4 {octets:int} {user}', but '+OK 5 2851' came."
    run.enter("DELE 1", "QUIT")
    (found,) = [each for each in run.comments if "second connection" in each.text]
    assert "expected '+OK 4 ... mrose', but '+OK 5 2851' came." in found.text


# Patience.


def test_many_refusals_before_a_server_hangs_up_are_counted() -> None:
    run = drill(task("C: STAT\nS: +OK")).enter("x", "y", "STAT 1", "z").lose()
    assert "after 4 `-ERR` in a row. Many servers do that." in run.last.text
    run = drill(task("C: STAT\nS: +OK")).enter("x", "y", "NOOP", "z").lose()
    assert "in a row" not in run.last.text


# Why.


def test_why_at_a_pause_is_about_what_was_sent_last() -> None:
    run = drill(task("C: STAT\nS: +OK") + "\n## Two\n\nEnd.\n").enter("STAT")
    why = run.ask(run.tutor.why())
    assert "STAT" in str(why[0])
    run.enter("NOOP")
    assert "STAT" not in str(run.ask(run.tutor.why())[0])
