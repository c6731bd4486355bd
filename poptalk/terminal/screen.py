"""The only module that prints.

The ways out, chosen by what is at the other end:

- `RawOutput`: a pipe or a file takes the octets of the server exactly as they came;
- `LinearScreen`: a terminal that is never redrawn (`--plain`, TERM=dumb, screen readers);
- `LiveScreen`: a terminal with a live prompt, above which lines appear at any time;
- `say` and `complain`: sentences of poptalk's own on standard output and standard error.

Whatever is shown on a terminal came through `render`, and is harmless.  A reader that has gone
away, a full disk and a closed terminal are all `ScreenClosed`.

A piped session pays for each import here, so the module imports nothing at its top but what the
interpreter has loaded anyway.
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

# Who decides about colour: one function, one order of precedence.
#
# The variables are those of no-color.org, of force-color.org and of bixense.com/clicolors.


COLOR_FLAGS: tuple[ColorFlag, ...] = ("auto", "always", "never")
"""What `--color` and POPTALK_COLOR take."""

_COLOURLESS_TERMS = frozenset({"", "dumb", "unknown"})
_NOT_FORCED = frozenset({"", "0", "false"})


def use_color(flag: ColorFlag, environ: Mapping[str, str], *, isatty: bool) -> bool:
    """Decide whether output is coloured.

    Args:
        flag: the value of `--color`.
        environ: the environment.
        isatty: whether the output is a terminal.

    Returns:
        What the first of these says that says anything: `--color`, POPTALK_COLOR (ignored where it
        is none of the three words), NO_COLOR, FORCE_COLOR or CLICOLOR_FORCE, and at last the
        terminal and its TERM.
    """
    for wish in (flag, environ.get("POPTALK_COLOR", "").strip().lower()):
        if wish in ("always", "never"):
            return wish == "always"
    if environ.get("NO_COLOR"):
        return False
    if any(_forces(environ.get(name, "")) for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return isatty and environ.get("TERM", "") not in _COLOURLESS_TERMS


def _forces(value: str) -> bool:
    return value.strip().lower() not in _NOT_FORCED


DEFAULT_COLUMNS = 80

FEWEST_COLUMNS = 10
"""Cells below which lines are left to the terminal to break, as where it knows no size and says 0."""
"""Cells in a row where the output cannot say how many it has."""


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
        sentence = "Whoever was reading the output has gone away."
    elif number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        sentence = "The output could not be written, because the disk is full; make room and retry."
    elif number in (errno.EIO, errno.EBADF, errno.ENXIO, None):
        sentence = "The output was closed."
    else:
        sentence = f"The output could not be written: {os.strerror(number)}."
    return ScreenClosed(sentence, number)


class RawOutput:
    """Octets to a pipe or a file, exactly as they came.

    Nothing is kept back: when `write` returns, the operating system has all of it.

    Args:
        stream: a binary stream such as ``sys.stdout.buffer``; its own buffer is passed by.
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
                    self._wait_until_writable()
                    continue
            except (OSError, ValueError) as error:
                raise _closed(error) from None
            rest = rest[written:]

    def _wait_until_writable(self) -> None:
        """Wait for room in a pipe that its other users made non-blocking."""
        import select

        select.select([], [self._raw], [])


class LinearScreen:
    """A terminal that is never redrawn: each line is written once, in its order.

    Args:
        stream: a text stream such as ``sys.stdout``.
        theme: what the styles look like.
        color: what `color.use_color` decided.
    """

    def __init__(self, stream: TextIO, *, theme: Theme, color: bool) -> None:
        from poptalk.terminal.theme import SGR_RESET, sgr

        self._stream = stream
        self._begins = {name: sgr(theme, name) for name in theme} if color else {}
        self._end = SGR_RESET
        self.at_prompt = False
        """Whether a prompt or what was typed is there, with the cursor after it."""
        self.shown = 0
        """How often something was written: by it one can tell whether anything else was."""

    @classmethod
    def of_output(cls, *, color: ColorFlag = "auto") -> LinearScreen:
        """Make a screen of standard output.

        Args:
            color: the value of `--color`.

        Raises:
            ScreenClosed: it was closed before the start.
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
        """Cells in a row; `DEFAULT_COLUMNS` where the stream is no terminal."""
        return _columns(self._stream)

    def show(self, lines: Iterable[Fragments]) -> None:
        """Write whole lines, on rows of their own also where a prompt waits for an answer.

        Raises:
            ScreenClosed: nothing can be written any more.
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
            ScreenClosed: nothing can be written any more.
        """
        self._write(self._styled(fragments))
        self.at_prompt = True

    def echo(self, text: str) -> None:
        """Write what was typed, already harmless, after the prompt or where it would be.

        Raises:
            ScreenClosed: nothing can be written any more.
        """
        self._write(text)
        self.at_prompt = True

    def answered(self) -> None:
        """Take note that the prompt was answered: the terminal has gone to a new row by itself."""
        self.at_prompt = False

    def _styled(self, fragments: Fragments) -> str:
        pieces = []
        for style, text in fragments:
            begin = self._begins.get(style)
            if not self._begins and style == "typed":
                # Without styles, what is to be typed would be words among others.
                text = f"`{text}`"
            pieces.append(f"{begin}{text}{self._end}" if begin else text)
        return "".join(pieces)

    def _write(self, text: str) -> None:
        self.shown += 1
        _write_out(self._stream, text)


class LiveScreen:
    """A terminal with a live prompt: lines appear above it, also while a line is half typed.

    Lines are gathered and written once in a turn of the event loop, since each writing takes the
    prompt away, asks the terminal where the cursor is, and draws the prompt again.  Only public
    names of prompt_toolkit are used; its own ``run_in_terminal`` would wait for the terminal's
    answer, up to a second, and let typed characters slip in between.

    Args:
        app: the application of the prompt session; the same one for the whole run.
        theme: what the styles look like.
    """

    def __init__(self, app: Application[Any], *, theme: Theme) -> None:
        from poptalk.terminal.theme import ptk_style

        self._app = app
        self._style = ptk_style(theme)
        self.shown = 0
        """How many rows were shown: it tells whether anything else was, and what has scrolled off."""
        self.is_narrow = False
        """Whether the terminal's rows are longer than those of the output, so that it breaks none."""
        self._encoding = app.output.encoding()
        self._gathered: StyleAndTextTuples = []
        self._scheduled: asyncio.Handle | None = None
        self._ask_again = False
        self._closed: ScreenClosed | None = None
        # A terminal that does not answer is no fault of the user's: no warning on the screen.
        app.renderer.cpr_not_supported_callback = None

    @property
    def columns(self) -> int:
        """Cells in a row."""
        return self._app.output.get_size().columns

    def show(self, lines: Iterable[Fragments]) -> None:
        """Write whole lines above the prompt, in this turn of the event loop or the next.

        Where the prompt does not run they are written before this returns.

        Raises:
            ScreenClosed: nothing can be written any more.
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
        """Write what was gathered, now.

        Raises:
            ScreenClosed: nothing can be written any more.
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

        An old answer would let the prompt take rows that are no longer there, and the terminal
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
        """Flush; hand a failure to the task that waits for the prompt, as none waits for this."""
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
            # Without the answer the toolbar stays hidden.  In the context of the application,
            # because the timer for terminals that never answer belongs to it.
            app.context.copy().run(app.renderer.request_absolute_cursor_position)
        app.invalidate()


