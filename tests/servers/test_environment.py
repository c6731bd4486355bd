"""The environment of each test is its own: an empty home, and none of the developer's wishes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

WISHES = {
    "NO_COLOR": "1",
    "FORCE_COLOR": "1",
    "CLICOLOR_FORCE": "1",
    "POPTALK_ANYTHING": "1",
    "PROMPT_TOOLKIT_NO_CPR": "1",
}


@pytest.fixture(scope="module", autouse=True)
def _developer() -> Iterator[None]:
    """Set, before any test's own fixtures, what a developer may have set."""
    with pytest.MonkeyPatch.context() as patch:
        for name, wish in WISHES.items():
            patch.setenv(name, wish)
        patch.setenv("XDG_STATE_HOME", "/nowhere")
        yield


@pytest.mark.parametrize("name", WISHES)
def test_a_developers_wish_does_not_reach_a_test(name: str) -> None:
    assert name not in os.environ


def test_home_is_empty_and_holds_the_xdg_directories() -> None:
    home = Path.home()
    assert list(home.iterdir()) == []
    assert Path(os.environ["XDG_STATE_HOME"]).is_relative_to(home)


@given(st.binary())
def test_property_tests_put_up_with_it(octets: bytes) -> None:
    assert "NO_COLOR" not in os.environ, octets
