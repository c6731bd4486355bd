"""SASL mechanisms and proofs: the examples in their RFCs, and malformed responses."""

from __future__ import annotations

from base64 import b64decode, b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poptalk.pop3.sasl.mechanism import (
    Claim,
    Credentials,
    DigestProof,
    Flaw,
    NotBase64,
    PasswordProof,
    Proof,
    SaslFailure,
    ServerMechanism,
    TokenProof,
    apop_digest,
    cram_md5_digest,
    decode,
    encode,
)
from poptalk.pop3.sasl.mechanisms import (
    CramMd5Server,
    LoginServer,
    OAuthBearerServer,
    PlainServer,
    XOAuth2Server,
)

TIM = Credentials(password=b"tanstaaftanstaaf", token=b"vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==")
OTHER = Credentials(password=b"xipj3plmq", token=b"another")

CHALLENGE = b"<1896.697170952@postoffice.reston.mci.net>"


def attempt_of(mechanism: ServerMechanism, *responses: bytes) -> Claim:
    """Return what responses lead to."""
    answers = [mechanism.respond(response) for response in responses]
    attempt = answers[-1]
    assert isinstance(attempt, Claim)
    return attempt


def failure_of(mechanism: ServerMechanism, response: bytes) -> Flaw:
    """Return why a response ends the exchange."""
    with pytest.raises(SaslFailure) as failure:
        mechanism.respond(response)
    return failure.value.flaw


# The RFCs' examples.


def test_plain_of_rfc_4616() -> None:
    attempt = attempt_of(PlainServer(), b"\0tim\0tanstaaftanstaaf")
    assert attempt.name == b"tim"
    assert attempt.proof.matches(TIM)
    assert not attempt.proof.matches(OTHER)
    assert failure_of(PlainServer(), b"Ursel\0Kurt\0xipj3plmq") is Flaw.OTHER_IDENTITY
    assert attempt_of(PlainServer(), b"Kurt\0Kurt\0xipj3plmq").proof.matches(OTHER)


def test_login_of_the_draft() -> None:
    mechanism = LoginServer()
    assert mechanism.challenge() == b"Username:"
    assert mechanism.respond(b64decode(b"dGlt")) == b"Password:"
    attempt = attempt_of(mechanism, b64decode(b"dGFuc3RhYWZ0YW5zdGFhZg=="))
    assert attempt.name == b"tim"
    assert attempt.proof.matches(TIM)


def test_cram_md5_of_rfc_2195() -> None:
    mechanism = CramMd5Server(CHALLENGE)
    line = encode(mechanism.challenge())
    assert line == b"PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+"
    response = decode(b"dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw")
    attempt = attempt_of(mechanism, response)
    assert attempt.name == b"tim"
    assert attempt.proof.matches(TIM)
    assert not attempt.proof.matches(OTHER)


def test_oauthbearer_of_rfc_7628() -> None:
    successful = (
        b"bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyI"
        b"HZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB"
    )
    attempt = attempt_of(OAuthBearerServer(), decode(successful))
    assert attempt.name == b"user@example.com"
    assert attempt.proof.matches(TIM)
    assert not attempt.proof.matches(OTHER)


def test_oauthbearer_that_asks_what_is_needed() -> None:
    """RFC 7628 §4.3: an empty field; the answer is a reason in JSON, and no login."""
    asks = b"bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9AQE="
    mechanism = OAuthBearerServer()
    attempt = attempt_of(mechanism, decode(asks))
    assert not attempt.proof.matches(TIM)
    assert mechanism.last_challenge(accepted=False) == b'{"status":"invalid_token"}'
    assert mechanism.last_challenge(accepted=True) is None


def test_xoauth2_as_google_lays_it_down() -> None:
    mechanism = XOAuth2Server()
    attempt = attempt_of(mechanism, b"user=tim@example.com\1auth=Bearer " + TIM.token + b"\1\1")
    assert attempt.name == b"tim@example.com"
    assert attempt.proof.matches(TIM)
    assert mechanism.last_challenge(accepted=False) == b'{"status":"401","schemes":"bearer"}'


def test_the_scheme_is_bearer_in_any_case() -> None:
    attempt = attempt_of(OAuthBearerServer(), b"n,a=tim,\1auth=bEaReR " + TIM.token + b"\1\1")
    assert attempt.proof.matches(TIM)


def test_apop_of_rfc_1939() -> None:
    proof = DigestProof(
        challenge=b"<1896.697170952@dbc.mtview.ca.us>",
        digest=b"c4c9334bac560ecc979e58001b3e22fb",
        make=apop_digest,
    )
    assert proof.matches(Credentials(password=b"tanstaaf", token=b""))
    assert not proof.matches(TIM)


# Malformed responses.


@pytest.mark.parametrize(
    "response",
    [b"", b"tim", b"\0tim", b"tim\0tanstaaftanstaaf", b"\0tim\0a\0b", b"\0\0secret", b"\0tim\0"],
)
def test_malformed_plain(response: bytes) -> None:
    assert failure_of(PlainServer(), response) is Flaw.MALFORMED


