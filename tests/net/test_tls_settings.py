"""What a client asks of TLS: pins, its own certificate, versions, the key log; and wrong files."""

from __future__ import annotations

import hashlib
import ssl
from base64 import b64encode
from pathlib import Path

import pytest
import trustme

from poptalk.net.endpoint import TLS_VERSIONS
from poptalk.net.errors import TlsFailed
from poptalk.net.tls import TlsLayer, client_layer
from poptalk.net.tls_errors import handshake_failed, session_broke
from poptalk.net.tls_settings import (
    USUAL_MINIMUM,
    VERSIONS,
    Pin,
    TlsSettings,
    client_context,
    parse_pin,
    public_key_of,
)
from tests.net.joined import JoinedLayers
from tests.servers import certificates
from tests.servers.certificates import ServerIdentity

PEER = "mail.example.org port 995"


def settings(identity: ServerIdentity, **more: object) -> TlsSettings:
    given = {"server_name": "localhost", "ca_file": str(identity.ca_file), **more}
    return TlsSettings(**given)  # type: ignore[arg-type]


def join(identity: ServerIdentity, terms: TlsSettings) -> JoinedLayers:
    server = TlsLayer(identity.server_context, server_side=True)
    joined = JoinedLayers(client_layer(terms, peer=PEER, upgrading=False), server)
    joined.exchange()
    return joined


def certificate_of(identity: ServerIdentity) -> bytes:
    facts = join(identity, settings(identity)).client.facts
    assert facts is not None
    return facts.chain[0]


def test_the_whole_chain_that_was_sent_is_among_the_facts(identity: ServerIdentity) -> None:
    facts = join(identity, settings(identity)).client.facts
    assert facts is not None
    assert facts.server_name == "localhost"
    assert len(facts.chain) >= 1
    assert facts.certificate[-1].endswith(hashlib.sha256(facts.chain[0]).digest().hex(":").upper())


def test_a_pin_that_matches(identity: ServerIdentity) -> None:
    der = certificate_of(identity)
    fingerprint = hashlib.sha256(der).digest().hex(":")
    key = b64encode(hashlib.sha256(public_key_of(der)).digest()).decode()
    for text in (fingerprint, fingerprint.upper(), fingerprint.replace(":", ""), f"sha256//{key}"):
        facts = join(identity, settings(identity, pins=(parse_pin(text),))).client.facts
        assert facts is not None
        assert facts.pinned
        assert facts.verified


def test_one_of_several_pins_is_enough(identity: ServerIdentity) -> None:
    right = Pin(digest=hashlib.sha256(certificate_of(identity)).digest())
    facts = join(identity, settings(identity, pins=(Pin(digest=bytes(32)), right))).client.facts
    assert facts is not None
    assert facts.pinned


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("public_key", [True, False])
def test_a_pin_that_does_not_match_has_its_own_sentence(
    identity: ServerIdentity, verify: bool, public_key: bool
) -> None:
    wrong = Pin(digest=bytes(32), public_key=public_key)
    with pytest.raises(TlsFailed, match="not the one that was pinned") as failed:
        join(identity, settings(identity, pins=(wrong,), verify=verify))
    assert any(line.startswith("SHA-256") for line in failed.value.certificate)


@pytest.mark.parametrize(
    "text", ["", "AB:CD", "sha256//AAAA", "sha256//!", "sha256//é", "z" * 64, "\x1b" * 64]
)
def test_what_is_no_pin(text: str) -> None:
    with pytest.raises(ValueError, match="isn't a pin") as refused:
        parse_pin(text)
    assert "\x1b" not in str(refused.value)


def test_a_client_certificate_is_shown(tmp_path: Path) -> None:
    identity = certificates.authority(tmp_path)
    authority = trustme.CA()
    mine = authority.issue_cert("bob@club.example")
    file, key, cert = (tmp_path / name for name in ("both.pem", "key.pem", "cert.pem"))
    mine.private_key_and_cert_chain_pem.write_to_path(str(file))
    mine.private_key_pem.write_to_path(str(key))
    mine.cert_chain_pems[0].write_to_path(str(cert))
    for files in ({"client_cert": str(file)}, {"client_cert": str(cert), "client_key": str(key)}):
        context = identity.server_context
        context.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(context)
        joined = join(identity, settings(identity, **files))
        joined.client.send(b"STAT\r\n")
        joined.exchange()
        assert joined.at_server == b"STAT\r\n"
        assert joined.server.facts is not None
        assert joined.server.facts.chain


def test_an_old_version_is_spoken_only_where_it_is_asked_for() -> None:
    for minimum, expected in (
        ("1.0", ssl.TLSVersion.TLSv1),
        ("1.2", ssl.TLSVersion.TLSv1_2),
        ("1.3", ssl.TLSVersion.TLSv1_3),
    ):
        context = client_context(TlsSettings(server_name="x", minimum=minimum))
        assert context.minimum_version is expected


