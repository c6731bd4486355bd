"""The blocking connection against servers on loopback."""

from __future__ import annotations

import select
import ssl
import threading
from collections import deque
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import pytest

from poptalk.net.connection import Link
from poptalk.net.endpoint import Target
from poptalk.net.errors import ConnectFailed, ConnectionLost, EndedBy, Ending, TlsFailed
from poptalk.net.tls import TlsLayer
from poptalk.net.tls_settings import TlsSettings
from tests.servers import certificates
from tests.servers.certificates import ServerIdentity
from tests.servers.loopback import Channel, LoopbackServer
from tests.servers.recording import GREETING, OK, RecordingServer
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
    Step,
)

TIMEOUT = 10.0  # generous: only a failing test waits for it
SHORT = 0.05  # for the tests that wait for a time-out
MiB = 1024 * 1024


def settings(identity: ServerIdentity) -> TlsSettings:
    return TlsSettings(server_name="localhost", ca_file=str(identity.ca_file))


def open_link(
    server: LoopbackServer, *, tls: TlsSettings | None = None, timeout: float = TIMEOUT
) -> Link:
    return Link.open(Target(host=server.host, port=server.port), timeout=timeout, tls=tls)


def receive_all(link: Link) -> bytes:
    return b"".join(iter(link.receive, b""))


