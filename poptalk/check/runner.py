"""Which probes are made, in what order, and the verdicts.

Probes that need no login come first, then those that read, those that delete, the slow ones, and last
those that a server may resent: a failed login makes some servers slow for everyone from this address.
What looks like a failure is asked again on new connections, and is reported only if it is seen again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from poptalk.check.connection import CheckConnection, Manners, Spoken
from poptalk.check.model import (
    OPTIONS,
    VERDICTS,
    Check,
    CheckVerdict,
    Level,
    NotApplicable,
    NotClear,
    Permit,
    Problem,
    Seen,
)
from poptalk.net.errors import NetError
from poptalk.session.login import LoginRequest, Refused
from poptalk.session.procedure import LocalError

BAD_BEFORE_LOGIN = 2
"""Mistakes on a connection before the login: Dovecot hangs up at the third."""

BAD_AFTER_LOGIN = 4
"""And after the login: Solid POP3 hangs up at the fifth."""

MOST_SECONDS_WAITED = 60.0
"""How long to wait for a maildrop in use, and for a login beyond what LOGIN-DELAY announces."""

MOST_LOGIN_DELAY = 900
"""A LOGIN-DELAY of more seconds is not waited for."""

NO_LOGIN = "the login was refused"
"""Why a probe that needs one is skipped."""

IN_USE_SECONDS = 2.0
"""Between two tries while the maildrop is in use."""

RETRY_SECONDS = (0.5, 1.0, 2.0)
"""Before each new try of a login that has worked before, and is now refused without a reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a run is made."""

    manners: Manners
    permit: Permit
    request: LoginRequest | None = None
    """Who logs in; None for nobody."""
    secret: str = ""
    idle_seconds: float = 595.0
    """How long a session must stay open without a command: RFC 1939 §3 says ten minutes; some slack."""
    sleep: Callable[[float], None] = time.sleep
    tell: Callable[[str], None] = field(default=lambda _: None)
    """Takes a few words about what is being done."""


class ProbeRun:
    """One probe being made: its connections, and what was heard.

    Args:
        terms: how the run is made.
        login: whether `connection` is logged in.
        logins: the logins of the whole run.
    """

    def __init__(self, terms: Terms, *, login: bool, logins: Logins) -> None:
        self.terms = terms
        self.heard: dict[str, Spoken] = {}
        self._login = login
        self._logins = logins
        self._mistakes = 0
        self._connection: CheckConnection | None = None
        self._others: list[CheckConnection] = []

    @property
    def request(self) -> LoginRequest:
        """Who logs in, in probes that need a login."""
        assert self.terms.request is not None
        return self.terms.request

    @property
    def connection(self) -> CheckConnection:
        """The connection; a new one if the last has ended."""
        now = self._connection
        if now is not None and not now.usable:
            now.drop()
        if now is None or not now.open:
            now = self._connection = self.connect(login=self._login)
            self._mistakes = 0
        return now

    def connect(
        self,
        *,
        login: bool = False,
        first: bytes = b"",
        starttls: bool | None = None,
        trusting: bool = False,
    ) -> CheckConnection:
        """Make a further connection, which the probe ends itself.

        Args:
            login: whether it is logged in.
            first: a line to send before the login; empty for none.
            starttls: as for `CheckConnection`.
            trusting: as for `CheckConnection`.

        Raises:
            NotClear: the connection or the login did not come about.
        """
        try:
            if login:
                made = self._logins.connect(first)
            else:
                made = CheckConnection(self.terms.manners, starttls=starttls, trusting=trusting)
        except (NetError, LocalError) as error:
            raise NotClear(str(error)) from error
        self._others.append(made)
        return made

    def log_in(self, label: str, request: LoginRequest) -> CheckConnection:
        """Log in on a further connection, and keep what came of it.

        Raises:
            NotClear: the connection did not come about, or a lock or a delay lasts too long.
        """
        waited = 0.0
        while True:
            connection = self.connect()
            try:
                connection.log_in(request, self.terms.secret)
            except (LocalError, NetError) as error:
                pause = self._logins.pause(connection)
                if pause is None:
                    self.keep(label, connection.spoken[-1]).failure = str(error)
                    return connection
                connection.quit()
                waited += pause
                if waited > MOST_SECONDS_WAITED + pause:
                    raise NotClear(str(error)) from error
                self.terms.sleep(pause)
            else:
                self.keep(label, connection.spoken[-1])
                return connection

    def keep(self, label: str, spoken: Spoken) -> Spoken:
        """Keep an exchange under a label."""
        self.heard[label] = spoken
        return spoken

    def ask(self, line: bytes, *, label: str = "", patience: float | None = None) -> Spoken:
        """Send a line, and keep what comes of it under a label, by default the line itself.

        A server may have hung up because of what came before; then the line is sent again on a new
        connection.
        """
        spoken = self.connection.ask(line, patience=patience)
        if spoken.line is None and spoken.closed:
            spoken = self.connection.ask(line, patience=patience)
        return self.keep(label or line.decode("latin-1"), spoken)

    def mistake(self, line: bytes, *, label: str = "", patience: float | None = None) -> Spoken:
        """Send a line that is to be refused, on a new connection once the server has had a few."""
        if self._mistakes >= (BAD_AFTER_LOGIN if self._login else BAD_BEFORE_LOGIN):
            self.finish()
        connection = self.connection
        self._mistakes += 1
        spoken = connection.ask(line, patience=patience)
        return self.keep(label or line.decode("latin-1"), spoken)

    def finish(self, *, label: str = "") -> None:
        """End the connection with QUIT.

        Args:
            label: keeps what came of QUIT, which waits for what should not come; empty for neither.
        """
        connection, self._connection = self._connection, None
        if connection is not None:
            if label:
                connection.linger()
            spoken = connection.quit()
            if label and spoken is not None:
                self.keep(label, spoken)

    def clean_up(self) -> None:
        """End all connections, after an error or Ctrl-C as well."""
        for connection in self._others:
            if connection.open:
                with suppress(NetError):
                    connection.quit()


class Logins:
    """The logins of a run, which wait for a lock or a delay, and never take it for a refusal."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self.succeeded = False
        """Whether any login of this run has worked."""

    def connect(self, first: bytes = b"") -> CheckConnection:
        """Make a connection and log in, again where the server asks for patience.

        Args:
            first: a line to send before the login; empty for none.

        Raises:
            NetError: the connection was lost.
            LocalError: the server does not let the user in.
        """
        request = self._terms.request
        assert request is not None, "without --login nobody logs in"
        waited, tries = 0.0, iter(RETRY_SECONDS)
        while True:
            connection = CheckConnection(self._terms.manners)
            try:
                if first:
                    connection.ask(first)
                connection.log_in(request, self._terms.secret)
            except Refused:
                pause = self.pause(connection, tries)
                connection.quit()
                if pause is None or waited > MOST_SECONDS_WAITED + self._delay(connection):
                    raise
                self._terms.tell(f"waiting {pause:g} s for the next login")
                self._terms.sleep(pause)
                waited += pause
            except (NetError, LocalError):
                connection.drop()
                raise
            else:
                self.succeeded = True
                return connection

    def pause(
        self, connection: CheckConnection, tries: Iterator[float] | None = None
    ) -> float | None:
        """Return the seconds after which to try again; None if the refusal is final.

        Args:
            connection: where the login was refused.
            tries: pauses for refusals without a reason, once a login has worked.
        """
        last = connection.client.session.exchanges.last
        code = (last.status_line.code or b"").upper() if last is not None else b""
        if code == b"LOGIN-DELAY":
            return self._delay(connection) or 10.0
        if code in (b"IN-USE", b"SYS/TEMP"):
            return IN_USE_SECONDS
        return next(tries, None) if self.succeeded and tries is not None else None

    def _delay(self, connection: CheckConnection) -> float:
        """Return the seconds that LOGIN-DELAY announces; 0 if it announces none, or too many."""
        facts = connection.client.session.exchanges.facts
        answer = facts.capability_answers[-1] if facts.capability_answers else None
        values = answer.parameters().get(b"LOGIN-DELAY", ()) if answer is not None else ()
        seconds = int(values[0]) if values and values[0].isdigit() else 0
        return float(seconds + 1) if 0 < seconds <= MOST_LOGIN_DELAY else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A dialogue whose replies checks look at."""

    name: str
    permit: Permit
    make: Callable[[ProbeRun], None]


PROBES: dict[str, Probe] = {}
"""Every probe by its name, in the order in which they are made."""

Made = Callable[[ProbeRun], None]


def probe(permit: Permit = Permit.NOTHING) -> Callable[[Made], Made]:
    """Add a probe to the table, as the decorator of the function that makes it.

    Args:
        permit: what has to be granted for it.
    """

    def add(make: Made) -> Made:
        PROBES[make.__name__] = Probe(name=make.__name__, permit=permit, make=make)
        return make

    return add


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What came of a check."""

    check: Check
    verdict: CheckVerdict
    reasons: Sequence[str] = ()
    """The problems; or why the check was skipped, or is unclear."""
    exchange: str = ""
    """The dialogue that shows it, in the notation; empty if there is nothing to show."""


