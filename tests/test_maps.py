"""The opening words of a room name its files: no more, and for the large rooms no fewer."""

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
    assert modules - named <= UNNAMED
    assert modules & named


UNNAMED = {"certificate", "tls_errors", "tls_settings", "srv", "values", "capabilities"}
"""Files that say by their names what they are, in rooms that have more to tell."""
