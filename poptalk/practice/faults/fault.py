"""A fault: a class that overrides a few hooks of a session, and its row in `faults.toml`.

Most faults have a single method.  A `Fault` is made once for the server, and each session works with a
shallow copy: an attribute that a copy assigns is the session's own, and an object that it changes in
place (a dictionary made in ``__init__``) is shared by all sessions.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, Self

from poptalk.pop3.commands import VERBS
from poptalk.pop3.server.events import SessionHooks

if TYPE_CHECKING:
    import ssl

    from poptalk.pop3.server.texts import Occasion
    from poptalk.pop3.server.transaction import Maildrop
    from poptalk.practice.accounts import Account
    from poptalk.practice.certificates import Certificates

# Hooks.  To those of the core (`poptalk.pop3.server.events`) the driver adds its own: whether a login is
# refused, which maildrop and which certificate are shown, and how octets leave: in *actions*, which are
# octets, a `Pause` or an `EarlyEnd`.


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Nothing leaves for a number of seconds, or ever again if that is infinity."""

    seconds: float


class EarlyEnd(Enum):
    """The end of a connection in the middle of a session; no message is removed."""

    CLOSE = auto()
    """In good order, as TCP sees it (FIN)."""
    RESET = auto()
    """With a reset (RST)."""


Action = bytes | memoryview | Pause | EarlyEnd
"""The driver's next step."""


class ServerHooks(SessionHooks):
    """The hooks of a session's driver; this object changes nothing."""

    def refused_login(self, _account: Account) -> Occasion | None:
        """Return the reason to refuse a login with the right password; None to accept it."""
        return None

    def maildrop(self, maildrop: Maildrop) -> Maildrop:
        """Return the maildrop that the session sees."""
        return maildrop

    def tls_context(self, _certificates: Callable[[], Certificates]) -> ssl.SSLContext | None:
        """Return the settings of the server's side of TLS; None for the usual ones."""
        return None

    def deliver(self, _octets: bytes | memoryview) -> Iterable[Action] | None:
        """Return how octets of replies leave, before TLS encrypts them; None for unchanged, at once.

        A pause after the last octet also delays what follows it, such as the end of the session, or TLS.
        """
        return None


# Parameters, which follow the name of a fault: ``slow:2s``, ``drop-after:500``, ``no-final-dot:UIDL``.


MAX_SECONDS = 3600.0
"""The longest pause or delay: by then every client has given up."""

SECONDS = "SECONDS"

MAX_OCTETS = 1_000_000_000
"""The largest position and difference in octets: no reply of a practice server has as many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """The parameter of a fault, after its name and a colon.

    Args:
        name: for the listing.
        default: the value if none is given, as a user would write it.
        read: returns the value of a text, or raises ValueError with what would be right.
    """

    name: str
    default: str
    read: Callable[[str], Any]


def seconds(default: str) -> Parameter:
    """Return a parameter for a time, such as ``2s``, ``0.5`` or ``200ms``; its value is a float."""
    return Parameter(name=SECONDS, default=default, read=_read_seconds)


def octets(default: int, *, least: int = 0) -> Parameter:
    """Return a parameter for a number of octets; its value is an int."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if not least <= number <= MAX_OCTETS:
            raise ValueError(f"a number of octets from {least} to {MAX_OCTETS}, such as {default}")
        return number

    return Parameter(name="OCTETS", default=str(default), read=read)


def command(default: str) -> Parameter:
    """Return a parameter for a command; its value is the keyword as octets in upper case."""
    return Parameter(name="COMMAND", default=default, read=_read_command)


def one_of(*choices: str) -> Parameter:
    """Return a parameter for one of a few words, the first of which is the default."""

    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return text

    return Parameter(name="|".join(choices), default=choices[0], read=read)


def _read_seconds(text: str) -> float:
    try:
        if text.endswith("ms"):
            value = float(text.removesuffix("ms")) / 1000
        else:
            value = float(text.removesuffix("s"))
    except ValueError:
        value = math.nan
    if not 0 < value <= MAX_SECONDS:
        raise ValueError(f"a time of at most {MAX_SECONDS:.0f} seconds, such as 2s or 200ms")
    return value


def _read_command(text: str) -> bytes:
    keyword = text.upper().encode("ascii", "replace")
    if keyword not in VERBS:
        raise ValueError("a command of POP3, such as RETR")
    return keyword


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """A row of `faults.toml`, which explains the fields."""

    name: str
    server: str
    seen: str
    clause: str
    quote: str
    client: str
    stance: str = "breaks"
    excludes: str | None = None
    before_login: bool = False


class Fault(ServerHooks):
    """Something that the server does wrong; each subclass overrides the hooks that it changes.

    Args:
        value: what `parameter` has read, None if the fault has none.

    Attributes:
        about: its row in the table, set when the table is loaded.
        parameter: what can follow its name and a colon, None for nothing.
        chance: seeded by the server's seed and the number of the connection.
    """

    about: ClassVar[About]
    parameter: ClassVar[Parameter | None] = None
    chance: Random

    def __init__(self, value: Any = None) -> None:
        self.value = value

    def begin(self, chance: Random) -> Self:
        """Return the fault as one session has it."""
        fault = copy.copy(self)
        fault.chance = chance
        return fault
