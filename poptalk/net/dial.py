"""Dialling: from a name or an address to a connected socket.

A name may have several addresses, IPv6 and IPv4.  They are tried in turn, in the order of
getaddrinfo, and the sentence about a failure names each of them and why it did not answer.
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
PROXY_PORT_HINT = "Is the proxy's port right?"

# The resolver's errors for a name that does not exist; with the others it had no answer itself.
_UNKNOWN = {
    getattr(socket, name)
    for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY", "EAI_FAMILY")
    if hasattr(socket, name)
}


class Address(Value):
    """One address of a target.

    Args:
        family: the address family of the socket.
        sockaddr: what ``socket.connect`` takes: a tuple that begins with the address in text, or the
            path of a unix socket.
    """

    family: int
    sockaddr: tuple[str | int | bytes, ...] | str

    def __str__(self) -> str:
        return self.sockaddr if isinstance(self.sockaddr, str) else str(self.sockaddr[0])


def dial(target: Target, *, timeout: float | None, port_hint: str = PORT_HINT) -> socket.socket:
    """Connect to `target` and return the connected socket, blocking, without Nagle's delay.

    Args:
        target: where to connect to.
        timeout: seconds for everything together, the look-up of the name included; None waits as
            long as the system does.
        port_hint: what to say about the port if nothing answers there.

    Raises:
        ConnectFailed: name unknown, refused, unreachable, no answer in time.
    """
    if target.connect_timeout is not None:
        timeout = target.connect_timeout
    if target.proxy is not None:
        return _dial_through(target.proxy, target, timeout)
    deadline = Deadline(timeout)
    failed: list[tuple[Address, OSError]] = []
    addresses = _look_up(target, deadline)
    for index, address in enumerate(addresses):
        try:
            return _connect(address, target, deadline.share(len(addresses) - index))
        except OSError as error:
            failed.append((address, error))
    raise connect_failed(target, failed, timeout=timeout, port_hint=port_hint)


def _connect(address: Address, target: Target, timeout: float | None) -> socket.socket:
    """Return a socket that is connected to `address`, from the source address of `target`.

    A person's lines are short, and each waits for an answer: Nagle's algorithm would only delay them.

    Raises:
        OSError: it cannot be connected, or this machine lacks the family or the source address.
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
        sock.connect(address.sockaddr)
        sock.settimeout(None)
    except BaseException as error:
        sock.close()
        if isinstance(error, ValueError):  # neither name nor address: a NUL, or malformed labels
            raise socket.gaierror(socket.EAI_NONAME, str(error)) from None
        raise
    return sock


class Deadline:
    """The time by which several steps must be done.

    Args:
        timeout: seconds from now; None for no limit.
    """

    def __init__(self, timeout: float | None) -> None:
        self._end = None if timeout is None else time.monotonic() + timeout

    def left(self) -> float | None:
        """Return the seconds left, never less than a millisecond: 0 would mean not to block."""
        return None if self._end is None else max(self._end - time.monotonic(), 0.001)

    def share(self, steps: int) -> float | None:
        """Return an equal share of the time left for each of the steps still to do.

        An address that swallows packets must leave time for the one after it.
        """
        left = self.left()
        return None if left is None else left / steps


def connect_failed(
    target: Target,
    failed: list[tuple[Address, OSError]],
    *,
    timeout: float | None,
    port_hint: str = PORT_HINT,
) -> ConnectFailed:
    """Return the error that names each address, why it failed, and what to try.

    Args:
        target: what was dialled.
        failed: the addresses that were tried, each with its error.
        timeout: the seconds that were given for all of them.
        port_hint: as for `dial`.
    """
    advice = _advice(target, [error for _address, error in failed], port_hint)
    if len(failed) == 1:
        [(address, error)] = failed
        named = str(address) in (bare_host(target.host), target.path)
        where = "" if named else f" (address {address})"
        return ConnectFailed(f"{target}{where} {_why(error, timeout)}: {advice}")
    # Each address had only a share of the time.
    tried = ", ".join(f"{address} {_why(error, None)}" for address, error in failed)
    return ConnectFailed(f"{target} cannot be reached: {tried}: {advice}")


def _why(error: OSError, timeout: float | None) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "refused the connection"
    if isinstance(error, ConnectionResetError):
        return "reset the connection"
    if isinstance(error, TimeoutError):
        return "did not answer" if timeout is None else f"did not answer within {timeout:g} s"
    return f"is out of reach ({reason(error)})"


def _advice(target: Target, errors: list[OSError], port_hint: str) -> str:
    codes = {error.errno for error in errors}
    kinds = {type(error) for error in errors}
    if target.path is not None:
        return "does a server listen on it, and may you open it?"
    if target.source is not None and (codes & _WRONG_SOURCE or socket.gaierror in kinds):
        return (
            f"{printable(target.source)}, which --source names, isn't an address of this machine "
            "with a route there."
        )
    if ConnectionRefusedError in kinds:
        return f"nothing listens there. {port_hint}"
    if ConnectionResetError in kinds:
        return f"something there takes connections and drops them at once. {port_hint}"
    if TimeoutError in kinds:
        return (
            "it is down, or a firewall drops what is sent to it. "
            f"{port_hint} A longer --timeout may help."
        )
    if codes & {errno.EACCES, errno.EPERM}:
        return "this machine does not let the connection out. Does a local firewall forbid it?"
    return "there is no route to it. Is this machine on the network, and is the address right?"


