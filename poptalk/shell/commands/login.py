"""The local commands that help to log in: done for you, or typed by hand with a little arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from poptalk.net.endpoint import UsageError
from poptalk.pop3.replies import Status
from poptalk.pop3.sasl.mechanism import (
    Applicant,
    LoginError,
    NotBase64,
    apop_digest,
    credential,
    decode,
    encode,
)
from poptalk.pop3.sasl.mechanisms import CramMd5Client
from poptalk.session.log import open_log
from poptalk.session.login import Broken, LoginRequest, log_in, request_of
from poptalk.session.procedure import LocalError, Plan, Then, ask, note_failure
from poptalk.shell.commands import escapes
from poptalk.shell.commands.registry import CommandTable, words_and_flags
from poptalk.terminal.safe import harmless, harmless_pieces

if TYPE_CHECKING:
    from poptalk.session.session import Session
    from poptalk.shell.script import ShellSettings
    from poptalk.shell.shell import Shell

COMMANDS = CommandTable()
local = COMMANDS.enter

# `:login` and `--login` in a shell; the procedure is in `session.login`.


def begin_login(shell: Shell, request: LoginRequest, *, then: Then | None = None) -> None:
    """Begin to log in, and show errors.

    Args:
        shell: connected.
        request: who, and how.
        then: called at the end, when an error has been shown.

    Raises:
        LocalError: it cannot begin now.
    """

    def conclude(error: Exception | None) -> None:
        if isinstance(error, LocalError):
            note_failure(shell.session, "login", error)
        if isinstance(error, Broken):
            shell.close()
        if then is not None:
            then(error)

    plan = log_in(shell.session, request, asker=shell.asker)
    shell.run_procedure(plan, name="login", then=conclude)


def start_log(session: Session, options: ShellSettings) -> None:
    """Begin the log that the command line asks for, if it does.

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


@local("login USER [MECHANISM]")
def _login(shell: Shell, argument: str) -> None:
    """Log in, by the best mechanism that is offered or by the one you name.

    You are asked for the password, unless POPTALK_PASSWORD or an option such as --password-command
    gives it. --two-step sends AUTH and its first response in two lines, --oauth takes a token.
    """
    names, flags = words_and_flags(argument, ("--two-step", "--oauth"))
    if not 1 <= len(names) <= 2:
        raise LocalError("say who: :login bob, or :login bob PLAIN; the password is asked for")
    request = request_of(
        names[0],
        names[1] if names[1:] else None,
        two_step="--two-step" in flags,
        token="--oauth" in flags,
        source=shell.source,
    )
    begin_login(shell, request)


@local("b64 TEXT")
def _b64(shell: Shell, argument: str) -> None:
    r"""Encode in base64, or decode with -d.

    The escapes of :send are understood: :b64 \0bob\0jones makes the answer to AUTH PLAIN. What is
    typed is masked; the result is not. :b64 -d shows what base64 holds.
    """
    word, _, rest = argument.partition(" ")
    if word == "-d":
        shell.say([harmless_pieces(_decoded(rest.strip(" ")))])
    elif argument:
        _show_line(shell, encode(escapes.decode(argument)))
    else:
        raise LocalError(r"give a text, such as :b64 \0bob\0jones, or :b64 -d and base64")


def _decoded(text: str) -> bytes:
    try:
        return decode(text.encode("utf-8", "surrogateescape"))
    except NotBase64 as error:
        raise LocalError(f"this isn't base64: {str(error).lower()}") from error


def _show_line(shell: Shell, line: bytes) -> None:
    """Show a line that the user will type, with nothing around it, so that it can be copied."""
    shell.say([[("text", harmless(line))]])


@local("apop USER [PASSWORD]")
def _apop(shell: Shell, argument: str) -> None:
    """Show the APOP line for this session.

    It is made of the timestamp in the greeting and of the password, which is asked for if it is not
    given, and masked.
    """
    timestamp = shell.session.core.timestamp
    if timestamp is None:
        why = "none counts that came before TLS" if shell.session.core.encrypted else "none came"
        raise LocalError(f"APOP needs the <timestamp> of a greeting, and {why} [RFC 1939 §7]")

    def line(user: bytes, password: bytes) -> bytes:
        return b"APOP %b %b" % (user, apop_digest(timestamp, password))

    _with_password(shell, "apop", argument, line)


@local("cram USER [PASSWORD]")
def _cram(shell: Shell, argument: str) -> None:
    """Show the answer to the challenge of CRAM-MD5.

    Type AUTH CRAM-MD5 first. The password is asked for if it is not given, and masked.
    """
    last = shell.session.exchanges.last
    if last is None or last.status_line.status is not Status.CHALLENGE:
        raise LocalError("there is no challenge to answer: AUTH CRAM-MD5 asks for one")
    try:
        challenge = decode(last.status_line.text)
    except NotBase64 as error:
        raise LocalError(
            "the challenge isn't base64, so nothing can answer it; * cancels"
        ) from error

    def line(user: bytes, password: bytes) -> bytes:
        return encode(CramMd5Client(Applicant(user=user, secret=password)).respond(challenge))

    _with_password(shell, "cram", argument, line)


def _with_password(
    shell: Shell, name: str, argument: str, line: Callable[[bytes, bytes], bytes]
) -> None:
    """Show a line that is made of a name and a password, and ask for the password if need be."""
    user, _, password = argument.partition(" ")
    if not user:
        raise LocalError(f"say who: :{name} bob; the password is asked for")
    if not password and not shell.asker.at_prompt:
        raise LocalError(f"there is nobody to ask: :{name} {user} PASSWORD")

    def plan() -> Plan:
        given = password or (yield from ask(f"Password of {user}: "))
        try:
            octets = credential(user, "name"), credential(given, "password")
        except LoginError as error:
            raise LocalError(str(error)) from error
        shell.view.remark("type or paste this:")
        _show_line(shell, line(*octets))

    shell.run_procedure(plan(), name=name, speaks=False)
