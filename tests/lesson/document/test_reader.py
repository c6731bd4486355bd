"""Reading lessons: what the seven things become, and every fault with its line and advice."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poptalk.lesson.document.model import (
    CODES,
    FAULTS,
    MAX_QUOTED_CHARACTERS,
    Block,
    BlockKind,
    Choice,
    Lesson,
    LessonErrors,
    LessonFault,
    Mistake,
    Prose,
    QuizQuestion,
    SpeakerNote,
)
from poptalk.lesson.document.parser import MAX_LESSON_OCTETS, load_lesson, read_lesson
from poptalk.lesson.library import lesson_files
from poptalk.transcript.model import ClientLine, Dialogue, ServerLine
from poptalk.transcript.parser import parse_dialogue

PATH = Path("lessons/04-reading.md")

GOOD = """\
---
title: Reading one message
summary: "RETR and TOP: where a reply ends"
minutes: 10
mailbox: letters
fault: slow:5s, #2=locked
after: 02-knocking, 03-looking
---
# Reading one message

`LIST` gave you numbers.

```pop3 setup
C: USER {user}
S: +OK
```

## Now you

Fetch message 2.
There are three.

```pop3
C: RETR 2
or retr 02
S: +OK
S: ...
S: .
```

> [!TIP]
> Four letters.
>
> Then the number.

> [!tip]
> Short for "retrieve".

```pop3 mistake
C: RETR {n:int}
S: +OK
```
That was message {n}.
This step is about message 2.

You have done it.

<!-- note: Ask what the dot is. -->

> A quote.

| RFC  | Section |
| ---- | ------- |
| 1939 | 5       |

<!-- For the author alone. -->

```text
C: this is prose
```

## Predict, then `run` *it*

How many?

- [ ] all of them -- it is 0
  here.
- [x] none

> [!TIP]
> Count.

```pop3
C: TOP {n:int=2} 0
S: +OK {...}
S: ...
S: .
```

```pop3 show
C: LIST {n}
S: +OK {n} {size:int}
```

