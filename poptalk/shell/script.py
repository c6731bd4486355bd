r"""Pipes: lines from standard input, one by one, each after the complete reply to the one before.

This is the path of `printf 'STAT\n' | poptalk HOST PORT > FILE`, a whole process each time, so it is
driven over a blocking socket without asyncio, and imports nothing that it does not need.  Where
standard output is no terminal it receives the server's octets exactly.
"""

from __future__ import annotations

import os
import select
import sys
from time import monotonic

from poptalk.exit_codes import EXIT_NO
from poptalk.net.connection import Link
from poptalk.net.endpoint import DEFAULT_TIMEOUT, UsageError
from poptalk.net.errors import CLOSED_BY_US, ConnectionLost
from poptalk.pop3.commands import Effect, parse_command
from poptalk.pop3.events import ViolationKind
from poptalk.pop3.replies import Status
from poptalk.pop3.values import Value
from poptalk.session.client import BlockingDriver
from poptalk.session.exchanges import Note
from poptalk.session.session import Session
from poptalk.terminal.screen import RawOutput, ScreenClosed, complain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeVar

    from poptalk.login.password import PasswordSource
    from poptalk.net.endpoint import Destination
    from poptalk.session.procedure import Plan
    from poptalk.shell.view import View
    from poptalk.terminal.safe import Fragments
    from poptalk.terminal.screen import ColorFlag, LinearScreen

# One-liners: lines on the command line, all lines at once, a line that is cut.
#
#     poptalk work --login me --after-login -e STAT
#     poptalk HOST --pipeline --drop-after 1 -e CAPA -e CAPA
#
# What is on a command line can be read by every user of the machine, so no secret may.


CRLF = b"\r\n"


