"""Faults in the first line of replies, and in the choice of the command that is carried out."""

from __future__ import annotations

from poptalk.practice.faults import parameters
from poptalk.practice.faults.fault import Fault
from poptalk.protocol.commands import Command, parse_command
from poptalk.protocol.states import State

ESCAPES = b"\x1b[31;1;4mready\x1b[2J\x1b]0;owned\x07 for you\x9b5m"
"""Colours, a cleared screen, another window title, and a C1 introducer of one octet."""


class ListIgnoresArgument(Fault):
    """Lists everything, whatever was asked for."""

    def command(self, command: Command) -> Command:
        """Forget the argument."""
        return parse_command(b"LIST") if command.keyword == b"LIST" else command


class UidlWithoutNumber(Fault):
    """Leaves the message-number out of the answer to UIDL for one message."""

    def reply(self, command: Command | None, line: bytes) -> bytes:
        """Take the number out."""
        if command is None or command.keyword != b"UIDL":
            return line
        indicator, *rest = line.split(b" ")
        if indicator != b"+OK" or len(rest) != 2 or not rest[0].isdigit():
            return line
        return b"+OK %b" % rest[1]


class CapaChangesAfterLogin(Fault):
    """Announces some capabilities too late and takes others back."""

    def capabilities(self, lines: tuple[bytes, ...], state: State) -> tuple[bytes, ...]:
        """Leave out what belongs to the other state."""
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
    """Greets with a negative status indicator and goes on."""

    def greeting(self, line: bytes) -> bytes:
        """Turn the indicator around."""
        return b"-ERR" + line[3:] if line.startswith(b"+OK") else line


class GreetingBare(Fault):
    """Greets without a word, so that there is no timestamp for APOP."""

    def greeting(self, line: bytes) -> bytes:
        """Keep the indicator."""
        return b"+OK\r\n" if line.startswith(b"+OK") else line


class EchoPassword(Fault):
    """Repeats a password."""

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
        """Say it again, unless more than this line belongs to it."""
        if not line.startswith((b"+OK", b"-ERR")):
            return line
        multi_line = command is not None and command.multi_line and line.startswith(b"+OK")
        return line if multi_line else line * 2


class LateReply(Fault):
    """Holds back the answer to a command until the next one comes."""

    parameter = parameters.command("STAT")
    value: bytes
    _held = b""

    def reply(self, command: Command | None, line: bytes) -> bytes:
        """Hold the reply back, or send it before the next one."""
        held, self._held = self._held, b""
        if command is None or command.keyword != self.value or command.multi_line:
            return held + line
        self._held = line
        return held
