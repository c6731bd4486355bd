"""Die in the middle of a QUIT, once after each step of it.

    python -m tests.practice.maildrop.dying MAILDROP COPIES

copies the maildrop (with its format in front) to COPIES/0, COPIES/1 and so on.  For each copy a child
process serves it writable, logs in, marks messages 1, 3 and 4 and says QUIT, and kills itself
(SIGKILL) right after the step of that number; what the step was is written to COPIES/NUMBER.step.  The
copy of which the child came to its end is the last.  The children are forks, because thirty new
processes would take their time.
"""

from __future__ import annotations

import itertools
import os
import poplib
import shutil
import signal
import sys
from pathlib import Path

from poptalk.practice.maildrop import store
from poptalk.practice.maildrop.locks import Steps
from poptalk.practice.server import Server

MARKED = (1, 3, 4)
"""The messages that the session deletes; there are five."""

SECONDS = 20


def quit_and_die(maildrop: str, *, after: int, note: Path) -> None:
    """Delete messages over the wire, and die after that step."""
    numbers = itertools.count()

    def carry_out(steps: Steps) -> None:
        for step in steps:
            if next(numbers) == after:
                note.write_text(step)
                os.kill(os.getpid(), signal.SIGKILL)

    store.carry_out = carry_out
    with Server(maildrop=maildrop, writable=True) as server:
        client = poplib.POP3(server.host, server.port, timeout=SECONDS)
        client.user("bob")
        client.pass_("jones")
        for number in MARKED:
            client.dele(number)
        client.quit()


def survives(maildrop: str, *, after: int, note: Path) -> bool:
    """Let a child do that; tell whether it came to its end."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) not in (0, -signal.SIGKILL):
            raise SystemExit(f"The child that was to die after step {after} failed otherwise.")
        return status == 0
    code = 1
    try:
        quit_and_die(maildrop, after=after, note=note)
        code = 0
    finally:
        os._exit(code)


def main(maildrop: str, copies: Path) -> None:
    """Go through all steps."""
    format_, _, path = maildrop.partition(":")
    for number in itertools.count():
        copy = copies / str(number) / "mail"
        copy.parent.mkdir()
        (shutil.copytree if os.path.isdir(path) else shutil.copy)(path, copy)
        if survives(f"{format_}:{copy}", after=number, note=copies / f"{number}.step"):
            return


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
