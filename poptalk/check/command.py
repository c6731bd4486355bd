"""The command `poptalk check`: announces what it will do, runs the checks, and reports."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from poptalk.check import report

# These modules fill the tables of probes and checks when they are imported, in this order.
from poptalk.check import probes as _probes  # noqa: F401  isort: skip
from poptalk.check import framing, syntax, listings, retrieval, deletion  # noqa: F401  isort: skip
from poptalk.check import capabilities, tls, auth  # noqa: F401  isort: skip
from poptalk.check.connection import Manners
from poptalk.check.model import CHECKS, Check, CheckVerdict, Permit
from poptalk.check.probes import SEED_BODIES, seed
from poptalk.check.runner import CheckRun, Terms
from poptalk.exit_codes import EXIT_NO, EXIT_OK
from poptalk.net.endpoint import DEFAULT_TIMEOUT, Destination, UsageError, bare_host
from poptalk.pop3.values import Value
from poptalk.practice.accounts import BOB
from poptalk.run.report import junit
from poptalk.session.log import open_log
from poptalk.session.login import LoginRequest, opening_request, request_of
from poptalk.session.password import NoPassword, Wanted, asker, find_password
from poptalk.terminal.screen import LinearScreen, ProgressLine

if TYPE_CHECKING:
    from poptalk.check.runner import CheckResult
    from poptalk.session.log import FileLog
    from poptalk.session.password import PasswordSource
    from poptalk.session.session import Session
    from poptalk.terminal.screen import ColorFlag

Complain = Callable[[str], None]

PATIENCE_SECONDS = 0.3
"""How long to wait for what should not come, such as a second greeting."""


class CheckSettings(Value):
    """What `poptalk check` was asked for; `--help` says what each field means."""

    login: str | None = None
    mechanism: str | None = None
    two_step: bool = False
    oauth: bool = False
    password_source: PasswordSource | None = None
    destructive: bool = False
    slow: bool = False
    intrusive: bool = False
    yes: bool = False
    seed: str | None = None
    list: bool = False
    explain: str | None = None
    only: Sequence[str] = ()
    verbose: bool = False
    json: bool = False
    junit: str | None = None
    html: str | None = None
    baseline: str | None = None
    log: str | None = None
    color: ColorFlag = "auto"
    timeout: float = DEFAULT_TIMEOUT


def without_server(options: CheckSettings, *, say: Complain) -> int | None:
    """List the checks, explain one, or write the messages of `--seed`.

    Returns:
        The exit code; None if nothing of that was asked for.

    Raises:
        UsageError: there is no such check, or a message cannot be written.
    """
    if options.seed is not None:
        return _write_seeds(Path(options.seed), say)
    if options.list:
        for line in report.listed(_selected(options)):
            say(line)
        return EXIT_OK
    if options.explain is None:
        return None
    if options.explain not in CHECKS:
        raise UsageError(f"there is no check {options.explain}; --list lists all")
    screen = LinearScreen.of_output(color=options.color)
    screen.show(report.explained(CHECKS[options.explain], columns=screen.columns))
    return EXIT_OK


def _write_seeds(folder: Path, say: Complain) -> int:
    """Write the messages with which byte-stuffing is checked.

    Raises:
        UsageError: they cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in SEED_BODIES:
            path = folder / f"{name}.eml"
            path.write_bytes(seed(name))
            say(str(path))
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}") from error
    say("deliver these to the mailbox, unchanged, and then check it with --login")
    return EXIT_OK


def check(
    options: CheckSettings,
    destination: Destination,
    *,
    is_practice: bool,
    say: Complain,
    complain: Complain,
) -> int:
    """Check a server, and report; return the exit code.

    Args:
        options: what was asked for.
        destination: the server.
        is_practice: whether it is the practice server, whose password is known.
        say: writes a line on standard output.
        complain: writes a sentence on standard error.

    Raises:
        UsageError: no check was selected, none could be run, or there is no password.
        NetError: the server cannot be reached.
        ScreenClosed: standard output is gone.
    """
    checks = _selected(options)
    for name in (options.junit, options.html):
        _see_that_it_can_be_written(name)
    known = report.read_baseline(options.baseline) if options.baseline is not None else {}
    request, secret = _login(options, destination, is_practice=is_practice)
    permit = _permit(options, request)
    _announce(options, destination, complain)
    begun = time.monotonic()
    with _telling(complain) as (tell, warn):
        manners = Manners(
            destination=destination,
            timeout=options.timeout,
            patience=PATIENCE_SECONDS,
            open_log=partial(_open_log, options.log) if options.log is not None else None,
            warn=warn,
        )
        terms = Terms(manners=manners, permit=permit, request=request, secret=secret, tell=tell)
        run = CheckRun(terms, checks)
        results = run.run()
    _write_reports(options, str(destination), results, known, seconds=time.monotonic() - begun)
    _show(options, str(destination), results, known, say)
    if run.login_refused:
        complain(run.login_refused)
        return EXIT_NO
    if all(result.verdict is CheckVerdict.SKIP for result in results):
        raise UsageError(f"nothing was checked: {results[0].reasons[0]}")
    for result in results:
        if result.verdict is CheckVerdict.PASS and result.check.id in known:
            complain(f"{result.check.id} passes now: take it out of {options.baseline}")
    failed = any(
        result.verdict is CheckVerdict.FAIL and result.check.id not in known for result in results
    )
    return EXIT_NO if failed else EXIT_OK


