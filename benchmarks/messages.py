"""Large messages, the same each time: what attachments look like, and what people write."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable

PARAGRAPH_LINES = 20_000
"""Lines made before they are repeated: more than any cache of a processor keeps apart."""

STUFFED_SHARE = 0.03
"""Lines of the prose that begin with a dot, doubled on the wire."""

WORDS = b"the quick brown fox jumps over a lazy dog. It was late; nobody, they say, saw it.".split()


def base64_lines(chance: random.Random) -> bytes:
    """Make lines as of an attachment: 76 characters, and not one dot."""
    octets = chance.randbytes(57 * PARAGRAPH_LINES)
    return base64.encodebytes(octets).replace(b"\n", b"\r\n")


def prose_lines(chance: random.Random) -> bytes:
    """Make lines of words, some of which travel with a stuffed dot."""
    lines = []
    for _ in range(PARAGRAPH_LINES):
        begins = b".." if chance.random() < STUFFED_SHARE else b""
        lines.append(begins + b" ".join(chance.choices(WORDS, k=chance.randint(10, 16))) + b"\r\n")
    return b"".join(lines)


KINDS: dict[str, Callable[[random.Random], bytes]] = {"base64": base64_lines, "prose": prose_lines}


def reply(kind: str, octets: int) -> bytes:
    """Make the reply to RETR, byte-stuffed, with about so many octets of body."""
    paragraph = KINDS[kind](random.Random(1939))
    body = paragraph * (octets // len(paragraph) + 1)
    body = body[: body.rindex(b"\r\n", 0, octets) + 2]
    return b"+OK message follows\r\nSubject: a large one\r\n\r\n" + body + b".\r\n"
