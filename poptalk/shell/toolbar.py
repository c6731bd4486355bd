"""The bottom line: where one is connected, what is known of the maildrop, how fast the server was."""

from __future__ import annotations

from poptalk.shell.base import Shell
from poptalk.terminal.safe import harmless
from poptalk.terminal.width import cells, cut


def toolbar(shell: Shell, *, columns: int) -> str:
    """Return the bottom line; what does not fit on the screen is left out, a fact at a time.

    Args:
        shell: what it speaks of.
        columns: cells of a row.
    """
    exchanges, session = shell.talk.exchanges, shell.talk.core
    facts = exchanges.facts
    parts = [harmless(fact) for fact in shell.companion.facts()] if shell.companion else []
    if shell.destination is not None and shell.connected:
        parts.append(f"{harmless(shell.destination.name)}:{shell.destination.port}")
        parts.append("TLS" if session.encrypted else "clear")
    else:
        parts.append("not connected")
    if facts.messages is not None:
        parts.append(f"{facts.messages} message{'' if facts.messages == 1 else 's'}")
    if facts.octets is not None:
        parts.append(f"{facts.octets:,} octets")
    if session.marked:
        parts.append(f"{len(session.marked)} marked for deletion")
    if exchanges.receiving is not None:
        parts.append(f"receiving, {exchanges.receiving.octets:,} octets")
    elif exchanges.milliseconds is not None:
        parts.append(f"{exchanges.milliseconds:.0f} ms")
    if shell.talk.log is not None:
        parts.append("logging")
    parts.append(":help")
    while len(parts) > 1 and cells(_SEPARATOR.join(parts)) > columns:
        parts.pop()
    return cut(_SEPARATOR.join(parts), columns)


_SEPARATOR = " · "
