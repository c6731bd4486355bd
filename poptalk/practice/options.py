"""What the command line says of the practice server: its options, without the server.

The parser of every command is made for `--help`, the man page and the completions, and a piped session
makes one as well.  So nothing is imported here but argparse, which is loaded by then.
"""

from __future__ import annotations

import argparse

LOOPBACK = "127.0.0.1"
"""Where the practice server listens unless told otherwise: everybody knows the passwords."""

DEFAULT_PERSONA = "exchange"
"""How it speaks unless told otherwise: as in the article that poptalk began with."""

HIGHEST_PORT = 65_535


def add_practice_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that every command with a practice server has.

    Their default is None, so that a command can tell what was asked for.
    """
    parser.add_argument(
        "--persona",
        metavar="NAME|FILE",
        help="how the practice server speaks: exchange, plain, or a .toml file "
        f"(default: {DEFAULT_PERSONA})",
    )
    parser.add_argument(
        "--maildrop",
        metavar="DIR",
        help="a folder of .eml files that is everybody's mail there (default: bob has the "
        "article's three messages, mrose those of RFC 1939)",
    )


def add_serve_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``poptalk serve``."""
    add_practice_arguments(parser)
    parser.add_argument(
        "--shared",
        action="store_true",
        help="one maildrop for everyone, one session at a time; DELE lasts (default: a copy for "
        "each session)",
    )
    parser.add_argument(
        "--listen",
        metavar="ADDRESS",
        default=LOOPBACK,
        help="listen on another address than %(default)s, for others to connect; everybody knows "
        "the passwords",
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
        "--json",
        action="store_true",
        help="print host, ports, accounts and the file of the certificate authority as one line of JSON",
    )


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) <= HIGHEST_PORT:
        return int(text)
    raise argparse.ArgumentTypeError(f"a port is a number from 0 (any) to {HIGHEST_PORT}")
