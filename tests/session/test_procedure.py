"""Procedures: lines that poptalk sends by itself, one after the other, in all three shells."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from poptalk.net.errors import ConnectionLost
from poptalk.pop3.replies import Status
from poptalk.session.procedure import Interrupted, LocalError, Plan, ask, exchange, in_thread, quiet
from tests.servers.recording import RecordingServer, by_keyword
from tests.servers.scripted import Close, ExpectLine, Pause, ScriptedServer, Send
from tests.shell.shells import CTRL_C, live

REPLIES = {
    b"STAT": b"+OK 2 320\r\n",
    b"LIST": b"+OK\r\n1 120\r\n2 200\r\n.\r\n",
    b"AUTH": b"+ \r\n",
    b"*": b"-ERR cancelled\r\n",
    b"NOOP": b"+OK\r\n",
}


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer(reply=by_keyword(REPLIES)) as running:
        yield running


class Noted:
    """A plan that notes what it is given, and how it ends."""

    def __init__(self) -> None:
        self.heard: list[object] = []
        self.ends: list[Exception | None] = []

    def plan(self) -> Plan:
        stat = yield from exchange(b"STAT")
        self.heard.append(stat.status_line.line)
        listing = yield from exchange(b"LIST")
        self.heard.append(list(listing.listing()))
        challenge = yield from exchange(b"AUTH PLAIN")
        self.heard.append(challenge.status_line.status)
        refusal = yield from exchange(b"*")
        self.heard.append(refusal.status_line.status)

    def end(self, error: Exception | None) -> None:
        self.ends.append(error)


async def test_each_line_waits_for_the_whole_reply(server: RecordingServer) -> None:
    noted = Noted()
    async with live(server) as shell:
        shell.shell.run_procedure(noted.plan(), name="all", then=noted.end)
        await shell.until(lambda: noted.ends == [None])
        await shell.drawn()
        assert noted.heard == [b"+OK 2 320", [b"1 120", b"2 200"], Status.CHALLENGE, Status.ERR]
        # As if typed.
        assert [line for line in shell.view() if line.startswith("C:")] == [
            *("C: STAT", "C: LIST", "C: AUTH PLAIN", "C: *")
        ]
        assert shell.shell.session.procedure is None
        assert shell.shell.session.listeners == []
    assert server.wait_for_end() == b"STAT\r\nLIST\r\nAUTH PLAIN\r\n*\r\n"


async def test_what_is_typed_meanwhile_waits_its_turn() -> None:
    go = threading.Event()
    noted = Noted()
    steps = [Send(b"+OK\r\n"), ExpectLine(), Pause(go), Send(b"+OK 0 0\r\n"), ExpectLine()]
    steps += [
        Send(b"+OK\r\n.\r\n"),
        ExpectLine(),
        Send(b"-ERR\r\n"),
        ExpectLine(),
        Send(b"-ERR\r\n"),
    ]
    with ScriptedServer([*steps, ExpectLine(), Send(b"+OK mine\r\n")]) as server:
        async with live(server) as shell:
            shell.shell.run_procedure(noted.plan(), name="all", then=noted.end)
            await shell.enter("NOOP")
            await shell.enter(":help STAT")
            assert "number of messages" not in shell.text
            assert server.received == b"STAT\r\n"
            go.set()
            await shell.see("S: +OK mine")
        assert server.wait_for_end() == b"STAT\r\nLIST\r\nAUTH PLAIN\r\n*\r\nNOOP\r\n"


async def test_a_secret_typed_meanwhile_is_no_answer_to_poptalks_own_auth() -> None:
    """What is typed while poptalk is within AUTH is a line like any other, and stays visible."""
    go = threading.Event()
    steps = [Send(b"+OK\r\n"), ExpectLine(), Send(b"+ \r\n"), ExpectLine(), Pause(go)]

    def plan() -> Plan:
        yield from exchange(b"AUTH PLAIN")
        yield from exchange(b"AGJvYgBqb25lcw==")

    with ScriptedServer([*steps, Send(b"+OK in\r\n")]) as server:
        async with live(server) as shell:
            shell.shell.run_procedure(plan(), name="login")
            await shell.until(lambda: server.received.endswith(b"==\r\n"))
            await shell.type("STAT")
            assert shell.shell.secret_in_text("STAT") is None
            assert shell.shell.secret_in_text("PASS x") == 5
            go.set()
            await shell.see("S: +OK in")
            assert shell.line == "STAT"


async def test_ctrl_c_ends_it(server: RecordingServer) -> None:
    def plan() -> Plan:
        yield from ask("Password: ")
        raise AssertionError("nobody has answered")

    ends: list[Exception | None] = []
    async with live(server) as shell:
        shell.shell.run_procedure(plan(), name="test", then=ends.append)
        await shell.see("Password:")
        await shell.type("secret")
        shell.send(CTRL_C)
        await shell.until(lambda: bool(ends))
        assert isinstance(ends[0], Interrupted)
        await shell.see("AUTHORIZATION")
        assert "secret" not in shell.terminal.raw
        await shell.enter("NOOP", until="C: NOOP")


async def test_it_ends_with_the_connection() -> None:
    noted = Noted()
    with ScriptedServer([Send(b"+OK\r\n"), ExpectLine(), Close()]) as server:
        async with live(server) as shell:
            shell.shell.run_procedure(noted.plan(), name="all", then=noted.end)
            await shell.see("(closed)")
            [error] = noted.ends
            assert isinstance(error, ConnectionLost)
            assert noted.heard == []


async def test_one_at_a_time_and_only_when_it_may_speak(server: RecordingServer) -> None:
    def asking() -> Plan:
        yield from ask("Password: ")

    async with live(server) as shell:
        shell.shell.run_procedure(asking(), name="first")
        with pytest.raises(LocalError, match=":first is still running"):
            shell.shell.run_procedure(Noted().plan(), name="second")
        shell.send("x\r")
        await shell.until(lambda: shell.shell.session.procedure is None)
        await shell.enter("AUTH PLAIN", until="AUTH 127")
        with pytest.raises(LocalError, match="an answer to AUTH"):
            shell.shell.run_procedure(Noted().plan(), name="second")
        await shell.enter("*", until="cancelled")
        await shell.enter(":close", until="(closed)")
        with pytest.raises(LocalError, match="no connection"):
            shell.shell.run_procedure(Noted().plan(), name="second")


async def test_work_is_done_aside_and_what_it_raises_comes_back(server: RecordingServer) -> None:
    def fail() -> None:
        raise LookupError("nothing there")

    def plan() -> Plan:
        number = yield from in_thread(lambda: threading.get_ident())
        assert number != threading.get_ident()
        try:
            yield from in_thread(fail)
        except LookupError as error:
            raise LocalError(f"it says: {error}") from error

    async with live(server) as shell:
        shell.shell.run_procedure(plan(), name="test")
        await shell.see(":test: it says: nothing there")


async def test_quiet_waits_for_the_greeting() -> None:
    go = threading.Event()
    greeted: list[Status | None] = []
    with ScriptedServer([Pause(go), Send(b"-ERR not today\r\n")]) as server:
        async with live(server, greeted=False) as shell:

            def plan() -> Plan:
                yield from quiet()
                greeted.append(shell.shell.session.core.greeted)

            await shell.until(lambda: shell.shell.connected)
            shell.shell.run_procedure(plan(), name="test")
            assert greeted == []
            go.set()
            await shell.until(lambda: greeted == [Status.ERR])


async def test_an_asked_secret_enters_no_history(server: RecordingServer) -> None:
    answers: list[str] = []

    def plan() -> Plan:
        answers.append((yield from ask("Password of bob at host: ")))

    async with live(server) as shell:
        await shell.enter("NOOP", until="C: NOOP")
        shell.shell.run_procedure(plan(), name="test")
        await shell.see("Password of bob at host:")
        await shell.type(":x y\\z")
        await shell.see("Password of bob at host: ******")
        shell.send("\r")
        await shell.until(lambda: answers == [":x y\\z"])
        assert list(shell.shell.prompt_session.history.get_strings()) == ["NOOP"]
        assert ":x y" not in shell.terminal.raw


async def test_a_narrow_screen_asks_briefly(server: RecordingServer) -> None:
    def plan() -> Plan:
        yield from ask("Password of bob at mail.example.org: ")

    async with live(server, columns=40) as shell:
        shell.shell.run_procedure(plan(), name="test")
        await shell.see("Password:")
        assert "mail.example.org" not in shell.text
