"""What the tests of a class share."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Self

from poptalk.classroom.room import ClassRoom
from poptalk.classroom.view import PupilView
from poptalk.lesson.document.parser import load_lesson
from poptalk.lesson.library import find_lesson

PASSWORD = "maple47"

MULTI_LINE = ("LIST", "UIDL", "CAPA", "RETR", "TOP")


def wait_until(met: Callable[[], object], *, seconds: float = 10) -> None:
    """Wait until something is so.

    Raises:
        AssertionError: it is not, after so many seconds.
    """
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.005)


@contextmanager
def a_room(lesson: str) -> Iterator[ClassRoom]:
    """Hold a class for a lesson.

    Raises:
        AssertionError: poptalk had something to complain of.
    """
    complaints: list[str] = []
    with ClassRoom(load_lesson(find_lesson(lesson)), password=PASSWORD) as room:
        room.pupils.complain = complaints.append
        yield room
    assert complaints == []


def seen(room: ClassRoom, name: str) -> PupilView:
    """Return a pupil as the board has them.

    Raises:
        AssertionError: there is none of that name.
    """
    found = [pupil for pupil in room.pupils.board().pupils if pupil.name == name]
    assert found, [pupil.name for pupil in room.pupils.board().pupils]
    return found[0]


class Caller:
    """Someone who types into a raw connection.

    Args:
        port: of the class.
        lines: what is typed at once.
        tls: whether TLS comes first.
    """

    def __init__(self, port: int, *lines: str | bytes, tls: bool = False) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self._socket = context.wrap_socket(self._socket)
        self._file = self._socket.makefile("rb")
        self.greeting = self._file.readline()
        self.last = b""
        self.type(*lines)

    def type(self, *lines: str | bytes) -> Self:
        """Send lines, one after the other, and hear the whole reply to each."""
        for line in lines:
            octets = line.encode() if isinstance(line, str) else line
            self._socket.sendall(octets + b"\r\n")
            self.last = self._file.readline()
            word, _, argument = octets.decode("latin-1").upper().partition(" ")
            is_long = word in MULTI_LINE and not (word in ("LIST", "UIDL") and argument)
            while self.last.startswith(b"+OK") and is_long and self._file.readline() != b".\r\n":
                pass
        return self

    def log_in(self, name: str) -> Self:
        """Give a name and the password of the class."""
        return self.type(f"USER {name}", f"PASS {PASSWORD}")

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
