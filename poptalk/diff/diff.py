"""`poptalk diff`: one mailbox on two servers, a table of what is the same, and an exit code."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from poptalk.diff.compare import MOST_EXAMPLES, Outcome, Verdict, as_json, compare, summary, table
from poptalk.diff.fetch import (
    Fetch,
    MailboxSide,
    NoSurvey,
    Reading,
    ReadingFailed,
    Survey,
    read_both,
)
from poptalk.exit_codes import EXIT_NO
from poptalk.net.endpoint import DEFAULT_TIMEOUT, Destination, UsageError, bare_host
from poptalk.net.errors import ConnectFailed, ConnectionLost, NetError, TlsFailed
from poptalk.pop3.sasl.mechanism import LoginError
from poptalk.pop3.sasl.table import find_method
from poptalk.pop3.values import Value
from poptalk.session.password import (
    PASSWORD_VARIABLE,
    NoPassword,
    PasswordSource,
    SourceKind,
    Wanted,
    asker,
    find_password,
)
from poptalk.terminal.render import NoteKind, note
from poptalk.terminal.safe import Fragments
from poptalk.terminal.screen import LinearScreen, ProgressLine

if TYPE_CHECKING:
    from poptalk.terminal.screen import ColorFlag

Complain = Callable[[str], None]

SIDES = ("A", "B")
"""What the two servers are called, in the options and in the table."""


class DiffSettings(Value):
    """What `poptalk diff` was asked for; `--help` says what each field means."""

    user: str | None = None
    user_a: str | None = None
    user_b: str | None = None
    mechanism: str | None = None
    password_source: PasswordSource | None = None
    """For both passwords, unless one of the next two is given."""
    password_source_a: PasswordSource | None = None
    password_source_b: PasswordSource | None = None
    bodies: bool = False
    top: bool = False
    json: bool = False
    color: ColorFlag = "auto"
    timeout: float = DEFAULT_TIMEOUT


def diff(
    options: DiffSettings, destinations: Sequence[Destination], *, say: Complain, complain: Complain
) -> int:
    """Compare one mailbox on two servers, and show what differs; return the exit code.

    Args:
        options: what was asked for.
        destinations: the two servers.
        say: writes a line on standard output.
        complain: writes a message on standard error.

    Raises:
        UsageError: a name or a password is missing.
        NetError: no connection, no TLS, or a connection was lost.
        ScreenClosed: standard output is closed.
    """
    screen = LinearScreen.of_output(color=options.color)
    sides = [
        _side(options, place, destination)
        for place, destination in zip(SIDES, destinations, strict=True)
    ]
    try:
        surveys = _read(options, sides, complain=complain)
    except ReadingFailed as failure:
        return _failed(failure, complain=complain)
    verdicts = list(compare(*surveys))
    where = {side.place: _where(side) for side in sides}
    if options.json:
        by_place = {survey.place: survey for survey in surveys}
        say(json.dumps(as_json(verdicts, by_place, where=where), indent=2))
    else:
        _show(screen, verdicts, surveys, where=where)
    return EXIT_NO if any(each.outcome is Outcome.DIFFERS for each in verdicts) else 0


def _read(
    options: DiffSettings, sides: Sequence[MailboxSide], *, complain: Complain
) -> tuple[Survey, Survey]:
    """Read both servers, and show the progress.

    Raises:
        ReadingFailed: one of them could not be read.
    """
    fetch = Fetch.TOP if options.top else Fetch.RETR if options.bodies else None
    progress = ProgressLine(clock=time.monotonic)

    def warn(sentence: str) -> None:
        progress.clear()
        complain(sentence)

    def tick() -> None:
        progress.tell("; ".join(f"{each.place}: {each.doing}" for each in (left, right)))

    left, right = (Reading(side, timeout=options.timeout, fetch=fetch, warn=warn) for side in sides)
    try:
        return read_both(left, right, tick=tick)
    finally:
        progress.clear()


def _where(side: MailboxSide) -> str:
    return f"{side.user} at {side.destination}"


def _show(
    screen: LinearScreen,
    verdicts: Sequence[Verdict],
    surveys: Sequence[Survey],
    *,
    where: dict[str, str],
) -> None:
    columns = screen.columns
    lines: list[Fragments] = []
    for place, address in where.items():
        lines += note(f"{place} is {address}", columns=columns)
    lines += table(verdicts, places=list(where), columns=columns)
    remarks = [remark for survey in surveys for remark in survey.remarks[:MOST_EXAMPLES]]
    for remark in remarks:
        lines += note(remark, kind=NoteKind.WARN, columns=columns)
    lines += note(summary(verdicts), columns=columns)
    screen.show(lines)


# Who logs in.


def _side(options: DiffSettings, place: str, destination: Destination) -> MailboxSide:
    """Find out who logs in to a server, and with what password.

    Raises:
        UsageError: a name or a password is missing.
    """
    letter = place.lower()
    user = getattr(options, f"user_{letter}") or destination.user or options.user
    if user is None:
        raise UsageError(
            f"{place} needs a user's name: say --user-{letter} NAME, --user NAME for both, or "
            f"pop3://NAME@{destination.host}"
        )
    mechanism = options.mechanism or destination.mechanism
    secret = ""
    try:
        method = find_method(mechanism) if mechanism else None
        if method is None or method.need.password or method.need.token:
            wanted = Wanted(user=user, host=bare_host(destination.host))
            secret = find_password(wanted, _source(options, place), ask=asker())
    except (LoginError, NoPassword) as error:
        raise UsageError(f"{place}: {error}") from error
    return MailboxSide(
        place=place,
        destination=destination,
        user=user,
        secret=secret,
        mechanism=method.name if method is not None else None,
    )


def _source(options: DiffSettings, place: str) -> PasswordSource | None:
    """Return where the password of a server comes from; None for the usual places."""
    own: PasswordSource | None = getattr(options, f"password_source_{place.lower()}")
    variable = f"{PASSWORD_VARIABLE}_{place}"
    if own is None and options.password_source is None and os.environ.get(variable):
        return PasswordSource(kind=SourceKind.VARIABLE, detail=variable)
    return own or options.password_source


def _failed(failure: ReadingFailed, *, complain: Complain) -> int:
    """Say which server could not be read, and why."""
    error = failure.__cause__
    say = partial("{}: {}".format, failure.place)
    match error:
        case LoginError() | NoSurvey():
            complain(say(error))
            return EXIT_NO
        case TlsFailed():
            raise TlsFailed(say(error), certificate=error.certificate) from error
        case ConnectFailed() | ConnectionLost():
            raise type(error)(say(error)) from error
        case NetError():
            raise NetError(say(error)) from error
    assert error is not None
    raise error
