"""A fault: a class that overrides a few hooks of the session, and its row in `faults.toml`.

Most faults are one method long.  A `Fault` is made once for the server, and each session works with a
shallow copy: what a copy assigns is the session's own, and what it changes in place (a dictionary made
in ``__init__``) is shared by all sessions.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, Self

from poptalk.practice.faults.parameters import Parameter
from poptalk.practice.seam import ServerHooks


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
    """Something that the server does wrong; each subclass overrides what it changes.

    Args:
        value: what `parameter` has read, None if the fault has none.

    Attributes:
        about: its row in the table, set when the table is loaded.
        parameter: what may follow its name and a colon, None for nothing.
        chance: from the seed of the server and the number of the connection.
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
