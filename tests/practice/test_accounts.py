"""Who may log in."""

from __future__ import annotations

import pytest

from poptalk.practice.accounts import ACCOUNTS, BOB, MROSE, Account, find_account
from poptalk.protocol.server_events import LoginAttempt

TIMESTAMP = b"<1896.697170952@dbc.mtview.ca.us>"
DIGEST = b"c4c9334bac560ecc979e58001b3e22fb"


@pytest.mark.parametrize(
    ("name", "password", "account"),
    [
        (b"bob", b"jones", BOB),
        (b"mrose", b"tanstaaf", MROSE),
        (b"bob", b"tanstaaf", None),
        (b"bob", b"", None),
        (b"bob", b"jones ", None),
        (b"BOB", b"jones", None),
        (b"nobody", b"jones", None),
        (b"nobody", b"", None),
        (b"", b"", None),
        (b"\xff", b"\xff", None),
    ],
)
def test_by_password(name: bytes, password: bytes, account: Account | None) -> None:
    assert find_account(ACCOUNTS, LoginAttempt(name=name, password=password)) is account


@pytest.mark.parametrize(
    ("name", "digest", "account"),
    [
        (b"mrose", DIGEST, MROSE),
        (b"bob", DIGEST, None),
        (b"mrose", DIGEST[:31], None),
        (b"mrose", DIGEST.upper(), None),
        (b"mrose", b"\xff" * 32, None),
        (b"nobody", DIGEST, None),
    ],
)
def test_by_the_digest_of_rfc_1939(name: bytes, digest: bytes, account: Account | None) -> None:
    attempt = LoginAttempt(name=name, digest=digest, timestamp=TIMESTAMP)
    assert find_account(ACCOUNTS, attempt) is account
