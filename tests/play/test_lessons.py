"""Every shipped lesson as a demo: played to its end with one key, and nothing but the lesson is sent."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from poptalk.lesson.document.model import Block, BlockKind, Lesson
from poptalk.lesson.document.parser import load_lesson
from poptalk.lesson.library import lesson_files
from poptalk.lesson.server import ASIDE, PracticeLessonServer
from poptalk.play.pace import Pace
from poptalk.practice.observers import Observer, Peer
from poptalk.transcript.match import match_line
from poptalk.transcript.model import ClientLine, Send
from tests.play.showing import F1, F2, F3, F4, F5, PAGE_DOWN, TAB, Showing, showing
from tests.shell.shells import ENTER

LESSONS = lesson_files()
LOOKING = next(path for path in LESSONS if path.stem == "03-looking")
CHANGING = next(path for path in LESSONS if path.stem == "05-changing-your-mind")

MOST_COLUMNS = 60
FREE_ROWS = 3

TYPED = "abcXYZ019 .:/\\\x7f\x01\x0e\x14\x19"
ARROWS = ("\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[H", "\x1b[F", "\x1b[3~", "\x1b[24~")
FUNCTION_KEYS = (
    F1,
    F2,
    F3,
    F4,
    F5,
    PAGE_DOWN,
    "\x1bx",
    "\x1b",
    "\x0b",
    "\x05",
    "\x12",
    "\x10",
    "\x02",
)


class _Listener(Observer):
    """Keeps what the lesson's own connections sent."""

    def __init__(self, octets: bytearray) -> None:
        self._octets = octets

    def received(self, octets: bytes) -> None:
        self._octets += octets


def listening_server(lesson: Lesson, octets: bytearray) -> PracticeLessonServer:
    """Return a lesson's practice server, which gathers the octets of all connections but the proofs."""

    def listen(peer: Peer) -> Observer:
        return Observer() if peer.number == ASIDE else _Listener(octets)

    return PracticeLessonServer(lesson, observers=[listen])


def lines_of(lesson: Lesson) -> Iterator[ClientLine]:
    """Give the lines of a lesson that are sent on its own connections, in order."""
    for block in lesson.blocks(BlockKind.TASK, BlockKind.SHOW, BlockKind.SETUP):
        assert isinstance(block, Block)
        for turn in block.turns:
            if isinstance(turn.act, Send):
                yield turn.act.step


def is_as_written(lesson: Lesson, octets: bytearray) -> bool:
    """Tell whether octets are the lines of a lesson, each with CRLF, and nothing else."""
    *sent, rest = bytes(octets).split(b"\r\n")
    written: Sequence[ClientLine] = list(lines_of(lesson))
    known = lesson.known.bindings()
    # What was captured, or depends on the server's words, may be anything that fits the line.
    return (
        not rest
        and len(sent) == len(written)
        and all(
            match_line(step, line, known) is not None
            for step, line in zip(written, sent, strict=True)
        )
    )


def strays(showing: Showing) -> list[str]:
    """Return what stands to the right of the columns of a demo, or in the rows that are free."""
    screen = showing.terminal.screen
    beside = range(MOST_COLUMNS, screen.columns)
    places = [(row, column) for row in range(screen.lines - FREE_ROWS) for column in beside]
    for row in range(screen.lines - FREE_ROWS, screen.lines):
        places += [(row, column) for column in screen.buffer[row]]
    found = (
        screen.buffer[row][column].data for row, column in places if column in screen.buffer[row]
    )
    return [text for text in found if text.strip()]


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
async def test_a_lesson_plays_to_its_end_with_one_key_held_down(path: Path) -> None:
    lesson, octets = load_lesson(path), bytearray()
    with listening_server(lesson, octets) as server:
        async with showing(path, rows=18, free_rows=FREE_ROWS, server=server) as demo:
            strayed: list[str] = []
            seen = demo.terminal.write

            def write(text: str, /) -> int:
                written = seen(text)
                strayed.extend(strays(demo))
                return written

            demo.terminal.write = write  # type: ignore[method-assign]
            await demo.hold(ENTER, lambda: demo.controller.finished)
            await demo.drawn()
            assert strayed == []
            assert max(map(len, demo.terminal.history())) <= MOST_COLUMNS
            assert is_as_written(lesson, octets), bytes(octets)


