"""What a page shows: sent to the open tab, and kept for one that comes back."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping

from aiohttp import WSCloseCode, web

Message = Mapping[str, object]
"""A message to a page: its `kind`, and what that needs."""

MOST_KEPT = 2_000
"""Messages kept for a tab that comes back: a lesson with many detours has a few hundred."""

MOST_CHARACTERS_KEPT = 500_000
"""Characters kept, so that 200 pupils who fetch large messages need at most 100 MB."""

MOST_WAITING = 1_000_000
"""Characters that may wait for a tab; one that takes so little is gone, or no use."""

SEND_SECONDS = 20.0
"""How long a tab may take for one message."""

CLASS_OVER = b"the class is over"
ANOTHER_TAB = b"another tab"
WRONG_KEY = b"key"
"""Why a tab is closed; the scripts know these reasons."""


class Tab:
    """An open tab: what is sent to it waits here until the browser takes it.

    Args:
        socket: its connection, already open.
    """

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket
        self._waiting: deque[str] = deque()
        self._characters = 0
        self._something = asyncio.Event()
        self._close_with: tuple[int, bytes] | None = None

    def put(self, text: str) -> None:
        """Queue a text; close a tab that takes nothing."""
        if self._close_with is not None:
            return
        self._waiting.append(text)
        self._characters += len(text)
        self._something.set()
        if self._characters > MOST_WAITING:
            self._waiting.clear()
            self.close(WSCloseCode.TRY_AGAIN_LATER, b"too slow")

    def close(self, code: int, reason: bytes) -> None:
        """Close the connection, after what waits has been sent."""
        self._close_with = self._close_with or (code, reason)
        self._something.set()

    async def send_all(self) -> None:
        """Send what waits and what follows, until the tab is closed."""
        try:
            while self._close_with is None or self._waiting:
                while self._waiting:
                    text = self._waiting.popleft()
                    self._characters -= len(text)
                    await asyncio.wait_for(self._socket.send_str(text), SEND_SECONDS)
                if self._close_with is None:
                    self._something.clear()
                    await self._something.wait()
            code, reason = self._close_with
            closing = self._socket.close(code=code, message=reason)
            await asyncio.wait_for(closing, SEND_SECONDS)
        except (OSError, TimeoutError, RuntimeError):
            # It is gone (a RuntimeError in some versions of aiohttp), or takes nothing.
            self.close(WSCloseCode.GOING_AWAY, b"")


class LessonPage:
    """What one pupil sees, and the tab that shows it, if one is open."""

    def __init__(self) -> None:
        self._kept: deque[str] = deque()
        self._characters = 0
        self._tab: Tab | None = None
        self._last: dict[object, Message] = {}
        """The last message of each kind of which only the last counts."""

    @property
    def is_open(self) -> bool:
        """Whether a tab is open."""
        return self._tab is not None

    def attach(self, tab: Tab) -> None:
        """Show everything in a tab, and close the one that was open."""
        if self._tab is not None:
            self._tab.close(WSCloseCode.POLICY_VIOLATION, ANOTHER_TAB)
        self._tab = tab
        self.tell("begin")
        for text in (*self._kept, *map(_text, self._last.values())):
            tab.put(text)
        self.tell("ready")

    def detach(self, tab: Tab) -> None:
        """Take note that a tab is gone."""
        if self._tab is tab:
            self._tab = None

    def add(self, kind: str, **facts: object) -> None:
        """Show something more, and keep it."""
        text = _text({"kind": kind, **facts})
        self._kept.append(text)
        self._characters += len(text)
        while len(self._kept) > MOST_KEPT or self._characters > MOST_CHARACTERS_KEPT:
            self._characters -= len(self._kept.popleft())
        if self._tab is not None:
            self._tab.put(text)

    def update(self, kind: str, **facts: object) -> None:
        """Show something of which only the last counts, if it has changed."""
        message = {"kind": kind, **facts}
        if self._last.get(kind) != message:
            self._last[kind] = message
            self.tell(kind, **facts)

    def tell(self, kind: str, **facts: object) -> None:
        """Send the open tab something that needn't be kept."""
        if self._tab is not None:
            self._tab.put(_text({"kind": kind, **facts}))

    def close(self, code: int, reason: bytes) -> None:
        """Close the tab that is open."""
        if self._tab is not None:
            self._tab.close(code, reason)


def _text(message: Message) -> str:
    return json.dumps(message, separators=(",", ":"))
