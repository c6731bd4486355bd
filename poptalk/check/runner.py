"""Which probes are made, in what order, and the verdicts.

Probes that need no login come first, then those that read, those that delete, the slow ones, and at last
those that a server may take amiss: a failed login makes some servers slow for everyone from here.  What
looks like a failure is asked again on new connections, and reported only if it is seen again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
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
"""And after it: Solid POP3 hangs up at the fifth."""

MOST_SECONDS_WAITED = 60.0
"""For a maildrop in use, or a login that comes too soon, beyond what LOGIN-DELAY announces."""

MOST_LOGIN_DELAY = 900
"""Seconds of LOGIN-DELAY that are waited for."""

IN_USE_SECONDS = 2.0
"""Between two tries where the maildrop is in use."""

RETRY_SECONDS = (0.5, 1.0, 2.0)
"""Before a login is tried again that was right before, and is refused without a reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a run is made with."""

    manners: Manners
    permit: Permit
    request: LoginRequest | None = None
    """Who logs in; None for nobody."""
    secret: str = ""
    idle_seconds: float = 595.0
    """How long a session must stand without a command: RFC 1939 §3 has ten minutes, and some slack."""
    tell: Callable[[str], None] = field(default=lambda _: None)
    """Takes what is going on, in a few words."""


class ProbeRun:
    """One probe being made: its connection, and what was heard.

    Args:
        terms: how.
        login: whether its connections are logged in.
        logins: the logins of the whole run.
    """

    def __init__(self, terms: Terms, *, login: bool, logins: Logins) -> None:
        self.terms = terms
        self.heard: dict[str, Spoken] = {}
        self._login = login
        self._logins = logins
        self._mistakes = 0
        self._connection: CheckConnection | None = None

    @property
    def request(self) -> LoginRequest:
        """Who logs in; only for probes that need a login."""
        assert self.terms.request is not None
        return self.terms.request

    @property
    def connection(self) -> CheckConnection:
        """The connection; a new one where the last has ended."""
        now = self._connection
        if now is not None and not now.usable:
            now.drop()
        if now is None or not now.open:
            self._connection = self.connect(login=self._login)
            self._mistakes = 0
        assert self._connection is not None
        return self._connection

    def connect(
        self,
        *,
        login: bool = False,
        starttls: bool | None = None,
        trusting: bool = False,
    ) -> CheckConnection:
        """Make a further connection, which the probe ends itself.

        Raises:
            NotClear: it did not come about, or the login didn't.
        """
        try:
            if login:
                return self._logins.connect()
            return CheckConnection(self.terms.manners, starttls=starttls, trusting=trusting)
        except (NetError, LocalError) as error:
            raise NotClear(str(error)) from error

    def log_in(self, label: str, request: LoginRequest) -> CheckConnection:
        """Log in on a further connection, and keep what came of it; a lock or a delay is waited for.

        Raises:
            NotClear: the connection did not come about, or the lock or the delay lasts.
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
                time.sleep(pause)
            else:
                self.keep(label, connection.spoken[-1])
                return connection

    def keep(self, label: str, spoken: Spoken) -> Spoken:
        """Keep an exchange under a label."""
        self.heard[label] = spoken
        return spoken

    def ask(self, line: bytes, *, label: str = "", patience: float | None = None) -> Spoken:
        """Send a line, and keep what comes of it under a label, the line itself by default.

        A server may hang up because of what came before, so a line that it doesn't answer for that
        reason is sent again on a new connection.
        """
        spoken = self.connection.ask(line, patience=patience)
        if spoken.line is None and spoken.closed:
            spoken = self.connection.ask(line, patience=patience)
        return self.keep(label or line.decode("latin-1"), spoken)

    def mistake(self, line: bytes, *, label: str = "", patience: float | None = None) -> Spoken:
        """Send a line that is to be refused, of which servers take only so many."""
        if self._mistakes >= (BAD_AFTER_LOGIN if self._login else BAD_BEFORE_LOGIN):
            self.finish()
        connection = self.connection
        self._mistakes += 1
        spoken = connection.ask(line, patience=patience)
        return self.keep(label or line.decode("latin-1"), spoken)

    def finish(self, *, label: str = "") -> None:
        """End the connection with QUIT; with a label after a wait for what should not come."""
        connection, self._connection = self._connection, None
        if connection is not None:
            if label:
                connection.linger()
            spoken = connection.quit()
            if label and spoken is not None:
                self.keep(label, spoken)

    def give_up(self) -> None:
        """End the connection after something has gone wrong."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(NetError):
                connection.quit()


class Logins:
    """The logins of a run: a lock or a delay is waited for, and never taken for a refusal."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self.succeeded = False
        """Whether any login of this run has come about."""

    def connect(self) -> CheckConnection:
        """Make a connection and log in, again where the server asks for patience.

        Raises:
            NetError: the connection was lost.
            LocalError: the server does not let the user in.
        """
        request = self._terms.request
        assert request is not None, "nobody logs in where nobody was named"
        waited, tries = 0.0, iter(RETRY_SECONDS)
        while True:
            connection = CheckConnection(self._terms.manners)
            try:
                connection.log_in(request, self._terms.secret)
            except Refused:
                pause = self.pause(connection, tries)
                connection.quit()
                if pause is None or waited > MOST_SECONDS_WAITED + self._delay(connection):
                    raise
                self._terms.tell(f"waiting {pause:g} s for the next login")
                time.sleep(pause)
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
        """Return the seconds after which to try again; None where the refusal is final.

        Args:
            connection: on which a login was refused.
            tries: pauses for refusals without a reason, after a login that was right.
        """
        last = connection.client.session.exchanges.last
        code = (last.status_line.code or b"").upper() if last is not None else b""
        if code == b"LOGIN-DELAY":
            return self._delay(connection) or 10.0
        if code in (b"IN-USE", b"SYS/TEMP"):
            return IN_USE_SECONDS
        return next(tries, None) if self.succeeded and tries is not None else None

    def _delay(self, connection: CheckConnection) -> float:
        """Return the seconds that LOGIN-DELAY announces, as far as they are waited for."""
        facts = connection.client.session.exchanges.facts
        answer = facts.capability_answers[-1] if facts.capability_answers else None
        values = answer.parameters().get(b"LOGIN-DELAY", ()) if answer is not None else ()
        seconds = int(values[0]) if values and values[0].isdigit() else 0
        return float(seconds + 1) if 0 < seconds <= MOST_LOGIN_DELAY else 0.0


