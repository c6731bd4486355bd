"""Where to connect to, as the command line and `:open` read it.

A destination is a host and a port, or a URL (RFC 2384: ``pop3://user@host:110``, ``pop3s://host``).
A password in a URL is refused: it would be in the history of the shell, and in `ps`.
"""

from __future__ import annotations

import os
import socket

from poptalk.net.errors import peer_name, printable
from poptalk.pop3.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from poptalk.net.tls_settings import TlsSettings

POP3_PORT = 110
"""RFC 1939 §3."""

POP3S_PORT = 995
"""RFC 8314 §3.3, implicit TLS."""

PROXY_VARIABLE = "POPTALK_PROXY"
"""The environment variable that names a proxy: other users don't see a password in it."""

DEFAULT_TIMEOUT = 60.0
"""Seconds for a connection, a TLS handshake or a reply: longer than servers delay failed logins."""

PROXY_SCHEMES = {"socks5": 1080, "socks5h": 1080, "http": 8080}
"""The kinds of proxy, each with its usual port; with `socks5h` the proxy looks names up."""

FAMILIES: Mapping[int, int] = {4: socket.AF_INET, 6: socket.AF_INET6}
"""The address families by the version of IP that people name."""

TLS_VERSIONS = ("1.0", "1.1", "1.2", "1.3")
"""The lowest versions of TLS that can be asked for, the oldest first."""

TLS_TWICE = "TLS at once and STLS exclude each other: choose one of them"

_SCHEMES = {"pop": False, "pop3": False, "pops": True, "pop3s": True}
"""Schemes of a URL, and whether TLS begins at once."""


class UsageError(Exception):
    """A request that cannot be met; `str(error)` says why, in one sentence, and what would be right."""


class BadDestination(UsageError):
    """The place to connect to cannot be used."""


class BadProxy(UsageError):
    """The proxy that was asked for cannot be used."""


class Proxy(Value):
    """A proxy."""

    scheme: str
    host: str
    port: int
    user: str | None = None
    password: str | None = None

    def __str__(self) -> str:
        return f"the proxy {self.scheme}://{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Its URL, with the user and without the password."""
        from urllib.parse import quote

        user = "" if self.user is None else f"{quote(self.user, safe='')}@"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{user}{host}:{self.port}"

    def __repr__(self) -> str:
        """Leave the password out: a repr ends up in tracebacks."""
        return f"Proxy({self})"


class Target(Value):
    """Where to connect to.

    Args:
        host: a name, an IPv4 or an IPv6 address, the last with or without brackets.
        port: a TCP port, 1 to 65535.
        family: 0 for IPv6 and IPv4, or ``socket.AF_INET`` or ``socket.AF_INET6`` for one alone.
        source: the address of this machine to connect from, None for any.
        bound: called with that address and the port, before the other side knows them.
        path: a unix socket instead of host and port; None for TCP.
        proxy: the proxy to go through, None for none.
        connect_timeout: seconds until the connection must be made, None where the general limit holds.
    """

    host: str
    port: int
    family: int = 0
    source: str | None = None
    bound: Callable[[tuple[str, int]], None] | None = None
    path: str | None = None
    proxy: Proxy | None = None
    connect_timeout: float | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return f"the socket {printable(self.path)}"
        return peer_name(bare_host(self.host), self.port)


class ConnectOptions(Value):
    """How to reach a server, and what to ask of it, whatever its host and port."""

    family: int = 0
    """An address family of the socket module; 0 for IPv6 and IPv4."""
    source: str | None = None
    """The address of this machine to connect from."""
    path: str | None = None
    """A unix socket instead of host and port."""
    proxy: Proxy | None = None
    tls: bool = False
    """Whether TLS begins at once; not set for an STLS that is typed by hand."""
    starttls: bool = False
    """Whether STLS comes first, and nothing goes on without it (RFC 8314 §3.1 prefers TLS at once)."""
    server_name: str | None = None
    """The name that the certificate must be for; None for the host."""
    verify: bool = True
    ca_file: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    pins: tuple[str, ...] = ()
    """As `tls_settings.parse_pin` reads them."""
    tls_min: str | None = None
    """The lowest version of TLS to accept, one of `TLS_VERSIONS`; None for the usual one."""
    keylog: str | None = None
    save_chain: str | None = None
    """A new file for the certificates that the server sends."""
    connect_timeout: float | None = None
    """Seconds until the connection must be made; None where the general limit holds."""


