"""Checking a practice server, as quickly as it goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

from poptalk.check import command  # noqa: F401 - fills the tables
from poptalk.check.connection import Manners
from poptalk.check.model import CHECKS, Check, CheckVerdict, Permit
from poptalk.check.probes import SEED_BODIES, seed
from poptalk.check.runner import CheckResult, CheckRun, Terms
from poptalk.net.endpoint import Destination
from poptalk.practice.faults.fault import ServerHooks
from poptalk.practice.server import PracticeDestination, Server
from poptalk.session.login import request_of

MAILBOX = Path(__file__).resolve().parents[2] / "lessons" / "mailboxes" / "dots"
"""Three messages, some of whose lines begin with dots."""

EVERYTHING = Permit.LOGIN | Permit.DELETE | Permit.SLOW | Permit.INTRUDE

SEEN_IN_ALL = {"greeting", "capa", "before_login", "listings", "reading"}
"""The probes that are made for checks which look at whatever was said."""

PROBLEMS = (CheckVerdict.FAIL, CheckVerdict.WARN, CheckVerdict.NOTE)


class WrongServer(Server):
    """A practice server whose sessions are wrong in their own ways."""

    make: Callable[[], ServerHooks] | None = None

    def new_hooks(self) -> ServerHooks:
        return self.make() if self.make is not None else super().new_hooks()


@contextmanager
def serving(
    make: Callable[[], ServerHooks] | None = None,
    *,
    faults: Sequence[str] = (),
    persona: str = "plain",
    own: bool = True,
    record: bool = False,
    maildrop: Path = MAILBOX,
) -> Iterator[PracticeDestination]:
    """Run a server, whose DELE lasts unless it is not its own."""
    server = WrongServer(persona=persona, maildrop=maildrop, own=own, faults=faults, record=record)
    server.make = make
    with server:
        yield PracticeDestination(host=server.host, port=server.port, server=server)


def check(
    destination: Destination,
    checks: Iterable[Check] = CHECKS.values(),
    *,
    permit: Permit = EVERYTHING,
    user: str = "bob",
    secret: str = "jones",
    mechanism: str | None = "USER",
    timeout: float = 10,
    patience: float = 0.02,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, CheckResult]:
    """Check a server; give the results by the ids."""
    manners = Manners(
        destination=destination,
        timeout=timeout,
        patience=patience,
        open_log=None,
        warn=lambda _: None,
    )
    terms = Terms(
        manners=manners,
        permit=permit,
        request=request_of(user, mechanism) if Permit.LOGIN in permit else None,
        secret=secret,
        idle_seconds=0.1,
        sleep=sleep,
    )
    return {result.check.id: result for result in CheckRun(terms, [*checks]).run()}


def beside(check: Check) -> list[Check]:
    """Return the checks that look at what one has to hear."""
    made = set(check.probes) or SEEN_IN_ALL
    return [each for each in CHECKS.values() if set(each.probes) <= made]


def problems(results: dict[str, CheckResult]) -> set[str]:
    """Return the ids of what is wrong."""
    return {name for name, result in results.items() if result.verdict in PROBLEMS}


def seeded(folder: Path) -> Path:
    """Make a mailbox with the messages of `--seed` among others."""
    for path in MAILBOX.glob("*.eml"):
        (folder / path.name).write_bytes(path.read_bytes())
    for name in SEED_BODIES:
        (folder / f"7-{name}.eml").write_bytes(seed(name))
    return folder


def only(pattern: str) -> list[Check]:
    """Return the checks whose ids fit a pattern."""
    return [each for name, each in CHECKS.items() if fnmatchcase(name, pattern)]
