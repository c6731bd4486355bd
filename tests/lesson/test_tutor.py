"""The tutor, driven through both cores: tasks, questions, help, replay, and what is kept."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poptalk.lesson.actions import (
    Answered,
    Ask,
    Awaiting,
    Connect,
    Feedback,
    FeedbackKind,
    Finish,
    HangUp,
    Heading,
    Keep,
    Manner,
    Prove,
    Say,
    SendLine,
    WaitSeconds,
)
from poptalk.lesson.feedback import MAX_CHARACTERS
from poptalk.lesson.progress import EventKind
from poptalk.lesson.runner import SILENCES, Tutor
from poptalk.net.errors import CLOSED_BY_US, EndedBy, Ending
from poptalk.pop3.commands import State
from poptalk.transcript.parser import parse_dialogue
from poptalk.transcript.placeholders import Known
from tests.lesson.drilling import LOGIN, Drill, drill, lesson_of

READING = (
    LOGIN
    + """
## Read

Fetch message 2.

```pop3
C: RETR 2
S: +OK
S: ...
S: .
```

> [!TIP]
> Four letters,
> short for "retrieve".

> [!TIP]
> Then the number.

```pop3 mistake
C: RETR {n:int}
S: +OK
```
That was message {n}.

Read it was.

## Predict

How many lines?

- [ ] one -- Rather more.
- [x] several -- And a dot.

> [!TIP]
> Count.

## Look

```pop3
C: LIST
S: +OK
S: ...
S: .
C: STAT
S: +OK {count:int} {octets:int}
```

> [!TIP]
> Two commands.

The end.
"""
)

LOGGING_IN = """
## Log in

```pop3
C: USER {user}
S: +OK
C: PASS {password}
S: +OK
```

> [!TIP]
> Name, then password.
"""

DELETING = (
    LOGIN
    + """
## Delete

```pop3
C: DELE 1
S: +OK
C: QUIT
S: +OK
```

> [!TIP]
> Mark, then leave.

## Once more

```pop3
C: <open connection>
S: +OK
C: USER {user}
S: +OK
C: PASS {password}
S: +OK
C: STAT
S: +OK 2 {octets:int}
```

