"""The path of a message."""

from __future__ import annotations

from datetime import timedelta

import pytest

from poptalk.mail.header import read_header
from poptalk.mail.message import trace

HEADER = b"""\
Received: from mx.club.example (mx.club.example [192.0.2.7])
\tby box.club.example (Postfix) with ESMTPS id 4XYZ
\tfor <bob@club.example>; Tue, 3 Mar 1998 10:00:09 +0100 (CET)
Received: from ted-laptop (unknown (a (nested) comment) [198.51.100.3])
\tby mx.club.example with SMTP; Tue, 3 Mar 1998 08:59:07 -0000
Received: by nowhere.example; yesterday
Subject: x

"""


def test_the_first_in_time_comes_first_with_the_delays() -> None:
    hops = trace(read_header(HEADER))
    assert [(hop.sender, hop.receiver, hop.protocol) for hop in hops] == [
        (None, "nowhere.example", None),
        ("ted-laptop", "mx.club.example", "SMTP"),
        ("mx.club.example", "box.club.example", "ESMTPS"),
    ]
    assert [hop.delay for hop in hops] == [None, None, timedelta(seconds=62)]
    assert hops[0].when is None
    assert (hops[0].receiver, hops[0].when) == ("nowhere.example", None)


def test_a_clock_that_goes_wrong_shows() -> None:
    header = (
        b"Received: from b by c; Tue, 3 Mar 1998 09:00:00 +0000\n"
        b"Received: from a by b; Tue, 3 Mar 1998 09:00:30 +0000\n\n"
    )
    assert [hop.delay for hop in trace(read_header(header))] == [None, timedelta(seconds=-30)]


def test_a_message_without_received_fields_has_no_way() -> None:
    assert trace(read_header(b"Subject: x\n\n")) == ()


def test_addresses_queue_ids_and_recipients() -> None:
    hops = trace(read_header(HEADER))
    assert [(hop.address, hop.queue_id, hop.recipient) for hop in hops] == [
        (None, None, None),
        ("198.51.100.3", None, None),
        ("192.0.2.7", "4XYZ", "<bob@club.example>"),
    ]


@pytest.mark.parametrize(
    ("field", "address"),
    [
        (b"from a ([IPv6:2001:db8::1]) by b; x", "2001:db8::1"),
        (b"from [192.0.2.1] (helo=[10.0.0.1]) by b; x", "10.0.0.1"),
        (b"from a (HELO x) (192.0.2.9) by b with SMTP; x", "192.0.2.9"),
        (b"from a (a 192.0.2.9:25) by b with SMTP; x", "192.0.2.9"),
        (
            b"from a (2603:10a6::1) by b (2603:10a6::2) with Microsoft SMTP Server; x",
            "2603:10a6::1",
        ),
        (b"by b with SMTP id 1; x", None),
        (b"from a by b ([192.0.2.1]) with SMTP; x", None),
    ],
)
def test_an_address_is_that_of_the_sending_host(field: bytes, address: str | None) -> None:
    (hop,) = trace(read_header(b"Received: " + field + b"\r\n\r\n"))
    assert hop.address == address
