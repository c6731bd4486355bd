"""Logging in, a procedure: `:login`, `--login`, `diff`.

It asks for the secret first: if that question had to wait for the server, someone might type the secret
too early, and nothing would mask it.  Then it asks CAPA, unless the answer is known for this situation;
nothing that was said before TLS, or before a login, counts afterwards (RFC 2595 §4).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

from poptalk.net.endpoint import UsageError, bare_host
from poptalk.net.errors import ConnectionLost
from poptalk.pop3.capabilities import CapabilityAnswer
from poptalk.pop3.commands import State
from poptalk.pop3.explain import LoginFacts, asks_for_capabilities, why_login_refused
from poptalk.pop3.replies import Status, StatusLine, quoted
from poptalk.pop3.sasl.mechanism import (
    LoginBroken,
    LoginError,
    LoginRefused,
    Method,
    NotBase64,
    applicant,
    credential,
    decode,
)
from poptalk.pop3.sasl.table import SaslExchange, begin_login, choose, find_method
from poptalk.session.password import (
    NoPassword,
    PasswordSource,
    Wanted,
    find_password,
    must_be_asked,
    question,
)
from poptalk.session.procedure import LocalError, Plan, Steps, ask, exchange, in_thread, quiet

if TYPE_CHECKING:
    from poptalk.net.endpoint import Destination
    from poptalk.pop3.client import ClientSession
    from poptalk.session.exchanges import StoredReply
    from poptalk.session.password import Ask
    from poptalk.session.session import Session


class Refused(LocalError):
    """The server refused the login."""


class Broken(LocalError):
    """The server broke the rules of the mechanism, and must not be trusted."""


class NoSecret(LocalError):
    """There is no password to log in with."""


class _Attempt:
    """A login in progress: how far it has got, for the message if it fails."""

    def __init__(self, session: Session, request: LoginRequest) -> None:
        self.session = session
        self.request = request
        session.user = request.user
        self.method = request.method
        self._lines = 0
        self.reply: StoredReply | None = None
        """The last reply to one of its lines; the server may have said more since."""
        self.at("before anything was sent")

    def at(self, stage: str) -> None:
        """Set the stage of the session."""
        by = f", {self.method.name}" if self.method is not None else ""
        step = f", {stage}" if f", {stage}" != by else ""
        self.session.stage = f"{self.session.who}{by}{step}"

    def sends(self, line: bytes) -> None:
        """Set the stage for the mechanism's next line; nothing of its secret is kept."""
        assert self.method is not None, "something is tried"
        self._lines += 1
        if not self.method.sasl:
            self.at(line.partition(b" ")[0].decode("ascii"))
        elif self._lines == 1:
            self.at(f"AUTH {self.method.name}")
        else:
            self.at(f"line {self._lines} of AUTH {self.method.name}")

    def refused(self) -> Steps[Refused]:
        """Return the error for the refusal that has just come.

        If the user named a mechanism, CAPA was not asked; it is asked now if it may show the reason.
        """
        exchanges = self.session.exchanges
        refusal = self.reply
        assert refusal is not None, "it has just come"
        chosen = self.method is not None and self.method.name == "APOP" and not self.request.method
        if asks_for_capabilities(refusal.status_line, _facts(self.session, refusal)):
            exchanges.subject, exchanges.explaining = refusal, True
            try:
                yield from exchange(b"CAPA")
            except ConnectionLost:
                pass  # It hung up, as many servers do after a refusal.
            finally:
                exchanges.explaining = False
        return Refused(
            explain_refusal(self.session, refusal, self.session.stage, timestamp_chosen=chosen)
        )


def explain_refusal(
    session: Session, refusal: StoredReply, stage: str, *, timestamp_chosen: bool = False
) -> str:
    """Say in a sentence or a few who was refused, in which words, and what they may mean.

    Args:
        session: in which it happened.
        refusal: the reply.
        stage: who, where, and how far the login had got.
        timestamp_chosen: whether APOP was chosen because of the greeting's timestamp.
    """
    facts = _facts(session, refusal, timestamp_chosen=timestamp_chosen)
    why = "".join(
        f" {each.meaning[:1].upper()}{each.meaning[1:]}"
        f"{f' [{each.clause}]' if each.clause is not None else ''}."
        for each in why_login_refused(refusal.status_line, facts)
    )
    said = quoted(refusal.masked.decode("utf-8", "backslashreplace"))
    return f"the server did not let you in ({stage}): {said}{why}"


