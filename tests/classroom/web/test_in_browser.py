"""The pages in a real browser, by keyboard alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.classroom.web.browsers import NARROW, WIDE, Person, chromium
from tests.classroom.web.pages import PASSWORD, running

MARKUP = "<img/src=x/onerror=alert(1)>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Run one browser for the module; each test has its own people in it."""
    with chromium() as running_browser:
        yield running_browser


def test_a_pupil_does_lesson_1_with_mistakes_goes_away_and_comes_back(browser: Any) -> None:
    with running("1") as site:
        ada = Person(browser, f"http://127.0.0.1:{site.port}")
        ada.join("Ada", "000")
        ada.sees("That isn't the code.")
        assert not ada.barriers()
        ada.page.fill("#code", "")
        ada.press("Shift+Tab", "Tab")
        ada.type(site.pupils.code)
        ada.sees("Step 1 of 6", "a) you do, as at a shop counter")
        assert ada.focus() == "line"
        ada.enter("a", "not yet:")
        # The choices are buttons as well.
        ada.press("Shift+Tab", "Shift+Tab", "Shift+Tab")
        assert ada.focus().startswith("b) ")
        ada.press("Enter")
        ada.sees("done: You ring, and it says hello.")
        assert ada.focus() == "line"
        ada.enter("", "S: +OK", "Enter goes on")
        ada.enter("", "Step 2 of 6")
        ada.enter("HELO", "not yet: That's how you say hello in SMTP")
        ada.enter(":hint", "hint:")
        ada.enter("HELLO", "S: -ERR", "done: HELLO")
        assert not ada.barriers()
        # The tab is closed, and the next one goes on.
        ada.page.close()
        ada.open()
        ada.sees("not yet: That's how you say hello in SMTP")
        assert ada.focus() == "line"
        ada.press("ArrowUp", "ArrowUp")
        assert ada.page.input_value("#line") == ":hint"
        ada.press("ArrowDown", "ArrowDown")
        assert ada.page.input_value("#line") == ""
        ada.enter("", "Step 3 of 6")
        ada.enter("b", "done:")
        ada.enter("STAT", "done: STAT")
        ada.enter("", "Step 4 of 6")
        ada.enter("a", "done: It sounds gloomy")
        ada.enter("", "Step 5 of 6")
        ada.enter("BYE", "not yet: That works in other programs.")
        ada.enter("QUIT", "done: QUIT")
        ada.enter("", "Step 6 of 6")
        ada.enter("")
        ada.enter("HELP", "done: HELP")
        ada.enter("QUIT", "The lesson is over. Well done!")
        assert ada.wrong == [
            "Failed to load resource: the server responded with a status of 403 (Forbidden)"
        ]
        assert all(each.startswith(ada.url) for each in ada.asked_for)


def test_two_pupils_do_lesson_3_and_the_board_changes(browser: Any) -> None:
    with running("3") as site:
        url = f"http://127.0.0.1:{site.port}"
        ada, grace = Person(browser, url), Person(browser, url)
        teacher = Person(browser, url)
        teacher.page.close()
        teacher.open(f"/board#{site.board_key}")
        teacher.sees("Nobody is here yet.")
        for person, name in ((ada, "Ada"), (grace, MARKUP)):
            person.join(name, site.pupils.code)
            person.enter(f"USER {name}", "done: USER (1 of 2)")
        teacher.sees("2 pupils, 2 connected", "pupil 1", "pupil 2")
        ada.enter("PASS wrong", "not yet: Refused")
        teacher.sees("PASS ****", "not yet: Refused")
        ada.enter("USER Ada", "Ada@practice")
        ada.page.keyboard.type(f"PASS {PASSWORD}")
        ada.sees(f"PASS {'•' * len(PASSWORD)}")
        assert not ada.barriers()
        ada.press("Enter")
        for person in (ada, grace):
            if person is grace:
                person.enter(f"PASS {PASSWORD}")
            person.sees("done: PASS (2 of 2)")
            person.enter("", "Step 2 of 6")
            person.enter("STATT", "POP3 shortens it: STAT")
            person.enter("STAT", "S: +OK 6 7189", "done: STAT")
            person.enter("", "Step 3 of 6")
        ada.enter("c", "done:")
        ada.enter("LIST 9", "not yet:")
        ada.enter("LIST", "done: LIST")
        ada.enter("", "Step 4 of 6")
        ada.enter("LIST 3", "done: LIST")
        ada.enter("b", "done:")
        ada.enter("", "Step 5 of 6")
        ada.enter("LIST 7", "done: LIST")
        ada.enter("", "Step 6 of 6")
        ada.enter("LIST 1", "not yet: That is message 1")
        ada.enter("LIST 6", "done: LIST", "The lesson is over. Well done!")
        teacher.sees("1 finished", "STATT")
        assert "Ada" not in teacher.page.inner_text("body")
        assert PASSWORD not in ada.page.inner_text("body").replace(f"with {PASSWORD}", "")
        assert not teacher.barriers()
        teacher.press("n")
        teacher.sees("Ada", MARKUP)
        teacher.page.set_viewport_size(NARROW)
        assert not teacher.overflows()
        assert [*ada.wrong, *grace.wrong, *teacher.wrong] == []


def test_lines_are_text_and_fit_the_narrowest_window(browser: Any) -> None:
    with running("3") as site:
        eve = Person(browser, f"http://127.0.0.1:{site.port}")
        eve.join(MARKUP, site.pupils.code)
        eve.sees("Step 1 of 6", MARKUP)
        eve.page.fill("#line", f"{MARKUP} \x1b]0;title\x07")
        eve.press("Enter")
        eve.sees(f"C: {MARKUP} \\x1b]0;title\\x07")
        eve.page.fill("#line", "<b>" * 3_400)
        eve.press("Enter")
        eve.sees("C: <b><b>")
        assert eve.page.locator("#lesson img, #lesson b").count() == 0
        for size in (NARROW, WIDE):
            eve.page.set_viewport_size(size)
            assert not eve.overflows()
            assert not eve.barriers()
        assert not eve.wrong
