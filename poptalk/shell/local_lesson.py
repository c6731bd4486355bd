"""The local commands that only a lesson can answer, with their help; the lesson controller answers."""

from __future__ import annotations

from poptalk.shell.base import Shell
from poptalk.shell.registry import Action, local

COMMANDS = {
    "hint": """Give a hint.

    Each one says more than the one before; the last is the answer itself.
    """,
    "skip": """Show how it is done, and go on.

    The answer is typed for you, and it is said why it is one. At a question the right choice is
    shown, at a pause the lesson goes on.
    """,
    "back": """Go back to the step before.

    The mail is made as it was then.
    """,
    "reset": """Begin this step again.

    The mail is made as it was when the step began.
    """,
    "state": "Say where the session and the lesson stand.",
    "map": "List the steps of the lesson, or all lessons.",
    "menu": """Leave the lesson for the list of lessons.

    What is done is kept, and the lesson goes on from there.
    """,
}
"""Each command with its help."""


def _answering(command: str) -> Action:
    def action(shell: Shell, _argument: str) -> None:
        assert shell.companion is not None, "run_local refuses these commands outside lessons"
        shell.companion.answer(command)

    action.__doc__ = COMMANDS[command]
    return action


for _command in COMMANDS:
    local(_command, in_lessons=True)(_answering(_command))
