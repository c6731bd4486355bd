"""Recording what `poptalk check` finds wrong with servers, for the page that lists it.

    .venv/bin/python -m tests.check.record

The real servers of the tests that can run here, and the personas of the practice server, are checked
with everything but `--slow`.  The reports go to ``tests/transcripts/checks``, without what passes.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from poptalk.check.model import Permit
from poptalk.check.report import as_json
from poptalk.net.endpoint import Destination
from poptalk.practice.persona import shipped_personas
from poptalk.practice.server import Server
from tests.check.checking import EVERYTHING, MAILBOX, PROBLEMS, check
from tests.servers.dovecot import DOVECOT_MISSING, start_dovecot
from tests.servers.unprivileged import PROGRAMS, start

REPORTS = Path(__file__).resolve().parents[1] / "transcripts" / "checks"


def record(name: str, destination: Destination) -> Path:
    """Check a server; return the file with the report."""
    results = check(
        destination, permit=EVERYTHING & ~Permit.SLOW, timeout=20, patience=0.2
    ).values()
    REPORTS.mkdir(exist_ok=True)
    path = REPORTS / f"{name}.json"
    wrong = [each for each in results if each.verdict in PROBLEMS]
    path.write_text(as_json(name, wrong, {}) + "\n", encoding="utf-8", newline="\n")
    return path


def record_persona(name: str) -> Path:
    """Check a persona, whose delay between logins is over at once."""
    clock = itertools.count(step=100_000)
    with Server(persona=name, maildrop=MAILBOX, own=True, clock=lambda: float(next(clock))) as it:
        return record(f"persona-{name}", Destination(host=it.host, port=it.port, verify=False))


def main() -> int:
    """Record every server that is here; return the exit code."""
    with ExitStack() as stack:
        places = []
        if DOVECOT_MISSING is None:
            dovecot = stack.enter_context(start_dovecot(MAILBOX, _directory(stack)))
            places.append(("dovecot", dovecot.host, dovecot.port))
        for program in PROGRAMS:
            if program.missing() is None:
                running = stack.enter_context(start(program, MAILBOX, _directory(stack)))
                places.append((program.name, running.host, running.port))
        for name, host, port in places:
            sys.stdout.write(f"{record(name, Destination(host=host, port=port, verify=False))}\n")
    for name in shipped_personas():
        sys.stdout.write(f"{record_persona(name)}\n")
    return 0


def _directory(stack: ExitStack) -> Path:
    # Not below the home of whoever runs this, which may be closed to other accounts.
    temporary = tempfile.TemporaryDirectory(prefix="poptalk-", ignore_cleanup_errors=True)
    return Path(stack.enter_context(temporary))


if __name__ == "__main__":
    sys.exit(main())
