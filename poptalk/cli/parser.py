"""The parser of the command line, made from the table of options, and what it says about mistakes.

A mistake is answered with one sentence.  argparse would print every option before it, a screenful in
which the mistake is lost.
"""

from __future__ import annotations

import argparse
import os
import re
from typing import TYPE_CHECKING, Any, NoReturn

from poptalk import __version__
from poptalk.cli.options import COMMANDS, CONNECT, REACHING, CliCommand
from poptalk.exit_codes import EXIT_USAGE, MEANINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_CODES = "exit codes:\n" + "".join(
    f"  {code:<5}{meaning}\n" for code, meaning in MEANINGS.items()
)

DESCRIPTION = (
    "A Telnet-style raw protocol teaching shell for POP3: what you type is sent verbatim, and the "
    "replies come back in colour and, on request, explained."
)


DOORS = (
    ("poptalk", "learn POP3 in lessons; no account or server needed"),
    ("poptalk HOST [PORT]", "talk to a server by hand (port 110)"),
    ("poptalk pop3s://me@HOST", "the same, with TLS from the start (port 995)"),
    ("poptalk NAME", "talk to a server that was saved with --save NAME"),
    ("... | poptalk HOST", "send the lines of a pipe, one after each reply"),
)
"""The ways in that most people come for, each with what it does."""

MOST_USED = ("--tls", "--starttls", "--login", "--log")
"""The options that most people come for."""


def parse(name: str, words: Sequence[str]) -> dict[str, Any]:
    """Parse the words after a command; return the fields that were given.

    Args:
        name: the command.
        words: the words after it.

    Raises:
        SystemExit: after `--help`, and after a mistake that has been explained.
    """
    command = COMMANDS[name]
    parser: argparse.ArgumentParser = Parser(prog=f"poptalk {name}", **_texts(command))
    actions = add_arguments(parser, command)
    given = argparse.Namespace()
    if command.actions is not None:
        # With a first word that is no action this explains the mistake, and ends.
        given.action = words[0] if words else ""
        if given.action not in command.actions:
            parser.parse_args(words)
        parser, words = actions[given.action], words[1:]
    # Intermixed: `HOST --tls PORT` is understood as well.
    fields = vars(parser.parse_intermixed_args(words, given))
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
    }


def build_parser() -> argparse.ArgumentParser:
    """Make the parser of all commands: for `--help`, the man page and the shell completions."""
    known = {flag: option for option in CONNECT for flag in option.flags}
    used = [
        (f"{flag} {known[flag].metavar or ''}".rstrip(), known[flag].help) for flag in MOST_USED
    ]
    parser = Parser(
        prog="poptalk",
        usage="poptalk [HOST [PORT] | URL] [options]\n       poptalk COMMAND ...",
        description=f"{DESCRIPTION}\n\n{_rows('start here', DOORS)}",
        epilog=(
            f"{_rows('options that most people come for', used)}"
            "\n"
            "poptalk connect --help lists all options of a session, poptalk COMMAND --help those of a "
            "command, with an example.\n"
            "\n"
            "With no server named, poptalk connect (or a pipe) opens the practice server: USER bob, "
            "PASS jones, LIST, RETR 3, QUIT.\n"
            "\n" + EXIT_CODES
        ),
        formatter_class=help_formatter,
    )
    parser.add_argument("--version", action="version", version=f"poptalk {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, command in COMMANDS.items():
        add_arguments(commands.add_parser(name, help=command.summary, **_texts(command)), command)
    return parser


def _rows(title: str, rows: Sequence[tuple[str, str]]) -> str:
    width = max(len(term) for term, _ in rows) + 2
    return f"{title}:\n" + "".join(f"  {term:<{width}}{meaning}\n" for term, meaning in rows)


def add_arguments(
    parser: argparse.ArgumentParser, command: CliCommand
) -> dict[str, argparse.ArgumentParser]:
    """Add the options of a command, and its subcommands; return the parsers of those by name."""
    exclusive: dict[str, Any] = {}
    for option in command.options:
        place: Any = parser
        if option.exclusive is not None:
            if option.exclusive not in exclusive:
                exclusive[option.exclusive] = parser.add_mutually_exclusive_group()
            place = exclusive[option.exclusive]
        # What was not given is left out.
        about = {name: getattr(option, name) for name in _COLUMNS} | {"default": argparse.SUPPRESS}
        if option.flags:
            about["dest"] = option.field
        about = {name: value for name, value in about.items() if value is not None}
        place.add_argument(*option.flags or (option.field,), **about)
    if command.actions is None:
        return {}
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    parsers = {}
    for name, action in command.actions.items():
        parsers[name] = actions.add_parser(name, help=action.summary, **_texts(action))
        add_arguments(parsers[name], action)
    return parsers


_COLUMNS = ("help", "metavar", "type", "choices", "nargs", "action", "const")
"""Columns of the table that argparse takes as they are."""


def _texts(command: CliCommand) -> dict[str, Any]:
    """Return what a parser says about a command."""
    texts: dict[str, Any] = {
        "description": f"{command.summary[:1].upper()}{command.summary[1:]}.",
        "formatter_class": help_formatter,
    }
    if command.example:
        lines = "".join(f"  {line}\n" for line in command.example)
        texts["epilog"] = f"example:\n{lines}\n{EXIT_CODES}"
    return texts


def help_formatter(prog: str) -> argparse.HelpFormatter:
    """Make a formatter of the terminal's width, which is found without shutil.

    argparse makes one for each argument that is added, whether help is asked for or not, and shutil
    brings zlib, bz2 and lzma: importing them costs a piped session a tenth of its time.
    """
    return argparse.RawDescriptionHelpFormatter(prog, width=_columns() - 2)


def _columns() -> int:
    from poptalk.terminal.screen import DEFAULT_COLUMNS

    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns)
    try:
        return os.get_terminal_size().columns or DEFAULT_COLUMNS
    except (OSError, ValueError):
        return DEFAULT_COLUMNS


