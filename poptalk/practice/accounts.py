"""Who may log in to the practice server, and with what.

The passwords are those of the article and of RFC 1939, and are public knowledge.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from poptalk.protocol.server_events import LoginAttempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user of the practice server.

    Args:
        name: as USER gives it, in ASCII.
        password: no secret at all.
        mailbox: the folder among the mailboxes of the lessons that is this user's maildrop.
    """

    name: str
    password: str
    mailbox: str


BOB = Account(name="bob", password="jones", mailbox="article")
"""The user of the article "Trivial uses of Telnet - POP3"."""

MROSE = Account(name="mrose", password="tanstaaf", mailbox="rfc1939")
"""The user of RFC 1939's examples, whose maildrop has two messages of 120 and 200 octets."""

ACCOUNTS = (BOB, MROSE)


def find_account(accounts: Sequence[Account], attempt: LoginAttempt) -> Account | None:
    """Return the account that an attempt to log in is right for, or None.

    It takes as long for a name that does not exist as for a wrong password, so that nobody can tell
    them apart.

    Args:
        accounts: who may log in.
        attempt: by USER and PASS, or by APOP (RFC 1939 §7).
    """
    named = [account for account in accounts if account.name.encode() == attempt.name]
    password = named[0].password.encode() if named else b""
    if attempt.digest is not None:
        # MD5 is what RFC 1939 says; it protects nobody today.
        secret = attempt.timestamp + password
        expected = hashlib.md5(secret, usedforsecurity=False).hexdigest().encode("ascii")
        right = hmac.compare_digest(expected, attempt.digest)
    else:
        right = hmac.compare_digest(password, attempt.password or b"")
    return named[0] if right and named else None
