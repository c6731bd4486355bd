"""Secrets that a server repeats are masked where they stand."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poptalk.pop3.commands import MASK
from poptalk.pop3.redaction import SpokenSecrets


def spoken(*secrets: bytes) -> SpokenSecrets:
    kept = SpokenSecrets()
    for secret in secrets:
        kept.remember(secret)
    return kept


@pytest.mark.parametrize(
    ("secret", "line", "masked"),
    [
        (b"jones", b"-ERR jones is wrong", b"-ERR **** is wrong"),
        (b"jones", b"-ERR xjonesx jones", b"-ERR x****x ****"),
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


@given(st.binary(min_size=4, max_size=20), st.binary(), st.binary())
def test_no_line_shows_a_secret(secret: bytes, before: bytes, after: bytes) -> None:
    masked = spoken(secret).mask(before + secret + after)
    assert secret in MASK or secret not in masked.replace(MASK, b"") or secret in before + after
    assert MASK in masked


@given(st.binary(min_size=4, max_size=20))
def test_a_secret_is_masked_in_base64_as_well(secret: bytes) -> None:
    assert spoken(secret).mask(b"+ " + b64encode(secret)) == b"+ " + MASK
