"""The practice server: a POP3 server to learn on and to test with, whose maildrop cannot be spoilt.

`Server` is the door, for asyncio and for everything else; `serve` is the command, and
`pytest_plugin` the door for other people's tests.  A `connection` drives the server core of
`poptalk.pop3`; `maildrop` holds the messages, `accounts` the passwords, `persona` what the server
says, and `faults` what it does wrong, as data.  An observer looks on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from poptalk.practice.server import Server

__all__ = ["Server"]


def __getattr__(name: str) -> Any:
    # Whoever imports a module of this package, such as `options`, is not to pay for asyncio.
    if name == "Server":
        from poptalk.practice.server import Server

        return Server
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
