"""What every fault has: a name, a story, and a place at the seam of the session.

Most faults are one method long.  A `Fault` is made once for the server, and each session works with a
shallow copy: what a copy assigns is the session's own, and what it changes in place (a dictionary made
in ``__init__``) is shared by all sessions.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Any, ClassVar, Self

from poptalk.practice.faults.parameters import Parameter
from poptalk.practice.seam import DriverSeam
from poptalk.protocol.verbs import Clause


class Stance(Enum):
    """How a fault stands to the rule that is quoted for it."""

    BREAKS = "breaks"
    KEEPS = "keeps"
    """The server is in the right, and clients break all the same."""
    TESTS = "tests"
    """The rule is one for clients, and shows whether they keep it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What is to be said about a fault.

    Args:
        name: as ``--fault`` takes it.
        summary: what the server does, in one line.
        seen: where that happened in public, or what stands for it.
        clause: where the rule stands.
        sentence: the rule, word for word, blanks and line ends aside.
        suffers: what becomes of a client.
        stance: whether the rule is broken.
    """

    name: str
    summary: str
    seen: str
    clause: Clause
    sentence: str
    suffers: str
    stance: Stance = Stance.BREAKS


class Fault(DriverSeam):
    """Something that the server does wrong; each subclass overrides what it changes.

    Args:
        value: what `parameter` has read, None where there is none.

    Attributes:
        about: what is to be said about it.
        parameter: what may stand behind its name and a colon, None for nothing.
        excludes: the thing that it changes and that only one fault in a session can change, or None.
        before_login: whether it acts before anybody can have said his name.
        chance: from the seed of the server and the number of the connection.
    """

    about: ClassVar[About]
    parameter: ClassVar[Parameter | None] = None
    excludes: ClassVar[str | None] = None
    before_login: ClassVar[bool] = False
    chance: Random

    def __init__(self, value: Any = None) -> None:
        self.value = value

    def begin(self, chance: Random) -> Self:
        """Return the fault as one session has it."""
        fault = copy.copy(self)
        fault.chance = chance
        return fault
