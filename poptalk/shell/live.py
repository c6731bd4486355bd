"""The live shell: a prompt that stays, with everything that is said appearing above it.

One prompt_toolkit application runs as long as the shell; Enter does not end it.  The connection calls
back from the same event loop, so that typing and reading never wait for each other.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.key_binding.bindings.completion import generate_completions
from prompt_toolkit.keys import Keys

from poptalk.net.async_connection import CLOSE_GRACE, AsyncConnection, connect
from poptalk.net.endpoint import Destination
from poptalk.net.errors import ConnectFailed, Ending, NetError, TlsFailed, failure, no_tls_in_time
from poptalk.pop3.events import Sent
from poptalk.session.log import SessionRecord
from poptalk.session.procedure import require_tls
from poptalk.session.session import Session
from poptalk.shell.commands.registry import LOCAL_PREFIX
from poptalk.shell.completion import LineCompleter, SecretlessHistory, TypedLine
from poptalk.shell.shell import Shell
from poptalk.shell.view import View
from poptalk.terminal.safe import cells, cut, harmless
from poptalk.terminal.screen import LiveScreen, ScreenClosed, attributes_of, stop_with
from poptalk.terminal.theme import MONO, ptk_color_depth, ptk_style

if TYPE_CHECKING:
    from prompt_toolkit.buffer import Buffer

    from poptalk.net.tls import TlsFacts
    from poptalk.shell.commands.registry import LocalCommand
    from poptalk.terminal.screen import Attributes
    from poptalk.terminal.theme import Theme

# The keys of the live shell that differ from prompt_toolkit's own.

_LINE_END = re.compile("\r\n|\r|\n")
_ASKED_FOR = CompleteEvent(completion_requested=True)


def key_bindings(shell: LiveShell) -> KeyBindings:
    """Make the bindings of a shell."""
    bindings = KeyBindings()
    on_empty_line = Condition(lambda: not shell.prompt_session.default_buffer.text)
    bindings.add("enter")(shell.take_line)
    bindings.add("c-c")(partial(_clear, shell))
    bindings.add("c-z")(lambda _event: shell.suspend())
    bindings.add("c-d", filter=on_empty_line)(lambda _event: shell.leave())
    # As the fingers of telnet users expect.  Eager: in prompt_toolkit it waits for a character.
    bindings.add("c-]", filter=on_empty_line, eager=True)(
        lambda event: event.current_buffer.insert_text(LOCAL_PREFIX)
    )
    bindings.add("tab")(partial(_complete, shell))
    bindings.add(Keys.BracketedPaste)(partial(_paste, shell))
    # Eager, so that it is no key to what takes any key.
    bindings.add(Keys.CPRResponse, save_before=lambda _event: False, eager=True)(
        partial(_locate, shell)
    )
    return bindings


def _clear(shell: LiveShell, event: KeyPressEvent) -> None:
    """Clear the line; where there is nothing in it, give up what is waited for."""
    cleared = bool(event.current_buffer.text)
    event.current_buffer.reset()
    shell.interrupt(cleared=cleared)


def _complete(shell: LiveShell, event: KeyPressEvent) -> None:
    """Complete where something can be completed; elsewhere a Tab is a Tab."""
    buffer = event.current_buffer
    candidates = buffer.completer.get_completions(buffer.document, _ASKED_FOR)
    if buffer.complete_state is None and next(iter(candidates), None) is None:
        # Where completion is off a Tab asks for it in vain, and a character is never meant.
        buffer.insert_text("\t" if shell.gives_completions else "")
    else:
        generate_completions(event)


def _locate(shell: LiveShell, event: KeyPressEvent) -> None:
    """Take the terminal's answer, `ESC [ row ; column R`, to the question where the cursor is."""
    row, _, _ = event.data[2:-1].partition(";")
    shell.screen.cursor_reported(int(row))


def _paste(shell: LiveShell, event: KeyPressEvent) -> None:
    """Take each whole line of what is pasted; the rest goes on being edited."""
    buffer = event.current_buffer
    *lines, rest = _LINE_END.split(event.data)
    for line in lines:
        buffer.insert_text(line)
        shell.take_line(event)
    buffer.insert_text(rest)


# The bottom line: where one is connected, what is known of the maildrop, how fast the server was.