class GivenLines:
    """Lines of the command line, as `Lines` gives those of a descriptor.

    Raises:
        UsageError: a line logs in, or is more than one line.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = [_line(text) for text in lines]

    @property
    def ended(self) -> bool:
        """Whether the last line has been taken."""
        return not self._lines

    def next(self, *, while_waiting: Callable[[], bool], beside: Link) -> bytes | None:
        """Return the next line; None at the end.  Nothing is waited for."""
        del while_waiting, beside
        return self._lines.pop(0) if self._lines else None


def _line(text: str) -> bytes:
    line = text.encode("utf-8", "surrogateescape")
    if set(line) & set(b"\r\n"):
        raise UsageError("-e takes one line at a time, without its end: say -e again for the next")
    command = parse_command(line)
    asks_in = command.verb is not None and command.verb.challenges and command.arguments
    if command.secret is not None or asks_in:
        keyword = command.verb.keyword if command.verb is not None else "a line"
        raise UsageError(
            f"-e refuses {keyword}: what is on a command line can be read by every user of this "
            "machine; --login USER logs in, and standard input takes any line"
        )
    return line


def check_pipe_options(options: ShellSettings, *, in_shell: bool) -> None:
    """Refuse what cannot be together.

    Args:
        options: the command line.
        in_shell: whether lines are typed by hand.

    Raises:
        UsageError: it cannot; the sentence says why.
    """
    if options.after_login and not options.login:
        raise UsageError("--after-login is of no use without --login USER")
    if options.pipeline and options.stop_on_err:
        raise UsageError("--pipeline sends everything before an -ERR can stop it")
    if options.pipeline and options.local_commands:
        raise UsageError("--pipeline sends everything at once, and a local command sends nothing")
    if not in_shell:
        return
    wishes = {
        "--after-login": options.after_login,
        "--pipeline": options.pipeline,
        "--drop-after": options.drop_after is not None,
        "--stop-on-err": options.stop_on_err,
    }
    for name, wish in wishes.items():
        if wish:
            raise UsageError(f"{name} is for lines that come from a pipe or from -e")


def joined(lines: Sequence[bytes]) -> bytes:
    """Put lines together to be sent at once.

    Raises:
        UsageError: STLS is not the last: nothing may be sent after it before TLS has begun (RFC 2595
            §4).
    """
    for line in lines[:-1]:
        verb = parse_command(line).verb
        if verb is not None and verb.effect is Effect.START_TLS:
            raise UsageError(
                "nothing may be sent after STLS before TLS has begun [RFC 2595 §4]: --starttls begins "
                "TLS before all lines"
            )
    return b"".join(line + CRLF for line in lines)


_READ_OCTETS = 65536

FAREWELL_SECONDS = 0.25
"""How long a server may take to close after its +OK to QUIT, by which it has deleted what was marked
(RFC 1939 §6); some never close."""


NOT_SENT_IN_THE_CLEAR = (
    "the server refused STLS, so the lines after it were not sent in the clear; "
    "the session ends here"
)


class Pipe:
    """One piped session over an open link."""

    def __init__(
        self, hand: BlockingDriver, *, raw: RawOutput | None, complain: Callable[[str], None]
    ) -> None:
        """Make a pipe that has sent nothing.

        Args:
            hand: reads the connection.
            raw: takes the server's octets exactly; None where a view shows them.
            complain: says a sentence on standard error.
        """
        self.session = hand.session
        self._hand = hand
        self._raw = raw
        self._complain = complain
        self.log_in: Callable[[], bool] | None = None
        """Logs in, before any line is read, and says whether that went well; None for no login."""
        self.local: Callable[[str], bool] | None = None
        """Carries out a local command and says whether to go on; None where `:` is nothing special."""
        self.after_login = False
        """Whether what comes before the lines, the login above all, is kept from the output."""
        self.at_once = False
        """Whether all lines are sent before anything is read (RFC 2449 §6.6)."""
        self.drop_after: int | None = None
        """After how many replies to the lines to hang up without a word; None for never."""
        self.stop_on_err = False
        """Whether nothing more is sent after an -ERR."""
        self.expiring: Sequence[str] = ()
        """What was said of certificates that expire too soon."""

    def run(self, lines: Lines | GivenLines) -> int:
        """Send lines, and return the exit code.

        Raises:
            ConnectionLost: the connection ended, or fell silent, while something was still to do.
            TlsFailed: STLS was accepted, and TLS did not come about.
            ScreenClosed: standard output is gone.
        """
        raw = self._raw.write if self._raw is not None else None
        self._hand.raw = None if self.after_login else raw
        self.settle()
        core = self.session.core
        if core.greeted is Status.OTHER:
            detail = self.session.core.looks_like
            sentence = ViolationKind.NOT_POP3.sentence
            self._complain(f"{sentence} ({detail})" if detail else sentence)
        destination = self.session.destination
        if destination is not None and destination.starttls:
            self._hand.require_tls()
        if not self._logged_in():
            self._hand.close()
            return EXIT_NO
        self._hand.raw = raw
        answered = core.answered
        send = self._send_at_once if self.at_once else self._send_each
        if not send(lines, answered=answered):
            self._hand.close()
            return self._exit_code()
        hung_up = self._hand.link.ending not in (None, CLOSED_BY_US)
        if hung_up and not lines.ended and not core.farewell:
            raise self._lost()
        return self._finish()

    def _send_each(self, lines: Lines | GivenLines, *, answered: int) -> bool:
        """Send lines, each after the complete reply to the one before.

        Args:
            lines: what is sent.
            answered: how many commands were answered before.

        Returns:
            False where it is time to hang up without a word.
        """
        link = self._hand.link
        number = 0
        while not self._is_enough(answered):
            line = lines.next(while_waiting=self._hand.listen, beside=link)
            number += 1
            if line is None:
                return True
            if self.session.stls_refused:
                self._complain(NOT_SENT_IN_THE_CLEAR)
                return False
            if self.local is not None and line.startswith(b":"):
                line = line[1:]
                if not line.startswith(b":"):
                    if not self.local(line.decode("utf-8", "surrogateescape")):
                        return True
                    if self._stops_at(number):
                        return False
                    continue
            if link.ending is not None:
                raise self._lost()
            self.session.send(line + b"\r\n")
            self.settle()
            if self._stops_at(number):
                return False
        return False

    def _send_at_once(self, lines: Lines | GivenLines, *, answered: int) -> bool:
        """Send all lines before anything is read; as `_send_each`."""
        hand = self._hand
        gathered: list[bytes] = []
        while (line := lines.next(while_waiting=hand.listen, beside=hand.link)) is not None:
            gathered.append(line)
        data = joined(gathered)
        if hand.link.ending is not None:
            raise self._lost()
        self.session.send(data)
        while not self._is_enough(answered):
            if self.session.core.settled:
                return True
            if not hand.listen():
                raise self._lost()
        return False

    def _stops_at(self, number: int) -> bool:
        """Whether the last reply is a refusal after which nothing more may be sent; say so."""
        reply = self.session.exchanges.last
        if not self.stop_on_err or reply is None or reply.status_line.status is not Status.ERR:
            return False
        verb = reply.exchange.command.verb if reply.exchange is not None else None
        line = self.session.secrets.mask(reply.status_line.line).decode("ascii", "backslashreplace")
        self._complain(
            f"line {number}{f', {verb.keyword},' if verb else ''} was answered {line}: the rest was not "
            "sent, nor QUIT, so nothing is deleted"
        )
        return True

    def _is_enough(self, answered: int) -> bool:
        """Whether as many replies have come as were asked for."""
        wanted = self.drop_after
        return wanted is not None and self.session.core.answered >= answered + wanted

    def _logged_in(self) -> bool:
        """Log in if that was asked for; False if it was, and the server did not let the user in."""
        if self.log_in is None:
            return True
        entered = self.log_in()
        # A server without CAPA has refused poptalk something, and the script nothing.
        self.session.refused = False
        return entered

    def _finish(self) -> int:
        if self.session.core.farewell:
            self._hear_out()
        elif not self.session.core.settled:
            raise self._lost()
        self._hand.close()
        return self._exit_code()

    def _exit_code(self) -> int:
        refused = self.session.refused or self.session.core.greeted is not Status.OK
        return EXIT_NO if refused or self.expiring else 0

    def _hear_out(self) -> None:
        """Take what the server says after its +OK to QUIT, for a moment or until it closes."""
        link = self._hand.link
        end = monotonic() + FAREWELL_SECONDS
        while (left := end - monotonic()) > 0:
            if not link.pending() and not select.select([link], [], [], left)[0]:
                return
            if not self._hand.listen():
                return

    def settle(self) -> None:
        """Wait for the greeting, or for the complete reply, or for a challenge."""
        while not self.session.core.settled:
            if not self._hand.listen():
                raise self._lost()

    def carry_out(self, plan: Plan) -> None:
        """Carry out a procedure to its end.

        Raises:
            ConnectionLost: the server hung up, or fell silent.
            LocalError: what the procedure has raised.
        """
        try:
            self._hand.carry_out(plan)
        except ConnectionLost as error:
            stage = f" ({self.session.stage})" if self.session.stage else ""
            if self.session.ending is None:
                raise ConnectionLost(f"{error}{stage}") from error
            raise ConnectionLost(f"{self._lost()}{stage}") from None

    def finish_procedure(self) -> None:
        """Wait until the procedure that was begun is over."""
        while self.session.procedure is not None:
            if not self._hand.listen():
                raise self._lost()

    def _lost(self) -> ConnectionLost:
        if self.session.core.farewell:
            return ConnectionLost("lines after QUIT were not sent: the session was over")
        ending = self._hand.link.ending
        return ConnectionLost(f"the session was not finished: {ending or 'no reply'}")


LOOK_UP_SECONDS = 1.0
"""How long is waited at a time.  A Ctrl-C that comes between Python's last look for signals and the
call of select does not interrupt that call: it is seen when select returns."""


_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
MARKED = (
    "the input begins with a byte order mark, which is sent as it is, so the server will not know the "
    "first command; save the file as UTF-8 without it"
)


class Lines:
    """Lines of a file descriptor, read while something else is listened to."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._whole: list[bytes] = []
        self._rest = b""
        self._at_start = True
        self.ended = False
        """Whether the last line has been read."""

    def next(self, *, while_waiting: Callable[[], bool], beside: Link) -> bytes | None:
        """Return the next line without its LF or CRLF.

        Args:
            while_waiting: called when `beside` has something to read; returns False once it ended.
            beside: what is listened to until a line is there.

        Returns:
            None at the end, and when `beside` has ended and no line is there: nothing that is still
            to be written could be sent.
        """
        while not self._whole and not self.ended:
            if beside.ending is not None and not select.select([self._descriptor], [], [], 0)[0]:
                return None
            if _something_is_said(beside, self._descriptor):
                while_waiting()
            else:
                self._read()
        return self._whole.pop(0) if self._whole else None

    def _read(self) -> None:
        data = os.read(self._descriptor, _READ_OCTETS)
        if self._at_start and data:
            self._at_start = False
            if data.startswith(_BYTE_ORDER_MARKS):
                complain(MARKED)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if not data:
            self.ended = True
            if self._rest:
                lines.append(self._rest)
        self._whole = [line.removesuffix(b"\r") for line in lines]


