"""A prompt above which many lines appear at once: the program that `burst` watches.

    python -m benchmarks.burst_prompt WAY LINES

At the signal SIGUSR1 it prints its lines, one call a line, in one of two ways: `poptalk` is the
`LiveScreen` of the shell, `naive` is prompt_toolkit's own `print_formatted_text`.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable

from prompt_toolkit import PromptSession, print_formatted_text
from prompt_toolkit.formatted_text import FormattedText

from poptalk.terminal.screen import LiveScreen
from poptalk.terminal.theme import theme_named

PROMPT = "pop3> "
TOOLBAR = "bottom line"


def line(number: int) -> str:
    """Return a line of the burst."""
    return f"line {number:04d} of a burst that comes while somebody types"


def ways(session: PromptSession[str]) -> dict[str, Callable[[str], None]]:
    """Return the ways to print a line above the prompt."""
    screen = LiveScreen(session.app, theme=theme_named("neutral"))
    return {
        "poptalk": lambda text: screen.show([[("ok", "+OK"), ("text", f" {text}")]]),
        "naive": lambda text: print_formatted_text(
            FormattedText([("fg:ansigreen", "+OK"), ("", f" {text}")])
        ),
    }


async def main(way: str, lines: int) -> None:
    """Prompt until Enter."""
    session: PromptSession[str] = PromptSession(PROMPT, bottom_toolbar=TOOLBAR)
    show = ways(session)[way]

    def burst() -> None:
        for number in range(lines):
            show(line(number))

    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, burst)
    await session.prompt_async()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
