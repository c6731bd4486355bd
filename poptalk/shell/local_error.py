"""What a local command says when it cannot be carried out."""

from __future__ import annotations


class LocalError(Exception):
    """What was asked of the shell cannot be done; `str(error)` says why, in one sentence."""
