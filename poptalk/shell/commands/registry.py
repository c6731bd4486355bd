"""Local commands: lines that begin with `:` and never reach the server.

A command is a function in its module's table (`@local`); its docstring is its help: `:help` lists the
first line, and `:help :name` shows all of it.  `general` has the table of all commands.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from poptalk.net.endpoint import BadDestination
from poptalk.session.procedure import LocalError, Plan, in_thread
from poptalk.shell.commands import escapes
from poptalk.terminal.lexer import LOCAL_MARK
from poptalk.terminal.safe import harmless

if TYPE_CHECKING:
    from poptalk.shell.shell import Shell
    from poptalk.terminal.safe import Fragments

Action = Callable[["Shell", str], None]

LOCAL_PREFIX = LOCAL_MARK.decode("ascii")
"""In no keyword of POP3, not in base64, and neither `*` nor `.` (why a colon: DESIGN.md)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalCommand:
    """A command of the shell's own."""

    name: str
    usage: str
    action: Action
    in_lessons: bool = False
    """Whether it makes sense only in a lesson."""

    @property
    def summary(self) -> str:
        """One line of help."""
        return (self.action.__doc__ or "").partition("\n")[0].rstrip(".")

    @property
    def details(self) -> str:
        """All of its help."""
        return " ".join((self.action.__doc__ or "").split())


class CommandTable(dict[str, LocalCommand]):
    """Local commands by their names without the colon, in the order in which `:help` lists them."""

    def enter(self, usage: str, *, in_lessons: bool = False) -> Callable[[Action], Action]:
        """Enter a function under the first word of `usage`: a decorator."""

        def enter(action: Action) -> Action:
            name = usage.partition(" ")[0]
            self[name] = LocalCommand(name=name, usage=usage, action=action, in_lessons=in_lessons)
            return action

        return enter


def commands_of(shell: Shell) -> list[LocalCommand]:
    """Return the local commands that make sense now."""
    in_lesson = shell.controller is not None
    return [command for command in shell.commands.values() if in_lesson or not command.in_lessons]


def switched(argument: str, *, now: bool) -> bool:
    """Return whether a setting is on after a command.

    Args:
        argument: "on", "off", or empty, which changes nothing.
        now: whether it is on before.

    Raises:
        LocalError: for anything else.
    """
    if argument not in ("", "on", "off"):
        raise LocalError("it is either on or off")
    return argument == "on" if argument else now


PORTION = 200
"""Lines that are shown before keys are read again: a slow terminal takes a while to show them."""


def words_and_flags(argument: str, known: Collection[str]) -> tuple[list[str], set[str]]:
    """Split an argument as a Unix shell would, and take out the words that begin with `--`.

    Raises:
        LocalError: a flag isn't known, or a quotation mark has no partner.
    """
    try:
        words = shlex.split(argument)
    except ValueError as error:
        raise LocalError(str(error)) from error
    flags = {word for word in words if word.startswith("--")}
    if unknown := flags - {*known}:
        *others, last = known
        these = f"{', '.join(others)} and {last}"
        raise LocalError(f"{harmless(min(unknown))} is not known here; {these} are")
    return [word for word in words if word not in flags], flags


def shown(shell: Shell, lines: Iterable[Fragments]) -> Plan:
    """Show lines, perhaps very many, so that Ctrl-C can stop it: a plan."""
    rest = iter(lines)
    while True:
        portion = [*islice(rest, PORTION)]
        shell.say(portion)
        if len(portion) < PORTION:
            return
        yield from in_thread(lambda: None)


def run_local(shell: Shell, text: str) -> None:
    """Carry out a local command.

    Args:
        shell: where it was typed.
        text: the line without its colon.
    """
    name, _, argument = text.partition(" ")
    command = shell.commands.get(name)
    if command is None:
        shell.view.warn(_unknown(shell, name))
        return
    if command.in_lessons and shell.controller is None:
        shell.view.warn(f":{name} is for lessons, and this is none: poptalk learn opens them")
        return
    try:
        command.action(shell, argument if name in _AS_TYPED else argument.strip(" "))
    except (LocalError, BadDestination, escapes.BadEscape) as error:
        shell.view.warn(f":{name}: {error}")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        shell.view.warn(f":{name}: {where}{error.strerror or error}")


_AS_TYPED = ("send", "b64")
"""Commands in whose argument every space counts."""


_ELSEWHERE = {
    "prose": "is for a session that becomes a lesson: poptalk lessons record FILE begins one"
}
"""Commands that only certain shells have, and where to find those."""


def _unknown(shell: Shell, name: str) -> str:
    import difflib

    if name in _ELSEWHERE:
        return f":{name} {_ELSEWHERE[name]}"
    near = difflib.get_close_matches(name, [command.name for command in commands_of(shell)], n=1)
    if name in ("exit", "bye", "leave", "logout"):
        near = ["quit"]
    meant = f"Did you mean :{near[0]}? " if near else ""
    return (
        f"there is no local command :{name}. {meant}:help lists them; "
        f"to send this line to the server, type ::{name}"
    )
