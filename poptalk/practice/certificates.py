"""Certificates of the practice server's own making.

An authority is made afresh for each server and signs one certificate.  Its own certificate can be
written to a file, so that ``--ca-file`` makes the server trustworthy to whoever asks for that.
trustme, and ssl, are loaded only by this module, which is imported when TLS is asked for.
"""

from __future__ import annotations

import ipaddress
import ssl
from pathlib import Path

import trustme

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
"""What a server on this machine may be called."""


class Certificates:
    """An authority, and a server's certificate signed by it.

    Args:
        host: the address or name on which the server listens.
    """

    def __init__(self, host: str) -> None:
        self._authority = trustme.CA(organization_name="poptalk practice server")
        self._certificate = self._authority.issue_cert(
            *dict.fromkeys((*LOCAL_NAMES, _name_in_certificate(host))),
            common_name="localhost",
            organization_name="poptalk practice server",
        )

    def server_context(self) -> ssl.SSLContext:
        """Return the settings of the server's side of TLS, version 1.2 or later (RFC 8997)."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._certificate.configure_cert(context)
        return context

    def write_authority(self, path: Path) -> None:
        """Write the authority's certificate to a PEM file.

        Raises:
            OSError: the file cannot be written.
        """
        path.write_bytes(self._authority.cert_pem.bytes())


def _name_in_certificate(host: str) -> str:
    """Return a name that a certificate can hold: of addresses, without an IPv6 zone."""
    address = host.partition("%")[0]
    try:
        return ipaddress.ip_address(address).compressed
    except ValueError:
        return host
