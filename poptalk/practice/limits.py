"""What a server holds at most, and its ports.

A `ListeningPort` accepts connections, `ConnectionLimits` counts them, and `Deadlines` drops those that
are silent for too long.  `reachable_addresses` tells where others find this machine.
"""

from __future__ import annotations

import asyncio
import errno
import math
import os
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from poptalk.practice.connection import ServerConnection

# How many connections a server has, in all and from each address.


class ConnectionLimits:
    """The connections of one server.

    Args:
        most: how many there may be.
        most_of_one_address: how many of them from the same address.
    """

    def __init__(self, *, most: int, most_of_one_address: int) -> None:
        self._most = most
        self._most_of_one_address = most_of_one_address
        self._present: dict[ServerConnection, str | None] = {}
        """Each with its address, None for those that don't count."""
        self._admitted: Counter[str] = Counter()
        """How many count, by address."""
        self._nobody = asyncio.Event()
        self._nobody.set()

    def __iter__(self) -> Iterator[ServerConnection]:
        return iter(tuple(self._present))

    def admit(self, connection: ServerConnection, address: str) -> bool:
        """Take note of a connection; tell whether there is room for it.

        One that is turned away takes no place while its refusal is on the way.
        """
        of_one = self._admitted[address]
        has_room = self._admitted.total() < self._most and of_one < self._most_of_one_address
        self._present[connection] = address if has_room else None
        self._nobody.clear()
        if has_room:
            self._admitted[address] += 1
        return has_room

    def forget(self, connection: ServerConnection) -> None:
        """Take note that a connection is gone."""
        address = self._present.pop(connection, None)
        if address is not None:
            self._admitted[address] -= 1
            if not self._admitted[address]:
                del self._admitted[address]
        if not self._present:
            self._nobody.set()

    async def gone(self) -> None:
        """Wait until there is no connection."""
        await self._nobody.wait()


# Connections that are silent for too long are dropped by one timer for all of them.
#
# Making and cancelling a timer for each would take longer than a command.  Here a connection only notes
# until when it may be silent; the timer goes off at the first of these times, and looks at all.


GRAIN_SECONDS = 0.05
"""Least time between two looks; a connection may be dropped so late."""


class HasDeadline(Protocol):
    """Something with a deadline."""

    deadline: float
    """By the clock of the loop; infinity for none."""

    def time_is_up(self) -> None:
        """Act on the deadline, which has come."""


