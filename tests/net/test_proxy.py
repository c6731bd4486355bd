"""Ways to a server that are not the usual one: proxies, a unix socket, a source address."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from poptalk.net.async_connection import connect
from poptalk.net.connection import Link
from poptalk.net.dial import dial
from poptalk.net.endpoint import (
    PROXY_VARIABLE,
    BadProxy,
    Proxy,
    Target,
    parse_proxy,
    proxy_of_environment,
)
from poptalk.net.errors import ConnectFailed, Ending, TlsFailed
from poptalk.net.tls import TlsFacts
from tests.servers.proxies import HttpProxy, SocksProxy, running
from tests.servers.proxies import Proxy as RunningProxy

GREETING = b"+OK behind it\r\n"
SECONDS = 10
KINDS = {"http": HttpProxy, "socks5": SocksProxy, "socks5h": SocksProxy}


def _serve(listener: socket.socket) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        try:
            with client:
                client.sendall(GREETING)
                while line := client.recv(100):
                    client.sendall(b"+OK " + line)
        except OSError:
            # Whoever connected was no client of ours, or is gone.
            pass


@pytest.fixture
def server() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def by_way_of(proxy: RunningProxy, scheme: str, port: int, *, host: str = "127.0.0.1") -> Target:
    url = f"{scheme}://127.0.0.1:{proxy.port}"
    return Target(host=host, port=port, proxy=parse_proxy(url))


def greeted(target: Target) -> bytes:
    with Link.open(target, timeout=SECONDS) as link:
        said = b""
        while not said.endswith(b"\n"):
            said += link.receive()
        link.send(b"STAT\r\n")
        assert link.receive() == b"+OK STAT\r\n"
        return said


@pytest.mark.parametrize("scheme", KINDS)
def test_the_greeting_comes_whole_though_it_came_with_the_proxys_answer(
    scheme: str, server: int
) -> None:
    with running(KINDS[scheme]()) as proxy:
        assert greeted(by_way_of(proxy, scheme, server)) == GREETING


@pytest.mark.parametrize(("scheme", "asked"), [("socks5h", "localhost"), ("socks5", "127.0.0.1")])
def test_who_looks_the_name_up(scheme: str, asked: str, server: int) -> None:
    with running(SocksProxy()) as proxy:
        assert greeted(by_way_of(proxy, scheme, server, host="localhost")) == GREETING
        assert proxy.asked[0] in (asked, "::1") if scheme == "socks5" else proxy.asked == [asked]


@pytest.mark.parametrize("scheme", KINDS)
def test_a_name_and_a_password_for_the_proxy(
    scheme: str, server: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(KINDS[scheme]()) as proxy:
        monkeypatch.setenv(PROXY_VARIABLE, f"{scheme}://ann:s%20ecret@127.0.0.1:{proxy.port}")
        known = proxy_of_environment()
        assert greeted(Target(host="127.0.0.1", port=server, proxy=known)) == GREETING
        assert proxy.credentials in (
            ["ann:s ecret"],
            ["Proxy-Authorization: Basic YW5uOnMgZWNyZXQ="],
        )
        assert "ecret" not in f"{known!r}{known}"


@pytest.mark.parametrize("scheme", KINDS)
def test_a_proxy_that_refuses(scheme: str, server: int) -> None:
    said = r"does not let us through to 127\.0\.0\.1 port"
    with running(KINDS[scheme](refuse=True)) as proxy, pytest.raises(ConnectFailed, match=said):
        dial(by_way_of(proxy, scheme, server), timeout=SECONDS)


def test_socks_without_its_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "python_socks", None)
    with pytest.raises(ConnectFailed, match="pip install python-socks in the environment"):
        dial(
            Target(host="127.0.0.1", port=110, proxy=parse_proxy("socks5://127.0.0.1:1080")),
            timeout=SECONDS,
        )


@pytest.mark.parametrize("scheme", KINDS)
def test_what_is_no_proxy(scheme: str, server: int) -> None:
    wrong = Proxy(scheme=scheme, host="127.0.0.1", port=server)
    with pytest.raises(ConnectFailed, match="The proxy "):
        dial(Target(host="127.0.0.1", port=server, proxy=wrong), timeout=SECONDS)


@pytest.mark.parametrize("scheme", KINDS)
def test_a_proxy_that_is_not_there(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    gone = Proxy(scheme=scheme, host="127.0.0.1", port=port)
    with pytest.raises(ConnectFailed, match="cannot be reached") as failed:
        dial(Target(host="127.0.0.1", port=110, proxy=gone), timeout=SECONDS)
    # The ports of POP3 have nothing to do with it.
    assert "995" not in str(failed.value)


@pytest.mark.parametrize("scheme", KINDS)
def test_a_proxy_that_says_nothing(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        mute = Proxy(scheme=scheme, host="127.0.0.1", port=listener.getsockname()[1])
        with pytest.raises(ConnectFailed, match=r"port 110 within 0\.2 s"):
            dial(Target(host="127.0.0.1", port=110, proxy=mute), timeout=0.2)


def test_a_proxy_whose_answer_trickles_in() -> None:
    """Each octet comes in time, and all of them together do not."""
    given_up = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def trickle() -> None:
            client, _ = listener.accept()
            with client:
                for _ in range(200):
                    if given_up.wait(0.02):
                        return
                    client.sendall(b"H")

        thread = threading.Thread(target=trickle, daemon=True)
        thread.start()
        slow = Proxy(scheme="http", host="127.0.0.1", port=listener.getsockname()[1])
        with pytest.raises(ConnectFailed, match=r"did not reach .* within 0\.2 s"):
            dial(Target(host="127.0.0.1", port=110, proxy=slow), timeout=0.2)
        given_up.set()
        thread.join(SECONDS)


@pytest.mark.parametrize("scheme", KINDS)
@pytest.mark.parametrize("host", ["a\r\nX: y", "a\nb", "a\0b", "a b"])
def test_a_host_that_would_add_a_line_is_told_to_no_proxy(scheme: str, host: str) -> None:
    with (
        running(KINDS[scheme]()) as proxy,
        pytest.raises(ConnectFailed, match="isn't a host name"),
    ):
        dial(by_way_of(proxy, scheme, 110, host=host), timeout=SECONDS)
    assert proxy.asked == []


def test_a_proxy_that_cannot_be_read_is_not_quoted() -> None:
    """What looks like its port is the beginning of a password with a slash."""
    with pytest.raises(BadProxy) as refused:
        parse_proxy("http://ann:se/cret@127.0.0.1:1080", from_command_line=False)
    assert "'se'" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["", "ftp://x", "socks5://", "http://x:99999", "proxy.example:1080", "socks5://a:b@c"]
)
def test_what_cannot_be_a_proxy(url: str) -> None:
    with pytest.raises(BadProxy):
        parse_proxy(url)


class _Listener:
    def __init__(self) -> None:
        self.heard = b""
        self.enough = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.heard += data
        self.enough.set()

    def tls_established(self, facts: TlsFacts) -> None: ...

    def tls_failed(self, error: TlsFailed) -> None: ...

    def connection_ended(self, ending: Ending) -> None: ...


@pytest.mark.parametrize("scheme", KINDS)
async def test_the_live_connection_goes_by_proxies_too(scheme: str, server: int) -> None:
    with running(KINDS[scheme]()) as proxy:
        listener = _Listener()
        target = by_way_of(proxy, scheme, server)
        connection = await connect(target, listener, timeout=SECONDS)
        await asyncio.wait_for(listener.enough.wait(), SECONDS)
        assert listener.heard == GREETING
        connection.close()
        await connection.wait_closed()


async def test_the_way_by_a_proxy_can_be_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        mute = Proxy(scheme="http", host="127.0.0.1", port=sock.getsockname()[1])
        target = Target(host="127.0.0.1", port=110, proxy=mute)
        task = asyncio.create_task(connect(target, _Listener(), timeout=SECONDS))
        client, _ = await asyncio.to_thread(sock.accept)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        client.close()


@pytest.fixture
def socket_path(tmp_path: Path) -> Iterator[str]:
    path = str(tmp_path / "pop3")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        threading.Thread(target=_serve, args=(listener,), daemon=True).start()
        yield path
        listener.shutdown(socket.SHUT_RDWR)


async def test_a_unix_socket(socket_path: str) -> None:
    target = Target(host="localhost", port=110, path=socket_path)
    assert str(target) == f"the socket {socket_path}"
    assert await asyncio.to_thread(greeted, target) == GREETING
    listener = _Listener()
    connection = await connect(target, listener, timeout=SECONDS)
    await asyncio.wait_for(listener.enough.wait(), SECONDS)
    assert listener.heard == GREETING
    connection.close()
    await connection.wait_closed()


def test_a_unix_socket_that_is_not_there(tmp_path: Path) -> None:
    target = Target(host="localhost", port=110, path=f"{tmp_path}/none")
    with pytest.raises(ConnectFailed, match="does a server listen on it"):
        dial(target, timeout=SECONDS)


def test_the_source_address(server: int) -> None:
    with dial(Target(host="127.0.0.1", port=server, source="127.0.0.1"), timeout=SECONDS) as sock:
        assert sock.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize("source", ["192.0.2.1", "::1"])
def test_a_source_that_is_not_ours(server: int, source: str) -> None:
    with pytest.raises(ConnectFailed, match="which --source names, isn't an address"):
        dial(Target(host="127.0.0.1", port=server, source=source), timeout=SECONDS)


def _drip(listener: socket.socket, beginning: bytes) -> None:
    """Answer like a proxy that never comes to an end, and sends an octet now and then."""
    client, _ = listener.accept()
    with client:
        try:
            client.sendall(beginning)
            while True:
                time.sleep(0.05)
                client.sendall(b"x")
        except OSError:
            # The client has given up.
            pass


@pytest.mark.parametrize(
    ("scheme", "beginning"),
    [("http", b"HTTP/1.1 200 "), ("socks5h", b"\5\0\5\0\0\3\xff")],
)
def test_a_proxy_that_drips_is_given_up(scheme: str, beginning: bytes) -> None:
    if scheme != "http":
        pytest.importorskip("python_socks")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_drip, args=(listener, beginning), daemon=True).start()
        proxy = parse_proxy(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}")
        target = Target(host="mail.example.org", port=110, proxy=proxy)
        begun = time.monotonic()
        with pytest.raises(ConnectFailed, match=r"did not reach .* within 0\.3 s"):
            dial(target, timeout=0.3)
        assert time.monotonic() - begun < SECONDS


PATIENCE = 0.5


def test_a_proxy_that_is_ready_too_late_is_left() -> None:
    pytest.importorskip("python_socks")
    given_up = threading.Event()
    left = threading.Event()

    def answer_late() -> None:
        client, _ = listener.accept()
        with client:
            client.settimeout(SECONDS)
            # The library gives each read the whole time again, so it waits for longer than we do.
            time.sleep(0.6 * PATIENCE)
            client.sendall(b"\5\0")
            given_up.wait(SECONDS)
            client.sendall(b"\5\0\0\1\x7f\0\0\1\0\x6e")
            while client.recv(1024):
                pass
            left.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=answer_late, daemon=True).start()
        proxy = parse_proxy(f"socks5h://127.0.0.1:{listener.getsockname()[1]}")
        target = Target(host="mail.example.org", port=110, proxy=proxy)
        with pytest.raises(ConnectFailed, match="within"):
            dial(target, timeout=PATIENCE)
        given_up.set()
        assert left.wait(SECONDS)
