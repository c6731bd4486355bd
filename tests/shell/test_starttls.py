"""`--starttls`: TLS first of all, or nothing: refused, missing, injected, lost, and gone through."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.servers import certificates
from tests.servers.certificates import ServerIdentity
from tests.servers.recording import RecordingServer, by_keyword
from tests.servers.scripted import (
    Answer,
    Close,
    Expect,
    Pause,
    ScriptedServer,
    Send,
    StartTls,
    Step,
)
from tests.shell.black_box import at, on_a_terminal, piped, said_once
from tests.shell.shells import CTRL_C, live, place

GREETING = Send(b"+OK ready\r\n")
STLS = Expect(b"STLS\r\n")
SHELLS = pytest.mark.parametrize("options", [(), ("--plain",)], ids=["live", "linear"])
LINES = b"USER bob\nPASS jones\n"

FAILURES: dict[str, tuple[Sequence[Step], bytes, str]] = {
    "refused": ((GREETING, STLS, Send(b"-ERR no TLS here\r\n")), b"STLS\r\n", "did not take STLS"),
    "unknown": ((GREETING, STLS, Send(b"500 what?\r\n")), b"STLS\r\n", "did not take STLS"),
    "not greeted": ((Send(b"-ERR go away\r\n"),), b"", "STLS was not sent"),
    "not POP3": ((Send(b"220 smtp\r\n"),), b"", "STLS was not sent"),
    "hung up": ((GREETING, STLS, Close()), b"STLS\r\n", "TLS did not begin"),
    "injected": (
        (GREETING, STLS, Send(b"+OK go on\r\n+OK you are in\r\n")),
        b"STLS\r\n",
        "response injection",
    ),
}
"""Steps of a server, what it may hear, and what must be said."""


@pytest.fixture
def identity(tmp_path: Path) -> ServerIdentity:
    return certificates.authority(tmp_path)


def upgrading(identity: ServerIdentity) -> list[Step]:
    replies = by_keyword({b"CAPA": b"+OK\r\nUSER\r\n.\r\n"}, otherwise=b"+OK\r\n")
    tls = StartTls(identity.server_context)
    return [GREETING, STLS, Send(b"+OK go on\r\n"), tls, Answer(replies)]


@pytest.mark.parametrize("failure", FAILURES)
def test_in_a_pipe(failure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POPTALK_PASSWORD", "jones")
    steps, heard, said = FAILURES[failure]
    for more in ((), ("--login", "bob"), ("--log", "log"), ("--local-commands",)):
        with ScriptedServer(steps) as server:
            finished = piped(LINES, *at(server), "--starttls", "--insecure", *more, cwd=tmp_path)
            assert finished.code == 4
            assert said in finished.stderr
            assert server.wait_for_end() == heard


@pytest.mark.parametrize("failure", FAILURES)
@SHELLS
def test_in_a_shell(failure: str, options: tuple[str, ...]) -> None:
    steps, heard, said = FAILURES[failure]
    arguments = ("--starttls", "--insecure", *options, "--login", "bob")
    with (
        ScriptedServer(steps) as server,
        on_a_terminal(*at(server), *arguments, columns=400) as pty,
    ):
        assert pty.wait_exit() == 4
        assert pty.restored
        assert said in said_once(pty.text)
        assert "Password" not in pty.text
    assert server.received == heard


@SHELLS
def test_the_certificate_is_shown(options: tuple[str, ...], tmp_path: Path) -> None:
    identity = certificates.wrong_host(tmp_path)
    arguments = ("--starttls", "--ca-file", identity.ca_file, *options)
    with (
        ScriptedServer(upgrading(identity)) as server,
        on_a_terminal(*at(server), *arguments, columns=400) as pty,
    ):
        assert pty.wait_exit() == 4
        assert "is for another host" in said_once(pty.text)
        assert "names        mail.other.example" in pty.text
    assert server.received == b"STLS\r\n"


@SHELLS
def test_a_server_that_says_nothing(options: tuple[str, ...]) -> None:
    never = threading.Event()
    with (
        ScriptedServer([GREETING, STLS, Pause(never)]) as server,
        on_a_terminal(*at(server), "--starttls", "--timeout", "0.5", *options, columns=400) as pty,
    ):
        assert pty.wait_exit() == 4
        assert "TLS did not begin within 0.5 s" in said_once(pty.text)


def test_through_in_a_pipe(identity: ServerIdentity) -> None:
    with ScriptedServer(upgrading(identity)) as server:
        options = ("--starttls", "--ca-file", identity.ca_file)
        finished = piped(b"NOOP\n", *at(server), *options)
        assert finished.code == 0, finished.stderr
        assert finished.stderr == ""
        assert finished.stdout == b"+OK ready\r\n+OK go on\r\n+OK\r\n"
    assert server.received == b"STLS\r\nNOOP\r\n"


@SHELLS
def test_through_in_a_shell(options: tuple[str, ...], identity: ServerIdentity) -> None:
    arguments = ("--starttls", "--ca-file", identity.ca_file, *options)
    with (
        ScriptedServer(upgrading(identity)) as server,
        on_a_terminal(*at(server), *arguments) as pty,
    ):
        pty.wait_for("certificate verified")
        pty.wait_for("AUTHORIZATION")
        pty.send("NOOP\r")
        server.wait_for(lambda received: received == b"STLS\r\nNOOP\r\n")


async def test_open_keeps_the_demand_for_tls(identity: ServerIdentity) -> None:
    with (
        ScriptedServer(upgrading(identity)) as server,
        RecordingServer(reply=by_keyword({})) as other,
    ):
        destination = place(server)
        given = {name: getattr(destination, name) for name in type(destination)._fields}
        given |= {"starttls": True, "ca_file": str(identity.ca_file)}
        async with live(type(destination)(**given), rows=40) as shell:
            assert shell.shell.session.core.encrypted
            await shell.enter(f":open {other.host} {other.port}", until="did not take STLS")
            assert "# STLS still comes first, as it did before: --clear leaves it out" in shell.text
            await shell.see("(closed)")
            await shell.enter("NOOP", until="not connected")
            assert other.wait_for_end() == b"STLS\r\n"


@pytest.mark.parametrize("named", [True, False])
async def test_open_goes_back_to_the_clear_where_it_is_asked_to(*, named: bool) -> None:
    with RecordingServer(reply=by_keyword({b"NOOP": b"+OK\r\n"})) as server:
        async with live(server, rows=40) as shell:
            where = f" {server.host} {server.port}" if named else ""
            await shell.enter(":open --starttls", until="did not take STLS")
            await shell.see("(closed)")
            await shell.enter(f":open --clear{where}", until="AUTHORIZATION 127.0.0.1> ")
            await shell.ask("NOOP")
            assert "STLS still comes first" not in shell.text
            await shell.enter(":open --clear --tls", until="--clear is for no TLS at all")
            await shell.enter(":open --clear pop3s://h", until="pop3s://h asks for TLS")
        assert server.received.endswith(b"NOOP\r\n")


async def test_what_is_typed_while_it_begins_goes_through_tls(identity: ServerIdentity) -> None:
    go = threading.Event()
    steps = upgrading(identity)
    with ScriptedServer([*steps[:2], Pause(go), *steps[2:]]) as server, RecordingServer() as first:
        async with live(first, rows=40) as shell:
            shell.shell.session.destination = None
            destination = place(server)
            given = {name: getattr(destination, name) for name in type(destination)._fields}
            given |= {"starttls": True, "ca_file": str(identity.ca_file)}
            shell.shell.open(type(destination)(**given))
            await shell.until(lambda: server.received == b"STLS\r\n")
            await shell.enter("PASS jones")
            go.set()
            await shell.until(lambda: server.received == b"STLS\r\nPASS jones\r\n")


async def test_ctrl_c_gives_up_the_wait_for_tls() -> None:
    never = threading.Event()
    with ScriptedServer([GREETING, STLS, Pause(never)]) as server, RecordingServer() as first:
        async with live(first, rows=40) as shell:
            destination = place(server)
            given = {name: getattr(destination, name) for name in type(destination)._fields}
            shell.shell.open(type(destination)(**{**given, "starttls": True}))
            await shell.until(lambda: server.received == b"STLS\r\n")
            shell.send(CTRL_C)
            await shell.see("gave up connecting")
            await shell.see("(closed)")
            assert "a fault in poptalk" not in shell.text
            assert shell.shell.session.procedure is None


def test_both_ways_exclude_each_other() -> None:
    finished = piped(b"", "127.0.0.1", "--tls", "--starttls")
    assert finished.code == 2
    assert "exclude each other" in finished.stderr


@SHELLS
def test_with_the_practice_server(options: tuple[str, ...]) -> None:
    with on_a_terminal("--starttls", *options, rows=40) as pty:
        pty.wait_for("certificate verified")
        pty.wait_for("AUTHORIZATION practice>")
        pty.send(":tls\r")
        pty.wait_for("# certificate 1 of 1, the server's own:")


def test_lines_after_a_refused_stls_are_not_sent_in_the_clear_by_a_pipe() -> None:
    with RecordingServer(reply=by_keyword({b"STLS": b"-ERR no TLS here\r\n"})) as server:
        finished = piped(b"STLS\nUSER bob\nPASS jones\n", server.host, str(server.port))
        assert server.wait_for_end() == b"STLS\r\n"
    assert finished.code == 1
    assert "the lines after it were not sent in the clear" in finished.stderr
    assert "jones" not in finished.stderr


async def test_pasted_lines_after_a_refused_stls_are_not_sent_in_the_clear() -> None:
    with RecordingServer(reply=by_keyword({b"STLS": b"-ERR no TLS here\r\n"})) as server:
        async with live(server, rows=40) as shell:
            shell.send("\x1b[200~STLS\nUSER bob\nPASS jones\n\x1b[201~")
            await shell.see("the 2 lines that waited for TLS were not sent")
            assert "jones" not in shell.text
            await shell.ask("NOOP")
        assert server.wait_for_end() == b"STLS\r\nNOOP\r\n"
