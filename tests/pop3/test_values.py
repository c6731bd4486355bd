"""Values: frozen, slotted, keyword-only, and as good as dataclasses in what matters."""

from __future__ import annotations

import subprocess
import sys

import pytest

from poptalk.pop3.values import Value


class Point(Value):
    """A value with a default."""

    x: int
    y: int = 2


class Labelled(Point):
    """A value that inherits fields."""

    label: str = "none"


class OtherPoint(Value):
    """A value with the same fields as another."""

    x: int
    y: int = 2


class OftenPoint(Value, often=True):
    """A value whose constructor is generated."""

    x: int
    y: int = 2


class OftenLabelled(OftenPoint, often=True):
    """One that inherits fields."""

    label: str = "none"


def test_a_constructor_that_is_written_out_does_the_same() -> None:
    point = OftenPoint(x=1)
    assert (point.x, point.y) == (1, 2)
    assert point == OftenPoint(x=1, y=2) != OftenPoint(x=2)
    assert repr(point) == "OftenPoint(x=1, y=2)"
    labelled = OftenLabelled(x=1, label="here")
    assert (labelled.x, labelled.y, labelled.label) == (1, 2, "here")
    with pytest.raises(AttributeError):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(TypeError):
        OftenPoint(1)  # type: ignore[call-arg]


@pytest.mark.parametrize("given", [{}, {"y": 1}, {"x": 1, "z": 2}])
def test_a_constructor_that_is_written_out_refuses_the_same(given: dict[str, int]) -> None:
    with pytest.raises(TypeError):
        OftenPoint(**given)


def test_fields_and_defaults() -> None:
    assert (Point(x=1).x, Point(x=1).y) == (1, 2)
    assert Point(x=1, y=5).y == 5
    labelled = Labelled(x=1, label="here")
    assert (labelled.x, labelled.y, labelled.label) == (1, 2, "here")


@pytest.mark.parametrize("given", [{}, {"y": 1}, {"x": 1, "z": 2}])
def test_a_missing_or_unknown_field_is_refused(given: dict[str, int]) -> None:
    with pytest.raises(TypeError, match="Point: missing or unknown field: "):
        Point(**given)


def test_fields_have_names_only() -> None:
    with pytest.raises(TypeError):
        Point(1)  # type: ignore[call-arg]


def test_a_value_cannot_be_changed() -> None:
    point = Point(x=1)
    with pytest.raises(AttributeError, match=r"Point\.x cannot be changed"):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(AttributeError, match=r"Point\.x cannot be deleted"):
        del point.x
    with pytest.raises(AttributeError):
        point.z = 1  # type: ignore[attr-defined]
    assert not hasattr(point, "__dict__")


def test_equality_is_that_of_the_fields_within_a_class() -> None:
    assert Point(x=1) == Point(x=1, y=2)
    assert Point(x=1) != Point(x=2)
    assert Point(x=1) != OtherPoint(x=1)
    assert Point(x=1) != Labelled(x=1)
    assert Point(x=1) != (1, 2)
    assert len({Point(x=1), Point(x=1), OtherPoint(x=1)}) == 2


def test_what_is_shown_of_a_value() -> None:
    assert repr(Labelled(x=1)) == "Labelled(x=1, y=2, label='none')"


def test_the_core_needs_none_of_the_slow_modules() -> None:
    program = (
        "import sys; before = set(sys.modules); import poptalk.pop3.client;"
        " print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    loaded = set(done.stdout.decode().split())
    assert "poptalk.pop3.client" in loaded
    assert not loaded & {"dataclasses", "inspect", "typing", "asyncio", "ssl", "socket", "hashlib"}
