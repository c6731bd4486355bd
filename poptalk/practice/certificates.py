"""Certificates of the practice server's own making.

An authority is made afresh for each server and signs one certificate.  Its own certificate can be
written to a file, so that ``--ca-file`` makes the server trustworthy to whoever asks for that.
trustme, and ssl, are loaded only by this module, which is imported when TLS is asked for.
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import tempfile
from collections.abc import Sequence
from pathlib import Path

import idna
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ORGANIZATION = "poptalk practice server"

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
"""What a server on this machine may be called."""


class Certificates:
    """An authority, and a server's certificate signed by it.

    Args:
        hosts: the addresses or names on which the server listens.
    """

    def __init__(self, *hosts: str) -> None:
        self._authority = trustme.CA(organization_name=ORGANIZATION)
        names = filter(None, map(_name_in_certificate, hosts))
        self._names = tuple(dict.fromkeys((*LOCAL_NAMES, *names)))

    def server_context(
        self,
        *,
        names: Sequence[str] | None = None,
        expired: datetime.timedelta | None = None,
    ) -> ssl.SSLContext:
        """Return the settings of the server's side of TLS, version 1.2 or later (RFC 8997).

        Args:
            names: what the certificate calls the server, None for what it is called.
            expired: how long ago the certificate ceased to be valid, None for a valid one.
        """
        context = _server_context()
        ended = None if expired is None else datetime.datetime.now(datetime.UTC) - expired
        self._authority.issue_cert(
            *(self._names if names is None else names),
            common_name="localhost" if names is None else names[0],
            organization_name=ORGANIZATION,
            not_before=None if ended is None else ended - datetime.timedelta(days=365),
            not_after=ended,
        ).configure_cert(context)
        return context

    def self_signed_context(self) -> ssl.SSLContext:
        """Return the same with a certificate that vouches for itself, and that nobody else does."""
        context = _server_context()
        with tempfile.TemporaryDirectory(prefix="poptalk-") as directory:
            # ssl reads keys from files only.
            pem = Path(directory, "self-signed.pem")
            pem.touch(mode=0o600)
            pem.write_bytes(_self_signed(self._names))
            context.load_cert_chain(pem)
        return context

    def write_authority(self, path: Path) -> None:
        """Write the authority's certificate to a PEM file.

        Raises:
            OSError: the file cannot be written.
        """
        path.write_bytes(self._authority.cert_pem.bytes())


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _self_signed(names: Sequence[str]) -> bytes:
    """Make a key and a certificate for it that is signed with it, as PEM; trustme makes none."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365))
        .add_extension(
            x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _name_in_certificate(host: str) -> str | None:
    """Return what a certificate can call a host, None for nothing (`*`, a name with an underscore)."""
    # An IPv6 zone means something to this machine alone.
    address = host.partition("%")[0]
    try:
        return ipaddress.ip_address(address).compressed
    except ValueError:
        pass
    try:
        return idna.encode(host.lower()).decode("ascii")
    except idna.IDNAError:
        return None
