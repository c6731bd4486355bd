"""The view of a session: what is said, as lines for a screen.

It observes a `Session`, and lives as long as the shell.  It changes nothing; local commands use it to
show what the session keeps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING

from poptalk.net.errors import CLOSED_BY_US, TLS_PORT_HINT
from poptalk.pop3.commands import State
from poptalk.pop3.events import (
    BodyChunk,
    Challenge,
    Closed,
    Greeting,
    Reply,
    ReplyEnd,
    Sent,
    TlsRequested,
    Unsolicited,
    Violation,
    ViolationKind,
)
from poptalk.pop3.explain import (
    Explanation,
    explain_waiting,
)
from poptalk.pop3.replies import Status
from poptalk.pop3.sasl.mechanism import STARS, NotBase64, decode
from poptalk.pop3.sasl.table import redacted_response, response_parts
from poptalk.session.consistency import Consistency
from poptalk.session.exchanges import (
    ConnectionEnded,
    ConnectionOpened,
    Note,
    StoredReply,
    TlsEstablished,
)
from poptalk.session.session import name_of
from poptalk.terminal.render import (
    SERVER_MARK,
    UNLIMITED,
    BodyView,
    Budget,
    NoteKind,
    client_line,
    milliseconds,
    note,
    plain_text,
    spaces_remark,
    status_line,
)
from poptalk.terminal.safe import Fragments, cells, harmless
from poptalk.terminal.screen import DEFAULT_COLUMNS, FEWEST_COLUMNS

if TYPE_CHECKING:
    from poptalk.pop3.commands import Field
    from poptalk.pop3.replies import StatusLine
    from poptalk.session.session import Session

UNSOLICITED_LINES_SHOWN = 50
"""Unsolicited lines that are shown between two commands; the rest of a flood is only counted."""

FOLD_ADVICE = ":more shows the next, :save FILE keeps them all"

STRIPPED = (
    "this server has offered STLS before, and doesn't now: someone between may have taken it out; "
    "send no password here [RFC 2595 §9]"
)

_EVERY_TIME = frozenset(
    {
        ViolationKind.RESPONSE_INJECTION,
        ViolationKind.WRONG_STATE,
        ViolationKind.OK_FOR_CHALLENGE,
        ViolationKind.MALFORMED_ANSWER,
    }
)
"""Oddities that are mentioned each time; the others are, once per connection."""


class View:
    """What the screen shows of a session."""

    def __init__(
        self,
        session: Session,
        *,
        show: Callable[[Iterable[Fragments]], None],
        size: Callable[[], tuple[int, int]] | None = None,
    ) -> None:
        """Make a view that observes a session.

        Args:
            session: the session.
            show: takes lines for the screen.
            size: gives rows and columns of the screen, for folding long replies; None folds nothing.
        """
        self.session = session
        self.reveal = False
        """Whether secrets are shown."""
        self.explain = False
        """Whether everything is explained."""
        self.times = False
        """Whether each reply is shown with the time that it took."""
        self.shows_sent = True
        """Whether sent lines are shown; a prompt that is never erased shows them already."""
        self.fold_advice = FOLD_ADVICE
        """How to see the rest of a long reply."""
        self.hidden = False
        """Whether the dialogue is hidden, until the connection ends at the latest; the log has it all
        the same."""
        self.unremarked: Collection[ViolationKind] = ()
        """Oddities that the screen doesn't mention, because the lesson does, or should not."""
        self.body: BodyView | None = None
        """How much of the last reply's body has been shown; None if it has none."""
        self._screen = show
        self._size = size
        self._sends_unseen = False
        self._unseen: set[int] = set()
        """The numbers of exchanges that are not shown."""
        self._consistency = Consistency(session.exchanges)
        self._told: set[ViolationKind] = set()
        self._last_sent = self._marked = 0
        """The number of the last command, and the last one when a reply was marked with its name."""
        self._receiving = False
        """Whether more of that body is to come."""
        self._unsolicited_shown = 0
        self._unsolicited_hidden = [0, 0]
        session.observe(
            {
                ConnectionOpened: self._on_opened,
                Sent: self._on_sent,
                Greeting: self._on_greeting,
                Reply: self._on_reply,
                Challenge: self._on_challenge,
                BodyChunk: self._on_body,
                ReplyEnd: self._on_reply_end,
                Unsolicited: self._on_unsolicited,
                Closed: self._on_closed,
                ConnectionEnded: self._on_ended,
                TlsEstablished: self._on_tls,
                Note: self._on_note,
                Violation: self._on_oddity,
                TlsRequested: self._on_tls_requested,
            }
        )

    # Lines.

    def client_line(self, event: Sent, *, stand_in: bytes | None = None) -> Fragments:
        """Make a line of what was sent, with `stand_in` or stars instead of a secret."""
        return client_line(event.line, event.secret, reveal=self.reveal, stand_in=stand_in)

    def server_line(self, line: StatusLine, *, fields: Sequence[Field] | None = None) -> Fragments:
        """Make a line of a greeting, a challenge, or the first line of a reply."""
        shown = line.line if self.reveal else self.session.secrets.mask(line.line)
        return status_line(shown, fields=fields)

    def first_line(self, reply: StoredReply) -> bytes:
        """Return the first line of an earlier reply, secrets masked unless they are revealed."""
        return reply.status_line.line if self.reveal else reply.masked

    # Sentences.

    def size(self) -> tuple[int, int]:
        """Return rows and columns of the screen; rows without limit if nothing is folded."""
        rows, columns = self._size() if self._size else (UNLIMITED, DEFAULT_COLUMNS)
        return rows, columns if columns >= FEWEST_COLUMNS else DEFAULT_COLUMNS

    def note(self, text: str, *, kind: NoteKind = NoteKind.NOTE) -> list[Fragments]:
        """Make lines of poptalk's own, wrapped to the screen."""
        return note(text, kind=kind, columns=self.size()[1])

    def remark(self, text: str) -> None:
        """Show a line of poptalk's own."""
        self._show(self.note(text))

    def warn(self, text: str) -> None:
        """Show a line of poptalk's own that must not be overlooked."""
        self._show(self.note(text, kind=NoteKind.WARN))

    def tell_total(self, seconds: float) -> None:
        """Say how long a multi-line reply took."""
        self.remark(f"{milliseconds(seconds)} to the end of the reply")

    def explain_silence(self) -> None:
        """If the server owes something and has been silent for a while, say what that may mean."""
        core = self.session.core
        if not (core.settled or core.state is State.CLOSED):
            silent = core.state is State.GREETING and not core.partial
            hint = f". {TLS_PORT_HINT}" if silent else ""
            self.remark(f"{self._waiting().meaning}{hint}")

    def _waiting(self) -> Explanation:
        """Say what has not come, or never came."""
        core, exchanges = self.session.core, self.session.exchanges
        ended = core.state is State.CLOSED
        due = exchanges.unanswered if ended else core.outstanding
        in_body = exchanges.cut_off is not None if ended else core.in_body
        return explain_waiting(
            due[0].command if due else None,
            in_body=in_body,
            ended=ended,
            begun=bool(core.partial),
            looks_like=core.looks_like if core.greeted is None else "",
        )

    # Events.

    def _on_opened(self, event: ConnectionOpened) -> None:
        self._consistency.begin(event.where)
        self._told.clear()
        self._last_sent = self._marked = 0
        self._unseen.clear()

    def _on_sent(self, event: Sent) -> None:
        self._unsolicited_shown = 0
        self._last_sent = event.exchange.number
        if self._unsolicited_hidden[1]:
            self._tell_hidden_unsolicited()
        if self._sends_unseen:
            self._unseen.add(event.exchange.number)
            return
        exchanges = self.session.exchanges
        response = exchanges.response_in(event, exchanges.last) if self.explain else None
        if self.shows_sent or self.session.sent_by_poptalk:
            instead = redacted_response(*response) if response is not None else None
            self._show([self.client_line(event, stand_in=instead)])
        elif event.secret is None and (remark := spaces_remark(event.line)):
            self._show([[("note", remark.lstrip())]])
        if response is not None:
            self._show(self._explained_response(*response))

    def _on_greeting(self, event: Greeting) -> None:
        self._show([self.server_line(event.status_line)])
        self._explain_last()

    def _on_reply(self, event: Reply) -> None:
        if event.exchange.number in self._unseen:
            self.body = None
            return
        verb = event.exchange.command.verb
        fields = verb.fields if verb and not event.multi_line else ()
        line = self.server_line(event.status_line, fields=fields)
        number = event.exchange.number
        if number < self._last_sent or number <= self._marked:
            # Several commands were sent before this reply: say which it answers.
            self._marked = self._last_sent
            line.append(("note", f"  # {name_of(event.exchange)}"))
        last = self.session.exchanges.last
        if self.times and last is not None and last.seconds is not None:
            line = [*line, ("note", f"  {milliseconds(last.seconds)}")]
        if not self.hidden:
            self._screen([line])
        if event.multi_line and last is not None:
            in_header, fields = last.is_message, verb.fields if verb else ()
            self.body = BodyView(
                budget=self.screenful(), in_header=in_header, fields=fields, advice=self.fold_advice
            )
            self._receiving = True

    def _on_challenge(self, event: Challenge) -> None:
        self._show([self.server_line(event.status_line)])
        # The oddity that follows says what a +OK instead of a challenge means.
        ok = event.status_line.status is Status.OK
        if not ok or ViolationKind.OK_FOR_CHALLENGE in self.unremarked:
            self._explain_last()

    def _on_body(self, event: BodyChunk) -> None:
        exchanges = self.session.exchanges
        if exchanges.failure is not None:
            failure, exchanges.failure = exchanges.failure, None
            self.warn(f"the rest of this reply is not kept: {failure.strerror}")
        if self._receiving and self.body is not None:
            self._show(self.body.feed(event.data))

    def _on_reply_end(self, event: ReplyEnd) -> None:
        last = self.session.exchanges.last
        odd = []
        if last is not None and last.exchange is event.exchange:
            odd = self._consistency.look(last)
        if event.exchange.number in self._unseen:
            self._unseen.remove(event.exchange.number)
            return
        if self._receiving:
            self._end_body(complete=True)
            if self.times and last is not None and last.total_seconds is not None:
                self.tell_total(last.total_seconds)
        for violation in odd:
            self._on_oddity(violation)
        if self.explain:
            self._explain_last()
        if event.exchange.command.keyword == b"CAPA" and self.session.exchanges.facts.stripped:
            self.warn(STRIPPED)

    def _explain_last(self) -> None:
        last = self.session.exchanges.last
        if self.explain and last is not None:
            lines = self.fitting(self.explained(last), lambda _: "there is more to say: :why does")
            self._show([*lines])

    def _on_unsolicited(self, event: Unsolicited) -> None:
        room = UNSOLICITED_LINES_SHOWN - self._unsolicited_shown
        *lines, rest = event.data.split(b"\n", max(room, 0))
        for line in lines:
            self._unsolicited_shown += 1
            self._show([status_line(self.mask(line.removesuffix(b"\r")))])
        if rest:
            if not self._unsolicited_hidden[0]:
                self.remark("the server goes on like this; from here on its lines are counted")
            self._unsolicited_hidden[0] += rest.count(b"\n")
            self._unsolicited_hidden[1] += len(rest)

    def _on_closed(self, event: Closed) -> None:
        if event.partial:
            self.show_partial(event.partial)
        if self._receiving:
            self._end_body(complete=False)
        self._tell_hidden_unsolicited()
        if event.marked:
            self.warn(marked_stay(event.marked, quit_refused=event.quit_refused))

    def _on_ended(self, event: ConnectionEnded) -> None:
        expected = self.session.core.farewell or event.ending is CLOSED_BY_US
        (self.remark if expected else self.warn)(str(event.ending))
        self.hidden = False

    def _on_tls(self, event: TlsEstablished) -> None:
        if event.facts.verified:
            self.remark(event.facts.summary)
        elif not event.facts.warning:  # Otherwise the session notes it, with the summary.
            self.warn(event.facts.summary)

    def _on_note(self, event: Note) -> None:
        (self.warn if event.warning else self.remark)(event.text)

    def _on_oddity(self, event: Violation) -> None:
        if event.kind in self.unremarked:
            return
        if event.kind in self._told and event.kind not in _EVERY_TIME:
            return
        self._told.add(event.kind)
        detail = f" ({event.detail})" if event.detail else ""
        clause = f" [{event.kind.clause}]" if event.kind.clause else ""
        self.warn(f"{event.kind.sentence}{detail}{clause}")

    def _on_tls_requested(self, event: TlsRequested) -> None:
        for line in event.residue[:_RESIDUE_SHOWN].splitlines():
            self._show([status_line(self.mask(line))])

    def _show(self, lines: Iterable[Fragments]) -> None:
        if self.hidden:
            # Making the lines counts what was made.
            deque(lines, maxlen=0)
        else:
            self._screen(lines)

    # For the local commands.

    @contextmanager
    def unseen(self) -> Iterator[None]:
        """Hide what is sent meanwhile, and the replies to it, whenever they come."""
        self._sends_unseen = True
        try:
            yield
        finally:
            self._sends_unseen = False

    def mask(self, line: bytes) -> bytes:
        """Mask echoes of secrets in octets of the server, unless secrets are revealed."""
        return line if self.reveal else self.session.secrets.mask(line)

    def hide_rest(self) -> None:
        """Show no more of the reply that is coming in; its end says how much that was."""
        if self._receiving and self.body is not None:
            self.body.full = True

    def screenful(self, *, everything: bool = False) -> Budget:
        """Return a budget of one screen, less the rows around the prompt; or one without limit."""
        row_count, columns = self.size()
        if everything:
            return Budget(columns=columns)
        return Budget(row_count=max(row_count - _ROWS_KEPT, _FEWEST_ROWS), columns=columns)

    def show_partial(self, partial: bytes | None = None) -> None:
        """Show the beginning of a line; None for the one that the server has not finished."""
        if partial is None:
            partial = self.session.core.partial
        line = status_line(self.mask(partial[:_RESIDUE_SHOWN]))
        self._show([[*line, ("warn", " (the end of this line is missing)")]])

    def _end_body(self, *, complete: bool) -> None:
        self._receiving = False
        assert self.body is not None
        self._show(self.body.end(complete=complete))

    def _tell_hidden_unsolicited(self) -> None:
        lines, octets = self._unsolicited_hidden
        if octets:
            self._unsolicited_hidden = [0, 0]
            self.remark(f"{lines:,} more unsolicited lines, {octets:,} octets, were not shown")

    # Explanations: for `:why`, and of everything after `:explain on`.

    def explained(self, reply: StoredReply) -> Iterator[Fragments]:
        """Explain a greeting, a reply or a challenge, part by part."""
        meanings = self.session.exchanges.explained(reply)
        return self._explanations(chain(meanings, map(_explained, reply.contradictions)))

    def explained_now(self) -> Iterator[Fragments]:
        """Explain what the server said last, or its silence."""
        core, exchanges = self.session.core, self.session.exchanges
        if exchanges.unsolicited is not None:
            return self._explanations(exchanges.explained_unsolicited())
        if exchanges.subject is not None:
            return self.explained(exchanges.subject)
        ended = core.state is State.CLOSED
        due = exchanges.unanswered if ended else core.outstanding
        waiting = bool(due) and (ended or not core.settled)
        last = exchanges.last
        if last is None or (waiting and last.exchange is not due[0]):
            return self._explanations([self._waiting()])
        if waiting and last.challenge:
            return self._explanations([self._waiting()])
        return self.explained(last)

    def _explanations(self, explanations: Iterable[Explanation]) -> Iterator[Fragments]:
        for each in explanations:
            clause = f" [{each.clause}]" if each.clause else ""
            yield from self.beside(harmless(self.mask(each.part)), f"{each.meaning}{clause}")

    def beside(self, part: str, meaning: str) -> list[Fragments]:
        """Show a part with its meaning beside it, or below it if that is too long.

        Args:
            part: harmless text; empty if the meaning is about the whole reply.
            meaning: one sentence.
        """
        lines, columns = self.note(meaning), self.size()[1]
        if not part:
            return lines
        head: Fragments = [("keyword", part)]
        if part.startswith(("#", "C: ", "S: ")) or cells(part) > columns:
            # No row may look like poptalk's own.
            head.insert(0, SERVER_MARK)
        if len(lines) == 1 and cells(plain_text([*head, *lines[0]])) + 2 < columns:
            return [[*head, ("note", "  "), *lines[0]]]
        return [head, *lines]

    def fitting(
        self, lines: Iterable[Fragments], left: Callable[[int], str], *, everything: bool = False
    ) -> Iterator[Fragments]:
        """Yield lines until the screen is full.

        Args:
            lines: the lines.
            left: given how many lines have been shown, says how many are left.
            everything: whether the screen never counts as full.
        """
        budget = self.screenful(everything=everything)
        for count, line in enumerate(lines):
            if not budget.spend(plain_text(line)):
                yield from self.note(left(count))
                return
            yield line

    def _explained_response(
        self, mechanism: bytes, step: int, response: bytes
    ) -> Iterator[Fragments]:
        """Show a response of AUTH decoded from base64, secrets as stars."""
        try:
            octets = decode(response)
        except NotBase64:
            return
        for part in response_parts(mechanism, step, octets):
            if part.meaning:
                shown = STARS if part.secret else part.octets
                yield from self.beside(harmless(shown), part.meaning)


def _explained(violation: Violation) -> Explanation:
    meaning = f"{violation.kind.sentence} ({violation.detail})"
    return Explanation(part=b"", meaning=meaning, clause=violation.kind.clause)


_ROWS_KEPT = 6
"""Rows that the body of a long reply leaves: for its command, first line, note, dot, and the prompt."""

_FEWEST_ROWS = 8
"""Rows of a long reply shown on the smallest screen."""

_RESIDUE_SHOWN = 2000
"""Octets that are shown of an unfinished line, or of what came after STLS."""


def marked_stay(marked: Sequence[int], *, quit_refused: bool = False) -> str:
    """Say what an end without +OK to QUIT means for messages marked as deleted."""
    numbers = ", ".join(str(number) for number in marked)
    which = f"message {numbers} was" if len(marked) == 1 else f"messages {numbers} were"
    stay = "stays" if len(marked) == 1 else "stay"
    if quit_refused:
        return (
            f"QUIT was not answered with +OK: {which} marked as deleted, and may still be in the "
            "maildrop; log in again and look [RFC 1939 §6]"
        )
    return (
        f"no QUIT was answered: {which} marked as deleted and {stay} in the maildrop [RFC 1939 §6]"
    )
