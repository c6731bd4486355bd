"""What the screen shows of a relayed session: the shell's view, after the number of the session.

    1 C: USER bob
    1 S: +OK send PASS  0.4 ms

There is no prompt to ask for more at, so what is shown is chosen beforehand (`Shown`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from poptalk.pop3.values import Value
from poptalk.shell.view import View
from poptalk.terminal.render import (
    CLIENT_MARK,
    UNLIMITED,
    BodyView,
    Budget,
    milliseconds,
    raw_line,
)

if TYPE_CHECKING:
    from poptalk.pop3.commands import Field
    from poptalk.pop3.events import (
        BodyChunk,
        Greeting,
        Reply,
        Sent,
        Violation,
        ViolationKind,
    )
    from poptalk.pop3.replies import StatusLine
    from poptalk.session.exchanges import ConnectionOpened, Note, TlsEstablished
    from poptalk.session.session import Session
    from poptalk.tap.printer import Printer
    from poptalk.terminal.safe import Fragments

MOST_ROWS = 100
"""Rows shown of a listing or a header, unless everything is."""

MOST_OCTETS_COMPARED = 256 * 1024
"""Messages up to this size are kept for a moment, to compare it with what LIST has."""

_OF_A_PROMPT = "; sent all the same"
"""The end of what a person is told who has typed a line; a mail program has not asked."""


class Shown(Value):
    """What is shown of each session."""

    explain: bool = False
    raw: bool = False
    """Whether every octet is shown, line ends included."""
    bodies: str = "head"
    """How much of messages is shown: their headers (`head`), nothing (`none`), or everything (`all`)."""
    reveal: bool = False
    """Whether secrets are shown."""


class TapView(View):
    """The view of one session.

    Args:
        session: the session.
        number: the number of the session.
        shown: what is shown.
        printer: writes it.
        counts: called with each violation.
    """

    def __init__(
        self,
        session: Session,
        number: int,
        shown: Shown,
        printer: Printer,
        *,
        counts: Callable[[ViolationKind], None],
    ) -> None:
        prefix = f"{number} "

        def show(lines: Iterable[Fragments]) -> None:
            printer.show([[("session", prefix), *line] for line in lines])

        super().__init__(
            session, show=show, size=lambda: (UNLIMITED, printer.columns - len(prefix))
        )
        self.reveal, self.explain, self.times = shown.reveal, shown.explain, True
        self.fold_advice = "" if shown.bodies == "all" else "--bodies all shows everything"
        self._shown = shown
        self._printer = printer
        self._counts = counts
        self._opened_at = session.clock()
        session.exchanges.beginning_octets = MOST_OCTETS_COMPARED

    # Lines.

    def client_line(self, event: Sent, *, stand_in: bytes | None = None) -> Fragments:
        """Return the line that shows what the mail program sent."""
        if not self._shown.raw:
            return super().client_line(event, stand_in=stand_in)
        line, secret = event.line, event.secret
        if secret is not None and not self.reveal:
            line = line[: secret.start] + b"****" + line[secret.stop :]
        return [CLIENT_MARK, *raw_line(line + event.end)[1:]]

    def server_line(self, line: StatusLine, *, fields: Sequence[Field] | None = None) -> Fragments:
        """Return the line that shows a greeting, a challenge, or the first line of a reply."""
        if not self._shown.raw:
            return super().server_line(line, fields=fields)
        return raw_line(self.mask(line.line) + line.end)

    def show_lines(self, lines: Iterable[Fragments]) -> None:
        """Show lines that are not part of the session."""
        self._show(lines)

    def show_violation(self, violation: Violation) -> None:
        """Show and count a violation that the core could not see."""
        self._on_oddity(violation)

    def warn(self, text: str) -> None:
        """Show a warning of poptalk's own."""
        super().warn(text.replace(_OF_A_PROMPT, ""))

    # Events.

    def _on_opened(self, event: ConnectionOpened) -> None:
        super()._on_opened(event)
        self._opened_at = self.session.clock()

    def _on_greeting(self, event: Greeting) -> None:
        seconds = self.session.clock() - self._opened_at
        line = [*self.server_line(event.status_line), ("note", f"  {milliseconds(seconds)}")]
        self._show([line])
        self._explain_last()

    def _on_reply(self, event: Reply) -> None:
        super()._on_reply(event)
        last = self.session.exchanges.last
        if event.multi_line and last is not None:
            verb = event.exchange.command.verb
            rows = UNLIMITED if self._shown.bodies == "all" else MOST_ROWS
            self.body = BodyView(
                budget=Budget(row_count=rows, columns=self.size()[1]),
                in_header=last.is_message,
                fields=verb.fields if verb else (),
                advice=self.fold_advice,
                raw=self._shown.raw,
            )
            self.body.full = last.is_message and self._shown.bodies == "none"
            announced = self.session.exchanges.announced
            if last.is_message and (announced is None or announced > MOST_OCTETS_COMPARED):
                self.session.exchanges.divert(event.exchange, lambda _: None)

    def _on_body(self, event: BodyChunk) -> None:
        body = self.body
        if body is None:
            return
        if self._printer.behind:
            body.full = True
        self._show(self._body_lines(body, event.data))

    def _end_body(self, *, complete: bool) -> None:
        """Show the end of a body, with the time that it took beside the lone dot."""
        self._receiving = False
        last = self.session.exchanges.last
        assert self.body is not None
        lines = list(self.body.end(complete=complete))
        if self.body.folded:
            self.fold_advice = ""  # once is enough
        if complete and last is not None and last.total_seconds is not None:
            lines[-1] = [*lines[-1], ("note", f"  {milliseconds(last.total_seconds)}")]
        self._show(lines)

    def tell_total(self, seconds: float) -> None:
        """Say nothing: the time is beside the lone dot."""

    def _body_lines(self, body: BodyView, data: bytes) -> Iterator[Fragments]:
        last = self.session.exchanges.last
        ends_with_header = self._shown.bodies == "head" and last is not None and last.is_message
        for line in body.feed(data):
            yield line
            if ends_with_header and not body.in_header:
                body.full = True

    def _on_note(self, event: Note) -> None:
        text = event.text.replace(":reveal shows it", "--reveal shows it")
        (self.warn if event.warning else self.remark)(text)

    def _on_tls(self, event: TlsEstablished) -> None:
        facts = event.facts
        if facts.verified:
            self.remark(f"the server: {facts.summary}")
        else:
            self.warn("; ".join((f"the server: {facts.summary}", *facts.problems)))

    def _on_oddity(self, event: Violation) -> None:
        self._counts(event.kind)
        super()._on_oddity(event)
