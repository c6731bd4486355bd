r"""Pipes: lines from standard input, one by one, each after the complete reply to the one before.

This is the path of `printf 'STAT\n' | poptalk HOST PORT > FILE`, a whole process each time, so it uses a
blocking socket without asyncio, and imports only what it needs.  A standard output that isn't a terminal
receives the server's octets exactly.
"""

from __future__ import annotations

import os
import select
import sys
from time import monotonic

from poptalk.exit_codes import EXIT_NO
from poptalk.net.connection import Link
from poptalk.net.endpoint import DEFAULT_TIMEOUT, UsageError
from poptalk.net.errors import CLOSED_BY_US, PRINTABLE_LIMIT, ConnectionLost, NetError, TlsFailed
from poptalk.pop3.commands import Effect, parse_command
from poptalk.pop3.events import ReplyEnd, Sent, ViolationKind
from poptalk.pop3.replies import Status, quoted
from poptalk.pop3.values import Value
from poptalk.session.client import BlockingDriver
from poptalk.session.exchanges import Note
from poptalk.session.session import Session, name_of
from poptalk.terminal.screen import RawOutput, ScreenClosed, complain
from poptalk.terminal.standard_input import StandardInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeVar

    from poptalk.net.endpoint import Destination
    from poptalk.session.exchanges import StoredReply
    from poptalk.session.password import PasswordSource
    from poptalk.session.procedure import Plan
    from poptalk.shell.view import View
    from poptalk.terminal.safe import Fragments
    from poptalk.terminal.screen import ColorFlag, LinearScreen

    T = TypeVar("T")

# One-liners: lines on the command line, all lines at once, a line that is cut.
#
#     poptalk work --login me --after-login -e STAT
#     poptalk HOST --pipeline --drop-after 1 -e CAPA -e CAPA
#
# Every user of the machine can read a command line, so no secret may be there.


def _given(text: str) -> bytes:
    """Return a line of the command line.

    Raises:
        UsageError: it logs in, or is more than one line.
    """
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
    """Refuse options that do not go together.

    Args:
        options: the command line.
        in_shell: whether lines are typed by hand.

    Raises:
        UsageError: they do not; the sentence says why.
    """
    if options.after_login and not options.login:
        raise UsageError("--after-login is of no use without --login USER")
    if options.pipeline and options.stop_on_err:
        raise UsageError("--pipeline sends everything before an -ERR can stop it")
    if options.pipeline and options.local_commands:
        raise UsageError("--pipeline sends everything at once, and a local command sends nothing")
    for name in ("after_login", "pipeline", "drop_after", "stop_on_err") if in_shell else ():
        if getattr(options, name) not in (None, False):
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} is for lines that come from a pipe or from -e")


FAREWELL_SECONDS = 0.25
"""How long a server may take to close the connection after its +OK to QUIT, by when it has deleted what
was marked (RFC 1939 §6); some never close."""


NOT_SENT_IN_THE_CLEAR = (
    "the server refused STLS, so the lines after it were not sent in the clear; "
    "the session ends here"
)


