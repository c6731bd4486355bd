"""What takes time shows that it does, how far it is and how to stop it; and nothing waits for ever."""

from __future__ import annotations

import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from poptalk.shell.live import toolbar
from tests.servers import certificates
from tests.servers.loopback import Channel
from tests.servers.recording import RecordingServer, by_keyword
from tests.servers.scripted import (
    Answer,
    Close,
    Expect,
    ExpectLine,
    Pause,
    ScriptedServer,
    Send,
    StartTls,
    Step,
)
from tests.servers.terminal import Pty
from tests.shell.black_box import at, environment, on_a_terminal, piped, poptalk, said_once
from tests.shell.shells import CTRL_C, live

GREETING = Send(b"+OK ready\r\n")
BEGINNING = b"+OK 5000 octets\r\n" + b"x" * 98 + b"\r\n"
BODY = by_keyword(
    {b"RETR": BEGINNING, b"STAT": b"+OK 1 5000\r\n", b"LIST": b"+OK\r\n1 4000\r\n.\r\n"}
)


@dataclass(frozen=True, slots=True)
class Drip(Step):
    """Send octets one by one, without an end."""

    stop: threading.Event

    def play(self, channel: Channel) -> None:
        while not self.stop.wait(0.05):
            channel.send(b"x")


@contextmanager
def dripping(*before: Step) -> Iterator[ScriptedServer]:
    stop = threading.Event()
    with ScriptedServer([*before, Drip(stop)]) as server:
        try:
            yield server
        finally:
            stop.set()


@contextmanager
def pausing(*before: Step) -> Iterator[ScriptedServer]:
    going_on = threading.Event()
    with ScriptedServer([*before, Pause(going_on), Close()]) as server:
        try:
            yield server
        finally:
            going_on.set()


# A server that sends an octet now and then.


@pytest.mark.parametrize(
    ("before", "awaited"),
    [
        ([Send(b"+OK re")], "the greeting"),
        ([GREETING, ExpectLine(), Send(b"+OK")], "the reply to RETR 1"),
        ([GREETING, ExpectLine(), Send(b"+OK\r\nSubject: ")], "the reply to RETR 1"),
    ],
)
def test_a_drip_ends_a_pipe_after_the_time_out(before: list[Step], awaited: str) -> None:
    with dripping(*before) as server:
        done = piped(b"RETR 1\n", *at(server), "--timeout", "1")
    assert done.code == 5
    assert f" octets of {awaited} for 1 s. " in done.stderr
    assert "has sent no more than " in done.stderr


def test_a_drip_after_stls_ends_a_session_that_wants_tls() -> None:
    with dripping(GREETING, ExpectLine(), Send(b"+O")) as server:
        done = piped(b"STAT\n", *at(server), "--starttls", "--timeout", "1")
    assert done.code == 4
    assert "the reply to STLS" in done.stderr


def test_a_drip_ends_a_replay(tmp_path: Path) -> None:
    script = tmp_path / "script.pop3"
    script.write_bytes(b"S: +OK ready\nC: STAT\nS: +OK 1 2\n")
    with dripping(GREETING, ExpectLine(), Send(b"+OK 1")) as server:
        done = piped(b"", "run", script, *at(server), "--timeout", "1")
    assert done.code != 0
    assert "the reply to STAT" in done.stderr + done.stdout.decode()


def test_a_body_that_makes_progress_may_take_longer_than_the_time_out() -> None:
    @dataclass(frozen=True, slots=True)
    class Slow(Step):
        def play(self, channel: Channel) -> None:
            turn = threading.Event()
            for _ in range(12):
                turn.wait(0.1)
                channel.send(b"y" * 18 + b"\r\n")
            channel.send(b".\r\n")

    steps = [GREETING, ExpectLine(), Send(b"+OK\r\n"), Slow()]
    with ScriptedServer(steps) as server:
        done = piped(b"RETR 1\n", *at(server), "--timeout", "0.5")
    assert done.code == 0


async def test_the_live_prompt_says_that_a_reply_is_overdue_and_goes_on() -> None:
    with dripping(GREETING, ExpectLine(), Send(b"+OK")) as server:
        async with live(server, timeout=0.5) as shell:
            await shell.enter("STAT")
            await shell.see("the reply to STAT is overdue: only ")
            await shell.see("You can keep waiting")
            await shell.enter(":close", until="poptalk closed the connection")
            assert sum("is overdue" in line for line in shell.said()) == 1


