"""The log of all sessions: what it hides, who has the word, and that it can be read back."""

from __future__ import annotations

import itertools
import re
import stat
from pathlib import Path

import pytest

from poptalk.pop3.commands import parse_command
from poptalk.pop3.server.events import CommandReceived, EndReason, ResponseReceived
from poptalk.practice.accounts import BOB
from poptalk.practice.log import CannotLog, ServerLog
from poptalk.practice.observers import Peer
from poptalk.practice.server import Server
from poptalk.transcript.model import AnyLines, ClientLine, Comment, ServerLine
from poptalk.transcript.parser import parse_dialogue
from poptalk.transcript.writer import MAX_LINE_LOGGED
from tests.practice.talking import connected, greeted

FIRST = Peer(number=1, host="127.0.0.1", port=4711, implicit_tls=False)
SECOND = Peer(number=2, host="::1", port=4712, implicit_tls=False)


def no_complaint(sentence: str) -> None:
    raise AssertionError(sentence)


class Session:
    """A session told to a log by hand."""

    def __init__(self, log: ServerLog, peer: Peer = FIRST) -> None:
        self.scribe = log.begin(peer)

    def client(self, line: bytes) -> None:
        self.scribe.told(CommandReceived(command=parse_command(line), end=b"\r\n"))

    def response(self, line: bytes) -> None:
        self.scribe.told(ResponseReceived(line=line, end=b"\r\n"))

    def server(self, octets: bytes) -> None:
        self.scribe.sent(octets)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.pop3"


@pytest.fixture
def log(path: Path) -> ServerLog:
    return ServerLog(str(path), complain=no_complaint)


def lines(log: ServerLog, path: Path) -> list[str]:
    """Close the log and return its lines, without comments and empty ones."""
    log.close()
    return [line for line in path.read_text().splitlines() if line[:2] in ("C:", "S:")]


def test_a_session_reads_as_the_rfc_writes_it(log: ServerLog, path: Path) -> None:
    session = Session(log)
    session.server(b"+OK ready\r\n")
    session.client(b"CAPA")
    session.server(b"+OK\r\nTOP\r\n.\r\n")
    session.client(b"QUIT")
    session.server(b"+OK bye\r\n")
    session.scribe.ended(EndReason.QUIT)
    assert lines(log, path) == [
        "C: <open connection>", "S: +OK ready", "C: CAPA", "S: +OK", "S: TOP", "S: .",
        "C: QUIT", "S: +OK bye", "S: <close connection>",
    ]  # fmt: skip
    text = path.read_text()
    assert "session 1 from 127.0.0.1:4711" in text
    assert "session 1 ended: QUIT was answered" in text


@pytest.mark.parametrize(
    ("command", "responses", "written"),
    [
        (b"PASS tanstaaf", [], ["C: PASS {password}"]),
        (b"APOP mrose c4c9334bac560ecc979e58001b3e22fb", [], ["C: APOP mrose {apop}"]),
        (b"AUTH PLAIN AHRpbQB0YW5zdGFhZg==", [], ["C: AUTH PLAIN {plain}"]),
        (b"AUTH PLAIN =", [b"AHRpbQB0YW5zdGFhZg=="], ["C: AUTH PLAIN =", "C: {plain}"]),
        (b"AUTH LOGIN", [b"dGlt", b"dGFuc3RhYWY="], ["C: AUTH LOGIN", "C: {login-1}", "C: {login-2}"]),
        (b"AUTH LOGIN dGlt", [b"dGFuc3RhYWY="], ["C: AUTH LOGIN {login-1}", "C: {login-2}"]),
        (b"AUTH CRAM-MD5", [b"*"], ["C: AUTH CRAM-MD5", "C: *"]),
        (b"AUTH", [], ["C: AUTH"]),
    ],
)  # fmt: skip
def test_secrets_are_placeholders(
    log: ServerLog, path: Path, command: bytes, responses: list[bytes], written: list[str]
) -> None:
    session = Session(log)
    session.client(command)
    for response in responses:
        session.response(response)
    assert lines(log, path)[1:] == written


