"""TLS by STLS, first of all and required (`--starttls`): a procedure.

Nothing that a server says in the clear is believed: STLS is sent at once, and its +OK is the whole
offer (RFC 2595 §4).  Where TLS does not come about, nothing else is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from poptalk.net.stls import STLS, not_greeted, stls_refused
from poptalk.protocol.replies import Status
from poptalk.session.procedure import exchange, quiet

if TYPE_CHECKING:
    from poptalk.session.procedure import Plan
    from poptalk.session.session import Session


def require_tls(session: Session) -> Plan:
    """Send STLS before anything else, and wait until TLS is established.

    Args:
        session: one whose connection has just been opened.

    Raises:
        TlsFailed: the server did not say +OK, to its greeting or to STLS.
    """
    yield from quiet()
    if session.core.greeted is not Status.OK:
        raise not_greeted()
    reply = yield from exchange(STLS)
    if reply.status_line.status is not Status.OK:
        raise stls_refused(reply.status_line)
    if session.tls_request is not None and session.core.settled:
        # A driver of scripts begins TLS where its script says so.
        session.begin_tls()
    yield from quiet()
