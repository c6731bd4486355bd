"""Logging in as an errand: `:login` and `--login`.

The secret is asked for before anything else, so that nobody types it ahead of a question that waits
for the server, where nothing would mask it.  Then CAPA is asked, unless its answer is known for this
situation; nothing that was said before TLS, or before a login, counts afterwards (RFC 2595 §4).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from poptalk.login.sources import NoPassword, Source, Wanted, find_password, must_be_asked, question
from poptalk.net.destination import Destination, UsageError, bare_host
from poptalk.pop3.sasl.base64 import NotBase64, decode
from poptalk.pop3.sasl.login import Talk, make_talk
from poptalk.pop3.sasl.mechanism import (
    LoginBroken,
    LoginError,
    LoginRefused,
    Method,
    applicant,
    credential,
)
from poptalk.pop3.sasl.table import choose, find_method
from poptalk.protocol.capability_changes import CapabilityAnswer
from poptalk.protocol.codes import find_response_code
from poptalk.protocol.replies import Status, StatusLine
from poptalk.protocol.states import State
from poptalk.shell.errand import Plan, Steps, Then, aside, ask, exchange, quiet, show_failure
from poptalk.shell.local_error import LocalError

if TYPE_CHECKING:
    from poptalk.shell.base import Shell
    from poptalk.shell.dialogue import Dialogue
    from poptalk.shell.settings import ConnectOptions


class Refused(LocalError):
    """The server did not let the user in."""


class Broken(LocalError):
    """The server did not keep to the mechanism, and is not to be trusted."""


class NoSecret(LocalError):
    """There is no password to log in with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRequest:
    """What was asked for."""

    user: str
    method: Method | None = None
    """None for the best that the server offers."""
    two_step: bool = False
    """Whether AUTH and its first response go in two lines."""
    token: bool = False
    """Whether the secret is an OAuth token."""
    source: Source | None = None
    """Where the secret comes from, None for the usual."""


def request_of(
    user: str,
    mechanism: str | None,
    *,
    two_step: bool = False,
    token: bool = False,
    source: Source | None = None,
) -> LoginRequest:
    """Make a request of words.

    Args:
        user: the name.
        mechanism: what is named, in any case; None for the best.
        two_step: as `LoginRequest.two_step`.
        token: whether the secret is a token; it is one as well if the mechanism takes no other.
        source: where it comes from.

    Raises:
        LocalError: there is no such mechanism, or these do not go together.
    """
    try:
        method = None if mechanism is None else find_method(mechanism)
        credential(user, "name")
    except LoginError as error:
        raise LocalError(str(error)) from error
    if method is not None and token and not method.need.token:
        raise LocalError(f"{method.name} takes no token, which is what --oauth says there is")
    if method is not None and two_step and (not method.sasl or method.name in _SERVER_FIRST):
        raise LocalError(f"--two-step is for mechanisms that speak first; {method.name} does not")
    return LoginRequest(
        user=user,
        method=method,
        two_step=two_step,
        token=token or (method is not None and method.need.token),
        source=source,
    )


_SERVER_FIRST = ("LOGIN", "CRAM-MD5")
"""Mechanisms in which AUTH is a line of its own anyhow."""


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


def log_in(shell: Shell, request: LoginRequest) -> Plan:
    """Log in, and say how and what came of it.

    Args:
        shell: a shell that is connected.
        request: what was asked for.

    Raises:
        Refused: the server said no.
        Broken: the server did not keep to the mechanism; the connection must be closed.
        NoSecret: there is no password.
        LocalError: it cannot be done; the sentence says why.
    """
    try:
        secret = yield from _secret(shell, request)
        yield from quiet()
        _check_state(shell.dialogue)
        method = yield from _method(shell, request)
        if method.readable and shell.exposed:
            shell.dialogue.warn(
                f"{method.name} lets everybody on the way read the {_noun(method)}; STLS or --tls "
                "would protect it"
            )
        talk = yield from _talk(shell, request, method, secret)
        yield from _carry_out(shell.dialogue, method, talk)
    except LoginRefused as refusal:
        raise Refused(_meaning(refusal) + _not_offered(shell.dialogue, request)) from refusal
    except LoginBroken as error:
        raise Broken(f"{error}; the connection is closed") from error
    except NoPassword as error:
        raise NoSecret(str(error)) from error
    except LoginError as error:
        raise LocalError(str(error)) from error
    shell.dialogue.remark(f"{request.user} is logged in")


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
            show_failure(shell, "login", error)
        if isinstance(error, Broken):
            shell.close()
        if then is not None:
            then(error)

    shell.run_errand(log_in(shell, request), name="login", then=conclude)


def _noun(method: Method) -> str:
    return "token" if method.need.token else "password"


def _secret(shell: Shell, request: LoginRequest) -> Steps[str]:
    method = request.method
    if method is not None and not (method.need.password or method.need.token):
        return ""
    assert shell.destination is not None, "a shell that is connected has a destination"
    wanted = Wanted(user=request.user, host=bare_host(shell.destination.host))
    if shell.can_ask and must_be_asked(request.source):
        secret = yield from ask(question(wanted))
        if not secret:
            raise NoSecret("no password was given, and nothing was sent")
    else:
        # A command may take its time, and a keyring may ask its owner.
        secret = yield from aside(partial(find_password, wanted, request.source, ask=shell.ask))
    credential(secret, "password")
    return secret


