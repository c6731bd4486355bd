"""The client core, without sockets; every input is also cut at every octet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poptalk.pop3.client import MAX_LINE_KEPT, ClientSession
from poptalk.pop3.commands import VERBS, Span, State
from poptalk.pop3.events import (
    BodyChunk,
    Challenge,
    Closed,
    Event,
    Greeting,
    Reply,
    ReplyEnd,
    Sent,
    StateChanged,
    TlsRequested,
    Unsolicited,
    Violation,
    ViolationKind,
)
from poptalk.pop3.replies import Status
from tests.pop3.cutting import joined, same_events_at_every_cut


def greeted() -> ClientSession:
    session = ClientSession()
    session.receive_data(b"+OK ready\r\n")
    return session


def logged_in() -> ClientSession:
    session = greeted()
    for line, reply in ((b"USER bob\r\n", b"+OK\r\n"), (b"PASS jones\r\n", b"+OK\r\n")):
        session.send(line)
        session.receive_data(reply)
    assert session.state is State.TRANSACTION
    return session


def after(
    *lines: bytes, start: Callable[[], ClientSession] | None = None
) -> Callable[[], ClientSession]:
    def make() -> ClientSession:
        session = (start or logged_in)()
        for line in lines:
            session.send(line + b"\r\n")
        return session

    return make


def send(session: ClientSession, data: bytes) -> list[Any]:
    """Send octets, for tests that look at events of one kind."""
    return list(session.send(data))


def first(events: list[Any]) -> Any:
    """Return the first event, which has the kind that the test expects."""
    return events[0]


def oddities(events: list[Any]) -> list[ViolationKind]:
    return [event.kind for event in events if isinstance(event, Violation)]


def only(kind: type[Event], events: list[Any]) -> list[Any]:
    return [event for event in events if type(event) is kind]


class TestGreeting:
    def test_opens_authorization(self) -> None:
        events = same_events_at_every_cut(ClientSession, b"+OK POP3 ready\r\n")
        assert [type(event) for event in events] == [Greeting, StateChanged]
        assert first(events).status_line.text == b"POP3 ready"

    def test_holds_the_timestamp(self) -> None:
        session = ClientSession()
        session.receive_data(b"+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>\r\n")
        assert session.timestamp == b"<1896.697170952@dbc.mtview.ca.us>"

    @pytest.mark.parametrize("text", [b"<no blank @x>", b"<a@b", b"<ab>", b"a@b", b"<a@\x80>"])
    def test_holds_no_timestamp_that_is_not_a_msg_id(self, text: bytes) -> None:
        session = ClientSession()
        session.receive_data(b"+OK " + text + b"\r\n")
        assert session.timestamp is None

    def test_negative_is_odd(self) -> None:
        events = ClientSession().receive_data(b"-ERR [SYS/TEMP] come back later\r\n")
        assert oddities(events) == [ViolationKind.NEGATIVE_GREETING]
        assert first(events).status_line.code == b"SYS/TEMP"

    def test_that_is_no_pop3_is_odd(self) -> None:
        events = ClientSession().receive_data(b"220 smtp.example ESMTP\r\n")
        assert oddities(events) == [ViolationKind.NOT_POP3]


class TestReplies:
    def test_single_line(self) -> None:
        events = same_events_at_every_cut(after(b"STAT"), b"+OK 2 320\r\n")
        assert [type(event) for event in events] == [Reply, ReplyEnd]
        assert first(events).status_line.words == [b"2", b"320"]

    def test_multi_line_ends_at_the_lone_dot(self) -> None:
        data = b"+OK 2 messages\r\n1 120\r\n2 200\r\n.\r\n"
        events = same_events_at_every_cut(after(b"LIST"), data)
        assert [type(event) for event in events] == [Reply, BodyChunk, ReplyEnd]
        assert events[1].data == b"1 120\r\n2 200\r\n.\r\n"
        assert events[2].body_octets == len(events[1].data)

    def test_empty_multi_line(self) -> None:
        events = same_events_at_every_cut(after(b"LIST"), b"+OK\r\n.\r\n")
        assert events[1].data == b".\r\n"

    @pytest.mark.parametrize(
        "body",
        [
            b"a\r\n..\r\nb\r\n.\r\n",
            b"..\r\n.\r\n",
            b"a.\r\n.\r\n",
            b"\r\n\r\n.\r\n",
            b".\rx\r\n.\r\n",
            b"x\r\n.y\r\n.\r\n",
            b"\r\r\n..\r\r\n.\r\n",
            b"a\n.\nb\r\n.\r\n",
        ],
    )
    def test_stuffed_and_odd_lines_do_not_end_it(self, body: bytes) -> None:
        events = same_events_at_every_cut(after(b"RETR 1", b"NOOP"), b"+OK\r\n" + body + b"+OK\r\n")
        assert only(BodyChunk, events)[0].data == body
        assert len(only(ReplyEnd, events)) == 2

    def test_bare_lf_before_the_dot_ends_it_and_is_odd(self) -> None:
        data = b"+OK\r\nline\n.\r\n"
        events = same_events_at_every_cut(after(b"RETR 1"), data)
        assert oddities(events) == [ViolationKind.BARE_LF_BEFORE_DOT]
        assert isinstance(events[-1], ReplyEnd)

    def test_a_server_of_bare_lf_is_understood(self) -> None:
        events = same_events_at_every_cut(after(b"LIST"), b"+OK\n1 5\n.\n")
        assert oddities(events) == [ViolationKind.BARE_LF]
        assert only(BodyChunk, events)[0].data == b"1 5\n.\n"

    @pytest.mark.parametrize(
        ("line", "multi_line"),
        [
            (b"LIST", True),
            (b"list ", True),
            (b"LIST 2", False),
            (b"UIDL", True),
            (b"UIDL 1", False),
            (b"RETR 1", True),
            (b"TOP 1 0", True),
            (b"CAPA", True),
            (b"LANG", True),
            (b"LANG es", False),
            (b"NOOP", False),
            (b"FOO", False),
            (b"", False),
        ],
    )
    def test_multi_line_by_verb_and_argument(self, line: bytes, multi_line: bool) -> None:
        session = after(line)()
        events = session.receive_data(b"+OK\r\n")
        assert first(events).multi_line is multi_line
        assert session.in_body is multi_line

    def test_negative_is_never_multi_line(self) -> None:
        session = after(b"RETR 99")()
        session.receive_data(b"-ERR no such message\r\n")
        assert not session.in_body
        assert not session.outstanding

    def test_pipelined(self) -> None:
        data = b"+OK 1 5\r\n+OK\r\n1 5\r\n.\r\n-ERR\r\n"
        events = same_events_at_every_cut(after(b"STAT", b"LIST", b"RETR 9"), data)
        ends = only(ReplyEnd, events)
        assert [e.exchange.command.keyword for e in ends] == [b"STAT", b"LIST", b"RETR"]
        assert [e.ok for e in ends] == [True, True, False]

    @pytest.mark.parametrize(
        ("line", "status", "odd"),
        [
            (b"+ok fine", Status.OK, ViolationKind.LOWER_CASE_STATUS),
            (b"-Err", Status.ERR, ViolationKind.LOWER_CASE_STATUS),
            (b"+ERR no", Status.OTHER, ViolationKind.NO_STATUS),
            (b"421 shutting down", Status.OTHER, ViolationKind.NO_STATUS),
            (b"", Status.OTHER, ViolationKind.NO_STATUS),
            (b"+ go on", Status.CHALLENGE, ViolationKind.NO_STATUS),
            (b"+OK " + b"x" * 507, Status.OK, ViolationKind.LONG_REPLY_LINE),
        ],
    )
    def test_odd_status_lines(self, line: bytes, status: Status, odd: ViolationKind) -> None:
        events = same_events_at_every_cut(after(b"NOOP"), line + b"\r\n")
        assert first(events).status_line.status is status
        assert odd in oddities(events)
        assert isinstance(events[-1], ReplyEnd)

    def test_longest_legal_line_is_not_odd(self) -> None:
        events = after(b"NOOP")().receive_data(b"+OK " + b"x" * 506 + b"\r\n")
        assert oddities(events) == []

    def test_line_without_end_is_bounded_and_reported(self) -> None:
        def make() -> ClientSession:
            session = after(b"NOOP")()
            session.receive_data(b"+OK ")
            return session

        session = make()
        block = b"A" * 65536
        events = [event for _ in range(100) for event in session.receive_data(block)]
        assert oddities(events) == [ViolationKind.ENDLESS_LINE]
        assert len(session.partial) == MAX_LINE_KEPT
        reply = first(list(session.receive_data(b"A\r\n")))
        assert len(reply.status_line.line) == MAX_LINE_KEPT

    def test_overlong_line_cut_anywhere(self) -> None:
        data = b"+OK " + b"x" * (MAX_LINE_KEPT + 50) + b"\r\n"
        whole = joined(after(b"NOOP")().receive_data(data))
        for cut in (1, MAX_LINE_KEPT - 1, MAX_LINE_KEPT, MAX_LINE_KEPT + 1, len(data) - 1):
            session = after(b"NOOP")()
            pieces = session.receive_data(data[:cut]) + session.receive_data(data[cut:])
            assert joined(pieces) == whole


class TestStates:
    def test_user_and_pass(self) -> None:
        session = greeted()
        session.send(b"USER bob\r\n")
        session.receive_data(b"+OK\r\n")
        assert session.user == "bob"
        session.send(b"PASS no\r\n")
        session.receive_data(b"-ERR [AUTH] wrong\r\n")
        assert session.user is None
        assert session.state is State.AUTHORIZATION

    def test_a_login_that_is_refused_after_the_login_changes_nothing(self) -> None:
        session = greeted()
        for line, reply in ((b"USER bob", b"+OK"), (b"PASS x", b"+OK"), (b"PASS y", b"-ERR")):
            session.send(line + b"\r\n")
            session.receive_data(reply + b"\r\n")
        assert session.user == "bob"
        assert session.state is State.TRANSACTION

    def test_apop_names_the_user(self) -> None:
        session = after(b"APOP mrose c4c9334bac560ecc979e58001b3e22fb", start=greeted)()
        events = session.receive_data(b"+OK\r\n")
        assert only(StateChanged, events)[0].new is State.TRANSACTION
        assert session.user == "mrose"

    def test_marks(self) -> None:
        session = after(b"DELE 1", b"DELE 3", b"DELE 9")()
        session.receive_data(b"+OK\r\n+OK\r\n-ERR\r\n")
        assert session.marked == {1, 3}
        session.send(b"RSET\r\n")
        session.receive_data(b"+OK\r\n")
        assert session.marked == set()

    def test_quit_leads_to_update(self) -> None:
        session = after(b"DELE 1", b"QUIT")()
        events = session.receive_data(b"+OK\r\n+OK bye\r\n") + session.receive_eof()
        assert [e.new for e in only(StateChanged, events)] == [State.UPDATE, State.CLOSED]
        assert only(Closed, events)[0].marked == ()

    def test_lost_line_keeps_the_marked(self) -> None:
        session = after(b"DELE 2", b"STAT")()
        events = session.receive_data(b"+OK\r\n+OK 1 ") + session.receive_eof()
        closed = only(Closed, events)[0]
        assert closed.marked == (2,)
        assert closed.partial == b"+OK 1 "
        assert [e.command.keyword for e in closed.unanswered] == [b"STAT"]
        assert oddities(events) == [ViolationKind.REPLY_CUT_SHORT]

    def test_data_after_quit(self) -> None:
        session = after(b"QUIT")()
        events = session.receive_data(b"+OK bye\r\nBuy now!\r\n")
        assert oddities(events) == [ViolationKind.DATA_AFTER_QUIT]
        assert events[-1] == Unsolicited(data=b"Buy now!\r\n")


class TestUnsolicited:
    def test_whole_lines_are_passed_on(self) -> None:
        events = same_events_at_every_cut(logged_in, b"-ERR idle too long\r\nbye\r\n", eof=True)
        assert oddities(events) == [ViolationKind.UNSOLICITED]
        assert only(Unsolicited, events)[0].data == b"-ERR idle too long\r\nbye\r\n"

    def test_reported_anew_after_a_command(self) -> None:
        session = logged_in()
        assert oddities(session.receive_data(b"a\r\n")) == [ViolationKind.UNSOLICITED]
        assert oddities(session.receive_data(b"b\r\n")) == []
        session.send(b"NOOP\r\n")
        session.receive_data(b"+OK\r\n")
        assert oddities(session.receive_data(b"c\r\n")) == [ViolationKind.UNSOLICITED]

    def test_long_line_among_many_short_ones(self) -> None:
        data = b"a\r\n" * 100 + b"x" * (2 * MAX_LINE_KEPT) + b"\r\n" + b"b\r\n" * 100
        session = logged_in()
        whole = joined(session.receive_data(data))
        assert ViolationKind.ENDLESS_LINE in oddities(whole)
        text = b"".join(e.data for e in whole if isinstance(e, Unsolicited))
        assert text == b"a\r\n" * 100 + b"x" * MAX_LINE_KEPT + b"\r\n" + b"b\r\n" * 100

    def test_a_flood_of_lines_is_one_event_a_chunk(self) -> None:
        session = logged_in()
        session.receive_data(b"+OK\r\n")
        assert session.receive_data(b"+OK\r\n" * 50_000) == [Unsolicited(data=b"+OK\r\n" * 50_000)]


class TestAuth:
    def test_two_lines(self) -> None:
        session = after(b"AUTH PLAIN", start=greeted)()
        (challenge,) = session.receive_data(b"+ \r\n")
        assert isinstance(challenge, Challenge)
        (sent,) = send(session, b"AGJvYgBqb25lcw==\r\n")
        assert (sent.sasl, sent.secret.start, sent.secret.stop) == (True, 0, 16)
        session.receive_data(b"+OK\r\n")
        assert session.state is State.TRANSACTION

    def test_one_line(self) -> None:
        (sent,) = send(greeted(), b"AUTH PLAIN AGJvYgBqb25lcw==\r\n")
        assert sent.line[sent.secret.start : sent.secret.stop] == b"AGJvYgBqb25lcw=="

    def test_login_asks_twice(self) -> None:
        session = after(b"AUTH LOGIN", start=greeted)()
        for line in (b"Ym9i", b"am9uZXM="):
            assert session.receive_data(b"+ VXNlcm5hbWU6\r\n")
            (sent,) = send(session, line + b"\r\n")
            assert sent.sasl
        assert (
            only(ReplyEnd, session.receive_data(b"+OK\r\n"))[0].exchange.command.keyword == b"AUTH"
        )

    def test_cancel_is_not_secret(self) -> None:
        session = after(b"AUTH LOGIN", start=greeted)()
        session.receive_data(b"+ \r\n")
        (sent,) = send(session, b"*\r\n")
        assert sent.secret is None

    def test_lines_sent_ahead_are_secret_and_answered_in_order(self) -> None:
        session = greeted()
        session.send(b"AUTH PLAIN\r\n")
        (ahead,) = send(session, b"AGJvYgBqb25lcw==\r\n")
        assert ahead.secret is not None
        session.receive_data(b"+ \r\n+OK\r\n")
        assert session.state is State.TRANSACTION
        assert not session.outstanding

    def test_refused_auth_makes_commands_of_what_was_sent_ahead(self) -> None:
        session = greeted()
        session.send(b"AUTH PLAIN\r\nAGJvYgBqb25lcw==\r\n")
        session.receive_data(b"-ERR no such mechanism\r\n")
        assert [e.command.secret for e in session.outstanding] == [Span(start=0, stop=16)]
        events = session.receive_data(b"-ERR unknown command\r\n")
        assert oddities(events) == []
        assert not session.outstanding

    def test_bare_plus_is_taken_and_odd(self) -> None:
        session = after(b"AUTH PLAIN", start=greeted)()
        events = session.receive_data(b"+\r\n")
        assert oddities(events) == [ViolationKind.CHALLENGE_WITHOUT_BLANK]
        assert isinstance(events[0], Challenge)

    def test_without_argument_lists(self) -> None:
        session = after(b"AUTH", start=greeted)()
        session.receive_data(b"+OK\r\nPLAIN\r\n.\r\n")
        assert session.state is State.AUTHORIZATION


class TestStls:
    def test_hands_over_after_the_ok(self) -> None:
        session = after(b"STLS", start=greeted)()
        assert session.awaiting_tls
        events = session.receive_data(b"+OK begin\r\n")
        assert events[-1] == TlsRequested(residue=b"")
        with pytest.raises(RuntimeError):
            session.receive_data(b"\x16\x03")
        session.tls_established()
        assert session.encrypted
        assert not session.awaiting_tls
        session.send(b"CAPA\r\n")
        assert only(ReplyEnd, session.receive_data(b"+OK\r\n.\r\n"))

    def test_injected_reply_is_residue(self) -> None:
        session = after(b"STLS", start=greeted)()
        events = session.receive_data(b"+OK begin\r\n+OK injected\r\n")
        assert events[-1] == TlsRequested(residue=b"+OK injected\r\n")
        assert oddities(events) == [ViolationKind.RESPONSE_INJECTION]
        assert len(only(Reply, events)) == 1

    def test_refused(self) -> None:
        session = after(b"STLS", start=greeted)()
        session.receive_data(b"-ERR no\r\n")
        assert not session.awaiting_tls

    def test_forgets_what_was_learnt_in_clear(self) -> None:
        session = ClientSession()
        session.receive_data(b"+OK <1@x.example>\r\n")
        session.send(b"USER bob\r\nSTLS\r\nCAPA\r\n")
        session.receive_data(b"+OK\r\n+OK\r\n")
        events = session.tls_established()
        assert (session.user, session.timestamp, session.outstanding) == (None, None, ())
        assert oddities(events) == [ViolationKind.LOST_IN_TLS]

    def test_an_answer_inside_tls_to_what_was_sent_outside_is_called_what_it_is(self) -> None:
        session = greeted()
        session.send(b"STLS\r\nCAPA\r\n")
        session.receive_data(b"+OK\r\n")
        session.tls_established()
        obeyed = session.receive_data(b"+OK\r\nSASL PLAIN\r\n.\r\n")
        assert oddities(obeyed) == [ViolationKind.STLS_RESIDUE_OBEYED]
        # What comes after a command inside TLS may be the reply to that.
        session.send(b"NOOP\r\n")
        session.receive_data(b"+OK\r\n")
        assert oddities(session.receive_data(b"+OK\r\n")) == [ViolationKind.UNSOLICITED]


class TestSending:
    def test_pieces_make_a_line(self) -> None:
        session = greeted()
        assert session.send(b"ST") == []
        (sent,) = send(session, b"LS\r\n")
        assert (sent.line, sent.end) == (b"STLS", b"\r\n")

    @pytest.mark.parametrize(
        ("data", "kinds"),
        [
            (b"STAT\r\n", [ViolationKind.WRONG_STATE]),
            (b"LAST\r\n", [ViolationKind.RELIC]),
            (b"HELP\r\n", [ViolationKind.UNKNOWN_COMMAND]),
            (b"CAPA\n", [ViolationKind.SENT_BARE_LF]),
            (b"USER j\xc3\xb6rg\r\n", [ViolationKind.SENT_CONTROL]),
            (b"USER " + b"x" * 249 + b"\r\n", [ViolationKind.LONG_COMMAND]),
            (b"USER " + b"x" * 248 + b"\r\n", []),
        ],
    )
    def test_odd_lines_are_observed(self, data: bytes, kinds: list[ViolationKind]) -> None:
        events = send(greeted(), data)
        assert isinstance(events[0], Sent)
        assert oddities(events) == kinds

    def test_state_is_not_judged_while_a_reply_is_due(self) -> None:
        assert oddities(after(b"PASS x", start=greeted)().send(b"STAT\r\n")) == []

    @pytest.mark.parametrize("line", [b"PASS jones", b"pass jones", b"  PaSs\tjones"])
    def test_password_is_secret(self, line: bytes) -> None:
        (sent, *_) = send(greeted(), line + b"\r\n")
        assert sent.line[sent.secret.start : sent.secret.stop] == b"jones"


def prove_that_cuts_change_nothing(data: bytes, step: int) -> None:
    lines = b"LIST\r\nRETR 1\r\nAUTH X\r\nNOOP\r\n"
    whole, cut = ClientSession(), ClientSession()
    whole.send(lines)
    cut.send(lines)
    events = [e for at in range(0, len(data), step) for e in cut.receive_data(data[at : at + step])]
    assert joined(events + cut.receive_eof()) == joined(
        whole.receive_data(data) + whole.receive_eof()
    )


@given(st.binary(max_size=300), st.integers(min_value=1, max_value=50))
def test_any_octets_cut_anywhere_give_the_same_events(data: bytes, step: int) -> None:
    prove_that_cuts_change_nothing(data, step)


_LINES = st.lists(
    st.sampled_from(
        [
            b"+OK\r\n",
            b"+OK 1\n",
            b"-ERR\r\n",
            b".\r\n",
            b"..\r\n",
            b".\n",
            b"+ \r\n",
            b"x\r\n",
            b"\n",
        ]
    ),
    max_size=30,
)


@given(_LINES, st.integers(min_value=1, max_value=9))
def test_lines_cut_anywhere_give_the_same_events(lines: list[bytes], step: int) -> None:
    prove_that_cuts_change_nothing(b"".join(lines), step)


def test_every_oddity_and_every_verb_explains_itself() -> None:
    assert all(kind.sentence for kind in ViolationKind)
    for verb in VERBS.values():
        assert verb.summary
        assert verb.details.endswith(".")
        assert verb.example.splitlines()[0][:2] in ("C:", "S:")
