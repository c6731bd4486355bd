"""Where an argument of a local command is, or may be, a secret: it is masked and not remembered.

`:send` is not among them: what it sends is looked at as what is typed (`Shell.secret_in_text`).
"""

from __future__ import annotations

import re

from poptalk.net.destination import password_in_url
from poptalk.pop3.sasl.table import METHODS

_WORDS_BEFORE = {":b64": 0, ":apop": 1, ":cram": 1}
"""Commands with a secret among their arguments, and how many words stand before it."""

_WORD = re.compile(r"""(?:"[^"]*"?|'[^']*'?|\S)+""")
"""A word as a shell takes it, perhaps half typed."""


def secret_in_argument(name: str, argument: str) -> int | None:
    """Find where the argument of a local command becomes secret.

    Args:
        name: the command, with its colon.
        argument: what stands behind the blank, perhaps half typed.

    Returns:
        The index of the first character that must not be shown or remembered; None if none.
    """
    if name == ":open":
        return password_in_url(argument)
    if name == ":login":
        return _behind_login(argument)
    if name in _WORDS_BEFORE:
        words = argument.split(" ", _WORDS_BEFORE[name])
        return len(argument) - len(words[-1]) if len(words) > _WORDS_BEFORE[name] else None
    return None


def _behind_login(argument: str) -> int | None:
    """Find what is no mechanism: `:login bob jones` is refused, but it has been typed by then."""
    words = [word for word in _WORD.finditer(argument) if not word[0].startswith("--")]
    for place, word in enumerate(words[1:]):
        if place or not any(method.startswith(word[0].upper()) for method in METHODS):
            return word.start()
    return None
