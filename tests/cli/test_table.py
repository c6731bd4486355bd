"""The table of options agrees with the values that the commands fill, and with servers.toml."""

from __future__ import annotations

import pytest

from poptalk.check.command import CheckSettings
from poptalk.cli.main import RUN
from poptalk.cli.options import COMMANDS, LESSONS, CliCommand, Option
from poptalk.diff.diff import DiffSettings
from poptalk.lesson.document.parser import DEFAULT_PERSONA
from poptalk.lesson.ui.start import DEFAULT_MAILBOX
from poptalk.net.endpoint import ConnectOptions, Destination
from poptalk.net.saved import KEYS
from poptalk.play.start import PlaySettings
from poptalk.pop3.values import Value
from poptalk.practice.persona import ServeSettings
from poptalk.run.server import RunSettings
from poptalk.shell.script import ShellSettings
from poptalk.tap.tap import TapSettings

PRACTICE = {"persona", "maildrop", "faults"}

TAKEN: dict[str, tuple[tuple[type[Value], ...], set[str]]] = {
    "connect": ((ConnectOptions, ShellSettings), {"target", "srv", "save", *PRACTICE}),
    "learn": ((ConnectOptions, ShellSettings), {"target", "lesson", "again"}),
    "play": ((ConnectOptions, ShellSettings, PlaySettings), {"target", "script", "show_notes"}),
    "run": ((ConnectOptions, RunSettings), {"target", "file"}),
    "diff": ((ConnectOptions, DiffSettings), {"a", "b"}),
    "check": ((ConnectOptions, CheckSettings), {"target", *PRACTICE}),
    "tap": ((ConnectOptions, TapSettings), {"target", *PRACTICE}),
    "serve": ((ServeSettings,), set()),
}
"""The values that each command fills with its fields, and the fields that it uses otherwise."""

UNSAVED = {"keylog", "save_chain", "connect_timeout", "label"}
"""Fields of a destination that servers.toml has no key for."""


def fields(command: CliCommand) -> set[str]:
    return {option.field for option in command.options}


def row(command: CliCommand, field: str) -> Option:
    return next(option for option in command.options if option.field == field)


def test_every_command_has_its_function() -> None:
    assert list(RUN) == list(COMMANDS)


@pytest.mark.parametrize("name", TAKEN)
def test_every_option_fills_a_field(name: str) -> None:
    kinds, others = TAKEN[name]
    known = {field for kind in kinds for field in kind._fields}
    assert fields(COMMANDS[name]) - known == others


@pytest.mark.parametrize("name", sorted(TAKEN.keys() - {"learn", "play"}))
def test_every_field_has_its_option(name: str) -> None:
    # Learners log in by hand, so those commands have fewer options than the shell has fields.
    kinds, _others = TAKEN[name]
    assert {field for kind in kinds for field in kind._fields} <= fields(COMMANDS[name])


@pytest.mark.parametrize("command", [*COMMANDS.values(), *LESSONS.values()])
def test_a_flag_has_one_meaning(command: CliCommand) -> None:
    flags = [flag for option in command.options for flag in option.flags]
    assert len(flags) == len(set(flags))


@pytest.mark.parametrize(
    ("command", "field", "default"),
    [
        (COMMANDS["connect"], "color", ShellSettings().color),
        (COMMANDS["connect"], "theme", ShellSettings().theme),
        (COMMANDS["play"], "pace", PlaySettings().pace),
        (COMMANDS["run"], "persona", ServeSettings().persona),
        (COMMANDS["run"], "color", RunSettings().color),
        (COMMANDS["diff"], "color", DiffSettings().color),
        (COMMANDS["tap"], "bodies", TapSettings().bodies),
        (COMMANDS["tap"], "color", TapSettings().color),
        (COMMANDS["serve"], "loop", ServeSettings().loop),
        (COMMANDS["serve"], "persona", ServeSettings().persona),
        (LESSONS["record"], "persona", DEFAULT_PERSONA),
        (LESSONS["record"], "mailbox", DEFAULT_MAILBOX),
    ],
)
def test_the_help_names_the_default(command: CliCommand, field: str, default: str) -> None:
    text = row(command, field).help
    assert (
        text.endswith((f"({default})", f"(default: {default})")) or f"default: {default}," in text
    )


def test_a_key_of_servers_toml_is_called_like_its_option() -> None:
    flags = {option.field: option.flags for option in COMMANDS["connect"].options}
    for key, kept in KEYS.items():
        if kept.field in flags and kept.field not in ("family", "pins"):
            assert f"--{key}" in flags[kept.field]


def test_every_field_of_a_destination_may_be_saved_or_has_a_reason() -> None:
    assert {kept.field for kept in KEYS.values()} == set(Destination._fields) - UNSAVED