def _something_is_said(link: Link, descriptor: int) -> bool:
    """Wait for the link and the descriptor; True when it is the link that has something."""
    if link.ending is not None:
        return False
    if link.pending():
        return True
    ready: list[int] = []
    while not ready:
        ready, _, _ = select.select([descriptor, link.fileno()], [], [], LOOK_UP_SECONDS)
    return descriptor not in ready


# Setting up a pipe: what standard input and output are decides who shows what.


if TYPE_CHECKING:
    T = TypeVar("T")


def run_pipe(options: ShellSettings, destination: Destination) -> int:
    """Send the lines of standard input to a server; return the exit code.

    Raises:
        NetError: no connection, no TLS, or the connection was lost.
        ScreenClosed: standard output is gone.
    """
    if sys.stdout is None:
        raise ScreenClosed("The output was closed before poptalk was started.")
    raw = None if sys.stdout.isatty() else RawOutput(sys.stdout.buffer)
    aside = None if raw is None or options.explain else Aside()
    shows = raw is None or options.explain
    keep = bool(shows or options.log or options.local_commands or options.login)
    session = Session(clock=monotonic, keep=keep, complain=complain)
    view: View | None = None
    if keep:
        view = _view(options, session, show=_screen(options).show if aside is None else aside.show)
    if not shows:
        session.observe({Note: _complain_of_warnings(aside)})
    days = options.expires_within
    expiring = watch_expiry(session, days) if days is not None else ()
    try:
        settings = destination.tls_settings() if destination.tls else None
        with Link.open(destination.target, timeout=options.timeout, tls=settings) as link:
            pipe = Pipe(BlockingDriver(link, destination, session), raw=raw, complain=complain)
            pipe.expiring = expiring
            _set_up(pipe, options, view, aside=aside)
            return pipe.run(_lines(options))
    finally:
        session.close()


