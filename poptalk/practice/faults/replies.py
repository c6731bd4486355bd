"""Faults in the first line of replies, and in which command is carried out."""

from __future__ import annotations

from poptalk.practice.faults import parameters
from poptalk.practice.faults.bodies import RFC_1939_3, answers
from poptalk.practice.faults.fault import About, Fault, Stance
from poptalk.protocol.commands import Command, parse_command
from poptalk.protocol.verbs import Clause

RFC_1939_5 = Clause(rfc=1939, section="5")
RFC_1939_7 = Clause(rfc=1939, section="7")

ONE_RESPONSE = "After each command, the POP3 server issues a response."
UNIQUE_ID_LISTING = (
    "A unique-id listing consists of the message-number of the message, followed by a single space "
    "and the unique-id of the message."
)

ESCAPES = b"\x1b[31;1;4mready\x1b[2J\x1b]0;owned\x07 for you\x9b5m"
"""Colours, a cleared screen, another window title, and a C1 introducer of one octet."""


class PlusErr(Fault):
    """Misspells the negative status indicator."""

    about = About(
        name="plus-err",
        summary='"+ERR" in place of "-ERR"',
        seen="hmailserver/hmailserver PR 594, up to 2026",
        clause=RFC_1939_3,
        sentence=(
            'There are currently two status indicators: positive ("+OK") and negative ("-ERR").'
        ),
        suffers="who looks at the first octet only takes a refusal for a success",
    )

    def greeting(self, line: bytes) -> bytes:
        """Spell the indicator."""
        return self.reply(None, line)

    def reply(self, command: Command | None, line: bytes) -> bytes:
        """Spell the indicator."""
        del command
        return b"+" + line[1:] if line.startswith(b"-ERR") else line


class LowerCaseStatus(Fault):
    """Writes the status indicator in lower case."""

    about = About(
        name="lower-case-status",
        summary='"+ok" and "-err" in place of "+OK" and "-ERR"',
        seen="RFC 1939 of 1996 had to add the rule (appendix A): servers did so",
        clause=RFC_1939_3,
        sentence='Servers MUST send the "+OK" and "-ERR" in upper case.',
        suffers="who compares octets knows neither success nor failure, and waits or gives up",
    )

    def greeting(self, line: bytes) -> bytes:
        """Spell the indicator."""
        return self.reply(None, line)

    def reply(self, command: Command | None, line: bytes) -> bytes:
        """Spell the indicator."""
        del command
        indicator, blank, text = line.partition(b" ")
        return indicator.lower() + blank + text


class ListIgnoresArgument(Fault):
    """Lists everything, whatever was asked for."""

    about = About(
        name="list-ignores-argument",
        summary="LIST 2 lists all messages",
        seen="axllent/mailpit#518",
        clause=RFC_1939_5,
        sentence=(
            "If an argument was given and the POP3 server issues a positive response with a line "
            "containing information for that message."
        ),
        suffers="the size is read from words, and the listing is taken for the replies that follow",
    )

    def command(self, command: Command) -> Command:
        """Forget the argument."""
        return parse_command(b"LIST") if command.keyword == b"LIST" else command


class UidlWithoutNumber(Fault):
    """Leaves the message-number out of the answer to UIDL for one message."""

    about = About(
        name="uidl-without-number",
        summary="UIDL 2 is answered with the unique-id alone",
        seen="twisted#10542, twisted#9104",
        clause=RFC_1939_7,
        sentence=UNIQUE_ID_LISTING,
        suffers="the second word is missing: an exception, or the letter is new every time",
    )

    def reply(self, command: Command | None, line: bytes) -> bytes:
        """Take the number out."""
        if not answers(command, b"UIDL") or line.count(b" ") != 2 or line[:4] != b"+OK ":
            return line
        indicator, number, unique_id = line.split(b" ")
        return b"%b %b" % (indicator, unique_id) if number.isdigit() else line


class DoubleReply(Fault):
    """Answers each command twice."""

    about = About(
        name="double-reply",
        summary="each reply of one line is sent twice",
        seen="none that is public; what a proxy does that answers for its server as well",
        clause=RFC_1939_5,
        sentence=ONE_RESPONSE,
        suffers="each reply is read as that of the next command: a wrong PASS looks like a right one",
    )
    excludes = "the number of replies"

    def reply(self, command: Command | None, line: bytes) -> bytes:
        """Say it again, unless more than this line belongs to it."""
        if not line.startswith((b"+OK", b"-ERR")):
            return line
        multi_line = command is not None and command.multi_line and line.startswith(b"+OK")
        return line if multi_line else line * 2


