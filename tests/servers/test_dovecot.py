"""The real Dovecot: its three doors, the sizes of its messages, and the way back after DELE."""

from __future__ import annotations

import poplib
import socket
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.dovecot import DOVECOT_MISSING, USERS, Dovecot, start_dovecot

TIMEOUT = 10.0
SHORTEST_PENALTY = 2.0  # seconds by which Dovecot delays the first failed login unless told not to


@pytest.fixture
def session(dovecot: Dovecot) -> Iterator[poplib.POP3]:
    """Open a session in clear, on a fresh maildrop of bob's."""
    dovecot.reset("bob")
    client = poplib.POP3(dovecot.host, dovecot.port, timeout=TIMEOUT)
    yield client
    client.close()


def octets_of(maildrop: Path) -> list[int]:
    """Return the sizes as POP3 counts them: each line end is CRLF (RFC 1939 §11)."""
    messages = [path.read_bytes() for path in sorted(maildrop.glob("*.eml"))]
    return [len(m.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")) for m in messages]


def test_a_session_in_clear_counts_octets_with_crlf(
    session: poplib.POP3, article_maildrop: Path
) -> None:
    session.user("bob")
    session.pass_("jones")
    listed = [int(line.split()[1]) for line in session.list()[1]]
    assert listed == octets_of(article_maildrop)
    assert session.stat() == (len(listed), sum(listed))
    assert session.quit().startswith(b"+OK")


def test_stls_upgrades_the_session(session: poplib.POP3, dovecot: Dovecot) -> None:
    session.stls(ssl.create_default_context(cafile=str(dovecot.ca_file)))
    session.user("mrose")
    session.pass_(dovecot.users["mrose"])
    assert isinstance(session.sock, ssl.SSLSocket)
    assert session.noop().startswith(b"+OK")


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_the_certificate_of_the_tls_port_is_good_for_each_name(dovecot: Dovecot, name: str) -> None:
    context = ssl.create_default_context(cafile=str(dovecot.ca_file))
    with (
        socket.create_connection((dovecot.host, dovecot.tls_port), TIMEOUT) as connection,
        context.wrap_socket(connection, server_hostname=name) as secured,
    ):
        assert secured.recv(512).startswith(b"+OK")


def test_apop_works_with_the_timestamp_of_the_greeting(session: poplib.POP3) -> None:
    assert session.apop("bob", USERS["bob"]).startswith(b"+OK")


def test_the_mechanisms_for_which_it_was_configured_are_offered(session: poplib.POP3) -> None:
    assert {"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"} <= set(
        session.capa()["SASL"]
    )


def test_reset_brings_back_what_was_deleted(session: poplib.POP3, dovecot: Dovecot) -> None:
    session.user("bob")
    session.pass_("jones")
    before = session.stat()
    session.dele(1)
    session.quit()

    def maildrop() -> tuple[int, int]:
        client = poplib.POP3(dovecot.host, dovecot.port, timeout=TIMEOUT)
        client.user("bob")
        client.pass_("jones")
        found = client.stat()
        client.quit()
        return found

    assert maildrop()[0] == before[0] - 1
    dovecot.reset("bob")
    assert maildrop() == before


def test_wrong_passwords_are_logged_and_delay_nobody(dovecot: Dovecot) -> None:
    for user in ("nobody-of-that-name", "bob"):
        client = poplib.POP3(dovecot.host, dovecot.port, timeout=SHORTEST_PENALTY)
        client.user(user)
        with pytest.raises(poplib.error_proto, match="AUTH"):
            client.pass_("wrong")
        client.quit()
    assert "Password mismatch" in dovecot.log()


@pytest.mark.skipif(DOVECOT_MISSING is not None, reason=str(DOVECOT_MISSING))
def test_nothing_listens_any_more_after_the_end(tmp_path: Path) -> None:
    maildrop = tmp_path / "maildrop"
    maildrop.mkdir()
    (maildrop / "1.eml").write_bytes(b"Subject: dots\r\n\r\n.\r\n..x\r\nno line end")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        with start_dovecot(maildrop, Path(directory)) as dovecot:
            client = poplib.POP3(dovecot.host, dovecot.port, timeout=TIMEOUT)
            client.user("bob")
            client.pass_("jones")
            assert client.retr(1)[1] == [b"Subject: dots", b"", b".", b"..x", b"no line end"]
            client.close()
        for port in (dovecot.port, dovecot.tls_port):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((dovecot.host, port), TIMEOUT).close()
