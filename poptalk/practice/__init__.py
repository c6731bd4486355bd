"""The practice server: a POP3 server to learn on and to test with, whose maildrop cannot be spoilt.

Use `Server` from a program, with or without asyncio; `serve` is the command, and `pytest_plugin` the
fixture for other people's tests.  A `connection` drives the server core of `poptalk.pop3`; `maildrop`
holds the messages, `accounts` the passwords, `persona` what the server says and offers, `faults` what it
does wrong, and `limits` how many connections it takes.  `observers` see what happens; `log` is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from poptalk.practice.server import Server

__all__ = ["Server"]


def __getattr__(name: str) -> Any:
    # Importing a module of this package must not load asyncio.
    if name == "Server":
        from poptalk.practice.server import Server

        return Server
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
