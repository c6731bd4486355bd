"""STLS over a real socket: what was said in clear is never answered in TLS (CVE-2011-0411)."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import md5

import pytest

from poptalk.net.tls import TlsLayer
from poptalk.pop3.replies import timestamp_of
from poptalk.pop3.server.events import EndReason
from poptalk.practice.observers import Observer, Peer
from poptalk.practice.server import Server
from tests.practice.talking import SECONDS, Talk, connected, greeted

SMUGGLED = b"STLS\r\nCAPA\r\n"


class Arrivals(Observer):
    """Octets that the server has been given in clear, so that a test knows where it was cut."""

    def __init__(self) -> None:
        self._octets = 0
        self._more = threading.Condition()

    def begin(self, peer: Peer) -> Observer:
        self._octets = 0
        return self

    def received(self, octets: bytes) -> None:
        with self._more:
            self._octets += len(octets)
            self._more.notify_all()

    def wait_for(self, octets: int) -> None:
        with self._more:
            assert self._more.wait_for(lambda: self._octets >= octets, SECONDS)


@pytest.fixture(scope="module")
def arrivals() -> Arrivals:
    return Arrivals()


@pytest.fixture(scope="module")
def server(arrivals: Arrivals) -> Iterator[Server]:
    with Server(persona="plain", record=True, observers=[arrivals.begin]) as running:
        yield running


@pytest.fixture(scope="module")
def context(server: Server) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=server.ca_file)


def client_hello(context: ssl.SSLContext) -> tuple[TlsLayer, bytes]:
    """Return the client's side of TLS, and its first octets."""
    layer = TlsLayer(context, server_name="localhost")
    layer.receive_data(b"")
    return layer, layer.data_to_send()


def test_at_every_cut_nothing_smuggled_is_answered_in_tls(
    server: Server, context: ssl.SSLContext, arrivals: Arrivals
) -> None:
    length = len(SMUGGLED) + len(client_hello(context)[1])
    for cut in range(1, length):
        layer, hello = client_hello(context)
        octets = SMUGGLED + hello
        with greeted(server) as talk:
            talk.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            talk.sock.sendall(octets[:cut])
            # Behind the answer to STLS octets are TLS, and no longer seen as what they were.
            arrivals.wait_for(min(cut, len(b"STLS\r\n")))
            answer = talk.line() if cut >= len(b"STLS\r\n") else b""
            send_to_whom_it_may_concern(talk, octets[cut:])
            rest = everything_behind(talk)
        assert is_refused(layer, answer, rest), f"cut at {cut}: {answer!r} {rest!r}"
    # CAPA is known as a command in not one of these sessions.
    said = [session.commands for session in server.sessions[-(length - 1) :]]
    assert all(commands == [b"STLS"] for commands in said)


def send_to_whom_it_may_concern(talk: Talk, octets: bytes) -> None:
    """Send octets to a server that may have hung up."""
    try:
        talk.sock.sendall(octets)
    except ConnectionError:
        pass


def everything_behind(talk: Talk) -> bytes:
    """Return what comes up to the end; a reset is one as well."""
    try:
        return talk.file.read()
    except ConnectionError:
        return b""


def is_refused(layer: TlsLayer, answer: bytes, rest: bytes) -> bool:
    """Tell whether there was one refusal in clear, or STLS and then no TLS."""
    if not answer:
        answer, _, rest = rest.partition(b"\r\n")
    if answer.startswith(b"-ERR"):
        return b"came after STLS" in answer and rest == b""
    alert = 0x15
    no_tls = rest == b"" or rest[0] == alert
    return answer == b"+OK Begin TLS negotiation" and no_tls and not layer.established


def test_a_client_hello_in_the_segment_of_stls_is_refused_as_well(
    server: Server, context: ssl.SSLContext
) -> None:
    _, hello = client_hello(context)
    with greeted(server) as talk:
        talk.sock.sendall(b"STLS\r\n" + hello)
        assert talk.rest().startswith(b"-ERR %d octets came after STLS" % len(hello))


