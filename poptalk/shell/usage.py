"""What is said of a command line that cannot be understood: one sentence, and where the rest stands.

argparse would print every option there is in front of it, a screenful in which the mistake is lost.
This module is imported where there are options to parse, and by then argparse is loaded.
"""

from __future__ import annotations

import argparse
from typing import NoReturn

from poptalk.exit_codes import EXIT_USAGE

MOST_USAGE_LINES = 3
"""A list of options that is no longer than this helps more than it hides."""

_UNKNOWN = "unrecognized arguments: "
"""How argparse begins to say that words are too many."""

_AMBIGUOUS = "ambiguous option: "
"""How it begins to say that an option may be one of several; the value behind `=` comes next."""

_NO_OPTIONS = {
    "--host": "the server is a word of its own, as in poptalk mail.example.org 110",
    "--port": "the port is a word behind the host, as in poptalk mail.example.org 110",
    "--user": "whoever is to log in is named with --login USER",
    "--username": "whoever is to log in is named with --login USER",
    "--password": "a password never stands on the command line, where others can read it: it is asked "
    "for, or comes from --password-file, --password-command or POPTALK_PASSWORD",
    "--ssl": "TLS from the first octet is --tls",
    "--stls": "STLS first of all is --starttls",
}
"""What other programs call it, and what poptalk has instead."""


class Parser(argparse.ArgumentParser):
    """A parser that says in one sentence what is wrong."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and end with the exit code of a wrong command line."""
        from poptalk.terminal.screen import complain

        usage = self.format_usage()
        short = usage if usage.count("\n") <= MOST_USAGE_LINES else ""
        complain(f"{self._explained(message)}; {self.prog} --help tells all there is")
        if short:
            complain(short.rstrip())
        raise SystemExit(EXIT_USAGE)

    def _explained(self, message: str) -> str:
        """Say of an option that there is not which one may be meant, without the value beside it.

        The value may be a password, and what is said here may stand in somebody's build log.
        """
        if not message.startswith((_UNKNOWN, _AMBIGUOUS)):
            return message
        word = message.removeprefix(_UNKNOWN).removeprefix(_AMBIGUOUS).split(" ")[0]
        option = word.partition("=")[0]
        if not option.startswith("-"):
            return f"{word} is a word too many here"
        return f"there is no option {option}{self._meant(option)}"

    def _meant(self, option: str) -> str:
        known = self._option_string_actions
        instead = _NO_OPTIONS.get(option)
        if instead is not None and _options_in(instead) <= set(known):
            return f": {instead}"
        begun = [name for name in known if name.startswith(option)]
        if begun[1:]:
            return f": it may be {', '.join(begun)}"
        from difflib import get_close_matches

        near = get_close_matches(option, known, n=1)
        return f": is {near[0]} meant?" if near else ""


def _options_in(text: str) -> set[str]:
    return {word.rstrip(",") for word in text.split() if word.startswith("--")}
