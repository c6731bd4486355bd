"""The coach: carries out what the tutor of a lesson asks for, and tells it what happens.

The tutor decides and does nothing; here are the queue of its cues, the connection, the screen and the
prompt.  A cue that leads to something, such as `Send`, holds the queue up until that has come.  What
the learner types meanwhile waits its turn, and so do lines that are pasted: each is sent when the one
before it is answered, unless patience has run out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from poptalk.lesson.cues import (
    Ask,
    Comment,
    CommentKind,
    Connect,
    Cue,
    Finish,
    HangUp,
    Heading,
    Keep,
    Manner,
    Prove,
    Say,
    Send,
    Wait,
)
from poptalk.lesson.happenings import (
    Answered,
    CannotConnect,
    Connected,
    Ended,
    Happening,
    Proved,
    TlsBegun,
    Waited,
)
from poptalk.lesson.tutor import SILENCES, Awaiting, Tutor
from poptalk.net.errors import CLOSED_BY_SERVER, TlsFailed
from poptalk.protocol.commands import parse_command
from poptalk.protocol.events import Event
from poptalk.protocol.oddities import OddityKind
from poptalk.protocol.verbs import Effect
from poptalk.shell.base import LOCAL_PREFIX, Shell, wire_line
from poptalk.shell.companion import Companion, Wish
from poptalk.shell.ear import Ear
from poptalk.shell.lesson_view import LessonView
from poptalk.shell.proving import Proof
from poptalk.terminal.safe import harmless

if TYPE_CHECKING:
    from poptalk.lesson.document import Lesson
    from poptalk.lesson.progress import ProgressEvent
    from poptalk.net.errors import Ending, NetError
    from poptalk.protocol.client import ClientSession
    from poptalk.shell.lesson_room import LessonRoom

_LEADS_TO: dict[type[Cue], tuple[type[Happening], ...]] = {
    Send: (Answered, Ended),
    Connect: (Connected, CannotConnect),
    HangUp: (Ended,),
    Wait: (Waited,),
    Prove: (Proved,),
}
"""What each cue that holds the queue up leads to."""


GOODBYE_SECONDS = 0.5
"""How long a server may take to hang up after QUIT until the lesson goes on without that."""

_SAID_BY_THE_TUTOR = frozenset({OddityKind.UNKNOWN_COMMAND, OddityKind.WRONG_STATE})
"""What the shell would say before the answer, and the tutor says below it."""


class Office(Protocol):
    """What a coach asks of those who have all the lessons: see `school.School`."""

    versions: str
    """Of poptalk and of what it runs on, one line for reports."""

    def keep(self, event: ProgressEvent) -> None:
        """Keep what the learner has done."""

    def after_lesson(self) -> str:
        """Return what can be done after a lesson, in a sentence."""

    def next_lesson(self) -> None:
        """Go on to the lesson behind this one."""

    def show_menu(self) -> None:
        """Leave the lesson for the list of lessons."""


class Coach(Companion):
    """Runs one lesson in a shell.

    Args:
        shell: where the learner types.
        lesson: the lesson.
        tutor: its tutor, not begun.
        room: where its connections go.
        office: who keeps what is done, and has other lessons.
        view: shows what the tutor says.
    """

    gives_completions = False
    silences = SILENCES

    def __init__(
        self,
        shell: Shell,
        *,
        lesson: Lesson,
        tutor: Tutor,
        room: LessonRoom,
        office: Office,
        view: LessonView,
    ) -> None:
        self._shell = shell
        self._lesson = lesson
        self._tutor = tutor
        self._room = room
        self._office = office
        self._view = view
        self._queue: deque[Cue] = deque()
        self._pending: Cue | None = None
        """The cue whose happening is awaited."""
        self._working = False
        self._ear = Ear(encrypted=False)
        self._making_room = False
        """Whether the end of the connection is the beginning of the next one."""
        self._reopening = False
        self._goodbye: ClientSession | None = None
        """The session in which QUIT was answered, and the server should hang up."""
        self.held: deque[str] = deque()
        self._patient = True
        """Whether what is typed waits for the reply that is due."""
        self._to_be_confirmed: bytes | None = None
        """A QUIT that would delete somebody's mail."""
        self._choices = 0
        self.finished = False
        """Whether the lesson has come to its end."""
        self._gone = False

    def begin(self) -> None:
        """Begin, or resume, the lesson."""
        self._shell.dialogue.listeners.append(self._hear)
        # A lesson about a broken server leaves it to the learner to see what is wrong.
        faults = self._lesson.faults
        self._shell.dialogue.unremarked = frozenset(OddityKind) if faults else _SAID_BY_THE_TUTOR
        self._carry_out(self._tutor.begin())

    def end(self) -> None:
        """Hang up, and be of no further influence."""
        self._gone = True
        self._queue.clear()
        self.held.clear()
        self._shell.dialogue.unremarked = ()
        if self._hear in self._shell.dialogue.listeners:
            self._shell.dialogue.listeners.remove(self._hear)
        self._hang_up_unseen()
        self._shell.dialogue.hidden = self._shell.connected

    # What the learner does.

    def take(self, text: str) -> bool:
        """Take a line: the tutor's, one that must wait, or one that is sent by the shell."""
        if self._to_be_confirmed is not None:
            self._confirmed(text)
        elif self._must_wait:
            self.held.append(text)
        elif self.finished and not text:
            self._office.next_lesson()
        elif (cues := self._tutor.entered(text)) is not None:
            self._echo(text)
            self._carry_out(cues)
        elif not self._shell.connected:
            self._comment(CommentKind.CLOSED, f"no connection stands; {self._advice}")
        elif self._deletes_for_good(wire_line(text)):
            self._ask_before(wire_line(text))
        else:
            self._patient = True
            return False
        return True

    def grant(self, wish: Wish) -> None:
        """Answer a local command."""
        if wish is Wish.MENU:
            self._office.show_menu()
        elif wish is Wish.REPORT:
            self._view.literal(self._tutor.report(self._office.versions))
        elif self._must_wait or self.held:
            self.held.append(f"{LOCAL_PREFIX}{wish.value}")
        else:
            self._carry_out(self._wishes[wish]())

    @property
    def _wishes(self) -> dict[Wish, Callable[[], Sequence[Cue]]]:
        tutor = self._tutor
        return {
            Wish.HINT: tutor.hint,
            Wish.WHY: tutor.why,
            Wish.SKIP: tutor.skip,
            Wish.BACK: tutor.back,
            Wish.RESET: tutor.reset,
            Wish.STATE: tutor.state,
            Wish.MAP: tutor.map,
        }

    def reopen(self) -> None:
        """Connect again, hanging up first."""
        if self._shell.connected:
            self._reopening = True
            self._shell.close()
        elif not self._busy:
            self._carry_out(self._tutor.open())

    def interrupted(self) -> None:
        """Wait no longer: neither with what is typed nor for what poptalk itself has sent."""
        self.held.clear()
        self._patient = False
        self._to_be_confirmed = None
        if isinstance(self._pending, Send):
            self._ear.give_up()
            self._tell()

    def left(self) -> None:
        """Say what is kept."""
        if self._gone:
            return
        self._gone = True
        where = self._tutor.prompt.replace("/", " of ")
        kept = f"step {where} is kept" if where and not self.finished else "what you did is kept"
        words = f"{kept}; `poptalk` goes on from there."
        if self._shell.connected and self._shell.dialogue.session.marked:
            words = f"nothing is deleted, as no QUIT was sent; {words}"
        self._comment(CommentKind.NEWS, words)
        self._shell.dialogue.hidden = True

    @property
    def _advice(self) -> str:
        """Say what may be typed where nothing can be sent."""
        if self.finished:
            return "the lesson is over, and Enter goes on."
        if self._tutor.awaiting is Awaiting.CHOICE:
            return f"the question wants a number, 1 to {self._choices}."
        if self._tutor.awaiting is Awaiting.PAUSE:
            return "Enter goes on."
        return "Enter opens one."

    def _echo(self, text: str) -> None:
        """Show an answer that was typed, where the line of the prompt is gone."""
        if text and self._shell.dialogue.shows_sent:
            self._view.interrupted()
            self._shell.say([[("client", "> "), ("text", harmless(text))]])

    # What happens.

    def listened(self) -> None:
        """Tell the tutor what was heard."""
        session = self._shell.dialogue.session
        if session.farewell and self._shell.connected and session is not self._goodbye:
            # The end of the connection follows, and belongs above what is said of the QUIT.
            self._goodbye = session
            self._shell.after(GOODBYE_SECONDS, self._tell)
        elif session is not self._goodbye or not self._shell.connected:
            self._tell()

    def _tell(self) -> None:
        # What is told may lead to the next connection, which has an ear of its own.
        heard = self._ear.heard
        while heard and not self._gone:
            self._happened(heard.popleft())
        self._release()

    def tls_begun(self) -> None:
        """Tell the tutor of TLS."""
        self._ear.tls_begun()
        self._tell()
        self._happened(TlsBegun())
        self._release()

    def failed(self, error: NetError) -> None:
        """Tell the tutor that there is no connection, and show the certificate that is the reason."""
        if isinstance(error, TlsFailed):
            for line in error.certificate:
                self._shell.dialogue.remark(line)
        reason = str(error)
        end = "" if reason.endswith((".", "?")) else "."
        self._happened(CannotConnect(reason=f"{reason[:1].upper()}{reason[1:]}{end}"))

    def ended(self, ending: Ending) -> None:
        """Tell the tutor, unless the connection had to make room for another."""
        if self._gone:
            return
        if self._making_room and isinstance(self._pending, Connect):
            self._making_room = False
            self._open(self._pending)
            return
        in_vain = isinstance(self._pending, Connect)
        self._ear.heard.append(
            CannotConnect(reason=f"{ending}.") if in_vain else self._ending(ending)
        )
        self._tell()
        if self._reopening:
            self._reopening = False
            self._carry_out(self._tutor.open())
        self._release()

    def _ending(self, ending: Ending) -> Ended:
        return Ended(ending=ending, state=self._ear.state, marked=self._ear.marked)

    def silence(self, seconds: float) -> None:
        """Let the tutor say what the silence may mean; what is typed waits no longer."""
        self._patient = False
        cues = self._tutor.silence(seconds, lines=self._ear.lines_so_far)
        self._queue.extendleft(reversed(cues))
        self._work(although_pending=len(cues))
        self._release()

    def _hear(self, event: Event) -> None:
        self._view.interrupted()
        self._ear.take(event)

    def _happened(self, happening: Happening) -> None:
        if self._gone:
            return
        if self._pending is not None and self._is_outcome(happening):
            self._pending = None
            self._shell.dialogue.hidden = False
        self._carry_out(self._tutor.tell(happening))

    def _is_outcome(self, happening: Happening) -> bool:
        """Whether this is what the pending cue leads to, and not the answer to a line before it."""
        pending = self._pending
        if isinstance(pending, Send) and isinstance(happening, Answered):
            return pending.line == happening.line
        return isinstance(happening, _LEADS_TO[type(pending)]) if pending is not None else False

    @property
    def is_idle(self) -> bool:
        """Whether everything that was heard has been told, and nothing is under way."""
        return not self._busy and not self._ear.heard

    @property
    def _busy(self) -> bool:
        return self._pending is not None or bool(self._queue)

    @property
    def _must_wait(self) -> bool:
        """Whether what is typed has to wait: poptalk is at work, or a reply is due."""
        due = self._shell.connected and not self._shell.dialogue.settled
        return self._busy or (self._patient and due)

    def _release(self) -> None:
        """Let the lines that waited go, as far as they need not wait any more."""
        while self.held and not self._gone and not self._working:
            if self._must_wait:
                return
            waiting, self.held = self.held, deque()
            self._shell.enter(waiting.popleft())
            self.held.extend(waiting)

    # Cues.

    def _carry_out(self, cues: Sequence[Cue]) -> None:
        self._queue.extend(cues)
        self._work()

    def _work(self, *, although_pending: int = 0) -> None:
        """Carry out cues until one has to be waited for.

        Args:
            although_pending: how many may be carried out while another is waited for.
        """
        if self._working:
            return
        self._working = True
        try:
            while (
                self._queue and (self._pending is None or although_pending > 0) and not self._gone
            ):
                although_pending -= 1
                cue = self._queue.popleft()
                if type(cue) in _LEADS_TO:
                    self._pending = cue
                self._perform(cue)
        finally:
            self._working = False

    def _perform(self, cue: Cue) -> None:
        match cue:
            case Say() | Heading() | Comment() | Ask():
                self._show(cue)
            case Keep(event=event):
                self._office.keep(event)
            case Finish():
                self.finished = True
                self._view.comment(CommentKind.NEWS, self._office.after_lesson())
            case Send(line=line, manner=manner):
                self._send(line, manner)
            case Connect():
                self._connect(cue)
            case HangUp():
                self._shell.close()
            case Wait(seconds=seconds):
                self._shell.after(seconds, lambda: self._later(Waited()))
            case Prove():
                self._prove(cue)

    def _show(self, cue: Say | Heading | Comment | Ask) -> None:
        if isinstance(cue, Ask):
            self._choices = len(cue.question.choices)
        if isinstance(cue, Heading) and cue.level > 1:
            where = self._tutor.prompt.replace("/", " of ")
            cue = replace(cue, text=f"Step {where}: {cue.text}")
        self._view.show(cue)

    def _later(self, happening: Happening) -> None:
        self._happened(happening)
        self._release()

    def _send(self, line: bytes, manner: Manner) -> None:
        if not self._shell.connected:
            self._happened(self._ending(self._shell.dialogue.ending or CLOSED_BY_SERVER))
        elif self._deletes_for_good(line):
            self._ask_before(line)
        else:
            self._transmit(line, manner)

    def _transmit(self, line: bytes, manner: Manner) -> None:
        self._patient = True
        with self._shown(manner):
            self._shell.send_line(line)

    @contextmanager
    def _shown(self, manner: Manner) -> Iterator[None]:
        """Show what is sent, also in a shell that need not since the keys were echoed; or nothing."""
        dialogue = self._shell.dialogue
        shows_sent = dialogue.shows_sent
        dialogue.shows_sent = True
        dialogue.hidden = manner is Manner.FOLDED
        try:
            yield
        finally:
            dialogue.shows_sent = shows_sent

    def _connect(self, cue: Connect) -> None:
        if self._shell.connected:
            self._making_room = True
            self._hang_up_unseen()
        else:
            self._open(cue)

    def _hang_up_unseen(self) -> None:
        """Close the connection; the screen shows the dialogue again when that has come about."""
        self._shell.dialogue.hidden = True
        self._shell.close()

    def _open(self, cue: Connect) -> None:
        self._shell.dialogue.hidden = cue.manner is Manner.FOLDED
        destination = self._room.destination(fresh=cue.fresh, number=cue.number)
        self._ear = Ear(encrypted=destination.tls)
        self._shell.open(destination)

    def _prove(self, cue: Prove) -> None:
        proof = Proof(cue.dialogue, room=self._room, bindings=cue.bindings)

        def show() -> None:
            if not self._gone:
                columns = self._shell.dialogue.size()[1]
                self._view.interrupted()
                self._shell.say(proof.lines(columns=columns))
                self._later(Proved(difference=proof.difference))

        self._shell.aside(proof.run, show)

    def _comment(self, kind: CommentKind, text: str) -> None:
        self._view.comment(kind, text)

    # Somebody's mail.

    def _deletes_for_good(self, line: bytes) -> bool:
        """Whether a line is the QUIT that removes marked messages from a live server."""
        verb = parse_command(line).verb
        marked = self._shell.dialogue.session.marked
        return (
            self._room.live and bool(marked) and verb is not None and verb.effect is Effect.FAREWELL
        )

    def _ask_before(self, line: bytes) -> None:
        self._to_be_confirmed = line
        count = len(self._shell.dialogue.session.marked)
        what = "1 message" if count == 1 else f"{count} messages"
        self._comment(
            CommentKind.NEWS,
            f"this QUIT removes {what} from your server, and nobody can bring them back. "
            "`yes` sends it; anything else does not.",
        )

    def _confirmed(self, text: str) -> None:
        line, self._to_be_confirmed = self._to_be_confirmed, None
        assert line is not None
        if text.strip().lower() in ("yes", "y"):
            self._transmit(line, Manner.TYPED)
            return
        self._comment(CommentKind.NEWS, "not sent. `RSET` takes the marks back.")
        if isinstance(self._pending, Send):
            self._pending = None
            self._carry_out(self._tutor.reset())

    # The prompt.

    def prompt(self, usual: str, *, short: bool) -> str:
        """Return the step, and what is awaited."""
        if self._to_be_confirmed is not None:
            return "yes or no> "
        if self.finished:
            return "Enter> " if short else "(end of the lesson) Enter goes on> "
        where = f"{self._tutor.prompt} " if self._tutor.prompt else ""
        awaiting = self._tutor.awaiting
        if awaiting is Awaiting.CHOICE:
            return f"{where}answer 1-{self._choices}> "
        if awaiting is Awaiting.PAUSE:
            return f"{where}Enter goes on> "
        if awaiting is Awaiting.CLOSED:
            return "(closed) Enter> " if short else f"{where}(closed) Enter opens> "
        return f"{where}{usual}"

    def facts(self) -> Sequence[str]:
        """Return the id of the step, by which it can be reported, and the way to help."""
        step = self._tutor.step
        return (f"{self._lesson.name}#{step.slug}" if step else self._lesson.name, ":hint")
