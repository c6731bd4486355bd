"""The shell that never redraws: every line is written once, and what was typed is not lost."""

import re
import threading
from pathlib import Path

from tests.servers import certificates
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
)
from tests.servers.terminal import Pty
from tests.shell.black_box import at, environment, on_a_terminal, poptalk
from tests.shell.shells import CTRL_C, CTRL_D

GREETING = Send(b"+OK ready\r\n")
CURSOR_MOVEMENT = re.compile(rb"\x1b\[[0-9;?]*[A-Za-ln-z]|\x1b[^\[]")
ANSWERS = by_keyword(
    {
        b"USER": b"+OK\r\n",
        b"PASS": b"+OK\r\n",
        b"DELE": b"+OK\r\n",
        b"RETR": b"+OK\r\n" + b"".join(b"line %03d\r\n" % n for n in range(100)) + b".\r\n",
        b"QUIT": b"+OK bye\r\n",
    }
)


def plain(*arguments: object, columns: int = 80, rows: int = 24) -> Pty:
    return on_a_terminal("connect", "--plain", *arguments, columns=columns, rows=rows)


def answering() -> RecordingServer:
    return RecordingServer(reply=ANSWERS, closing_keyword=b"QUIT")


def test_a_whole_session_is_written_line_by_line() -> None:
    with answering() as server, plain(*at(server)) as pty:
        pty.wait_for("AUTHORIZATION 127.0.0.1>")
        pty.send("USER bob\r")
        pty.wait_for("AUTHORIZATION bob@127.0.0.1>")
        pty.send("PASS jones\r")
        pty.wait_for("TRANSACTION bob@127.0.0.1>")
        pty.send("RETR 1\r")
        pty.wait_for("more lines")
        pty.send("QUIT\r")
        pty.wait_for("(closed)>")
        pty.send(":quit\r")
        assert pty.wait_exit() == 0
        assert pty.restored
        assert "PASS *****" in pty.text or "PASS *****" in "\n".join(pty.history())
        assert "jones" not in "\n".join(pty.history())
        assert not CURSOR_MOVEMENT.search(pty.raw)
    assert server.received == b"USER bob\r\nPASS jones\r\nRETR 1\r\nQUIT\r\n"


def test_a_dumb_terminal_takes_the_same_way() -> None:
    with (
        answering() as server,
        Pty(poptalk(*at(server)), env=environment(TERM="dumb", NO_COLOR="1")) as pty,
    ):
        pty.wait_for("AUTHORIZATION 127.0.0.1>")
        pty.send("QUIT\r")
        pty.wait_for("(closed)>")
        pty.send(CTRL_D)
        assert pty.wait_exit() == 0
        assert b"\x1b" not in pty.raw


def test_a_reply_that_arrives_while_a_line_is_half_typed() -> None:
    go = threading.Event()
    steps = [GREETING, ExpectLine(), Pause(go), Send(b"+OK first\r\n"), ExpectLine()]
    with (
        ScriptedServer([*steps, Send(b"+OK second\r\n")]) as server,
        plain(*at(server)) as pty,
    ):
        pty.wait_for("AUTHORIZATION 127.0.0.1>")
        pty.send("NOOP\r")
        server.wait_for(lambda received: received == b"NOOP\r\n")
        pty.send("PASS jo")
        pty.wait_for("\nPASS **")
        go.set()
        pty.wait_for("AUTHORIZATION 127.0.0.1> PASS **")
        assert "PASS **\nS: +OK first\n" in pty.text
        pty.send("nes\r")
        pty.wait_for("S: +OK second")
        assert "AUTHORIZATION 127.0.0.1> PASS *****\nS: +OK second" in pty.text
        assert "jones" not in pty.text
    assert server.received == b"NOOP\r\nPASS jones\r\n"


def test_a_connection_lost_while_typing_and_the_line_offered_again() -> None:
    go = threading.Event()
    steps = [GREETING, Pause(go), Send(b"-ERR idle\r\n"), Close()]
    with ScriptedServer(steps) as server, plain(*at(server)) as pty:
        pty.wait_for("AUTHORIZATION 127.0.0.1>")
        pty.send("RETR 3")
        pty.wait_for("> RETR 3")
        go.set()
        pty.wait_for(":open offers it again")
        pty.wait_for("(closed)>")
        assert "S: -ERR idle" in pty.text
        go.clear()
        pty.send(":open\r")
        offered = "S: +OK ready\nAUTHORIZATION 127.0.0.1> RETR 3"
        pty.wait_until(lambda: pty.text.count(offered) == 2)
        pty.send(CTRL_C)
        pty.wait_for("RETR 3^C")
        pty.send(":why\r")
        pty.wait_for("the greeting, for people")


def test_ctrl_c_clears_and_ctrl_d_leaves() -> None:
    with answering() as server, plain(*at(server)) as pty:
        pty.wait_for(">")
        pty.send("DELE 2\r")
        pty.wait_for("S: +OK\n")
        pty.send("DELE 1" + CTRL_C)
        pty.wait_for("DELE 1^C")
        pty.send(CTRL_D)
        assert pty.wait_exit() == 0
        assert pty.restored
        assert "leaving; nothing was sent" in pty.text
        assert "message 2 was marked as deleted and stays" in " ".join(pty.text.split())
    assert server.received == b"DELE 2\r\n"


