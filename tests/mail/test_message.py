"""Parsing messages: usual ones, odd ones, and any octets at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poptalk.mail.header import decode_words, header_fields, read_header
from poptalk.mail.message import MOST_PARTS, parse, parts, readable_text, trace

LETTER = (
    b"From: =?utf-8?Q?Zo=C3=AB?= <zoe@club.example>\r\n"
    b"Subject: a folded\r\n subject\r\n"
    b"MIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="b1"\r\n'
    b"\r\n"
    b"preamble\r\n"
    b"--b1\r\n"
    b'Content-Type: multipart/alternative; boundary="b2"\r\n'
    b"\r\n"
    b"--b2\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n"
    b"\r\n"
    b"caf=C3=A9\r\n"
    b"--b2\r\n"
    b"Content-Type: text/html; charset=utf-8\r\n"
    b"\r\n"
    b"<p>caf\xc3\xa9 <a href='http://evil.example'>bank</a></p>\r\n"
    b"--b2--\r\n"
    b"--b1\r\n"
    b"Content-Type: image/png\r\n"
    b'Content-Disposition: attachment; filename="=?utf-8?Q?caf=C3=A9.png?="\r\n'
    b"Content-Transfer-Encoding: base64\r\n"
    b"\r\n"
    b"AAAA\r\n"
    b"--b1--\r\n"
)


def test_header_fields_are_unfolded_and_decoded() -> None:
    fields = {field.name: field for field in header_fields(read_header(LETTER))}
    assert fields["From"].value == "Zoë <zoe@club.example>"
    assert fields["From"].encoded
    assert fields["Subject"].value == "a folded subject"
    assert not fields["Subject"].encoded


def test_the_tree() -> None:
    tree = list(parts(parse(LETTER)))
    assert [(part.depth, part.content_type) for part in tree] == [
        (0, "multipart/mixed"),
        (1, "multipart/alternative"),
        (2, "text/plain"),
        (2, "text/html"),
        (1, "image/png"),
    ]
    image = tree[-1]
    assert (image.name, image.octets, image.decoded_octets) == ("café.png", 4, 3)
    assert image.encoding == "base64"
    assert tree[2].charset == "utf-8"
    assert tree[0].octets == sum(part.octets for part in tree if "multi" not in part.content_type)


def test_the_text_is_the_plain_one() -> None:
    found = readable_text(parse(LETTER))
    assert found is not None
    assert found.text == "café"


def test_html_alone_is_shown_without_tags_and_with_what_links_lead_to() -> None:
    html = (
        b"Content-Type: text/html; charset=utf-8\r\n\r\n<html><head><style>p{}</style></head>"
        b"<p>Dear\r\nuser,</p><p>your <a href='http://evil.example'>bank</a>&nbsp;waits</p></html>"
    )
    found = readable_text(parse(html))
    assert found is not None
    assert found.text == "Dear user,\nyour bank <http://evil.example> waits"


def test_a_message_without_text_has_none() -> None:
    assert readable_text(parse(b"Content-Type: image/png\r\n\r\nx")) is None


def test_an_attachment_is_not_the_text() -> None:
    message = b"Content-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\nx"
    assert readable_text(parse(message)) is None


def test_eight_bits_in_a_header_are_read() -> None:
    (field,) = header_fields(read_header("Subject: café\r\n\r\n".encode()))
    assert field.value == "café"
    (field,) = header_fields(read_header(b"Subject: caf\xe9\r\n\r\n"))
    assert field.value == "café"


def test_what_cannot_be_decoded_stays() -> None:
    unknown = decode_words(b"=?nonsense?Q?a?=")
    assert unknown.text == "a"
    assert unknown.remarks == ('the charset "nonsense" isn\'t known',)
    assert decode_words(b"=?utf-8?B?!!!?=").text == "=?utf-8?B?!!!?="


def test_a_missing_boundary_is_named() -> None:
    (part,) = parts(parse(b'Content-Type: multipart/mixed; boundary="x"\r\n\r\nno parts\r\n'))
    assert "start boundary not found" in part.defects


def test_a_bomb_of_parts_is_cut_off() -> None:
    many = b"".join(b"--b\r\n\r\nx\r\n" for _ in range(MOST_PARTS * 2))
    bomb = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + many + b"--b--\r\n"
    assert len(list(parts(parse(bomb)))) == MOST_PARTS


@given(st.binary(max_size=400))
def test_no_octets_make_it_fall_over(octets: bytes) -> None:
    for data in (octets, LETTER[:150] + octets, b"Content-Type: text/html\r\n\r\n" + octets):
        message = parse(data)
        list(header_fields(message.header))
        list(parts(message))
        readable_text(message)
        trace(message.header)


@given(st.integers(0, len(LETTER)), st.integers(0, len(LETTER)))
def test_no_piece_of_a_letter_does_either(start: int, stop: int) -> None:
    message = parse(LETTER[:start] + LETTER[stop:])
    list(header_fields(message.header))
    list(parts(message))
    readable_text(message)


@pytest.mark.parametrize(
    "level",
    [
        b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n',
        b"Content-Type: message/rfc822\r\nX: %d %d\r\n\r\n",
    ],
    ids=["parts", "messages"],
)
def test_parts_nested_without_end(level: bytes) -> None:
    """Python's own parser recurses as deep as they are nested, and gives up."""
    message = parse(b"".join(level % (n, n) for n in range(5_000)) + b"\r\nhi\r\n")
    [part] = parts(message)
    assert part.defects == ("nested too deeply",)
    assert part.octets > 5_000
    assert next(header_fields(message.header)).name == "Content-Type"
    readable_text(message)
