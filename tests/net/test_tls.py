"""TLS in memory: both sides joined, cut anywhere, and every way to fail."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from poptalk.net import tls_errors
from poptalk.net.errors import EndedBy, TlsFailed
from poptalk.net.tls import SLICE, TlsLayer
from poptalk.net.tls_settings import TlsSettings, client_context
from tests.net.joined import JoinedLayers
from tests.servers import certificates
from tests.servers.certificates import OTHER_NAME, ServerIdentity

MiB = 1024 * 1024


def client(identity: ServerIdentity, name: str = "localhost", *, verify: bool = True) -> TlsLayer:
    settings = TlsSettings(server_name=name, verify=verify, ca_file=str(identity.ca_file))
    return TlsLayer(client_context(settings), server_name=name, peer="mail.example.org port 995")


def join(identity: ServerIdentity, *, cut: int = 1 << 30) -> JoinedLayers:
    """Return two sides after their handshake."""
    server = TlsLayer(identity.server_context, server_side=True)
    joined = JoinedLayers(client(identity), server, cut=cut)
    joined.exchange()
    return joined


@pytest.mark.parametrize("cut", [1, 2, 5, 17, 1000, 1 << 30])
def test_a_handshake_and_an_exchange_cut_anywhere(identity: ServerIdentity, cut: int) -> None:
    server = TlsLayer(identity.server_context, server_side=True)
    server.send(b"+OK waits for the handshake\r\n")
    joined = JoinedLayers(client(identity), server, cut=cut)
    joined.exchange()
    joined.client.send(b"STAT\r\n")
    joined.client.send(b"QUIT\r\n")
    joined.server.send(b"+OK 3 6183\r\n")
    joined.exchange()
    assert joined.at_server == b"STAT\r\nQUIT\r\n"
    assert joined.at_client == b"+OK waits for the handshake\r\n+OK 3 6183\r\n"


def test_both_sides_know_the_facts(identity: ServerIdentity) -> None:
    joined = join(identity)
    ours, theirs = joined.client.facts, joined.server.facts
    assert ours is not None
    assert theirs is not None
    assert ours.version == theirs.version == "TLSv1.3"
    assert ours.cipher == theirs.cipher != ""
    assert ours.verified
    assert "names        localhost, 127.0.0.1, ::1" in ours.certificate
    assert (theirs.verified, theirs.certificate) == (False, ())


def test_before_the_handshake_there_are_no_facts(identity: ServerIdentity) -> None:
    layer = client(identity)
    assert layer.receive_data(b"") == b""
    assert (layer.established, layer.facts) == (False, None)
    assert layer.data_to_send().startswith(b"\x16\x03")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "[::1]", "localhost."])
def test_a_server_is_verified_by_name_or_address(identity: ServerIdentity, host: str) -> None:
    joined = JoinedLayers(
        client(identity, host), TlsLayer(identity.server_context, server_side=True)
    )
    joined.exchange()
    assert joined.client.established


def test_large_bodies_pass_in_one_call_and_in_many(identity: ServerIdentity) -> None:
    joined = join(identity)
    body = bytes(range(256)) * (3 * MiB // 256) + b"end"
    joined.server.send(body)
    for start in range(0, len(body), SLICE):
        joined.server.send(body[start : start + SLICE])
    ciphertext = joined.server.data_to_send()
    # A fragment of a record waits while the rest of its ciphertext is given.
    received = joined.client.receive_data(ciphertext[:-7])
    assert len(received) < 2 * len(body)
    assert received + joined.client.receive_data(ciphertext[-7:]) == body * 2


def test_close_notify_is_a_clean_end_and_a_cut_is_not(identity: ServerIdentity) -> None:
    joined = join(identity)
    joined.server.send(b"+OK bye\r\n")
    joined.server.close()
    joined.server.close()
    joined.exchange()
    assert joined.at_client == b"+OK bye\r\n"
    assert joined.client.ended
    assert joined.client.receive_eof()
    assert joined.client.receive_data(b"whatever comes after it") == b""

    cut = join(identity)
    assert not cut.client.receive_eof()
    assert cut.client.failure is None


def test_after_our_goodbye_the_server_may_go_on(identity: ServerIdentity) -> None:
    joined = join(identity)
    joined.client.close()
    joined.client.send(b"dropped")
    joined.exchange()
    assert joined.server.ended
    joined.server.send(b"x" * 100_000)
    ciphertext = joined.server.data_to_send()
    received = [
        joined.client.receive_data(ciphertext[start : start + 999])
        for start in range(0, len(ciphertext), 999)
    ]
    assert b"".join(received) == b"x" * 100_000
    joined.server.close()
    joined.exchange()
    assert joined.client.ended
    assert joined.at_server == b""


def test_what_came_before_a_broken_record_is_not_lost(identity: ServerIdentity) -> None:
    joined = join(identity)
    joined.server.send(b"good")
    good = joined.server.data_to_send()
    joined.server.send(b"bad")
    broken = bytearray(joined.server.data_to_send())
    broken[-1] ^= 1
    assert joined.client.receive_data(good + broken) == b"good"
    failure = joined.client.failure
    assert failure is not None
    with pytest.raises(TlsFailed, match=r"The TLS session with mail\.example\.org port 995 broke"):
        joined.client.receive_data(b"")
    ending = tls_errors.ending_of_session(failure)
    assert (ending.by, ending.clean) == (EndedBy.SERVER, False)
    assert "bad record mac" in ending.how
    joined.client.send(b"dropped")
    joined.client.close()


@pytest.mark.parametrize(
    ("make", "says", "advice"),
    [
        (certificates.expired, "has expired (valid until 2002-01-01", "clock"),
        (certificates.not_yet_valid, "is not yet valid (valid from", "clock"),
        (certificates.self_signed, "is self-signed, so no authority vouches for it", "--ca-file"),
        (certificates.unknown_issuer, "came alone, and was signed by", "--ca-file"),
        (
            certificates.wrong_host,
            f"is for another host: it is for {OTHER_NAME}, not for localhost",
            "Connect by a name that it is for",
        ),
    ],
)
def test_each_failed_check_has_its_own_sentence(
    make: Callable[[Path], ServerIdentity], says: str, advice: str, tmp_path: Path
) -> None:
    bad = make(tmp_path)
    joined = JoinedLayers(client(bad), TlsLayer(bad.server_context, server_side=True))
    with pytest.raises(TlsFailed) as caught:
        joined.exchange()
    sentence = str(caught.value)
    assert sentence.startswith("The certificate of mail.example.org port 995 ")
    assert says in sentence
    assert advice in sentence
    assert "--insecure" in sentence
    assert [line.split()[0] for line in caught.value.certificate] == [
        *("subject", "issuer", "names", "valid", "valid", "serial", "key", "key", "SHA-256")
    ]
    with pytest.raises(TlsFailed, match="The TLS handshake with the client failed: the other side"):
        joined.server.receive_data(joined.client.data_to_send())

    insecure = JoinedLayers(
        client(bad, verify=False), TlsLayer(bad.server_context, server_side=True)
    )
    insecure.exchange()
    assert insecure.client.facts is not None
    assert not insecure.client.facts.verified
    assert insecure.client.facts.certificate == caught.value.certificate


def test_a_private_authority_in_the_chain_is_named_as_such(
    identity: ServerIdentity, tmp_path: Path
) -> None:
    ca_file, server_file = certificates.write_files(tmp_path)
    chain = tmp_path / "chain.pem"
    chain.write_bytes(server_file.read_bytes() + ca_file.read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    joined = JoinedLayers(client(identity), TlsLayer(context, server_side=True))
    with pytest.raises(TlsFailed, match="leads to a self-signed authority"):
        joined.exchange()


def test_a_missing_intermediate_is_told_from_an_unknown_authority(tmp_path: Path) -> None:
    root = trustme.CA()
    leaf = root.create_child_ca().issue_cert("localhost")
    root_file = tmp_path / "root.pem"
    root.cert_pem.write_to_path(str(root_file))

    def failure(*, chain: bytes, trusted: Path) -> str:
        file = tmp_path / "server.pem"
        file.write_bytes(leaf.private_key_pem.bytes() + chain)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        layer = client(ServerIdentity(trusted, context))
        with pytest.raises(TlsFailed) as caught:
            JoinedLayers(layer, TlsLayer(context, server_side=True)).exchange()
        return str(caught.value)

    own, intermediate = (pem.bytes() for pem in leaf.cert_chain_pems[:2])
    stranger = certificates.authority(tmp_path).ca_file
    assert "came alone" in failure(chain=own, trusted=root_file)
    assert "should also send the certificates in between" in failure(chain=own, trusted=root_file)
    assert "leads up to an authority that is unknown" in failure(
        chain=own + intermediate, trusted=stranger
    )


def test_the_servers_own_certificate_can_be_trusted_by_file(tmp_path: Path) -> None:
    _ca_file, server_file = certificates.write_files(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server_file)
    joined = join(ServerIdentity(server_file, context))
    assert joined.client.facts is not None
    assert joined.client.facts.verified


def test_an_unknown_check_is_told_in_openssls_words() -> None:
    error = ssl.SSLCertVerificationError()
    error.verify_code = 26
    error.verify_message = "unsuitable certificate purpose"
    failure = tls_errors.verification_failed(
        error, peer="x port 1", server_name="x", chain=(b"junk",)
    )
    assert "did not pass: unsuitable certificate purpose" in str(failure)
    assert failure.certificate[0].startswith("unreadable")


@pytest.mark.parametrize("cut", [1, 3, 100])
@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"+OK POP3 ready\r\n", 'speaks POP3 in the clear, it began with "+OK'),
        (b"-ERR go away\r\n", 'speaks POP3 in the clear, it began with "-ERR'),
        (b"220 smtp\x1b[2J\r\n", 'does not speak TLS, it began with "220'),
    ],
)
def test_clear_text_where_tls_was_due(
    identity: ServerIdentity, data: bytes, says: str, cut: int
) -> None:
    layer = client(identity)
    layer.receive_data(b"")
    pieces = iter([data[start : start + cut] for start in range(0, len(data), cut)])
    with pytest.raises(TlsFailed) as caught:
        list(map(layer.receive_data, pieces))
    assert says in str(caught.value)
    assert "leave --tls off" in str(caught.value)
    assert str(caught.value).isprintable()


def test_clear_text_after_stls_is_told_as_an_injection(identity: ServerIdentity) -> None:
    layer = TlsLayer(client_context(TlsSettings(server_name="x")), server_name="x", upgrading=True)
    with pytest.raises(TlsFailed, match=r'"\+OK injected".* response injection'):
        layer.receive_data(b"+OK injected\r\n")


def test_a_few_octets_in_clear_and_the_end(identity: ServerIdentity) -> None:
    layer = client(identity)
    layer.receive_data(b"+OK")
    assert not layer.receive_eof()
    assert layer.failure is not None
    assert "speaks POP3 in the clear" in str(layer.failure)


def test_the_end_in_the_middle_of_a_handshake(identity: ServerIdentity) -> None:
    layer = client(identity)
    layer.receive_data(b"")
    assert not layer.receive_eof()
    with pytest.raises(TlsFailed, match="closed the connection during the TLS handshake"):
        layer.receive_data(b"")


def test_a_server_hears_clear_text(identity: ServerIdentity) -> None:
    layer = TlsLayer(identity.server_context, server_side=True)
    with pytest.raises(TlsFailed) as caught:
        layer.receive_data(b"CAPA\r\n")
    assert str(caught.value) == 'The client spoke in the clear where TLS was expected: "CAPA".'


def test_a_server_that_knows_only_old_tls(identity: ServerIdentity) -> None:
    layer = client(identity)
    layer.receive_data(b"")
    alert_protocol_version = b"\x15\x03\x01\x00\x02\x02\x46"
    with pytest.raises(TlsFailed, match=r"no version of TLS in common\. poptalk speaks TLS 1\.2"):
        layer.receive_data(alert_protocol_version)


def test_a_client_refuses_old_tls(identity: ServerIdentity) -> None:
    assert client_context(TlsSettings(server_name="x")).minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("name", ["", ".", ".example.org", "a" * 64, "nul\0"])
def test_a_name_that_no_server_has(name: str) -> None:
    context = client_context(TlsSettings(server_name="x"))
    with pytest.raises(TlsFailed, match="cannot be the name of a server") as caught:
        TlsLayer(context, server_name=name)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\x30\x82\x01\x02junk", "holds no certificate in PEM form"),
        (b"-----BEGIN CERTIFICATE-----\nMIIB", "holds a damaged certificate"),
        (
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "holds a damaged certificate",
        ),
    ],
)
def test_a_file_of_authorities_that_is_none(content: bytes, says: str, tmp_path: Path) -> None:
    file = tmp_path / "authorities.pem"
    file.write_bytes(content)
    with pytest.raises(TlsFailed, match=says) as caught:
        client_context(TlsSettings(server_name="x", ca_file=str(file)))
    assert str(caught.value).startswith(f"The CA file {file} ")


@pytest.mark.parametrize("path", ["missing.pem", ".", "nul\0"])
def test_a_file_of_authorities_that_cannot_be_read(path: str, tmp_path: Path) -> None:
    with pytest.raises(TlsFailed, match=r"cannot be read \(.+\)\. Is its name right\?"):
        client_context(TlsSettings(server_name="x", ca_file=f"{tmp_path}/{path}"))


def test_comments_in_a_file_of_authorities_do_no_harm(
    identity: ServerIdentity, tmp_path: Path
) -> None:
    file = tmp_path / "authorities.pem"
    file.write_bytes("Behörde für Prüfung\n".encode("latin-1") + identity.ca_file.read_bytes())
    joined = join(ServerIdentity(file, identity.server_context))
    assert joined.client.established
