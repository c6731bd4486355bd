"""Lines that fit a pattern."""

from __future__ import annotations

import pytest

from poptalk.lesson.verify.mutations import MOST_INSTANCES, instances
from poptalk.transcript.pattern import parse_pattern


@pytest.mark.parametrize(
    "source",
    [
        "STAT",
        "RETR {n:int}",
        "{word} {n:int}",
        "PASS {...}",
        "{a} {b} {c} {d...}",
        "{{x}} {n:int=7}",
    ],
)
def test_they_fit(source: str) -> None:
    pattern = parse_pattern(source)
    found = list(instances(pattern, {}))
    assert 0 < len(found) <= MOST_INSTANCES
    assert all(pattern.match(line, {}) is not None for line in found)
    assert len(set(found)) == len(found)


def test_what_is_bound_stays() -> None:
    assert list(instances(parse_pattern("USER {user}"), {"user": "bob"})) == ["USER bob"]


def test_a_default_is_taken() -> None:
    assert list(instances(parse_pattern("RETR {n:int=2}"), {})) == ["RETR 2"]


def test_a_name_stands_for_one_value() -> None:
    assert set(instances(parse_pattern("TOP {n:int} {n:int}"), {})) <= {
        f"TOP {n} {n}" for n in (*range(10), 99)
    }


def test_messages_that_are_there_come_before_those_that_are_not() -> None:
    found = list(instances(parse_pattern("RETR {n:int}"), {}))
    assert found.index("RETR 1") < found.index("RETR 99")
