"""What CAPA has said, by situation: in clear or in TLS, before or after the login.

The answers of this connection are kept to be compared, and of each server whether it has ever offered
STLS in clear: where it does not any more, somebody on the way may have taken the line out.
"""

from __future__ import annotations

from collections.abc import Iterable

from poptalk.net.stls import STLS
from poptalk.protocol.capability_changes import CapabilityAnswer
from poptalk.protocol.client import ClientSession
from poptalk.protocol.states import State

MOST_ANSWERS = 16
"""How many answers are kept: there are four situations."""


class CapabilityBook:
    """The answers to CAPA; lives as long as the shell, and outlasts connections."""

    def __init__(self) -> None:
        self.answers: list[CapabilityAnswer] = []
        """Those of this connection, the newest last."""
        self.stripped = False
        """Whether the last answer lacks the STLS that this server has offered before."""
        self._where = ""
        self._offered_stls: set[str] = set()

    def begin(self, where: str) -> None:
        """Take note of a new connection.

        Args:
            where: the server.
        """
        self._where = where
        self.answers = []

    def learn(self, session: ClientSession, lines: Iterable[bytes] | None) -> None:
        """Take note of an answer.

        Args:
            session: as it is now.
            lines: those of the reply; None where CAPA was refused.
        """
        answer = CapabilityAnswer(
            encrypted=session.encrypted,
            logged_in=session.state is State.TRANSACTION,
            lines=None if lines is None else tuple(lines),
        )
        self.answers = [*self.answers, answer][-MOST_ANSWERS:]
        self.stripped = self._is_stripped(answer)

    def now(self, session: ClientSession) -> CapabilityAnswer | None:
        """Return what CAPA has said in the situation of a session, None if it was not asked."""
        logged_in = session.state is State.TRANSACTION
        for answer in reversed(self.answers):
            if answer.encrypted == session.encrypted and answer.logged_in == logged_in:
                return answer
        return None

    def _is_stripped(self, answer: CapabilityAnswer) -> bool:
        """Tell whether an answer lacks the STLS of an earlier one in the same situation.

        A server that offers STLS lists it in clear, before the login (RFC 2595 §4).
        """
        if answer.encrypted or answer.logged_in:
            return False
        offers = STLS in answer.parameters()
        was_offered = self._where in self._offered_stls
        if offers:
            self._offered_stls.add(self._where)
        return was_offered and not offers
