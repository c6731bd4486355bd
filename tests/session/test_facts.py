"""What the replies of a session have told."""

import pytest

from poptalk.pop3.client import ClientSession
from poptalk.pop3.commands import parse_command
from poptalk.pop3.events import Exchange
from poptalk.pop3.replies import parse_status_line
from poptalk.session.exchanges import Facts, StoredReply


@pytest.fixture
def facts() -> Facts:
    return Facts()


def tell(facts: Facts, line: bytes, status: bytes, *body: bytes) -> None:
    """Let a server answer."""
    command = parse_command(line)
    reply = StoredReply(
        exchange=Exchange(number=1, command=command),
        status_line=parse_status_line(status),
        multi_line=command.multi_line,
    )
    if body:
        reply.append(b"".join(line + b"\r\n" for line in (*body, b".")))
    facts.learn(ClientSession(), reply, ok=True)
    reply.close()


def test_nothing_is_known_at_first(facts: Facts) -> None:
    assert (facts.messages, facts.octets, facts.sizes, facts.mechanisms) == (None, None, {}, ())


def test_stat_tells_the_totals(facts: Facts) -> None:
    tell(facts, b"STAT", b"+OK 3 6183 and more")
    assert (facts.messages, facts.octets) == (3, 6183)


@pytest.mark.parametrize("reply", [b"+OK", b"+OK 3", b"+OK three 25", b"+OK -1 " + b"9" * 30])
def test_a_stat_that_makes_no_sense_never_fails(facts: Facts, reply: bytes) -> None:
    tell(facts, b"STAT", reply)
    assert facts.octets is None or facts.octets == 25


def test_list_tells_numbers_and_sizes(facts: Facts) -> None:
    tell(facts, b"LIST", b"+OK", b"1 1903", b"3 25 more", b"strange", b"", b"x 1")
    assert facts.sizes == {1: 1903, 3: 25}
    assert (facts.messages, facts.octets) == (2, 1928)


def test_uidl_tells_numbers_and_keeps_the_sizes(facts: Facts) -> None:
    tell(facts, b"UIDL", b"+OK", b"1 abc", b"2 def")
    assert facts.sizes == {1: None, 2: None}
    assert (facts.messages, facts.octets) == (2, None)
    tell(facts, b"LIST", b"+OK", b"1 10", b"2 20")
    tell(facts, b"UIDL", b"+OK", b"1 abc", b"2 def")
    assert facts.sizes == {1: 10, 2: 20}


def test_list_with_a_number_changes_nothing(facts: Facts) -> None:
    tell(facts, b"LIST", b"+OK", b"1 10", b"2 20")
    tell(facts, b"LIST 2", b"+OK 2 20")
    assert facts.messages == 2


def test_capa_tells_the_mechanisms(facts: Facts) -> None:
    tell(facts, b"CAPA", b"+OK", b"TOP", b"", b"sasl PLAIN CRAM-MD5", b"UIDL")
    assert list(facts.mechanisms) == ["PLAIN", "CRAM-MD5"]
    assert b"TOP" in facts.capabilities
    tell(facts, b"CAPA", b"+OK", b"UIDL")
    assert list(facts.mechanisms) == []


def test_other_replies_tell_nothing(facts: Facts) -> None:
    tell(facts, b"RETR 1", b"+OK 5 6", b"7 8")
    tell(facts, b"XYZZY", b"+OK 5 6")
    tell(facts, b"NOOP", b"+OK 5 6")
    assert facts.messages is None
    assert facts.sizes == {}


def test_everything_can_be_forgotten(facts: Facts) -> None:
    tell(facts, b"LIST", b"+OK", b"1 10")
    facts.forget()
    assert facts.messages is None
    assert facts.sizes == {}
