"""Shells for the tests: a whole live shell in this process, keys in and a screen out.

    async with live(server) as shell:
        await shell.type("STAT")
        await shell.enter("STAT")

Nothing is replaced by a double: the keys come through prompt_toolkit's own input, the screen is what
its own output draws, and the server is at the other end of a socket.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output.vt100 import Vt100_Output

from poptalk.net.endpoint import Destination
from poptalk.practice.server import PracticeDestination, Server
from poptalk.session.log import TextLog
from poptalk.shell.commands.general import LOCAL_COMMANDS
from poptalk.shell.live import LiveShell
from poptalk.terminal.theme import NEUTRAL
from tests.servers.terminal import TERM, Terminal, make_output

TIMEOUT = 5.0  # seconds in which a shell connects, and ends
CTRL_C, CTRL_D, TAB, ENTER, CTRL_BRACKET = "\x03", "\x04", "\t", "\r", "\x1d"
UP, BACKSPACE = "\x1b[A", "\x7f"

ARTICLE_SESSION = (
    ("USER bob", ["+OK name is a valid mailbox"]),
    ("PASS jones", ["+OK mailbox locked and ready"]),
    ("LIST", ["+OK 3 messages (6183 octets)", "1 1903", "2 4255", "3 25", "."]),
    ("RETR 2", ["+OK message follows", "."]),
    ("TOP 3 10", ["+OK top of message follows", "."]),
    ("DELE 3", ["+OK message deleted"]),
    ("QUIT", ["+OK host closing connection"]),
)
"""What the article's user types, and the article's lines, with its lone dots and the true total."""

ARTICLE_GREETING = "+OK Microsoft Exchange POP3 server version 5.0.1457.10 ready"


class Address(Protocol):
    """Where a server of the tests listens."""

    host: str
    port: int


def place(server: Address) -> Destination:
    """Return the way to a server of the tests."""
    return Destination(host=server.host, port=server.port)


@dataclass(kw_only=True)
class LiveTest:
    """A live shell with its terminal."""

    shell: LiveShell
    terminal: Terminal
    keys: PipeInput
    running: asyncio.Task[None] = field(init=False)

    @property
    def line(self) -> str:
        """What stands in the input line."""
        return self.shell.prompt_session.default_buffer.text

    @property
    def text(self) -> str:
        """What is on the screen."""
        return self.terminal.text

    def said(self) -> list[str]:
        """Return all lines of the screen and above it that are not empty."""
        return [line for line in self.terminal.history() if line]

    def view(self) -> list[str]:
        """Return the lines of the dialogue, from the first to the last."""
        return [line for line in self.said() if line.startswith(("C: ", "S: "))]

    def send(self, keys: str) -> None:
        """Press keys and wait for nothing."""
        self.keys.send_text(keys)

    async def type(self, text: str) -> None:
        """Type text, and wait until the line has it."""
        self.send(text)
        await self.until(lambda: self.line.endswith(text))

    async def enter(self, line: str, *, until: str | None = None) -> None:
        """Type a line and press Enter; wait until the line is taken, and for a text on the screen."""
        if line:
            await self.type(line)
        typed = self.line
        self.send(ENTER)
        await self.until(lambda: self.line != typed)
        if until is not None:
            await self.see(until)

    async def ask(self, line: str) -> None:
        """Send a line, and wait until its reply is complete and drawn."""
        talk = self.shell.session
        before = talk.exchanges.last
        self.send(line + ENTER)
        await self.until(lambda: talk.exchanges.last is not before and talk.core.settled)
        await self.drawn()

    async def see(self, text: str) -> None:
        """Wait until a text is on the screen."""
        await self.terminal.settle_text(text.rstrip(" "))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds."""
        await self.terminal.settle(condition)

    async def drawn(self) -> None:
        """Wait until everything that was shown is on the screen, and the prompt below it."""
        app = self.shell.prompt_session.app
        drawings = app.render_counter
        app.invalidate()
        await self.until(lambda: app.render_counter > drawings)

    async def left(self) -> None:
        """Wait until the shell has ended."""
        await asyncio.wait_for(self.running, TIMEOUT)


@contextlib.asynccontextmanager
async def live(
    destination: Destination | Address,
    *,
    columns: int = 80,
    rows: int = 24,
    color: bool = True,
    history: Path | None = None,
    welcome: Iterable[str] = (),
    greeted: bool = True,
    timeout: float = TIMEOUT,
    log: Path | None = None,
) -> AsyncIterator[LiveTest]:
    """Run a live shell on a terminal of this process; leave it with Ctrl-D unless the test does."""
    if not isinstance(destination, Destination):
        destination = place(destination)
    terminal = Terminal(columns, rows)
    with create_pipe_input() as keys, create_app_session(keys, answering_output(terminal, keys)):
        shell = LiveShell(
            theme=NEUTRAL,
            color=color,
            timeout=timeout,
            history_path=None if history is None else str(history),
            commands=LOCAL_COMMANDS,
        )
        if log is not None:
            shell.session.log = TextLog(str(log), shell.session)
        test = LiveTest(shell=shell, terminal=terminal, keys=keys)
        test.running = asyncio.create_task(_run(shell, destination, welcome))
        try:
            if greeted:
                await test.until(lambda: shell.session.exchanges.last is not None)
                await test.see("> ")
                await test.drawn()
            yield test
        finally:
            shell.leave()
            await asyncio.wait_for(asyncio.gather(test.running, return_exceptions=True), TIMEOUT)


async def _run(shell: LiveShell, destination: Destination, welcome: Iterable[str]) -> None:
    for line in welcome:
        shell.view.remark(line)
    await shell.connect(destination)
    await shell.run()


def answering_output(terminal: Terminal, keys: PipeInput) -> Vt100_Output:
    """Return the output for a terminal that says where its cursor is, so that the bottom line shows."""
    terminal.screen.write_process_input = keys.send_text  # type: ignore[method-assign]
    return Vt100_Output(terminal, make_output(terminal).get_size, term=TERM, enable_cpr=True)


@contextlib.contextmanager
def practising(
    *, tls: bool = False, verify: bool = True, persona: str = "exchange"
) -> Iterator[PracticeDestination]:
    """Run the practice server, and give the way to it."""
    with Server(persona=persona, tls_port=0 if tls else None) as server:
        yield PracticeDestination(
            host=server.host,
            port=(server.tls_port if tls else server.port) or 0,
            label="practice",
            tls=tls,
            verify=verify,
            server=server,
        )


def in_order(expected: Iterable[str], lines: Iterable[str]) -> bool:
    """Tell whether lines come in this order, with any others between them."""
    rest = iter(lines)
    return all(line in rest for line in expected)
