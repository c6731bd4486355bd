"""`poptalk check`: what was asked for, said before it happens, carried out, and reported."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from poptalk.check import report

# The modules with checks and probes fill their tables when they are imported, in this order.
from poptalk.check import probes as _probes  # noqa: F401  isort: skip
from poptalk.check import framing, syntax, listings, retrieval, deletion  # noqa: F401  isort: skip
from poptalk.check import capabilities, tls, auth  # noqa: F401  isort: skip
from poptalk.check.connection import Manners
from poptalk.check.model import CHECKS, Check, CheckVerdict, Permit
from poptalk.check.probes import SEED_BODIES, seed
from poptalk.check.runner import CheckRun, Terms
from poptalk.exit_codes import EXIT_NO, EXIT_OK
from poptalk.login.password import NoPassword, Wanted, asker, find_password
from poptalk.net.endpoint import DEFAULT_TIMEOUT, Destination, UsageError, bare_host
from poptalk.pop3.values import Value
from poptalk.practice.accounts import BOB
from poptalk.run.report import junit
from poptalk.session.log import open_log
from poptalk.session.login import LoginRequest, opening_request, request_of
from poptalk.terminal.screen import LinearScreen, ProgressLine

if TYPE_CHECKING:
    from poptalk.check.runner import CheckResult
    from poptalk.login.password import PasswordSource
    from poptalk.session.log import FileLog
    from poptalk.session.session import Session
    from poptalk.terminal.screen import ColorFlag

Complain = Callable[[str], None]

PATIENCE_SECONDS = 0.3
"""How long is waited for what should not come, such as a second greeting."""


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
    """List the checks, explain one, or write messages; None where none of that is wanted.

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
    """Write the messages that checks of byte-stuffing need.

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
    say("deliver these to the mailbox as they are, and check it with --login")
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
        complain: says a sentence on standard error.

    Raises:
        UsageError: nothing was selected, nothing could be run, or something that is needed is missing.
        NetError: the server cannot be reached.
        ScreenClosed: standard output is gone.
    """
    checks = _selected(options)
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
    """Return a pattern for whole ids: a part of one will do, and a whole one is just that."""
    return text if text in CHECKS or set(text) & set("*?[") else f"*{text}*"


def _login(
    options: CheckSettings, destination: Destination, *, is_practice: bool
) -> tuple[LoginRequest | None, str]:
    """Find out who logs in, and the password.

    Raises:
        UsageError: there is no password, or the options do not go together.
    """
    request = opening_request(options, destination)
    if request is None and is_practice:
        return request_of(BOB.name, None), BOB.password
    if request is None:
        return None, ""
    if is_practice and options.login == BOB.name:
        return request, BOB.password
    wanted = Wanted(user=request.user, host=bare_host(destination.host))
    try:
        return request, find_password(wanted, options.password_source, ask=asker())
    except NoPassword as error:
        raise UsageError(str(error)) from error


def _permit(options: CheckSettings, request: LoginRequest | None) -> Permit:
    """Return what is granted.

    Raises:
        UsageError: --destructive without a login.
    """
    permit = Permit.NOTHING
    if request is not None:
        permit |= Permit.LOGIN
    elif options.destructive or options.slow:
        raise UsageError("--destructive and --slow need --login USER: what would they do without?")
    if options.destructive:
        permit |= Permit.DELETE
    if options.slow:
        permit |= Permit.SLOW
    if options.intrusive:
        permit |= Permit.INTRUDE
    return permit


def _announce(options: CheckSettings, destination: Destination, complain: Complain) -> None:
    """Say what will happen that somebody may mind, and ask where that is somebody else's server.

    Raises:
        UsageError: it was not agreed to.
    """
    if options.destructive:
        complain(
            "--destructive: messages are marked and unmarked, and the last one of the mailbox is "
            "deleted for good (two, if that fails at first)"
        )
    if options.slow:
        complain("--slow: one session waits for ten minutes (two, if that fails at first)")
    if not options.intrusive:
        return
    complain(
        "--intrusive: long lines, odd octets and about ten failed logins are sent, which may be logged, "
        "slow down further logins from this address, or lock the account"
    )
    if destination.is_loopback or options.yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(
            f"--intrusive against {destination} wants --yes as well, where nobody can be asked"
        )
    complain(f"go on against {destination}? yes or no")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError("nothing was sent")


def _open_log(name: str, session: Session) -> FileLog:
    """Open the log, to which each connection adds.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        return open_log(name, session)
    except OSError as error:
        raise UsageError(f"the log {name} cannot be written: {error.strerror}") from error


@contextmanager
def _telling(complain: Complain) -> Iterator[tuple[Callable[[str], None], Callable[[str], None]]]:
    """Show how far it has come, and say each warning once."""
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


def _write(name: str, text: str) -> None:
    try:
        Path(name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{name} cannot be written: {error.strerror}") from error
