"""Lines above a live prompt, seen on a terminal: nothing typed and nothing shown is lost."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from prompt_toolkit import PromptSession
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output
from pyte.screens import Char

from poptalk.terminal.render import body_line, note, status_line
from poptalk.terminal.safe import Fragments
from poptalk.terminal.screen import LiveScreen, ScreenClosed
from poptalk.terminal.theme import NEUTRAL, ptk_color_depth
from tests.servers.terminal import TERM, Terminal, make_output

ASK_CURSOR = "\x1b[6n"


@dataclass(kw_only=True)
class Stage:
    """A prompt on a terminal, with the screen above it."""

    terminal: Terminal
    keys: PipeInput
    session: PromptSession[str]
    screen: LiveScreen
    answer: asyncio.Task[str] | None = None

    def ask(self) -> asyncio.Task[str]:
        self.answer = asyncio.create_task(self.session.prompt_async())
        return self.answer

    async def type(self, text: str) -> None:
        """Type text at the prompt, and wait until it is seen."""
        self.keys.send_text(text)
        await self.terminal.settle(lambda: self.session.app.current_buffer.text.endswith(text))
        await self.terminal.settle_text(f"> {self.session.app.current_buffer.text}"[-10:])

    def shown(self) -> list[str]:
        return [line for line in self.terminal.history() if line]


@contextlib.asynccontextmanager
async def staged(
    *,
    columns: int = 60,
    rows: int = 12,
    color: bool = True,
    asks: bool = False,
    **options: Any,
) -> AsyncIterator[Stage]:
    """Set a stage; `asks` lets prompt_toolkit ask for the cursor, which nobody answers here."""
    terminal = Terminal(columns, rows)
    output = make_output(terminal)
    if asks:
        output = Vt100_Output(terminal, output.get_size, term=TERM, enable_cpr=True)
    with create_pipe_input() as keys, create_app_session(input=keys, output=output):
        session: PromptSession[str] = PromptSession(
            "pop3> ",
            color_depth=ptk_color_depth(color=color),
            erase_when_done=True,
            reserve_space_for_menu=0,
            **options,
        )
        screen = LiveScreen(session.app, theme=NEUTRAL)
        stage = Stage(terminal=terminal, keys=keys, session=session, screen=screen)
        try:
            yield stage
        finally:
            if stage.answer is not None and not stage.answer.done():
                stage.answer.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await stage.answer


def numbered(first: int, last: int) -> Iterator[Fragments]:
    return (body_line(b"line %03d" % number) for number in range(first, last))


async def test_lines_before_during_and_after_the_prompt_stay_in_order() -> None:
    async with staged() as stage:
        stage.screen.show([status_line(b"+OK before")])
        assert stage.shown() == ["S: +OK before"]
        answer = stage.ask()
        await stage.type("STAT")
        stage.screen.show([status_line(b"+OK during")])
        await stage.terminal.settle_text("during\npop3> STAT")
        stage.keys.send_text("\r")
        assert await asyncio.wait_for(answer, 5) == "STAT"
        stage.screen.show(note("after"))
        assert stage.shown() == ["S: +OK before", "S: +OK during", "# after"]


async def test_a_burst_while_a_line_is_half_typed_loses_nothing() -> None:
    async with staged() as stage:
        answer = stage.ask()
        await stage.terminal.settle_text("pop3>")
        for number, key in enumerate("RETR 12345"):
            stage.keys.send_text(key)
            stage.screen.show(numbered(number * 20, number * 20 + 10))
            await asyncio.sleep(0)
            stage.screen.show(numbered(number * 20 + 10, number * 20 + 20))
            await asyncio.sleep(0)
        await stage.terminal.settle_text("S: line 199\npop3> RETR 12345")
        expected = [f"S: line {number:03d}" for number in range(200)]
        assert stage.shown() == [*expected, "pop3> RETR 12345"]
        assert stage.terminal.cursor.column == len("pop3> RETR 12345")
        stage.keys.send_text("\r")
        assert await asyncio.wait_for(answer, 5) == "RETR 12345"
        assert stage.shown() == expected


async def test_a_batch_is_drawn_once() -> None:
    async with staged() as stage:
        stage.ask()
        await stage.terminal.settle_text("pop3>")
        before = stage.terminal.raw.count("pop3>")
        for line in numbered(0, 50):
            stage.screen.show([line])
        await stage.terminal.settle_text("line 049\npop3>")
        assert stage.terminal.raw.count("pop3>") == before + 1


async def test_a_batch_asks_for_the_cursor_at_most_once() -> None:
    async with staged(asks=True) as stage:
        stage.ask()
        await stage.terminal.settle_text("pop3>")
        # The terminal answers the first query: from now on each drawing may ask.
        stage.keys.send_text("\x1b[1;1R")
        renderer = stage.session.app.renderer
        await stage.terminal.settle(lambda: not renderer.waiting_for_cpr)
        before = stage.terminal.raw.count(ASK_CURSOR)
        for line in numbered(0, 50):
            stage.screen.show([line])
        await stage.terminal.settle_text("line 049\npop3>")
        assert stage.terminal.raw.count(ASK_CURSOR) == before + 1
        stage.keys.send_text("\x1b[8;1R")
        await stage.terminal.settle(lambda: not renderer.waiting_for_cpr)


async def test_a_terminal_that_never_answers_gets_its_lines_and_no_warning() -> None:
    async with staged(asks=True, bottom_toolbar="state") as stage:
        renderer = stage.session.app.renderer
        renderer.CPR_TIMEOUT = 0  # seconds; two by default
        stage.ask()
        await stage.terminal.settle_text("pop3>")
        await stage.terminal.settle(lambda: renderer.cpr_support.name == "NOT_SUPPORTED")
        stage.screen.show(numbered(0, 3))
        await stage.terminal.settle_text("line 002\npop3>")
        assert "WARNING" not in stage.terminal.raw


async def test_colours_and_their_absence() -> None:
    async with staged() as stage:
        stage.ask()
        stage.screen.show([status_line(b"-ERR no")])
        await stage.terminal.settle_text("-ERR no\npop3>")
        assert stage.terminal.colour_of("-ERR") == "red"
        assert stage.terminal.cell_of("-ERR").bold
        assert stage.terminal.colour_of("no") == "default"
        assert_no_background(stage.terminal)
    async with staged(color=False) as stage:
        assert stage.session.app.color_depth is ColorDepth.MONOCHROME
        stage.ask()
        stage.screen.show([status_line(b"-ERR no")])
        await stage.terminal.settle_text("-ERR no\npop3>")
        assert stage.terminal.colour_of("-ERR") == "default"
        assert stage.terminal.cell_of("-ERR").bold


def assert_no_background(terminal: Terminal) -> None:
    for row in terminal.screen.buffer.values():
        for column in range(terminal.screen.columns):
            cell: Char = row[column]
            assert cell.bg == "default"


async def test_forty_columns_and_wide_characters() -> None:
    async with staged(columns=40) as stage:
        stage.ask()
        await stage.type("x" * 50)
        wide = "中文" * 15
        stage.screen.show([body_line(f"a{wide}".encode()), body_line(b"y" * 37), body_line(b"end")])
        await stage.terminal.settle_text("S: end\npop3> x")
        # No half of a wide character is left to the terminal, and the second row is indented.
        assert stage.shown() == [
            f"S: a{wide[:18]}",
            f"   {wide[18:]}",
            f"S: {'y' * 37}",
            "S: end",
            f"pop3> {'x' * 34}",
            "x" * 16,
        ]


async def test_what_is_printed_holds_no_control_characters_of_strangers() -> None:
    async with staged() as stage:
        stage.ask()
        await stage.terminal.settle_text("pop3>")
        stage.screen.show([status_line(b"+OK \x1b]52;c;AA==\x07\x9b2J\r\n\xe2\x80\xae\x08")])
        await stage.terminal.settle_text(r"\x08" + "\npop3>")
        assert r"+OK \x1b]52;c;AA==\x07\x9b2J\r\n\u{202e}\x08" in stage.terminal.text
        for hostile in ("\x1b]", "\x07", "\x9b", "\u202e"):
            assert hostile not in stage.terminal.raw


async def test_flush_writes_at_once() -> None:
    async with staged() as stage:
        stage.ask()
        await stage.terminal.settle_text("pop3>")
        stage.screen.show([body_line(b"last")])
        assert "last" not in stage.terminal.raw
        stage.screen.flush()
        assert "last" in stage.terminal.raw
        stage.screen.flush()
        assert stage.terminal.raw.count("last") == 1


async def test_lines_that_wait_when_the_prompt_is_answered_are_not_lost() -> None:
    async with staged() as stage:
        answer = stage.ask()
        await stage.type("QUIT")
        stage.screen.show([body_line(b"bye")])
        stage.session.app.exit(result="QUIT")
        assert await asyncio.wait_for(answer, 5) == "QUIT"
        stage.screen.flush()
        assert stage.shown() == ["S: bye"]


async def test_columns_are_those_of_the_terminal() -> None:
    async with staged(columns=44) as stage:
        assert stage.screen.columns == 44


class ClosableTerminal(Terminal):
    """A terminal whose window can be closed."""

    closed_window = False

    def write(self, text: str, /) -> int:
        if self.closed_window:
            raise OSError(5, "Input/output error")
        return super().write(text)


async def test_a_closed_terminal_ends_the_prompt() -> None:
    terminal = ClosableTerminal(60, 12)
    with create_pipe_input() as keys, create_app_session(input=keys, output=make_output(terminal)):
        session: PromptSession[str] = PromptSession("pop3> ")
        screen = LiveScreen(session.app, theme=NEUTRAL)
        answer = asyncio.create_task(session.prompt_async())
        await terminal.settle_text("pop3>")
        terminal.closed_window = True
        screen.show([body_line(b"x")])
        # prompt_toolkit tries to draw the prompt a last time, and fails in its own words.
        with pytest.raises((ScreenClosed, OSError)):
            await asyncio.wait_for(answer, 5)
        with pytest.raises(ScreenClosed, match="was closed"):
            screen.show([body_line(b"y")])


async def test_a_terminal_that_lacks_a_character() -> None:
    class AsciiTerminal(Terminal):
        @property
        def encoding(self) -> str:  # type: ignore[override]
            return "ascii"

    terminal = AsciiTerminal(60, 12)
    with create_pipe_input() as keys, create_app_session(input=keys, output=make_output(terminal)):
        session: PromptSession[str] = PromptSession("pop3> ")
        LiveScreen(session.app, theme=NEUTRAL).show([body_line("é".encode())])
    assert terminal.text == r"S: \u{e9}"


def test_without_an_event_loop_lines_are_printed_at_once() -> None:
    terminal = Terminal(60, 12)
    with create_app_session(output=make_output(terminal)):
        session: PromptSession[str] = PromptSession("pop3> ", input=None)
        LiveScreen(session.app, theme=NEUTRAL).show([body_line(b"early")])
    assert terminal.text == "S: early"
    assert isinstance(terminal, io.StringIO)
