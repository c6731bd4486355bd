"""`poptalk --help` is a page for people: the ways in, the commands, the options most people come for."""

from __future__ import annotations

import pytest

from poptalk.cli import main
from poptalk.cli.options import COMMANDS
from poptalk.cli.parser import DOORS, MOST_USED, parse


def page(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *words: str,
    columns: int = 80,
) -> str:
    """Return a page of help, as a terminal shows it."""
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit, match="0"):
        main([*words, "--help"])
    return capsys.readouterr().out


def test_the_ways_in_come_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = page(monkeypatch, capsys)
    places = [text.index(f"  {door}  ") for door, _ in DOORS]
    assert places == sorted(places)
    assert places[-1] < text.index("commands:")


def test_the_commands_and_the_usual_options_are_listed_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = page(monkeypatch, capsys)
    first_words = [line.split()[0] for line in text.splitlines() if line.startswith("  ")]
    flags = [word.rstrip(",") for word in first_words if word.startswith("-")]
    assert flags == ["-h", "--version", *MOST_USED]
    assert [word for word in first_words if word in COMMANDS] == list(COMMANDS)
    assert "poptalk connect --help lists all options" in text


def test_the_usual_options_are_explained_as_in_the_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = page(monkeypatch, capsys)
    for option in COMMANDS["connect"].options:
        if set(option.flags) & set(MOST_USED):
            assert option.help in text


@pytest.mark.parametrize("columns", [80, 60, 40])
def test_every_line_fits(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = page(monkeypatch, capsys, columns=columns)
    assert max(map(len, text.splitlines())) <= columns


def test_an_example_is_not_wrapped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    example = COMMANDS["connect"].example[-1]
    assert f"\n  {example}\n" in page(monkeypatch, capsys, "connect", columns=40)


def test_every_door_is_understood() -> None:
    for door, _ in DOORS:
        words = door.rpartition("poptalk")[2].replace("[PORT]", "110").split()
        assert parse("connect", words) == ({"target": tuple(words)} if words else {})
