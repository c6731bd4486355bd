"""Each code: the good lesson with one thing wrong, and the one finding that comes of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from poptalk.lesson.document.model import CODES, LessonFault
from poptalk.lesson.verify import check
from poptalk.lesson.verify.mutations import CheckedLesson
from tests.lesson.verify.lessons import GOOD, faults_of, line_of, with_change

LONG = "and so on and on " * 30
WIDE = "x" * 71

BROKEN = {
    "syntax": ("PT010", "```pop3 proof\n", "```pop3 prove\n", "```pop3 prove", "proof"),
    "answer": (
        "PT020",
        "C: RETR 2\nS: +OK\nS: ...\nS: .\n",
        "C: RETR 2\nS: -ERR\n",
        "C: RETR 2",
        "the answer doesn't pass",
    ),
    "anything passes": (
        "PT021",
        "C: STAT\nor LIST\n",
        "C: {word=STAT}\n",
        "C: {word=STAT}",
        "'NOOP' passes for '{word=STAT}'",
    ),
    "or": ("PT022", "or LIST\n", "or XLST\n", "C: STAT", "'XLST' should be accepted as well"),
    "mistake is the answer": (
        "PT023",
        "C: LIST {n:int}\nS: +OK\n```\nThat is letter {n} alone.",
        "C: STAT\nS: +OK\n```\nWell,",
        "```pop3 mistake\nC: STAT",
        "'STAT' is the answer itself",
    ),
    "mistake in the shadow of another": (
        "PT023",
        "C: RETR {n:int}\nS: -ERR\n```\nThere is no letter {n}.",
        "C: RETR 3\nS: +OK\n```\nIt is too short.",
        "```pop3 mistake\nC: RETR 3",
        "which comes first",
    ),
    "mistake with a reply that never comes": (
        "PT023",
        "C: LIST {n:int}\nS: +OK\n```\nThat is letter {n} alone.",
        "C: LIST {n:int}\nS: -ERR [SYS/TEMP]\n```\nWell,",
        "```pop3 mistake\nC: LIST {n:int}",
        "'LIST 1' gets: ",
    ),
    "two right choices": (
        "PT024",
        "- [ ] two --",
        "- [x] two --",
        "- [x] two --",
        "this question has 2 right choices",
    ),
    "no right choice": ("PT024", "- [x] three", "- [ ] three", "- [ ] two", "no right choice"),
    "keyword": ("PT025", "one with `RETR`.", "one.", "C: RETR 2", "nobody can know 'RETR' here"),
    "argument": ("PT025", "jones", "given", "C: PASS {password}\nS: +OK\n```\n\n> [", "'jones'"),
    "proof": ("PT027", "S: +OK 2 {octets", "S: +OK 3 {octets", "S: +OK 3 {octets", "+OK 2 "),
    "name": ("PT028", "is letter {n} alone", "is letter {m} alone", "That is", "it captures {n}"),
    "mailbox": ("PT029", "mailbox: three", "mailbox: nowhere", "mailbox:", '"nowhere"'),
    "persona": ("PT029", "persona: plain", "persona: plian", "persona:", '"plian"'),
    "fault": (
        "PT029",
        "minutes: 5",
        "minutes: 5\nfault: sluw:2s",
        "fault:",
        'Fault "sluw:2s": there is no fault "sluw"; did you mean "slow"?',
    ),
    "hint": ("PT030", "> [!TIP]\n> Two commands.\n", "", "```pop3\nC: DELE 3", "no hint"),
    "long prose": ("PT031", "Three letters are", f"{LONG} Three letters are", "## Look", "9 lines"),
    "long comment": (
        "PT032",
        "That is letter {n} alone.",
        f"{LONG} That is letter {{n}} alone.",
        LONG,
        "characters",
    ),
    "lesson before": (
        "PT033",
        "minutes: 5",
        "minutes: 5\nafter: 99-nowhere",
        "after:",
        "no lesson '99-nowhere', neither beside this one",
    ),
    "session from outside": (
        "PT035",
        "```pop3\nC: DELE 3",
        "```pop3 outside\nC: DELE 3",
        "```pop3 outside",
        "begin the block with 'C: <open connection>'",
    ),
    "order that matters": (
        "PT036",
        "```pop3\nC: DELE 3",
        "```pop3 any-order\nC: DELE 3",
        "```pop3 any-order",
        "the order matters",
    ),
    "lesson for one's own mailbox": (
        "PT037",
        "minutes: 5",
        "minutes: 5\nown-mailbox: nowhere",
        "own-mailbox:",
        "own/nowhere.md cannot be read",
    ),
    "show": (
        "PT034",
        "Three letters are there.",
        "```pop3 show\nC: STAT\nS: +OK 7 {octets:int}\n```\n\nThree letters are there.",
        "C: STAT\nS: +OK 7",
        "it says '+OK 3 ",
    ),
    "wide block": ("PT040", "C: DELE 3", f"# {WIDE}\nC: DELE 3", f"# {WIDE}", "72 columns"),
    "wide table": (
        "PT040",
        "It is gone.\n",
        f"| a | b |\n|---|---|\n| {WIDE} | b |\n",
        f"| {WIDE}",
        "72 columns",
    ),
    "long wait": (
        "PT041",
        "C: DELE 3",
        "C: <wait 3600 s>\nC: DELE 3",
        "C: <wait",
        "longer than 5 seconds",
    ),
    "slow fault": (
        "PT041",
        "minutes: 5",
        "minutes: 5\nfault: bob=slow:3600s",
        "fault:",
        "bob=slow:3600s takes",
    ),
    "todo": ("PT060", "It is gone.", "TODO: say more.", "TODO", "still to be written"),
}


def test_a_good_lesson_has_no_findings(tmp_path: Path) -> None:
    assert [str(fault) for fault in faults_of(GOOD, tmp_path)] == []


@pytest.mark.parametrize("case", BROKEN.values(), ids=list(BROKEN))
def test_one_thing_wrong_is_one_finding(
    case: tuple[str, str, str, str, str], tmp_path: Path
) -> None:
    code, old, new, place, said = case
    text = with_change(old, new)
    found = faults_of(text, tmp_path)
    assert [fault.code for fault in found] == [code], "\n".join(map(str, found))
    assert found[0].line_number == line_of(text, place), str(found[0])
    assert said in str(found[0])
    assert str(found[0]).startswith(f"{tmp_path / 'lesson.md'}:{found[0].line_number}: {code} ")


def test_only_line_ends_part_lines(tmp_path: Path) -> None:
    # Editors count a form feed and U+2028 as characters of a line.
    text = with_change("It is gone.", "It is gone.\u2028Really.\x0cSo there.\nTODO: say more.")
    [fault] = faults_of(text, tmp_path)
    assert (fault.code, fault.line_number) == ("PT060", line_of(text, "TODO"))


AFTERWARDS = """
```pop3 proof
C: USER {user}
S: +OK
C: PASS {password}
S: +OK
C: DELE 1
S: +OK
C: QUIT
S: +OK
```

