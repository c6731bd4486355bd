"""Octets that come late, in pieces, or not at all: what leaves, and that all of it does."""

from __future__ import annotations

import itertools
import math
import poplib
import ssl
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poptalk.practice.faults.fault import Action, EarlyEnd, Fault, Pause
from poptalk.practice.faults.faults import DRIP_OCTETS
from poptalk.practice.faults.plan import FaultPlan, read_rule
from poptalk.practice.server import Server
from tests.practice.talking import SECONDS, connected, greeted

LETTER = b"Subject: dots\r\n\r\nbefore\r\n.\r\nafter\r\n"
LINES = LETTER.removesuffix(b"\r\n").split(b"\r\n")

STREAM = b"+OK\r\n.\r\n+OK ready\r\n1 2\r\n..\r\n.\r\n\r\n.\r\n-ERR .\r\n"
"""Replies, three of them with the end of a multi-line reply, one of these with nothing before it."""

ENDS = [at + 3 for at in range(len(STREAM)) if STREAM.startswith(b"\r\n.\r\n", at)]
"""Where a lone dot has left and its CRLF has not."""


def begun(rule: str, *, seed: int = 0) -> Fault:
    return read_rule(rule, accounts=()).fault.begin(Random(seed))


def delivered(fault: Fault, stream: bytes, cuts: Sequence[int]) -> list[Action]:
    """Return all actions for a stream that is cut."""
    edges = [0, *sorted(cuts), len(stream)]
    pieces = [stream[start:stop] for start, stop in itertools.pairwise(edges)]
    return [action for piece in pieces for action in fault.deliver(piece) or (piece,)]


def octets(actions: Sequence[Action]) -> bytes:
    return b"".join(action for action in actions if isinstance(action, bytes))


cuts = st.lists(st.integers(0, len(STREAM)), max_size=6)


@given(cuts)
def test_the_terminator_is_split_wherever_the_stream_is_cut(cuts: list[int]) -> None:
    actions = delivered(begun("split-terminator:5s"), STREAM, cuts)
    pauses = [number for number, action in enumerate(actions) if action == Pause(seconds=5)]
    places = [len(octets(actions[:number])) for number in pauses]
    assert octets(actions) == STREAM
    # Where the stream was cut between CR and LF, that is as near as one can come.
    assert len(places) == len(ENDS) == 3
    assert all(place - end in (0, 1) for place, end in zip(places, ENDS, strict=True))


@given(cuts, st.integers(0, len(STREAM) + 3))
def test_what_happens_after_some_octets_happens_there(cuts: list[int], after: int) -> None:
    actions = delivered(begun(f"drop-after:{after}"), STREAM, cuts)
    happened = EarlyEnd.CLOSE in actions
    assert happened == (after <= len(STREAM))
    if happened:
        assert octets(actions[: actions.index(EarlyEnd.CLOSE)]) == STREAM[:after]


@pytest.mark.parametrize(
    ("rule", "happens"),
    [
        ("stall:3", Pause(seconds=math.inf)),
        ("drop-after:3", EarlyEnd.CLOSE),
        ("reset:3", EarlyEnd.RESET),
    ],
)
def test_what_happens(rule: str, happens: Action) -> None:
    actions = delivered(begun(rule), b"+OK\r\n", ())
    assert [action for action in actions if action != b""] == [b"+OK", happens]


@given(st.integers())
def test_drops_are_the_same_for_the_same_seed(seed: int) -> None:
    actions = delivered(begun("drip:1ms", seed=seed), STREAM, ())
    assert actions == delivered(begun("drip:1ms", seed=seed), STREAM, ())
    assert octets(actions) == STREAM
    drops = [len(action) for action in actions if isinstance(action, bytes)]
    assert 1 <= min(drops) <= max(drops) <= DRIP_OCTETS
    assert actions[1::2] == [Pause(seconds=0.001)] * (len(drops) - 1)


def test_each_connection_has_chance_of_its_own_from_the_seed() -> None:
    plans = [FaultPlan(["drip"], accounts=(), seed=seed) for seed in (1, 1, 2)]
    drops = [[list(plan.begin().deliver(STREAM * 9)) for _ in range(2)] for plan in plans]
    assert drops[0] == drops[1] != drops[2]
    assert drops[0][0] != drops[0][1]


def test_faults_of_the_way_act_one_after_the_other() -> None:
    faults = FaultPlan(["drop-after:20", "slow:3s", "drip:1s"], accounts=(), seed=1).begin()
    actions = list(faults.deliver(STREAM))
    ended = actions.index(EarlyEnd.CLOSE)
    assert octets(actions[:ended]) == STREAM[:20]
    assert {Pause(seconds=3), Pause(seconds=1)} <= set(actions[:ended])


@pytest.fixture(scope="module")
def maildrop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("maildrop")
    (folder / "1.eml").write_bytes(LETTER)
    return folder


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("fault", ["slow:5ms", "drip:1ms", "split-terminator:5ms"])
def test_a_patient_client_gets_everything(maildrop: Path, fault: str, tls: bool) -> None:
    with Server(persona="plain", maildrop=maildrop, faults=[fault]) as server:
        client = poplib.POP3(server.host, server.port, timeout=SECONDS)
        if tls:
            client.stls(ssl.create_default_context(cafile=server.ca_file))
        client.user("bob")
        client.pass_("jones")
        assert client.retr(1)[1] == LINES
        assert client.quit().startswith(b"+OK")


def test_commands_behind_a_pause_are_answered_in_their_turn(maildrop: Path) -> None:
    answers = []
    for faults in ((), ("split-terminator:5ms", "slow:5ms")):
        server = Server(persona="plain", maildrop=maildrop, faults=faults)
        with server, greeted(server) as talk:
            talk.sock.sendall(b"USER bob\r\nPASS jones\r\nRETR 1\r\nSTAT\r\nQUIT\r\n")
            answers.append(talk.rest())
    assert answers[0] == answers[1]
    assert answers[0].count(b"+OK") == 5


def test_what_was_marked_stays_if_the_connection_is_dropped(maildrop: Path) -> None:
    server = Server(persona="plain", maildrop=maildrop, shared=True, faults=["#1=drop-after:150"])
    with server, connected(server) as talk:
        talk.sock.sendall(b"USER bob\r\nPASS jones\r\nDELE 1\r\n" + 20 * b"NOOP\r\n")
        assert len(talk.rest()) == 150
        with greeted(server) as next_one:
            assert next_one.log_in().startswith(b"+OK")
            assert next_one.say(b"STAT") == b"+OK 1 35"


def test_a_reset_gives_the_lock_back(maildrop: Path) -> None:
    server = Server(persona="plain", maildrop=maildrop, shared=True, faults=["#1=reset:140"])
    with server, connected(server) as talk:
        talk.sock.sendall(b"USER bob\r\nPASS jones\r\nRETR 1\r\n")
        with pytest.raises(ConnectionResetError):
            talk.rest()
        with greeted(server) as next_one:
            assert next_one.log_in().startswith(b"+OK")
