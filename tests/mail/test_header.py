"""Headers as in real mail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poptalk.mail.header import (
    LONGEST_FIELD,
    MOST_OCTETS,
    decode_words,
    header_fields,
    read_date,
    read_header,
    with_parameters,
)


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r"])
def test_line_ends_of_any_kind(end: bytes) -> None:
    octets = end.join([b"A : 1", b"B:", b" 2", b"", b"C: body"])
    header = read_header(octets)
    assert [(name, b" ".join(value.split())) for name, value in header.fields] == [
        (b"A", b"1"),
        (b"B", b"2"),
    ]
    assert octets[header.end :] == b"C: body"
    assert header.remarks == ()


def test_a_line_that_is_no_field_is_passed_over_with_a_remark() -> None:
    header = read_header(b"From: a\r\nwrapped badly\r\nSubject: b\r\n\r\nbody")
    assert [name for name, _ in header.fields] == [b"From", b"Subject"]
    assert header.remarks == ("1 line of the header isn't a field",)


def test_a_header_without_its_empty_line() -> None:
    octets = b"Subject: b\r\nDear Bob\r\nNote: this.\r\n\r\nMore"
    header = read_header(octets)
    assert [name for name, _ in header.fields] == [b"Subject"]
    assert octets[header.end :].startswith(b"Dear Bob")
    assert header.remarks == ("no empty line ends the header",)


def test_odd_names_are_fields() -> None:
    header = read_header("Reply To: a\r\nX-Größe: 3\r\nFrom: b\r\n\r\n".encode())
    assert [field.name for field in header_fields(header)] == ["Reply To", "X-Größe", "From"]


def test_the_first_line_of_an_mbox_is_none() -> None:
    assert [n for n, _ in read_header(b"From a Mon Jan  5\r\nTo: b\r\n\r\n").fields] == [b"To"]


def test_what_is_too_long_is_cut_with_a_remark() -> None:
    field = read_header(b"A: " + b"x" * LONGEST_FIELD * 2 + b"\r\n\r\nbody")
    assert len(field.fields[0][1]) <= LONGEST_FIELD
    assert "a field is longer than 65,536 octets" in field.remarks[0]
    octets = b"A: b\r\n" * MOST_OCTETS + b"\r\nbody"
    header = read_header(octets)
    assert "the header is longer than 262,144 octets" in header.remarks[0]
    assert octets[header.end :] == b"body"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"=?utf-8?Q?a?= =?utf-8?Q?b?=", "ab"),
        (b"=?utf-8?Q?a?= x =?utf-8?Q?b?=", "a x b"),
        (b"=?utf-8?Q?=C3?= =?utf-8?Q?=A4?=", "ä"),
        (b"=?utf-8*de?Q?=C3=A4?=", "ä"),
        (b"=?UTF-8?b?w6Q?=", "ä"),
        (b"=?utf-8?Q?a b?=", "a b"),
        (b'"=?utf-8?Q?K=C3=A4se?=" <a@b>', '"Käse" <a@b>'),
        (b"x=?utf-8?Q?=C3=A4?=y", "xäy"),
        (b"=?utf-8?X?a?=", "=?utf-8?X?a?="),
        (b"=?utf-8?Q?a", "=?utf-8?Q?a"),
        (b"=?utf-8?Q??=", ""),
        (b"=?iso-2022-jp?B?GyRCJDMbKEI=?=", "こ"),
    ],
)
def test_encoded_words(raw: bytes, text: str) -> None:
    assert decode_words(raw).text == text


@pytest.mark.parametrize(
    ("raw", "name", "value"),
    [
        (b"text/plain; charset=utf-8", "charset", "utf-8"),
        (b'text/plain; charset="utf-8"', "charset", "utf-8"),
        (b"text/plain charset=utf-8 format=flowed", "charset", "utf-8"),
        (b"text/plain charset=utf-8 format=flowed", "format", "flowed"),
        (b"a/b; name=my report.pdf; x=y", "name", "my report.pdf"),
        (b'a/b; name="a;b=c\\"d"', "name", 'a;b=c"d'),
        (b'a/b; name="never ends', "name", "never ends"),
        (b"a/b; name*=utf-8''K%C3%A4se.pdf", "name", "Käse.pdf"),
        (b"a/b; name*0*=utf-8''K%C3; name*1*=%A4; name*2=se", "name", "Käse"),
        (b"a/b; name*1=b; name*0=a", "name", "ab"),
        (b"a/b; name=plain; name*=utf-8''better", "name", "better"),
        (b"a/b; name*=no quotes", "name", "no quotes"),
        (b"a/b; name*=x-nobody''%FF", "name", "ÿ"),
        (b'a/b; name="=?utf-8?Q?K=C3=A4se?="', "name", "Käse"),
        (b"a/b; name==", "name", "="),
        (b"a/b;;;; ; NAME = x ;", "name", "x"),
    ],
)
def test_parameters(raw: bytes, name: str, value: str) -> None:
    assert with_parameters(raw).get(name) == value


@given(st.binary(max_size=200))
def test_any_octets_are_a_value_with_parameters(octets: bytes) -> None:
    with_parameters(b"a/b; name" + octets)
    decode_words(b"=?utf-8?Q?" + octets + b"?=")
    read_header(b"A: b\r\n" + octets)


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("Mon, 5 Jan 2026 10:00:00 +0100", datetime(2026, 1, 5, 9, tzinfo=UTC)),
        ("Mon, 5 Jan 2026 10:00:00 -0000", datetime(2026, 1, 5, 10, tzinfo=UTC)),
        ("5 Jan 26 10:00 EST", datetime(2026, 1, 5, 15, tzinfo=UTC)),
        ("yesterday", None),
        ("Mon, 99 Jan 2026 10:00:00 +0100", None),
        ("Mon, 5 Jan 2026 10:00:00 +9999999999999", None),
        ("31 Dec 9999 23:00:00 -1400", None),
        ("", None),
        ("9" * 10_000, None),
    ],
)
def test_dates(text: str, when: datetime | None) -> None:
    assert read_date(text) == when
    if when is not None:
        assert read_date(text) - when == timedelta()  # type: ignore[operator]
