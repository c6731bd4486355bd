"""Standard input for select, on every system.

On Windows select takes only sockets.  There a thread reads standard input, and passes it on through a
socket.
"""

from __future__ import annotations

import os
import select
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import Any


class StandardInput:
    """Standard input, which select can wait for together with a connection.

    Args:
        keys: whether a console gives each key as it is pressed, and shows none.
    """

    def __init__(self, *, keys: bool = False) -> None:
        # A closed one is an empty one.
        closed = sys.stdin is None
        self.descriptor = os.open(os.devnull, os.O_RDONLY) if closed else sys.stdin.fileno()
        self._keys = keys
        self._socket: socket.socket | None = None
        """Where a thread passes on what it reads; None where select takes the descriptor."""
        self._tried = False

    def fileno(self) -> int:
        """Return what select takes.  Where reading needs a thread, the first call begins it."""
        if not self._tried:
            self._tried = True
            try:
                select.select([self.descriptor], [], [], 0)
            except OSError:  # Windows
                console = self._keys and os.isatty(self.descriptor)
                read = _keys_of_a_console() if console else self._read_descriptor
                self._socket = _read_by_a_thread(read)
        return self.descriptor if self._socket is None else self._socket.fileno()

    def read(self) -> bytes:
        """Return what there is, nothing at the end; it waits unless select has reported something.

        Raises:
            OSError: the terminal is gone.
        """
        self.fileno()
        return self._read_descriptor() if self._socket is None else self._socket.recv(_OCTETS)

    def _read_descriptor(self) -> bytes:
        return os.read(self.descriptor, _OCTETS)


_OCTETS = 65536


def _read_by_a_thread(read: Callable[[], bytes]) -> socket.socket:
    """Begin to read, and return a socket from which the same comes, up to the end."""
    import socket

    # Not the threading module, as in `poptalk.net.dial`; the thread ends with the program.
    from _thread import start_new_thread

    near, far = socket.socketpair()

    def pass_on() -> None:
        with far:
            try:
                while data := read():
                    far.sendall(data)
            except OSError:  # The console is gone, or nobody listens anymore.
                pass

    start_new_thread(pass_on, ())
    return near


def _keys_of_a_console() -> Callable[[], bytes]:
    """Return a function that waits for a key of a Windows console, and returns its character."""
    import msvcrt

    console: Any = msvcrt  # Type checkers know its functions only on Windows.

    def key() -> bytes:
        while True:
            # A key without a character, such as an arrow, sends one of these and then its number.
            character: str = console.getwch()
            if character not in "\x00\xe0" or not console.kbhit():
                return character.encode("utf-8", "surrogatepass")
            console.getwch()

    return key
