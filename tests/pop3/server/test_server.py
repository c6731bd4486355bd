"""The server core, command by command and rule by rule."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poptalk.pop3.capabilities import FULL_CAPABILITIES, CapabilityLists
from poptalk.pop3.commands import VERBS, Limits, State
from poptalk.pop3.sasl.mechanism import PasswordProof
from poptalk.pop3.server.events import (
    CommandReceived,
    CommitRequested,
    EndReason,
    LoginAttempt,
    NegativeReply,
    OverlongLineReceived,
    PlaintextAfterStls,
    ServerEvent,
    SessionEnded,
    StlsAnswered,
)
from poptalk.pop3.server.session import _HANDLERS, ServerSession
from poptalk.pop3.server.texts import Occasion, Texts
from tests.pop3.serving import LETTERS, TIMESTAMP, Desk

OLD_SERVER = CapabilityLists(clear=(), clear_logged_in=(), tls=(), tls_logged_in=())

WHOLE_SESSION = (
    b"CAPA\r\nUSER mrose\r\nPASS tanstaaf\r\nSTAT\r\nLIST\r\nRETR 1\r\nTOP 1 2\r\nUIDL\r\nNOOP\n"
    b"DELE 2\r\nLIST 2\r\nLIST\r\nRSET\r\nxyzzy\r\nDELE 3\r\nQUIT\r\n"
)


def ended(desk: Desk) -> EndReason | None:
    """Return why the session ended; None if it hasn't."""
    reasons = [event.because for event in desk.told if isinstance(event, SessionEnded)]
    assert len(reasons) <= 1
    return reasons[0] if reasons else None


def test_the_greeting_shows_the_timestamp_and_opens_authorization() -> None:
    desk = Desk()
    assert desk.greeting == b"+OK POP3 server ready " + TIMESTAMP + b"\r\n"
    assert desk.session.state is State.AUTHORIZATION


def test_rfc_1939_section_10() -> None:
    message_1 = b"Subject: a\r\n\r\n" + b"x" * 104 + b"\r\n"
    message_2 = b"Subject: b\r\n\r\n" + b"y" * 184 + b"\r\n"
    desk = Desk(messages=(message_1, message_2))
    digest = b"c4c9334bac560ecc979e58001b3e22fb"
    assert desk.send(b"APOP mrose " + digest + b"\r\n") == (
        b"+OK mrose's maildrop has 2 messages (320 octets)\r\n"
    )
    assert desk.send(b"STAT\r\n") == b"+OK 2 320\r\n"
    assert desk.send(b"LIST\r\n") == b"+OK 2 messages (320 octets)\r\n1 120\r\n2 200\r\n.\r\n"
    assert desk.send(b"RETR 1\r\n") == b"+OK 120 octets\r\n" + message_1 + b".\r\n"
    assert desk.send(b"DELE 1\r\n") == b"+OK message 1 deleted\r\n"
    assert desk.send(b"RETR 2\r\n") == b"+OK 200 octets\r\n" + message_2 + b".\r\n"
    assert desk.send(b"DELE 2\r\n") == b"+OK message 2 deleted\r\n"
    assert desk.send(b"QUIT\r\n") == b"+OK dewey POP3 server signing off (maildrop empty)\r\n"
    assert CommitRequested(numbers=(1, 2)) in desk.told
    assert ended(desk) is EndReason.QUIT
    assert desk.session.state is State.CLOSED


def test_every_handler_is_a_row_of_the_table() -> None:
    # Some servers still answer LAST, an obsolete command: that is a quirk.
    living = {verb.name for verb in VERBS.values() if verb.relic is None}
    assert set(_HANDLERS) == living | {b"LAST"}


@pytest.mark.parametrize("command", [b"AUTH PLAIN", b"UTF8", b"LANG", b"LAST", b"RPOP x", b"XTND"])
def test_a_command_of_the_table_that_is_not_offered_is_unknown(command: bytes) -> None:
    assert Desk(capabilities=OLD_SERVER).send(command + b"\r\n").startswith(b"-ERR unknown command")


# The answers are the same, wherever the input is cut.


def commands_told(events: Sequence[ServerEvent]) -> list[bytes]:
    return [event.command.line for event in events if isinstance(event, CommandReceived)]


