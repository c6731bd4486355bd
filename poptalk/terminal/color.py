"""Who decides about colour: one function, one order of precedence.

The variables are those of no-color.org, of force-color.org and of bixense.com/clicolors.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    ColorFlag = Literal["auto", "always", "never"]

COLOR_FLAGS: tuple[ColorFlag, ...] = ("auto", "always", "never")
"""What `--color` and POPTALK_COLOR take."""

_COLOURLESS_TERMS = frozenset({"", "dumb", "unknown"})
_NOT_FORCED = frozenset({"", "0", "false"})


def use_color(flag: ColorFlag, environ: Mapping[str, str], *, isatty: bool) -> bool:
    """Decide whether output is coloured.

    Args:
        flag: the value of `--color`.
        environ: the environment.
        isatty: whether the output is a terminal.

    Returns:
        What the first of these says that says anything: `--color`, POPTALK_COLOR (ignored where it
        is none of the three words), NO_COLOR, FORCE_COLOR or CLICOLOR_FORCE, and at last the
        terminal and its TERM.
    """
    for wish in (flag, environ.get("POPTALK_COLOR", "").strip().lower()):
        if wish in ("always", "never"):
            return wish == "always"
    if environ.get("NO_COLOR"):
        return False
    if any(_forces(environ.get(name, "")) for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return isatty and environ.get("TERM", "") not in _COLOURLESS_TERMS


def _forces(value: str) -> bool:
    return value.strip().lower() not in _NOT_FORCED
