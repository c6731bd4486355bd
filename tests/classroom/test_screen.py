"""The board on a terminal, as a teacher has it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.classroom.rooms import PASSWORD, Caller
from tests.servers.terminal import Pty
from tests.shell.black_box import environment, poptalk


@contextmanager
def a_board(
    *arguments: str, columns: int = 80, rows: int = 24, **env: str
) -> Iterator[tuple[Pty, int]]:
    """Give a terminal with the board of lesson 3, and the port."""
    words = poptalk("class", "3", f"--any-name={PASSWORD}", *arguments)
    with Pty(words, columns=columns, rows=rows, env=environment(**env)) as pty:
        pty.wait_for("Nobody yet.")
        found = re.search(r"127\.0\.0\.1 (\d+)", pty.text)
        assert found is not None
        yield pty, int(found[1])


def leaves(pty: Pty) -> None:
    """Leave, and find the terminal as it was."""
    pty.send("q")
    assert pty.wait_exit() == 0
    assert pty.attributes() == pty.attributes_before


def test_a_mistake_is_on_the_board_within_a_second() -> None:
    with a_board() as (pty, port):
        with Caller(port) as ada:
            ada.log_in("ada").type("STTA")
            began = time.monotonic()
            pty.wait_for("STTA")
            assert time.monotonic() - began < 1
            pty.wait_for("not yet:")
            assert PASSWORD not in pty.text
            # While somebody is connected, it is asked.
            pty.send("q")
            pty.wait_for("1 connected. Leave anyway? y or n")
            pty.send("n")
            pty.wait_for("q leave")
        pty.wait_for("away")
        leaves(pty)
        pty.wait_for("The class is over: 1 came, 0 finished the lesson.")


def test_the_keys() -> None:
    with a_board(columns=60, rows=18) as (pty, port), Caller(port) as ada:
        ada.log_in("ada").type("STTA")
        pty.wait_for("STTA")
        pty.send("\r")
        pty.wait_for("C: PASS ****")
        pty.wait_for("S: -ERR")
        # What comes meanwhile is shown.
        ada.type("STAT")
        pty.wait_for("C: STAT")
        pty.send("x")
        pty.wait_for("> ada")
        pty.send("n")
        pty.wait_until(lambda: "ada" not in pty.text and "pupil 1" in pty.text)
        pty.send("j")
        pty.wait_for("On the blackboard:")
        pty.send("\x1b")
        pty.wait_for("past step")
        pty.send("q")
        pty.wait_for("Leave anyway?")
        pty.send("y")
        assert pty.wait_exit() == 0
        assert pty.attributes() == pty.attributes_before


def test_a_pupil_who_gets_a_name_while_looked_at_leads_back_to_the_board() -> None:
    with a_board(columns=60, rows=18) as (pty, port), Caller(port) as ada:
        ada.type("NOOP")
        pty.wait_for("NOOP")
        pty.send("\r")
        pty.wait_for("C: NOOP")
        ada.log_in("ada")
        pty.wait_for("q leave")
        pty.send("n")
        pty.wait_for("pupil 1")
        pty.send("qy")
        assert pty.wait_exit() == 0


def test_without_colours_and_blocks_it_says_the_same_and_sigterm_ends_it() -> None:
    with a_board(NO_COLOR="1", LC_ALL="C") as (pty, port), Caller(port) as ada:
        ada.log_in("ada").type("STAT")
        pty.wait_for("##>")
        assert pty.text.isascii()
        assert not re.search(rb"\x1b\[[0-9;]*3[0-7]m", pty.raw)
        pty.process.terminate()
        assert pty.wait_exit() == 0
        assert pty.attributes() == pty.attributes_before


def test_lines_stand_for_a_board_where_it_cannot_be_drawn() -> None:
    words = poptalk("class", "3", f"--any-name={PASSWORD}")
    with Pty(words, columns=100, rows=60, env=environment(TERM="dumb")) as pty:
        pty.wait_for("The class is ready: Looking. Ctrl-C ends it.")
        pty.wait_for("lets others in.")
        found = re.search(r"telnet 127\.0\.0\.1 (\d+)", pty.text)
        assert found is not None
        with Caller(int(found[1])) as ada:
            ada.log_in("ada").type("STTA")
            pty.wait_for("ada  has joined")
            pty.wait_for("ada  has done 1 of 6 steps; next: 2 How many, how much")
            pty.wait_for("ada  STTA: not yet:")
            with Caller(int(found[1]), "USER ada"):
                pty.wait_for("ada  the same name is at 127.0.0.1 as well")
        pty.send("\x03")
        assert pty.wait_exit() == 0
        pty.wait_for("The class is over: 1 came")
        assert b"\x1b" not in pty.raw
