"""What is said where STLS was demanded, and TLS does not come about: never a quiet way on without it.

Nothing that a server says in clear is believed: STLS is sent at once, and its +OK is the whole offer
(RFC 2595 §4).  The sentences are the same in shells, in pipes, in replays and in comparisons.
"""

from __future__ import annotations

from poptalk.net.errors import ConnectionLost, NetError, TlsFailed, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from poptalk.protocol.client import ClientSession
    from poptalk.protocol.replies import StatusLine

STLS = b"STLS"

NOT_TO_BE_TRUSTED = "the connection is closed, as nothing on it can be trusted"

_WITHOUT = "Nothing else was sent, since --starttls goes no further without TLS"


def not_greeted() -> TlsFailed:
    """Return the error for a server that does not welcome anybody."""
    return TlsFailed(f"The greeting was no +OK, so STLS was not sent. {_WITHOUT}.")


def stls_refused(status_line: StatusLine | None = None) -> TlsFailed:
    """Return the error for a server that does not begin TLS.

    Args:
        status_line: what it said to STLS, where that is not shown anyhow.
    """
    words = "" if status_line is None else status_line.line.decode("utf-8", "backslashreplace")
    said = f" ({printable(words)})" if words else ""
    return TlsFailed(
        f"The server did not take STLS{said}. {_WITHOUT}. Perhaps it has TLS on port 995 (--tls); "
        "if it used to take STLS, somebody on the way may be answering in its place."
    )


class Injected(TlsFailed):
    """Octets came in the clear after the +OK to STLS."""


def injected(residue: bytes) -> Injected:
    """Return the error for octets in the clear after the +OK to STLS.

    Args:
        residue: those octets.
    """
    return Injected(
        f"response injection: {len(residue):,} octets came in clear behind the +OK to STLS "
        f"[RFC 2595 §4]; {NOT_TO_BE_TRUSTED}"
    )


def no_tls_in_time(seconds: float) -> NetError:
    """Return the error for a server that lets one wait for TLS.

    Args:
        seconds: how long was waited.
    """
    return TlsFailed(
        f"TLS did not begin within {seconds:g} s. {_WITHOUT}. A longer --timeout may help; a port "
        "that expects TLS at once, such as 995, wants --tls."
    )


def failure(error: Exception, session: ClientSession) -> NetError:
    """Return the error for TLS that did not come about, whatever the reason.

    Args:
        error: what ended the attempt.
        session: the session in which it was made.
    """
    if isinstance(error, TlsFailed) or (session.greeted is None and isinstance(error, NetError)):
        return error
    if isinstance(error, ConnectionLost):
        return TlsFailed(f"TLS did not begin: {error} {_WITHOUT}.")
    return TlsFailed(f"TLS did not begin: {error}.")
