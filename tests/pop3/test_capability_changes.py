"""Two answers to CAPA, and the explanations of their differences."""

from __future__ import annotations

from poptalk.pop3.capabilities import (
    CapabilityAnswer,
    CapabilityChange,
    Change,
    compare_capabilities,
)


def answer(*lines: bytes, encrypted: bool = False, logged_in: bool = False) -> CapabilityAnswer:
    return CapabilityAnswer(encrypted=encrypted, logged_in=logged_in, lines=lines)


def compare(before: CapabilityAnswer, after: CapabilityAnswer) -> dict[bytes, CapabilityChange]:
    return {change.tag: change for change in compare_capabilities(before, after)}


def test_nothing_is_said_where_nothing_has_changed() -> None:
    assert compare(answer(b"TOP", b"SASL A B"), answer(b"sasl B A", b"top", logged_in=True)) == {}


def test_tls() -> None:
    before = answer(b"TOP", b"STLS", b"SASL CRAM-MD5")
    after = answer(b"TOP", b"USER", b"SASL CRAM-MD5 PLAIN", encrypted=True)
    changes = compare(before, after)
    assert {tag: change.difference for tag, change in changes.items()} == {
        b"USER": Change.CAME,
        b"SASL": Change.CHANGED,
        b"STLS": Change.WENT,
    }
    assert not any(change.odd for change in changes.values())
    assert changes[b"SASL"].after == (b"CRAM-MD5", b"PLAIN")


def test_stls_that_is_still_offered_in_tls_is_odd() -> None:
    changes = compare(answer(b"STLS"), answer(b"STLS", encrypted=True))
    assert changes[b"STLS"].difference is Change.STAYED
    assert changes[b"STLS"].odd


def test_the_login() -> None:
    before = answer(b"TOP", b"USER", b"SASL PLAIN", b"EXPIRE 0 USER", b"UIDL", b"STLS")
    after = answer(b"TOP", b"EXPIRE 30", b"IMPLEMENTATION X", b"XOIP", logged_in=True)
    changes = compare(before, after)
    assert {tag for tag, change in changes.items() if change.odd} == {b"USER", b"SASL", b"UIDL"}
    assert changes[b"EXPIRE"].clause.section == "6.7"
    assert changes[b"XOIP"].difference is Change.CAME


def test_stls_that_is_still_offered_after_the_login_is_odd() -> None:
    changes = compare(answer(b"STLS"), answer(b"STLS", logged_in=True))
    assert changes[b"STLS"].difference is Change.STAYED
    assert changes[b"STLS"].odd


def test_a_difference_without_any_reason_is_odd() -> None:
    changes = compare(answer(b"TOP"), answer(b"TOP", b"UIDL"))
    assert changes[b"UIDL"].odd
    assert "nothing has happened" in changes[b"UIDL"].why


def test_a_server_that_knows_no_capa_has_none() -> None:
    before = CapabilityAnswer(encrypted=False, logged_in=False, lines=None)
    assert set(compare(before, answer(b"TOP", encrypted=True))) == {b"TOP"}
    assert before.moment == "in the clear, before the login"
