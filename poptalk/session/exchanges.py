"""What was said in a session, kept once: `:why`, `:raw`, `:report`, `run` and the lessons read it.

`Exchanges` observes a session and keeps, in order, what was sent (`Sent`), what came (`StoredReply`),
and connections, TLS and their ends.  A body is kept whole, in memory up to 8 MiB and beyond that in a
temporary file, or, where memory must be bounded, only its beginning and its end are.  Of earlier replies
at most 64 KiB of the body stay.
"""

from __future__ import annotations

from collections import deque
from io import BytesIO
from itertools import islice, pairwise
from time import time

from poptalk.pop3.commands import MAX_DIGITS, Effect, FieldKind, Span, State
from poptalk.pop3.events import (
    BodyChunk,
    Challenge,
    Closed,
    Event,
    Exchange,
    Greeting,
    Reply,
    ReplyEnd,
    Sent,
    Unsolicited,
    ViolationKind,
)
from poptalk.pop3.redaction import SpokenSecrets
from poptalk.pop3.replies import MAX_REPLY_OCTETS, StatusLine, Unstuffer, parse_status_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import IO

    from poptalk.net.errors import Ending
    from poptalk.net.tls import TlsFacts
    from poptalk.pop3.capabilities import CapabilityAnswer
    from poptalk.pop3.client import ClientSession
    from poptalk.pop3.commands import Verb
    from poptalk.pop3.events import Violation
    from poptalk.pop3.explain import Explanation, LoginFacts, ReplyContext

# Events of the session, beside those of the protocol core.


class ConnectionOpened(Event):
    """A connection has been made."""

    where: str
    """Host and port."""
    encrypted: bool
    """Whether TLS began at once."""


class TlsEstablished(Event):
    """TLS has begun, at once or after STLS."""

    facts: TlsFacts
    upgraded: bool
    """Whether it began after STLS."""


class ConnectionEnded(Event):
    """The connection is gone."""

    ending: Ending


class StoredUnsolicited(Unsolicited):
    """Unsolicited lines as they are kept: secrets masked, `SHORT_OCTETS` octets at most."""

    octets: int
    """How many octets came."""


class Note(Event):
    """A sentence of poptalk's own."""

    text: str
    warning: bool = False
    """Whether it must not be overlooked."""


# Facts from replies: for the bottom line, for completion, and for the login.
#
# Answers to CAPA are kept with their situation: in the clear or in TLS, before or after the login.  The
# servers that ever offered STLS in the clear are kept too: if one no longer does, someone in between may
# have removed the line.

MOST_ANSWERS = 16
"""Answers to CAPA that are kept; there are four situations."""

MOST_CAPABILITIES = 1000
"""Lines of one answer that are kept: the registry has fewer than twenty capabilities."""

STLS = b"STLS"


