"""Faults in multi-line replies: lines that are not stuffed, do not end, or do not stop.

The size that LIST announces is right in all of them; `mail` has the faults that lie about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

from poptalk.practice.faults import parameters
from poptalk.practice.faults.fault import Fault
from poptalk.protocol.commands import Command
from poptalk.protocol.stuffing import TERMINATION, terminate

if TYPE_CHECKING:
    from poptalk.protocol.seam import Encode

MESSAGE_COMMANDS = (b"RETR", b"TOP")
"""The commands whose body is (part of) a message."""


class _BodyFault(Fault):
    """Spoils the bodies of some replies."""

    commands: tuple[bytes, ...] = MESSAGE_COMMANDS

    def body(
        self, command: Command | None, chunks: Iterable[bytes], encode: Encode
    ) -> Iterator[bytes]:
        """Spoil the body if it answers one of the commands."""
        if command is not None and command.keyword in self.commands:
            return self.spoil(chunks, encode)
        return encode(chunks)

    def spoil(self, chunks: Iterable[bytes], _encode: Encode) -> Iterator[bytes]:
        """Return the octets for the wire: here without stuffing, with the lone dot."""
        return terminate(chunks)


class NoDotStuffing(_BodyFault):
    """Leaves out byte-stuffing."""


class TopNoDotStuffing(_BodyFault):
    """Leaves out byte-stuffing in the answer to TOP."""

    commands = (b"TOP",)


class ChunkNoDotStuffing(_BodyFault):
    """Forgets between two chunks that a line has ended."""

    parameter = parameters.octets(16_384, least=1)
    value: int

    def spoil(self, chunks: Iterable[bytes], _encode: Encode) -> Iterator[bytes]:
        """Stuff each chunk for itself."""
        return terminate(chunk.replace(b"\n.", b"\n..") for chunk in self._cut(chunks))

    def _cut(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Cut octets into chunks of the size of the fault."""
        held, size = bytearray(), self.value
        for chunk in chunks:
            held += chunk
            whole = len(held) - len(held) % size
            yield from (bytes(held[at : at + size]) for at in range(0, whole, size))
            del held[:whole]
        yield bytes(held)


class BareLf(_BodyFault):
    """Ends the lines of messages in LF alone."""

    def spoil(self, chunks: Iterable[bytes], _encode: Encode) -> Iterator[bytes]:
        """Take the CR out of all line ends but the last."""
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

    parameter = parameters.command("RETR")

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
        """Add a CRLF to the message."""
        return encode(chain(chunks, (b"\r\n",)))
