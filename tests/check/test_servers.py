"""Checks that need a server of their own, and what a run does with locks, delays and refused logins."""

from __future__ import annotations

import itertools
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from poptalk.check import probes, runner
from poptalk.check.model import CHECKS, CheckVerdict, Permit
from poptalk.net.connection import Link
from poptalk.net.endpoint import Destination
from poptalk.pop3.commands import Command
from poptalk.pop3.server.transaction import Maildrop
from poptalk.practice.certificates import Certificates
from poptalk.practice.faults.fault import ServerHooks
from poptalk.practice.maildrop.snapshot import AnotherMaildrop
from poptalk.practice.server import PracticeDestination
from poptalk.session.client import Client
from tests.check.checking import beside, check, only, problems, serving
from tests.servers.loopback import Channel, LoopbackServer


def destination(server: LoopbackServer) -> Destination:
    return Destination(host=server.host, port=server.port)


class RefusesPieces(LoopbackServer):
    """Refuses CAPA on the connections on which it comes in pieces, which are every third.

    To look at the segments would be a matter of luck: TCP may join them.
    """

    def __init__(self) -> None:
        super().__init__()
        self._count = itertools.count(1)

    def converse(self, channel: Channel) -> None:
        answer = b"-ERR\r\n" if next(self._count) % 3 == 2 else b"+OK\r\nUSER\r\n.\r\n"
        channel.send(b"+OK\r\n")
        while True:
            line = channel.receive_until(b"\n").strip().upper()
            channel.send(answer if line == b"CAPA" else b"+OK\r\n")
            if line == b"QUIT":
                return


def test_a_server_that_refuses_a_command_in_pieces_is_found() -> None:
    with RefusesPieces() as server:
        results = check(destination(server), only("robust/octet-by-octet"), permit=Permit.NOTHING)
    assert problems(results) == {"robust/octet-by-octet"}


def test_a_server_that_waits_for_crlf_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "SILENCE_SECONDS", 0.3)
    with serving(persona="solid") as practice:
        results = check(practice, only("robust/bare-lf"), permit=Permit.NOTHING)
    assert results["robust/bare-lf"].verdict is CheckVerdict.NOTE


class WithTls(LoopbackServer):
    """Has CAPA and STLS, and nothing else.

    Args:
        greets_again: whether it greets inside TLS.
        forgets: whether it offers STLS to nobody after the first session with TLS.
    """

    def __init__(
        self, context: ssl.SSLContext, *, greets_again: bool = False, forgets: bool = False
    ) -> None:
        super().__init__()
        self._context = context
        self._greets_again = greets_again
        self._forgets = forgets
        self._had_tls = False

    def converse(self, channel: Channel) -> None:
        encrypted = False
        channel.send(b"+OK\r\n")
        while True:
            line = channel.receive_until(b"\n").strip().upper()
            offers = not encrypted and not (self._forgets and self._had_tls)
            if line == b"CAPA":
                channel.send(b"+OK\r\nUSER\r\n%b.\r\n" % (b"STLS\r\n" if offers else b""))
            elif line == b"QUIT":
                channel.send(b"+OK\r\n")
                return
            elif line == b"STLS" and offers:
                channel.send(b"+OK\r\n")
                channel.start_tls(self._context)
                encrypted = self._had_tls = True
                if self._greets_again:
                    channel.send(b"+OK again\r\n")
            else:
                channel.send(b"-ERR\r\n")


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("rfc2595/4/no-second-greeting", {"greets_again": True}),
        ("rfc2595/4/isolation", {"forgets": True}),
    ],
)
def test_tls_that_shows_at_other_moments_is_found(name: str, wrong: dict[str, bool]) -> None:
    rows = [each for each in CHECKS.values() if set(each.probes) == {"stls"}]
    with WithTls(Certificates().server_context(), **wrong) as server:
        results = check(destination(server), rows, permit=Permit.NOTHING)
    assert problems(results) == {name}


# Servers that lose mail.


class Losing(ServerHooks):
    """Shows fewer messages in the sessions after one in which something was said."""

    def __init__(self, state: dict[str, int], losing: Callable[[list[bytes]], int]) -> None:
        self._state = state
        self._losing = losing
        self._said: list[bytes] = []
        self._is_in = False

    def command(self, command: Command) -> Command:
        if self._is_in:
            self._said.append(command.keyword)
            self._state["next"] = self._losing(self._said)
        return command

    def maildrop(self, maildrop: Maildrop) -> Maildrop:
        self._state["lost"] = self._state.get("lost", 0) + self._state.pop("next", 0)
        self._is_in = True
        return Fewer(maildrop, self._state["lost"])


class Fewer(AnotherMaildrop):
    """A maildrop without its last messages."""

    def __init__(self, maildrop: Maildrop, lost: int) -> None:
        super().__init__(maildrop)
        self._lost = lost

    @property
    def count(self) -> int:
        return max(0, super().count - self._lost)


def after_rset_and_quit(said: list[bytes]) -> int:
    return int(b"RSET" in said and b"DELE" in said and said[-1] == b"QUIT")