def _check_state(dialogue: Dialogue) -> None:
    session = dialogue.session
    if session.greeted is not Status.OK:
        raise LocalError("the greeting was no +OK: this server does not want to be spoken to")
    if session.state is not State.AUTHORIZATION:
        raise LocalError(
            f"a login belongs into AUTHORIZATION, and this is {session.state.value}: QUIT, and :open "
            "begins anew"
        )


# The method.


def _method(shell: Shell, request: LoginRequest) -> Steps[Method]:
    if request.method is not None:
        return request.method
    session = shell.dialogue.session
    answer = shell.dialogue.capabilities.now(session)
    if answer is None:
        yield from exchange(b"CAPA")
        answer = shell.dialogue.capabilities.now(session)
    assert answer is not None, "a reply to CAPA has been learnt"
    method = _best(shell.dialogue, answer, request)
    if method is None:
        raise LocalError(_nothing_suits(answer, request))
    shell.dialogue.remark(_why(method, answer, shell.dialogue))
    return method


def _best(dialogue: Dialogue, answer: CapabilityAnswer, request: LoginRequest) -> Method | None:
    parameters = answer.parameters()
    return choose(
        mechanisms=parameters.get(b"SASL"),
        user_pass=answer.lines is None or b"USER" in parameters,
        timestamp=dialogue.session.timestamp is not None,
        encrypted=dialogue.session.encrypted,
        token=request.token,
    )


def _why(method: Method, answer: CapabilityAnswer, dialogue: Dialogue) -> str:
    where = "in TLS" if dialogue.session.encrypted else "in clear"
    if answer.lines is None:
        reason = "the server knows no CAPA, so this is what is left"
    elif not method.sasl:
        reason = f"the best that is offered {where}"
    else:
        offered = answer.parameters().get(b"SASL", ())
        reason = (
            f"the best {where} of {len(offered)} that SASL lists"
            if offered[1:]
            else "SASL lists it"
        )
    return f"{method.name}: {reason}; {method.summary} [{method.clause}]"


def _nothing_suits(answer: CapabilityAnswer, request: LoginRequest) -> str:
    offered = b" ".join(answer.parameters().get(b"SASL", ())).decode("ascii", "backslashreplace")
    what = f"SASL {offered}" if offered else "no SASL and no USER"
    if request.token:
        return f"nothing here takes a token: the server offers {what}; name a mechanism to try it"
    later = "" if answer.encrypted else "; perhaps it wants TLS first: STLS"
    return f"nothing that is offered suits ({what}){later}; name a mechanism to try it nevertheless"


# The talk.


def _talk(shell: Shell, request: LoginRequest, method: Method, secret: str) -> Steps[Talk]:
    destination = shell.destination
    assert destination is not None, "a shell that is connected has a destination"
    who = applicant(request.user, secret, host=bare_host(destination.host), port=destination.port)
    make: Callable[[], Talk] = partial(
        make_talk,
        method,
        who,
        timestamp=shell.dialogue.session.timestamp,
        two_step=request.two_step,
    )
    # SCRAM has a library to load.
    return (yield from aside(make))


def _carry_out(dialogue: Dialogue, method: Method, talk: Talk) -> Plan:
    try:
        line = next(talk)
        while True:
            reply = yield from exchange(line)
            if method.need.token and reply.status_line.status is Status.CHALLENGE:
                _tell_reason(dialogue, reply.status_line.text)
            # SCRAM hashes the password some thousand times.
            line = yield from aside(partial(_next_line, talk, reply.status_line))
    except _Finished:
        return


class _Finished(Exception):
    """A talk has come to its end: a StopIteration cannot leave a thread, or a generator."""


def _next_line(talk: Talk, status_line: StatusLine) -> bytes:
    try:
        return talk.send(status_line)
    except StopIteration:
        raise _Finished from None


def _meaning(refusal: LoginRefused) -> str:
    status_line = refusal.status_line
    code = find_response_code(status_line.code) if status_line.code is not None else None
    words = f": {code.meaning} [{code.clause}]" if code is not None else ""
    return f"{refusal}{words}"


def _not_offered(dialogue: Dialogue, request: LoginRequest) -> str:
    """Say, of a mechanism that was named and refused, whether the server has it at all.

    Some answer as if the password were wrong.
    """
    method = request.method
    if method is None or not method.sasl:
        return ""
    answer = dialogue.capabilities.now(dialogue.session)
    if answer is None:
        return f"; or the server has no {method.name}: :capa tells what it has"
    offered = answer.parameters().get(b"SASL", ())
    if method.name.encode("ascii") in map(bytes.upper, offered):
        return ""
    return f"; {method.name} is nothing that it lists in CAPA"


def _tell_reason(dialogue: Dialogue, challenge: bytes) -> None:
    """Show why a token was refused, which the server says as a challenge (RFC 7628 §3.2.2)."""
    if challenge:
        try:
            reason = decode(challenge).decode("utf-8", "backslashreplace")
        except NotBase64:
            return
        dialogue.warn(f"the server's reason: {reason}")
