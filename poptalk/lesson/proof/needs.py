"""Whether a learner has been shown what a line to be typed is made of.

A word of a task's `C:` line stands in the text above it, or came from the server; otherwise the step
is a riddle.  A keyword may also have been named in a lesson that comes before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from poptalk.notation.dialogue import ClientLine
from poptalk.notation.pattern import Bindings, Literal

_SPELLED = (
    *("0 zero none no", "1 one first", "2 two second", "3 three third", "4 four fourth"),
    *("5 five fifth", "6 six sixth", "7 seven seventh", "8 eight eighth", "9 nine ninth"),
    *("10 ten tenth", "11 eleven eleventh", "12 twelve twelfth"),
)
"""Numbers that prose may spell out."""

_WORDS_OF_NUMBERS = {number: words for number, *words in map(str.split, _SPELLED)}

_GIVEN = ("user", "password")
"""Known placeholders that a learner must be told; the others are worked out."""


def riddles(
    step: ClientLine, bindings: Bindings, *, shown: str, earlier: Sequence[str] = ()
) -> Iterator[str]:
    """Give the words of a line that a learner cannot know.

    Args:
        step: the line of the lesson.
        bindings: what was captured so far, and the known values.
        shown: everything that the learner has seen of the lesson so far.
        earlier: the texts of the lessons before, for keywords.
    """
    parts = step.pattern.parts
    first = parts[0].text.split(" ")[0] if parts and isinstance(parts[0], Literal) else None
    if first and not any(_names(text, first, re.IGNORECASE) for text in (shown, *earlier)):
        yield first
    for part in parts:
        if isinstance(part, Literal):
            words = part.text.split()[part is parts[0] :]
        else:
            words = [bindings[part.name]] if part.name in _GIVEN and part.name in bindings else []
        yield from (word for word in words if not _stands_in(shown, word))


def _stands_in(shown: str, word: str) -> bool:
    spelled = _WORDS_OF_NUMBERS.get(word, [])
    return _names(shown, word) or any(_names(shown, each, re.IGNORECASE) for each in spelled)


def _names(text: str, word: str, flags: re.RegexFlag = re.RegexFlag.NOFLAG) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, flags) is not None
