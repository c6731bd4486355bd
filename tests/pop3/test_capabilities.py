"""Capabilities and response codes: the registries, and how lines are parsed."""

from __future__ import annotations

import pytest

from poptalk.pop3.capabilities import CAPABILITIES, FULL_CAPABILITIES, Capability, parse_capability
from poptalk.pop3.commands import VERBS
from poptalk.pop3.replies import RESPONSE_CODES, find_response_code


def test_the_registries_are_complete() -> None:
    capabilities = (
        "TOP USER SASL RESP-CODES LOGIN-DELAY PIPELINING EXPIRE UIDL IMPLEMENTATION STLS "
        "AUTH-RESP-CODE UTF8 LANG"
    )
    assert list(CAPABILITIES) == capabilities.encode().split()
    assert list(RESPONSE_CODES) == b"LOGIN-DELAY IN-USE SYS/TEMP SYS/PERM AUTH UTF8".split()


def test_every_capability_that_a_command_needs_or_a_code_names_is_registered() -> None:
    needed = {verb.capability for verb in VERBS.values() if verb.capability}
    assert needed | {code.capability for code in RESPONSE_CODES.values()} <= set(CAPABILITIES)


@pytest.mark.parametrize(
    ("line", "tag", "parameters"),
    [
        (b"TOP", b"TOP", ()),
        (b"expire 60 USER", b"EXPIRE", (b"60", b"USER")),
        (b"SASL PLAIN  LOGIN ", b"SASL", (b"PLAIN", b"LOGIN")),
        (b"", b"", ()),
        (b" \t", b"", ()),
        (b"\xff\x00 x", b"\xff\x00", (b"x",)),
    ],
)
def test_a_line_is_taken_apart(line: bytes, tag: bytes, parameters: tuple[bytes, ...]) -> None:
    assert parse_capability(line) == Capability(tag=tag, parameters=parameters)


def test_a_private_tag_is_not_registered() -> None:
    assert parse_capability(b"X-GOOGLE-RICO").registered is None
    stls = parse_capability(b"stls").registered
    assert stls is not None
    assert str(stls.clause) == "RFC 2595 §4"


def test_stls_is_listed_only_where_it_is_permitted() -> None:
    lists = [
        FULL_CAPABILITIES.lines(encrypted=encrypted, logged_in=logged_in)
        for encrypted in (False, True)
        for logged_in in (False, True)
    ]
    assert [b"STLS" in lines for lines in lists] == [True, False, False, False]


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (b"IN-USE", b"IN-USE"),
        (b"in-use", b"IN-USE"),
        (b"SYS/TEMP/DISK", b"SYS/TEMP"),
        (b"AUTH/EXPIRED", b"AUTH"),
        (b"SYS", None),
        (b"", None),
        (b"X-OTHER", None),
    ],
)
def test_a_code_is_found_by_its_longest_known_beginning(code: bytes, name: bytes | None) -> None:
    row = find_response_code(code)
    assert (row.name if row else None) == name
