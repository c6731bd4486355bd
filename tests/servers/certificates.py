"""Certificates for the servers of the tests: a sound one, and one for each way of being wrong.

Each function returns a `ServerIdentity`: the file with the authority that a client should trust, and
the context that a server presents its certificate with.  In a bad identity one thing is wrong and
no other: the expired certificate has the right names and a trusted issuer, and so on.
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
OTHER_NAME = "mail.other.example"

LONG_AGO = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)
LESS_LONG_AGO = datetime.datetime(2002, 1, 1, tzinfo=datetime.UTC)


class ServerIdentity(NamedTuple):
    """The authority to trust (a PEM file), and the context of a server that it vouches for."""

    ca_file: Path
    server_context: ssl.SSLContext


def authority(directory: Path) -> ServerIdentity:
    """Make an authority and a sound certificate for the loopback names."""
    return _issue(directory, LOOPBACK_NAMES)


def expired(directory: Path) -> ServerIdentity:
    """Make a certificate that was valid in 2001."""
    return _issue(directory, LOOPBACK_NAMES, not_before=LONG_AGO, not_after=LESS_LONG_AGO)


def lasting(directory: Path, days: int) -> ServerIdentity:
    """Make a sound certificate that lasts so many days."""
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    return _issue(directory, LOOPBACK_NAMES, not_after=end)


def not_yet_valid(directory: Path) -> ServerIdentity:
    """Make a certificate that becomes valid tomorrow."""
    tomorrow = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    return _issue(
        directory,
        LOOPBACK_NAMES,
        not_before=tomorrow,
        not_after=tomorrow + datetime.timedelta(days=1),
    )


def wrong_host(directory: Path) -> ServerIdentity:
    """Make a certificate for a host that is not this one."""
    return _issue(directory, (OTHER_NAME,))


def unknown_issuer(directory: Path) -> ServerIdentity:
    """Make a certificate whose issuer is not the authority in the file."""
    stranger = _issue(directory, LOOPBACK_NAMES)
    trusted = authority(directory)
    return ServerIdentity(trusted.ca_file, stranger.server_context)


def self_signed(directory: Path) -> ServerIdentity:
    """Make a certificate for the loopback names that vouches for itself; the file names another."""
    addresses = [ipaddress.ip_address(address) for address in LOOPBACK_NAMES[1:]]
    names = [x509.DNSName(LOOPBACK_NAMES[0]), *map(x509.IPAddress, addresses)]
    _, context = _self_signed(directory, names)
    return ServerIdentity(authority(directory).ca_file, context)


def common_name_only(directory: Path) -> ServerIdentity:
    """Make a certificate that is trusted, and names localhost as its subject's common name alone."""
    return ServerIdentity(*_self_signed(directory, []))


def _self_signed(directory: Path, names: Sequence[x509.GeneralName]) -> tuple[Path, ssl.SSLContext]:
    """Return a file with a certificate that signed itself, and the context of its server."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    pem_file = directory / f"self-signed-{uuid.uuid4().hex}.pem"
    pem_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem_file)
    certificate_file = pem_file.with_suffix(".crt")
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return certificate_file, context


def write_files(directory: Path) -> tuple[Path, Path]:
    """Write a sound identity for a server that reads files; return (CA file, key and chain)."""
    ca = trustme.CA()
    ca_file = directory / "ca.pem"
    server_file = directory / "server.pem"
    ca.cert_pem.write_to_path(str(ca_file))
    identity = ca.issue_cert(*LOOPBACK_NAMES)
    identity.private_key_and_cert_chain_pem.write_to_path(str(server_file))
    return ca_file, server_file


def _issue(
    directory: Path,
    names: tuple[str, ...],
    *,
    not_before: datetime.datetime | None = None,
    not_after: datetime.datetime | None = None,
) -> ServerIdentity:
    ca = trustme.CA()
    ca_file = directory / f"ca-{uuid.uuid4().hex}.pem"
    ca.cert_pem.write_to_path(str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(*names, not_before=not_before, not_after=not_after).configure_cert(context)
    return ServerIdentity(ca_file, context)