def test_a_session_cut_at_any_octet_is_answered_the_same() -> None:
    whole = Desk()
    answer = whole.send(WHOLE_SESSION)
    assert answer.count(b"+OK") == 14
    assert answer.count(b"-ERR") == 2
    assert len(commands_told(whole.told)) == 16
    for cut in range(1, len(WHOLE_SESSION)):
        desk = Desk()
        assert desk.send_cut(WHOLE_SESSION, [cut]) == answer
        assert commands_told(desk.told) == commands_told(whole.told)
    assert Desk().send_cut(WHOLE_SESSION, range(1, len(WHOLE_SESSION))) == answer


@pytest.mark.parametrize("limit", [1, 2, 3, 17, 100])
def test_output_pulled_in_small_chunks_is_the_same(limit: int) -> None:
    desk, other = Desk(), Desk()
    desk.session.receive_data(WHOLE_SESSION)
    assert desk.pull(limit) == other.send(WHOLE_SESSION)


def test_no_chunk_is_larger_than_the_limit() -> None:
    desk = Desk(messages=(b"x" * 1000 + b"\r\n",)).log_in()
    desk.maildrop.piece = 350
    desk.session.receive_data(b"RETR 1\r\nLIST\r\n")
    sizes = []
    while (chunk := desk.session.next_chunk(100)) is not None:
        sizes.append(len(chunk))
    assert max(sizes) == 100


def test_replies_to_one_segment_leave_together() -> None:
    desk = Desk().log_in()
    desk.session.receive_data(b"NOOP\r\nSTAT\r\nLIST\r\nNOOP\r\n")
    chunk = desk.session.next_chunk()
    assert chunk is not None
    assert bytes(chunk).count(b"+OK") == 4
    assert desk.session.next_chunk() is None


def test_commands_behind_a_login_wait_for_its_outcome() -> None:
    desk = Desk()
    desk.session.receive_data(b"USER mrose\r\nPASS tanstaaf\r\nSTAT\r\n")
    assert b"+OK" in bytes(desk.session.next_chunk() or b"")
    assert desk.session.next_chunk() is None
    assert desk.pull().endswith(b"+OK 3 78\r\n")


def test_what_comes_before_the_greeting_is_answered_behind_it() -> None:
    desk = Desk(greet=False)
    desk.session.receive_data(b"QUIT\r\n")
    assert desk.session.next_chunk() is None
    desk.session.greet()
    assert desk.pull().split(b"\r\n")[1] == b"+OK dewey POP3 server signing off"


# What a line may look like.


@pytest.mark.parametrize(
    "line", [b"NOOP\r\n", b"noop\r\n", b"nOoP\r\n", b" NOOP \r\n", b"\tNOOP\r\n", b"NOOP\n"]
)
def test_lines_are_read_leniently(line: bytes) -> None:
    assert Desk().log_in().send(line) == b"+OK\r\n"


def test_a_bare_lf_is_taken_and_reported() -> None:
    desk = Desk()
    desk.send(b"CAPA\nCAPA\r\n")
    ends = [event.end for event in desk.told if isinstance(event, CommandReceived)]
    assert ends == [b"\n", b"\r\n"]


@pytest.mark.parametrize("line", [b"NOOP\rNOOP", b"NO\x00OP", b"\xff\xfe", b"NOOP\x1b[31m"])
def test_odd_octets_are_part_of_the_line(line: bytes) -> None:
    answer = Desk().log_in().send(line + b"\r\n")
    assert answer.startswith(b"-ERR")
    assert answer.count(b"\n") == 1


@pytest.mark.parametrize("line", [b"", b"   ", b"\t"])
def test_an_empty_line_is_an_error(line: bytes) -> None:
    assert Desk().send(line + b"\r\n").startswith(b"-ERR an empty line")


@pytest.mark.parametrize(
    "line",
    [
        b"STAT x", b"NOOP x", b"RSET x", b"QUIT x", b"CAPA x", b"LIST 1 2", b"RETR", b"RETR 1 2",
        b"DELE", b"TOP", b"TOP 1", b"TOP 1 2 3", b"UIDL 1 2",
    ],
)  # fmt: skip
def test_a_wrong_number_of_arguments_is_an_error_that_shows_the_right_one(line: bytes) -> None:
    answer = Desk().log_in().send(line + b"\r\n")
    assert answer.startswith(b"-ERR")
    assert VERBS[line.split()[0]].syntax.encode() in answer


