"""Logging in, seen from the client: the lines of each method, by the RFCs' own examples."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poptalk.pop3.replies import parse_status_line
from poptalk.pop3.sasl.mechanism import (
    Applicant,
    BadCredential,
    LoginBroken,
    LoginRefused,
    NotBase64,
    credential,
    decode,
    encode,
)
from poptalk.pop3.sasl.mechanisms import (
    MOST_ITERATIONS,
    CramMd5Client,
    LoginClient,
    ScramClient,
    external_client,
    oauthbearer_client,
    plain_client,
    xoauth2_client,
)
from poptalk.pop3.sasl.table import METHODS, SaslExchange, apop, authenticate, choose, user_and_pass


def talk_through(talk: SaslExchange, *replies: bytes) -> list[bytes]:
    """Send these replies to a login; return its lines, which must all have been answered."""
    said = [next(talk)]
    for reply in replies[:-1]:
        said.append(talk.send(parse_status_line(reply)))
    with pytest.raises(StopIteration):
        talk.send(parse_status_line(replies[-1]))
    return said


def who(user: bytes, secret: bytes = b"") -> Applicant:
    return Applicant(user=user, secret=secret)


def b64(octets: bytes) -> bytes:
    return b64encode(octets)


def test_user_and_pass() -> None:
    assert talk_through(user_and_pass(b"bob", b"jones  x"), b"+OK", b"+OK in") == [
        b"USER bob",
        b"PASS jones  x",
    ]


def test_apop_is_the_example_of_rfc_1939() -> None:
    talk = apop(b"mrose", b"tanstaaf", b"<1896.697170952@dbc.mtview.ca.us>")
    assert talk_through(talk, b"+OK") == [b"APOP mrose c4c9334bac560ecc979e58001b3e22fb"]


def test_plain_goes_in_one_line_where_it_fits() -> None:
    talk = authenticate(plain_client(who(b"tim", b"tanstaaftanstaaf")))
    assert talk_through(talk, b"+OK") == [b"AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm"]


def test_two_steps_where_they_are_asked_for() -> None:
    talk = authenticate(plain_client(who(b"tim", b"tanstaaftanstaaf")), two_step=True)
    said = talk_through(talk, b"+ ", b"+OK")
    assert said == [b"AUTH PLAIN", b"AHRpbQB0YW5zdGFhZnRhbnN0YWFm"]


@pytest.mark.parametrize("length", range(100, 260))
def test_no_auth_line_is_longer_than_255_octets(length: int) -> None:
    talk = authenticate(xoauth2_client(who(b"bob", b"t" * length)))
    line = next(talk)
    message = b64(b"user=bob\x01auth=Bearer " + b"t" * length + b"\x01\x01")
    one_line = b"AUTH XOAUTH2 " + message
    if len(one_line) + 2 <= 255:
        assert line == one_line
    else:
        assert line == b"AUTH XOAUTH2"
        assert talk.send(parse_status_line(b"+ ")) == message


def test_an_empty_initial_response_is_written_as_an_equals_sign() -> None:
    assert talk_through(authenticate(external_client(who(b"bob"))), b"+OK") == [b"AUTH EXTERNAL ="]
    said = talk_through(authenticate(external_client(who(b"bob")), two_step=True), b"+ ", b"+OK")
    assert said == [b"AUTH EXTERNAL", b""]


def test_login_gives_name_and_password_whatever_it_is_asked() -> None:
    talk = authenticate(LoginClient(who(b"Alice", b"secret")))
    said = talk_through(talk, b"+ VXNlcm5hbWU6", b"+ UGFzc3dvcmQ6", b"+OK")
    assert said == [b"AUTH LOGIN", b"QWxpY2U=", b"c2VjcmV0"]


def test_cram_md5_is_the_example_of_rfc_2195() -> None:
    talk = authenticate(CramMd5Client(who(b"tim", b"tanstaaftanstaaf")))
    challenge = b"PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+"
    said = talk_through(talk, b"+ " + challenge, b"+OK")
    assert said[1] == b"dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw"


def test_oauthbearer_is_the_example_of_rfc_7628() -> None:
    mechanism = oauthbearer_client(
        Applicant(
            user=b"user@example.com",
            secret=b"vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==",
            host=b"server.example.com",
            port=143,
        )
    )
    assert b64(mechanism.initial() or b"") == (
        b"bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyI"
        b"HZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB"
    )


def test_a_refused_token_is_acknowledged_before_the_end() -> None:
    for mechanism, answer in (
        (oauthbearer_client(Applicant(user=b"u", secret=b"t", host=b"h", port=995)), b"AQ=="),
        (xoauth2_client(who(b"u", b"t")), b""),
    ):
        talk = authenticate(mechanism)
        next(talk)
        assert talk.send(parse_status_line(b"+ " + b64(b'{"status":"401"}'))) == answer
        with pytest.raises(LoginRefused):
            talk.send(parse_status_line(b"-ERR [AUTH] no"))


SCRAM = (
    (
        b"SCRAM-SHA-1",
        "fyko+d2lbbFgONRv9qkxdawL",
        b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
        b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
        b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
    ),
    (
        b"SCRAM-SHA-256",
        "rOprNGfwEbeRWgbNEkqO",
        b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    ),
)
"""RFC 5802 §5 and RFC 7677 §3: user `user`, password `pencil`."""


@pytest.mark.parametrize("example", SCRAM, ids=["SHA-1", "SHA-256"])
def test_scram_is_the_example_of_its_rfc(example: Sequence[bytes]) -> None:
    name, nonce, first, server_first, final, server_final = example
    assert isinstance(nonce, str)
    talk = authenticate(ScramClient(name.decode(), who(b"user", b"pencil"), nonce=nonce))
    said = talk_through(talk, b"+ " + b64(server_first), b"+ " + b64(server_final), b"+OK")
    assert said[0] == b"AUTH " + name + b" " + b64(first)
    assert b64decode(said[1]) == final
    assert said[2] == b""


def _scram() -> SaslExchange:
    name, nonce, *_ = SCRAM[1]
    assert isinstance(nonce, str)
    return authenticate(ScramClient(name.decode(), who(b"user", b"pencil"), nonce=nonce))


def test_a_server_that_proves_nothing_is_not_believed() -> None:
    talk = _scram()
    next(talk)
    talk.send(parse_status_line(b"+ " + b64(SCRAM[1][3])))
    with pytest.raises(LoginBroken, match="has not proved"):
        talk.send(parse_status_line(b"+OK come in"))


def test_a_server_that_says_ok_at_once_is_not_believed() -> None:
    talk = _scram()
    next(talk)
    with pytest.raises(LoginBroken, match="has not proved"):
        talk.send(parse_status_line(b"+OK"))


def test_a_wrong_proof_of_the_server_is_cancelled() -> None:
    talk = _scram()
    next(talk)
    talk.send(parse_status_line(b"+ " + b64(SCRAM[1][3])))
    wrong = b64(b"v=" + b64(b"\0" * 32))
    assert talk.send(parse_status_line(b"+ " + wrong)) == b"*"
    with pytest.raises(LoginBroken, match="has not proved"):
        talk.send(parse_status_line(b"-ERR cancelled"))


def test_a_server_that_wants_too_much_work_is_cancelled() -> None:
    talk = _scram()
    next(talk)
    asked = SCRAM[1][3].replace(b"4096", b"%d" % (MOST_ITERATIONS + 1))
    assert talk.send(parse_status_line(b"+ " + b64(asked))) == b"*"


@given(st.binary(max_size=80))
def test_no_challenge_makes_scram_fall_over(challenge: bytes) -> None:
    talk = _scram()
    next(talk)
    assert talk.send(parse_status_line(b"+ " + b64(challenge))) == b"*"


def test_a_challenge_that_is_no_base64_is_cancelled() -> None:
    talk = authenticate(CramMd5Client(who(b"tim", b"x")))
    next(talk)
    assert talk.send(parse_status_line(b"+ <not base64>")) == b"*"
    with pytest.raises(LoginBroken, match="isn't base64"):
        talk.send(parse_status_line(b"-ERR"))


@pytest.mark.parametrize("bad", ["a\nDELE 1", "a\r", "\0"])
def test_what_would_end_the_line_is_refused(bad: str) -> None:
    with pytest.raises(BadCredential, match="line end or NUL") as refused:
        credential(bad, "password")
    assert bad not in str(refused.value)


def test_a_character_that_scram_forbids_is_refused_without_being_named() -> None:
    with pytest.raises(BadCredential, match="forbids"):
        ScramClient("SCRAM-SHA-256", who(b"bob", "a\u0007b".encode()))


def chosen(
    *mechanisms: bytes,
    user_pass: bool = True,
    timestamp: bool = False,
    encrypted: bool = False,
    token: bool = False,
) -> str | None:
    method = choose(
        mechanisms=mechanisms,
        user_pass=user_pass,
        timestamp=timestamp,
        encrypted=encrypted,
        token=token,
    )
    return method.name if method is not None else None


def test_the_best_method_is_chosen() -> None:
    every = [name.encode() for name, method in METHODS.items() if method.sasl]
    assert chosen(*every) == "SCRAM-SHA-256"
    assert chosen(*every, token=True) == "OAUTHBEARER"
    assert chosen(b"plain", b"cram-md5") == "CRAM-MD5"
    assert chosen(b"PLAIN", b"CRAM-MD5", encrypted=True) == "PLAIN"
    assert chosen(b"PLAIN", timestamp=True) == "APOP"
    assert chosen(b"PLAIN", timestamp=True, encrypted=True) == "PLAIN"
    assert chosen() == "USER"
    assert chosen(b"EXTERNAL", user_pass=False) is None
    assert chosen(b"PLAIN", token=True) is None


@given(st.binary(max_size=60))
def test_base64_is_read_as_strictly_as_it_is_written(octets: bytes) -> None:
    assert decode(encode(octets)) == octets


@pytest.mark.parametrize("line", [b"AAAA=", b"AB==", b"A", b"AA\n=", b"AA=A", b"*"])
def test_what_is_nearly_base64_is_none(line: bytes) -> None:
    with pytest.raises(NotBase64):
        decode(line)
