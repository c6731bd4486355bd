"""From a method's name to its first line."""

from __future__ import annotations

import pytest

from poptalk.pop3.sasl.mechanism import BadCredential, LoginError, applicant
from poptalk.pop3.sasl.table import METHODS, begin_login, find_method

WHO = applicant("bob", "jones", host="mail.example.org", port=995)
TIMESTAMP = b"<1896.697170952@dbc.mtview.ca.us>"


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_a_talk_that_begins_with_its_name(name: str) -> None:
    first = next(begin_login(find_method(name.lower()), WHO, timestamp=TIMESTAMP))
    keyword = f"AUTH {name}" if METHODS[name].sasl else name
    assert first.startswith(keyword.encode())
    assert b"jones" not in first


def test_apop_without_a_timestamp_cannot_be() -> None:
    with pytest.raises(LoginError, match="does not offer it"):
        begin_login(find_method("APOP"), WHO, timestamp=None)


def test_a_near_miss_is_named() -> None:
    with pytest.raises(LoginError, match="is SCRAM-SHA-256 meant"):
        find_method("scram-sha256")


def test_the_secret_is_in_no_repr() -> None:
    assert "jones" not in repr(WHO)


def test_what_would_end_a_line_is_refused() -> None:
    with pytest.raises(BadCredential):
        applicant("bob\r\nDELE 1", "jones", host="h", port=1)
