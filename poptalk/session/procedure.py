"""Procedures: lines that poptalk sends by itself, each after the complete reply to the one before.

A procedure is written as a generator, a plan, which yields steps and is given the outcome of each.  The
steps are functions to be used with ``yield from``::

    def count(session: Session) -> Plan:
        reply = yield from exchange(b"STAT")  # a StoredReply: status_line, multi_line, listing() ...
        if reply.status_line.status is not Status.OK:
            raise LocalError("this server does not count")
        session.note(f"it says {reply.status_line.words[0].decode()}")

    session.run(count(session), name="count")

The lines are shown as if they had been typed.  A procedure ends with its plan, with the connection, or
with Ctrl-C.  A `LocalError` that the plan raises is noted; all else the plan says itself.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar, cast

from poptalk.net.errors import STLS, NetError, not_greeted, stls_refused
from poptalk.pop3.events import Challenge, Event, ReplyEnd, Sent
from poptalk.pop3.replies import Status
from poptalk.session.exchanges import StoredReply

if TYPE_CHECKING:
    from poptalk.session.session import Session

T = TypeVar("T")


class LocalError(Exception):
    """poptalk cannot do what it was asked; `str(error)` says why, in one sentence."""


class Interrupted(LocalError):
    """Ctrl-C ended a procedure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinesToSend:
    """A step: lines for the server, sent together before any is answered (RFC 2449 §6.6)."""

    octets: tuple[bytes, ...] = field(repr=False)
    """Without their ends.  Not in the repr, which ends up in tracebacks: one may be a password."""
    take: Callable[[StoredReply], object] | None = None
    """Called with each reply as soon as it is complete; if None, the reply is the outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """A step: wait until the server owes nothing: no greeting, no reply, no TLS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A step: a question to the user."""

    text: str
    short: str = "Password: "
    """The question on a screen where the whole one would leave no room for the answer."""
    secret: bool = True
    """Whether the answer is masked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A step: slow work that needs neither the screen nor the server."""

    work: Callable[[], object]


Step = LinesToSend | Quiet | Question | Work
Steps = Generator[Step, object, T]
Plan = Steps[None]
Then = Callable[[Exception | None], None]
"""Called at the end of a procedure, with the error that ended it, or None."""


def exchange(line: bytes) -> Steps[StoredReply]:
    """Send a line, and wait for the complete reply or for a challenge.

    Args:
        line: octets without a line end.
    """
    return cast(StoredReply, (yield LinesToSend(octets=(line,))))


def pipelined(lines: Iterable[bytes], take: Callable[[StoredReply], object]) -> Steps[None]:
    """Send lines together, and wait for all of their replies.

    Args:
        lines: only a few, because nothing is read before all are sent.
        take: called with each reply as soon as it is complete.
    """
    yield LinesToSend(octets=tuple(lines), take=take)


def quiet() -> Steps[None]:
    """Wait until the greeting and all replies are complete, and TLS, if begun, is established."""
    yield Quiet()


def ask(question: str) -> Steps[str]:
    """Ask the user for a secret: the answer is masked, and kept out of the history.

    Args:
        question: what the prompt says, up to the space after its colon.
    """
    return cast(str, (yield Question(text=question)))


def confirm(question: str, *, short: str) -> Steps[bool]:
    """Ask the user for a yes or no; only "yes" and "y" mean yes.

    Args:
        question: what the prompt says, up to the space after its colon.
        short: the same question for a narrow screen.
    """
    answer = cast(str, (yield Question(text=question, short=short, secret=False)))
    return answer.strip().lower() in ("y", "yes")


def in_thread(work: Callable[[], T]) -> Steps[T]:
    """Do slow work without holding up the keys and the server.

    Args:
        work: returns the outcome; what it raises is raised here.
    """
    return cast(T, (yield Work(work=work)))


class Procedure:
    """A plan that a session is carrying out.

    Attributes:
        name: what it is called in sentences, such as ``login``.
        question: what the user is being asked; None for nothing.
        over: whether it has ended.
    """

    def __init__(self, session: Session, plan: Plan, *, name: str, then: Then | None) -> None:
        """Make a procedure that has not begun.

        Args:
            session: sends its lines.
            plan: its steps.
            name: what it is called.
            then: called at its end; if None, an error that ended it is noted.
        """
        self.name = name
        self.question: Question | None = None
        self.over = False
        self._session = session
        self._plan = plan
        self._then = then
        self._until_quiet: LinesToSend | Quiet | None = None
        """The step that waits until the server owes nothing."""
        self._exchanges: list[int] = []
        """The numbers of the exchanges whose replies are awaited."""
        self._take: Callable[[StoredReply], object] = self._came
        """Called with each of those replies."""
        self._waiting = False
        """Whether the outcome of the last step is still to come."""
        self._outcome: object = None
        self._failure: Exception | None = None
        """What to raise in the plan."""
        self.working = False
        """Whether a thread is working; nothing else is awaited then."""
        self._lost: NetError | None = None
        """Why nothing more will come from the server."""
        self._has_spoken = False
        """Whether it has sent anything."""
        self._carrying_on = False
        self._resuming = False
        """Whether the plan itself is running, and may cause its own end."""
        session.listeners.append(self._observe)

    def carry_on(self) -> None:
        """Take steps until one has to wait; called whenever something has happened."""
        if self._carrying_on:
            return
        self._carrying_on = True
        session = self._session
        try:
            while not self.over and not self._waiting:
                if self._until_quiet is None:
                    self._take_step()
                elif self._lost is not None:
                    self._failure, self._until_quiet = self._lost, None
                elif (
                    session.transport is not None
                    and session.core.settled
                    and not session.core.awaiting_tls
                ):
                    step, self._until_quiet = self._until_quiet, None
                    if isinstance(step, LinesToSend):
                        self._send(step)
                else:
                    return
        finally:
            self._carrying_on = False

    def answer(self, text: str) -> None:
        """Take the answer to the question."""
        self.question = None
        self._came(text)

    def interrupt(self) -> None:
        """End it, as Ctrl-C asks."""
        sent = "; what was already sent cannot be taken back" if self._has_spoken else ""
        self._end(Interrupted(f"given up{sent}"))

    def abandon(self) -> None:
        """End it silently: its caller knows why."""
        self._then = lambda _error: None
        self._end(None)

    def lose(self, error: NetError) -> None:
        """Raise an error in the plan, because nothing more will come from the server.

        A plan whose thread is working finishes that first: it may have a last reply to report.
        """
        if self._resuming:
            self._end(error)
            return
        self._lost = error
        if not self.working:
            self.question = None
            self._waiting = False
            self._exchanges.clear()
            self._until_quiet = self._until_quiet or Quiet()
            self.carry_on()

    def fail(self, error: NetError) -> bool:
        """End it because TLS failed; return whether its caller will say so."""
        told = self._then is not None
        self._end(error)
        return told

    def _take_step(self) -> None:
        self._resuming = True
        failure, self._failure = self._failure, None
        outcome, self._outcome = self._outcome, None
        step: Step | None = None
        error: Exception | None = None
        try:
            step = self._plan.throw(failure) if failure else self._plan.send(outcome)
        except StopIteration:
            pass
        except (LocalError, NetError) as raised:
            error = raised
        finally:
            self._resuming = False
        if step is None:
            self._end(error)
        elif self.over:  # The plan itself closed the connection.
            self._plan.close()
        else:
            self._perform(step)

    def _perform(self, step: Step) -> None:
        match step:
            case LinesToSend() | Quiet():
                self._until_quiet = step
            case Question():
                self._waiting = True
                self.question = step
            case Work(work=work):
                self._waiting = self.working = True
                self._session.in_thread(lambda: self._work(work), self._worked)

    def _work(self, work: Callable[[], object]) -> None:
        """Do a piece of work, perhaps in a thread; what it raises is for the plan."""
        try:
            self._outcome = work()
        except Exception as error:  # noqa: BLE001 - the plan decides what it means
            self._failure = error

    def _worked(self) -> None:
        if not self.over:
            self._waiting = self.working = False
            self._session.carry_on()

    def _send(self, lines: LinesToSend) -> None:
        session = self._session
        self._waiting = self._has_spoken = session.sent_by_poptalk = True
        self._take = lines.take or self._came
        try:
            session.send(b"".join(line + b"\r\n" for line in lines.octets))
        finally:
            session.sent_by_poptalk = False

    def _observe(self, event: Event) -> None:
        match event:
            case Sent() if self._session.sent_by_poptalk:
                self._exchanges.append(event.exchange.number)
            case ReplyEnd() | Challenge() if event.exchange.number in self._exchanges:
                self._exchanges.remove(event.exchange.number)
                reply = self._session.exchanges.last
                assert reply is not None
                self._take(reply)
                self._waiting = bool(self._exchanges)

    def _came(self, outcome: object) -> None:
        self._outcome = outcome
        self._waiting = False

    def _end(self, error: Exception | None) -> None:
        if self.over:
            return
        self.over = True
        self.question = None
        session = self._session
        session.listeners.remove(self._observe)
        if not self._resuming:
            self._plan.close()
        if session.procedure is self:
            session.procedure = None
        if self._then is not None:
            self._then(error)
        elif error is not None:
            note_failure(session, self.name, error)


def note_failure(session: Session, name: str, error: Exception) -> None:
    """Note the error that ended a procedure; the end of the connection shows anyway.

    Args:
        session: in which it ran.
        name: of the procedure.
        error: what ended it.
    """
    if isinstance(error, LocalError):
        session.note(f":{name}: {error}", warning=not isinstance(error, Interrupted))
    elif session.transport is not None:
        session.note(str(error), warning=True)


# STLS first, and required (`--starttls`): a procedure.
#
# Nothing that a server says in the clear is believed: STLS is sent at once, and its +OK is the whole
# offer (RFC 2595 §4).  If TLS fails, nothing else is sent.


def require_tls(session: Session) -> Plan:
    """Send STLS before anything else, and wait until TLS is established.

    Args:
        session: one whose connection has just been opened.

    Raises:
        TlsFailed: the server did not say +OK, to its greeting or to STLS.
    """
    session.stage = f"{session.who}, STLS"
    yield from quiet()
    if session.core.greeted is not Status.OK:
        raise not_greeted(session.exchanges.greeting)
    reply = yield from exchange(STLS)
    if reply.status_line.status is not Status.OK:
        raise stls_refused(reply.status_line.line)
    if session.tls_request is not None and session.core.settled:
        # A driver of scripts begins TLS where its script says so.
        session.begin_tls()
    yield from quiet()
    session.stage = ""
