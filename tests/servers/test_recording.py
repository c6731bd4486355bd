"""The recording server: nothing is lost, nothing is changed, nothing is answered but by the rule."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest

from tests.servers.certificates import authority
from tests.servers.recording import GREETING, OK, UNKNOWN, RecordingServer, by_keyword
from tests.servers.scripted import Rule

TIMEOUT = 5.0


def connect(server: RecordingServer) -> socket.socket:
    return socket.create_connection((server.host, server.port), TIMEOUT)


def test_every_octet_is_kept_as_it_came() -> None:
    odd = b"  USER\tbob  \r\n\r\nquit\r\n\x00\x9b\xff\nno end of line"
    with RecordingServer() as server:
        with connect(server) as client:
            client.sendall(odd)
        assert server.wait_for_end() == odd


def test_each_line_has_its_reply() -> None:
    with RecordingServer() as server, connect(server) as client:
        replies = client.makefile("rb")
        assert replies.readline() == GREETING
        client.sendall(b"STAT\r\nNOOP\r\nST")
        assert [replies.readline(), replies.readline()] == [OK, OK]
        client.sendall(b"AT\r\n")
        assert replies.readline() == OK
        assert server.received == b"STAT\r\nNOOP\r\nSTAT\r\n"


@pytest.mark.parametrize(
    ("line", "reply"), [(b"stat", b"+OK 1 2\r\n"), (b"LIST 1", b"+OK 1 2\r\n"), (b"X", UNKNOWN)]
)
def test_a_rule_by_keyword(line: bytes, reply: bytes) -> None:
    rule: Rule = by_keyword({b"STAT": b"+OK 1 2\r\n", b"LIST": b"+OK 1 2\r\n"})
    assert rule(line) == reply


def test_the_closing_keyword_closes_after_its_reply() -> None:
    with RecordingServer(closing_keyword=b"QUIT") as server, connect(server) as client:
        client.sendall(b"noop\r\nquit\r\n")
        assert client.makefile("rb").read() == GREETING + OK + OK


def test_connections_are_kept_apart_and_in_order() -> None:
    with RecordingServer() as server, connect(server) as one, connect(server) as other:
        other.sendall(b"second\r\n")
        one.sendall(b"first\r\n")
        server.wait_for(lambda received: received.count(b"\n") == 2)
        assert server.connections == (b"first\r\n", b"second\r\n")


def test_wait_for_says_what_came_when_it_gives_up() -> None:
    with RecordingServer() as server, connect(server) as client:
        client.sendall(b"NOOP\r\n")
        server.wait_for(lambda received: received == b"NOOP\r\n")
        with pytest.raises(AssertionError, match="NOOP"):
            server.wait_for(lambda received: b"STAT" in received, timeout=0.01)


def broken(_line: bytes) -> bytes:
    raise ZeroDivisionError


def break_a_server() -> None:
    with RecordingServer(reply=broken) as server, connect(server) as client:
        client.sendall(b"NOOP\r\n")
        server.wait_for_end()


def test_an_error_in_a_rule_is_raised_in_the_test() -> None:
    with pytest.raises(ZeroDivisionError):
        break_a_server()


def break_a_server_and_the_test() -> None:
    with RecordingServer(reply=broken) as server, connect(server) as client:
        client.sendall(b"NOOP\r\n")
        server.wait_for_end()
        raise KeyError


def test_an_error_of_the_test_itself_is_not_hidden() -> None:
    with pytest.raises(KeyError) as caught:
        break_a_server_and_the_test()
    assert "ZeroDivisionError" in caught.value.__notes__[0]


def test_no_thread_and_no_listener_stays_behind() -> None:
    before = threading.active_count()
    with RecordingServer() as server:
        client = connect(server)
        client.sendall(b"NOOP\r\n")
        server.wait_for(lambda received: received.endswith(b"\n"))
    assert threading.active_count() == before
    with client, pytest.raises(ConnectionRefusedError):
        connect(server)


def test_it_listens_on_ipv6_where_there_is_one() -> None:
    try:
        server = RecordingServer(host="::1")
    except OSError as error:
        pytest.skip(f"This machine has no IPv6 loopback: {error}")
    with server, connect(server) as client:
        assert client.recv(100) == GREETING


def test_tls_is_taken_off_before_recording(tmp_path: Path) -> None:
    ca_file, context = authority(tmp_path)
    trust = ssl.create_default_context(cafile=str(ca_file))
    with RecordingServer(tls=context) as server:
        with trust.wrap_socket(connect(server), server_hostname="localhost") as client:
            assert client.recv(100) == GREETING
            client.sendall(b"NOOP\r\n")
            assert client.recv(100) == OK
        assert server.wait_for_end() == b"NOOP\r\n"
