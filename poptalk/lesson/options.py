"""What the command line says of lessons: the parts of `poptalk lessons`, without what they do.

The parser of every command is made for `--help`, the manual page and the completions, so nothing is
imported here but argparse, which is loaded by then.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Formatter(Protocol):
        """What makes a formatter of help."""

        def __call__(self, prog: str) -> argparse.HelpFormatter:
            """Make one for a program of that name."""


TEXT, JUNIT = "text", "junit"
"""How `lessons check` tells what it found."""

DEFAULT_PERSONA = "plain"
"""How the practice server of a lesson speaks unless the lesson says otherwise."""

DEFAULT_MAILBOX = "article"
"""The letters of a lesson that is recorded, unless others are named."""


def add_lessons_arguments(
    parser: argparse.ArgumentParser,
    *,
    formatter: Formatter,
    add_shell_arguments: Callable[[argparse.ArgumentParser], None],
) -> Mapping[str, argparse.ArgumentParser]:
    """Add the subcommands of `poptalk lessons`; which one was given is `action` of the result.

    Args:
        parser: that of `lessons`.
        formatter: lays out the help.
        add_shell_arguments: adds what every command has that opens the shell.

    Returns:
        The parser of each subcommand by its name.
    """
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    for name, (summary, add_arguments) in ACTIONS.items():
        action = actions.add_parser(
            name,
            help=summary,
            description=f"{summary[:1].upper()}{summary[1:]}.",
            formatter_class=formatter,
        )
        add_arguments(action)
        if name == RECORD:
            add_shell_arguments(action)
    return actions.choices


def _add_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--paths", action="store_true", help="tell also where each lesson lies")


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="lessons, or folders of them (default: those that come with poptalk)",
    )
    parser.add_argument(
        "--format",
        choices=(TEXT, JUNIT),
        default=TEXT,
        help="a line for each finding, or JUnit XML for a build server (default: %(default)s)",
    )
    parser.add_argument(
        "--output", metavar="FILE", help="write the findings there (default: standard output)"
    )
    parser.add_argument(
        "--ignore",
        metavar="CODES",
        default="",
        help="codes that do not count, parted by commas, such as PT031,PT040",
    )


def _add_name(parser: argparse.ArgumentParser) -> None:
    """Add the name of a lesson that is new."""
    parser.add_argument(
        "name", metavar="NAME", help="the file to write, with or without .md; it must not exist yet"
    )


def _add_record(parser: argparse.ArgumentParser) -> None:
    _add_name(parser)
    parser.add_argument(
        "target",
        nargs="*",
        metavar="HOST [PORT] | URL",
        help="where to record (default: the practice server, with the mailbox of the lesson)",
    )
    parser.add_argument(
        "--mailbox",
        metavar="FOLDER",
        default=DEFAULT_MAILBOX,
        help="the lesson's folder of letters: mailboxes/FOLDER beside it, or one that comes with "
        "poptalk (default: %(default)s)",
    )
    parser.add_argument(
        "--persona",
        metavar="NAME",
        default=DEFAULT_PERSONA,
        help="how its practice server speaks (%(default)s)",
    )


def _add_watch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="FILE", help="the lesson")


RECORD = "record"
"""The subcommand that opens the shell, which is no business of this room."""

ACTIONS: Mapping[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "list": ("list the lessons, with what each is about", _add_list),
    "check": ("prove that lessons work: their syntax, answers, mistakes and hints", _add_check),
    "new": ("write the beginning of a lesson, with comments that explain the format", _add_name),
    RECORD: ("make a lesson of a session that is typed, each command a step", _add_record),
    "watch": ("show and check a lesson again whenever it is saved, until Ctrl-C", _add_watch),
}
"""Each subcommand by its name: its summary, and what adds its arguments."""
