"""A demo: hosts the lesson that is shown, with its title, its bottom line and its notes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from poptalk.lesson.actions import Awaiting, FeedbackKind
from poptalk.lesson.document.model import SpeakerNote
from poptalk.lesson.runner import Tutor
from poptalk.lesson.session import items_at
from poptalk.lesson.ui.controller import LessonView
from poptalk.play.controller import PlayController
from poptalk.play.keys import play_keys
from poptalk.play.notes import NotesPage
from poptalk.play.pace import Pace, SelfPlaying, Tempo
from poptalk.play.script import captioned, said_now
from poptalk.shell.commands.registry import run_local
from poptalk.shell.live import LiveShell, toolbar
from poptalk.terminal.safe import cut

if TYPE_CHECKING:
    from prompt_toolkit.formatted_text import StyleAndTextTuples

    from poptalk.lesson.document.model import Lesson
    from poptalk.lesson.progress import ProgressEvent
    from poptalk.lesson.server import LessonServer
    from poptalk.play.notes import NotesFile
    from poptalk.play.stage import Stage
    from poptalk.shell.shell import Shell


KEYS_HELP = (
    " `PageUp`: a step back. `Tab`: your own hands, and back.\n\n"
    "`F2` a mistake, `F3` the octets, `F4` the password, `F5` blank, `F1` these keys. `Ctrl-D` leaves."
)
"""What the keys do, whoever types; each function key has another for keyboards that hide them."""

_WHO_TYPES = {
    Pace.KEYS: "Any key types, Enter sends.",
    Pace.CLICKER: "PageDown types, then sends.",
    Pace.AUTO: "It plays by itself.",
}

THE_END = "That was all. `PageUp` goes back, `q` leaves."


class Demo:
    """Shows a lesson in a shell; see `LessonHost` for learners.

    Args:
        lesson: what is shown.
        lesson_server: where.
        stage: the screen.
        is_dialogue: whether the lesson was made of a dialogue.
        start: the slug of the step to begin with; None for the beginning.
        bare: whether the prose is left out.
        pace: who presses the keys.
        loop: whether it begins again at its end.
        notes: takes the speaker's notes.
        tempo: how fast it plays by itself.
    """

    def __init__(
        self,
        lesson: Lesson,
        lesson_server: LessonServer,
        stage: Stage,
        *,
        is_dialogue: bool = False,
        start: str | None = None,
        bare: bool = False,
        pace: Pace = Pace.KEYS,
        loop: bool = False,
        notes: NotesFile | None = None,
        tempo: Tempo | None = None,
    ) -> None:
        self.stage = stage
        self.pace = pace
        self.shell: LiveShell
        self.view: LessonView
        self.controller: PlayController
        self.message = ""
        """What the bottom line says until the next key: for the speaker, not for the audience."""
        self._lesson = lesson
        self._shown = captioned(lesson, bare=bare)
        self._is_dialogue = is_dialogue
        self._headings = not (is_dialogue or bare)
        self._server = lesson_server
        self._start = start
        self._loop = loop
        self._notes = notes
        self._tempo = tempo
        self._started = time.time()

    def begin(self, shell: Shell) -> None:
        """Show the title in a shell."""
        assert isinstance(shell, LiveShell), "a demo needs a screen that is redrawn"
        self.shell = shell
        self.view = LessonView(shell)
        shell.screen.is_narrow = True
        shell.while_stopped = self.stage.given_back
        shell.prompt_session.key_bindings = play_keys(self, shell.prompt_session.key_bindings)
        shell.prompt_session.bottom_toolbar = self._bottom_line
        self.open()
        if self.pace is Pace.AUTO:
            SelfPlaying(self, self._tempo or Tempo(), loop=self._loop).begin()

    def open(self) -> None:
        """Show the title, before anything is done."""
        tutor = Tutor(
            self._shown,
            position=self._start,
            live=self._server.live,
            known=self._server.known,
            later_letters=self._server.later_letters,
        )
        self.controller = PlayController(
            self,
            tutor,
            self._server,
            lesson=self._shown,
            headings=self._headings,
            goes_on=self._is_dialogue,
        )
        self.shell.controller = self.controller
        self.view.prose(f"# {self._lesson.title}\n\n{self._lesson.summary}")
        self.show_keys()
        self.changed()

    # What the controller asks.

    def started(self) -> None:
        """Begin on an empty screen, and start the clock."""
        self._started = time.time()
        self.clear_screen()

    def changed(self) -> None:
        """Write the notes that are due."""
        if self._notes is None:
            return
        try:
            self._notes.write(self._page())
        except OSError as error:
            self.message = f"the notes cannot be written: {error.strerror}"

    # What the controller of any lesson asks of its host.

    def keep(self, event: ProgressEvent) -> None:
        """Keep nothing: what is shown was not learnt."""

    def after_lesson(self) -> None:
        """Say that it is over."""
        self.view.comment(FeedbackKind.NEWS, THE_END)

    def next_lesson(self) -> None:
        """Do nothing: there is no next one."""

    def show_menu(self) -> None:
        """Say that there is none."""
        self.message = "a demo has no menu"

    # Keys: see `keys`.

    def show_keys(self) -> None:
        """Show what the keys do."""
        self.view.prose(_WHO_TYPES[self.pace] + KEYS_HELP)

    def show_octets(self) -> None:
        """Show the last line and its reply, octet for octet."""
        if self.controller.begun and self.shell.session.exchanges.last is not None:
            run_local(self.shell, "raw")
        else:
            self.message = "nothing was said yet"

    def show_password(self) -> None:
        """Show the password that is being typed or, after that, the one that was sent."""
        view = self.shell.view
        if self._server.live:
            self.message = "the password of a real account is not shown"
        elif self.shell.secret_in_text(self.controller.being_typed) is not None:
            view.reveal = not view.reveal
        elif self.shell.session.exchanges.secrets:
            run_local(self.shell, "reveal")
        else:
            self.message = "no password is being sent"

    def again(self) -> None:
        """Begin again, on an empty screen."""
        self.controller.end()
        self.clear_screen()
        self.open()

    def clear_screen(self) -> None:
        """Clear the screen."""
        self.shell.screen.flush()
        self.shell.prompt_session.app.renderer.clear()

    # The bottom line, and the notes.

    def _bottom_line(self) -> StyleAndTextTuples:
        if self.message:
            return [("class:toolbar", cut(self.message, self.shell.view.size()[1]))]
        return toolbar(self.shell)

    def _page(self) -> NotesPage:
        controller, tutor = self.controller, self.controller.tutor
        items = items_at(self._lesson, tutor.cursor.step)
        where, step = tutor.prompt.replace("/", " of "), tutor.step
        return NotesPage(
            started=self._started,
            place=f"step {where}: {step.title}" if step is not None else self._lesson.title,
            following=self._following(),
            notes=[item.text for item in items if isinstance(item, SpeakerNote)],
            text=said_now(self._lesson, tutor),
            hands="your own hands: Tab goes on with the script" if controller.own_hands else "",
        )

    def _following(self) -> str:
        line = self.controller.line
        if line is None:
            return "(the end)" if self.controller.finished else "(wait for the server)"
        if line:
            start = self.shell.secret_in_text(line)
            return line if start is None else line[:start] + "*" * (len(line) - start)
        if self.controller.tutor.awaiting is Awaiting.CLOSED:
            return "Enter connects"
        return "Enter goes on" if self.controller.begun else "Enter begins"