# Mistakes.

MOST_USAGE_LINES = 3
"""A list of options that is no longer than this helps more than it hides."""

_NARROW_INDENT = 6
"""Of the second line of a row, where the terminal is too narrow for columns."""

_UNKNOWN = "unrecognized arguments: "
"""How argparse begins when there are too many words."""

_AMBIGUOUS = "ambiguous option: "
"""How it begins when an option may be one of several; the option comes next, with its value."""

_USER = ("--login USER logs in",)
_MORE = (
    "--explain says what everything means, and --log FILE keeps the dialogue",
    "--log FILE keeps the dialogue",
)
_NO_OPTIONS = {
    "--host": ("the server is a word of its own, as in poptalk mail.example.org 110",),
    "--port": ("the port is a word after the host, as in poptalk mail.example.org 110",),
    "--user": _USER,
    "--username": _USER,
    "--password": (
        "a password on the command line could be read by others: it is asked for, or comes from "
        "--password-file, --password-command or POPTALK_PASSWORD",
    ),
    "--ssl": ("TLS from the first octet is --tls",),
    "--secure": ("TLS from the first octet is --tls, and STLS first of all is --starttls",),
    "--stls": ("STLS first of all is --starttls",),
    "--verbose": _MORE,
    "--debug": _MORE,
    "-v": _MORE,
}
"""Options of other programs, and what poptalk has instead; the first that the command has counts."""


class Parser(argparse.ArgumentParser):
    """A parser that says in one sentence what is wrong."""

    def format_help(self) -> str:
        """Return the help, with its own rows and paragraphs as narrow as the terminal, too."""
        from textwrap import wrap

        columns, lines = _columns(), []
        for line in super().format_help().split("\n"):
            # A row has a gap between its two parts; an example, which is copied, has none.
            begins = re.match(r"(?=\S)| *\S.*? {2,}(?=\S)", line)
            if len(line) <= columns or begins is None:
                lines.append(line)
                continue
            indent = len(begins[0]) if len(begins[0]) <= columns // 2 else _NARROW_INDENT
            lines += wrap(line, max(columns - 2, 20), subsequent_indent=" " * indent)
        return "\n".join(lines)

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print the help or the version; argparse would not notice that it cannot be written.

        Raises:
            ScreenClosed: nothing can be written.
        """
        from poptalk.terminal.screen import ScreenClosed, say

        if file is None:
            raise ScreenClosed("The output was closed before poptalk was started.")
        say(message.rstrip("\n"), stream=file)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and end with the exit code of a wrong command line."""
        from poptalk.terminal.screen import complain

        explained = self._explained(message)
        joint = "" if explained.endswith("?") else ";"
        complain(f"{explained}{joint} {self.prog} --help lists all options")
        usage = self.format_usage()
        if usage.count("\n") <= MOST_USAGE_LINES:
            complain(usage.rstrip())
        raise SystemExit(EXIT_USAGE)

    def _explained(self, message: str) -> str:
        """Say which option an unknown one may stand for, without the value beside it.

        The value may be a password, and this sentence may end up in a build log.
        """
        if not message.startswith((_UNKNOWN, _AMBIGUOUS)):
            return message
        word = message.removeprefix(_UNKNOWN).removeprefix(_AMBIGUOUS).split(" ")[0]
        option = word.partition("=")[0]
        if not option.startswith("-"):
            return f"{word} is one word too many"
        return f"there is no option {option}{self._meant(option)}"

    def _meant(self, option: str) -> str:
        known = self._option_string_actions
        for instead in _NO_OPTIONS.get(option, ()):
            words = [word.rstrip(",") for word in instead.split()]
            if all(word in known for word in words if word.startswith("--")):
                return f": {instead}"
        from difflib import get_close_matches

        begun = [name for name in known if name.startswith(option) and name not in _WEAKENING]
        if begun[1:]:
            return f": it may be {', '.join(begun)}"
        near = get_close_matches(option, known, n=1)
        return f": is {near[0]} meant?" if near and near[0] not in _WEAKENING else ""


_WEAKENING = {flag for row in REACHING if row.weakens for flag in row.flags}
