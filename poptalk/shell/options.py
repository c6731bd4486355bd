r"""What `poptalk connect` was asked to do: its options, and their defaults.

The parser takes its defaults from here.  So a command line without options, as in
`printf 'STAT\n' | poptalk HOST PORT`, needs no parser at all: to load argparse and to make one costs
such a session a sixth of its time.
"""

from __future__ import annotations

from poptalk.protocol.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from poptalk.terminal.color import ColorFlag

DEFAULT_TIMEOUT = 60.0
"""Seconds for a connection, a TLS handshake or a reply: longer than servers delay failed logins."""


class ConnectOptions(Value):
    """The options of `connect`; `--help` says what each means."""

    target: Sequence[str] = ()
    """Host and port, or a URL; empty for the practice server."""
    tls: bool = False
    insecure: bool = False
    ca_file: str | None = None
    family: int | None = None
    """4 or 6 for that version of IP alone; None for both."""
    timeout: float = DEFAULT_TIMEOUT
    log: str | None = None
    plain: bool = False
    color: ColorFlag = "auto"
    theme: str = "neutral"
    local_commands: bool = False
    persona: str | None = None
    maildrop: str | None = None
    faults: Sequence[str] | None = None
    """What the practice server does wrong."""
