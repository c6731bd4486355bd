"""Comments: `<!-- note: ... -->` is a speaker's note, any other is for the author alone."""

from __future__ import annotations

import re
from difflib import get_close_matches

from markdown_it.token import Token

from poptalk.lesson.document import SpeakerNote
from poptalk.lesson.markup.source import LessonText

NOTE = "note"
"""The word that makes a comment a speaker's note."""

BEGIN, END = "<!--", "-->"

_WORD = re.compile(r"\s*(?P<word>[A-Za-z]+)[ \t]*:(?P<text>.*)", re.DOTALL)
_SURELY_MEANT = 0.8
"""How alike a word must be to NOTE to be taken for a slip of the pen: `Note` and `notes` are."""


def is_comment(token: Token) -> bool:
    """Tell whether a block of HTML is a comment."""
    return token.type == "html_block" and token.content.lstrip().startswith(BEGIN)


def is_note(html: str) -> bool:
    """Tell whether HTML begins with a speaker's note."""
    found = _WORD.match(html.strip().removeprefix(BEGIN))
    return html.lstrip().startswith(BEGIN) and found is not None and found["word"] == NOTE


def read_comment(source: LessonText, token: Token) -> SpeakerNote | None:
    """Read a comment; None for one that is no speaker's note."""
    line = (token.map or (0, 0))[0]
    inside, end, behind = token.content.strip().removeprefix(BEGIN).partition(END)
    if not end:
        source.wrong("comment-without-end", line)
        return None
    if behind.strip():
        source.wrong("text-after-comment", line)
    found = _WORD.match(inside)
    if found is None:
        return None
    word = found["word"]
    if word != NOTE:
        if get_close_matches(word.casefold(), [NOTE], cutoff=_SURELY_MEANT):
            source.wrong("misspelt-note", line, word=word)
        return None
    return SpeakerNote(line=line + 1, text=found["text"].strip())
