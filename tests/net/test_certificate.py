"""Certificates in lines for people, also those written by an enemy."""

from __future__ import annotations

import datetime
import hashlib
import ssl

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from poptalk.net.certificate import describe_certificate, list_names, read_certificate
from poptalk.net.tls_settings import parse_pin

BEGIN = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
END = datetime.datetime(2027, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)


def make(common_name: str, *names: x509.GeneralName) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=1,
        not_valid_before=BEGIN,
        not_valid_after=END,
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def test_what_a_certificate_says() -> None:
    leaf = trustme.CA().issue_cert(
        "mail.example.org", "192.0.2.1", "2001:db8::1", not_before=BEGIN, not_after=END
    )
    der = ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode())
    now = datetime.datetime(2026, 12, 24, tzinfo=datetime.UTC)
    subject, issuer, *rest = describe_certificate(der, now=now)
    assert subject.startswith("subject      OU=Testing cert #")
    assert issuer.startswith("issuer       OU=Testing CA #")
    assert rest == [
        "names        mail.example.org, 192.0.2.1, 2001:db8::1",
        "valid from   2026-01-02 03:04:05 UTC",
        "valid until  2027-01-02 03:04:05 UTC (9 days left)",
        f"serial       {read_certificate(der).serial}",
        "key          EC secp256r1, 256 bits",
        f"key pin      {read_certificate(der).pin}",
        f"SHA-256      {hashlib.sha256(der).digest().hex(':').upper()}",
    ]
    assert parse_pin(read_certificate(der).pin).matches(der)


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (BEGIN - datetime.timedelta(seconds=1), "not yet"),
        (END - datetime.timedelta(hours=30), "1 day left"),
        (END - datetime.timedelta(hours=1), "0 days left"),
        (END + datetime.timedelta(days=1, hours=1), "expired 1 day ago"),
    ],
)
def test_the_days_that_are_left(now: datetime.datetime, said: str) -> None:
    lines = describe_certificate(make("mail.example.org"), now=now)
    assert any(line.endswith(f"({said})") for line in lines)


def test_a_common_name_is_no_name_of_a_host() -> None:
    assert read_certificate(make("mail.example.org")).names == ()


def test_a_hostile_name_cannot_draw_on_the_screen() -> None:
    hostile = "evil\x1b]52;c;x\x07\u202e\x9b"
    lines = describe_certificate(make(hostile, x509.DNSName("a\x1b[2J.example\n.org")))
    assert all(line.isprintable() for line in lines)
    assert r"\x1b[2J" in lines[2]


def test_of_many_names_the_first_are_shown() -> None:
    names = tuple(f"{number}.example.org" for number in range(100))
    assert list_names(names).endswith("11.example.org, and 88 more")
    assert list_names(()) == "(none)"


@pytest.mark.parametrize(
    "der", [b"\x30\x82\xff\xff", b"junk", make("x")[:-9]], ids=["header", "junk", "cut"]
)
def test_a_malformed_certificate_still_has_a_fingerprint(der: bytes) -> None:
    unreadable, fingerprint = describe_certificate(der)
    assert unreadable.startswith("unreadable   ")
    assert fingerprint.endswith(hashlib.sha256(der).digest().hex(":").upper())


def test_no_certificate_has_no_lines() -> None:
    assert describe_certificate(b"") == ()
