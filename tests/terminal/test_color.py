"""The order of precedence of everything that has a say about colour."""

import subprocess
import sys

import pytest

from poptalk.terminal.screen import COLOR_FLAGS, use_color


@pytest.mark.parametrize(
    ("environ", "isatty", "colored"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm"}, False, False),
        ({"TERM": "dumb"}, True, False),
        ({"TERM": "unknown"}, True, False),
        ({"TERM": ""}, True, False),
        ({}, True, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "0"}, False, False),
        ({"FORCE_COLOR": "0", "TERM": "xterm"}, True, True),
        ({"CLICOLOR_FORCE": "1"}, False, True),
        ({"CLICOLOR_FORCE": "0"}, False, False),
        ({"FORCE_COLOR": "", "CLICOLOR_FORCE": "1"}, False, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ({"POPTALK_COLOR": "always", "NO_COLOR": "1"}, False, True),
        ({"POPTALK_COLOR": "Never", "FORCE_COLOR": "1", "TERM": "xterm"}, True, False),
        ({"POPTALK_COLOR": "auto", "TERM": "xterm"}, True, True),
        ({"POPTALK_COLOR": "maybe", "NO_COLOR": "1", "TERM": "xterm"}, True, False),
    ],
)
def test_without_a_flag(environ: dict[str, str], isatty: bool, colored: bool) -> None:
    assert use_color("auto", environ, isatty=isatty) is colored


@pytest.mark.parametrize("variable", ["always", "never", "auto", ""])
@pytest.mark.parametrize("isatty", [True, False])
def test_the_flag_comes_first(variable: str, isatty: bool) -> None:
    environ = {"POPTALK_COLOR": variable, "NO_COLOR": "1", "FORCE_COLOR": "1", "TERM": "dumb"}
    assert use_color("always", environ, isatty=isatty)
    assert not use_color("never", environ, isatty=isatty)


def test_the_flags_are_those_of_the_command_line() -> None:
    assert COLOR_FLAGS == ("auto", "always", "never")


HEAVY = {"typing", "dataclasses", "inspect", "asyncio", "ssl", "logging", "tempfile", "pathlib"}


@pytest.mark.parametrize("module", ["screen", "safe", "theme"])
def test_what_every_start_pays_for_is_cheap(module: str) -> None:
    code = f"import sys, poptalk.terminal.{module}; print(*sys.modules, sep='\\n')"
    # -S: what the environment's own .pth files import is not ours.
    found = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in found.stdout.split()}
    assert not loaded & (HEAVY | {"prompt_toolkit", "pygments", "wcwidth"})