class Facts:
    """Facts about the server and the maildrop, from the latest replies."""

    def __init__(self) -> None:
        self.capability_answers: list[CapabilityAnswer] = []
        """The answers to CAPA on this connection, the newest last."""
        self.stripped = False
        """Whether the last answer lacks the STLS that this server offered before."""
        self.tls: TlsFacts | None = None
        """The result of the TLS handshake; None in the clear."""
        self._where = ""
        self._offered_stls: set[str] = set()
        self.forget()

    def forget(self) -> None:
        """Forget what the server said, because TLS has begun (RFC 2595 §4)."""
        self.messages: int | None = None
        """Messages in the maildrop."""
        self.octets: int | None = None
        """Their octets in total."""
        self.sizes: dict[int, int | None] = {}
        """Octets by message-number; None if only UIDL has listed the message."""
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
        if verb.name == b"CAPA":
            self._learn_capabilities(core, reply, ok=ok)
        elif ok and verb.fields:
            first = verb.fields[0].kind
            if reply.multi_line and first is FieldKind.MESSAGE:
                self._learn_listing(verb, reply)
                core.highest = max([core.highest or 0, *self.sizes, *core.marked])
            elif first is FieldKind.COUNT:
                messages, octets = totals_of(reply.status_line)
                if messages is not None:
                    self.messages, self.octets = messages, octets
                    # Marked messages are not counted, and keep their numbers.
                    core.highest = max(core.highest or 0, messages + len(core.marked))

    def _learn_listing(self, verb: Verb, reply: StoredReply) -> None:
        has_sizes = [field.kind for field in verb.fields[1:2]] == [FieldKind.OCTETS]
        sizes: dict[int, int | None] = {}
        for line in reply.listing():
            number, _, rest = line.partition(b" ")
            message = number_of(number)
            if message is not None:
                size = number_of(rest.split(b" ")[0]) if has_sizes else self.sizes.get(message)
                sizes[message] = size
        self.sizes = sizes
        self.messages = len(sizes)
        known = [size for size in sizes.values() if size is not None]
        self.octets = sum(known) if len(known) == len(sizes) else None

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """The SASL mechanisms that CAPA lists (RFC 5034 §3)."""
        from poptalk.pop3.capabilities import parse_capability

        for capability in map(parse_capability, self.capabilities):
            if capability.tag == b"SASL":
                return tuple(m.decode("ascii", "backslashreplace") for m in capability.parameters)
        return ()

    def _learn_capabilities(self, core: ClientSession, reply: StoredReply, *, ok: bool) -> None:
        from poptalk.pop3.capabilities import CapabilityAnswer

        lines = None
        if reply.multi_line:
            listed = reply.listing(most=MOST_CAPABILITIES)
            lines = tuple(line[:MAX_REPLY_OCTETS] for line in listed)
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
        """Return the answer to CAPA in the present situation; None if it was not asked."""
        logged_in = core.state is State.TRANSACTION
        for answer in reversed(self.capability_answers):
            if answer.encrypted == core.encrypted and answer.logged_in == logged_in:
                return answer
        return None


def number_of(word: bytes) -> int | None:
    """Return a word as a number; None for what isn't one, or has more than `MAX_DIGITS` digits."""
    return int(word) if word.isdigit() and len(word) <= MAX_DIGITS else None


def totals_of(status_line: StatusLine) -> tuple[int | None, int | None]:
    """Return how many messages and octets a reply to STAT counts, each None where it doesn't say."""
    messages, octets = (*status_line.words, b"", b"")[:2]
    return number_of(messages), number_of(octets)


MEMORY_OCTETS = 8 * 1024 * 1024
"""Octets of a body that are kept in memory; a longer body goes to a temporary file."""

BEGINNING_OCTETS = 4 * 1024 * 1024
"""Octets of a body's beginning that are compared: more than anyone writes into a dialogue by hand."""

END_OCTETS = 1024 * 1024
"""Octets of the end of a longer body that are compared, for the lines after `S: ...`."""

SHORT_OCTETS = 64 * 1024
"""Octets up to which the body of an earlier reply stays."""

MOST_KEPT = 250
"""Things that are kept; when there are more, the oldest fifth is forgotten."""

FEWEST_KEPT = 10
"""Things that are kept where memory must be bounded."""

MOST_LINES_EXPLAINED = 10_000
"""Lines of a listing that are examined."""

MAX_LINE_OCTETS = 64 * 1024
"""Octets of a line that are held in one piece; no line of a listing or a message comes near."""

_READ_OCTETS = 256 * 1024


class _WholeBody:
    """All octets of a body, in memory or in a temporary file."""

    beginning_octets = BEGINNING_OCTETS

    def __init__(self) -> None:
        self.octets = 0
        self._file: IO[bytes] = BytesIO()

    def append(self, data: bytes) -> None:
        """Add octets.

        Raises:
            OSError: the temporary file cannot grow.
        """
        if self.octets <= MEMORY_OCTETS < self.octets + len(data):
            from tempfile import TemporaryFile

            file = TemporaryFile()  # noqa: SIM115 - see `close`
            for chunk in self.chunks(0):
                file.write(chunk)
            self._file = file
        self._file.seek(0, 2)
        self._file.write(data)
        self.octets += len(data)

    def chunks(self, start: int) -> Iterator[bytes]:
        while True:
            self._file.seek(start)
            block = self._file.read(_READ_OCTETS)
            if not block:
                return
            start += len(block)
            yield block

    def read(self, start: int, size: int) -> bytes:
        self._file.seek(start)
        return self._file.read(size)

    def close(self) -> None:
        self._file.close()


