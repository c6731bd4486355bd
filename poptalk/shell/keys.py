"""The keys of the live shell that differ from prompt_toolkit's own."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.filters import Condition
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.key_binding.bindings.completion import generate_completions
from prompt_toolkit.keys import Keys

from poptalk.shell.base import LOCAL_PREFIX

if TYPE_CHECKING:
    from poptalk.shell.live import LiveShell

_LINE_END = re.compile("\r\n|\r|\n")
_ASKED_FOR = CompleteEvent(completion_requested=True)


def key_bindings(shell: LiveShell) -> KeyBindings:
    """Make the bindings of a shell."""
    bindings = KeyBindings()
    on_empty_line = Condition(lambda: not shell.session.default_buffer.text)
    bindings.add("enter")(shell.take_line)
    bindings.add("c-c")(partial(_clear, shell))
    bindings.add("c-d", filter=on_empty_line)(partial(_leave, shell))
    # Eager: in prompt_toolkit Ctrl-] waits for a character to search for.
    bindings.add("c-]", filter=on_empty_line, eager=True)(_begin_local_command)
    bindings.add("tab")(partial(_complete, shell))
    bindings.add(Keys.BracketedPaste)(partial(_paste, shell))
    bindings.add(Keys.CPRResponse, save_before=lambda _event: False)(partial(_locate, shell))
    return bindings


def _clear(shell: LiveShell, event: KeyPressEvent) -> None:
    """Give up what is waited for, and clear the line."""
    shell.interrupt()
    event.current_buffer.reset()


def _leave(shell: LiveShell, _event: KeyPressEvent) -> None:
    """Leave, sending nothing."""
    shell.leave()


def _begin_local_command(event: KeyPressEvent) -> None:
    """Begin a local command, as the fingers of telnet users expect of Ctrl-]."""
    event.current_buffer.insert_text(LOCAL_PREFIX)


def _complete(shell: LiveShell, event: KeyPressEvent) -> None:
    """Complete where something can be completed; elsewhere a Tab is a Tab."""
    buffer = event.current_buffer
    candidates = buffer.completer.get_completions(buffer.document, _ASKED_FOR)
    if buffer.complete_state is None and next(iter(candidates), None) is None:
        # Where completion is off a Tab asks for it in vain, and nobody means a character.
        buffer.insert_text("\t" if shell.gives_completions else "")
    else:
        generate_completions(event)


def _locate(shell: LiveShell, event: KeyPressEvent) -> None:
    """Take the terminal's answer, `ESC [ row ; column R`, to the question where the cursor is."""
    row, _, _ = event.data[2:-1].partition(";")
    shell.screen.cursor_reported(int(row))


def _paste(shell: LiveShell, event: KeyPressEvent) -> None:
    """Take each whole line of what is pasted; the rest goes on being edited."""
    buffer = event.current_buffer
    *lines, rest = _LINE_END.split(event.data)
    for line in lines:
        buffer.insert_text(line)
        shell.take_line(event)
    buffer.insert_text(rest)