def _set_up(pipe: Pipe, options: ShellSettings, view: View | None, *, aside: Aside | None) -> None:
    if options.login or options.mechanism or options.two_step or options.oauth:
        pipe.log_in = _login(pipe, options, aside=aside)
    if view is not None and options.local_commands:
        pipe.local = _local_commands(pipe, options, view, aside=aside)
    pipe.after_login = options.after_login
    pipe.at_once = options.pipeline
    pipe.drop_after = options.drop_after
    pipe.stop_on_err = options.stop_on_err


def watch_expiry(session: Session, days: int) -> list[str]:
    """Have certificates noted that expire within so many days; return the sentences, as they come."""
    from poptalk.session.exchanges import TlsEstablished

    said: list[str] = []

    def look(event: TlsEstablished) -> None:
        from poptalk.net.certificate import expiring

        sentence = expiring(event.facts.chain, days)
        if sentence is not None:
            said.append(sentence)
            session.note(sentence, warning=True)

    session.observe({TlsEstablished: look})
    return said


def _complain_of_warnings(aside: Aside | None) -> Callable[[Note], None]:
    """Return an observer that puts warnings on standard error where no screen shows them."""

    def take(note: Note) -> None:
        shown = aside is not None and aside.shows
        if note.warning and not shown:
            complain(note.text)

    return take


def _lines(options: ShellSettings) -> Lines | GivenLines:
    """Return the lines to send."""
    if not options.lines:
        return Lines(_input())

    return GivenLines(options.lines)


def _input() -> int:
    """Return the descriptor of standard input; one that was closed is an empty one."""
    if sys.stdin is not None:
        return sys.stdin.fileno()
    import os

    return os.open(os.devnull, os.O_RDONLY)


NOTE, WARNING = "#", "#!"
"""How what poptalk itself says begins."""