def test_the_plain_prompt_says_that_a_reply_waits_and_is_overdue() -> None:
    answers = [GREETING, ExpectLine(), Send(BEGINNING)]
    with (
        pausing(*answers) as server,
        on_a_terminal("connect", "--plain", *at(server), "--timeout", "2") as pty,
    ):
        pty.wait_for("AUTHORIZATION")
        pty.send("RETR 1\r")
        pty.wait_for("# waiting for the reply to RETR 1, 100 octets of about 5,000 so far; Ctrl-C")
        pty.wait_for("the lone dot that ends the reply to RETR 1 is overdue")
        assert "\n".join(pty.history()).count("# waiting") == 1


# Ctrl-C.


async def test_ctrl_c_stops_waiting_and_a_second_one_closes_the_connection() -> None:
    with RecordingServer(reply=BODY) as server:
        async with live(server) as shell:
            await shell.enter("RETR 1", until="receiving, 100 octets")
            shell.send("STA" + CTRL_C)
            await shell.until(lambda: not shell.line)
            assert "no longer waiting" not in shell.text
            shell.send(CTRL_C)
            await shell.see("no longer waiting for the rest of the reply to RETR 1")
            assert shell.shell.connected
            shell.send(CTRL_C)
            await shell.see("poptalk closed the connection")


async def test_what_comes_after_ctrl_c_is_counted_and_the_next_command_is_answered() -> None:
    with ScriptedServer(
        [
            GREETING,
            ExpectLine(),
            Send(BEGINNING),
            Expect(b"STAT\r\n"),
            Send(b"hidden\r\n.\r\n+OK 1 2\r\n"),
            Answer(lambda _line: b"+OK\r\n"),
        ]
    ) as server:
        async with live(server) as shell:
            await shell.enter("RETR 1", until="receiving, 100 octets")
            shell.send(CTRL_C)
            await shell.see("no longer waiting")
            await shell.enter("STAT", until="S: +OK 1 2")
            assert "S: hidden" not in shell.said()
            assert any("1 more line" in line for line in shell.said())


def test_ctrl_c_brings_the_plain_prompt_back() -> None:
    with (
        pausing(GREETING, ExpectLine(), Send(BEGINNING)) as server,
        on_a_terminal("connect", "--plain", *at(server)) as pty,
    ):
        pty.wait_for("AUTHORIZATION")
        pty.send("RETR 1\r")
        pty.wait_for("xxxx")
        pty.send(CTRL_C)
        pty.wait_for("no longer waiting for the rest of the reply to RETR 1")
        pty.wait_until(lambda: pty.lines()[pty.cursor.row].startswith("AUTHORIZATION"))
        pty.send(CTRL_C)
        pty.wait_for("poptalk closed the connection")


async def test_ctrl_c_gives_up_tls_after_stls() -> None:
    with pausing(GREETING, ExpectLine(), Send(b"+OK go on\r\n")) as server:
        async with live(server) as shell:
            await shell.enter("STLS", until="(TLS begins; Ctrl-C gives up)>")
            await shell.see("waiting 1 s for TLS to begin")
            await shell.enter("CAPA", until="waits until TLS has begun")
            shell.send(CTRL_C)
            await shell.see("poptalk closed the connection")
            await shell.see("what you had typed is kept")


async def test_the_first_reply_of_a_login_is_waited_for_in_sight() -> None:
    with pausing(GREETING, ExpectLine()) as server:
        async with live(server, timeout=0.5) as shell:
            await shell.enter(":login bob plain", until="Password")
            await shell.enter("secret", until="the reply to AUTH is overdue")
            await shell.see("1 s for the reply to AUTH")


async def test_a_login_is_no_answer_to_be_typed() -> None:
    with pausing(GREETING, ExpectLine()) as server:
        async with live(server) as shell:
            await shell.enter(":login bob LOGIN", until="Password")
            await shell.enter("sesame", until="(logging in; Ctrl-C stops it)>")
            assert "the answer in base64" not in shell.text
            shell.send(CTRL_C)
            await shell.see("given up")


@pytest.mark.parametrize("options", [[], ["--plain"]])
def test_a_shell_that_was_stopped_goes_on(options: list[str]) -> None:
    job = ["sh", "-c", 'set -m; "$@"; stty -a | grep -o "[-]*icanon"; read line; fg', "sh"]
    with (
        RecordingServer(reply=BODY) as server,
        Pty([*job, *poptalk("connect", *options, *at(server))], env=environment()) as pty,
    ):
        pty.wait_for("AUTHORIZATION")
        pty.send("ST\x1a")
        pty.wait_until(lambda: "icanon" in pty.lines())
        pty.send("\r")
        pty.wait_until(lambda: pty.lines()[pty.cursor.row].endswith("> ST"))
        pty.send("AT\r")
        pty.wait_for("S: +OK 1 5000")
        assert server.received == b"STAT\r\n"