class Destination(ConnectOptions):
    """A server, and how to reach it."""

    host: str
    port: int
    user: str | None = None
    """The user name in a URL."""
    mechanism: str | None = None
    """How to log in, from a URL: ``;AUTH=PLAIN``, ``;AUTH=+APOP`` (RFC 2384 §3)."""
    label: str | None = None
    """The server's name in the prompt, None for the host as it was typed."""

    def __str__(self) -> str:
        where = f"{self.host} port {self.port}" if self.path is None else str(self.target)
        return where if self.proxy is None else f"{where} through {self.proxy}"

    @property
    def name(self) -> str:
        """The server's name in the prompt."""
        return self.label or bare_host(self.host)

    @property
    def target(self) -> Target:
        """The address to dial."""
        fields = (field for field in Target._fields if field in Destination._fields)
        return Target(**{field: getattr(self, field) for field in fields})

    @property
    def is_loopback(self) -> bool:
        """Whether what is sent stays on this machine."""
        return self.path is not None or (self.proxy is None and is_loopback(bare_host(self.host)))

    def tls_settings(self) -> TlsSettings:
        """Return what is asked of TLS, whether it begins at once or after STLS.

        Raises:
            BadDestination: a pin cannot be read.
        """
        from poptalk.net.tls_settings import USUAL_MINIMUM, TlsSettings, parse_pin

        try:
            pins = tuple(map(parse_pin, self.pins))
        except ValueError as error:
            raise BadDestination(str(error)) from error
        return TlsSettings(
            server_name=self.server_name or bare_host(self.host),
            verify=self.verify,
            ca_file=self.ca_file,
            client_cert=self.client_cert,
            client_key=self.client_key,
            pins=pins,
            minimum=self.tls_min or USUAL_MINIMUM,
            keylog=self.keylog,
            save_chain=self.save_chain,
        )

    def check_tls_files(self) -> None:
        """Check the files that TLS needs, so that a wrong one is found before anything is sent.

        Raises:
            BadDestination: a pin cannot be read, or there is a file where a new one was to be written.
            TlsFailed: a file cannot be used.
        """
        if self.save_chain and os.path.lexists(self.save_chain):
            raise BadDestination(
                f"--save-chain: {printable(self.save_chain)} is there already; name another file"
            )
        if self.pins or self.ca_file or self.client_cert or self.client_key or self.keylog:
            from poptalk.net.tls_settings import client_context

            client_context(self.tls_settings())


DIRECT = ConnectOptions()
"""The usual way."""


def parse_destination(words: Sequence[str], options: ConnectOptions = DIRECT) -> Destination:
    """Read a target as it was typed.

    Args:
        words: a host and perhaps a port, or a URL; with a unix socket nothing, or a host alone.
        options: how to reach it.

    Raises:
        BadDestination: it cannot be read; the sentence says what would be right.
    """
    if options.path is not None:
        words = words or ("localhost",)
    if not 1 <= len(words) <= 2:
        raise BadDestination("give a host and perhaps a port, or a URL such as pop3s://host")
    words = target_words(words[0]) if len(words) == 1 else words
    fields = {field: getattr(options, field) for field in ConnectOptions._fields}
    fields |= _parse_url(words[0], options) if "://" in words[0] else {"host": words[0]}
    if len(words) == 2:
        if words[0].isdigit() and not words[1].isdigit():
            raise BadDestination(
                f"the host comes first, and the port after it: {words[1]} {words[0]}"
            )
        fields["port"] = _parse_port(words[1])
    if not bare_host(fields["host"]):
        raise BadDestination("the host is empty: give a name such as mail.example.org")
    if options.path is not None and fields["host"] == "localhost":
        fields["label"] = options.path
    fields.setdefault("port", usual_port(tls=fields["tls"]))
    return consistent(Destination(**fields))


def consistent(destination: Destination) -> Destination:
    """Return `destination` if its parts go together.

    Raises:
        BadDestination: they do not.
    """
    if destination.tls and destination.starttls:
        raise BadDestination(TLS_TWICE)
    if destination.client_key and not destination.client_cert:
        raise BadDestination("a client key is of no use without --client-cert")
    return destination


def is_plain_name(word: str) -> bool:
    """Tell whether a word can be the name of a saved server: letters, digits, hyphen, underscore.

    A host name with a dot, an address and a URL never can.
    """
    bare = word.replace("-", "").replace("_", "")
    return bare.isascii() and bare.isalnum() and word != "localhost"


def usual_port(*, tls: bool) -> int:
    """Return the port where none was given."""
    return POP3S_PORT if tls else POP3_PORT


def target_words(target: str) -> list[str]:
    """Split HOST:PORT, in which an IPv6 address needs brackets."""
    host, colon, port = target.rpartition(":")
    plain = ":" not in host or (host.startswith("[") and host.endswith("]"))
    return [host, port] if colon and plain and "://" not in target else [target]


