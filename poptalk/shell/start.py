"""Sets up a shell for a person at a terminal: the live one, or the plain one if redrawing won't do."""

from __future__ import annotations

import _thread
import os
import signal
import sys
from collections.abc import Callable, Sequence
from threading import get_ident
from time import sleep
from types import FrameType
from typing import TYPE_CHECKING

from poptalk.net.endpoint import Destination
from poptalk.session.login import opening_request
from poptalk.shell.commands.login import begin_login, start_log
from poptalk.shell.script import ShellSettings, watch_expiry
from poptalk.terminal.screen import attributes_of, set_attributes, stop_with, use_color
from poptalk.terminal.theme import theme_named

if TYPE_CHECKING:
    from poptalk.shell.shell import Shell

WELCOME = (
    "Welcome to poptalk. This is a practice server with three letters in it; nothing can be broken.",
    "Type USER bob, Enter, then PASS jones, then LIST, and RETR 3. QUIT says goodbye.",
    ":help lists what can be typed, :why explains the last answer, Ctrl-D leaves.",
)
"""The first lines that a newcomer to the practice server reads."""

LINEAR_TERMS = frozenset({"", "dumb", "unknown"})
"""Values of TERM for terminals whose cursor may not move."""

TIDYING_SECONDS = 2.0
"""How long the shell may take to end in an orderly way."""

_WAKE_SECONDS = (0.05, 0.2, 0.5)
"""Pauses before a call that waits is interrupted again."""

_SIGNAL_BASE = 128
"""What shells add to the number of a signal to make an exit code."""


def run_interactive(
    options: ShellSettings,
    destination: Destination,
    *,
    prepare: Callable[[Shell], None] | None = None,
    welcome: Sequence[str] = (),
) -> int:
    """Open the shell on a terminal; return the exit code.

    Args:
        options: how it looks, and how long it waits.
        destination: where it connects to.
        prepare: called with the shell before it connects.
        welcome: lines to show first.

    Raises:
        NetError: the first connection failed.
        ScreenClosed: the terminal is gone.
    """
    request = opening_request(options, destination)

    def begin(shell: Shell) -> None:
        if prepare is not None:
            prepare(shell)
        for line in welcome:
            shell.view.remark(line)

    def connected(shell: Shell) -> None:
        if request is not None:
            begin_login(shell, request)

    return _run(options, begin, destination, connected)


def run_with_lessons(
    options: ShellSettings, begin: Callable[[Shell], None], *, keep_history: bool = True
) -> int:
    """Open a shell that is not connected, and has a controller; return the exit code.

    Args:
        options: how it looks, and how long it waits.
        begin: gives the shell its controller, which does everything else.
        keep_history: whether the history is kept after the end.

    Raises:
        ScreenClosed: the terminal is gone.
    """
    return _run(options, begin, None, begin, keep_history=keep_history)


def _run(
    options: ShellSettings,
    begin: Callable[[Shell], None],
    destination: Destination | None,
    connected: Callable[[Shell], None],
    *,
    keep_history: bool = True,
) -> int:
    """Run the shell that the terminal and the options ask for.

    Args:
        options: how it looks, and how long it waits.
        begin: called with the shell at once.
        destination: where it connects to; None if the controller connects it.
        connected: called with the shell when it is connected.
        keep_history: as for `run_with_lessons`.
    """
    from poptalk.shell.commands.general import LOCAL_COMMANDS

    signals = Signals()
    theme = theme_named(options.theme)
    color = use_color(options.color, os.environ, isatty=True)

    def settle_in(shell: Shell) -> None:
        signals.shell = shell
        shell.source = options.password_source
        shell.view.explain = options.explain
        shell.view.times = options.times
        if options.expires_within is not None:
            watch_expiry(shell.session, options.expires_within)
        start_log(shell.session, options)
        begin(shell)

    def run_plain() -> None:
        from poptalk.shell.plain import PlainShell

        shell = PlainShell(
            theme=theme, color=color, timeout=options.timeout, commands=LOCAL_COMMANDS
        )
        settle_in(shell)
        if destination is not None:
            shell.connect(destination)
            connected(shell)
        shell.run()

    async def run_live() -> None:
        from poptalk.config import state_directory
        from poptalk.shell.live import LiveShell

        shell = LiveShell(
            theme=theme,
            color=color,
            timeout=options.timeout,
            history_path=str(state_directory() / "history") if keep_history else None,
            commands=LOCAL_COMMANDS,
        )
        settle_in(shell)
        if destination is not None:
            await shell.connect(destination)
            connected(shell)
        await shell.run()

    try:
        if options.plain or os.environ.get("TERM", "") in LINEAR_TERMS:
            run_plain()
        else:
            import asyncio

            asyncio.run(run_live())
    except Exception as error:
        # The signal may have become another error: up to Python 3.11, a class that is just being made
        # wraps every exception in a RuntimeError.
        if signals.code is None:
            raise
        raise SystemExit(signals.code) from error
    return 0


class Signals:
    """Takes the signals that end or suspend the program.

    SIGTERM and SIGHUP end the shell in an orderly way: otherwise the terminal would stay raw.  If that
    takes too long, or the exception gets lost, the terminal is restored and the program ends anyway.
    """

    def __init__(self) -> None:
        self.shell: Shell | None = None
        self.code: int | None = None
        """The exit code; None until a signal ends the program."""
        self._terminal = attributes_of(sys.stdin)
        for name, take in (("SIGTERM", self._end), ("SIGHUP", self._end), ("SIGTSTP", self._stop)):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, take)

        self._main = get_ident()
        if hasattr(signal, "pthread_kill"):
            signal.signal(signal.SIGURG, lambda _number, _frame: None)
            read, write = os.pipe()
            os.set_blocking(write, False)
            signal.set_wakeup_fd(write, warn_on_full_buffer=False)
            _thread.start_new_thread(self._wake, (read,))

    def _wake(self, read: int) -> None:
        """Make sure that signals are handled; runs in a thread of its own.

        A signal that comes between Python's last check for signals and a blocking call does not
        interrupt that call.  So the call is interrupted again, by a signal that means nothing.
        """
        while numbers := os.read(read, 64):
            if set(numbers) != {signal.SIGURG}:
                for pause in _WAKE_SECONDS:
                    sleep(pause)
                    signal.pthread_kill(self._main, signal.SIGURG)

    def _end(self, number: int, _frame: FrameType | None) -> None:
        if self.code is not None:
            return
        code = self.code = _SIGNAL_BASE + number
        # The threading module takes locks, which the interrupted code may hold.
        _thread.start_new_thread(self._insist, (code,))
        if self.shell is None:
            raise SystemExit(code)
        self.shell.end(code)

    def _insist(self, code: int) -> None:
        """Wait for the end, and if it doesn't come, end the program."""
        sleep(TIDYING_SECONDS)
        set_attributes(sys.stdin.fileno(), self._terminal)
        os._exit(code)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        if self.shell is not None:
            self.shell.stop()
        else:
            stop_with(sys.stdin.fileno(), None)