# The bottom line.


@pytest.mark.parametrize(
    ("columns", "words"),
    [(80, "receiving, 100 octets of about 5,000"), (40, "100 octets of about 5,000")],
)
async def test_how_far_a_reply_is_stays_longest(columns: int, words: str) -> None:
    with RecordingServer(reply=BODY) as server:
        async with live(server, columns=120) as shell:
            await shell.ask("STAT")
            await shell.enter("RETR 1", until="receiving, 100 octets of about 5,000")
            assert words in toolbar(shell.shell, columns=columns)[0][1]


# The end of a pipe.


def test_a_pipe_does_not_wait_for_a_server_that_stays_after_quit() -> None:
    answered: list[float] = []

    def reply(_line: bytes) -> bytes:
        answered.append(time.monotonic())
        return b"+OK bye\r\n"

    with RecordingServer(reply=reply) as server:
        assert piped(b"QUIT\n", *at(server)).code == 0
        server.wait_for_end()
        assert time.monotonic() - answered[0] < 2


def test_a_drip_after_quit_holds_no_pipe() -> None:
    with dripping(GREETING, ExpectLine(), Send(b"+OK bye\r\n")) as server:
        assert piped(b"QUIT\n", *at(server)).code == 0


def test_a_byte_order_mark_is_sent_and_explained() -> None:
    with RecordingServer(reply=by_keyword({b"QUIT": b"+OK bye\r\n"})) as server:
        done = piped(b"\xef\xbb\xbfNOOP\nQUIT\n", *at(server))
        assert server.received.startswith(b"\xef\xbb\xbfNOOP\r\n")
    assert done.stderr.count("byte order mark") == 1


@pytest.mark.parametrize("lines", [b"STAT\rNOOP\rQUIT\n", b"S\0T\0A\0T\0\nQUIT\n"])
def test_lines_of_another_kind_are_sent_and_explained(lines: bytes) -> None:
    with RecordingServer(reply=by_keyword({})) as server:
        done = piped(lines, *at(server))
        assert server.received.startswith(lines.split(b"\n")[0] + b"\r\n")
    assert done.stderr.count("a line has a carriage return or a NUL within") == 1


# What can be told apart on the screen.


async def test_spaces_at_the_end_of_a_line_are_seen() -> None:
    with RecordingServer(reply=BODY) as server:
        async with live(server) as shell:
            await shell.enter("STAT  ", until="C: STAT    # 2 spaces at the end")
            await shell.see("S: +OK 1 5000")
            await shell.enter(":raw", until=r"S: +OK 1 5000\r\n")
            assert shell.said().count(r"C: STAT  \r\n  # 2 spaces at the end") == 1


async def test_an_answer_says_which_of_several_commands_it_belongs_to() -> None:
    with RecordingServer(reply=BODY) as server:
        async with live(server) as shell:
            await shell.ask("STAT")
            assert "S: +OK 1 5000" in shell.said()
            shell.shell.session.send(b"LIST\r\nSTAT\r\n")
            await shell.see("S: +OK 1 5000  # STAT")
            await shell.see("S: +OK  # LIST")


def test_a_long_line_of_the_server_cannot_look_like_one_of_poptalks() -> None:
    forged = "# TLSv1.3, TLS_AES_256_GCM_SHA384, certificate verified"
    line = b"+OK " + b"." * (80 - len("S: +OK ")) + forged.encode()
    for options in (["--plain"], []):
        with (
            pausing(Send(line + b"\r\n")) as server,
            on_a_terminal("connect", "--color", "never", *options, *at(server)) as pty,
        ):
            pty.wait_for(forged)
            assert not any(row.startswith("#") for row in pty.lines())


@pytest.mark.parametrize("columns", [0, 3])
def test_a_terminal_of_hardly_any_columns_has_80(columns: int) -> None:
    with (
        RecordingServer(reply=by_keyword({})) as server,
        on_a_terminal("connect", "--plain", *at(server), columns=columns, rows=columns) as pty,
    ):
        pty.wait_until(lambda: b"> " in pty.raw)
        pty.send("STAT\r:raw\r:help\r")
        pty.wait_until(lambda: b":quit" in pty.raw)
        assert max(map(len, pty.raw.splitlines())) > 40


# A server that wants a certificate.


