"""Faults in replies: bodies, messages and their sizes, first lines, and answers to another command."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

from poptalk.pop3.commands import Command, State, parse_command
from poptalk.pop3.replies import TERMINATION, terminate
from poptalk.pop3.server.transaction import Maildrop
from poptalk.practice.faults import fault
from poptalk.practice.faults.fault import Fault
from poptalk.practice.maildrop.snapshot import AnotherMaildrop

if TYPE_CHECKING:
    from poptalk.pop3.server.events import Encode

# Faults in multi-line replies: lines that are not byte-stuffed, or end wrongly.  In all of them LIST
# announces the right size.

Lines = tuple[bytes, ...]
"""Capabilities, as the lines of the answer to CAPA."""


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


def without_capabilities(lines: tuple[bytes, ...], *tags: bytes) -> tuple[bytes, ...]:
    """Leave out capabilities by their tags."""
    return tuple(line for line in lines if line.split()[0].upper() not in tags)


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
