"""The lesson controller: between the keyboard, the shell and the tutor of a lesson.

The tutor takes typed lines when it awaits an answer or an empty line; everything else is sent.  While
poptalk is at work, or a reply is due, lines wait, so pasted ones are sent one by one, each when the one
before it is answered, unless patience has run out.

`lesson.driver` carries out what the tutor asks for; here is what it needs of the prompt.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from string import ascii_lowercase
from typing import TYPE_CHECKING, Protocol

from poptalk.lesson import actions
from poptalk.lesson.actions import Awaiting, Feedback, FeedbackKind, Manner
from poptalk.lesson.driver import Driver, ReplyBuffer
from poptalk.lesson.outside import POLL_SECONDS, VisitorLeft, VisitorSession
from poptalk.lesson.runner import SILENCES, Tutor
from poptalk.lesson.server import PracticeLessonServer
from poptalk.net.errors import CLOSED_BY_US, TlsFailed
from poptalk.pop3.commands import Effect, parse_command
from poptalk.pop3.events import Challenge, Greeting, Reply, Sent, ViolationKind
from poptalk.practice.observers import DropReason
from poptalk.session.session import not_sent_in_the_clear
from poptalk.shell.commands.inspect import report
from poptalk.shell.commands.registry import LOCAL_PREFIX
from poptalk.shell.shell import Controller, Shell, wire_line
from poptalk.terminal.markdown import MOST_COLUMNS, render_comment, render_item, render_prose
from poptalk.terminal.render import client_line, status_line
from poptalk.terminal.safe import Fragment, Fragments, harmless, wrap

if TYPE_CHECKING:
    from poptalk.lesson.driver import SecondConnection
    from poptalk.lesson.progress import ProgressEvent
    from poptalk.lesson.server import LessonServer
    from poptalk.net.endpoint import Destination
    from poptalk.net.errors import Ending, NetError
    from poptalk.pop3.client import ClientSession
    from poptalk.pop3.events import Event
    from poptalk.session.exchanges import Exchanges

ROWS_BELOW = 2
"""Rows of the screen for the prompt and the bottom line."""

SAID_BY_THE_TUTOR = frozenset({ViolationKind.UNKNOWN_COMMAND, ViolationKind.WRONG_STATE})
"""What the shell would say before the reply, and the tutor says after it."""

VISITOR: Fragment = ("note", "there ")
"""Comes before what another program in another window sends and receives."""


def is_yes(answer: str) -> bool:
    """Tell whether an answer to a yes-or-no question is a yes; an unclear one is a no."""
    return answer.strip().lower() in ("yes", "y")


class ControllerHost(Protocol):
    """Starts a lesson in a shell, and says what comes after it."""

    @property
    def shell(self) -> Shell:
        """Where the lesson runs."""

    @property
    def view(self) -> LessonView:
        """Shows it there."""

    def keep(self, event: ProgressEvent) -> None:
        """Keep what was done."""

    def after_lesson(self) -> None:
        """Say what comes next: the lesson is over."""

    def next_lesson(self) -> None:
        """Go on to what comes next."""

    def show_menu(self) -> None:
        """Leave the lesson for another."""


class LessonController(Driver, Controller):
    """Runs one lesson in a shell.

    Args:
        host: has the shell and the other lessons, and keeps what is done.
        tutor: the lesson's tutor, not begun.
        lesson_server: where its connections go.
    """

    gives_completions = False
    silences: Sequence[float] = SILENCES

    def __init__(self, host: ControllerHost, tutor: Tutor, lesson_server: LessonServer) -> None:
        self._shell = host.shell
        self._visitor: VisitorSession | None = None
        """The session of another program; None if none is followed."""
        super().__init__(tutor, lesson_server)
        self._host = host
        self._view = host.view
        self.held: deque[str] = deque()
        self._last_letter = "a"
        """The letter of the last answer to the question."""
        self._asked_from = 0
        """How much the shell had shown before the end of the task, or the question."""
        self._asked_to = 0
        """How much it had shown after it."""
        self._patient = True
        """Whether what is typed waits for the reply that is due."""
        self._reopening = False
        self._to_be_confirmed: bytes | None = None
        """A QUIT that would delete the learner's own mail."""

    def begin(self) -> None:
        """Begin, or resume, the lesson."""
        self._shell.session.listeners.append(self.hear)
        self.carry_out(self.tutor.begin())

    def end(self) -> None:
        """Hang up, and do nothing more."""
        self.over = True
        self.held.clear()
        self._shell.view.unremarked = ()
        if self.hear in self._shell.session.listeners:
            self._shell.session.listeners.remove(self.hear)
        self.hang_up(Manner.FOLDED)

    @property
    def finished(self) -> bool:
        """Whether the lesson has come to its end."""
        return self.tutor.awaiting is Awaiting.OVER

    @property
    def is_idle(self) -> bool:
        """Whether the tutor has been told everything, and nothing is under way."""
        return not self.busy and not self._replies.events

    def wants_a_line(self, *, due: bool) -> bool:
        """Tell whether to show a prompt: not while poptalk works or waits for a server to close."""
        return self.is_idle and not (due and self._patient)

    # What the learner does.

    def take(self, text: str) -> bool:
        """Take a line, if it is for the tutor or must wait; False leaves it to the shell to send."""
        if self._to_be_confirmed is not None:
            self._confirmed(text)
        elif self._must_wait:
            self.held.append(text)
        elif self.finished and not text:
            self._host.next_lesson()
        else:
            return self._took(text)
        return True

    def _took(self, text: str) -> bool:
        """Take a line that the tutor may want, or that can't be sent; False leaves it to the shell."""
        shown = self._shell.masked(text)  # An answer is one only until the tutor has it.
        if (todo := self.tutor.entered(text)) is not None:
            self._echo(shown)
            self.carry_out(todo)
        elif not self._shell.connected:
            self._echo(shown)
            self._view.comment(*self._advice)
        else:
            self._patient = True
            return not self.may_send(wire_line(text))
        return True

    def is_answer(self, text: str) -> bool:
        """Tell whether a line is one of the choices of the question."""
        return self.tutor.is_choice(text)

    def answer(self, command: str) -> None:
        """Answer a local command of lessons."""
        tutor = self.tutor
        if command == "menu":
            self._host.show_menu()
        elif command == "report":
            self._view.literal(tutor.report([*report(self._shell)]))
        elif self._must_wait or self.held:
            self.held.append(LOCAL_PREFIX + command)
        else:
            self.carry_out(tutor.answer(command))

    def carry_out(self, todo: Sequence[actions.LessonAction]) -> None:
        """Carry out actions, and show what is asked again if it has scrolled off the screen."""
        super().carry_out(todo)
        self.remind()

    def remind(self) -> None:
        """Show what is asked again if it has scrolled off the screen."""
        waits = self.tutor.awaiting in (Awaiting.COMMAND, Awaiting.CHOICE, Awaiting.CLOSED)
        room = self._shell.view.size()[0] - ROWS_BELOW
        fits = self._asked_to - self._asked_from <= room // 4 * 3
        if waits and fits and self.is_idle and self._shell.shown() - self._asked_from > room:
            super().carry_out(self.tutor.remind())

    def reopen(self) -> None:
        """Connect again, hanging up first."""
        if self._shell.connected:
            self._reopening = True
            self._shell.close()
        elif not self.busy:
            self.carry_out(self.tutor.open())

    def interrupted(self) -> None:
        """Drop what waits to be sent, and stop waiting for the reply to what poptalk has sent."""
        self.held.clear()
        self._patient = False
        self._to_be_confirmed = None
        self.give_up()

    def left(self) -> None:
        """Say what is kept."""
        where = self.tutor.prompt.replace("/", " of ")
        kept = f"Step {where} is kept" if where and not self.finished else "What you did is kept"
        words = f"{kept}; `poptalk` goes on from there."
        if self.session is not None and self.session.marked:
            words = f"Nothing is deleted, as no `QUIT` was sent. {words}"
        self._view.comment(FeedbackKind.NEWS, words)
        self.over = True
        self._shell.view.hidden = True

    @property
    def _advice(self) -> tuple[FeedbackKind, str]:
        """What may be typed when nothing can be sent."""
        match self.tutor.awaiting:
            case Awaiting.OVER:
                return FeedbackKind.NEWS, "The lesson is over, and Enter goes on."
            case Awaiting.CHOICE:
                return FeedbackKind.NEWS, f"The question wants a letter, a to {self._last_letter}."
            case Awaiting.OUTSIDE:
                text = "Not sent: this step is done in the other window. Enter shows how."
                return FeedbackKind.NEWS, text
            case Awaiting.PAUSE:
                return FeedbackKind.CLOSED, "Not sent: you are not connected. Enter goes on."
        return FeedbackKind.CLOSED, "Not sent: you are not connected. Press Enter to connect."

    def _echo(self, shown: str) -> None:
        """Show what was typed, secrets masked, if the line of the prompt is gone."""
        if shown and self._shell.view.shows_sent:
            self._shell.say([[("client", "> "), ("text", shown)]])

    # What waits.

    @property
    def _must_wait(self) -> bool:
        """Whether what is typed has to wait: poptalk is at work, or a reply is due."""
        due = self._shell.connected and not self._shell.session.core.settled
        return self.busy or (self._patient and due)

    def settled(self) -> None:
        """Send the lines that need not wait any longer."""
        while self.held and not self._must_wait and not self.over:
            waiting, self.held = self.held, deque()
            self._shell.enter(waiting.popleft())
            self.held.extend(waiting)

    # What the driver needs: see `driver.Driver`.

    @property
    def session(self) -> ClientSession | None:
        """The session on the open connection."""
        if self._visitor is not None:
            return self._visitor.core
        return self._shell.session.core if self._shell.connected else None

    @property
    def exchanges(self) -> Exchanges:
        """What was said."""
        session = self._shell.session if self._visitor is None else self._visitor.session
        return session.exchanges

    def transmit(self, line: bytes, manner: Manner = Manner.TYPED) -> None:
        """Send a line, and show it, even in a shell that doesn't because keys are echoed."""
        shows_sent = self._shell.view.shows_sent
        self._shell.view.shows_sent = True
        self._shell.view.hidden = manner is Manner.FOLDED
        try:
            self._shell.send_line(line)
        finally:
            self._shell.view.shows_sent = shows_sent

    def connect(self, destination: Destination, connection: actions.Connect) -> None:
        """Have the shell connect."""
        self._shell.view.hidden = connection.manner is Manner.FOLDED
        # What is wrong on purpose is for the learner to notice.
        wrong = self._lesson_server.has_fault(connection.number)
        # But that the server goes on after the lone dot is said: only a colour would show it.
        everything = frozenset(ViolationKind) - {ViolationKind.UNSOLICITED}
        self._shell.view.unremarked = everything if wrong else SAID_BY_THE_TUTOR
        self._shell.open(destination)

    def hang_up(self, manner: Manner = Manner.TYPED) -> None:
        """Close the connection; if folded, the dialogue is shown again once it is closed."""
        folded = manner is Manner.FOLDED
        self._shell.view.hidden = folded or self._shell.view.hidden
        self._shell.close()
        if folded:
            self._shell.view.hidden = self._shell.view.hidden and self._shell.connected

    # Another program at work in another window.

    def _follow(self, action: actions.Follow) -> None:
        """Say what to type there, and watch the server for what comes of it."""
        server = self._practice_server
        self._visitor = None
        destination = server.destination(fresh=action.fresh, number=action.number)
        server.visitors.follow()
        self._visitor = visitor = VisitorSession(destination, self._heard_of_visitor)
        self._replies = ReplyBuffer(self.exchanges, encrypted=False)
        self._view.literal("\n".join(("In another window, type:", *server.ways_in())))
        self._look(visitor)

    @property
    def _practice_server(self) -> PracticeLessonServer:
        assert isinstance(self._lesson_server, PracticeLessonServer), "it has visitors"
        return self._lesson_server

    def _unfollow(self) -> None:
        """Watch no longer."""
        visitor = self._visitor
        if visitor is None:
            return
        self._practice_server.visitors.stop()
        if visitor.core is not None:
            visitor.take(VisitorLeft(how=DropReason.CLIENT_VANISHED))
            self.ended(CLOSED_BY_US)
        self._visitor = None

    def _look(self, visitor: VisitorSession) -> None:
        """Take what a visitor has sent and received, again and again until another one is followed."""
        if self.over or visitor is not self._visitor:
            return
        for news in self._practice_server.visitors.news():
            self.visited(visitor, news)
            if visitor is not self._visitor:
                return
        self._shell.after(POLL_SECONDS, partial(self._look, visitor))

    def _heard_of_visitor(self, event: Event) -> None:
        """Show what a visitor sent, and the first line of each reply, and keep it for the tutor."""
        assert self._visitor is not None
        match event:
            case Sent(line=line, secret=secret):
                self._shell.say([[VISITOR, *client_line(line, secret)]])
            case Greeting(status_line=status) | Challenge(status_line=status):
                self._shell.say([[VISITOR, *status_line(status.line)]])
            case Reply(status_line=status):
                line = self._visitor.session.secrets.mask(status.line)
                self._shell.say([[VISITOR, *status_line(line)]])
        self.hear(event)

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something later."""
        self._shell.after(seconds, action)

    def prove(self, second: SecondConnection, done: Callable[[], None]) -> None:
        """Run a dialogue on a second connection, in a thread, and show it."""

        def show() -> None:
            if not self.over:
                self._shell.say(second.lines(columns=self._shell.view.size()[1]))
                done()

        self._shell.session.in_thread(second.run, show)

    def show(self, action: actions.LessonAction) -> None:
        """Show what the tutor says, and keep the learner's progress."""
        match action:
            case actions.Keep(event=event):
                self._host.keep(event)
            case actions.Follow():
                self._follow(action)
            case actions.Unfollow():
                self._unfollow()
            case actions.Finish():
                self._host.after_lesson()
            case actions.Heading(text=text, level=2):
                where = self.tutor.prompt.replace("/", " of ")
                self._view.show(replace(action, text=f"Step {where}: {text}"))
            case actions.Ask(question=question):
                self._last_letter = ascii_lowercase[len(question.choices) - 1]
                self._view.show(action)
                self._asked_to = self._shell.shown()
            case actions.Say(source=source):
                self._view.show(action)
                self._note_what_is_asked(source)
            case Feedback(kind=kind, text=text):
                self._view.comment(kind, text)
            case actions.Heading():
                self._view.show(action)

    def _note_what_is_asked(self, source: str) -> None:
        """Note where the end of the task, or the question, is, if it was just shown."""
        if source.endswith(asked := self.tutor.asked):
            self._asked_to = self._shell.shown()
            self._asked_from = self._asked_to - self._view.rows_of(asked) - 1

    def told(self, event: actions.LessonEvent) -> None:  # noqa: ARG002 - whatever it is
        """Show the dialogue again after what was folded; drop what waited for TLS if that failed."""
        if self.held and self._shell.session.stls_refused:
            # They were typed to be protected by TLS.
            self._view.comment(FeedbackKind.NEWS, not_sent_in_the_clear(len(self.held)))
            self.held.clear()
        if self._pending is None:
            self._shell.view.hidden = False

    # What happens.

    def failed(self, error: NetError) -> None:
        """Tell the tutor that there is no connection, and show the certificate that is the reason."""
        if isinstance(error, TlsFailed):
            for line in error.certificate:
                self._shell.view.remark(line)
        super().failed(error)

    def ended(self, ending: Ending) -> None:
        """Tell the tutor that the connection is gone, and open the next one if the learner asked."""
        self._to_be_confirmed = None
        super().ended(ending)
        if self._reopening:
            self._reopening = False
            self.carry_out(self.tutor.open())

    def silence(self, seconds: float) -> None:
        """Let the tutor explain the silence; what is typed waits no longer."""
        self._patient = False
        super().silence(seconds)
        self.settled()

    # The learner's own mail.

    def may_send(self, line: bytes) -> bool:
        """Let a line pass, but ask before a QUIT that removes messages from a live server."""
        verb = parse_command(line).verb
        count = len(self._shell.session.core.marked)
        farewell = verb is not None and verb.effect is Effect.FAREWELL
        if not (self._lesson_server.live and count and farewell):
            return True
        self._to_be_confirmed = line
        what = "1 message" if count == 1 else f"{count} messages"
        question = f"This `QUIT` removes {what} from your server for good."
        self._view.comment(FeedbackKind.NEWS, f"{question} `yes` sends it; anything else doesn't.")
        return False

    def _confirmed(self, text: str) -> None:
        line, self._to_be_confirmed = self._to_be_confirmed, None
        assert line is not None
        if is_yes(text):
            self.transmit(line)
            return
        self._view.comment(FeedbackKind.NEWS, "Not sent. `RSET` takes the marks back.")
        self.drop()

    # The prompt.

    def prompt(self, usual: str, *, short: bool) -> str:
        """Return the step, and what is awaited."""
        if self._to_be_confirmed is not None:
            return "yes or no> "
        awaiting = self.tutor.awaiting
        if short and awaiting in _SHORT_PROMPTS:
            return _SHORT_PROMPTS[awaiting]
        if awaiting is Awaiting.OVER:
            return "(end of the lesson) Enter goes on> "
        where = f"{self.tutor.prompt} " if self.tutor.prompt else ""
        if awaiting is Awaiting.CHOICE:
            return f"{where}answer a-{self._last_letter}> "
        return where + _PROMPTS.get(awaiting, usual)

    def facts(self) -> Sequence[str]:
        """Return the id of the step, for reports, and the command that helps."""
        return (self.tutor.place, ":hint")


