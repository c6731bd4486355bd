"""The live shell: a prompt that stays, with everything that is said appearing above it.

One prompt_toolkit application runs as long as the shell; Enter does not end it.  The connection calls
back from the same event loop, so that typing and reading never wait for each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyPressEvent

from poptalk.net.connection import Connection, connect
from poptalk.net.destination import Destination
from poptalk.net.errors import ConnectFailed, Ending, NetError, TlsFailed
from poptalk.net.stls import failure, no_tls_in_time
from poptalk.session.begin_tls import require_tls
from poptalk.session.session import Session
from poptalk.shell.assist import LineCompleter, TypedLine
from poptalk.shell.base import LOCAL_PREFIX, Shell
from poptalk.shell.dialogue import Dialogue
from poptalk.shell.history import SecretlessHistory
from poptalk.shell.keys import key_bindings
from poptalk.shell.toolbar import toolbar
from poptalk.terminal.screen import LiveScreen, ScreenClosed
from poptalk.terminal.theme import ptk_color_depth, ptk_style

if TYPE_CHECKING:
    from poptalk.net.tls import TlsFacts
    from poptalk.shell.registry import LocalCommand
    from poptalk.terminal.safe import Fragments
    from poptalk.terminal.theme import Theme


class LiveShell(Shell):
    """A shell in which the server is heard while one types; it listens to its connection."""

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
            timeout: seconds for connecting, and for a TLS handshake.
            history_path: the history file; None keeps the history in memory.
            commands: the local commands.
        """
        self._timeout = timeout
        self._connection: Connection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._timers: list[asyncio.TimerHandle] = []
        """What is said when the server stops in the middle of a line, or says nothing at all."""
        self.session: PromptSession[None] = PromptSession(
            message=self._message,
            style=ptk_style(theme),
            color_depth=ptk_color_depth(color=color),
            include_default_pygments_style=False,
            history=SecretlessHistory(history_path, holds_secret=self.must_be_forgotten),
            completer=LineCompleter(self),
            complete_while_typing=False,
            input_processors=[TypedLine(self)],
            bottom_toolbar=self._toolbar,
            key_bindings=key_bindings(self),
            enable_suspend=True,
            reserve_space_for_menu=4,
            erase_when_done=True,
        )
        self.screen = LiveScreen(self.session.app, theme=theme)
        talk = Session(clock=asyncio.get_running_loop().time)
        talk.failed = self.show_failure
        talk.in_thread = self._in_thread
        view = Dialogue(talk, show=self.screen.show, size=self._size)
        super().__init__(talk, view, commands=commands)

    # For the local commands.

    def open(self, destination: Destination) -> None:
        """Connect in the background; a failure is shown."""
        if self._connecting is not None:
            self.not_connected(ConnectFailed("already connecting; Ctrl-C gives up"))
            return
        self.talk.connecting = True
        self._connecting = asyncio.get_running_loop().create_task(self._open(destination))

    async def _open(self, destination: Destination) -> None:
        try:
            await self._disconnect()
            self.dialogue.remark(f"connecting to {destination}")
            await self.connect(destination)
        except NetError as error:
            self.not_connected(error)
        except asyncio.CancelledError:
            self.not_connected(ConnectFailed("gave up connecting"))
        finally:
            self._connecting = None
            self.talk.connecting = False
            held, self.talk.held = self.talk.held, []
            for line in held:
                self.send_line(line)
            self.session.app.invalidate()

    async def connect(self, destination: Destination) -> None:
        """Connect.

        Raises:
            ConnectFailed: no connection came about.
            TlsFailed: TLS did not come about.
        """
        self.talk.destination = destination
        settings = destination.tls_settings() if destination.tls else None
        connection = await connect(destination.target, self, timeout=self._timeout, tls=settings)
        self._connection = connection
        where = str(destination)
        self.talk.opened(connection, destination, where=where, encrypted=destination.tls)
        if connection.tls is not None:
            self.talk.tls_established(connection.tls)
        connection.begin()
        self.watch()
        if destination.starttls:
            await self._require_tls()
        if self.session.app.is_running:
            self._offer_half_typed()

    async def _require_tls(self) -> None:
        """Have TLS begin before anything else is said, or end the connection.

        Raises:
            TlsFailed: the server does not offer it, or it did not come about.
        """
        outcome: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

        def conclude(error: Exception | None) -> None:
            if not outcome.done():  # Ctrl-C has ended the waiting first.
                outcome.set_result(error)

        procedure = self.talk.run(require_tls(self.talk), name="starttls", then=conclude)
        try:
            async with asyncio.timeout(self._timeout):
                error = await outcome
        except TimeoutError:
            error = no_tls_in_time(self._timeout)
        except BaseException:
            self.close()
            raise
        finally:
            procedure.abandon()
        if error is not None:
            core = self.talk.core
            await self._disconnect()
            raise failure(error, core)

    def _offer_half_typed(self) -> None:
        buffer = self.session.default_buffer
        if self.talk.procedure is not None:
            return  # What is in the line may be the answer to a question.
        if not buffer.text and self.half_typed:
            buffer.insert_text(self.half_typed)
            self.half_typed = ""
        elif not buffer.text and self.destination and self.destination.user and not self.companion:
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
            await connection.wait_closed()

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something later."""
        asyncio.get_running_loop().call_later(seconds, action)

    def _in_thread(self, work: Callable[[], None], then: Callable[[], None]) -> None:
        self._aside = asyncio.get_running_loop().create_task(self._do_aside(work, then))

    async def _do_aside(self, work: Callable[[], None], then: Callable[[], None]) -> None:
        await asyncio.to_thread(work)
        then()

    def leave(self) -> None:
        """End the shell."""
        app = self.session.app
        if app.is_running and not app.is_done:
            self.tell_companion(lambda companion: companion.left())
            app.exit()

    def say(self, lines: Iterable[Fragments]) -> None:
        """Show lines of poptalk's own."""
        self.screen.show(lines)

    def shown(self) -> int:
        """Return how often lines were shown."""
        return self.screen.shown

    # The run.

    async def run(self) -> None:
        """Talk until the user leaves."""
        asyncio.get_running_loop().set_exception_handler(self._unforeseen)
        try:
            await self.session.prompt_async(
                pre_run=self._offer_half_typed, set_exception_handler=False
            )
        finally:
            if self._connecting is not None:
                self._connecting.cancel()
            await self._disconnect()
            self.talk.close()
            self.screen.flush()

    def _unforeseen(self, _loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """Show a fault of poptalk's own in one line; the session goes on if there is a terminal."""
        error = context.get("exception")
        if isinstance(error, ScreenClosed):
            app = self.session.app
            if app.is_running and not app.is_done:
                app.exit(exception=error)
            return
        self.dialogue.warn(
            f"a fault in poptalk: {error or context.get('message')!r}; please report it"
        )

    # The connection speaks: see `net.connection.Listener`.

    def data_received(self, data: bytes) -> None:
        """Take octets of the server."""
        buffer = self.session.default_buffer
        if not buffer.text:
            self.talk.received(data)
        elif self.hear(data, half_typed=buffer.text):
            buffer.reset()
        self.watch()
        if self.companion is not None:
            self.companion.listened()
        self.session.app.invalidate()

    def tls_failed(self, error: TlsFailed) -> None:
        """Take note that it has not; the end of the connection follows."""
        self.talk.tls_failed(error)

    def tls_established(self, facts: TlsFacts) -> None:
        """Take note that STLS has led to TLS."""
        self.talk.tls_established(facts)
        self.tell_companion(lambda companion: companion.tls_begun())

    def connection_ended(self, ending: Ending) -> None:
        """Take note of the end of the connection, and keep what is half typed for the next one."""
        self._connection = None
        self._stop_watching()
        buffer = self.session.default_buffer
        if buffer.text.startswith(LOCAL_PREFIX) and self.secret_in_text(buffer.text) is None:
            self.keep_half_typed("")
        else:
            self.keep_half_typed(buffer.text)
            buffer.reset()
        super().connection_ended(ending)
        self.session.app.invalidate()

    def watch(self) -> None:
        """Begin to wait: for the rest of a line, and for what the server owes."""
        self._stop_watching()
        loop = asyncio.get_running_loop()
        self._timers = [loop.call_later(seconds, say) for seconds, say in self.reminders()]

    def _stop_watching(self) -> None:
        while self._timers:
            self._timers.pop().cancel()

    # What is on the screen.

    def _size(self) -> tuple[int, int]:
        size = self.session.app.output.get_size()
        return size.rows, size.columns

    def _message(self) -> StyleAndTextTuples:
        if self._connecting is not None:
            return [("class:prompt", "(connecting)> ")]
        return [("class:prompt", self.prompt_within(self._size()[1]))]

    def _toolbar(self) -> StyleAndTextTuples:
        _, columns = self._size()
        return [("class:toolbar", toolbar(self, columns=columns))]

    # Keys: see `keys`.

    @property
    def connecting(self) -> bool:
        """Whether a connection is being made."""
        return self._connecting is not None

    def procedure_changed(self) -> None:
        """Go on with what was typed, and draw the prompt, which may be a question now."""
        super().procedure_changed()
        self.session.app.invalidate()

    def interrupt(self) -> None:
        """Stop making a connection, what poptalk does by itself, and what the companion waits for."""
        if self._connecting is not None:
            self._connecting.cancel()
        self.interrupt_procedure()
        self.tell_companion(lambda companion: companion.interrupted())

    def take_line(self, event: KeyPressEvent) -> None:
        """Act on what is in the input line, and empty it; with a completion selected, take only that.

        It is remembered if it holds no secret.
        """
        buffer = event.current_buffer
        if buffer.complete_state and buffer.complete_state.current_completion:
            buffer.complete_state = None
            return
        text = buffer.text
        buffer.reset(append_to_history=True)
        try:
            self.enter(text)
        except NetError as error:
            self.show_failure(error)


async def run_live(
    shell: LiveShell,
    destination: Destination,
    *,
    welcome: Iterable[str] = (),
    connected: Callable[[LiveShell], None] | None = None,
) -> None:
    """Connect, greet, and talk until the user leaves.

    Args:
        shell: the shell.
        destination: where to connect to.
        welcome: what is said first.
        connected: is called when the connection stands.

    Raises:
        ConnectFailed: no connection came about.
        TlsFailed: TLS did not come about.
    """
    for line in welcome:
        shell.dialogue.remark(line)
    await shell.connect(destination)
    if connected is not None:
        connected(shell)
    await shell.run()