def _selected(options: CheckSettings) -> list[Check]:
    """Return the checks that `--only` leaves.

    Raises:
        UsageError: it leaves none.
    """
    chosen = [
        check
        for check in CHECKS.values()
        if not options.only or any(fnmatchcase(check.id, _pattern(each)) for each in options.only)
    ]
    if not chosen:
        raise UsageError(f"no check is called {' or '.join(options.only)}; --list lists all")
    return chosen


def _pattern(text: str) -> str:
    """Return a pattern for whole ids: a whole id stands for itself, and any part will do."""
    return text if text in CHECKS or set(text) & set("*?[") else f"*{text}*"


def _login(
    options: CheckSettings, destination: Destination, *, is_practice: bool
) -> tuple[LoginRequest | None, str]:
    """Return who logs in, if anybody does, and the password.

    Raises:
        UsageError: there is no password, or the options do not go together.
    """
    request = opening_request(options, destination)
    if is_practice and (request is None or request.user == BOB.name):
        return request or request_of(BOB.name, None), BOB.password
    if request is None:
        return None, ""
    wanted = Wanted(user=request.user, host=bare_host(destination.host))
    try:
        return request, find_password(wanted, options.password_source, ask=asker())
    except NoPassword as error:
        raise UsageError(str(error)) from error


def _permit(options: CheckSettings, request: LoginRequest | None) -> Permit:
    """Return what probes may do.

    Raises:
        UsageError: an option needs a login, and there is none.
    """
    if request is None and (options.destructive or options.slow):
        raise UsageError("--destructive and --slow need --login USER: they work with a mailbox")
    granted = {
        Permit.LOGIN: request is not None,
        Permit.DELETE: options.destructive,
        Permit.SLOW: options.slow,
        Permit.INTRUDE: options.intrusive,
    }
    return Permit(sum(permit.value for permit, is_granted in granted.items() if is_granted))


def _announce(options: CheckSettings, destination: Destination, complain: Complain) -> None:
    """Say what somebody may mind, and ask for consent if the server is on another machine.

    Raises:
        UsageError: there is no consent.
    """
    if options.destructive:
        complain(
            "--destructive: messages are marked and unmarked, and the last one of the mailbox is "
            "deleted for good (two, if that seems to fail at first)"
        )
    if options.slow:
        complain("--slow: one session waits for ten minutes (two, if that seems to fail at first)")
    if not options.intrusive:
        return
    complain(
        "--intrusive: long lines, odd octets and about ten failed logins are sent; the server may log "
        "them, slow down further logins from this address, or lock the account"
    )
    if destination.is_loopback or options.yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(
            f"--intrusive against {destination} needs --yes as well: there is no terminal to ask at"
        )
    complain(f"send all that to {destination}? yes or no")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError("nothing was sent")


def _open_log(name: str, session: Session) -> FileLog:
    """Open the log for one more connection.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        return open_log(name, session)
    except OSError as error:
        raise UsageError(f"the log {name} cannot be written: {error.strerror}") from error


@contextmanager
def _telling(complain: Complain) -> Iterator[tuple[Callable[[str], None], Callable[[str], None]]]:
    """Give two functions: one shows the progress, the other says a warning, but only once."""
    progress = ProgressLine(clock=time.monotonic)
    said: set[str] = set()

    def warn(sentence: str) -> None:
        if sentence not in said:
            said.add(sentence)
            progress.clear()
            complain(sentence)

    try:
        yield progress.tell, warn
    finally:
        progress.clear()


def _show(
    options: CheckSettings,
    target: str,
    results: Sequence[CheckResult],
    known: dict[str, str],
    say: Complain,
) -> None:
    if options.json:
        say(report.as_json(target, results, known))
        return
    screen = LinearScreen.of_output(color=options.color)
    screen.show(
        report.on_screen(results, known=known, columns=screen.columns, everything=options.verbose)
    )


def _write_reports(
    options: CheckSettings,
    target: str,
    results: Sequence[CheckResult],
    known: dict[str, str],
    *,
    seconds: float,
) -> None:
    """Write the files that were asked for.

    Raises:
        UsageError: one cannot be written.
    """
    if options.junit is not None:
        suite = report.as_suite(results, known, seconds=seconds)
        _write(options.junit, junit([suite], name=f"poptalk check {target}"))
    if options.html is not None:
        _write(options.html, report.as_html(target, results, known))


def _see_that_it_can_be_written(name: str | None) -> None:
    """Find a mistake in the name of a report before the run, which may take minutes.

    Raises:
        UsageError: the file cannot be written.
    """
    if name is not None and (Path(name).is_dir() or not os.access(Path(name).parent, os.W_OK)):
        raise UsageError(f"{name} cannot be written; is its folder there?")


def _write(name: str, text: str) -> None:
    try:
        Path(name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{name} cannot be written: {error.strerror}") from error
