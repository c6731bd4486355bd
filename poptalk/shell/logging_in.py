"""`:login` and `--login` in a shell: the procedure of `session.login`, begun."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poptalk.net.destination import Destination, UsageError
from poptalk.session.log import open_log
from poptalk.session.login import Broken, LoginRequest, log_in, request_of
from poptalk.session.procedure import LocalError, Then, note_failure

if TYPE_CHECKING:
    from poptalk.session.session import Session
    from poptalk.shell.base import Shell
    from poptalk.shell.settings import ConnectOptions


def opening_request(options: ConnectOptions, destination: Destination) -> LoginRequest | None:
    """Return the login that the command line asks for, None for none.

    Args:
        options: those of `connect`.
        destination: a URL may have named a mechanism, and a saved server too.

    Raises:
        UsageError: it cannot be done.
    """
    if options.login is None:
        for name in ("mechanism", "two_step", "oauth"):
            if getattr(options, name):
                raise UsageError(f"--{name.replace('_', '-')} is for --login USER")
        return None
    try:
        return request_of(
            options.login,
            options.mechanism or destination.mechanism,
            two_step=options.two_step,
            token=options.oauth,
            source=options.password_source,
        )
    except LocalError as error:
        raise UsageError(str(error)) from error


def begin_login(shell: Shell, request: LoginRequest, *, then: Then | None = None) -> None:
    """Begin to log in, and show what goes wrong.

    Args:
        shell: a shell that is connected.
        request: what was asked for.
        then: is told of the end after that.

    Raises:
        LocalError: it cannot begin now.
    """

    def conclude(error: Exception | None) -> None:
        if isinstance(error, LocalError):
            note_failure(shell.talk, "login", error)
        if isinstance(error, Broken):
            shell.close()
        if then is not None:
            then(error)

    plan = log_in(shell.talk, request, asker=shell.asker)
    shell.run_procedure(plan, name="login", then=conclude)


def start_log(session: Session, options: ConnectOptions) -> None:
    """Begin the log that the command line asks for.

    Raises:
        UsageError: it cannot be written.
    """
    if options.log:
        try:
            session.log = open_log(options.log, session, log_format=options.log_format)
        except OSError as error:
            raise UsageError(
                f"the log {options.log} cannot be written: {error.strerror}"
            ) from error