class Pipe:
    """One piped session over an open link."""

    def __init__(
        self,
        driver: BlockingDriver,
        options: ShellSettings,
        *,
        raw: RawOutput | None,
        refusals: Refusals,
    ) -> None:
        """Make a pipe that has sent nothing.

        Args:
            driver: reads the connection.
            options: how the lines are sent.
            raw: takes the server's octets exactly; None if a view shows them.
            refusals: those of the session.
        """
        self.session = driver.session
        self._driver = driver
        self._options = options
        self._raw = raw
        self._refusals = refusals
        self.log_in: Callable[[], bool] | None = None
        """Logs in before any line is read, and returns whether that worked; None for no login."""
        self.local: Callable[[str], bool] | None = None
        """Carries out a local command, and returns whether to go on; None if `:` isn't special."""
        self.expiring: Sequence[str] = ()
        """Sentences about certificates that expire too soon."""

    def run(self, lines: Lines) -> int:
        """Send lines, and return the exit code.

        Raises:
            ConnectionLost: the connection ended, or fell silent, before everything was done.
            TlsFailed: STLS was accepted, and TLS failed.
            ScreenClosed: standard output is gone.
        """
        raw = self._raw.write if self._raw is not None else None
        self._driver.raw = None if self._options.after_login else raw
        core = self.session.core
        try:
            self.settle()
        finally:
            if core.looks_like or core.greeted in (Status.OTHER, Status.CHALLENGE):
                detail, sentence = core.looks_like, ViolationKind.NOT_POP3.sentence
                complain(f"{sentence} ({detail})" if detail else sentence)
        destination = self.session.destination
        if destination is not None and destination.starttls:
            self._driver.require_tls()
        if not self._logged_in():
            self._refusals.told = True
            self._driver.close()
            return EXIT_NO
        self._driver.raw = raw
        answered = core.answered
        send = self._send_at_once if self._options.pipeline else self._send_each
        if not send(lines, answered=answered):
            self._driver.close()
            return self._exit_code()
        hung_up = self._driver.link.ending not in (None, CLOSED_BY_US)
        if hung_up and not lines.ended and not core.farewell:
            raise self._lost()
        return self._finish()

    def _send_each(self, lines: Lines, *, answered: int) -> bool:
        """Send lines, each after the complete reply to the one before.

        Args:
            lines: what to send.
            answered: how many commands were answered before.

        Returns:
            False if it is time to hang up without QUIT.
        """
        link = self._driver.link
        number = 0
        while not self._is_enough(answered):
            line = lines.next(self._driver)
            number += 1
            if line is None:
                return True
            if self.session.stls_refused:
                complain(NOT_SENT_IN_THE_CLEAR)
                self._refusals.told = True
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

    def _send_at_once(self, lines: Lines, *, answered: int) -> bool:
        """Send all lines before anything is read; otherwise like `_send_each`.

        Raises:
            UsageError: STLS is not the last line: nothing may be sent after it before TLS has begun
                (RFC 2595 §4).
        """
        driver = self._driver
        data, begins_tls = b"", False
        while (line := lines.next(driver)) is not None:
            if begins_tls:
                raise UsageError(
                    "nothing may be sent after STLS before TLS has begun [RFC 2595 §4]: --starttls "
                    "begins TLS before all lines"
                )
            verb = parse_command(line).verb
            begins_tls = verb is not None and verb.effect is Effect.START_TLS
            data += line + b"\r\n"
        if driver.link.ending is not None:
            raise self._lost()
        self.session.send(data)
        while not self._is_enough(answered):
            if self.session.core.settled:
                return True
            if not driver.listen():
                raise self._lost()
        return False

    def _stops_at(self, number: int) -> bool:
        """Whether nothing more may be sent, because the last reply is a refusal; if so, say it."""
        reply = self.session.exchanges.last
        if not self._options.stop_on_err or reply is None:
            return False
        if reply.status_line.status is not Status.ERR:
            return False
        verb = reply.exchange.command.verb if reply.exchange is not None else None
        line = reply.masked.decode("ascii", "backslashreplace")
        complain(
            f"line {number}{f', {verb.keyword},' if verb else ''} was answered {line}: the rest was not "
            "sent, nor QUIT, so nothing is deleted"
        )
        self._refusals.told = True
        return True

    def _is_enough(self, answered: int) -> bool:
        """Whether as many replies have come as --drop-after says."""
        wanted = self._options.drop_after
        return wanted is not None and self.session.core.answered >= answered + wanted

    def _logged_in(self) -> bool:
        """Log in if that was asked for; False if the server refused."""
        if self.log_in is None:
            return True
        entered = self.log_in()
        # A server without CAPA refused something to poptalk, not to the script.
        self.session.refused = False
        self._refusals.forget()
        return entered

    def _finish(self) -> int:
        if self.session.core.farewell:
            self._hear_out()
        elif not self.session.core.settled:
            raise self._lost()
        self._driver.close()
        return self._exit_code()

    def _exit_code(self) -> int:
        refused = self.session.refused or self.session.core.greeted is not Status.OK
        return EXIT_NO if refused or self.expiring else 0

    def _hear_out(self) -> None:
        """Hear the server out after its +OK to QUIT, for a moment or until it closes."""
        link = self._driver.link
        end = monotonic() + FAREWELL_SECONDS
        while (left := end - monotonic()) > 0:
            if not link.pending() and not select.select([link], [], [], left)[0]:
                return
            if not self._driver.listen():
                return

    def settle(self) -> None:
        """Wait for the greeting, or for the complete reply, or for a challenge."""
        while not self.session.core.settled:
            if not self._driver.listen():
                raise self._lost()

    def carry_out(self, plan: Plan) -> None:
        """Carry out a procedure to its end.

        Raises:
            ConnectionLost: the server hung up, or fell silent.
            LocalError: the procedure raised it.
        """
        try:
            self._driver.carry_out(plan)
        except ConnectionLost as error:
            lost = error if self.session.ending is None else self._lost()
            raise self.session.staged(lost) from None

    def finish_procedure(self) -> None:
        """Wait until the procedure that was begun is over."""
        while self.session.procedure is not None:
            if not self._driver.listen():
                raise self._lost()

    def _lost(self) -> ConnectionLost:
        if self.session.core.farewell:
            return ConnectionLost("lines after QUIT were not sent: the session was over")
        sentence = f"the session was not finished: {self._driver.link.ending or 'no reply'}"
        last = self.session.exchanges.last
        if last is not None and last.status_line.status is Status.ERR:
            sentence += self._refusals.last_words(last)
        return self.session.staged(ConnectionLost(sentence))


