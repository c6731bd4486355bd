"""Certificates as people read them.

Anyone can put anything into a certificate, so every text from it passes `printable` before it goes into
a line or a sentence.  Reading one needs the cryptography package, which takes longer to import than a
session lasts: it is loaded only when a certificate is to be shown.
"""

from __future__ import annotations

import hashlib
import warnings
from binascii import b2a_base64
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from poptalk.net.errors import printable
from poptalk.net.tls_settings import PUBLIC_KEY_PREFIX, public_key_of

if TYPE_CHECKING:
    from cryptography import x509

# A certificate of a large host names hundreds of others; a screen has 24 lines.
NAMES_SHOWN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """What a certificate says, all texts printable.

    Args:
        subject: whom it is about, in the notation of RFC 4514.
        issuer: who signed it, in the same notation.
        names: the host names and addresses that it is for.
        valid_from: the first moment of its validity, in UTC.
        valid_until: the last.
        serial: its serial number, as pairs of hexadecimal digits separated by colons.
        key: the kind of its public key, with its size.
        pin: the SHA-256 of that key, as `--pin` takes it; "(none)" where the key cannot be read.
        self_signed: whether it is signed with its own key.
    """

    subject: str
    issuer: str
    names: tuple[str, ...]
    valid_from: datetime
    valid_until: datetime
    serial: str
    key: str
    pin: str
    self_signed: bool


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
        # cryptography warns of what OpenSSL accepts; show it all the same.
        warnings.simplefilter("ignore")
        try:
            certificate = x509.load_der_x509_certificate(der)
            number = certificate.serial_number
            serial = number.to_bytes(number.bit_length() // 8 + 1, signed=True)
            return CertificateFacts(
                subject=printable(certificate.subject.rfc4514_string()) or "(empty)",
                issuer=printable(certificate.issuer.rfc4514_string()) or "(empty)",
                names=tuple(printable(name) for name in _names(certificate)),
                valid_from=certificate.not_valid_before_utc,
                valid_until=certificate.not_valid_after_utc,
                serial=_hex(serial.lstrip(b"\0") or b"\0"),
                key=_key(certificate),
                pin=_pin(der),
                self_signed=_is_self_signed(certificate),
            )
        except (
            x509.InvalidVersion,
            x509.DuplicateExtension,
            x509.UnsupportedGeneralNameType,
        ) as error:
            raise ValueError(str(error)) from error


def describe_certificate(der: bytes, *, now: datetime | None = None) -> tuple[str, ...]:
    """Return what a certificate says, one line for each fact.

    Args:
        der: the certificate in DER form; a malformed one has only its fingerprint shown.
        now: the moment from which days are counted; None for the present.
    """
    if not der:
        return ()
    try:
        facts = read_certificate(der)
    except ValueError as error:
        return (f"unreadable   {printable(str(error))}", f"SHA-256      {fingerprint(der)}")
    return (
        f"subject      {facts.subject}",
        f"issuer       {facts.issuer}",
        f"names        {list_names(facts.names)}",
        f"valid from   {moment(facts.valid_from)}",
        f"valid until  {moment(facts.valid_until)} ({_days(facts, now or datetime.now(UTC))})",
        f"serial       {facts.serial}",
        f"key          {facts.key}",
        f"key pin      {facts.pin}",
        f"SHA-256      {fingerprint(der)}",
    )


def problems(
    chain: tuple[bytes, ...], server_name: str, *, now: datetime | None = None
) -> tuple[str, ...]:
    """Return what is wrong with certificates, a sentence each, as far as they show it themselves.

    Args:
        chain: the certificates that the server sent, its own first, in DER form.
        server_name: the name that its own must be for.
        now: the moment at which they must be valid; None for the present.
    """
    now = now or datetime.now(UTC)
    found: list[str] = []
    for number, der in enumerate(chain, 1):
        try:
            facts = read_certificate(der)
        except ValueError as error:
            found.append(f"certificate {number} cannot be read: {printable(str(error))}")
            continue
        which = "the certificate" if number == 1 else f"certificate {number} ({facts.subject})"
        if now > facts.valid_until:
            found.append(f"{which} expired on {moment(facts.valid_until)}")
        elif now < facts.valid_from:
            found.append(f"{which} is not valid before {moment(facts.valid_from)}")
        if number == 1:
            if not any(_is_for(server_name, name) for name in facts.names):
                found.append(f"it is for {list_names(facts.names)}, not for {server_name}")
            if facts.self_signed:
                found.append("it is self-signed: no authority vouches for it")
            elif len(chain) == 1:
                found.append(f"it came alone, without its issuer {facts.issuer}")
    return tuple(found)


def expiring(chain: tuple[bytes, ...], days: int, *, now: datetime | None = None) -> str | None:
    """Return a sentence about the first certificate that expires soon; None where none does.

    Args:
        chain: the certificates that the server sent, in DER form.
        days: within how many days from now.
        now: None for the present.
    """
    now = now or datetime.now(UTC)
    for der in chain:
        try:
            facts = read_certificate(der)
        except ValueError as error:
            return f"a certificate cannot be read: {printable(str(error))}"
        if facts.valid_until < now:
            return f"the certificate of {facts.subject} expired on {moment(facts.valid_until)}"
        if facts.valid_until - now < timedelta(days=days):
            left = _count((facts.valid_until - now).days)
            return (
                f"the certificate of {facts.subject} expires in {left}, "
                f"on {moment(facts.valid_until)}"
            )
    return None


def _is_for(host: str, name: str) -> bool:
    """Tell whether a name in a certificate covers a host (RFC 9525 §6.3)."""
    host, name = host.lower(), name.lower()
    return host == name or (name[:2] == "*." and host.partition(".")[2] == name[2:])


def list_names(names: tuple[str, ...]) -> str:
    """Return `names` in one line, only the first of many."""
    if not names:
        return "(none)"
    more = f", and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


def moment(time: datetime) -> str:
    """Return a moment in UTC, as people write it."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _days(facts: CertificateFacts, now: datetime) -> str:
    """Say how long a certificate is still valid."""
    if now < facts.valid_from:
        return "not yet"
    if now > facts.valid_until:
        return f"expired {_count((now - facts.valid_until).days)} ago"
    return f"{_count((facts.valid_until - now).days)} left"


def _count(days: int) -> str:
    return f"{days:,} day" if days == 1 else f"{days:,} days"


def _hex(octets: bytes) -> str:
    return octets.hex(":").upper()


def _key(certificate: x509.Certificate) -> str:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        key: Any = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        return f"unreadable: {printable(str(error))}"
    kind = type(key).__name__.removesuffix("PublicKey").lstrip("_")
    curve = getattr(key, "curve", None)
    if curve is not None:
        return f"EC {curve.name}, {curve.key_size} bits"
    size = getattr(key, "key_size", None)
    return f"{kind}, {size:,} bits" if size is not None else kind


def _pin(der: bytes) -> str:
    try:
        digest = hashlib.sha256(public_key_of(der)).digest()
    except ValueError:
        return "(none)"
    return PUBLIC_KEY_PREFIX + b2a_base64(digest, newline=False).decode("ascii")


def _is_self_signed(certificate: x509.Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def fingerprint(der: bytes) -> str:
    """Return the SHA-256 of a certificate in DER form, as pairs of hexadecimal digits."""
    return _hex(hashlib.sha256(der).digest())


def _names(certificate: x509.Certificate) -> Iterable[str]:
    from cryptography import x509

    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        # A common name isn't the name of a host (RFC 9525).
        return []
    return [
        *extension.value.get_values_for_type(x509.DNSName),
        *map(str, extension.value.get_values_for_type(x509.IPAddress)),
    ]