> [!TIP]
> As before.
"""
)


def at_second_step(text: str = READING) -> Drill:
    lesson = lesson_of(text)
    return Drill(Tutor(lesson, position=lesson.steps[1].slug)).begin()


# The course of a lesson.


def test_a_lesson_from_beginning_to_end() -> None:
    run = drill(READING)
    assert run.actions[:2] == [
        Heading(text="A lesson", level=1),
        Connect(fresh=True, number=1, manner=Manner.FOLDED),
    ]
    assert run.texts(FeedbackKind.NEWS) == ["Sent `USER`, `PASS`."]
    assert run.awaits(Awaiting.COMMAND)
    assert run.tutor.prompt == "1/3"
    run.enter("RETR 2")
    assert run.last == Feedback(kind=FeedbackKind.DONE, text="`RETR`.")
    assert Say(source="Read it was.") in run.actions
    assert run.awaits(Awaiting.PAUSE)
    run.enter("")
    assert run.awaits(Awaiting.CHOICE)
    assert any(isinstance(action, Ask) for action in run.actions)
    run.enter("2", "", "LIST")
    assert run.last.text == "`LIST` (1 of 2)."
    run.enter("STAT")
    assert run.last.text == "`STAT` (2 of 2)."
    assert run.awaits(Awaiting.OVER)
    assert run.actions[-1] == Finish()
    assert run.kept == [
        (EventKind.STARTED, "read"),
        (EventKind.PASSED, "read"),
        (EventKind.STARTED, "predict"),
        (EventKind.PASSED, "predict"),
        (EventKind.STARTED, "look"),
        (EventKind.PASSED, "look"),
        (EventKind.ENDED, ""),
    ]


def test_the_connection_is_opened_before_the_first_dialogue_and_not_sooner() -> None:
    run = drill(
        "Prose.\n\n## One\n\nMore.\n\n```pop3\nC: QUIT\nS: +OK\n```\n\n> [!TIP]\n> Leave.\n"
    )
    assert [type(action) for action in run.actions] == [Heading, Say, Heading, Keep, Say, Connect]
    assert run.connects[0].manner is Manner.TYPED


def test_what_is_sent_at_a_question_and_at_a_pause_goes_to_the_server() -> None:
    run = drill(READING).enter("RETR 2", "STAT")
    assert run.awaits(Awaiting.PAUSE)
    run.enter("", "NOOP", "QUIZ")
    assert run.awaits(Awaiting.CHOICE)
    assert "Did you mean `QUIT`" in run.last.text
    assert run.last.kind is FeedbackKind.ASIDE
    assert (EventKind.MISSED, "predict") not in run.kept


@pytest.mark.parametrize("answer", ["2", "b", "B)", " 2. "])
def test_an_answer_is_a_number_or_a_letter(answer: str) -> None:
    run = drill(READING).enter("RETR 2", "", answer)
    assert run.last == Feedback(kind=FeedbackKind.DONE, text="And a dot.")
    assert run.awaits(Awaiting.PAUSE)


def test_a_wrong_choice_leaves_the_question_open() -> None:
    run = drill(READING).enter("RETR 2", "", "1")
    assert run.last == Feedback(kind=FeedbackKind.NOT_YET, text="Rather more.")
    assert run.kept[-1] == (EventKind.MISSED, "predict")
    run.enter("3")
    assert run.last.text == "The choices are a to b."
    run.enter("")
    assert run.last.text == "Answer with a letter, a to b."
    assert run.tutor.entered("c") is None, "there is no third choice: it goes to the server"
    assert run.awaits(Awaiting.CHOICE)


def test_a_show_is_typed_and_a_setup_is_folded() -> None:
    run = drill(LOGIN + "```pop3 show\nC: STAT\nS: +OK\n```\n\n## Nothing\n\nTo read.\n")
    sends = [action for action in run.actions if isinstance(action, SendLine)]
    assert [send.manner for send in sends] == [Manner.FOLDED, Manner.FOLDED, Manner.TYPED]


def test_a_show_that_is_answered_otherwise_says_so() -> None:
    run = drill(LOGIN + "```pop3 show\nC: STAT\nS: +OK 99 1\n```\n\n## Nothing\n\nTo read.\n")
    assert run.last.kind is FeedbackKind.UNJUDGED


def test_a_proof_gets_what_was_captured() -> None:
    text = (
        LOGIN
        + """
## Count

```pop3
C: STAT
S: +OK {count:int} {octets:int}
```

> [!TIP]
> Count.

```pop3 proof
C: QUIT
S: +OK
```
"""
    )
    run = drill(text).enter("STAT")
    (prove,) = [action for action in run.actions if isinstance(action, Prove)]
    assert prove.dialogue == parse_dialogue("C: QUIT\nS: +OK")
    assert prove.bindings["count"] == "3"
    assert run.awaits(Awaiting.OVER)
    other = Drill(Tutor(lesson_of(text)))
    other.proof_difference = "It is not so."
    other.begin().enter("STAT")
    begins_again = (
        "The second connection found something else: It is not so. The step begins again."
    )
    assert Feedback(kind=FeedbackKind.NOT_YET, text=begins_again) in other.comments
    assert other.awaits(Awaiting.COMMAND), "the learner does the step again"
    other.enter("STAT")
    assert other.last.kind is FeedbackKind.UNJUDGED
    assert other.awaits(Awaiting.OVER), "but not for ever"


def test_time_passes_by_itself() -> None:
    text = "## Wait\n\n```pop3\nC: <wait 2 s>\nC: QUIT\nS: +OK\n```\n\n> [!TIP]\n> Leave.\n"
    run = drill(text)
    assert WaitSeconds(seconds=2) in run.actions
    run.enter("QUIT")
    assert run.last.text == "`QUIT`."


def test_tls_begins_by_itself() -> None:
    text = """
## Encrypt

```pop3
C: STLS
S: +OK
C: <negotiate TLS>
C: QUIT
S: +OK
```

