"""Secrets that a server repeats are masked."""

from base64 import b64encode
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from poptalk.pop3.commands import MASK, Span, parse_command
from poptalk.pop3.redaction import SpokenSecrets, is_stray_secret


def spoken(*secrets: bytes) -> SpokenSecrets:
    kept = SpokenSecrets()
    for secret in secrets:
        kept.remember(secret)
    return kept


@pytest.mark.parametrize(
    ("secret", "line", "masked"),
    [
        (b"jones", b"-ERR jones is wrong", b"-ERR **** is wrong"),
        (b"jones", b"-ERR xjonesx jones", b"-ERR xjonesx ****"),
        (b"valid", b"-ERR invalid password", b"-ERR invalid password"),
        (b"Zq7Vx", b"-ERR xZq7Vxx Zq7Vx", b"-ERR **** ****"),
        (b"longpassword", b"-ERR xlongpasswordx", b"-ERR ****"),
        (b"password", b"-ERR wrong password", b"-ERR wrong password"),
        (b"jones", b"-ERR Jones", b"-ERR Jones"),
        (b"a", b"-ERR a bad a-b abba", b"-ERR **** bad ****-b abba"),
        (b"two words", b"-ERR two words!", b"-ERR ****!"),
        (b"AGJvYgBqb25lcw==", b"-ERR jones", b"-ERR ****"),
        (b"AGJvYgBqb25lcw==", b"-ERR AGJvYgBqb25lcw==", b"-ERR ****"),
        (b"am9uZXM=", b"-ERR jones", b"-ERR ****"),
    ],
)
def test_an_echo_is_masked(secret: bytes, line: bytes, masked: bytes) -> None:
    assert spoken(secret).mask(line) == masked


def test_the_name_within_a_plain_message_is_no_secret() -> None:
    assert spoken(b"AGJvYgBqb25lcw==").mask(b"+OK bob is in") == b"+OK bob is in"


def test_a_longer_secret_goes_before_one_that_is_part_of_it() -> None:
    assert spoken(b"jones", b"jones-and-more").mask(b"jones-and-more jones") == b"**** ****"


def test_nothing_spoken_nothing_masked() -> None:
    assert SpokenSecrets().mask(b"+OK x") == b"+OK x"
    assert spoken(b"").mask(b"+OK x") == b"+OK x"


MIXED = st.binary(min_size=3, max_size=20).map(lambda octets: b"7%ba" % octets)
"""Secrets that aren't ordinary words."""


@given(MIXED, st.binary(), st.binary())
def test_no_line_shows_a_secret(secret: bytes, before: bytes, after: bytes) -> None:
    masked = spoken(secret).mask(before + secret + after)
    assert secret in MASK or secret not in masked.replace(MASK, b"") or secret in before + after
    assert MASK in masked


@given(MIXED)
def test_a_secret_is_masked_in_base64_as_well(secret: bytes) -> None:
    assert spoken(secret).mask(b"+ " + b64encode(secret)) == b"+ " + MASK


WORD = st.text("abjones7 -'", min_size=1, max_size=12).map(str.encode)


@given(WORD, st.lists(WORD).map(b" ".join))
def test_nothing_around_a_mask_tells_what_it_hides(secret: bytes, line: bytes) -> None:
    """A mask hides whole words: no letter of the word is left beside it."""
    masked = spoken(secret).mask(line)
    for before, after in pairwise(masked.split(MASK)):
        # A secret may itself end in a mark or a space.
        assert not (before[-1:].isalnum() and secret[:1].isalnum())
        assert not (after[:1].isalnum() and secret[-1:].isalnum())


@given(WORD, st.lists(WORD).map(b" ".join))
def test_what_holds_no_secret_is_left_alone(secret: bytes, line: bytes) -> None:
    kept = spoken(secret)
    assume(not any(form in line for form in (secret.strip() or secret, b64encode(secret))))
    assert kept.mask(line) == line


