"""The server that a dialogue is replayed against, and who logs in there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from poptalk.net.connection import Link
from poptalk.net.endpoint import DEFAULT_TIMEOUT, Destination, UsageError, bare_host
from poptalk.pop3.commands import ArgumentKind
from poptalk.pop3.replies import timestamp_of
from poptalk.pop3.sasl.mechanism import ClientMechanism, LoginError, applicant, credential
from poptalk.pop3.sasl.table import METHODS, make_mechanism
from poptalk.pop3.values import Value
from poptalk.practice.accounts import ACCOUNTS, BOB, Account
from poptalk.practice.persona import DEFAULT_PERSONA
from poptalk.practice.server import fresh_timestamp, practice_server
from poptalk.session.password import (
    PASSWORD_VARIABLE,
    NoPassword,
    PasswordSource,
    Wanted,
    asker,
    find_password,
)
from poptalk.transcript.model import (
    Action,
    ClientLine,
    Dialogue,
    Direction,
    ExpectedReply,
    Send,
    ServerLine,
    exchanges,
)
from poptalk.transcript.placeholders import (
    PLAIN_FOR,
    REASONS,
    Known,
    Responses,
    is_secret,
    parse_response_name,
)

if TYPE_CHECKING:
    from poptalk.terminal.screen import ColorFlag

# The practice server that fits a dialogue: its account, and the timestamps of its greetings.
#
# The digest of APOP is made from the timestamp of the greeting (RFC 1939 §7), so a digest in a dialogue
# is right only for the greeting there.  The practice server therefore sends the timestamps that the
# greetings in the dialogue have.


class Timestamps:
    """Gives the practice server its APOP timestamps.

    Args:
        dialogue: has the greetings.
    """

    def __init__(self, dialogue: Dialogue) -> None:
        self._to_come = iter(greeting_timestamps(dialogue))
        self._now: bytes | None = None

    def turn_to_next(self) -> None:
        """Prepare for the next connection."""
        self._now = next(self._to_come, None)

    def __call__(self) -> bytes:
        """Return the timestamp of the connection; a new one if the dialogue has none."""
        return self._now or fresh_timestamp()


def greeting_timestamps(dialogue: Dialogue) -> Sequence[bytes | None]:
    """Find the timestamp of the greeting for each connection of a dialogue; None if it has none."""
    found: list[bytes | None] = []
    is_fresh = True
    for act in exchanges(dialogue):
        if isinstance(act, Direction) and act.action is Action.OPEN:
            found.append(None)
            is_fresh = True
        elif isinstance(act, Send | ExpectedReply):
            found = found or [None]
            if is_fresh and isinstance(act, ExpectedReply):
                found[-1] = _timestamp_in(act)
            is_fresh = False
    return found


def _timestamp_in(greeting: ExpectedReply) -> bytes | None:
    first = greeting.steps[0]
    if not isinstance(first, ServerLine) or first.pattern.placeholders:
        return None
    return timestamp_of(first.payload.encode("utf-8", "surrogateescape"))


def account_for(dialogue: Dialogue, *, user: str | None) -> Account:
    """Find who logs in on the practice server.

    Args:
        dialogue: the first name in it that has an account counts, if no user is given.
        user: the name from the command line.

    Raises:
        UsageError: that user has no account.
    """
    accounts = {account.name: account for account in ACCOUNTS}
    if user is None:
        named = (accounts[name] for name in _names_in(dialogue) if name in accounts)
        return next(named, BOB)
    if user not in accounts:
        raise UsageError(
            f"The practice server has no account for that user; it has {' and '.join(accounts)}."
        )
    return accounts[user]


def persona_for(dialogue: Dialogue) -> str:
    """Find the persona of the practice server: "plain" for a dialogue with APOP, else the default.

    The default persona has no timestamp in its greeting, and so no APOP (RFC 1939 §7).
    """
    acts = exchanges(dialogue)
    apop = any(isinstance(act, Send) and act.command.keyword == b"APOP" for act in acts)
    return "plain" if apop or any(greeting_timestamps(dialogue)) else DEFAULT_PERSONA


def _names_in(dialogue: Dialogue) -> Iterator[str]:
    """Yield the names that a dialogue logs in with."""
    for act in exchanges(dialogue):
        if not isinstance(act, Send) or act.answers_challenge or act.command.verb is None:
            continue
        defined = act.command.verb.arguments
        for argument, given in zip(defined, act.command.arguments, strict=False):
            if argument.kind is ArgumentKind.NAME:
                yield given.decode("utf-8", "replace")


_NEED_NO_USER = frozenset({"password", "host", "apop"})

MAX_WAIT = 60.0
"""Seconds that a dialogue may wait: longer looks as if poptalk hangs."""


class RunSettings(Value):
    """What `poptalk run` was asked for; `--help` says what each field means."""

    exact: bool = False
    loose: bool = False
    keep_going: bool = False
    max_time: float | None = None
    max_wait: float = MAX_WAIT
    quiet: bool = False
    times: bool = False
    junit: str | None = None
    variables: Sequence[str] = ()
    user: str | None = None
    password_source: PasswordSource | None = None
    persona: str | None = None
    """None for the one that the dialogue needs, see `persona_for`."""
    maildrop: str | None = None
    faults: Sequence[str] = ()
    tls: bool = False
    """For the practice server, as is `starttls`: a destination has its own."""
    starttls: bool = False
    color: ColorFlag = "auto"
    timeout: float = DEFAULT_TIMEOUT


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """A server, and who logs in there."""

    destination: Destination
    connect: Callable[[], Link]
    known: Known
    """What the values of the known placeholders are computed from."""
    responses: Responses | None = None
    """Computes the responses of AUTH; None if nobody logs in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the command line says about placeholders."""

    user: str | None = None
    host: str | None = None
    values: Mapping[str, str]
    """All other values, by name."""


def read_values(texts: Sequence[str], *, user: str | None) -> Given:
    """Parse the values of `--var`.

    Args:
        texts: each is `NAME=VALUE`.
        user: the value of `--user`.

    Raises:
        UsageError: a text has no name, or the name of a secret; or a value doesn't fit in a line.
    """
    values: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError("--var takes NAME=VALUE, such as --var message=3")
        if is_secret(name):
            raise UsageError(
                f"--var {name}=... would show a secret to every user of this machine, or is worked "
                f"out by poptalk itself: give the password in the environment variable "
                f"{PASSWORD_VARIABLE}"
            )
        if set(value) & set("\r\n\0"):
            raise UsageError(f"the value of {name} holds a line end or NUL; a line holds neither")
        values[name] = value
    host = values.pop("host", None)
    return Given(user=values.pop("user", user), host=host, values=values)


@contextmanager
def serving(
    options: RunSettings, given: Given, dialogue: Dialogue, destination: Destination | None
) -> Iterator[Serving]:
    """Provide the server that a dialogue is replayed against.

    Args:
        options: what was asked for.
        given: what the command line says about placeholders.
        dialogue: what is replayed.
        destination: the server; None for a practice server of its own.

    Raises:
        UsageError: a user's name or a password is missing, or there is no such account.
    """
    if destination is not None:
        yield _live(options, given, dialogue, destination)
        return
    account = account_for(dialogue, user=given.user)
    timestamps = Timestamps(dialogue)
    with practice_server(
        persona=options.persona or persona_for(dialogue),
        maildrop=options.maildrop,
        faults=options.faults,
        tls=options.tls,
        starttls=options.starttls,
        timestamp=timestamps,
        token=account.password,
    ) as practice:

        def connect() -> Link:
            timestamps.turn_to_next()
            return _connect(practice, options.timeout)

        known = Known(
            user=account.name, password=account.password, host=given.host or practice.host
        )
        yield _serving(practice, connect, known)


def _live(
    options: RunSettings, given: Given, dialogue: Dialogue, destination: Destination
) -> Serving:
    user = _one_line(given.user or destination.user, "name")
    needed = _needed(dialogue) - set(given.values)
    if user is None and needed - _NEED_NO_USER:
        raise UsageError(f"{dialogue.name} needs a user's name: say --user NAME")
    password = None
    if any(map(is_secret, needed)):
        wanted = Wanted(user=user or "the user", host=bare_host(destination.host))
        password = _one_line(_password(options, dialogue, wanted), "password")
    known = Known(user=user, password=password, host=given.host or destination.host)
    return _serving(destination, partial(_connect, destination, options.timeout), known)


def _one_line(text: str | None, what: str) -> str | None:
    """Check that a name or a password fits in a line, even in base64.

    Raises:
        UsageError: it has CR, LF or NUL.
    """
    try:
        credential(text or "", what)
    except LoginError as error:
        raise UsageError(str(error)) from error
    return text


def _serving(destination: Destination, connect: Callable[[], Link], known: Known) -> Serving:
    def make(name: str) -> ClientMechanism:
        if known.user is None or (known.password is None and METHODS[name].need.password):
            raise LoginError(f"{name} needs a user's name and a password or a token")
        who = applicant(
            known.user,
            known.password or "",
            host=bare_host(destination.host),
            port=destination.port,
        )
        return make_mechanism(name, who)

    return Serving(destination=destination, connect=connect, known=known, responses=Responses(make))


def _connect(destination: Destination, timeout: float) -> Link:
    settings = destination.tls_settings() if destination.tls else None
    return Link.open(destination.target, timeout=timeout, tls=settings)


def _needed(dialogue: Dialogue) -> frozenset[str]:
    """Find the known placeholders whose values must be sent."""
    lines = (step.pattern for step in dialogue.steps if isinstance(step, ClientLine))
    parts = (part for line in lines for part in line.placeholders)
    return frozenset(
        part.name
        for part in parts
        if part.name is not None
        and (part.default is None or part.name == PLAIN_FOR)
        and (part.name in REASONS or parse_response_name(part.name))
    )


def _password(options: RunSettings, dialogue: Dialogue, wanted: Wanted) -> str:
    """Find the password: from the options, from the environment, or by asking at a terminal."""
    try:
        return find_password(wanted, options.password_source, ask=asker())
    except NoPassword as error:
        raise UsageError(f"{dialogue.name} needs a password: {error}") from error