@pytest.mark.parametrize("seed", range(4))
async def test_no_key_but_enter_sends(seed: int) -> None:
    chance = random.Random(seed)
    keys = [*TYPED, *ARROWS, *FUNCTION_KEYS, "\x1b[200~STAT\r\n\x1b[201~"]
    async with showing(LOOKING) as demo:
        # The title, a login, a command, a question: wherever the script stands.
        await demo.press(*[ENTER] * (chance.choice((1, 4, 15, 40))))
        sent, place = list(demo.sent), demo.controller.tutor.cursor
        demo.send("".join(chance.choices(keys, k=200)))
        demo.send("x")
        await demo.until(lambda: not demo.demo.stage.is_blank)
        await demo.drawn()
        assert demo.sent == sent
        assert demo.controller.tutor.cursor == place
        await demo.hold(ENTER, lambda: demo.controller.finished)


async def test_a_click_types_a_line_and_the_next_one_sends_it() -> None:
    async with showing(LOOKING, pace=Pace.CLICKER) as demo:
        await demo.press(PAGE_DOWN)
        await demo.see("1/6 AUTHORIZATION")
        await demo.press(PAGE_DOWN)
        assert (demo.line, demo.sent) == ("USER bob", [])
        await demo.press(PAGE_DOWN)
        assert (demo.line, demo.sent) == ("", [b"USER bob"])
        await demo.press(".")
        assert demo.demo.stage.is_blank
        await demo.press(PAGE_DOWN)
        assert not demo.demo.stage.is_blank
        assert demo.line == "", "the click has only brought the screen back"
        await demo.hold(PAGE_DOWN, lambda: demo.controller.finished)


async def test_it_plays_by_itself_and_begins_again() -> None:
    async with showing(LOOKING, pace=Pace.AUTO, loop=True) as demo:
        written = len(list(lines_of(load_lesson(LOOKING))))
        await demo.until(lambda: len(demo.sent) > written)
        assert demo.sent[written:] == demo.sent[:1]


BACK = "Back where you were"
LEAVES = ("NOOP", "DELE 1", "QUIT")


@pytest.mark.parametrize(
    ("path", "keys", "own", "said"),
    [
        (LOOKING, 4, LEAVES, ""),
        (LOOKING, 4, ("NOOP", "STAT", "HELLO"), ""),
        (LOOKING, 40, LEAVES, BACK),
        (LOOKING, 40, ("NOOP", "STAT", "UIDL"), ""),
        (LOOKING, 40, ("NOOP", "DELE 1", "RSET"), ""),
        (LOOKING, 40, (":close", ":open", "CAPA"), BACK),
        (CHANGING, 30, ("RSET", "DELE 2", "NOOP"), BACK),
        (CHANGING, 50, LEAVES, BACK),
    ],
)
async def test_it_goes_on_after_ones_own_commands(
    path: Path, keys: int, own: Sequence[str], said: str
) -> None:
    async with showing(path, rows=40) as demo:
        await demo.press(*[ENTER] * keys)
        place, sent = demo.controller.tutor.cursor, len(demo.sent)
        await demo.press(TAB)
        for line in own:
            demo.send(line + ENTER)
            await demo.until(lambda: not demo.line)
            await demo.drawn()
            await demo.until(demo.at_rest)
        typed = [line.encode() for line in own if not line.startswith(":")]
        assert [line for line in demo.sent[sent:] if line in typed] == typed
        await demo.press(TAB)
        await demo.drawn()
        assert demo.controller.tutor.cursor == place
        assert (f"poptalk: {BACK}" in demo.words) is bool(said)
        await demo.hold(ENTER, lambda: demo.controller.finished)
        rest = [line.pattern.source for line in lines_of(load_lesson(path))][-2:]
        assert [line.decode() for line in demo.sent[-2:]] == rest
