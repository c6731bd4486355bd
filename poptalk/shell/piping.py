"""Setting up a pipe: what standard input and output are decides who shows what."""

from __future__ import annotations

import sys

from poptalk.net.link import Link
from poptalk.shell.pipe import Pipe, Tally
from poptalk.terminal.screen import RawOutput, ScreenClosed, complain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from poptalk.net.destination import Destination
    from poptalk.shell.dialogue import Dialogue
    from poptalk.shell.options import ConnectOptions
    from poptalk.terminal.safe import Fragments
    from poptalk.terminal.screen import LinearScreen


def run_pipe(options: ConnectOptions, destination: Destination) -> int:
    """Send the lines of standard input to a server; return the exit code.

    Raises:
        NetError: no connection, no TLS, or the connection was lost.
        ScreenClosed: standard output is gone.
    """
    if sys.stdout is None:
        raise ScreenClosed("The output was closed before poptalk was started.")
    raw = None if sys.stdout.isatty() else RawOutput(sys.stdout.buffer)
    aside = None if raw is None else Aside()
    face: Tally | Dialogue = Tally()
    if raw is None or options.log or options.local_commands:
        face = _dialogue(options, show=_screen(options).show if aside is None else aside.show)
    settings = destination.tls_settings() if destination.tls else None
    with Link.open(destination.target, timeout=options.timeout, tls=settings) as link:
        pipe = Pipe(link=link, destination=destination, face=face, raw=raw, complain=complain)
        if options.local_commands:
            pipe.local = _local_commands(pipe, destination, screen=_screen(options), aside=aside)
        return pipe.run(_input())


def _input() -> int:
    """Return the descriptor of standard input; one that was closed is an empty one."""
    if sys.stdin is not None:
        return sys.stdin.fileno()
    import os

    return os.open(os.devnull, os.O_RDONLY)


class Aside:
    """Where a dialogue shows itself while standard output has the octets: nowhere.

    With one exception: what poptalk says because of a local command goes to standard error.
    """

    def __init__(self) -> None:
        self.screen: LinearScreen | None = None
        """Set while a local command is carried out."""

    def show(self, lines: Iterable[Fragments]) -> None:
        """Show the lines that are notes, if there is a screen for them."""
        from poptalk.terminal.render import plain_text

        if self.screen is not None:
            self.screen.show([line for line in lines if plain_text(line).startswith("#")])


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

    log = open_log(options.log) if options.log else None
    return Dialogue(show=show, clock=time.monotonic, log=log, complain=complain)


def _local_commands(
    pipe: Pipe, destination: Destination, *, screen: LinearScreen, aside: Aside | None
) -> Callable[[str], bool]:
    from poptalk.shell.scripted import ScriptedShell

    shell = ScriptedShell(pipe=pipe, destination=destination, screen=screen)
    if aside is None:
        return shell.carry_out

    def carry_out(text: str) -> bool:
        aside.screen = screen
        try:
            return shell.carry_out(text)
        finally:
            aside.screen = None

    return carry_out
