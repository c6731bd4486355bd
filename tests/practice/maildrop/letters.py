"""Letters for maildrops, as they are stored and as they travel, and maildrops made of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from poptalk.pop3.server.transaction import Maildrop
from poptalk.practice.maildrop import Format, Store, locate

LINE = 64
"""Octets of a line with its CRLF: all powers of two from here on are at the beginning of a line."""


def _dots_at_powers_of_two(shift: int) -> bytes:
    """Begin a line with a dot at each power of two and `shift` octets behind it, up to a megabyte."""
    line = b"." + b"x" * (LINE - 3) + b"\r\n"
    lone_dots = b".\r\n..\r\n...\r\n"
    return b"y" * (LINE + shift - 2) + b"\r\n" + line * (1024 * 1024 // LINE) + lone_dots


def _attachment(octets: int) -> bytes:
    """Make lines as base64 has them; every run makes the same."""
    line_octets = 76
    lines = octets // (line_octets + 2)
    letters = (
        random.Random(1939)
        .randbytes(line_octets * 1000)
        .translate(bytes(65 + octet % 26 for octet in range(256)))
    )
    some = b"".join(
        letters[at : at + line_octets] + b"\r\n" for at in range(0, len(letters), line_octets)
    )
    return b"Subject: attachment\r\n\r\n" + some * (lines // 1000)


LETTERS: dict[str, tuple[bytes, bytes]] = {
    "lf": (b"Subject: lf\n\nbody\n", b"Subject: lf\r\n\r\nbody\r\n"),
    "crlf": (b"Subject: crlf\r\n\r\nbody\r\n", b"Subject: crlf\r\n\r\nbody\r\n"),
    "mixed": (b"Subject: mixed\r\n\nbody\n", b"Subject: mixed\r\n\r\nbody\r\n"),
    "no-final-line-end": (b"Subject: open\n\nend", b"Subject: open\r\n\r\nend\r\n"),
    "half-a-line-end": (b"Subject: half\n\nend\r", b"Subject: half\r\n\r\nend\r\n"),
    "empty-lines-last": (b"Subject: empty\n\nend\n\n\n", b"Subject: empty\r\n\r\nend\r\n\r\n\r\n"),
    "bare-cr": (b"Subject: cr\n\na\rb\n", b"Subject: cr\r\n\r\na\rb\r\n"),
    "nul": (b"Subject: nul\n\n\0a\0\n", b"Subject: nul\r\n\r\n\0a\0\r\n"),
    "8-bit": (
        b"Subject: \xc3\xa9\n\n\xff\xfe\x80 caf\xe9\n",
        b"Subject: \xc3\xa9\r\n\r\n\xff\xfe\x80 caf\xe9\r\n",
    ),
    "dots": (
        b".first\n\n.\n..\n...\n.x\nend.\n",
        b".first\r\n\r\n.\r\n..\r\n...\r\n.x\r\nend.\r\n",
    ),
    "only-a-dot": (b".", b".\r\n"),
    "from-in-the-body": (
        b"Subject: from\n\nFar\nFrom here on\n\n>From there\n",
        b"Subject: from\r\n\r\nFar\r\nFrom here on\r\n\r\n>From there\r\n",
    ),
    "empty": (b"", b""),
    **{
        f"dots-{shift}": (text, text)
        for shift in range(4)
        for text in [_dots_at_powers_of_two(shift)]
    },
    **{
        f"dots-lf-{shift}": (text.replace(b"\r\n", b"\n"), text)
        for shift in range(4)
        for text in [_dots_at_powers_of_two(shift)]
    },
}
"""Stored and travelling, by name."""


def attachment() -> tuple[bytes, bytes]:
    """Return a letter of 30 MB, stored and travelling."""
    text = _attachment(30_000_000)
    return text.replace(b"\r\n", b"\n"), text


def numbered_letters(count: int, *, octets: int = 0) -> Iterator[bytes]:
    """Make many letters that are all different; a benchmark asks for 100,000.

    Args:
        count: how many.
        octets: how large each is to be at least.
    """
    padding = b"One line among many, all of them alike.\n" * (octets // 40)
    for number in range(1, count + 1):
        yield b"Subject: letter %d\n\nThis is letter %d.\n%b" % (number, number, padding)


# Maildrops on the disk.


def write_eml(folder: Path, letters: Iterable[bytes]) -> Path:
    """Make a folder of ``.eml`` files; the order is kept."""
    folder.mkdir()
    for number, letter in enumerate(letters, 1):
        (folder / f"{number:06}.eml").write_bytes(letter)
    return folder


def maildir_name(number: int) -> str:
    """Return the unique name of a letter, as programs that deliver mail make them."""
    return f"{1_700_000_000 + number}.M{number}P{number}.host"


def write_maildir(folder: Path, letters: Iterable[bytes]) -> Path:
    """Make a Maildir; every other letter has been seen, and is in ``cur``."""
    for part in ("new", "cur", "tmp"):
        (folder / part).mkdir(parents=True)
    for number, letter in enumerate(letters, 1):
        name = maildir_name(number)
        where = folder / "new" / name if number % 2 else folder / "cur" / f"{name}:2,S"
        where.write_bytes(letter)
    return folder


def write_mbox(path: Path, letters: Iterable[bytes]) -> Path:
    """Make an mbox."""
    with path.open("wb") as file:
        for number, letter in enumerate(letters, 1):
            file.write(from_line(number) + letter)
            file.write(b"\n" if letter.endswith(b"\n") or not letter else b"\n\n")
    return path


def from_line(number: int) -> bytes:
    """Return the line in front of a letter in an mbox."""
    return b"From bob@example.org Fri Jul  8 12:%02d:%02d 2011\n" % (number // 60 % 60, number % 60)


WRITERS: dict[Format, Callable[[Path, Iterable[bytes]], Path]] = {
    Format.EML: write_eml,
    Format.MAILDIR: write_maildir,
    Format.MBOX: write_mbox,
}


def make_store(
    path: Path, letters: Iterable[bytes], *, format_: Format, writable: bool = False
) -> Store:
    """Make a maildrop and its store."""
    return Store(locate(WRITERS[format_](path, letters)), writable=writable)


def contents(maildrop: Maildrop) -> list[bytes]:
    """Read all messages of a maildrop."""
    return [content(maildrop, number) for number in range(1, maildrop.count + 1)]


def content(maildrop: Maildrop, number: int) -> bytes:
    """Read a message."""
    return b"".join(maildrop.chunks(number))


def unique_ids(maildrop: Maildrop) -> list[bytes]:
    """Return the unique-ids of all messages."""
    return [maildrop.unique_id(number) for number in range(1, maildrop.count + 1)]