> [!TIP]
> STLS.
"""
    run = drill(text).enter("STLS")
    assert run.awaits(Awaiting.COMMAND)
    run.enter("QUIT")
    assert run.texts(FeedbackKind.DONE) == ["`STLS` (1 of 2).", "`QUIT` (2 of 2)."]


# Verdicts, and help by degrees.


def test_help_comes_by_degrees() -> None:
    run = drill(READING).enter("RETR 1")
    assert run.last == Feedback(kind=FeedbackKind.NOT_YET, text="That was message 1.")
    run.enter("RETR 3")
    assert run.last == Feedback(kind=FeedbackKind.HINT, text="`:hint` helps.")
    run.enter("RETR", "LSIT")
    assert run.last.text == 'Four letters, short for "retrieve".'
    run.enter("RETR x")
    assert run.last.kind is FeedbackKind.NOT_YET
    run.enter("USER x")
    assert "`:skip` sends the answer" in run.last.text
    assert [kind for kind, _ in run.kept].count(EventKind.MISSED) == 6


def test_what_is_valid_is_no_miss() -> None:
    run = drill(READING).enter("STAT", "LIST", "NOOP", "UIDL")
    assert not run.texts(FeedbackKind.NOT_YET)
    assert not run.texts(FeedbackKind.HINT)
    assert [kind for kind, _ in run.kept].count(EventKind.ASIDE) == 4


def test_events_count_what_was_tried() -> None:
    run = drill(READING).enter("STAT", "RETR 1", "RETR 2")
    attempts = [
        (action.event.kind, action.event.attempt)
        for action in run.actions
        if isinstance(action, Keep)
    ]
    assert attempts[1:] == [(EventKind.ASIDE, 1), (EventKind.MISSED, 2), (EventKind.PASSED, 3)]


def test_a_refused_password_asks_for_the_name_again() -> None:
    run = drill(LOGGING_IN).enter("USER mrose", "PASS wrong")
    assert run.last.kind is FeedbackKind.NOT_YET
    assert run.ask(run.tutor.hint())[-1] == Feedback(
        kind=FeedbackKind.HINT, text="Name, then password."
    )
    assert run.tutor.awaited is not None
    assert run.tutor.awaited.keyword == "USER"
    assert run.tutor.cursor.turn == 1, "what was reached once stays reached"
    run.enter("USER mrose", "PASS tanstaaf")
    assert run.awaits(Awaiting.OVER)


def test_a_password_that_passes_without_the_name_again_passes() -> None:
    """Some servers keep the name when the password was wrong."""
    run = drill(LOGGING_IN).enter("USER mrose", "PASS wrong")
    run.enter("USER nobody")
    run.enter("USER mrose", "PASS tanstaaf")
    assert run.awaits(Awaiting.OVER)


CHALLENGED = """
## Answer

```pop3
C: AUTH PLAIN
S: +
C: {plain}
S: +OK
```