class _BothEnds:
    """The beginning and the end of a body, all that a comparison needs."""

    def __init__(self, beginning_octets: int) -> None:
        self.octets = 0
        self.beginning_octets = beginning_octets
        self._beginning = bytearray()
        self._end = b""

    def append(self, data: bytes) -> None:
        self.octets += len(data)
        room = self.beginning_octets - len(self._beginning)
        self._beginning += data[:room]
        if len(data) > room:
            self._end = (self._end + data[room:])[-END_OCTETS:]

    def chunks(self, start: int) -> Iterator[bytes]:
        yield (bytes(self._beginning) + self._end)[start:]

    def read(self, start: int, size: int) -> bytes:
        if start < len(self._beginning):
            return bytes(self._beginning[start : start + size])
        return self._end[-size:]

    def close(self) -> None:
        """Do nothing: it is memory only."""


class StoredReply:
    """A greeting, a reply, a challenge, or a line that answers nothing, as it crossed the wire."""

    def __init__(
        self,
        *,
        exchange: Exchange | None,
        status_line: StatusLine,
        multi_line: bool = False,
        complete: bool = True,
        whole: bool = True,
        beginning_octets: int = BEGINNING_OCTETS,
    ) -> None:
        """Make a reply whose body is still to come.

        Args:
            exchange: what it answers; None for a greeting or an unsolicited line.
            status_line: its first line.
            multi_line: whether a body follows.
            complete: whether it has ended.
            whole: whether the whole body is kept.
            beginning_octets: how much of its beginning is kept otherwise.
        """
        self.exchange = exchange
        self.status_line = status_line
        self.masked = status_line.line
        """Its first line, with the secrets masked that were known when it came."""
        self.multi_line = multi_line
        self.complete = complete
        self.ok: bool | None = None
        """Whether it is positive; None before its end, and for a greeting or a challenge."""
        self.octets = 0
        """Octets of the body on the wire, the final dot included."""
        self.lost = False
        """Whether part of it is missing: shortened, taken elsewhere, or the disk was full."""
        self.challenge = False
        """Whether it is a challenge of AUTH, however it is written."""
        self.seconds: float | None = None
        """From the command to this line; None if it answers no command."""
        self.total_seconds: float | None = None
        """From the command to the end of the reply; None before that."""
        self.contradictions: Sequence[Violation] = ()
        """How it disagrees with earlier replies, if they were compared."""
        self._body: _WholeBody | _BothEnds = _WholeBody() if whole else _BothEnds(beginning_octets)

    @property
    def is_message(self) -> bool:
        """Whether the body is a message, not a listing with fields."""
        verb = self.exchange.command.verb if self.exchange else None
        return self.multi_line and verb is not None and not verb.fields

    def append(self, data: bytes) -> None:
        """Add octets of the body, as they crossed the wire.

        Raises:
            OSError: the temporary file cannot grow.
        """
        self._body.append(data)
        self.octets += len(data)

    def chunks(self, start: int = 0) -> Iterator[bytes]:
        """Yield the octets of the body from `start` on, as they crossed the wire."""
        return self._body.chunks(start)

    def read(self, start: int, size: int) -> bytes:
        """Return up to `size` octets of the body from `start` on."""
        return self._body.read(start, size)

    def content(self) -> Iterator[bytes]:
        """Yield the body without byte-stuffing and without the final dot (RFC 1939 §3)."""
        unstuffer = Unstuffer()
        for block in self.chunks():
            yield unstuffer.feed(block)

    def raw_lines(self) -> Iterator[bytes]:
        """Yield the lines of the body as they crossed the wire, each with its end.

        A line longer than `MAX_LINE_OCTETS` comes in pieces.
        """
        return _split(self.chunks())

    def listing(self, *, most: int = 1_000_000) -> Iterator[bytes]:
        """Yield the lines of a listing without their ends and without the final dot.

        Args:
            most: lines after which to stop; a listing has one for each message.
        """
        for line in islice(_split(self.content()), most):
            yield line.removesuffix(b"\n").removesuffix(b"\r")

    @property
    def lines(self) -> tuple[bytes, ...]:
        """The whole reply without line ends: the first line, then the body with dots stuffed.

        If the body is longer than what is kept of its two ends, the middle is missing.
        """
        if not self.octets:
            return (self.status_line.line,)
        body, size = self._body, self._body.beginning_octets
        beginning = body.read(0, size)
        end = b""
        if body.octets > size:
            end = body.read(max(size, body.octets - END_OCTETS), END_OCTETS)
        if self.octets_left_out:
            # Half a line on either side of the gap would be a line that nobody sent.
            beginning = beginning[: beginning.rfind(b"\n") + 1]
            end = end.partition(b"\n")[2]
        return (self.status_line.line, *split_lines(beginning + end))

    @property
    def octets_left_out(self) -> int:
        """Octets in the middle of a very long body that are not among `lines`."""
        return max(0, self._body.octets - self._body.beginning_octets - END_OCTETS)

    def shorten(self) -> None:
        """Keep only the beginning of the body."""
        beginning = self._body.read(0, SHORT_OCTETS)
        self._body.close()
        self._body = _WholeBody()
        self._body.append(beginning)
        self.lost = True

    def close(self) -> None:
        """Free the memory or the temporary file."""
        self._body.close()


