"""What every interactive shell does with a line that was typed.

A line that begins with `:` is a local command, `::text` sends `:text`, and everything else goes to the
session octet for octet.  The live and the plain shell inherit this, and add how they wait for keys and
for the server.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Protocol

from poptalk.net.endpoint import Destination, password_in_url
from poptalk.net.errors import NOT_TO_BE_TRUSTED, Injected, NetError, TlsFailed
from poptalk.pop3.commands import MASK, Command, Span, State, may_become_command, parse_command
from poptalk.pop3.sasl.table import METHODS
from poptalk.session.login import Asker
from poptalk.session.procedure import LocalError, Plan, Question, Then
from poptalk.session.session import Session
from poptalk.shell.commands.registry import (
    LOCAL_PREFIX,
    LocalCommand,
    run_local,
    unescaped,
)
from poptalk.shell.view import View
from poptalk.terminal.safe import Fragments, harmless

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poptalk.net.errors import Ending
    from poptalk.pop3.events import Exchange
    from poptalk.session.exchanges import StoredReply
    from poptalk.session.password import PasswordSource

# Where an argument of a local command is, or may be, a secret: it is masked, and not remembered.
#
# `:send` is not here, because what it sends is treated as if it were typed (`Shell.secret_in_text`).

_WORDS_BEFORE = {":b64": 0, ":apop": 1, ":cram": 1}
"""Commands with a secret among their arguments, and how many words come before it."""

_WORD = re.compile(r"""(?:"[^"]*"?|'[^']*'?|\S)+""")
"""A word as a Unix shell reads it, perhaps half typed."""


def secret_in_argument(name: str, argument: str) -> int | None:
    """Find where the argument of a local command becomes secret.

    Args:
        name: the command, with its colon.
        argument: what comes after the space, perhaps half typed.

    Returns:
        The index of the first character that must not be shown or remembered; None if there is none.
    """
    if name == ":open":
        return password_in_url(argument)
    if name == ":login":
        return _after_login(argument)
    if name in _WORDS_BEFORE:
        words = argument.split(" ", _WORDS_BEFORE[name])
        return len(argument) - len(words[-1]) if len(words) > _WORDS_BEFORE[name] else None
    return None


def _after_login(argument: str) -> int | None:
    """Find what isn't a mechanism: `:login bob jones` is refused, but by then it has been typed."""
    words = [word for word in _WORD.finditer(argument) if not word[0].startswith("--")]
    for place, word in enumerate(words[1:]):
        if place or not any(method.startswith(word[0].upper()) for method in METHODS):
            return word.start()
    return None


PARTIAL_SECONDS = 0.2
"""How long the beginning of a line waits for its end before it is shown."""

SILENCE_SECONDS = 8.0
"""How long a server may be silent before a message explains it.  Servers delay a failed login by up to
this much (`-ERR` after 8 seconds was measured), and by then people wonder."""

_END_A_PROCEDURE = frozenset({":close", ":quit"})
"""Lines that don't wait until the running procedure is over."""


class Screen(Protocol):
    """Shows lines."""

    shown: int
    """A count that grows whenever something is shown."""

    def show(self, lines: Iterable[Fragments]) -> None:
        """Show whole lines."""