@pytest.mark.parametrize(
    ("begun", "line"),
    [
        (b"USER bob", b"sesame"),
        (b"USER bob", b"PAS sesame"),
        (b"USER bob", b"PASSsesame"),
        (b"USER bob", b"PASS:sesame"),
        (b"USER bob", b"PASSWORD sesame"),
        (b"USER bob", b"=sesame"),
        (b"user bob", b"  sesame  "),
        (b"USER bob", b"USER bob sesame"),
        (b"NOOP", b"USER bob sesame and more"),
        (b"NOOP", b"APOP bob c4c9334bac560ecc979e58001b3e22fb sesame"),
        (b"AUTH PLAIN", b"sesame=="),
        (b"AUTH CRAM-MD5", b"c2VzYW1l"),
    ],
)
def test_a_password_in_the_wrong_place_is_hidden(
    log: ServerLog, path: Path, begun: bytes, line: bytes
) -> None:
    session = Session(log)
    session.client(begun)
    session.server(b"-ERR no\r\n")
    session.client(line)
    session.server(b"-ERR you sent %b\r\n" % line.split(b" ")[-1])
    log.close()
    text = path.read_text()
    assert "sesame" not in text
    assert "c2VzYW1l" not in text
    assert line.decode() not in text


def test_other_mistakes_are_logged_as_they_were_made(log: ServerLog, path: Path) -> None:
    session = Session(log)
    session.client(b"HELO example")
    session.client(b"STA")
    session.client(b"USER bob")
    session.client(b"LIST 1 2")
    session.client(b"tanstaaf")  # a password without its PASS, for all that can be known
    session.scribe.logged_in(BOB)
    session.client(b"STA")
    session.client(b"RETRR 1")
    assert lines(log, path)[1:] == [
        "C: HELO example", "C: STA", "C: USER bob", "C: LIST 1 2", "C: {secret}", "C: STA",
        "C: RETRR 1",
    ]  # fmt: skip


def test_an_echo_of_a_secret_is_hidden_and_a_letter_is_not(log: ServerLog, path: Path) -> None:
    session = Session(log)
    session.client(b"PASS tanstaaf")
    session.server(b"PASS tanstaaf-ERR no\r\n")
    session.client(b"RETR 1")
    session.server(b"+OK\r\ntanstaaf\r\n.\r\n")
    session.client(b"NOOP")
    session.server(b"+OK tanstaaf\r\n")
    written = lines(log, path)
    assert written[2] == "S: PASS ****-ERR no"
    assert written[5] == "S: tanstaaf"
    assert written[-1] == "S: +OK ****"


def test_hostile_octets_are_harmless(log: ServerLog, path: Path) -> None:
    session = Session(log)
    session.client(b"USER \x1b]0;evil\x07\xff{user}")
    session.server(b"-ERR \x9b31m ...\r\n...\r\n<the server sends nothing>\r\n")
    log.close()
    assert all(line.isprintable() for line in path.read_text().splitlines())
    payloads = [
        step.payload
        for step in parse_dialogue(path.read_text(), name="log").steps
        if isinstance(step, ClientLine | ServerLine)
    ]
    assert payloads[0] == "USER \x1b]0;evil\x07\udcff{user}"
    assert len(payloads) == 4


def test_lines_cut_anywhere_are_put_together(log: ServerLog, path: Path) -> None:
    octets = b"+OK\r\none\r\n.two\r\n\r\n.\r\n"
    session = Session(log)
    for octet in octets:
        session.server(bytes([octet]))
    assert lines(log, path)[1:] == ["S: +OK", "S: one", "S: .two", "S:", "S: ."]


def test_a_last_line_without_an_end_is_told(log: ServerLog, path: Path) -> None:
    session = Session(log)
    session.server(b"+OK half a li")
    session.scribe.ended(EndReason.CLIENT_GONE)
    assert lines(log, path)[1:] == ["S: +OK half a li", "C: <close connection>"]
    assert "that line had no end" in path.read_text()


