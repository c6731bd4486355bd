"""Messages made to do harm, and random ones: no view raises, and none takes long.

``POPTALK_MUTATED_LETTERS=2000 pytest tests/mail/test_limits.py`` tries more than the suite does.
"""

from __future__ import annotations

import os
import random
from time import thread_time

import pytest

from poptalk.mail.message import parse, parts, readable_text
from poptalk.mail.view import VIEWS, view
from poptalk.mail.words import TimeLimit
from poptalk.terminal.render import plain_text
from tests.mail.test_cases import LETTERS, letter
from tests.mail.test_message import LETTER
from tests.mail.test_words import CALENDAR

EXAMPLES = int(os.environ.get("POPTALK_MUTATED_LETTERS", "150"))

MOST_SECONDS = 2.0
"""For a view, in its own thread's time, since other tests run at the same time."""

HTML = b"Content-Type: text/html\r\n\r\n"
MULTIPART = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
HOP = b"Received: from a by b; Mon, 5 Jan 2026 10:00:00 +0100\r\n"
DEEP = b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n'

HOSTILE = {
    "links": HTML + b'<a href="' * 200_000,
    "comments": HTML + b"<!--" * 300_000,
    "end tags": HTML + b"</" * 600_000,
    "cdata": HTML + b"<![CDATA[" * 100_000,
    "ampersands": HTML + b"&" * 1_000_000,
    "open tags": HTML + b"<b>" * 300_000,
    "semicolons": b"Content-Type: text/plain" + b";" * 2_000_000 + b"\r\n\r\nx",
    "quoted semicolons": b"Content-Type: text/plain" + b'";' * 1_000_000 + b"\r\n\r\nx",
    "spaces": b"Content-Type: text/plain;" + b" " * 2_000_000 + b"\r\n\r\nx",
    "semicolons of a part": MULTIPART + b"--b\r\nContent-Type: text/plain" + b";" * 2_000_000,
    "a folded field": b"Subject: x\r\n" + b" folded\r\n" * 2_000_000 + b"\r\nx",
    "encoded words": b"Subject: " + b"=?utf-8?Q?a?= " * 350_000 + b"\r\n\r\nx",
    "charsets": b"".join(b"Subject: =?x%d?Q?=FF?=\r\n" % n for n in range(100_000)) + b"\r\nx",
    "hops": HOP * 1_000_000 + b"\r\nx",
    "hops of a part": MULTIPART + b"--b\r\n" + HOP * 500_000 + b"\r\nx",
    "deep with empty lines": b"".join(DEEP % (n, n) for n in range(200)) + b"\n" * 3_000_000,
    "deeper": b"".join(DEEP % (n, n) for n in range(3_000)) + b"\n" * 1_000_000,
    "messages": b"Content-Type: message/rfc822\r\n\r\n" * 3_000 + b"\n" * 1_000_000,
    "parts": MULTIPART + b"--b\r\n\r\nx\r\n" * 500_000,
    "parts with odd fields": MULTIPART + b"--b\r\nA : b\r\n\r\nx\r\n" * 300_000,
    "reports": b"Content-Type: message/delivery-status\r\n\r\n" + b"A: b\r\n\r\n" * 500_000,
    "odd octets": b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + b"\xff" * 3_000_000,
    "odd lines": b"Content-Type: text/plain; charset=gbk\r\n\r\n" + b"\xff\n" * 1_000_000,
    "empty lines": b"Subject: x\r\n\r\n" + b"\n" * 3_000_000,
    "one line": b"Subject: x\r\n\r\n" + b"x" * 10_000_000,
    "calendar": b"Content-Type: text/calendar\r\n\r\nBEGIN:VEVENT\r\n" + b"SUMMARY;" * 300_000,
}


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("octets", HOSTILE.values(), ids=HOSTILE)
def test_no_view_takes_long(octets: bytes, name: str) -> None:
    before = thread_time()
    rows = view(name, octets, columns=80)
    assert thread_time() - before < MOST_SECONDS
    assert rows


def test_a_view_that_takes_too_long_says_so() -> None:
    stopped = TimeLimit()
    stopped.stop()
    (first, *_) = view("text", LETTER, columns=200, deadline=stopped)
    assert plain_text(first) == (
        "| reading it takes too long; RETR shows it as it is, and :save keeps it in a file"
    )


