"""The keys of a demo.

While the script plays, any key that isn't named here types the script's next character; only Enter
sends, and PageDown with a clicker.  With one's own hands all keys are the shell's, except those that
type nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from prompt_toolkit.filters import Condition
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent, merge_key_bindings
from prompt_toolkit.key_binding.key_bindings import KeyBindingsBase
from prompt_toolkit.keys import Keys

from poptalk.play.pace import Pace

if TYPE_CHECKING:
    from poptalk.play.demo import Demo

_NO_KEYS = {
    Keys.BracketedPaste,
    Keys.CPRResponse,
    Keys.Ignore,
    Keys.ScrollDown,
    Keys.ScrollUp,
    Keys.SIGINT,
    Keys.Vt100MouseEvent,
    Keys.WindowsMouseEvent,
}
"""What comes from the terminal although no key was pressed."""

_BLANK_OF_CLICKERS = (".", "b", "B")
"""What a clicker's button sends to blank the screen of a presentation; others send F5."""


def play_keys(demo: Demo, shell_keys: KeyBindingsBase | None) -> KeyBindingsBase:
    """Return the bindings of a demo, those of the shell among them.

    Args:
        demo: the demo; it has another controller each time it begins again.
        shell_keys: those of the shell, for one's own hands.
    """
    always: dict[str, Callable[[], None]] = {
        Keys.Tab: lambda: demo.controller.take_over(),
        Keys.PageUp: lambda: demo.controller.go_back(),
        Keys.F1: demo.show_keys,
        Keys.F3: demo.show_octets,
        Keys.F4: demo.show_password,
        Keys.F5: demo.stage.go_blank,
    }
    playing: dict[str, Callable[[], None]] = {
        **always,
        Keys.Enter: lambda: demo.controller.press_enter(),
        Keys.ControlJ: lambda: demo.controller.press_enter(),
        Keys.F2: lambda: demo.controller.type_mistake(),
        Keys.ControlE: lambda: demo.controller.type_mistake(),
        Keys.ControlK: demo.show_keys,
        Keys.ControlR: demo.show_octets,
        Keys.ControlP: demo.show_password,
        Keys.ControlB: demo.stage.go_blank,
        Keys.ControlU: lambda: demo.controller.go_back(),
        Keys.ControlL: demo.clear_screen,
        Keys.ControlC: demo.shell.leave,
        Keys.ControlD: demo.shell.leave,
        Keys.Escape: lambda: None,
    }
    if demo.pace is Pace.CLICKER:
        playing[Keys.PageDown] = lambda: demo.controller.click()
        playing |= dict.fromkeys(_BLANK_OF_CLICKERS, demo.stage.go_blank)

    def press(event: KeyPressEvent) -> None:
        """Do what a key does; on a blank screen any key only brings the picture back."""
        key = event.key_sequence[0].key
        if key in _NO_KEYS:
            return
        if demo.stage.is_blank:
            demo.stage.come_back()
            return
        demo.message = ""
        controller = demo.controller
        action = (playing if controller.plays else always).get(key)
        if action is not None:
            action()
        elif key in ("q", "Q") and controller.finished:
            demo.shell.leave()
        elif controller.plays:
            controller.type_next()
        demo.changed()
        event.app.invalidate()

    @Condition
    def is_ours() -> bool:
        return demo.controller.plays or demo.stage.is_blank

    ours = KeyBindings()
    ours.add(Keys.Any, filter=is_ours, eager=True, save_before=lambda _event: False)(press)
    for key in always:
        ours.add(key, filter=~is_ours, eager=True, save_before=lambda _event: False)(press)
    return merge_key_bindings([*([shell_keys] if shell_keys is not None else []), ours])
