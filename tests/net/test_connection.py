"""The asyncio connection against servers on loopback."""

from __future__ import annotations

import _thread
import asyncio
import gc
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from poptalk.net import async_connection
from poptalk.net.async_connection import AsyncConnection, ConnectionListener, connect
from poptalk.net.endpoint import Target
from poptalk.net.errors import ConnectFailed, EndedBy, Ending, TlsFailed
from poptalk.net.tls import TlsFacts
from poptalk.net.tls_settings import TlsSettings
from tests.servers import certificates
from tests.servers.certificates import ServerIdentity
from tests.servers.loopback import LoopbackServer
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

CLOSED = Ending(by=EndedBy.SERVER, how="closed the connection", clean=True)


class Heard(ConnectionListener):
    """Keeps what it hears, and lets a test wait for it."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.calls: list[str] = []
        self.facts: TlsFacts | None = None
        self.error: TlsFailed | None = None
        self.endings: list[Ending] = []
        self.on_data: Callable[[bytes], None] = lambda _data: None
        self._changed = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.data += data
        self._note("data")
        self.on_data(data)

    def tls_established(self, facts: TlsFacts) -> None:
        self.facts = facts
        self._note("established")

    def tls_failed(self, error: TlsFailed) -> None:
        self.error = error
        self._note("failed")

    def connection_ended(self, ending: Ending) -> None:
        self.endings.append(ending)
        self._note("ended")

    @property
    def ending(self) -> Ending:
        [ending] = self.endings
        return ending

    async def wait_for(self, condition: Callable[[Heard], bool]) -> None:
        async with asyncio.timeout(TIMEOUT):
            while not condition(self):
                self._changed.clear()
                await self._changed.wait()

    async def wait_for_data(self, data: bytes) -> None:
        await self.wait_for(lambda heard: bytes(heard.data) == data)

    async def wait_for_end(self) -> Ending:
        await self.wait_for(lambda heard: bool(heard.endings))
        return self.ending

    def _note(self, call: str) -> None:
        self.calls.append(call)
        self._changed.set()


def settings(identity: ServerIdentity) -> TlsSettings:
    return TlsSettings(server_name="localhost", ca_file=str(identity.ca_file))


async def open_connection(
    server: LoopbackServer,
    heard: Heard,
    *,
    tls: TlsSettings | None = None,
    timeout: float = TIMEOUT,
) -> AsyncConnection:
    return await connect(
        Target(host=server.host, port=server.port), heard, timeout=timeout, tls=tls
    )


async def wait_for_end(server: LoopbackServer) -> bytes:
    return await asyncio.to_thread(server.wait_for_end)


async def test_octets_go_both_ways_as_they_are() -> None:
    heard = Heard()
    with RecordingServer(closing_keyword=b"QUIT") as server:
        connection = await open_connection(server, heard)
        assert connection.tls is None
        await heard.wait_for_data(GREETING)
        connection.send(b" \x00\xff\r\n")
        connection.send(b"QUIT\r\n")
        assert await heard.wait_for_end() == CLOSED
        await connection.wait_closed()
        assert connection.ending == CLOSED
        assert heard.data == GREETING + OK + OK
        assert server.received == b" \x00\xff\r\nQUIT\r\n"
        connection.send(b"dropped")
        connection.close()
        assert heard.endings == [CLOSED]


async def test_ipv6(ipv6: str) -> None:
    heard = Heard()
    with RecordingServer(host=ipv6) as server:
        connection = await open_connection(server, heard)
        await heard.wait_for_data(GREETING)
        connection.close()
        await connection.wait_closed()


async def test_nothing_is_heard_before_connect_returns() -> None:
    heard = Heard()
    with RecordingServer() as server:
        connection = await open_connection(server, heard)
        assert heard.calls == []
        connection.close()
        await connection.wait_closed()


async def test_a_refused_port(refused_port: int) -> None:
    with pytest.raises(ConnectFailed, match="refused the connection: nothing listens there"):
        await connect(Target(host="127.0.0.1", port=refused_port), Heard(), timeout=TIMEOUT)


async def test_a_malformed_host() -> None:
    with pytest.raises(ConnectFailed, match="isn't a host name"):
        await connect(Target(host="a..b", port=110), Heard(), timeout=TIMEOUT)


def name_service(monkeypatch: pytest.MonkeyPatch, look_up: Callable[[], list[Any]]) -> None:
    """Replace the look-up of names, but not that of addresses."""
    real = socket.getaddrinfo

    def getaddrinfo(host: bytes, port: int, *rest: int) -> list[Any]:
        return real(host, port, *rest) if rest[-1] & socket.AI_NUMERICHOST else look_up()

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def stream(port: int) -> tuple[int, int, int, str, tuple[str, int]]:
    return (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))


async def test_the_next_address_is_tried(
    monkeypatch: pytest.MonkeyPatch, refused_port: int
) -> None:
    heard = Heard()
    with RecordingServer() as server:
        name_service(monkeypatch, lambda: [stream(refused_port), stream(server.port)])
        target = Target(host="mail.example.org", port=110)
        connection = await connect(target, heard, timeout=TIMEOUT)
        await heard.wait_for_data(GREETING)
        connection.close()
        await connection.wait_closed()


async def test_an_unknown_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up() -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    name_service(monkeypatch, look_up)
    with pytest.raises(ConnectFailed, match=r"No host named mail\.example\.org is known here"):
        await connect(Target(host="mail.example.org", port=110), Heard(), timeout=TIMEOUT)


async def test_a_name_service_that_hangs_can_be_left(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, released = threading.Event(), threading.Event()

    def look_up() -> list[Any]:
        asked.set()
        released.wait(30)
        return []

    name_service(monkeypatch, look_up)
    target = Target(host="mail.example.org", port=110)
    try:
        with pytest.raises(ConnectFailed, match="the name service does not answer"):
            await connect(target, Heard(), timeout=SHORT)
        asked.clear()
        task = asyncio.create_task(connect(target, Heard(), timeout=TIMEOUT))
        assert await asyncio.to_thread(asked.wait, TIMEOUT)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, TIMEOUT)
    finally:
        released.set()


async def test_cancelled_in_the_moment_in_which_the_socket_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dialled = socket.socket()
    monkeypatch.setattr(async_connection, "dial", lambda *_target, **_timeout: dialled)
    monkeypatch.setattr(_thread, "start_new_thread", lambda work, arguments: work(*arguments))
    task = asyncio.create_task(connect(Target(host="127.0.0.1", port=110), Heard(), timeout=5))
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_soon(task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert dialled.fileno() == -1


async def test_a_reset() -> None:
    heard = Heard()
    with ScriptedServer([Send(b"+OK\r\n"), ExpectLine(), Reset()]) as server:
        connection = await open_connection(server, heard)
        await heard.wait_for_data(b"+OK\r\n")
        connection.send(b"STAT\r\n")
        ending = Ending(by=EndedBy.SERVER, how="reset the connection", clean=False)
        assert await heard.wait_for_end() == ending


async def test_an_unsolicited_word_and_a_close_are_both_heard() -> None:
    heard = Heard()
    with ScriptedServer([Send(b"-ERR idle\r\n"), Close()]) as server:
        await open_connection(server, heard)
        assert await heard.wait_for_end() == CLOSED
        assert heard.data == b"-ERR idle\r\n"


async def test_closing_is_our_doing_and_may_be_repeated() -> None:
    heard = Heard()
    with RecordingServer() as server:
        connection = await open_connection(server, heard)
        connection.send(b"QUIT\r\n")
        connection.close()
        connection.close()
        await connection.wait_closed()
        assert heard.ending == Ending(by=EndedBy.US, how="closed the connection", clean=True)
        assert heard.calls == ["ended"]
        assert await wait_for_end(server) == b"QUIT\r\n"


async def test_closing_does_not_wait_for_ever_on_a_server_that_takes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("poptalk.net.async_connection.CLOSE_GRACE", SHORT)
    released = threading.Event()
    heard = Heard()
    with ScriptedServer([Pause(until=released)]) as server:
        connection = await open_connection(server, heard)
        connection.send(bytes(64 * MiB))
        connection.close()
        await asyncio.wait_for(connection.wait_closed(), TIMEOUT)
        assert heard.ending.by is EndedBy.US
        released.set()


async def test_a_listener_may_close_from_within() -> None:
    heard = Heard()
    with ScriptedServer([Flood(b"x" * 1000, 10 * MiB)]) as server:
        connection = await open_connection(server, heard)
        heard.on_data = lambda _data: connection.close()
        await heard.wait_for_end()
        assert heard.calls == ["data", "ended"]


async def test_clear_to_a_tls_port() -> None:
    alert = b"\x15\x03\x01\x00\x02\x02\x46"
    heard = Heard()
    with ScriptedServer([ExpectLine(), Send(alert), Close()]) as server:
        connection = await open_connection(server, heard)
        connection.send(b"CAPA\r\n")
        ending = await heard.wait_for_end()
        assert heard.data == alert
        assert ending.how.endswith("try --tls")


async def test_implicit_tls(identity: ServerIdentity) -> None:
    heard = Heard()
    with RecordingServer(tls=identity.server_context, closing_keyword=b"QUIT") as server:
        connection = await open_connection(server, heard, tls=settings(identity))
        assert heard.calls == []
        assert connection.tls is not None
        assert connection.tls.verified
        await heard.wait_for_data(GREETING)
        connection.send(b"QUIT\r\n")
        assert await heard.wait_for_end() == CLOSED
        assert heard.data == GREETING + OK
        assert set(heard.calls) == {"data", "ended"}


async def test_a_body_of_many_records(identity: ServerIdentity) -> None:
    block = bytes(range(256)) * 1000
    heard = Heard()
    steps = [Flood(block, 20 * len(block)), Close()]
    with ScriptedServer(steps, tls=identity.server_context) as server:
        await open_connection(server, heard, tls=settings(identity))
        assert await heard.wait_for_end() == CLOSED
        assert heard.data == block * 20


async def test_tls_cut_without_close_notify(identity: ServerIdentity) -> None:
    heard = Heard()
    steps = [Send(b"+OK half of it"), HalfClose()]
    with ScriptedServer(steps, tls=identity.server_context) as server:
        await open_connection(server, heard, tls=settings(identity))
        assert await heard.wait_for_end() == Ending(
            by=EndedBy.SERVER, how="cut the TLS session without close_notify", clean=False
        )
        assert heard.data == b"+OK half of it"


def stls(identity: ServerIdentity, *then: Step) -> list[Step]:
    return [
        *(Send(b"+OK\r\n"), Expect(b"STLS\r\n"), Send(b"+OK begin\r\n")),
        *(StartTls(identity.server_context), *then),
    ]


async def upgrade(server: LoopbackServer, heard: Heard, terms: TlsSettings) -> AsyncConnection:
    connection = await open_connection(server, heard)
    connection.send(b"STLS\r\n")
    await heard.wait_for_data(b"+OK\r\n+OK begin\r\n")
    connection.start_tls(terms)
    return connection


async def test_stls_upgrades_the_live_socket(identity: ServerIdentity) -> None:
    heard = Heard()
    with ScriptedServer(stls(identity, Expect(b"CAPA\r\n"), Send(b"."), Close())) as server:
        connection = await upgrade(server, heard, settings(identity))
        # It waits for the handshake and must not be seen in clear.
        connection.send(b"CAPA\r\n")
        assert await heard.wait_for_end() == CLOSED
        assert heard.facts is connection.tls is not None
        assert heard.data == b"+OK\r\n+OK begin\r\n."
        assert server.received == b"STLS\r\nCAPA\r\n"
        assert heard.calls.count("established") == 1


async def test_a_certificate_that_does_not_pass_after_stls(tmp_path: Path) -> None:
    bad = certificates.expired(tmp_path)
    heard = Heard()
    with ScriptedServer(stls(bad)) as server:
        connection = await upgrade(server, heard, settings(bad))
        connection.send(b"PASS jones\r\n")
        assert (await heard.wait_for_end()).by is EndedBy.US
        assert heard.calls[-2:] == ["failed", "ended"]
        assert "has expired" in str(heard.error)
        assert connection.tls is None
        assert await wait_for_end(server) == b"STLS\r\n"
        assert "alert" in str(server.tls_failures[0])


async def test_a_certificate_that_does_not_pass(tmp_path: Path) -> None:
    bad = certificates.self_signed(tmp_path)
    heard = Heard()
    with RecordingServer(tls=bad.server_context) as server:
        with pytest.raises(TlsFailed, match="is self-signed") as caught:
            await open_connection(server, heard, tls=settings(bad))
        assert caught.value.certificate[0] == "subject      CN=localhost"
        await wait_for_end(server)
        assert heard.calls == []


async def test_a_file_of_authorities_that_is_missing(tmp_path: Path) -> None:
    terms = TlsSettings(server_name="localhost", ca_file=str(tmp_path / "missing.pem"))
    heard = Heard()
    with RecordingServer() as server:
        with pytest.raises(TlsFailed, match="cannot be read"):
            await open_connection(server, heard, tls=terms)
        assert server.connections == ()
        connection = await open_connection(server, heard)
        connection.start_tls(terms)
        connection.send(b"PASS jones\r\n")
        assert heard.calls == []
        await heard.wait_for_end()
        assert heard.calls == ["failed", "ended"]
        assert await wait_for_end(server) == b""


@pytest.mark.parametrize("upgrading", [False, True])
async def test_a_handshake_that_nobody_answers(identity: ServerIdentity, upgrading: bool) -> None:
    heard = Heard()
    says = "did not finish the TLS handshake within 0.05 s"
    with ScriptedServer([]) as server:
        if upgrading:
            connection = await open_connection(server, heard, timeout=SHORT)
            connection.start_tls(settings(identity))
            await heard.wait_for_end()
            assert heard.calls == ["failed", "ended"]
            assert says in str(heard.error)
        else:
            with pytest.raises(TlsFailed) as caught:
                await open_connection(server, heard, tls=settings(identity), timeout=SHORT)
            assert says in str(caught.value)
            assert heard.calls == []
        await wait_for_end(server)


async def test_a_handshake_can_be_left_at_any_time(identity: ServerIdentity) -> None:
    with ScriptedServer([Expect(b"\x16\x03")]) as server:
        task = asyncio.create_task(open_connection(server, Heard(), tls=settings(identity)))
        await asyncio.to_thread(server.wait_for, lambda received: received[:1] == b"\x16")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await wait_for_end(server)


async def test_tls_to_a_clear_port(identity: ServerIdentity) -> None:
    with ScriptedServer([Send(GREETING)]) as server:
        with pytest.raises(TlsFailed, match="speaks POP3 in the clear") as caught:
            await open_connection(server, Heard(), tls=settings(identity))
        assert GREETING.decode().strip() in str(caught.value)
        await wait_for_end(server)


@pytest.mark.parametrize("last", [Close(), Reset()])
@pytest.mark.parametrize("upgrading", [False, True])
async def test_a_server_that_leaves_the_handshake(
    identity: ServerIdentity, last: Step, upgrading: bool
) -> None:
    heard = Heard()
    with ScriptedServer([Expect(b"\x16\x03"), last]) as server:
        if upgrading:
            connection = await open_connection(server, heard)
            connection.start_tls(settings(identity))
            await heard.wait_for_end()
            assert heard.calls == ["failed", "ended"]
            assert "during the TLS handshake" in str(heard.error)
        else:
            with pytest.raises(TlsFailed, match="during the TLS handshake"):
                await open_connection(server, heard, tls=settings(identity))
            assert heard.calls == []


async def test_an_injected_response_is_never_heard_in_clear(identity: ServerIdentity) -> None:
    heard = Heard()
    steps = [ExpectLine(), Send(b"+OK begin\r\n"), Expect(b"\x16\x03"), Send(b"+OK injected\r\n")]
    with ScriptedServer(steps) as server:
        connection = await open_connection(server, heard)
        connection.send(b"STLS\r\n")
        await heard.wait_for_data(b"+OK begin\r\n")
        connection.start_tls(settings(identity))
        await heard.wait_for_end()
        assert heard.data == b"+OK begin\r\n"
        assert heard.error is not None
        assert "response injection" in str(heard.error)
        assert '"+OK injected"' in str(heard.error)


async def test_there_is_no_tls_within_tls(identity: ServerIdentity) -> None:
    heard = Heard()
    with RecordingServer(tls=identity.server_context) as server:
        connection = await open_connection(server, heard, tls=settings(identity))
        connection.start_tls(settings(identity))
        connection.send(b"dropped")
        await heard.wait_for_end()
        assert "TLS is in force already" in str(heard.error)
        assert await wait_for_end(server) == b""


async def test_a_listener_that_fails_ends_the_connection() -> None:
    problems: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _loop, context: problems.append(context)
    )

    def fail(_data: bytes) -> None:
        raise ZeroDivisionError

    heard = Heard()
    heard.on_data = fail
    with RecordingServer() as server:
        await open_connection(server, heard)
        ending = await heard.wait_for_end()
        assert (ending.by, ending.clean) == (EndedBy.US, False)
    assert isinstance(problems[0]["exception"], ZeroDivisionError)


@pytest.fixture(autouse=True)
def _no_socket_is_left_open() -> Any:
    """Turn a socket that a test dropped without closing it into its own failure, not the next's."""
    yield
    gc.collect()
