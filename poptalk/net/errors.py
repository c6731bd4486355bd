"""What can go wrong between us and a server, in words for the person at the keyboard.

Three exceptions match the exit codes: no connection, no TLS, connection lost.  `str(error)` says what
happened and what to try.  How a connection ended is a value, not an exception: an `Ending` says who
ended it, how, and whether that was in order.
"""

from __future__ import annotations

import enum
import errno

from poptalk.pop3.replies import quoted
from poptalk.pop3.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from poptalk.pop3.client import ClientSession

# Longer than any host name (253 octets) that could be meant, and still only a line or two.
PRINTABLE_LIMIT = 300

TLS_PORT_HINT = (
    "A port that expects TLS stays silent until the client speaks TLS: if this is one (995 is), "
    "try --tls."
)


class NetError(Exception):
    """A failure of the network or of TLS, explained in full by ``str(error)``."""


class ConnectFailed(NetError):
    """No connection was made: name unknown, refused, unreachable, or no answer in time."""


class TlsFailed(NetError):
    """TLS could not begin, or broke: the handshake, a certificate, or the file of authorities.

    Args:
        sentence: what happened and what to try.
        certificate: what the server's certificate says, line by line; empty if it is not known.
        wants_certificate: whether the server ended TLS because it was shown no client certificate, or
            one that it doesn't accept.
    """

    def __init__(
        self, sentence: str, *, certificate: tuple[str, ...] = (), wants_certificate: bool = False
    ) -> None:
        super().__init__(sentence)
        self.wants_certificate = wants_certificate
        self.certificate = certificate


class ConnectionLost(NetError):
    """An established connection stopped working in mid-session."""


class EndedBy(enum.Enum):
    """Who ended a connection."""

    SERVER = "the server"
    CLIENT = "the mail program"
    """Somebody else's client, seen by `tap`."""
    US = "poptalk"
    NETWORK = "the network"


class Ending(Value):
    """How a connection ended.

    Args:
        by: who ended it.
        how: a short clause with `by` as its subject: "closed the connection".
        clean: True when nothing can have been cut off: a close, in TLS one after close_notify.
    """

    by: EndedBy
    how: str
    clean: bool

    def __str__(self) -> str:
        return f"{self.by.value} {self.how}"


CLOSED_BY_SERVER = Ending(by=EndedBy.SERVER, how="closed the connection", clean=True)
CLOSED_BY_US = Ending(by=EndedBy.US, how="closed the connection", clean=True)
CLOSED_BY_CLIENT = Ending(by=EndedBy.CLIENT, how="closed the connection", clean=True)
GAVE_UP_TLS = Ending(
    by=EndedBy.US, how="closed the connection, because TLS did not come about", clean=False
)
TLS_CUT_BY_SERVER = Ending(
    by=EndedBy.SERVER, how="cut the TLS session without close_notify", clean=False
)

# What the kernel reports when the peer has reset a connection, or had closed it when we wrote.
_RESET = (errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE)


def ending_of(error: OSError) -> Ending:
    """Return how a connection ended on which recv() or send() raised `error`."""
    if error.errno in _RESET:
        return Ending(by=EndedBy.SERVER, how="reset the connection", clean=False)
    return Ending(by=EndedBy.NETWORK, how=f"broke the connection ({reason(error)})", clean=False)


def ending_in_clear(first: bytes | None, error: OSError | None = None) -> Ending:
    """Return how an unencrypted connection ended, with a hint if the server seems to want TLS.

    Args:
        first: the first octets from the server, None if none ever came.
        error: what recv() or send() raised, None if the server closed.
    """
    ending = CLOSED_BY_SERVER if error is None else ending_of(error)
    if ending.by is not EndedBy.SERVER:
        return ending
    if first is None:
        hint = "without a greeting: if this is a port for TLS, try --tls"
    elif looks_like_tls(first):
        hint = "after octets that are TLS: this is a port for TLS, try --tls"
    else:
        return ending
    return Ending(by=ending.by, how=f"{ending.how} {hint}", clean=False)


