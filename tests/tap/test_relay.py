"""In the clear: octets pass unchanged, ends and resets pass, and a slow reader costs no memory."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poptalk.tap import printer
from poptalk.tap import tap as tap_module
from tests.tap.running import SECONDS, End, Listener, RunningTap

LINES = (
    b"+OK ready\r\n", b"-ERR no\r\n", b"+ \r\n", b".\r\n", b"..\r\n", b"1 120\r\n", b"\n", b"\r\n",
    b"Subject: x\r\n", b"USER bob\r\n", b"PASS jones\r\n", b"AUTH PLAIN\r\n", b"RETR 1\r\n",
    b"LIST\r\n", b"CAPA\r\n", b"QUIT\r\n", b"STLS\r\n", b"\0\xff\x1b[2J", b"x" * 9000,
)  # fmt: skip

NOT_TAKEN = b"-ERR no TLS here\r\n"


@contextmanager
def relayed(tap: RunningTap, server: Listener) -> Iterator[tuple[End, End]]:
    """Give both ends of one session: the mail program's, and the server's."""
    with End.to(tap.port) as client, server.accept() as far:
        yield client, far


@pytest.fixture(scope="module")
def server() -> Iterator[Listener]:
    with Listener() as listener:
        yield listener


@pytest.fixture(scope="module")
def tap(server: Listener) -> Iterator[RunningTap]:
    with RunningTap(server.destination) as running:
        yield running


def octets() -> st.SearchStrategy[bytes]:
    """Octets as they are said, and any others."""
    return st.lists(st.sampled_from(LINES) | st.binary(max_size=40), max_size=12).map(b"".join)


@given(said=octets(), answered=octets(), cuts=st.lists(st.integers(1, 60), min_size=1, max_size=5))
@settings(max_examples=60)
def test_octets_pass_unchanged_cut_anywhere(
    tap: RunningTap, server: Listener, said: bytes, answered: bytes, cuts: list[int]
) -> None:
    # What comes behind STLS waits for its answer: see `test_what_comes_behind_a_refused_stls`.
    said = said.upper().replace(b"STLS", b"NOOP")
    with relayed(tap, server) as (client, far):
        for of_client, of_server in zip_longest(cut_up(said, cuts), cut_up(answered, cuts)):
            client.send(of_client or b"")
            far.send(of_server or b"")
        assert far.receive(len(said)) == said
        assert client.receive(len(answered)) == answered
        client.finish()
        assert far.rest() == b""
        far.finish()
        assert client.rest() == b""


def cut_up(octets: bytes, cuts: list[int]) -> Iterator[bytes]:
    """Cut octets into pieces of some sizes, in turn."""
    at, turn = 0, 0
    while at < len(octets):
        size = cuts[turn % len(cuts)]
        yield octets[at : at + size]
        at, turn = at + size, turn + 1


@given(behind=octets(), cuts=st.lists(st.integers(1, 9), min_size=1, max_size=3))
@settings(max_examples=20)
def test_what_comes_behind_a_refused_stls_passes_in_its_order(
    tap: RunningTap, server: Listener, behind: bytes, cuts: list[int]
) -> None:
    behind = behind.upper().replace(b"STLS", b"NOOP")
    with relayed(tap, server) as (client, far):
        far.send(b"+OK ready\r\n")
        assert client.line() == b"+OK ready\r\n"
        for piece in cut_up(b"stls\r\n" + behind, cuts):
            client.send(piece)
        assert far.line() == b"stls\r\n"
        far.send(NOT_TAKEN)
        assert client.line() == NOT_TAKEN
        client.finish()
        assert far.rest() == behind


def test_a_client_that_closes_its_side_still_hears_the_rest(
    tap: RunningTap, server: Listener
) -> None:
    with relayed(tap, server) as (client, far):
        far.send(b"+OK ready\r\n")
        assert client.line() == b"+OK ready\r\n"
        client.send(b"NOOP\r\n")
        client.finish()
        assert far.rest() == b"NOOP\r\n"
        far.send(b"+OK\r\n")
        far.close()
        assert client.rest() == b"+OK\r\n"
    tap.wait_for("the mail program has closed its side, and a reply is still due")


def test_a_server_that_closes_its_side_still_hears_the_rest(
    tap: RunningTap, server: Listener
) -> None:
    with relayed(tap, server) as (client, far):
        far.send(b"+OK ready\r\n")
        far.finish()
        assert client.rest() == b"+OK ready\r\n"
        client.send(b"QUIT\r\n")
        client.close()
        assert far.rest() == b"QUIT\r\n"
    tap.wait_for("the mail program goes on after the server has ended")


def test_a_reset_passes_and_is_named(server: Listener) -> None:
    with RunningTap(server.destination) as tap:
        with relayed(tap, server) as (client, far):
            far.send(b"+OK ready\r\n")
            assert client.line() == b"+OK ready\r\n"
            client.reset()
            with pytest.raises(ConnectionResetError):
                far.rest()
        tap.wait_for("1 #! the mail program reset the connection")
        with relayed(tap, server) as (client, far):
            far.send(b"+OK ready\r\n")
            assert client.line() == b"+OK ready\r\n"
            far.reset()
            with pytest.raises(ConnectionResetError):
                client.rest()
        tap.wait_for("2 #! the server reset the connection")


def test_a_server_that_cannot_be_reached_is_named() -> None:
    with Listener() as server:
        destination = server.destination
    with RunningTap(destination) as tap:
        with End.to(tap.port) as client, pytest.raises(ConnectionResetError):
            client.rest()
        tap.wait_for("1 #! 127.0.0.1 port N refused the connection: nothing listens there.")


class Flood(threading.Thread):
    """Sends many octets, and notes when nothing is taken any more."""

    def __init__(self, far: End, octets: int) -> None:
        super().__init__(daemon=True)
        self._far = far
        self._octets = octets
        self.stuck_after = 0
        self.stuck = threading.Event()

    def run(self) -> None:
        block, sent = (b"x" * 76 + b"\r\n") * 1024, 0
        self._far.sock.settimeout(0.5)
        while sent < self._octets:
            try:
                sent += self._far.sock.send(block[: self._octets - sent])
            except ConnectionError:
                return
            except TimeoutError:
                self.stuck_after = sent
                self.stuck.set()
                self._far.sock.settimeout(SECONDS)


def test_a_slow_reader_holds_the_server_up_and_costs_no_memory(
    tap: RunningTap, server: Listener
) -> None:
    octets = 60_000_000
    with relayed(tap, server) as (client, far):
        far.send(b"+OK ready\r\n")
        client.line()
        client.send(b"RETR 1\r\n")
        far.line()
        far.send(b"+OK\r\n")
        flood = Flood(far, octets)
        flood.start()
        assert flood.stuck.wait(SECONDS)
        # What the kernel keeps of two connections, and the little that is kept here.
        assert flood.stuck_after < octets / 2
        assert client.line() == b"+OK\r\n"
        left = octets
        while left:
            left -= len(client.receive(min(left, 1 << 20)))
        flood.join(SECONDS)


def test_a_reader_that_takes_nothing_does_not_hold_the_end_up(
    server: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tap_module, "GOODBYE_SECONDS", 0.1)
    with RunningTap(server.destination) as tap, relayed(tap, server) as (_client, far):
        flood = Flood(far, 200_000_000)
        flood.start()
        assert flood.stuck.wait(SECONDS)
        tap.stop()
        flood.join(SECONDS)


class StoppedScreen(io.StringIO):
    """A terminal on which somebody has pressed Ctrl-S."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = threading.Event()

    def write(self, text: str) -> int:
        assert self.goes_on.wait(SECONDS)
        return super().write(text)


def test_a_screen_that_stands_still_holds_nothing_up(
    server: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(printer, "LINES_BEHIND", 100)
    monkeypatch.setattr(printer, "MOST_LINES", 1000)
    screen = StoppedScreen()
    with RunningTap(server.destination, stream=screen, bodies="all") as tap:
        with relayed(tap, server) as (client, far):
            far.send(b"+OK ready\r\n")
            client.line()
            client.send(b"RETR 1\r\n")
            far.line()
            body = b"line\r\n" * 100_000
            far.send(b"+OK\r\n" + body[:60_000])
            client.receive(5 + 60_000)
            threading.Thread(target=far.send, args=(body[60_000:] + b".\r\n",), daemon=True).start()
            assert client.receive(len(body) - 60_000 + 3).endswith(b"line\r\n.\r\n")
            client.send(b"XYZZY\r\n" * 2000)
            assert far.receive(14_000) == b"XYZZY\r\n" * 2000
        screen.goes_on.set()
        tap.wait_for("lines were left out: the screen was too slow")
    # What is written at once is not counted among what waits.
    assert tap.shown.count("\n") < 20_000
