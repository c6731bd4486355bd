"""What the parts of a dialogue look like: style names, and themes of the sixteen ANSI colours.

The terminal's owner has chosen the shades of the ANSI colours.  No theme sets a background, and none
uses what is unreadable somewhere: bright black (invisible in Solarized), yellow (on white), dark blue
(on black), and bold green or cyan (which many terminals make bright, and Solarized makes grey).
Nothing is said by colour alone: the texts say it as well.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from prompt_toolkit.output import ColorDepth
    from prompt_toolkit.styles import Style

    Theme = Mapping[str, str]

_STYLES = {
    # The parts of a line of a dialogue.
    "text": ("", ""),
    "client": ("bold", "bold"),  # the mark `C:`
    "server": ("", ""),  # the mark `S:`
    "ok": ("ansigreen", "bold"),
    "err": ("ansired bold", "bold underline"),
    "challenge": ("ansimagenta", "bold"),
    "odd": ("ansired", "underline"),  # a first line without an indicator that POP3 knows
    "code": ("ansimagenta", "underline"),  # a response code, brackets included
    "keyword": ("ansicyan", "bold"),
    "relic": ("ansicyan italic", "bold italic"),
    "unknown": ("", ""),
    "argument": ("", ""),
    "number": ("ansicyan", ""),
    "octets": ("ansimagenta", ""),
    "uid": ("ansicyan", ""),
    "timestamp": ("ansimagenta", "underline"),
    "secret": ("italic", "italic"),
    "control": ("ansimagenta underline", "underline"),  # an escape in place of what cannot be shown
    "session": ("bold", "bold"),  # its number, in front of a line, where there are several
    "dot": ("ansimagenta bold", "bold"),  # the lone dot, and the one that was stuffed
    "header": ("ansicyan", "bold"),
    "body": ("", ""),
    # Additions of the notation.
    "placeholder": ("ansimagenta", "italic"),
    "direction": ("italic", "italic"),
    "error": ("ansired underline", "underline"),
    # poptalk's own words.
    "note": ("italic", "italic"),
    "warn": ("ansired", "bold"),
    "hint": ("italic", "italic"),
    "local": ("ansigreen", "underline"),  # a `:` command, which sends nothing
    "heading": ("bold", "bold"),
    "prompt": ("bold", "bold"),
    "toolbar": ("italic", "italic"),
    # A lesson: its prose, and the words that introduce comments.
    "typed": ("ansicyan", "bold"),  # code, mostly what is to be typed
    "strong": ("bold", "bold"),
    "emphasis": ("italic", "italic"),
    "done": ("ansigreen", "bold"),
    "notyet": ("ansimagenta bold", "bold italic"),  # not as -ERR, which a lesson may ask for
    "aside": ("ansicyan", "underline"),
    "advice": ("ansimagenta", "underline"),
    "news": ("italic", "italic"),
}
"""What each part looks like in the two themes."""

NEUTRAL: Theme = {name: neutral for name, (neutral, _) in _STYLES.items()}
"""The default: for dark and light terminals alike."""

MONO: Theme = {name: mono for name, (_, mono) in _STYLES.items()}
"""Bold, underline and italic only."""

_ALARMS = ("err", "odd", "error", "warn")

PROJECTOR: Theme = {
    name: "ansired bold" if name in _ALARMS else mono.replace("italic", "").strip()
    for name, mono in MONO.items()
}
"""Bold and underline, and red for problems: on a lit wall other colours are pale, and italics thin."""

THEMES: Mapping[str, Theme] = {"neutral": NEUTRAL, "mono": MONO, "projector": PROJECTOR}
"""The themes by name."""

_SGR = {
    "bold": 1,
    "italic": 3,
    "underline": 4,
    "ansired": 31,
    "ansigreen": 32,
    "ansimagenta": 35,
    "ansicyan": 36,
}
"""ECMA-48 §8.3.117, for the words that the themes use."""

SGR_RESET = "\x1b[0m"
"""Ends what `sgr` began."""

_TOOLKIT_LOOKS: Mapping[str, str] = {
    "bg:default fg:default noreverse": (
        "completion-menu, completion-menu.completion, completion-toolbar, bottom-toolbar, "
        "completion-toolbar.completion, completion-menu.completion fuzzymatch.outside, "
        "readline-like-completions.completion fuzzymatch.outside"
    ),
    "bg:default fg:default reverse": (
        "completion-menu.completion.current, completion-toolbar.completion.current"
    ),
    "bg:default fg:default noreverse italic": (
        "completion-menu.meta.completion, completion-menu.multi-column-meta"
    ),
    "bg:default fg:default noreverse bold italic": "completion-menu.meta.completion.current",
    "bg:default fg:default noreverse bold": "completion-toolbar.arrow",
    "bg:default": "scrollbar.background, cursor-column, color-column",
    "bg:default reverse": "scrollbar.button",
    "bg:default fg:default bold": "validation-toolbar, window-too-small",
    "bg:default fg:default underline": (
        "search, matching-bracket.other, matching-bracket.cursor, multiple-cursors"
    ),
    "fg:default": "line-number, tilde, aborting, exiting",
    "fg:default italic": "auto-suggestion",
    "fg:default underline": "trailing-whitespace, tab, digraph, control-character, nbsp",
}
"""prompt_toolkit's own elements, without its backgrounds and fixed shades.  Reverse stays where it is
the only way to see what is selected."""

_TOOLKIT_RULES = [
    (name, look) for look, names in _TOOLKIT_LOOKS.items() for name in names.split(", ")
]


def theme_named(name: str) -> Theme:
    """Return a theme.

    Raises:
        ValueError: there is no such theme; the text lists those that there are.
    """
    if name not in THEMES:
        known = ", ".join(f"'{known}'" for known in THEMES)
        raise ValueError(f"There is no theme '{name}'; the themes are {known}.")
    return THEMES[name]


def sgr(theme: Theme, name: str) -> str:
    """Return the control sequence that begins a style.

    Args:
        theme: one of `THEMES`.
        name: the name of a style.

    Returns:
        The sequence, to be ended with `SGR_RESET`; empty for a style that is plain, or unknown.
    """
    words = theme.get(name, "").split()
    return f"\x1b[{';'.join(str(_SGR[word]) for word in words)}m" if words else ""


def ptk_style(theme: Theme) -> Style:
    """Return the theme as prompt_toolkit takes it.

    The style "ok" is the class `ok`, and the tokens of our lexers have their `pygments.*` classes.
    """
    from prompt_toolkit.styles import Style
    from prompt_toolkit.styles.pygments import pygments_token_to_classname

    from poptalk.terminal.lexer import STYLE_OF_TOKEN

    tokens = [
        (pygments_token_to_classname(token), f"noinherit {theme[name]}")
        for token, name in STYLE_OF_TOKEN.items()
    ]
    return Style([*_TOOLKIT_RULES, *theme.items(), *tokens])


def ptk_color_depth(*, color: bool) -> ColorDepth:
    """Return the colour depth for prompt_toolkit, which would otherwise decide by itself.

    Args:
        color: what `screen.use_color` decided.

    Returns:
        Sixteen colours, or none; bold, italic and underline are kept in both cases.
    """
    from prompt_toolkit.output import ColorDepth

    return ColorDepth.ANSI_COLORS_ONLY if color else ColorDepth.MONOCHROME