```pop3 proof
C: RETR {n}
S: -ERR
```
"""
STEP = GOOD.index("## Now you")
FIRST_BLOCK = "```pop3\nC: RETR 2"


def read(text: str) -> Lesson:
    return read_lesson(text, name="04-reading", path=PATH)


def faults(text: str) -> tuple[LessonFault, ...]:
    with pytest.raises(LessonErrors) as raised:
        read(text)
    return raised.value.faults


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) == 1, f"{old!r} must stand in the lesson once"
    return GOOD.replace(old, new)


def line_of(text: str, part: str) -> int:
    assert part in text
    return text[: text.index(part)].count("\n") + 1


def dialogue(text: str) -> Dialogue:
    return parse_dialogue(text)


# What a good lesson becomes.


def test_the_front_matter() -> None:
    lesson = read(GOOD)
    assert (lesson.name, lesson.path) == ("04-reading", PATH)
    assert lesson.title == "Reading one message"
    assert lesson.summary == "RETR and TOP: where a reply ends"
    assert (lesson.minutes, lesson.mailbox) == (10, "letters")
    assert (lesson.persona, lesson.user, lesson.password) == ("plain", "bob", "jones")
    assert lesson.faults == ("slow:5s", "#2=locked")
    assert lesson.after == ("02-knocking", "03-looking")


def test_the_introduction() -> None:
    assert read(GOOD).introduction == (
        Prose(source="`LIST` gave you numbers."),
        Block(kind=BlockKind.SETUP, dialogue=dialogue("C: USER {user}\nS: +OK")),
    )


def test_a_task_with_its_hints_and_mistakes() -> None:
    step = read(GOOD).steps[0]
    assert (step.slug, step.title) == ("now-you", "Now you")
    prose, block, *_ = step.items
    assert prose == Prose(source="Fetch message 2.\nThere are three.")
    assert block == Block(
        kind=BlockKind.TASK,
        dialogue=dialogue("C: RETR 2\nor retr 02\nS: +OK\nS: ...\nS: ."),
        hints=(
            Prose(source="Four letters.\n\nThen the number."),
            Prose(source='Short for "retrieve".'),
        ),
        mistakes=(
            Mistake(
                dialogue=dialogue("C: RETR {n:int}\nS: +OK"),
                comment=Prose(source="That was message {n}.\nThis step is about message 2."),
            ),
        ),
    )


def test_prose_between_the_special_things() -> None:
    *_, done, note, quote_and_table, text = read(GOOD).steps[0].items
    assert done == Prose(source="You have done it.")
    assert note == SpeakerNote(text="Ask what the dot is.")
    assert isinstance(quote_and_table, Prose)
    assert quote_and_table.source.startswith("> A quote.\n\n| RFC ")
    assert quote_and_table.source.endswith("| 5       |")
    assert text == Prose(source="```text\nC: this is prose\n```")


def test_a_question() -> None:
    step = read(GOOD).steps[1]
    assert (step.slug, step.title) == ("predict-then-run-it", "Predict, then run it")
    assert step.items[1] == QuizQuestion(
        choices=(
            Choice(right=False, text="all of them", reply="it is 0 here."),
            Choice(right=True, text="none", reply=""),
        ),
        hints=(Prose(source="Count."),),
    )


def test_a_choice_may_be_an_option() -> None:
    question = read(changed("- [x] none", "- [x] --tls -- yes -- and no")).steps[1].items[1]
    assert isinstance(question, QuizQuestion)
    assert question.choices[1] == Choice(right=True, text="--tls", reply="yes -- and no")


def test_the_kinds_of_blocks() -> None:
    kinds = [block.kind for block in read(GOOD).steps[1].blocks()]
    assert kinds == [BlockKind.TASK, BlockKind.SHOW, BlockKind.PROOF]


def test_everything_knows_its_line() -> None:
    prose, block, *_ = read(GOOD).steps[0].items
    assert read(GOOD).steps[0].line == line_of(GOOD, "## Now you")
    assert prose.line == line_of(GOOD, "Fetch message")
    assert isinstance(block, Block)
    assert block.line == line_of(GOOD, FIRST_BLOCK)
    first, *_ = block.dialogue.steps
    assert isinstance(first, ClientLine)
    assert first.line == line_of(GOOD, "C: RETR 2")
    assert [hint.line for hint in block.hints] == [
        line_of(GOOD, "> Four letters"),
        line_of(GOOD, '> Short for "retr'),
    ]
    mistake = block.mistakes[0]
    assert mistake.line == line_of(GOOD, "```pop3 mistake")
    assert mistake.comment.line == line_of(GOOD, "That was message")
    question = read(GOOD).steps[1].items[1]
    assert isinstance(question, QuizQuestion)
    assert question.choices[1].line == line_of(GOOD, "- [x] none")


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\r"),
        "\ufeff" + GOOD,
        GOOD.replace("```", "~~~~").replace("~~~~text", "```text").replace("e\n~~~~", "e\n```"),
        GOOD.replace("[x]", "[X]"),
        GOOD.replace("[x] none", "[x]\n  none"),
        GOOD.replace("```pop3 mistake", "```  pop3   mistake"),
        GOOD.replace("```\nThat was", "```\n\nThat was"),
        GOOD.replace('"RETR and TOP: where a reply ends"', "RETR and TOP: where a reply ends"),
        GOOD.replace("---\n#", "# A line for YAML alone.\n\n---\n#"),
        GOOD.removesuffix("\n"),
        GOOD.replace("# Reading one message\n", "").replace("minutes: 10", "minutes: 10\n"),
    ],
    ids=[
        "CRLF",
        "CR",
        "byte order mark",
        "tildes",
        "capital X",
        "choice in the next line",
        "blanks",
        "empty line before the comment",
        "without quotation marks",
        "comment in the front matter",
        "no last line end",
        "no heading of its own",
    ],
)
def test_other_spellings_of_the_same_lesson(text: str) -> None:
    assert read(text) == read(GOOD)


@pytest.mark.parametrize(
    ("heading", "slug"),
    [
        ("Now you", "now-you"),
        ("What's `CAPA`?", "whats-capa"),
        ("Größe, in *Oktetten*", "größe-in-oktetten"),
        ("RFC 1939 §5: a [link](https://x.example)", "rfc-1939-5-a-link"),
        ("snake_case -- and dashes", "snake_case----and-dashes"),
    ],
)
def test_ids_are_those_of_code_hosting_pages(heading: str, slug: str) -> None:
    assert read(changed("## Now you", f"## {heading}")).steps[0].slug == slug


@pytest.mark.parametrize("path", lesson_files(), ids=lambda path: path.stem)
def test_lessons_that_come_with_poptalk_are_read(path: Path) -> None:
    assert load_lesson(path).name == path.stem


# What is wrong with others.  Each row: the code, what is changed, into what, the line that the fault
# is told of (a part of it), and a part of what is said.

IN_STEP = "Fetch message 2.\n"
ROWS = [
    ("PT002", GOOD[: GOOD.index("# Reading")], "\n", "", "begins with a line '---'"),
    ("PT002", "---\n# R", "# R", "---", "no end"),
    ("PT002", "minutes: 10", "minutes 10", "minutes 10", "a colon, a space and a value"),
    ("PT002", "minutes: 10", "minutes:10", "minutes:10", "a colon, a space and a value"),
    ("PT003", "fault: slow", "faults: slow", "faults: slow", "did you mean 'fault'?"),
    ("PT003", "fault: slow", "Title: slow", "Title: slow", "did you mean 'title'?"),
    ("PT004", "minutes: 10\n", "", "---\n# Reading", "'minutes' is missing"),
    ("PT005", "minutes: 10\n", "minutes: 1\nminutes: 2\n", "minutes: 2", "a second time"),
    ("PT006", "minutes: 10", "minutes: soon", "minutes: soon", "from 1 to 240"),
    ("PT006", "minutes: 10", "minutes: 241", "minutes: 241", "from 1 to 240"),
    ("PT006", "minutes: 10", "minutes:", "minutes:", "'minutes' has no value"),
    ("PT006", "mailbox: letters", "mailbox: ../secrets", "mailbox: ..", "without a slash"),
    ("PT006", "mailbox: letters", "mailbox: letters\nuser: a b", "user: a b", "or leave it out"),
    ("PT006", "after: 02-k", "after: , 02-k", "after: , 02", "a list of ids"),
    ("PT006", "after: 02-k", "persona: /etc/x.toml\nafter: 02-k", "persona: /", "--list-personas"),
    ("PT006", "title: R", "title: \x1bR", "title: \x1bR", "'title' has no such value"),
    ("PT007", "# Reading", "# Writing", "# Writing", "write '# Reading one message'"),
    ("PT007", IN_STEP, f"# More\n{IN_STEP}", "# More", "the title comes once"),
    ("PT007", IN_STEP, f"### More\n{IN_STEP}", "### More", "no deeper headings"),
    ("PT007", IN_STEP, f"{IN_STEP}---\n", "Fetch message", "leave a line empty above a rule"),
    (
        "PT008",
        "## Predict, then `run` *it*",
        "## Now you!",
        "## Now you!",
        "'now-you' is that of",
    ),
    ("PT008", "## Now you", "## ?!", "## ?!", "gives no id"),
    ("PT009", GOOD[STEP:], "", "", "no step"),
    ("PT010", "pop3 show", "pop3 shwo", "```pop3 shwo", "did you mean 'pop3 show'?"),
    ("PT010", "pop3 show", "pop3 xyz", "```pop3 xyz", "there are 'pop3 show', 'pop3 setup', "),
    ("PT010", "pop3 show", "pop3 show it", "```pop3 show it", "did you mean 'pop3 show'?"),
    ("PT010", "pop3 show", "POP3 show", "```POP3 show", "write 'pop3 show'"),
    ("PT010", "> [!TIP]\n> Four", "> [!TIPP]\n> Four", "> [!TIPP]", "did you mean '[!TIP]'?"),
    ("PT010", "note: Ask", "Notes: Ask", "<!-- Notes:", "did you mean 'note:'?"),
    ("PT011", "C: RETR 2", "RETR 2", "RETR 2", "write 'C: RETR 2'"),
    ("PT011", "C: RETR 2", "C: RETR {2", "C: RETR {2", "write '{{' for a brace"),
    ("PT011", "C: USER {user}\n", "", "```pop3 setup", "nothing to send"),
    ("PT012", "pop3 setup", "pop3", "```pop3", "is for a step, and none has begun"),
    ("PT012", "pop3 setup", "pop3 proof", "```pop3 proof", "is for a step, and none has begun"),
    (
        "PT012",
        "`LIST` gave",
        "- [x] a\n- [ ] b -- c\n\n`LIST`",
        "- [x] a",
        "a question is for a step",
    ),
    ("PT013", FIRST_BLOCK, "```pop3 show\nC: RETR 2", "```pop3 mistake", "no task above"),
    ("PT014", "```\nThat was", "```\n> That was", "```pop3 mistake", "no paragraph after"),
    (
        "PT014",
        "You have done it.",
        "```pop3 mistake\nC: X\n```\n## Z",
        "```pop3 mistake\nC: X",
        "no pa",
    ),
    (
        "PT014",
        "S: -ERR\n```\n",
        "S: -ERR\n```\n```pop3 mistake\nC: X\n```",
        "```pop3 mistake\nC: X",
        "no",
    ),
    (
        "PT015",
        "C: RETR {n:int}\n",
        "C: RETR {n:int}\nC: X\n",
        "```pop3 mistake",
        "is one 'C:' line",
    ),
    ("PT015", "C: RETR {n:int}\n", "S: +OK\nC: X\n", "```pop3 mistake", "is one 'C:' line"),
    ("PT015", "C: RETR {n:int}", "C: <close connection>", "```pop3 mistake", "is one 'C:' line"),
    ("PT016", "`LIST` gave", "> [!TIP]\n> x\n\n`LIST`", "> [!TIP]\n> x", "no task and no question"),
    ("PT016", FIRST_BLOCK, "```pop3 show\nC: RETR 2", "> [!TIP]", "no task and no question"),
    ("PT016", "> Count.", ">", "> [!TIP]\n>\n", "the tip is empty"),
    ("PT016", "> [!TIP]\n> Count.", "> [!TIP] Count.", "> [!TIP] Count.", "a line to itself"),
    ("PT017", " -- it is 0\n  here.", "", "- [ ] all of them", "a wrong choice has no reply"),
    ("PT017", "- [x] none", "- none", "- none", "begins with '[x] ' or '[ ] '"),
    ("PT017", "- [x] none", "- [] none -- x", "- [] none", "begins with '[x] ' or '[ ] '"),
    ("PT017", "- [x] none", "- [x] -- never", "- [x] -- never", "a choice has no text"),
    (
        "PT017",
        "- [x] none",
        "- [x] none\n\n  And more.",
        "  And more",
        "a choice is one paragraph",
    ),
    ("PT017", "- [x] none\n", "", "- [ ] all of them", "two choices or more"),
    ("PT018", "C: RETR 2", "C: RETR {x}", "C: RETR {x}", "give one with '{x=...}'"),
    ("PT018", "C: RETR 2", "C: RETR {usr}", "C: RETR {usr}", "did you mean '{user}'?"),
    ("PT018", "C: RETR 2", "C: RETR {...}", "C: RETR {...}", "write what is to be sent"),
    ("PT018", "C: LIST {n}", "C: LIST {later}", "C: LIST {later}", "capture it in an 'S:' line"),
    ("PT019", "You have done it.", "1. x\n   ```pop3\n   C: X\n   ```\n", "```pop3\n   C:", "in"),
    ("PT019", "> A quote.", "> ```pop3\n> C: X\n> ```", "> ```pop3", "inside a list or a quote"),
    ("PT019", "S: -ERR\n```\n", "S: -ERR\n", "```pop3 proof", "the block has no end"),
    ("PT019", "<!-- For the author alone. -->", "<!-- x", "<!-- x", "the comment has no end"),
    ("PT019", "alone. -->", "alone. --> Yes", "<!-- For the author", "follows a comment"),
    ("PT019", "You have", "You <!-- note: x --> have", "You <!-- note", "inside other text"),
    ("PT019", "> A quote.", "- <!-- note: x -->", "- <!-- note", "inside other text"),
]


@pytest.mark.parametrize(
    ("code", "old", "new", "line", "said"), ROWS, ids=[f"{r[0]} {r[4]}" for r in ROWS]
)
def test_a_fault(code: str, old: str, new: str, line: str, said: str) -> None:
    text = GOOD[:STEP] + "" if old == GOOD[STEP:] else changed(old, new)
    first = next(fault for fault in faults(text) if fault.code == code)
    if line:
        assert first.line_number == line_of(text, line)
    assert said in f"{first.problem}; {first.advice}"
    assert str(first).startswith(f"{PATH}:{first.line_number}: {code} ")
    assert str(first)[-1] in ".?"


def test_every_code_of_the_reader_is_told_somewhere_here() -> None:
    told = {row[0] for row in ROWS} | {"PT001"}
    assert told == {code for code in CODES if code < "PT020"}


def test_all_faults_are_told_at_once_in_the_order_of_their_lines() -> None:
    text = (
        GOOD.replace("minutes: 10", "minuets: 10")
        .replace("C: RETR 2\n", "RETR 2\nC: {\nor {\n")
        .replace("pop3 show", "pop3 shwo")
    )
    told = faults(text)
    assert [fault.code for fault in told] == [
        "PT003", "PT004", "PT011", "PT011", "PT011", "PT010",
    ]  # fmt: skip
    assert [fault.line_number for fault in told] == sorted(fault.line_number for fault in told)
    with pytest.raises(LessonErrors) as raised:
        read(text)
    assert str(raised.value).split("\n") == [str(fault) for fault in told]


def test_a_faulty_block_brings_no_further_faults_with_it() -> None:
    assert len(faults(changed(FIRST_BLOCK, "```pop3 tusk\nC: RETR 2"))) == 1


def test_whoever_pastes_a_letter_into_a_block_is_not_flooded() -> None:
    letter = "\n".join(f"Line {number} of a letter" for number in range(500))
    assert len(faults(changed("C: RETR 2\n", f"{letter}\n"))) <= 12


def test_a_quoted_line_is_harmless_and_short() -> None:
    fault = faults(changed("C: RETR 2", "\x1b]0;x\x07\u202e" + "y" * 5000))[0]
    assert str(fault).isprintable()
    assert len(fault.line) < MAX_QUOTED_CHARACTERS + 50


def test_no_password_is_told() -> None:
    assert "hunter2" not in str(faults(changed("minutes: 10", "minutes: 10\npassword: {hunter2")))
    assert "hunter2" not in str(faults(changed("C: RETR 2", "C: PASS {hunter2")))


def test_each_fault_has_a_code_that_is_listed_and_each_code_a_fault() -> None:
    assert {code for code, *_ in FAULTS.values()} == set(CODES)


def test_a_value_that_was_captured_can_be_sent() -> None:
    text = changed("C: LIST {n}", "C: LIST {x}").replace("S: +OK {...}", "S: +OK {x}")
    assert read(text).steps[1].slug == "predict-then-run-it"
    # But not what the second connection of a proof captured.
    proof = "```pop3 proof\nC: STAT\nS: +OK {x}\n```\n\n"
    after = changed("C: LIST {n}", "C: LIST {x}").replace("How many?", f"{proof}How many?")
    assert [fault.code for fault in faults(after)] == ["PT018"]


def test_a_mistake_captures_for_its_comment_alone() -> None:
    assert [fault.code for fault in faults(changed("C: TOP {n:int=2} 0", "C: TOP {n} 0"))] == [
        "PT018"
    ]


# Files.


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (b"x" * 10_000_000, "has more than 262,144 octets"),
        (b"\x89PNG\r\n\x1a\n\0\0", "the file isn't text"),
        (b"---\ntitle: \xe4\n", "isn't text in UTF-8"),
    ],
)
def test_what_is_no_lesson_is_refused_in_one_sentence(
    tmp_path: Path, octets: bytes, said: str
) -> None:
    path = tmp_path / "x.md"
    path.write_bytes(octets)
    with pytest.raises(LessonErrors) as raised:
        load_lesson(path)
    (fault,) = raised.value.faults
    assert fault.code == "PT001"
    assert said in str(fault)


def test_a_fault_of_the_encoding_has_its_line(tmp_path: Path) -> None:
    path = tmp_path / "x.md"
    path.write_bytes(b"---\ntitle: \xe4\n")
    with pytest.raises(LessonErrors, match=r"x\.md:2: PT001"):
        load_lesson(path)


@pytest.mark.parametrize("name", ["missing.md", "", "x\0y.md"])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(LessonErrors, match="PT001 the file cannot be read"):
        load_lesson(tmp_path / name)


def test_a_text_that_is_too_long() -> None:
    (fault,) = faults("x" * (MAX_LESSON_OCTETS + 1))
    assert fault.code == "PT001"


def test_a_file_is_read_as_its_text(tmp_path: Path) -> None:
    path = tmp_path / "04-reading.md"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load_lesson(path) == read(GOOD)
    assert load_lesson(path).path == path


# Any text at all.

PIECES = st.sampled_from(
    [
        *("---\n", "title: x\n", "minutes: 1\n", "# x\n", "## a\n", "## b\n", "### c\n", "===\n"),
        *("```pop3\n", "```pop3 show\n", "```pop3 mistake\n", "```\n", "~~~\n", "C: RETR {n}\n"),
        *("C: {x=1}\n", "S: +OK {y}\n", "S: ...\n", "or X\n", "C: <wait 2 s>\n", "S: {\n"),
        *(
            "> [!TIP]\n",
            "> text\n",
            "> [!\n",
            ">\n",
            "- [x] a\n",
            "- [ ] b -- c\n",
            "- \n",
            "1. x\n",
        ),
        *(
            "  ",
            "\n",
            "text\n",
            "<!-- note: x -->\n",
            "<!--",
            "-->\n",
            "| a |\n| - |\n",
            "[x]: y\n",
        ),
    ]
)


def never_raises_anything_else(text: str) -> None:
    try:
        assert read(text).steps
    except LessonErrors as errors:
        told = errors
    else:
        return
    assert told.faults
    lines = text.count("\n") + text.count("\r") + 1
    assert all(1 <= fault.line_number <= lines for fault in told.faults)
    assert str(told).replace("\n", "").isprintable()


@given(st.text(max_size=300))
def test_no_text_breaks_the_reader(text: str) -> None:
    never_raises_anything_else(text)


@given(st.lists(PIECES, max_size=40), st.booleans())
def test_no_lesson_breaks_the_reader(pieces: list[str], front: bool) -> None:
    head = GOOD[:STEP] if front else ""
    never_raises_anything_else(head + "".join(pieces))


@given(st.data())
def test_no_cut_breaks_the_reader(data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(GOOD)))
    end = data.draw(st.integers(begin, len(GOOD)))
    inserted = data.draw(st.text(max_size=5))
    never_raises_anything_else(GOOD[:begin] + inserted + GOOD[end:])


def test_deep_nesting_is_no_matter() -> None:
    never_raises_anything_else(GOOD + "\n" + "> " * 3000 + "x\n" + "- " * 3000 + "x\n")
    never_raises_anything_else(GOOD + "[" * 5000 + "*" * 5000)


def test_server_lines_are_as_written() -> None:
    (show,) = read(GOOD).steps[1].blocks(BlockKind.SHOW)
    line = show.dialogue.steps[1]
    assert isinstance(line, ServerLine)
    assert line.payload == "+OK {n} {size:int}"
