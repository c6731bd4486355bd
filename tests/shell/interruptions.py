"""What ends a session, and how: each driver, at each point, by each cause; a table.

    python -m tests.shell.interruptions [--runs N] [--only WORD]

starts poptalk at a live prompt, at a plain one and in a pipe, brings it to a point (connecting, in a TLS
handshake, in a long reply, at the prompt, in a login), and lets something happen to it: Ctrl-C, SIGTERM,
SIGHUP, Ctrl-Z, SIGTSTP, or a terminal that is closed.  Each row says what came of it, how long that
took, and whether the terminal was as before.  A process that is still there after its terminal has gone,
or after SIGTERM, is an orphan, and the table ends with exit code 1.

`test_interruptions.py` runs each row once.
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from tests.servers.loopback import Channel
from tests.servers.scripted import Answer, ExpectLine, ScriptedServer, Send, Step
from tests.servers.terminal import Pty
from tests.shell.black_box import environment, poptalk

SECONDS = 10.0
"""How long anything may take before it counts as not happening."""

STAYS_SECONDS = 1.0
"""How long a program is watched before it counts as going on."""

WATCH_SECONDS = 0.02
"""How long one look at the program takes."""

LETTER = b"x" * 98 + b"\r\n"
LETTERS_A_TURN = 500
TURN_SECONDS = 0.1
"""A reply of 100 MB at 500 kB/s: so many octets, then a pause."""


@dataclass(frozen=True, slots=True)
class Drip(Step):
    """Send a reply that takes 200 seconds."""

    stop: threading.Event

    def play(self, channel: Channel) -> None:
        channel.send(b"+OK 100000000 octets\r\n")
        for _ in range(100_000_000 // len(LETTER) // LETTERS_A_TURN):
            if self.stop.wait(TURN_SECONDS):
                return
            channel.send(LETTER * LETTERS_A_TURN)


class Place(NamedTuple):
    """Where a server is, and what it has received so far."""

    host: str
    port: int
    received: Callable[[], bytes]

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@contextmanager
def _full_queue() -> Iterator[Place]:
    """Give a port that takes no further connection, and refuses none."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect(listening.getsockname())
        host, port = listening.getsockname()
        yield Place(host, port, lambda: b"")


@contextmanager
def _scripted(*steps: Step) -> Iterator[Place]:
    with ScriptedServer(steps) as server:
        yield Place(server.host, server.port, lambda: server.received)


@contextmanager
def _dripping() -> Iterator[Place]:
    stop = threading.Event()
    with ScriptedServer([Send(b"+OK ready\r\n"), ExpectLine(), Drip(stop)]) as server:
        try:
            yield Place(server.host, server.port, lambda: server.received)
        finally:
            stop.set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Where a session is when something happens to it."""

    server: Callable[[], AbstractContextManager[Place]]
    options: tuple[str, ...] = ()
    typed: bytes = b""
    """What a person types once the greeting is there, and what is piped."""
    sign: str = ""
    """What is on the screen, or on standard output, when the point is reached; empty: wait a little."""
    piped_options: tuple[str, ...] | None = None
    piped: bytes | None = None


GREETED = "+OK ready"

POINTS = {
    "connecting": Point(server=_full_queue, options=("--timeout", "60")),
    "in TLS": Point(server=_scripted, options=("--tls", "--timeout", "60")),
    "in a reply": Point(server=_dripping, typed=b"RETR 1\n", sign="octets"),
    "at the prompt": Point(server=lambda: _scripted(Send(b"+OK ready\r\n")), sign=GREETED),
    "in a login": Point(
        server=lambda: _scripted(Send(b"+OK ready\r\n"), Answer(lambda _line: b"")),
        typed=b":login bob\nsesame\n",
        sign="CAPA",
        piped_options=("--login", "bob"),
        piped=b"",
    ),
}

STOPS = ("Ctrl-Z", "SIGTSTP")
CAUSES = ("Ctrl-C", "SIGTERM", "SIGHUP", *STOPS, "terminal gone")

DRIVERS = ("live", "plain", "pipe")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it."""

    what: str
    """`exit CODE`, `signal NAME`, `stopped`, `goes on`, or `orphan`."""
    seconds: float
    restored: bool


def interrupted(driver: str, point_name: str, cause: str) -> Outcome:
    """Bring poptalk to a point, let the cause happen, and say what came of it."""
    # What a script starts in the background ignores Ctrl-C, and so do its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    point = POINTS[point_name]
    with point.server() as place:
        if driver == "pipe":
            return _in_a_pipe(point, cause, place)
        return _on_a_terminal(point, cause, place, plain=driver == "plain")


def _on_a_terminal(point: Point, cause: str, place: Place, *, plain: bool) -> Outcome:
    options = (*point.options, *(("--plain",) if plain else ()))
    # A program can be stopped only where somebody can continue it: below a shell with job control.  That
    # must not read the terminal: what was typed may still be there.
    shell = ["sh", "-c", 'set -m; "$@"; sleep 60', "sh"] if cause in STOPS else []
    with Pty([*shell, *poptalk(str(place), *options)], env=environment()) as pty:
        if point.typed:
            pty.wait_for(GREETED)
            for line in point.typed.splitlines():
                pty.send(line + b"\r")
        _wait_for_point(point, pty)
        program = _program(pty.process.pid)
        begun = time.monotonic()
        _happen(cause, pty)
        ends = cause == "Ctrl-C" and not point.sign
        what = _ending(pty.process, program, cause, ends=ends, read=lambda: pty.read(WATCH_SECONDS))
        seconds = time.monotonic() - begun
        restored = cause == "terminal gone" or what == "goes on" or pty.restored
        if what == "stopped":
            # A stopped program goes when its window is closed.
            pty.hang_up()
            if not _gone(program):
                what = "orphan"
                os.kill(program, signal.SIGKILL)
        return Outcome(what, seconds, restored)


