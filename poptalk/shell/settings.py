r"""How a shell looks and behaves, whether it is typed in or read from a pipe.

The defaults are here, so a command line without options, as in `printf 'STAT\n' | poptalk HOST PORT`,
needs no parser: loading argparse and making one costs such a session a sixth of its time.
"""

from __future__ import annotations

from poptalk.net.destination import DEFAULT_TIMEOUT
from poptalk.protocol.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from poptalk.login.sources import Source
    from poptalk.terminal.color import ColorFlag

LOG_FORMATS = ("notation", "jsonl")
"""What a log may be written as, the usual one first."""


class ConnectOptions(Value):
    """What the command line says of a shell; `--help` says what each field means."""

    timeout: float = DEFAULT_TIMEOUT
    log: str | None = None
    log_format: str = LOG_FORMATS[0]
    plain: bool = False
    color: ColorFlag = "auto"
    theme: str = "neutral"
    explain: bool = False
    local_commands: bool = False
    lines: tuple[str, ...] = ()
    """Lines to send in place of those of standard input."""
    after_login: bool = False
    """Whether standard output has nothing but what comes after the login."""
    pipeline: bool = False
    drop_after: int | None = None
    login: str | None = None
    """Who is logged in before anything else; None for nobody."""
    mechanism: str | None = None
    two_step: bool = False
    oauth: bool = False
    """Whether the secret is a token and no password."""
    password_source: Source | None = None
    """Where passwords come from; None for the usual."""
