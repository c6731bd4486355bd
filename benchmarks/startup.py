"""How long a small session takes as a whole process, and how long one waits for the greeting.

Run it with `python -m benchmarks.startup`.  The server is poptalk's practice server.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import struct
import subprocess
import tempfile
import termios
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks import peers
from benchmarks.harness import (
    BenchmarkError,
    Contender,
    Sample,
    Server,
    in_turn,
    print_heading,
    print_table,
    run_process,
    time_columns,
    time_rows,
)
from benchmarks.installed import Installed, add_arguments, installed
from benchmarks.peers import Peer, Place

GREETING = b"+OK"
STAT_REPLY = b"6183"
"""Octets of the practice server's maildrop: in the reply to STAT."""

QUERY, ANSWER = b"\x1b[6n", b"\x1b[1;1R"
"""What a program sends to learn where the cursor is, and what a terminal answers."""

END_OF_INPUT = b"\x04"
"""What Ctrl-D types."""

TOOLKIT = "import prompt_toolkit"
IMPORTS = "import poptalk.cli, poptalk.shell.start, poptalk.shell.live"
"""What a session on a terminal imports, with all that these import."""


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, rounds=40)
    options = parser.parse_args()
    with (
        installed(options.venv) as ours,
        tempfile.TemporaryDirectory(prefix="poptalk-benchmark-") as folder,
        Server([ours.command, "serve", "--json"]) as server,
    ):
        # A shell on a terminal must not write into the user's own history.
        os.environ.update(XDG_STATE_HOME=folder, TERM="xterm-256color")
        print_heading("Start-up", {"poptalk": ours.version(), **peers.versions()})
        clear = Place(host=server.facts["host"], port=server.facts["port"])
        tls = replace(clear, port=server.facts["tls_port"], ca_file=server.facts["ca_file"])
        compare_with_toolkit(ours, clear, rounds=options.rounds)
        for where, place in (("in clear", clear), ("TLS", tls)):
            compare(ours, place, Path(folder), where=where, rounds=options.rounds)


def compare(ours: Installed, place: Place, folder: Path, *, where: str, rounds: int) -> None:
    """Print the three tables of one server."""
    typed = peers.typed(folder, "STAT")
    others = [*peers.line_programs(place), peers.poplib_script(ours, place, "poplib_stat.py")]
    # -I: the reply to STAT is one line.  Curl asks for CAPA as well, and shows replies with -v only.
    stat = peers.curl(place, options=["-I", "-X", "STAT"])
    verbose = peers.curl(place, options=["-I", "-X", "STAT", "--verbose"])
    plain = peers.poptalk(ours, place)
    plain = replace(plain, name="poptalk --plain", argv=[*plain.argv, "--plain"])
    poptalk = peers.poptalk(ours, place)

    def show(title: str, measured: Sequence[Contender], *, cpu: bool = False) -> None:
        results = in_turn(measured, rounds=rounds)
        columns = time_columns(f"program, {where}", reference=peers.POPLIB, cpu=cpu)
        print_table(title, columns, time_rows(results, reference=peers.POPLIB))

    sessions = [
        Contender(name=peer.name, measure=partial(session, peer, typed, folder / "output"))
        for peer in (poptalk, *stat, *others)
    ]
    show("From the start to the end of a piped session: USER, PASS, STAT, QUIT", sessions, cpu=True)
    piped = [
        Contender(name=peer.name, measure=partial(greeting, peer, terminal=False))
        for peer in (poptalk, *verbose, *others)
    ]
    show("From the start to the greeting, in a pipe", piped)
    live = [
        Contender(name=peer.name, measure=partial(greeting, peer, terminal=True))
        for peer in (poptalk, plain, *verbose, *others)
    ]
    show("From the start to the greeting, on a terminal", live)


def compare_with_toolkit(ours: Installed, place: Place, *, rounds: int) -> None:
    """Print the table of a start on a terminal, which cannot take less than prompt_toolkit does."""
    contenders = [
        Contender(name=TOOLKIT, measure=partial(run_process, [ours.python, "-c", TOOLKIT])),
        Contender(name="all imports", measure=partial(run_process, [ours.python, "-c", IMPORTS])),
        Contender(
            name="start, greeting, Ctrl-D", measure=partial(peer, peers.poptalk(ours, place))
        ),
    ]
    print_table(
        "A session on a terminal beside the import of prompt_toolkit",
        time_columns("what", reference=TOOLKIT, cpu=True),
        time_rows(in_turn(contenders, rounds=rounds), reference=TOOLKIT),
    )


def session(peer: Peer, typed: Path, output: Path) -> Sample:
    """Measure a piped session from the start of the process to its end."""
    sample = run_process(peer.argv, typed=typed if peer.reads_lines else None, output=output)
    if peer.name != peers.CURL:
        peers.check_holds(output, STAT_REPLY, peer)
    return sample


def peer(peer: Peer) -> Sample:
    """Measure a session on a terminal that is left when the greeting has been shown."""
    ours, theirs = _terminal()
    begun = time.perf_counter()
    process = subprocess.Popen(
        peer.argv, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    try:
        _wait_for_greeting(ours, ours)
        os.write(ours, END_OF_INPUT)
        _read_to_the_end(ours)
        _, status, usage = os.wait4(process.pid, 0)
    finally:
        os.close(ours)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise BenchmarkError(f"{peer.name} ended with {process.returncode}.")
    return Sample(time.perf_counter() - begun, usage.ru_utime + usage.ru_stime)


def _terminal() -> tuple[int, int]:
    """Open a terminal of the usual size; return our side and the program's."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    return ours, theirs


def _read_to_the_end(reading: int) -> None:
    """Read until the program has closed the terminal."""
    try:
        while os.read(reading, 65536):
            pass
    except OSError:  # how Linux says that a terminal has been left
        pass


def greeting(peer: Peer, *, terminal: bool) -> Sample:
    """Measure the time until the greeting comes out of a program, whose input stays open."""
    if terminal:
        ours, theirs = _terminal()
        stdin = stdout = theirs
        typing = os.dup(ours)
    else:
        ours, stdout = os.pipe()
        stdin, typing = os.pipe()
    begun = time.perf_counter()
    process = subprocess.Popen(
        peer.argv, stdin=stdin, stdout=stdout, stderr=stdout, start_new_session=True
    )
    for descriptor in {stdin, stdout}:
        os.close(descriptor)
    try:
        return Sample(_wait_for_greeting(ours, typing) - begun)
    except EOFError:
        raise BenchmarkError(f"{peer.name} ended with {process.wait()} and no greeting.") from None
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(typing)


def _wait_for_greeting(reading: int, typing: int) -> float:
    """Return the time at which the greeting came; answer as a terminal what is asked before."""
    said = b""
    answered = 0
    while GREETING not in said:
        try:
            data = os.read(reading, 65536)
        except OSError:  # how Linux says that a terminal has been left
            data = b""
        if not data:
            raise EOFError
        said += data
        while answered < said.count(QUERY):
            answered += 1
            os.write(typing, ANSWER)
    return time.perf_counter()


if __name__ == "__main__":
    main()
