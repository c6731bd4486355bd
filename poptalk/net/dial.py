"""Dialling: from a name or an address to a connected socket.

A name may have several addresses, IPv6 and IPv4.  They are tried in turn, in the order of
getaddrinfo, and the sentence of a failure names each of them and why it did not answer.
`async_connection` dials with the same function, in a thread.
"""

from __future__ import annotations

import _thread
import errno
import socket
import time

from poptalk.net.endpoint import Proxy, Target, ascii_name, bare_host
from poptalk.net.errors import ConnectFailed, printable, reason
from poptalk.pop3.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

# What the DNS allows, in octets.
LABEL_LIMIT = 63
NAME_LIMIT = 253

PORT_HINT = "Is the port right? POP3 is 110, POP3 over TLS is 995."

# Answers of the resolver which mean that it does not know, as opposed to having had no answer itself.
_UNKNOWN = {
    getattr(socket, name)
    for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY", "EAI_FAMILY")
    if hasattr(socket, name)
}


class Address(Value):
    """One address of a target.

    Args:
        family: the address family of the socket.
        sockaddr: what getaddrinfo gives, the address in text first; of a unix socket the path.
    """

    family: int
    sockaddr: tuple[str | int | bytes, ...]

    def __str__(self) -> str:
        return str(self.sockaddr[0])

    @property
    def for_connect(self) -> tuple[str | int | bytes, ...] | str:
        """What ``socket.connect`` takes: of a unix socket the path alone."""
        return self.sockaddr if len(self.sockaddr) > 1 else str(self.sockaddr[0])


def dial(target: Target, *, timeout: float | None) -> socket.socket:
    """Connect to `target` and return the connected socket, blocking, without Nagle's delay.

    Args:
        target: where to connect to.
        timeout: seconds for everything together, the look-up of the name included; None waits for
            as long as the system does.

    Raises:
        ConnectFailed: name unknown, refused, unreachable, no answer in time.
    """
    if target.connect_timeout is not None:
        timeout = target.connect_timeout
    if target.proxy is not None:
        return dial_through(target.proxy, target, timeout=timeout)
    deadline = Deadline(timeout)
    attempts = Attempts(target, timeout=timeout)
    addresses = _look_up(target, deadline)
    for index, address in enumerate(addresses):
        try:
            return _connect(address, target, deadline.share(len(addresses) - index))
        except OSError as error:
            attempts.add(address, error)
    raise attempts.failure()


def _connect(address: Address, target: Target, timeout: float | None) -> socket.socket:
    """Return a socket that is connected to an address.

    A person's lines are short and wait for an answer each: Nagle's algorithm would only delay them.

    Args:
        address: where it is to lead.
        target: says from which address of this machine.
        timeout: seconds that it may take.

    Raises:
        OSError: it cannot be connected, or the system has no such family, or not that source.
    """
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        if address.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if target.source is not None:
            sock.bind((target.source, 0))
            if target.bound is not None:
                target.bound(sock.getsockname()[:2])
        sock.settimeout(timeout)
        sock.connect(address.for_connect)
        sock.settimeout(None)
    except BaseException as error:
        sock.close()
        if isinstance(error, ValueError):  # no name, and no address: a NUL, or labels that are none
            raise socket.gaierror(socket.EAI_NONAME, str(error)) from None
        raise
    return sock


class Deadline:
    """A time by which several steps must be done together.

    Args:
        timeout: seconds from now; None for no limit.
    """

    def __init__(self, timeout: float | None) -> None:
        self._end = None if timeout is None else time.monotonic() + timeout

    def left(self) -> float | None:
        """Return the seconds left, never less than a millisecond: 0 would mean not to block."""
        return None if self._end is None else max(self._end - time.monotonic(), 0.001)

    def share(self, steps: int) -> float | None:
        """Return an equal share of the time left.

        An address that swallows packets must leave time for the one after it.

        Args:
            steps: how many steps there are still to do, this one included.
        """
        left = self.left()
        return None if left is None else left / steps