def test_the_key_log_is_for_its_owner_alone(identity: ServerIdentity, tmp_path: Path) -> None:
    file = tmp_path / "keys.log"
    join(identity, settings(identity, keylog=str(file)))
    assert "CLIENT_TRAFFIC_SECRET_0" in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"client_cert": "missing.pem"}, "cannot be read"),
        ({"client_cert": "text.txt"}, "PEM"),
        ({"client_cert": "encrypted.pem"}, "is encrypted"),
        ({"keylog": "no/such/folder"}, "cannot be written"),
    ],
)
def test_a_file_that_cannot_be_used(given: dict[str, str], said: str, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    (tmp_path / "text.txt").write_text("hello")
    (tmp_path / "encrypted.pem").write_bytes(
        trustme.CA().cert_pem.bytes()
        + ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"x"),
        )
    )
    paths = {name: str(tmp_path / path) for name, path in given.items()}
    with pytest.raises(TlsFailed, match=said):
        client_context(TlsSettings(server_name="x", **paths))  # type: ignore[arg-type]


def test_the_versions_that_may_be_asked_for_are_those_that_are_known() -> None:
    assert tuple(VERSIONS) == TLS_VERSIONS
    assert USUAL_MINIMUM in VERSIONS


def test_a_certificate_with_a_common_name_alone_is_refused(tmp_path: Path) -> None:
    identity = certificates.common_name_only(tmp_path)
    with pytest.raises(TlsFailed, match="names no host: it has no subject alternative names"):
        join(identity, settings(identity))


def test_a_server_that_wants_a_client_certificate_says_which_option_names_it(
    tmp_path: Path,
) -> None:
    identity = certificates.authority(tmp_path)
    identity.server_context.verify_mode = ssl.CERT_REQUIRED
    client = client_layer(settings(identity), peer=PEER, upgrading=False)
    server = TlsLayer(identity.server_context, server_side=True)
    client.receive_data(b"")
    server.receive_data(client.data_to_send())
    client.receive_data(server.data_to_send())
    with pytest.raises(TlsFailed):
        server.receive_data(client.data_to_send())
    with pytest.raises(TlsFailed, match=r"certificate required.* --client-cert"):
        client.receive_data(server.data_to_send())


def test_weak_keys_are_told_from_a_wrong_port() -> None:
    error = ssl.SSLError(1, "dh key too small")
    error.reason = "DH_KEY_TOO_SMALL"
    failure = str(handshake_failed(error, peer=PEER, server_side=False, upgrading=False))
    assert "too weak (dh key too small)" in failure
    assert "--tls-min 1.0" in failure
    assert "port for TLS" not in failure


@pytest.mark.parametrize(
    ("reason", "upgrading", "said"),
    [
        ("TLSV1_ALERT_INTERNAL_ERROR", False, "the other side says: internal error"),
        ("SSLV3_ALERT_BAD_RECORD_MAC", False, "the other side says: bad record mac"),
        ("DECRYPTION_FAILED_OR_BAD_RECORD_MAC", True, "It said +OK to STLS"),
        ("WRONG_VERSION_NUMBER", False, "port for TLS"),
    ],
)
def test_advice_suits_what_came(reason: str, said: str, *, upgrading: bool) -> None:
    error = ssl.SSLError(1, reason.lower())
    error.reason = reason
    failure = str(handshake_failed(error, peer=PEER, server_side=False, upgrading=upgrading))
    assert said in failure
    assert ("port for TLS" in failure) == (said == "port for TLS")


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("TLSV1_ALERT_UNKNOWN_CA", "your client certificate: check --client-cert"),
        ("SSLV3_ALERT_CERTIFICATE_REVOKED", "your client certificate: check --client-cert"),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "name its file with --client-cert"),
    ],
)
def test_alerts_about_our_certificate_say_so_and_end_the_program(reason: str, advice: str) -> None:
    error = ssl.SSLError(1, reason.lower())
    error.reason = reason
    broken = session_broke(error, peer=PEER)
    assert advice in str(broken)
    assert broken.wants_certificate
    assert advice in str(handshake_failed(error, peer=PEER, server_side=False, upgrading=False))


def test_a_failed_handshake_of_tls_1_2_may_be_for_want_of_our_certificate() -> None:
    error = ssl.SSLError(1, "sslv3 alert handshake failure")
    error.reason = "SSLV3_ALERT_HANDSHAKE_FAILURE"
    failure = str(handshake_failed(error, peer=PEER, server_side=False, upgrading=False))
    assert "the other side says: handshake failure" in failure
    assert "--client-cert" in failure


def test_connections_share_the_system_authorities_and_never_what_is_read_from_files(
    identity: ServerIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = client_context(TlsSettings(server_name="mail.example.org"))
    assert client_context(TlsSettings(server_name="other.example.org")) is usual
    assert client_context(TlsSettings(server_name="mail.example.org", verify=False)) is not usual
    assert client_context(TlsSettings(server_name="mail.example.org", minimum="1.3")) is not usual
    assert client_context(settings(identity)) is not client_context(settings(identity))
    monkeypatch.setenv("SSL_CERT_FILE", str(identity.ca_file))
    assert client_context(TlsSettings(server_name="mail.example.org")) is not usual
