"""How far a byte travels: poptalk's own functions between two points, and how deep the stack is there.

Run it with `python -m benchmarks.trips`.  A profile hook counts the functions of poptalk that begin
until a goal is reached: from Enter to the socket, from a server's octets to the screen and until
everything is drawn, from them to what a lesson says of the reply, and from `--login` to the AUTH line.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType, FrameType
from unittest.mock import patch

import poptalk
from poptalk.lesson import judge
from poptalk.lesson.ui.controller import LessonView
from poptalk.net.async_connection import AsyncConnection
from poptalk.net.endpoint import Destination
from poptalk.pop3.commands import parse_command
from poptalk.practice.server import Server
from poptalk.session.login import log_in, request_of
from poptalk.shell.live import LiveShell
from poptalk.terminal.screen import LiveScreen
from tests.shell.learners import learning
from tests.shell.shells import ENTER, LiveTest, live

PACKAGE = str(Path(poptalk.__file__).parent)

ELSEWHERE = ("/practice/", "/pop3/server/")
"""The practice server runs in the same process, in a thread of its own."""


LOGIN_ROOMS = ("cli/", "shell/", "session/login", "session/password")
"""Where the functions of the command line, of the shell and of the login are."""


class Trip:
    """Counts functions from a beginning to a goal.

    Args:
        begin: the function with which it begins; None for at once.
        goal: the function that ends it.
    """

    def __init__(self, begin: Callable[..., object] | None, goal: Callable[..., object]) -> None:
        self.functions: Counter[str] = Counter()
        self.depth = 0
        """Functions of poptalk on the stack at the goal, which is among them."""
        self.over = False
        self._begin = None if begin is None else _code(begin)
        self._goal = _code(goal)
        self._begun = begin is None

    def note(self, frame: FrameType, event: str, _argument: object) -> None:
        """Take note of a call; for `sys.setprofile`."""
        code = frame.f_code
        if event != "call" or self.over or not _is_ours(code):
            return
        self._begun = self._begun or code is self._begin
        if not self._begun:
            return
        file = Path(code.co_filename).relative_to(PACKAGE).with_suffix("")
        self.functions[f"{file}.{code.co_qualname}"] += 1
        if code is self._goal:
            self.over = True
            self.depth = sum(1 for each in _stack(frame) if _is_ours(each))

    def __str__(self) -> str:
        files = len({name.partition(".")[0] for name in self.functions})
        return (
            f"{len(self.functions)} functions in {files} files ({self.functions.total()} calls), "
            f"{self.depth} on the stack"
        )


def _code(function: Callable[..., object]) -> CodeType:
    code = function.__code__
    assert isinstance(code, CodeType)
    return code


def _is_ours(code: CodeType) -> bool:
    name = code.co_filename
    return name.startswith(PACKAGE) and not any(part in name for part in ELSEWHERE)


def _stack(frame: FrameType | None) -> Iterator[CodeType]:
    while frame is not None:
        yield frame.f_code
        frame = frame.f_back


@contextmanager
def profiled(trip: Trip) -> Iterator[Trip]:
    """Count while the block runs."""
    sys.setprofile(trip.note)
    try:
        yield trip
    finally:
        sys.setprofile(None)


async def main() -> None:
    """Measure, and print the figures."""
    with Server() as server:
        async with live(Destination(host=server.host, port=server.port or 0)) as shell:
            await shell.ask("USER bob")
            await shell.ask("PASS jones")
            await shell.type("NOOP")
            with profiled(Trip(LiveShell.take_line, AsyncConnection.send)) as trip:
                shell.send(ENTER)
                await shell.until(lambda: trip.over)
            report("Enter to socket", trip, goal="35 and 5")
            await shell.drawn()
            await measure_reply(shell)
            await measure_parses(shell)
        async with live(Destination(host=server.host, port=server.port or 0)) as shell:
            await measure_login(shell)
    await measure_verdict()


async def measure_reply(shell: LiveTest) -> None:
    """Measure the way of a reply to the screen, and until the screen is at rest."""
    with profiled(Trip(AsyncConnection.data_received, LiveScreen.show)) as trip:
        await shell.ask("STAT")
    report("server octet to screen", trip, goal="45 and 6")
    drawn = Trip(AsyncConnection.data_received, _never)
    with profiled(drawn):
        await shell.ask("STAT")
    report("server octet until all is drawn", drawn, goal="80")


async def measure_parses(shell: LiveTest) -> None:
    """Count how often a line that is typed is really parsed from Enter on."""
    before = parse_command.cache_info()
    await shell.ask("RETR 2")
    after = parse_command.cache_info()
    asked = after.hits - before.hits + after.misses - before.misses
    parsed = after.misses - before.misses
    print(
        f"parses of a line from its first key to the screen at rest: {parsed} (asked {asked} times)"
    )


async def measure_login(shell: LiveTest) -> None:
    """Measure what lies between asking for a login and its line: functions of shell and login."""
    session = shell.shell.session
    request = request_of("bob", "PLAIN")
    with profiled(Trip(None, type(session).send)) as trip:
        plan = log_in(session, request, asker=shell.shell.asker, secret="jones")
        shell.shell.run_procedure(plan, name="login")
        await shell.until(lambda: trip.over)
    for name in list(trip.functions):
        if not name.startswith(LOGIN_ROOMS):
            del trip.functions[name]
    report("--login to the AUTH line, of cli, shell and login", trip, goal="15")


async def measure_verdict() -> None:
    """Measure the way of a reply to the judge's verdict on it, and to the tutor's comment."""
    for name, end, goal in (
        ("server octet to a lesson's verdict", judge._Case.verdict, "80 and 9"),
        ("server octet to the comment below the reply", LessonView.comment, "none"),
    ):
        with TemporaryDirectory() as state, patch.dict(os.environ, {"XDG_STATE_HOME": state}):
            async with learning() as learner:
                # What the first replies find out is kept; with STAT the step ends too.
                await learner.does("USER bob", "PASS jones", "", "b", "NOOP")
                with profiled(Trip(AsyncConnection.data_received, end)) as trip:
                    await learner.does("STAT")
                report(name, trip, goal=goal)


def _never() -> None:
    """Be a goal that is never reached."""


def report(name: str, trip: Trip, *, goal: str) -> None:
    """Print the figures of a trip; with -v the functions as well."""
    print(f"{name}: {trip} (goal {goal})")
    if "-v" in sys.argv:
        for function, count in trip.functions.most_common():
            print(f"    {count} {function}")


if __name__ == "__main__":
    asyncio.run(main())
