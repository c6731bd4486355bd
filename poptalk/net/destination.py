"""Where a person wants to go: what the command line and `:open` have in common.

A destination is a host and a port, or a URL (RFC 2384: ``pop3://user@host:110``, ``pop3s://host``).
A password in a URL is refused: it would stand in the history of the shell, and in `ps`.
"""

from __future__ import annotations

from poptalk.net.dial import Target, bare_host, is_loopback
from poptalk.protocol.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from poptalk.net.tls_settings import TlsSettings

POP3_PORT = 110
"""RFC 1939 §3."""

POP3S_PORT = 995
"""RFC 8314 §3.3, implicit TLS."""

_SCHEMES = {"pop": False, "pop3": False, "pops": True, "pop3s": True}
"""Schemes of a URL, and whether TLS begins at once."""


class UsageError(Exception):
    """What was asked for cannot be; `str(error)` says why, in one sentence, and what would be right."""


class BadDestination(UsageError):
    """What was asked for is no place to connect to."""


class Destination(Value):
    """A server, and how to speak to it."""

    host: str
    port: int
    family: int = 0
    tls: bool = False
    """Whether TLS begins at once; STLS typed by hand needs no mark."""
    verify: bool = True
    ca_file: str | None = None
    user: str | None = None
    """The name that a URL held."""
    label: str | None = None
    """What the prompt calls the server, None for the host as it was typed."""

    def __str__(self) -> str:
        return f"{self.host} port {self.port}"

    @property
    def name(self) -> str:
        """What the prompt calls the server."""
        return self.label or bare_host(self.host)

    @property
    def target(self) -> Target:
        """The address to dial."""
        return Target(host=self.host, port=self.port, family=self.family)

    @property
    def is_loopback(self) -> bool:
        """Whether what is sent stays on this machine."""
        return is_loopback(bare_host(self.host))

    def tls_settings(self) -> TlsSettings:
        """Give the terms on which TLS begins, at once or after STLS."""
        from poptalk.net.tls_settings import TlsSettings

        return TlsSettings(
            server_name=bare_host(self.host), verify=self.verify, ca_file=self.ca_file
        )


def parse_destination(
    words: Sequence[str],
    *,
    tls: bool = False,
    family: int = 0,
    verify: bool = True,
    ca_file: str | None = None,
) -> Destination:
    """Read a target as it was typed.

    Args:
        words: a host and perhaps a port, or a URL.
        tls: whether TLS begins at once.
        family: 0, or an address family of the socket module.
        verify: whether the certificate is checked.
        ca_file: a PEM file of authorities to trust.

    Raises:
        BadDestination: in one sentence, with what would be right.
    """
    if not 1 <= len(words) <= 2:
        raise BadDestination("give a host and perhaps a port, or a URL such as pop3s://host")
    host, port, user = words[0], None, None
    if "://" in host:
        host, port, user, scheme_tls = _parse_url(host)
        tls = tls or scheme_tls
    if len(words) == 2:
        port = _parse_port(words[1])
    if not bare_host(host):
        raise BadDestination("the host is empty: give a name such as mail.example.org")
    return Destination(
        host=host,
        port=port if port is not None else (POP3S_PORT if tls else POP3_PORT),
        family=family,
        tls=tls,
        verify=verify,
        ca_file=ca_file,
        user=user,
    )


def _parse_url(url: str) -> tuple[str, int | None, str | None, bool]:
    from urllib.parse import unquote, urlsplit

    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadDestination(f"this URL cannot be read: {error}") from error
    if parts.scheme not in _SCHEMES:
        raise BadDestination("the URL must begin with pop3:// or pop3s://")
    if parts.password is not None:
        raise BadDestination(
            "a password in a URL is refused, since it ends up in histories and process lists: "
            "leave it out and type PASS"
        )
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise BadDestination("a POP3 URL ends after the port: pop3://user@host:110")
    # RFC 2384 §3 lets ";AUTH=mechanism" follow the name; poptalk lets you type the login.
    user = unquote((parts.username or "").split(";")[0]) or None
    return parts.hostname or "", port, user, _SCHEMES[parts.scheme]


def password_in_url(text: str) -> int | None:
    """Find where the password in a URL begins, perhaps one that is still being typed.

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
    raise BadDestination(f"{word!r} is no port: a number from 1 to 65535, such as 110 or 995")
