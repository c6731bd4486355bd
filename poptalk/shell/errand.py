"""An errand: lines that poptalk sends by itself, each after the complete reply to the one before.

What is to be said is a plan: a generator that yields steps and is given what came of each.  The kinds
of steps are functions to be used with ``yield from``::

    def count(shell: Shell) -> Plan:
        reply = yield from exchange(b"STAT")  # a KeptReply: status_line, multi_line, lines() ...
        if reply.status_line.status is not Status.OK:
            raise LocalError("this server does not count")
        shell.dialogue.remark(f"it says {reply.status_line.words[0].decode()}")

    shell.run_errand(count(shell), name="count")

The lines are shown as if they had been typed, and whoever types meanwhile waits: see `Shell.enter`.
A kept reply is good until the plan has its next line sent.  An errand ends with its plan, with the
connection, or with Ctrl-C.  A `LocalError` that leaves the plan is shown; any other sentence is the
plan's own affair.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar, cast

from poptalk.net.errors import ConnectionLost, NetError
from poptalk.protocol.events import Challenge, Event, ReplyEnd, Sent
from poptalk.shell.kept import KeptReply
from poptalk.shell.local_error import LocalError

if TYPE_CHECKING:
    from poptalk.net.errors import Ending
    from poptalk.shell.base import Shell

T = TypeVar("T")


class Interrupted(LocalError):
    """Ctrl-C has ended an errand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A step: a line for the server, without its end."""

    octets: bytes = field(repr=False)
    """Left out of the repr: it may be a password, and a repr ends up in tracebacks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """A step: wait until the server owes nothing, neither greeting nor reply, and TLS not either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A step: a question to the user, whose answer is a secret."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A step: something that takes a while, and needs neither the screen nor the server."""

    work: Callable[[], object]


Step = Line | Quiet | Question | Work
Steps = Generator[Step, object, T]
Plan = Steps[None]
Then = Callable[[Exception | None], None]
"""Is told that an errand is over, and what has ended it before its time."""


def exchange(line: bytes) -> Steps[KeptReply]:
    """Send a line, and wait for the complete reply or for a challenge.

    Args:
        line: octets without a line end.
    """
    return cast(KeptReply, (yield Line(octets=line)))


def quiet() -> Steps[None]:
    """Wait until the greeting and all replies are complete, and TLS stands if it was begun."""
    yield Quiet()


def ask(question: str) -> Steps[str]:
    """Ask the user something secret: the answer is masked, and no history has it.

    Args:
        question: what the prompt says, up to the blank behind its colon.
    """
    return cast(str, (yield Question(text=question)))


def aside(work: Callable[[], T]) -> Steps[T]:
    """Have something done without holding up the keys and the server.

    Args:
        work: returns what is wanted; what it raises is raised here.
    """
    return cast(T, (yield Work(work=work)))


def _nobody(_error: Exception | None) -> None:
    """Take note of nothing."""


