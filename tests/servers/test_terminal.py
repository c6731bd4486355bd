"""The terminals: what is read from them is what a person would see."""

from __future__ import annotations

import asyncio
import signal
import sys
import time

import pytest
from prompt_toolkit import PromptSession
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input

from tests.servers.terminal import Cursor, Pty, Terminal, make_output


def python(program: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", program]


def test_text_colours_and_cursor_of_a_screen() -> None:
    terminal = Terminal(columns=20, rows=4)
    terminal.write("plain\nwide 漢字 \x1b[31;1mred\x1b[0m end")
    assert terminal.lines() == ["plain", "wide 漢字 red end", "", ""]
    assert terminal.colour_of("red") == "red"
    assert terminal.cell_of("red").bold
    assert terminal.colour_of("end") == terminal.colour_of("漢字") == "default"
    assert terminal.cursor == Cursor(row=1, column=17)
    assert terminal.raw.count("\x1b") == 2


def test_a_text_that_is_not_there_fails_with_the_screen() -> None:
    terminal = Terminal()
    terminal.write("something else")
    with pytest.raises(AssertionError, match="something else"):
        terminal.colour_of("missing")


def test_what_scrolled_off_is_history() -> None:
    terminal = Terminal(columns=10, rows=3)
    terminal.write("\x1b[32mline 0\x1b[0m\n" + "".join(f"line {n}\n" for n in range(1, 6)))
    assert terminal.lines() == ["line 4", "line 5", ""]
    assert terminal.history() == [*(f"line {n}" for n in range(6)), ""]
    assert terminal.colour_of("line 0") == "green"


async def test_settle_waits_for_the_condition_and_no_longer() -> None:
    terminal = Terminal()
    asyncio.get_running_loop().call_later(0.02, terminal.write, "here")
    await terminal.settle(lambda: "here" in terminal.text)
    with pytest.raises(AssertionError, match="here"):
        await terminal.settle(lambda: False, timeout=0.01)


async def test_prompt_toolkit_writes_to_it() -> None:
    terminal = Terminal(columns=30, rows=6)
    with create_pipe_input() as keys, create_app_session(keys, make_output(terminal)):
        session: PromptSession[str] = PromptSession("pop3> ")
        typed = asyncio.create_task(session.prompt_async())
        await terminal.settle_text("pop3>")
        keys.send_text("STAT")
        await terminal.settle_text("pop3> STAT")
        assert terminal.cursor == Cursor(row=0, column=10)
        keys.send_text("\r")
        assert await asyncio.wait_for(typed, 5) == "STAT"


def test_a_pty_carries_keys_screen_and_exit_code() -> None:
    program = "import os; print(os.get_terminal_size()); name = input('who? '); raise SystemExit(7)"
    with Pty(python(program), columns=70, rows=5) as pty:
        pty.wait_for("who?")
        assert "columns=70, lines=5" in pty.text
        pty.send("bob\r")
        assert pty.wait_exit() == 7
        assert pty.lines()[1] == "who? bob"


def test_what_a_program_wrote_last_is_not_lost() -> None:
    with Pty(python("print('x' * 9 + '\\n' * 3000 + 'the end', end='')")) as pty:
        assert pty.wait_exit() == 0
        assert "the end" in pty.text


def test_a_paste_larger_than_the_kernel_holds_arrives_whole() -> None:
    program = (
        "import os, tty; tty.setraw(0); print('ready', flush=True); size = 0\n"
        "while size < 200_000: size += len(os.read(0, 65536))\n"
        "print('got', size)"
    )
    with Pty(python(program)) as pty:
        pty.wait_for("ready")
        pty.send(b"x" * 200_000)
        pty.wait_for("got 200000")


def test_ctrl_c_is_a_signal() -> None:
    program = "import signal; print('ready', flush=True); signal.pause()"
    with Pty(python(program)) as pty:
        pty.wait_for("ready")
        pty.send(b"\x03")
        assert pty.wait_exit() == -signal.SIGINT


def test_a_terminal_left_raw_is_noticed() -> None:
    with Pty(python("import tty; input('ready'); tty.setraw(0)")) as pty:
        pty.wait_for("ready")
        assert pty.restored
        pty.send("\r")
        assert pty.wait_exit() == 0
        assert not pty.restored


def test_hanging_up_is_heard_by_the_program() -> None:
    program = (
        "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL);"
        "print('ready', flush=True); signal.pause()"
    )
    with Pty(python(program)) as pty:
        pty.wait_for("ready")
        pty.hang_up()
        assert pty.wait_exit() == -signal.SIGHUP
        assert pty.text == "ready"


ASK_FOR_CURSOR = """\
import os, select, sys, tty
tty.setraw(0)
os.write(1, b'at \\x1b[6n')
answered = select.select([0], [], [], float(sys.argv[1]))[0]
os.write(1, repr(os.read(0, 99)).encode() if answered else b'no answer')
"""


def test_the_terminal_answers_where_its_cursor_is_as_late_as_asked() -> None:
    begin = time.monotonic()
    with Pty([*python(ASK_FOR_CURSOR), "10"], answer_after=0.1) as pty:
        pty.wait_for(r"at b'\x1b[1;4R'")
    assert time.monotonic() - begin >= 0.1


def test_the_terminal_that_never_answers() -> None:
    with Pty([*python(ASK_FOR_CURSOR), "0.05"], answer_after=None) as pty:
        pty.wait_for("no answer")


def test_waiting_in_vain_says_what_is_on_the_screen() -> None:
    with Pty(python("print('this')")) as pty:
        pty.wait_exit()
        with pytest.raises(AssertionError, match=r"(?s)ended with 0.*this"):
            pty.wait_for("that", timeout=0.05)
