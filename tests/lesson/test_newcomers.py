"""What newcomers did in the lessons, sitting at the keyboard: the wrong order, words for numbers."""

from __future__ import annotations

import pytest

from poptalk.lesson.actions import Awaiting, FeedbackKind
from tests.lesson.drilling import LOGIN, drill

BARGAINS = (
    LOGIN
    + """
## A mark

```pop3
C: TOP 1 3
or RETR 1
S: +OK
S: ...
S: .
C: DELE 2
S: +OK
C: QUIT
S: +OK
```

> [!TIP]
> First the look.

```pop3 mistake
C: DELE {n:int}
S: +OK
```
Letter {n} was not meant.

```pop3 mistake
C: RETR {n:int}
S: +OK
```
That was letter {n}.
"""
)

PLUG = (
    LOGIN
    + """
## The plug

```pop3
C: DELE 1
S: +OK
C: <close connection>
```

> [!TIP]
> `:close`.

```pop3 mistake
C: QUIT
S: +OK
```
That was the polite way.

```pop3 proof
C: USER {user}
S: +OK
```

Six letters.
"""
)

ASKING = (
    LOGIN
    + """
## Predict

- [ ] one -- More.
- [x] two -- Two.

> [!TIP]
> Count.

```pop3
C: STAT
S: +OK
C: NOOP
S: +OK
```

> [!TIP]
> Four letters each.
"""
)


def test_a_mistake_about_any_number_is_not_about_what_comes_later() -> None:
    run = drill(BARGAINS).enter("DELE 2")
    assert run.last.kind is FeedbackKind.ASIDE
    assert "`RSET` takes it back" in run.last.text


def test_what_comes_later_is_no_mistake() -> None:
    run = drill(ASKING).enter("2", "NOOP")
    assert run.last.kind is FeedbackKind.ASIDE
    assert "comes later in this step" in run.last.text


def test_a_mistake_about_any_number_is_not_about_what_is_done() -> None:
    run = drill(BARGAINS).enter("RETR 1", "RETR 1")
    assert run.last.kind is FeedbackKind.ASIDE
    assert "done already" in run.last.text


def test_a_quit_that_comes_later_is_named_as_such() -> None:
    run = drill(BARGAINS).enter("QUIT")
    assert "comes later" in run.comments[-2].text
    assert run.last.kind is FeedbackKind.CLOSED


def test_what_was_sent_is_named_and_not_the_first_form_of_it() -> None:
    assert drill(BARGAINS).enter("retr 1").last.text.startswith("`RETR` (1 of 3).")


def test_a_remark_on_style_is_made_once() -> None:
    run = drill(BARGAINS).enter("retr 1", "dele 2")
    assert [text for text in run.texts(FeedbackKind.DONE) if "any case" in text] == [
        "`RETR` (1 of 3). Keywords may be in any case. (RFC 1939 §3)"
    ]
    assert run.last.text == "`DELE` (2 of 3)."


def test_a_polite_end_is_not_the_cut_that_is_asked_for() -> None:
    run = drill(PLUG).enter("DELE 1", "QUIT")
    assert run.texts(FeedbackKind.NOT_YET) == ["That was the polite way."]
    assert run.awaits(Awaiting.CLOSED)
    assert run.last.kind is FeedbackKind.CLOSED
    run.enter("")
    assert run.last.text == "Back where you were; sent again for you: `USER`, `PASS`, `DELE`."
    run.close()
    assert "`DELE` (1 of 2)." in run.texts(FeedbackKind.DONE)
    assert "Closed (2 of 2)." in run.texts(FeedbackKind.DONE)
    assert run.awaits(Awaiting.OVER)


def test_the_hints_of_a_block_go_on_and_do_not_begin_again() -> None:
    run = drill(ASKING).enter("2")
    for _ in range(2):
        run.ask(run.tutor.hint())
    run.enter("STAT")
    for _ in range(2):
        run.ask(run.tutor.hint())
    assert run.texts(FeedbackKind.HINT) == [
        "Four letters each.",
        "Send: `STAT`",
        "Next: do nothing, and get an answer.",
        "Send: `NOOP`",
    ]


@pytest.mark.parametrize("line", ["twelve dozen", "99 letters", "I think that it is two"])
def test_words_for_an_answer_are_told_what_the_question_wants(line: str) -> None:
    run = drill(ASKING).enter(line)
    assert run.awaits(Awaiting.CHOICE)
    assert run.last.kind is FeedbackKind.ASIDE
    assert "the question wants a letter, a to b" in run.last.text


def test_who_asks_for_help_without_a_colon_has_made_no_mistake() -> None:
    run = drill(ASKING).enter("2", "hint", "hint", "help")
    assert run.last.kind is FeedbackKind.ASIDE
    assert run.last.text.endswith("write `:help`")
    assert not run.texts(FeedbackKind.HINT)


def test_a_connection_that_comes_back_without_replay_is_announced() -> None:
    opening = (
        "## Too early\n\n```pop3\nC: <open connection>\nS: +OK\nC: STAT\nS: -ERR\n```\n\n"
        "> [!TIP]\n> Four letters.\n"
    )
    run = drill(opening).enter("").close().enter("")
    assert run.last.kind is FeedbackKind.NEWS
    assert run.last.text == "Connected again."