@pytest.mark.parametrize("line", [b"USER", b"USER bob smith", b"PASS", b"APOP mrose", b"STLS x"])
def test_the_same_before_the_login(line: bytes) -> None:
    assert Desk().send(line + b"\r\n").startswith(b"-ERR")


def test_a_line_of_255_octets_is_taken() -> None:
    line = b"USER " + b"x" * 248 + b"\r\n"
    assert len(line) == 255
    assert Desk().send(line).startswith(b"+OK")


def test_a_line_as_long_as_the_limit_is_taken_and_one_octet_more_is_not() -> None:
    assert Desk().send(b"USER " + b"x" * 1017 + b"\r\n").startswith(b"+OK")
    assert Desk().send(b"USER " + b"x" * 1018 + b"\r\n").startswith(b"-ERR line too long")


def test_an_overlong_line_is_thrown_away_to_its_end_whatever_the_cut() -> None:
    line = b"NOOP " * 400 + b"\r\n"
    for pieces in ([], [10], [1024], [1025], range(0, len(line), 100)):
        desk = Desk()
        answer = desk.send_cut(line + b"CAPA\r\n", pieces)
        assert answer.startswith(b"-ERR line too long")
        assert answer.count(b"-ERR") == 1
        assert answer.count(b"+OK") == 1
        assert OverlongLineReceived(octets=len(line)) in desk.told


def test_the_second_overlong_line_ends_the_session() -> None:
    desk = Desk()
    line = b"x" * 2000 + b"\r\n"
    assert desk.send(line + b"CAPA\r\n" + line + b"CAPA\r\n").count(b"+OK") == 1
    assert ended(desk) is EndReason.LINE_TOO_LONG


def test_a_line_without_end_is_bounded_and_ends_the_session() -> None:
    desk = Desk()
    answer = b"".join(desk.send(b"x" * 1000) for _ in range(200))
    assert answer.startswith(b"-ERR line too long")
    assert answer.count(b"-ERR") == 1
    assert ended(desk) is EndReason.LINE_TOO_LONG
    assert desk.session.reader.waiting <= 1024


# States and logging in.


@pytest.mark.parametrize(
    "line", [b"STAT", b"LIST", b"RETR 1", b"DELE 1", b"NOOP", b"RSET", b"TOP 1 0", b"UIDL"]
)
def test_commands_of_transaction_are_refused_before_the_login(line: bytes) -> None:
    assert Desk().send(line + b"\r\n").startswith(b"-ERR log in first: USER")


@pytest.mark.parametrize("line", [b"USER x", b"PASS x", b"APOP x y", b"STLS"])
def test_commands_of_authorization_are_refused_after_the_login(line: bytes) -> None:
    answer = Desk().log_in().send(line + b"\r\n")
    assert answer == b"-ERR %b comes before the login, which is done\r\n" % line.split()[0]


def test_pass_keeps_its_blanks() -> None:
    desk = Desk()
    desk.send(b"USER mrose\r\nPASS  two words \r\n")
    attempt, refusal = desk.told[-2:]
    assert isinstance(attempt, LoginAttempt)
    assert attempt.proof == PasswordProof(password=b" two words ")
    assert isinstance(refusal, NegativeReply)


def test_any_name_is_taken_and_a_wrong_password_answered_like_an_unknown_name() -> None:
    wrong = Desk().send(b"USER mrose\r\nPASS wrong\r\n")
    unknown = Desk().send(b"USER nobody\r\nPASS wrong\r\n")
    assert wrong.count(b"+OK") == unknown.count(b"+OK") == 1
    assert wrong.split(b"\r\n")[1] == unknown.split(b"\r\n")[1]
    assert wrong.split(b"\r\n")[1] == b"-ERR [AUTH] invalid password; begin again with USER"


@pytest.mark.parametrize(
    "between", [b"", b"CAPA\r\n", b"xyzzy\r\n", b"\r\n", b"x" * 2000 + b"\r\n"]
)
def test_pass_is_right_only_behind_user(between: bytes) -> None:
    desk = Desk()
    if between:
        desk.send(b"USER mrose\r\n" + between)
    assert desk.send(b"PASS tanstaaf\r\n").startswith(b"-ERR PASS goes right after USER")
    assert desk.session.state is State.AUTHORIZATION