LOOK_UP_SECONDS = 1.0
"""How long `select` waits at a time.  A Ctrl-C that comes between Python's last check for signals and
the call does not interrupt it: Python sees it when `select` returns."""


_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
MARKED = (
    "the input begins with a byte order mark, which is sent as it is, so the server will not know the "
    "first command; save the file as UTF-8 without it"
)


BROKEN = (
    "a line has a carriage return or a NUL within, which is sent as it is; a line ends with LF or CRLF, "
    "and is ASCII or UTF-8"
)


class Lines:
    """Lines of standard input, or given ones.

    Args:
        given: lines of the command line; if there are none, standard input has them.
    """

    def __init__(self, given: Sequence[str]) -> None:
        self._whole = [*map(_given, given)]
        self.ended = bool(given)
        """Whether the last line has been read."""
        self._rest = b""
        self._at_start, self._explained = True, False
        if not given:
            self._input = StandardInput()

    def next(self, driver: BlockingDriver) -> bytes | None:
        """Return the next line without its LF or CRLF; meanwhile the driver listens.

        Returns:
            None at the end, and if no line is there and the connection has ended: a line that comes
            later could not be sent.
        """
        while not self._whole and not self.ended:
            if driver.ending is not None and not select.select([self._input], [], [], 0)[0]:
                return None
            if _something_is_said(driver.link, self._input):
                driver.listen()
            else:
                self._read()
        return self._whole.pop(0) if self._whole else None

    def _read(self) -> None:
        data = self._input.read()
        marked = self._at_start and data.startswith(_BYTE_ORDER_MARKS)
        self._at_start = False
        *lines, self._rest = (self._rest + data).split(b"\n")
        if not data:
            self.ended = True
            if self._rest:
                lines.append(self._rest)
        self._whole = [line.removesuffix(b"\r") for line in lines]
        broken = any(b"\r" in line or b"\0" in line for line in self._whole)
        if (marked or broken) and not self._explained:
            self._explained = True
            complain(MARKED if marked else BROKEN)


def _something_is_said(link: Link, standard_input: StandardInput) -> bool:
    """Wait for the link and standard input; True if it is the link that can be read."""
    if link.ending is not None:
        return False
    if link.pending():
        return True
    sources: list[StandardInput | Link] = [standard_input, link]
    ready: list[StandardInput | Link] = []
    while not ready:
        ready, _, _ = select.select(sources, [], [], LOOK_UP_SECONDS)
    return standard_input not in ready


# Setting up a pipe: standard input and output decide what is shown where.


def run_pipe(options: ShellSettings, destination: Destination) -> int:
    """Send the lines of standard input to a server; return the exit code.

    Raises:
        NetError: no connection, no TLS, or the connection was lost.
        ScreenClosed: standard output is gone.
    """
    if sys.stdout is None:
        raise ScreenClosed("The output was closed before poptalk was started.")
    lines = Lines(options.lines)  # Before a log is opened: a line may be refused.
    raw = None if sys.stdout.isatty() else RawOutput(sys.stdout.buffer)
    shows = raw is None or options.explain
    keep = bool(shows or options.log or options.local_commands or options.login)
    session = Session(clock=monotonic, keep=keep, complain=complain)
    session.user = options.login
    refusals = Refusals(session)
    output = PipeScreen(options, everything=shows)
    view = _view(options, session, output) if keep else None
    if not shows:
        session.observe({Note: output.complain_unless_shown})
    days = options.expires_within
    expiring = watch_expiry(session, days) if days is not None else ()
    try:
        with _open(session, destination, options.timeout) as link:
            driver = BlockingDriver(link, destination, session)
            pipe = Pipe(driver, options, raw=raw, refusals=refusals)
            pipe.expiring = expiring
            if options.login or options.mechanism or options.two_step or options.oauth:
                pipe.log_in = _login(pipe, options, output)
            if view is not None and options.local_commands:
                pipe.local = _local_commands(pipe, options, view, output)
            exit_code = pipe.run(lines)
            if not shows:
                refusals.tell_first()
            return exit_code
    except NetError as error:
        raise (session.staged(error) if session.user is not None else error) from error.__cause__
    finally:
        if not shows:
            refusals.explain_login()
        session.close()