def _facts(session: Session, refusal: StoredReply, *, timestamp_chosen: bool = False) -> LoginFacts:
    facts = session.exchanges.login_of(refusal, timestamp_chosen=timestamp_chosen)
    if facts is None:
        # A server that is out of step refused a line that is not part of a login.
        return LoginFacts(method="USER", encrypted=session.core.encrypted)
    return facts


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRequest:
    """A login that was asked for."""

    user: str
    method: Method | None = None
    """None for the best one that the server offers."""
    two_step: bool = False
    """Whether AUTH and its first response go in two lines."""
    token: bool = False
    """Whether the secret is an OAuth token."""
    source: PasswordSource | None = None
    """Where the secret comes from; None for the usual."""


def request_of(
    user: str,
    mechanism: str | None,
    *,
    two_step: bool = False,
    token: bool = False,
    source: PasswordSource | None = None,
) -> LoginRequest:
    """Make a request from words.

    Args:
        user: the name.
        mechanism: its name, in upper or lower case; None for the best.
        two_step: as in `LoginRequest`.
        token: whether the secret is a token; it always is if the mechanism takes nothing else.
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


class LoginOptions(Protocol):
    """The options for a login; `poptalk.cli.options` has them."""

    @property
    def login(self) -> str | None:
        """The user's name."""

    @property
    def mechanism(self) -> str | None:
        """The mechanism's name."""

    @property
    def two_step(self) -> bool:
        """Whether AUTH and its first response go in two lines."""

    @property
    def oauth(self) -> bool:
        """Whether the secret is a token."""

    @property
    def password_source(self) -> PasswordSource | None:
        """Where the secret comes from."""


