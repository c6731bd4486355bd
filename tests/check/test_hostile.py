"""Servers that answer at random: nothing that they say ends a run, or keeps it for ever."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping

import pytest

from poptalk.check import connection, probes, report, runner
from poptalk.net.endpoint import Destination
from poptalk.run.report import junit
from tests.check.checking import check
from tests.servers.recording import RecordingServer, by_keyword
from tests.servers.scripted import Rule, keyword_of

RIGHT: Mapping[bytes, bytes] = {
    b"CAPA": b"+OK\r\nTOP\r\nUIDL\r\nUSER\r\nSASL PLAIN\r\nPIPELINING\r\n.\r\n",
    b"USER": b"+OK\r\n",
    b"PASS": b"+OK\r\n",
    b"STAT": b"+OK 2 100\r\n",
    b"LIST": b"+OK\r\n1 50\r\n2 50\r\n.\r\n",
    b"UIDL": b"+OK\r\n1 a\r\n2 b\r\n.\r\n",
    b"RETR": b"+OK\r\nA: b\r\n\r\nx\r\n.\r\n",
    b"TOP": b"+OK\r\nA: b\r\n\r\n.\r\n",
    b"DELE": b"+OK\r\n",
    b"RSET": b"+OK\r\n",
    b"NOOP": b"+OK\r\n",
    b"QUIT": b"+OK\r\n",
}

PIECES = (
    *(b"+OK", b"-ERR", b"+ ", b"+", b" ", b"1", b"2", b"0", b"9" * 30, b"-1", b"x", b"\xff\x00"),
    *(b"[IN-USE]", b"[", b"]", b"\r\n", b"\n", b".\r\n", b"..\r\n", b"TOP\r\n", b"STLS\r\n"),
    *(b"SASL PLAIN LOGIN CRAM-MD5\r\n", b"EXPIRE 0\r\n", b"LOGIN-DELAY 1\r\n", b"<a@b>", b"AAAA"),
)


def at_random(chance: random.Random) -> Rule:
    """Make a rule that is right more often than not, and anything else otherwise."""
    right = by_keyword(RIGHT)

    def rule(line: bytes) -> bytes:
        if chance.random() < (0.95 if keyword_of(line) in (b"USER", b"PASS") else 0.6):
            return right(line)
        said = b"".join(chance.choice(PIECES) for _ in range(chance.randint(1, 8)))
        begin, end = (
            chance.choice((b"+OK ", b"-ERR ", b"+OK\r\n", b"")),
            chance.choice((b".\r\n", b"")),
        )
        return begin + said + b"\r\n" + end

    return rule


@pytest.mark.parametrize("seed", range(4))
def test_a_server_that_answers_at_random_is_reported(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(probes, "SILENCE_SECONDS", 0.05)
    monkeypatch.setattr(connection, "CLOSE_SECONDS", 0.02)
    monkeypatch.setattr(runner, "RETRY_SECONDS", (0.01,))
    monkeypatch.setattr(runner, "IN_USE_SECONDS", 0.01)
    monkeypatch.setattr(runner, "MOST_SECONDS_WAITED", 0.02)
    rule = at_random(random.Random(seed))
    with RecordingServer(reply=rule, closing_keyword=b"QUIT") as server:
        destination = Destination(host=server.host, port=server.port)
        results = list(check(destination, timeout=0.05, patience=0.005).values())
    shown = list(report.on_screen(results, known={}, columns=60, everything=True))
    text = "".join(part for line in shown for _, part in line)
    assert text.isprintable()
    assert json.loads(report.as_json("x", results, {}))["target"] == "x"
    assert junit([report.as_suite(results, {}, seconds=1)], name="x")
    assert "\x00" not in report.as_html("x", results, {})
