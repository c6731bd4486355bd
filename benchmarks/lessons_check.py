"""How long the proof of all lessons takes, against as many sessions of poplib's as a peer.

Run it with `python -m benchmarks.lessons_check`.  The proof goes through every lesson several times:
each answer, each mistake, each step resumed.  The peer is a loop of `SESSIONS` short poplib sessions on
the practice server; those of the proof are longer, since each begins with the replay of what led there.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

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
from benchmarks.installed import add_arguments, installed

SESSIONS = 306
"""As many as the connections of the proof, counted on 2026-11-23."""

PEER = "poplib sessions"

POPLIB_LOOP = """\
import poplib, sys
for _ in range(int(sys.argv[3])):
    server = poplib.POP3(sys.argv[1], int(sys.argv[2]))
    server.user("bob"), server.pass_("jones"), server.stat(), server.quit()
"""


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, rounds=5)
    options = parser.parse_args()
    with (
        installed(options.venv) as ours,
        tempfile.TemporaryDirectory(prefix="poptalk-benchmark-") as folder,
        Server([ours.command, "serve", "--json", "--quiet"]) as server,
    ):
        print_heading("The proof of all lessons", {"poptalk": ours.version()})
        output = Path(folder, "output")
        host, port = str(server.facts["host"]), str(server.facts["port"])
        peer = [str(ours.python), "-c", POPLIB_LOOP, host, port, str(SESSIONS)]
        proof = partial(whole_proof, str(ours.command), output)
        contenders = [
            Contender(name="poptalk lessons check", measure=proof),
            Contender(name=PEER, measure=partial(run_process, peer, typed=None, output=output)),
        ]
        results = in_turn(contenders, rounds=options.rounds)
        columns = time_columns("program", reference=PEER, cpu=True)
        print_table("The whole process", columns, time_rows(results, reference=PEER))


def whole_proof(command: str, output: Path) -> Sample:
    """Measure one run of the proof."""
    sample = run_process([command, "lessons", "check"], typed=None, output=output)
    if "all right" not in output.read_text(encoding="utf-8"):
        raise BenchmarkError("the lessons did not pass, so their time means nothing")
    return sample


if __name__ == "__main__":
    try:
        main()
    except (BenchmarkError, subprocess.CalledProcessError) as error:
        sys.exit(str(error))
