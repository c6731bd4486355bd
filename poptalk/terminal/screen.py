"""The only module that prints.

What is at the other end decides how:

- `RawOutput`: a pipe or a file gets the octets of the server exactly as they came;
- `LinearScreen`: a terminal that is never redrawn (`--plain`, TERM=dumb, screen readers);
- `LiveScreen`: a terminal with a live prompt, above which lines can appear at any time;
- `say` and `complain`: poptalk's own sentences on standard output and standard error.

Everything shown on a terminal came through `render`, and is harmless.  A reader that has gone away, a
full disk and a closed terminal all raise `ScreenClosed`.

A piped session pays for each import here, so the module's top imports only what the interpreter has
loaded anyway.
"""

from __future__ import annotations

import codecs
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, BinaryIO, Literal, TextIO

    from prompt_toolkit.application import Application
    from prompt_toolkit.formatted_text import StyleAndTextTuples

    from poptalk.terminal.safe import Fragments
    from poptalk.terminal.theme import Theme

    Attributes = list[Any]
    ColorFlag = Literal["auto", "always", "never"]

# Whether to use colour is decided by one function, in one order of precedence.
#
# The variables are those of no-color.org, force-color.org and bixense.com/clicolors.


COLOR_FLAGS: tuple[ColorFlag, ...] = ("auto", "always", "never")
"""The values of `--color` and POPTALK_COLOR."""

_COLOURLESS_TERMS = frozenset({"", "dumb", "unknown"})
_NOT_FORCED = frozenset({"", "0", "false"})


def use_color(flag: ColorFlag, environ: Mapping[str, str], *, isatty: bool) -> bool:
    """Decide whether output is coloured.

    Args:
        flag: the value of `--color`.
        environ: the environment.
        isatty: whether the output is a terminal.

    Returns:
        The answer of the first of these that has one: `--color`, POPTALK_COLOR (ignored unless it is
        one of the three words), NO_COLOR, FORCE_COLOR or CLICOLOR_FORCE, and last the terminal and its
        TERM.
    """
    for wish in (flag, environ.get("POPTALK_COLOR", "").strip().lower()):
        if wish in ("always", "never"):
            return wish == "always"
    if environ.get("NO_COLOR"):
        return False
    for name in ("FORCE_COLOR", "CLICOLOR_FORCE"):
        if environ.get(name, "").strip().lower() not in _NOT_FORCED:
            return True
    return isatty and environ.get("TERM", "") not in _COLOURLESS_TERMS


DEFAULT_COLUMNS = 80
"""Cells in a row where the output cannot say how many it has."""

FEWEST_COLUMNS = 10
"""The narrowest row to believe in: a terminal that doesn't know its size says 0."""


class ScreenClosed(Exception):
    """Nothing more can be written to the output.

    Attributes:
        errno: the operating system's number of the reason; None where the stream was closed here.
    """

    def __init__(self, sentence: str, errno: int | None = None) -> None:
        super().__init__(sentence)
        self.errno = errno


def _closed(error: OSError | ValueError) -> ScreenClosed:
    """Say in a sentence why nothing more can be written."""
    import errno

    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EPIPE:
        sentence = "The reader of the output has gone away."
    elif number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        sentence = "The output could not be written, because the disk is full; make room and retry."
    elif number in (errno.EIO, errno.EBADF, errno.ENXIO, None):
        sentence = "The output was closed."
    else:
        sentence = f"The output could not be written: {os.strerror(number)}."
    return ScreenClosed(sentence, number)


