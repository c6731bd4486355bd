"""Every fault by its name: what `faults.toml` says about it, with the class that does it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources

from poptalk.practice.faults import access, bodies, mail, replies, tls, transport
from poptalk.practice.faults.fault import About, Fault


def _load() -> dict[str, type[Fault]]:
    classes: dict[str, type[Fault]] = {}
    for module in (access, bodies, mail, replies, tls, transport):
        classes |= vars(module)
    text = resources.files("poptalk.practice.faults").joinpath("faults.toml")
    faults = {}
    for name, said in tomllib.loads(text.read_text(encoding="utf-8")).items():
        fault = faults[name] = classes["".join(map(str.capitalize, name.split("-")))]
        fault.about = About(name=name, **said)
    return faults


FAULTS: Mapping[str, type[Fault]] = _load()
"""Every fault by its name, in the order of the list, which is also that in which they act."""
