"""`poptalk work`: a server saved by one command line, and opened by others."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from poptalk.cli import main
from poptalk.net.endpoint import Destination
from poptalk.net.saved import save_server, servers_file
from tests.servers.recording import RecordingServer
from tests.shell.black_box import at, on_a_terminal, piped
from tests.shell.shells import live


@pytest.fixture
def server() -> RecordingServer:
    return RecordingServer(closing_keyword=b"QUIT")


def test_a_server_is_saved_and_opened_by_its_name(server: RecordingServer) -> None:
    with server:
        saved = piped(b"QUIT\n", *at(server), "--save", "work")
        assert saved.code == 0
        assert f"saved in {servers_file()}" in saved.stderr
        assert stat.S_IMODE(servers_file().stat().st_mode) == 0o600
        opened = piped(b"NOOP\nQUIT\n", "work")
    assert (opened.code, opened.stderr) == (0, "")
    assert server.received.endswith(b"NOOP\r\nQUIT\r\n")


def test_nothing_is_written_unasked(server: RecordingServer) -> None:
    with server:
        assert piped(b"QUIT\n", *at(server)).code == 0
    assert not servers_file().parent.exists()


def test_a_script_is_replayed_against_a_saved_server(
    server: RecordingServer, tmp_path: Path
) -> None:
    script = tmp_path / "noop.pop3"
    script.write_text("S: +OK\nC: NOOP\nS: +OK\nC: QUIT\nS: +OK\n")
    with server:
        piped(b"QUIT\n", *at(server), "--save", "work")
        assert piped(b"", "run", script, "work").code == 0
    assert server.received.endswith(b"NOOP\r\nQUIT\r\n")


def test_a_name_leads_from_one_server_to_another(server: RecordingServer) -> None:
    with server, RecordingServer(closing_keyword=b"QUIT") as other:
        piped(b"QUIT\n", *at(other), "--save", "other")
        with on_a_terminal("--plain", *at(server)) as pty:
            pty.wait_for("AUTHORIZATION 127.0.0.1>")
            pty.send(":open other\r")
            pty.wait_for("AUTHORIZATION other>")
            pty.send("NOOP\rQUIT\r")
            pty.wait_for("(closed)>")
    assert other.received.endswith(b"NOOP\r\nQUIT\r\n")
    assert server.received == b""


async def test_what_is_saved_goes_before_the_way_of_the_session(server: RecordingServer) -> None:
    save_server("other", Destination(host="127.0.0.1", port=1, tls=True, ca_file="/other.pem"))
    with server:
        here = Destination(
            host=server.host, port=server.port, ca_file="/mine.pem", family=socket.AF_INET
        )
        async with live(here) as shell:
            await shell.enter(":open other", until="The CA file /other.pem")
            assert shell.shell.destination is not None
            assert shell.shell.destination.tls
            assert shell.shell.destination.ca_file == "/other.pem"
            assert shell.shell.destination.family == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["localhost", "--save", "run"], "run is a command of poptalk"),
        (["localhost", "--save", "mail.example.org"], "cannot be the name of a server"),
        (["--save", "work"], "give a target"),
        (["--srv", "example.org", "localhost"], "leave the target out"),
    ],
)
def test_what_makes_no_sense(arguments: list[str], said: str) -> None:
    done = piped(b"", *arguments)
    assert done.code == 2
    assert said in done.stderr
    assert not servers_file().exists()


def test_a_mistake_in_the_file_is_told_with_its_line() -> None:
    servers_file().parent.mkdir(parents=True)
    servers_file().write_text('[work]\nhost = "h"\nprot = 110\n')
    done = piped(b"", "work")
    assert done.code == 2
    assert "line 3, work.prot: no such key" in done.stderr


def test_the_server_of_a_domain_is_found(
    server: RecordingServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    resolver = pytest.importorskip("dns.resolver", reason="dnspython is not installed")
    from tests.servers.name_server import name_server

    with server:
        zone = {"_pop3._tcp.example.org": [f"0 0 {server.port} localhost."]}
        with (
            name_server(zone) as names,
            monkeypatch.context() as patch,
            Path(os.devnull).open() as nothing,
        ):
            patch.setattr(resolver, "default_resolver", names.resolver())
            patch.setattr("sys.stdin", nothing)
            assert main(["--srv", "bob@example.org", "-4"]) == 0
    said = capfd.readouterr()
    assert said.out.startswith("+OK")
    assert "_pop3s._tcp.example.org has no SRV record" in said.err
    assert f"_pop3._tcp.example.org is localhost port {server.port}" in said.err
    assert "outside of example.org" in said.err
