"""Message text as it travels."""

from __future__ import annotations

import hashlib
import io

import pytest

from poptalk.practice.maildrop import snapshot as module
from poptalk.practice.maildrop.snapshot import canonical, canonical_blocks, measure, stored_blocks

STORED_AND_TRAVELLING = [
    (b"a\nb\n", b"a\r\nb\r\n"),
    (b"a\r\nb\r\n", b"a\r\nb\r\n"),
    (b"a\r\nb\n", b"a\r\nb\r\n"),
    (b"no end", b"no end\r\n"),
    (b"half an end\r", b"half an end\r\n"),
    (b"a\rb\n", b"a\rb\r\n"),
    (b"a\r\r\nb\n", b"a\r\r\nb\r\n"),
    (b"", b""),
    (b"\n", b"\r\n"),
    (b"\r", b"\r\n"),
]


@pytest.mark.parametrize(("stored", "travels"), STORED_AND_TRAVELLING)
@pytest.mark.parametrize("block", [1, 2, 3, 1000])
def test_line_ends_are_made_crlf_whatever_the_blocks(
    stored: bytes, travels: bytes, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK_OCTETS", block)
    blocks = list(stored_blocks(io.BytesIO(stored)))
    assert max(map(len, blocks), default=0) <= block
    assert b"".join(canonical_blocks(blocks)) == travels
    assert measure(canonical_blocks(blocks)).octets == len(travels)


def test_canonical_is_done_only_once() -> None:
    assert canonical(canonical(b"a\nb\r\nc\n")) == b"a\r\nb\r\nc\r\n"


def test_a_part_of_a_file_is_read_and_no_more() -> None:
    file = io.BytesIO(b"0123456789")
    file.seek(2)
    assert b"".join(stored_blocks(file, 5)) == b"23456"
    assert list(stored_blocks(file, 0)) == []
    assert b"".join(stored_blocks(file, 99)) == b"789"


@pytest.mark.parametrize(
    ("content", "dots"),
    [
        (b".a\r\n", True),
        (b"a\r\n.\r\n", True),
        (b"a.\r\n", False),
        (b"a\r\n.", True),
        (b"a\r\n", False),
        (b"", False),
    ],
)
def test_dots_at_the_beginning_of_a_line_are_found_at_every_cut(content: bytes, dots: bool) -> None:
    for cut in range(len(content) + 1):
        pieces = [piece for piece in (content[:cut], content[cut:]) if piece]
        assert measure(pieces).has_dot_lines is dots


def test_measuring_feeds_a_hasher() -> None:
    hasher = hashlib.blake2b(b"name")
    measure([b"a", b"b"], hasher=hasher)
    assert hasher.digest() == hashlib.blake2b(b"nameab").digest()