@pytest.mark.parametrize("response", [b"", b"tim", b"timb913a602c7eda7a495b4e6e7334d3890"])
def test_malformed_cram_md5(response: bytes) -> None:
    assert failure_of(CramMd5Server(CHALLENGE), response) is Flaw.MALFORMED


@pytest.mark.parametrize(
    "response",
    [b"", b"\1", b"\1\1", b"user=tim", b"user=tim\1", b"user=tim\1auth=Bearer x", b"user=tim\1\1",
     b"user=tim\1auth=Bearer x\1", b"user=tim\1auth=Basic x\1\1", b"auth=Bearer x\1\1",
     b"user=tim\1user=bob\1auth=Bearer x\1\1", b"user=tim\1nothing\1auth=Bearer x\1\1",
     b"user=tim\1us3r=x\1auth=Bearer x\1\1", b"user=tim\1auth=Bearer x\1\1\1"],
)  # fmt: skip
def test_malformed_xoauth2(response: bytes) -> None:
    assert failure_of(XOAuth2Server(), response) is Flaw.MALFORMED


@pytest.mark.parametrize(
    "response",
    [b"", b"\1", b"n,,", b"n,,\1", b"n,,\1\1", b"n,a=tim\1auth=Bearer x\1\1",
     b"a=tim,\1auth=Bearer x\1\1", b"p=tls-unique,,\1auth=Bearer x\1\1", b"n,tim,\1auth=Bearer x\1\1",
     b"n,a=t=im,\1auth=Bearer x\1\1", b"n,a=tim,x\1auth=Bearer x\1\1", b"n,,,\1auth=Bearer x\1\1"],
)  # fmt: skip
def test_malformed_oauthbearer(response: bytes) -> None:
    assert failure_of(OAuthBearerServer(), response) is Flaw.MALFORMED


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (b"n,,", b""),
        (b"y,a=tim,", b"tim"),
        (b"n,a=t=2Cim=3D,", b"t,im="),
        (b"n,a=\xc3\xa9,", "é".encode()),
    ],
)
def test_the_name_in_a_gs2_header(header: bytes, name: bytes) -> None:
    assert attempt_of(OAuthBearerServer(), header + b"\1auth=Bearer x\1\1").name == name


def test_a_cram_md5_name_may_hold_blanks() -> None:
    assert attempt_of(CramMd5Server(CHALLENGE), b"tim the bear 00").name == b"tim the bear"


@given(st.binary(max_size=60))
def test_no_response_makes_a_mechanism_stumble(response: bytes) -> None:
    for mechanism in (
        PlainServer(),
        LoginServer(),
        CramMd5Server(CHALLENGE),
        XOAuth2Server(),
        OAuthBearerServer(),
    ):
        try:
            answer = mechanism.respond(response)
        except SaslFailure:
            continue
        assert isinstance(answer, bytes | Claim)
        if isinstance(answer, Claim):
            assert not answer.proof.matches(TIM)


# Base64, strictly.


@pytest.mark.parametrize(
    "line",
    [b"!!!!", b"AAA", b"AA=", b"A", b"A===", b"=AAA", b"AAA=BBB=", b"AA==AA==", b"AAAA=", b"AAAA====",
     b"AAAA AAAA", b" AAAA", b"AAAA ", b"AAAA\r", b"AAAA\n", b"AA-_", b"=", b"====", b"\xff\xff\xff\xff",
     b"QQ==x", b"\0AAA", b"AB==", b"AAB="],
)  # fmt: skip
def test_what_is_no_base64(line: bytes) -> None:
    with pytest.raises(NotBase64):
        decode(line)


@given(st.binary(max_size=100))
def test_what_is_base64(octets: bytes) -> None:
    assert decode(b64encode(octets)) == octets
    assert b64decode(encode(octets), validate=True) == octets


# Proofs.


PROOFS: list[Proof] = [
    PasswordProof(password=b"sesame"),
    TokenProof(token=b"sesame"),
    DigestProof(challenge=b"<a@b>", digest=b"sesame", make=apop_digest),
]


@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: type(proof).__name__)
def test_a_proof_never_shows_what_it_holds(proof: Proof) -> None:
    credentials = Credentials(password=b"sesame", token=b"sesame")
    shown = repr([proof, credentials, Claim(name=b"bob", proof=proof)])
    assert "sesame" not in shown
    assert "bob" in shown


@pytest.mark.parametrize("digest", [b"", b"\xff" * 32, b"C4C9334BAC560ECC979E58001B3E22FB"])
def test_a_digest_is_32_lower_case_digits(digest: bytes) -> None:
    credentials = Credentials(password=b"tanstaaf", token=b"")
    stamp = b"<1896.697170952@dbc.mtview.ca.us>"
    for make in (apop_digest, cram_md5_digest):
        assert not DigestProof(challenge=stamp, digest=digest, make=make).matches(credentials)
