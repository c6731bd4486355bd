"""The quirks of servers: where they differ, because RFC 1939 is silent or isn't followed.

Each quirk is a closed set of values that were seen with servers in the field, and it is read in one
place, here or in another module of this folder.  The first value is the default.  A quirk isn't a
fault: a client that follows the RFC gets along with all of them, but one that was tested with a single
server may not.
"""

from __future__ import annotations

from enum import Enum

from poptalk.pop3.commands import BLANKS, MAX_DIGITS, Command
from poptalk.pop3.values import Value


class Capa(Enum):
    """The answer to CAPA."""

    ANSWERED = "answered"
    UNKNOWN = "unknown"
    """An unknown command, as before RFC 2449; what the lists offer works all the same."""


class Last(Enum):
    """The answer to LAST, which RFC 1725 dropped in 1994."""

    UNKNOWN = "unknown"
    HIGHEST = "highest"
    """The highest message-number that was retrieved; RSET sets it back (RFC 1460 §5)."""
    ZERO = "zero"
    """Always `+OK 0`."""


class UserName(Enum):
    """How long the name given with USER is remembered."""

    ONE_COMMAND = "one-command"
    """PASS must be the next command (RFC 1939 §7)."""
    KEPT = "kept"
    """Other commands may come in between; another USER replaces it."""
    KEPT_AND_FINAL = "kept-and-final"
    """As `KEPT`, but another USER is refused."""


class AfterWrongPassword(Enum):
    """What may follow a login that was refused."""

    USER_AGAIN = "user-again"
    PASSWORD_ALONE = "password-alone"
    """The name is remembered, so another PASS is enough."""
    CLOSED = "closed"
    """The server closes the connection."""


class BehindLogin(Enum):
    """What happens to octets that came before the login was answered."""

    ANSWERED = "answered"
    LOST = "lost"
    """They are lost: the program that read them hands the session over to another one."""


class ExtraArguments(Enum):
    """What happens to excess arguments."""

    REFUSED = "refused"
    IGNORED_IF_BARE = "ignored-if-bare"
    """Ignored after commands that take no arguments at all."""
    IGNORED = "ignored"


class StrayBlanks(Enum):
    """What happens to spaces before and after a command."""

    TAKEN = "taken"
    REFUSED_IN_FRONT = "refused-in-front"
    REFUSED = "refused"


class Numbers(Enum):
    """How message-numbers are parsed."""

    WHOLE = "whole"
    LEADING_DIGITS = "leading-digits"
    """`2x` is 2."""
    LEADING_DIGITS_32_BIT = "leading-digits-32-bit"
    """`2x` is 2, and so is 4294967298."""


class LineEnds(Enum):
    """Which octets end a line."""

    CRLF_OR_LF = "crlf-or-lf"
    CRLF = "crlf"
    """LF alone is an octet like any other, so a client that sends it waits in vain (RFC 1939 §3)."""


class DeleAgain(Enum):
    """The answer to DELE for a message that is already marked."""

    REFUSED = "refused"
    ACCEPTED = "accepted"


class ErrorsCounted(Enum):
    """Which negative replies are counted before the session is ended."""

    IN_A_ROW = "in-a-row"
    IN_ALL = "in-all"


class LastError(Enum):
    """The answer to the error that ends the session."""

    TOLD = "told"
    """That there were too many errors."""
    ANSWERED = "answered"
    """The usual answer to that error."""
    ANSWERED_AND_TOLD = "answered-and-told"
    """Both, which makes two replies to one command."""


_TAKEN, _WHOLE, _REFUSED = StrayBlanks.TAKEN, Numbers.WHOLE, ExtraArguments.REFUSED
"""Looked up once, as every command needs them."""


class Quirks(Value):
    """The quirks of one server."""

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
        """Return an argument, which must be there, as a number; None if it isn't one."""
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
        """Return whether a command is refused because of spaces before or after it."""
        if self.stray_blanks is _TAKEN:
            return False
        if command.line.startswith(BLANKS):
            return True
        # Spaces at the end of a password are part of it (RFC 1939 §7).
        takes_rest = command.verb is not None and any(a.rest for a in command.verb.arguments)
        after = command.line.endswith(BLANKS) and not takes_rest
        return after and self.stray_blanks is StrayBlanks.REFUSED

    def without_extra(self, command: Command) -> Command:
        """Return a command without the arguments that are ignored."""
        quirk, verb = self.extra_arguments, command.verb
        if quirk is _REFUSED or verb is None:
            return command
        if verb.arguments and quirk is ExtraArguments.IGNORED_IF_BARE:
            return command
        return command.replaced(arguments=command.arguments[: len(verb.arguments)])


QUIRKS: dict[str, type[Enum]] = {name: type(getattr(Quirks(), name)) for name in Quirks._fields}
"""Each quirk by its name, with the values that it can have."""
