"""The ways to a server that the command line knows: proxies, sockets, sources, patience."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from tests.servers.proxies import HttpProxy, Proxy, SocksProxy, running
from tests.servers.recording import RecordingServer
from tests.shell.black_box import at, on_a_terminal, piped, said_once
from tests.shell.shells import live, place

SHELLS = pytest.mark.parametrize("options", [(), ("--plain",)], ids=["live", "linear"])


@pytest.mark.parametrize("kind", [HttpProxy, SocksProxy])
def test_by_way_of_a_proxy(kind: type[Proxy], monkeypatch: pytest.MonkeyPatch) -> None:
    scheme = "http" if kind is HttpProxy else "socks5"
    with RecordingServer() as server, running(kind()) as proxy:
        url = f"{scheme}://127.0.0.1:{proxy.port}"
        assert piped(b"NOOP\n", *at(server), "--proxy", url).code == 0
        assert len(proxy.asked) == 1
        monkeypatch.setenv("POPTALK_PROXY", url)
        assert piped(b"NOOP\n", *at(server)).code == 0
        assert len(proxy.asked) == 2


@pytest.mark.parametrize(
    ("url", "said"),
    [("ftp://host", "a proxy is written as"), ("socks5://me:secret@host", "POPTALK_PROXY")],
)
def test_what_is_no_proxy(url: str, said: str) -> None:
    finished = piped(b"", "127.0.0.1", "--proxy", url)
    assert finished.code == 2
    assert said in finished.stderr
    assert "secret" not in finished.stderr


def serve_once(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.sendall(b"+OK a socket\r\n")
        connection.recv(100)
        connection.sendall(b"+OK\r\n")


def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "pop3"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        serving = threading.Thread(target=serve_once, args=(listener,))
        serving.start()
        finished = piped(b"NOOP\n", "--socket", path)
        serving.join(10)
    assert finished.code == 0, finished.stderr
    assert finished.stdout == b"+OK a socket\r\n+OK\r\n"


def test_an_address_to_come_from() -> None:
    with RecordingServer() as server:
        assert piped(b"NOOP\n", *at(server), "--source", "127.0.0.1").code == 0
        finished = piped(b"NOOP\n", *at(server), "--source", "192.0.2.1")
        assert finished.code == 3


@SHELLS
def test_a_limit_for_connecting_alone(options: tuple[str, ...]) -> None:
    """A full backlog lets one wait; --connect-timeout ends that long before --timeout would."""
    with socket.socket() as deaf, socket.socket() as first, socket.socket() as second:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(deaf.getsockname())
        began = time.monotonic()
        where = ("127.0.0.1", deaf.getsockname()[1], "--connect-timeout", "0.3", *options)
        finished = piped(b"NOOP\n", *where)
        assert finished.code == 3
        with on_a_terminal(*where, columns=300) as pty:
            assert pty.wait_exit() == 3
            assert "within 0.3 s" in said_once(pty.text) or "no answer" in said_once(pty.text)
        assert time.monotonic() - began < 30


@pytest.mark.parametrize("option", ["--pin", "--client-cert", "--source", "--keylog"])
def test_the_practice_server_needs_none_of_it(option: str) -> None:
    finished = piped(b"NOOP\n", option, "x")
    assert finished.code == 2
    assert f"{option} and the like are for your own server" in finished.stderr


def test_a_lesson_types_no_stls() -> None:
    with on_a_terminal("learn", "1", "127.0.0.1", "--starttls", columns=200) as pty:
        assert pty.wait_exit() == 2
        assert "in a lesson it is you who types STLS" in said_once(pty.text)


async def test_open_keeps_the_way() -> None:
    with RecordingServer() as server, RecordingServer() as other:
        destination = place(server)
        given = {name: getattr(destination, name) for name in type(destination)._fields}
        given |= {"source": "127.0.0.1", "server_name": "a.example", "pins": ("AB" * 32,)}
        async with live(type(destination)(**given), rows=40) as shell:
            await shell.enter(f":open {other.host} {other.port}")
            await shell.until(lambda: len(other.connections) == 1)
            now = shell.shell.destination
            assert now is not None
            # What was about the other server alone is gone.
            assert (now.source, now.server_name, now.pins) == ("127.0.0.1", None, ())


def test_a_name_in_the_url_is_not_typed_into_a_password() -> None:
    with RecordingServer() as server:
        url = f"pop3://bob@{server.host}:{server.port}"
        with on_a_terminal(url, "--login", "bob", "--mechanism", "USER") as pty:
            pty.wait_for("Password of bob at 127.0.0.1:")
            pty.send("jones\r")
            pty.wait_for("# bob is logged in")
        assert server.received == b"USER bob\r\nPASS jones\r\n"
