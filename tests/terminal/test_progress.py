"""How far long work has come: a row that is rewritten, or a line now and then."""

from __future__ import annotations

import io

from poptalk.terminal.screen import PROGRESS_AFTER_SECONDS, PROGRESS_LINE_SECONDS, ProgressLine


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_short_work_says_nothing() -> None:
    stream, clock = Tty(), Clock()
    progress = ProgressLine(clock=clock, stream=stream)
    progress.tell("message 1 of 2")
    progress.clear()
    assert stream.getvalue() == ""


def test_on_a_terminal_a_row_is_rewritten_and_taken_away() -> None:
    stream, clock = Tty(), Clock()
    progress = ProgressLine(clock=clock, stream=stream)
    clock.now += PROGRESS_AFTER_SECONDS
    progress.tell("message 1 of 2")
    clock.now += PROGRESS_AFTER_SECONDS
    progress.tell("message 2 of 2 \x1b[2J" + "x" * 200)
    progress.clear()
    progress.clear()
    first, second, last = stream.getvalue().split("\r\x1b[K")[1:]
    assert first == "message 1 of 2"
    assert second.startswith(r"message 2 of 2 \x1b[2J")
    assert len(second) == 79
    assert last == ""


def test_elsewhere_it_is_a_line_now_and_then() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = ProgressLine(clock=clock, stream=stream)
    for second in range(25):
        clock.now += 1
        progress.tell(f"message {second}")
    progress.clear()
    assert stream.getvalue() == ("poptalk: message 9\npoptalk: message 19\n")
    assert PROGRESS_LINE_SECONDS == 10
