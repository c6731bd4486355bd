"""The seam of the server core: where somebody may meddle with a session without the core knowing how.

A practice server is to misbehave on demand, in some thirty ways.  None of them is known to the core:
it asks one collaborator at the few places through which everything passes, and the collaborator that
comes with it changes nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from poptalk.protocol.commands import Command
    from poptalk.protocol.texts import Occasion

    Encode = Callable[[Iterable[bytes]], Iterator[bytes]]
    """Turns the lines of a body into octets for the wire: stuffed, and with the lone dot."""


class Seam:
    """What may be changed about one session; this one changes nothing."""

    def greeting(self, line: bytes) -> bytes:
        """Return what is sent as the greeting.

        Args:
            line: the greeting with its CRLF, or the refusal in its place.
        """
        return line

    def capabilities(self, lines: tuple[bytes, ...], *, logged_in: bool) -> tuple[bytes, ...]:
        """Return the capabilities that are announced, and kept.

        Args:
            lines: those of the persona, without line ends.
            logged_in: whether the session is in TRANSACTION.
        """
        del logged_in
        return lines

    def command(self, command: Command) -> Command:
        """Return the command that is carried out in place of the one that came."""
        return command

    def refusal(self, command: Command) -> Occasion | None:
        """Return why a command that is in order is refused all the same; None to carry it out."""
        del command
        return None

    def reply(self, command: Command | None, line: bytes) -> bytes:
        """Return what is sent as the first line of a reply.

        Args:
            command: what is answered, None for a line that was too long to be read.
            line: the reply with its CRLF.
        """
        del command
        return line

    def login_attempted(self, name: bytes) -> None:
        """Take note that somebody gave this name with some proof; the answer is still to come."""

    def login_refused(self) -> None:
        """Take note that the attempt has been refused: the session belongs to nobody again."""

    def body(
        self, command: Command | None, chunks: Iterable[bytes], encode: Encode
    ) -> Iterator[bytes]:
        """Return the octets behind the first line of a multi-line reply.

        Args:
            command: what is answered.
            chunks: the lines with their CRLF, cut anywhere.
            encode: makes octets for the wire out of such chunks.
        """
        del command
        return encode(chunks)
