"""The command line of `poptalk diff`, apart from what every command with a server has."""

from __future__ import annotations

import argparse

from poptalk.login.sources import PASSWORD_VARIABLE
from poptalk.terminal.color import COLOR_FLAGS

SIDES = ("A", "B")
"""What the two servers are called, in the options and in the table."""


def add_diff_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the two servers, who logs in there, and what is compared."""
    add = parser.add_argument
    for side, which in zip(
        SIDES, ("the first server, in a migration the old one", "the second"), strict=True
    ):
        add(
            side.lower(),
            metavar=side,
            help=f"{which}: HOST, HOST:PORT, a URL such as pop3s://me@HOST, or a saved name",
        )
    add("--user", metavar="NAME", help="who logs in, on both servers")
    for side in SIDES:
        add(f"--user-{side.lower()}", metavar="NAME", help=f"who logs in on {side}")
    add(
        "--mechanism",
        metavar="NAME",
        help="how to log in on both, such as PLAIN or APOP (default: the best that each offers)",
    )
    for side in SIDES:
        _add_source_of(side, parser)
    add("--netrc", action="store_true", help="take the passwords from ~/.netrc")
    add("--keyring", action="store_true", help="take the passwords from the system's keyring")
    add(
        "--bodies",
        action="store_true",
        help="fetch every message with RETR as well, and compare hashes of header and body; a few "
        "servers then note that it was read",
    )
    add(
        "--top",
        action="store_true",
        help="as --bodies, but with TOP, which no server takes for reading",
    )
    add("--json", action="store_true", help="write JSON in place of a table")
    add("--color", choices=COLOR_FLAGS, default="auto", help="colours (%(default)s)")


def _add_source_of(side: str, parser: argparse.ArgumentParser) -> None:
    """Add where the password of one side comes from."""
    letter = side.lower()
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        f"--password-env-{letter}",
        metavar="VARIABLE",
        help=f"the environment variable with the password of {side} (default: "
        f"{PASSWORD_VARIABLE}_{side}, else {PASSWORD_VARIABLE}, else it is asked for)",
    )
    source.add_argument(
        f"--password-file-{letter}", metavar="FILE", help=f"a file with the password of {side}"
    )
    source.add_argument(
        f"--password-command-{letter}",
        metavar="COMMAND",
        help=f"a command that prints the password of {side}",
    )