def test_a_line_without_an_end_costs_no_memory(log: ServerLog, path: Path) -> None:
    session = Session(log)
    for _ in range(100):
        session.server(b"x" * MAX_LINE_LOGGED)
    session.server(b"\r\n")
    assert len(max(lines(log, path), key=len)) < 2 * MAX_LINE_LOGGED


def test_sessions_take_turns(log: ServerLog, path: Path) -> None:
    one, two = Session(log, FIRST), Session(log, SECOND)
    one.server(b"+OK one\r\n")
    one.client(b"NOOP")
    two.server(b"+OK two\r\n")
    two.client(b" QUIT")
    one.server(b"+OK\r\n")
    log.close()
    steps = parse_dialogue(path.read_text(), name="log").steps
    owner, said = "", []
    for step in steps:
        if isinstance(step, Comment):
            owner = re.sub(r"^\S+ ", "", step.text)
        elif isinstance(step, ClientLine | ServerLine):
            said.append((owner, step.payload))
    assert said == [
        ("session 1 from 127.0.0.1:4711, continued", "+OK one"),
        ("session 1 from 127.0.0.1:4711, continued", "NOOP"),
        ("session 2 from [::1]:4712, continued", "+OK two"),
        ("session 2 from [::1]:4712, continued", " QUIT"),
        ("session 1 from 127.0.0.1:4711, continued", "+OK"),
    ]


def test_a_log_is_added_to_and_is_private(path: Path) -> None:
    for _ in range(2):
        log = ServerLog(str(path), complain=no_complaint)
        Session(log).server(b"+OK\r\n")
        log.close()
    assert path.read_text().count("S: +OK\n") == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_log_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CannotLog, match=r"cannot be written \(no such file or directory\)"):
        ServerLog(str(tmp_path / "missing" / "log"), complain=no_complaint)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_told_once() -> None:
    sentences: list[str] = []
    log = ServerLog("/dev/full", complain=sentences.append)
    session = Session(log)
    for _ in range(3):
        session.client(b"NOOP")
        session.server(b"+OK\r\n")
    log.close()
    (sentence,) = sentences
    assert sentence.startswith("The log /dev/full ends here (no space left on device).")


# From real sessions.


def test_commands_stand_before_their_answers(log: ServerLog, path: Path) -> None:
    with Server(observers=[log.begin]) as server:
        with greeted(server) as talk:
            talk.log_in()
            talk.say(b"RETR 3")
            talk.body()
            talk.say(b"QUIT")
        with connected(server) as talk:
            talk.sock.sendall(b"USER bob\r\nPASS jones\r\nRETR 3\r\nSTAT\r\nQUIT\r\n")
            talk.rest()
    log.close()
    steps = parse_dialogue(path.read_text(), name="log").steps
    # Turn by turn in the first session; in the second nothing is answered before it is asked.
    asked = answered = 0
    for step in steps:
        asked += isinstance(step, ClientLine)
        answered += isinstance(step, ServerLine) and step.payload.startswith(("+OK", "-ERR"))
        assert answered <= asked + 2, "an answer stands before its command"
    assert (asked, answered) == (4 + 5, 4 + 5 + 2)
    assert not any(isinstance(step, AnyLines) for step in steps)


def test_the_password_that_a_faulty_server_echoes_is_not_logged(log: ServerLog, path: Path) -> None:
    with (
        Server(persona="plain", faults=["echo-password"], observers=[log.begin]) as server,
        greeted(server) as talk,
    ):
        assert b"tanstaaf" in talk.log_in(b"mrose", b"tanstaaf")
        talk.say(b"QUIT")
    log.close()
    assert "tanstaaf" not in path.read_text()


