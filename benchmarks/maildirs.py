"""Maildirs to measure servers with: the same each time, of any size."""

from __future__ import annotations

import os
import random
from pathlib import Path

from benchmarks.messages import base64_lines

LINE = b"All work and no play makes a dull message, and this one has many such lines.\n"
HEADER = b"From: bob@example.org\nTo: mrose@example.org\nSubject: message %d\n\n"

FIRST_DELIVERY = 1_000_000_000
"""Seconds since 1970, with which the name of the first message begins."""


def message(number: int, octets: int) -> bytes:
    """Make a message of about so many octets, with line ends of one octet, as a Maildir has them."""
    header = HEADER % number
    return header + LINE * ((octets - len(header)) // len(LINE))


def make_maildir(folder: Path, *, count: int, octets: int) -> None:
    """Make a Maildir of messages of one size."""
    _make_folders(folder)
    for number in range(1, count + 1):
        _path(folder, number).write_bytes(message(number, octets))


def make_large_maildir(folder: Path, *, octets: int) -> None:
    """Make a Maildir of one message that has an attachment."""
    _make_folders(folder)
    _path(folder, 1).write_bytes(attachment(octets))


def attachment(octets: int) -> bytes:
    """Make a message in base64 of about so many octets, as a Maildir has it."""
    paragraph = base64_lines(random.Random(1939)).replace(b"\r\n", b"\n")
    return HEADER % 1 + paragraph * (octets // len(paragraph))


def make_hollow_maildir(folder: Path, *, count: int, octets: int) -> None:
    """Make a Maildir of messages that take no room on the disk: what is not written reads as zeros."""
    _make_folders(folder)
    for number in range(1, count + 1):
        path = _path(folder, number)
        path.touch()
        os.truncate(path, octets)


def make_eml_folder(folder: Path, *, count: int, octets: int) -> None:
    """Make the messages of `make_maildir` as a folder of ``.eml`` files."""
    folder.mkdir(parents=True)
    for number in range(1, count + 1):
        (folder / f"{number:06}.eml").write_bytes(message(number, octets))


def add_message(folder: Path, number: int) -> None:
    """Deliver one more message to a Maildir, so that it must be listed anew."""
    (folder / "new" / _path(folder, number).name).write_bytes(message(number, 1000))


def _make_folders(folder: Path) -> None:
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir(parents=True)


def _path(folder: Path, number: int) -> Path:
    return folder / "cur" / f"{FIRST_DELIVERY + number}.M{number}P1.localhost:2,"
