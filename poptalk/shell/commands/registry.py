"""Local commands: lines that begin with `:` and never reach the server.

A command is a function in its module's table (`@local`); its docstring is its help: `:help` lists the
first line, and `:help :name` shows all of it.  `general` has the table of all commands.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from poptalk.net.endpoint import BadDestination
from poptalk.session.procedure import LocalError, Plan, in_thread
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
        raise LocalError("say on or off")
    return argument == "on" if argument else now


PORTION = 200
"""Lines that are shown before keys are read again: a slow terminal takes a while to show them."""


def words_and_flags(
    argument: str, known: Collection[str], *, begin: str = "--"
) -> tuple[list[str], set[str]]:
    """Split an argument as a Unix shell would, and take out the flags.

    Args:
        argument: the words.
        known: the flags that there are.
        begin: how a word begins that can only be a flag.

    Raises:
        LocalError: a flag isn't known, or a quotation mark has no partner.
    """
    try:
        words = shlex.split(argument)
    except ValueError as error:
        raise LocalError(str(error)) from error
    flags = {word for word in words if word.startswith(begin)}
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
        shell.view.warn(f":{name} is for lessons, and this isn't one: poptalk learn opens them")
        return
    try:
        command.action(shell, argument if name in _AS_TYPED else argument.strip(" "))
    except (LocalError, BadDestination) as error:
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


# The escapes of `:send`: `\r`, `\n`, `\t`, `\0`, `\e`, `\xNN`, `\\`; everything else is itself.
#
# Nothing is added: `:send STAT` sends four octets and no line end, `:send STAT\r\n` a line.

_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|[rnt0e\\])?")
_SIMPLE = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "e": b"\x1b", "\\": b"\\"}


class BadEscape(LocalError):
    """A backslash that begins no escape; `str(error)` says what does."""


def unescaped(text: str, *, lenient: bool = False) -> bytes:
    r"""Return the octets that `text` means.

    Args:
        text: with escapes.
        lenient: whether a backslash that begins no escape is itself, as in a line that is still being
            typed: there a secret stays secret while a `\` after it is typed.

    Raises:
        BadEscape: for a backslash that begins no escape.
    """
    octets, at = b"", 0
    for found in _ESCAPE.finditer(text):
        octets += text[at : found.start()].encode("utf-8", "surrogateescape")
        at, escape = found.end(), found[1]
        if escape is not None:
            octets += bytes.fromhex(escape[1:]) if escape[0] == "x" else _SIMPLE[escape]
        elif lenient:
            octets += b"\\"
        elif at == len(text):
            raise BadEscape(r"a lone \ at the end: write \\ for a backslash")
        elif text[at] == "x":
            raise BadEscape(r"\x wants two hex digits, such as \x00")
        else:
            raise BadEscape(rf"\{text[at]} isn't an escape; there are \r \n \t \0 \e \xNN and \\")
    return octets + text[at:].encode("utf-8", "surrogateescape")
