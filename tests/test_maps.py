"""The opening words of a room name its files, and nothing that is gone."""

from __future__ import annotations

import importlib
import pkgutil
import re

import pytest

ROOMS = (
    "lesson",
    "shell",
    "session",
    "run",
    "tap",
    "diff",
    "pop3",
    "transcript",
    "terminal",
    "net",
    "mail",
)


@pytest.mark.parametrize("room", ROOMS)
def test_the_opening_words_name_the_files_of_a_room(room: str) -> None:
    package = importlib.import_module(f"poptalk.{room}")
    modules = {module.name for module in pkgutil.iter_modules(package.__path__)}
    named = {name.split(".")[0] for name in re.findall(r"`([a-z_0-9.]+)`", package.__doc__ or "")}
    assert modules - named == UNNAMED.get(room, set())
    assert named - modules <= ELSEWHERE


UNNAMED = {
    "net": {"certificate", "srv", "tls_errors", "tls_settings"},
    "pop3": {"capabilities", "values"},
}
"""Files that say by their names what they are, in rooms that have more to tell."""

ELSEWHERE = {"poptalk", "run", "diff", "check", "tap", "email"}
"""Words of those openings that name something outside the room."""