@given(WORD, st.lists(WORD).map(b" ".join), st.lists(WORD).map(b" ".join))
def test_what_was_said_openly_is_hidden_after_its_command_alone(
    word: bytes, before: bytes, after: bytes
) -> None:
    kept = SpokenSecrets()
    kept.sent(b"USER " + word, None, exchange=1)
    kept.sent(b"PASS " + word, Span(start=5, stop=5 + len(word)), exchange=2)
    kept.answered(2)
    if b" " not in word:
        line = b" ".join((before, word, after))
        assert kept.mask(line) == line
        assert kept.mask(b"-ERR unknown: PASS " + word) == b"-ERR unknown: PASS ****"


def test_a_name_is_no_secret_because_it_was_tried_as_a_password() -> None:
    kept = SpokenSecrets()
    kept.heard(b"+OK ready for Marvin.")
    for number, word in enumerate((b"bob", b"Marvin")):
        kept.sent(b"USER bob", None, exchange=2 * number)
        kept.sent(b"PASS " + word, Span(start=5, stop=5 + len(word)), exchange=2 * number + 1)
    assert kept.mask(b"+OK bob is a real hoopy frood") == b"+OK bob is a real hoopy frood"
    assert kept.mask(b"-ERR Marvin is not bob") == b"-ERR Marvin is not bob"


def test_a_short_secret_and_a_number_are_hidden_in_the_reply_to_their_line_only() -> None:
    kept = SpokenSecrets()
    kept.sent(b"PASS 1903", Span(start=5, stop=9), exchange=2)
    kept.sent(b"PASS q", Span(start=5, stop=6), exchange=3)
    kept.answered(2)
    assert kept.mask(b"-ERR 1903 q") == b"-ERR **** q"
    kept.answered(3)
    assert kept.mask(b"-ERR 1903 q") == b"-ERR 1903 ****"
    assert kept.mask(b"-ERR 1903", answers=2) == b"-ERR ****"
    kept.answered(4)
    assert kept.mask(b"+OK 1 1903") == b"+OK 1 1903"


def test_an_echo_makes_no_secret_open() -> None:
    kept = spoken(b"jones")
    kept.heard(b"-ERR jones is wrong")
    kept.remember(b"jones")
    assert kept.mask(b"-ERR jones") == b"-ERR ****"


MISTYPED = (
    *(b"PAS jones", b"PSAS jones", b"PASSjones", b"PASS:jones", b"PASS=jones", b"PASSWORD jones"),
    *(b"passwd jones", b"LOGIN bob jones", b"A1 LOGIN bob jones", b"AUHT PLAIN AGJvYgBqb25lcw=="),
    *(b"PADS jones", b"ASS jones", b"PASSS jones", b"AUTHPLAIN AGJvYgBqb25lcw==", b"pwd jones"),
)


@pytest.mark.parametrize("line", MISTYPED)
def test_a_misspelt_login_is_hidden_from_the_first_line_on(line: bytes) -> None:
    assert is_stray_secret(parse_command(line), login_begun=False, after_auth=False)


@pytest.mark.parametrize("line", [b"HELLO", b"HELP", b"EHLO host", b"XYZZY 1", b"GET / HTTP/1.0"])
def test_an_unknown_command_is_shown(line: bytes) -> None:
    assert not is_stray_secret(parse_command(line), login_begun=False, after_auth=False)


@pytest.mark.parametrize("line", [b"jones", b"sta", b"two words", b"PAS jones", b"AGJvYg=="])
@pytest.mark.parametrize("place", ["login_begun", "after_auth"])
def test_what_comes_where_a_password_may_be_is_hidden(line: bytes, place: str) -> None:
    where = {"login_begun": False, "after_auth": False} | {place: True}
    assert is_stray_secret(parse_command(line), **where)
    assert not is_stray_secret(parse_command(b"NOOP"), **where)


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        (b"USER bob jones", b"jones"),
        (b"USER bob PASS jones", b"PASS jones"),
        (b"APOP bob c4c9 x", b"c4c9 x"),
        (b"AUTH AGJvYgBqb25lcw==", b"AGJvYgBqb25lcw=="),
        (b"AUTH PLAIN jones", b"jones"),
        (b"AUTH cram-md5", None),
        (b"USER bob", None),
    ],
)
def test_what_a_login_holds_beyond_its_arguments_is_secret(
    line: bytes, secret: bytes | None
) -> None:
    span = parse_command(line).secret
    assert (None if span is None else line[span.start : span.stop]) == secret
