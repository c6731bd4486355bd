"""`poptalk lessons new`: the beginning of a lesson, with comments that explain the format.

It is `skeleton.md` beside this file.  It can be read and run as it stands; what is left to be
written is marked with TODO, and `poptalk lessons check` finds each.
"""

from __future__ import annotations

from importlib import resources

_TITLE = "__TITLE__"


def skeleton(title: str) -> str:
    """Return the beginning of a lesson with this title."""
    text = resources.files("poptalk.lesson").joinpath("skeleton.md").read_text(encoding="utf-8")
    return text.replace(_TITLE, title)
