"""Certificates that the practice server makes for itself.

Each server makes an authority of its own, which signs one certificate.  The authority's certificate can
be written to a file for ``--ca-file``.  cryptography and ssl take their time to load, so this module is
imported only when TLS is asked for.
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import idna
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ORGANIZATION = "poptalk practice server"

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
"""What a server on this machine may be called."""

VALID_FOR = datetime.timedelta(days=365)

EARLIER = datetime.timedelta(days=1)
"""How long before now validity begins, since the clocks of two machines may differ."""


class Certificates:
    """An authority, and server certificates signed by it.

    Args:
        hosts: the addresses or names on which the server listens.
        organization: whose they say they are.
    """

    def __init__(self, *hosts: str, organization: str = ORGANIZATION) -> None:
        self._organization = organization
        names = filter(None, map(_name_in_certificate, hosts))
        self._names = tuple(dict.fromkeys((*LOCAL_NAMES, *names)))
        self._authority_key = ec.generate_private_key(ec.SECP256R1())
        self._authority = self._signed(
            self._authority_key,
            subject="authority",
            issuer=None,
            issuer_key=self._authority_key,
            is_authority=True,
        )

    def server_context(
        self,
        *,
        names: Sequence[str] | None = None,
        expired: datetime.timedelta | None = None,
    ) -> ssl.SSLContext:
        """Return the settings of the server's side of TLS, version 1.2 or later (RFC 8997).

        Args:
            names: the names in the certificate, None for those of this server.
            expired: how long ago the certificate expired, None for a valid one.
        """
        names = self._names if names is None else names
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._signed(
            key,
            subject=names[0],
            names=names,
            issuer=self._authority,
            issuer_key=self._authority_key,
            ends=None if expired is None else datetime.datetime.now(datetime.UTC) - expired,
        )
        return _context(key, certificate)

    def self_signed_context(self) -> ssl.SSLContext:
        """Return the same with a certificate that is signed with its own key, which nobody trusts."""
        key = ec.generate_private_key(ec.SECP256R1())
        return _context(
            key,
            self._signed(key, subject="localhost", names=self._names, issuer=None, issuer_key=key),
        )

    def incomplete_context(self) -> ssl.SSLContext:
        """Return the same with a certificate whose signer, an intermediate authority, is not shown."""
        intermediate_key = ec.generate_private_key(ec.SECP256R1())
        intermediate = self._signed(
            intermediate_key,
            subject="intermediate authority",
            issuer=self._authority,
            issuer_key=self._authority_key,
            is_authority=True,
        )
        key = ec.generate_private_key(ec.SECP256R1())
        return _context(
            key,
            self._signed(
                key,
                subject=self._names[0],
                names=self._names,
                issuer=intermediate,
                issuer_key=intermediate_key,
            ),
        )

    def write_authority(self, path: Path) -> None:
        """Write the authority's certificate to a PEM file.

        Raises:
            OSError: the file cannot be written.
        """
        path.write_bytes(self._authority.public_bytes(serialization.Encoding.PEM))

    @property
    def authority(self) -> bytes:
        """The authority's certificate, in DER form."""
        return self._authority.public_bytes(serialization.Encoding.DER)

    def _signed(
        self, key: ec.EllipticCurvePrivateKey, *, subject: str, **more: Any
    ) -> x509.Certificate:
        return _signed(key, subject=subject, organization=self._organization, **more)


def _signed(
    key: ec.EllipticCurvePrivateKey,
    *,
    subject: str,
    organization: str,
    names: Sequence[str] = (),
    issuer: x509.Certificate | None,
    issuer_key: ec.EllipticCurvePrivateKey,
    is_authority: bool = False,
    ends: datetime.datetime | None = None,
) -> x509.Certificate:
    """Make a certificate, with the extensions that strict clients want (RFC 5280 §4.2.1).

    Args:
        key: the key that it is for.
        subject: whom it names.
        organization: whose it says it is.
        names: the names and addresses that it is valid for.
        issuer: the certificate of the authority that signs it; None if it signs itself.
        issuer_key: the key that signs it.
        is_authority: whether it may sign others.
        ends: when it expires; None for a year from now.
    """
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COMMON_NAME, subject),
        ]
    )
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.subject if issuer is not None else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER if ends is None else ends - VALID_FOR)
        .not_valid_after(ends or now + VALID_FOR)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(each) for each in names]), critical=False
        )
    if is_authority:
        builder = builder.add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        ).add_extension(_AUTHORITY_USAGE, critical=True)
    return builder.sign(issuer_key, hashes.SHA256())


_AUTHORITY_USAGE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def _context(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with tempfile.TemporaryDirectory(prefix="poptalk-") as directory:
        # ssl reads keys from files only.
        pem = Path(directory, "server.pem")
        pem.touch(mode=0o600)
        pem.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
        context.load_cert_chain(pem)
    return context


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
