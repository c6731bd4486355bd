"""What can be wrong with a maildrop."""

from __future__ import annotations


class MaildropError(Exception):
    """A file or folder that cannot be used as a maildrop, explained in one sentence."""


class MaildropLocked(Exception):
    """Another session, perhaps of another process, has the maildrop open."""


class CommitRefused(Exception):
    """No message was removed, and why; QUIT is answered with -ERR (RFC 1939 §6)."""
