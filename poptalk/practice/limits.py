"""The limits of a server, and its ports.

A `ListeningPort` accepts connections, `ConnectionLimits` counts them, and `Deadlines` drops those that
are silent for too long.  `reachable_addresses` says where others find this machine.
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


class ConnectionLimits:
    """The connections of one server, counted in all and from each address.

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
        """The number that count, by address."""
        self._nobody = asyncio.Event()
        self._nobody.set()

    def __iter__(self) -> Iterator[ServerConnection]:
        return iter(tuple(self._present))

    def admit(self, connection: ServerConnection, address: str) -> bool:
        """Take note of a connection, and tell whether there is room for it.

        One that is turned away doesn't count while its refusal is on the way.
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
            self._admitted -= Counter([address])
        if not self._present:
            self._nobody.set()

    async def gone(self) -> None:
        """Wait until there is no connection."""
        await self._nobody.wait()


# One timer drops the connections that are silent for too long.
#
# Making and cancelling a timer for each would take longer than a command.  Here a connection only notes
# until when it may be silent; the timer goes off at the first of these times, and checks them all.


GRAIN_SECONDS = 0.05
"""Least time between two checks; a connection may be dropped this much later."""


class HasDeadline(Protocol):
    """Something with a deadline."""

    deadline: float
    """By the clock of the loop; infinity for none."""

    def time_is_up(self) -> None:
        """Act on the deadline, which has come."""


class Deadlines:
    """The deadlines of all connections of a server.

    Args:
        present: yields those that there are, whenever it is iterated.
    """

    def __init__(self, present: Iterable[HasDeadline]) -> None:
        self._present = present
        self._timer: asyncio.TimerHandle | None = None
        self._next_check = math.inf

    def note(self, deadline: float) -> None:
        """Take note of a new deadline, by the clock of the running loop."""
        if deadline < self._next_check:
            self.cancel()
            self._next_check = deadline
            self._timer = asyncio.get_running_loop().call_at(deadline, self._check)

    def cancel(self) -> None:
        """Forget all deadlines."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._next_check = math.inf

    def _check(self) -> None:
        now = asyncio.get_running_loop().time()
        # A connection that is dropped may then have another deadline, and a nearer one.
        self.cancel()
        for each in self._present:
            if each.deadline <= now:
                each.time_is_up()
        first = min((each.deadline for each in self._present), default=math.inf)
        self.note(max(first, now + GRAIN_SECONDS))


BACKLOG = 128
"""Connections that the system keeps while we are busy: a class may connect at the same moment."""


NO_MORE_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
"""The errors of a file or a connection that cannot be opened now, but perhaps later."""


_NOT_OURS = (errno.EINVAL, errno.EADDRNOTAVAIL)
"""What the system reports of an address that this machine doesn't have."""


class CannotListen(OSError):
    """An address or a port that the server cannot listen on.

    Attributes:
        host: the address that was asked for.
        port: the port that was asked for; 0 if any would have done.
        is_address: whether `host` is an address of this machine, or a name for one.
    """

    def __init__(self, host: str, port: int, why: OSError | ValueError) -> None:
        super().__init__(getattr(why, "errno", None), getattr(why, "strerror", None) or str(why))
        unknown = isinstance(why, ValueError | socket.gaierror) or why.errno in _NOT_OURS
        self.is_address = not unknown
        self.host = host
        self.port = port


ACCEPT_AGAIN_SECONDS = 1.0
"""How long connections wait when no file can be opened for them."""


class ListeningPort:
    """A port that was taken: the system accepts connections from now on, and keeps them for us.

    asyncio has servers of its own.  What they do when no more files can be opened differs by loop:
    uvloop closes new connections silently.  Here they wait.

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
            # Python raises ValueError (such as UnicodeError) for a name that it doesn't even look up.
            raise CannotListen(host, port, error) from error
        self.host = host
        self.port: int = self.socket.getsockname()[1]
        self.implicit_tls = implicit_tls
        self._stop: Callable[[], object] | None = None
        """Takes the port from the loop that serves it."""
        self._beginning: set[asyncio.Task[object]] = set()
        """Accepted connections that the protocol doesn't know yet."""

    async def serve(self, make: Callable[[], asyncio.Protocol]) -> None:
        """Accept connections in the running loop until the port is closed."""
        self._loop = asyncio.get_running_loop()
        self._make = make
        try:
            self._loop.add_reader(self.socket, self._accept)
        except NotImplementedError:
            # The loop of Windows, where files aren't limited like this.
            serving = await self._loop.create_server(make, sock=self.socket, backlog=BACKLOG)
            self._stop = serving.close
        else:
            self._stop = partial(self._loop.remove_reader, self.socket)

    def _accept(self) -> None:
        """Accept one connection; if there are more, the loop calls again after its other callbacks."""
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
"""The silence after which the system asks whether a client is there, how often, and how many times."""


def _ask_whether_clients_are_there(sock: socket.socket) -> None:
    """Have the system end connections to machines that have vanished (RFC 9293 §3.8.4).

    Pulling out a cable ends no connection, and the maildrop would stay locked until the inactivity timer
    ends.  Accepted connections inherit the options.  Learners may be silent: their system answers.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", QUIET_SECONDS),
        ("TCP_KEEPINTVL", ASK_SECONDS),
        ("TCP_KEEPCNT", TIMES),
    ):
        if hasattr(socket, name):  # Not every system has all of them.
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


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
            are known, without loopback and link-local ones.
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
            # Some interfaces have no address, and some systems are asked in another way.
            with suppress(OSError):
                answer = fcntl.ioctl(asking, _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
                yield socket.inet_ntoa(answer[20:24])