class CheckRun:
    """A run over a server.

    Args:
        terms: how it is made.
        checks: which were selected.
    """

    def __init__(self, terms: Terms, checks: Sequence[Check]) -> None:
        self.terms = terms
        self.checks = checks
        self.login_refused = ""
        """Why nobody could log in; empty if that did not happen."""
        self._logins = Logins(terms)

    def run(self) -> list[CheckResult]:
        """Make the probes that the checks need, and judge.

        Raises:
            NetError: the first connection did not come about.
        """
        # Checks that look at everything are content with what others need, but not with nothing.
        wanted = {name for check in self.checks for name in check.probes} or set(PROBES)
        seen = self._hear(wanted, first=True)
        found = {check.id: _judged(check, seen) for check in self.checks}
        doubtful = {
            check.id: problems
            for check in self.checks
            if isinstance(problems := found[check.id], list)
            and not all(problem.certain for problem in problems)
        }
        if doubtful:
            again = {
                name
                for check in self.checks
                if check.id in doubtful
                for name in check.probes or _probes_of(doubtful[check.id], seen)
            }
            second = self._hear(again, first=False)
            for check in self.checks:
                if check.id in doubtful:
                    found[check.id] = _confirmed(_judged(check, second), doubtful[check.id])
        return [_result(check, found[check.id]) for check in self.checks]

    def _hear(self, names: set[str], *, first: bool) -> Seen:
        """Make some probes.

        Raises:
            NetError: the first connection of the run did not come about.
        """
        heard: dict[str, dict[str, Spoken]] = {}
        missing: dict[str, Exception] = {}
        made_again = "" if first else ", to be sure of a failure"
        for number, each in enumerate((PROBES[name] for name in PROBES if name in names), 1):
            lacking = [option for permit, option in OPTIONS.items() if self._lacks(each, permit)]
            if lacking:
                missing[each.name] = NotApplicable(f"needs {' and '.join(lacking)}")
                continue
            if self.login_refused and Permit.LOGIN in each.permit:
                # Each further try would be a failed login.
                missing[each.name] = NotApplicable(NO_LOGIN)
                continue
            progress = f"{number} of {len(names)}"
            self.terms.tell(f"probe {progress}: {each.name.replace('_', ' ')}{made_again}")
            made = ProbeRun(self.terms, login=Permit.LOGIN in each.permit, logins=self._logins)
            try:
                each.make(made)
                made.finish()
            except (NotApplicable, NotClear) as error:
                missing[each.name] = error
                if first and not heard and isinstance(error.__cause__, NetError):
                    raise error.__cause__ from error
                if isinstance(error.__cause__, LocalError) and not self._logins.succeeded:
                    self.login_refused = str(error)
                    missing[each.name] = NotApplicable(NO_LOGIN)
            except NetError as error:
                missing[each.name] = NotClear(str(error))
            finally:
                made.clean_up()
            heard[each.name] = made.heard
        return Seen(heard, missing)

    def _lacks(self, probe: Probe, permit: Permit) -> bool:
        return permit in probe.permit and permit not in self.terms.permit


