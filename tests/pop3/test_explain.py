"""Explanations: each part of what was said, what it means, and the clause that says so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poptalk.pop3.commands import VERBS, State, parse_command
from poptalk.pop3.explain import (
    MOST_LINES,
    Explanation,
    LoginFacts,
    ReplyContext,
    explain_greeting,
    explain_reply,
    explain_unasked,
    explain_waiting,
    faults_of_answer,
    why_login_refused,
)
from poptalk.pop3.replies import RESPONSE_CODES, other_protocol, parse_status_line


def reply(command: bytes, status: bytes, *lines: bytes) -> list[Explanation]:
    return list(explain_reply(parse_command(command), parse_status_line(status), lines))


def meaning_of(part: bytes, explanations: list[Explanation]) -> str:
    """Return the meaning of a part, which must occur once."""
    (found,) = [e.meaning for e in explanations if e.part == part]
    return found


def test_a_greeting() -> None:
    line = b"+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>"
    explanations = list(explain_greeting(parse_status_line(line)))
    assert explanations[0].part == b"+OK"
    assert "APOP" in meaning_of(b"<1896.697170952@dbc.mtview.ca.us>", explanations)
    assert str(explanations[-1].clause) == "RFC 1939 §7"
    without = list(explain_greeting(parse_status_line(b"-ERR [SYS/TEMP] busy")))
    assert [e.part for e in without] == [b"-ERR", b"[SYS/TEMP]", b"busy"]


def test_the_fields_of_stat_and_the_words_behind_them() -> None:
    explanations = reply(b"STAT", b"+OK 3 6183 and more")
    assert [e.part for e in explanations] == [b"+OK", b"3", b"6183", b"and more"]
    assert "words for people" in explanations[-1].meaning


def test_a_field_that_is_no_number_is_named() -> None:
    assert "messages is not a number" in reply(b"STAT", b"+OK three 25")[-1].meaning


def test_a_listing_is_explained_up_to_a_number_of_lines() -> None:
    lines = [b"%d %d" % (n, n * 10) for n in range(1, 30)]
    explanations = reply(b"LIST", b"+OK", *lines)
    assert meaning_of(b"1 10", explanations) == "message 1, octets 10"
    assert [e.part for e in explanations][-1] == b"."
    assert len([e for e in explanations if e.part in lines]) == MOST_LINES
    assert "only the first 8 lines are explained" in explanations[-2].meaning


def test_a_lone_dot_that_has_not_come_is_not_explained() -> None:
    command, status = parse_command(b"RETR 1"), parse_status_line(b"+OK")
    explanations = list(explain_reply(command, status, [b"Subject: x"], complete=False))
    assert b"." not in [e.part for e in explanations]
    assert "still to come" in explanations[-1].meaning
    after_the_end = list(
        explain_reply(command, status, complete=False, known=ReplyContext(ended=True))
    )
    assert "never came" in after_the_end[-1].meaning


def test_words_are_utf_8_and_nothing_hidden() -> None:
    line = "ja 日本語".encode()
    explanations = reply(b"LANG", b"+OK", line, b"xx \xff\x1b\xe2\x80\xae")
    assert meaning_of(line, explanations) == "language ja, description 日本語"
    assert explanations[-2].meaning == r"language xx, description \xff\x1b\u202e"


def test_only_what_the_octets_show_is_claimed() -> None:
    login = reply(b"PASS x", b"+OK")[-1].meaning
    assert "locked for you" not in login
    temporary = reply(b"PASS x", b"-ERR [SYS/TEMP] no home")
    assert "will pass" not in meaning_of(b"[SYS/TEMP]", temporary)
    assert "farewell" not in list(explain_unasked(parse_status_line(b".")))[-1].meaning


def test_all_capabilities_are_explained_known_or_not() -> None:
    tags = [b"TOP", b"sasl PLAIN", b"X-ODD 1", b""] + [b"UIDL"] * MOST_LINES
    explanations = reply(b"CAPA", b"+OK", *tags)
    assert "AUTH works" in meaning_of(b"sasl PLAIN", explanations)
    assert "not in the IANA registry" in meaning_of(b"X-ODD 1", explanations)
    assert len([e for e in explanations if e.part == b"UIDL"]) == MOST_LINES


def test_a_message_is_not_taken_apart() -> None:
    explanations = reply(b"RETR 1", b"+OK 120 octets", b"Subject: x")
    assert [e.part for e in explanations] == [b"+OK", b"120 octets", b"", b"."]
    assert "message follows" in explanations[2].meaning


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (b"USER bob", "waits for PASS"),
        (b"PASS x", "TRANSACTION"),
        (b"STLS", "TLS"),
        (b"DELE 1", "goes when QUIT is answered"),
        (b"RSET", "no message is marked"),
        (b"QUIT", "hangs up"),
    ],
)
def test_what_a_positive_reply_has_changed(command: bytes, words: str) -> None:
    assert words in reply(command, b"+OK")[-1].meaning
    assert words not in " ".join(e.meaning for e in reply(command, b"+OK")[:-1])


def test_auth_alone_logs_nobody_in() -> None:
    assert "you are in" in reply(b"AUTH PLAIN x", b"+OK")[-1].meaning
    assert "you are in" not in " ".join(e.meaning for e in reply(b"AUTH", b"+OK", b"PLAIN"))


def test_a_negative_reply_says_what_the_command_is_about() -> None:
    explanations = reply(b"DELE 1", b"-ERR [SYS/PERM/X] no")
    assert "did not do it" in explanations[0].meaning
    assert explanations[1].meaning == RESPONSE_CODES[b"SYS/PERM"].meaning
    assert meaning_of(b"DELE", explanations) == VERBS[b"DELE"].details


def test_a_greeting_that_is_negative_offers_nothing() -> None:
    explanations = list(explain_greeting(parse_status_line(b"-ERR not today <1.2@host>")))
    assert "will not serve you" in explanations[-1].meaning
    assert "APOP" not in " ".join(e.meaning for e in explanations)


def test_a_farewell_that_failed_may_have_deleted_some() -> None:
    explanations = reply(b"QUIT", b"-ERR some deleted messages not removed")
    assert any("some of the marked messages may be left" in e.meaning for e in explanations)


def test_what_is_done_without_a_trace_is_explained_by_the_command() -> None:
    assert reply(b"NOOP", b"+OK")[-1].meaning == VERBS[b"NOOP"].details
    assert "this server's own" in reply(b"XYZZY", b"+OK")[-1].meaning


def test_top_and_retr_are_told_apart() -> None:
    assert "as many lines" in meaning_of(b"", reply(b"TOP 1 2", b"+OK"))
    assert "whole message" in meaning_of(b"", reply(b"RETR 1", b"+OK"))


def test_a_bare_auth_is_a_habit() -> None:
    explanations = reply(b"AUTH", b"+OK", b"PLAIN")
    assert any("a habit of servers" in e.meaning for e in explanations)
    assert "mechanism PLAIN" in meaning_of(b"PLAIN", explanations)


def test_a_language_that_was_chosen() -> None:
    explanations = reply(b"LANG es", b"+OK es Idioma cambiado")
    assert "language tag" in meaning_of(b"es", explanations)
    assert "words for people" in meaning_of(b"Idioma cambiado", explanations)


def test_a_code_that_nobody_has_registered() -> None:
    assert "not in the IANA registry" in meaning_of(b"[ODD]", reply(b"NOOP", b"-ERR [ODD] x"))


def test_a_challenge() -> None:
    assert "base64" in meaning_of(b"+", reply(b"AUTH PLAIN", b"+ "))


@pytest.mark.parametrize("command", [b"NOOP", b"RETR 1", b"AUTH", b"XYZZY"])
def test_only_auth_is_asked_by_a_challenge(command: bytes) -> None:
    meaning = meaning_of(b"+", reply(command, b"+ eA=="))
    assert "no status indicator" in meaning
    assert "waits for a line" not in meaning
    greeting = list(explain_greeting(parse_status_line(b"+ POP2 here")))
    assert "waits for a line" not in " ".join(e.meaning for e in greeting)


def test_what_answers_nothing() -> None:
    explanations = list(explain_unasked(parse_status_line(b"-ERR [SYS/TEMP] idle")))
    assert [e.part for e in explanations] == [b"-ERR", b"[SYS/TEMP]", b"idle"]
    assert "unasked" in explanations[-1].meaning
    (odd,) = explain_unasked(parse_status_line(b"* BYE"))
    assert odd.part == b"* BYE"


@given(
    st.sampled_from([*VERBS, b"XYZZY", b""]),
    st.sampled_from([b"", b" 1", b" 1 2"]),
    st.sampled_from([b"+OK", b"-ERR", b"+", b""]),
    st.binary(max_size=30),
    st.lists(st.binary(max_size=10), max_size=3),
)
def test_every_reply_has_an_explanation(
    keyword: bytes, arguments: bytes, indicator: bytes, text: bytes, lines: list[bytes]
) -> None:
    status = parse_status_line(indicator + b" " + text)
    explanations = [
        *explain_reply(parse_command(keyword + arguments), status, lines),
        *explain_greeting(status),
        *explain_unasked(status),
    ]
    assert all(explanation.meaning for explanation in explanations)


@pytest.mark.parametrize("line", [b"", b" ", b"\t"])
def test_an_empty_line_of_a_listing_is_explained(line: bytes) -> None:
    explanations = explain_reply(parse_command(b"AUTH"), parse_status_line(b"+OK"), [line])
    assert "which a listing does not have" in meaning_of(line, list(explanations)[2:])


def test_a_challenge_is_shown_with_its_base64_undone() -> None:
    explanations = reply(b"AUTH SCRAM-SHA-256", b"+ cj1hLHM9UVE9PSxpPTQwOTY=")
    assert [e.part for e in explanations] == [b"+", b"r=a", b"s=QQ==", b"i=4096"]
    assert "HMAC" not in meaning_of(b"<1@h>", reply(b"AUTH CRAM-MD5", b"+ PDFAaD4="))
    assert "your turn" in meaning_of(b"", reply(b"AUTH PLAIN", b"+ "))
    assert "no base64" in meaning_of(b"hello", reply(b"AUTH NTLM", b"+ hello"))


def test_what_is_no_command_is_said_to_be_none_and_not_repeated() -> None:
    explanations = reply(b"hunter2", b"-ERR what?")
    assert "no command of POP3" in meaning_of(b"", explanations)
    assert b"hunter2" not in b"".join(e.part for e in explanations)


# Replies that haven't come, must be negative, or answer nothing.


def test_what_has_not_come() -> None:
    stat = parse_command(b"STAT")
    assert "no answer to STAT yet" in explain_waiting(stat).meaning
    assert "no answer to STAT came" in explain_waiting(stat, ended=True).meaning
    assert "hunter2" not in explain_waiting(parse_command(b"hunter2")).meaning
    assert "no greeting yet" in explain_waiting(None).meaning


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (b"RETR 2", "message 2 was marked as deleted in this session"),
        (b"RETR 9", "the highest number is 3"),
        (b"RETR 0", "there is no message 0"),
        (b"RETR", "RETR msg needs its msg"),
        (b"TOP 1", "TOP msg n needs its n"),
        (b"RETR x", "in digits alone"),
        (b"LIST 1 2", "takes no more arguments"),
        (b"USER bob", "USER belongs to AUTHORIZATION, and this session is in TRANSACTION"),
    ],
)
def test_a_refusal_whose_cause_is_known(command: bytes, said: str) -> None:
    known = ReplyContext(state=State.TRANSACTION, marked=frozenset({2}), highest=3)
    status = parse_status_line(b"-ERR no")
    explanations = list(explain_reply(parse_command(command), status, known=known))
    assert said in explanations[-1].meaning
    assert VERBS[command.split()[0]].details not in [e.meaning for e in explanations]


def test_what_is_unasked_is_told_apart() -> None:
    ok, rest = parse_status_line(b"+OK 3"), parse_status_line(b"and the rest")
    said = [
        list(explain_unasked(line, before=ok, after_body=after_body))[-1].meaning
        for line, after_body in (
            (parse_status_line(b"."), False),
            (parse_status_line(b"-ERR idle for too long"), False),
            (parse_status_line(b"+OK 1 120"), False),
            (rest, False),
            (rest, True),
        )
    ]
    words = (
        "a lone dot that ends",
        "a farewell",
        "answered twice",
        "cut in two",
        "ended too early",
    )
    for each, word in zip(said, words, strict=True):
        assert [word in other for other in said].count(True) == 1
        assert word in each


@pytest.mark.parametrize(
    ("command", "status", "lines", "fault"),
    [
        (b"STAT", b"+OK 7", (), "octets is missing"),
        (b"LIST 1", b"+OK 1", (), "octets is missing"),
        (b"LIST 1", b"+OK 99 10", (), "about message 99, and 1 was asked for"),
        (b"LIST", b"+OK", (b"1 ten", b"2"), "line 1: octets is not a number"),
        (b"UIDL", b"+OK", (b"1 a b",), "line 1: more follows the unique-id"),
        (b"UIDL", b"+OK", (b"2 \xe4",), "not printable ASCII"),
        (b"UIDL", b"+OK", (b"2 " + b"x" * 71,), "longer than 70"),
        (b"DELE 99", b"+OK", (), "+OK for message 99"),
        (b"STAT", b"+OK 2 320", (), ""),
        (b"LIST", b"+OK", (b"1 120 and words",), ""),
        (b"UIDL 1", b"+OK 1 abc", (), ""),
    ],
)
def test_what_is_malformed(
    command: bytes, status: bytes, lines: tuple[bytes, ...], fault: str
) -> None:
    line = parse_status_line(status)
    found = "; ".join(faults_of_answer(parse_command(command), line, lines, highest=3))
    assert fault in found
    assert bool(fault) == bool(found)


@pytest.mark.parametrize(
    ("greeting", "protocol", "port"),
    [
        (b"220 mx.example ESMTP Postfix", "SMTP", "25"),
        (b"220 ProFTPD FTP Server ready", "FTP", "21"),
        (b"* OK [CAPABILITY IMAP4rev1] ready", "IMAP", "143"),
        (b"HTTP/1.1 400 Bad Request", "HTTP", "80"),
        (b"SSH-2.0-OpenSSH_9.2", "SSH", "22"),
        (b"J\x00\x00\x00", "MySQL", "3306"),
        (b"220 (vsFTPd 3.0.3)", "FTP", "21"),
        (b"220 mx LMTP Dovecot ready.", "LMTP", "24"),
        (b"RTSP/1.0 400 Bad Request", "RTSP", "554"),
        (b"SIP/2.0 400 Bad Request", "SIP", "5060"),
        (b"@RSYNCD: 31.0 sha512", "rsync", "873"),
        (b":irc.example.org NOTICE * :*** Looking up", "IRC", "6667"),
        (b'OK "ready"', "ManageSieve", "4190"),
        (b"-DENIED Redis is running in protected mode", "Redis", "6379"),
        (b"\xff\xfd\x18\xff\xfd ", "Telnet", "23"),
    ],
)
def test_other_protocols_are_told_by_their_first_word(
    greeting: bytes, protocol: str, port: str
) -> None:
    assert protocol in other_protocol(greeting)
    assert port in other_protocol(greeting)
    said = " ".join(e.meaning for e in explain_greeting(parse_status_line(greeting)))
    assert protocol in said
    assert "port 110" in said


# Logins that were refused.

CLEAR = {b"STLS": (), b"SASL": (b"PLAIN",)}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"[AUTH] Plaintext authentication disallowed on non-secure connections", "TLS first"),
        (b"Unsupported authentication mechanism", "does not take this way to log in"),
        (b"Invalid base64 data in continued response", "base64"),
        (b"Account suspended", "about the account"),
        (b"[AUTH] Application-specific password required: https://x", "application password"),
        (b"[AUTH] Web login required", "web browser"),
        (b"[AUTH] Authentication not allowed until SSL/TLS is enabled.", "TLS first"),
        (b"only valid after entering TLS mode", "TLS first"),
        (b"[AUTH] USER command only available under a layer", "TLS first"),
        (b"Logon failure: unknown user name or bad password.", "which don't say which"),
        (b"[AUTH] invalid username/password", "which don't say which"),
        (b"unknown user bob", "does not know this name"),
        (b"[SYS/PERM] Pop not allowed for user.", "POP3 may be off"),
        (b"Authentication failed, see https://example.org/help", "may say more"),
        (b"[AUTH] authenticating: no mechanism available", "does not take this way to log in"),
        (b"OAuth2 token expired", "access token is out of date"),
        (b"Login restricted to internal network", ""),
        (b"error in username", ""),
        (b"ask your operator", ""),
        (b"USER command disabled", ""),
        (b"account locked; the help desk unlocks it", "about the account"),
        (b"this password is insecure", ""),
        (b"Too many simultaneous connections", "limit"),
        (b"[IN-USE] Mailbox in use", "the login was right"),
        (b"[SYS/TEMP] cannot open the home", "may be right"),
        (b"[SYS/PERM] no", "for its operator"),
        (b"[LOGIN-DELAY] wait", "too recent"),
        (b"[AUTH] Authentication failed.", "credentials or the account"),
        (b"no", ""),
        (b"Authentication failed", ""),
    ],
)
def test_what_a_refused_login_may_mean(line: bytes, said: str) -> None:
    facts = LoginFacts(method="PLAIN", capabilities=CLEAR)
    why = " ".join(e.meaning for e in why_login_refused(parse_status_line(b"-ERR " + line), facts))
    assert said in why
    assert bool(said) == bool(why)


@pytest.mark.parametrize(
    ("line", "said", "unsaid"),
    [
        ("Logon failure: unknown user name or bad password.", "don't say which", "this name"),
        ("incorrect password or account name", "don't say which", "this name"),
        ("invalid username/password", "don't say which", "this name"),
        ("No such POP3 user", "does not know this name", "POP3 may be off"),
        ("[AUTH] USER command only available under a layer", "TLS first", "credentials"),
        ("only valid after entering TLS mode", "TLS first", ""),
        ("APOP not supported", "does not take this way", ""),
        ("Authentication failed, see http://help.example/", "the page", "web browser"),
        ("wrong username or password. Visit https://x for help", "don't say which", "browser"),
        ("Your mailbox is already locked", "another session", "account"),
        ("LOGIN failed: account locked after 5 attempts", "about the account", "session"),
        ("[AUTH] login failure or POP3 disabled, try later", "POP3 may be off", "seems"),
        ("Please enable two-factor authentication", "second factor", "needs"),
        ("Please using authorized code to login", "application password", ""),
        ("[SYS/PERM] Your account is not enabled for POP access.", "POP3 may be off", ""),
        ("[AUTH] Your IP address is blocked", "address that you come from", "credentials"),
        ("mailbox is in maintenance mode", "the server itself", "session"),
        ("Wrong password, please try again", "", "limit"),
        ("Please change your mail settings", "", "out of date"),
        ("mailbox bob is corrupted", "", "limit"),
    ],
)
def test_no_more_is_claimed_than_the_servers_words_say(line: str, said: str, unsaid: str) -> None:
    facts = LoginFacts(method="PLAIN", capabilities=CLEAR)
    status = parse_status_line(f"-ERR {line}".encode())
    why = " ".join(e.meaning for e in why_login_refused(status, facts))
    assert said in why
    assert bool(said) == bool(why)
    assert not unsaid or unsaid not in why


def test_a_mark_that_came_to_nothing_is_no_mark() -> None:
    known = ReplyContext(state=State.TRANSACTION, highest=3)
    status = parse_status_line(b"+OK message deleted")
    said = [e.meaning for e in explain_reply(parse_command(b"DELE 9"), status, known=known)]
    assert "nothing is counted as marked" in said[-1]
    assert not any("it goes when QUIT" in meaning for meaning in said)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (LoginFacts(method="USER", capabilities=CLEAR), "perhaps it comes with TLS"),
        (LoginFacts(method="LOGIN", capabilities={b"SASL": (b"PLAIN",)}), "lists no LOGIN"),
        (LoginFacts(method="LOGIN", capabilities={}, challenged=2), ""),
        (LoginFacts(method="LOGIN"), "may have no LOGIN"),
        (LoginFacts(method="LOGIN", has_capa=False), "has no CAPA"),
        (LoginFacts(method="APOP", capabilities={}, timestamp_chosen=True), "USER may work"),
    ],
)
def test_what_is_known_counts_where_the_server_gives_no_reason(
    facts: LoginFacts, said: str
) -> None:
    why = " ".join(e.meaning for e in why_login_refused(parse_status_line(b"-ERR"), facts))
    assert said in why
    assert bool(said) == bool(why)


@pytest.mark.parametrize(
    ("line", "hinted"),
    [
        (b"-ERR [AUTH] Bad login", True),
        (b"-ERR APOP not supported", True),
        (b"-ERR unknown command", True),
        (b"-ERR [AUTH] Authentication not allowed until SSL/TLS is enabled.", False),
        (b"-ERR account suspended", False),
        (b"-ERR [IN-USE] busy", False),
    ],
)
def test_user_is_proposed_after_apop_where_it_may_help(line: bytes, hinted: bool) -> None:
    facts = LoginFacts(method="APOP", timestamp_chosen=True)
    why = " ".join(e.meaning for e in why_login_refused(parse_status_line(line), facts))
    assert ("USER may work" in why) is hinted