class RawOutput:
    """Octets to a pipe or a file, exactly as they came.

    Nothing is held back: when `write` returns, the operating system has all of it.

    Args:
        stream: a binary stream such as ``sys.stdout.buffer``; its own buffer is bypassed.
    """

    __slots__ = ("_raw",)

    def __init__(self, stream: BinaryIO) -> None:
        self._raw = getattr(stream, "raw", stream)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write all of the octets, however many calls that takes.

        Raises:
            ScreenClosed: the reader has gone away, or the disk is full.
        """
        rest = memoryview(data)
        while rest:
            try:
                written = self._raw.write(rest)
                if written is None:
                    # A pipe that another user made non-blocking has no room now.
                    import select

                    select.select([], [self._raw], [])
                    continue
            except (OSError, ValueError) as error:
                raise _closed(error) from None
            rest = rest[written:]


class LinearScreen:
    """A terminal that is never redrawn: each line is written once, in its order.

    Args:
        stream: a text stream such as ``sys.stdout``.
        theme: what the styles look like.
        color: what `use_color` decided.
    """

    def __init__(self, stream: TextIO, *, theme: Theme, color: bool) -> None:
        from poptalk.terminal.theme import SGR_RESET, sgr

        self._stream = stream
        self._begins = {name: sgr(theme, name) for name in theme} if color else {}
        self._end = SGR_RESET
        self.at_prompt = False
        """Whether the cursor is after a prompt, or after what was typed there."""
        self.shown = 0
        """How often something was written, which shows whether anything else was."""

    @classmethod
    def of_output(cls, *, color: ColorFlag = "auto") -> LinearScreen:
        """Make a screen of standard output.

        Args:
            color: the value of `--color`.

        Raises:
            ScreenClosed: it was closed before poptalk began.
        """
        from poptalk.terminal.theme import NEUTRAL

        if sys.stdout is None:
            raise ScreenClosed("The output was closed before poptalk was started.")
        colored = use_color(color, os.environ, isatty=sys.stdout.isatty())
        return cls(sys.stdout, theme=NEUTRAL, color=colored)

    @property
    def is_terminal(self) -> bool:
        """Whether the stream is a terminal."""
        return self._stream.isatty()

    @property
    def columns(self) -> int:
        """Cells in a row; `DEFAULT_COLUMNS` where the stream isn't a terminal."""
        return _columns(self._stream)

    def show(self, lines: Iterable[Fragments]) -> None:
        """Write whole lines, on rows of their own even where a prompt waits for an answer.

        Raises:
            ScreenClosed: nothing can be written anymore.
        """
        if self._stream.isatty():
            from poptalk.terminal.safe import hanging

            columns = self.columns
            lines = (hanging(line, columns) for line in lines)
        text = "".join(f"{self._styled(line)}\n" for line in lines)
        if text:
            self._write("\n" + text if self.at_prompt else text)
            self.at_prompt = False

    def prompt(self, fragments: Fragments) -> None:
        """Write a prompt, after which the cursor stays.

        Raises:
            ScreenClosed: nothing can be written anymore.
        """
        self._write(self._styled(fragments))
        self.at_prompt = True

    def echo(self, text: str) -> None:
        """Write what was typed, already harmless, after the prompt or where it would be.

        Raises:
            ScreenClosed: nothing can be written anymore.
        """
        self._write(text)
        self.at_prompt = True

    def answered(self) -> None:
        """Take note that the prompt was answered: the terminal has begun a new row by itself."""
        self.at_prompt = False

    def _styled(self, fragments: Fragments) -> str:
        pieces = []
        for style, text in fragments:
            begin = self._begins.get(style)
            if not self._begins and style == "typed":
                # Without styles, text to type would look like any other.
                text = f"`{text}`"
            pieces.append(f"{begin}{text}{self._end}" if begin else text)
        return "".join(pieces)

    def _write(self, text: str) -> None:
        self.shown += 1
        _write_out(self._stream, text)


