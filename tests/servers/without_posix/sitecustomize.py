"""Take away from poptalk what Windows does not have; Python runs this file when a program starts.

`pytest --without-posix` puts this folder on the path of the programs that tests start.  Only what
poptalk itself does is changed: the standard library and prompt_toolkit have code for Windows.
"""

from __future__ import annotations

import atexit
import builtins
import os
import select
import socket
import stat
import sys
import termios
from functools import partial

TYPE_CHECKING = False
if TYPE_CHECKING:  # A test sees that a pipe does not load typing.
    from typing import Any

MISSING = {"termios", "fcntl", "pwd", "grp", "resource", "tty", "pty", "curses", "uvloop"}


class Console:
    """What poptalk takes from the module msvcrt: the keys of a console, none of them shown."""

    def __init__(self) -> None:
        self.before = termios.tcgetattr(0)
        mode = termios.tcgetattr(0)
        mode[0] &= ~termios.ICRNL
        mode[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG)
        termios.tcsetattr(0, termios.TCSADRAIN, mode)
        atexit.register(termios.tcsetattr, 0, termios.TCSADRAIN, self.before)

    def getwch(self) -> str:
        """Wait for a key, and return it."""
        return os.read(0, 1).decode("latin-1")

    def kbhit(self) -> bool:
        """Tell whether a further key waits."""
        return False


if sys.orig_argv[1:3] == ["-m", "poptalk"]:
    console: list[Console] = []
    import_module, wait = builtins.__import__, select.select

    def without_posix(name: str, globals: Any = None, *rest: Any, **named: Any) -> Any:
        """Import a module, unless it is poptalk that asks for one that Windows lacks."""
        for_poptalk = (globals or {}).get("__name__", "").startswith("poptalk")
        if name in MISSING and for_poptalk:
            raise ImportError(f"No module named {name!r}", name=name)
        if name == "msvcrt" and for_poptalk:
            console.append(Console())
            return console[0]
        return import_module(name, globals, *rest, **named)

    def sockets_only(*sources_and_timeout: Any) -> Any:
        """Wait for sockets, and refuse anything else, as select does on Windows."""
        for source in (source for sources in sources_and_timeout[:3] for source in sources):
            number = source if isinstance(source, int) else source.fileno()
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                raise OSError(10038, "An operation was attempted on something that is not a socket")
        return wait(*sources_and_timeout)

    builtins.__import__ = without_posix
    select.select = sockets_only
    # The standard library makes its pairs on Windows without unix sockets, and here with them.
    socket.socketpair = partial(socket.socketpair, socket.AF_UNIX)
    del socket.AF_UNIX