class Attempts:
    """The addresses that were tried in vain, and the sentence about them.

    Args:
        target: what was dialled.
        timeout: the seconds that were given, for the sentence.
    """

    def __init__(self, target: Target, *, timeout: float | None) -> None:
        self._target = target
        self._timeout = timeout
        self._failed: list[tuple[Address, OSError]] = []

    def add(self, address: Address, error: OSError) -> None:
        """Note that `address` failed with `error`."""
        self._failed.append((address, error))

    def failure(self) -> ConnectFailed:
        """Return the error that names each address, why it failed, and what to try."""
        advice = self._advice()
        if len(self._failed) == 1:
            [(address, error)] = self._failed
            named = str(address) in (bare_host(self._target.host), self._target.path)
            where = "" if named else f" (address {address})"
            return ConnectFailed(f"{self._target}{where} {self._why(error)}: {advice}")
        tried = ", ".join(f"{address} {self._why(error)}" for address, error in self._failed)
        return ConnectFailed(f"{self._target} cannot be reached: {tried}: {advice}")

    def _why(self, error: OSError) -> str:
        if isinstance(error, ConnectionRefusedError):
            return "refused the connection"
        if isinstance(error, ConnectionResetError):
            return "reset the connection"
        if isinstance(error, TimeoutError):
            # Of several addresses each had a share of the time.
            known = self._timeout is not None and len(self._failed) == 1
            return f"did not answer within {self._timeout:g} s" if known else "did not answer"
        return f"is out of reach ({reason(error)})"

    def _advice(self) -> str:
        errors = [error for _address, error in self._failed]
        if self._target.path is not None:
            return "does a server listen on it, and may you open it?"
        if self._target.source is not None and _not_ours(errors):
            return (
                f"{printable(self._target.source)}, which --source names, is no address of this machine "
                "that leads there."
            )
        if any(isinstance(error, ConnectionRefusedError) for error in errors):
            return f"nothing listens there. {PORT_HINT}"
        if any(isinstance(error, ConnectionResetError) for error in errors):
            return f"something there takes connections and drops them at once. {PORT_HINT}"
        if any(isinstance(error, TimeoutError) for error in errors):
            return (
                "it is down, or a firewall swallows what is sent to it. "
                f"{PORT_HINT} A longer --timeout may help."
            )
        if any(error.errno in (errno.EACCES, errno.EPERM) for error in errors):
            return "this machine does not let the connection out. Does a local firewall forbid it?"
        return "no way leads there. Is this machine on the network, and is the address right?"


def _not_ours(errors: list[OSError]) -> bool:
    """Whether connecting failed because of the address to connect from."""
    wrong = (errno.EADDRNOTAVAIL, errno.EINVAL, errno.EAFNOSUPPORT)
    return any(error.errno in wrong or isinstance(error, socket.gaierror) for error in errors)


def _look_up(target: Target, deadline: Deadline) -> list[Address]:
    """Look `target` up; getaddrinfo, which asks the name service, may hang for minutes.

    Raises:
        ConnectFailed: the name or the port is malformed, or there is no such address.
    """
    if target.path is not None:
        if not hasattr(socket, "AF_UNIX"):  # Windows
            raise ConnectFailed(
                "Python has no unix sockets on this system: connect to host and port"
            )
        return [Address(family=socket.AF_UNIX, sockaddr=(target.path,))]
    host = host_name(target)
    try:
        return _addresses(target, host, socket.AI_NUMERICHOST)
    except socket.gaierror as error:
        if error.errno != socket.EAI_NONAME:
            raise look_up_failed(target, error) from None
    try:
        return _in_time(lambda: _addresses(target, host, 0), deadline)
    except (OSError, ValueError) as error:
        raise look_up_failed(target, error) from None


def _in_time(
    work: Callable[[], T], deadline: Deadline, *, undo: Callable[[T], object] = lambda _: None
) -> T:
    """Do something in a thread of its own that is never joined: for what cannot be interrupted.

    Args:
        work: what is to be done.
        deadline: until when.
        undo: takes a result that comes later.

    Raises:
        TimeoutError: it is not done in time.
    """
    outcome: list[T | Exception | None] = []
    """What came first: the thread's outcome, or None, once time was up."""
    done = _thread.allocate_lock()
    done.acquire()

    def run() -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - raised on the other side
            outcome.append(error)
        else:
            outcome.append(result)
            if outcome[0] is None:
                undo(result)
        done.release()

    # Not the threading module: importing it costs a piped session a millisecond.
    _thread.start_new_thread(run, ())
    left = deadline.left()
    if not done.acquire(timeout=-1 if left is None else left):
        outcome.append(None)
    first = outcome[0]
    if first is None:
        raise TimeoutError
    if isinstance(first, Exception):
        raise first
    return first


