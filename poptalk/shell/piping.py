"""Setting up a pipe: what standard input and output are decides who shows what."""

from __future__ import annotations

import sys

from poptalk.net.link import Link
from poptalk.shell.pipe import Lines, Pipe, Tally
from poptalk.terminal.screen import RawOutput, ScreenClosed, complain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    from poptalk.net.destination import Destination
    from poptalk.shell.dialogue import Dialogue
    from poptalk.shell.one_liner import GivenLines
    from poptalk.shell.settings import ConnectOptions
    from poptalk.terminal.safe import Fragments
    from poptalk.terminal.screen import LinearScreen

    T = TypeVar("T")


def run_pipe(options: ConnectOptions, destination: Destination) -> int:
    """Send the lines of standard input to a server; return the exit code.

    Raises:
        NetError: no connection, no TLS, or the connection was lost.
        ScreenClosed: standard output is gone.
    """
    if sys.stdout is None:
        raise ScreenClosed("The output was closed before poptalk was started.")
    raw = None if sys.stdout.isatty() else RawOutput(sys.stdout.buffer)
    aside = None if raw is None or options.explain else Aside()
    face: Tally | Dialogue = Tally()
    if raw is None or options.log or options.local_commands or options.explain or options.login:
        face = _dialogue(options, show=_screen(options).show if aside is None else aside.show)
    try:
        return _carry_out(options, destination, face, raw=raw, aside=aside)
    finally:
        face.close()


def _carry_out(
    options: ConnectOptions,
    destination: Destination,
    face: Tally | Dialogue,
    *,
    raw: RawOutput | None,
    aside: Aside | None,
) -> int:
    settings = destination.tls_settings() if destination.tls else None
    with Link.open(destination.target, timeout=options.timeout, tls=settings) as link:
        pipe = Pipe(link=link, destination=destination, face=face, raw=raw, complain=complain)
        if options.login or options.mechanism or options.two_step or options.oauth:
            pipe.log_in = _login(pipe, options, destination, aside=aside)
        if options.local_commands:
            pipe.local = _local_commands(pipe, options, destination, aside=aside)
        pipe.after_login = options.after_login
        pipe.at_once = options.pipeline
        pipe.drop_after = options.drop_after
        return pipe.run(_lines(options))


def _lines(options: ConnectOptions) -> Lines | GivenLines:
    """Return the lines to send."""
    if not options.lines:
        return Lines(_input())
    from poptalk.shell.one_liner import GivenLines

    return GivenLines(options.lines)


def _input() -> int:
    """Return the descriptor of standard input; one that was closed is an empty one."""
    if sys.stdin is not None:
        return sys.stdin.fileno()
    import os

    return os.open(os.devnull, os.O_RDONLY)


NOTE, WARNING = "#", "#!"
"""How what poptalk itself says begins."""


class Aside:
    """Where a dialogue shows itself while standard output has the octets: nowhere.

    With two exceptions: what poptalk says because of a local command goes to standard error, and so
    do warnings while it logs in.
    """

    def __init__(self) -> None:
        self._screen: LinearScreen | None = None
        self._mark = NOTE

    def showing(self, mark: str, screen: LinearScreen, work: Callable[[], T]) -> T:
        """Do work, and show what poptalk says meanwhile.

        Args:
            mark: how the lines begin that are shown, `NOTE` or `WARNING`.
            screen: where.
            work: what is done.
        """
        self._screen, self._mark = screen, mark
        try:
            return work()
        finally:
            self._screen = None

    def show(self, lines: Iterable[Fragments]) -> None:
        """Show the lines that are notes, if there is a screen for them."""
        from poptalk.terminal.render import plain_text

        if self._screen is not None:
            self._screen.show([line for line in lines if plain_text(line).startswith(self._mark)])


def _screen(options: ConnectOptions) -> LinearScreen:
    """Make a screen of the terminal, or of standard error where standard output has the octets."""
    import os

    from poptalk.terminal.color import use_color
    from poptalk.terminal.screen import LinearScreen
    from poptalk.terminal.theme import theme_named

    stream = sys.stdout if sys.stdout.isatty() else sys.stderr
    color = use_color(options.color, os.environ, isatty=stream.isatty())
    return LinearScreen(stream, theme=theme_named(options.theme), color=color)


def _dialogue(options: ConnectOptions, *, show: Callable[[Iterable[Fragments]], None]) -> Dialogue:
    import time

    from poptalk.shell.dialogue import Dialogue
    from poptalk.shell.log import open_log

    log = open_log(options.log, log_format=options.log_format) if options.log else None
    dialogue = Dialogue(show=show, clock=time.monotonic, log=log, complain=complain)
    dialogue.explain = options.explain
    return dialogue


def _login(
    pipe: Pipe, options: ConnectOptions, destination: Destination, *, aside: Aside | None
) -> Callable[[], bool] | None:
    """Return what logs in before the first line is read."""
    from poptalk.net.destination import UsageError
    from poptalk.shell.logging_in import NoSecret, log_in, opening_request
    from poptalk.shell.scripted import ScriptedShell

    request = opening_request(options, destination)
    if request is None:
        return None

    def carry_out() -> bool:
        screen = _screen(options)
        shell = ScriptedShell(pipe=pipe, destination=destination, screen=screen)
        outcome: list[Exception | None] = []

        def log_in_at_once() -> None:
            shell.run_errand(log_in(shell, request), name="login", then=outcome.append)

        if aside is None:
            log_in_at_once()
        else:
            aside.showing(WARNING, screen, log_in_at_once)
        [error] = outcome
        if isinstance(error, NoSecret):
            raise UsageError(str(error))
        if error is not None:
            complain(str(error))
        return error is None

    return carry_out


def _local_commands(
    pipe: Pipe, options: ConnectOptions, destination: Destination, *, aside: Aside | None
) -> Callable[[str], bool]:
    from poptalk.shell.scripted import ScriptedShell

    screen = _screen(options)
    shell = ScriptedShell(pipe=pipe, destination=destination, screen=screen)
    shell.source = options.password_source

    def carry_out(text: str) -> bool:
        if aside is None:
            return shell.carry_out(text)
        return aside.showing(NOTE, screen, lambda: shell.carry_out(text))

    return carry_out
