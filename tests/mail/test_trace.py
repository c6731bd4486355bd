"""The way that a message came."""

from __future__ import annotations

from datetime import timedelta

from poptalk.mail.message import parse
from poptalk.mail.trace import trace

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
    hops = trace(parse(HEADER))
    assert [(hop.sender, hop.receiver, hop.protocol) for hop in hops] == [
        (None, "nowhere.example", None),
        ("ted-laptop", "mx.club.example", "SMTP"),
        ("mx.club.example", "box.club.example", "ESMTPS"),
    ]
    assert [hop.delay for hop in hops] == [None, None, timedelta(seconds=62)]
    assert hops[0].when is None
    assert hops[0].raw == "by nowhere.example; yesterday"


def test_a_clock_that_goes_wrong_shows() -> None:
    header = (
        b"Received: from b by c; Tue, 3 Mar 1998 09:00:00 +0000\n"
        b"Received: from a by b; Tue, 3 Mar 1998 09:00:30 +0000\n\n"
    )
    assert [hop.delay for hop in trace(parse(header))] == [None, timedelta(seconds=-30)]


def test_a_message_without_received_fields_has_no_way() -> None:
    assert trace(parse(b"Subject: x\n\n")) == ()
