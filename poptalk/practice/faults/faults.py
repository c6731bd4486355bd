"""The faults: what each does at the hooks of a session; `faults.toml` has the facts about it.

They are sorted by what they change: replies, the mail itself, the login, TLS, and the network between.
Those of the network make octets come late, in pieces, or not at all.  They act on octets before TLS
encrypts them, and count from the moment at which they begin: with the connection, or with the login of
the account that they are for.
"""

from __future__ import annotations

import asyncio
import datetime
import math
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from poptalk.pop3.commands import Command, State, parse_command
from poptalk.pop3.replies import TERMINATION, terminate
from poptalk.pop3.server.texts import Occasion
from poptalk.pop3.server.transaction import Maildrop
from poptalk.practice.faults import fault
from poptalk.practice.faults.fault import Action, EarlyEnd, Fault, Pause
from poptalk.practice.maildrop.snapshot import AnotherMaildrop

if TYPE_CHECKING:
    import ssl

    from poptalk.pop3.server.events import Encode
    from poptalk.practice.accounts import Account
    from poptalk.practice.certificates import Certificates

Lines = tuple[bytes, ...]
"""Capabilities, as the lines of the answer to CAPA."""


def without_capabilities(lines: Lines, *tags: bytes) -> Lines:
    """Leave out capabilities by their tags."""
    return tuple(line for line in lines if line.split()[0].upper() not in tags)


# Faults in multi-line replies: lines that are not byte-stuffed, or end wrongly.  In all of them LIST
# announces the right size.


MESSAGE_COMMANDS = (b"RETR", b"TOP")
"""The commands that are answered with a message, or part of one."""


class _BodyFault(Fault):
    """Spoils the bodies of some replies."""

    commands: tuple[bytes, ...] = MESSAGE_COMMANDS

    def body(
        self, command: Command | None, chunks: Iterable[bytes], encode: Encode
    ) -> Iterator[bytes]:
        """Spoil the body if it answers one of the commands."""
        spoils = command is not None and command.keyword in self.commands
        return self.spoil(chunks, encode) if spoils else encode(chunks)

    def spoil(self, chunks: Iterable[bytes], _encode: Encode) -> Iterator[bytes]:
        """Return the octets for the wire: here without byte-stuffing, but with the lone dot."""
        return terminate(chunks)


class NoDotStuffing(_BodyFault):
    """Leaves out byte-stuffing."""


class TopNoDotStuffing(_BodyFault):
    """Leaves out byte-stuffing in the answer to TOP."""

    commands = (b"TOP",)


