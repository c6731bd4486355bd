"""Gathers the results of a replay for build servers: a case for each exchange, with its seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from poptalk.protocol.commands import Command
from poptalk.protocol.events import Sent
from poptalk.protocol.secrets import SpokenSecrets
from poptalk.script.junit import Case, Result, Suite
from poptalk.script.occurrences import Agreed, Differed, Occurrence, Opened
from poptalk.script.views import views
from poptalk.transcript.octets import octets_of, text_of


class Results:
    """Gathers what came of each exchange; what a server repeats of a password is masked.

    Args:
        clock: seconds, such as ``time.monotonic``.
    """

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._begun = self._since = clock()
        self._cases: list[Case] = []
        self._secrets = SpokenSecrets()

    def take(self, occurrence: Occurrence) -> None:
        """Take note of what happens; most of it is no result."""
        if isinstance(occurrence, Sent) and occurrence.secret is not None:
            secret = occurrence.secret
            self._secrets.remember(occurrence.line[secret.start : secret.stop])
        match occurrence:
            case Opened() | Sent():
                self._since = self._clock()
            case Agreed():
                expected = occurrence.expected
                self._add(_keyword(expected.answers), expected.steps[0].line)
            case Differed():
                difference = occurrence.difference
                self._add(
                    _keyword(occurrence.command),
                    difference.line,
                    result=Result.FAILED,
                    messages=(str(difference), *views(occurrence)),
                )

    def stopped(self, sentence: str) -> None:
        """Take note that the replay was stopped.

        Args:
            sentence: why.
        """
        self._add("the connection", None, result=Result.BROKEN, messages=(sentence,))

    def suite(self, path: Path) -> Suite:
        """Return everything.

        Args:
            path: the dialogue's file.
        """
        return Suite(path=path, cases=tuple(self._cases), seconds=self._clock() - self._begun)

    def _add(
        self,
        name: str,
        line: int | None,
        *,
        result: Result = Result.PASSED,
        messages: tuple[str, ...] = (),
    ) -> None:
        where = f"line {line}: {name}" if line is not None else name
        self._cases.append(
            Case(
                name=where,
                result=result,
                messages=tuple(text_of(self._secrets.mask(octets_of(m))) for m in messages),
                line=line,
                seconds=self._clock() - self._since,
            )
        )


def _keyword(command: Command | None) -> str:
    """Name what is answered; what is no keyword may be a secret."""
    if command is None:
        return "the greeting"
    return command.verb.keyword if command.verb is not None else "a line"
