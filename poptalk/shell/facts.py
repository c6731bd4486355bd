"""What the replies of a session have told: for the bottom line and for completion.

Only what the server said is repeated; nothing is worked out that the server might see otherwise.
"""

from __future__ import annotations

from poptalk.protocol.capabilities import parse_capability
from poptalk.protocol.commands import Command
from poptalk.protocol.replies import StatusLine
from poptalk.protocol.verbs import FieldKind, Verb
from poptalk.shell.kept import KeptReply


class Facts:
    """Facts about the server and the maildrop, as of the last reply that told them."""

    def __init__(self) -> None:
        self.messages: int | None = None
        """Messages in the maildrop."""
        self.octets: int | None = None
        """Their octets altogether."""
        self.sizes: dict[int, int | None] = {}
        """Message-number to octets, None where only UIDL has told of the message."""
        self.capabilities: tuple[bytes, ...] = ()
        """The lines of the last CAPA."""

    def forget(self) -> None:
        """Forget everything: the connection is a new one, or TLS has begun (RFC 2595 §4)."""
        self.__init__()  # type: ignore[misc]

    def learn(self, command: Command, reply: KeptReply) -> None:
        """Take note of a positive reply that is complete."""
        verb = command.verb
        if verb is None:
            return
        if reply.multi_line and command.keyword == b"CAPA":
            self.capabilities = tuple(reply.lines())
        elif reply.multi_line and _kinds(verb)[:1] == (FieldKind.MESSAGE,):
            self._learn_listing(verb, reply)
        elif _kinds(verb) == (FieldKind.COUNT, FieldKind.OCTETS):
            self._learn_totals(reply.status_line)

    def _learn_totals(self, status_line: StatusLine) -> None:
        numbers = [_number(word) for word in status_line.words[:2]]
        if len(numbers) == 2:
            self.messages, self.octets = numbers

    def _learn_listing(self, verb: Verb, reply: KeptReply) -> None:
        has_sizes = _kinds(verb)[1:2] == (FieldKind.OCTETS,)
        sizes: dict[int, int | None] = {}
        for line in reply.lines():
            number, _, rest = line.partition(b" ")
            message = _number(number)
            if message is not None:
                size = _number(rest.split(b" ")[0]) if has_sizes else self.sizes.get(message)
                sizes[message] = size
        self.sizes = sizes
        self.messages = len(sizes)
        known = [size for size in sizes.values() if size is not None]
        self.octets = sum(known) if len(known) == len(sizes) else None

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """The SASL mechanisms that CAPA told (RFC 5034 §3)."""
        for capability in map(parse_capability, self.capabilities):
            if capability.tag == b"SASL":
                return tuple(m.decode("ascii", "backslashreplace") for m in capability.parameters)
        return ()


def _kinds(verb: Verb) -> tuple[FieldKind, ...]:
    return tuple(field.kind for field in verb.fields)


def _number(word: bytes) -> int | None:
    return int(word) if word.isdigit() and len(word) < 19 else None
