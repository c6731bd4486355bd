"""The maps at the doors of the large rooms name every module behind them, and nothing else."""

from __future__ import annotations

import pkgutil
import re
from types import ModuleType

import pytest

from poptalk import lesson, shell


@pytest.mark.parametrize("room", [lesson, shell], ids=lambda room: room.__name__)
def test_every_module_is_on_the_map(room: ModuleType) -> None:
    modules = {module.name for module in pkgutil.iter_modules(room.__path__)}
    assert set(re.findall(r"`([a-z_]+)`", room.__doc__ or "")) == modules
