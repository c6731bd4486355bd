"""What the screen and the logs have of sessions: numbered, masked, folded, with what breaks a rule."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from poptalk.net.connection import Link
from poptalk.net.endpoint import Destination
from poptalk.pop3.events import ViolationKind
from poptalk.practice.accounts import Account
from poptalk.practice.server import Server
from poptalk.session.client import Client
from poptalk.session.login import Asker, log_in, request_of
from tests.shell.black_box import piped
from tests.tap.running import End, Listener, RunningTap, played

PASSWORD = "Zq7Vx9Wk4Jy8Hm"
MECHANISMS = (
    "USER", "APOP", "PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "XOAUTH2",
    "OAUTHBEARER",
)  # fmt: skip
TELLING = 8
"""So many characters in a row give a secret away."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    accounts = [Account(name="bob", password=PASSWORD)]
    with Server(persona="plain", accounts=accounts, token=PASSWORD, record=True) as running:
        yield running


def behind(server: Server) -> Destination:
    """Return a practice server as what is behind a tap."""
    return Destination(host=server.host, port=server.port)


def session(tap: RunningTap, mechanism: str, *commands: bytes) -> None:
    """Log in through a tap, and send some commands."""
    here = Destination(host=tap.host, port=tap.port)
    with Link.open(here.target, timeout=20) as link:
        client = Client(link, here)
        client.greeting()
        client.ask(b"CAPA")
        request = request_of("bob", mechanism)
        client.carry_out(
            log_in(client.session, request, asker=Asker(at_prompt=False), secret=PASSWORD)
        )
        for command in (*commands, b"QUIT"):
            client.ask(command)
        while client.listen():
            pass


def secret_forms(commands: list[bytes]) -> list[bytes]:
    """Return what gives a password away: itself, and what crossed the wire in its place."""
    forms = [PASSWORD.encode(), base64.b64encode(PASSWORD.encode())]
    for line in commands[1 : commands.index(b"STAT")]:
        words = line.split(b" ")
        is_name = words[0] in (b"USER", b"AUTH") and len(words) < 3
        # SCRAM begins with the name and a nonce; in others the name comes first.
        if not (is_name or b"SCRAM" in line):
            forms.append(words[-1][-24:])
    return [form for form in forms if len(form) >= TELLING]


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_every_login_passes_and_its_secret_is_nowhere(
    server: Server, mechanism: str, tmp_path: Path
) -> None:
    for log_format in ("notation", "jsonl"):
        settings: dict[str, Any] = {"log": str(tmp_path / log_format), "log_format": log_format}
        with RunningTap(behind(server), explain=True, **settings) as tap:
            session(tap, mechanism, b"STAT")
            tap.wait_for("the server closed the connection")
        log = (tmp_path / f"{log_format}.1").read_bytes()
        seen = tap.stream.getvalue().encode() + log
        for form in secret_forms(server.sessions[-1].commands):
            for start in range(len(form) - TELLING + 1):
                assert form[start : start + TELLING] not in seen, (mechanism, form)
        assert server.sessions[-1].user == "bob"


def test_reveal_shows_what_the_log_does_not_have(server: Server, tmp_path: Path) -> None:
    with RunningTap(behind(server), reveal=True, log=str(tmp_path / "log")) as tap:
        session(tap, "USER")
        tap.wait_for(f"1 C: PASS {PASSWORD}")
    assert PASSWORD not in (tmp_path / "log.1").read_text()


