"""The school: all lessons in one shell.

It shows the menu, opens a lesson with its practice server and its coach, keeps what the
learner has done, and goes on from lesson to lesson, all in one and the same shell.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from poptalk import __version__
from poptalk.lesson.classroom import LessonServerError, PracticeLessonServer
from poptalk.lesson.cues import FeedbackKind
from poptalk.lesson.errors import LessonErrors
from poptalk.lesson.progress import LessonState, ProgressLog
from poptalk.lesson.reader import load_lesson
from poptalk.lesson.room import LessonServer
from poptalk.lesson.shelf import LessonNotFound, LibraryLesson, curriculum, find_lesson
from poptalk.lesson.tutor import Tutor
from poptalk.paths import state_directory
from poptalk.shell.coach import LessonController
from poptalk.shell.lesson_view import LessonView
from poptalk.shell.menu import Entry, Menu, as_sentence

if TYPE_CHECKING:
    from poptalk.lesson.document import Lesson
    from poptalk.lesson.progress import ProgressEvent
    from poptalk.shell.base import Shell

PROGRESS_FILE = "progress.jsonl"
"""In the state directory."""

VERSIONS = f"poptalk {__version__}, Python {platform.python_version()}, {platform.system()}"


class LessonHost:
    """All lessons, in one shell; a context manager that closes the practice server at its end.

    Args:
        first: the lesson to begin with; None shows the menu.
        lesson_server: where that lesson's connections go; None for its practice server.
    """

    versions = VERSIONS

    def __init__(
        self, *, first: Lesson | None = None, lesson_server: LessonServer | None = None
    ) -> None:
        self._first = first
        self._first_server = lesson_server
        self._log = ProgressLog(state_directory() / PROGRESS_FILE)
        self._log_fails = False
        self._lesson: Lesson | None = None
        """The one that is being learnt."""
        self._controller: LessonController | None = None
        self._open = ExitStack()
        self._shell: Shell
        self._view: LessonView

    def __enter__(self) -> LessonHost:
        return self

    def __exit__(self, *_failure: object) -> None:
        self._open.close()

    def begin(self, shell: Shell) -> None:
        """Sit down beside somebody at a shell."""
        self._shell = shell
        self._view = LessonView(shell)
        if self._first is None:
            self.show_menu()
        else:
            self._teach(self._first, self._first_server)

    # What a coach asks: see `coach.Coach`.

    def keep(self, event: ProgressEvent) -> None:
        """Append to the learner's progress; a disk that is full costs a warning, not the lesson."""
        try:
            self._log.append(event)
        except OSError as error:
            if not self._log_fails:
                self._log_fails = True
                self._shell.dialogue.warn(
                    f"what you do cannot be kept ({error.strerror}: {self._log.path}); the lesson "
                    "goes on without"
                )

    def after_lesson(self) -> str:
        """Say what comes next."""
        following = self._following()
        if following is None:
            return "The lesson is over. Enter shows all lessons, Ctrl-D leaves."
        title = as_sentence(_title(following))
        return (
            f"Next comes lesson {following.number}, {title} Enter begins it, `:menu` shows all "
            "lessons, Ctrl-D leaves."
        )

    def next_lesson(self) -> None:
        """Begin the lesson behind this one, or show the menu after the last."""
        following = self._following()
        if following is None:
            self.show_menu()
        else:
            self.choose(following.id)

    def show_menu(self) -> None:
        """Leave the lesson, if there is one, and ask for another."""
        self._dismiss()
        entries = self._entries()
        if not entries:
            self._shell.dialogue.warn("there are no lessons here; install poptalk again")
            self._shell.leave()
            return
        menu = Menu(
            self._shell,
            entries=entries,
            suggested=self._suggested(entries),
            choose=self.choose,
            view=self._view,
        )
        self._shell.companion = menu
        menu.begin()

    # Choosing.

    def choose(self, word: str) -> None:
        """Open a lesson by its number, its name or its path; what is wrong is said."""
        try:
            lesson = load_lesson(find_lesson(word))
        except LessonNotFound as error:
            # The list of all lessons stands above; a near miss is worth naming.
            sentence = str(error)
            named = sentence if sentence.endswith("?") else f"{sentence.partition(';')[0]}."
            self._view.comment(FeedbackKind.NEWS, f"{named} Type a number; `:map` shows the list.")
        except LessonErrors as errors:
            for fault in errors.faults:
                self._shell.dialogue.warn(str(fault))
        else:
            self._teach(lesson, None)

    def _teach(self, lesson: Lesson, lesson_server: LessonServer | None) -> None:
        self._dismiss()
        try:
            lesson_server = lesson_server or self._open.enter_context(PracticeLessonServer(lesson))
        except LessonServerError as error:
            self._shell.dialogue.warn(str(error))
            self.show_menu()
            return
        self._lesson = lesson
        progress = self._log.read().of(lesson)
        tutor = Tutor(
            lesson,
            passed=progress.passed,
            position=progress.position if progress.state is LessonState.BEGUN else None,
            live=lesson_server.live,
            known=lesson_server.known,
            later_letters=lesson_server.later_letters,
        )
        self._controller = LessonController(
            self._shell,
            lesson=lesson,
            tutor=tutor,
            lesson_server=lesson_server,
            host=self,
            view=self._view,
        )
        self._shell.companion = self._controller
        self._controller.begin()

    def _dismiss(self) -> None:
        """End the present lesson, and close its practice server."""
        if self._controller is not None:
            self._controller.end()
            self._controller = None
        self._open.close()
        self._lesson = None

    # The list.

    def _following(self) -> LibraryLesson | None:
        lessons = curriculum()
        ids = [lesson.id for lesson in lessons]
        if self._lesson is None or self._lesson.name not in ids:
            return None
        rest = lessons[ids.index(self._lesson.name) + 1 :]
        return rest[0] if rest else None

    def _entries(self) -> list[Entry]:
        """Return those lessons that can be read: one that is being written is no reason to stop."""
        entries = []
        progress = self._log.read()
        for listed in curriculum():
            try:
                lesson = load_lesson(listed.path)
            except LessonErrors:
                continue
            done = progress.of(lesson)
            entry = Entry(
                number=listed.number,
                id=listed.id,
                title=lesson.title,
                minutes=lesson.minutes,
                done=done.state is LessonState.DONE,
                begun=done.state is LessonState.BEGUN,
                passed=len(done.passed),
                steps=len(lesson.steps),
            )
            entries.append(entry)
        return entries

    def _suggested(self, entries: Sequence[Entry]) -> Entry:
        """Return the lesson where the learner stopped, or else the first that is not done."""
        last = self._log.read().last_lesson
        for entry in entries:
            if entry.id == last and entry.begun:
                return entry
        return next((entry for entry in entries if not entry.done), entries[0])


def _title(listed: LibraryLesson) -> str:
    try:
        return load_lesson(listed.path).title
    except LessonErrors:
        return listed.name
