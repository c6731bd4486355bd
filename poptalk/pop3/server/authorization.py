"""The AUTHORIZATION state of a server session: USER and PASS, APOP, AUTH (RFC 1939 §7, RFC 5034 §4).

Every way to log in results in a `LoginAttempt`, which the driver accepts or refuses.  A mechanism of
AUTH may send another challenge before the client hears the outcome.
"""

from __future__ import annotations

from poptalk.pop3.capabilities import parse_capability
from poptalk.pop3.commands import MAX_COMMAND_OCTETS
from poptalk.pop3.sasl.mechanism import (
    CANCEL,
    EMPTY_INITIAL_RESPONSE,
    Claim,
    DigestProof,
    Flaw,
    PasswordProof,
    SaslFailure,
    ServerMechanism,
    apop_digest,
    decoded,
    encode,
)
from poptalk.pop3.server.events import EndReason, LoginAttempt, LoginWithdrawn
from poptalk.pop3.server.quirks import AfterWrongPassword, UserName
from poptalk.pop3.server.replies import AwaitedStep
from poptalk.pop3.server.texts import OCCASIONS, Occasion, shown
from poptalk.pop3.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from poptalk.pop3.commands import Command
    from poptalk.pop3.sasl.mechanism import ServerMechanisms
    from poptalk.pop3.server.replies import ServerConversation
    from poptalk.pop3.server.transaction import Maildrop


class Accepted(Value, often=True):
    """A login that was accepted."""

    name: bytes
    maildrop: Maildrop


class AuthExchange:
    """AUTH in progress.

    Args:
        name: of the mechanism, in upper case.
        mechanism: the server's side of it.

    Attributes:
        outcome: how the login ended, while a last challenge waits for its response.
    """

    def __init__(self, name: bytes, mechanism: ServerMechanism) -> None:
        self.name = name
        self.mechanism = mechanism
        self.outcome: Accepted | Occasion | None = None