def test_a_failed_pass_uses_the_name_up() -> None:
    desk = Desk()
    desk.send(b"USER mrose\r\nPASS wrong\r\n")
    assert desk.send(b"PASS tanstaaf\r\n").startswith(b"-ERR PASS goes right after USER")
    assert desk.send(b"USER other\r\nUSER mrose\r\nPASS tanstaaf\r\n").count(b"+OK") == 3


def test_failed_logins_are_limited() -> None:
    desk = Desk()
    answers = [desk.send(b"USER mrose\r\nPASS wrong\r\n") for _ in range(5)]
    assert b"too many logins failed" in answers[-1]
    assert b"too many" not in b"".join(answers[:-1])
    assert ended(desk) is EndReason.TOO_MANY_LOGINS
    assert desk.send(b"CAPA\r\n") == b""


def test_a_locked_maildrop_is_said_with_a_response_code_where_they_are_announced() -> None:
    desk = Desk()
    desk.locked = True
    assert b"-ERR [IN-USE] maildrop already locked" in desk.send(b"USER mrose\r\nPASS tanstaaf\r\n")
    plain = CapabilityLists(
        clear=(b"USER",), clear_logged_in=(b"USER",), tls=(b"USER",), tls_logged_in=(b"USER",)
    )
    other = Desk(capabilities=plain)
    other.locked = True
    assert b"-ERR maildrop already locked" in other.send(b"USER mrose\r\nPASS tanstaaf\r\n")


def test_a_wrong_digest_is_refused_and_the_session_goes_on() -> None:
    desk = Desk()
    assert desk.send(b"APOP mrose " + b"0" * 32 + b"\r\n").startswith(b"-ERR")
    assert desk.send(b"USER mrose\r\nPASS tanstaaf\r\n").count(b"+OK") == 2


def test_apop_is_not_offered_by_a_greeting_without_timestamp() -> None:
    desk = Desk(texts=Texts({Occasion.GREETING: "ready"}))
    assert desk.greeting == b"+OK ready\r\n"
    assert desk.send(b"APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\n").startswith(b"-ERR APOP")


def test_nobody_makes_the_server_say_a_response_code_or_an_escape() -> None:
    answer = Desk().send(b"USER [SYS/TEMP]\x1b[2J<a@b>\xff\r\n")
    assert answer == b"+OK ?SYS/TEMP???2J?a@b?? is a real hoopy frood\r\n"
    assert len(Desk().send(b"USER " + b"x" * 1000 + b"\r\n")) < 100


def test_ten_errors_in_a_row_end_a_session_before_the_login() -> None:
    desk = Desk()
    assert b"too many" not in desk.send(b"xyzzy\r\n" * 9 + b"CAPA\r\n" + b"xyzzy\r\n" * 9)
    assert desk.send(b"xyzzy\r\nCAPA\r\n") == (
        b"-ERR too many errors one after the other; closing\r\n"
    )
    assert ended(desk) is EndReason.TOO_MANY_ERRORS


def test_after_the_login_there_is_more_patience() -> None:
    desk = Desk().log_in()
    assert desk.send(b"LIST 9\r\n" * 30).count(b"-ERR") == 20
    assert ended(desk) is EndReason.TOO_MANY_ERRORS


def test_failed_logins_and_errors_add_up_without_harm() -> None:
    limits = Limits(errors_before_login=3, failed_logins=9)
    for _ in range(3):
        desk = Desk(limits=limits)
        desk.send(b"xyzzy\r\nxyzzy\r\nAPOP mrose x\r\nAPOP mrose x\r\n")
        assert ended(desk) is EndReason.TOO_MANY_ERRORS


# The maildrop.


def test_stat_and_listings() -> None:
    desk = Desk().log_in()
    assert desk.send(b"STAT\r\n") == b"+OK 3 78\r\n"
    assert desk.send(b"LIST 2\r\n") == b"+OK 2 24\r\n"
    assert desk.send(b"UIDL 2\r\n") == b"+OK 2 id-2\r\n"
    assert desk.send(b"UIDL\r\n") == b"+OK\r\n1 id-1\r\n2 id-2\r\n3 id-3\r\n.\r\n"