class Shell(ABC):
    """A session with a person at the keyboard.

    Args:
        session: the session.
        view: shows it.
        screen: shows poptalk's own lines.
        commands: the local commands by name, without the colon.
    """

    asker = Asker()
    """How the user is asked for a password."""

    def __init__(
        self, session: Session, view: View, screen: Screen, commands: Mapping[str, LocalCommand]
    ) -> None:
        self.session = session
        self.view = view
        self.screen = screen
        self.commands = commands
        self.half_typed = ""
        """What was in the line when the connection ended; it is offered again."""
        self.controller: Controller | None = None
        """Accompanies the learner; None in a raw shell."""
        self.typed_meanwhile: tuple[str, ...] = ()
        """Lines typed while a procedure runs; they are acted on when it is over."""
        self.source: PasswordSource | None = None
        """Where passwords come from; None for the usual."""
        self.reopened = False
        """Whether `:open` has begun a second connection."""
        self.timeout: float | None = None
        """Seconds after which the shell says that a reply is overdue."""
        self._not_awaited: Exchange | None = None
        """The command whose reply is no longer awaited, because Ctrl-C was pressed."""
        self._overdue_told: StoredReply | bool | None = False
        """The last reply before the one that was said to be overdue."""
        session.changed = self.procedure_changed

    # What the local commands need from a driver.

    @abstractmethod
    def open(self, destination: Destination) -> None:
        """Connect, after closing any open connection; failures are shown, not raised."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection without QUIT."""

    @abstractmethod
    def leave(self) -> None:
        """End the shell."""

    @abstractmethod
    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something later; keys and the server are heard meanwhile."""

    def say(self, lines: Iterable[Fragments]) -> None:
        """Show lines of poptalk's own."""
        self.screen.show(lines)

    def shown(self) -> int:
        """Return how much has been shown; at a live prompt, in rows."""
        return self.screen.shown

    @property
    def connected(self) -> bool:
        """Whether octets can be sent."""
        return self.session.transport is not None

    @property
    def destination(self) -> Destination | None:
        """Where the session leads, or led."""
        return self.session.destination

    # What was typed.

    def enter(self, text: str) -> None:
        """Act on a line that was typed, without its end; it waits while a procedure runs."""
        procedure = self.session.procedure
        if procedure is not None and text not in _END_A_PROCEDURE:
            if procedure.question is None:
                self.typed_meanwhile = (*self.typed_meanwhile, text)
            else:
                procedure.answer(text)
                self.session.carry_on()
            return
        if text.startswith(LOCAL_PREFIX):
            if not text.startswith(LOCAL_PREFIX * 2):
                run_local(self, text[1:])
                return
            text = text[1:] if self.controller is None else text
        if self.controller is None or not self.controller.take(text):
            if self.controller is not None:
                text = text[text.startswith(LOCAL_PREFIX * 2) :]
            line = text.encode("utf-8", "surrogateescape")
            if not self.session.send_line(line):
                self._not_sent(line)

    def send_line(self, line: bytes) -> None:
        """Send a line exactly as it was typed, with CRLF."""
        if not self.session.send_line(line):
            self._not_sent(line)

    def _not_sent(self, line: bytes) -> None:
        self.view.warn("not connected: :open connects again, :quit leaves")
        self.half_typed = self.half_typed or typed_text(line)

    @abstractmethod
    def watch(self) -> None:
        """Begin to wait: for the rest of a line, and for what the server owes."""

    # Procedures.

    def run_procedure(
        self, plan: Plan, *, name: str, then: Then | None = None, speaks: bool = True
    ) -> None:
        """Begin to carry out a plan: see `session.procedure`.

        Args:
            plan: its steps.
            name: what it is called, such as ``login``.
            then: called at its end, and shows the error if there is one; if None, the error is noted.
            speaks: whether it sends anything to the server.

        Raises:
            LocalError: it cannot begin now.
        """
        if self.session.procedure is not None:
            raise LocalError(f":{self.session.procedure.name} is still running; Ctrl-C stops it")
        if speaks:
            self._check_floor()
        self.session.run(plan, name=name, then=then)

    def _check_floor(self) -> None:
        """Make sure that poptalk may send something now.

        Raises:
            LocalError: it may not; the sentence says why.
        """
        if not self.connected:
            raise LocalError("there is no connection; :open connects again")
        if self.controller is not None:
            raise LocalError("in a lesson you type everything yourself; :hint helps")
        if self.session.core.answering_auth:
            raise LocalError("the server is waiting for an answer to AUTH; * cancels it")

    def procedure_changed(self) -> None:
        """If the procedure is over, act on what was typed while it ran."""
        while self.typed_meanwhile and self.session.procedure is None:
            text, *others = self.typed_meanwhile
            self.typed_meanwhile = ()
            self.enter(text)
            self.typed_meanwhile = (*self.typed_meanwhile, *others)

    def interrupt(self, *, cleared: bool) -> None:
        """Do what Ctrl-C asks for: end the procedure, and stop waiting for a reply.

        The rest of a reply still arrives, so a second Ctrl-C closes the connection.

        Args:
            cleared: whether it has cleared a line that was being typed.
        """
        self.typed_meanwhile = ()
        procedure = self.session.procedure
        if procedure is not None:
            procedure.interrupt()
        if self.controller is not None:
            self.controller.interrupted()
        elif cleared and procedure is None:
            return
        elif self.waits:
            self._stop_waiting()
        elif self.connected and not self.session.core.settled:
            self.close()

    @property
    def waits(self) -> bool:
        """Whether a reply is due that is still awaited, or TLS."""
        core = self.session.core
        if self.session.transport is None:
            return False
        if core.settled:
            return core.in_handshake
        return not core.outstanding or core.outstanding[0] is not self._not_awaited

    @property
    def waited(self) -> float:
        """Seconds for which the first line of a reply has been awaited; 0 if none is due."""
        left = None if self.session.core.in_body or not self.waits else self.session.time_left(0)
        return -left if left is not None else 0

    def _stop_waiting(self) -> None:
        core = self.session.core
        if not core.outstanding:
            self.close()  # Nothing can be said before the greeting, or while TLS begins.
            return
        self._not_awaited = core.outstanding[0]
        rest = "the rest of " if core.in_body else ""
        shown = "still arrives and is not shown" if core.in_body else "may still come"
        self.view.hide_rest()
        self.view.remark(
            f"no longer waiting for {rest}{self.session.awaited}: it {shown}, and what you type next is "
            "answered after it; :close, or Ctrl-C again, ends the connection"
        )

    # Secrets.

    def secret_of(self, line: bytes) -> Span | None:
        """Find what must be masked in a line that is sent now, or would be."""
        if self.answering_auth:
            return Span(start=0, stop=len(line)) if line not in (b"", b"*") else None
        core = self.session.core
        begun = core.unfinished
        command = parse_command(begun + line)
        stray = command.verb is None and core.is_stray_secret(command)
        if stray and not may_become_command(begun + line):
            return Span(start=0, stop=len(line))
        secret = command.secret
        if secret is None:
            return None
        return Span(start=max(0, secret.start - len(begun)), stop=len(line))

    @property
    def answering_auth(self) -> bool:
        """Whether the next line will answer AUTH, perhaps an AUTH that is waiting to be sent."""
        # A procedure answers its own AUTH, and what is typed is sent after it.
        if self.session.procedure is None and self.session.core.answering_auth:
            return True
        held = self.controller.held if self.controller is not None else ()
        if not (self.session.held or held or self.typed_meanwhile):
            return False
        waiting = (*self.session.held, *map(wire_line, (*held, *self.typed_meanwhile)))
        return any(map(_may_be_challenged, waiting))

    def keep_half_typed(self, text: str) -> None:
        """Keep what is in the line, or what waits, when the connection ends.

        An answer to AUTH is not kept: it is of no use to the next connection, and would not be masked.
        """
        waiting = (*map(typed_text, self.session.held), *self.typed_meanwhile)
        if not text and waiting:
            text = waiting[0]
        if self.secret_in_text(text) != 0:
            self.half_typed = text or self.half_typed
        self.session.held = []
        self.typed_meanwhile = ()

    def withdraws_answer(self, text: str) -> bool:
        """Tell whether a line must be emptied that was begun as an answer to AUTH, and say so.

        Once that AUTH is over, nothing masks the answer any more, unless the line begins a command.
        """
        begins_command = text.startswith(LOCAL_PREFIX) or may_become_command(wire_line(text))
        if self.answering_auth or begins_command:
            return False
        self.view.remark("AUTH is over; the answer you were typing is a secret, so it was removed")
        return True

    def secret_in_text(self, text: str) -> int | None:
        """Find where a typed line becomes secret.

        Returns:
            The index of the first character that must not be shown or remembered; None if there is
            none.
        """
        if self.asked:
            return 0
        if self.controller is not None and self.controller.is_answer(text):
            return None
        if text.startswith(LOCAL_PREFIX * 2):
            inner = self.secret_in_text(text[1:])
            return None if inner is None else inner + 1
        if text.startswith(LOCAL_PREFIX):
            return self._secret_in_local(text)
        line = wire_line(text)
        secret = self.secret_of(line)
        if secret is None:
            return None
        return len(line[: secret.start].decode("utf-8", "surrogateescape"))

    def masked(self, text: str) -> str:
        """Return a typed line as it may be shown: secrets masked, unless they are revealed."""
        start = None if self.view.reveal else self.secret_in_text(text)
        return harmless(text if start is None else text[:start] + MASK.decode("ascii"))

    def must_be_forgotten(self, text: str) -> bool:
        """Whether a line must stay out of the history: it holds a secret, or may be one.

        Before a login, and without a connection, a line that isn't a command may be a password that was
        typed or pasted as the answer to a question that never came.
        """
        if self._question is not None or self.secret_in_text(text) is not None:
            return True
        if self.session.core.state in (State.TRANSACTION, State.UPDATE):
            return False
        unknown = parse_command(wire_line(text)).verb is None
        return unknown and text[:1] not in ("", LOCAL_PREFIX)

    def _secret_in_local(self, text: str) -> int | None:
        """Find where a local command becomes secret; `:send` can send a PASS with escapes in it."""
        name, blank, argument = text.partition(" ")
        if not blank:
            return None
        if name != ":send":
            start = secret_in_argument(name, argument)
            return None if start is None else len(name + blank) + start
        first, *others = unescaped(argument, lenient=True).replace(b"\r", b"").split(b"\n")
        secret = self.secret_of(first) is not None
        secret = secret or any(parse_command(line).secret is not None for line in others)
        # What is sent together with an AUTH, after it, answers it.
        secret = secret or (_may_be_challenged(first) and any(others))
        return len(name) + 1 if secret else None

    def command_being_typed(self, text: str) -> Command | None:
        """Parse the line that is being typed; None if it is a local command or an answer."""
        if self._question is not None or self.answering_auth:
            return None
        if text.startswith(LOCAL_PREFIX) and not text.startswith(LOCAL_PREFIX * 2):
            return None
        return parse_command(wire_line(text))

    @property
    def asked(self) -> bool:
        """Whether the next line answers a question of poptalk's for a secret."""
        return self._question is not None and self._question.secret

    @property
    def _question(self) -> Question | None:
        return self.session.procedure.question if self.session.procedure is not None else None

    # The controller.

    def tell_controller(self, tell: Callable[[Controller], None]) -> None:
        """Tell the controller, if there is one, what has happened."""
        if self.controller is not None:
            tell(self.controller)

    @property
    def gives_completions(self) -> bool:
        """Whether Tab and grey hints help with POP3 commands."""
        return self.controller is None or self.controller.gives_completions

    def reminders(self) -> list[tuple[float, Callable[[], None]]]:
        """Return what to say if the server is silent from now on, each with the seconds until then."""
        due: list[tuple[float, Callable[[], None]]] = []
        core, controller = self.session.core, self.controller
        if self.session.transport is None:
            return due
        if core.partial:
            due.append((PARTIAL_SECONDS, self.view.show_partial))
        if core.settled:
            return due
        if controller is not None and controller.silences is not None:
            return due + [(s, partial(controller.silence, s)) for s in controller.silences]
        left = self.session.time_left(self.timeout)
        if left is not None and self._overdue_told is not self.session.exchanges.last:
            due.append((max(left, 0), self._tell_overdue))
        if left is None or left > SILENCE_SECONDS:
            due.append((SILENCE_SECONDS, self.view.explain_silence))
        return sorted(due, key=lambda each: each[0])

    def _tell_overdue(self) -> None:
        """Say, once, that a reply is taking longer than the time-out; the connection stays open."""
        self._overdue_told = self.session.exchanges.last
        octets = self.session.octets_since
        came = f"only {octets:,} octets have come" if octets else "nothing has come"
        missing = "the lone dot that ends " if self.session.core.in_body else ""
        self.view.warn(
            f"{missing}{self.session.awaited} is overdue: {came} for {self.timeout:g} s (--timeout). "
            "You can keep waiting, type the next command, or end the connection with :close"
        )

    # Signals; these may be called in the middle of anything.

    def end(self, code: int) -> None:
        """End the program.

        Raises:
            SystemExit: always.
        """
        raise SystemExit(code)

    def stop(self) -> None:
        """Suspend the program as Ctrl-Z does, with the terminal as it was before."""

    # Failures.

    def is_refused(self, error: TlsFailed) -> bool:
        """Whether an error ends the program: the server it was started for wants a client certificate.

        A server may say so only after the handshake.
        """
        core, destination = self.session.core, self.destination
        by_stls = destination is not None and destination.starttls and core.answered == 1
        silent = core.greeted is None or by_stls
        return error.wants_certificate and not self.reopened and silent

    def show_failure(self, error: NetError) -> None:
        """Show why there is no connection, or no TLS; if a certificate is the reason, show that too."""
        # Injected octets have been shown, and why they matter.
        self.view.warn(NOT_TO_BE_TRUSTED if isinstance(error, Injected) else str(error))
        if isinstance(error, TlsFailed):
            for line in error.certificate:
                self.view.remark(line)

    def not_connected(self, error: NetError) -> None:
        """Say that no connection was made."""
        if self.controller is None:
            self.show_failure(error)
        else:
            self.controller.failed(error)

    def connection_ended(self, ending: Ending) -> None:
        """Take note of the end of the connection; what was typed has been kept."""
        self._overdue_told = False
        self.session.ended(ending)
        if self.half_typed:
            self.view.remark("what you had typed is kept: :open offers it again")
        self.tell_controller(lambda controller: controller.ended(ending))

    def prompt_within(self, columns: int) -> str:
        """Return the prompt: the state, the user and the host, such as `AUTHORIZATION bob@host> `.

        Args:
            columns: cells of a row; if they are few, the prompt is only the state.
        """
        session, controller = self.session, self.controller
        procedure = session.procedure
        if procedure is not None and procedure.question is not None:
            question = harmless(procedure.question.text)
            return question if len(question) <= columns // 2 else procedure.question.short
        if procedure is not None and controller is None:
            doing = "logging in" if procedure.name == "login" else f":{procedure.name}"
            return f"({doing}; Ctrl-C stops it)> "
        core = session.core
        if session.transport is None or core.state is State.CLOSED:
            short = whole = "(closed)> "
        else:
            state = "AUTH" if core.answering_auth else core.state.value
            host = session.destination.name if session.destination is not None else ""
            who = harmless(f"{core.user}@{host}" if core.user else host)
            short, whole = f"{state}> ", f"{state} {who}> "
        if controller is not None:
            whole = controller.prompt(whole, short=False)
        if len(whole) <= columns // 2:
            return whole
        return short if controller is None else controller.prompt(short, short=True)


