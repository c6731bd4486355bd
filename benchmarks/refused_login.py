"""What the time of a refused login gives away: it should be the same for every password and every name.

Run it with `python -m benchmarks.refused_login`.  A wrong password is tried by SCRAM on accounts whose
passwords have 5, 64 and 500 octets, and on a name that nobody has.  Only the practice server's own work
is measured, from the client's proof to the refusal.
"""

from __future__ import annotations

import argparse
import time
from functools import partial

from scramp import ScramClient  # type: ignore[import-untyped]

from benchmarks.harness import (
    BenchmarkError,
    Contender,
    Sample,
    in_turn,
    print_heading,
    print_table,
    time_columns,
    time_rows,
)
from poptalk import __version__
from poptalk.pop3.sasl.mechanism import Claim
from poptalk.pop3.server.events import LoginAttempt
from poptalk.practice.accounts import Account, AccountBook
from poptalk.practice.server import Server

REFERENCE = "5 octets"
PASSWORDS = {REFERENCE: "jones", "64 octets": "j" * 64, "500 octets": "j" * 500}
NOBODY = "no such name"


def refuse(server: Server, book: AccountBook, mechanism: str, name: str) -> Sample:
    """Try a wrong password, and measure its refusal."""
    theirs, client = (
        server.mechanisms[mechanism.encode()](),
        ScramClient([mechanism], name, "wrong"),
    )
    challenge = theirs.respond(client.get_client_first().encode())
    assert isinstance(challenge, bytes)
    client.set_server_first(challenge.decode())
    claim = theirs.respond(client.get_client_final().encode())
    assert isinstance(claim, Claim)
    begun, cpu = time.perf_counter(), time.thread_time()
    account = book.find(LoginAttempt(name=claim.name, proof=claim.proof))
    taken = Sample(seconds=time.perf_counter() - begun, cpu=time.thread_time() - cpu)
    if account is not None:
        raise BenchmarkError(f"A wrong password was right for {name}.")
    return taken


def main() -> None:
    """Measure, and print a table for each mechanism."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300, metavar="N", help="rounds (300)")
    rounds = parser.parse_args().rounds
    names = {text: f"user{number}" for number, text in enumerate((*PASSWORDS, NOBODY))}
    accounts = [Account(name=names[text], password=PASSWORDS[text]) for text in PASSWORDS]
    server, book = Server(accounts=accounts), AccountBook(accounts)
    print_heading("A refused login", {"poptalk": __version__})
    for mechanism in ("SCRAM-SHA-1", "SCRAM-SHA-256"):
        contenders = [
            Contender(name=text, measure=partial(refuse, server, book, mechanism, name))
            for text, name in names.items()
        ]
        results = in_turn(contenders, rounds=rounds)
        columns = time_columns(f"{mechanism}, password of", reference=REFERENCE, cpu=True)
        print_table("", columns, time_rows(results, reference=REFERENCE))


if __name__ == "__main__":
    main()