def test_the_announced_size_counts_no_stuffed_dots() -> None:
    desk = Desk().log_in()
    answer = desk.send(b"RETR 1\r\n")
    head, body = answer.split(b"\r\n", 1)
    assert head == b"+OK %d octets" % len(LETTERS[0])
    assert body == b"Subject: one\r\n\r\nfirst\r\n..\r\n...\r\n..dot\r\nlast\r\n.\r\n"
    assert desk.send(b"RETR 3\r\n").endswith(b"\r\n..no header\r\n.\r\n")


@pytest.mark.parametrize(
    ("line", "body"),
    [
        (b"TOP 1 0", b"Subject: one\r\n\r\n"),
        (b"TOP 1 2", b"Subject: one\r\n\r\nfirst\r\n..\r\n"),
        (b"TOP 2 1", b"Subject: two\r\n\r\nsecond\r\n"),
        (b"TOP 2 99999999999999999999", b"Subject: two\r\n\r\nsecond\r\n"),
        (b"TOP 3 0", b"..no header\r\n"),
    ],
)
def test_top(line: bytes, body: bytes) -> None:
    assert Desk().log_in().send(line + b"\r\n") == b"+OK\r\n" + body + b".\r\n"


@pytest.mark.parametrize("verb", [b"LIST", b"UIDL", b"RETR", b"DELE"])
@pytest.mark.parametrize(
    "number", [b"0", b"4", b"-1", b"+1", b"x", b"2x", b"4294967297", b"18446744073709551617"]
)
def test_numbers_that_name_no_message(verb: bytes, number: bytes) -> None:
    answer = Desk().log_in().send(verb + b" " + number + b"\r\n")
    said = b"only 3 messages in maildrop" if number.isdigit() else b"a message-number is needed"
    assert answer.startswith(b"-ERR")
    assert said in answer


@pytest.mark.parametrize("line", [b"TOP 1 -1", b"TOP 1 x", b"TOP x 1", b"TOP 9 0"])
def test_top_with_wrong_numbers(line: bytes) -> None:
    assert Desk().log_in().send(line + b"\r\n").startswith(b"-ERR")


def test_an_empty_maildrop() -> None:
    desk = Desk(messages=()).log_in()
    assert desk.send(b"STAT\r\n") == b"+OK 0 0\r\n"
    assert desk.send(b"LIST\r\n") == b"+OK 0 messages (0 octets)\r\n.\r\n"
    assert desk.send(b"LIST 1\r\n") == b"-ERR no such message, the maildrop is empty\r\n"
    assert desk.send(b"QUIT\r\n") == b"+OK dewey POP3 server signing off (maildrop empty)\r\n"


def test_a_marked_message_is_gone_for_the_session_and_the_others_keep_their_numbers() -> None:
    desk = Desk().log_in()
    assert desk.send(b"DELE 2\r\n") == b"+OK message 2 deleted\r\n"
    for line in (b"DELE 2", b"RETR 2", b"LIST 2", b"UIDL 2", b"TOP 2 0"):
        answer = desk.send(line + b"\r\n")
        assert answer == b"-ERR message 2 already deleted; RSET takes that back\r\n"
    assert desk.send(b"STAT\r\n") == b"+OK 2 54\r\n"
    assert desk.send(b"LIST\r\n") == b"+OK 2 messages (54 octets)\r\n1 42\r\n3 12\r\n.\r\n"
    assert desk.send(b"UIDL\r\n") == b"+OK\r\n1 id-1\r\n3 id-3\r\n.\r\n"
    assert desk.session.deleted == {2}


def test_rset_takes_the_marks_back() -> None:
    desk = Desk().log_in()
    desk.send(b"DELE 1\r\nDELE 3\r\n")
    assert desk.send(b"RSET\r\n") == b"+OK maildrop has 3 messages (78 octets)\r\n"
    assert desk.send(b"STAT\r\nQUIT\r\n") == (
        b"+OK 3 78\r\n+OK dewey POP3 server signing off (3 messages left)\r\n"
    )
    assert not [event for event in desk.told if isinstance(event, CommitRequested)]


# The end.


def test_quit_before_the_login() -> None:
    desk = Desk()
    assert desk.send(b"QUIT\r\n") == b"+OK dewey POP3 server signing off\r\n"
    assert ended(desk) is EndReason.QUIT


def test_quit_is_the_last_command() -> None:
    assert Desk().log_in().send(b"QUIT\r\nSTAT\r\n").count(b"\r\n") == 1


