"""Setting up a shell for somebody at a terminal: live, or linear where redrawing would not do."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from types import FrameType

from poptalk.net.destination import Destination
from poptalk.practice.embedded import PracticeDestination
from poptalk.shell.options import ConnectOptions
from poptalk.terminal.color import use_color
from poptalk.terminal.theme import theme_named

WELCOME = (
    "Welcome to poptalk. This is a practice server with three letters in it; nothing can be broken.",
    "Type USER bob, Enter, then PASS jones, then LIST, and RETR 3. QUIT says goodbye.",
    ":help lists what can be typed, :why explains the last answer, Ctrl-D leaves.",
)
"""What a newcomer reads first."""

_LINEAR_TERMS = frozenset({"", "dumb", "unknown"})
"""Values of TERM that promise no cursor movement."""

_SIGNAL_BASE = 128
"""What shells add to the number of a signal to make an exit code of it."""


def run_interactive(options: ConnectOptions, destination: Destination) -> int:
    """Open the shell on a terminal; return the exit code.

    Raises:
        NetError: the first connection failed.
        ScreenClosed: the terminal is gone.
    """
    _end_tidily()
    linear = options.plain or os.environ.get("TERM", "") in _LINEAR_TERMS
    return (_run_linear if linear else _run_live)(options, destination)


def _end_tidily() -> None:
    """Let SIGTERM and SIGHUP end the shell by an exception: death would leave the terminal raw."""

    def end(number: int, _frame: FrameType | None) -> None:
        # Once is enough: a second signal must not interrupt the tidying up.
        signal.signal(number, signal.SIG_IGN)
        raise SystemExit(_SIGNAL_BASE + number)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, end)


def _run_live(options: ConnectOptions, destination: Destination) -> int:
    import asyncio

    from poptalk.paths import state_directory
    from poptalk.shell.live import LiveShell, run_live
    from poptalk.shell.log import open_log

    async def talk() -> None:
        shell = LiveShell(
            theme=theme_named(options.theme),
            color=use_color(options.color, os.environ, isatty=True),
            timeout=options.timeout,
            history_path=str(state_directory() / "history"),
        )
        shell.dialogue.log = open_log(options.log) if options.log else None
        await run_live(shell, destination, welcome=_welcome(destination))

    asyncio.run(talk())
    return 0


def _run_linear(options: ConnectOptions, destination: Destination) -> int:
    import time

    from poptalk.shell.dialogue import Dialogue
    from poptalk.shell.line_input import LineInput
    from poptalk.shell.linear import LinearShell
    from poptalk.shell.log import open_log
    from poptalk.terminal.screen import LinearScreen

    screen = LinearScreen(
        sys.stdout,
        theme=theme_named(options.theme),
        color=use_color(options.color, os.environ, isatty=True),
    )
    dialogue = Dialogue(
        show=screen.show,
        clock=time.monotonic,
        size=_size,
        log=open_log(options.log) if options.log else None,
    )
    descriptor = sys.stdin.fileno()
    shell = LinearShell(
        dialogue=dialogue,
        screen=screen,
        keys=LineInput(descriptor, echo=screen.echo),
        descriptor=descriptor,
        timeout=options.timeout,
    )
    for line in _welcome(destination):
        dialogue.remark(line)
    shell.connect(destination)
    return shell.run()


def _size() -> tuple[int, int]:
    """Return rows and columns of the terminal itself: COLUMNS may be an old window's."""
    try:
        size = os.get_terminal_size(sys.stdout.fileno())
    except OSError:
        size = shutil.get_terminal_size()
    return size.lines, size.columns


def _welcome(destination: Destination) -> tuple[str, ...]:
    return WELCOME if isinstance(destination, PracticeDestination) else ()
