"""The table that ``poptalk serve --list-faults`` prints."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from poptalk.practice.faults.catalogue import FAULTS
from poptalk.practice.faults.fault import Fault

COLUMNS = 80
"""Width of the table: that of a terminal nobody has widened."""

LABEL_COLUMNS = 10

INTRODUCTION = (
    "Faults that the practice server has on demand, each after a case that happened: poptalk serve "
    "--fault NAME. For one account: --fault bob=NAME. For the n-th connection: --fault '#3=NAME'. A "
    "value behind a colon replaces the one that is shown. Several are fine, unless they change the "
    "same thing; they act in the order of this list."
)


def list_faults() -> Iterator[str]:
    """Return the lines of the table."""
    yield from textwrap.wrap(INTRODUCTION, COLUMNS)
    for kind in FAULTS.values():
        yield ""
        yield from _describe(kind)


def _describe(kind: type[Fault]) -> Iterator[str]:
    about, parameter = kind.about, kind.parameter
    value = f":{parameter.default}" if parameter is not None else ""
    what = f"    ({parameter.name})" if parameter is not None else ""
    yield f"{about.name}{value}{what}"
    yield from _row("server", about.summary)
    yield from _row("seen", about.seen)
    yield from _row(about.stance.value, f'{about.clause}: "{about.sentence}"')
    yield from _row("client", about.suffers)


def _row(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        COLUMNS,
        initial_indent=f"  {label:<{LABEL_COLUMNS}}",
        subsequent_indent=" " * (LABEL_COLUMNS + 2),
        break_on_hyphens=False,
    )