MISTYPED = (
    b"sesame", b" sesame", b"sesame ", b"\tsesame", b"sesame sesame", b"PASS", b"PAS sesame",
    b"PSAS sesame", b"PASSS sesame", b"PADS sesame", b"pass: sesame", b"PASS=sesame", b"PASSsesame",
    b"PASS\tsesame", b"PASS  sesame", b" PASS sesame", b"PASSWORD sesame", b"PASSWD sesame",
    b"PWD sesame", b"LOGIN bob sesame", b"a1 LOGIN bob sesame", b"USER bob sesame", b"bob sesame",
    b"bob:sesame", b"APOP bob sesame", b"APO bob sesame",
    b"AUTH PLAIN sesame", b"AUT PLAIN AGJvYgBzZXNhbWU=", b"AUTHPLAIN sesame",
    b"AUTH LOGIN sesame", b"AGJvYgBzZXNhbWU=", b"c2VzYW1l", b"\x00bob\x00sesame", b"C: PASS sesame",
    b"\xef\xbb\xbfPASS sesame", b"PASS\xa0sesame", b"\x1b[APASS sesame", b":PASS sesame",
)  # fmt: skip


@pytest.mark.parametrize(
    "begun",
    [[b"USER bob"], [b"AUTH PLAIN", b"*"], [b"AUTH NONE"], [b"AUTH LOGIN", b"Ym9i", b"eA=="]],
)
@pytest.mark.parametrize("persona", ["plain", "mailutils"])
def test_a_mistyped_password_is_in_no_log_whatever_was_begun(
    begun: list[bytes], persona: str, log: ServerLog, path: Path
) -> None:
    with Server(persona=persona, observers=[log.begin], faults=["echo-password"]) as server:
        for line in MISTYPED:
            # A word that was said openly before cannot be told from a name.
            if line != b"USER bob:sesame" and line != b"APOP sesame":
                with greeted(server) as talk:
                    for before in begun:
                        talk.say(before)
                    talk.sock.sendall(line + b"\r\n" + b"sesame\r\n" + b"QUIT\r\n")
                    talk.rest()
    log.close()
    text = path.read_text()
    assert text.count("session ") >= len(MISTYPED)
    for secret in ("sesame", "AGJvYgBzZXNhbWU=", "c2VzYW1l"):
        assert secret not in text


def test_a_short_password_hides_no_count(log: ServerLog, path: Path) -> None:
    session = Session(log)
    session.client(b"USER bob")
    session.server(b"+OK\r\n")
    session.client(b"PASS 3")
    session.server(b"-ERR not 3\r\n")
    session.client(b"PASS jones")
    session.server(b"+OK 3 messages\r\n")
    session.scribe.logged_in(BOB)
    session.client(b"STAT")
    session.server(b"+OK 3 6183\r\n")
    assert lines(log, path)[3:] == [
        "C: PASS {password}", "S: -ERR not ****", "C: PASS {password}", "S: +OK 3 messages",
        "C: STAT", "S: +OK 3 6183",
    ]  # fmt: skip


def test_the_signature_of_scram_is_hidden_too(log: ServerLog, path: Path) -> None:
    signature = b"dj1ybUY5cHFWOFM3c3VBb1pXamE0ZEpSa0ZzS1E9"
    session = Session(log)
    session.client(b"AUTH SCRAM-SHA-1")
    session.server(b"+ \r\n")
    session.response(b"biwsbj11c2VyLHI9Zg==")
    session.server(b"+ %b\r\n" % signature)
    assert lines(log, path)[-1] == "S: + ****"


def test_every_session_of_many_is_whole(log: ServerLog, path: Path) -> None:
    with Server(observers=[log.begin]) as server:
        for _, _ in itertools.product(range(3), range(3)):
            with greeted(server) as one, greeted(server) as two:
                one.log_in()
                two.log_in()
                one.say(b"QUIT")
                two.say(b"QUIT")
    log.close()
    text = path.read_text()
    for number in range(1, 19):
        assert f"session {number} from" in text
        assert f"session {number} ended: QUIT was answered" in text
