"""The practice server as a dialogue wants it: its account, and the timestamps of its greetings.

The digest of APOP is made of the greeting's timestamp (RFC 1939 §7), so the digest in a session that
somebody wrote down fits the greeting that stands there, and no other.  The practice server therefore
says the timestamps that the dialogue's greetings hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from poptalk.net.destination import UsageError
from poptalk.notation.dialogue import Dialogue, Direction, ServerLine
from poptalk.notation.directions import Action
from poptalk.notation.exchanges import ExpectedReply, Send, exchanges
from poptalk.practice.accounts import ACCOUNTS, BOB, Account
from poptalk.practice.server import fresh_timestamp
from poptalk.protocol.replies import timestamp_of
from poptalk.protocol.verbs import ArgumentKind


class Timestamps:
    """Gives the practice server its APOP timestamps.

    Args:
        dialogue: whose greetings are to be said.
    """

    def __init__(self, dialogue: Dialogue) -> None:
        self._to_come = iter(greeting_timestamps(dialogue))
        self._now: bytes | None = None

    def turn_to_next(self) -> None:
        """Take note that the next connection is about to be opened."""
        self._now = next(self._to_come, None)

    def __call__(self) -> bytes:
        """Return the timestamp of the connection; one that was never used where none is written."""
        return self._now or fresh_timestamp()


def greeting_timestamps(dialogue: Dialogue) -> Sequence[bytes | None]:
    """Find the timestamp that each connection of a dialogue is greeted with, None where none is."""
    found: list[bytes | None] = []
    is_fresh = True
    for act in exchanges(dialogue):
        if isinstance(act, Direction) and act.action is Action.OPEN:
            found.append(None)
            is_fresh = True
        elif isinstance(act, Send | ExpectedReply):
            found = found or [None]
            if is_fresh and isinstance(act, ExpectedReply):
                found[-1] = _timestamp_in(act)
            is_fresh = False
    return found


def _timestamp_in(greeting: ExpectedReply) -> bytes | None:
    first = greeting.steps[0]
    if not isinstance(first, ServerLine) or first.pattern.placeholders:
        return None
    return timestamp_of(first.payload.encode("utf-8", "surrogateescape"))


def account_for(dialogue: Dialogue, *, user: str | None) -> Account:
    """Find who logs in on the practice server.

    Args:
        dialogue: whose first name with an account counts, where no user is given.
        user: the name that was asked for.

    Raises:
        UsageError: that user has no account.
    """
    accounts = {account.name: account for account in ACCOUNTS}
    if user is None:
        named = (accounts[name] for name in _names_in(dialogue) if name in accounts)
        return next(named, BOB)
    if user not in accounts:
        raise UsageError(
            f"The practice server has no account for that user; it has {' and '.join(accounts)}."
        )
    return accounts[user]


def _names_in(dialogue: Dialogue) -> Iterator[str]:
    """Give the names that a dialogue logs in with, as they are written."""
    for act in exchanges(dialogue):
        if not isinstance(act, Send) or act.answers_challenge or act.command.verb is None:
            continue
        defined = act.command.verb.arguments
        for argument, given in zip(defined, act.command.arguments, strict=False):
            if argument.kind is ArgumentKind.NAME:
                yield given.decode("utf-8", "replace")