def receive(link: Link, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += link.receive()
    return data


@dataclass(frozen=True, slots=True)
class BreakTls(Step):
    """Do a handshake, send one record in order and one that is broken."""

    context: ssl.SSLContext

    def play(self, channel: Channel) -> None:
        layer = TlsLayer(self.context, server_side=True)
        while not layer.established:
            layer.receive_data(channel.receive())
            channel.send(layer.data_to_send())
        layer.send(b"+OK\r\n")
        channel.send(layer.data_to_send())
        layer.send(b"broken")
        record = layer.data_to_send()
        channel.send(record[:-1] + bytes([record[-1] ^ 1]))


def test_octets_go_both_ways_as_they_are() -> None:
    with RecordingServer(closing_keyword=b"QUIT") as server, open_link(server) as link:
        assert receive(link, len(GREETING)) == GREETING
        link.send(b" \x00\xff\r\n")
        assert receive(link, len(OK)) == OK
        link.send(b"QUIT\r\n")
        assert receive_all(link) == OK
        assert link.ending == Ending(by=EndedBy.SERVER, how="closed the connection", clean=True)
        assert server.received == b" \x00\xff\r\nQUIT\r\n"


def test_ipv6(ipv6: str) -> None:
    with RecordingServer(host=ipv6) as server, open_link(server) as link:
        assert link.receive() == GREETING


def test_a_refused_port(refused_port: int) -> None:
    with pytest.raises(ConnectFailed, match="refused the connection"):
        Link.open(Target(host="127.0.0.1", port=refused_port), timeout=TIMEOUT)


def test_a_reset() -> None:
    steps = [Send(b"+OK\r\n"), ExpectLine(), Reset()]
    with ScriptedServer(steps) as server, open_link(server) as link:
        link.send(b"STAT\r\n")
        assert receive_all(link) == b"+OK\r\n"
        assert link.ending == Ending(by=EndedBy.SERVER, how="reset the connection", clean=False)
        with pytest.raises(ConnectionLost, match="has ended: the server reset the connection"):
            link.send(b"QUIT\r\n")


def test_sending_to_a_server_that_has_gone() -> None:
    with ScriptedServer([Send(b"-ERR idle\r\n"), Close()]) as server, open_link(server) as link:
        server.wait_for_end()
        # The first one provokes the reset, which the second one finds; then one can still read.
        link.send(b"STAT\r\n")
        select.select([link], [], [], TIMEOUT)
        with pytest.raises(ConnectionLost, match=r"Nothing can be sent to .*: the server reset"):
            deque(map(link.send, repeat(b"QUIT\r\n")), maxlen=0)


def test_silence_before_the_greeting_suggests_tls() -> None:
    with ScriptedServer([ExpectLine()]) as server:
        link = open_link(server, timeout=SHORT)
        with pytest.raises(ConnectionLost, match=r"has said nothing for 0\.05 s\. .* try --tls"):
            link.receive()
        link.send(b"the connection still stands\r\n")
        server.wait_for(lambda received: received.endswith(b"stands\r\n"))
        link.close()


def test_silence_after_the_greeting_suggests_patience() -> None:
    with RecordingServer(reply=lambda _line: b"") as server:
        with open_link(server, timeout=SHORT) as link:
            link.receive()
            with pytest.raises(ConnectionLost, match="--timeout") as caught:
                link.receive()
        assert "--tls" not in str(caught.value)


def test_a_server_that_takes_nothing() -> None:
    released = threading.Event()
    with (
        ScriptedServer([Pause(until=released)]) as server,
        open_link(server, timeout=SHORT) as link,
    ):
        with pytest.raises(ConnectionLost, match=r"has taken no data for 0\.05 s"):
            link.send(bytes(64 * MiB))
        released.set()


def test_closing_is_our_doing_and_may_be_repeated() -> None:
    with RecordingServer() as server:
        link = open_link(server)
        link.close()
        link.close()
        assert link.ending == Ending(by=EndedBy.US, how="closed the connection", clean=True)
        assert (link.receive(), link.fileno()) == (b"", -1)
        server.wait_for_end()


def test_implicit_tls(identity: ServerIdentity) -> None:
    with RecordingServer(tls=identity.server_context, closing_keyword=b"QUIT") as server:
        with open_link(server, tls=settings(identity)) as link:
            assert link.tls is not None
            assert link.tls.verified
            assert receive(link, len(GREETING)) == GREETING
            link.send(b"QUIT\r\n")
            assert receive_all(link) == OK
            assert link.ending == Ending(by=EndedBy.SERVER, how="closed the connection", clean=True)
        assert server.received == b"QUIT\r\n"


def test_stls_upgrades_the_live_socket(identity: ServerIdentity) -> None:
    steps = [
        *(Send(b"+OK\r\n"), Expect(b"STLS\r\n"), Send(b"+OK begin\r\n")),
        *(StartTls(identity.server_context), Expect(b"CAPA\r\n"), Send(b"+OK\r\n.\r\n"), Close()),
    ]
    with ScriptedServer(steps) as server, open_link(server) as link:
        assert receive(link, 5) == b"+OK\r\n"
        link.send(b"STLS\r\n")
        assert receive(link, 11) == b"+OK begin\r\n"
        facts = link.start_tls(settings(identity))
        assert link.tls is facts
        link.send(b"CAPA\r\n")
        assert receive_all(link) == b"+OK\r\n.\r\n"


def test_select_is_told_of_what_tls_holds_already(identity: ServerIdentity) -> None:
    steps = [Send(b"+OK\r\n"), Close()]
    with (
        ScriptedServer(steps, tls=identity.server_context) as server,
        open_link(server, tls=settings(identity)) as link,
    ):
        received = []
        while link.ending is None:
            if not link.pending():
                assert select.select([link], [], [], TIMEOUT)[0]
            received.append(link.receive())
        assert b"".join(received) == b"+OK\r\n"
        assert link.pending()


def test_a_body_of_many_records(identity: ServerIdentity) -> None:
    block = bytes(range(256)) * 1000
    steps = [Flood(block, 20 * len(block)), Close()]
    with (
        ScriptedServer(steps, tls=identity.server_context) as server,
        open_link(server, tls=settings(identity)) as link,
    ):
        assert receive_all(link) == block * 20
        assert link.ending is not None
        assert link.ending.clean


def test_tls_cut_without_close_notify(identity: ServerIdentity) -> None:
    steps = [Send(b"+OK half of it"), HalfClose()]
    with (
        ScriptedServer(steps, tls=identity.server_context) as server,
        open_link(server, tls=settings(identity)) as link,
    ):
        assert receive_all(link) == b"+OK half of it"
        assert link.ending == Ending(
            by=EndedBy.SERVER, how="cut the TLS session without close_notify", clean=False
        )


def test_a_broken_record(identity: ServerIdentity) -> None:
    with (
        ScriptedServer([BreakTls(identity.server_context)]) as server,
        open_link(server, tls=settings(identity)) as link,
    ):
        assert receive_all(link) == b"+OK\r\n"
        assert link.ending is not None
        assert (link.ending.by, link.ending.clean) == (EndedBy.SERVER, False)
        assert link.ending.how.startswith("broke the TLS session (")


def test_a_certificate_that_does_not_pass(tmp_path: Path) -> None:
    bad = certificates.wrong_host(tmp_path)
    with RecordingServer(tls=bad.server_context) as server:
        with pytest.raises(TlsFailed, match="is for another host") as caught:
            open_link(server, tls=settings(bad))
        assert "mail.other.example" in caught.value.certificate[2]
        server.wait_for_end()
        assert "alert" in str(server.tls_failures[0])


@pytest.mark.parametrize("upgrading", [False, True])
def test_a_handshake_that_nobody_answers(identity: ServerIdentity, upgrading: bool) -> None:
    with ScriptedServer([]) as server:
        if not upgrading:
            with pytest.raises(TlsFailed, match=r"did not finish the TLS handshake within 0\.05 s"):
                open_link(server, tls=settings(identity), timeout=SHORT)
        else:
            link = open_link(server, timeout=SHORT)
            with pytest.raises(TlsFailed, match=r"did not finish the TLS handshake within 0\.05 s"):
                link.start_tls(settings(identity))
            assert link.ending is not None
            assert link.ending.by is EndedBy.US
            assert link.fileno() == -1
        server.wait_for_end()


def test_tls_to_a_clear_port(identity: ServerIdentity) -> None:
    with RecordingServer() as server:
        with pytest.raises(TlsFailed, match="speaks POP3 in the clear"):
            open_link(server, tls=settings(identity))
        server.wait_for_end()


def test_clear_to_a_tls_port_that_sends_an_alert() -> None:
    alert = b"\x15\x03\x01\x00\x02\x02\x46"
    steps = [ExpectLine(), Send(alert), Close()]
    with ScriptedServer(steps) as server, open_link(server) as link:
        link.send(b"CAPA\r\n")
        assert receive_all(link) == alert
        assert str(link.ending) == (
            "the server closed the connection after octets that are TLS: "
            "this is a port for TLS, try --tls"
        )


def test_clear_to_a_tls_port_that_just_goes(identity: ServerIdentity) -> None:
    with RecordingServer(tls=identity.server_context) as server, open_link(server) as link:
        link.send(b"CAPA\r\n")
        receive_all(link)
        assert str(link.ending).startswith("the server ")
        assert str(link.ending).endswith("try --tls")


@pytest.mark.parametrize("last", [Close(), Reset()])
def test_a_server_that_leaves_the_handshake(identity: ServerIdentity, last: Step) -> None:
    with (
        ScriptedServer([Expect(b"\x16\x03"), last]) as server,
        pytest.raises(TlsFailed, match="during the TLS handshake"),
    ):
        open_link(server, tls=settings(identity))


def test_an_injected_response_makes_the_handshake_fail(identity: ServerIdentity) -> None:
    steps = [Send(GREETING), ExpectLine(), Send(b"+OK injected\r\n")]
    with ScriptedServer(steps) as server, open_link(server) as link:
        receive(link, len(GREETING))
        link.send(b"STLS\r\n")
        with pytest.raises(TlsFailed, match=r'"\+OK injected".* response injection'):
            link.start_tls(settings(identity))
        assert link.receive() == b""


def test_there_is_no_tls_within_tls(identity: ServerIdentity) -> None:
    with RecordingServer(tls=identity.server_context) as server:
        link = open_link(server, tls=settings(identity))
        with pytest.raises(TlsFailed, match="TLS is in force already"):
            link.start_tls(settings(identity))
        server.wait_for_end()
