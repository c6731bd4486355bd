"""The list of local commands: lines that begin with `:` and never reach the server.

A command is a function with the `local` decorator, whose docstring is its help: the first line what
`:help` lists, the rest what `:help :name` shows.  To add one, write one, in `local` or, if only a
lesson can answer it, in `local_lesson`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from poptalk.shell.base import Shell
from poptalk.shell.local_error import LocalError

__all__ = [
    "LOCAL_COMMANDS",
    "Action",
    "LocalCommand",
    "LocalError",
    "commands_of",
    "local",
    "reason_against",
]

Action = Callable[[Shell, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalCommand:
    """A command of the shell's own."""

    name: str
    usage: str
    action: Action
    in_lessons: bool = False
    """Whether it is about a lesson, and means nothing elsewhere."""
    in_recordings: bool = False
    """Whether it is for a session that becomes a lesson, and means nothing elsewhere."""

    @property
    def summary(self) -> str:
        """One line of help."""
        return (self.action.__doc__ or "").partition("\n")[0].rstrip(".")

    @property
    def details(self) -> str:
        """All that there is to say."""
        return " ".join((self.action.__doc__ or "").split())


LOCAL_COMMANDS: dict[str, LocalCommand] = {}
"""Every local command by its name without the colon, in the order in which `:help` lists them."""


def local(
    usage: str, *, in_lessons: bool = False, in_recordings: bool = False
) -> Callable[[Action], Action]:
    """Enter a function in `LOCAL_COMMANDS` under the first word of `usage`."""

    def enter(action: Action) -> Action:
        name = usage.partition(" ")[0]
        LOCAL_COMMANDS[name] = LocalCommand(
            name=name,
            usage=usage,
            action=action,
            in_lessons=in_lessons,
            in_recordings=in_recordings,
        )
        return action

    return enter


def commands_of(shell: Shell) -> list[LocalCommand]:
    """Return the local commands that mean something now."""
    return [command for command in LOCAL_COMMANDS.values() if not reason_against(shell, command)]


def reason_against(shell: Shell, command: LocalCommand) -> str:
    """Return why a command means nothing now, a sentence without its full stop; empty if it does."""
    if command.in_lessons and shell.companion is None:
        return f":{command.name} is for lessons, and this is none: poptalk learn opens them"
    if command.in_recordings and shell.recording is None:
        return (
            f":{command.name} is for a session that becomes a lesson, and this does not: "
            "poptalk lessons record FILE begins one"
        )
    return ""
