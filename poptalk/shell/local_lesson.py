"""The local commands that only a lesson can answer; each hands the wish to the shell's companion."""

from __future__ import annotations

from poptalk.shell.base import Shell
from poptalk.shell.companion import Wish
from poptalk.shell.registry import local


def grant(shell: Shell, wish: Wish) -> None:
    """Have the companion do something."""
    assert shell.companion is not None, "run_local refuses these commands outside lessons"
    shell.companion.grant(wish)


@local("hint", in_lessons=True)
def _hint(shell: Shell, _argument: str) -> None:
    """Give a hint.

    Each one says more than the one before; the last is the answer itself.
    """
    grant(shell, Wish.HINT)


@local("skip", in_lessons=True)
def _skip(shell: Shell, _argument: str) -> None:
    """Show how it is done, and go on.

    The answer is typed for you, and it is said why it is one. At a question the right choice is
    shown, at a pause the lesson goes on.
    """
    grant(shell, Wish.SKIP)


@local("back", in_lessons=True)
def _back(shell: Shell, _argument: str) -> None:
    """Go back to the step before.

    The mail is made as it was then.
    """
    grant(shell, Wish.BACK)


@local("reset", in_lessons=True)
def _reset(shell: Shell, _argument: str) -> None:
    """Begin this step again.

    The mail is made as it was when the step began.
    """
    grant(shell, Wish.RESET)


@local("state", in_lessons=True)
def _state(shell: Shell, _argument: str) -> None:
    """Say where the session and the lesson stand."""
    grant(shell, Wish.STATE)


@local("map", in_lessons=True)
def _map(shell: Shell, _argument: str) -> None:
    """List the steps of the lesson, or all lessons."""
    grant(shell, Wish.MAP)


@local("menu", in_lessons=True)
def _menu(shell: Shell, _argument: str) -> None:
    """Leave the lesson for the list of lessons.

    What is done is kept, and the lesson goes on from there.
    """
    grant(shell, Wish.MENU)
