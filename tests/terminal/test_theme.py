"""Themes: complete, of sixteen colours, and without a background anywhere."""

import pytest
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import default_ui_style, merge_styles
from prompt_toolkit.styles.defaults import PROMPT_TOOLKIT_STYLE, default_pygments_style
from prompt_toolkit.styles.pygments import pygments_token_to_classname

from poptalk.terminal.lexer import STYLE_OF_TOKEN
from poptalk.terminal.theme import (
    MONO,
    NEUTRAL,
    THEMES,
    ptk_color_depth,
    ptk_style,
    sgr,
    theme_named,
)

ALLOWED = {"bold", "italic", "underline", "ansired", "ansigreen", "ansimagenta", "ansicyan"}
NO_BACKGROUND = {"", None, "default"}
TOOLKIT_CLASSES = [selector for selector, _ in PROMPT_TOOLKIT_STYLE]


def test_all_themes_have_the_same_names() -> None:
    assert NEUTRAL.keys() == MONO.keys()


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_only_readable_colours_and_no_background(theme: dict[str, str]) -> None:
    assert {word for style in theme.values() for word in style.split()} <= ALLOWED


def test_mono_has_no_colour() -> None:
    assert not any("ansi" in style for style in MONO.values())


def test_every_token_has_a_style_of_the_themes() -> None:
    # What the renderer names is checked where its lines are: in test_render and test_anatomy.
    assert set(STYLE_OF_TOKEN.values()) <= NEUTRAL.keys()


def test_control_sequences() -> None:
    assert sgr(NEUTRAL, "err") == "\x1b[31;1m"
    assert sgr(NEUTRAL, "text") == ""
    assert sgr(NEUTRAL, "no such style") == ""
    for theme in THEMES.values():
        for name, style in theme.items():
            assert bool(sgr(theme, name)) is bool(style)


def test_an_unknown_theme_is_refused_with_the_known_ones() -> None:
    assert theme_named("mono") is MONO
    with pytest.raises(ValueError, match="'pink'; the themes are 'neutral', 'mono', 'projector'"):
        theme_named("pink")


@pytest.mark.parametrize("name", THEMES)
@pytest.mark.parametrize("selector", [*TOOLKIT_CLASSES, *NEUTRAL])
def test_prompt_toolkit_gets_no_background(name: str, selector: str) -> None:
    merged = merge_styles([default_ui_style(), default_pygments_style(), ptk_style(THEMES[name])])
    attributes = merged.get_attrs_for_style_str(
        " ".join(f"class:{word}" for word in selector.split())
    )
    assert attributes.bgcolor in NO_BACKGROUND
    assert attributes.color in {"", None, "default"} or str(attributes.color).startswith("ansi")
    assert attributes.color != "ansiblue"


@pytest.mark.parametrize("name", THEMES)
def test_our_tokens_look_like_our_styles(name: str) -> None:
    ours = ptk_style(THEMES[name])
    merged = merge_styles([default_ui_style(), default_pygments_style(), ours])
    for token, style in STYLE_OF_TOKEN.items():
        token_class = f"class:{pygments_token_to_classname(token)}"
        assert merged.get_attrs_for_style_str(token_class) == ours.get_attrs_for_style_str(
            f"class:{style}"
        )


def test_reverse_only_marks_what_is_selected() -> None:
    merged = merge_styles([default_ui_style(), ptk_style(NEUTRAL)])
    menu = "class:completion-menu class:completion-menu.completion"
    assert not merged.get_attrs_for_style_str(menu).reverse
    assert merged.get_attrs_for_style_str(f"{menu}.current").reverse
    assert not merged.get_attrs_for_style_str("class:bottom-toolbar").reverse


def test_color_depth() -> None:
    assert ptk_color_depth(color=True) is ColorDepth.DEPTH_4_BIT
    assert ptk_color_depth(color=False) is ColorDepth.DEPTH_1_BIT
