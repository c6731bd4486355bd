"""The map at the door of the lessons names every module behind it."""

from __future__ import annotations

import pkgutil
import re

from poptalk import lesson


def test_every_module_is_on_the_map() -> None:
    modules = {module.name for module in pkgutil.iter_modules(lesson.__path__)}
    assert set(re.findall(r"`([a-z_]+)`", lesson.__doc__ or "")) == modules