def look_up_failed(target: Target, error: Exception) -> ConnectFailed:
    """Return the error for a look-up that failed.

    Args:
        target: what was looked up.
        error: what getaddrinfo raised, or TimeoutError.
    """
    host = printable(bare_host(target.host))
    if isinstance(error, TimeoutError):
        return ConnectFailed(
            f"The name {host} was not found in time: the name service does not answer. "
            "Is this machine on the network? An address instead of the name may work."
        )
    if isinstance(error, socket.gaierror) and error.errno in _UNKNOWN:
        if target.family:
            version = "IPv6" if target.family == socket.AF_INET6 else "IPv4"
            return ConnectFailed(
                f"{host} has no {version} address that is known here: is the name spelled right? "
                "Without -4 and -6, addresses of both kinds are tried."
            )
        return ConnectFailed(
            f"No host named {host} is known here: is the name spelled right, "
            "and is this machine on the network?"
        )
    said = reason(error) if isinstance(error, OSError) else printable(str(error))
    return ConnectFailed(
        f"The name {host} cannot be looked up now ({said}): "
        "is this machine on the network? Try again, or use an address instead of the name."
    )


def _addresses(target: Target, host: bytes, flags: int) -> list[Address]:
    found = socket.getaddrinfo(
        host, target.port, target.family, socket.SOCK_STREAM, socket.IPPROTO_TCP, flags
    )
    # A host file may hold a line twice, and to be refused twice by one address is confusing.
    return list(
        dict.fromkeys(
            Address(family=family, sockaddr=sockaddr) for family, _, _, _, sockaddr in found
        )
    )


def host_name(target: Target) -> bytes:
    """Return the host in the form of the name service, without brackets.

    As bytes, it spares getaddrinfo the import of the IDNA codec.

    Args:
        target: the address to dial.

    Raises:
        ConnectFailed: the host is none, or the port; control characters are in no name.
    """
    host = bare_host(target.host)
    shown = printable(host)
    if not 1 <= target.port <= 65535:
        raise ConnectFailed(
            f"There is no port {target.port}: ports go from 1 to 65535; POP3 is 110, "
            "POP3 over TLS is 995."
        )
    if not host:
        raise ConnectFailed("The host is empty: give a name or an address, as in mail.example.org.")
    if not host.isprintable() or any(char.isspace() or char in "/@[]" for char in host):
        raise ConnectFailed(
            f'"{shown}" is no host name: give a name or an address alone, as in mail.example.org.'
        )
    try:
        name = ascii_name(host).encode("ascii")
    except UnicodeError:
        raise ConnectFailed(
            f'"{shown}" cannot be written as an international domain name: is it spelled right?'
        ) from None
    labels = name.removesuffix(b".").split(b".")
    if b":" not in name and not all(0 < len(label) <= LABEL_LIMIT for label in labels):
        raise ConnectFailed(
            f'"{shown}" is no host name: between two dots are 1 to {LABEL_LIMIT} characters.'
        )
    if len(name) > NAME_LIMIT:
        raise ConnectFailed(f'"{shown}" is no host name: one has at most {NAME_LIMIT} characters.')
    return name


# Reaching a server through a proxy: SOCKS5, or HTTP's CONNECT.
#
# SOCKS5 is left to the library python-socks.  CONNECT is spoken here, because in POP3 the server speaks
# first: its greeting may arrive together with the proxy's answer, and the library, like http.client,
# drops what it has read beyond that answer.

MOST_ANSWER_OCTETS = 16 * 1024
"""How long the header of a proxy's answer may be."""


