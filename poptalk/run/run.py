"""`poptalk run`: dialogues from files, a server to replay them against, and the results."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from poptalk.exit_codes import EXIT_NO
from poptalk.net.endpoint import Destination, UsageError
from poptalk.net.errors import ConnectionLost, NetError
from poptalk.run.replay import Replay
from poptalk.run.report import Results, Suite, Transcript, junit
from poptalk.run.server import Given, RunSettings, Serving, read_values, serving
from poptalk.session.exchanges import Note
from poptalk.terminal.render import note
from poptalk.terminal.screen import LinearScreen
from poptalk.transcript.model import Dialogue, Direction, exchanges, write_direction
from poptalk.transcript.parser import NotationError, parse_dialogue

# Where a dialogue comes from: a file, or standard input.


MOST_OCTETS = 64 * 1024 * 1024
"""The longest dialogue that is read: a session with many large messages, but not a disk by mistake."""

STANDARD_INPUT = "-"
SUFFIX = ".pop3"
MARKDOWN = (".md", ".markdown")


def part_words(words: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Separate the words of the command line into files and a server.

    Args:
        words: the first names a file, and so do the next ones, up to the first that doesn't end in
            `SUFFIX` and isn't a file.

    Returns:
        The files, and the words that name the server.
    """
    files = 1
    while files < len(words) and _is_file(words[files]):
        files += 1
    return words[:files], words[files:]


def _is_file(word: str) -> bool:
    return word == STANDARD_INPUT or word.endswith(SUFFIX) or os.path.isfile(word)


def read_dialogue(name: str) -> Dialogue:
    """Read a dialogue from a file, or from standard input where the name is `-`.

    Raises:
        UsageError: it can't be read, or isn't a dialogue; the message names the line.
    """
    if name.lower().endswith(MARKDOWN):
        raise UsageError(
            f"{name} is a Markdown document, and run replays one dialogue: copy a block of C: and S: "
            "lines into a file of its own, such as session.pop3"
        )
    order = "" if _is_file(name) else "; the dialogue comes first, and the server after it"
    text = read_text(name, advice=order)
    try:
        dialogue = parse_dialogue(text, name=named(name))
    except NotationError as error:
        raise UsageError(str(error)) from error
    check_not_empty(dialogue)
    return dialogue


def check_not_empty(dialogue: Dialogue) -> None:
    """Check that there is something in a dialogue.

    Raises:
        UsageError: there isn't.
    """
    if not exchanges(dialogue):
        raise UsageError(f"{dialogue.name} has nothing in it to replay: write C: and S: lines")


