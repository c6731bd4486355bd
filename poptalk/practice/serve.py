"""The command ``poptalk serve``: the practice server on its own, until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from collections.abc import Callable
from pathlib import Path

from poptalk.net.dial import is_loopback
from poptalk.net.errors import reason
from poptalk.practice.maildrop import MaildropError
from poptalk.practice.options import DEFAULT_PERSONA
from poptalk.practice.persona import PersonaError
from poptalk.practice.server import Server

OK, FAILED, USAGE = 0, 1, 2
"""Exit codes: all well, it did not work, and it cannot be meant like that."""


def serve(
    options: argparse.Namespace,
    *,
    say: Callable[[str], None],
    complain: Callable[[str], None],
) -> int:
    """Run a practice server until Ctrl-C or SIGTERM.

    Args:
        options: as `options.add_serve_arguments` parses them.
        say: prints a line and flushes it.
        complain: prints a sentence where errors and warnings go.

    Returns:
        The exit code: 0 when told to stop, 2 for a persona or a folder that cannot be used, 1 for a
        port or an address that cannot be had.
    """
    try:
        server = Server(
            persona=options.persona or DEFAULT_PERSONA,
            maildrop=Path(options.maildrop) if options.maildrop else None,
            shared=options.shared,
            host=options.listen,
            port=options.port,
            tls_port=options.tls_port,
        )
    except (PersonaError, MaildropError, FileNotFoundError) as error:
        complain(str(error))
        return USAGE
    try:
        server.listen()
    except OSError as error:
        complain(_why_not(options, error))
        return FAILED
    if not is_loopback(options.listen):
        complain(
            f"Warning: everybody who can reach {options.listen} can log in, because the passwords "
            "are public knowledge. Put no letters into the maildrop that are not for everybody."
        )
    try:
        asyncio.run(_run(server, say=say, as_json=options.json))
    except KeyboardInterrupt:
        # Where signals cannot be handled in the loop (Windows), Ctrl-C ends up here.
        pass
    return OK


def _why_not(options: argparse.Namespace, error: OSError) -> str:
    asked_for = [str(port) for port in (options.port, options.tls_port) if port]
    ports = f" port {' or '.join(asked_for)}" if asked_for else ""
    return (
        f"{options.listen}{ports} cannot be listened on ({reason(error)}). Is another server there "
        "already? Ports below 1024 are often reserved; without --port a free one is taken."
    )


async def _run(server: Server, *, say: Callable[[str], None], as_json: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:
            break
    # The ports are taken, so whoever reads this can connect; nobody has been greeted yet.
    for line in [_json(server)] if as_json else _table(server):
        say(line)
    async with server:
        await stop.wait()


def _json(server: Server) -> str:
    return json.dumps(
        {
            "host": server.host,
            "port": server.port,
            "tls_port": server.tls_port,
            "accounts": {account.name: account.password for account in server.accounts},
            "ca_file": server.ca_file,
        }
    )


def _table(server: Server) -> list[str]:
    accounts = ", ".join(f"{account.name}/{account.password}" for account in server.accounts)
    rows = (
        ("host", server.host),
        ("port", f"{server.port} (in clear; STLS switches to TLS)"),
        ("TLS port", str(server.tls_port)),
        ("CA file", server.ca_file),
        ("accounts", accounts),
        ("persona", f"{server.persona.name}: {server.persona.description}"),
    )
    return [
        "The practice server is ready; Ctrl-C ends it.",
        *(f"  {name:<10}{value}" for name, value in rows),
    ]