def _parse_url(url: str, options: ConnectOptions) -> dict[str, Any]:
    """Read the fields of a destination that a URL has."""
    from urllib.parse import unquote, urlsplit

    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # The error quotes what it takes for the port, and that may be part of a password.
        raise BadDestination(
            "this URL cannot be read: after the host comes a port from 1 to 65535, as in "
            "pop3://host:110, and an IPv6 address is in brackets"
        ) from None
    if parts.scheme not in _SCHEMES:
        raise BadDestination("the URL must begin with pop3:// or pop3s://")
    if parts.password is not None:
        raise BadDestination(
            "a password in a URL is refused, since it ends up in histories and process lists: "
            "leave it out and type PASS"
        )
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise BadDestination("a POP3 URL ends after the port: pop3://user@host:110")
    user, _, rest = (parts.username or "").partition(";")
    user = unquote(user)
    if set(user) & set("\r\n\0"):
        raise BadDestination(
            "the name in this URL has a line end or NUL in it, which no login can carry"
        )
    fields: dict[str, Any] = {
        "host": parts.hostname or "",
        "user": user or None,
        "tls": options.tls or _SCHEMES[parts.scheme],
    }
    name, _, mechanism = rest.partition("=")
    if name.upper() == "AUTH" and mechanism != "*":
        fields["mechanism"] = unquote(mechanism).upper().removeprefix("+") or None
    if port is not None:
        fields["port"] = port
    return fields


def password_in_url(text: str) -> int | None:
    """Find where the password in a URL begins, even in one that is still being typed.

    Such a URL is refused, but what was typed must not be shown or remembered.
    """
    scheme, mark, rest = text.partition("://")
    user, colon, password = rest.partition(":")
    if not mark or not colon or set(user) & set("/@[") or not password or password.isdigit():
        return None
    return len(scheme + mark + user + colon)


def _parse_port(word: str) -> int:
    if word.isascii() and word.isdigit() and 1 <= int(word[:6]) <= 65535:
        return int(word)
    raise BadDestination(f"{word!r} isn't a port: a number from 1 to 65535, such as 110 or 995")


def parse_proxy(url: str, *, from_command_line: bool = True) -> Proxy:
    """Read a proxy's URL.

    Args:
        url: such as ``socks5h://127.0.0.1:1080``.
        from_command_line: whether to refuse a password in it, since all users of the machine can
            read it in the list of processes.

    Raises:
        BadProxy: it cannot be used.
    """
    from urllib.parse import unquote, urlsplit

    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # The error quotes what it takes for the port, and that may be part of a password.
        raise BadProxy(
            "this proxy cannot be read: its port is a number from 1 to 65535, and in its password / "
            "is written as %2F"
        ) from None
    if parts.scheme not in PROXY_SCHEMES or not parts.hostname:
        raise BadProxy(
            f"a proxy is written as {', '.join(f'{scheme}://HOST:PORT' for scheme in PROXY_SCHEMES)}"
        )
    if parts.password is not None and from_command_line:
        raise BadProxy(
            "every user of this machine can see a proxy's password on the command line: "
            f"put the URL into the environment variable {PROXY_VARIABLE}"
        )
    return Proxy(
        scheme=parts.scheme,
        host=parts.hostname,
        port=port or PROXY_SCHEMES[parts.scheme],
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )


def proxy_of_environment() -> Proxy | None:
    """Return the proxy that the environment names, None for none.

    Raises:
        BadProxy: it cannot be used.
    """
    url = os.environ.get(PROXY_VARIABLE)
    return parse_proxy(url, from_command_line=False) if url else None


def bare_host(host: str) -> str:
    """Return `host` without the brackets that an IPv6 address has in a URL."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def ascii_name(host: str) -> str:
    """Return a host's name as the DNS and certificates have it, by IDNA 2008 (RFC 5891).

    Python's own codec is IDNA 2003, which turns straße.de into strasse.de: the password would go to
    another domain.

    Raises:
        UnicodeError: it is not a valid name.
    """
    if host.isascii():
        return host
    import idna

    return idna.encode(host, uts46=True).decode("ascii")


def is_loopback(host: str) -> bool:
    """Tell whether `host` never leaves this machine; nothing is looked up.

    Args:
        host: an address, or a name, of which only ``localhost`` and names below it count.
    """
    bare = bare_host(host).partition("%")[0].removesuffix(".").lower()
    if bare == "localhost" or bare.endswith(".localhost"):
        return True
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            packed = socket.inet_pton(family, bare)
        except (OSError, ValueError):
            continue
        # ::ffff:127.0.0.1 is an IPv4 address that came in by an IPv6 socket.
        mapped = packed.removeprefix(bytes(10) + b"\xff\xff")
        return packed == bytes(15) + b"\x01" or (len(mapped) == 4 and mapped[0] == 127)
    return False