# The probes.


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A dialogue that checks look at."""

    name: str
    permit: Permit
    make: Callable[[ProbeRun], None]


PROBES: dict[str, Probe] = {}
"""Every probe by its name, in the order in which they are made."""

Made = Callable[[ProbeRun], None]


def probe(permit: Permit = Permit.NOTHING) -> Callable[[Made], Made]:
    """Make a function a probe, named as it is.

    Args:
        permit: what has to be granted for it.
    """

    def add(make: Made) -> Made:
        name = make.__name__
        PROBES[name] = Probe(name=name, permit=permit, make=make)
        return make

    return add


# Making them, and judging.


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What came of a check."""

    check: Check
    verdict: CheckVerdict
    reasons: Sequence[str] = ()
    """The problems, or why there is no verdict."""
    exchange: str = ""
    """The dialogue that shows it, in the notation; empty where there is nothing to show."""


class CheckRun:
    """A run over a server.

    Args:
        terms: what it is made with.
        checks: those that were selected.
    """

    def __init__(self, terms: Terms, checks: Sequence[Check]) -> None:
        self.terms = terms
        self.checks = checks
        self.login_refused = ""
        """Why nobody could log in; empty where that did not happen."""
        self._logins = Logins(terms)

    def run(self) -> list[CheckResult]:
        """Make the probes that the checks need, and judge.

        Raises:
            NetError: the first connection did not come about.
        """
        wanted = {name for check in self.checks for name in check.probes}
        if any(not check.probes for check in self.checks) and not wanted:
            wanted = set(PROBES)
        seen = self._hear(wanted, first=True)
        found = {check.id: _judged(check, seen) for check in self.checks}
        doubtful = {
            check.id: problems
            for check in self.checks
            if isinstance(problems := found[check.id], list)
            and problems
            and not all(problem.certain for problem in problems)
        }
        if doubtful:
            again = {
                name
                for check in self.checks
                for name in _probes_of(check, doubtful.get(check.id, ()), seen)
            }
            self.terms.tell("looking at the failures again")
            second = self._hear(again, first=False)
            for check in self.checks:
                if check.id in doubtful:
                    found[check.id] = _confirmed(_judged(check, second), doubtful[check.id])
        return [_result(check, found[check.id]) for check in self.checks]

    def _hear(self, names: set[str], *, first: bool) -> Seen:
        heard: dict[str, dict[str, Spoken]] = {}
        missing: dict[str, Exception] = {}
        for each in PROBES.values():
            if each.name not in names:
                continue
            lacking = [option for permit, option in OPTIONS.items() if self._lacks(each, permit)]
            if lacking:
                missing[each.name] = NotApplicable(f"needs {' and '.join(lacking)}")
                continue
            if self.login_refused and Permit.LOGIN in each.permit:
                # Each further try would be a failed login.
                missing[each.name] = NotApplicable("nobody could log in")
                continue
            self.terms.tell(f"asking about {each.name.replace('_', ' ')}")
            made = ProbeRun(self.terms, login=Permit.LOGIN in each.permit, logins=self._logins)
            try:
                with _ended(made):
                    each.make(made)
            except (NotApplicable, NotClear) as error:
                missing[each.name] = error
                if first and not heard and isinstance(error.__cause__, NetError):
                    raise error.__cause__ from error
                if isinstance(error.__cause__, LocalError) and not self._logins.succeeded:
                    self.login_refused = str(error)
                    missing[each.name] = NotApplicable("nobody could log in")
            except NetError as error:
                missing[each.name] = NotClear(str(error))
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


def _probes_of(check: Check, problems: Sequence[Problem], seen: Seen) -> Iterator[str]:
    """Give the probes in which the problems of a check were seen."""
    if check.probes and problems:
        yield from check.probes
        return
    shown = {spoken for problem in problems for spoken in problem.shown}
    for name, labels in seen.heard.items():
        if not shown.isdisjoint(labels.values()):
            yield name


@contextmanager
def _ended(made: ProbeRun) -> Iterator[None]:
    """End a probe's connection, whatever happens."""
    try:
        yield
        made.finish()
    finally:
        made.give_up()


def _judged(check: Check, seen: Seen) -> list[Problem] | Exception:
    """Judge; an exchange that broke off says nothing."""
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
    """Return what was seen both times."""
    if isinstance(again, list) and again:
        return again
    reason = f"{before[0].text}: seen once, and not when asked again"
    return NotClear(f"{reason} ({again})" if isinstance(again, Exception) else reason)


MOST_DIALOGUES = 3
"""Connections that are shown of one check."""


def _dialogue(problems: Sequence[Problem]) -> str:
    """Write down the exchanges that show problems, one connection after the other."""
    by_connection: dict[CheckConnection, list[Spoken]] = {}
    for problem in problems:
        for spoken in problem.shown:
            by_connection.setdefault(spoken.connection, []).append(spoken)
    parts = [connection.dialogue(*shown) for connection, shown in by_connection.items()]
    return "\n".join(parts[:MOST_DIALOGUES])
