"""Where a dialogue comes from: a file, or standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from poptalk.net.destination import UsageError
from poptalk.notation.dialogue import Dialogue
from poptalk.notation.exchanges import exchanges
from poptalk.notation.reader import NotationError, parse_dialogue
from poptalk.session.exchanges import BEGINNING_OCTETS

MOST_OCTETS = BEGINNING_OCTETS
"""The longest dialogue that is read; so of a reply never less is kept than can stand in one."""

STANDARD_INPUT = "-"
SUFFIX = ".pop3"
_MARKDOWN = (".md", ".markdown")


def part_words(words: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Part what stands on the command line into files and a server.

    Args:
        words: the first is a file; of those behind it, each that ends in `SUFFIX` or is a file,
            up to the first that is not.

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
        UsageError: it cannot be read, or is no dialogue; names the line.
    """
    if name.lower().endswith(_MARKDOWN):
        raise UsageError(
            f"{name} is a Markdown document, and run replays one dialogue: copy a block of C: and S: "
            "lines into a file of its own, such as session.pop3"
        )
    shown = "standard input" if name == STANDARD_INPUT else name
    try:
        text = _read(name)
        if text.startswith('{"time"'):
            raise UsageError(
                f"{shown} is a log as JSON, for programs; run replays what --log writes without "
                "--log-format jsonl"
            )
        dialogue = parse_dialogue(text, name=shown)
    except OSError as error:
        order = "" if _is_file(name) else "; the dialogue comes first, and the server behind it"
        raise UsageError(f"{shown} cannot be read: {error.strerror}{order}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{shown} is not UTF-8, from octet {error.start:,} on") from error
    except NotationError as error:
        raise UsageError(str(error)) from error
    if not exchanges(dialogue):
        raise UsageError(f"{shown} has nothing in it to replay: write C: and S: lines")
    return dialogue


def _read(name: str) -> str:
    if name == STANDARD_INPUT:
        data = b"" if sys.stdin is None else sys.stdin.buffer.read(MOST_OCTETS + 1)
    else:
        with Path(name).open("rb") as file:
            data = file.read(MOST_OCTETS + 1)
    if len(data) > MOST_OCTETS:
        raise UsageError(f"{name} is longer than {MOST_OCTETS:,} octets: is it a dialogue?")
    return data.decode("utf-8")