> [!TIP]
> In base64.
"""


def test_a_refused_response_begins_the_exchange_again() -> None:
    run = drill(CHALLENGED).enter("AUTH PLAIN", "*")
    assert run.last.kind is FeedbackKind.ASIDE
    assert run.tutor.awaited is not None
    assert run.tutor.awaited.keyword == "AUTH"
    run.enter("AUTH PLAIN", run.tutor.bindings["plain"])
    assert run.last.text == "The response (2 of 2)."
    assert run.awaits(Awaiting.OVER)


# Local commands.


def test_the_ladder_ends_with_the_answer() -> None:
    run = drill(READING)
    texts = [run.ask(run.tutor.hint())[-1] for _ in range(4)]
    assert [comment.text for comment in texts if isinstance(comment, Feedback)] == [
        'Four letters, short for "retrieve".',
        "Then the number.",
        "Send: `RETR 2`",
        "Send: `RETR 2`",
    ]
    assert [kind for kind, _ in run.kept].count(EventKind.HINTED) == 4


def test_the_answer_has_its_placeholders_filled() -> None:
    run = drill(LOGGING_IN).enter("USER mrose")
    run.ask(run.tutor.hint())
    run.ask(run.tutor.hint())
    assert run.last.text == "Send: `PASS tanstaaf`"


def test_on_a_live_server_no_hint_shows_a_secret() -> None:
    run = drill(LOGGING_IN, live=True, known=Known(user="mrose", password="tanstaaf"))
    run.enter("USER mrose")
    run.ask(run.tutor.hint())
    run.ask(run.tutor.hint())
    assert run.last.text == "Send: `PASS {password}`"


def test_hints_at_questions_and_elsewhere() -> None:
    run = drill(READING).enter("RETR 2")
    assert "Enter goes on" in str(run.ask(run.tutor.hint()))
    run.enter("")
    run.ask(run.tutor.hint())
    assert run.last.text == "Count."
    run.ask(run.tutor.hint())
    assert run.last.text == "Answer `b`: several"


def test_why_explains_the_last_verdict() -> None:
    run = drill(READING)
    assert "waits for a line" in str(run.tutor.why())
    run.enter("RETR 9")
    (say,) = run.tutor.why()
    assert isinstance(say, Say)
    assert "RFC 1939 §5" in say.source


def test_skip_types_the_answer_and_says_why() -> None:
    run = drill(READING)
    run.ask(run.tutor.skip())
    assert run.sent[-1] == b"RETR 2"
    assert run.last == Feedback(
        kind=FeedbackKind.DONE, text="`RETR`: fetch a whole message (RFC 1939 §5)."
    )
    assert run.kept[-1] == (EventKind.SHOWN, "read")


def test_a_whole_lesson_can_be_skipped() -> None:
    for text in (READING, LOGGING_IN, DELETING, CHALLENGED, CUT_OFF):
        run = drill(text)
        for _ in range(20):
            if run.tutor.awaiting is not Awaiting.OVER:
                run.ask(run.tutor.skip())
        assert run.awaits(Awaiting.OVER), text
        assert not run.texts(FeedbackKind.UNJUDGED)
        assert EventKind.PASSED not in [kind for kind, _ in run.kept if _ != "predict"]


def test_skip_goes_on_after_what_could_not_be_judged() -> None:
    text = LOGIN + "\n## Count\n\n```pop3\nC: STAT\nS: +OK 99 1\n```\n\n> [!TIP]\n> Count.\n"
    run = drill(text).enter("STAT")
    assert run.last.kind is FeedbackKind.UNJUDGED
    assert (EventKind.MISSED, "count") not in run.kept
    sent = len(run.sent)
    run.ask(run.tutor.skip())
    assert len(run.sent) == sent, "nothing is sent twice"
    assert run.awaits(Awaiting.OVER)


def test_skip_that_gets_another_reply_goes_on_all_the_same() -> None:
    text = LOGIN + "\n## Count\n\n```pop3\nC: STAT\nS: +OK 99 1\n```\n\n> [!TIP]\n> Count.\n"
    run = drill(text)
    run.ask(run.tutor.skip())
    assert run.last.kind is FeedbackKind.UNJUDGED
    assert run.awaits(Awaiting.OVER)


def test_skip_mends_first_what_was_spoilt() -> None:
    run = drill(READING).enter("DELE 2")
    run.ask(run.tutor.skip())
    assert run.connects[-1].fresh
    assert run.sent[-3:] == [b"USER mrose", b"PASS tanstaaf", b"RETR 2"]
    assert run.kept[-1] == (EventKind.SHOWN, "read")


def test_back_and_reset() -> None:
    run = drill(READING).enter("RETR 2", "", "2", "", "LIST")
    actions = run.ask(run.tutor.reset())
    assert (
        Feedback(
            kind=FeedbackKind.NEWS,
            text="Step 3 of 3 begins again; sent again for you: `USER`, `PASS`, `RETR`.",
        )
        in actions
    )
    assert Connect(fresh=True, number=1, manner=Manner.FOLDED) in actions
    assert run.tutor.awaited is not None
    assert run.tutor.awaited.keyword == "LIST"
    run.ask(run.tutor.back())
    assert run.awaits(Awaiting.CHOICE)
    run.ask(run.tutor.back())
    assert run.tutor.prompt == "1/3"
    assert run.sent[-2:] == [b"USER mrose", b"PASS tanstaaf"]
    run.ask(run.tutor.back())
    assert run.tutor.prompt == "1/3", "the introduction leads on to the first step"
    assert run.texts(FeedbackKind.NEWS)[-2:] == [
        "Back at the introduction.",
        "Sent `USER`, `PASS`.",
    ]
    run.enter("RETR 2")
    assert run.awaits(Awaiting.PAUSE)


def test_the_map_shows_what_is_done() -> None:
    run = drill(READING, passed=("look",)).enter("RETR 2", "")
    (say,) = run.tutor.map()
    assert isinstance(say, Say)
    assert say.source.splitlines() == [
        "1. Read (done)",
        "2. Predict (to do, **you are here**)",
        "3. Look (done)",
    ]


def test_the_state_is_told_in_words() -> None:
    run = drill(READING).enter("DELE 1")
    (comment,) = run.tutor.state()
    assert comment == Feedback(
        kind=FeedbackKind.NEWS,
        text=(
            "`AUTHORIZATION > [TRANSACTION] > UPDATE`. Marked as deleted: message 1. "
            "`01-lesson#read`, step 1 of 3."
        ),
    )
    run.lose()
    assert "There is no connection." in str(run.tutor.state())


def test_every_local_command_works_at_every_prompt() -> None:
    def runs() -> list[tuple[Awaiting, Drill]]:
        return [
            (Awaiting.COMMAND, drill(READING)),
            (Awaiting.PAUSE, drill(READING).enter("RETR 2")),
            (Awaiting.CHOICE, drill(READING).enter("RETR 2", "")),
            (Awaiting.CLOSED, drill(READING).lose()),
            (Awaiting.OVER, drill(READING).enter("RETR 2", "", "2", "", "LIST", "STAT")),
        ]

    for name in ("hint", "why", "skip", "back", "reset", "map", "state"):
        for awaiting, run in runs():
            assert run.awaits(awaiting)
            assert run.ask(getattr(run.tutor, name)()), f"{name} at {awaiting}"
            assert run.tutor.report(["# nothing"])


# Replay.


def test_a_lesson_is_resumed_by_replay() -> None:
    run = at_second_step()
    assert run.texts(FeedbackKind.NEWS) == [
        "Step 2 of 3: resumed; sent again for you: `USER`, `PASS`, `RETR`."
    ]
    assert all(
        action.manner is Manner.FOLDED
        for action in run.actions
        if isinstance(action, SendLine | Connect)
    )
    assert run.awaits(Awaiting.CHOICE)


def test_an_unknown_position_is_the_beginning() -> None:
    run = Drill(Tutor(lesson_of(READING), position="gone")).begin()
    assert run.tutor.prompt == "1/3"


def test_a_connection_that_dies_is_explained_and_brought_back() -> None:
    run = drill(READING).enter("RETR 2", "", "2", "", "LIST", "DELE 1").lose()
    assert run.awaits(Awaiting.CLOSED)
    assert run.last == Feedback(
        kind=FeedbackKind.CLOSED,
        text=(
            "The server closed the connection in TRANSACTION. Without `QUIT`, message 1 stays. "
            "Enter connects again."
        ),
    )
    assert run.kept[-1] == (EventKind.LOST, "look")
    run.enter("")
    assert (
        run.last.text == "Back where you were; sent again for you: `USER`, `PASS`, `RETR`, `LIST`."
    )
    run.enter("STAT")
    assert run.awaits(Awaiting.OVER)


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        (CLOSED_BY_US, "You closed the connection in TRANSACTION."),
        (
            Ending(by=EndedBy.NETWORK, how="broke the connection", clean=False),
            "The network broke the connection in TRANSACTION.",
        ),
    ],
)
def test_who_closed_is_told(ending: Ending, words: str) -> None:
    assert drill(READING).lose(ending).last.text.startswith(words)


def test_a_quit_too_early_is_explained_once() -> None:
    run = drill(READING).enter("DELE 3", "QUIT")
    assert run.awaits(Awaiting.CLOSED)
    assert run.last.text == (
        "`QUIT` was answered, so the session is over. Message 3 went with it. Enter connects again."
    )
    assert len(run.maildrop) == 2
    run.enter("", "RETR 2")
    assert len(run.maildrop) == 3
    assert run.awaits(Awaiting.PAUSE)


def test_a_connection_lost_at_a_pause_comes_back_with_the_next_step() -> None:
    run = drill(READING).enter("RETR 2").lose()
    assert run.awaits(Awaiting.PAUSE)
    run.enter("")
    assert run.connects[-1].manner is Manner.FOLDED
    assert run.awaits(Awaiting.CHOICE)
    run.lose().enter("")
    assert run.last.text == "Back where you were; sent again for you: `USER`, `PASS`, `RETR`."
    run.enter("2", "", "LIST", "STAT")
    assert run.awaits(Awaiting.OVER)


def test_open_brings_a_lost_connection_back() -> None:
    run = drill(READING).enter("RETR 2").lose()
    run.ask(run.tutor.open())
    assert run.awaits(Awaiting.PAUSE)
    assert run.last.text == "Back where you were; sent again for you: `USER`, `PASS`, `RETR`."
    run.ask(run.tutor.open())
    assert "connected already" in run.last.text


def test_a_connection_that_cannot_be_made_is_tried_again() -> None:
    run = Drill(Tutor(lesson_of(READING)), refusals=2).begin()
    assert run.last.text == "Nobody is there. Enter tries again."
    assert run.awaits(Awaiting.CLOSED)
    run.enter("")
    assert run.awaits(Awaiting.CLOSED)
    run.enter("")
    assert run.awaits(Awaiting.COMMAND)


def test_deletions_of_an_earlier_connection_are_replayed() -> None:
    run = at_second_step(DELETING)
    assert run.texts(FeedbackKind.NEWS) == [
        "Step 2 of 2: resumed; sent again for you: `USER`, `PASS`, `DELE`, `QUIT`."
    ]
    assert run.awaits(Awaiting.CLOSED)
    run.enter("", "USER mrose", "PASS tanstaaf", "STAT")
    assert run.awaits(Awaiting.OVER)
    assert [(action.fresh, action.number) for action in run.connects] == [(True, 1), (False, 2)]


def test_an_earlier_connection_that_left_nothing_behind_is_not_replayed() -> None:
    text = DELETING.replace("DELE 1", "STAT").replace("STAT\nS: +OK 2", "STAT\nS: +OK 3")
    run = at_second_step(text)
    assert not run.connects
    run.enter("")
    assert [(action.fresh, action.number) for action in run.connects] == [(True, 2)]
    again = Drill(Tutor(lesson_of(text), position="once-more", later_letters=True)).begin()
    assert [action.number for action in again.connects] == [1]


def test_what_an_earlier_connection_captured_is_captured_again() -> None:
    text = DELETING.replace("C: DELE 1\nS: +OK", "C: UIDL 1\nS: +OK 1 {id}").replace(
        "C: STAT\nS: +OK 2 {octets:int}", "C: UIDL 1\nS: +OK 1 {id}"
    )
    run = at_second_step(text)
    assert run.tutor.bindings["id"] == "id-1"


def test_a_chosen_number_is_replayed() -> None:
    text = LOGIN + (
        "\n## Choose\n\n```pop3\nC: RETR {n:int=2}\nS: +OK\nC: LIST {n:int=2}\nS: +OK {n} {s:int}\n"
        "```\n\n> [!TIP]\n> Any.\n"
    )
    run = drill(text).enter("RETR 3").lose().enter("")
    assert run.sent[-1] == b"RETR 3"
    run.enter("LIST 3")
    assert run.awaits(Awaiting.OVER)


@pytest.mark.parametrize("reply", [b"-ERR not now\r\n", b""])
def test_a_server_that_has_lost_its_tls_gets_no_password(reply: bytes) -> None:
    asked = []

    def mangle(line: bytes, usual: bytes) -> bytes:
        asked.append(line)
        return reply if asked.count(b"STLS") > 1 and line == b"STLS" else usual

    login = "C: USER {user}\nS: +OK\nC: PASS {password}\nS: +OK\n"
    lesson = lesson_of(f"## Look\n\n```pop3\n{login}C: STAT\nS: +OK\n```\n\n> [!TIP]\n> Any.\n")
    known = Known(user="mrose", password="tanstaaf")
    run = Drill(Tutor(lesson, live=True, known=known), mangle=mangle).begin()
    run.enter("STLS", "USER mrose", "PASS tanstaaf").lose().enter("")
    assert asked[-1] == b"STLS"
    run.lose()
    assert run.awaits(Awaiting.CLOSED)
    assert run.last.text == "TLS doesn't begin as it did before, so nothing secret was sent."


def test_a_live_server_sees_nothing_but_the_login_again() -> None:
    run = drill(READING, live=True, known=Known(user="mrose", password="tanstaaf"))
    run.enter("RETR 2", "", "2", "", "LIST").lose().enter("")
    assert run.last.text == "Back where you were; sent again for you: `USER`, `PASS`."
    run.enter("STAT")
    assert run.awaits(Awaiting.OVER)


# What spoils a step.


def test_a_mark_that_spoils_the_step_is_explained() -> None:
    run = drill(READING).enter("DELE 1")
    assert "This step asks for something else" in run.last.text
    run.enter("DELE 2")
    assert run.last.text.startswith("Message 2 is now marked, and this step needs it")
    run.enter("RETR 2")
    assert "`RSET` takes marks back" in run.last.text
    run.enter("RSET")
    assert run.last.text == "No message is marked any more; the step goes on."
    run.enter("RETR 2")
    assert run.awaits(Awaiting.PAUSE)


def test_a_mark_that_was_made_before_the_step_is_noticed() -> None:
    text = READING.replace("## Read\n", "## Rest\n\nBreathe.\n\n## Read\n")
    run = drill(text).enter("DELE 2", "")
    assert run.last.text.startswith("Message 2 is now marked")


def test_marks_of_the_lesson_itself_are_no_harm() -> None:
    run = drill(DELETING).enter("DELE 1", "RSET")
    assert "took back the lesson's own `DELE`" in run.last.text
    run.ask(run.tutor.reset())
    run.enter("DELE 1", "STAT")
    assert "marked" not in run.last.text
    run.enter("QUIT")
    assert run.awaits(Awaiting.PAUSE)
    assert not run.texts(FeedbackKind.CLOSED), "the lesson asked for this QUIT"


# Ends that the lesson asks for.

CUT_OFF = (
    LOGIN
    + """
