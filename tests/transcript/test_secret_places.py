"""A placeholder for a secret is allowed only where the table of commands has a secret."""

from __future__ import annotations

import pytest

from poptalk.transcript.parser import NotationError, parse_dialogue


@pytest.mark.parametrize(
    "text",
    [
        "C: NOOP {password}",
        "C: USER {password}",
        "C: {password}",
        "C: APOP {password} {apop}",
        "C: {x=NOOP} {password}",
        "C: RETR 1{plain}",
        "C: STAT\nor NOOP {cram-md5}",
        "C: NOOP {login-2}",
        "C: NOOP {plain-for=team}",
        "C: AUTH PLAIN\nS: +\nC: {x=NOOP} {password}",
        "C: AUTH PLAIN\nS: -ERR\nC: NOOP\nS: +OK\nC: {plain}",
        "S: +OK {password}",
    ],
)
def test_elsewhere_it_would_be_shown_and_is_refused(text: str) -> None:
    with pytest.raises(NotationError) as caught:
        parse_dialogue(text, name="a.pop3")
    assert "is a secret, and would be shown here" in str(caught.value)
    assert "it belongs after PASS" in str(caught.value)
    assert str(caught.value).startswith(f"a.pop3:{len(text.splitlines())}: ")


@pytest.mark.parametrize(
    "text",
    [
        "C: PASS {password}",
        "C: pass x{password}",
        "C: APOP {user} {apop}",
        "C: AUTH PLAIN {plain}",
        "C: AUTH PLAIN\nS: +\nC: {plain}",
        "C: AUTH LOGIN\nC: {login-1}\nC: {login-2}",
        "C: AUTH PLAIN\nor AUTH LOGIN\nS: +\nC: {plain-for=team}",
        "C: NOOP {user} {host} {secret} {anything}",
    ],
)
def test_where_a_secret_is_it_is_masked_and_taken(text: str) -> None:
    parse_dialogue(text)