def test_what_raises_is_a_remark(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("\x1b[2J")

    monkeypatch.setattr("email.feedparser.FeedParser.close", fail)
    assert "this part could not be read" in "\n".join(
        plain_text(row) for row in view("structure", LETTER, columns=200)
    )
    monkeypatch.setattr("poptalk.mail.message.parse", fail)
    (row,) = view("structure", LETTER, columns=200)
    assert plain_text(row).startswith("| this message could not be read: AssertionError(")


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("last", [b"", b"last"])
def test_a_long_attachment_is_left_out_of_the_parsing_and_is_counted(
    end: bytes, last: bytes
) -> None:
    content = (b"QUJD" * 19 + end) * 20_000 + last
    octets = end.join(
        [
            *(b"Content-Type: multipart/mixed; boundary=b", b"", b"--b", b"", b"Hello", b"--b"),
            *(b"Content-Transfer-Encoding: base64", b"", content),
            *(b"--b", b"", b"Bye", b"--b--", b""),
        ]
    )
    message = parse(octets, deadline=TimeLimit(60))
    assert len(message.bulk.condensed) < 200_000
    tree = list(parts(message))
    assert [part.content_type for part in tree] == ["multipart/mixed"] + ["text/plain"] * 3
    assert tree[2].octets == len(content)
    assert tree[2].decoded_octets == 20_000 * 57 + len(last) * 3 // 4
    found = readable_text(message)
    assert found is not None
    assert found.text == "Hello"


def test_a_long_text_is_whole() -> None:
    text = b"".join(b"line %d\r\n" % n for n in range(60_000))
    message = parse(b"Subject: x\r\n\r\n" + text, deadline=TimeLimit(60))
    found = readable_text(message)
    assert found is not None
    assert found.text == text.decode()


ORIGINALS = [
    LETTER,
    b"Content-Type: text/calendar; charset=utf-8\r\n\r\n" + CALENDAR.encode(),
    *(letter(number) for number in ("01", "06", "09", "10", "16", "18", "20", "22")),
]

PIECES = (
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b"--",
        b"--b1",
        b"=?",
        b"?=",
        b"\xff",
        b"\x00",
        b";",
        b'"',
        b"*0*=",
        b" :",
    ),
    *(
        b"Content-Type: ",
        b"Content-Transfer-Encoding: base64\r\n",
        b"message/rfc822",
        b"charset=",
        b"<",
    ),
    *(
        b"=?gb2312?B?1uzpRrv5?=",
        b"multipart/digest",
        b"&#",
        b"name*99999999999=",
        b"-- \r\n",
        b"\x1b",
    ),
)


def mutated(seed: int) -> bytes:
    """Return one of the messages, changed in a few places."""
    chance = random.Random(seed)
    octets = bytearray(chance.choice(ORIGINALS))
    for _ in range(chance.randint(1, 12)):
        at = chance.randrange(len(octets) + 1)
        length = chance.choice((0, 1, 5, 60))
        match chance.randrange(4):
            case 0:
                octets[at : at + length] = chance.choice(PIECES) * chance.choice((1, 1, 3, 500))
            case 1:
                octets[at : at + length] = chance.randbytes(length)
            case 2:
                octets[at : at + length] = b""
            case 3:
                other = chance.choice(ORIGINALS)
                start = chance.randrange(len(other))
                octets[at:at] = other[start : start + chance.randint(1, 300)]
    return bytes(octets)


@pytest.mark.parametrize("first", range(0, EXAMPLES, 50))
def test_letters_made_by_chance(first: int) -> None:
    for seed in range(first, min(first + 50, EXAMPLES)):
        octets = mutated(seed)
        for name in VIEWS:
            before = thread_time()
            rows = [plain_text(row) for row in view(name, octets, columns=80)]
            assert thread_time() - before < MOST_SECONDS, seed
            assert all(row.startswith("|") and row.isprintable() for row in rows), seed
            assert not any("could not be read" in row for row in rows), seed


def test_the_letters_are_ten() -> None:
    assert len(ORIGINALS) == 10
    assert LETTERS.is_dir()
