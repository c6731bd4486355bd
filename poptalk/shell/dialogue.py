"""A session as a person sees it: events of the client core become lines, facts and a log.

A `Dialogue` lives as long as the shell and outlasts connections; `begin` starts a new session.  It
drives no socket.  The drivers (`live`, `linear`, `pipe`) hand it what was sent and received, and it
tells them by its attributes what matters: the state, whether a reply is due, whether TLS must start.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from poptalk.net.errors import TLS_PORT_HINT
from poptalk.protocol.client import ClientSession
from poptalk.protocol.commands import Span
from poptalk.protocol.events import (
    BodyChunk,
    Challenge,
    Closed,
    Event,
    Exchange,
    Greeting,
    Oddity,
    Reply,
    ReplyEnd,
    Sent,
    TlsRequested,
    Unsolicited,
)
from poptalk.protocol.oddities import OddityKind
from poptalk.protocol.replies import StatusLine, parse_status_line
from poptalk.protocol.secrets import SpokenSecrets
from poptalk.protocol.states import State
from poptalk.protocol.verbs import Field
from poptalk.shell.capability_book import CapabilityBook
from poptalk.shell.explaining import (
    as_much_as_fits,
    explained_reply,
    explained_response,
    response_stand_in,
)
from poptalk.shell.facts import Facts
from poptalk.shell.kept import KeptReply
from poptalk.shell.recent import Recent
from poptalk.terminal.fold import UNLIMITED, BodyView, Budget
from poptalk.terminal.render import NoteKind, client_line, note, status_line
from poptalk.terminal.safe import Fragments

if TYPE_CHECKING:
    from poptalk.net.errors import Ending
    from poptalk.net.tls import TlsFacts
    from poptalk.shell.log import FileLog, Log

UNSOLICITED_LINES_SHOWN = 50
"""Lines that answer nothing and are shown between two commands; a flood beyond is only counted."""

STRIPPED = (
    "this server has offered STLS before, and does not now: somebody on the way may have taken it out; "
    "send no password here [RFC 2595 §9]"
)

_EVERY_TIME = frozenset({OddityKind.RESPONSE_INJECTION, OddityKind.WRONG_STATE})
"""Oddities worth a line whenever they occur; the others are told once a connection."""


class Dialogue:
    """What was said so far, and the screen and the log that show it."""

    def __init__(
        self,
        *,
        show: Callable[[Iterable[Fragments]], None],
        clock: Callable[[], float],
        size: Callable[[], tuple[int, int]] | None = None,
        log: FileLog | None = None,
        complain: Callable[[str], None] | None = None,
    ) -> None:
        """Make a dialogue that is not connected.

        Args:
            show: takes lines for the screen.
            clock: gives seconds.
            size: gives rows and columns of the screen, for folding long replies; None folds nothing.
            log: where the dialogue is written as well.
            complain: says that the log cannot be written; None shows it like any warning.
        """
        self.session = ClientSession()
        self.facts = Facts()
        self.last: KeptReply | None = None
        """The last greeting, reply or challenge."""
        self.unasked: StatusLine | None = None
        """A line that came since then, and answers nothing."""
        self.sent_secrets: list[tuple[bytes, Span]] = []
        """Lines with secrets, for `:reveal`."""
        self.reveal = False
        self.explain = False
        """Whether everything is explained that can be."""
        self.capabilities = CapabilityBook()
        self.shows_sent = True
        """Whether sent lines are shown; a shell whose prompt is never erased shows them already."""
        self.refused = False
        """Whether any command was answered with something else than +OK."""
        self.ending: Ending | None = None
        self.tls: TlsFacts | None = None
        """What came of the handshake; None in clear."""
        self.log = log
        self.recent = Recent()
        """What was said last, for `:report`."""
        self.milliseconds: float | None = None
        """Time from the last command that was answered to the first line of its reply."""
        self.listeners: list[Callable[[Event], None]] = []
        """Who is told of each event, after the screen has shown it and the log has it."""
        self.hidden = False
        """Whether the screen shows nothing of the dialogue, at most to the end of the connection; the
        log has it all the same."""
        self.unremarked: Collection[OddityKind] = ()
        """Oddities that the screen says nothing of, since somebody else does, or should not."""
        self._screen = show
        self._clock = clock
        self._complain = complain or self.warn
        self._size = size
        self._sent_at: dict[int, float] = {}
        self._secrets = SpokenSecrets()
        self._told: set[OddityKind] = set()
        self._view: BodyView | None = None
        self._unsolicited_shown = 0
        self._unsolicited_hidden = [0, 0]
        self._tls_requested: TlsRequested | None = None

    # What a driver asks.

    @property
    def settled(self) -> bool:
        """Whether the server owes nothing: greeting and all replies are complete, or it asks."""
        session = self.session
        if session.state is State.GREETING:
            return False
        return not session.outstanding or session.challenge_open

    def take_tls_request(self) -> TlsRequested | None:
        """Return the request to start TLS once, after STLS was answered with +OK."""
        request, self._tls_requested = self._tls_requested, None
        return request

    @property
    def receiving(self) -> int | None:
        """Octets received so far of a multi-line reply whose end has not come."""
        return self.last.octets if self._view is not None and self.last else None

    def size(self) -> tuple[int, int]:
        """Return rows and columns of the screen; more rows than anything has if nothing is folded."""
        return self._size() if self._size else (UNLIMITED, 80)

    # What a driver tells.

    def begin(self, *, where: str, encrypted: bool) -> None:
        """Start the session of a new connection.

        Args:
            where: host and port, for the log.
            encrypted: whether TLS was established before the greeting.
        """
        self.session = ClientSession(encrypted=encrypted)
        self.facts.forget()
        self.capabilities.begin(where)
        self.tls = None
        self.sent_secrets.clear()
        self.ending = None
        self.milliseconds = None
        self._secrets = SpokenSecrets()
        self._told.clear()
        self._sent_at.clear()
        self._log(lambda log: log.opened(where, encrypted=encrypted))

    def sent(self, data: bytes) -> None:
        """Show octets that go to the server."""
        self._unsolicited_shown = 0
        self._take(self.session.send(data))

    def received(self, data: bytes) -> None:
        """Show octets of the server."""
        self._take(self.session.receive_data(data))

    def tls_established(self, facts: TlsFacts) -> None:
        """Show that TLS has begun."""
        self.tls = facts
        upgraded = not self.session.encrypted
        if upgraded:
            self.facts.forget()
            self._take(self.session.tls_established())
        (self.remark if facts.verified else self.warn)(facts.summary)
        self._log(lambda log: log.tls(facts, upgraded=upgraded))

    def ended(self, ending: Ending) -> None:
        """Show that the connection is gone, who ended it, and what that means."""
        if self.session.state is State.CLOSED:
            return
        self.ending = ending
        self._take(self.session.receive_eof())
        (self.remark if self.session.farewell else self.warn)(str(ending))
        self._log(lambda log: log.ended(ending))
        self.hidden = False

    def close(self) -> None:
        """Give back what is kept of the last reply, and close the log: nothing is shown after this."""
        if self.last is not None:
            self.last.close()
            self.last = None
        if self.log is not None:
            self.log.abandon()

    def note(self, text: str, *, kind: NoteKind = NoteKind.NOTE) -> list[Fragments]:
        """Make lines of poptalk's own, wrapped to the screen."""
        return note(text, kind=kind, columns=self.size()[1])

    def remark(self, text: str) -> None:
        """Show a line of poptalk's own."""
        self._show(self.note(text))

    def warn(self, text: str) -> None:
        """Show a line of poptalk's own that should not be overlooked."""
        self._show(self.note(text, kind=NoteKind.WARN))

    def tell_partial(self) -> None:
        """Show the beginning of a line whose end has not come for a while."""
        self.show_partial(self.session.partial)

    def explain_silence(self) -> None:
        """Say what it may mean that the server has not said anything for a while, if it owes it."""
        session = self.session
        if self.settled or session.state is State.CLOSED:
            return
        if session.state is State.GREETING:
            self.remark(f"no greeting yet. {TLS_PORT_HINT}")
        elif session.in_body:
            self.remark("the reply has not ended: a line with a lone dot is still to come")
        else:
            # What is no keyword may be a secret.
            verb = session.outstanding[0].command.verb
            self.remark(
                f"no answer to {verb.keyword if verb else 'this line'} yet; "
                "the server may be busy, or wait for the end of a line"
            )

    # Events.

    def _take(self, events: Sequence[Event]) -> None:
        for event in events:
            taker = self._TAKERS.get(type(event))
            if taker is not None:
                taker(self, event)
            for listener in tuple(self.listeners):
                listener(event)

    def _on_sent(self, event: Sent) -> None:
        if event.secret is not None:
            self._secrets.remember(event.line[event.secret.start : event.secret.stop])
            self.sent_secrets.append((event.line, event.secret))
        self._tell_hidden_unsolicited()
        self._sent_at[event.exchange.number] = self._clock()
        if self.shows_sent:
            stand_in = response_stand_in(self, event) if self.explain else None
            line = client_line(event.line, event.secret, reveal=self.reveal, stand_in=stand_in)
            self._show([line])
        if self.explain:
            self._show(explained_response(self, event))
        self._log(lambda log: log.client(event, stand_in=response_stand_in(self, event)))

    def _on_greeting(self, event: Greeting) -> None:
        kept = KeptReply(exchange=None, status_line=event.status_line)
        self._keep(kept)
        self._show_status(event.status_line)
        self._explain(kept)

    def _on_reply(self, event: Reply) -> None:
        kept = KeptReply(exchange=event.exchange, status_line=event.status_line)
        kept.multi_line = event.multi_line
        self._measure(event.exchange)
        self._keep(kept)
        verb = event.exchange.command.verb
        self._show_status(
            event.status_line, fields=verb.fields if verb and not event.multi_line else ()
        )
        if event.multi_line:
            self._view = kept.view(self.screenful())

    def _on_challenge(self, event: Challenge) -> None:
        kept = KeptReply(exchange=event.exchange, status_line=event.status_line)
        self._measure(event.exchange)
        kept.complete = True
        self._keep(kept)
        self._secrets.hear(event)
        self._show_status(event.status_line)
        self._explain(kept)

    def _on_body(self, event: BodyChunk) -> None:
        assert self.last is not None
        assert self._view is not None
        self._store(self.last, event.data)
        self._show(self._view.feed(event.data))
        self._log(lambda log: log.server_data(event.data))

    def _on_reply_end(self, event: ReplyEnd) -> None:
        assert self.last is not None
        self.last.complete = True
        self.refused = self.refused or not event.ok
        self._sent_at.pop(event.exchange.number, None)
        self._end_view(complete=True)
        self._log(lambda log: log.reply_end(event))
        if event.ok:
            self.facts.learn(event.exchange.command, self.last)
        self._explain(self.last)
        if event.exchange.command.keyword == b"CAPA":
            self._learn_capabilities(self.last)

    def _learn_capabilities(self, reply: KeptReply) -> None:
        self.capabilities.learn(self.session, reply.lines() if reply.multi_line else None)
        if self.capabilities.stripped:
            self.warn(STRIPPED)

    def _explain(self, reply: KeptReply) -> None:
        if self.explain:
            self._show(list(as_much_as_fits(self, explained_reply(self, reply))))

    def _on_unsolicited(self, event: Unsolicited) -> None:
        self._log(lambda log: log.unasked(self._secrets.mask(event.data)))
        room = UNSOLICITED_LINES_SHOWN - self._unsolicited_shown
        *lines, rest = event.data.split(b"\n", max(room, 0))
        for line in lines:
            self._unsolicited_shown += 1
            self.unasked = parse_status_line(line.removesuffix(b"\r"))
            self._show([status_line(self.mask(self.unasked.line))])
        if rest:
            if not self._unsolicited_hidden[0]:
                self.remark("the server goes on like this; from here on its lines are counted")
            self._unsolicited_hidden[0] += rest.count(b"\n")
            self._unsolicited_hidden[1] += len(rest)

    def _on_closed(self, event: Closed) -> None:
        if event.partial:
            self.show_partial(event.partial)
        self._end_view(complete=False)
        self._tell_hidden_unsolicited()
        if event.marked:
            self.warn(marked_stay(event.marked))

    def _on_oddity(self, event: Oddity) -> None:
        if event.kind in self.unremarked:
            return
        if event.kind in self._told and event.kind not in _EVERY_TIME:
            return
        self._told.add(event.kind)
        fact = event.fact
        detail = f" ({event.detail})" if event.detail else ""
        clause = f" [{fact.clause}]" if fact.clause else ""
        self.warn(f"{fact.sentence}{detail}{clause}")

    def _on_tls_requested(self, event: TlsRequested) -> None:
        self._tls_requested = event
        for line in event.residue[:_RESIDUE_SHOWN].splitlines():
            self._show([status_line(self.mask(line))])

    _TAKERS: dict[type[Event], Callable[..., None]]
    """What is done about each event; a `StateChanged` shows in the prompt by itself."""

    def _show(self, lines: Iterable[Fragments]) -> None:
        if self.hidden:
            # What makes the lines, perhaps as they are asked for, keeps count of what it has made.
            deque(lines, maxlen=0)
        else:
            self._screen(lines)

    # For the local commands.

    def mask(self, line: bytes) -> bytes:
        """Return octets of the server without an echo of a secret, unless secrets are revealed."""
        return line if self.reveal else self._secrets.mask(line)

    def screenful(self) -> Budget:
        """Return a budget of one screen, less the lines around the prompt."""
        row_count, columns = self.size()
        return Budget(row_count=max(row_count - _ROWS_KEPT, _FEWEST_ROWS), columns=columns)

    def show_partial(self, partial: bytes) -> None:
        """Show a line of the server whose end has not come."""
        line = status_line(self.mask(partial[:_RESIDUE_SHOWN]))
        self._show([[*line, ("warn", " (the end of this line is missing)")]])

    def _show_status(self, parsed: StatusLine, *, fields: Sequence[Field] | None = None) -> None:
        self._show([status_line(self.mask(parsed.line), fields=fields)])
        own_end = parsed.end if parsed.end != b"\r\n" else b""
        self._log(lambda log: log.server_line(self._secrets.mask(parsed.line) + own_end))

    def _store(self, reply: KeptReply, data: bytes) -> None:
        """Keep octets of a reply; a disk that is full costs `:more` and `:save`, not the session."""
        if reply.lost:
            return
        try:
            reply.append(data)
        except OSError as error:
            reply.lost = True
            self.warn(f"the rest of this reply is not kept: {error.strerror}")

    def _keep(self, reply: KeptReply) -> None:
        if self.last is not None:
            self.last.close()
        self.last = reply
        self.unasked = None

    def _end_view(self, *, complete: bool) -> None:
        if self._view is None:
            return
        view, self._view = self._view, None
        self._show(view.end(complete=complete))
        if self.last is not None:
            self.last.viewed(view)

    def _measure(self, exchange: Exchange) -> None:
        started = self._sent_at.get(exchange.number)
        if started is not None:
            self.milliseconds = (self._clock() - started) * 1000

    def _tell_hidden_unsolicited(self) -> None:
        lines, octets = self._unsolicited_hidden
        if octets:
            self._unsolicited_hidden = [0, 0]
            self.remark(f"{lines:,} more unasked lines, {octets:,} octets, were not shown")

    def _log(self, write: Callable[[Log], None]) -> None:
        """Write to the log; a disk that is full ends the log, not the session."""
        write(self.recent)
        if self.log is None:
            return
        try:
            write(self.log)
        except OSError as error:
            log, self.log = self.log, None
            log.abandon()
            self._complain(
                f"logging to {log.name} has stopped: {error.strerror}; the session goes on"
            )


