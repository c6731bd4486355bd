"""Finding a domain's POP3 server in the DNS (RFC 6186), with the optional dnspython.

A domain publishes SRV records (RFC 2782) under two names: ``_pop3s._tcp`` for TLS at once and
``_pop3._tcp`` for the port where STLS may follow.  If both are there, TLS at once is preferred.  A
target of "." says that the service is not offered.

DNS answers usually aren't signed: an attacker who can forge one can name a server of his own, with a
good certificate for its name.  So the remarks say which name the certificate has to be for, and whether
that name belongs to the domain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from poptalk.config import not_installed
from poptalk.net.endpoint import BadDestination
from poptalk.net.errors import ConnectFailed, printable
from poptalk.pop3.values import Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dns.rdtypes.IN.SRV import SRV
    from dns.resolver import Resolver

TLS_SERVICE = "_pop3s._tcp"
CLEAR_SERVICE = "_pop3._tcp"

NOT_OFFERED = "."
"""The target of a service that is not offered (RFC 2782)."""

MOST_NAMED = 5
"""How many records a remark lists; a domain has one or two."""


class Service(Value):
    """The server that was chosen.

    Args:
        host: its name, which the certificate must be for.
        port: its port.
        tls: whether TLS begins at once.
        remarks: sentences about what was found.
    """

    host: str
    port: int
    tls: bool
    remarks: tuple[str, ...]


def find_service(
    domain: str,
    *,
    timeout: float,
    tls: bool | None = None,
    resolver: Resolver | None = None,
) -> Service:
    """Look up a domain's POP3 server.

    Args:
        domain: such as ``example.org``; in a mail address, what follows the ``@``.
        timeout: seconds for each of the two look-ups.
        tls: True for a server with TLS at once only, False for one without; None for either.
        resolver: whom to ask; None for the system's.

    Raises:
        BadDestination: the domain is malformed, or dnspython is not installed.
        ConnectFailed: the domain names no such server, or the name service does not answer.
    """
    domain = domain.rpartition("@")[2].removesuffix(".")
    services = {None: (TLS_SERVICE, CLEAR_SERVICE), True: (TLS_SERVICE,), False: (CLEAR_SERVICE,)}
    remarks = []
    for service in services[tls]:
        name = f"{service}.{domain}"
        records = _ask(name, timeout=timeout, resolver=resolver)
        remarks.append(_found(name, records))
        for record in records:
            if (host := _host(record)) != NOT_OFFERED:
                remarks.append(_certificate(host, domain))
                secure = service == TLS_SERVICE
                return Service(host=host, port=record.port, tls=secure, remarks=tuple(remarks))
    raise ConnectFailed(
        f"The domain {printable(domain)} names no POP3 server that would do: {'; '.join(remarks)}. "
        "Its server may be there all the same: ask for its name, and give that."
    )


def _host(record: SRV) -> str:
    """Return the server's name without its final dot; "." for not offered."""
    host: str = record.target.to_text(omit_final_dot=True)
    return host


def _found(name: str, records: Sequence[SRV]) -> str:
    if not records:
        return f"{printable(name)} has no SRV record"
    if all(_host(record) == NOT_OFFERED for record in records):
        return f'{printable(name)} says that the service is not offered (its target is ".")'
    more = f", and {len(records) - MOST_NAMED} more" if len(records) > MOST_NAMED else ""
    named = ", ".join(
        f"{printable(_host(record))} port {record.port} "
        f"(priority {record.priority}, weight {record.weight})"
        for record in records[:MOST_NAMED]
    )
    return f"{printable(name)} is {named}{more}"


def _certificate(host: str, domain: str) -> str:
    shown = printable(host)
    if f".{host}".lower().endswith(f".{domain}".lower()):
        return f"the certificate must be for {shown}"
    return (
        f"the certificate must be for {shown}, which is outside of {printable(domain)}: the DNS alone "
        "vouches for it, so make sure that it is the right one before a password goes there"
    )


def _ask(name: str, *, timeout: float, resolver: Resolver | None) -> list[SRV]:
    """Return the records of a name in the order of RFC 2782; a name that does not exist has none."""
    try:
        import dns.exception
        import dns.resolver
    except ImportError:
        raise BadDestination(f"SRV records: {not_installed('dnspython')}") from None
    shown = printable(name)
    try:
        answer = (resolver or dns.resolver.get_default_resolver()).resolve(
            f"{name}.", "SRV", lifetime=timeout
        )
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.exception.Timeout:
        raise ConnectFailed(
            f"{shown} was not found in time: the name service does not answer. "
            "Is this machine on the network? The server's own name or address may work."
        ) from None
    except (dns.resolver.NoNameservers, dns.resolver.NoResolverConfiguration) as error:
        raise ConnectFailed(
            f"{shown} cannot be looked up now ({printable(str(error))}): the name service has no "
            "answer. Try again, or give the server's own name."
        ) from None
    except dns.exception.DNSException as error:
        # Labels that are empty or too long, and other malformed names.
        raise BadDestination(
            f"{shown} cannot be looked up ({printable(str(error))}): give a domain such as example.org"
        ) from None
    records: list[SRV] = answer.rrset.processing_order()
    return records