class Refusals:
    """Watches what the server refuses in a pipe: cron must show why the exit code is `EXIT_NO`.

    Args:
        session: the session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._user = ""
        self._refused: StoredReply | None = None
        """The last refusal of a login, until someone is logged in."""
        self._first: StoredReply | None = None
        self._count = 0
        self.told = False
        """Whether a sentence has said already what was refused."""
        session.observe({Sent: self._sent, ReplyEnd: self._ended})

    def forget(self) -> None:
        """Forget what was refused to poptalk itself, while it logged in."""
        self._first, self._count = None, 0

    def last_words(self, reply: StoredReply) -> str:
        """Quote the -ERR after which a server hung up, unless `explain_login` will."""
        from poptalk.terminal.safe import harmless

        if self._refused is reply:
            return ""
        return f" after {quoted(harmless(reply.masked, limit=PRINTABLE_LIMIT))}"

    def tell_first(self) -> None:
        """Say what was refused first, unless another sentence says it."""
        session = self._session
        not_welcome = session.core.greeted is Status.ERR
        if self.told or self._refused is not None or not (not_welcome or self._first):
            return
        # Loaded for a refusal alone: it takes a pipe a tenth of its time.
        from poptalk.terminal.safe import harmless

        if not_welcome:
            greeting = harmless(session.exchanges.greeting, limit=PRINTABLE_LIMIT)
            complain(f"the greeting was {quoted(greeting)}")
        elif self._first is not None:
            exchange = self._first.exchange
            assert exchange is not None, "it answers a command"
            known = exchange.command.verb is not None
            name = name_of(exchange) if known else "a line that isn't a POP3 command"
            first = f", the first of {self._count} refusals" if self._count > 1 else ""
            said = quoted(harmless(self._first.masked, limit=PRINTABLE_LIMIT))
            complain(f"{name} was refused{first}: {said}")

    def explain_login(self) -> None:
        """If a login was refused, say why."""
        if self._refused is None:
            return
        from poptalk.pop3.sasl.table import METHODS
        from poptalk.session.login import explain_refusal

        reply, session = self._refused, self._session
        facts = session.exchanges.login_of(reply)
        assert facts is not None, "it is the reply to a login"
        session.user = self._user or None
        # What follows AUTH may be anything, not only a mechanism.
        name = facts.method if facts.method in METHODS else "AUTH"
        verb = reply.exchange.command.verb if reply.exchange is not None else None
        step = verb.keyword if verb is not None else ""
        stage = {"PASS": ", PASS", "AUTH": f", AUTH {name}" if name != "AUTH" else ""}.get(step, "")
        complain(explain_refusal(session, reply, f"{session.who}, {name}{stage}"))

    def _sent(self, event: Sent) -> None:
        command = event.exchange.command
        if event.sasl or command.verb is None or command.verb.effect not in _LOGINS:
            return
        if command.verb.challenges:
            self._user = ""
        elif command.verb.keyword != "PASS" and command.arguments:
            self._user = command.arguments[0].decode("utf-8", "backslashreplace")

    def _ended(self, event: ReplyEnd) -> None:
        if not event.ok:
            self._count += 1
            self._first = self._first or self._session.exchanges.last
        verb = event.exchange.command.verb
        if verb is None or verb.effect not in _LOGINS or self._session.stage:
            return
        if not event.ok:
            self._refused = self._session.exchanges.last
        elif verb.effect is Effect.LOGIN:
            self._refused = None


_LOGINS = (Effect.NAME, Effect.LOGIN)


def _open(session: Session, destination: Destination, timeout: float) -> Link:
    """Connect; an error also names who was to log in, because cron shows nothing else."""
    settings = destination.tls_settings() if destination.tls else None
    try:
        return Link.open(destination.target, timeout=timeout, tls=settings)
    except NetError as error:
        session.destination = destination
        if session.user is not None:
            doing = "TLS" if isinstance(error, TlsFailed) else "connecting"
            session.stage = f"{session.who}, {doing}"
            session.staged(error)
        raise


def watch_expiry(session: Session, days: int) -> list[str]:
    """Note certificates that expire within so many days; return a list that gets the sentences."""
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


NOTE, WARNING = "#", "#!"
"""How poptalk's own lines begin."""


