"""Bad input: random lines over sockets, and any order of commands against a model of the protocol."""

from __future__ import annotations

import asyncio
import logging

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from poptalk.pop3.commands import VERBS, Limits
from poptalk.pop3.replies import stuff
from poptalk.pop3.server.events import SessionEnded
from poptalk.practice.server import Server
from tests.pop3.serving import LETTERS, Desk
from tests.practice.fuzzing import Lines, fuzz

LINES = 20_000
SESSIONS = 50


async def test_random_lines_over_many_sessions(caplog: pytest.LogCaptureFixture) -> None:
    failures: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    with caplog.at_level(logging.WARNING):
        async with Server(persona="plain") as server:
            books, rounds = await fuzz(
                server.host, server.port, sessions=SESSIONS, lines=LINES, seed=1939
            )
    assert failures == []
    assert caplog.records == []
    assert books.lines >= LINES
    assert rounds > 0
    # All kinds of answers came, and most lines had one: the rest stood behind a line that ended it.
    assert set(books.replies) == {b"+OK", b"-ERR", b"+"}
    assert books.answered > LINES // 2


def test_the_same_seed_makes_the_same_lines() -> None:
    one, two = Lines(7), Lines(7)
    lines = [one.line() for _ in range(1000)]
    assert lines == [two.line() for _ in range(1000)]
    assert lines != [Lines(8).line() for _ in range(1000)]
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines)
    assert max(map(len, lines)) > 1000


class Conversation(RuleBasedStateMachine):
    """A session with commands in any order, beside a model that is a few lines long."""

    def __init__(self) -> None:
        super().__init__()
        # Errors are the point here, so they end nothing.
        endless = Limits(errors_before_login=1000, errors_after_login=1000, failed_logins=1000)
        self.desk = Desk(limits=endless)
        self.named = False
        self.logged_in = False
        self.encrypted = False
        self.deleted: set[int] = set()
        self.over = False

    def say(self, line: bytes, *, ok: bool) -> bytes:
        """Send a line; the answer must be positive or negative as the model has it."""
        answer = self.desk.send(line + b"\r\n")
        status = b"+OK" if ok else b"-ERR"
        assert answer.startswith(status), (line, answer)
        assert answer.endswith(b"\r\n")
        if not line.startswith(b"USER "):
            self.named = False
        return answer

    def kept(self) -> list[int]:
        return [n for n in range(1, len(LETTERS) + 1) if n not in self.deleted]

    @precondition(lambda self: not self.over)
    @rule(name=st.sampled_from([b"mrose", b"nobody", b"\xff\x00"]))
    def user(self, name: bytes) -> None:
        self.say(b"USER " + name, ok=not self.logged_in)
        self.named = not self.logged_in and name == b"mrose"

    @precondition(lambda self: not self.over)
    @rule()
    def right_password(self) -> None:
        right = self.named and not self.logged_in
        self.say(b"PASS tanstaaf", ok=right)
        self.logged_in = self.logged_in or right

    @precondition(lambda self: not self.over and not self.logged_in and not self.encrypted)
    @rule()
    def stls(self) -> None:
        self.say(b"STLS", ok=True)
        self.encrypted = True

    @precondition(lambda self: not self.over and (self.logged_in or self.encrypted))
    @rule()
    def stls_out_of_place(self) -> None:
        self.say(b"STLS", ok=False)

    @precondition(lambda self: not self.over)
    @rule()
    def stat(self) -> None:
        answer = self.say(b"STAT", ok=self.logged_in)
        if self.logged_in:
            sizes = [len(LETTERS[number - 1]) for number in self.kept()]
            assert answer == b"+OK %d %d\r\n" % (len(sizes), sum(sizes))

    @precondition(lambda self: not self.over)
    @rule(keyword=st.sampled_from([b"LIST", b"UIDL"]))
    def listing(self, keyword: bytes) -> None:
        answer = self.say(keyword, ok=self.logged_in)
        if self.logged_in:
            rows = answer.split(b"\r\n")[1:-2]
            assert [int(row.split()[0]) for row in rows] == self.kept()
            assert answer.endswith(b"\r\n.\r\n")

    @precondition(lambda self: not self.over)
    @rule(
        keyword=st.sampled_from([b"LIST", b"UIDL", b"RETR", b"DELE", b"TOP"]),
        number=st.integers(-1, len(LETTERS) + 1),
    )
    def about_a_message(self, keyword: bytes, number: int) -> None:
        there = self.logged_in and number in self.kept()
        lines = b" 99" if keyword == b"TOP" else b""
        answer = self.say(b"%b %d%b" % (keyword, number, lines), ok=there)
        if there and keyword in (b"RETR", b"TOP"):
            assert answer.partition(b"\r\n")[2] == b"".join(stuff([LETTERS[number - 1]]))
        if there and keyword == b"DELE":
            self.deleted.add(number)

    @precondition(lambda self: not self.over)
    @rule()
    def rset(self) -> None:
        self.say(b"RSET", ok=self.logged_in)
        self.deleted.clear()

    @precondition(lambda self: not self.over)
    @rule()
    def noop(self) -> None:
        self.say(b"NOOP", ok=self.logged_in)

    @precondition(lambda self: not self.over)
    @rule(keyword=st.text("ABCXYZ", min_size=1, max_size=8).map(str.encode))
    def unknown(self, keyword: bytes) -> None:
        if keyword not in VERBS:
            self.say(keyword, ok=False)

    @precondition(lambda self: not self.over)
    @rule(octets=st.binary(max_size=80))
    def anything(self, octets: bytes) -> None:
        # A keyword that is one is the business of the other rules.
        self.say(b"X" + octets.replace(b"\n", b""), ok=False)

    @precondition(lambda self: not self.over)
    @rule()
    def quit(self) -> None:
        self.say(b"QUIT", ok=True)
        self.over = True
        assert any(isinstance(event, SessionEnded) for event in self.desk.told)

    @precondition(lambda self: self.over)
    @rule(octets=st.binary(max_size=20))
    def after_the_end(self, octets: bytes) -> None:
        assert self.desk.send(octets + b"\r\nNOOP\r\n") == b""

    @invariant()
    def what_is_marked_is_what_the_model_has_marked(self) -> None:
        assert self.desk.session.deleted == self.deleted


Conversation.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestConversation = Conversation.TestCase
