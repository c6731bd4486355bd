"""The options that log in: who, how, and where the password comes from."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from poptalk.login.sources import PASSWORD_VARIABLE, Kind, Source

_FIELDS: Mapping[Kind, str] = {kind: kind.value[2:].replace("-", "_") for kind in Kind}
"""What the parser calls the option of each kind."""


def add_login_arguments(parser: argparse.ArgumentParser) -> None:
    """Add who is to be logged in, how, and where the password comes from."""
    add = parser.add_argument
    add("--login", metavar="USER", help="log in right after the greeting, and after --starttls")
    add(
        "--mechanism",
        metavar="NAME",
        help="how, such as PLAIN or APOP (default: the best there is)",
    )
    add(
        "--two-step",
        action="store_true",
        help="AUTH and its first response in two lines, as Exchange Online wants it",
    )
    add("--oauth", action="store_true", help="the secret is an OAuth token and no password")
    add_source_arguments(parser)


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where the password comes from."""
    add = parser.add_mutually_exclusive_group().add_argument
    add(
        Kind.VARIABLE.value,
        metavar="VARIABLE",
        help="the environment variable with the password (default: "
        f"{PASSWORD_VARIABLE}, else it is asked for)",
    )
    add(Kind.FILE.value, metavar="FILE", help="the file whose first line is the password")
    add(Kind.COMMAND.value, metavar="COMMAND", help="the command that prints the password")
    add(
        Kind.NETRC.value,
        nargs="?",
        const="",
        metavar="FILE",
        help="take the password from FILE (default: ~/.netrc)",
    )
    add(Kind.KEYRING.value, action="store_true", help="take the password from the keyring")


def source_named(options: Any) -> Source | None:
    """Return the source that the options name, None for none.

    Args:
        options: anything with the attributes that `add_source_arguments` makes.
    """
    for kind, field in _FIELDS.items():
        given = getattr(options, field)
        if given is not None and given is not False:
            return Source(kind=kind, detail=given if isinstance(given, str) else "")
    return None
