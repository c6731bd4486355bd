"""Byte-stuffing, both ways, cut anywhere."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poptalk.pop3.replies import TERMINATION, Unstuffer, stuff, terminate

BODIES = {
    b"": b".\r\n",
    b"\r\n": b"\r\n.\r\n",
    b".\r\n": b"..\r\n.\r\n",
    b"..\r\n": b"...\r\n.\r\n",
    b".a\r\nb.\r\n.c\r\n": b"..a\r\nb.\r\n..c\r\n.\r\n",
    b"a\r\n.\r\nb\r\n": b"a\r\n..\r\nb\r\n.\r\n",
    b"\r\n\r\n.\r\n.\r\n": b"\r\n\r\n..\r\n..\r\n.\r\n",
    b"no end": b"no end\r\n.\r\n",
    b"bare\n.\nlf\r\n": b"bare\n..\nlf\r\n.\r\n",
}

# Few different octets, so that dots and line ends come in every order.
texts = st.lists(st.sampled_from([b".", b"\r\n", b"\r", b"\n", b"a", b"\r\n.\r\n"])).map(b"".join)


def cut(data: bytes, positions: list[int]) -> list[bytes]:
    """Cut octets at positions, which may repeat."""
    edges = sorted({0, len(data), *(position % (len(data) + 1) for position in positions)})
    return [data[a:b] for a, b in itertools.pairwise(edges)]


@pytest.mark.parametrize(("body", "wire"), BODIES.items())
def test_stuffed_and_terminated_at_every_cut(body: bytes, wire: bytes) -> None:
    assert b"".join(stuff([body])) == wire
    for position in range(len(body) + 1):
        assert b"".join(stuff([body[:position], b"", body[position:]])) == wire
    assert b"".join(stuff(bytes([octet]) for octet in body)) == wire


@pytest.mark.parametrize(("body", "wire"), BODIES.items())
def test_unstuffed_at_every_cut(body: bytes, wire: bytes) -> None:
    whole = body if body.endswith(b"\n") or not body else body + b"\r\n"
    assert Unstuffer().feed(wire) == whole
    for position in range(len(wire) + 1):
        unstuffer = Unstuffer()
        assert unstuffer.feed(wire[:position]) + unstuffer.feed(wire[position:]) == whole
    unstuffer = Unstuffer()
    assert b"".join(unstuffer.feed(bytes([octet])) for octet in wire) == whole


@given(
    texts, st.lists(st.integers(0, 1000), max_size=4), st.lists(st.integers(0, 1000), max_size=4)
)
def test_there_and_back_again(body: bytes, cuts: list[int], other_cuts: list[int]) -> None:
    wire = b"".join(stuff(cut(body, cuts)))
    assert wire.endswith(TERMINATION)
    assert b"\n.\r\n" not in b"\n" + wire[:-3], "the reply would end early"
    unstuffer = Unstuffer()
    back = b"".join(unstuffer.feed(piece) for piece in cut(wire, other_cuts))
    assert back == (body if not body or body.endswith(b"\n") else body + b"\r\n")


def test_a_dot_that_begins_a_chunk_after_a_large_one() -> None:
    """Twisted sent such a line unstuffed, if it began at octet 16,384 of the message."""
    first = b"x" * 16_382 + b"\r\n"
    assert b"".join(stuff([first, b".\r\n"])) == first + b"..\r\n.\r\n"


def test_a_reply_with_lf_alone_is_unstuffed_too() -> None:
    assert Unstuffer().feed(b"a\n..\n.\n") == b"a\n.\n"


def test_lines_without_dots_are_only_terminated() -> None:
    assert b"".join(terminate([b"a\r\n", b"b\r\n"])) == b"a\r\nb\r\n.\r\n"
