"""The states of a POP3 session (RFC 1939 §3), and the two that stand around them."""

from enum import Enum


class State(Enum):
    """Where a session stands."""

    GREETING = "GREETING"
    """Connected; the server's one-line greeting has not come yet (RFC 1939 §4)."""

    AUTHORIZATION = "AUTHORIZATION"
    """The client must say who it is (RFC 1939 §4)."""

    TRANSACTION = "TRANSACTION"
    """The maildrop is open and locked; messages can be listed, read and marked (RFC 1939 §5)."""

    UPDATE = "UPDATE"
    """QUIT was answered: the marked messages are removed, then the server hangs up (RFC 1939 §6)."""

    CLOSED = "CLOSED"
    """The connection is gone."""