def toolbar(shell: Shell, *, columns: int = 0) -> StyleAndTextTuples:
    """Return the bottom line; what does not fit on the screen is left out, a fact at a time.

    How far a reply has come, or how long it has been waited for, stays longest.

    Args:
        shell: what it speaks of.
        columns: cells of a row; 0 for those of the screen.
    """
    columns = columns or shell.view.size()[1]
    exchanges = shell.session.exchanges
    parts = list(_where_one_stands(shell))
    progress = ""
    if exchanges.receiving is not None:
        progress = _progress(exchanges.receiving.octets, exchanges.announced, columns)
        parts.append(progress)
    elif (waited := shell.waited) >= TICK_SECONDS:
        progress = f"waiting {waited:.0f} s for {shell.session.awaited}"
        parts.append(progress)
    elif exchanges.milliseconds is not None:
        parts.append(f"{exchanges.milliseconds:,.0f} ms")
    if shell.session.log is not None:
        parts.append("logging")
    parts.append(":help" if shell.controller is None else shell.controller.help)
    room = columns + len(_SEPARATOR)
    for part in parts:
        room -= cells(part) + len(_SEPARATOR)
    while room < 0 and len(parts) > 1:
        dropped = parts.pop(-2 if parts[-1] is progress else -1)
        room += cells(dropped) + len(_SEPARATOR)
    text = _SEPARATOR.join(parts)
    return [("class:toolbar", cut(text, columns) if room < 0 else text)]


def _progress(octets: int, announced: int | None, columns: int) -> str:
    """Say how far a reply has come, and of how much where the server has said that."""
    if announced is None:
        return f"receiving, {octets:,} octets"
    words = f"{octets:,} octets of about {announced:,}"
    return f"receiving, {words}" if len(words) + len("receiving, ") <= columns else words


def _where_one_stands(shell: Shell) -> Iterator[str]:
    """Yield the connection and what is known of the maildrop, what matters most first."""
    session, facts = shell.session.core, shell.session.exchanges.facts
    destination = shell.session.destination
    connected = shell.session.transport is not None and destination is not None
    if destination is not None and connected:
        if shell.controller is not None:
            yield session.state.value
        yield f"{harmless(destination.name)}:{destination.port}"
        yield "TLS" if session.encrypted else "clear"
        if session.marked and not session.farewell:
            yield f"{len(session.marked)} marked for deletion"
    else:
        yield "not connected"
    if shell.controller is not None:
        yield from map(harmless, shell.controller.facts())
    if facts.messages is not None and connected:
        yield f"{facts.messages} message{'' if facts.messages == 1 else 's'}"
    if facts.octets is not None and connected:
        yield f"{facts.octets:,} octets"


_SEPARATOR = " · "

TICK_SECONDS = 1.0
"""How long a reply may take before the bottom line counts the seconds, and each of them."""


