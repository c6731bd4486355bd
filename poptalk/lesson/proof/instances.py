"""Lines that fit a pattern: what a learner may type who makes a mistake that the author foresaw."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from poptalk.notation.pattern import Bindings, Kind, Literal, Pattern
from poptalk.protocol.verbs import VERBS

MOST_INSTANCES = 40
"""How many are tried for one mistake: each costs a line sent, and a few show what there is to see."""

NUMBERS = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "0", "99")
"""Message-numbers that there are in a lesson's mailbox, and some that there are not."""

WORDS = ("nora", "1", "2", "3", "99", "x", *(verb.keyword for verb in VERBS.values()))
"""Names, numbers, and commands in the place of others; and nonsense."""

RESTS = ("1", "nora", "", "2", " 1", "1 1", "1 0", "x y")


_CANDIDATES = {Kind.INT: NUMBERS, Kind.WORD: WORDS, Kind.REST: RESTS}


def instances(pattern: Pattern, bindings: Bindings) -> Iterator[str]:
    """Give lines that fit a pattern, the likeliest first; at most MOST_INSTANCES.

    Args:
        pattern: the `C:` line of a mistake.
        bindings: what the lesson has captured so far, and the known values.
    """
    free = [part for part in pattern.placeholders if part.name not in bindings]
    choices = [(part.default,) if part.default else _CANDIDATES[part.kind] for part in free]
    for values in itertools.islice(itertools.product(*choices), MOST_INSTANCES):
        line = _filled(pattern, bindings, dict(zip(map(id, free), values, strict=True)))
        if pattern.match(line, bindings) is not None:
            yield line


def _filled(pattern: Pattern, bindings: Bindings, values: dict[int, str]) -> str:
    """Put values into a pattern; `{...}` has no name, so they are told apart as objects."""
    texts = []
    for part in pattern.parts:
        if isinstance(part, Literal):
            texts.append(part.text)
        else:
            texts.append(values[id(part)] if id(part) in values else bindings[part.name or ""])
    return "".join(texts)
