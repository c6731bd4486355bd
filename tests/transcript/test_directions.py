"""Stage directions."""

import pytest

from poptalk.transcript.model import (
    FORMS,
    MAX_WAIT_SECONDS,
    Action,
    direction_text,
    parse_direction,
    write_direction,
)


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ("<open connection>", "open connection"),
        ("  <open   connection> ", "open connection"),
        ("<connection>", None),
        ("<1896.697170952@dbc.mtview.ca.us>", None),
        ("< >", None),
        ("<>", None),
        ("<a b> c", None),
        ("<a b> <c d>", None),
        ("<p class='x'>text</p>", None),
        ("+OK <a b>", None),
    ],
)
def test_direction_text(payload: str, text: str | None) -> None:
    assert direction_text(payload) == text


@pytest.mark.parametrize(
    ("action", "seconds"),
    [
        (Action.OPEN, None),
        (Action.CLOSE, None),
        (Action.NEGOTIATE_TLS, None),
        (Action.WAIT, 0.0),
        (Action.WAIT, 2.0),
        (Action.WAIT, 0.125),
        (Action.WAIT, 100.0),
        (Action.WAIT, float(MAX_WAIT_SECONDS)),
    ],
)
def test_round_trip(action: Action, seconds: float | None) -> None:
    assert parse_direction(write_direction(action, seconds)) == (action, seconds)


def test_every_form_is_a_direction_of_its_own() -> None:
    found = [parse_direction(form.strip("<>")) for form in FORMS]
    assert {action for action, _ in filter(None, found)} == set(Action)


def test_nobody_waits_for_days() -> None:
    with pytest.raises(ValueError, match="3600 seconds at most"):
        parse_direction("wait 86400 s")
