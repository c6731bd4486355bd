"""Secrets that were sent, so that a server's echo of them can be masked.

What must be masked in a line that we send, the core knows by position (`Command.secret`, `Sent`).  A
server may repeat it in a reply, as it stands or decoded from base64; only there is it searched for.
The text of a mail is left alone: it is no echo.
"""

from __future__ import annotations

from binascii import Error, a2b_base64, b2a_base64
from itertools import pairwise

from poptalk.pop3.commands import MASK, Command, may_become_command
from poptalk.pop3.events import Challenge

_WORD_ONLY_BELOW = 4
"""Secrets shorter than this are masked as whole words only: else every "a" of a reply would go."""


class SpokenSecrets:
    """The secrets of one connection."""

    def __init__(self) -> None:
        self._spoken: set[bytes] = set()

    def remember(self, secret: bytes) -> None:
        """Keep a secret: as it was sent, in base64, and what base64 hides in it (RFC 5034 §4)."""
        # A server may take away the blanks at its ends, and repeat the rest.
        as_sent = {secret, secret.strip()}
        self._spoken |= as_sent | {b2a_base64(spoken, newline=False) for spoken in as_sent}
        decoded = decode_base64(secret) or b""
        # RFC 4616 §2: authzid NUL authcid NUL passwd; only the last part is secret.
        self._spoken.add(decoded.rpartition(b"\0")[2])
        self._spoken.discard(b"")

    def hear(self, challenge: Challenge) -> None:
        """Keep the signature with which a server of SCRAM proves itself (RFC 5802 §3).

        It is made of the password as the client's proof is: with the nonces and the salt, which stand
        in the challenge before, it lets whoever has it try passwords.
        """
        arguments = challenge.exchange.command.arguments
        signature = challenge.status_line.text
        if not arguments or not arguments[0].upper().startswith(b"SCRAM-"):
            return
        if (decode_base64(signature) or b"").startswith(b"v="):
            self.remember(signature)

    def mask(self, line: bytes) -> bytes:
        """Return a reply line with every echo of a secret replaced by `MASK`."""
        for secret in sorted(self._spoken, key=len, reverse=True):
            if secret in line:
                line = _mask_one(line, secret)
        return line


def is_stray_secret(command: Command, *, named: bool, auth_refused: bool) -> bool:
    """Tell whether a line before the login that is no command is likely to be a secret.

    It is after a name, or an AUTH that was refused: a script sends its answers blindly, and a server
    that does not know AUTH takes them for commands; and people type or paste the password without its
    PASS, or misspell that.  A line that may become a command is none.

    Args:
        command: the line.
        named: whether a name was given.
        auth_refused: whether an AUTH was refused.
    """
    line = command.line
    if command.verb is not None or not line:
        return False
    if auth_refused and decode_base64(line):
        return True
    return (named or auth_refused) and not may_become_command(line)


def decode_base64(line: bytes) -> bytes | None:
    """Return what base64 hides in a line (RFC 5034 §4), None where it is not base64 throughout."""
    try:
        return a2b_base64(line, strict_mode=True)
    except (Error, ValueError):
        return None


def _mask_one(line: bytes, secret: bytes) -> bytes:
    parts = line.split(secret)
    masked = parts[0]
    for before, after in pairwise(parts):
        alone = not (before[-1:].isalnum() or after[:1].isalnum())
        masked += (MASK if alone or len(secret) >= _WORD_ONLY_BELOW else secret) + after
    return masked
