"""What the RFCs say about a difference."""

from __future__ import annotations

import pytest

from poptalk.pop3.commands import VERBS
from poptalk.run.replay import Differed
from poptalk.run.report import views
from tests.run.replays import replayed
from tests.servers.recording import RecordingServer, by_keyword
from tests.shell.shells import place

OCTETS = VERBS[b"STAT"].fields[1]

ANSWERS = {
    b"STAT": b"+OK 3 6183\r\n",
    b"DELE": b"-ERR [SYS/TEMP] busy\r\n",
    b"LIST": b"+OK\r\n1 10\r\n.\r\n",
    b"RETR": b"+OK\r\nSubject: hi\r\n.\r\n",
    b"CAPA": b"+OK\r\nTOP\r\n.\r\n",
    b"NOOP": b"+OK\r\n",
    b"PASS": b"-ERR [AUTH] no\r\n",
}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("C: STAT\nS: +OK 3 6208\n", [f"'octets' is data: {OCTETS.meaning} [RFC 1939 §5]"]),
        (
            "C: DELE 1\nS: +OK\n",
            ["negative: ", "[RFC 3206 §4]", "DELE belongs to TRANSACTION, and this session is in"],
        ),
        ("C: STAT\nS: -ERR\n", ["positive: "]),
        ("C: PASS x\nS: -ERR [IN-USE]\n", ["a response code is for programs", "[RFC 2449 §8]"]),
        ("C: LIST\nS: +OK\nS: 1 11\nS: .\n", ["the lines of a listing are data [RFC 1939 §5]"]),
        (
            "C: RETR 1\nS: +OK\nS: Subject: ho\nS: .\n",
            ["a message is sent as it is stored, octet for octet [RFC 1939 §5]"],
        ),
        (
            "C: CAPA\nS: +OK\nS: STLS\nS: .\n",
            ["STLS: the command STLS is offered", "[RFC 2595 §4]"],
        ),
        ("C: CAPA\nS: +OK\nS: XYZ\nS: .\n", ["not in the IANA registry"]),
        ("C: NOOP\nS: +OK\nS: <close connection>\n", ["hangs up after its answer to QUIT"]),
    ],
)
def test_each_kind_of_difference(text: str, said: list[str]) -> None:
    with RecordingServer(reply=by_keyword(ANSWERS)) as server:
        result = replayed(f"S: +OK\n{text}", place(server), timeout=0.3)
    differed = result.occurrences[-1]
    assert isinstance(differed, Differed)
    sentences = " | ".join(views(differed))
    for each in said:
        assert each in sentences


def test_words_are_for_people() -> None:
    with RecordingServer(reply=by_keyword(ANSWERS)) as server:
        result = replayed("S: +OK\nC: NOOP\nS: +OK done\n", place(server), exact=True)
    differed = result.occurrences[-1]
    assert isinstance(differed, Differed)
    assert "the words are for people [RFC 1939 §9]" in " ".join(views(differed))
