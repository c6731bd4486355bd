"""Setting up a pipe: what standard input and output are decides who shows what."""

from __future__ import annotations

import sys
from time import monotonic

from poptalk.net.link import Link
from poptalk.session.client import Hand
from poptalk.session.events import Note
from poptalk.session.session import Session
from poptalk.shell.pipe import Lines, Pipe
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
    shows = raw is None or options.explain
    keep = bool(shows or options.log or options.local_commands or options.login)
    session = Session(clock=monotonic, keep=keep, complain=complain)
    view: Dialogue | None = None
    if keep:
        view = _view(options, session, show=_screen(options).show if aside is None else aside.show)
    if not shows:
        session.observe({Note: _complain_of_warnings(aside)})
    try:
        settings = destination.tls_settings() if destination.tls else None
        with Link.open(destination.target, timeout=options.timeout, tls=settings) as link:
            pipe = Pipe(Hand(link, destination, session), raw=raw, complain=complain)
            _set_up(pipe, options, view, aside=aside)
            return pipe.run(_lines(options))
    finally:
        session.close()


def _set_up(
    pipe: Pipe, options: ConnectOptions, view: Dialogue | None, *, aside: Aside | None
) -> None:
    if options.login or options.mechanism or options.two_step or options.oauth:
        pipe.log_in = _login(pipe, options, aside=aside)
    if view is not None and options.local_commands:
        pipe.local = _local_commands(pipe, options, view, aside=aside)
    pipe.after_login = options.after_login
    pipe.at_once = options.pipeline
    pipe.drop_after = options.drop_after


def _complain_of_warnings(aside: Aside | None) -> Callable[[Note], None]:
    """Return an observer that puts warnings on standard error where no screen shows them."""

    def take(note: Note) -> None:
        shown = aside is not None and aside.shows
        if note.warning and not shown:
            complain(note.text)

    return take


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

    @property
    def shows(self) -> bool:
        """Whether warnings are shown at the moment."""
        return self._screen is not None

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


def _view(
    options: ConnectOptions, session: Session, *, show: Callable[[Iterable[Fragments]], None]
) -> Dialogue:
    """Give a session its view and its log."""
    from poptalk.shell.dialogue import Dialogue

    view = Dialogue(session, show=show)
    view.explain = options.explain
    if options.log:
        from poptalk.shell.logging_in import start_log

        start_log(session, options)
    return view


def _login(
    pipe: Pipe, options: ConnectOptions, *, aside: Aside | None
) -> Callable[[], bool] | None:
    """Return what logs in before the first line is read."""
    from poptalk.login.sources import asker
    from poptalk.net.destination import UsageError
    from poptalk.session.login import Asker, NoSecret, log_in
    from poptalk.session.procedure import LocalError
    from poptalk.shell.logging_in import opening_request

    session = pipe.session
    assert session.destination is not None, "it has been opened"
    request = opening_request(options, session.destination)
    if request is None:
        return None

    def carry_out() -> bool:
        plan = log_in(session, request, asker=Asker(at_prompt=False, ask=asker()))
        try:
            if aside is None:
                pipe.carry_out(plan)
            else:
                aside.showing(WARNING, _screen(options), lambda: pipe.carry_out(plan))
        except NoSecret as error:
            raise UsageError(str(error)) from error
        except LocalError as error:
            complain(str(error))
            return False
        return True

    return carry_out


def _local_commands(
    pipe: Pipe, options: ConnectOptions, view: Dialogue, *, aside: Aside | None
) -> Callable[[str], bool]:
    from poptalk.shell.scripted import ScriptedShell

    screen = _screen(options)
    shell = ScriptedShell(view, say=screen.show, settle=pipe.settle, carry_on=pipe.finish_procedure)
    shell.source = options.password_source

    def carry_out(text: str) -> bool:
        if aside is None:
            return shell.carry_out(text)
        return aside.showing(NOTE, screen, lambda: shell.carry_out(text))

    return carry_out