class LiveScreen:
    """A terminal with a live prompt: lines appear above it, even while a line is half typed.

    Lines are collected and written once in a turn of the event loop, because each write takes the
    prompt away, asks the terminal where the cursor is, and draws the prompt again.  This uses only
    public names of prompt_toolkit; its own ``run_in_terminal`` would wait for the terminal's answer, up
    to a second, and let typed characters slip in between.

    Args:
        app: the application of the prompt session; the same one for the whole run.
        theme: what the styles look like.
    """

    def __init__(self, app: Application[Any], *, theme: Theme) -> None:
        from poptalk.terminal.theme import ptk_style

        self._app = app
        self._style = ptk_style(theme)
        self.shown = 0
        """How many rows were shown, which says whether anything else was, and what has scrolled off."""
        self.is_narrow = False
        """Whether the output's rows are shorter than the terminal's, which then breaks no line."""
        self._encoding = app.output.encoding()
        self._gathered: StyleAndTextTuples = []
        self._scheduled: asyncio.Handle | None = None
        self._ask_again = False
        self._closed: ScreenClosed | None = None
        # Don't warn: a terminal that does not answer is nothing that the user can fix.
        app.renderer.cpr_not_supported_callback = None

    @property
    def columns(self) -> int:
        """Cells in a row."""
        return self._app.output.get_size().columns

    def show(self, lines: Iterable[Fragments]) -> None:
        """Write whole lines above the prompt, in this turn of the event loop or the next.

        Where the prompt does not run they are written before this returns.

        Raises:
            ScreenClosed: nothing can be written anymore.
        """
        from poptalk.terminal.safe import hanging

        columns = self.columns
        for line in lines:
            self.shown += 1
            for style, text in hanging(line, columns, unmarked=self.is_narrow):
                self.shown += text.count("\n")
                self._gathered.append((f"class:{style}", _fitting(text, self._encoding)))
            self._gathered.append(("", "\n"))
        if not self._app.is_running or self._closed:
            self.flush()
        elif self._scheduled is None:
            import asyncio

            self._scheduled = asyncio.get_running_loop().call_soon(self._flush_scheduled)

    def flush(self) -> None:
        """Write what was collected, now.

        Raises:
            ScreenClosed: nothing can be written anymore.
        """
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None
        if self._closed is not None:
            raise self._closed
        if self._gathered:
            fragments, self._gathered = self._gathered, []
            try:
                self._print_above(fragments)
            except (OSError, ValueError) as error:
                self._closed = _closed(error)
                raise self._closed from None

    def cursor_reported(self, row: int) -> None:
        """Take the terminal's answer to where the cursor is, unless lines were printed since.

        With an old answer the prompt would take rows that are no longer there, and the terminal would
        scroll for no reason.

        Args:
            row: counted from 1.
        """
        app, renderer = self._app, self._app.renderer
        unknown = app.output.get_size().rows + 1
        renderer.report_absolute_cursor_row(unknown)
        if renderer.waiting_for_cpr:
            return
        if self._ask_again:
            self._ask_again = False
            renderer.erase()
            renderer.request_absolute_cursor_position()
            app.invalidate()
        else:
            renderer.report_absolute_cursor_row(row)

    def _flush_scheduled(self) -> None:
        """Flush; a failure goes to the task that waits for the prompt, because none waits for this."""
        try:
            self.flush()
        except ScreenClosed as closed:
            if self._app.is_running and not self._app.is_done:
                self._app.exit(exception=closed)

    def _print_above(self, text: StyleAndTextTuples) -> None:
        from prompt_toolkit.renderer import CPR_Support

        app = self._app
        if not app.is_running:
            app.print_text(text, style=self._style)
            return
        app.renderer.erase()
        app.print_text(text, style=self._style)
        if not app.is_done and app.context is not None:
            # Until a first answer has come, prompt_toolkit asks no second question.
            self._ask_again = self._ask_again or (
                app.renderer.waiting_for_cpr and app.renderer.cpr_support is CPR_Support.UNKNOWN
            )
            # Without the answer the toolbar stays hidden.  Asked in the context of the application,
            # which owns the timer for terminals that never answer.
            app.context.copy().run(app.renderer.request_absolute_cursor_position)
        app.invalidate()


# A terminal is left as it was: at the end, and while the program is stopped.


def attributes_of(stream: TextIO) -> Attributes | None:
    """Return the settings of a terminal; None for anything else."""
    try:
        import termios
    except ImportError:  # Windows
        return None
    try:
        return termios.tcgetattr(stream.fileno())
    except (OSError, ValueError, termios.error):
        return None


def set_attributes(descriptor: int, attributes: Attributes | None) -> None:
    """Apply settings to a terminal, unless it is gone."""
    if attributes is None:
        return
    import termios

    try:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, attributes)
    except termios.error:
        pass


def stop_with(descriptor: int, attributes: Attributes | None) -> None:
    """Stop the process group as Ctrl-Z does, and go on when it is continued.

    Args:
        descriptor: the terminal.
        attributes: its settings meanwhile; None leaves it alone.
    """
    import signal
    import termios

    now = termios.tcgetattr(descriptor) if attributes is not None else None
    handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    set_attributes(descriptor, attributes)
    try:
        os.kill(0, signal.SIGTSTP)
    finally:
        signal.signal(signal.SIGTSTP, handler)
        set_attributes(descriptor, now)


def say(text: str, *, stream: TextIO | None = None) -> None:
    """Write poptalk's own lines to standard output, and flush them.

    Args:
        text: one or more lines, without the last line end.  Made harmless here.
        stream: another stream than standard output.

    Raises:
        ScreenClosed: nothing can be written anymore.
    """
    from poptalk.terminal.safe import harmless

    stream = sys.stdout if stream is None else stream
    if stream is None:  # as under pythonw
        return
    lines = [f"{harmless(line, limit=len(text))}\n" for line in text.split("\n")]
    _write_out(stream, "".join(lines))


def put(text: str) -> None:
    """Write text to standard output as it is: a document that was made harmless before.

    Raises:
        ScreenClosed: nothing can be written anymore.
    """
    if sys.stdout is not None:
        _write_out(sys.stdout, text)


