"""A proof: a dialogue on a second connection, shown so that nobody takes it for the learner's own."""

from __future__ import annotations

from collections.abc import Mapping

from poptalk.lesson.room import LessonServer
from poptalk.net.destination import UsageError
from poptalk.net.errors import NetError
from poptalk.net.link import Link
from poptalk.notation.dialogue import Dialogue
from poptalk.protocol.events import Sent
from poptalk.protocol.verbs import Effect
from poptalk.script.occurrences import Differed, Occurrence
from poptalk.script.replay import Replay
from poptalk.script.transcript import Transcript
from poptalk.terminal.safe import Fragment, Fragments

SECONDS = 5.0
"""How long the second connection may be silent: its dialogue is short, and the server near."""

MARK: Fragment = ("note", "2nd ")
"""In front of each line; the learner's own lines begin with `C:` or `S:`."""


class SecondConnection:
    """A dialogue that is run first, without a screen, and shown afterwards.

    Args:
        dialogue: what is to happen.
        lesson_server: whose server.
        bindings: what the lesson has captured.

    Attributes:
        difference: the first thing that was not as the lesson says, one sentence; None if all was.
        line: where in the lesson's file.
    """

    def __init__(
        self, dialogue: Dialogue, *, lesson_server: LessonServer, bindings: Mapping[str, str]
    ) -> None:
        self.difference: str | None = None
        self.line = dialogue.steps[0].line if dialogue.steps else 1
        self._dialogue = dialogue
        self._lesson_server = lesson_server
        self._bindings = bindings
        self._occurrences: list[Occurrence] = []

    def run(self) -> None:
        """Go through the dialogue; anything that goes wrong is the difference."""
        destination = self._lesson_server.aside()
        settings = destination.tls_settings() if destination.tls else None
        replay = Replay(
            self._dialogue,
            connect=lambda: Link.open(destination.target, timeout=SECONDS, tls=settings),
            destination=destination,
            known=self._lesson_server.known,
            bindings=self._bindings,
        )
        try:
            with replay:
                for occurrence in replay.run():
                    self._refuse_to_delete(occurrence)
                    self._occurrences.append(occurrence)
        except (NetError, UsageError) as error:
            self.difference = str(error)
        else:
            if replay.difference is not None:
                self.difference, self.line = str(replay.difference), replay.difference.line

    def _refuse_to_delete(self, occurrence: Occurrence) -> None:
        """Stop before a line that marks the learner's own mail: nobody could be asked before the QUIT.

        Raises:
            UsageError: it is such a line; it has not been sent yet.
        """
        if self._lesson_server.live and isinstance(occurrence, Sent) and not occurrence.sasl:
            verb = occurrence.exchange.command.verb
            if verb is not None and verb.effect is Effect.MARK:
                raise UsageError("This would delete a message of yours, so it was stopped.")

    def lines(self, *, columns: int) -> list[Fragments]:
        """Return the second connection's dialogue, each line marked.

        Args:
            columns: cells of a row.
        """
        lines: list[Fragments] = []
        width = columns - len(MARK[1])
        transcript = Transcript(self._dialogue, show=lines.extend, columns=width, quiet=False)
        for occurrence in self._occurrences:
            # A difference names the lesson's file; the learner gets it as a sentence.
            if not isinstance(occurrence, Differed):
                transcript.take(occurrence)
        return [[MARK, *line] for line in lines]
