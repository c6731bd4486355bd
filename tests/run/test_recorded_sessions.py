"""A log replays against the server that it was recorded from, whatever was said."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poptalk.cli import main
from poptalk.net.endpoint import Destination
from poptalk.practice.server import Server
from poptalk.session.log import TextLog
from poptalk.session.session import Session
from tests.run.replays import replayed
from tests.servers.recording import RecordingServer
from tests.servers.scripted import Close, ExpectLine, ScriptedServer, Send, Step
from tests.session.transports import begin
from tests.shell.black_box import at, piped

LETTERS = {
    "tab": (Path(__file__).parent / "tab.eml").read_bytes(),
    "controls": b"Subject: \x1b]0;x\x07\r\n\r\na\rb \x00 \xff \x9b \xc2\x9b\r\nspace at the end \r\n",
    "hidden": "Subject: \u202e\u200b\ufeff\u2800\r\n\r\n\u65e5\u672c\u3000\r\n...\r\n<a b>\r\n".encode(),
    "braces": b"Subject: {x} {{0x1b}} \\x1b\r\n\r\n {\r\n}\r\n\r\n",
    "escapes": b"Subject: {0x1b}\r\n\r\n\\t\\xff\r\n",
}


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POPTALK_PASSWORD", "jones")


@pytest.mark.parametrize("letter", LETTERS.values(), ids=LETTERS)
def test_any_letter(letter: bytes, tmp_path: Path) -> None:
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "1.eml").write_bytes(letter)
    log = tmp_path / "log.pop3"
    with Server(maildrop=f"eml:{tmp_path / 'mail'}") as server:
        where = [server.host, str(server.port)]
        lines = b"USER bob\nPASS jones\nRETR 1\nTOP 1 0\nNO\x1bOP \xff\x00\t \nQUIT\n"
        piped(lines, *where, "--log", str(log))
        assert "jones" not in log.read_text()
        assert main(["run", str(log), *where, "--user", "bob"]) == 0


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.binary(max_size=20).map(lambda octets: octets.replace(b"\n", b"")), max_size=6),
    st.sampled_from([b"\r\n", b"\n"]),
)
def test_any_octets_of_a_body(
    tmp_path_factory: pytest.TempPathFactory, body: list[bytes], end: bytes
) -> None:
    log_file = tmp_path_factory.mktemp("log") / "log.pop3"
    data = b"".join((b"." + line if line.startswith(b".") else line) + end for line in body)
    session = Session(clock=float)
    session.log = TextLog(str(log_file), session)
    begin(session)
    session.received(b"+OK ready\r\n")
    session.send_line(b"RETR 1")
    session.received(b"+OK" + end + data + b"." + end)
    session.log.close()
    steps: list[Step] = [
        Send(b"+OK ready\r\n"),
        ExpectLine(),
        Send(b"+OK" + end + data + b"." + end),
        Close(),
    ]
    with ScriptedServer(steps) as server:
        host, port = at(server)
        result = replayed(log_file.read_text(), Destination(host=host, port=int(port)))
    assert result.difference is None


def test_plain_for_another_identity_is_another_mailbox(tmp_path: Path) -> None:
    """The case `plain-for-another`: CAPA, AUTH PLAIN, and the response on a line of its own."""
    log = tmp_path / "log.pop3"
    response = base64.b64encode(b"team\0bob\0jones")
    replies = (b"+OK\r\nSASL PLAIN EXTERNAL\r\n.\r\n", b"+ \r\n", b"+OK\r\n", b"+OK\r\n")
    steps: list[Step] = [Send(b"+OK ready\r\n")]
    steps += [step for reply in replies for step in (ExpectLine(), Send(reply))]
    with ScriptedServer([*steps, Close()]) as server:
        where = list(map(str, at(server)))
        lines = b"\n".join((b"CAPA", b"AUTH PLAIN", response, b"QUIT", b""))
        piped(lines, *where, "--log", str(log))
        assert main(["run", str(log), *where, "--user", "bob"]) == 0
    recorded, again = server.connections
    assert again == recorded == b"CAPA\r\nAUTH PLAIN\r\n" + response + b"\r\nQUIT\r\n"


@pytest.mark.parametrize("two_step", [False, True])
def test_plain_for_another_identity(tmp_path: Path, two_step: bool) -> None:
    """The authorization identity isn't secret (RFC 4616 §2): without it another mailbox is opened."""
    log = tmp_path / "log.pop3"
    response = base64.b64encode(b"team\0bob\0jones")
    login = [b"AUTH PLAIN", response] if two_step else [b"AUTH PLAIN " + response]
    steps: list[Step] = [Send(b"+OK ready\r\n"), ExpectLine()]
    steps += [Send(b"+ \r\n"), ExpectLine()] if two_step else []
    steps += [Send(b"+OK\r\n"), ExpectLine(), Send(b"+OK\r\n"), Close()]
    with ScriptedServer(steps) as server:
        where = list(map(str, at(server)))
        piped(b"".join(line + b"\n" for line in (*login, b"QUIT")), *where, "--log", str(log))
        assert "{plain-for=team}" in log.read_text()
        assert response.decode() not in log.read_text()
        assert main(["run", str(log), *where, "--user", "bob"]) == 0
    recorded, again = server.connections
    assert recorded == again
    assert response in again


def test_external_for_another_identity(tmp_path: Path) -> None:
    log = tmp_path / "log.pop3"
    with RecordingServer(closing_keyword=b"QUIT") as server:
        where = list(map(str, at(server)))
        piped(b"AUTH EXTERNAL dGVhbQ==\nQUIT\n", *where, "--log", str(log))
        assert "C: AUTH EXTERNAL dGVhbQ==\n" in log.read_text()
        assert main(["run", str(log), *where]) == 0


@pytest.mark.parametrize("two_step", [False, True])
def test_lines_after_an_auth_that_were_not_waited_for(tmp_path: Path, two_step: bool) -> None:
    log = tmp_path / "log.pop3"
    response = base64.b64encode(b"\0bob\0jones")
    login = [b"AUTH PLAIN", response] if two_step else [b"AUTH PLAIN " + response]
    with Server() as server:
        where = (server.host, str(server.port))
        lines = b"".join(line + b"\r\n" for line in (*login, b"STAT", b"LIST 1", b"QUIT"))
        piped(lines, *where, "--pipeline", "--log", str(log))
        text = log.read_text()
        assert text.count("{plain}") == 1
        assert "C: STAT\n" in text
        assert main(["run", str(log), *where, "--user", "bob"]) == 0
