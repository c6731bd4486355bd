"""A replay on the screen: the dialogue as it happens, and line against line where it differs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from poptalk.notation.dialogue import ClientLine, Dialogue, ServerLine
from poptalk.notation.match import Aspect
from poptalk.notation.pattern import make_pattern
from poptalk.protocol.events import (
    BodyChunk,
    Challenge,
    Closed,
    Greeting,
    Reply,
    ReplyEnd,
    Sent,
    Unsolicited,
)
from poptalk.protocol.secrets import SpokenSecrets
from poptalk.protocol.verbs import Field
from poptalk.script.occurrences import Differed, Ended, Occurrence, Opened, TlsBegun
from poptalk.script.stopwatch import Stopwatch
from poptalk.script.views import views
from poptalk.terminal.fold import BodyView, Budget
from poptalk.terminal.render import NoteKind, client_line, note, status_line
from poptalk.terminal.safe import Fragments
from poptalk.transcript.octets import octets_of, text_of

BODY_ROWS = 100
"""Rows shown of one reply: whoever replays a session looks at how it goes, not at the letters."""

MOST_UNASKED = 50
"""Lines shown of those that answer nothing and came at once."""

_WRITTEN = "# written  "
_CAME = "# came     "


class Transcript:
    """Shows what happens in a replay.

    Args:
        dialogue: what is replayed, to quote from.
        show: takes lines for the screen.
        columns: cells of a row.
        quiet: whether differences are all that is shown.
        clock: seconds, such as ``time.monotonic``, to show beside each reply how long it took; None
            to leave that out.
    """

    def __init__(
        self,
        dialogue: Dialogue,
        *,
        show: Callable[[Iterable[Fragments]], None],
        columns: int,
        quiet: bool,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._name = dialogue.name
        self._steps = {step.line: step for step in dialogue.steps}
        self._show = show
        self._columns = columns
        self._quiet = quiet
        self._secrets = SpokenSecrets()
        self._view: BodyView | None = None
        self._watch = Stopwatch(clock) if clock is not None else None

    def take(self, occurrence: Occurrence) -> None:
        """Show something that happened, if there is something to see."""
        if isinstance(occurrence, Sent) and occurrence.secret is not None:
            secret = occurrence.secret
            self._secrets.remember(occurrence.line[secret.start : secret.stop])
        if isinstance(occurrence, Challenge):
            self._secrets.hear(occurrence)
        if isinstance(occurrence, Differed):
            self._show(self._difference(occurrence))
        elif not self._quiet:
            time = self._watch.take(occurrence) if self._watch is not None else None
            self._show(_with_time(self._lines(occurrence), time))

    def conclude(self, sentence: str) -> None:
        """Show how it ended."""
        if not self._quiet:
            self._show(note(sentence))

    def _lines(self, occurrence: Occurrence) -> Iterator[Fragments]:
        """Show what was said; what lies between the lines is for `_facts`."""
        match occurrence:
            case Sent():
                yield client_line(occurrence.line, occurrence.secret)
            case Greeting() | Challenge():
                yield self._status(occurrence.status_line.line)
            case Reply():
                yield from self._reply(occurrence)
            case BodyChunk() if self._view is not None:
                yield from self._view.feed(occurrence.data)
            case ReplyEnd():
                yield from self._end_of_body(complete=True)
            case Unsolicited():
                for line in occurrence.data.splitlines()[:MOST_UNASKED]:
                    yield self._status(line)
            case Closed():
                yield from self._end_of_body(complete=False)
                if occurrence.partial:
                    yield self._status(occurrence.partial)
            case _:
                yield from self._facts(occurrence)

    def _facts(self, occurrence: Occurrence) -> Iterator[Fragments]:
        match occurrence:
            case Opened():
                yield from note(f"connected to {occurrence.where}")
                if occurrence.tls is not None:
                    yield from note(occurrence.tls.summary)
            case TlsBegun():
                yield from note(occurrence.facts.summary)
            case Ended():
                yield from note(str(occurrence.ending))

    def _status(self, line: bytes, *, fields: tuple[Field, ...] | None = None) -> Fragments:
        return status_line(self._secrets.mask(line), fields=fields)

    def _reply(self, reply: Reply) -> Iterator[Fragments]:
        verb = reply.exchange.command.verb
        fields = verb.fields if verb is not None else ()
        yield self._status(reply.status_line.line, fields=() if reply.multi_line else fields)
        if reply.multi_line:
            budget = Budget(row_count=BODY_ROWS, columns=self._columns)
            self._view = BodyView(budget=budget, in_header=not fields, fields=fields)

    def _end_of_body(self, *, complete: bool) -> Iterator[Fragments]:
        view, self._view = self._view, None
        if view is not None:
            yield from view.end(complete=complete)

    # Differences.

    def _difference(self, differed: Differed) -> Iterator[Fragments]:
        difference = differed.difference
        where = f"{self._name}:{difference.line}"
        yield from note(f"{where}: expected {difference.wanted}", kind=NoteKind.WARN)
        yield [("note", _WRITTEN), *self._written(difference.line, difference.aspect)]
        if difference.came is None:
            yield [("note", _CAME), ("warn", "nothing more")]
        else:
            came = text_of(self._secrets.mask(octets_of(difference.came)))
            yield [("note", _CAME), *status_line(octets_of(make_pattern(came).source))]
        if differed.octets_left_out:
            yield from note(
                f"the reply was very long: {differed.octets_left_out:,} octets in its middle were not "
                "searched"
            )

        for view in views(differed):
            yield from note(view, columns=self._columns)

    def _written(self, line: int, aspect: Aspect) -> Fragments:
        """Quote a line of the dialogue; where the dialogue has no line, say so."""
        step = self._steps.get(line)
        if aspect is Aspect.END:
            return [("note", "nothing more")]
        if aspect is Aspect.MECHANISM:
            return [("note", "a challenge that the line behind it can answer")]
        if aspect is Aspect.CLOSE:
            return [("note", "S: <close connection>")]
        if isinstance(step, ClientLine):
            return [("note", "no reply, so that any but a refusal will do")]
        return status_line(octets_of(step.pattern.source)) if isinstance(step, ServerLine) else []


def _with_time(lines: Iterable[Fragments], time: str | None) -> Iterator[Fragments]:
    """Put the time beside the last of some lines."""
    *others, last = [*lines] or [[]]
    yield from others
    if last:
        yield [*last, ("note", f"  # {time}")] if time is not None else last
