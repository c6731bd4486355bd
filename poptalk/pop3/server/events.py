"""Between the server core and its driver: events, which the driver acts on, and hooks.

Four events wait for an answer: `LoginAttempt`, `SizesRequested`, `CommitRequested` and `StlsAnswered`.
`SessionHooks` are the few places at which a session can be changed.  A practice server misbehaves on
demand in some thirty ways, and the core knows none of them.
"""

from __future__ import annotations

from enum import Enum

from poptalk.pop3.commands import MASK
from poptalk.pop3.server.texts import Occasion
from poptalk.pop3.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from poptalk.pop3.commands import Command, State
    from poptalk.pop3.sasl.mechanism import Proof

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

    def keeps_residue(self) -> bool:
        """Tell whether what came in the clear after STLS is carried out inside TLS; it must not be."""
        return False

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


class ServerEvent(Value):
    """Base of all events."""


class CommandReceived(ServerEvent, often=True):
    """A command line has come; its answer follows."""

    command: Command
    end: bytes
    """The line end: CRLF, or LF alone, which RFC 1939 §3 does not allow and this server takes."""

    def __repr__(self) -> str:
        # The line may hold a password.
        return f"CommandReceived({self.command.keyword!r}, end={self.end!r})"


class OverlongLineReceived(ServerEvent):
    """A line longer than the limit was thrown away."""

    octets: int


class ResponseReceived(ServerEvent):
    """A line within AUTH has come, which is a response whatever it says (RFC 5034 §4)."""

    line: bytes
    """Without the line end; secret, but for the cancelling `*`."""
    end: bytes
    """As in `CommandReceived`."""

    def __repr__(self) -> str:
        return f"ResponseReceived({MASK!r}, end={self.end!r})"


class NegativeReply(ServerEvent):
    """A reply with -ERR is on its way."""


class LoginAttempt(ServerEvent, often=True):
    """A client tries to log in: answer with ``accept`` or ``refuse``."""

    name: bytes
    proof: Proof
    """The one door to accounts: it `matches` the credentials of the named user, or does not."""
    if_wrong: Occasion = Occasion.AUTH_FAILED
    """The reason to refuse it if the proof is wrong or no account has that name."""


class LoginWithdrawn(ServerEvent):
    """The client no longer wants a login that was accepted: give the maildrop back.

    A client that finds the server's last challenge wrong gives up before it is told the outcome; with
    SCRAM it finds out there whether the server knows the password (RFC 5802 §3).
    """


class SizesRequested(ServerEvent):
    """The sizes of all messages are needed for a reply; answer with ``sizes_counted``.

    Some have not been counted, which means reading the messages; other sessions should not
    wait for that.
    """


class CommitRequested(ServerEvent):
    """QUIT: remove the marked messages; answer with ``committed`` or ``commit_failed``."""

    numbers: tuple[int, ...]
    """Message-numbers in rising order."""


class StlsAnswered(ServerEvent):
    """The positive answer to STLS has been handed out: the next octets are TLS, both ways.

    Answer with ``tls_established`` once the handshake is done.
    """


class PlaintextAfterStls(ServerEvent):
    """Octets came in the clear after STLS, where only TLS may follow; the session ends.

    A server that executed them after the handshake would take orders from an attacker on the path
    (CVE-2011-0411 and many like it).
    """

    residue: bytes


class EndReason(Enum):
    """Why a session ended."""

    QUIT = "QUIT was answered"
    CLIENT_GONE = "the client closed the connection"
    TOO_MANY_ERRORS = "too many errors"
    TOO_MANY_LOGINS = "too many failed logins"
    LINE_TOO_LONG = "lines that are too long"
    PLAINTEXT_AFTER_STLS = "octets in the clear after STLS"
    TURNED_AWAY = "turned away with the greeting"


class SessionEnded(ServerEvent, often=True):
    """The last octet has been handed out: close the connection."""

    because: EndReason