def test_ten_sessions_at_once_are_told_apart(server: Server, tmp_path: Path) -> None:
    meet = threading.Barrier(10)

    def visit(number: int) -> None:
        with End.to(tap.port) as client:
            client.line()
            meet.wait(20)
            for turn in range(20):
                assert client.say(b"USER name%d-%d" % (number, turn)).startswith(b"+OK")
                assert client.say(b"NOOP").startswith(b"-ERR")
            client.say(b"QUIT")
            client.rest()

    with RunningTap(behind(server), log=str(tmp_path / "talk.pop3")) as tap:
        threads = [threading.Thread(target=visit, args=(number,)) for number in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        tap.wait_for("the server closed the connection", count=10)
    assert tap.tap.totals.sessions == 10
    assert tap.tap.totals.commands == 10 * 41
    for number in range(1, 11):
        own = [line for line in tap.shown.splitlines() if line.startswith(f"{number} C: USER ")]
        names = {line.split(" ")[-1].split("-")[0] for line in own}
        assert (len(own), len(names)) == (20, 1)
        log = (tmp_path / f"talk.{number}.pop3").read_text()
        assert log.count(f"C: USER {names.pop()}-") == 20


def test_a_log_is_replayed(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with RunningTap(behind(server), log=str(tmp_path / "talk.pop3"), once=True) as tap:
        session(tap, "APOP", b"STAT", b"LIST", b"RETR 2", b"TOP 1 0", b"UIDL")
        tap.wait_for("the server closed the connection")
    monkeypatch.setenv("POPTALK_PASSWORD", PASSWORD)
    log = tmp_path / "talk.pop3"
    done = piped(b"", "run", "--user", "bob", log, server.host, str(server.port))
    assert done.code == 0, done


def test_a_log_for_machines_has_one_object_a_line(server: Server, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"log": str(tmp_path / "log.jsonl"), "log_format": "jsonl"}
    with RunningTap(behind(server), **settings) as tap:
        session(tap, "USER", b"STAT")
        tap.wait_for("the server closed the connection")
    events = [json.loads(line) for line in (tmp_path / "log.1.jsonl").read_text().splitlines()]
    assert events[0]["event"] == "open"
    assert [each["line"] for each in events if each["event"] == "client"][-2:] == ["STAT", "QUIT"]


@pytest.fixture
def article() -> Iterator[Server]:
    with Server(persona="exchange") as running:
        yield running


MESSAGE = (b"USER bob", b"PASS jones", b"LIST", b"RETR 1", b"QUIT")


def read_a_message(tap: RunningTap) -> str:
    with End.to(tap.port) as client:
        client.line()
        client.send(b"".join(line + b"\r\n" for line in MESSAGE[:3]))
        while client.line() != b".\r\n":
            pass
        client.send(b"".join(line + b"\r\n" for line in MESSAGE[3:]))
        client.rest()
    return tap.wait_for("the server closed the connection")


@pytest.mark.parametrize(
    ("bodies", "there", "missing"),
    [
        ("head", ("1 S: Subject: You are inside!", "1 # 38 more lines, 1,546 octets"), "Dear Bob"),
        ("none", ("1 # 47 more lines, 1,903 octets", "1 S: 2 4255"), "Subject"),
        ("all", ("1 S: Subject: You are inside!", "1 S: Dear Bob,"), "more lines"),
    ],
)
def test_messages_are_folded(
    article: Server, bodies: str, there: tuple[str, ...], missing: str
) -> None:
    with RunningTap(behind(article), bodies=bodies) as tap:
        shown = read_a_message(tap)
    assert all(each in shown for each in there)
    assert missing not in shown
    assert shown.count("1 S: .") == 2
    assert tap.tap.totals.messages == 1


def test_raw_shows_each_octet(article: Server) -> None:
    with RunningTap(behind(article), raw=True, bodies="none") as tap:
        shown = read_a_message(tap)
    assert r"1 C: PASS ****\r\n" in shown
    assert r"1 S: +OK mailbox locked and ready\r\n" in shown
    assert r"1 S: 1 1903\r\n" in shown
    assert shown.count(r"1 S: .\r\n  # the final dot") == 2


def test_replies_have_their_milliseconds(article: Server) -> None:
    with RunningTap(behind(article)) as tap:
        read_a_message(tap)
    for line in ("+OK name is a valid mailbox", "."):
        rows = [
            row for row in tap.stream.getvalue().splitlines() if row.startswith(f"1 S: {line}  ")
        ]
        assert rows
        assert all(row.endswith(" ms") for row in rows)


VIOLATIONS = [
    # What is said, by whom, what is shown of it.
    (b"CAPA\n", b"", "sent with LF alone at its end"),
    (b"STAT\r\n", b"", "not legal in this state (STAT belongs to TRANSACTION) [RFC 1939"),
    (b"HELP me\r\n", b"", "not a POP3 command that poptalk knows [RFC 1939 §3]"),
    (b"USER " + b"x" * 260 + b"\r\n", b"", "longer than the 255 octets"),
    (b"USER bob\r\n", b"+ok fine\r\n", "the status indicator is not in upper case"),
    (b"USER bob\r\n", b"+OK " + b"x" * 600 + b"\r\n", "may have at most 512 octets"),
    (b"USER bob\r\n", b"+OK fine\n", "the line ends in LF alone"),
    (b"USER bob\r\n", b"250 hello\r\n", 'a reply begins with "+OK" or "-ERR"'),
    (b"", b"+OK you have mail\r\n", "the server speaks without having been asked"),
    (b"CAPA\r\n", b"+OK\r\nUSER\n.\r\n", "the last line before the lone dot ends in LF alone"),
]


@pytest.mark.parametrize(("said", "answered", "shown"), VIOLATIONS)
def test_a_broken_rule_is_named(said: bytes, answered: bytes, shown: str) -> None:
    with played() as (tap, client, far):
        far.send(b"+OK ready\r\n")
        client.line()
        client.send(said)
        far.receive(len(said))
        far.send(answered)
        client.receive(len(answered))
        tap.wait_for(shown)
    assert tap.tap.totals.violations.total() == 1


def test_replies_that_disagree_are_named() -> None:
    with Server(faults="wrong-octets:-2") as server, RunningTap(behind(server)) as tap:
        read_a_message(tap)
        tap.wait_for("message 1: 1,901 octets announced, 1,903 came")
    assert tap.tap.totals.violations[ViolationKind.SIZE_DIFFERS] == 1


@pytest.mark.parametrize(
    ("greeting", "capabilities", "shown"),
    [
        (b"", b"", "sent before the greeting; the server speaks first [RFC 1939 §4]"),
        (b"+OK ready\r\n", b"USER", "only a server that lists PIPELINING must accept that"),
        (b"+OK ready\r\n", b"PIPELINING", None),
    ],
)
def test_commands_out_of_turn_are_named(
    greeting: bytes, capabilities: bytes, shown: str | None
) -> None:
    with played() as (tap, client, far):
        far.send(greeting)
        client.receive(len(greeting))
        client.send(b"CAPA\r\n")
        far.line()
        if greeting:
            listing = b"+OK\r\n" + capabilities + b"\r\n.\r\n"
            far.send(listing)
            client.receive(len(listing))
            client.send(b"USER bob\r\nPASS x\r\n")
            far.line()
            far.line()
            tap.wait_for("C: PASS ****")
        if shown is not None:
            tap.wait_for(shown)
    assert tap.tap.totals.violations.total() == (shown is not None)


def test_the_totals_count_violations_by_kind() -> None:
    with Listener() as server, RunningTap(server.destination) as tap:
        for _ in range(2):
            with End.to(tap.port) as client, server.accept() as far:
                far.send(b"+ok ready\r\n")
                client.line()
                client.send(b"STAT\n")
                far.line()
                client.reset()
                with pytest.raises(ConnectionResetError):
                    far.rest()
        tap.wait_for("reset the connection", count=2)
    head, *rows = tap.tap.totals.lines()
    assert head == "2 sessions, 2 commands, 0 messages; 22 octets from the server, 10 to it"
    assert [row.partition(":")[0] for row in rows] == ["2 times"] * 3


def test_what_a_server_repeats_of_a_secret_is_masked(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with played(log=str(log)) as (tap, client, far):
        far.send(b"+OK ready\r\n")
        client.line()
        client.send(b"PASS " + PASSWORD.encode() + b"\r\n")
        far.line()
        far.send(b"-ERR no such password: " + PASSWORD.encode() + b"\r\n")
        client.line()
        shown = tap.wait_for("1 S: -ERR no such password: ****")
    assert PASSWORD not in shown + (tmp_path / "log.1").read_text()


def test_what_a_server_says_cannot_look_like_another_line() -> None:
    with played() as (tap, client, far):
        far.send(b"+OK \x1b[2J\r2 C: QUIT\r\n")
        client.line()
        shown = tap.wait_for("1 S: +OK")
    assert "\x1b" not in shown
    assert "\n2 C:" not in shown