class LiveShell(Shell):
    """A shell in which the server is heard while one types; it listens to its connection."""

    screen: LiveScreen

    def __init__(
        self,
        *,
        theme: Theme,
        color: bool,
        timeout: float,
        history_path: str | None,
        commands: Mapping[str, LocalCommand],
    ) -> None:
        """Make a shell that is not connected.

        Args:
            theme: what the styles look like.
            color: whether to use colours at all.
            timeout: seconds for connecting, for a TLS handshake, and until a reply is overdue.
            history_path: the history file; None keeps the history in memory.
            commands: the local commands.
        """
        # Bold and underline are left where there are no colours; what is a command must still show.
        theme = theme if color else MONO
        self._connection: AsyncConnection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._timers: list[asyncio.TimerHandle] = []
        """What is said when the server stops in the middle of a line, or says nothing at all."""
        self.prompt_session: PromptSession[None] = PromptSession(
            message=self._message,
            style=ptk_style(theme),
            color_depth=ptk_color_depth(color=color),
            include_default_pygments_style=False,
            history=SecretlessHistory(history_path, holds_secret=self.must_be_forgotten),
            completer=LineCompleter(self),
            complete_while_typing=False,
            input_processors=[TypedLine(self)],
            bottom_toolbar=partial(toolbar, self),
            key_bindings=key_bindings(self),
            reserve_space_for_menu=4,
            erase_when_done=True,
        )
        screen = LiveScreen(self.prompt_session.app, theme=theme)
        self._loop = asyncio.get_running_loop()
        session = Session(clock=self._loop.time)
        session.failed = self.show_failure
        session.in_thread = self._in_thread
        view = View(session, show=screen.show, size=self._size)
        super().__init__(session, view, screen, commands)
        session.record = SessionRecord(session)
        session.observe({Sent: lambda _event: self.watch()})
        self.timeout = timeout
        self._terminal: Attributes | None = None
        self._refused: NetError | None = None
        """Why the server that the shell was started for lets nobody in."""

    # For the local commands.

    def open(self, destination: Destination) -> None:
        """Connect in the background; a failure is shown."""
        if self._connecting is not None:
            self.not_connected(ConnectFailed("already connecting; Ctrl-C gives up"))
            return
        self.session.connecting = self.reopened = True
        self._connecting = self._loop.create_task(self._open(destination))

    async def _open(self, destination: Destination) -> None:
        try:
            await self._disconnect()
            self.view.remark(f"connecting to {destination}")
            await self.connect(destination)
        except NetError as error:
            self.not_connected(error)
        except asyncio.CancelledError:
            self.not_connected(ConnectFailed("gave up connecting"))
        finally:
            self._connecting = None
            self.session.connecting = False
            held, self.session.held = self.session.held, []
            for line in held:
                self.send_line(line)
            self.prompt_session.app.invalidate()

    async def connect(self, destination: Destination) -> None:
        """Connect.

        Raises:
            ConnectFailed: no connection came about.
            TlsFailed: TLS did not come about.
        """
        self.session.destination = destination
        settings = destination.tls_settings() if destination.tls else None
        connection = await connect(
            destination.target, self, timeout=self.timeout or 0, tls=settings
        )
        self._connection = connection
        where = str(destination)
        self.session.opened(connection, destination, where=where, encrypted=destination.tls)
        if connection.tls is not None:
            self.session.tls_established(connection.tls)
        connection.begin()
        self.watch()
        if destination.starttls:
            await self._require_tls()
        if self.prompt_session.app.is_running:
            self._offer_half_typed()

    async def _require_tls(self) -> None:
        """Have TLS begin before anything else is said, or end the connection.

        Raises:
            TlsFailed: the server does not offer it, or it did not come about.
        """
        outcome: asyncio.Future[Exception | None] = self._loop.create_future()

        def conclude(error: Exception | None) -> None:
            if not outcome.done():  # Ctrl-C has ended the waiting first.
                outcome.set_result(error)

        procedure = self.session.run(require_tls(self.session), name="starttls", then=conclude)
        try:
            async with asyncio.timeout(self.timeout):
                error = await outcome
        except TimeoutError:
            error = no_tls_in_time(self.timeout or 0)
        except BaseException:
            self.close()
            raise
        finally:
            procedure.abandon()
        if error is not None:
            core = self.session.core
            await self._disconnect()
            raise self.session.staged(failure(error, core))

    def _offer_half_typed(self) -> None:
        buffer = self.prompt_session.default_buffer
        if self.session.procedure is not None:
            return  # What is in the line may be the answer to a question.
        if not buffer.text and self.half_typed:
            buffer.insert_text(self.half_typed)
            self.half_typed = ""
        elif not buffer.text and self.destination and self.destination.user and not self.controller:
            buffer.insert_text(f"USER {self.destination.user}")

    def close(self) -> None:
        """Close the connection without a word to the server."""
        if self._connection is not None:
            self._connection.close()
        elif self._connecting is not None:
            self._connecting.cancel()

    async def _disconnect(self) -> None:
        connection = self._connection
        if connection is not None:
            connection.close()
            # The end may never be told, where an exception has got in between.
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_GRACE + 1):
                    await connection.wait_closed()

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something later."""
        self._loop.call_later(seconds, action)

    def _in_thread(self, work: Callable[[], None], then: Callable[[], None]) -> None:
        done = self._loop.run_in_executor(None, work)
        done.add_done_callback(lambda _done: then())

    def leave(self) -> None:
        """End the shell."""
        app = self.prompt_session.app
        if app.is_running and not app.is_done:
            self.tell_controller(lambda controller: controller.left())
            app.exit()

    def end(self, code: int) -> None:
        """End the program from the event loop: an exception might be lost anywhere else."""
        self._loop.call_soon_threadsafe(self._end, SystemExit(code))

    def _end(self, error: BaseException) -> None:
        app = self.prompt_session.app
        if not app.is_running:
            raise error
        if not app.is_done:
            app.exit(exception=error)

    def stop(self) -> None:
        """Stop, from the event loop."""
        self._loop.call_soon_threadsafe(self.suspend)

    def suspend(self) -> None:
        """Stop as Ctrl-Z does in other programs: with the terminal as it was before."""
        terminal = self._terminal
        run_in_terminal(lambda: stop_with(sys.stdin.fileno(), terminal))

    # The run.

    async def run(self) -> None:
        """Talk until the user leaves."""
        self._loop.set_exception_handler(self._unforeseen)
        self._terminal = attributes_of(sys.stdin)
        try:
            if self._refused is not None:
                raise self._refused
            await self.prompt_session.prompt_async(
                pre_run=self._offer_half_typed, set_exception_handler=False
            )
        finally:
            if self._connecting is not None:
                self._connecting.cancel()
            await self._disconnect()
            self.session.close()
            self.screen.flush()

    def _unforeseen(self, _loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """Show a fault of poptalk's own in one line; the session goes on if there is a terminal."""
        error = context.get("exception")
        if not isinstance(error, ScreenClosed):
            said = error or context.get("message")
            self.view.warn(f"a fault in poptalk: {said!r}; please report it")
        elif self.prompt_session.app.is_running:
            self._end(error)

    # The connection speaks: see `async_connection.ConnectionListener`.

    def data_received(self, data: bytes) -> None:
        """Take octets of the server."""
        buffer = self.prompt_session.default_buffer
        if not buffer.text:
            self.session.received(data)
        elif self.hear(data, half_typed=buffer.text):
            buffer.reset()
        self.watch()
        if self.controller is not None:
            self.controller.listened()
        self.prompt_session.app.invalidate()

    def tls_failed(self, error: TlsFailed) -> None:
        """Take note that it has not, or broke; the end of the connection follows."""
        if not self.is_refused(error):
            self.session.tls_failed(error)
        elif self.prompt_session.app.is_running:
            self._end(error)
        else:
            self._refused = error

    def tls_established(self, facts: TlsFacts) -> None:
        """Take note that STLS has led to TLS."""
        self.session.tls_established(facts)
        self.tell_controller(lambda controller: controller.tls_begun())

    def connection_ended(self, ending: Ending) -> None:
        """Take note of the end of the connection, and keep what is half typed for the next one."""
        self._connection = None
        buffer = self.prompt_session.default_buffer
        if buffer.text.startswith(LOCAL_PREFIX) and self.secret_in_text(buffer.text) is None:
            self.keep_half_typed("")
        else:
            self.keep_half_typed(buffer.text)
            buffer.reset()
        super().connection_ended(ending)
        self.watch()  # for nothing: there is no connection
        self.prompt_session.app.invalidate()

    def watch(self) -> None:
        """Begin to wait: for the rest of a line, and for what the server owes."""
        while self._timers:
            self._timers.pop().cancel()
        for seconds, say in self.reminders():
            self._timers.append(self._loop.call_later(seconds, say))
        if self.waits:
            self._timers.append(self._loop.call_later(TICK_SECONDS, self._tick))

    def _tick(self) -> None:
        """Draw the bottom line again, which says how long a reply has been waited for."""
        if self.waits:
            self.prompt_session.app.invalidate()
            self._timers.append(self._loop.call_later(TICK_SECONDS, self._tick))

    # What is on the screen.

    def _size(self) -> tuple[int, int]:
        size = self.prompt_session.app.output.get_size()
        return size.rows, size.columns

    def _message(self) -> StyleAndTextTuples:
        if self.session.connecting:
            return [("class:prompt", "(connecting; Ctrl-C gives up)> ")]
        if self.session.core.in_handshake:
            return [("class:prompt", "(TLS begins; Ctrl-C gives up)> ")]
        return [("class:prompt", self.prompt_within(self._size()[1]))]

    # Keys: see `key_bindings`.

    def procedure_changed(self) -> None:
        """Go on with what was typed, and draw the prompt, which may be a question now."""
        super().procedure_changed()
        self.prompt_session.app.invalidate()

    def interrupt(self, *, cleared: bool) -> None:
        """Stop making a connection, or what else is waited for."""
        if self._connecting is not None:
            self._connecting.cancel()
        super().interrupt(cleared=cleared)

    def take_line(self, event: KeyPressEvent) -> None:
        """Act on what is in the input line, and empty it; with a completion selected, take only that.

        It is remembered if it holds no secret.
        """
        buffer = event.current_buffer
        if buffer.complete_state and buffer.complete_state.current_completion:
            buffer.complete_state = None
        else:
            self.take_text(buffer)

    def take_text(self, buffer: Buffer) -> None:
        """Act on what is in an input line, and empty it."""
        text = buffer.text
        buffer.reset(append_to_history=True)
        try:
            self.enter(text)
        except NetError as error:
            self.show_failure(error)