class LateReply(Fault):
    """Holds back the answer to a command until the next one comes."""

    about = About(
        name="late-reply",
        summary="the reply to a command is held back until the next command comes",
        seen="dinhvh/libetpan#181, symfony/symfony PR 65352 (both of SMTP)",
        clause=RFC_1939_5,
        sentence=ONE_RESPONSE,
        suffers="it waits in vain; going on after a time-out, it is one reply behind for ever",
    )
    parameter = parameters.command("STAT")
    excludes = "the number of replies"
    value: bytes
    _held = b""

    def reply(self, command: Command | None, line: bytes) -> bytes:
        """Hold the reply back, or send it in front of the next one."""
        held, self._held = self._held, b""
        if command is None or not answers(command, self.value) or command.multi_line:
            return held + line
        self._held = line
        return held


class EchoPassword(Fault):
    """Says a password aloud."""

    about = About(
        name="echo-password",
        summary="the reply to PASS repeats the password",
        seen="GNU mailutils 3.15 sends every line of 512 octets and more back, PASS not excepted",
        clause=Clause(rfc=1939, section="9"),
        sentence="Any text occurring after this reply may be ignored by the client.",
        suffers="the password stands in its log, where only the client's own lines are masked",
        stance=Stance.KEEPS,
    )

    def reply(self, command: Command | None, line: bytes) -> bytes:
        """Put the password into the text."""
        if command is None or command.keyword != b"PASS" or not command.arguments:
            return line
        return b'%b (you sent "%b")\r\n' % (line.removesuffix(b"\r\n"), command.arguments[0])


class EscapeGreeting(Fault):
    """Greets a terminal instead of a program."""

    about = About(
        name="escape-greeting",
        summary="the greeting holds escape sequences for a terminal",
        seen="Email-Analysis-Toolkit/fake-mail-server (ok_escape); curl#6150; CWE-150",
        clause=Clause(rfc=2449, section="3"),
        sentence='gchar = %x21-3B / %x3D-7F ;printable ASCII, excluding "<"',
        suffers="shown as it is, it colours or clears the screen and renames the window",
    )
    excludes = "the greeting"
    before_login = True

    def greeting(self, line: bytes) -> bytes:
        """Put escape sequences behind the words."""
        return b"%b %b\r\n" % (line.removesuffix(b"\r\n"), ESCAPES)


class GreetingErr(Fault):
    """Greets with a negative status indicator and goes on."""

    about = About(
        name="greeting-err",
        summary='the greeting is "-ERR", and commands are answered all the same',
        seen="Email-Analysis-Toolkit/fake-mail-server (greeting/err)",
        clause=Clause(rfc=1939, section="4"),
        sentence="This can be any positive response.",
        suffers="it gives up, or goes on with a server that has just sent it away",
    )
    excludes = "the greeting"
    before_login = True

    def greeting(self, line: bytes) -> bytes:
        """Turn the indicator round."""
        return b"-ERR" + line[3:] if line.startswith(b"+OK") else line


class GreetingBare(Fault):
    """Greets without a word, so that there is no timestamp for APOP."""

    about = About(
        name="greeting-bare",
        summary='the greeting is "+OK" and nothing else',
        seen="Email-Analysis-Toolkit/fake-mail-server",
        clause=Clause(rfc=1939, section="4"),
        sentence="This can be any positive response.",
        suffers="APOP is gone without notice; who insists on a text finds none",
        stance=Stance.KEEPS,
    )
    excludes = "the greeting"
    before_login = True

    def greeting(self, line: bytes) -> bytes:
        """Keep the indicator."""
        return b"+OK\r\n" if line.startswith(b"+OK") else line


class CapaChangesAfterLogin(Fault):
    """Announces some capabilities too late and takes others back."""

    about = About(
        name="capa-changes-after-login",
        summary="TOP and UIDL are announced after the login only, USER and SASL before it only",
        seen="jakartaee/mail-api#50, Dovecot",
        clause=Clause(rfc=2449, section="5"),
        sentence="Capabilities available in the AUTHORIZATION state MUST be announced in both states.",
        suffers="who asks once believes that there is no UIDL, and fetches everything again",
    )

    def capabilities(self, lines: tuple[bytes, ...], *, logged_in: bool) -> tuple[bytes, ...]:
        """Leave out what belongs to the other state."""
        hidden = (b"USER", b"SASL") if logged_in else (b"TOP", b"UIDL")
        return without_capabilities(lines, *hidden)


def without_capabilities(lines: tuple[bytes, ...], *tags: bytes) -> tuple[bytes, ...]:
    """Leave out capabilities by their tags."""
    return tuple(line for line in lines if line.split()[0].upper() not in tags)
