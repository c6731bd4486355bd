"""What the parts of a dialogue look like: style names, and two themes of the sixteen ANSI colours.

The ANSI names are those that the owner of the terminal has chosen shades for.  No theme sets a
background, and none uses what is unreadable somewhere: bright black (invisible in Solarized), yellow
(on white), dark blue (on black), and bold green or cyan (which many terminals make bright, and
Solarized makes grey).  Nothing is said by colour alone: the texts say it as well.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from prompt_toolkit.output import ColorDepth
    from prompt_toolkit.styles import Style

    Theme = Mapping[str, str]

NEUTRAL: Theme = {
    # What stands in a line of a dialogue.
    "text": "",
    "client": "bold",  # the mark `C:`
    "server": "",  # the mark `S:`
    "ok": "ansigreen",
    "err": "ansired bold",
    "challenge": "ansimagenta",
    "odd": "ansired",  # a first line without an indicator that POP3 knows
    "code": "ansimagenta",  # a response code, brackets included
    "keyword": "ansicyan",
    "relic": "ansicyan italic",
    "unknown": "",
    "argument": "",
    "number": "ansicyan",
    "octets": "ansimagenta",
    "uid": "ansicyan",
    "timestamp": "ansimagenta",
    "secret": "italic",
    "control": "ansimagenta underline",  # an escape in place of what cannot be shown
    "dot": "ansimagenta bold",  # the lone dot, and the one that was stuffed
    "header": "ansicyan",
    "body": "",
    # What the notation adds.
    "placeholder": "ansimagenta",
    "direction": "italic",
    "error": "ansired underline",
    # What poptalk says itself.
    "note": "italic",
    "warn": "ansired",
    "hint": "italic",
    "local": "ansigreen",  # a `:` command, which sends nothing
    "heading": "bold",
    "prompt": "bold",
    "toolbar": "italic",
    # What a lesson says: its prose, and the words in front of comments.
    "strong": "bold",
    "emphasis": "italic",
    "done": "ansigreen",
    "notyet": "ansired",
    "aside": "ansicyan",
    "advice": "ansimagenta",
    "news": "italic",
}
"""The default: for dark and light terminals alike."""

MONO: Theme = {
    "text": "",
    "client": "bold",
    "server": "",
    "ok": "bold",
    "err": "bold underline",
    "challenge": "bold",
    "odd": "underline",
    "code": "underline",
    "keyword": "bold",
    "relic": "bold italic",
    "unknown": "",
    "argument": "",
    "number": "",
    "octets": "",
    "uid": "",
    "timestamp": "underline",
    "secret": "italic",
    "control": "underline",
    "dot": "bold",
    "header": "bold",
    "body": "",
    "placeholder": "italic",
    "direction": "italic",
    "error": "underline",
    "note": "italic",
    "warn": "bold",
    "hint": "italic",
    "local": "underline",
    "heading": "bold",
    "prompt": "bold",
    "toolbar": "italic",
    "strong": "bold",
    "emphasis": "italic",
    "done": "bold",
    "notyet": "bold underline",
    "aside": "underline",
    "advice": "underline",
    "news": "italic",
}
"""Bold, underline and italic only."""

THEMES: Mapping[str, Theme] = {"neutral": NEUTRAL, "mono": MONO}
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

_PLAIN = "bg:default fg:default noreverse"

_TOOLKIT_RULES = (
    ("completion-menu", _PLAIN),
    ("completion-menu.completion", _PLAIN),
    ("completion-menu.completion.current", "bg:default fg:default reverse"),
    ("completion-menu.meta.completion", f"{_PLAIN} italic"),
    ("completion-menu.meta.completion.current", f"{_PLAIN} bold italic"),
    ("completion-menu.multi-column-meta", f"{_PLAIN} italic"),
    ("completion-toolbar", _PLAIN),
    ("completion-toolbar.arrow", f"{_PLAIN} bold"),
    ("completion-toolbar.completion", _PLAIN),
    ("completion-toolbar.completion.current", "bg:default fg:default reverse"),
    ("readline-like-completions.completion fuzzymatch.outside", _PLAIN),
    ("completion-menu.completion fuzzymatch.outside", _PLAIN),
    ("scrollbar.background", "bg:default"),
    ("scrollbar.button", "bg:default reverse"),
    ("bottom-toolbar", _PLAIN),
    ("auto-suggestion", "fg:default italic"),
    ("validation-toolbar", "bg:default fg:default bold"),
    ("window-too-small", "bg:default fg:default bold"),
    ("search", "bg:default fg:default underline"),
    ("cursor-column", "bg:default"),
    ("color-column", "bg:default"),
    ("matching-bracket.other", "bg:default fg:default underline"),
    ("matching-bracket.cursor", "bg:default fg:default underline"),
    ("multiple-cursors", "bg:default fg:default underline"),
    ("line-number", "fg:default"),
    ("tilde", "fg:default"),
    ("trailing-whitespace", "fg:default underline"),
    ("tab", "fg:default underline"),
    ("aborting", "fg:default"),
    ("exiting", "fg:default"),
    ("digraph", "fg:default underline"),
    ("control-character", "fg:default underline"),
    ("nbsp", "fg:default underline"),
)
"""What prompt_toolkit draws by itself, without its backgrounds and its fixed shades.  Reverse stays
where it is the only way to see what is selected."""


def theme_named(name: str) -> Theme:
    """Return a theme.

    Raises:
        ValueError: there is none of that name; the text lists those that there are.
    """
    if name not in THEMES:
        known = " and ".join(f"'{known}'" for known in THEMES)
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
    """Return the colour depth to give to prompt_toolkit, which would else decide by itself.

    Args:
        color: what `color.use_color` decided.

    Returns:
        Sixteen colours, or none; bold, italic and underline are kept in both cases.
    """
    from prompt_toolkit.output import ColorDepth

    return ColorDepth.ANSI_COLORS_ONLY if color else ColorDepth.MONOCHROME
