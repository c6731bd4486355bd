"""Labels of charsets in real mail, and octets that aren't in them."""

from __future__ import annotations

import codecs

import pytest

from poptalk.mail.words import codec_of, decode


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("gb2312", "gb18030"),
        ("x-gbk", "gb18030"),
        ("iso-8859-1", "cp1252"),
        ("latin1", "cp1252"),
        ("windows-874", "cp874"),
        ("tis-620", "cp874"),
        ("ks_c_5601-1987", "cp949"),
        ("x-sjis", "cp932"),
        ("cp-850", "cp850"),
        ("cp850", "cp850"),
        ("ibm850", "cp850"),
        ("cp437", "cp437"),
        ("cp1251", "cp1251"),
        ("cp-1251", "cp1251"),
        ("windows1252", "cp1252"),
        ("utf_8", "utf-8"),
        ("iso8859_15", "iso8859-15"),
        ("iso 8859-2", "iso8859-2"),
        ("iso-8859-8-i", "iso8859-8"),
        ("big5-hkscs", "big5hkscs"),
        ("x-mac-roman", "mac-roman"),
        ("utf-7", "utf_7"),
        ("hz-gb-2312", "hz"),
        ("iso-2022-kr", "iso2022_kr"),
        ("iso2022jp", "iso2022_jp"),
    ],
)
def test_a_label_is_read_as(label: str, codec: str) -> None:
    found = codec_of(label)
    assert found is not None
    assert codecs.lookup(found).name == codecs.lookup(codec).name


@pytest.mark.parametrize(
    "label",
    ["", "nonsense", "zip", "hex", "rot13", "base64", "x" * 10_000, "ü", "a\0b", "../x", "mbcs"],
)
def test_what_is_no_charset(label: str) -> None:
    assert codec_of(label) is None


def test_an_unknown_charset_is_named() -> None:
    decoded = decode("café".encode(), "X-Nobody-9")
    assert decoded.text == "café"
    assert decoded.remarks == ('the charset "x-nobody-9" isn\'t known; it is read as utf-8',)
    assert decode(b"caf\xe9", "x-nobody-9").text == "café"


@pytest.mark.parametrize(
    ("octets", "label", "text"),
    [
        (b"na\xffme", "utf-8", "na\udcffme"),
        ("дa".encode() + b"\xfc" + "д".encode(), "utf-8", "дa\udcfcд"),
        ("朱".encode("gb18030") + b"\xff!" + "基".encode("gb18030"), "gb2312", "朱\udcff!基"),
        (b"a\x81b", "windows-1252", "a\udc81b"),
        (b"\x1b$B\xff\xff\x1b(Bok", "iso-2022-jp", None),
        (b"+\xff", "utf-7", None),
        (b"a", "utf-16", None),
    ],
)
def test_an_odd_octet_marks_one_place(octets: bytes, label: str, text: str | None) -> None:
    decoded = decode(octets, label)
    assert decoded.remarks
    assert label in decoded.remarks[0]
    if text is not None:
        assert decoded.text == text


@pytest.mark.parametrize("label", [None, "us-ascii", "unknown-8bit"])
def test_octets_without_a_charset(label: str | None) -> None:
    assert decode("Käse".encode(), label).text == "Käse"
    assert decode(b"K\xe4se", label).text == "Käse"
    assert decode("Käse und Brötchen".encode() + b"\xff", label).text == "Käse und Brötchen\udcff"
