"""A shell on asyncio's event loop, which hears its connection while a line is being typed.

The line itself is left to subclasses: `live` has it in a terminal, the classroom's page in a browser.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from poptalk.net.async_connection import CLOSE_GRACE, AsyncConnection, connect
from poptalk.net.endpoint import Destination
from poptalk.net.errors import ConnectFailed, Ending, NetError, TlsFailed, failure, no_tls_in_time
from poptalk.pop3.events import Sent
from poptalk.session.procedure import require_tls
from poptalk.session.session import Session
from poptalk.shell.commands.registry import LOCAL_PREFIX
from poptalk.shell.shell import Shell
from poptalk.shell.view import View

if TYPE_CHECKING:
    from poptalk.net.tls import TlsFacts
    from poptalk.shell.commands.registry import LocalCommand
    from poptalk.shell.shell import Screen

TICK_SECONDS = 1.0
"""How long a reply may take before its seconds are counted, and how often they are."""


class AsyncShell(Shell):
    """Connects and listens; a `ConnectionListener`.

    Args:
        screen: shows lines.
        size: gives its rows and columns.
        timeout: seconds for connecting, for a TLS handshake, and until a reply is overdue.
        commands: the local commands.
    """

    def __init__(
        self,
        *,
        screen: Screen,
        size: Callable[[], tuple[int, int]],
        timeout: float,
        commands: Mapping[str, LocalCommand],
    ) -> None:
        self._connection: AsyncConnection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._timers: list[asyncio.TimerHandle] = []
        """Reminders for when the server stops in the middle of a line, or says nothing at all."""
        self._loop = asyncio.get_running_loop()
        session = Session(clock=self._loop.time)
        session.failed = self.show_failure
        session.in_thread = self._in_thread
        view = View(session, show=screen.show, size=size)
        super().__init__(session, view, screen, commands)
        session.observe({Sent: lambda _event: self.watch()})
        self.timeout = timeout

    # The line.

    @property
    @abstractmethod
    def line(self) -> str:
        """What is typed in the line and not sent yet."""

    @abstractmethod
    def put_in_line(self, text: str) -> None:
        """Replace what is in the line."""

    @abstractmethod
    def redraw(self) -> None:
        """Draw the prompt again, which may have changed."""

    def connected_again(self) -> None:
        """Offer what was half typed when the last connection ended, or USER and the URL's user."""
        if self.line or self.session.procedure is not None:
            return  # What is in the line may be the answer to a question.
        if self.half_typed:
            text, self.half_typed = self.half_typed, ""
            self.put_in_line(text)
        elif self.destination and self.destination.user and not self.controller:
            self.put_in_line(f"USER {self.destination.user}")

    # For the local commands.

    def open(self, destination: Destination) -> None:
        """Connect in the background; a failure is shown."""
        before = self._connecting
        if before is not None and not before.cancelling():
            self.not_connected(ConnectFailed("already connecting; Ctrl-C gives up"))
            return
        if before is not None:
            self.keep_half_typed("")  # What waited for the other connection isn't for this one.
        self.session.connecting = self.reopened = True
        self._connecting = self._loop.create_task(self._open(destination, before))
        self._connecting.add_done_callback(self._opened)

    async def _open(self, destination: Destination, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait((before,))
        await self.disconnect()
        self.view.remark(f"connecting to {destination}")
        await self.connect(destination)

    def _opened(self, connecting: asyncio.Task[None]) -> None:
        """Take note that connecting is over, however it ended, and show what went wrong.

        This is a callback because a task that is cancelled before its first step runs nothing of its
        own, not even a `finally`.
        """
        if self._connecting is not connecting:
            return  # It was given up, and another has begun.
        self._connecting = None
        self.session.connecting = False
        held, self.session.held = self.session.held, []
        if connecting.cancelled():
            self.not_connected(ConnectFailed("gave up connecting"))
        elif isinstance(error := connecting.exception(), NetError):
            self.not_connected(error)
        elif isinstance(error, Exception):
            self._loop.call_exception_handler({"message": str(error), "exception": error})
        for line in held:
            self.send_line(line)
        self.redraw()

    async def connect(self, destination: Destination) -> None:
        """Connect.

        Raises:
            ConnectFailed: no connection was made.
            TlsFailed: TLS failed.
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
            await self._require_tls(connection)
        self.connected_again()

    async def _require_tls(self, connection: AsyncConnection) -> None:
        """Begin TLS before anything else is said, or end the connection.

        Raises:
            TlsFailed: the server does not offer it, or it failed.
        """
        outcome: asyncio.Future[Exception | None] = self._loop.create_future()

        def conclude(error: Exception | None) -> None:
            if not outcome.done():  # Ctrl-C may have ended the wait first.
                outcome.set_result(error)

        procedure = self.session.run(require_tls(self.session), name="starttls", then=conclude)
        try:
            async with asyncio.timeout(self.timeout):
                error = await outcome
        except TimeoutError:
            error = no_tls_in_time(self.timeout or 0)
        except BaseException:
            connection.close()
            raise
        finally:
            procedure.abandon()
        if error is not None:
            core = self.session.core
            await self.disconnect()
            raise self.session.staged(failure(error, core))

    def close(self) -> None:
        """Close the connection without QUIT, and give up connecting."""
        self.stop_connecting()
        if self._connection is not None:
            self._connection.close()

    def stop_connecting(self) -> None:
        """Give up connecting."""
        # What connects may hear the server, and so close the connection that it has just made.
        if self._connecting is not None and self._connecting is not asyncio.current_task():
            self._connecting.cancel()

    async def disconnect(self) -> None:
        """Close the connection, and wait until the shell has heard of its end."""
        connection = self._connection
        if connection is not None:
            connection.close()
            # It may never hear of it, if there was an exception in between.
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_GRACE + 1):
                    await connection.wait_closed()

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something later."""
        self._loop.call_later(seconds, action)

    def _in_thread(self, work: Callable[[], None], then: Callable[[], None]) -> None:
        done = self._loop.run_in_executor(None, work)
        done.add_done_callback(lambda _done: then())

    def interrupt(self, *, cleared: bool) -> None:
        """Give up connecting, or whatever else is awaited."""
        self.stop_connecting()
        super().interrupt(cleared=cleared)

    def procedure_changed(self) -> None:
        """Act on what was typed meanwhile, and draw the prompt, which may be a question now."""
        super().procedure_changed()
        self.redraw()

    # The connection speaks: see `async_connection.ConnectionListener`.

    def data_received(self, data: bytes) -> None:
        """Take octets from the server."""
        half_typed = self.line
        answering = bool(half_typed) and self.answering_auth
        self.session.received(data)
        if answering and self.withdraws_answer(half_typed):
            self.put_in_line("")
        if self.controller is not None:
            self.controller.listened()
        self.watch()
        self.redraw()

    def tls_failed(self, error: TlsFailed) -> None:
        """Take note that TLS failed, or broke; the end of the connection follows."""
        self.session.tls_failed(error)

    def tls_established(self, facts: TlsFacts) -> None:
        """Take note that TLS has begun after STLS."""
        self.session.tls_established(facts)
        self.tell_controller(lambda controller: controller.tls_begun())

    def connection_ended(self, ending: Ending) -> None:
        """Take note of the end of the connection; what is half typed is kept for the next one."""
        self._connection = None
        if self.line.startswith(LOCAL_PREFIX) and self.secret_in_text(self.line) is None:
            self.keep_half_typed("")
        else:
            self.keep_half_typed(self.line)
            self.put_in_line("")
        super().connection_ended(ending)
        self.watch()  # This cancels the timers: there is no connection.
        self.redraw()

    def watch(self) -> None:
        """Set the timers: for the rest of a line, and for what the server owes."""
        while self._timers:
            self._timers.pop().cancel()
        for seconds, say in self.reminders():
            self._timers.append(self._loop.call_later(seconds, say))
        if self.waits:
            self._timers.append(self._loop.call_later(TICK_SECONDS, self._tick))

    def _tick(self) -> None:
        """Draw the prompt again: the bottom line says how long a reply has been awaited."""
        if self.waits:
            self.redraw()
            self._timers.append(self._loop.call_later(TICK_SECONDS, self._tick))
