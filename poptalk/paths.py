"""Where poptalk's own files lie: the lessons it ships, and what it keeps about its user."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def lessons_directory() -> Path:
    """Return the folder of the curriculum: inside the package if installed, beside it in a checkout.

    Raises:
        FileNotFoundError: neither is there; the installation is incomplete.
    """
    for folder in (_PACKAGE / "lessons", _PACKAGE.parent / "lessons"):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(
        f"The lessons are missing: there is no folder {_PACKAGE / 'lessons'}. Install poptalk again."
    )


def mailbox_directory(name: str) -> Path:
    """Return the folder of a mailbox that comes with the lessons, such as ``article``.

    Raises:
        FileNotFoundError: there is none of that name; the sentence lists those there are.
    """
    mailboxes = lessons_directory() / "mailboxes"
    known = sorted(folder.name for folder in mailboxes.iterdir() if folder.is_dir())
    if name not in known:
        raise FileNotFoundError(
            f'There is no mailbox "{name}" among the lessons; there are {", ".join(known)}.'
        )
    return mailboxes / name


def state_directory() -> Path:
    """Return the folder for history and progress, which need not exist yet."""
    import platformdirs

    return platformdirs.user_state_path("poptalk", appauthor=False)


def config_directory() -> Path:
    """Return the folder for what a user writes or has written on request; it need not exist yet."""
    import platformdirs

    return platformdirs.user_config_path("poptalk", appauthor=False)
