"""What the replies of a session have told: for the bottom line, for completion, and for the login.

Only what the server said is repeated; nothing is worked out that the server might see otherwise.  The
answers to CAPA are kept by situation, in the clear or in TLS, before or after the login; and of each
server, whether it has ever offered STLS in the clear: where it does not any more, someone between may
have taken the line out.
"""

from __future__ import annotations

from poptalk.protocol.commands import MAX_DIGITS
from poptalk.protocol.states import State
from poptalk.protocol.verbs import FieldKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from poptalk.net.tls import TlsFacts
    from poptalk.protocol.capability_changes import CapabilityAnswer
    from poptalk.protocol.client import ClientSession
    from poptalk.protocol.replies import StatusLine
    from poptalk.protocol.verbs import Verb
    from poptalk.session.exchanges import StoredReply

MOST_ANSWERS = 16
"""How many answers to CAPA are kept: there are four situations."""

MOST_CAPABILITIES = 1000
"""Lines of one answer that are kept: the registry has fewer than twenty capabilities."""

STLS = b"STLS"


class Facts:
    """Facts about the server and the maildrop, as of the last reply that told them."""

    def __init__(self) -> None:
        self.capability_answers: list[CapabilityAnswer] = []
        """What CAPA has said on this connection, the newest last."""
        self.stripped = False
        """Whether the last answer lacks the STLS that this server has offered before."""
        self.tls: TlsFacts | None = None
        """What came of the TLS handshake; None in the clear."""
        self._where = ""
        self._offered_stls: set[str] = set()
        self.forget()

    def forget(self) -> None:
        """Forget what the server said, as TLS has begun (RFC 2595 §4)."""
        self.messages: int | None = None
        """Messages in the maildrop."""
        self.octets: int | None = None
        """Their octets altogether."""
        self.sizes: dict[int, int | None] = {}
        """Message-number to octets, None where only UIDL has told of the message."""
        self.capabilities: tuple[bytes, ...] = ()
        """The lines of the last CAPA."""

    def begin(self, where: str) -> None:
        """Take note of a new connection.

        Args:
            where: the server.
        """
        self.forget()
        self.tls = None
        self.capability_answers = []
        self._where = where

    def learn(self, core: ClientSession, reply: StoredReply, *, ok: bool) -> None:
        """Take note of a reply that is complete.

        Args:
            core: as it is after the reply.
            reply: the reply.
            ok: whether it was positive.
        """
        verb = reply.exchange.command.verb if reply.exchange is not None else None
        if verb is None:
            return
        if verb.keyword == "CAPA":
            self._learn_capabilities(core, reply, ok=ok)
        elif ok and verb.fields:
            kinds = tuple(field.kind for field in verb.fields)
            if reply.multi_line and kinds[:1] == (FieldKind.MESSAGE,):
                self._learn_listing(verb, reply)
            elif kinds == (FieldKind.COUNT, FieldKind.OCTETS):
                self._learn_totals(reply.status_line)

    def _learn_totals(self, status_line: StatusLine) -> None:
        numbers = [_number(word) for word in status_line.words[:2]]
        if len(numbers) == 2:
            self.messages, self.octets = numbers

    def _learn_listing(self, verb: Verb, reply: StoredReply) -> None:
        has_sizes = [field.kind for field in verb.fields[1:2]] == [FieldKind.OCTETS]
        sizes: dict[int, int | None] = {}
        for line in reply.listing():
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
        """The SASL mechanisms that CAPA lists (RFC 5034 §3)."""
        from poptalk.protocol.capabilities import parse_capability

        for capability in map(parse_capability, self.capabilities):
            if capability.tag == b"SASL":
                return tuple(m.decode("ascii", "backslashreplace") for m in capability.parameters)
        return ()

    def _learn_capabilities(self, core: ClientSession, reply: StoredReply, *, ok: bool) -> None:
        from poptalk.protocol.capability_changes import CapabilityAnswer

        lines = tuple(reply.listing(most=MOST_CAPABILITIES)) if reply.multi_line else None
        if ok and lines is not None:
            self.capabilities = lines
        answer = CapabilityAnswer(
            encrypted=core.encrypted, logged_in=core.state is State.TRANSACTION, lines=lines
        )
        self.capability_answers = [*self.capability_answers, answer][-MOST_ANSWERS:]
        # A server that offers STLS lists it in the clear, before the login (RFC 2595 §4).
        self.stripped = False
        if not (answer.encrypted or answer.logged_in):
            offers = STLS in answer.parameters()
            self.stripped = self._where in self._offered_stls and not offers
            if offers:
                self._offered_stls.add(self._where)

    def capabilities_now(self, core: ClientSession) -> CapabilityAnswer | None:
        """Return what CAPA has said in the situation of a session, None if it was not asked."""
        logged_in = core.state is State.TRANSACTION
        for answer in reversed(self.capability_answers):
            if answer.encrypted == core.encrypted and answer.logged_in == logged_in:
                return answer
        return None


def _number(word: bytes) -> int | None:
    return int(word) if word.isdigit() and len(word) <= MAX_DIGITS else None