## What is left

```pop3 setup
C: <open connection>
C: USER {user}
S: +OK
C: PASS {password}
S: +OK
```

`STAT` once more.

```pop3
C: STAT
S: +OK 1 {left:int}
```

> [!TIP]
> One word.
"""


def test_a_step_that_cannot_be_resumed(tmp_path: Path) -> None:
    # What a second connection does is not done again for somebody who comes back.
    text = GOOD + AFTERWARDS
    [fault] = faults_of(text, tmp_path)
    assert (fault.code, fault.line_number) == ("PT026", line_of(text, "C: STAT\nS: +OK 1"))


COUNTING = """\
---
title: Nothing yet
summary: An empty mailbox.
minutes: 1
mailbox: none
---
# Nothing yet

## Count

Log in as `bob` with `USER` and `PASS jones`.

```pop3
C: USER {user}
S: +OK
C: PASS {password}
S: +OK
```

> [!TIP]
> Two lines.
"""


def test_a_mailbox_without_a_message(tmp_path: Path) -> None:
    mailbox = tmp_path / "mailboxes" / "none"
    mailbox.mkdir(parents=True)
    (mailbox / "letter.txt").write_text("Subject: x", encoding="ascii")
    (fault,) = faults_of(COUNTING, tmp_path)
    assert (fault.code, fault.line_number) == ("PT038", 5)
    (mailbox / "letter.txt").rename(mailbox / "letter.eml")
    assert faults_of(COUNTING, tmp_path) == []


def test_a_check_that_breaks_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def check_nothing(subject: CheckedLesson) -> Iterator[LessonFault]:
        yield subject.fault("todo", 1)
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(check, "CHECKS", (check_nothing, *check.CHECKS))
    first, second = faults_of(GOOD, tmp_path)
    assert (first.code, second.code) == ("PT060", "PT099")
    assert "check_nothing broke down with ZeroDivisionError: by zero" in str(second)


def test_every_code_of_the_proof_is_tested() -> None:
    tested = {code for code, *_ in BROKEN.values()} | {"PT026", "PT038", "PT099"}
    assert {code for code in CODES if code >= "PT020"} <= tested