def complain(text: str, *, stream: TextIO | None = None) -> None:
    """Write a sentence of poptalk's own to standard error: `poptalk: ...`.

    If standard error is closed this does nothing: there is nowhere left to say so.

    Args:
        text: the sentence; further lines are indented.  Made harmless here, since it may quote a
            stranger, and wrapped on a terminal.
        stream: another stream than standard error.
    """
    from poptalk.terminal.safe import harmless

    stream = sys.stderr if stream is None else stream
    if stream is None:  # as under pythonw
        return
    sentence, *details = map(harmless, text.split("\n"))
    try:
        columns = _columns(stream) if stream.isatty() else None
        lines = [
            *_rows(f"poptalk: {sentence}", columns),
            *(row for detail in details for row in _rows(detail, columns, indent="  ")),
        ]
        _write_out(stream, "".join(f"{line}\n" for line in lines))
    except (ScreenClosed, ValueError):  # a closed stream does not say whether it is a terminal
        pass


def _rows(text: str, columns: int | None, *, indent: str = "") -> list[str]:
    """Wrap a line at its spaces where it is longer than a row.

    Args:
        text: harmless text.
        columns: cells in a row; None for rows without an end.
        indent: comes before each row.
    """
    if columns is None:
        return [indent + text]
    from poptalk.terminal.safe import cells, wrap

    room = max(columns - len(indent), 1)
    # A line that fits keeps its spaces, which may align it with its neighbours.
    return [indent + row for row in ([text] if cells(text) <= room else wrap(text, room))]


def _columns(stream: TextIO) -> int:
    """Return how many cells a row of a stream has."""
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
        return columns if columns >= FEWEST_COLUMNS else DEFAULT_COLUMNS
    except (OSError, ValueError):
        return DEFAULT_COLUMNS


class ProgressLine:
    """The progress of long work, on standard error: a row that is rewritten on a terminal.

    Elsewhere it is a line now and then.  Short work prints nothing.

    Args:
        clock: seconds, such as ``time.monotonic``.
        stream: another stream than standard error.
    """

    def __init__(self, *, clock: Callable[[], float], stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._rewrites = self._stream is not None and self._stream.isatty()
        self._clock = clock
        self._due = clock() + (PROGRESS_AFTER_SECONDS if self._rewrites else PROGRESS_LINE_SECONDS)
        self._shown = ""

    def tell(self, text: str) -> None:
        """Say how far the work has come, if it is time to.

        Args:
            text: a few words, cut on a terminal to fit into a row.
        """
        if self._stream is None or self._clock() < self._due or text == self._shown:
            return
        pause = PROGRESS_ROW_SECONDS if self._rewrites else PROGRESS_LINE_SECONDS
        self._due = self._clock() + pause
        self._shown = text
        if self._rewrites:
            from poptalk.terminal.safe import cut, harmless

            self._write("\r\x1b[K" + cut(harmless(text), _columns(self._stream) - 1))
        else:
            complain(text, stream=self._stream)

    def clear(self) -> None:
        """Clear the row, so that something else can be written there."""
        if self._rewrites and self._shown:
            self._write("\r\x1b[K")
            self._shown = ""

    def _write(self, text: str) -> None:
        try:
            _write_out(self._stream, text)
        except ScreenClosed:
            pass


PROGRESS_AFTER_SECONDS = 1.0
"""A shorter wait needs no explanation."""

PROGRESS_ROW_SECONDS = 0.2
PROGRESS_LINE_SECONDS = 10.0
"""Lines stay: in the log of a nightly job, one every ten seconds is enough."""


def abandon(stream: TextIO) -> None:
    """Point a closed output at the null device, after `ScreenClosed`.

    The interpreter flushes standard output when it exits, and would complain if it couldn't.
    """
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, stream.fileno())
        finally:
            os.close(null)
    except (OSError, ValueError):
        pass


_ESCAPE_MISSING = "poptalk.escape"


def _escape_missing(error: UnicodeError) -> tuple[str, int]:
    r"""Write a character that an encoding lacks as `safe` would write it, `\u{4e2d}`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(f"\\u{{{ord(character):x}}}" for character in missing), error.end


codecs.register_error(_ESCAPE_MISSING, _escape_missing)


def _fitting(text: str, encoding: str | None) -> str:
    """Replace the characters that an encoding lacks; None stands for one that has them all."""
    if text.isascii() or encoding is None or encoding.lower().startswith("utf"):
        return text
    return text.encode(encoding, _ESCAPE_MISSING).decode(encoding)


def _write_out(stream: TextIO, text: str) -> None:
    """Write a text and flush it.

    Raises:
        ScreenClosed: nothing can be written anymore.
    """
    try:
        stream.write(_fitting(text, stream.encoding))
        stream.flush()
    except (OSError, ValueError) as error:
        raise _closed(error) from None
