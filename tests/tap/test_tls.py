"""TLS as it comes: mirrored, in front, behind, and what cannot pass through it."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poptalk.net.endpoint import Destination
from poptalk.net.tls import TlsLayer
from poptalk.pop3.events import ViolationKind
from poptalk.practice.certificates import Certificates
from poptalk.practice.server import Server
from tests.shell.black_box import piped
from tests.tap.running import End, Listener, RunningTap, played

Ends = AbstractContextManager[tuple[RunningTap, End, End]]
"""A tap, and both ends of one session."""

GREETING = b"+OK ready\r\n"
TAKEN = b"+OK begin\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(persona="plain", tls_port=0, record=True) as running:
        yield running


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    return Certificates()


@pytest.fixture(scope="module")
def both(certificates: Certificates) -> Iterator[Callable[[], Ends]]:
    """Give what makes sessions of one tap that are in TLS on both sides."""
    context = certificates.server_context()
    with Listener() as listener:
        destination = Destination(host="127.0.0.1", port=listener.port, tls=True, verify=False)
        with RunningTap(destination) as tap:

            @contextmanager
            def begin() -> Iterator[tuple[RunningTap, End, End]]:
                with End.to(tap.tls_port) as client:
                    client.begin_tls(tap.context())
                    with listener.accept() as far:
                        far.begin_tls(context, server_side=True)
                        yield tap, client, far

            yield begin


def behind(server: Server, *, tls: bool = False, starttls: bool = False) -> Destination:
    """Return a practice server as what is behind a tap; its authority is trusted."""
    port = server.tls_port if tls else server.port
    assert port is not None
    return Destination(
        host=server.host, port=port, tls=tls, starttls=starttls, ca_file=server.ca_file
    )


def log_in(client: End) -> None:
    """Log in, and look around."""
    assert client.say(b"USER bob").startswith(b"+OK")
    assert client.say(b"PASS jones").startswith(b"+OK")
    assert client.say(b"STAT").startswith(b"+OK 3 ")
    assert client.say(b"QUIT").startswith(b"+OK")
    assert client.rest() == b""


def test_stls_is_done_on_both_sides_and_its_log_replays(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RunningTap(behind(server), log=str(tmp_path / "log")) as tap:
        with End.to(tap.port) as client:
            client.line()
            assert client.say(b"STLS").startswith(b"+OK")
            client.begin_tls(tap.context())
            log_in(client)
        shown = tap.wait_for("the server closed the connection")
    assert server.sessions[-1].tls
    assert "1 # the mail program: TLSv1.3, " in shown
    assert "1 # the server: TLSv1.3, TLS_AES_256_GCM_SHA384, certificate verified" in shown
    assert "1 C: PASS ****" in shown
    monkeypatch.setenv("POPTALK_PASSWORD", "jones")
    words = ("--user", "bob", tmp_path / "log.1", server.host, server.port)
    done = piped(b"", "run", "--ca-file", server.ca_file, *words)
    assert done.code == 0, done
    assert server.sessions[-1].commands[0] == b"STLS"
    assert not tap.tap.totals.violations


@pytest.mark.parametrize("tls_behind", [True, False])
def test_tls_in_front(server: Server, tls_behind: bool) -> None:
    with RunningTap(behind(server, tls=tls_behind)) as tap:
        with End.to(tap.tls_port) as client:
            client.begin_tls(tap.context())
            client.line()
            log_in(client)
        tap.wait_for("the server closed the connection")
    assert server.sessions[-1].tls is tls_behind


@pytest.mark.parametrize("stls", [False, True])
def test_the_clear_in_front_and_tls_behind(server: Server, stls: bool, tmp_path: Path) -> None:
    with RunningTap(behind(server, tls=True), log=str(tmp_path / "log")) as tap:
        with End.to(tap.port) as client:
            client.line()
            if stls:
                assert client.say(b"stls") == b"+OK Begin TLS negotiation now\r\n"
                client.begin_tls(tap.context())
            log_in(client)
        shown = tap.wait_for("the server closed the connection")
    assert server.sessions[-1].tls
    assert server.sessions[-1].commands == [b"USER bob", b"PASS jones", b"STAT", b"QUIT"]
    assert ("answered by the tap, not by the server" in shown) is stls
    assert "STLS" not in (tmp_path / "log.1").read_text().upper()


def capabilities(client: End) -> list[bytes]:
    """Ask for the capabilities."""
    client.send(b"CAPA\r\n")
    return [line.removesuffix(b"\r\n") for line in iter(client.line, b".\r\n")]


def test_the_tap_lists_the_stls_that_it_answers(server: Server, tmp_path: Path) -> None:
    with RunningTap(behind(server, tls=True), log=str(tmp_path / "log")) as tap:
        with End.to(tap.port) as client:
            client.line()
            in_the_clear = capabilities(client)
            client.say(b"STLS")
            client.begin_tls(tap.context())
            in_tls = capabilities(client)
            log_in(client)
        tap.wait_for("the tap adds STLS to this list")
    assert in_the_clear == [*in_tls, b"STLS"]
    assert "STLS" not in (tmp_path / "log.1").read_text()


def test_an_answer_to_capa_that_breaks_off_is_passed_on(certificates: Certificates) -> None:
    with Listener() as listener:
        destination = Destination(host="127.0.0.1", port=listener.port, tls=True, verify=False)
        with RunningTap(destination) as tap, End.to(tap.port) as client, listener.accept() as far:
            far.begin_tls(certificates.server_context(), server_side=True)
            far.send(GREETING)
            client.line()
            client.send(b"CAPA\r\n")
            far.line()
            far.send(b"+OK\r\nTOP\r\nUI")
            far.close()
            assert client.rest() == b"+OK\r\nTOP\r\nUI"


def test_stls_behind_where_it_was_asked_for(server: Server) -> None:
    with RunningTap(behind(server, starttls=True)) as tap:
        with End.to(tap.port) as client:
            client.line()
            assert client.say(b"STLS") == b"+OK Begin TLS negotiation now\r\n"
            client.begin_tls(tap.context())
            log_in(client)
        tap.wait_for("the server closed the connection")
    assert server.sessions[-1].tls
    assert server.sessions[-1].commands[0] == b"STLS"


def test_there_is_no_tls_within_tls(server: Server) -> None:
    with RunningTap(behind(server)) as tap, End.to(tap.tls_port) as client:
        client.begin_tls(tap.context())
        client.line()
        assert client.say(b"STLS").startswith(b"-ERR")
        log_in(client)
    assert b"STLS" not in server.sessions[-1].commands


def test_a_server_that_refuses_tls_ends_the_session(server: Server) -> None:
    with Listener() as listener:
        destination = Destination(host="127.0.0.1", port=listener.port, starttls=True)
        with RunningTap(destination) as tap, End.to(tap.port) as client:
            with listener.accept() as far:
                far.send(GREETING)
                assert far.line() == b"STLS\r\n"
                far.send(b"-ERR no\r\n")
                assert client.rest() == b""
            tap.wait_for("1 #! The server did not take STLS: ")


def test_a_wrong_certificate_behind_ends_the_session(server: Server) -> None:
    assert server.tls_port is not None
    destination = Destination(host=server.host, port=server.tls_port, tls=True)
    with RunningTap(destination) as tap:
        with End.to(tap.port) as client:
            assert client.rest() == b""
        shown = tap.wait_for("which is unknown here")
    assert "S: +OK" not in shown


# What comes in the clear where TLS was to begin.


@pytest.mark.parametrize("at_once", [True, False])
def test_what_the_client_injects_is_shown_and_not_passed_on(
    certificates: Certificates, at_once: bool
) -> None:
    with played(verify=False) as (tap, client, far):
        far.send(GREETING)
        client.line()
        client.send(b"STLS\r\nUSER eve\r\nPASS pass-of-eve\r\n" if at_once else b"STLS\r\n")
        assert far.line() == b"STLS\r\n"
        far.send(TAKEN)
        assert client.line() == TAKEN
        if not at_once:
            client.send(b"USER eve\r\nPASS pass-of-eve\r\n")
            tap.wait_for("command injection")
        client.begin_tls(tap.context())
        far.begin_tls(certificates.server_context(), server_side=True)
        client.send(b"CAPA\r\n")
        assert far.line() == b"CAPA\r\n"
        shown = tap.wait_for("1 C: PASS ****")
    assert "1 #! command injection: 28 octets" in shown
    assert "1 C: USER eve" in shown
    assert "pass-of-eve" not in shown


SMUGGLED = b"STLS\r\nUSER eve\r\n"


def test_at_every_cut_nothing_smuggled_reaches_the_server(server: Server) -> None:
    with RunningTap(behind(server)) as tap:
        context = tap.context()
        for cut in range(1, len(SMUGGLED) + 8):
            layer = TlsLayer(context, server_name="127.0.0.1")
            layer.receive_data(b"")
            octets = SMUGGLED + layer.data_to_send()
            with End.to(tap.port) as client:
                client.line()
                client.send(octets[:cut])
                if cut >= len(b"STLS\r\n"):
                    assert client.line().startswith(b"+OK")
                client.send(octets[cut:])
                if cut < len(b"STLS\r\n"):
                    assert client.line().startswith(b"+OK")
                while not layer.established:
                    layer.receive_data(client.sock.recv(65_536))
                layer.send(b"QUIT\r\n")
                client.send(layer.data_to_send())
                answer = b""
                while not layer.ended:
                    answer += layer.receive_data(client.sock.recv(65_536))
            assert answer.count(b"\r\n") == 1, cut
            assert server.sessions[-1].commands == [b"STLS", b"QUIT"], cut
        tap.wait_for("command injection: 10 octets", count=len(SMUGGLED) - len(b"STLS\r\n"))


@given(pieces=st.lists(st.tuples(st.booleans(), st.binary(max_size=300)), max_size=12))
@settings(max_examples=25)
def test_octets_pass_unchanged_in_tls(
    both: Callable[[], Ends], pieces: list[tuple[bool, bytes]]
) -> None:
    with both() as (_tap, client, far):
        for to_far, octets in pieces:
            (client if to_far else far).send(octets)
        for to_far, end in ((True, far), (False, client)):
            sent = b"".join(octets for way, octets in pieces if way is to_far)
            assert end.receive(len(sent)) == sent


@pytest.mark.parametrize("at_once", [True, False])
def test_what_the_server_injects_is_shown_and_not_passed_on(
    certificates: Certificates, at_once: bool
) -> None:
    injected = b"+OK you are in already\r\n"
    with played(verify=False) as (tap, client, far):
        far.send(GREETING)
        client.line()
        client.send(b"STLS\r\n")
        assert far.line() == b"STLS\r\n"
        far.send(TAKEN + injected if at_once else TAKEN)
        assert client.line() == TAKEN
        if not at_once:
            far.send(injected)
        shown = tap.wait_for("S: +OK you are in already")
        client.begin_tls(tap.context())
        far.begin_tls(certificates.server_context(), server_side=True)
        far.send(b"+OK in TLS\r\n")
        assert client.line() == b"+OK in TLS\r\n"
    assert "1 #! response injection" in shown
    assert tap.tap.totals.violations[ViolationKind.RESPONSE_INJECTION] == 1


def test_the_client_may_begin_tls_with_its_stls(certificates: Certificates) -> None:
    """A program that is sure of its server sends the first octets of TLS behind STLS."""
    with played(verify=False) as (tap, client, far):
        far.send(GREETING)
        client.line()
        layer = TlsLayer(tap.context(), server_name="127.0.0.1")
        layer.receive_data(b"")
        client.send(b"STLS\r\n" + layer.data_to_send())
        assert far.line() == b"STLS\r\n"
        far.send(TAKEN)
        assert client.line() == TAKEN
        while not layer.established:
            layer.receive_data(client.sock.recv(65_536))
        client.send(layer.data_to_send())
        tap.wait_for("1 # the mail program: TLSv1.3")
        assert "injection" not in tap.shown


@pytest.mark.parametrize("half_closed", [False, True])
def test_what_is_said_before_the_server_is_in_tls_waits(
    certificates: Certificates, half_closed: bool
) -> None:
    with played(verify=False) as (tap, client, far):
        far.send(GREETING)
        client.line()
        client.send(b"STLS\r\n")
        assert far.line() == b"STLS\r\n"
        far.send(TAKEN)
        assert client.line() == TAKEN
        client.begin_tls(tap.context())
        client.send(b"CAPA\r\n")
        if half_closed:
            client.finish()
        tap.wait_for("1 # the mail program: TLSv1.3")
        far.begin_tls(certificates.server_context(), server_side=True)
        assert far.line() == b"CAPA\r\n"
        if half_closed:
            assert far.rest() == b""
    assert not tap.tap.totals.violations


def test_the_end_of_a_client_that_came_too_early_waits_as_well(certificates: Certificates) -> None:
    with Listener() as listener:
        destination = Destination(host="127.0.0.1", port=listener.port, tls=True, verify=False)
        with RunningTap(destination) as tap, End.to(tap.port) as client:
            client.send(b"QUIT")
            client.finish()
            with listener.accept() as far:
                far.begin_tls(certificates.server_context(), server_side=True)
                far.send(GREETING)
                assert client.line() == GREETING
                assert far.rest() == b"QUIT"


def test_tls_within_tls_that_a_server_takes_is_passed_on_unread(both: Callable[[], Ends]) -> None:
    with both() as (tap, client, far):
        far.send(GREETING)
        client.line()
        client.send(b"STLS\r\n")
        assert far.line() == b"STLS\r\n"
        far.send(TAKEN + b"\x16\x03 anything")
        assert client.receive(len(TAKEN) + 11) == TAKEN + b"\x16\x03 anything"
        client.send(b"whatever")
        assert far.receive(8) == b"whatever"
        tap.wait_for("the server begins TLS within TLS")


# The wrong port.


def test_the_clear_on_the_port_for_tls_is_named(server: Server) -> None:
    with RunningTap(behind(server)) as tap:
        with End.to(tap.tls_port) as client:
            client.send(b"USER bob\r\n")
            assert client.rest() == b""
        tap.wait_for("speaks in the clear on the port for TLS")
        tap.wait_for("1 C: USER bob")


def test_tls_on_the_port_in_the_clear_passes_unread(server: Server) -> None:
    assert server.tls_port is not None
    with RunningTap(Destination(host=server.host, port=server.tls_port)) as tap:
        with End.to(tap.port) as client:
            client.begin_tls(ssl.create_default_context(cafile=server.ca_file))
            client.line()
            log_in(client)
        shown = tap.wait_for("begins with TLS on the port without it")
    assert "USER" not in shown
    assert "still due" not in shown


# What cannot pass through.


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"AUTH SCRAM-SHA-256-PLUS " + base64.b64encode(b"p=tls-exporter,,n=bob,r=x"), "-PLUS"),
        (b"AUTH EXTERNAL", "--client-cert shows one in its place"),
    ],
)
def test_a_login_that_tls_binds_is_named(line: bytes, said: str) -> None:
    with played() as (tap, client, far):
        far.send(GREETING)
        client.line()
        client.send(line + b"\r\n")
        assert far.line() == line + b"\r\n"
        tap.wait_for(said)


def test_a_server_that_wants_a_certificate_is_named(certificates: Certificates) -> None:
    context = certificates.server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    with Listener() as listener:
        destination = Destination(host="127.0.0.1", port=listener.port, tls=True, verify=False)
        with RunningTap(destination) as tap, End.to(tap.port) as client:
            far = listener.accept()
            with pytest.raises(ssl.SSLError):
                far.begin_tls(context, server_side=True)
            far.close()
            client.rest()
            tap.wait_for("a certificate of the mail program cannot pass through the tap")


def test_a_client_that_does_not_trust_the_tap_is_named(server: Server) -> None:
    with RunningTap(behind(server)) as tap:
        with End.to(tap.tls_port) as client, pytest.raises(ssl.SSLError):
            client.begin_tls(ssl.create_default_context())
        tap.wait_for("It does not trust the certificate of the tap")


def test_keys_of_both_sides_are_logged(server: Server, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    assert server.tls_port is not None
    destination = Destination(
        host=server.host, port=server.tls_port, tls=True, verify=False, keylog=str(keys)
    )
    with RunningTap(destination) as tap, End.to(tap.tls_port) as client:
        client.begin_tls(tap.context())
        client.line()
        log_in(client)
    traffic = [line for line in keys.read_text().splitlines() if line.startswith("CLIENT_TRAFFIC")]
    assert len({line.split()[1] for line in traffic}) == 2
