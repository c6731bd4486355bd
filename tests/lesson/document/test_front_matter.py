"""The front matter, by its parts; its faults stand in test_reader."""

from __future__ import annotations

from pathlib import Path

import pytest

from poptalk.lesson.document.blocks import LessonText
from poptalk.lesson.document.parser import KEYS, FrontMatter, line_of_key, read_front_matter

NEEDED = "title: A title\nsummary: A summary\nminutes: 5\nmailbox: letters\n"


def front_matter(lines: str = "", *, needed: str = NEEDED) -> FrontMatter:
    source = LessonText(f"---\n{needed}{lines}---\nbody", path=Path("x.md"))
    found = read_front_matter(source)
    assert source.faults == []
    return found


def test_every_key_has_a_value() -> None:
    found = front_matter()
    assert found.values.keys() == KEYS.keys()
    assert (found["persona"], found["user"], found["password"]) == ("plain", "bob", "jones")
    assert found.items("fault") == found.items("after") == ()


def test_it_knows_where_it_ends() -> None:
    assert front_matter().lines == 6
    assert front_matter("\n# a comment\npersona: dovecot\n").lines == 9


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("A: B", "A: B"),
        ('"A: B"', "A: B"),
        ("'A'", "A"),
        ('"A" and "B', '"A" and "B'),
        ('"', '"'),
        ("  A  ", "A"),
        ("yes", "yes"),
        ("#1", "#1"),
    ],
)
def test_a_value_is_the_rest_of_its_line(written: str, value: str) -> None:
    assert front_matter(needed=NEEDED.replace("A title", written))["title"] == value


def test_lists_are_parted_by_commas() -> None:
    found = front_matter("fault: slow:5s ,#2=locked\nafter: 01-hello\n")
    assert found.items("fault") == ("slow:5s", "#2=locked")
    assert found.items("after") == ("01-hello",)


def test_a_password_may_have_blanks_and_is_not_in_the_repr() -> None:
    found = front_matter("password: my  secret\n")
    assert found["password"] == "my  secret"
    assert "secret" not in repr(found)


def test_minutes_that_are_wrong_are_none() -> None:
    source = LessonText("---\nminutes: soon\n---\n", path=Path("x.md"))
    assert read_front_matter(source).minutes == 0
    assert source.faults


def test_the_line_of_a_key(tmp_path: Path) -> None:
    path = tmp_path / "lesson.md"
    path.write_text(f"---\n{NEEDED}fault: locked\n---\n", encoding="utf-8-sig", newline="\r\n")
    assert line_of_key(path, "fault") == 6
    assert line_of_key(path, "title") == 2


def test_the_line_of_a_key_that_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "lesson.md"
    assert line_of_key(path, "persona") == 1
    path.write_text(f"---\n{NEEDED}---\n", encoding="utf-8")
    assert line_of_key(path, "persona") == 1