def dial_through(proxy: Proxy, target: Target, *, timeout: float | None) -> socket.socket:
    """Connect to `target` by way of `proxy`; return the connected socket, blocking.

    Args:
        proxy: the proxy.
        target: where to connect to; its source is that of the way to the proxy.
        timeout: seconds for everything together; None waits for as long as the system does.

    Raises:
        ConnectFailed: the proxy cannot be reached, or does not let us through.
    """
    by_way_of = _dial_by_connect if proxy.scheme == "http" else _dial_by_socks
    try:
        sock = by_way_of(proxy, target, timeout)
    except TimeoutError:
        raise ConnectFailed(
            f"{_begin(proxy)} did not reach {target} within {timeout or 0:g} s. It may be busy, or "
            "swallow what is for this port; a longer --timeout may help."
        ) from None
    except OSError as error:
        raise ConnectFailed(
            f"{_begin(proxy)} dropped the connection ({reason(error)}). Is it a proxy of this kind?"
        ) from error
    sock.settimeout(None)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _dial_by_socks(proxy: Proxy, target: Target, timeout: float | None) -> socket.socket:
    """Ask a SOCKS5 proxy for the target (RFC 1928)."""
    try:
        from python_socks import ProxyConnectionError, ProxyError, ProxyType
        from python_socks.sync import Proxy as SocksProxy
    except ModuleNotFoundError:
        from poptalk.config import not_installed

        raise ConnectFailed(f"SOCKS proxies: {not_installed('python-socks')}.") from None

    socks = SocksProxy(
        ProxyType.SOCKS5,
        proxy.host,
        proxy.port,
        username=proxy.user,
        password=proxy.password or "" if proxy.user is not None else None,
        rdns=proxy.scheme == "socks5h",
    )
    source = None if target.source is None else (target.source, 0)
    host = host_name(target).decode("ascii")
    try:
        # The library gives each read the whole time again, so a drip would go on for ever.
        return _in_time(
            lambda: socks.connect(host, target.port, timeout, local_addr=source),
            Deadline(timeout),
            undo=socket.socket.close,
        )
    except ProxyConnectionError as error:
        raise ConnectFailed(f"{_begin(proxy)} cannot be reached: {reason(error)}.") from error
    except ProxyError as error:
        raise ConnectFailed(_refused(proxy, target, str(error))) from error


def _dial_by_connect(proxy: Proxy, target: Target, timeout: float | None) -> socket.socket:
    """Ask an HTTP proxy for the target (RFC 9110 §9.3.6)."""
    request = _connect_request(proxy, target)
    deadline = Deadline(timeout)
    way = Target(host=proxy.host, port=proxy.port, family=target.family, source=target.source)
    try:
        sock = dial(way, timeout=timeout)
    except ConnectFailed as error:
        raise ConnectFailed(f"{_begin(proxy)} cannot be reached: {error}") from error
    try:
        sock.settimeout(deadline.left())
        sock.sendall(request)
        status = _read_header(sock, deadline).partition(b"\r\n")[0]
        version, _, outcome = status.partition(b" ")
        if not version.startswith(b"HTTP/"):
            raise ConnectFailed(f"{_begin(proxy)} does not speak HTTP. Is it a proxy of this kind?")
        if not outcome.startswith(b"2"):
            raise ConnectFailed(_refused(proxy, target, outcome.decode("latin-1")))
    except BaseException:
        sock.close()
        raise
    return sock


def _connect_request(proxy: Proxy, target: Target) -> bytes:
    """Write the request; a host that is none raises ConnectFailed, as it could add lines to it."""
    from base64 import b64encode

    host = host_name(target).decode("ascii")
    where = f"[{host}]:{target.port}" if ":" in host else f"{host}:{target.port}"
    lines = [f"CONNECT {where} HTTP/1.1", f"Host: {where}"]
    if proxy.user is not None:
        pair = b64encode(f"{proxy.user}:{proxy.password or ''}".encode()).decode("ascii")
        lines.append(f"Proxy-Authorization: Basic {pair}")
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode("utf-8")


def _read_header(sock: socket.socket, deadline: Deadline) -> bytes:
    """Read up to the empty line, and not an octet further: what follows is the server's.

    Args:
        sock: the connection to the proxy.
        deadline: when all of it must have come, however slowly it trickles in.

    Raises:
        OSError: the proxy hung up, or its header does not end.
    """
    header = b""
    while not header.endswith(b"\r\n\r\n"):
        sock.settimeout(deadline.left())
        octet = sock.recv(1)
        if not octet or len(header) >= MOST_ANSWER_OCTETS:
            raise ConnectionResetError(0, "its answer did not come to an end")
        header += octet
    return header


def _refused(proxy: Proxy, target: Target, said: str) -> str:
    return f"{_begin(proxy)} does not let us through to {target}: {printable(said)}."


def _begin(proxy: Proxy) -> str:
    return f"The{str(proxy)[3:]}"
