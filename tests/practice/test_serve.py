"""The command ``poptalk serve``, as a process and by its parts."""

from __future__ import annotations

import asyncio
import errno
import json
import poplib
import re
import signal
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from poptalk.cli.parser import parse
from poptalk.net.endpoint import is_loopback
from poptalk.practice import limits
from poptalk.practice.persona import ServeSettings
from poptalk.practice.serve import COMPLAIN_SECONDS, OutOfFiles, blackboard, serve
from poptalk.practice.server import Server
from tests.practice.test_server import has_ipv6

PROGRAM = """
import sys
from poptalk.cli import main
sys.exit(main(["serve", *sys.argv[1:]]))
"""
SECONDS = 20


@contextmanager
def running(*options: str, program: str = PROGRAM) -> Iterator[subprocess.Popen[str]]:
    """Run the command; it must end well when told to."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(SECONDS)


def test_json_is_one_line_by_which_one_can_connect() -> None:
    with running("--json", "--persona", "plain") as process:
        assert process.stdout is not None
        where = json.loads(process.stdout.readline())
        assert list(where) == ["host", "port", "tls_port", "accounts", "ca_file", "listeners"]
        assert where["listeners"] == [
            {"host": "127.0.0.1", "port": where["port"], "tls": False},
            {"host": "127.0.0.1", "port": where["tls_port"], "tls": True},
        ]
        assert where["accounts"] == {"bob": "jones", "mrose": "tanstaaf"}
        context = ssl.create_default_context(cafile=where["ca_file"])
        client = poplib.POP3_SSL("127.0.0.1", where["tls_port"], context=context, timeout=SECONDS)
        client.user("mrose")
        client.pass_(where["accounts"]["mrose"])
        client.quit()
        clear = poplib.POP3(where["host"], where["port"], timeout=SECONDS)
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0
        clear.close()
        assert process.stdout.read() == ""
        assert process.stderr is not None
        assert process.stderr.read() == ""
        assert not Path(where["ca_file"]).exists()


def test_the_table_says_what_a_person_needs() -> None:
    with running() as process:
        assert process.stdout is not None
        table = "".join(process.stdout.readline() for _ in range(7))
        for word in ("Ctrl-C", "127.0.0.1", "STLS", "ca.pem", "bob/jones", "exchange"):
            assert word in table
        process.terminate()
        assert process.wait(SECONDS) == 0


def refused(*options: str) -> tuple[int, list[str]]:
    """Return the exit code and the complaints of options that cannot work."""
    complaints: list[str] = []
    code = serve(
        ServeSettings(**parse("serve", options)), say=complaints.append, complain=complaints.append
    )
    return code, complaints


def test_the_personas_are_listed() -> None:
    code, lines = refused("--list-personas")
    assert code == 0
    assert any(line.startswith("dovecot ") for line in lines)
    assert max(map(len, lines[:-1])) <= 80


def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, (sentence,) = refused("--port", str(port))
    assert code == 1
    assert sentence.startswith(
        f"127.0.0.1 port {port} cannot be listened on (address already in use)"
    )


def test_an_address_of_another_machine() -> None:
    code, (sentence,) = refused("--listen", "192.0.2.1")
    assert code == 2
    assert sentence.startswith('--listen "192.0.2.1": this machine has no such address')


@pytest.mark.parametrize(
    "address",
    [".", "a..b", "a" * 70, "[::1]", "127.0.0.1:110", "127.0.0.1/8", "::ffff:127.0.0.1", "~x/y",
     "\udcff", "a\0b", "no_such.invalid", "::1%", ""],
)  # fmt: skip
def test_what_is_no_address(address: str) -> None:
    code, (sentence,) = refused("--listen", address)
    assert code == 2
    assert sentence.startswith(f'--listen "{address}": this machine has no such address')


@pytest.mark.parametrize("address", ["127.1", "0x7f.1", "*", "LOCALHOST", "my_server"])
def test_a_host_that_the_system_knows_may_be_spelled_as_it_likes(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = socket.getaddrinfo("127.0.0.1", 0, type=socket.SOCK_STREAM)
    server = Server(host=address, tls_port=0)
    with monkeypatch.context() as system:
        system.setattr(socket, "getaddrinfo", lambda *_args, **_options: found)
        server.listen()
    with server:
        context = ssl.create_default_context(cafile=server.ca_file)
        port = server.listeners[1].port
        poplib.POP3_SSL("127.0.0.1", port, context=context, timeout=SECONDS).quit()


@pytest.mark.parametrize(
    ("option", "value", "word"),
    [
        ("--persona", "outlook", 'no persona "outlook"; there are courier, cyrus, dovecot'),
        ("--maildrop", "/dev/null/missing", "/dev/null/missing does not exist"),
        ("--any-name", "a\tb", "--any-name: a name is printable and has no spaces, a password is"),
    ],
)
def test_what_cannot_be_used(option: str, value: str, word: str) -> None:
    code, (sentence,) = refused(option, value)
    assert code == 2
    assert word in sentence


@pytest.mark.parametrize("port", ["x", "-1", "65536"])
def test_a_port_that_is_none(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        refused(f"--port={port}")
    assert stopped.value.code == 2
    assert "isn't a port: a number from 0 (any) to 65535" in capsys.readouterr().err


def test_another_address_is_warned_about() -> None:
    with running("--listen", "0.0.0.0") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("The practice server is ready")
        assert process.stderr is not None
        assert "the passwords are public knowledge" in process.stderr.readline()


# Lines about sessions, and the log.


def where_is(process: subprocess.Popen[str]) -> tuple[str, int]:
    """Read the table, and return host and port in clear."""
    assert process.stdout is not None
    host = port = ""
    for line in process.stdout:
        name, _, value = line.strip().partition(" ")
        if name == "host":
            host = value.strip()
        elif name == "port":
            port = value.split()[0]
        elif name == "persona":
            return host, int(port)
    raise AssertionError("the table has no end")


def say(host: str, port: int, lines: bytes) -> bytes:
    """Send lines at once and return all that is answered."""
    with (
        socket.create_connection((host, port), timeout=SECONDS) as sock,
        sock.makefile("rb") as file,
    ):
        sock.sendall(lines)
        sock.shutdown(socket.SHUT_WR)
        return file.read()


WHOLE = b"USER bob\r\nPASS jones\r\nSTAT\r\nQUIT\r\n"


def test_a_line_about_each_session() -> None:
    with running() as process:
        host, port = where_is(process)
        assert process.stdout is not None
        octets = len(say(host, port, WHOLE))
        line = process.stdout.readline()
        assert re.fullmatch(
            rf"\d\d:\d\d:\d\d  127\.0\.0\.1:\d+  bob  4 commands, {len(WHOLE)} octets in, "
            rf"{octets} out: QUIT was answered\n",
            line,
        )
        # What a stranger sends does not come near the terminal.
        say(host, port, b"USER \x1b]0;evil\x07\r\n\x9b31m\r\n")
        line = process.stdout.readline()
        assert line[:-1].isprintable()
        assert line.endswith(
            "  -  2 commands, 1 -ERR, 22 octets in, 141 out: the client closed the connection\n"
        )


def test_a_class_is_told_what_to_type_and_the_teacher_who_came() -> None:
    with running("--own", "--any-name", "--persona", "plain") as process:
        assert process.stdout is not None
        lines: list[str] = []
        while not lines or not lines[-1].startswith("  persona"):
            lines.append(process.stdout.readline().rstrip("\n"))
        shown = "\n".join(lines)
        found = re.search(r"telnet 127\.0\.0\.1 (\d+)\n    or poptalk 127\.0\.0\.1 \1\n", shown)
        assert found is not None
        assert "Only this machine; --listen 0.0.0.0 lets others in." in shown
        assert "bob" not in shown
        password = re.search(r"password  (\w+)", shown)
        assert password is not None
        say(
            "127.0.0.1",
            int(found[1]),
            f"USER Ada\r\nPASS {password[1]}\r\nFOO\r\nQUIT\r\n".encode(),
        )
        login, end = process.stdout.readline(), process.stdout.readline()
        assert re.search(r"  Ada is logged in \(127\.0\.0\.1:\d+\)$", login)
        assert end.endswith("  Ada: 4 commands, 1 -ERR, left with QUIT\n")
        say("127.0.0.1", int(found[1]), b"USER Ada\r\nPASS wrong\r\n")
        assert re.search(
            r"  127\.0\.0\.1:\d+: no login, 2 commands, 1 -ERR\n",
            process.stdout.readline(),
        )


def test_the_blackboard_names_the_addresses_of_this_machine_and_fits_a_projector() -> None:
    server = Server(host=["0.0.0.0"], tls_port=0, own=True, any_name="amber42")
    server.listen()
    with server:
        lines = blackboard(server, lesson="5")
        assert max(map(len, lines)) <= 60
        assert len(lines) <= 12
        found = limits.reachable_addresses("0.0.0.0")
        address = found[0] if found else "0.0.0.0"
        assert f"    telnet {address} {server.port}" in lines
        assert f"    or poptalk learn 5 {address} {server.port}" in lines
        assert "    password  amber42" in lines
        assert not any(is_loopback(each) for each in found)
        for each in found:
            with socket.create_connection((each, server.port), timeout=SECONDS) as sock:
                assert sock.recv(3) == b"+OK"


@pytest.mark.parametrize("given", [None, "amber42"])
def test_in_json_a_password_for_any_name_is_there_only_if_it_was_chosen(given: str | None) -> None:
    option = "--any-name" if given is None else f"--any-name={given}"
    with running("--json", option) as process:
        assert process.stdout is not None
        where = json.loads(process.stdout.readline())
        assert where["accounts"] == {}
        password = given or where["any_name"]
        assert (where["any_name"] is None) is (given is not None)
        client = poplib.POP3("127.0.0.1", where["port"], timeout=SECONDS)
        client.user("ada")
        assert client.pass_(password).startswith(b"+OK")
        client.quit()


def test_quiet() -> None:
    with running("--quiet") as process:
        assert b"+OK 3 6183" in say(*where_is(process), WHOLE)
        process.terminate()
        assert process.stdout is not None
        assert process.stdout.read() == ""


def test_when_nobody_reads_the_lines_any_more_the_server_goes_on() -> None:
    with running() as process:
        host, port = where_is(process)
        assert process.stdout is not None
        process.stdout.close()
        for _ in range(3):
            assert b"+OK 3 6183" in say(host, port, WHOLE)
        process.terminate()
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log.pop3"
    with running("--log", str(log)) as process:
        say(*where_is(process), WHOLE)
        process.terminate()
        assert process.wait(SECONDS) == 0
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    text = log.read_text()
    assert "C: PASS {password}\n" in text
    assert "S: +OK 3 6183\n" in text
    assert "jones" not in text


def test_a_log_that_cannot_be_opened(tmp_path: Path) -> None:
    code, (sentence,) = refused("--log", str(tmp_path / "missing" / "log"))
    assert code == 2
    assert "missing/log cannot be written (no such file or directory)" in sentence


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_ends_the_log_and_not_the_server() -> None:
    with running("--log", "/dev/full") as process:
        host, port = where_is(process)
        for _ in range(3):
            assert b"+OK 3 6183" in say(host, port, WHOLE)
        process.terminate()
        assert process.stderr is not None
        sentence, *more = process.stderr.read().splitlines()
        assert "The log /dev/full ends here (no space left on device)" in sentence
        assert more == []


# Listening on several addresses.


@pytest.mark.skipif(not has_ipv6(), reason="there is no IPv6 loopback here")
def test_several_addresses() -> None:
    with running("--json", "--listen", "127.0.0.1", "--listen", "::1") as process:
        assert process.stdout is not None
        where = json.loads(process.stdout.readline())
        context = ssl.create_default_context(cafile=where["ca_file"])
        assert [(each["host"], each["tls"]) for each in where["listeners"]] == [
            ("127.0.0.1", False), ("127.0.0.1", True), ("::1", False), ("::1", True),
        ]  # fmt: skip
        for each in where["listeners"]:
            client = (
                poplib.POP3_SSL(each["host"], each["port"], context=context, timeout=SECONDS)
                if each["tls"]
                else poplib.POP3(each["host"], each["port"], timeout=SECONDS)
            )
            client.quit()


@pytest.mark.skipif(not has_ipv6(), reason="there is no IPv6 loopback here")
def test_the_same_port_on_every_address_of_both_kinds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with running("--listen", "0.0.0.0", "--listen", "::", "--port", str(port)) as process:
        where_is(process)
        for host in ("127.0.0.1", "::1"):
            assert b"+OK 3 6183" in say(host, port, WHOLE)


# Being told to stop.


def test_whoever_is_logged_in_may_come_to_an_end() -> None:
    with running("--shared") as process:
        host, port = where_is(process)
        idle = poplib.POP3(host, port, timeout=SECONDS)
        client = poplib.POP3(host, port, timeout=SECONDS)
        client.user("bob")
        client.pass_("jones")
        process.terminate()
        assert process.stderr is not None
        assert "Sessions that are logged in (1) have 8 seconds" in process.stderr.readline()
        with pytest.raises((poplib.error_proto, OSError)):
            idle.noop()
        with pytest.raises(OSError):  # noqa: PT011
            poplib.POP3(host, port, timeout=SECONDS)
        assert client.stat() == (3, 6183)
        client.dele(1)
        assert client.quit().startswith(b"+OK")
        assert process.wait(SECONDS) == 0
        idle.close()


def test_a_second_signal_ends_sessions_at_once() -> None:
    with running() as process:
        host, port = where_is(process)
        client = poplib.POP3(host, port, timeout=SECONDS)
        client.user("bob")
        client.pass_("jones")
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert "a second Ctrl-C" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0
        with pytest.raises((poplib.error_proto, OSError)):
            client.noop()
        client.close()
        assert process.stdout is not None
        assert process.stdout.read().endswith(": the server was stopped\n")


async def test_sessions_that_do_not_end_are_not_waited_for_for_ever() -> None:
    async with Server() as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(b"USER bob\r\nPASS jones\r\n")
        for _ in range(3):
            assert (await reader.readline()).startswith(b"+OK")
        assert server.busy == 1
        await asyncio.wait_for(server.finish(0.05), SECONDS)
        assert server.busy == 1
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_an_output_that_takes_nothing_is_said_in_one_sentence() -> None:
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "poptalk", "serve", "--list-faults"],
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr.startswith(b"poptalk: The output could not be written")
    assert ended.stderr.count(b"\n") == 1


# A connection that asyncio accepts just before the end may be left to the garbage collector, which is a
# warning that users don't see.
SHORT_OF_FILES = f"""
import resource, warnings
warnings.simplefilter("default")
warnings.simplefilter("ignore", ResourceWarning)
resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
{PROGRAM}
"""


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_server_that_runs_out_of_files_says_so_and_recovers(loop: str) -> None:
    if loop == "uvloop":
        pytest.importorskip("uvloop", reason="uvloop is not installed (pip install uvloop)")
    with running("--json", "--loop", loop, program=SHORT_OF_FILES) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        where = json.loads(process.stdout.readline())
        with ExitStack() as clients:
            for port in [where["port"], where["tls_port"]] * 30:
                clients.enter_context(
                    socket.create_connection((where["host"], port), timeout=SECONDS)
                )
            sentence = process.stderr.readline()
            assert sentence.startswith("poptalk: A connection must wait (too many open files).")
        context = ssl.create_default_context(cafile=where["ca_file"])
        for client in (
            poplib.POP3(where["host"], where["port"], timeout=SECONDS),
            poplib.POP3_SSL(where["host"], where["tls_port"], context=context, timeout=SECONDS),
        ):
            client.user("bob")
            client.pass_("jones")
            assert client.stat() == (3, 6183)
            client.quit()
        process.terminate()
        assert process.wait(SECONDS) == 0
        assert "Traceback" not in process.stderr.read()


async def test_running_out_of_files_is_told_now_and_then() -> None:
    now = 0.0
    said: list[str] = []
    others: list[object] = []
    loop = asyncio.get_running_loop()
    handler = OutOfFiles(said.append, clock=lambda: now)
    loop.set_exception_handler(handler)
    full = {"message": "", "exception": OSError(errno.EMFILE, "Too many open files")}
    for _ in range(500):
        loop.call_exception_handler(full)
    assert len(said) == 1
    assert "too many open files" in said[0]
    now = COMPLAIN_SECONDS
    loop.call_exception_handler(full)
    assert len(said) == 2
    loop.default_exception_handler = others.append  # type: ignore[assignment,method-assign]
    loop.call_exception_handler({"message": "another"})
    assert (len(said), len(others)) == (2, 1)


async def test_accepting_again_after_the_end_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ACCEPT_AGAIN_SECONDS", 0)
    said: list[object] = []
    told = asyncio.Event()

    def full(_: socket.socket) -> None:
        told.set()
        raise OSError(errno.EMFILE, "Too many open files")

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(OutOfFiles(lambda _: None))
    loop.default_exception_handler = said.append  # type: ignore[assignment,method-assign]
    async with Server() as server:
        monkeypatch.setattr(socket.socket, "accept", full)
        _, writer = await asyncio.open_connection(server.host, server.port)
        await told.wait()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    writer.close()
    assert said == []
