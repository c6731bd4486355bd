"""The command line of `poptalk run`, apart from what every command with a server has."""

from __future__ import annotations

import argparse

from poptalk.login.options import add_source_arguments
from poptalk.terminal.color import COLOR_FLAGS

DEFAULT_PERSONA = "plain"
"""How the practice server speaks to a script: with the example texts of RFC 1939, so that sessions out
of the RFCs agree with it to the letter."""


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is to be replayed, and how it is compared and shown."""
    add = parser.add_argument
    add("file", metavar="FILE", help="a dialogue of C: and S: lines; - is standard input")
    add(
        "target",
        nargs="*",
        metavar="HOST [PORT] | URL",
        help="more dialogues (whatever ends in .pop3, or is a file), and then the server; without it "
        "a practice server is started for each",
    )
    add("--exact", action="store_true", help="compare everything, words for people too")
    add("--quiet", action="store_true", help="show differences only")
    add("--times", action="store_true", help="show beside each reply how long it took")
    add("--junit", metavar="FILE", help="write the results as JUnit XML, for a build server")
    add(
        "--var",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="the value of {NAME}, before any line captures one (repeatable)",
    )
    add("--user", metavar="NAME", help="who {user} is, and who logs in")
    add_source_arguments(parser)
    add(
        "--persona",
        metavar="NAME|FILE",
        help="how the practice server speaks, as for connect (default: "
        f"{DEFAULT_PERSONA}, with the example texts of RFC 1939)",
    )
    add("--maildrop", metavar="[FORMAT:]PATH", help="the practice server's mail, as for connect")
    add(
        "--fault",
        dest="faults",
        metavar="[WHO=]NAME[:VALUE]",
        action="append",
        help="what the practice server does wrong, as for connect",
    )
    add("--color", choices=COLOR_FLAGS, default="auto", help="colours (%(default)s)")