class Aside:
    """Where a dialogue shows itself while standard output has the octets: nowhere.

    With two exceptions: what poptalk says because of a local command goes to standard error, and so
    do warnings while it logs in.
    """

    def __init__(self) -> None:
        self._screen: LinearScreen | None = None
        self._mark = NOTE

    @property
    def shows(self) -> bool:
        """Whether warnings are shown at the moment."""
        return self._screen is not None

    def showing(self, mark: str, screen: LinearScreen, work: Callable[[], T]) -> T:
        """Do work, and show what poptalk says meanwhile.

        Args:
            mark: how the lines begin that are shown, `NOTE` or `WARNING`.
            screen: where.
            work: what is done.
        """
        self._screen, self._mark = screen, mark
        try:
            return work()
        finally:
            self._screen = None

    def show(self, lines: Iterable[Fragments]) -> None:
        """Show the lines that are notes, if there is a screen for them."""
        from poptalk.terminal.render import plain_text

        if self._screen is not None:
            self._screen.show([line for line in lines if plain_text(line).startswith(self._mark)])


def _screen(options: ShellSettings) -> LinearScreen:
    """Make a screen of the terminal, or of standard error where standard output has the octets."""
    import os

    from poptalk.terminal.screen import LinearScreen, use_color
    from poptalk.terminal.theme import theme_named

    stream = sys.stdout if sys.stdout.isatty() else sys.stderr
    color = use_color(options.color, os.environ, isatty=stream.isatty())
    return LinearScreen(stream, theme=theme_named(options.theme), color=color)


def _view(
    options: ShellSettings, session: Session, *, show: Callable[[Iterable[Fragments]], None]
) -> View:
    """Give a session its view and its log."""
    from poptalk.shell.view import View

    view = View(session, show=show)
    view.explain = options.explain
    view.times = options.times
    if options.log:
        from poptalk.shell.commands.login import start_log

        start_log(session, options)
    return view


def _login(pipe: Pipe, options: ShellSettings, *, aside: Aside | None) -> Callable[[], bool] | None:
    """Return what logs in before the first line is read."""
    from poptalk.login.password import asker
    from poptalk.net.endpoint import UsageError
    from poptalk.session.login import Asker, NoSecret, log_in
    from poptalk.session.procedure import LocalError
    from poptalk.shell.commands.login import opening_request

    session = pipe.session
    assert session.destination is not None, "it has been opened"
    request = opening_request(options, session.destination)
    if request is None:
        return None

    def carry_out() -> bool:
        plan = log_in(session, request, asker=Asker(at_prompt=False, ask=asker()))
        try:
            if aside is None:
                pipe.carry_out(plan)
            else:
                aside.showing(WARNING, _screen(options), lambda: pipe.carry_out(plan))
        except NoSecret as error:
            raise UsageError(str(error)) from error
        except LocalError as error:
            complain(str(error))
            return False
        return True

    return carry_out


def _local_commands(
    pipe: Pipe, options: ShellSettings, view: View, *, aside: Aside | None
) -> Callable[[str], bool]:
    from poptalk.shell.scripted import ScriptedShell

    screen = _screen(options)
    shell = ScriptedShell(view, say=screen.show, settle=pipe.settle, carry_on=pipe.finish_procedure)
    shell.source = options.password_source

    def carry_out(text: str) -> bool:
        if aside is None:
            return shell.carry_out(text)
        return aside.showing(NOTE, screen, lambda: shell.carry_out(text))

    return carry_out


# How a shell looks and behaves, whether it is typed in or read from a pipe.
#
# The defaults are here, so a command line without options, as in `printf 'STAT\n' | poptalk HOST PORT`,
# needs no parser: loading argparse and making one costs such a session a sixth of its time.


LOG_FORMATS = ("notation", "jsonl")
"""What a log may be written as, the usual one first."""


class ShellSettings(Value):
    """What the command line says of a shell; `--help` says what each field means."""

    timeout: float = DEFAULT_TIMEOUT
    log: str | None = None
    log_format: str = LOG_FORMATS[0]
    plain: bool = False
    color: ColorFlag = "auto"
    theme: str = "neutral"
    explain: bool = False
    times: bool = False
    local_commands: bool = False
    lines: tuple[str, ...] = ()
    """Lines to send in place of those of standard input."""
    after_login: bool = False
    """Whether standard output has nothing but what comes after the login."""
    pipeline: bool = False
    drop_after: int | None = None
    stop_on_err: bool = False
    expires_within: int | None = None
    """Days that the server's certificates must last; None does not ask."""
    login: str | None = None
    """Who is logged in before anything else; None for nobody."""
    mechanism: str | None = None
    two_step: bool = False
    oauth: bool = False
    """Whether the secret is a token and no password."""
    password_source: PasswordSource | None = None
    """Where passwords come from; None for the usual."""
