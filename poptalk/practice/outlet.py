"""How octets of replies leave where the seam has its say: with pauses, or with an early end."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Iterator

from poptalk.practice.seam import Action, EarlyEnd, Pause


class Throttle:
    """Carries out the actions by which octets leave.

    Args:
        write: writes octets, encrypted where that is due.
        end: ends the connection early.
        released: called when octets may follow again after a pause.

    Attributes:
        holding: whether a pause goes on: nothing may be sent, and what stands behind must wait.
    """

    __slots__ = ("_actions", "_end", "_released", "_timer", "_write", "holding")

    def __init__(
        self,
        *,
        write: Callable[[bytes | memoryview], None],
        end: Callable[[EarlyEnd], None],
        released: Callable[[], None],
    ) -> None:
        self._write = write
        self._end = end
        self._released = released
        self._actions: Iterator[Action] = iter(())
        self._timer: asyncio.TimerHandle | None = None
        self.holding = False

    def carry_out(self, actions: Iterable[Action]) -> None:
        """Do one thing after the other; not to be called during a pause."""
        self._actions = iter(actions)
        self._carry_on()

    def cancel(self) -> None:
        """Forget what has not left yet, because the connection is gone."""
        if self._timer is not None:
            self._timer.cancel()
        self._actions = iter(())

    def _carry_on(self) -> None:
        self.holding = False
        for action in self._actions:
            if isinstance(action, Pause):
                self._hold(action.seconds)
                return
            if isinstance(action, EarlyEnd):
                self._actions = iter(())
                self._end(action)
                return
            self._write(action)

    def _hold(self, seconds: float) -> None:
        self.holding = True
        if not math.isinf(seconds):
            self._timer = asyncio.get_running_loop().call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        self._timer = None
        self._carry_on()
        if not self.holding:
            self._released()