def _result(check: Check, found: Sequence[Problem] | Exception) -> CheckResult:
    if isinstance(found, Exception):
        skipped = isinstance(found, NotApplicable)
        verdict = CheckVerdict.SKIP if skipped else CheckVerdict.UNCLEAR
        return CheckResult(check=check, verdict=verdict, reasons=(str(found),))
    if not found:
        return CheckResult(check=check, verdict=CheckVerdict.PASS)
    minor = all(problem.minor for problem in found)
    verdict = VERDICTS[Level.NOTE if minor else check.level]
    texts = list(dict.fromkeys(problem.text for problem in found))
    return CheckResult(check=check, verdict=verdict, reasons=texts, exchange=_dialogue(found))


def _probes_of(problems: Sequence[Problem], seen: Seen) -> list[str]:
    """Return the probes in which problems were seen."""
    shown = {spoken for problem in problems for spoken in problem.shown}
    return [name for name, labels in seen.heard.items() if not shown.isdisjoint(labels.values())]


def _judged(check: Check, seen: Seen) -> list[Problem] | Exception:
    """Return the problems, or why there is no verdict."""
    if check.probes and all(
        name in seen.missing and not seen.heard.get(name) for name in check.probes
    ):
        return seen.missing[check.probes[0]]
    try:
        return list(check.judge(seen))
    except (NotApplicable, NotClear) as error:
        return error


def _confirmed(
    again: list[Problem] | Exception, before: list[Problem]
) -> list[Problem] | Exception:
    """Return what was seen both times, or that it was seen once."""
    if isinstance(again, list) and again:
        return again
    reason = f"{before[0].text}: seen once, but not when asked again"
    return NotClear(f"{reason} ({again})" if isinstance(again, Exception) else reason)


MOST_DIALOGUES = 3
"""Connections that are shown for one check."""


def _dialogue(problems: Sequence[Problem]) -> str:
    """Write down the exchanges that show problems, one connection after the other."""
    by_connection: dict[CheckConnection, list[Spoken]] = {}
    for problem in problems:
        for spoken in problem.shown:
            by_connection.setdefault(spoken.connection, []).append(spoken)
    parts = [connection.dialogue(*shown) for connection, shown in by_connection.items()]
    return "\n".join(parts[:MOST_DIALOGUES])