class ChunkNoDotStuffing(_BodyFault):
    """Forgets between two chunks that a line has ended."""

    parameter = fault.octets(16_384, least=1)
    value: int

    def spoil(self, chunks: Iterable[bytes], _encode: Encode) -> Iterator[bytes]:
        """Stuff each chunk for itself."""
        return terminate(chunk.replace(b"\n.", b"\n..") for chunk in self._cut(chunks))

    def _cut(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Cut octets into chunks of the fault's size."""
        held, size = bytearray(), self.value
        for chunk in chunks:
            held += chunk
            while len(held) >= size:
                yield bytes(held[:size])
                del held[:size]
        yield bytes(held)


class BareLf(_BodyFault):
    """Ends the lines of messages in LF alone."""

    def spoil(self, chunks: Iterable[bytes], _encode: Encode) -> Iterator[bytes]:
        """Remove the CR of all line ends but the last."""
        return terminate(_without_cr(chunks))


def _without_cr(chunks: Iterable[bytes]) -> Iterator[bytes]:
    held = b""
    for chunk in chunks:
        joined = held + chunk
        # A CR at the end may be half of a line end.
        held = b"\r" if joined.endswith(b"\r") else b""
        yield joined[: len(joined) - len(held)].replace(b"\r\n", b"\n")
    yield held


class NoFinalDot(_BodyFault):
    """Leaves out the lone dot."""

    parameter = fault.command("RETR")

    def __init__(self, value: bytes) -> None:
        super().__init__(value)
        self.commands = (value,)

    def spoil(self, chunks: Iterable[bytes], encode: Encode) -> Iterator[bytes]:
        """Hold back the last three octets forever."""
        held = b""
        for chunk in encode(chunks):
            joined = held + chunk
            yield joined[: -len(TERMINATION)]
            held = joined[-len(TERMINATION) :]


class ExtraLine(_BodyFault):
    """Adds an empty line to messages."""

    def spoil(self, chunks: Iterable[bytes], encode: Encode) -> Iterator[bytes]:
        """Add a CRLF to the end of the message."""
        return encode(chain(chunks, (b"\r\n",)))


ESCAPES = b"\x1b[31;1;4mready\x1b[2J\x1b]0;owned\x07 for you\x9b5m"
"""Colours, a cleared screen, another window title, and a C1 introducer of one octet."""


class ListIgnoresArgument(Fault):
    """Lists all messages, whichever was asked for."""

    def command(self, command: Command) -> Command:
        """Forget the argument."""
        return parse_command(b"LIST") if command.keyword == b"LIST" else command


class UidlWithoutNumber(Fault):
    """Leaves the message-number out of the reply to UIDL for one message."""

    def reply(self, command: Command | None, line: bytes) -> bytes:
        """Remove the number."""
        if command is None or command.keyword != b"UIDL":
            return line
        return re.sub(rb"\A\+OK [0-9]+ (?=[^ ]*\Z)", b"+OK ", line)


class CapaChangesAfterLogin(Fault):
    """Announces some capabilities too late and takes others back."""

    def capabilities(self, lines: Lines, state: State) -> Lines:
        """Leave out capabilities that belong to the other state."""
        hidden = (b"USER", b"SASL") if state is State.TRANSACTION else (b"TOP", b"UIDL")
        return without_capabilities(lines, *hidden)


class EscapeGreeting(Fault):
    """Greets a terminal instead of a program."""

    def greeting(self, line: bytes) -> bytes:
        """Add escape sequences to the words."""
        return b"%b %b\r\n" % (line.removesuffix(b"\r\n"), ESCAPES)


class GreetingErr(Fault):
    """Greets with a negative status indicator, and goes on."""

    def greeting(self, line: bytes) -> bytes:
        """Exchange the indicator."""
        return b"-ERR" + line[3:] if line.startswith(b"+OK") else line


class GreetingBare(Fault):
    """Greets without text, so that there is no timestamp for APOP."""

    def greeting(self, line: bytes) -> bytes:
        """Keep the indicator."""
        return b"+OK\r\n" if line.startswith(b"+OK") else line


class EchoPassword(Fault):
    """Echoes a password."""

    def reply(self, command: Command | None, line: bytes) -> bytes:
        """Put the password into the text."""
        if command is None or command.keyword != b"PASS" or not command.arguments:
            return line
        return b'%b (you sent "%b")\r\n' % (line.removesuffix(b"\r\n"), command.arguments[0])


class PlusErr(Fault):
    """Misspells the negative status indicator."""

    def greeting(self, line: bytes) -> bytes:
        """Spell the indicator."""
        return self.reply(None, line)

    def reply(self, _command: Command | None, line: bytes) -> bytes:
        """Spell the indicator."""
        return b"+" + line[1:] if line.startswith(b"-ERR") else line


class LowerCaseStatus(Fault):
    """Writes the status indicator in lower case."""

    def greeting(self, line: bytes) -> bytes:
        """Spell the indicator."""
        return self.reply(None, line)

    def reply(self, _command: Command | None, line: bytes) -> bytes:
        """Spell the indicator."""
        indicator, space, text = line.partition(b" ")
        return indicator.lower() + space + text


class DoubleReply(Fault):
    """Answers each command twice."""

    def reply(self, command: Command | None, line: bytes) -> bytes:
        """Repeat the line, unless a multi-line reply begins with it."""
        if not line.startswith((b"+OK", b"-ERR")):
            return line
        multi_line = command is not None and command.multi_line and line.startswith(b"+OK")
        return line if multi_line else line * 2


class LateReply(Fault):
    """Holds back the reply to a command until the next one comes."""

    parameter = fault.command("STAT")
    value: bytes
    _held = b""

    def reply(self, command: Command | None, line: bytes) -> bytes:
        """Hold the reply back, or send it before the next one."""
        held, self._held = self._held, b""
        if command is None or command.keyword != self.value or command.multi_line:
            return held + line
        self._held = line
        return held


# Faults in the mail itself: its sizes, its unique-ids, and what strangers write into it.
#
# Each shows the session a maildrop that differs from the real one.  The last two are honest: LIST
# announces the size that RETR sends.


class _MailFault(Fault):
    """Shows another maildrop; by default one like the real one."""

    header = last = b""
    """Added to the beginning and the end of each message."""

    def maildrop(self, maildrop: Maildrop) -> Maildrop:
        """Return the maildrop that the session sees."""
        return _FaultyMaildrop(maildrop, self)

    def octets(self, octets: int) -> int:
        """Return the size to announce for a message of so many octets."""
        return octets

    def unique_id(self, _number: int, maildrop: Maildrop) -> bytes:
        """Return the unique-id of a message of the real maildrop."""
        return maildrop.unique_id(_number)


class _FaultyMaildrop(AnotherMaildrop):
    def __init__(self, maildrop: Maildrop, fault: _MailFault) -> None:
        super().__init__(maildrop)
        self._fault = fault
        self._added = len(fault.header) + len(fault.last)

    def octets(self, number: int) -> int:
        return self._fault.octets(super().octets(number) + self._added)

    def unique_id(self, number: int) -> bytes:
        return self._fault.unique_id(number, self._maildrop)

    def chunks(self, number: int) -> Iterable[bytes]:
        return chain((self._fault.header,), super().chunks(number), (self._fault.last,))


class UidlReused(_MailFault):
    """Uses message-numbers as unique-ids."""

    def unique_id(self, number: int, _maildrop: Maildrop) -> bytes:
        """Return the number."""
        return b"%d" % number


class UidlSpaces(_MailFault):
    """Puts too many spaces into unique-id listings."""

    def unique_id(self, number: int, maildrop: Maildrop) -> bytes:
        """Put spaces before the unique-id."""
        return b"  " + maildrop.unique_id(number)


class WrongOctets(_MailFault):
    """Announces wrong sizes."""

    parameter = fault.octets(-2, least=-fault.MAX_OCTETS)
    value: int

    def octets(self, octets: int) -> int:
        """Miscount."""
        return max(0, octets + self.value)


class LongLine(_MailFault):
    """Puts a line into messages that is longer than a client's buffer."""

    parameter = fault.octets(5_000, least=2)

    def __init__(self, value: int) -> None:
        super().__init__(value)
        self.last = b"x" * (value - 2) + b"\r\n"


class EscapeMail(_MailFault):
    """Puts escape sequences, backspaces and a right-to-left override in UTF-8 into messages."""

    header = b"X-Hostile: \x1b]0;owned\x07\x1b[8mhidden\r\n"
    last = b"%b\x08\x08\x08 \xe2\x80\xaetxt.exe\r\n" % ESCAPES


# Faults at the login: the proof is right, and the login is refused.


APP_PASSWORD = b"-ERR [AUTH] Application-specific password required\r\n"
"""Gmail's reply (mailman/mailman#50), without its link."""

CLEARTEXT_REFUSED = (
    b"-ERR [AUTH] Cleartext authentication disallowed on non-secure (SSL/TLS) connections.\r\n"
)
"""Dovecot's reply."""

LOGON_FAILURE = b"-ERR Logon failure: unknown user name or bad password.\r\n"
"""The reply of Exchange Online where basic authentication was switched off (nicm/fdm#123)."""

TOKEN_MECHANISMS = b"SASL XOAUTH2 OAUTHBEARER"


class Locked(Fault):
    """Refuses the login because another session has the maildrop open."""

    parameter = fault.one_of("said", "unsaid")
    value: str

    def capabilities(self, lines: Lines, _state: State) -> Lines:
        """Promise response codes, so that one can give the reason."""
        if self.value == "unsaid":
            return lines
        return (*without_capabilities(lines, b"RESP-CODES"), b"RESP-CODES")

    def refused_login(self, _account: Account) -> Occasion:
        """Refuse the login."""
        return Occasion.WRONG_PASSWORD if self.value == "unsaid" else Occasion.MAILDROP_LOCKED


class LoginDelay(Fault):
    """Refuses a login that comes too soon after the last one."""

    parameter = fault.seconds("60s")
    value: float

    def __init__(self, value: Any) -> None:
        super().__init__(value)
        self._last_logins: dict[str, float] = {}
        """By account; shared by all sessions."""

    def capabilities(self, lines: Lines, _state: State) -> Lines:
        """Announce the delay, and response codes, of which one gives the reason."""
        kept = without_capabilities(lines, b"RESP-CODES", b"LOGIN-DELAY")
        return (*kept, b"RESP-CODES", b"LOGIN-DELAY %d" % max(1, round(self.value)))

    def refused_login(self, account: Account) -> Occasion | None:
        """Refuse the login until the delay is over."""
        now = asyncio.get_running_loop().time()
        if now - self._last_logins.get(account.name, -math.inf) < self.value:
            return Occasion.LOGIN_TOO_SOON
        self._last_logins[account.name] = now
        return None


class AppPassword(Fault):
    """Refuses the account's password, and says that programs need one of their own."""

    _was_right = False

    def refused_login(self, _account: Account) -> Occasion:
        """Refuse the login, whose password was right."""
        self._was_right = True
        return Occasion.WRONG_PASSWORD

    def reply(self, _command: Command | None, line: bytes) -> bytes:
        """Give the reason."""
        was_right, self._was_right = self._was_right, False
        return APP_PASSWORD if was_right else line


class TokenOnly(Fault):
    """Takes no password: only OAuth tokens (RFC 7628) will do."""

    _shows_token = False

    def command(self, command: Command) -> Command:
        """Take note of the mechanism of a login."""
        mechanism = b"".join(command.arguments[:1]).upper()
        self._shows_token = mechanism in TOKEN_MECHANISMS.split()
        return command

    def capabilities(self, lines: Lines, _state: State) -> Lines:
        """Offer only mechanisms that take tokens."""
        return (*without_capabilities(lines, b"USER", b"SASL"), TOKEN_MECHANISMS)

    def refused_login(self, _account: Account) -> Occasion | None:
        """Refuse a password in the same words as a wrong one."""
        return None if self._shows_token else Occasion.WRONG_PASSWORD

    def reply(self, command: Command | None, line: bytes) -> bytes:
        """Blame the password, even before there was one."""
        by_password = command is not None and command.keyword in (b"USER", b"PASS", b"APOP")
        return LOGON_FAILURE if by_password and line.startswith(b"-ERR") else line


class CleartextRefused(Fault):
    """Refuses names and passwords until TLS is up."""

    _encrypted = False

    def tls_context(self, _certificates: Callable[[], Certificates]) -> None:
        """Take note that TLS begins."""
        self._encrypted = True

    def capabilities(self, lines: Lines, _state: State) -> Lines:
        """Offer nothing in the clear that shows a password."""
        return lines if self._encrypted else without_capabilities(lines, b"USER", b"SASL")

    def refusal(self, command: Command) -> Occasion | None:
        """Refuse commands that would begin such a login."""
        return None if self._encrypted or not _shows_password(command) else Occasion.AUTH_FAILED

    def reply(self, command: Command | None, line: bytes) -> bytes:
        """Give the reason."""
        refused = command is not None and not self._encrypted and _shows_password(command)
        return CLEARTEXT_REFUSED if refused and line.startswith(b"-ERR") else line


def _shows_password(command: Command) -> bool:
    return command.keyword in (b"USER", b"PASS", b"AUTH")


# Faults around TLS: an attacker's doings before it begins, and bad certificates.


INJECTED = b"+OK injected in clear, before TLS began\r\n"

OTHER_HOST = "mail.other.example"
"""Another host, whose certificate is shown."""


class StlsInjection(Fault):
    """Answers in the clear a command that will come inside TLS."""

    def reply(self, command: Command | None, line: bytes) -> bytes:
        """Put another reply after the one to STLS."""
        stls = command is not None and command.keyword == b"STLS"
        return line + INJECTED if stls and line.startswith(b"+OK") else line


class StlsExecutesResidue(Fault):
    """Carries out inside TLS a command that came in the clear after STLS."""

    def keeps_residue(self) -> bool:
        """Keep it."""
        return True


class StlsRefused(Fault):
    """Announces STLS and refuses it."""

    def refusal(self, command: Command) -> Occasion | None:
        """Refuse STLS."""
        return Occasion.TROUBLE_PASSING if command.keyword == b"STLS" else None


class StlsStripped(Fault):
    """Takes STLS out of the capabilities, as an attacker on the way would."""

    def capabilities(self, lines: Lines, _state: State) -> Lines:
        """Leave out STLS."""
        return without_capabilities(lines, b"STLS")


class BadCertificate(Fault):
    """Shows a certificate that has exactly one thing wrong with it."""

    parameter = fault.one_of("self-signed", "expired", "wrong-host", "no-intermediate")
    value: str

    def __init__(self, value: Any) -> None:
        super().__init__(value)
        self._made: list[ssl.SSLContext] = []
        """Shared by all sessions, because making a certificate takes time."""

    def tls_context(self, certificates: Callable[[], Certificates]) -> ssl.SSLContext:
        """Return settings with the bad certificate."""
        if not self._made:
            self._made.append(self._make(certificates()))
        return self._made[0]

    def _make(self, certificates: Certificates) -> ssl.SSLContext:
        match self.value:
            case "expired":
                return certificates.server_context(expired=datetime.timedelta(days=1))
            case "wrong-host":
                return certificates.server_context(names=[OTHER_HOST])
            case "no-intermediate":
                return certificates.incomplete_context()
            case _:
                return certificates.self_signed_context()


MULTI_LINE_END = b"\r\n.\r\n"
"""The end of a multi-line reply, which byte-stuffing keeps out of everything before it."""

DRIP_OCTETS = 16
"""The most octets of one drop: a status line takes several."""


class SplitTerminator(Fault):
    """Sends the lone dot and its CRLF separately."""

    parameter = fault.seconds("2s")
    value: float
    _last = b""

    def deliver(self, octets: bytes | memoryview) -> Iterator[Action]:
        """Pause between the dot and its CRLF."""
        known, sent, joined = len(self._last), 0, self._last + octets
        at = joined.find(MULTI_LINE_END)
        while at >= 0:
            # The dot may have been the last octet before these.
            cut = max(at + 3 - known, 0)
            yield octets[sent:cut]
            yield Pause(seconds=self.value)
            sent = cut
            at = joined.find(MULTI_LINE_END, at + 3)
        yield octets[sent:]
        self._last = joined[-(len(MULTI_LINE_END) - 1) :]


class Slow(Fault):
    """Delays everything."""

    parameter = fault.seconds("2s")
    value: float

    def deliver(self, octets: bytes | memoryview) -> Iterator[Action]:
        """Pause first."""
        yield Pause(seconds=self.value)
        yield octets


class Drip(Fault):
    """Sends a few octets at a time."""

    parameter = fault.seconds("20ms")
    value: float

    def deliver(self, octets: bytes | memoryview) -> Iterator[Action]:
        """Pause between the pieces."""
        sent = 0
        while sent < len(octets):
            piece = octets[sent : sent + self.chance.randint(1, DRIP_OCTETS)]
            yield piece
            sent += len(piece)
            if sent < len(octets):
                yield Pause(seconds=self.value)


class _After(Fault):
    """Something happens once a number of octets has left."""

    parameter = fault.octets(500)
    value: int
    happens: Action
    _left: int | None = None
    """Octets that still leave; None before the first."""

    def deliver(self, octets: bytes | memoryview) -> Iterator[Action]:
        """Send the octets that still leave, then let it happen."""
        left = self.value if self._left is None else self._left
        self._left = max(0, left - len(octets))
        yield octets[:left]
        if left <= len(octets):
            yield self.happens


class Stall(_After):
    """Falls silent, with the connection open."""

    happens = Pause(seconds=math.inf)


class DropAfter(_After):
    """Hangs up in good order, in the middle of a reply."""

    happens = EarlyEnd.CLOSE


class Reset(_After):
    """Resets the connection, in the middle of a reply."""

    happens = EarlyEnd.RESET