## Hang up

```pop3
C: RETR 1
S: +OK
S: ...
C: <close connection>
```

> [!TIP]
> Do not wait.

## Come back

```pop3
C: <open connection>
S: +OK
C: QUIT
S: +OK
S: <close connection>
```

> [!TIP]
> Enter.
"""
)


def endless(line: bytes, reply: bytes) -> bytes:
    return reply.removesuffix(b".\r\n") if line.startswith(b"RETR") else reply


def test_a_reply_without_an_end_is_compared_when_the_learner_hangs_up() -> None:
    run = Drill(Tutor(lesson_of(CUT_OFF)), mangle=endless).begin().enter("RETR 1")
    run.wait(SILENCES[0])
    assert run.last.text == "Waiting: no lone dot yet, 8 lines so far."
    run.wait(SILENCES[1])
    assert "`:close` hangs up" in run.last.text
    run.ask(run.tutor.hint())
    assert run.last.kind is FeedbackKind.HINT
    assert "`:close` hangs up" in run.last.text, "and not to send the line again"
    run.close()
    assert run.texts(FeedbackKind.DONE) == ["`RETR` (1 of 2).", "Closed (2 of 2)."]
    assert not run.texts(FeedbackKind.CLOSED)
    run.enter("")
    assert run.awaits(Awaiting.CLOSED)
    run.enter("", "QUIT")
    assert run.awaits(Awaiting.OVER)


def test_skip_hangs_up_on_a_reply_without_an_end() -> None:
    run = Drill(Tutor(lesson_of(CUT_OFF)), mangle=endless).begin()
    run.ask(run.tutor.skip())
    assert run.awaits(Awaiting.BUSY)
    run.wait(SILENCES[0])
    assert isinstance(run.actions[-1], Keep | HangUp | Feedback)
    assert HangUp() in run.actions
    assert run.awaits(Awaiting.PAUSE)


def test_a_server_that_says_nothing_is_waited_for() -> None:
    run = Drill(Tutor(lesson_of(READING)), mangle=lambda *_: b"").begin()
    run.wait(SILENCES[0])
    assert run.last.text == "Waiting: no line has come yet."


def test_hanging_up_is_for_the_learner_to_do() -> None:
    run = drill(CUT_OFF).enter("RETR 1").lose()
    assert run.last.kind is FeedbackKind.CLOSED, "the server did it, and the step is about :close"
    run.enter("").close()
    assert run.awaits(Awaiting.PAUSE)


def test_a_greeting_is_compared_and_captured() -> None:
    text = (
        "## Who\n\n```pop3\nC: <open connection>\nS: +OK POP3 {word} {...}\n```\n\n"
        "> [!TIP]\n> Enter.\n"
    )
    run = drill(text)
    assert run.awaits(Awaiting.CLOSED)
    assert run.ask(run.tutor.hint()) is not None
    run.enter("")
    assert run.tutor.bindings["word"] == "server"
    assert run.awaits(Awaiting.OVER)
    other = drill(text.replace("POP3 {word}", "IMAP {word}")).enter("")
    assert other.last.kind is FeedbackKind.UNJUDGED


# Secrets, and reports.


def test_no_password_is_kept_or_said() -> None:
    lesson = lesson_of(LOGGING_IN)
    run = Drill(Tutor(lesson)).begin()
    run.enter("USER mrose", "PASS swordfish", "swordfish", "USER mrose", "PASS tanstaaf")
    everything = repr([action for action in run.actions if isinstance(action, Keep | Feedback)])
    report = run.tutor.report([])
    for secret in ("swordfish", "tanstaaf"):
        assert secret not in everything
        assert secret not in report
    assert "Lesson: 01-lesson#log-in, step 1 of 1" in report


def test_a_line_of_our_own_is_told_from_one_sent_before_it() -> None:
    """A pasted line may still be answered when the tutor sends one itself."""
    tutor = Drill(Tutor(lesson_of(READING))).begin().tutor
    here = State.TRANSACTION
    stale = Answered(line=b"NOOP", lines=(b"+OK",), before=here, after=here)
    assert [action for action in tutor.skip() if isinstance(action, SendLine)] == [
        SendLine(line=b"RETR 2")
    ]
    assert tutor.tell(stale) == []
    assert tutor.awaiting is Awaiting.BUSY


# Whatever a learner does.

LINES = (
    *("RETR 2", "RETR 1", "LIST", "STAT", "STAT 1", "DELE 1", "DELE 2", "RSET", "QUIT", "LSIT"),
    *("USER mrose", "PASS tanstaaf", "PASS no", "AUTH PLAIN", "*", "STLS", "x", "1", "2", "", ""),
)
WISHES = ("hint", "why", "skip", "back", "reset", "map", "state", "open")


@settings(max_examples=60, deadline=None)
@given(
    text=st.sampled_from([READING, LOGGING_IN, DELETING, CHALLENGED, CUT_OFF]),
    actions=st.lists(st.sampled_from([*LINES, *(f":{wish}" for wish in WISHES), ":close"])),
)
def test_whatever_a_learner_does_the_lesson_can_be_finished(text: str, actions: list[str]) -> None:
    run = drill(text)
    for action in actions:
        if action == ":close":
            run.close()
        elif action.startswith(":"):
            run.ask(getattr(run.tutor, action[1:])())
        # Where nothing is connected, Enter alone connects again; at the end nothing does.
        elif run.is_connected or not (action or run.awaits(Awaiting.OVER)):
            run.enter(action)
        assert not run.awaits(Awaiting.BUSY)
    for _ in range(30):
        run.ask(run.tutor.skip())
    assert run.awaits(Awaiting.OVER)
    assert all(len(comment.text) <= MAX_CHARACTERS for comment in run.comments)
