"""Carrying out what a tutor asks for, one cue after the other, and telling it what came of that.

The tutor decides and does nothing; here are the queue of its cues, the connection and the screen.  A
cue that leads to something, such as `Send`, holds the queue up until that has come.
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
from poptalk.net.errors import CLOSED_BY_SERVER, TlsFailed
from poptalk.protocol.oddities import OddityKind
from poptalk.shell.ear import Ear
from poptalk.shell.proving import Proof

if TYPE_CHECKING:
    from poptalk.lesson.progress import ProgressEvent
    from poptalk.lesson.room import Room
    from poptalk.lesson.tutor import Tutor
    from poptalk.net.errors import Ending, NetError
    from poptalk.protocol.client import ClientSession
    from poptalk.protocol.events import Event
    from poptalk.shell.base import Shell
    from poptalk.shell.lesson_view import LessonView

SAID_BY_THE_TUTOR = frozenset({OddityKind.UNKNOWN_COMMAND, OddityKind.WRONG_STATE})
"""What the shell would say before the answer, and the tutor says below it."""

GOODBYE_SECONDS = 1.0
"""How long a server may take to hang up after QUIT until the lesson goes on without that."""

_LEADS_TO: dict[type[Cue], tuple[type[Happening], ...]] = {
    Send: (Answered, Ended),
    Connect: (Connected, CannotConnect),
    HangUp: (Ended,),
    Wait: (Waited,),
    Prove: (Proved,),
}
"""What each cue that holds the queue up leads to."""


class Office(Protocol):
    """What is asked of those who have all the lessons: see `school.School`."""

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


class CueQueue:
    """The hands and the ears of a tutor.

    Args:
        shell: where.
        tutor: whose cues they are.
        room: where connections go.
        office: who keeps what is done.
        view: shows what the tutor says.
        may_send: asked before a line is sent; False if it was kept back, to be sent with `transmit`
            or dropped.
        done: called when something has happened, and all that followed from it is under way.
    """

    def __init__(
        self,
        shell: Shell,
        *,
        tutor: Tutor,
        room: Room,
        office: Office,
        view: LessonView,
        may_send: Callable[[bytes], bool],
        done: Callable[[], None],
    ) -> None:
        self.choices = 0
        """How many answers the last question has."""
        self.over = False
        """Whether nothing is to be done or told any more."""
        self._shell = shell
        self._tutor = tutor
        self._room = room
        self._office = office
        self._view = view
        self._may_send = may_send
        self._done = done
        self._queue: deque[Cue] = deque()
        self._pending: Cue | None = None
        """The cue whose happening is awaited."""
        self._working = False
        self._ear = Ear(shell.talk.exchanges, encrypted=False)
        self._making_room = False
        """Whether the end of the connection is the beginning of the next one."""
        self._goodbye: ClientSession | None = None
        """The session in which QUIT was answered, and the server should hang up."""

    @property
    def busy(self) -> bool:
        """Whether something is under way."""
        return self._pending is not None or bool(self._queue)

    @property
    def all_told(self) -> bool:
        """Whether the tutor knows all that was heard."""
        return not self._ear.heard

    # What happened.

    def hear(self, event: Event) -> None:
        """Take note of an event; see `Dialogue.listeners`."""
        self._ear.take(event)

    def listened(self) -> None:
        """Tell the tutor what was heard."""
        session = self._shell.dialogue.session
        if session.farewell and self._shell.connected and session is not self._goodbye:
            # The end of the connection follows, and belongs above what is said of the QUIT.
            self._goodbye = session
            self._shell.after(GOODBYE_SECONDS, self._tell)
        elif session is not self._goodbye or not self._shell.connected:
            self._tell()

    def tls_begun(self) -> None:
        """Tell the tutor of TLS."""
        self._ear.tls_begun()
        self._ear.heard.append(TlsBegun())
        self._tell()

    def failed(self, error: NetError) -> None:
        """Tell the tutor that there is no connection, and show the certificate that is the reason."""
        if isinstance(error, TlsFailed):
            for line in error.certificate:
                self._shell.dialogue.remark(line)
        self._later(CannotConnect(reason=_sentence(str(error))))

    def ended(self, ending: Ending) -> None:
        """Tell the tutor, unless the connection had to make room for another."""
        if self.over:
            return
        if self._making_room and isinstance(self._pending, Connect):
            self._making_room = False
            self._open(self._pending)
        elif isinstance(self._pending, Connect):
            self._ear.heard.append(CannotConnect(reason=_sentence(str(ending))))
            self._tell()
        else:
            self._ear.heard.append(self._ending(ending))
            self._tell()

    def silence(self, seconds: float) -> None:
        """Let the tutor say what the silence may mean, also while a line of its own is pending."""
        cues = self._tutor.silence(seconds, lines=self._ear.lines_so_far)
        self._queue.extendleft(reversed(cues))
        self._work(although_pending=len(cues))

    def give_up(self) -> None:
        """Wait no longer for the answer to a line that poptalk sent."""
        if isinstance(self._pending, Send):
            self._ear.give_up()
            self._tell()

    def _tell(self) -> None:
        # What is told may lead to the next connection, which has an ear of its own.
        heard = self._ear.heard
        while heard and not self.over:
            self._happened(heard.popleft())
        self._done()

    def _later(self, happening: Happening) -> None:
        self._happened(happening)
        self._done()

    def _happened(self, happening: Happening) -> None:
        if self.over:
            return
        if self._pending is not None and self._is_outcome(self._pending, happening):
            self._pending = None
            self._shell.dialogue.hidden = False
        self.carry_out(self._tutor.tell(happening))

    def _is_outcome(self, pending: Cue, happening: Happening) -> bool:
        """Whether this is what the pending cue leads to, and not the answer to a line before it."""
        if isinstance(pending, Send) and isinstance(happening, Answered):
            return pending.line == happening.line
        return isinstance(happening, _LEADS_TO[type(pending)])

    def _ending(self, ending: Ending) -> Ended:
        return Ended(ending=ending, state=self._ear.state, marked=self._ear.marked)

    # What is to be done.

    def carry_out(self, cues: Sequence[Cue]) -> None:
        """Carry out cues, behind those that wait."""
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
            while self._queue and not self.over:
                if self._pending is not None and although_pending <= 0:
                    return
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
            self.choices = len(cue.question.choices)
        if isinstance(cue, Heading) and cue.level > 1:
            where = self._tutor.prompt.replace("/", " of ")
            cue = replace(cue, text=f"Step {where}: {cue.text}")
        self._view.show(cue)

    def _send(self, line: bytes, manner: Manner) -> None:
        if not self._shell.connected:
            self._happened(self._ending(self._shell.dialogue.ending or CLOSED_BY_SERVER))
        elif self._may_send(line):
            self.transmit(line, manner)

    def transmit(self, line: bytes, manner: Manner = Manner.TYPED) -> None:
        """Send a line, whoever wished it."""
        with self._shown(manner):
            self._shell.send_line(line)

    def drop(self) -> None:
        """Do without a line that was kept back; the step begins anew if poptalk was to send it."""
        if isinstance(self._pending, Send):
            self._pending = None
            self.carry_out(self._tutor.reset())

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
            self.hang_up_unseen()
        else:
            self._open(cue)

    def hang_up_unseen(self) -> None:
        """Close the connection; the screen shows the dialogue again when that has come about."""
        self._shell.dialogue.hidden = True
        self._shell.close()
        self._shell.dialogue.hidden = self._shell.dialogue.hidden and self._shell.connected

    def _open(self, cue: Connect) -> None:
        self._shell.dialogue.hidden = cue.manner is Manner.FOLDED
        destination = self._room.destination(fresh=cue.fresh, number=cue.number)
        self._ear = Ear(self._shell.talk.exchanges, encrypted=destination.tls)
        # Where something is wrong on purpose, it is for the learner to see what.
        wrong = self._room.does_wrong(cue.number)
        self._shell.dialogue.unremarked = frozenset(OddityKind) if wrong else SAID_BY_THE_TUTOR
        self._shell.open(destination)

    def _prove(self, cue: Prove) -> None:
        proof = Proof(cue.dialogue, room=self._room, bindings=cue.bindings)

        def show() -> None:
            if not self.over:
                columns = self._shell.dialogue.size()[1]
                self._shell.say(proof.lines(columns=columns))
                self._later(Proved(difference=proof.difference))

        self._shell.aside(proof.run, show)


def _sentence(text: str) -> str:
    """Make a sentence of what may be a clause."""
    end = "" if text.endswith((".", "?")) else "."
    return f"{text[:1].upper()}{text[1:]}{end}"
