"""TLS by STLS, first of all and required (`--starttls`), in a shell: an errand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poptalk.net.stls import STLS, not_greeted, stls_refused
from poptalk.protocol.replies import Status
from poptalk.shell.errand import exchange, quiet

if TYPE_CHECKING:
    from poptalk.shell.base import Shell
    from poptalk.shell.errand import Plan


def require_tls(shell: Shell) -> Plan:
    """Send STLS before anything else, and wait until TLS stands.

    Args:
        shell: one that has just been connected.

    Raises:
        TlsFailed: the server did not say +OK, to its greeting or to STLS.
    """
    yield from quiet()
    if shell.dialogue.session.greeted is not Status.OK:
        raise not_greeted()
    reply = yield from exchange(STLS)
    if reply.status_line.status is not Status.OK:
        raise stls_refused(reply.status_line)
    yield from quiet()
