"""Between the server core and its driver: events, which the driver acts on, and hooks.

Four events need an answer: `LoginAttempt`, `SizesRequested`, `CommitRequested` and `StlsAnswered`.
`SessionHooks` are the few places where a session can be changed.  The practice server misbehaves on
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
    """Encodes the lines of a body: byte-stuffed, and with the lone dot."""


class SessionHooks:
    """What can be changed in one session; this base class changes nothing."""

    def greeting(self, line: bytes) -> bytes:
        """Return what is sent as the greeting, or as the refusal instead of it, with its CRLF."""
        return line

    def capabilities(self, lines: tuple[bytes, ...], _state: State) -> tuple[bytes, ...]:
        """Return the capabilities that are announced and take effect, without line ends."""
        return lines

    def command(self, command: Command) -> Command:
        """Return the command that is carried out instead of the one that came."""
        return command

    def keeps_residue(self) -> bool:
        """Return whether what came in the clear after STLS is carried out in TLS; it must not be."""
        return False

    def refusal(self, _command: Command) -> Occasion | None:
        """Return the reason to refuse a valid command; None to carry it out."""
        return None

    def reply(self, _command: Command | None, line: bytes) -> bytes:
        """Return what is sent as the first line of a reply, with its CRLF.

        The command is None if its line was too long to read.
        """
        return line

    def login_attempted(self, name: bytes) -> None:
        """Take note of an attempt to log in under this name, before it is answered."""

    def login_refused(self) -> None:
        """Take note that the attempt was refused."""

    def body(
        self, _command: Command | None, chunks: Iterable[bytes], encode: Encode
    ) -> Iterator[bytes]:
        """Return the octets after the first line of a multi-line reply.

        The chunks are its lines with their CRLF, cut anywhere; `encode` encodes such chunks.
        """
        return encode(chunks)


class ServerEvent(Value):
    """Base of all events."""


class CommandReceived(ServerEvent, often=True):
    """A command line has come; its answer follows."""

    command: Command
    end: bytes
    """The line end: CRLF, or LF alone, which RFC 1939 §3 doesn't allow but this server accepts."""

    def __repr__(self) -> str:
        # The line may contain a password.
        return f"CommandReceived({self.command.keyword!r}, end={self.end!r})"


class OverlongLineReceived(ServerEvent):
    """A line longer than the limit was discarded."""

    octets: int


class ResponseReceived(ServerEvent):
    """A line within AUTH has come: it is a response, whatever it says (RFC 5034 §4)."""

    line: bytes
    """Without the line end; secret, except for the `*` that cancels."""
    end: bytes
    """As in `CommandReceived`."""

    def __repr__(self) -> str:
        return f"ResponseReceived({MASK!r}, end={self.end!r})"


class NegativeReply(ServerEvent):
    """A reply with -ERR is about to be sent."""


class LoginAttempt(ServerEvent, often=True):
    """A client tries to log in: answer with ``accept`` or ``refuse``."""

    name: bytes
    proof: Proof
    """It either `matches` the credentials of the named user, or doesn't."""
    if_wrong: Occasion = Occasion.AUTH_FAILED
    """The reason to refuse the attempt if the proof is wrong or no account has that name."""


class LoginWithdrawn(ServerEvent):
    """The client cancelled a login that was accepted: release the maildrop.

    The server's last challenge comes before the outcome, and the client cancels if it is wrong; with
    SCRAM it shows whether the server knows the password (RFC 5802 §3).
    """


class SizesRequested(ServerEvent):
    """A reply needs the sizes of all messages; answer with ``sizes_counted``.

    Some haven't been counted, which means reading the messages; other sessions shouldn't have to wait
    for that.
    """


class CommitRequested(ServerEvent):
    """QUIT: remove the marked messages; answer with ``committed`` or ``commit_failed``."""

    numbers: tuple[int, ...]
    """Message-numbers in ascending order."""


class StlsAnswered(ServerEvent):
    """The positive answer to STLS has been pulled: the next octets are TLS, in both directions.

    Answer with ``tls_established`` once the handshake is done.
    """


class PlaintextAfterStls(ServerEvent):
    """Octets came in the clear after STLS, where only TLS may follow; the session ends.

    A server that carried them out after the handshake would obey an attacker on the path
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
    """The last octet has been pulled: close the connection."""

    because: EndReason
