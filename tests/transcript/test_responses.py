"""The placeholders of AUTH, and what is sent for them."""

from __future__ import annotations

from base64 import b64decode, b64encode

import pytest

from poptalk.pop3.sasl.mechanism import Applicant, ClientMechanism, LoginBroken
from poptalk.pop3.sasl.table import METHODS, make_mechanism
from poptalk.transcript.pattern import FillError, Placeholder, make_pattern
from poptalk.transcript.placeholders import Responses, parse_response_name, response_name


def bobs(name: str) -> ClientMechanism:
    return make_mechanism(
        name, Applicant(user=b"bob", secret=b"jones" if name == "LOGIN" else b"token")
    )


def challenge(text: bytes) -> bytes:
    return b"+ " + b64encode(text)


@pytest.mark.parametrize("mechanism", [name for name, method in METHODS.items() if method.sasl])
def test_names_are_read_back(mechanism: str) -> None:
    for step in (1, 2, 12):
        assert parse_response_name(response_name(mechanism, step)) == (mechanism, step)


@pytest.mark.parametrize("name", ["login", "login-0", "login-x", "user-1", "apop-1", "n-1", "-1"])
def test_what_is_no_response(name: str) -> None:
    assert parse_response_name(name) is None
    assert Responses(bobs).work_out(name, None) is None


def test_each_step_answers_its_challenge() -> None:
    responses = Responses(bobs)
    assert responses.work_out("login-1", challenge(b"Username:")) == b64encode(b"bob").decode()
    assert responses.work_out("login-2", challenge(b"Password:")) == b64encode(b"jones").decode()


def test_a_step_that_is_left_out_has_no_value() -> None:
    responses = Responses(bobs)
    assert responses.work_out("login-2", challenge(b"Password:")) is None
    assert responses.work_out("login-1", challenge(b"Username:")) is not None
    assert responses.work_out("login-3", challenge(b"What?")) is None
    assert responses.work_out("xoauth2-2", challenge(b"{}")) is None


def test_the_first_step_begins_anew() -> None:
    responses = Responses(bobs)
    for _ in range(2):
        assert responses.work_out("login-1", challenge(b"")) == b64encode(b"bob").decode()


@pytest.mark.parametrize("line", [None, b"+ "])
def test_an_initial_response_stands_in_the_command_or_alone(line: bytes | None) -> None:
    worked_out = Responses(bobs).work_out("xoauth2-1", line)
    assert worked_out is not None
    assert b64decode(worked_out) == b"user=bob\x01auth=Bearer token\x01\x01"


@pytest.mark.parametrize("line", [b"+OK", b"-ERR no", b"+ not base64!", b"+ \xff"])
def test_what_is_no_challenge_has_no_answer(line: bytes) -> None:
    assert Responses(bobs).work_out("login-1", line) is None


def test_a_challenge_that_breaks_the_mechanism() -> None:
    responses = Responses(bobs)
    for step in (1, 2):
        responses.work_out(f"login-{step}", challenge(b""))
    with pytest.raises(LoginBroken):
        responses.say_nothing(challenge(b"a third question"))


def test_why_there_is_no_value() -> None:
    with pytest.raises(FillError, match="needs a user name, a password or a token"):
        make_pattern(Placeholder(name="scram-sha-256-1")).fill({})
    with pytest.raises(FillError, match="no line before this one captured it"):
        make_pattern(Placeholder(name="n")).fill({})
