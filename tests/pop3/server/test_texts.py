"""What a server says: the table of occasions, and the fields in braces."""

from __future__ import annotations

import pytest

from poptalk.pop3.replies import MAX_REPLY_OCTETS, RESPONSE_CODES, Status
from poptalk.pop3.server.texts import MAX_FIELD_OCTETS, OCCASIONS, Occasion, TextError, Texts, shown


def test_an_occasion_is_found_by_its_key() -> None:
    assert OCCASIONS["no-such-message"] is Occasion.NO_SUCH_MESSAGE
    assert len(OCCASIONS) == len(Occasion)


def test_an_occasion_is_like_one_that_there_is() -> None:
    for occasion in Occasion:
        assert occasion.like is None or OCCASIONS[occasion.like].status is occasion.status


def test_the_default_words_can_be_used_and_name_only_registered_codes() -> None:
    Texts()
    for occasion in Occasion:
        assert occasion.status in (Status.OK, Status.ERR)
        assert occasion.code is None or occasion.code in RESPONSE_CODES


def test_fields_are_filled_in() -> None:
    texts = Texts({Occasion.NO_SUCH_MESSAGE: "{number}? Only {count}!"})
    assert texts.fill(Occasion.NO_SUCH_MESSAGE, {"number": 9, "count": b"3"}) == b"9? Only 3!"


def test_a_field_without_content_leaves_no_blank_behind() -> None:
    assert Texts().fill(Occasion.GREETING, {"timestamp": b""}) == b"POP3 server ready"


def test_an_empty_text_says_nothing() -> None:
    assert Texts({Occasion.GREETING: ""}).fill(Occasion.GREETING, {}) == b""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ready {number}", "the fields of greeting are {timestamp}"),
        ("ready {timestamp", "is no field here"),
        ("ready }", "stands alone"),
        ("ready\r\n+OK injected", "printable ASCII"),
        ("fertig für Sie", "printable ASCII"),
        ("x" * 495, "octets at most"),
        ("{timestamp}" * 6, "octets at most"),
    ],
)
def test_a_text_that_cannot_be_used_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(TextError, match=why):
        Texts({Occasion.GREETING: text})


def test_the_longest_line_keeps_to_512_octets() -> None:
    text = "x" * 401 + "{number}"
    filled = Texts({Occasion.MESSAGE_DELETED: text}).fill(
        Occasion.MESSAGE_DELETED, {"number": b"9" * 1000}
    )
    assert len(filled) == 401 + MAX_FIELD_OCTETS
    assert len(b"-ERR [LOGIN-DELAY] " + filled + b"\r\n") <= MAX_REPLY_OCTETS
    with pytest.raises(TextError):
        Texts({Occasion.MESSAGE_DELETED: "x" * 5 + text})


def test_what_a_client_sent_is_shown_short_and_harmless() -> None:
    assert shown(b"bob") == b"bob"
    assert shown(b"[AUTH]\x1b\xff<a@b>\x00") == b"?AUTH????a@b??"
    assert len(shown(b"x" * 1000)) == 40


def test_what_a_text_mentions() -> None:
    texts = Texts({Occasion.LOGGED_IN: "{name} has {messages}"})
    assert texts.mentions(Occasion.LOGGED_IN, "messages")
    assert not texts.mentions(Occasion.LOGGED_IN, "octets")
    assert not texts.mentions(Occasion.NOTHING_DONE, "octets")
