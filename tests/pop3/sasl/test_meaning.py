"""The meaning of the lines of AUTH, and what may be shown of them."""

from __future__ import annotations

from base64 import b64decode, b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poptalk.pop3.sasl.mechanism import STARS, Applicant
from poptalk.pop3.sasl.mechanisms import (
    CramMd5Client,
    oauthbearer_client,
    plain_message,
    xoauth2_client,
)
from poptalk.pop3.sasl.table import METHODS, challenge_parts, redacted_response, response_parts

SECRET = b"k1-secret"
BOB = Applicant(user=b"bob", secret=SECRET, host=b"h", port=995)
BEAR = Applicant(user=b"b ob", secret=SECRET)

RESPONSES = (
    (b"PLAIN", 1, plain_message(b"bob", SECRET), b"\0bob\0" + STARS),
    (b"PLAIN", 1, plain_message(b"bob", SECRET, identity=b"eve"), b"eve\0bob\0" + STARS),
    (b"LOGIN", 1, b"bob", b"bob"),
    (b"login", 2, SECRET, STARS),
    (b"CRAM-MD5", 1, CramMd5Client(BEAR).respond(b"<1@h>"), b"b ob " + STARS),
    (
        b"XOAUTH2",
        1,
        xoauth2_client(BOB).initial() or b"",
        b"user=bob\x01auth=Bearer " + STARS + b"\x01\x01",
    ),
    (
        b"OAUTHBEARER",
        1,
        oauthbearer_client(BOB).initial() or b"",
        b"n,a=bob,\x01host=h\x01port=995\x01auth=Bearer " + STARS + b"\x01\x01",
    ),
    (b"OAUTHBEARER", 2, b"\x01", b"\x01"),
    (b"SCRAM-SHA-1", 1, b"n,,n=user,r=fyko", b"n,,n=user,r=fyko"),
    (b"SCRAM-SHA-256", 2, b"c=biws,r=fyko3,p=" + SECRET, b"c=biws,r=fyko3," + STARS),
    (b"EXTERNAL", 1, b"bob", b"bob"),
    (b"NTLM", 1, SECRET, STARS),
)


@pytest.mark.parametrize(("mechanism", "step", "octets", "shown"), RESPONSES)
def test_the_stand_in_has_the_form_and_not_the_secret(
    mechanism: bytes, step: int, octets: bytes, shown: bytes
) -> None:
    line = redacted_response(mechanism, step, b64encode(octets))
    assert line is not None
    assert b64decode(line) == shown
    parts = response_parts(mechanism, step, octets)
    assert b"".join(part.octets for part in parts) == octets
    assert "secret" not in "".join(map(repr, parts)).replace("'secret", "")


@given(
    st.sampled_from([name.encode() for name in METHODS]), st.integers(1, 3), st.binary(max_size=60)
)
def test_every_octet_of_a_response_is_in_one_part(
    mechanism: bytes, step: int, octets: bytes
) -> None:
    parts = response_parts(mechanism, step, octets)
    assert b"".join(part.octets for part in parts) == octets


@pytest.mark.parametrize("mechanism", [b"PLAIN", b"CRAM-MD5", b"XOAUTH2", b"SCRAM-SHA-1", b"X"])
def test_what_is_not_as_laid_down_is_secret_as_a_whole(mechanism: bytes) -> None:
    (part,) = response_parts(mechanism, 1, SECRET)
    assert part.secret
    assert redacted_response(mechanism, 1, b"!" + SECRET) is None


@pytest.mark.parametrize("line", [b"", b"*", b"="])
def test_lines_without_a_secret_stay(line: bytes) -> None:
    assert redacted_response(b"PLAIN", 1, line) == line


def test_challenges_are_explained() -> None:
    assert [part.octets for part in challenge_parts(b"SCRAM-SHA-1", b"r=a,s=QQ==,i=4096")] == [
        b"r=a",
        b",",
        b"s=QQ==",
        b",",
        b"i=4096",
    ]
    for mechanism in (b"LOGIN", b"CRAM-MD5", b"XOAUTH2", b"OAUTHBEARER", b"NTLM"):
        (part,) = challenge_parts(mechanism, b"text")
        assert part.meaning
        assert not part.secret
    assert challenge_parts(b"PLAIN", b"") == ()
