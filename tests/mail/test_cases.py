"""Mistakes in real mail, a message for each: every view of it, as people see it."""

from __future__ import annotations

from pathlib import Path

import pytest

from poptalk.mail.view import VIEWS, view
from poptalk.mail.words import TimeLimit
from poptalk.terminal.render import plain_text
from tests.servers.recording import RecordingServer, by_keyword
from tests.shell.black_box import at, piped
from tests.shell.shells import live

LETTERS = Path(__file__).parent / "letters"


PATIENCE = 60.0
"""Seconds: what a view may take is tested by the time of its own thread, in `test_limits`."""


def seen(name: str, octets: bytes) -> str:
    """Return a view of a message without its bars."""
    deadline = TimeLimit(PATIENCE)
    rows = [plain_text(row) for row in view(name, octets, columns=100, deadline=deadline)]
    return "\n".join(row.removeprefix("|").removeprefix(" ") for row in rows)


def letter(number: str) -> bytes:
    (path,) = LETTERS.glob(f"{number}-*.eml")
    return path.read_bytes()


@pytest.mark.parametrize(
    ("number", "name", "expected"),
    [
        ("01", "text", "Words."),
        ("01", "structure", 'text/plain, 8 octets, "a"'),
        ("03", "text", "Words."),
        ("03", "structure", "text/plain, 8 octets"),
        ("06", "text", "Only here are words."),
        ("08", "text", "Dear Bob, please do not click <http://bad.example>"),
        ("09", "text", "Room 1  2 persons\n--------------------\nEnd\nSub\ntext"),
        ("10", "text", "1 octet isn't utf-8\nДобрый день, Боб.\n--\nFu\\xdfnote"),  # noqa: RUF001
        ("11", "text", "Plain words."),
        ("11", "structure", "text/plain base64, 22 octets, decoded 14 octets"),
        ("13", "text", "Words."),
        ("14", "structure", 'application/pdf, 3 octets, "Käse.pdf"'),
        ("16", "text", "朱镕基"),
        (
            "18",
            "text",
            "the parts of this multipart/mixed could not be told apart\nAll the words are here.",
        ),
        ("20", "text", "この行は続きます。\nFrom the start."),
    ],
)
def test_a_view_is(number: str, name: str, expected: str) -> None:
    assert seen(name, letter(number)) == expected


MIXED = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n%s\r\n--b\r\n%s\r\n--b--\r\n"
FORWARDED = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: "
HTML = b"Content-Type: text/html\r\n\r\n"


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (
            b"Content-Type: text/plain; charset=utf-16\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            b"//5oAGkA\r\n",
            "hi",
        ),
        (
            b"Content-Transfer-Encoding: base64\r\n\r\naGk=\r\nA footer\r\n",
            "what follows the end of the base64 isn't read\nhi",
        ),
        (b"Content-Transfer-Encoding: base64, 8bit\r\n\r\naGk=\r\n", "hi"),
        (FORWARDED + b"base64\r\n\r\nU3ViamVjdDogYQoKaGkK\r\n", "hi"),
        (FORWARDED + b"quoted-printable\r\n\r\nSubj=\r\nect: a\r\n\r\n=68i\r\n", "hi"),
        (
            MIXED
            % (
                b"Content-Type: text/plain; charset=utf-8\r\n\r\n\xc2\xa0\xe2\x80\x8b",
                HTML + b"hi",
            ),
            "hi",
        ),
        (
            MIXED % (b"\r\nhi", b"\r\nA footer"),
            "1 more part of text: :structure shows what there is\nhi",
        ),
        (HTML + b"<meta charset='koi8-r'>\xf0\xf2", "ПР"),
        (
            HTML + b"<meta http-equiv=Content-Type content='text/html; charset=windows-1251'>\xcf",
            "П",
        ),
        ("a\xa0b\u3000c\u202fd".encode(), "a b c d"),
        (
            b"Content-Disposition: attachment\r\n\r\nhi\r\n",
            "no part of it is text, attachments apart; :structure shows what there is",
        ),
        (b"Subject: x\r\n\r\n", "its text is empty"),
    ],
    ids=ascii,
)
def test_a_text_is(octets: bytes, text: str) -> None:
    shown = seen("text", octets if b"\r\n\r\n" in octets else b"Subject: x\r\n\r\n" + octets)
    assert shown == text


@pytest.mark.parametrize(
    ("number", "row"),
    [
        ("04", "Subject: Käse und Köln (decoded)"),
        ("13", "X-Old: style"),
        ("13", "Date: Mon, 5 Jan 2026 10:00:00 +0100"),
        ("14", 'Content-Disposition: attachment; filename="Käse.pdf"'),
        ("16", "Subject: 朱镕基 (decoded)"),
        ("22", "Subject: =?utf-8?B?QUJDR?= and Köln (decoded)"),
    ],
)
def test_a_field_is(number: str, row: str) -> None:
    assert row in seen("headers", letter(number)).split("\n")


@pytest.mark.parametrize(
    "path", sorted(LETTERS.rglob("*.[et][mx][lt]")), ids=lambda path: path.stem
)
def test_every_letter_can_be_viewed(path: Path) -> None:
    for name in VIEWS:
        shown = seen(name, path.read_bytes())
        assert shown
        assert "could not be read" not in shown
        assert "takes too long" not in shown


def test_all_of_pythons_letters_are_here() -> None:
    assert len(list((LETTERS / "python").glob("msg_*.txt"))) > 40


HARD = [letter("01"), letter("03"), b"Content-Type: text/html\r\n\r\n" + b'<a href="' * 30_000]


def answers(octets: bytes) -> dict[bytes, bytes]:
    octets = octets.removesuffix(b"\r\n") + b"\r\n"
    header = octets.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    return {b"RETR": b"+OK\r\n" + octets + b".\r\n", b"TOP": b"+OK\r\n" + header + b".\r\n"}


@pytest.mark.parametrize("octets", HARD, ids=["names", "digits", "links"])
async def test_the_live_session_goes_on(octets: bytes) -> None:
    with RecordingServer(
        reply=by_keyword({**answers(octets), b"NOOP": b"+OK still here\r\n"})
    ) as server:
        async with live(server, rows=200) as shell:
            for name in VIEWS:
                await shell.enter(f":{name} 1", until="# as poptalk reads it:")
            await shell.ask("NOOP")
        assert server.received.endswith(b"NOOP\r\n")


@pytest.mark.parametrize("octets", HARD, ids=["names", "digits", "links"])
@pytest.mark.parametrize("options", [(), ("--plain",)], ids=["pipe", "plain"])
def test_the_piped_session_goes_on(octets: bytes, options: tuple[str, ...]) -> None:
    lines = "".join(f":{name} 1\n" for name in VIEWS) + "NOOP\n"
    with RecordingServer(reply=by_keyword({**answers(octets), b"NOOP": b"+OK\r\n"})) as server:
        finished = piped(lines.encode(), *at(server), "--local-commands", *options)
    assert finished.code == 0
    assert server.received.endswith(b"NOOP\r\n")
    assert "Traceback" not in finished.stderr
