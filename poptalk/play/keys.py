"""The keys of a demo.

While the script plays, every key that is not named here types the script's next character, whatever
stands on it; only Enter sends, and PageDown with a clicker.  With one's own hands all keys are those of
the shell, but for those that no line can hold.
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
    from prompt_toolkit.key_binding.key_processor import KeyPress

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
"""What comes from the keyboard and was not pressed there."""

_BLANK_OF_CLICKERS = (".", "b", "B")
"""What the button of a clicker sends that blanks the screen of a presentation; others send F5."""


def play_keys(demo: Demo, shell_keys: KeyBindingsBase | None) -> KeyBindingsBase:
    """Return the bindings of a demo, those of the shell among them.

    Args:
        demo: the demo.
        shell_keys: those of the shell, for one's own hands.
    """
    ours = KeyBindings()
    table = _Keys(demo)

    @Condition
    def is_ours() -> bool:
        return demo.controller.plays or demo.stage.is_blank

    ours.add(Keys.Any, filter=is_ours, eager=True, save_before=lambda _event: False)(table.press)
    for key in table.always:
        ours.add(key, filter=~is_ours, eager=True, save_before=lambda _event: False)(table.press)
    return merge_key_bindings([*([shell_keys] if shell_keys is not None else []), ours])


class _Keys:
    """What each key does.

    Args:
        demo: the demo.
    """

    def __init__(self, demo: Demo) -> None:
        self._demo = demo
        self.always: dict[str, Callable[[], None]] = {
            Keys.Tab: lambda: demo.controller.take_over(),
            Keys.PageUp: lambda: demo.controller.go_back(),
            Keys.F1: demo.show_keys,
            Keys.F3: demo.show_octets,
            Keys.F4: demo.show_password,
            Keys.F5: demo.stage.go_blank,
        }
        """Keys that no line can hold, so that they are the demo's at any time."""
        self._playing: dict[str, Callable[[], None]] = {
            **self.always,
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
            Keys.ControlC: demo.leave,
            Keys.ControlD: demo.leave,
            Keys.Escape: lambda: None,
        }
        if demo.pace is Pace.CLICKER:
            self._playing[Keys.PageDown] = self._click
            for key in _BLANK_OF_CLICKERS:
                self._playing[key] = demo.stage.go_blank

    def press(self, event: KeyPressEvent) -> None:
        """Do what a key does; any key brings a blank screen back, and does nothing else."""
        press: KeyPress = event.key_sequence[0]
        key = press.key
        if key in _NO_KEYS:
            return
        demo = self._demo
        if demo.stage.is_blank:
            demo.stage.come_back()
            return
        demo.any_key()
        controller = demo.controller
        action = (self._playing if controller.plays else self.always).get(key)
        if action is not None:
            action()
        elif key in ("q", "Q") and (controller.finished or not controller.begun):
            demo.leave()
        elif controller.plays:
            controller.type_next()
        demo.changed()
        event.app.invalidate()

    def _click(self) -> None:
        """Type what is left of the line; send it, if nothing is."""
        controller = self._demo.controller
        line = controller.line
        if line is not None and controller.buffer_text != line:
            controller.type_next(whole=True)
        else:
            controller.press_enter()
