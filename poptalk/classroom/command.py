"""The command ``poptalk class``: the server of a lesson, and the board."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from poptalk.classroom.rehearsal import cast, rehearsing
from poptalk.classroom.report import report
from poptalk.classroom.results import CannotWriteResults, ClassResults, Dialogues
from poptalk.classroom.room import ClassRoom
from poptalk.classroom.server import lesson_named
from poptalk.config import not_installed
from poptalk.exit_codes import EXIT_NO, EXIT_OK, EXIT_USAGE
from poptalk.lesson.server import what_its_server_does
from poptalk.net.endpoint import UsageError
from poptalk.pop3.values import Value
from poptalk.practice.limits import CannotListen
from poptalk.practice.persona import LOOPBACK
from poptalk.practice.serve import blackboard, password_of_class, why_not
from poptalk.practice.server import UNUSABLE
from poptalk.terminal.screen import use_color
from poptalk.terminal.theme import theme_named

if TYPE_CHECKING:
    from poptalk.classroom.web.site import WebSite
    from poptalk.terminal.screen import ColorFlag

Say = Callable[[str], None]


class ClassSettings(Value):
    """The options of `poptalk class`."""

    lesson: str = ""
    any_name: str = ""
    """The password for everyone; empty to have one chosen."""
    listen: tuple[str, ...] = (LOOPBACK,)
    port: int = 0
    tls_port: int = 0
    web: int | None = None
    """The port of the web pages; None for no pages."""
    results: str | None = None
    keep: str | None = None
    rehearse: int = 0
    """How many pupils to play."""
    plain: bool = False
    color: ColorFlag = "auto"
    theme: str = "neutral"


def run_class(settings: ClassSettings, *, say: Say, complain: Say) -> int:
    """Hold a class until the teacher leaves.

    Args:
        settings: the options.
        say: prints a line and flushes it.
        complain: prints a sentence to standard error.

    Returns:
        The exit code: 0 at the end; 2 for an option that cannot be used; 1 for a port that is taken.

    Raises:
        UsageError: there is no such lesson, or a class can't do it.
        ScreenClosed: standard output is gone.
    """
    lesson = lesson_named(settings.lesson)
    make_site = _pages(settings)
    try:
        room = ClassRoom(
            lesson,
            password=password_of_class(settings.any_name),
            host=settings.listen,
            port=settings.port,
            tls_port=settings.tls_port,
        )
        site = make_site(room) if make_site is not None else None
        with _running(room, settings, complain, site) as results:
            _show(room, settings, say, complain, site)
        for line in _summary(room, settings, results):
            say(line)
    except (CannotWriteResults, *UNUSABLE) as error:
        complain(str(error))
        return EXIT_USAGE
    except CannotListen as error:
        is_web = error.port != 0 and error.port == settings.web
        complain(why_not(error, free="--web 0 takes a free one") if is_web else why_not(error))
        return EXIT_NO if error.is_address else EXIT_USAGE
    return EXIT_OK


def _pages(settings: ClassSettings) -> Callable[[ClassRoom], WebSite] | None:
    """Return the constructor of the web pages of a class; None if none are asked for.

    Raises:
        UsageError: aiohttp, which serves them, is not installed.
    """
    if settings.web is None:
        return None
    try:
        from poptalk.classroom.web.site import WebSite
    except ImportError:
        raise UsageError(f"--web: {not_installed('aiohttp')}") from None
    return partial(WebSite, hosts=settings.listen, port=settings.web)


@contextmanager
def _running(
    room: ClassRoom, settings: ClassSettings, complain: Say, site: WebSite | None
) -> Iterator[ClassResults | None]:
    """Run the class, its pages and its rehearsal, and keep its results."""
    pupils = room.pupils
    pupils.complain = complain
    results = None
    with ExitStack() as running:
        # The ports first: without them no file is made.
        running.callback(room.close)
        room.server.listen()
        if site is not None:
            running.callback(site.close)
            site.listen()
        if settings.results is not None:
            results = ClassResults(Path(settings.results), pupils, complain=complain)
            pupils.step_done = results.save
            running.callback(results.save)
        if settings.keep is not None:
            dialogues = Dialogues(Path(settings.keep), complain=complain)
            pupils.came, pupils.went = dialogues.begin, dialogues.forget
        running.enter_context(room)
        if site is not None:
            running.enter_context(site)
        if settings.rehearse:
            running.enter_context(rehearsing(cast(room, settings.rehearse)))
        yield results


def _show(
    room: ClassRoom, settings: ClassSettings, say: Say, complain: Say, site: WebSite | None
) -> None:
    """Show the board, or lines in its place, until the teacher leaves."""
    learn = None if what_its_server_does(room.lesson) else settings.lesson
    more = () if site is None else site.ways_in()
    join = blackboard(room.server, lesson=learn, more=more)
    board_page = "" if site is None else site.board_address
    if settings.plain or not _can_redraw():
        say(f"The class is ready: {room.lesson.title}. Ctrl-C ends it.")
        for line in join:
            say(line)
        if board_page:
            say(f"The board as a web page, for you alone: {board_page}")
        with _stop_signals() as stop:
            report(room, say=say, until=stop.wait)
        return
    from poptalk.classroom.screen import BoardScreen

    color = use_color(settings.color, os.environ, isatty=True)
    screen = BoardScreen(
        room, join=join, board_page=board_page, theme=theme_named(settings.theme), color=color
    )
    room.pupils.complain = screen.complain
    screen.run()
    room.pupils.complain = complain


def _can_redraw() -> bool:
    streams = (sys.stdin, sys.stdout)
    on_terminal = all(stream is not None and stream.isatty() for stream in streams)
    return on_terminal and os.environ.get("TERM", "") not in ("", "dumb", "unknown")


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C or SIGTERM sets."""
    stop = threading.Event()

    def came(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, came) for number in numbers]
    try:
        yield stop
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _summary(
    room: ClassRoom, settings: ClassSettings, results: ClassResults | None
) -> Iterator[str]:
    view = room.pupils.board()
    named = sum(pupil.is_named for pupil in view.pupils)
    yield f"The class is over: {named} came, {view.finished} finished the lesson."
    if results is not None:
        yield f"The results are in {settings.results}."
    if settings.keep is not None:
        yield f"The dialogues are in {settings.keep}."