Dialogue._TAKERS = {
    Sent: Dialogue._on_sent,
    Greeting: Dialogue._on_greeting,
    Reply: Dialogue._on_reply,
    Challenge: Dialogue._on_challenge,
    BodyChunk: Dialogue._on_body,
    ReplyEnd: Dialogue._on_reply_end,
    Unsolicited: Dialogue._on_unsolicited,
    Closed: Dialogue._on_closed,
    Oddity: Dialogue._on_oddity,
    TlsRequested: Dialogue._on_tls_requested,
}

_ROWS_KEPT = 6
"""Rows of the screen that a long reply leaves: its command and first line, the note, dot, prompt."""

_FEWEST_ROWS = 8
"""Rows of a long reply shown on the smallest screen."""

_RESIDUE_SHOWN = 2000
"""Octets shown of what came where nothing should have come."""


def marked_stay(marked: Sequence[int]) -> str:
    """Say what a connection that ends without QUIT means for messages marked as deleted."""
    numbers = ", ".join(str(number) for number in marked)
    which = f"message {numbers} was" if len(marked) == 1 else f"messages {numbers} were"
    stay = "stays" if len(marked) == 1 else "stay"
    return (
        f"no QUIT was answered: {which} marked as deleted and {stay} in the maildrop [RFC 1939 §6]"
    )