def read_text(name: str, *, advice: str = "") -> str:
    """Read a file, or standard input where the name is `-`.

    Args:
        name: of the file.
        advice: the end of the message if it can't be read.

    Raises:
        UsageError: it can't be read, or can't be a dialogue.
    """
    shown = named(name)
    try:
        if name == STANDARD_INPUT:
            data = b"" if sys.stdin is None else sys.stdin.buffer.read(MOST_OCTETS + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(MOST_OCTETS + 1)
        if len(data) > MOST_OCTETS:
            raise UsageError(f"{shown} is longer than {MOST_OCTETS:,} octets: is it a dialogue?")
        text = data.decode("utf-8")
    except OSError as error:
        raise UsageError(f"{shown} cannot be read: {error.strerror}{advice}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{shown} is not UTF-8, from octet {error.start:,} on") from error
    if text.startswith('{"time"'):
        raise UsageError(
            f"{shown} is a log as JSON, for programs; this takes what --log writes without "
            "--log-format jsonl"
        )
    return text


def named(name: str) -> str:
    """Return what a file is called in messages."""
    return "standard input" if name == STANDARD_INPUT else name


def refuse_long_waits(dialogue: Dialogue, *, most: float) -> None:
    """Check that no stage direction waits too long.

    Raises:
        UsageError: one does; the message names its line.
    """
    for step in dialogue.steps:
        if isinstance(step, Direction) and (step.seconds or 0) > most:
            text = write_direction(step.action, step.seconds)
            raise UsageError(
                f"{dialogue.name}:{step.line}: <{text}> is longer than {most:g} s; to wait that long, "
                f"say --max-wait {step.seconds:g}"
            )


Complain = Callable[[str], None]
Fail = Callable[[NetError], int]
"""Says what stopped a replay, and returns the exit code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """The result of one dialogue."""

    exit_code: int
    suite: Suite
    reached: bool
    """Whether there was a connection to the server, in TLS if that was asked for."""


def run_scripts(
    options: RunSettings,
    files: Sequence[str],
    destination: Destination | None,
    *,
    complain: Complain,
    fail: Fail,
) -> int:
    """Replay dialogues one after the other, each over its own connections, and show them.

    All are read before anything is sent.  If a server can't be reached, the run ends.

    Args:
        options: what was asked for.
        files: the dialogues.
        destination: the server; None for a practice server for each dialogue.
        complain: writes a message on standard error.
        fail: takes what stopped a replay.

    Returns:
        The exit code of the first dialogue that wasn't as written; 0 if all were.

    Raises:
        UsageError: a file isn't a dialogue, or something that it needs is missing.
        ScreenClosed: standard output is closed.
    """
    if files.count(STANDARD_INPUT) > 1:
        raise UsageError("- is standard input, which can be read once")
    given = read_values(options.variables, user=options.user)
    dialogues = [read_dialogue(file) for file in files]
    for dialogue in dialogues:
        refuse_long_waits(dialogue, most=options.max_wait)
    screen = LinearScreen.of_output(color=options.color)
    done: list[_Done] = []
    for dialogue in dialogues:
        if len(dialogues) > 1 and not options.quiet:
            screen.show(note(f"{dialogue.name}:"))
        with serving(options, given, dialogue, destination) as server:
            replay = partial(_replay, options, given, dialogue, server)
            done.append(replay(screen=screen, complain=complain, fail=fail))
        if not done[-1].reached:
            break
    if options.junit is not None:
        _write(options.junit, junit([each.suite for each in done], name="poptalk run"))
    if len(dialogues) > 1 and not options.quiet:
        screen.show(note(_summary(dialogues, done)))
    return next((each.exit_code for each in done if each.exit_code), 0)


def _summary(dialogues: Sequence[Dialogue], done: Sequence[_Done]) -> str:
    wrong = [
        dialogue.name for dialogue, each in zip(dialogues, done, strict=False) if each.exit_code
    ]
    left = len(dialogues) - len(done)
    not_run = f"; {left} not run" if left else ""
    if not wrong:
        return f"{len(dialogues)} dialogues, all as written"
    return f"{len(dialogues)} dialogues, {len(wrong)} not as written: {', '.join(wrong)}{not_run}"


def _replay(
    options: RunSettings,
    given: Given,
    dialogue: Dialogue,
    server: Serving,
    *,
    screen: LinearScreen,
    complain: Complain,
    fail: Fail,
) -> _Done:
    """Replay a dialogue to its end, and show it."""
    clock = time.monotonic if options.times else None
    transcript = Transcript(
        dialogue, show=screen.show, columns=screen.columns, quiet=options.quiet, clock=clock
    )
    results = Results(clock=time.monotonic)
    exit_code, reached = 0, True
    with closing(Replay(dialogue, server, options, bindings=given.values)) as replay:
        try:
            for occurrence in replay.run():
                results.take(occurrence, replay.secrets)
                if isinstance(occurrence, Note) and occurrence.warning:
                    complain(occurrence.text)
                transcript.take(occurrence, replay.secrets)
        except NetError as error:
            exit_code = fail(error)
            reached = isinstance(error, ConnectionLost)
            results.stopped(str(error))
    if replay.difference is not None:
        exit_code = EXIT_NO
        if options.keep_going:
            count = len(replay.differences)
            transcript.conclude(f"{count} difference{'' if count == 1 else 's'}")
    elif not exit_code:
        transcript.conclude(_result(replay))
    suite = results.suite(Path(dialogue.name))
    return _Done(exit_code=exit_code, suite=suite, reached=reached)


def _result(replay: Replay) -> str:
    count = f"{replay.exchanges} exchange{'' if replay.exchanges == 1 else 's'}"
    if replay.compared:
        return f"{count}, all as written"
    return f"{count}, none refused; there are no S: lines to compare with"


def _write(name: str, text: str) -> None:
    try:
        Path(name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{name} cannot be written: {error.strerror}") from error
