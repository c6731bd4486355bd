"""How many connections a server has, in all and from each address."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from poptalk.practice.connection import ServerConnection


class ConnectionLimits:
    """The connections of one server.

    Args:
        most: how many there may be.
        most_of_one_address: how many of them from the same address.
    """

    def __init__(self, *, most: int, most_of_one_address: int) -> None:
        self._most = most
        self._most_of_one_address = most_of_one_address
        self._present: set[ServerConnection] = set()
        self._admitted: dict[ServerConnection, str] = {}
        """Those that count, each with its address."""
        self._by_address: Counter[str] = Counter()
        self._nobody = asyncio.Event()
        self._nobody.set()

    def __iter__(self) -> Iterator[ServerConnection]:
        return iter(tuple(self._present))

    def admit(self, connection: ServerConnection, address: str) -> bool:
        """Take note of a connection; tell whether there is room for it.

        One that is turned away takes nobody's place, for as long as its refusal is on the way.
        """
        self._present.add(connection)
        self._nobody.clear()
        full = len(self._admitted) >= self._most
        if full or self._by_address[address] >= self._most_of_one_address:
            return False
        self._admitted[connection] = address
        self._by_address[address] += 1
        return True

    def forget(self, connection: ServerConnection) -> None:
        """Take note that a connection is gone."""
        self._present.discard(connection)
        address = self._admitted.pop(connection, None)
        if address is not None:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                # Strangers choose how many addresses there are.
                del self._by_address[address]
        if not self._present:
            self._nobody.set()

    async def gone(self) -> None:
        """Wait until there is no connection."""
        await self._nobody.wait()