class PipeScreen:
    """Shows the view of a pipe on standard output if that is a terminal, otherwise on standard error.

    While standard output gets the octets nothing is shown, with two exceptions: poptalk's answer to a
    local command, and warnings while it logs in.

    Args:
        options: how it looks.
        everything: whether everything is always shown.
    """

    def __init__(self, options: ShellSettings, *, everything: bool) -> None:
        self._options = options
        self._everything = everything
        self._mark: str | None = None
        self._screen: LinearScreen | None = None

    @property
    def screen(self) -> LinearScreen:
        """The screen itself, for what local commands show."""
        from poptalk.terminal.screen import LinearScreen, use_color
        from poptalk.terminal.theme import theme_named

        if self._screen is None:
            options = self._options
            stream = sys.stdout if sys.stdout.isatty() else sys.stderr
            color = use_color(options.color, os.environ, isatty=stream.isatty())
            self._screen = LinearScreen(stream, theme=theme_named(options.theme), color=color)
        return self._screen

    def showing(self, mark: str, work: Callable[[], T]) -> T:
        """Do work, and show what poptalk says meanwhile.

        Args:
            mark: only lines that begin with it are shown: `NOTE` or `WARNING`.
            work: what to do.
        """
        self._mark = mark
        try:
            return work()
        finally:
            self._mark = None

    def show(self, lines: Iterable[Fragments]) -> None:
        """Show those lines of the view that may be shown now."""
        from poptalk.terminal.render import plain_text

        mark = "" if self._everything else self._mark
        if mark is not None:
            self.screen.show([line for line in lines if plain_text(line).startswith(mark)])

    def complain_unless_shown(self, note: Note) -> None:
        """Put a warning on standard error if the view does not show it."""
        if note.warning and self._mark is None:
            complain(note.text)


def _view(options: ShellSettings, session: Session, output: PipeScreen) -> View:
    """Give a session its view and its log."""
    from poptalk.shell.view import View

    view = View(session, show=output.show)
    view.explain = options.explain
    view.times = options.times
    if options.log:
        from poptalk.shell.commands.login import start_log

        start_log(session, options)
    return view


def _login(pipe: Pipe, options: ShellSettings, output: PipeScreen) -> Callable[[], bool] | None:
    """Return the function that logs in before the first line is read."""
    from poptalk.net.endpoint import UsageError
    from poptalk.session.login import Asker, NoSecret, log_in, opening_request
    from poptalk.session.password import asker
    from poptalk.session.procedure import LocalError

    session = pipe.session
    assert session.destination is not None, "it is connected"
    request = opening_request(options, session.destination)
    if request is None:
        return None

    def carry_out() -> bool:
        plan = log_in(session, request, asker=Asker(at_prompt=False, ask=asker()))
        try:
            output.showing(WARNING, lambda: pipe.carry_out(plan))
        except NoSecret as error:
            raise UsageError(str(error)) from error
        except LocalError as error:
            complain(str(error))
            return False
        return True

    return carry_out


def _local_commands(
    pipe: Pipe, options: ShellSettings, view: View, output: PipeScreen
) -> Callable[[str], bool]:
    from poptalk.shell.scripted import ScriptedShell

    shell = ScriptedShell(view, output.screen, settle=pipe.settle, carry_on=pipe.finish_procedure)
    shell.source = options.password_source
    return lambda text: output.showing(NOTE, lambda: shell.carry_out(text))


# How a shell looks and behaves, at a prompt or in a pipe.
#
# The defaults are here, so that a command line without options, as in `printf 'STAT\n' | poptalk HOST
# PORT`, needs no parser: loading argparse and making one costs such a session a sixth of its time.


LOG_FORMATS = ("notation", "jsonl")
"""The formats of a log, the default first."""


class ShellSettings(Value):
    """The options of a shell; `--help` explains each."""

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
    """Lines to send instead of those of standard input."""
    after_login: bool = False
    """Whether standard output gets only what comes after the login."""
    pipeline: bool = False
    drop_after: int | None = None
    stop_on_err: bool = False
    expires_within: int | None = None
    """Days for which the server's certificates must be valid; None doesn't check."""
    login: str | None = None
    """The user to log in before anything else; None for no login."""
    mechanism: str | None = None
    two_step: bool = False
    oauth: bool = False
    """Whether the secret is a token, not a password."""
    password_source: PasswordSource | None = None
    """Where passwords come from; None for the usual."""
