"""Certificates as people read them.

The fields of a certificate are written by whoever made it, so every text from it passes `printable`
before it goes into a line or a sentence.  Reading one needs the cryptography package, which takes
longer to import than a session lasts: it is loaded when a certificate is to be shown, not before.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from poptalk.net.errors import printable

if TYPE_CHECKING:
    from cryptography import x509

# A certificate of a large host names hundreds of others; a screen has 24 lines.
NAMES_SHOWN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """What a certificate says, every text in it printable.

    Args:
        subject: whom it is about, in the notation of RFC 4514.
        issuer: who signed it, in the same notation.
        names: the host names and addresses that it is for.
        valid_from: the first moment of its validity, in UTC.
        valid_until: the last.
        fingerprint: SHA-256 over its DER form, as pairs of hexadecimal digits between colons.
    """

    subject: str
    issuer: str
    names: tuple[str, ...]
    valid_from: datetime
    valid_until: datetime
    fingerprint: str


@lru_cache(maxsize=8)
def read_certificate(der: bytes) -> CertificateFacts:
    """Read a certificate.

    Args:
        der: the certificate in DER form, in octets as they came from the server.

    Raises:
        ValueError: it is malformed.
    """
    from cryptography import x509

    with warnings.catch_warnings():
        # OpenSSL accepts what cryptography merely complains of; here it is to be shown anyhow.
        warnings.simplefilter("ignore")
        try:
            certificate = x509.load_der_x509_certificate(der)
            return CertificateFacts(
                subject=printable(certificate.subject.rfc4514_string()) or "(empty)",
                issuer=printable(certificate.issuer.rfc4514_string()) or "(empty)",
                names=tuple(printable(name) for name in _names(certificate)),
                valid_from=certificate.not_valid_before_utc,
                valid_until=certificate.not_valid_after_utc,
                fingerprint=_fingerprint(der),
            )
        except (
            x509.InvalidVersion,
            x509.DuplicateExtension,
            x509.UnsupportedGeneralNameType,
        ) as error:
            raise ValueError(str(error)) from error


def public_key_of(der: bytes) -> bytes:
    """Return the public key of a certificate in DER form (SubjectPublicKeyInfo, RFC 5280 §4.1).

    Args:
        der: the certificate in DER form.

    Raises:
        ValueError: it is malformed.
    """
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    try:
        key = x509.load_der_x509_certificate(der).public_key()
    except (x509.InvalidVersion, UnsupportedAlgorithm) as error:
        raise ValueError(str(error)) from error
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def describe_certificate(der: bytes, *, now: datetime | None = None) -> tuple[str, ...]:
    """Return what a certificate says, one line for each fact.

    Args:
        der: the certificate in DER form; of a malformed one only the fingerprint is told.
        now: the moment from which days are counted; None for this one.
    """
    if not der:
        return ()
    try:
        facts = read_certificate(der)
    except ValueError as error:
        return (
            f"unreadable   {printable(str(error))}",
            f"SHA-256      {_fingerprint(der)}",
        )
    return (
        f"subject      {facts.subject}",
        f"issuer       {facts.issuer}",
        f"names        {list_names(facts.names)}",
        f"valid from   {moment(facts.valid_from)}",
        f"valid until  {moment(facts.valid_until)} ({_days(facts, now or datetime.now(UTC))})",
        f"SHA-256      {facts.fingerprint}",
    )


def list_names(names: tuple[str, ...]) -> str:
    """Return `names` in one line, the first few of many."""
    if not names:
        return "(none)"
    more = f", and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


def moment(time: datetime) -> str:
    """Return a moment as people write it, in UTC."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _days(facts: CertificateFacts, now: datetime) -> str:
    """Say how much of its time is left."""
    if now < facts.valid_from:
        return "not yet"
    left = (facts.valid_until - now).days
    if now > facts.valid_until:
        return f"expired {_count((now - facts.valid_until).days)} ago"
    return f"{_count(left)} left"


def _count(days: int) -> str:
    return f"{days:,} day" if days == 1 else f"{days:,} days"


def _fingerprint(der: bytes) -> str:
    return hashlib.sha256(der).digest().hex(":").upper()


def _names(certificate: x509.Certificate) -> Iterable[str]:
    from cryptography import x509

    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        # A common name is no name of a host (RFC 9525).
        return []
    return [
        *extension.value.get_values_for_type(x509.DNSName),
        *map(str, extension.value.get_values_for_type(x509.IPAddress)),
    ]
