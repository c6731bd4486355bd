"""A maildrop that shows another one in a different light."""

from __future__ import annotations

from collections.abc import Iterable

from poptalk.protocol.maildrop import Maildrop


class AnotherMaildrop:
    """A maildrop that is the same as another one, until a subclass says otherwise.

    Args:
        maildrop: the other one.
    """

    def __init__(self, maildrop: Maildrop) -> None:
        self._maildrop = maildrop

    @property
    def count(self) -> int:
        """How many messages there are."""
        return self._maildrop.count

    def octets(self, number: int) -> int:
        """Return the size of a message in octets."""
        return self._maildrop.octets(number)

    def octets_in_all(self) -> int | None:
        """Return the size of all messages together, None while some have not been counted."""
        if self._maildrop.octets_in_all() is None:
            return None
        return sum(map(self.octets, range(1, self.count + 1)))

    def unique_id(self, number: int) -> bytes:
        """Return the unique-id of a message."""
        return self._maildrop.unique_id(number)

    def chunks(self, number: int) -> Iterable[bytes]:
        """Return the octets of a message in pieces."""
        return self._maildrop.chunks(number)

    def has_dot_lines(self, number: int) -> bool:
        """Tell whether a line of the message begins with a dot."""
        return self._maildrop.has_dot_lines(number)
