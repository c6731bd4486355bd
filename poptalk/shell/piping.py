"""Setting up a pipe: what standard input and output are decides who shows what."""

from __future__ import annotations

import sys

from poptalk.net.link import Link
from poptalk.shell.pipe import Pipe, Tally
from poptalk.terminal.screen import RawOutput, complain

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from poptalk.shell.destination import Destination
    from poptalk.shell.dialogue import Dialogue
    from poptalk.terminal.screen import LinearScreen


def run_pipe(options: argparse.Namespace, destination: Destination) -> int:
    """Send the lines of standard input to a server; return the exit code.

    Raises:
        NetError: no connection, no TLS, or the connection was lost.
        ScreenClosed: standard output is gone.
    """
    raw = None if sys.stdout.isatty() else RawOutput(sys.stdout.buffer)
    face: Tally | Dialogue = Tally()
    if raw is None or options.log or options.local_commands:
        face = _dialogue(options, shown=raw is None)
    settings = destination.tls_settings() if destination.tls else None
    with Link.open(destination.target, timeout=options.timeout, tls=settings) as link:
        pipe = Pipe(link=link, destination=destination, face=face, raw=raw, complain=complain)
        if options.local_commands:
            pipe.local = _local_commands(options, pipe, destination)
        return pipe.run(sys.stdin.fileno())


def _screen(options: argparse.Namespace, *, shown: bool) -> LinearScreen:
    """Make a screen of the terminal, or of standard error where standard output has the octets."""
    import os

    from poptalk.terminal.color import use_color
    from poptalk.terminal.screen import LinearScreen
    from poptalk.terminal.theme import theme_named

    stream = sys.stdout if shown else sys.stderr
    color = use_color(options.color, os.environ, isatty=stream.isatty())
    return LinearScreen(stream, theme=theme_named(options.theme), color=color)


def _dialogue(options: argparse.Namespace, *, shown: bool) -> Dialogue:
    import time

    from poptalk.shell.dialogue import Dialogue
    from poptalk.shell.log import open_log

    screen = _screen(options, shown=shown)
    show = screen.show if shown else _drop
    log = open_log(options.log) if options.log else None
    return Dialogue(show=show, clock=time.monotonic, log=log)


def _drop(lines: object) -> None:
    """Show nothing: standard output has the octets themselves."""


def _local_commands(
    options: argparse.Namespace, pipe: Pipe, destination: Destination
) -> Callable[[str], bool]:
    from poptalk.shell.scripted import ScriptedShell

    screen = _screen(options, shown=sys.stdout.isatty())
    return ScriptedShell(pipe=pipe, destination=destination, screen=screen).carry_out