def opening_request(options: LoginOptions, destination: Destination) -> LoginRequest | None:
    """Return the login that the command line asks for; None for none.

    Args:
        options: those of the command.
        destination: its URL, or its saved server, may name a mechanism.

    Raises:
        UsageError: the options do not go together.
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


_SERVER_FIRST = ("LOGIN", "CRAM-MD5")
"""Mechanisms in which AUTH is always a line of its own."""


class Asker(NamedTuple):
    """How the user can be asked for a password."""

    at_prompt: bool = True
    """Whether the prompt of the shell can ask."""
    ask: Ask | None = None
    """Asks at the terminal if standard output is for the server; None if it cannot."""


def log_in(
    session: Session, request: LoginRequest, *, asker: Asker, secret: str | None = None
) -> Plan:
    """Log in, and note by which mechanism, and that it worked.

    Args:
        session: connected.
        request: who, and how.
        asker: asks for the password.
        secret: the password or the token; None finds it, or asks for it.

    Raises:
        Refused: the server said no.
        Broken: the server broke the rules of the mechanism; the connection must be closed.
        NoSecret: there is no password.
        LocalError: nobody can log in now, or not like this; the sentence says why.
    """
    core, destination = session.core, session.destination
    assert destination is not None, "a session that is connected has a destination"
    host = bare_host(destination.host)
    method = request.method
    attempt = _Attempt(session, request)
    try:
        if secret is None:
            secret = yield from _secret(request, host, asker)
        yield from quiet()
        _check_state(session)
        if method is None:
            answer = session.exchanges.facts.capabilities_now(core)
            if answer is None:
                attempt.at("CAPA")
                yield from exchange(b"CAPA")
                answer = session.exchanges.facts.capabilities_now(core)
            assert answer is not None, "a reply to CAPA has been learnt"
            method = attempt.method = _best(core, answer, request, stage=session.stage)
            session.note(_why(method, answer, core))
        make: Callable[[], SaslExchange] = partial(
            begin_login,
            method,
            applicant(request.user, secret, host=host, port=destination.port),
            timestamp=core.timestamp,
            two_step=request.two_step,
        )
        # SCRAM has a library to load.
        sasl = yield from in_thread(make)
        yield from _converse(attempt, sasl)
    except LoginRefused as refusal:
        error = yield from attempt.refused()
        raise error from refusal
    except LoginBroken as error:
        raise Broken(f"{error}; the connection is closed ({session.stage})") from error
    except NoPassword as error:
        raise NoSecret(str(error)) from error
    except LoginError as error:
        raise LocalError(f"{error} ({session.stage})") from error
    session.stage = ""
    session.note(f"{request.user} is logged in")


def _converse(attempt: _Attempt, sasl: SaslExchange) -> Steps[None]:
    """Send the lines of a mechanism, each after the answer to the one before.

    Raises:
        LoginError: the server refused, or broke the rules of the mechanism.
    """
    line: bytes | None = next(sasl)
    while line is not None:
        attempt.sends(line)
        reply = attempt.reply = yield from exchange(line)
        go_on = partial(_next_line, sasl, reply.status_line)
        if reply.status_line.status is not Status.CHALLENGE:
            # At once: a server may hang up right after a refusal.
            line = go_on()
            continue
        if attempt.method is not None and attempt.method.need.token:
            _tell_reason(attempt.session, reply.status_line.text)
        # SCRAM hashes the password some thousand times.
        line = yield from in_thread(go_on)


def _secret(request: LoginRequest, host: str, asker: Asker) -> Steps[str]:
    method = request.method
    if method is not None and not (method.need.password or method.need.token):
        return ""
    wanted = Wanted(user=request.user, host=host)
    if asker.at_prompt and must_be_asked(request.source):
        secret = yield from ask(question(wanted))
        if not secret:
            raise NoSecret("no password was given, and nothing was sent")
    else:
        # A command may take its time, and a keyring may ask its owner.
        find = partial(find_password, wanted, request.source, ask=asker.ask)
        secret = yield from in_thread(find)
    credential(secret, "password")
    return secret


def _check_state(session: Session) -> None:
    core = session.core
    if core.greeted is not Status.OK:
        greeting = session.exchanges.greeting.decode("utf-8", "backslashreplace")
        raise LocalError(
            f'the greeting was "{greeting}" and not +OK, so nobody can log in here ({session.who})'
        )
    if core.state is not State.AUTHORIZATION:
        raise LocalError(
            f"a login belongs in AUTHORIZATION, and this is {core.state.value}: QUIT, and :open "
            "begins again"
        )


def _best(
    core: ClientSession, answer: CapabilityAnswer, request: LoginRequest, *, stage: str
) -> Method:
    parameters = answer.parameters()
    method = choose(
        mechanisms=parameters.get(b"SASL"),
        user_pass=answer.lines is None or b"USER" in parameters,
        timestamp=core.timestamp is not None,
        encrypted=core.encrypted,
        token=request.token,
    )
    if method is None:
        raise LocalError(f"{_nothing_suits(answer, request)} ({stage})")
    return method


def _why(method: Method, answer: CapabilityAnswer, core: ClientSession) -> str:
    where = "in TLS" if core.encrypted else "in the clear"
    if answer.lines is None:
        reason = "the server has no CAPA, so this is what is left"
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
    later = "" if answer.encrypted else "; perhaps it wants TLS first: STLS, --starttls or --tls"
    return f"nothing that is offered suits ({what}){later}; name a mechanism to try it all the same"


def _next_line(sasl: SaslExchange, status_line: StatusLine) -> bytes | None:
    """Return the next line; None at the end, because StopIteration can leave no thread or generator."""
    try:
        return sasl.send(status_line)
    except StopIteration:
        return None


def _tell_reason(session: Session, challenge: bytes) -> None:
    """Show why a token was refused: the server says so in a challenge (RFC 7628 §3.2.2)."""
    if challenge:
        try:
            reason = decode(challenge).decode("utf-8", "backslashreplace")
        except NotBase64:
            return
        session.note(f"the server's reason: {reason}", warning=True)
