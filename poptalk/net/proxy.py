"""Reaching a server through a proxy: SOCKS5, or HTTP's CONNECT.

SOCKS5 is spoken by the library python-socks.  CONNECT is spoken here, because in POP3 the server speaks
first: its greeting may come in the same segment as the proxy's answer, and the library, as
http.client does, reads on and drops what stands behind that answer.
"""

from __future__ import annotations

import socket

from poptalk.net.destination import Proxy, Target
from poptalk.net.dial import Deadline, dial, host_name
from poptalk.net.errors import ConnectFailed, printable, reason

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
    from python_socks import ProxyConnectionError, ProxyError, ProxyType
    from python_socks.sync import Proxy as SocksProxy

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
        return socks.connect(host, target.port, timeout, local_addr=source)
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
