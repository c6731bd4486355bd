"""What the command line says of the practice server: its options, without the server.

The parser of every command is made for `--help`, the man page and the completions, and a piped session
makes one as well.  So nothing is imported here but argparse, which is loaded by then.
"""

from __future__ import annotations

import argparse
from enum import Enum

LOOPBACK = "127.0.0.1"
"""Where the practice server listens unless told otherwise: everybody knows the passwords."""

DEFAULT_PERSONA = "exchange"
"""How it speaks unless told otherwise: as in the article that poptalk began with."""

HIGHEST_PORT = 65_535

MOST_CONNECTIONS = 1_000_000
"""More files than Linux lets a process open."""


class Loop(Enum):
    """The event loops that a server can run on."""

    AUTO = "auto"
    """uvloop's if it is installed."""
    UVLOOP = "uvloop"
    ASYNCIO = "asyncio"


def add_practice_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that every command with a practice server has.

    Their default is None, so that a command can tell what was asked for.
    """
    parser.add_argument(
        "--persona",
        metavar="NAME|FILE",
        help="how the practice server speaks and behaves: like exchange, plain, dovecot, ... (poptalk "
        "serve --list-personas tells them all), or as a .toml file of your own says "
        f"(default: {DEFAULT_PERSONA})",
    )
    parser.add_argument(
        "--maildrop",
        metavar="[FORMAT:]PATH",
        help="everybody's mail there: a folder of .eml files, a Maildir or an mbox; where it could be "
        "two of them, say eml:PATH, maildir:PATH or mbox:PATH (default: bob has the article's three "
        "messages, mrose those of RFC 1939)",
    )
    parser.add_argument(
        "--fault",
        dest="faults",
        metavar="[WHO=]NAME[:VALUE]",
        action="append",
        help="do something wrong, as a server did that broke a client: no-final-dot, slow:5s; for one "
        "account: bob=locked; for the third connection: '#3=reset'; may be given again (poptalk "
        "serve --list-faults tells them all)",
    )


def add_serve_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``poptalk serve``."""
    add_practice_arguments(parser)
    parser.add_argument(
        "--user",
        dest="users",
        metavar="NAME:PASSWORD",
        action="append",
        default=[],
        help="who may log in, in place of bob and mrose, whose passwords everybody knows; every user "
        "of this machine can read the list of processes and this password in it, so --users is "
        "better for one that matters; may be given again",
    )
    parser.add_argument(
        "--users",
        dest="user_files",
        metavar="FILE",
        action="append",
        default=[],
        help="the same from a file, one name:password a line; a line that begins with # is a comment",
    )
    parser.add_argument(
        "--token",
        metavar="TOKEN|@FILE",
        help="the access token with which AUTH XOAUTH2 and OAUTHBEARER let every account in "
        "(default: no token is right)",
    )
    parser.add_argument(
        "--shared",
        action="store_true",
        help="one maildrop for everyone, one session at a time; DELE lasts (default: a copy for "
        "each session)",
    )
    parser.add_argument(
        "--writable",
        action="store_true",
        help="QUIT deletes on the disk what DELE marked; one session at a time has the maildrop "
        "(default: nothing on the disk is ever changed)",
    )
    parser.add_argument(
        "--listen",
        metavar="ADDRESS",
        action="append",
        help=f"listen on another address than {LOOPBACK}, for others to connect; everybody knows the "
        "passwords; may be given again, as in --listen 127.0.0.1 --listen ::1",
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=0,
        metavar="PORT",
        help="the port in clear (default: a free one)",
    )
    parser.add_argument(
        "--tls-port",
        type=_port,
        default=0,
        metavar="PORT",
        help="the port for TLS from the first octet (default: a free one)",
    )
    parser.add_argument(
        "--list-personas",
        action="store_true",
        help="tell how the practice server can speak, and end",
    )
    parser.add_argument(
        "--slow-refusals",
        action="store_true",
        help="take as long to refuse a login as the persona's real server does, some seconds "
        "(default: no time at all)",
    )
    parser.add_argument(
        "--fault-seed",
        type=int,
        metavar="NUMBER",
        help="what the chance in faults begins with, to see the same again (default: any)",
    )
    parser.add_argument(
        "--list-faults",
        action="store_true",
        help="tell what every fault does, where it was seen and who suffers, and end",
    )
    parser.add_argument(
        "--connections",
        type=_connections,
        metavar="NUMBER",
        help="how many connections there may be, wherever they come from, for tests under load "
        "(default: 256, half of them from one address)",
    )
    parser.add_argument(
        "--loop",
        choices=[loop.value for loop in Loop],
        default=Loop.AUTO.value,
        help="the event loop: auto is uvloop where it is installed (default: auto)",
    )
    parser.add_argument(
        "--quiet",
        action="store_true",
        help="print no line about each session at its end",
    )
    parser.add_argument(
        "--log",
        metavar="FILE",
        help="add every session's dialogue to a file, secrets masked",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print host, ports, accounts (null for a password that is not public) and the file of "
        "the certificate authority as one line of JSON, and nothing else",
    )


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) <= HIGHEST_PORT:
        return int(text)
    raise argparse.ArgumentTypeError(f"a port is a number from 0 (any) to {HIGHEST_PORT}")


def _connections(text: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text) <= MOST_CONNECTIONS:
        return int(text)
    raise argparse.ArgumentTypeError(f"a number from 1 to {MOST_CONNECTIONS:,} is needed")
