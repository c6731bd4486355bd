"""The certificates: the sound one is accepted, and each bad one is refused for its one reason."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers import certificates
from tests.servers.certificates import ServerIdentity
from tests.servers.scripted import Close, ScriptedServer, Send


def handshake(identity: ServerIdentity, name: str) -> bytes:
    """Connect as a client that trusts the identity's authority; return what the server says."""
    trust = ssl.create_default_context(cafile=str(identity.ca_file))
    with (
        ScriptedServer([Send(b"+OK"), Close()], tls=identity.server_context) as server,
        socket.create_connection((server.host, server.port), 5.0) as client,
        trust.wrap_socket(client, server_hostname=name) as secured,
    ):
        return secured.recv(10)


@pytest.mark.parametrize("name", certificates.LOOPBACK_NAMES)
def test_the_sound_one_is_good_for_every_loopback_name(tmp_path: Path, name: str) -> None:
    assert handshake(certificates.authority(tmp_path), name) == b"+OK"


def test_the_one_for_another_host_is_good_for_that(tmp_path: Path) -> None:
    identity = certificates.wrong_host(tmp_path)
    assert handshake(identity, certificates.OTHER_NAME) == b"+OK"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (certificates.expired, "expired"),
        (certificates.not_yet_valid, "not yet valid"),
        (certificates.wrong_host, "Hostname mismatch"),
        (certificates.unknown_issuer, "unable to get local issuer"),
        (certificates.self_signed, "self-signed certificate"),
    ],
)
def test_each_bad_one_is_refused_for_its_own_reason(
    tmp_path: Path, make: Callable[[Path], ServerIdentity], reason: str
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        handshake(make(tmp_path), "localhost")
    assert reason in caught.value.verify_message.replace("self signed", "self-signed")


def test_two_in_one_directory_do_not_disturb_each_other(tmp_path: Path) -> None:
    first = certificates.authority(tmp_path)
    certificates.authority(tmp_path)
    assert handshake(first, "localhost") == b"+OK"
