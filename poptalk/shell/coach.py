"""The coach: sits beside the learner in a lesson, between the keyboard and the tutor.

What is typed is the tutor's where it awaits an answer or an empty line, and everything else is sent.
While poptalk is at work, or a reply is due, lines wait their turn, so that pasted ones are sent one
by one, each when the one before it is answered, unless patience has run out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from poptalk.lesson.cues import CommentKind, Cue
from poptalk.lesson.tutor import SILENCES, Awaiting, Tutor
from poptalk.protocol.commands import parse_command
from poptalk.protocol.verbs import Effect
from poptalk.shell.base import LOCAL_PREFIX, Shell, wire_line
from poptalk.shell.companion import Companion, Wish
from poptalk.shell.cue_queue import CueQueue, Office
from poptalk.terminal.safe import harmless

if TYPE_CHECKING:
    from poptalk.lesson.document import Lesson
    from poptalk.lesson.room import Room
    from poptalk.net.errors import Ending, NetError
    from poptalk.shell.lesson_view import LessonView


def is_yes(answer: str) -> bool:
    """Tell whether an answer to a question of yes or no is a yes; whatever is unclear is a no."""
    return answer.strip().lower() in ("yes", "y")


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
        room: Room,
        office: Office,
        view: LessonView,
    ) -> None:
        self._shell = shell
        self._lesson = lesson
        self._tutor = tutor
        self._room = room
        self._office = office
        self._view = view
        self._cues = CueQueue(
            shell,
            tutor=tutor,
            room=room,
            office=office,
            view=view,
            may_send=self._may_send,
            done=self._release,
        )
        self.held: deque[str] = deque()
        self._patient = True
        """Whether what is typed waits for the reply that is due."""
        self._reopening = False
        self._to_be_confirmed: bytes | None = None
        """A QUIT that would delete somebody's mail."""

    def begin(self) -> None:
        """Begin, or resume, the lesson."""
        dialogue = self._shell.dialogue
        dialogue.listeners.append(self._cues.hear)
        self._cues.carry_out(self._tutor.begin())

    def end(self) -> None:
        """Hang up, and be of no further influence."""
        self._cues.over = True
        self.held.clear()
        dialogue = self._shell.dialogue
        dialogue.unremarked = ()
        if self._cues.hear in dialogue.listeners:
            dialogue.listeners.remove(self._cues.hear)
        self._cues.hang_up_unseen()

    @property
    def finished(self) -> bool:
        """Whether the lesson has come to its end."""
        return self._tutor.awaiting is Awaiting.OVER

    @property
    def is_idle(self) -> bool:
        """Whether everything that was heard has been told, and nothing is under way."""
        return not self._cues.busy and self._cues.all_told

    def wants_a_line(self, *, due: bool) -> bool:
        """Tell whether a prompt is in place: not while poptalk works or waits for a server to close."""
        return self.is_idle and not (due and self._patient)

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
            self._cues.carry_out(cues)
        elif not self._shell.connected:
            self._echo(text)
            self._view.comment(*self._advice)
        else:
            self._patient = True
            return not self._may_send(wire_line(text))
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
            self._cues.carry_out(self._wishes[wish]())

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
        elif not self._cues.busy:
            self._cues.carry_out(self._tutor.open())

    def interrupted(self) -> None:
        """Wait no longer: neither with what is typed nor for what poptalk itself has sent."""
        self.held.clear()
        self._patient = False
        self._to_be_confirmed = None
        self._cues.give_up()

    def left(self) -> None:
        """Say what is kept."""
        where = self._tutor.prompt.replace("/", " of ")
        kept = f"Step {where} is kept" if where and not self.finished else "What you did is kept"
        words = f"{kept}; `poptalk` goes on from there."
        if self._shell.connected and self._shell.dialogue.session.marked:
            words = f"Nothing is deleted, as no `QUIT` was sent. {words}"
        self._view.comment(CommentKind.NEWS, words)
        self._cues.over = True
        self._shell.dialogue.hidden = True

    @property
    def _advice(self) -> tuple[CommentKind, str]:
        """Say what may be typed where nothing can be sent."""
        if self.finished:
            return CommentKind.NEWS, "The lesson is over, and Enter goes on."
        if self._tutor.awaiting is Awaiting.CHOICE:
            choices = self._cues.choices
            return CommentKind.NEWS, f"The question wants a number, 1 to {choices}."
        if self._tutor.awaiting is Awaiting.PAUSE:
            return CommentKind.CLOSED, "Not sent, as no connection stands. Enter goes on."
        return CommentKind.CLOSED, "Not sent, as no connection stands. Enter opens one."

    def _echo(self, text: str) -> None:
        """Show an answer that was typed, where the line of the prompt is gone."""
        if text and self._shell.dialogue.shows_sent:
            self._shell.say([[("client", "> "), ("text", harmless(text))]])

    # What waits.

    @property
    def _must_wait(self) -> bool:
        """Whether what is typed has to wait: poptalk is at work, or a reply is due."""
        due = self._shell.connected and not self._shell.dialogue.settled
        return self._cues.busy or (self._patient and due)

    def _release(self) -> None:
        """Let the lines that waited go, as far as they need not wait any more."""
        while self.held and not self._must_wait and not self._cues.over:
            waiting, self.held = self.held, deque()
            self._shell.enter(waiting.popleft())
            self.held.extend(waiting)

    # What happens.

    def listened(self) -> None:
        """Pass on what was heard."""
        self._cues.listened()

    def tls_begun(self) -> None:
        """Pass on that TLS has begun."""
        self._cues.tls_begun()

    def failed(self, error: NetError) -> None:
        """Pass on that there is no connection."""
        self._cues.failed(error)

    def ended(self, ending: Ending) -> None:
        """Pass on that the connection is gone, and open the next one if that was the learner's wish."""
        self._to_be_confirmed = None
        self._cues.ended(ending)
        if self._reopening:
            self._reopening = False
            self._cues.carry_out(self._tutor.open())

    def silence(self, seconds: float) -> None:
        """Let the tutor explain it; what is typed waits no longer."""
        self._patient = False
        self._cues.silence(seconds)
        self._release()

    # Somebody's mail.

    def _may_send(self, line: bytes) -> bool:
        """Let a line pass, but ask before the QUIT that removes messages from a live server."""
        verb = parse_command(line).verb
        count = len(self._shell.dialogue.session.marked)
        farewell = verb is not None and verb.effect is Effect.FAREWELL
        if not (self._room.live and count and farewell):
            return True
        self._to_be_confirmed = line
        what = "1 message" if count == 1 else f"{count} messages"
        self._view.comment(
            CommentKind.NEWS,
            f"This `QUIT` removes {what} from your server, and nobody can bring them back. "
            "`yes` sends it; anything else does not.",
        )
        return False

    def _confirmed(self, text: str) -> None:
        line, self._to_be_confirmed = self._to_be_confirmed, None
        assert line is not None
        if is_yes(text):
            self._cues.transmit(line)
            return
        self._view.comment(CommentKind.NEWS, "Not sent. `RSET` takes the marks back.")
        self._cues.drop()

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
            return f"{where}answer 1-{self._cues.choices}> "
        if awaiting is Awaiting.PAUSE:
            return f"{where}Enter goes on> "
        if awaiting is Awaiting.CLOSED:
            return "(closed) Enter> " if short else f"{where}(closed) Enter opens> "
        return f"{where}{usual}"

    def facts(self) -> Sequence[str]:
        """Return the id of the step, by which it can be reported, and the way to help."""
        step = self._tutor.step
        return (f"{self._lesson.name}#{step.slug}" if step else self._lesson.name, ":hint")
