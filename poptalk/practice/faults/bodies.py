"""Faults in multi-line replies: lines that are not stuffed, do not end, or do not stop.

The size that LIST announces stays right in all of them; `mail` has the faults that lie about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

from poptalk.practice.faults import parameters
from poptalk.practice.faults.fault import About, Fault
from poptalk.protocol.commands import Command
from poptalk.protocol.stuffing import TERMINATION, terminate
from poptalk.protocol.verbs import Clause

if TYPE_CHECKING:
    from poptalk.protocol.seam import Encode

RFC_1939_3 = Clause(rfc=1939, section="3")

STUFFING = (
    'If any line of the multi-line response begins with the termination octet, the line is "byte-'
    'stuffed" by pre-pending the termination octet to that line of the response.'
)

MESSAGE_COMMANDS = (b"RETR", b"TOP")
"""The commands whose body is (part of) a message."""


def answers(command: Command | None, *keywords: bytes) -> bool:
    """Tell whether a reply answers one of some commands."""
    return command is not None and command.keyword in keywords


class NoDotStuffing(Fault):
    """Leaves out byte-stuffing."""

    about = About(
        name="no-dot-stuffing",
        summary="lines that begin with a dot are sent as they are",
        seen="axllent/mailpit#299, python/cpython#95252, hMailServer#126, netius PR 105",
        clause=RFC_1939_3,
        sentence=STUFFING,
        suffers="the message ends at its first lone dot; the rest arrives as if it were replies",
    )
    excludes = "stuffing"

    def body(
        self, command: Command | None, chunks: Iterable[bytes], encode: Encode
    ) -> Iterator[bytes]:
        """Add the lone dot and nothing else."""
        return terminate(chunks) if answers(command, *MESSAGE_COMMANDS) else encode(chunks)


class TopNoDotStuffing(Fault):
    """Leaves out byte-stuffing in the answer to TOP."""

    about = About(
        name="top-no-dot-stuffing",
        summary="TOP does not stuff, RETR does",
        seen="hMailServer#126, GreenMail PR 984",
        clause=RFC_1939_3,
        sentence=STUFFING,
        suffers="previews end early, or lose a dot, while whole messages are fine",
    )
    excludes = "stuffing"

    def body(
        self, command: Command | None, chunks: Iterable[bytes], encode: Encode
    ) -> Iterator[bytes]:
        """Add the lone dot and nothing else."""
        return terminate(chunks) if answers(command, b"TOP") else encode(chunks)


class ChunkNoDotStuffing(Fault):
    """Forgets between two chunks that a line has ended."""

    about = About(
        name="chunk-no-dot-stuffing",
        summary="a dot line that begins just where a chunk does is not stuffed",
        seen="Twisted 26.10: transformChunk keeps no memory between its chunks of 16,384 octets",
        clause=RFC_1939_3,
        sentence=STUFFING,
        suffers="one letter in thousands ends early, and never the one that is tested with",
    )
    parameter = parameters.octets(16_384, least=1)
    excludes = "stuffing"
    value: int

    def body(
        self, command: Command | None, chunks: Iterable[bytes], encode: Encode
    ) -> Iterator[bytes]:
        """Stuff each chunk for itself."""
        if not answers(command, *MESSAGE_COMMANDS):
            return encode(chunks)
        return terminate(c.replace(b"\n.", b"\n..") for c in _cut_anew(chunks, self.value))


def _cut_anew(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Cut octets into chunks of a size of one's own."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        whole = len(held) - len(held) % size
        yield from (bytes(held[at : at + size]) for at in range(0, whole, size))
        del held[:whole]
    yield bytes(held)


class BareLf(Fault):
    """Ends the lines of messages in LF alone."""

    about = About(
        name="bare-lf",
        summary="lines of messages end in LF alone, and dots behind them are not stuffed",
        seen="GreenMail PR 1049, zetacomponents/Mail#40",
        clause=RFC_1939_3,
        sentence="any additional lines are sent, each terminated by a CRLF pair.",
        suffers="one that waits for CRLF.CRLF waits for ever, one that splits at LF ends too early",
    )
    excludes = "stuffing"

    def body(
        self, command: Command | None, chunks: Iterable[bytes], encode: Encode
    ) -> Iterator[bytes]:
        """Take the CR out of all line ends but the last."""
        if not answers(command, *MESSAGE_COMMANDS):
            return encode(chunks)
        return terminate(_without_cr(chunks))


def _without_cr(chunks: Iterable[bytes]) -> Iterator[bytes]:
    held = b""
    for chunk in chunks:
        joined = held + chunk
        # A CR at the end may be half of a line end.
        held = b"\r" if joined.endswith(b"\r") else b""
        yield joined[: len(joined) - len(held)].replace(b"\r\n", b"\n")
    yield held


class NoFinalDot(Fault):
    """Leaves out the lone dot."""

    about = About(
        name="no-final-dot",
        summary="the lone dot at the end of a reply is missing",
        seen="jstedfast/MailKit#560 (an answer to UIDL that is incomplete)",
        clause=RFC_1939_3,
        sentence=(
            "When all lines of the response have been sent, a final line is sent, consisting of a "
            'termination octet (decimal code 046, ".") and a CRLF pair.'
        ),
        suffers="silence behind the last line, until a time-out; everything was there",
    )
    parameter = parameters.command("RETR")
    value: bytes

    def body(
        self, command: Command | None, chunks: Iterable[bytes], encode: Encode
    ) -> Iterator[bytes]:
        """Hold back the last three octets for ever."""
        wire = encode(chunks)
        return _without_termination(wire) if answers(command, self.value) else wire


def _without_termination(wire: Iterable[bytes]) -> Iterator[bytes]:
    held = b""
    for chunk in wire:
        joined = held + chunk
        yield joined[: -len(TERMINATION)]
        held = joined[-len(TERMINATION) :]


class ExtraLine(Fault):
    """Adds an empty line to messages."""

    about = About(
        name="extra-line",
        summary="messages end in an empty line that they do not have",
        seen="GreenMail, Mailpit",
        clause=Clause(rfc=1939, section="5"),
        sentence=(
            "After the initial +OK, the POP3 server sends the message corresponding to the given "
            "message-number, being careful to byte-stuff the termination character"
        ),
        suffers="two octets more than LIST said; signatures over the body no longer match",
    )

    def body(
        self, command: Command | None, chunks: Iterable[bytes], encode: Encode
    ) -> Iterator[bytes]:
        """Put a CRLF behind the message."""
        if answers(command, *MESSAGE_COMMANDS):
            return encode(chain(chunks, (b"\r\n",)))
        return encode(chunks)
