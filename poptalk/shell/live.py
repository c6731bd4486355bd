"""The live shell: a prompt that stays, while everything that is said appears above it.

One prompt_toolkit application runs as long as the shell; Enter does not end it.  The connection calls
back from the same event loop, so that typing and reading never wait for each other.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
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

from poptalk.net.errors import NetError, TlsFailed
from poptalk.session.log import SessionRecord
from poptalk.shell.async_shell import TICK_SECONDS, AsyncShell
from poptalk.shell.commands.registry import LOCAL_PREFIX
from poptalk.shell.completion import LineCompleter, SecretlessHistory, TypedLine
from poptalk.shell.shell import Shell
from poptalk.terminal.safe import cells, cut, harmless
from poptalk.terminal.screen import LiveScreen, ScreenClosed, attributes_of, stop_with
from poptalk.terminal.theme import MONO, ptk_color_depth, ptk_style

if TYPE_CHECKING:
    from poptalk.shell.commands.registry import LocalCommand
    from poptalk.terminal.screen import Attributes
    from poptalk.terminal.theme import Theme

# Keys that differ from prompt_toolkit's own.

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
    # As telnet users expect.  Eager, because in prompt_toolkit this key waits for a character.
    bindings.add("c-]", filter=on_empty_line, eager=True)(
        lambda event: event.current_buffer.insert_text(LOCAL_PREFIX)
    )
    bindings.add("tab")(partial(_complete, shell))
    bindings.add(Keys.BracketedPaste)(partial(_paste, shell))
    # Eager, so that bindings for any key don't get it.
    bindings.add(Keys.CPRResponse, save_before=lambda _event: False, eager=True)(
        partial(_locate, shell)
    )
    return bindings


def _clear(shell: LiveShell, event: KeyPressEvent) -> None:
    """Clear the line; if it is empty, give up what is awaited."""
    cleared = bool(event.current_buffer.text)
    event.current_buffer.reset()
    shell.interrupt(cleared=cleared)


def _complete(shell: LiveShell, event: KeyPressEvent) -> None:
    """Complete if there is something to complete; otherwise a Tab is a Tab."""
    buffer = event.current_buffer
    candidates = buffer.completer.get_completions(buffer.document, _ASKED_FOR)
    if buffer.complete_state is None and next(iter(candidates), None) is None:
        # With completion off, a Tab asks for it in vain; nobody means the character.
        buffer.insert_text("\t" if shell.gives_completions else "")
    else:
        generate_completions(event)


def _locate(shell: LiveShell, event: KeyPressEvent) -> None:
    """Take the terminal's report of the cursor's position, `ESC [ row ; column R`."""
    row, _, _ = event.data[2:-1].partition(";")
    shell.screen.cursor_reported(int(row))


def _paste(shell: LiveShell, event: KeyPressEvent) -> None:
    """Take each whole line of what is pasted; the rest stays in the line."""
    buffer = event.current_buffer
    *lines, rest = _LINE_END.split(event.data)
    for line in lines:
        buffer.insert_text(line)
        shell.take_line(event)
    buffer.insert_text(rest)


# The bottom line: the server, what is known of the maildrop, how fast the last reply was.


def toolbar(shell: Shell, *, columns: int = 0) -> StyleAndTextTuples:
    """Return the bottom line; facts that don't fit on the screen are left out, one at a time.

    How far a reply has come, or how long it has been awaited, stays longest.

    Args:
        shell: whose line it is.
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
    """Say how far a reply has come, and of how much if the server has said so."""
    if announced is None:
        return f"receiving, {octets:,} octets"
    words = f"{octets:,} octets of about {announced:,}"
    return f"receiving, {words}" if len(words) + len("receiving, ") <= columns else words


def _where_one_stands(shell: Shell) -> Iterator[str]:
    """Yield the connection and what is known of the maildrop, the most important first."""
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


class LiveShell(AsyncShell):
    """A shell that hears the server while the user types."""

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
        # Without colours there are still bold and underline: commands must stand out.
        theme = theme if color else MONO
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
        super().__init__(screen=screen, size=self._size, timeout=timeout, commands=commands)
        self.session.record = SessionRecord(self.session)
        self._terminal: Attributes | None = None
        self.while_stopped: Callable[[], AbstractContextManager[object]] = nullcontext
        """Gives a context for the time that the program is stopped."""
        self._refused: NetError | None = None
        """The error of a server that lets nobody in: the one the shell was started for."""

    # The line.

    @property
    def line(self) -> str:
        """What is typed in the line."""
        return self.prompt_session.default_buffer.text

    def put_in_line(self, text: str) -> None:
        """Replace it."""
        self.prompt_session.default_buffer.reset()
        self.prompt_session.default_buffer.insert_text(text)

    def redraw(self) -> None:
        """Draw the prompt and the bottom line again."""
        self.prompt_session.app.invalidate()

    def connected_again(self) -> None:
        """Offer what was half typed; before the prompt runs, `run` does that."""
        if self.prompt_session.app.is_running:
            super().connected_again()

    # For the local commands.

    def leave(self) -> None:
        """End the shell."""
        app = self.prompt_session.app
        if app.is_running and not app.is_done:
            self.tell_controller(lambda controller: controller.left())
            app.exit()

    def end(self, code: int) -> None:
        """End the program from the event loop: elsewhere an exception might be lost."""
        self._loop.call_soon_threadsafe(self._end, SystemExit(code))

    def _end(self, error: BaseException) -> None:
        app = self.prompt_session.app
        if not app.is_running:
            raise error
        if not app.is_done:
            app.exit(exception=error)

    def stop(self) -> None:
        """Suspend the program, from the event loop."""
        self._loop.call_soon_threadsafe(self.suspend)

    def suspend(self) -> None:
        """Suspend the program as Ctrl-Z does elsewhere, with the terminal as it was before."""

        def stop() -> None:
            with self.while_stopped():
                stop_with(sys.stdin.fileno(), self._terminal)

        run_in_terminal(stop)

    # The run.

    async def run(self) -> None:
        """Talk until the user leaves."""
        self._loop.set_exception_handler(self._unforeseen)
        self._terminal = attributes_of(sys.stdin)
        try:
            if self._refused is not None:
                raise self._refused
            await self.prompt_session.prompt_async(
                pre_run=super().connected_again, set_exception_handler=False
            )
        finally:
            self.stop_connecting()
            await self.disconnect()
            self.session.close()
            self.screen.flush()

    def _unforeseen(self, _loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """Show a bug of poptalk's own in one line; the session continues if there is a terminal."""
        error = context.get("exception")
        if not isinstance(error, ScreenClosed):
            said = error or context.get("message")
            self.view.warn(f"a fault in poptalk: {said!r}; please report it")
        elif self.prompt_session.app.is_running:
            self._end(error)

    def tls_failed(self, error: TlsFailed) -> None:
        """Take note that TLS failed; end the shell if the server wants a client certificate."""
        if not self.is_refused(error):
            super().tls_failed(error)
        elif self.prompt_session.app.is_running:
            self._end(error)
        else:
            self._refused = error

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

    def take_line(self, event: KeyPressEvent) -> None:
        """Act on the input line, and empty it; with a completion selected, only take that.

        The history keeps it unless it holds a secret.
        """
        buffer = event.current_buffer
        if buffer.complete_state and buffer.complete_state.current_completion:
            buffer.complete_state = None
            return
        text = buffer.text
        buffer.reset(append_to_history=True)
        self.enter(text)
