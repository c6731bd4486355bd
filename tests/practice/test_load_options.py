"""What `poptalk serve` has for tests under load: another event loop, and more connections."""

from __future__ import annotations

import asyncio
import contextlib
import json
import poplib
import socket
import sys

import pytest

from poptalk.cli.parser import parse
from poptalk.exit_codes import EXIT_USAGE
from poptalk.practice.persona import ServeSettings
from poptalk.practice.serve import serve
from poptalk.practice.server import Server, loop_factory
from tests.practice.test_serve import SECONDS, running


def loop_of(choice: str) -> str:
    """Return the library of the event loop that a choice leads to."""
    libraries = []

    async def look() -> None:
        libraries.append(type(asyncio.get_running_loop()).__module__.partition(".")[0])

    with asyncio.Runner(loop_factory=loop_factory(choice)) as runner:
        runner.run(look())
    return libraries[0]


def test_asyncios_own_loop_is_used_when_it_is_asked_for() -> None:
    assert loop_of("asyncio") == "asyncio"


def test_uvloop_is_used_where_it_is_installed() -> None:
    pytest.importorskip("uvloop", reason="uvloop is not installed (pip install uvloop)")
    assert loop_of("auto") == loop_of("uvloop") == "uvloop"


def test_without_uvloop_there_is_asyncios_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert loop_of("auto") == "asyncio"


def test_uvloop_that_is_missing_is_a_mistake_in_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    said: list[str] = []
    complaints: list[str] = []
    options = ServeSettings(loop="uvloop")
    assert serve(options, say=said.append, complain=complaints.append) == EXIT_USAGE
    assert complaints == [
        "--loop uvloop: the package uvloop is not installed. Run pip install uvloop in the environment "
        "that poptalk is installed in, or pipx inject poptalk uvloop."
    ]
    assert said == []


def test_a_session_on_uvloop() -> None:
    pytest.importorskip("uvloop", reason="uvloop is not installed (pip install uvloop)")
    replies: list[object] = []

    async def session() -> None:
        async with Server(persona="plain") as server:
            await asyncio.to_thread(converse, server.port)

    def converse(port: int) -> None:
        client = poplib.POP3("127.0.0.1", port, timeout=SECONDS)
        client.user("mrose")
        client.pass_("tanstaaf")
        replies.extend([client.stat(), client.retr(1)[2], client.quit()[:3]])

    with asyncio.Runner(loop_factory=loop_factory("uvloop")) as runner:
        runner.run(session())
    assert replies == [(2, 320), 120, b"+OK"]


def connection(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), SECONDS)


def test_as_many_connections_as_asked_for_and_no_more() -> None:
    with (
        running("--json", "--connections", "130") as process,
        contextlib.ExitStack() as clients,
    ):
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        for _ in range(130):
            assert clients.enter_context(connection(port)).recv(512).startswith(b"+OK")
        assert b"too many connections" in clients.enter_context(connection(port)).recv(512)


@pytest.mark.parametrize("number", ["0", "-1", "many", "1000001"])
def test_a_number_of_connections_that_makes_no_sense(
    number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse("serve", [f"--connections={number}"])
    assert "isn't a number from 1 to 1,000,000" in capsys.readouterr().err