_PROMPTS = {
    Awaiting.PAUSE: "Enter goes on> ",
    Awaiting.OUTSIDE: "(in the other window)> ",
    Awaiting.CLOSED: "(closed) Enter opens> ",
}
_SHORT_PROMPTS = {
    Awaiting.OUTSIDE: "(elsewhere) Enter> ",
    Awaiting.CLOSED: "(closed) Enter> ",
    Awaiting.OVER: "Enter> ",
}


# What a lesson looks like in a shell.  Nothing is drawn that a screen reader could not say.


STYLE_OF_COMMENT = {
    FeedbackKind.DONE: "done",
    FeedbackKind.ASIDE: "aside",
    FeedbackKind.NOT_YET: "notyet",
    FeedbackKind.HINT: "advice",
    FeedbackKind.UNJUDGED: "aside",
    FeedbackKind.CLOSED: "notyet",
    FeedbackKind.NEWS: "news",
}


class LessonView:
    """Shows a lesson in a shell.

    Args:
        shell: where.
    """

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._shown_to_gap: int | None = None
        """How much the shell had shown when an empty row came last; None if none ever did."""

    def show(self, action: actions.Heading | actions.Say | actions.Ask) -> None:
        """Show what an action asks for."""
        match action:
            case actions.Heading(text=text):
                rows = wrap(harmless(text), self._columns)
                self.block([[("heading", row)] for row in rows])
            case actions.Say(source=source):
                self.prose(source)
            case actions.Ask(question=question):
                choices = zip(ascii_lowercase, question.choices, strict=False)
                items = ((f"{letter}) ", choice.text) for letter, choice in choices)
                rendered = (render_item(*item, columns=self._columns) for item in items)
                self.block([*chain.from_iterable(rendered)])

    def prose(self, source: str) -> None:
        """Show Markdown."""
        self.block(render_prose(source, columns=self._columns))

    def rows_of(self, source: str) -> int:
        """Return how many rows Markdown takes."""
        return len(render_prose(source, columns=self._columns))

    def comment(self, kind: FeedbackKind, text: str) -> None:
        """Show a comment, without a gap below the reply that it is about."""
        columns = self._shell.view.size()[1]
        word = (STYLE_OF_COMMENT[kind], kind.value)
        self._shell.say(render_comment(word, text, columns=columns))

    def literal(self, text: str) -> None:
        """Show text as it is, for copying."""
        self.block([[("text", harmless(line))] for line in text.split("\n")])

    @property
    def _columns(self) -> int:
        return min(self._shell.view.size()[1], MOST_COLUMNS)

    def block(self, lines: list[Fragments]) -> None:
        """Show lines between empty rows."""
        if not lines:
            return
        below_gap = self._shell.shown() == self._shown_to_gap
        self._shell.say([*lines, []] if below_gap else [[], *lines, []])
        self._shown_to_gap = self._shell.shown()