def reason(error: OSError) -> str:
    """Return the system's words for `error` in lower case, without its number."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    text = printable(error.strerror or str(error) or type(error).__name__)
    # "Network is unreachable" continues a sentence here; "SSL ..." keeps its capitals.
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def looks_like_tls(data: bytes) -> bool:
    """Tell whether the first octets from a server are a TLS record rather than a POP3 greeting.

    A server that expects TLS answers a line in the clear with an alert: content type 21 (22 is a
    handshake message), then major version 3.  Fewer than two octets never look like TLS.
    """
    return data[:2] in (b"\x15\x03", b"\x16\x03")


def peer_name(host: str, port: int) -> str:
    """Return the words by which a sentence names a server: "mail.example.org port 110"."""
    return f"{printable(host)} port {port}"


def printable(text: str, limit: int = PRINTABLE_LIMIT) -> str:
    r"""Return `text` with every unprintable character escaped as ``ascii()`` would, and shortened.

    Anyone types host names and strangers write certificates, so neither may carry ESC or a bidi
    control into a sentence.  A backslash is doubled, so that ``\x1b`` in the result always was an
    escape character.

    Args:
        text: any text.
        limit: how many characters of `text` to keep; "..." stands for the rest.
    """
    kept = text if len(text) <= limit else text[:limit] + "..."
    return "".join(
        char
        if char.isprintable() and char != "\\"
        else char.encode("unicode_escape").decode("ascii")
        for char in kept
    )


# Errors where STLS was demanded and TLS did not begin: the session never goes on quietly without it.
#
# Nothing that a server says in the clear is believed: STLS is sent at once, and its +OK is the whole
# offer (RFC 2595 §4).  The sentences are the same in shells, pipes, replays and comparisons.


STLS = b"STLS"

NOT_TO_BE_TRUSTED = "the connection is closed, as nothing on it can be trusted"

_WITHOUT = "Nothing else was sent, since --starttls goes no further without TLS"


def not_greeted(greeting: bytes) -> TlsFailed:
    """Return the error for a server whose greeting is not a +OK."""
    return TlsFailed(f'The greeting was "{_words(greeting)}", so STLS was not sent. {_WITHOUT}.')


def _words(line: bytes) -> str:
    return printable(line.decode("utf-8", "backslashreplace"))


def stls_refused(reply: bytes) -> TlsFailed:
    """Return the error for a server that refused STLS with `reply`."""
    return TlsFailed(
        f"The server did not take STLS: {quoted(_words(reply))} {_WITHOUT}. Perhaps it has TLS on port "
        "995 (--tls); if it used to take STLS, an attacker on the way may be answering in its place."
    )


class Injected(TlsFailed):
    """Octets came in the clear after the +OK to STLS."""


def injected(residue: bytes) -> Injected:
    """Return the error for the octets that came in the clear after the +OK to STLS."""
    return Injected(
        f"response injection: {len(residue):,} octets came in the clear after the +OK to STLS "
        f"[RFC 2595 §4]; {NOT_TO_BE_TRUSTED}"
    )


def no_tls_in_time(seconds: float) -> NetError:
    """Return the error for TLS that did not begin within a number of seconds."""
    return TlsFailed(
        f"TLS did not begin within {seconds:g} s. {_WITHOUT}. A longer --timeout may help; a port "
        "that expects TLS at once, such as 995, wants --tls."
    )


def failure(error: Exception, core: ClientSession) -> NetError:
    """Return the error for TLS that did not begin, whatever ended the attempt in a session."""
    if not isinstance(error, NetError):
        return TlsFailed(f"TLS did not begin: {error}.")
    if isinstance(error, TlsFailed) or core.greeted is None:
        return error
    return TlsFailed(f"TLS did not begin: {error} {_WITHOUT}.")