class Errand:
    """A plan that is being carried out.

    Attributes:
        name: what it is called in its sentences, such as ``login``.
        question: what the user is asked just now, None for nothing.
        over: whether it has ended.
    """

    def __init__(
        self, shell: Shell, plan: Plan, *, name: str, then: Then | None, on_end: Callable[[], None]
    ) -> None:
        """Make an errand that has not begun.

        Args:
            shell: where its lines are sent.
            plan: what is to be said.
            name: what it is called.
            then: is told of the end; None shows what has ended it before its time.
            on_end: is called before that.
        """
        self.name = name
        self.question: Question | None = None
        self.over = False
        self._shell = shell
        self._plan = plan
        self._then = then
        self._on_end = on_end
        self._begun = False
        self._until_quiet: Line | Quiet | None = None
        """What waits until the server owes nothing, and TLS is not just beginning."""
        self._exchange: int | None = None
        """The number of the exchange whose reply is awaited."""
        self._sending = False
        self._waiting = False
        """Whether a step has been taken whose outcome is not known."""
        self._outcome: object = None
        self._failure: Exception | None = None
        """What a piece of work has raised."""
        self._carrying_on = False
        self._resuming = False
        """Whether the plan itself is running just now, and may bring about its own end."""
        shell.dialogue.listeners.append(self._hear)

    def carry_on(self) -> None:
        """Take steps until something has to be waited for; call it whenever something has happened."""
        if self._carrying_on:
            return
        self._carrying_on = True
        try:
            while not self.over and not self._waiting:
                if self._until_quiet is None:
                    self._take_step()
                elif self._is_quiet:
                    self._proceed()
                else:
                    return
        finally:
            self._carrying_on = False

    def answer(self, text: str) -> None:
        """Take the answer to the question."""
        self.question = None
        self._came(text)
        self.carry_on()

    def interrupt(self) -> None:
        """End it, as Ctrl-C asks."""
        self._end(Interrupted("given up; what the server was told stays told"))

    def abandon(self) -> None:
        """End it without a word: whoever began it knows."""
        self._then = _nobody
        self._end(None)

    def connection_ended(self, ending: Ending) -> None:
        """End it, as nothing can be sent any more."""
        self._end(ConnectionLost(f"{ending}."))

    def fail(self, error: NetError) -> bool:
        """End it because of TLS; return whether somebody was told, who will say so."""
        told = self._then is not None
        self._end(error)
        return told

    @property
    def _is_quiet(self) -> bool:
        dialogue = self._shell.dialogue
        return self._shell.connected and dialogue.settled and not dialogue.session.awaiting_tls

    def _take_step(self) -> None:
        self._resuming = True
        step: Step | None = None
        error: Exception | None = None
        try:
            step = self._resume()
        except StopIteration:
            pass
        except (LocalError, NetError) as failure:
            error = failure
        finally:
            self._resuming = False
        if step is None:
            self._end(error)
        elif self.over:  # The plan itself has closed the connection.
            self._plan.close()
        else:
            self._perform(step)

    def _resume(self) -> Step:
        failure, self._failure = self._failure, None
        if failure is not None:
            return self._plan.throw(failure)
        if not self._begun:
            self._begun = True
            return next(self._plan)
        outcome, self._outcome = self._outcome, None
        return self._plan.send(outcome)

    def _perform(self, step: Step) -> None:
        match step:
            case Line() | Quiet():
                self._until_quiet = step
            case Question():
                self._waiting = True
                self.question = step
            case Work(work=work):
                self._waiting = True
                self._shell.aside(lambda: self._work(work), self._worked)

    def _work(self, work: Callable[[], object]) -> None:
        """Do a piece of work, perhaps in a thread: what it raises must reach the plan."""
        try:
            self._outcome = work()
        except Exception as error:  # noqa: BLE001 - the plan decides what it means
            self._failure = error

    def _worked(self) -> None:
        if not self.over:
            self._waiting = False
            self._shell.carry_on()

    def _proceed(self) -> None:
        step, self._until_quiet = self._until_quiet, None
        if isinstance(step, Line):
            self._send(step.octets)

    def _send(self, line: bytes) -> None:
        dialogue = self._shell.dialogue
        shows_sent = dialogue.shows_sent
        # Also where lines need not be shown since their keys were echoed: these were not typed.
        dialogue.shows_sent = True
        self._waiting = self._sending = True
        try:
            self._shell.transmit(line + b"\r\n")
        finally:
            self._sending = False
            dialogue.shows_sent = shows_sent

    def _hear(self, event: Event) -> None:
        match event:
            case Sent() if self._sending:
                self._exchange = event.exchange.number
            case ReplyEnd() | Challenge() if event.exchange.number == self._exchange:
                self._exchange = None
                self._came(self._shell.dialogue.last)

    def _came(self, outcome: object) -> None:
        self._outcome = outcome
        self._waiting = False

    def _end(self, error: Exception | None) -> None:
        if self.over:
            return
        self.over = True
        self.question = None
        self._shell.dialogue.listeners.remove(self._hear)
        if not self._resuming:
            self._plan.close()
        self._on_end()
        if self._then is not None:
            self._then(error)
        elif error is not None:
            show_failure(self._shell, self.name, error)


def show_failure(shell: Shell, name: str, error: Exception) -> None:
    """Show what has ended an errand before its time; the end of the connection shows anyhow.

    Args:
        shell: where to show it.
        name: what the errand was called.
        error: what has ended it.
    """
    if isinstance(error, Interrupted):
        shell.dialogue.remark(f":{name}: {error}")
    elif isinstance(error, LocalError):
        shell.dialogue.warn(f":{name}: {error}")
    elif shell.connected:
        shell.dialogue.warn(str(error))