def test_the_refusal_is_told_once(context: ssl.SSLContext) -> None:
    with Server(record=True) as server:
        with greeted(server) as talk:
            talk.sock.sendall(SMUGGLED)
            assert talk.rest().count(b"-ERR") == 1
        with greeted(server):
            pass
    assert server.sessions[0].ended == EndReason.PLAINTEXT_AFTER_STLS.value


@contextmanager
def upgraded(talk: Talk, context: ssl.SSLContext) -> Iterator[Talk]:
    """Switch a connection to TLS."""
    assert talk.say(b"STLS") == b"+OK Begin TLS negotiation"
    with context.wrap_socket(talk.sock, server_hostname="localhost") as sock:
        inside = Talk(sock)
        with inside.file:
            yield inside


def test_a_name_given_in_clear_is_forgotten(server: Server, context: ssl.SSLContext) -> None:
    with greeted(server) as talk:
        assert talk.say(b"USER bob").startswith(b"+OK")
        with upgraded(talk, context) as inside:
            assert inside.say(b"PASS jones").startswith(b"-ERR PASS goes right after USER")
            assert inside.log_in().startswith(b"+OK")


def test_a_timestamp_given_in_clear_is_forgotten(server: Server, context: ssl.SSLContext) -> None:
    with connected(server) as talk:
        timestamp = timestamp_of(talk.line())
        assert timestamp is not None
        digest = md5(timestamp + b"jones", usedforsecurity=False).hexdigest().encode()
        with upgraded(talk, context) as inside:
            assert inside.say(b"APOP bob " + digest).startswith(b"-ERR APOP needs the timestamp")


def test_an_exchange_of_auth_cannot_cross(server: Server, context: ssl.SSLContext) -> None:
    with greeted(server) as talk:
        assert talk.say(b"AUTH PLAIN") == b"+ "
        # Within AUTH every line is a response (RFC 5034 §4), and this is no base64.
        assert talk.say(b"STLS").startswith(b"-ERR")
        with upgraded(talk, context) as inside:
            assert inside.say(b"AGJvYgBqb25lcw==").startswith(b"-ERR unknown command")


def test_capabilities_are_asked_for_anew(server: Server, context: ssl.SSLContext) -> None:
    with greeted(server) as talk:
        talk.say(b"CAPA")
        assert b"STLS" in talk.body()
        with upgraded(talk, context) as inside:
            inside.say(b"CAPA")
            assert b"STLS" not in inside.body()


def test_a_second_stls_is_refused(server: Server, context: ssl.SSLContext) -> None:
    with greeted(server) as talk, upgraded(talk, context) as inside:
        assert inside.say(b"STLS") == b"-ERR Command not permitted when TLS active"
        assert inside.log_in().startswith(b"+OK")


def test_stls_after_the_login_is_refused(server: Server, context: ssl.SSLContext) -> None:
    with greeted(server) as talk:
        talk.log_in()
        assert talk.say(b"STLS").startswith(b"-ERR STLS comes before the login")
        assert talk.say(b"STAT").startswith(b"+OK 3 ")
    with greeted(server) as talk, upgraded(talk, context) as inside:
        inside.log_in()
        assert inside.say(b"STLS").startswith(b"-ERR STLS comes before the login")


def test_logins_that_failed_in_clear_count_on_in_tls(
    server: Server, context: ssl.SSLContext
) -> None:
    # Otherwise whoever guesses passwords would only need to begin again with STLS.
    limit = server.limits.failed_logins
    with greeted(server) as talk:
        for _ in range(limit - 1):
            assert talk.log_in(b"bob", b"wrong").startswith(b"-ERR [AUTH] invalid password")
        with upgraded(talk, context) as inside:
            assert inside.log_in(b"bob", b"wrong").startswith(b"-ERR [AUTH] too many logins")
