"""A demo as the room sees it: its keys one by one, and what the wall never shows."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from poptalk.lesson.document.model import SpeakerNote
from poptalk.lesson.document.parser import load_lesson
from poptalk.net.endpoint import UsageError
from poptalk.play.dialogue import lesson_of
from poptalk.play.notes import NotesFile, read_notes, render_notes
from poptalk.play.script import caption
from poptalk.terminal.render import plain_text
from poptalk.terminal.theme import PROJECTOR
from tests.play.showing import F1, F2, F3, F4, F5, PAGE_UP, TAB, showing
from tests.play.test_lessons import CHANGING, LOOKING
from tests.shell.shells import CTRL_C, CTRL_D, ENTER

TRANSCRIPTS = Path(__file__).parent.parent / "transcripts"
ARTICLE = TRANSCRIPTS / "article.pop3"
APOP = TRANSCRIPTS / "rfc1939-section-10.pop3"

CYAN_AND_MAGENTA = re.compile(r"\x1b\[[0-9;]*(?<![0-9])[349][56](?![0-9])[0-9;]*m")


async def test_any_key_types_and_the_password_is_masked() -> None:
    async with showing(LOOKING, columns=60, rows=18) as demo:
        await demo.press(ENTER, *"whatever")
        assert demo.line == "USER bob"
        await demo.press("x", "y")
        assert demo.line == "USER bob", "at the end of the line, keys do nothing"
        await demo.press(ENTER, *"something", "x")
        await demo.see("PASS *****")
        await demo.press(F4)
        await demo.see("PASS jones")
        await demo.press(ENTER)
        await demo.see("C: PASS jones")
        await demo.press(F3)
        await demo.see("C: PASS ****\\r\\n")
        await demo.see("(7189 octets)\\r\\n")


async def test_what_is_sent_in_the_clear_can_be_shown_afterwards() -> None:
    async with showing(LOOKING) as demo:
        await demo.press(*[ENTER] * 21)
        assert demo.sent[-1] == b"PASS jones"
        assert "PASS jones" not in demo.words
        await demo.press(F4)
        await demo.see("C: PASS jones")


async def test_a_mistake_is_typed_sent_and_commented_on() -> None:
    async with showing(LOOKING, start="only-one") as demo:
        await demo.press(ENTER, F2)
        assert (demo.line, demo.sent[-1]) == ("LIST 1", b"LIST")
        await demo.press(ENTER)
        await demo.says("not yet: That is the size of message 1.")
        await demo.press(*"abcdefgh")
        assert demo.line == "LIST 3", "the right line comes next"
        await demo.press(F2, F2)
        assert demo.line == "", "a second F2 takes the mistake back"
        await demo.hold(ENTER, lambda: demo.controller.finished)


async def test_where_no_mistake_is_listed_only_the_bottom_line_says_so() -> None:
    async with showing(CHANGING) as demo:
        await demo.press(F2)
        assert demo.line == ""
        await demo.press(*[ENTER] * 21, F2)
        await demo.see("no mistake is listed here")
        await demo.press("x")
        await demo.until(lambda: "no mistake is listed here" not in demo.text)


async def test_the_answers_to_a_question_open_one_by_one_the_right_one_last() -> None:
    async with showing(LOOKING, start="letter-by-letter", rows=40) as demo:
        await demo.press(ENTER)
        assert "no: " not in demo.words
        await demo.press(ENTER, ENTER)
        await demo.see("> a")
        assert demo.words.count("no: ") == 1
        await demo.press("x", ENTER)
        assert demo.words.count("no: ") == 2
        assert "yes: " not in demo.words
        await demo.press("x", ENTER)
        assert "yes: The status line, six messages" in demo.words


async def test_page_up_begins_the_step_again_and_then_goes_back() -> None:
    async with showing(CHANGING, rows=40) as demo:
        # Beyond the DELE of the second step.
        await demo.press(ENTER)
        while demo.sent[-1:] != [b"DELE 5"]:
            await demo.press(ENTER)
        place = demo.controller.tutor.cursor
        assert place.step == 1
        await demo.press(PAGE_UP)
        await demo.says("sent again for you: USER, PASS.")
        await demo.until(lambda: not demo.shell.session.core.marked)
        assert demo.controller.tutor.cursor < place
        assert demo.controller.tutor.cursor.step == 1
        await demo.press(PAGE_UP)
        assert demo.controller.tutor.cursor.step == 0
        await demo.hold(ENTER, lambda: demo.controller.finished)


async def test_a_blank_screen_comes_back_with_what_has_happened_since() -> None:
    async with showing(LOOKING, columns=60, rows=18) as demo:
        await demo.press(ENTER, *"abcdefgh")
        before = len(demo.terminal.raw)
        await demo.press(F5)
        blank = len(demo.terminal.raw)
        demo.shell.view.remark("said behind the curtain")
        await demo.drawn()
        assert "\x1b[?1049h" in demo.terminal.raw[before:blank]
        assert len(demo.terminal.raw) == blank
        await demo.press(ENTER)
        await demo.see("said behind the curtain")
        assert demo.line == "USER bob"
        assert demo.sent == [], "the key has only brought the screen back"


async def test_with_ones_own_hands_the_keys_are_those_of_the_shell() -> None:
    async with showing(LOOKING, start="how-many-how-much") as demo:
        await demo.press(ENTER, TAB, *"STAx\x7fT")
        assert demo.line == "STAT"
        await demo.see("your own hands")
        await demo.press(TAB)
        assert demo.line == ""
        assert demo.sent == [b"USER bob", b"PASS jones"]


@pytest.mark.parametrize("keys", [(CTRL_C,), (CTRL_D,), (ENTER, CTRL_C), (ENTER, CTRL_D)])
async def test_it_can_be_left_at_any_time(keys: tuple[str, ...]) -> None:
    async with showing(LOOKING) as demo:
        await demo.press(*keys[:-1])
        demo.send(keys[-1])
        await demo.left()


async def test_q_leaves_at_the_end_alone() -> None:
    async with showing(LOOKING) as demo:
        await demo.press("q", "q", ENTER, "q")
        assert demo.line == "U"
        await demo.hold(ENTER, lambda: demo.controller.finished)
        demo.send("q")
        await demo.left()


async def test_bare_is_the_dialogue_alone() -> None:
    async with showing(LOOKING, bare=True, rows=40) as demo:
        await demo.hold(ENTER, lambda: demo.controller.finished)
        assert "Step" not in demo.words
        assert "How many lines" not in demo.words
        assert demo.sent[-1] == b"LIST 6"


@pytest.mark.parametrize("path", [LOOKING, CHANGING], ids=lambda path: path.stem)
async def test_the_projector_has_neither_cyan_nor_magenta(path: Path) -> None:
    async with showing(path, theme=PROJECTOR) as demo:
        await demo.press(F1)
        await demo.hold(ENTER, lambda: demo.controller.finished)
        await demo.press(F3)
        assert CYAN_AND_MAGENTA.search("\x1b[0;36mx")
        assert not CYAN_AND_MAGENTA.search(demo.terminal.raw)


async def test_a_lone_prompt_stands_where_the_free_rows_begin() -> None:
    async with showing(LOOKING, columns=60, rows=18, free_rows=5) as demo:
        await demo.hold(ENTER, lambda: demo.controller.finished)
        await demo.drawn()
        await demo.until(lambda: "demo" in demo.terminal.lines()[12])
        assert not any(demo.terminal.lines()[13:])


# Dialogues.


async def test_a_dialogue_is_a_script() -> None:
    async with showing(ARTICLE, rows=40) as demo:
        await demo.press(ENTER, *[ENTER] * 40)
        assert demo.sent[:3] == [b"USER bob", b"PASS jones", b"LIST"]
        await demo.press(PAGE_UP)
        await demo.says("sent again for you: USER")
        await demo.hold(ENTER, lambda: demo.controller.finished)
        assert demo.sent[-5:] == [b"LIST", b"RETR 2", b"TOP 3 10", b"DELE 3", b"QUIT"]
        assert "Step" not in demo.words


async def test_a_digest_fits_the_greeting_that_it_was_made_of() -> None:
    async with showing(APOP, rows=40) as demo:
        await demo.hold(ENTER, lambda: demo.controller.finished)
        assert "+OK maildrop locked and ready" in demo.words or "+OK mrose's maildrop" in demo.words
        assert demo.sent[-1] == b"QUIT"


def test_a_dialogue_that_nothing_can_work_out_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.pop3"
    file.write_text("C: RETR {which}\nS: +OK\n", encoding="ascii")
    with pytest.raises(UsageError, match=r"x\.pop3:1: play cannot work out \{which\}"):
        lesson_of(str(file))


# Notes.


async def test_the_notes_say_what_comes_next_and_the_wall_never_shows_them(tmp_path: Path) -> None:
    file = tmp_path / "notes"
    async with showing(LOOKING, notes=file) as demo:
        await demo.press(ENTER, *[ENTER] * 9)
        page = read_notes(file)
        assert page is not None
        assert (page.place, page.following) == ("step 1 of 6: Log in", "PASS *****")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        await demo.press(*[ENTER] * 12)
        await demo.until(lambda: demo.controller.tutor.cursor.step == 1)
        assert demo.controller.line is not None
        await demo.press(*[ENTER] * 6, TAB)
        page = read_notes(file)
        assert page is not None
        assert page.hands.startswith("your own hands")
        assert [list(file.parent.iterdir())] == [[file]]
        await demo.press(TAB)
        await demo.hold(ENTER, lambda: demo.controller.finished)
        page = read_notes(file)
        assert page is not None
        assert page.following == "(the end)"
        notes = [
            item.text for item in load_lesson(LOOKING).items() if isinstance(item, SpeakerNote)
        ]
        assert notes
        assert not any(" ".join(note.split()) in demo.words for note in notes)
        assert "jones" not in file.read_text(encoding="utf-8")


def test_notes_are_shown_with_a_clock(tmp_path: Path) -> None:
    file = tmp_path / "notes"
    assert read_notes(file) is None
    NotesFile(file)
    assert read_notes(file) is None
    file.write_text(
        '{"poptalk-notes": {"started": 1000, "place": "step 1 of 2: X\\u001b", "following": "STAT",'
        ' "notes": ["Ask *the room*."], "text": ["What is `STAT`?"]}}'
    )
    rows = render_notes(read_notes(file), now=1125, columns=40, path=file)
    text = [plain_text(row) for row in rows]
    assert text[0].startswith("2:05 ")
    assert "\x1b" not in "".join(text)
    assert text[1:] == ["next: STAT", "", "note: Ask the room.", "", "What is STAT?"]


@pytest.mark.parametrize("text", ["a letter", '{"other": 1}', "[]", '"poptalk-notes"'])
def test_no_other_file_is_written_over(tmp_path: Path, text: str) -> None:
    file = tmp_path / "notes"
    file.write_text(text, encoding="ascii")
    with pytest.raises(UsageError, match="holds something else"):
        NotesFile(file)
    assert file.read_text(encoding="ascii") == text


# Captions.


@pytest.mark.parametrize(
    ("prose", "left"),
    [
        ("Long ago.\n\nNow type:\n\n    STAT", "Now type:\n\n    STAT"),
        ("Look:\n\n```text\na\n\nb\n```\n\nWhich one?", "```text\na\n\nb\n```\n\nWhich one?"),
        ("One.\n\n- two\n- three", "One."),
        ("> quoted\n\nAsk.", "Ask."),
        ("", ""),
    ],
)
def test_a_caption_is_what_has_to_be_read(prose: str, left: str) -> None:
    assert caption(prose) == left