_WRONG_SOURCE = {errno.EADDRNOTAVAIL, errno.EINVAL, errno.EAFNOSUPPORT}
"""Errors of connecting from an address that cannot be used."""


def _look_up(target: Target, deadline: Deadline) -> list[Address]:
    """Look `target` up, by the deadline: getaddrinfo, which asks the name service, can hang for minutes.

    Raises:
        ConnectFailed: the name or the port is malformed, or there is no such address.
    """
    if target.path is not None:
        if not hasattr(socket, "AF_UNIX"):  # Windows
            raise ConnectFailed(
                "Python has no unix sockets on this system: connect to host and port"
            )
        return [Address(family=socket.AF_UNIX, sockaddr=target.path)]
    host = host_name(target)
    try:
        return _addresses(target, host, socket.AI_NUMERICHOST)
    except socket.gaierror as error:
        if error.errno != socket.EAI_NONAME:
            raise _look_up_failed(target, error) from None
    try:
        return _in_time(lambda: _addresses(target, host, 0), deadline)
    except (OSError, ValueError) as error:
        raise _look_up_failed(target, error) from None


def in_a_thread(
    work: Callable[[], T], *, done: Callable[[], object], undo: Callable[[T], object]
) -> list[T | Exception | None]:
    """Run what cannot be interrupted in a thread of its own, which is never joined.

    Args:
        work: what to run.
        done: called in the thread when it has run.
        undo: takes a result that comes too late.

    Returns:
        A list whose first entry counts: the thread adds its result or exception, and the caller adds
        None when it isn't wanted anymore.
    """
    outcome: list[T | Exception | None] = []

    def run() -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - raised on the other side
            outcome.append(error)
        else:
            outcome.append(result)
            if outcome[0] is None:
                undo(result)
        done()

    # Not the threading module: importing it costs a piped session a millisecond.
    _thread.start_new_thread(run, ())
    return outcome


def _in_time(
    work: Callable[[], T], deadline: Deadline, *, undo: Callable[[T], object] = lambda _: None
) -> T:
    """Run what cannot be interrupted, but wait for it only until a deadline.

    Raises:
        TimeoutError: it isn't done in time.
    """
    done = _thread.allocate_lock()
    done.acquire()
    outcome = in_a_thread(work, done=done.release, undo=undo)
    left = deadline.left()
    if not done.acquire(timeout=-1 if left is None else left):
        outcome.append(None)
    first = outcome[0]
    if first is None:
        raise TimeoutError
    if isinstance(first, Exception):
        raise first
    return first


def _look_up_failed(target: Target, error: Exception) -> ConnectFailed:
    """Return the error for a look-up that raised `error`."""
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
    # A host file may have a line twice, and one address that refuses twice is confusing.
    addresses = [Address(family=family, sockaddr=sockaddr) for family, _, _, _, sockaddr in found]
    return list(dict.fromkeys(addresses))


def host_name(target: Target) -> bytes:
    """Return the target's host as the name service takes it, without brackets.

    As bytes, it spares getaddrinfo the import of the IDNA codec.

    Raises:
        ConnectFailed: the host or the port is malformed; no name has control characters.
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
            f'"{shown}" isn\'t a host name: give a name or an address alone, as in mail.example.org.'
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
            f'"{shown}" isn\'t a host name: between two dots there are 1 to {LABEL_LIMIT} characters.'
        )
    if len(name) > NAME_LIMIT:
        raise ConnectFailed(
            f'"{shown}" isn\'t a host name: one has at most {NAME_LIMIT} characters.'
        )
    return name


# Reaching a server through a proxy: SOCKS5, or HTTP's CONNECT.
#
# SOCKS5 is left to the library python-socks.  CONNECT is spoken here, because in POP3 the server speaks
# first: its greeting may arrive together with the proxy's answer, and the library, like http.client,
# drops what it has read beyond that answer.

MOST_ANSWER_OCTETS = 16 * 1024
"""The longest header of a proxy's answer."""


def _dial_through(proxy: Proxy, target: Target, timeout: float | None) -> socket.socket:
    """Connect to `target` through `proxy`, from the target's source address.

    Raises:
        ConnectFailed: the proxy cannot be reached, or does not let us through.
    """
    try:
        by_way_of = _dial_by_connect if proxy.scheme == "http" else _dial_by_socks
        sock = by_way_of(proxy, target, timeout)
    except TimeoutError:
        raise ConnectFailed(
            f"{_begin(proxy)} did not reach {target} within {timeout or 0:g} s. It may be busy, or "
            "drop connections to this port; a longer --timeout may help."
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
        # The library starts the clock again for each read, so a drip would go on forever.
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
        sock = dial(way, timeout=timeout, port_hint=PROXY_PORT_HINT)
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
    """Write the request; `host_name` refuses a host that would add lines to it."""
    from base64 import b64encode

    host = host_name(target)
    where = (b"[%b]:%d" if b":" in host else b"%b:%d") % (host, target.port)
    lines = [b"CONNECT %b HTTP/1.1" % where, b"Host: %b" % where]
    if proxy.user is not None:
        pair = f"{proxy.user}:{proxy.password or ''}".encode()
        lines.append(b"Proxy-Authorization: Basic " + b64encode(pair))
    return b"\r\n".join((*lines, b"", b""))


def _read_header(sock: socket.socket, deadline: Deadline) -> bytes:
    """Read up to the empty line, and not an octet further: what follows is the server's.

    All of it must have come by the deadline, however slowly it trickles in.

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
