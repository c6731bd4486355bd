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

LOG_FORMATS = ("notation", "jsonl")
"""What a log may be written as, the usual one first."""


class ConnectOptions(Value):
    """The options of `connect`; `--help` says what each means."""

    target: Sequence[str] = ()
    """Host and port, or a URL; empty for the practice server."""
    tls: bool = False
    insecure: bool = False
    ca_file: str | None = None
    srv: str | None = None
    """A domain whose server the DNS names, in place of a target."""
    save: str | None = None
    """The name under which to save the server."""
    starttls: bool = False
    tls_name: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    pin: Sequence[str] | None = None
    tls_min: str | None = None
    keylog: str | None = None
    source: str | None = None
    socket: str | None = None
    proxy: str | None = None
    connect_timeout: float | None = None
    family: int | None = None
    """4 or 6 for that version of IP alone; None for both."""
    timeout: float = DEFAULT_TIMEOUT
    log: str | None = None
    log_format: str = LOG_FORMATS[0]
    plain: bool = False
    color: ColorFlag = "auto"
    theme: str = "neutral"
    local_commands: bool = False
    lines: Sequence[str] | None = None
    """Lines to send in place of those of standard input."""
    after_login: bool = False
    """Whether standard output has nothing but what comes behind the login."""
    pipeline: bool = False
    drop_after: int | None = None
    explain: bool = False
    login: str | None = None
    """Who is to be logged in before anything else; None for nobody."""
    mechanism: str | None = None
    two_step: bool = False
    oauth: bool = False
    """Whether the secret is a token and no password."""
    password_env: str | None = None
    password_file: str | None = None
    password_command: str | None = None
    netrc: str | None = None
    """A netrc file, empty for the usual one; None for none."""
    keyring: bool = False
    persona: str | None = None
    maildrop: str | None = None
    faults: Sequence[str] | None = None
    """What the practice server does wrong."""
