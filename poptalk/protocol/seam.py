"""The hooks of the server core: where a session can be changed without the core knowing how.

A practice server misbehaves on demand, in some thirty ways.  The core knows none of them: it asks one
object at the few places through which everything passes, and the object that comes with it changes
nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from poptalk.protocol.commands import Command
    from poptalk.protocol.states import State
    from poptalk.protocol.texts import Occasion

    Encode = Callable[[Iterable[bytes]], Iterator[bytes]]
    """Turns the lines of a body into octets for the wire: stuffed, and with the lone dot."""


class SessionHooks:
    """What can be changed about one session; this object changes nothing."""

    def greeting(self, line: bytes) -> bytes:
        """Return what is sent for the greeting, or for the refusal in its place, with its CRLF."""
        return line

    def capabilities(self, lines: tuple[bytes, ...], _state: State) -> tuple[bytes, ...]:
        """Return the capabilities that are announced and apply, without line ends."""
        return lines

    def command(self, command: Command) -> Command:
        """Return the command that is carried out in place of the one that came."""
        return command

    def refusal(self, _command: Command) -> Occasion | None:
        """Return the reason to refuse a command that is in order; None to carry it out."""
        return None

    def reply(self, _command: Command | None, line: bytes) -> bytes:
        """Return what is sent as the first line of a reply, with its CRLF.

        The command is None for a line that was too long to read.
        """
        return line

    def login_attempted(self, name: bytes) -> None:
        """Take note of a login attempt under this name, before it is answered."""

    def login_refused(self) -> None:
        """Take note that the attempt has been refused."""

    def body(
        self, _command: Command | None, chunks: Iterable[bytes], encode: Encode
    ) -> Iterator[bytes]:
        """Return the octets after the first line of a multi-line reply.

        The chunks are its lines with their CRLF, cut anywhere; `encode` turns such chunks into octets
        for the wire.
        """
        return encode(chunks)