def test_a_removal_that_failed_is_said() -> None:
    desk = Desk().log_in()
    desk.commits = False
    assert desk.send(b"DELE 1\r\nQUIT\r\n").endswith(b"-ERR some deleted messages not removed\r\n")
    assert ended(desk) is EndReason.QUIT


def test_the_end_is_told_only_when_the_last_octet_was_pulled() -> None:
    desk = Desk()
    desk.session.receive_data(b"QUIT\r\n")
    assert not any(isinstance(event, SessionEnded) for event in desk.session.events())
    assert desk.session.next_chunk() is not None
    assert desk.session.next_chunk() is None
    assert desk.session.events() == [SessionEnded(because=EndReason.QUIT)]


def test_a_client_that_closes_its_side_is_answered_first_and_nothing_is_removed() -> None:
    desk = Desk().log_in()
    desk.session.receive_data(b"DELE 1\r\nRETR 2\r\nQUI")
    desk.session.receive_eof()
    assert desk.pull().count(b"+OK") == 2
    assert ended(desk) is EndReason.CLIENT_GONE
    assert not [event for event in desk.told if isinstance(event, CommitRequested)]


def test_a_client_can_be_turned_away() -> None:
    desk = Desk(greet=False)
    desk.session.turn_away(Occasion.TOO_MANY_CONNECTIONS)
    assert desk.pull().startswith(b"-ERR [SYS/TEMP] too many connections")
    assert ended(desk) is EndReason.TURNED_AWAY
    assert desk.send(b"CAPA\r\n") == b""


# CAPA and STLS.


def test_capa_in_both_states() -> None:
    desk = Desk()
    before = desk.send(b"CAPA\r\n").split(b"\r\n")
    after = desk.log_in().send(b"CAPA\r\n").split(b"\r\n")
    assert before[0] == after[0] == b"+OK Capability list follows"
    assert before[1:-2] == list(FULL_CAPABILITIES.clear)
    assert set(before) - set(after) == {b"STLS"}


def test_a_command_without_its_capability_is_unknown() -> None:
    desk = Desk(capabilities=OLD_SERVER)
    for line in (b"CAPA", b"USER mrose", b"STLS"):
        assert desk.send(line + b"\r\n").startswith(b"-ERR unknown command")
    desk.send(b"APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\n")
    assert desk.session.state is State.TRANSACTION
    for line in (b"TOP 1 0", b"UIDL"):
        assert desk.send(line + b"\r\n").startswith(b"-ERR unknown command")


def test_stls_forgets_the_name_and_the_timestamp_and_is_refused_a_second_time() -> None:
    desk = Desk()
    assert desk.send(b"USER mrose\r\nSTLS\r\n").endswith(b"+OK Begin TLS negotiation\r\n")
    assert desk.told[-1] == StlsAnswered()
    assert desk.session.encrypted
    assert desk.send(b"PASS tanstaaf\r\n").startswith(b"-ERR PASS goes right after USER")
    assert b"STLS" not in desk.send(b"CAPA\r\n")
    assert desk.send(b"STLS\r\n") == b"-ERR Command not permitted when TLS active\r\n"
    digest = b"c4c9334bac560ecc979e58001b3e22fb"
    assert desk.send(b"APOP mrose " + digest + b"\r\n").startswith(b"-ERR APOP needs")
    assert desk.send(b"USER mrose\r\nPASS tanstaaf\r\n").count(b"+OK") == 2


def test_tls_is_asked_for_only_when_the_answer_was_pulled() -> None:
    desk = Desk()
    desk.session.receive_data(b"STLS\r\n")
    assert StlsAnswered() not in desk.session.events()
    assert bytes(desk.session.next_chunk() or b"") == b"+OK Begin TLS negotiation\r\n"
    assert desk.session.next_chunk() is None
    assert desk.session.events() == [StlsAnswered()]


@pytest.mark.parametrize("residue", [b"CAPA\r\n", b"NO", b"\x16\x03\x01"])
def test_octets_behind_stls_are_refused_and_never_carried_out(residue: bytes) -> None:
    desk = Desk()
    answer = desk.send(b"STLS\r\n" + residue)
    assert answer.startswith(b"-ERR %d octets came after STLS" % len(residue))
    assert answer.count(b"\r\n") == 1
    assert PlaintextAfterStls(residue=residue) in desk.told
    assert ended(desk) is EndReason.PLAINTEXT_AFTER_STLS
    assert not desk.session.encrypted