class Authorization:
    """A session before the login.

    Args:
        conversation: sends the replies.
        mechanisms: those of AUTH.  The ones that the capabilities list after SASL are offered.

    Attributes:
        exchange: AUTH in progress; while there is one, every line is a response (RFC 5034 §4).
        timestamp: the APOP timestamp that the client has seen; None if there is none.
    """

    __slots__ = (
        *("_attempt", "_conversation", "_failed_logins", "_just_named", "_mechanisms"),
        *("_name", "exchange", "timestamp"),
    )

    def __init__(self, conversation: ServerConversation, *, mechanisms: ServerMechanisms) -> None:
        self.timestamp: bytes | None = None
        self._conversation = conversation
        self._mechanisms = mechanisms
        self._name: bytes | None = None
        """The name given with USER, as long as it is remembered; see `UserName`."""
        self._just_named: bytes | None = None
        """The same, for the present command, which may be the last to know the name."""
        self._attempt: LoginAttempt | None = None
        self.exchange: AuthExchange | None = None
        self._failed_logins = 0

    def begin_command(self) -> None:
        """Prepare for a command, which may use up the name."""
        self._just_named = self._name
        if self._conversation.quirks.user_name is UserName.ONE_COMMAND:
            # "Immediately after a successful USER command" (RFC 1939 §7): the next uses it up.
            self._name = None

    def forget(self) -> None:
        """Forget what was said in the clear, because TLS has begun (RFC 2595 §4)."""
        # An attacker on the path may have read the timestamp, or even written it.
        self.timestamp = None
        self._name = None

    def give_up(self) -> None:
        """Forget the name, and end AUTH if it is in progress: a line was too long to be read."""
        self._name = None
        if self.exchange is not None:
            self._withdraw(self.exchange)

    # The driver's decision.

    def accept(self, maildrop: Maildrop) -> Accepted | None:
        """Accept the attempt; return None if the mechanism sends a challenge first."""
        attempt = self._answered_attempt()
        login = Accepted(name=attempt.name, maildrop=maildrop)
        if self._say_more_before(login):
            return None
        self._end_exchange()
        return login

    def refuse(self, occasion: Occasion) -> None:
        """Refuse the attempt."""
        attempt = self._answered_attempt()
        # The mechanism says why a token is refused, but not that the maildrop is locked.
        of_proof = occasion is attempt.if_wrong
        if not (of_proof and self._say_more_before(occasion)):
            self._refuse_login(occasion)

    def _answered_attempt(self) -> LoginAttempt:
        self._conversation.answered(AwaitedStep.LOGIN)
        attempt, self._attempt = self._attempt, None
        assert attempt is not None
        return attempt

    def _attempt_login(self, attempt: LoginAttempt) -> None:
        self._attempt = attempt
        self._conversation.hooks.login_attempted(attempt.name)
        self._conversation.ask(attempt, AwaitedStep.LOGIN)

    def _refuse_login(self, occasion: Occasion) -> None:
        self._end_exchange()
        self._failed_logins += 1
        name = shown(self._just_named or b"")
        session = self._conversation
        if self._failed_logins >= session.limits.failed_logins:
            session.reply(Occasion.TOO_MANY_LOGINS, limit=session.limits.failed_logins)
            session.end(EndReason.TOO_MANY_LOGINS)
        elif session.quirks.after_wrong_password is AfterWrongPassword.CLOSED:
            session.reply(occasion, name=name)
            session.end(EndReason.TOO_MANY_LOGINS)
        else:
            alone = session.quirks.after_wrong_password is AfterWrongPassword.PASSWORD_ALONE
            self._name = self._just_named if alone else None
            session.complain(occasion, name=name)
        session.hooks.login_refused()

    # USER, PASS and APOP.

    def on_user(self, command: Command) -> None:
        """Remember a name."""
        session = self._conversation
        if self._just_named is not None and session.quirks.user_name is UserName.KEPT_AND_FINAL:
            session.complain(Occasion.USER_TWICE)
            return
        # Accepting any name hides which mailboxes exist (RFC 1939 §7 permits it).
        self._name = command.arguments[0]
        session.reply(Occasion.USER_ACCEPTED, name=shown(self._name))

    def on_pass(self, command: Command) -> None:
        """Try a password."""
        if self._just_named is None:
            self._conversation.complain(Occasion.USER_FIRST)
            return
        proof = PasswordProof(password=command.arguments[0])
        self._attempt_login(
            LoginAttempt(name=self._just_named, proof=proof, if_wrong=Occasion.WRONG_PASSWORD)
        )

    def on_apop(self, command: Command) -> None:
        """Try a digest."""
        if self.timestamp is None:
            self._conversation.complain(Occasion.APOP_NOT_OFFERED)
            return
        name, digest = command.arguments
        proof = DigestProof(challenge=self.timestamp, digest=digest, make=apop_digest)
        self._attempt_login(LoginAttempt(name=name, proof=proof, if_wrong=Occasion.WRONG_DIGEST))

    # AUTH.

    def on_auth(self, command: Command) -> None:
        """Begin an exchange; without an argument list the mechanisms."""
        session = self._conversation
        offered = self._mechanism_names(session.capability_lines())
        if not command.arguments:
            # This is older than CAPA and in no RFC, and some clients still use it.
            session.reply(Occasion.MECHANISMS_FOLLOW)
            session.send_body([b"".join(name + b"\r\n" for name in offered)])
            return
        name = command.arguments[0].upper()
        if name not in offered:
            inside = session.capabilities.lines(encrypted=True, logged_in=False)
            needs_tls = not session.encrypted and name in self._mechanism_names(inside)
            occasion = Occasion.MECHANISM_NEEDS_TLS if needs_tls else Occasion.MECHANISM_UNKNOWN
            session.complain(occasion, mechanism=shown(name))
            return
        self.exchange = AuthExchange(name, self._mechanisms[name]())
        if len(command.arguments) == 1:
            self._ask(self.exchange.mechanism.challenge())
        else:
            self._take_initial_response(self.exchange, command)

    def _mechanism_names(self, lines: Iterable[bytes]) -> list[bytes]:
        """Return the mechanisms that capabilities list after SASL, if they exist (RFC 5034 §3)."""
        offers = map(parse_capability, lines)
        names = (name for offer in offers if offer.tag == b"SASL" for name in offer.parameters)
        return [name.upper() for name in names if name.upper() in self._mechanisms]

    def _take_initial_response(self, exchange: AuthExchange, command: Command) -> None:
        response = command.arguments[1]
        if not exchange.mechanism.client_first:
            self._break_off(exchange, Occasion.INITIAL_RESPONSE_UNWANTED)
        elif len(command.line) + len(b"\r\n") > MAX_COMMAND_OCTETS:
            # A long one has to wait for a challenge (RFC 5034 §4).
            self._break_off(exchange, Occasion.INITIAL_RESPONSE_TOO_LONG)
        else:
            self._respond(exchange, b"" if response == EMPTY_INITIAL_RESPONSE else response)

    def _ask(self, challenge: bytes) -> None:
        """Send a challenge (RFC 5034 §4); the next line is a response, whatever it says."""
        self._conversation.reader.longest = self._conversation.limits.sasl_line
        self._conversation.queue_line(b"+ %b\r\n" % encode(challenge))

    def take_response(self, line: bytes) -> Accepted | None:
        """Take a response within AUTH.

        Args:
            line: without its line end.

        Returns:
            The login, if this was the last response before it.
        """
        exchange = self.exchange
        assert exchange is not None
        if isinstance(exchange.outcome, Occasion):
            # Whatever the response to the reason of a refusal is, it changes nothing (RFC 7628 §3.2.3).
            self._refuse_login(exchange.outcome)
            return None
        return self._respond(exchange, line)

    def _respond(self, exchange: AuthExchange, line: bytes) -> Accepted | None:
        """Take a response in base64."""
        try:
            if line == CANCEL:
                raise SaslFailure(Flaw.CANCELLED)
            response = decoded(line)
            if response is None:
                raise SaslFailure(Flaw.NOT_BASE64)
            if isinstance(exchange.outcome, Accepted):
                if response:
                    raise SaslFailure
                self._end_exchange()
                return exchange.outcome
            answer = exchange.mechanism.respond(response)
        except SaslFailure as failure:
            self._break_off(exchange, OCCASIONS[failure.flaw.value])
            return None
        if isinstance(answer, Claim):
            self._attempt_login(LoginAttempt(name=answer.name, proof=answer.proof))
        else:
            self._ask(answer)
        return None

    def _say_more_before(self, outcome: Accepted | Occasion) -> bool:
        """Let the mechanism send a challenge before the outcome; return whether it does."""
        if self.exchange is None:
            return False
        accepted = isinstance(outcome, Accepted)
        challenge = self.exchange.mechanism.last_challenge(accepted=accepted)
        if challenge is None:
            return False
        self.exchange.outcome = outcome
        self._ask(challenge)
        return True

    def _break_off(self, exchange: AuthExchange, occasion: Occasion) -> None:
        """End AUTH without a login."""
        self._withdraw(exchange)
        self._conversation.complain(
            occasion, mechanism=shown(exchange.name), limit=MAX_COMMAND_OCTETS
        )

    def _withdraw(self, exchange: AuthExchange) -> None:
        self._end_exchange()
        self._conversation.hooks.login_refused()
        if isinstance(exchange.outcome, Accepted):
            self._conversation.happened.append(LoginWithdrawn())

    def _end_exchange(self) -> None:
        self.exchange = None
        self._conversation.reader.longest = self._conversation.limits.line
