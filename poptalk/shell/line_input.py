"""Typing a line on a terminal that is never redrawn, with secrets masked.

The terminal's own line editing echoes everything, a password included.  Here the echo is ours: each
key is answered by the character, or by `*` where the line has become secret.  Backspace, Ctrl-U,
Ctrl-C and Ctrl-D work as everywhere.
"""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from poptalk.terminal.width import cells

try:
    import termios
except ImportError:  # Windows
    termios = None  # type: ignore[assignment]

_ERASE = ("\x7f", "\x08")
_KILL = "\x15"
_INTERRUPT = "\x03"
_END = "\x04"
_ENTER = ("\r", "\n")


class LineInput:
    """Keys of a terminal, gathered to lines; a context manager that restores the terminal."""

    def __init__(self, descriptor: int, *, echo: Callable[[str], None]) -> None:
        """Make an input that changes nothing before it is entered.

        Args:
            descriptor: the terminal.
            echo: writes text behind the prompt.
        """
        self.text = ""
        """What has been typed of the line."""
        self.secret_from: Callable[[str], int | None] = lambda _text: None
        """Tells where a line becomes secret."""
        self._descriptor = descriptor
        self._echo = echo
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._keys = ""
        self._before: list[object] | None = None

    def __enter__(self) -> LineInput:
        if termios is not None:
            self._before = termios.tcgetattr(self._descriptor)
            mode = termios.tcgetattr(self._descriptor)
            mode[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG)
            mode[0] &= ~termios.ICRNL
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, mode)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._before is not None:
            try:
                termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)  # type: ignore[arg-type]
            except termios.error:
                pass  # The terminal has been closed; there is nothing left to restore.

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let Ctrl-C be a signal for as long as something else than keys is waited for."""
        if self._before is None:
            yield
            return
        mode = termios.tcgetattr(self._descriptor)
        signalling = [*mode[:3], mode[3] | termios.ISIG, *mode[4:]]
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, signalling)
        try:
            yield
        finally:
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, mode)

    def read(self) -> bool:
        """Take keys; call it when the terminal has some.

        Returns:
            False when the terminal is gone.
        """
        try:
            data = os.read(self._descriptor, 4096)
        except OSError:
            return False
        self._keys += self._decoder.decode(data)
        return bool(data)

    def next_line(self) -> str | None:
        """Return a line that is complete, None while none is.

        Raises:
            KeyboardInterrupt: for Ctrl-C.
            EOFError: for Ctrl-D on an empty line.
        """
        while self._keys:
            key, self._keys = self._keys[0], self._keys[1:]
            if key in _ENTER:
                if key == "\r" and self._keys[:1] == "\n":
                    self._keys = self._keys[1:]
                line, self.text = self.text, ""
                self._echo("\n")
                return line
            self._act(key)
        return None

    def _act(self, key: str) -> None:
        if key == _INTERRUPT:
            self.text = ""
            raise KeyboardInterrupt
        if key == _END:
            if not self.text:
                raise EOFError
        elif key in _ERASE:
            self._erase(1)
        elif key == _KILL:
            self._erase(len(self.text))
        else:
            self.text += key
            self._echo(self._shown(key))

    def _erase(self, count: int) -> None:
        for _ in range(min(count, len(self.text))):
            shown = self._shown(self.text[-1])
            self.text = self.text[:-1]
            self._echo("\b \b" * cells(shown))

    def _shown(self, key: str) -> str:
        """Return what the last character of `text` looks like."""
        secret_from = self.secret_from(self.text)
        if secret_from is not None and len(self.text) > secret_from:
            return "*"
        return _glyph(key)

    def shown_text(self) -> str:
        """Return the half-typed line as it stands on the screen, to be written again below a reply."""
        start = self.secret_from(self.text)
        if start is None:
            start = len(self.text)
        return "".join(map(_glyph, self.text[:start])) + "*" * (len(self.text) - start)


def _glyph(key: str) -> str:
    """Return what stands for a character: itself, `^X` for a control, `?` for what draws nothing."""
    if key.isprintable():
        return key
    return f"^{chr(ord(key) ^ 0x40)}" if key.isascii() else "?"