# A terminal is given back as it was: at the end, and while the program is stopped.


def attributes_of(stream: TextIO) -> Attributes | None:
    """Return how a terminal is set; None for what is none."""
    try:
        import termios
    except ImportError:  # Windows
        return None
    try:
        return termios.tcgetattr(stream.fileno())
    except (OSError, ValueError, termios.error):
        return None


def set_attributes(descriptor: int, attributes: Attributes | None) -> None:
    """Set a terminal; one that is gone needs nothing."""
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
        attributes: how it is set meanwhile; None leaves it alone.
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
    """Write lines of poptalk's own on standard output, and have them out before this returns.

    Args:
        text: one or more lines, without the last line end.  Made harmless here.
        stream: another stream than standard output.

    Raises:
        ScreenClosed: nothing can be written any more.
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
        ScreenClosed: nothing can be written any more.
    """
    if sys.stdout is not None:
        _write_out(sys.stdout, text)


def complain(text: str, *, stream: TextIO | None = None) -> None:
    """Write a sentence of poptalk's own on standard error: `poptalk: ...`.

    Args:
        text: the sentence; further lines are indented.  Made harmless here, since it may quote what
            a stranger sent, and wrapped where it goes to a terminal.
        stream: another stream than standard error.

    A standard error that is closed is passed over in silence: there is nowhere left to say so.
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
    """Divide a line at its spaces where it is longer than a row.

    Args:
        text: harmless text.
        columns: cells in a row; None for rows without an end.
        indent: comes before each row.
    """
    if columns is None:
        return [indent + text]
    from poptalk.terminal.safe import cells, wrap

    room = max(columns - len(indent), 1)
    # What fits keeps its spaces, which may align it with its neighbours.
    return [indent + row for row in ([text] if cells(text) <= room else wrap(text, room))]


def _columns(stream: TextIO) -> int:
    """Return how many cells a row of a stream has."""
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
        return columns if columns >= FEWEST_COLUMNS else DEFAULT_COLUMNS
    except (OSError, ValueError):
        return DEFAULT_COLUMNS


class ProgressLine:
    """How far long work has come, on standard error: a row that is rewritten on a terminal.

    Elsewhere it is a line now and then.  Short work says nothing.

    Args:
        clock: seconds, such as ``time.monotonic``.
        stream: another stream than standard error.
    """

    def __init__(self, *, clock: Callable[[], float], stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._rewrites = self._stream is not None and self._stream.isatty()
        self._clock = clock
        self._due = clock() + PROGRESS_AFTER_SECONDS
        self._shown = ""

    def tell(self, text: str) -> None:
        """Say how far the work has come, if it is time to.

        Args:
            text: a few words; on a terminal as many as fit into a row.
        """
        if self._stream is None or self._clock() < self._due or text == self._shown:
            return
        self._due = self._clock() + (
            PROGRESS_ROW_SECONDS if self._rewrites else PROGRESS_LINE_SECONDS
        )
        self._shown = text
        if self._rewrites:
            from poptalk.terminal.safe import cut, harmless

            self._write("\r\x1b[K" + cut(harmless(text), _columns(self._stream) - 1))
        else:
            complain(text, stream=self._stream)

    def clear(self) -> None:
        """Take the row away, so that something else can be written there."""
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
"""Lines stay: in the log of a nightly job one in ten seconds is enough."""


def abandon(stream: TextIO) -> None:
    """Point an output that is closed at the null device, after `ScreenClosed`.

    The interpreter flushes standard output when it exits, and would complain of what it cannot write.
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
    """Replace the characters that an encoding lacks; None means one that lacks nothing."""
    if text.isascii() or encoding is None or encoding.lower().startswith("utf"):
        return text
    return text.encode(encoding, _ESCAPE_MISSING).decode(encoding)


def _write_out(stream: TextIO, text: str) -> None:
    """Write a text, and have it out before this returns.

    Raises:
        ScreenClosed: nothing can be written any more.
    """
    try:
        stream.write(_fitting(text, stream.encoding))
        stream.flush()
    except (OSError, ValueError) as error:
        raise _closed(error) from None
