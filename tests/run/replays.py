"""Recordings and replays for the tests: a dialogue, a server of the tests, and the result."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from poptalk.cli import main
from poptalk.net.connection import Link
from poptalk.net.endpoint import Destination
from poptalk.pop3.events import Sent
from poptalk.run.replay import Occurrence, Replay
from poptalk.run.server import RunSettings, Serving
from poptalk.transcript.match import Difference
from poptalk.transcript.parser import parse_dialogue
from poptalk.transcript.placeholders import Known
from tests.shell.shells import Address

TIMEOUT = 5.0  # seconds; the servers of the tests answer at once
BOB = Known(user="bob", password="jones")


class Result(NamedTuple):
    """The result of a replay."""

    replay: Replay
    occurrences: list[Occurrence]

    @property
    def difference(self) -> Difference | None:
        """The first difference."""
        return self.replay.difference

    @property
    def sent(self) -> list[bytes]:
        """The lines that were sent."""
        return [o.line for o in self.occurrences if isinstance(o, Sent)]


def replayed(
    text: str,
    destination: Destination,
    *,
    known: Known = BOB,
    exact: bool = False,
    bindings: dict[str, str] | None = None,
    timeout: float = TIMEOUT,
) -> Result:
    """Replay a dialogue to its end."""

    def connect() -> Link:
        settings = destination.tls_settings() if destination.tls else None
        return Link.open(destination.target, timeout=timeout, tls=settings)

    dialogue = parse_dialogue(text, name="test.pop3")
    serving = Serving(destination=destination, connect=connect, known=known)
    options = RunSettings(exact=exact)
    with closing(Replay(dialogue, serving, options, bindings=bindings)) as replay:
        return Result(replay, list(replay.run()))


def pipe(server: Address, typed: Sequence[bytes], log: Path, *options: str) -> None:
    """Record a session of `poptalk HOST` with lines on its standard input."""
    lines = log.with_suffix(".in")
    lines.write_bytes(b"".join(line + b"\n" for line in typed))
    where = [server.host, str(server.port)]
    with lines.open("rb") as stdin, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", stdin)
        main([*where, "--log", str(log), "--timeout", "5", *options])
