"""The habits of servers: what they do differently where RFC 1939 is silent, or is not kept.

Each habit is a closed set of values, those that some server in the field was seen with, and is read in
one place, here or in another module of this folder.  The first value of each is the default.  A habit
isn't a fault: a client that keeps to the RFC gets along with all of them, but one that was only tried
with a single server may not.
"""

from __future__ import annotations

from enum import Enum

from poptalk.pop3.commands import BLANKS, MAX_DIGITS, Command
from poptalk.pop3.values import Value


class Capa(Enum):
    """The answer to CAPA."""

    ANSWERED = "answered"
    UNKNOWN = "unknown"
    """An unknown command, as before RFC 2449; what the lists hold works all the same."""


class Last(Enum):
    """The answer to LAST, which RFC 1725 dropped in 1994."""

    UNKNOWN = "unknown"
    HIGHEST = "highest"
    """The highest message-number that was retrieved; RSET sets it back (RFC 1460 §5)."""
    ZERO = "zero"
    """Always `+OK 0`."""


class UserName(Enum):
    """How long the name that USER gave is remembered."""

    ONE_COMMAND = "one-command"
    """PASS must come at once (RFC 1939 §7)."""
    KEPT = "kept"
    """Other commands may come in between; a further USER replaces it."""
    KEPT_AND_FINAL = "kept-and-final"
    """As `KEPT`, and a further USER is refused."""


class AfterWrongPassword(Enum):
    """What may follow a login that was refused."""

    USER_AGAIN = "user-again"
    PASSWORD_ALONE = "password-alone"
    """The name is remembered, and another PASS will do."""
    CLOSED = "closed"
    """The server closes the connection."""


class BehindLogin(Enum):
    """What happens to octets that came before the login was answered."""

    ANSWERED = "answered"
    LOST = "lost"
    """They are gone: the program that has read them hands the session to another one."""


class ExtraArguments(Enum):
    """How more arguments than the command has are treated."""

    REFUSED = "refused"
    IGNORED_IF_BARE = "ignored-if-bare"
    """Ignored after commands that have no argument at all."""
    IGNORED = "ignored"


class StrayBlanks(Enum):
    """How spaces before a command and after it are treated."""

    TAKEN = "taken"
    REFUSED_IN_FRONT = "refused-in-front"
    REFUSED = "refused"


class Numbers(Enum):
    """How message-numbers are read."""

    WHOLE = "whole"
    LEADING_DIGITS = "leading-digits"
    """`2x` is 2."""
    LEADING_DIGITS_32_BIT = "leading-digits-32-bit"
    """`2x` is 2, and so is 4294967298."""


class LineEnds(Enum):
    """Which octets end a line."""

    CRLF_OR_LF = "crlf-or-lf"
    CRLF = "crlf"
    """LF alone is an octet like any other, and a client that sends it waits in vain (RFC 1939 §3)."""


class DeleAgain(Enum):
    """The answer to DELE for a message that is marked already."""

    REFUSED = "refused"
    ACCEPTED = "accepted"


class ErrorsCounted(Enum):
    """Which negative replies count until the session ends."""

    IN_A_ROW = "in-a-row"
    IN_ALL = "in-all"


class LastError(Enum):
    """The answer to the error after which the session ends."""

    TOLD = "told"
    """That it was one too many."""
    ANSWERED = "answered"
    """The usual answer to such an error."""
    ANSWERED_AND_TOLD = "answered-and-told"
    """Both, which makes two replies to one command."""


_TAKEN, _WHOLE, _REFUSED = StrayBlanks.TAKEN, Numbers.WHOLE, ExtraArguments.REFUSED
"""Looked up once, as every command asks for them."""


class Quirks(Value):
    """The habits of one server, as far as the core has them."""

    capa: Capa = Capa.ANSWERED
    last: Last = Last.UNKNOWN
    user_name: UserName = UserName.ONE_COMMAND
    after_wrong_password: AfterWrongPassword = AfterWrongPassword.USER_AGAIN
    behind_login: BehindLogin = BehindLogin.ANSWERED
    extra_arguments: ExtraArguments = ExtraArguments.REFUSED
    stray_blanks: StrayBlanks = StrayBlanks.TAKEN
    numbers: Numbers = Numbers.WHOLE
    line_ends: LineEnds = LineEnds.CRLF_OR_LF
    dele_again: DeleAgain = DeleAgain.REFUSED
    errors_counted: ErrorsCounted = ErrorsCounted.IN_A_ROW
    last_error: LastError = LastError.TOLD

    def number(self, command: Command, index: int = 0) -> int | None:
        """Return an argument that is there as a number, None if it isn't one."""
        if self.numbers is _WHOLE:
            return command.number(index)
        argument = command.arguments[index]
        stop = next((at for at, octet in enumerate(argument) if octet not in b"0123456789"), None)
        digits = argument[:stop][:MAX_DIGITS]
        if not digits:
            return None
        bits = 32 if self.numbers is Numbers.LEADING_DIGITS_32_BIT else 64
        return int(digits) % (1 << bits)

    def refuses_blanks(self, command: Command) -> bool:
        """Tell whether a command is refused for spaces before it or after it."""
        if self.stray_blanks is _TAKEN:
            return False
        if command.line.startswith(BLANKS):
            return True
        # At the end of a password they are part of it (RFC 1939 §7).
        takes_rest = command.verb is not None and any(a.rest for a in command.verb.arguments)
        after = command.line.endswith(BLANKS) and not takes_rest
        return after and self.stray_blanks is StrayBlanks.REFUSED

    def without_extra(self, command: Command) -> Command:
        """Return a command without the arguments that are ignored."""
        habit, verb = self.extra_arguments, command.verb
        if habit is _REFUSED or verb is None:
            return command
        if verb.arguments and habit is ExtraArguments.IGNORED_IF_BARE:
            return command
        return command.replaced(arguments=command.arguments[: len(verb.arguments)])


QUIRKS: dict[str, type[Enum]] = {name: type(getattr(Quirks(), name)) for name in Quirks._fields}
"""Each habit by its name, with the values that it can have."""
