r"""A server that plays a fixed list of steps to each client: a server one hopes never to meet.

    with ScriptedServer([Send(b"+OK\r\n"), ExpectLine(), Send(b"-ERR bye\r\n"), Close()]) as server:
        ...

A script that does not come to its end because the client went away is no error, with one
exception: an `Expect` (or `ExpectLine`) that is never met fails the test, and says what came
in its place.  After the last step the server goes on reading, and recording, until the client
closes.
"""

from __future__ import annotations

import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.servers.loopback import Channel, LoopbackServer, PeerGoneError

FLOOD_SIZE = 262_144  # octets that a flood hands to the kernel at a time

Rule = Callable[[bytes], bytes]
"""From a line without its line end to the octets of the reply; none at all is a reply, too."""


def keyword_of(line: bytes) -> bytes:
    """Return the keyword of a line, in capitals."""
    return line.partition(b" ")[0].upper()


@dataclass(frozen=True, slots=True)
class Step(ABC):
    """One thing that a scripted server does."""

    @abstractmethod
    def play(self, channel: Channel) -> None:
        """Do it to one client."""


@dataclass(frozen=True, slots=True)
class Send(Step):
    """Send these octets, in one piece."""

    data: bytes

    def play(self, channel: Channel) -> None:
        channel.send(self.data)


@dataclass(frozen=True, slots=True)
class Expect(Step):
    """Read until these octets came; what came before them is passed over."""

    data: bytes

    def play(self, channel: Channel) -> None:
        try:
            channel.receive_until(self.data)
        except PeerGoneError:
            raise AssertionError(
                f"The client was expected to send {self.data!r}."
                f" In all it sent {channel.received[-2000:]!r} and no more."
            ) from None


@dataclass(frozen=True, slots=True)
class ExpectLine(Step):
    """Read one line, whatever it says."""

    def play(self, channel: Channel) -> None:
        Expect(b"\n").play(channel)


@dataclass(frozen=True, slots=True)
class Answer(Step):
    """Answer each line by a rule, until the client ends.

    Args:
        rule: makes the reply.
        closing_keyword: in capitals; the connection is closed after the reply to a line with it.
    """

    rule: Rule
    closing_keyword: bytes | None = None

    def play(self, channel: Channel) -> None:
        keyword = None
        while keyword is None or keyword != self.closing_keyword:
            line = channel.receive_until(b"\n").removesuffix(b"\n").removesuffix(b"\r")
            channel.send(self.rule(line))
            keyword = keyword_of(line)
        channel.close()


@dataclass(frozen=True, slots=True)
class Pause(Step):
    """Say nothing until the test sets the event."""

    until: threading.Event

    def play(self, channel: Channel) -> None:
        channel.wait(self.until)


@dataclass(frozen=True, slots=True)
class StartTls(Step):
    """Do the handshake, as after the +OK to STLS (RFC 2595 §4)."""

    context: ssl.SSLContext

    def play(self, channel: Channel) -> None:
        channel.start_tls(self.context)


@dataclass(frozen=True, slots=True)
class HalfClose(Step):
    """Send FIN and go on reading; under TLS this cuts the session without close_notify."""

    def play(self, channel: Channel) -> None:
        channel.half_close()


@dataclass(frozen=True, slots=True)
class Close(Step):
    """Close in good order; under TLS with close_notify."""

    def play(self, channel: Channel) -> None:
        channel.close()


@dataclass(frozen=True, slots=True)
class Reset(Step):
    """Tear the connection down with RST."""

    def play(self, channel: Channel) -> None:
        channel.reset()


@dataclass(frozen=True, slots=True)
class Flood(Step):
    """Send *block* again and again, *total* octets in all; stop when the client has gone."""

    block: bytes
    total: int

    def play(self, channel: Channel) -> None:
        # A system call for each short line would measure the system calls.
        pieces = memoryview(self.block * max(1, FLOOD_SIZE // len(self.block)))
        left = self.total
        while left > 0:
            channel.send(pieces[:left])
            left -= len(pieces)


class ScriptedServer(LoopbackServer):
    """Plays *steps* to each client; see `LoopbackServer` for the rest."""

    def __init__(
        self,
        steps: Sequence[Step],
        *,
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(host=host, tls=tls)
        self._steps = tuple(steps)

    def converse(self, channel: Channel) -> None:
        for step in self._steps:
            step.play(channel)
            if channel.closed:
                return
        while channel.receive():
            pass
