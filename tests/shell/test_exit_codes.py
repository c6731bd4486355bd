"""Each exit code, in a pipe and in a shell: scripts rely on them, and `--help` lists them."""

from __future__ import annotations

import signal
import socket
import ssl
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from poptalk.cli.parser import EXIT_CODES
from tests.servers import certificates
from tests.servers.recording import RecordingServer, by_keyword
from tests.servers.scripted import Close, Expect, Reset, ScriptedServer, Send
from tests.shell.black_box import TIMEOUT, at, environment, on_a_terminal, piped, started

REPLIES = {b"STAT": b"+OK 0 0\r\n", b"QUIT": b"+OK bye\r\n", b"PASS": b"-ERR no\r\n"}

SHELLS = pytest.mark.parametrize("options", [(), ("--plain",)], ids=["live", "linear"])


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer(reply=by_keyword(REPLIES), closing_keyword=b"QUIT") as running:
        yield running


@pytest.fixture
def refusing() -> Iterator[int]:
    """Give a port at which nobody listens, and which nobody else gets meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def strangers_context(tmp_path: Path) -> ssl.SSLContext:
    return certificates.unknown_issuer(tmp_path).server_context


def test_0_all_well(server: RecordingServer) -> None:
    assert piped(b"STAT\nQUIT\n", *at(server)).code == 0


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_0_what_was_asked_for(argument: str) -> None:
    finished = piped(b"", argument)
    assert finished.code == 0
    assert finished.stdout
    assert finished.stderr == ""


@SHELLS
@pytest.mark.parametrize("keys", [b"\x04", b":quit\r", b"QUIT\r\x04", b"PASS x\r\x04"], ids=repr)
def test_0_a_shell_that_was_left(
    server: RecordingServer, options: tuple[str, ...], keys: bytes
) -> None:
    with on_a_terminal(*at(server), *options) as pty:
        pty.wait_for("AUTHORIZATION")
        pty.send(keys)
        assert pty.wait_exit() == 0
        assert pty.restored


@pytest.mark.parametrize("lines", [b"HELLO\n", b"HELLO\nQUIT\n"])
def test_1_an_answer_is_no(server: RecordingServer, lines: bytes) -> None:
    finished = piped(lines, *at(server))
    assert finished.code == 1
    # The answer itself is on standard output, which may be thrown away.
    said = 'a line that isn\'t a POP3 command was refused: "-ERR unknown command".'
    assert finished.stderr == f"poptalk: {said}\n"


@pytest.mark.parametrize("lines", [b"PASS x\nQUIT\n", b"PASS x\nSTAT\nQUIT\n"])
def test_1_a_refused_login_is_told(server: RecordingServer, lines: bytes) -> None:
    finished = piped(lines, *at(server))
    assert finished.code == 1
    assert finished.stderr.count("\n") == 1
    assert f"the server did not let you in ({server.host}:{server.port}, " in finished.stderr
    assert '"-ERR' in finished.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--wrong",),
        ("host", "no-port"),
        ("host", "70000"),
        ("host", "110", "more"),
        ("http://host",),
        ("host", "--timeout", "soon"),
        ("host", "-4", "-6"),
        ("host", "--persona", "plain"),
        ("--persona", "nobody"),
        ("serve", "--port", "x"),
    ],
    ids=" ".join,
)
def test_2_usage(arguments: tuple[str, ...]) -> None:
    finished = piped(b"", *arguments)
    assert finished.code == 2
    assert finished.stdout == b""
    assert finished.stderr


def test_3_cannot_connect(refusing: int) -> None:
    assert piped(b"", "127.0.0.1", refusing).code == 3


def test_3_no_such_host() -> None:
    assert piped(b"", "no-such-host.invalid").code == 3


@SHELLS
def test_3_in_a_shell(refusing: int, options: tuple[str, ...]) -> None:
    with on_a_terminal("127.0.0.1", refusing, *options) as pty:
        assert pty.wait_exit() == 3
        assert pty.restored


def test_4_a_certificate_that_is_not_trusted(strangers_context: ssl.SSLContext) -> None:
    with RecordingServer(tls=strangers_context) as server:
        assert piped(b"", *at(server), "--tls").code == 4


@SHELLS
def test_4_in_a_shell(strangers_context: ssl.SSLContext, options: tuple[str, ...]) -> None:
    with (
        RecordingServer(tls=strangers_context) as server,
        on_a_terminal(*at(server), "--tls", *options) as pty,
    ):
        assert pty.wait_exit() == 4
        assert pty.restored


@pytest.mark.parametrize("end", [Close(), Reset()], ids=["closed", "reset"])
def test_5_the_connection_was_lost(end: Close | Reset) -> None:
    steps = [Send(b"+OK\r\n"), Expect(b"STAT\r\n"), end]
    with ScriptedServer(steps) as server:
        finished = piped(b"STAT\nQUIT\n", *at(server))
    assert finished.code == 5
    assert finished.stderr.startswith("poptalk: the session was not finished: the server ")


def test_130_ctrl_c_in_a_pipe() -> None:
    with ScriptedServer([Send(b"+OK ready\r\n")]) as server, started(*at(server)) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"+OK ready\r\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT) == 130
        assert process.stderr.read() == b""


@SHELLS
def test_130_ctrl_c_before_there_is_a_prompt(options: tuple[str, ...]) -> None:
    """A TLS handshake that does not come about can be given up."""
    with ScriptedServer([]) as server, on_a_terminal(*at(server), "--tls", *options) as pty:
        pty.wait_until(lambda: bool(server.received))
        pty.send(b"\x03")
        assert pty.wait_exit() == 130
        assert pty.restored
        assert "Traceback" not in pty.text


def test_help_lists_every_code() -> None:
    help_text = piped(b"", "--help").stdout.decode()
    assert EXIT_CODES in help_text
    for code in (0, 1, 2, 3, 4, 5, 130):
        assert f"  {code} " in EXIT_CODES


INTERRUPTED_IMPORT = """\
import runpy, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
runpy.run_module("poptalk", run_name="__main__")
"""


@pytest.mark.parametrize("module", ["poptalk.cli", "poptalk.net.endpoint"])
def test_130_while_it_is_being_imported(module: str) -> None:
    argv = [sys.executable, "-c", INTERRUPTED_IMPORT, module]
    done = subprocess.run(
        argv, env=environment(), capture_output=True, timeout=TIMEOUT, check=False
    )
    assert (done.returncode, done.stderr) == (130, b"")


def test_the_command_that_is_installed_begins_there_too() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text)["project"]["scripts"] == {"poptalk": "poptalk.__main__:main"}
