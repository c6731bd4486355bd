"""What one server says of a mailbox."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """Hashes of one message, in two parts: a migration often adds header fields, and nothing else."""

    header: bytes
    """Of the header, the empty line included."""
    body: bytes
    octets: int | None = None
    """How many octets the message has, byte-stuffing undone; None where that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message, as LIST and UIDL have it."""

    number: int
    octets: int | None
    """None where LIST has no line for it, or one that cannot be read."""
    unique_id: bytes | None
    """None where UIDL has no line for it."""
    digests: Digests | None = None
    """None where the message itself was not fetched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """One mailbox on one server."""

    place: str
    """The server, as the table calls it."""
    count: int | None
    """What STAT says; None where it cannot be read."""
    octets: int | None
    messages: tuple[Message, ...]
    """In the order of LIST."""
    has_unique_ids: bool
    """Whether UIDL was answered with +OK."""
    remarks: tuple[str, ...] = ()
    """What went wrong without stopping the survey, a sentence each."""

    def unique_ids(self) -> tuple[bytes, ...]:
        """Return the unique-ids in the order of the messages."""
        return tuple(each.unique_id for each in self.messages if each.unique_id is not None)
