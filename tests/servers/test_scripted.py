"""The scripted server: each step does what its name says, and a failed expectation is heard of."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest

from tests.servers.certificates import authority
from tests.servers.scripted import (
    Close,
    Expect,
    ExpectLine,
    Flood,
    HalfClose,
    Pause,
    Reset,
    ScriptedServer,
    Send,
    StartTls,
)

TIMEOUT = 5.0


def connect(server: ScriptedServer) -> socket.socket:
    return socket.create_connection((server.host, server.port), TIMEOUT)


def read_all(client: socket.socket) -> bytes:
    return client.makefile("rb").read()


def test_send_expect_and_close_in_turn() -> None:
    steps = [Send(b"+OK\r\n"), Expect(b"ok?"), Send(b"yes"), ExpectLine(), Send(b"end"), Close()]
    with ScriptedServer(steps) as server, connect(server) as client:
        client.sendall(b"is it ok? say\r\n")
        assert read_all(client) == b"+OK\r\nyesend"


def test_an_expectation_is_met_however_its_octets_are_cut() -> None:
    steps = [Expect(b"abc"), Send(b"!"), Close()]
    with ScriptedServer(steps) as server, connect(server) as client:
        for cut, octets in ((b"xa", b"xa"), (b"ab", b"xaab"), (b"c", b"xaabc")):
            client.sendall(cut)
            assert server.wait_for(octets.__eq__) == octets
        assert read_all(client) == b"!"


def disappoint() -> None:
    with ScriptedServer([Expect(b"QUIT\r\n")]) as server, connect(server) as client:
        client.sendall(b"NOOP\r\n")
        server.wait_for(lambda received: received == b"NOOP\r\n")


def test_an_expectation_that_is_not_met_fails_the_test() -> None:
    with pytest.raises(AssertionError, match=r"QUIT.*NOOP"):
        disappoint()


def test_a_pause_lasts_until_the_event() -> None:
    go_on = threading.Event()
    steps = [Send(b"now"), Pause(go_on), Send(b"late"), Close()]
    with ScriptedServer(steps) as server, connect(server) as client:
        assert client.recv(100) == b"now"
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.recv(1)
        client.settimeout(TIMEOUT)
        go_on.set()
        assert read_all(client) == b"late"


def test_a_pause_does_not_outlive_the_server() -> None:
    before = threading.active_count()
    with ScriptedServer([Pause(threading.Event())]) as server, connect(server):
        assert server.connections is not None
    assert threading.active_count() == before


def test_half_close_still_reads() -> None:
    with ScriptedServer([HalfClose()]) as server:
        with connect(server) as client:
            assert read_all(client) == b""
            client.sendall(b"after the end")
        assert server.wait_for_end() == b"after the end"


def test_reset_is_a_reset() -> None:
    with ScriptedServer([ExpectLine(), Reset()]) as server, connect(server) as client:
        client.sendall(b"NOOP\r\n")
        with pytest.raises(ConnectionResetError):
            read_all(client)


def test_close_is_no_reset_though_octets_were_left_unread() -> None:
    with ScriptedServer([Expect(b"1"), Close()]) as server, connect(server) as client:
        client.sendall(b"1" + b"x" * 1_000_000)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b""


def test_a_flood_has_the_length_that_was_asked_for() -> None:
    with ScriptedServer([Flood(b"abc", 1_000_000), Close()]) as server, connect(server) as client:
        flood = read_all(client)
    assert len(flood) == 1_000_000
    assert flood == (b"abc" * 333_334)[:1_000_000]


def test_a_flood_ends_when_the_client_has_gone() -> None:
    with ScriptedServer([Flood(b"x" * 65_536, 1 << 50)]) as server:
        with connect(server) as client:
            assert client.recv(1) == b"x"
        server.wait_for_end()


def trusting(ca_file: Path) -> ssl.SSLContext:
    """Make a client's context that tells a session cut short from one closed with close_notify."""
    context = ssl.create_default_context(cafile=str(ca_file))
    # Some releases of Python (3.11.2) have it set from the start, and report a cut as a clean end.
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    return context


def test_tls_starts_in_the_middle_and_close_notify_ends_it(tmp_path: Path) -> None:
    ca_file, context = authority(tmp_path)
    steps = [Send(b"+OK\r\n"), Expect(b"STLS\r\n"), Send(b"+OK go\r\n"), StartTls(context)]
    trust = trusting(ca_file)
    with ScriptedServer([*steps, ExpectLine(), Send(b"+OK in\r\n"), Close()]) as server:
        with connect(server) as client:
            client.sendall(b"STLS\r\n")
            reader = client.makefile("rb", buffering=0)
            assert [reader.readline(), reader.readline()] == [b"+OK\r\n", b"+OK go\r\n"]
            with trust.wrap_socket(
                client, server_hostname="localhost", suppress_ragged_eofs=False
            ) as secured:
                secured.sendall(b"CAPA\r\n")
                assert secured.recv(100) == b"+OK in\r\n"
                # A session that is cut raises an error here.
                assert secured.recv(100) == b""
        assert server.wait_for_end() == b"STLS\r\nCAPA\r\n"


def test_half_close_cuts_tls(tmp_path: Path) -> None:
    ca_file, context = authority(tmp_path)
    trust = trusting(ca_file)
    with (
        ScriptedServer([Send(b"+OK\r\n"), HalfClose()], tls=context) as server,
        trust.wrap_socket(
            connect(server), server_hostname="localhost", suppress_ragged_eofs=False
        ) as client,
    ):
        assert client.recv(100) == b"+OK\r\n"
        with pytest.raises(ssl.SSLError, match=r"(?i)eof"):
            client.recv(100)


def send_behind_stls(context: ssl.SSLContext) -> None:
    steps = [Expect(b"STLS\r\n"), StartTls(context)]
    with ScriptedServer(steps) as server, connect(server) as client:
        client.sendall(b"STLS\r\nCAPA\r\n")
        server.wait_for_end()


def test_octets_behind_stls_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="CAPA"):
        send_behind_stls(authority(tmp_path).server_context)


def test_a_client_that_refuses_the_certificate_is_noted_and_no_error(tmp_path: Path) -> None:
    context = authority(tmp_path).server_context
    with ScriptedServer([Send(b"+OK\r\n")], tls=context) as server:
        with connect(server) as client, pytest.raises(ssl.SSLCertVerificationError):
            ssl.create_default_context().wrap_socket(client, server_hostname="localhost")
        server.wait_for_end()
    assert len(server.tls_failures) == 1