@pytest.mark.parametrize("driver", ["live", "plain", "pipe", "run"])
@pytest.mark.parametrize("way", ["--tls", "--starttls"])
def test_a_server_that_wants_a_certificate_ends_every_driver_with_the_code_of_tls(
    driver: str, way: str, tmp_path: Path
) -> None:
    identity = certificates.authority(tmp_path)
    identity.server_context.verify_mode = ssl.CERT_REQUIRED
    tls = StartTls(identity.server_context)
    before = [GREETING, ExpectLine(), Send(b"+OK\r\n")] if way == "--starttls" else []
    script = tmp_path / "script.pop3"
    script.write_bytes(b"S: +OK ready\nC: STAT\nS: +OK 1 2\n")
    with ScriptedServer([*before, tls]) as server:
        options = (*at(server), way, "--ca-file", identity.ca_file)
        if driver in ("live", "plain"):
            plain = ["--plain"] if driver == "plain" else []
            with on_a_terminal("connect", *plain, *options, columns=200) as pty:
                assert pty.wait_exit() == 4
                said = pty.text
        else:
            command = ["run", script] if driver == "run" else []
            done = piped(b"STAT\n", *command, *options)
            assert done.code == 4
            said = done.stderr
    assert "name its file with --client-cert" in said_once(said)


def test_no_file_of_servers_ends_in_a_traceback(tmp_path: Path) -> None:
    folder = tmp_path / "poptalk"
    folder.mkdir()
    (folder / "servers.toml").write_text('[here]\nhost = "::1"\nport = 1\nca-file = "~nouser/x"\n')
    process = subprocess.run(
        poptalk("here", "-e", "NOOP"),
        env=environment(XDG_CONFIG_HOME=str(tmp_path)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in process.stderr
    assert "~nouser/x" in process.stderr


@pytest.mark.parametrize("source", ["a..b", "x" * 80, "999.1.1.1", "\x01"])
def test_no_source_ends_in_a_traceback(source: str) -> None:
    done = piped(b"", "127.0.0.1", "1", "--source", source)
    assert done.code == 3
    assert "which --source names, isn't an address of this machine" in done.stderr


LONG = (
    b"+OK\r\nSubject: x\r\n\r\n" + b"".join(b"row %06d\r\n" % n for n in range(60_000)) + b".\r\n"
)


@pytest.mark.parametrize("options", [(), ("--plain",)], ids=["live", "linear"])
@pytest.mark.parametrize("view", ["raw", "more", "text"])
def test_ctrl_c_stops_a_long_view(view: str, options: tuple[str, ...]) -> None:
    with (
        RecordingServer(reply=by_keyword({b"RETR": LONG})) as server,
        on_a_terminal(*at(server), *options) as pty,
    ):
        pty.wait_for("AUTHORIZATION")
        pty.send("RETR 1\r")
        pty.wait_for(":save FILE keeps")
        pty.send(f":{view} all\r")
        pty.wait_until(lambda: b"row 000100" in pty.raw)
        pty.send(CTRL_C)
        pty.wait_for(f"# :{view}: given up")
        assert b"row 059999" not in pty.raw
        pty.send("NOOP\r")
        pty.wait_until(lambda: server.received.endswith(b"NOOP\r\n"))


def test_what_was_left_when_more_was_stopped_can_be_shown() -> None:
    with (
        RecordingServer(reply=by_keyword({b"RETR": LONG})) as server,
        on_a_terminal(*at(server), "--plain") as pty,
    ):
        pty.wait_for("AUTHORIZATION")
        pty.send("RETR 1\r")
        pty.wait_for(":save FILE keeps")
        pty.send(":more all\r")
        pty.wait_until(lambda: b"row 000100" in pty.raw)
        pty.send(CTRL_C)
        pty.wait_for("# :more: given up")
        last = pty.text.rpartition("S: row ")[2][:6]
        pty.send(":more\r")
        pty.wait_for(f"S: row {int(last) + 1:06}")


def test_work_that_takes_a_while_is_said_once() -> None:
    """A password command that hangs, at the plain prompt: a word after a second, and Ctrl-C ends it."""
    with (
        RecordingServer() as server,
        on_a_terminal(*at(server), "--plain", "--password-command", "sleep 60") as pty,
    ):
        pty.wait_for("AUTHORIZATION")
        pty.send(":login bob USER\r")
        pty.wait_for("# :login is still running; Ctrl-C stops it")
        pty.send(CTRL_C)
        pty.wait_for("# :login: given up")
        pty.send("NOOP\r")
        pty.wait_until(lambda: server.received == b"NOOP\r\n")
        assert pty.text.count("still running") == 1
