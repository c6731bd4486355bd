"""Certificates that the practice server makes for itself.

Each server makes an authority of its own, which signs one certificate.  The authority's certificate can
be written to a file for ``--ca-file``.  cryptography and ssl are slow to load, so this module is
imported only when TLS is asked for.
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import idna
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ORGANIZATION = "poptalk practice server"

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
"""The names of a server on this machine."""

VALID_FOR = datetime.timedelta(days=365)

EARLIER = datetime.timedelta(days=1)
"""How long before now validity begins, because the clocks of two machines may differ."""


class Certificates:
    """An authority, and server certificates signed by it.

    Args:
        hosts: the addresses or names on which the server listens.
        organization: the organization that they name.
    """

    def __init__(self, *hosts: str, organization: str = ORGANIZATION) -> None:
        self._organization = organization
        names = filter(None, map(_name_in_certificate, hosts))
        self._names = tuple(dict.fromkeys((*LOCAL_NAMES, *names)))
        self._authority = self._issue("authority", is_authority=True)

    def server_context(
        self, *, names: Sequence[str] | None = None, expired: datetime.timedelta | None = None
    ) -> ssl.SSLContext:
        """Return the settings of the server's side of TLS, version 1.2 or later (RFC 8997).

        Args:
            names: the names in the certificate, None for those of this server.
            expired: how long ago the certificate expired, None for a valid one.
        """
        names = self._names if names is None else names
        return self._issue(
            names[0],
            names=names,
            signer=self._authority,
            ends=None if expired is None else datetime.datetime.now(datetime.UTC) - expired,
        ).context()

    def self_signed_context(self) -> ssl.SSLContext:
        """Return the same with a certificate that is signed with its own key, which nobody trusts."""
        return self._issue("localhost", names=self._names).context()

    def incomplete_context(self) -> ssl.SSLContext:
        """Return the same with a certificate whose signer, an intermediate authority, is not shown."""
        signer = self._issue("intermediate authority", signer=self._authority, is_authority=True)
        return self._issue(self._names[0], names=self._names, signer=signer).context()

    def write_authority(self, path: Path) -> None:
        """Write the authority's certificate to a PEM file.

        Raises:
            OSError: the file cannot be written.
        """
        path.write_bytes(self._authority.certificate.public_bytes(serialization.Encoding.PEM))

    @property
    def authority(self) -> bytes:
        """The authority's certificate, in DER form."""
        return self._authority.certificate.public_bytes(serialization.Encoding.DER)

    def _issue(
        self,
        subject: str,
        *,
        names: Sequence[str] = (),
        signer: _Issued | None = None,
        is_authority: bool = False,
        ends: datetime.datetime | None = None,
    ) -> _Issued:
        """Make a key and its certificate, with the extensions that strict clients want.

        They are those of RFC 5280 §4.2.1.

        Args:
            subject: whom it names.
            names: the names and addresses that it is valid for.
            signer: the authority that signs it; None if it signs itself.
            is_authority: whether it may sign others.
            ends: when it expires; None for a year from now.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        signing_key = key if signer is None else signer.key
        organization = x509.NameAttribute(NameOID.ORGANIZATION_NAME, self._organization)
        name = x509.Name([organization, x509.NameAttribute(NameOID.COMMON_NAME, subject)])
        now = datetime.datetime.now(datetime.UTC)
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        signer_identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(
            signing_key.public_key()
        )
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name if signer is None else signer.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - EARLIER if ends is None else ends - VALID_FOR)
            .not_valid_after(ends or now + VALID_FOR)
            .add_extension(identifier, critical=False)
            .add_extension(signer_identifier, critical=False)
        )
        if names:
            alternatives = x509.SubjectAlternativeName([_general_name(each) for each in names])
            builder = builder.add_extension(alternatives, critical=False)
        if is_authority:
            constraints = x509.BasicConstraints(ca=True, path_length=0)
            builder = builder.add_extension(constraints, critical=True)
            builder = builder.add_extension(_AUTHORITY_USAGE, critical=True)
        return _Issued(key=key, certificate=builder.sign(signing_key, hashes.SHA256()))


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Issued:
    """A certificate with its key."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def context(self) -> ssl.SSLContext:
        """Return settings of TLS for a server that shows this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        private = self.key.private_bytes(pem, pkcs8, serialization.NoEncryption())
        with tempfile.TemporaryDirectory(prefix="poptalk-") as directory:
            # ssl reads keys only from files.
            file = Path(directory, "server.pem")
            file.touch(mode=0o600)
            file.write_bytes(private + self.certificate.public_bytes(pem))
            context.load_cert_chain(file)
        return context


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _name_in_certificate(host: str) -> str | None:
    """Return a host's name for a certificate; None for `*`, or a name with an underscore."""
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