def test_lines_typed_behind_stls_wait_for_tls() -> None:
    with plain() as pty:
        pty.wait_for("AUTHORIZATION practice>")
        pty.send("STLS\rUSER bob\rPASS jones\r")
        pty.wait_for("TRANSACTION bob@practice>")
        assert "certificate verified" in pty.text
        pty.send("STAT\r")
        pty.wait_for("S: +OK 3 6183")
        pty.send("QUIT\r")
        pty.wait_for("(closed)>")


def test_lines_that_waited_for_tls_are_not_sent_to_the_next_server() -> None:
    go = threading.Event()
    steps = [GREETING, Expect(b"STLS\r\n"), Pause(go), Close()]
    with (
        ScriptedServer(steps) as server,
        answering() as other,
        plain(*at(server)) as pty,
    ):
        pty.wait_for("AUTHORIZATION 127.0.0.1>")
        pty.send("STLS\rUSER bob\rUSER eve\r")
        server.wait_for(lambda received: received == b"STLS\r\n")
        pty.wait_for("USER eve")
        go.set()
        pty.wait_for("(closed)>")
        pty.send(f":open 127.0.0.1 {other.port}\r")
        pty.wait_for("AUTHORIZATION 127.0.0.1> USER bob")
        pty.send("\r")
        pty.wait_for("AUTHORIZATION bob@127.0.0.1>")
        pty.send(":quit\r")
        assert pty.wait_exit() == 0
    assert other.received == b"USER bob\r\n"


def test_an_injection_behind_stls_ends_the_connection() -> None:
    steps = [GREETING, Expect(b"STLS\r\n"), Send(b"+OK\r\n-ERR injected\r\n")]
    with ScriptedServer(steps) as server, plain(*at(server)) as pty:
        pty.wait_for(">")
        pty.send("STLS\r")
        pty.wait_for("nothing on it can be trusted")
        pty.wait_for("(closed)>")


def test_a_failed_tls_shows_the_certificate(tmp_path: Path) -> None:
    identity = certificates.self_signed(tmp_path)
    steps = [GREETING, Expect(b"STLS\r\n"), Send(b"+OK\r\n"), StartTls(identity.server_context)]
    with ScriptedServer(steps) as server, plain(*at(server)) as pty:
        pty.wait_for(">")
        pty.send("STLS\r")
        pty.wait_for("(closed)>")
        assert "--insecure" in pty.text
        assert "localhost" in pty.text


def test_ctrl_c_gives_up_connecting() -> None:
    with answering() as server, ScriptedServer([]) as silent, plain(*at(server)) as pty:
        pty.wait_for(">")
        pty.send(f":open --tls 127.0.0.1 {silent.port}\r")
        silent.wait_for(lambda received: received.startswith(b"\x16"))
        pty.send(CTRL_C)
        pty.wait_for("gave up connecting")
        pty.wait_for("(closed)>")
        pty.send(CTRL_C + "USER x")
        pty.wait_for("(closed)> ^C\n(closed)> USER x")


def test_open_to_a_dead_port_says_so() -> None:
    with answering() as gone:
        dead = gone.port
    with answering() as server, plain(*at(server)) as pty:
        pty.wait_for(">")
        pty.send(f":open 127.0.0.1 {dead}\r")
        pty.wait_for("refused")
        pty.wait_for("(closed)>")
        pty.send("NOOP\r")
        pty.wait_for("not connected: :open connects again")


def test_the_beginning_of_a_line_shows_once() -> None:
    go = threading.Event()
    steps = [GREETING, ExpectLine(), Send(b"+OK half"), Pause(go), Send(b" and half\r\n")]
    with ScriptedServer([*steps, Answer(ANSWERS)]) as server, plain(*at(server)) as pty:
        pty.wait_for(">")
        pty.send("NOOP\r")
        pty.wait_for("the end of this line is missing")
        for key in "QUIT":
            pty.send(key)
            pty.wait_until(lambda key=key: pty.lines()[pty.cursor.row].endswith(key))  # type: ignore[misc]
        go.set()
        pty.wait_for("S: +OK half and half\nAUTHORIZATION 127.0.0.1> QUIT")
        assert pty.text.count("the end of this line is missing") == 1


def test_forty_columns() -> None:
    with plain(columns=40, rows=60) as pty:
        pty.wait_for("AUTHORIZATION>")
        pty.send("USER bob\rPASS jones\rLIST\r")
        pty.wait_for("S: .\nTRANSACTION>")
        pty.send(":why\r")
        pty.wait_for("# isn't part of it [RFC 1939 §3]\nTRANSACTION")
        pty.send(":help\r:help TOP\r")
        pty.wait_for("    S: .\nTRANSACTION>")
        pty.send("QUIT\r")
        pty.wait_for("(closed)>")
        assert "number and size of each message, or of one" in " ".join(
            " ".join(pty.history()).split()
        )


def test_what_is_typed_is_remembered_by_no_one(tmp_path: Path) -> None:
    with (
        answering() as server,
        Pty(poptalk("--plain", *at(server)), env=environment(XDG_STATE_HOME=str(tmp_path))) as pty,
    ):
        pty.wait_for(">")
        pty.send("USER bob\rPASS jones\r:quit\r")
        assert pty.wait_exit() == 0
    assert list(tmp_path.rglob("*")) == []
