"""Everything that can be wrong with a lesson: the codes, and what is said.

It is `faults.toml` beside this file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources

_DATA = tomllib.loads(
    resources.files("poptalk.lesson").joinpath("faults.toml").read_text(encoding="utf-8")
)

CODES: Mapping[str, str] = _DATA["codes"]
"""What each code means, in one sentence."""

FAULTS: Mapping[str, tuple[str, str, str]] = _DATA["faults"]
"""For each fault its code, what is wrong, and what would be right, with names in braces for values."""