def _may_be_challenged(line: bytes) -> bool:
    """Whether a line, once sent, may be answered with a challenge (RFC 5034 §4)."""
    command = parse_command(line)
    return command.verb is not None and command.verb.challenges and bool(command.arguments)


def typed_text(line: bytes) -> str:
    """Return what must be typed to send a line: the inverse of `wire_line`."""
    text = line.decode("utf-8", "surrogateescape")
    return LOCAL_PREFIX + text if text.startswith(LOCAL_PREFIX) else text


def wire_line(text: str) -> bytes:
    """Return the octets of a typed line, without CRLF: in UTF-8, and what isn't UTF-8 unchanged."""
    text = text[1:] if text.startswith(LOCAL_PREFIX * 2) else text
    return text.encode("utf-8", "surrogateescape")


# What guides a learner: the menu of lessons, and the controller of a lesson.
#
# A shell without a controller is a raw shell.  A controller is asked first about every line that is
# typed, changes the prompt, and hears what happens, after it is on the screen and after the core has
# taken all of it: so it may send, connect and close at once.


# ruff: noqa: B027 - a controller may ignore what happens


class Controller(ABC):
    """Base class of what guides the user of a shell."""

    help = ":help"
    """What the bottom line says about help."""

    gives_completions = True
    """Whether Tab and grey hints may help with POP3 commands."""

    silences: Sequence[float] | None = None
    """Seconds of silence after which `silence` is called; None for the shell's own messages."""

    held: Sequence[str] = ()
    """Lines that were typed and wait for their turn."""

    @abstractmethod
    def take(self, text: str) -> bool:
        """Take a typed line that isn't a local command; False to have it sent."""

    @abstractmethod
    def answer(self, command: str) -> None:
        """Answer a local command of lessons, such as `hint`."""

    @abstractmethod
    def prompt(self, usual: str, *, short: bool) -> str:
        """Return the prompt.

        Args:
            usual: the shell's own.
            short: whether the screen is narrow.
        """

    def is_answer(self, text: str) -> bool:  # noqa: ARG002 - nothing is asked
        """Tell whether a line answers what is asked, and so can't be a secret."""
        return False

    def wants_a_line(self, *, due: bool) -> bool:
        """Tell whether something may be typed now, so that there should be a prompt.

        Args:
            due: whether the server owes a reply.
        """
        return not due

    def facts(self) -> Sequence[str]:
        """Return what the bottom line says first."""
        return ()

    @abstractmethod
    def reopen(self) -> None:
        """Connect again, as `:open` asks."""

    # What happened.

    def listened(self) -> None:
        """Take note that octets from the server have been taken and shown."""

    def tls_begun(self) -> None:
        """Take note that TLS has begun after STLS."""

    def failed(self, error: NetError) -> None:
        """Take note that no connection was made; the error is not on the screen."""

    def ended(self, ending: Ending) -> None:
        """Take note that the connection has ended; that is on the screen."""

    def silence(self, seconds: float) -> None:
        """Take note that the server owes something, and has been silent for so long."""

    def interrupted(self) -> None:
        """Take note of Ctrl-C."""

    def left(self) -> None:
        """Take note that the user is leaving; what it shows now is the last thing on the screen."""
