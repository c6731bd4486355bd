"""The settings of `poptalk serve`, and their defaults.

The table of options names some of these defaults in its help, and a test compares the two: a session
with another server is to load nothing of this room.
"""

from __future__ import annotations

from poptalk.protocol.values import Value

LOOPBACK = "127.0.0.1"
"""Where the practice server listens by default: everybody knows the passwords."""

DEFAULT_PERSONA = "exchange"
"""How it speaks by default: as in the article that poptalk began with."""


class ServeSettings(Value):
    """What `poptalk serve` was asked for; `--help` says what each field means."""

    persona: str = DEFAULT_PERSONA
    maildrop: str | None = None
    faults: tuple[str, ...] = ()
    fault_seed: int | None = None
    users: tuple[str, ...] = ()
    """Accounts as NAME:PASSWORD."""
    user_files: tuple[str, ...] = ()
    token: str | None = None
    shared: bool = False
    writable: bool = False
    listen: tuple[str, ...] = (LOOPBACK,)
    port: int = 0
    tls_port: int = 0
    slow_refusals: bool = False
    connections: int | None = None
    loop: str = "auto"
    list_personas: bool = False
    list_faults: bool = False
    quiet: bool = False
    log: str | None = None
    json: bool = False
