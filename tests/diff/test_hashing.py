"""Hashing a message in pieces, wherever it is cut."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poptalk.diff.fetch import Digests, Hashing


def hashed(*pieces: bytes) -> Digests:
    hashing = Hashing()
    for piece in pieces:
        hashing.feed(piece)
    return hashing.digests()


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (b"Subject: hi\r\n\r\n", b"Hello\r\n\r\nthere\r\n"),
        (b"Subject: hi\n\n", b"Hello\n\n"),
        (b"\r\n", b"no header\r\n"),
        (b"Subject: a header and nothing else\r\n", b""),
        (b"", b""),
    ],
)
def test_header_and_body_are_told_apart(header: bytes, body: bytes) -> None:
    found = hashed(header + body)
    assert found.header == hashlib.sha256(header).digest()
    assert found.body == hashlib.sha256(body).digest()
    assert found.octets == len(header + body)


@given(st.lists(st.binary(max_size=4).map(lambda b: b.replace(b"\x00", b"\r\n")), max_size=12))
def test_the_cuts_do_not_matter(pieces: list[bytes]) -> None:
    assert hashed(*pieces) == hashed(b"".join(pieces))


@given(st.lists(st.sampled_from([b"\n", b"\r", b"\r\n", b"a", b"\n\n"]), max_size=12))
def test_the_cuts_do_not_matter_near_the_empty_line(pieces: list[bytes]) -> None:
    assert hashed(*pieces) == hashed(b"".join(pieces))