def without_quit(said: list[bytes]) -> int:
    return int(b"DELE" in said and b"QUIT" not in said)


def with_quit(said: list[bytes]) -> int:
    return int(b"DELE" in said and b"RSET" not in said and said[-1] == b"QUIT")


@pytest.mark.parametrize(
    ("name", "losing"),
    [
        ("rfc1939/6/rset-quit-keeps", after_rset_and_quit),
        ("rfc1939/6/drop-keeps", without_quit),
        ("rfc1939/6/quit-only-marked", with_quit),
    ],
)
def test_a_server_that_loses_mail_is_found(
    tmp_path: Path, name: str, losing: Callable[[list[bytes]], int]
) -> None:
    for number in range(9):
        (tmp_path / f"{number}.eml").write_bytes(b"Subject: %d\r\n\r\nHi.\r\n" % number)
    state: dict[str, int] = {}
    with serving(lambda: Losing(state, losing), maildrop=tmp_path) as practice:
        results = check(practice, beside(CHECKS[name]))
    assert problems(results) == {name}


def test_a_server_that_deletes_nothing_is_found() -> None:
    with serving(own=False) as practice:
        results = check(practice, beside(CHECKS["rfc1939/6/quit-commits"]))
    assert problems(results) == {"rfc1939/6/quit-commits"}


# Locks, delays, and refusals.


def test_a_maildrop_in_use_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "IN_USE_SECONDS", 0.01)
    with serving(faults=["#1-3=locked"]) as practice:
        results = check(practice, only("rfc1939/5/stat-format"))
    assert results["rfc1939/5/stat-format"].verdict is CheckVerdict.PASS


def test_a_maildrop_that_stays_in_use_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "IN_USE_SECONDS", 0.01)
    monkeypatch.setattr(runner, "MOST_SECONDS_WAITED", 0.05)
    with serving(faults=["locked"]) as practice:
        results = check(practice, only("rfc1939/5/list-*"))
    of_login = {each.verdict for name, each in results.items() if "before-login" not in name}
    assert of_login <= {CheckVerdict.SKIP, CheckVerdict.UNCLEAR}


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ("login-delay:0.3s", "rfc1939/7/uidl-persists"),
        ("#2-3=login-delay:0.3s", "rfc5034/4/login-works"),
    ],
)
def test_a_delay_between_logins_is_waited_for(fault: str, name: str) -> None:
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        time.sleep(0.31)

    with serving(faults=[fault]) as practice:
        results = check(practice, only(name), sleep=sleep)
    assert results[name].verdict is CheckVerdict.PASS
    assert waited == [2.0]  # the server announces whole seconds, and there is one more to be sure


def test_one_refused_login_is_the_last() -> None:
    with serving(record=True) as practice:
        results = check(practice, secret="wrong")
        said = [line for session in practice.server.sessions for line in session.commands]
    assert said.count(b"PASS wrong") == 1
    assert results["rfc1939/5/stat-format"].verdict is CheckVerdict.SKIP
    assert results["rfc2449/3/capa-syntax"].verdict is CheckVerdict.PASS


# One server is always judged the same, and is as it was.


def test_ten_runs_say_the_same() -> None:
    with serving(faults=["uidl-without-number", "wrong-octets:-3"]) as practice:
        rows = [
            each for each in CHECKS.values() if set(each.probes) <= {"capa", "listings", "reading"}
        ]
        runs = [check(practice, rows, permit=Permit.LOGIN) for _ in range(10)]
    verdicts = [{name: each.verdict for name, each in run.items()} for run in runs]
    assert all(each == verdicts[0] for each in verdicts)
    assert problems(runs[0]) == {"rfc1939/7/uidl-one", "rfc1939/5/size-exact"}


def mailbox(practice: PracticeDestination) -> list[tuple[int, bytes, bytes]]:
    """Return size, unique-id and content of each message."""
    with Link.open(practice.target, timeout=10) as link:
        client = Client(link, practice)
        client.greeting()
        client.ask(b"USER bob")
        client.ask(b"PASS jones")
        sizes = [line.split()[1] for line in client.ask(b"LIST").listing()]
        ids = [line.split()[1] for line in client.ask(b"UIDL").listing()]
        found = [
            (int(size), unique_id, b"".join(client.ask(b"RETR %d" % number).content()))
            for number, (size, unique_id) in enumerate(zip(sizes, ids, strict=True), 1)
        ]
        client.ask(b"QUIT")
    return found


def test_a_mailbox_is_as_it_was() -> None:
    with serving() as practice:
        before = mailbox(practice)
        check(practice, permit=Permit.LOGIN | Permit.INTRUDE)
        assert mailbox(practice) == before


def test_the_destructive_checks_delete_one_message() -> None:
    with serving() as practice:
        before = mailbox(practice)
        check(practice)
        assert mailbox(practice) == before[:-1]


def test_sessions_that_are_checked_end_with_quit() -> None:
    with serving(record=True) as practice:
        check(practice, permit=Permit.LOGIN)
        logged_in = [each.commands for each in practice.server.sessions if each.user is not None]
    assert len(logged_in) > 5
    assert {commands[-1] for commands in logged_in} == {b"QUIT"}