class Deadlines:
    """The deadlines of all connections of a server.

    Args:
        present: those there are, whenever it is asked.
    """

    def __init__(self, present: Iterable[HasDeadline]) -> None:
        self._present = present
        self._timer: asyncio.TimerHandle | None = None
        self._next_look = math.inf

    def note(self, deadline: float) -> None:
        """Take note of a new deadline, by the clock of the running loop."""
        if deadline < self._next_look:
            self._look_at(deadline)

    def cancel(self) -> None:
        """Forget all deadlines."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._next_look = math.inf

    def _look_at(self, when: float) -> None:
        self.cancel()
        if math.isinf(when):
            return
        self._next_look = when
        self._timer = asyncio.get_running_loop().call_at(when, self._look)

    def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        # A connection that is dropped may have another deadline then, and one that is nearer.
        self.cancel()
        for each in self._present:
            if each.deadline <= now:
                each.time_is_up()
        first = min((each.deadline for each in self._present), default=math.inf)
        self.note(max(first, now + GRAIN_SECONDS))


BACKLOG = 128
"""Connections that the system keeps while we are busy: a class that starts at the same moment."""


NO_MORE_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
"""Why a file or a connection cannot be opened now, and can be later."""


class CannotListen(OSError):
    """An address or a port that the server cannot listen on.

    Attributes:
        host: the address that was asked for.
        port: the port that was asked for; 0 if any would have done.
        is_address: whether `host` is an address, or a name that this machine knows.
    """

    def __init__(self, host: str, port: int, why: OSError | ValueError) -> None:
        super().__init__(getattr(why, "errno", None), getattr(why, "strerror", None) or str(why))
        unknown = isinstance(why, ValueError | socket.gaierror) or why.errno == errno.EINVAL
        self.is_address = not unknown
        self.host = host
        self.port = port


ACCEPT_AGAIN_SECONDS = 1.0
"""How long connections wait when no file can be opened for them."""


class ListeningPort:
    """A port that was taken: the system accepts connections from now on, and keeps them for us.

    asyncio has servers of its own.  They differ by loop in what happens when no more files can be
    opened: uvloop closes the connections that come, and says nothing.  Here they wait.

    Args:
        host: an address of this machine, or a name for one; also an attribute.
        port: 0 for any that is free; the attribute has the one that was taken.
        implicit_tls: whether TLS begins at once (RFC 8314 §3); also an attribute.

    Raises:
        CannotListen: the port is taken or forbidden, or there is no such address on this machine.
    """

    def __init__(self, host: str, port: int, *, implicit_tls: bool) -> None:
        try:
            self.socket = _listening_socket(host, port)
        except (OSError, ValueError) as error:
            # ValueError (UnicodeError is one) is Python's word for a name that no system is asked about.
            raise CannotListen(host, port, error) from error
        self.host = host
        self.port: int = self.socket.getsockname()[1]
        self.implicit_tls = implicit_tls
        self._stop: Callable[[], object] | None = None
        """Takes the port from the loop that serves it."""
        self._beginning: set[asyncio.Task[object]] = set()
        """Connections that are accepted, and of which the protocol does not know yet."""

    async def serve(self, make: Callable[[], asyncio.Protocol]) -> None:
        """Accept connections in the running loop until the port is closed."""
        self._loop = asyncio.get_running_loop()
        self._make = make
        try:
            self._loop.add_reader(self.socket, self._accept)
        except NotImplementedError:
            # Windows' own loop, on a system without such a limit of files.
            serving = await self._loop.create_server(make, sock=self.socket, backlog=BACKLOG)
            self._stop = serving.close
        else:
            self._stop = partial(self._loop.remove_reader, self.socket)

    def _accept(self) -> None:
        """Accept one connection; where there are more, the loop calls again after those that it has."""
        try:
            connection, _ = self.socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            self._loop.remove_reader(self.socket)
            self._loop.call_later(ACCEPT_AGAIN_SECONDS, self._accept_again)
            context = {"message": "A connection cannot be accepted.", "exception": error}
            self._loop.call_exception_handler(context)
            return
        beginning = self._loop.create_task(self._begin(connection))
        self._beginning.add(beginning)
        beginning.add_done_callback(partial(self._settled, connection))

    async def _begin(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._make, connection)
        except OSError:
            # The client has gone already, or there is no file for what it needs.
            connection.close()

    def _settled(self, connection: socket.socket, beginning: asyncio.Task[object]) -> None:
        self._beginning.discard(beginning)
        if beginning.cancelled():
            # The loop ends, perhaps before the task had begun.
            connection.close()

    def _accept_again(self) -> None:
        if self.socket.fileno() >= 0:
            self._loop.add_reader(self.socket, self._accept)

    def close(self) -> None:
        """Accept no more connections, and give the port back."""
        if self.socket.fileno() >= 0:
            if self._stop is not None:
                self._stop()
            self.socket.close()

    async def begun(self) -> None:
        """Wait until the protocol knows of each connection that was accepted."""
        await asyncio.gather(*self._beginning, return_exceptions=True)


def _listening_socket(host: str, port: int) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    sock = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            # Elsewhere the option would let two servers have the same port.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # Otherwise "::" takes the port of every IPv4 address too, and 0.0.0.0 after it fails.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        _ask_whether_clients_are_there(sock)
        sock.bind(address)
        sock.listen(BACKLOG)
        sock.settimeout(0)
    except OSError:
        sock.close()
        raise
    return sock


QUIET_SECONDS, ASK_SECONDS, TIMES = 20, 5, 4
"""After how much silence the system asks if a client's machine is there, how often, how many times."""


def _ask_whether_clients_are_there(sock: socket.socket) -> None:
    """Have the system end connections to machines that are gone without a word (RFC 9293 §3.8.4).

    A cable that was pulled out ends no connection, and the maildrop would be locked until the inactivity
    timer ends.  What is accepted inherits the options.  Learners may be silent: their system answers.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", QUIET_SECONDS),
        ("TCP_KEEPINTVL", ASK_SECONDS),
        ("TCP_KEEPCNT", TIMES),
    ):
        if hasattr(socket, name):  # Not every system has all of them.
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


# Where others find this machine.

_ELSEWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
"""Addresses for documentation, which nobody has (RFC 5737, RFC 3849)."""

_WILDCARDS = {"0.0.0.0": socket.AF_INET, "::": socket.AF_INET6}

_SIOCGIFADDR = 0x8915
"""Linux: asks for the IPv4 address of an interface (netdevice(7))."""


def reachable_addresses(host: str) -> list[str]:
    """Return the addresses at which a server that listens on `host` is found, the best first.

    Nothing is looked up and nothing is sent.

    Args:
        host: an address; those that stand for all addresses give the machine's own, as far as they
            can be told, without loopback and those of one link.
    """
    family = _WILDCARDS.get(host)
    if family is None:
        return [host]
    found: dict[str, None] = {}
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        # Connecting UDP sends no packet, and chooses the address that others would see.
        probe.connect((_ELSEWHERE[family], 9))
        found[probe.getsockname()[0]] = None
    if family == socket.AF_INET:
        found |= dict.fromkeys(_addresses_of_interfaces())
    return [each for each in found if not each.startswith(("127.", "169.254.", "fe80:", "::1"))]


def _addresses_of_interfaces() -> Iterator[str]:
    """Yield the IPv4 addresses of this machine, where the system is Linux."""
    try:
        import fcntl

        interfaces = socket.if_nameindex()
    except (ImportError, OSError):
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, name in interfaces:
            # An interface without an address; or a system that is asked in another way.
            with suppress(OSError):
                answer = fcntl.ioctl(asking, _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
                yield socket.inet_ntoa(answer[20:24])