class Exchanges:
    """What was said; observes the session.

    Args:
        clock: gives seconds.
        whole: whether bodies are kept whole, not only their two ends.
    """

    def __init__(self, *, clock: Callable[[], float], whole: bool = True) -> None:
        self.said: deque[tuple[float, Event | StoredReply]] = deque()
        """What was said and what happened, the newest last, each with its time (seconds since the
        epoch)."""
        self.forgotten = 0
        """How many earlier things have been forgotten."""
        self.before_forgetting: Callable[[], None] | None = None
        """Called before some of them are forgotten."""
        self.spoken = SpokenSecrets()
        """Masks the secrets of the connection."""
        self.greeting = b""
        """The greeting; empty before it has come."""
        self.last: StoredReply | None = None
        """The last greeting, reply or challenge."""
        self.subject: StoredReply | None = None
        """The reply that `:why` is about, if poptalk itself asked for later ones to explain it."""
        self.explaining = False
        """Whether what is sent now is sent for that reason."""
        self.receiving: StoredReply | None = None
        """The multi-line reply that is coming in."""
        self.cut_off: StoredReply | None = None
        """The multi-line reply that the end of the connection cut short."""
        self.unsolicited: StatusLine | None = None
        """An unsolicited line that came after `last`."""
        self.milliseconds: float | None = None
        """From the last answered command to the end of its reply, or to its first line while it is
        coming in."""
        self.unanswered: tuple[Exchange, ...] = ()
        """Commands that were unanswered when the connection ended."""
        self.secrets: list[tuple[bytes, Span]] = []
        """Lines with secrets that were sent on this connection, for `:reveal`."""
        self.facts = Facts()
        self.failure: OSError | None = None
        """Why the body that is coming in is not kept; whoever reports it resets it."""
        self.core: ClientSession | None = None
        self.takers: dict[type[Event], Callable[..., None]] = {
            ConnectionOpened: self._opened,
            TlsEstablished: self._tls,
            Sent: self._sent,
            Greeting: self._came,
            Challenge: self._came,
            Reply: self._came,
            BodyChunk: self._body,
            ReplyEnd: self._ended,
            Unsolicited: self._unsolicited,
            Closed: self._closed,
            ConnectionEnded: self._keep,
        }
        """What takes which event: see `Session.observe`."""
        self._clock = clock
        self.beginning_octets = BEGINNING_OCTETS
        """How much of its beginning is kept if a body is not kept whole."""
        self._whole = whole
        self._most = MOST_KEPT if whole else FEWEST_KEPT
        self._sent_at: dict[int, float] = {}
        self._diverted: dict[int, Callable[[bytes], object]] = {}

    @property
    def announced(self) -> int | None:
        """The size of the message that is coming in, by its status line or by LIST."""
        reply = self.receiving
        if reply is None or reply.exchange is None or not reply.is_message:
            return None
        command = reply.exchange.command
        if command.keyword != b"RETR":
            return None
        words = reply.status_line.text.lower().replace(b"(", b" ").replace(b")", b" ").split()
        for number, word in pairwise(words):
            if number.isdigit() and word.rstrip(b".,;:") in (b"octets", b"bytes"):
                return number_of(number)
        message = number_of(command.arguments[0]) if command.arguments else None
        return self.facts.sizes.get(message) if message is not None else None

    def context_of(self, reply: StoredReply) -> ReplyContext:
        """Gather what the session knows that helps to explain a reply."""
        from poptalk.pop3.explain import ReplyContext

        core = self.core
        assert core is not None, "a reply has come on a connection"
        ended = core.state is State.CLOSED
        return ReplyContext(
            # A refusal changes no state, but the end of the connection does.
            state=None if ended or reply is not self.last else core.state,
            marked=frozenset(core.marked),
            highest=core.highest,
            ended=ended,
            challenge=reply.challenge,
            login=self.login_of(reply),
        )

    def explained(
        self, reply: StoredReply, known: ReplyContext | None = None
    ) -> Iterator[Explanation]:
        """Explain a greeting, a reply or a challenge, part by part.

        Args:
            reply: one of those that were said.
            known: what is known besides; None for all that the session knows.
        """
        from poptalk.pop3.explain import explain_greeting, explain_reply

        if reply.exchange is None:
            return explain_greeting(reply.status_line)
        return explain_reply(
            reply.exchange.command,
            reply.status_line,
            reply.listing(most=MOST_LINES_EXPLAINED),
            complete=reply.complete,
            known=self.context_of(reply) if known is None else known,
        )

    def explained_unsolicited(self) -> Iterator[Explanation]:
        """Explain the unsolicited line that came after the last reply."""
        from poptalk.pop3.explain import Explanation, explain_unasked

        assert self.unsolicited is not None
        if self.core is not None and self.core.lost_in_tls:
            kind = ViolationKind.STLS_RESIDUE_OBEYED
            return iter([Explanation(part=b"", meaning=kind.sentence, clause=kind.clause)])
        return explain_unasked(
            self.unsolicited,
            before=self.last.status_line if self.last is not None else None,
            after_body=self.last is not None and self.last.multi_line,
        )

    def login_of(self, reply: StoredReply, *, timestamp_chosen: bool = False) -> LoginFacts | None:
        """Return what is known of the login that a reply belongs to; None if it belongs to none."""
        core = self.core
        assert core is not None, "a reply has come on a connection"
        command = reply.exchange.command if reply.exchange is not None else None
        verb = command.verb if command is not None else None
        if command is None or verb is None or verb.effect not in (Effect.NAME, Effect.LOGIN):
            return None
        from poptalk.pop3.explain import LoginFacts

        mechanism = command.arguments[0] if verb.challenges and command.arguments else b""
        name = mechanism or (b"APOP" if verb.name == b"APOP" else b"USER")
        answer = self.facts.capabilities_now(core)
        has_capa = answer is None or answer.lines is not None
        challenges = sum(
            isinstance(each, StoredReply) and each.challenge and each.exchange is reply.exchange
            for _, each in self.said
        )
        return LoginFacts(
            method=name.decode("ascii", "replace").upper(),
            challenged=challenges,
            encrypted=core.encrypted,
            timestamp_chosen=timestamp_chosen,
            has_capa=has_capa,
            capabilities=answer.parameters() if answer is not None and has_capa else None,
        )

    def divert(self, exchange: Exchange, take: Callable[[bytes], object]) -> None:
        """Have the octets of a reply's body taken elsewhere instead of keeping them.

        Args:
            exchange: the command.
            take: called with octets as they crossed the wire, cut anywhere.
        """
        self._diverted[exchange.number] = take

    @staticmethod
    def response_in(sent: Sent, last: StoredReply | None) -> tuple[bytes, int, bytes] | None:
        """Find the response of AUTH in a line.

        Args:
            sent: the line.
            last: what the server had said before it.

        Returns:
            The mechanism, the number of the response, from 1, and the response; None if there is none,
            or if what is usually a name may be the password.
        """
        if not sent.step or sent.secret is None:
            return None
        from poptalk.pop3.sasl.table import asks_for_password

        arguments = sent.exchange.command.arguments
        challenge = last.status_line.text if sent.sasl and last is not None else b""
        if sent.step == 1 and asks_for_password(arguments[0], challenge):
            return None
        return arguments[0], sent.step, sent.line if sent.sasl else arguments[1]

    def close(self) -> None:
        """Free what the bodies take."""
        for _, each in self.said:
            if isinstance(each, StoredReply):
                each.close()
        self.said.clear()
        self.last = None

    def _keep(self, thing: Event | StoredReply) -> None:
        if len(self.said) >= self._most:
            self._forget_oldest()
        self.said.append((time(), thing))

    def _forget_oldest(self) -> None:
        """Make room for more, a batch at a time, because a record is written of them first."""
        if self.before_forgetting is not None:
            self.before_forgetting()
        for _ in range(self._most // 5):
            _, old = self.said.popleft()
            self.forgotten += 1
            if isinstance(old, StoredReply) and old is not self.last:
                old.close()

    def _opened(self, event: ConnectionOpened) -> None:
        self.secrets.clear()
        self.greeting = b""
        self.subject = None
        self.milliseconds = None
        self.unanswered = ()
        self._sent_at.clear()
        self._diverted.clear()
        self.facts.begin(event.where)
        self._keep(event)

    def _tls(self, event: TlsEstablished) -> None:
        if event.upgraded:
            self.facts.forget()
        self.facts.tls = event.facts
        self._keep(event)

    def _sent(self, event: Sent) -> None:
        if event.secret is not None:
            self.secrets = [*self.secrets[-MOST_KEPT:], (event.line, event.secret)]
        if not self.explaining:
            self.subject = None
        self._sent_at[event.exchange.number] = self._clock()
        self._keep(event)

    def _came(self, event: Greeting | Challenge | Reply) -> None:
        """Keep the first line of a reply, and shorten the body of the one before."""
        line = event.status_line
        if isinstance(event, Greeting):
            self.greeting = line.line
        exchange = None if isinstance(event, Greeting) else event.exchange
        body = isinstance(event, Reply) and event.multi_line
        if self._whole and self.last is not None and self.last.octets > SHORT_OCTETS:
            self.last.shorten()
        reply = StoredReply(
            exchange=exchange,
            status_line=line,
            multi_line=body,
            complete=not isinstance(event, Reply),
            whole=self._whole,
            beginning_octets=self.beginning_octets,
        )
        reply.masked = self.spoken.mask(line.line)
        reply.challenge = isinstance(event, Challenge)
        self.last = reply
        self.unsolicited = None
        self.receiving = reply if body else None
        started = None if exchange is None else self._sent_at.get(exchange.number)
        if started is not None:
            reply.seconds = self._clock() - started
            self.milliseconds = reply.seconds * 1000
        self._keep(reply)

    def _body(self, event: BodyChunk) -> None:
        take = self._diverted.get(event.exchange.number)
        reply = self.last
        assert reply is not None
        if take is not None:
            reply.lost = True
            take(event.data)
        elif not reply.lost:
            try:
                reply.append(event.data)
            except OSError as error:
                reply.lost = True
                self.failure = error

    def _ended(self, event: ReplyEnd) -> None:
        reply = self.last
        assert reply is not None
        reply.complete = True
        reply.ok = event.ok
        self.receiving = None
        started = self._sent_at.pop(event.exchange.number, None)
        if started is not None and reply.exchange is event.exchange:
            reply.total_seconds = self._clock() - started
            self.milliseconds = reply.total_seconds * 1000
        self._diverted.pop(event.exchange.number, None)
        if self.core is not None:
            self.facts.learn(self.core, reply, ok=event.ok)

    def _unsolicited(self, event: Unsolicited) -> None:
        end = event.data.rstrip(b"\n").rfind(b"\n") + 1
        self.unsolicited = parse_status_line(event.data[end:].rstrip(b"\n").removesuffix(b"\r"))
        data = self.spoken.mask(event.data)
        self._keep(StoredUnsolicited(data=data[:SHORT_OCTETS], octets=len(data)))

    def _closed(self, event: Closed) -> None:
        self.cut_off, self.receiving = self.receiving, None
        self.unanswered = event.unanswered
        self._keep(event)


def split_lines(data: bytes) -> list[bytes]:
    """Split octets into lines without their ends, CRLF or LF."""
    lines = data.replace(b"\r\n", b"\n").split(b"\n")
    if not lines[-1]:
        del lines[-1]
    return lines


def _split(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Split octets after each LF, into pieces of bounded size."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line + b"\n"
        if len(rest) > MAX_LINE_OCTETS:
            yield rest
            rest = b""
    if rest:
        yield rest