def _wait_for_point(point: Point, pty: Pty) -> None:
    if point.sign:
        pty.wait_for(point.sign)
    else:
        pty.wait_until(lambda: _connects(_program(pty.process.pid)), timeout=SECONDS)


def _program(process: int) -> int:
    """Return poptalk's own number: that of the shell's child, where there is a shell."""
    with open(f"/proc/{process}/task/{process}/children", encoding="ascii") as file:
        children = file.read().split()
    return int(children[0]) if children else process


def _connects(process: int) -> bool:
    """Whether the process has a socket: it connects, or it has connected and waits for TLS."""
    try:
        descriptors = os.listdir(f"/proc/{process}/fd")
        links = [os.readlink(f"/proc/{process}/fd/{each}") for each in descriptors]
    except OSError:
        return False
    return any(link.startswith("socket:") for link in links)


def _happen(cause: str, pty: Pty) -> None:
    match cause:
        case "Ctrl-C":
            pty.send(b"\x03")
        case "Ctrl-Z":
            pty.send(b"\x1a")
        case "terminal gone":
            pty.hang_up()
        case "SIGTSTP":
            os.kill(_program(pty.process.pid), signal.SIGTSTP)
        case _:
            pty.process.send_signal(signal.Signals[cause])


def _ending(
    process: subprocess.Popen[bytes],
    program: int,
    cause: str,
    *,
    ends: bool,
    read: Callable[[], object],
) -> str:
    """Say what becomes of poptalk, which is *program*: *process*, or its child."""
    must_end = cause in ("SIGTERM", "SIGHUP", "terminal gone")
    something_comes = must_end or ends or cause in STOPS
    end = time.monotonic() + (SECONDS if something_comes else STAYS_SECONDS)
    while process.poll() is None:
        if cause in STOPS and _status(program) == "T":
            return "stopped"
        if time.monotonic() > end:
            return "orphan" if must_end else "goes on"
        read()
    code = process.returncode
    return f"exit {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


def _gone(process: int) -> bool:
    end = time.monotonic() + SECONDS
    while _status(process) not in ("Z", ""):
        if time.monotonic() > end:
            return False
        time.sleep(WATCH_SECONDS)
    return True


def _status(process: int) -> str:
    """Return the letter for what the process does, as in proc(5); empty if it is gone."""
    try:
        with open(f"/proc/{process}/stat", encoding="ascii") as stat:
            return stat.read().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def _in_a_pipe(point: Point, cause: str, place: Place) -> Outcome:
    options = point.options if point.piped_options is None else point.piped_options
    process = subprocess.Popen(
        poptalk(str(place), *options),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(POPTALK_PASSWORD="sesame"),
        process_group=0,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(point.typed if point.piped is None else point.piped)
        process.stdin.flush()
        _wait_for_piped(point, process, place)
        begun = time.monotonic()
        if cause == "terminal gone":
            process.stdin.close()
            process.stdout.close()
            process.send_signal(signal.SIGHUP)
        else:
            name = {"Ctrl-C": "SIGINT", "Ctrl-Z": "SIGTSTP"}.get(cause, cause)
            process.send_signal(signal.Signals[name])
        ends = cause == "Ctrl-C"
        what = _ending(process, process.pid, cause, ends=ends, read=lambda: _drain(process))
        return Outcome(what, time.monotonic() - begun, restored=True)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()


def _wait_for_piped(point: Point, process: subprocess.Popen[bytes], place: Place) -> None:
    assert process.stdout is not None
    end = time.monotonic() + SECONDS
    while not _connects(process.pid) and time.monotonic() < end:
        _drain(process)
    seen = b""
    while point.sign.encode() not in seen + place.received():
        if select.select([process.stdout], [], [], WATCH_SECONDS)[0]:
            seen += os.read(process.stdout.fileno(), 65536)
        assert time.monotonic() < end, f"it did not come to the point, but to {seen[-200:]!r}"


def _drain(process: subprocess.Popen[bytes]) -> None:
    """Wait a moment for the program's end."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(WATCH_SECONDS)


def main() -> int:
    """Print the table; 1 if there was an orphan, or a terminal that was not given back."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1, metavar="N")
    parser.add_argument("--only", default="", metavar="WORD", help="rows that hold this word")
    given = parser.parse_args()
    bad = 0
    for driver in DRIVERS:
        for point in POINTS:
            for cause in CAUSES:
                row = f"{driver:6} {point:14} {cause:14}"
                if given.only not in row:
                    continue
                outcomes = [interrupted(driver, point, cause) for _ in range(given.runs)]
                what = ", ".join(f"{n} x {w}" for w, n in Counter(o.what for o in outcomes).items())
                worst = max(o.seconds for o in outcomes)
                middle = median(o.seconds for o in outcomes)
                spoilt = sum(not o.restored for o in outcomes)
                bad += spoilt + sum(o.what == "orphan" for o in outcomes)
                note = f"  terminal not restored: {spoilt}" if spoilt else ""
                sys.stdout.write(f"{row} {what:28} {middle:5.2f} s, at most {worst:5.2f} s{note}\n")
                sys.stdout.flush()
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
