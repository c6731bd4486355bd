"""Escaping, and who ended a connection."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poptalk.net.errors import (
    EndedBy,
    ending_in_clear,
    ending_of,
    looks_like_tls,
    peer_name,
    printable,
)


@given(st.text())
def test_printable_text_holds_nothing_else(text: str) -> None:
    assert printable(text, limit=10_000).isprintable()


@given(st.text(alphabet=st.characters(codec="ascii", categories=["L", "N", "P"]), max_size=300))
def test_printable_text_stays_as_it_is_but_for_backslashes(text: str) -> None:
    assert printable(text) == text.replace("\\", "\\\\")


def test_escapes_are_pythons_own() -> None:
    assert printable("a\x1b[2J\u202eb\\") == r"a\x1b[2J\u202eb\\"


def test_a_long_text_is_shortened() -> None:
    assert printable("x" * 1000, limit=10) == "x" * 10 + "..."


def test_a_host_cannot_draw_on_the_screen() -> None:
    assert peer_name("evil\x9b", 110) == r"evil\x9b port 110"


@pytest.mark.parametrize("data", [b"\x15\x03\x01\x00\x02\x02\x28", b"\x16\x03\x03", b"\x15\x03"])
def test_a_tls_record_is_recognised(data: bytes) -> None:
    assert looks_like_tls(data)


@pytest.mark.parametrize("data", [b"", b"\x15", b"+OK ready\r\n", b"\x14\x03\x01", b"\x15\x04"])
def test_other_octets_are_no_tls_record(data: bytes) -> None:
    assert not looks_like_tls(data)


@pytest.mark.parametrize("code", [errno.ECONNRESET, errno.EPIPE])
def test_a_reset_is_the_servers_doing(code: int) -> None:
    ending = ending_of(OSError(code, "ignored"))
    assert (ending.by, ending.clean) == (EndedBy.SERVER, False)
    assert str(ending) == "the server reset the connection"


def test_what_lies_between_is_the_networks_doing() -> None:
    ending = ending_of(OSError(errno.EHOSTUNREACH, "No route to host"))
    assert ending.by is EndedBy.NETWORK
    assert str(ending) == "the network broke the connection (no route to host)"


def test_a_network_that_breaks_before_the_greeting_says_nothing_about_tls() -> None:
    assert "--tls" not in str(ending_in_clear(None, OSError(errno.EHOSTUNREACH, "No route")))
    assert "--tls" in str(ending_in_clear(None, OSError(errno.ECONNRESET, "Reset")))
