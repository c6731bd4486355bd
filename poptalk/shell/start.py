"""Setting up a shell for somebody at a terminal: live, or linear where redrawing would not do."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from time import monotonic
from types import FrameType
from typing import TYPE_CHECKING

from poptalk.net.endpoint import Destination
from poptalk.shell.commands.login import begin_login, opening_request, start_log
from poptalk.shell.script import ShellSettings
from poptalk.terminal.screen import use_color
from poptalk.terminal.theme import theme_named

if TYPE_CHECKING:
    from poptalk.shell.live import LiveShell
    from poptalk.shell.plain import PlainShell
    from poptalk.shell.shell import Shell

WELCOME = (
    "Welcome to poptalk. This is a practice server with three letters in it; nothing can be broken.",
    "Type USER bob, Enter, then PASS jones, then LIST, and RETR 3. QUIT says goodbye.",
    ":help lists what can be typed, :why explains the last answer, Ctrl-D leaves.",
)
"""What a newcomer to the practice server reads first."""

_LINEAR_TERMS = frozenset({"", "dumb", "unknown"})
"""Values of TERM that promise no cursor movement."""

TIDYING_SECONDS = 2.0
"""How long the shell may take to give the terminal back before a further signal counts."""

_SIGNAL_BASE = 128
"""What shells add to the number of a signal to make an exit code of it."""


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
        prepare: is given the shell before it connects.
        welcome: what is said first.

    Raises:
        NetError: the first connection failed.
        ScreenClosed: the terminal is gone.
    """
    _end_tidily()
    prepare = prepare or _as_it_is
    request = opening_request(options, destination)

    def connected(shell: Shell) -> None:
        if request is not None:
            begin_login(shell, request)

    if not _is_linear(options):
        return _run_live(
            options, destination, prepare=prepare, welcome=welcome, connected=connected
        )
    shell = _linear_shell(options)
    prepare(shell)
    for line in welcome:
        shell.view.remark(line)
    shell.connect(destination)
    connected(shell)
    return shell.run()


def _as_it_is(_shell: Shell) -> None:
    """Leave a shell as it is."""


def run_with_lessons(options: ShellSettings, begin: Callable[[Shell], None]) -> int:
    """Open a shell that is not connected, and that has a controller; return the exit code.

    Args:
        options: how it looks, and how long it waits.
        begin: gives the shell its controller, who does everything else.

    Raises:
        ScreenClosed: the terminal is gone.
    """
    import asyncio

    _end_tidily()
    if _is_linear(options):
        shell = _linear_shell(options)
        begin(shell)
        return shell.run()

    async def session() -> None:
        shell = _live_shell(options)
        begin(shell)
        await shell.run()

    asyncio.run(session())
    return 0


def _is_linear(options: ShellSettings) -> bool:
    return options.plain or os.environ.get("TERM", "") in _LINEAR_TERMS


def _end_tidily() -> None:
    """Let SIGTERM and SIGHUP end the shell by an exception: death would leave the terminal raw."""
    begun = -TIDYING_SECONDS

    def end(number: int, _frame: FrameType | None) -> None:
        nonlocal begun
        # A second signal must not interrupt the tidying up.  A later one counts again, in case that
        # the exception was raised where it could not end anything.
        if monotonic() - begun >= TIDYING_SECONDS:
            begun = monotonic()
            raise SystemExit(_SIGNAL_BASE + number)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, end)


def _run_live(
    options: ShellSettings,
    destination: Destination,
    *,
    prepare: Callable[[Shell], None],
    welcome: Sequence[str],
    connected: Callable[[Shell], None],
) -> int:
    import asyncio

    from poptalk.shell.live import run_live

    async def session() -> None:
        shell = _live_shell(options)
        prepare(shell)
        await run_live(shell, destination, welcome=welcome, connected=connected)

    asyncio.run(session())
    return 0


def _live_shell(options: ShellSettings) -> LiveShell:
    from poptalk.config import state_directory
    from poptalk.shell.commands.general import LOCAL_COMMANDS
    from poptalk.shell.live import LiveShell

    shell = LiveShell(
        theme=theme_named(options.theme),
        color=use_color(options.color, os.environ, isatty=True),
        timeout=options.timeout,
        history_path=str(state_directory() / "history"),
        commands=LOCAL_COMMANDS,
    )
    _settle_in(shell, options)
    return shell


def _settle_in(shell: Shell, options: ShellSettings) -> None:
    """Tell a shell what it has to know of the options."""
    shell.source = options.password_source
    shell.view.explain = options.explain
    start_log(shell.session, options)


def _linear_shell(options: ShellSettings) -> PlainShell:
    from poptalk.session.session import Session
    from poptalk.shell.commands.general import LOCAL_COMMANDS
    from poptalk.shell.plain import LineInput, PlainShell
    from poptalk.shell.view import View
    from poptalk.terminal.screen import LinearScreen

    screen = LinearScreen(
        sys.stdout,
        theme=theme_named(options.theme),
        color=use_color(options.color, os.environ, isatty=True),
    )
    session = Session(clock=monotonic)
    descriptor = sys.stdin.fileno()
    shell = PlainShell(
        session=session,
        view=View(session, show=screen.show, size=_size),
        commands=LOCAL_COMMANDS,
        screen=screen,
        keys=LineInput(descriptor, echo=screen.echo),
        descriptor=descriptor,
        timeout=options.timeout,
    )
    _settle_in(shell, options)
    return shell


def _size() -> tuple[int, int]:
    """Return rows and columns of the terminal itself: COLUMNS may be an old window's."""
    try:
        size = os.get_terminal_size(sys.stdout.fileno())
    except OSError:
        size = shutil.get_terminal_size()
    return size.lines, size.columns
