"""AUTH, UTF8 and LANG in the server core."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping

import pytest

from poptalk.pop3.capabilities import CapabilityLists
from poptalk.pop3.client import ClientSession
from poptalk.pop3.commands import Limits, State
from poptalk.pop3.events import Challenge
from poptalk.pop3.sasl.mechanism import ServerMechanism
from poptalk.pop3.sasl.mechanisms import (
    CramMd5Server,
    LoginServer,
    OAuthBearerServer,
    PlainServer,
    XOAuth2Server,
)
from poptalk.pop3.server.events import (
    EndReason,
    LoginAttempt,
    LoginWithdrawn,
    ResponseReceived,
    SessionEnded,
)
from poptalk.pop3.server.texts import Occasion
from tests.pop3.serving import CREDENTIALS, TIMESTAMP, Desk

ALWAYS = (b"USER", b"RESP-CODES", b"AUTH-RESP-CODE", b"UTF8 USER", b"LANG", b"TOP")
SASL = b"SASL PLAIN LOGIN CRAM-MD5 XOAUTH2 OAUTHBEARER MUTUAL NTLM"
OFFERED = CapabilityLists(
    clear=(*ALWAYS, SASL, b"STLS"),
    clear_logged_in=(*ALWAYS, SASL),
    tls=(*ALWAYS, SASL),
    tls_logged_in=(*ALWAYS, SASL),
)
NO_PLAINTEXT_IN_CLEAR = CapabilityLists(
    clear=(b"SASL CRAM-MD5", b"STLS"), clear_logged_in=(), tls=(SASL,), tls_logged_in=()
)
"""RFC 5034 §4 requires that a server can be configured like this."""


class Mutual(PlainServer):
    """PLAIN, but with a proof of the server, as in SCRAM (RFC 5802 §3)."""

    def last_challenge(self, *, accepted: bool) -> bytes | None:
        return b"v=proof" if accepted else None


MECHANISMS: Mapping[bytes, Callable[[], ServerMechanism]] = {
    b"PLAIN": PlainServer,
    b"LOGIN": LoginServer,
    b"CRAM-MD5": lambda: CramMd5Server(TIMESTAMP),
    b"XOAUTH2": XOAuth2Server,
    b"OAUTHBEARER": OAuthBearerServer,
    b"MUTUAL": Mutual,
}


def desk(
    *,
    capabilities: CapabilityLists = OFFERED,
    limits: Limits | None = None,
    encrypted: bool = False,
) -> Desk:
    return Desk(
        capabilities=capabilities, mechanisms=MECHANISMS, limits=limits, encrypted=encrypted
    )


def err(occasion: Occasion, mechanism: bytes = b"PLAIN", **fields: bytes) -> bytes:
    """Return the expected negative answer."""
    text = occasion.text.encode().replace(b"{mechanism}", mechanism)
    for field, value in fields.items():
        text = text.replace(b"{%b}" % field.encode(), value)
    code = b"" if occasion.code is None else b"[%b] " % occasion.code
    return b"-ERR %b%b\r\n" % (code, text)


OK = b"+OK mrose's maildrop has 3 messages (78 octets)\r\n"
FAILED = err(Occasion.AUTH_FAILED)
USERNAME, PASSWORD = b"+ VXNlcm5hbWU6\r\n", b"+ UGFzc3dvcmQ6\r\n"
RIGHT = b64encode(b"\0mrose\0tanstaaf")
WRONG = b64encode(b"\0mrose\0wrong")
CRAM = b64encode(b"mrose c02dd90e04576e500bb447ed7476be15")
CRAM_CHALLENGE = b"+ %b\r\n" % b64encode(TIMESTAMP)
XOAUTH2 = b64encode(b"user=mrose\1auth=Bearer " + CREDENTIALS.token + b"\1\1")
OAUTHBEARER = b64encode(b"n,a=mrose,\1auth=Bearer " + CREDENTIALS.token + b"\1\1")
WRONG_XOAUTH2 = b64encode(b"user=mrose\1auth=Bearer stale\1\1")
WRONG_BEARER = b64encode(b"n,a=mrose,\1auth=Bearer stale\1\1")
XOAUTH2_REASON = b"+ %b\r\n" % b64encode(XOAuth2Server.refusal)
BEARER_REASON = b"+ %b\r\n" % b64encode(OAuthBearerServer.refusal)

DIALOGUES: dict[str, tuple[bytes, bytes]] = {
    "plain": (b"AUTH PLAIN\r\n%b\r\n" % RIGHT, b"+ \r\n" + OK),
    "plain, at once": (b"AUTH PLAIN %b\r\n" % RIGHT, OK),
    "plain, in lower case": (b"auth plain %b\r\n" % RIGHT, OK),
    "plain, wrong": (b"AUTH PLAIN\r\n%b\r\n" % WRONG, b"+ \r\n" + FAILED),
    "plain, wrong, at once": (b"AUTH PLAIN %b\r\n" % WRONG, FAILED),
    "plain, for another": (
        b"AUTH PLAIN %b\r\n" % b64encode(b"bob\0mrose\0tanstaaf"),
        err(Occasion.OTHER_IDENTITY),
    ),
    "plain, empty": (b"AUTH PLAIN =\r\n", err(Occasion.RESPONSE_MALFORMED)),
    "plain, empty, later": (b"AUTH PLAIN\r\n\r\n", b"+ \r\n" + err(Occasion.RESPONSE_MALFORMED)),
    "plain, = later": (b"AUTH PLAIN\r\n=\r\n", b"+ \r\n" + err(Occasion.RESPONSE_NOT_BASE64)),
    "plain, no base64": (b"AUTH PLAIN =AAA\r\n", err(Occasion.RESPONSE_NOT_BASE64)),
    "plain, a blank inside": (
        b"AUTH PLAIN\r\nAAAA AAAA\r\n",
        b"+ \r\n" + err(Occasion.RESPONSE_NOT_BASE64),
    ),
    "plain, a blank behind": (
        b"AUTH PLAIN %b \r\n" % RIGHT,
        err(Occasion.RESPONSE_NOT_BASE64),
    ),
    "plain, cancelled": (b"AUTH PLAIN\r\n*\r\n", b"+ \r\n" + err(Occasion.AUTH_CANCELLED)),
    "plain, cancelled at once": (b"AUTH PLAIN *\r\n", err(Occasion.AUTH_CANCELLED)),
    "login": (
        b"AUTH LOGIN\r\n%b\r\n%b\r\n" % (b64encode(b"mrose"), b64encode(b"tanstaaf")),
        USERNAME + PASSWORD + OK,
    ),
    "login, unknown name": (
        b"AUTH LOGIN\r\n%b\r\n%b\r\n" % (b64encode(b"nobody"), b64encode(b"tanstaaf")),
        USERNAME + PASSWORD + FAILED,
    ),
    "login, cancelled at the password": (
        b"AUTH LOGIN\r\n%b\r\n*\r\n" % b64encode(b"mrose"),
        USERNAME + PASSWORD + err(Occasion.AUTH_CANCELLED),
    ),
    "login, at once": (
        b"AUTH LOGIN %b\r\n" % b64encode(b"mrose"),
        err(Occasion.INITIAL_RESPONSE_UNWANTED, b"LOGIN"),
    ),
    "cram-md5": (b"AUTH CRAM-MD5\r\n%b\r\n" % CRAM, CRAM_CHALLENGE + OK),
    "cram-md5, wrong": (
        b"AUTH CRAM-MD5\r\n%b\r\n" % b64encode(b"mrose " + b"0" * 32),
        CRAM_CHALLENGE + FAILED,
    ),
    "cram-md5, at once": (
        b"AUTH CRAM-MD5 AA==\r\n",
        err(Occasion.INITIAL_RESPONSE_UNWANTED, b"CRAM-MD5"),
    ),
    "xoauth2": (b"AUTH XOAUTH2\r\n%b\r\n" % XOAUTH2, b"+ \r\n" + OK),
    "xoauth2, at once": (b"AUTH XOAUTH2 %b\r\n" % XOAUTH2, OK),
    "xoauth2, wrong": (b"AUTH XOAUTH2 %b\r\n\r\n" % WRONG_XOAUTH2, XOAUTH2_REASON + FAILED),
    "oauthbearer": (b"AUTH OAUTHBEARER\r\n%b\r\n" % OAUTHBEARER, b"+ \r\n" + OK),
    "oauthbearer, at once": (b"AUTH OAUTHBEARER %b\r\n" % OAUTHBEARER, OK),
    "oauthbearer, wrong": (b"AUTH OAUTHBEARER %b\r\nAQ==\r\n" % WRONG_BEARER, BEARER_REASON + FAILED),
    "oauthbearer, wrong, given up": (
        b"AUTH OAUTHBEARER %b\r\n*\r\n" % WRONG_BEARER,
        BEARER_REASON + FAILED,
    ),
    "oauthbearer, a password": (
        b"AUTH OAUTHBEARER %b\r\n!\r\n"
        % b64encode(b"n,a=mrose,\1auth=Bearer " + CREDENTIALS.password + b"\1\1"),
        BEARER_REASON + FAILED,
    ),
    "mutual": (b"AUTH MUTUAL %b\r\n\r\n" % RIGHT, b"+ dj1wcm9vZg==\r\n" + OK),
    "mutual, wrong": (b"AUTH MUTUAL %b\r\n" % WRONG, FAILED),
    "mutual, given up": (
        b"AUTH MUTUAL %b\r\n*\r\n" % RIGHT,
        b"+ dj1wcm9vZg==\r\n" + err(Occasion.AUTH_CANCELLED),
    ),
    "mutual, answered with something": (
        b"AUTH MUTUAL %b\r\nAQ==\r\n" % RIGHT,
        b"+ dj1wcm9vZg==\r\n" + err(Occasion.RESPONSE_MALFORMED, b"MUTUAL"),
    ),
    "unknown": (b"AUTH XYZZY\r\n", err(Occasion.MECHANISM_UNKNOWN, b"XYZZY")),
    "listed and not there": (b"AUTH NTLM\r\n", err(Occasion.MECHANISM_UNKNOWN, b"NTLM")),
    "bare": (
        b"AUTH\r\n",
        b"+OK mechanisms follow\r\nPLAIN\r\nLOGIN\r\nCRAM-MD5\r\nXOAUTH2\r\nOAUTHBEARER\r\nMUTUAL"
        b"\r\n.\r\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DIALOGUES)
def test_dialogue(name: str) -> None:
    sent, answer = DIALOGUES[name]
    session = desk()
    assert session.send(sent) == answer
    in_order = answer.endswith(OK)
    assert session.session.state is (State.TRANSACTION if in_order else State.AUTHORIZATION)
    # A failure leaves no trace (RFC 5034 §4).
    if not in_order:
        assert session.log_in().session.state is State.TRANSACTION


@pytest.mark.parametrize("name", DIALOGUES)
def test_cut_at_every_octet(name: str) -> None:
    sent, answer = DIALOGUES[name]
    for cut in range(1, len(sent)):
        assert desk().send_cut(sent, [cut]) == answer
    assert desk().send_cut(sent, range(1, len(sent))) == answer


@pytest.mark.parametrize("name", DIALOGUES)
def test_both_cores_understand_each_other(name: str) -> None:
    """Line by line, what the client core takes for a challenge is one of the server."""
    sent, answer = DIALOGUES[name]
    server, client = desk(), ClientSession()
    client.receive_data(server.greeting)
    challenges = 0
    for line in sent.splitlines(keepends=True):
        client.send(line)
        events = client.receive_data(server.send(line))
        challenges += sum(isinstance(event, Challenge) for event in events)
    assert challenges == answer.count(b"+ ")
    assert client.outstanding == ()
    assert not client.challenge_open
    assert client.state is server.session.state


def test_a_line_while_a_challenge_is_open_is_a_response_whatever_it_says() -> None:
    session = desk()
    assert session.send(b"AUTH PLAIN\r\n") == b"+ \r\n"
    assert session.send(b"QUIT\r\n") == err(Occasion.RESPONSE_MALFORMED)
    assert session.send(b"AUTH LOGIN\r\n") == USERNAME
    assert session.send(b"CAPA\r\n") == PASSWORD
    assert session.send(b"NOOP\r\n") == FAILED
    responses = [event for event in session.told if isinstance(event, ResponseReceived)]
    assert [response.line for response in responses] == [b"QUIT", b"CAPA", b"NOOP"]
    assert "CAPA" not in repr(responses)


def test_commands_behind_the_last_response_are_commands_again() -> None:
    session = desk()
    assert session.send(b"AUTH PLAIN %b\r\nSTAT\r\n" % RIGHT) == OK + b"+OK 3 78\r\n"


def test_one_login_a_session() -> None:
    session = desk()
    session.send(b"AUTH PLAIN %b\r\n" % RIGHT)
    again = session.send(b"AUTH PLAIN %b\r\n" % RIGHT)
    assert again == b"-ERR AUTH comes before the login, which is done\r\n"
    assert session.send(b"AUTH\r\n").startswith(b"-ERR")


def test_a_login_that_is_given_up_gives_the_maildrop_back() -> None:
    session = desk()
    session.send(b"AUTH MUTUAL %b\r\n" % RIGHT)
    assert session.session.state is State.AUTHORIZATION
    session.send(b"*\r\n")
    assert LoginWithdrawn() in session.told


@pytest.mark.parametrize("name", ["plain", "cram-md5", "oauthbearer"])
def test_that_the_maildrop_is_locked_is_no_matter_of_the_proof(name: str) -> None:
    session = desk()
    session.locked = True
    assert session.send(DIALOGUES[name][0]).endswith(err(Occasion.MAILDROP_LOCKED))


def test_a_reason_is_given_for_a_wrong_token_only() -> None:
    session = desk()
    session.locked = True
    assert session.send(b"AUTH XOAUTH2 %b\r\n" % XOAUTH2) == err(Occasion.MAILDROP_LOCKED)


def test_failed_logins_are_counted() -> None:
    session = desk(limits=Limits(failed_logins=2))
    session.send(b"AUTH XOAUTH2 %b\r\n\r\n" % WRONG_XOAUTH2)
    answer = session.send(b"AUTH PLAIN %b\r\n" % WRONG)
    assert answer == err(Occasion.TOO_MANY_LOGINS)
    assert SessionEnded(because=EndReason.TOO_MANY_LOGINS) in session.told


def test_nobody_cancels_for_ever() -> None:
    session = desk()
    session.send(b"AUTH PLAIN\r\n*\r\n" * 10)
    assert SessionEnded(because=EndReason.TOO_MANY_ERRORS) in session.told


def test_the_client_may_go_in_the_middle() -> None:
    for sent in (b"AUTH LOGIN\r\n", b"AUTH MUTUAL %b\r\n" % RIGHT, b"AUTH PLAIN\r\nAAA"):
        session = desk()
        session.send(sent)
        session.session.receive_eof()
        session.pull()
        assert SessionEnded(because=EndReason.CLIENT_GONE) in session.told


# What is offered where.


def test_plaintext_mechanisms_may_wait_for_tls() -> None:
    session = desk(capabilities=NO_PLAINTEXT_IN_CLEAR)
    assert session.send(
        b"AUTH PLAIN\r\n"
    ) == b"-ERR %b\r\n" % Occasion.MECHANISM_NEEDS_TLS.text.encode().replace(
        b"{mechanism}", b"PLAIN"
    )
    assert session.send(b"AUTH\r\n").splitlines()[1:-1] == [b"CRAM-MD5"]
    assert session.send(b"STLS\r\n").startswith(b"+OK")
    assert session.send(b"AUTH PLAIN\r\n") == b"+ \r\n"


def test_without_sasl_there_is_no_auth() -> None:
    answer = Desk(mechanisms=MECHANISMS).send(b"AUTH PLAIN\r\n")
    assert answer.startswith(b"-ERR unknown command")


def test_a_mechanism_of_the_clients_choice_is_not_echoed_raw() -> None:
    answer = desk().send(b"AUTH [X]\x1b[31m<a@b>\r\n")
    assert answer == err(Occasion.MECHANISM_UNKNOWN, b"?X???31M?A@B?")


# How long lines may be.


def test_an_initial_response_keeps_the_line_within_255_octets() -> None:
    """RFC 5034 §4, and RFC 2449 §4 for the number."""
    longest = 255 - len(b"AUTH PLAIN \r\n")
    password = b"x" * (longest // 4 * 3 - len(b"\0mrose\0"))
    fits = b64encode(b"\0mrose\0" + password)
    assert len(b"AUTH PLAIN %b\r\n" % fits) in range(252, 256)
    assert desk().send(b"AUTH PLAIN %b\r\n" % fits) == FAILED
    longer = b64encode(b"\0mrose\0" + password + b"xxx")
    answer = desk().send(b"AUTH PLAIN %b\r\n" % longer)
    assert answer == err(Occasion.INITIAL_RESPONSE_TOO_LONG, limit=b"255")
    assert desk().send(b"AUTH PLAIN\r\n%b\r\n" % longer) == b"+ \r\n" + FAILED


def test_a_response_may_be_much_longer_than_a_command() -> None:
    """The limit is that of a line with its line end; afterwards AUTH still works."""
    longest = (Limits().sasl_line - 2) // 4 * 3
    fits = b64encode(b"\0mrose\0".ljust(longest, b"x"))
    assert desk().send(b"AUTH PLAIN\r\n%b\r\n" % fits) == b"+ \r\n" + FAILED
    session = desk()
    too_long = b64encode(b"\0mrose\0".ljust(longest + 3, b"x"))
    answer = session.send(b"AUTH PLAIN\r\n%b\r\n" % too_long)
    assert answer == b"+ \r\n-ERR line too long, at most 12288 octets are taken\r\n"
    assert session.send(b"AUTH PLAIN %b\r\n" % RIGHT) == OK


def test_behind_auth_a_command_is_as_short_as_before() -> None:
    session = desk()
    session.send(b"AUTH LOGIN\r\n*\r\n")
    answer = session.send(b"USER %b\r\n" % (b"x" * 2000))
    assert answer == b"-ERR line too long, at most 1024 octets are taken\r\n"


def test_an_overlong_response_to_the_last_challenge_gives_the_maildrop_back() -> None:
    session = desk()
    session.send(b"AUTH MUTUAL %b\r\n" % RIGHT)
    answer = session.send(b"A" * 13_000 + b"\r\n")
    assert answer.startswith(b"-ERR line too long")
    assert LoginWithdrawn() in session.told
    assert session.session.state is State.AUTHORIZATION


def test_a_bare_lf_ends_a_response_too() -> None:
    assert desk().send(b"AUTH PLAIN\n%b\n" % RIGHT) == b"+ \r\n" + OK


def test_events_do_not_show_secrets() -> None:
    session = desk()
    session.send(b"AUTH PLAIN\r\n%b\r\n" % WRONG)
    session.send(b"AUTH PLAIN %b\r\n" % WRONG)
    assert WRONG.decode() not in repr(session.told)
    attempts = [event for event in session.told if isinstance(event, LoginAttempt)]
    assert len(attempts) == 2


# UTF8 (RFC 6856 §2).

UTF8_LETTER = "Subject: été\r\n\r\nbody\r\n".encode()
LATIN_LETTER = "Subject: été\r\n\r\nbody\r\n".encode("latin-1")
UTF8_BODY = "Subject: ete\r\n\r\nété\r\n".encode()


def test_utf8_is_said_before_the_login_any_number_of_times_and_never_before_stls() -> None:
    session = desk()
    assert session.send(b"UTF8\r\n") == b"+OK UTF8 mode enabled\r\n"
    assert session.send(b"UTF8\r\n") == b"+OK UTF8 mode enabled\r\n"
    assert session.send(b"STLS\r\n") == err(Occasion.STLS_AFTER_UTF8)
    assert session.send(b"UTF8 USER\r\n").startswith(b"-ERR too many arguments")
    session.log_in()
    assert session.send(b"UTF8\r\n") == b"-ERR UTF8 comes before the login, which is done\r\n"


def test_after_stls_utf8_may_be_said() -> None:
    session = desk()
    assert session.send(b"STLS\r\n").startswith(b"+OK")
    assert session.send(b"UTF8\r\n").startswith(b"+OK")


def test_a_header_in_utf8_waits_for_utf8_mode() -> None:
    letters = (UTF8_LETTER, LATIN_LETTER, UTF8_BODY)
    session = Desk(messages=letters).log_in()
    refusal = err(Occasion.UTF8_NEEDED, number=b"1")
    assert session.send(b"RETR 1\r\n") == refusal
    assert session.send(b"TOP 1 0\r\n") == refusal
    assert refusal.startswith(b"-ERR [UTF8] ")
    assert session.send(b"LIST 1\r\n") == b"+OK 1 %d\r\n" % len(UTF8_LETTER)
    assert session.send(b"RETR 2\r\n").endswith(LATIN_LETTER + b".\r\n")
    assert session.send(b"RETR 3\r\n").endswith(UTF8_BODY + b".\r\n")
    with_utf8 = Desk(messages=letters)
    with_utf8.send(b"UTF8\r\n")
    assert with_utf8.log_in().send(b"RETR 1\r\n").endswith(UTF8_LETTER + b".\r\n")


def test_a_server_without_utf8_sends_what_it_has() -> None:
    plain = CapabilityLists(clear=(b"USER",), clear_logged_in=(), tls=(), tls_logged_in=())
    session = Desk(messages=(UTF8_LETTER,), capabilities=plain).log_in()
    assert session.send(b"RETR 1\r\n").endswith(UTF8_LETTER + b".\r\n")


# LANG (RFC 6856 §3).


@pytest.mark.parametrize("logged_in", [False, True])
def test_lang(logged_in: bool) -> None:
    session = desk()
    if logged_in:
        session.log_in()
    listing = b"+OK Language listing follows:\r\nen English\r\ni-default English\r\n.\r\n"
    assert session.send(b"LANG\r\n") == listing
    for asked, tag in ((b"en", b"en"), (b"EN", b"en"), (b"*", b"en"), (b"i-default", b"i-default")):
        chosen = b"+OK %b this is the language of all texts\r\n" % tag
        assert session.send(b"LANG %b\r\n" % asked) == chosen
    for asked in (b"MUL", b"en-GB", b"e", b"uga", b"[X]"):
        assert session.send(b"LANG %b\r\n" % asked) == err(Occasion.LANGUAGE_UNKNOWN)
