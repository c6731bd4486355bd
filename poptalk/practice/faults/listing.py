"""The table that ``poptalk serve --list-faults`` prints."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from poptalk.practice.faults.catalogue import FAULTS

COLUMNS = 80
"""Width of the table: that of a terminal that nobody has widened."""

LABEL_COLUMNS = 10

INTRODUCTION = (
    "Faults that the practice server has on demand, each after a case that happened: poptalk serve "
    "--fault NAME. For one account: --fault bob=NAME. For the n-th connection: --fault '#3=NAME'. A "
    "value after a colon replaces the one that is shown. You can combine several, unless they change "
    "the same thing; they act in the order of this list."
)


def list_faults() -> Iterator[str]:
    """Return the lines of the table."""
    yield from textwrap.wrap(INTRODUCTION, COLUMNS)
    for name, kind in FAULTS.items():
        about, parameter = kind.about, kind.parameter
        yield ""
        yield name if parameter is None else f"{name}:{parameter.default}    ({parameter.name})"
        for label, text in (
            ("server", about.server),
            ("seen", about.seen),
            (about.stance, f'{about.clause}: "{about.quote}"'),
            ("client", about.client),
        ):
            yield from textwrap.wrap(
                text,
                COLUMNS,
                initial_indent=f"  {label:<{LABEL_COLUMNS}}",
                subsequent_indent=" " * (LABEL_COLUMNS + 2),
                break_on_hyphens=False,
            )