def test_octets_that_come_before_the_answer_to_stls_was_pulled_are_refused_too() -> None:
    desk = Desk()
    desk.session.receive_data(b"STLS\r\n")
    desk.session.receive_data(b"CAPA\r\n")
    assert desk.pull() == b"+OK Begin TLS negotiation\r\n"
    assert PlaintextAfterStls(residue=b"CAPA\r\n") in desk.told
    assert ended(desk) is EndReason.PLAINTEXT_AFTER_STLS


def test_octets_in_clear_that_reach_the_core_instead_of_tls_are_refused() -> None:
    desk = Desk()
    desk.begins_tls = False
    desk.send(b"STLS\r\n")
    desk.send(b"CAPA\r\n")
    assert ended(desk) is EndReason.PLAINTEXT_AFTER_STLS


def test_implicit_tls_offers_no_stls() -> None:
    assert b"STLS" not in Desk(encrypted=True).send(b"CAPA\r\n")


def test_a_driver_with_nobody_who_looks_on_is_not_told_of_input() -> None:
    desk = Desk()
    desk.session.tells_input = False
    assert desk.send(b"NOOP\r\nAUTH\r\n" + b"x" * 2000 + b"\r\n").count(b"-ERR") == 3
    assert desk.told == []
    desk.send(b"USER mrose\r\nPASS tanstaaf\r\n")
    assert [type(event) for event in desk.told] == [LoginAttempt]


# Misuse, secrets, and anything at all.


def test_a_driver_that_answers_what_was_not_asked_is_told() -> None:
    session = ServerSession()
    session.greet()
    for answer in (session.committed, session.commit_failed, session.tls_established):
        with pytest.raises(RuntimeError, match="the session waits for"):
            answer()
    with pytest.raises(RuntimeError):
        session.refuse(Occasion.WRONG_PASSWORD)


def test_events_do_not_show_secrets() -> None:
    desk = Desk()
    desk.send(b"USER mrose\r\nPASS sesame-open\r\nAPOP mrose feedfacefeedface\r\n")
    shown = repr(desk.told)
    assert "mrose" in shown
    assert "sesame" not in shown
    assert "feedface" not in shown


keywords = st.sampled_from([*VERBS, b"XYZZY", b"", b"pass"])
words = st.sampled_from(
    [b"1", b"2", b"3", b"0", b"9", b"x", b"mrose", b"tanstaaf", b"\xff\x00", b"-1"]
)
lines = st.builds(
    lambda keyword, arguments, end: b" ".join([keyword, *arguments]) + end,
    keywords,
    st.lists(words, max_size=3),
    st.sampled_from([b"\r\n", b"\n", b" \r\n"]),
)


@settings(max_examples=300)
@given(st.booleans(), st.lists(st.one_of(lines, st.binary(max_size=40)), max_size=30))
def test_anything_at_all_is_answered_by_status_lines(logged_in: bool, pieces: list[bytes]) -> None:
    desk = Desk().log_in() if logged_in else Desk()
    for piece in pieces:
        answer = desk.send(piece)
        assert answer == b"" or answer.startswith((b"+OK", b"-ERR"))
        assert answer == b"" or answer.endswith(b"\r\n")


@given(st.lists(lines, max_size=20), st.data())
def test_the_number_of_replies_is_the_number_of_commands(
    commands: list[bytes], data: st.DataObject
) -> None:
    sent = b"USER mrose\r\nPASS tanstaaf\r\n" + b"".join(commands)
    desk = Desk()
    cuts = data.draw(st.lists(st.integers(0, len(sent)), max_size=5).map(sorted))
    answer = desk.send_cut(sent, cuts)
    assert answer == Desk().send(sent)
    taken = len(commands_told(desk.told))
    turned_down_stls = any(isinstance(event, PlaintextAfterStls) for event in desk.told)
    assert ended(desk) is not None or turned_down_stls or taken == len(commands) + 2
    # A status line is a line outside a body; no message here has a line that looks like one.
    replies = sum(line.startswith((b"+OK", b"-ERR")) for line in answer.split(b"\r\n"))
    assert replies == taken
