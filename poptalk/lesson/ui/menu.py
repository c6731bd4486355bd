"""The menu: all lessons, how much of each is done, and which one comes next.

It is a prompt of the shell; a line that is typed there names a lesson, as on the command line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from poptalk.config import state_directory
from poptalk.lesson import progress as progress_log
from poptalk.lesson import server
from poptalk.lesson.actions import FeedbackKind
from poptalk.lesson.document.model import BlockKind, Lesson, LessonErrors
from poptalk.lesson.document.parser import load_lesson
from poptalk.lesson.library import LessonNotFound, LibraryLesson, curriculum, find_lesson
from poptalk.lesson.progress import LessonState, ProgressEvent
from poptalk.lesson.runner import Tutor
from poptalk.lesson.session import Cursor, changes
from poptalk.lesson.ui.controller import LessonController, LessonView
from poptalk.pop3.commands import Verb
from poptalk.shell.shell import Controller, Shell
from poptalk.terminal.safe import Fragments, cells, harmless, wrap
from poptalk.transcript.model import Send

GREETING = (
    "Welcome to poptalk. Here you learn POP3, the language that mail programs use to fetch mail: "
    "you type, a server answers."
)
"""What a newcomer reads first; with all lessons below it, it has to fit on 24 rows."""

LEAVING = ("exit", "quit", "q", "bye", "leave", "logout")
"""What people type to leave other programs."""

HOW_TO_LEAVE = "Ctrl-D leaves poptalk, and so does `:quit`. What you have done is kept."

_WIDE_COLUMNS = 60
"""Width in cells from which on the minutes and the marks have columns of their own."""

_TITLE_CELLS = 36


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A lesson in the menu."""

    listed: LibraryLesson
    lesson: Lesson
    progress: progress_log.LessonProgress

    @property
    def begun(self) -> bool:
        """Whether some of it is done, but not all."""
        return self.progress.state is LessonState.BEGUN

    @property
    def mark(self) -> str:
        """How much of it is done, in words; empty if nothing is."""
        if self.progress.state is LessonState.DONE:
            return "[done]"
        passed = f"{len(self.progress.passed)}/{len(self.lesson.steps)}"
        return f"[begun {passed}]" if self.begun else ""


class Menu(Controller):
    """Asks which lesson is next.

    Args:
        host: opens what was chosen, and has the shell.
        entries: the lessons, in their order; at least one.
        suggested: the one that Enter takes.
    """

    gives_completions = False

    def __init__(self, host: LessonHost, entries: Sequence[Entry], suggested: Entry) -> None:
        self._host = host
        self._entries = entries
        self._suggested = suggested
        self._view = host.view

    def begin(self) -> None:
        """Show the list."""
        columns = self._host.shell.view.size()[1]
        if not any(entry.mark for entry in self._entries):
            self._view.prose(GREETING)
        self._view.block([line for entry in self._entries for line in _row(entry, columns=columns)])
        entry = self._suggested
        verb = "goes on with" if entry.begun else "begins"
        self._view.prose(
            f"Enter {verb} lesson {entry.listed.number}, {as_sentence(entry.lesson.title)} A number: "
            "another. Ctrl-D leaves."
        )

    def take(self, text: str) -> bool:
        """Take the name of a lesson; nothing is sent from here."""
        if text.strip().lower() in LEAVING:
            self.interrupted()
        else:
            self._host.choose(text.strip() or self._suggested.listed.id)
        return True

    def is_answer(self, text: str) -> bool:
        """Tell whether a line is the number of a lesson."""
        return any(text.strip() == str(entry.listed.number) for entry in self._entries)

    def interrupted(self) -> None:
        """Say how to leave: Ctrl-C alone doesn't, so that nobody leaves by accident."""
        self._view.comment(FeedbackKind.NEWS, HOW_TO_LEAVE)

    def answer(self, command: str) -> None:
        """Show the list again, or say that there is no lesson yet."""
        if command in ("map", "menu"):
            self.begin()
        else:
            self._view.comment(
                FeedbackKind.NEWS,
                f"`:{command}` is for inside a lesson; choose one first, Enter takes "
                f"{self._suggested.listed.number}.",
            )

    def reopen(self) -> None:
        """Say that a lesson comes first."""
        self._view.comment(FeedbackKind.NEWS, "Choose a lesson; it opens its own connection.")

    def prompt(self, usual: str, *, short: bool) -> str:  # noqa: ARG002 - there is no session
        """Ask for a number."""
        numbers = [entry.listed.number for entry in self._entries]
        return f"lesson {min(numbers)}-{max(numbers)}> "

    def facts(self) -> Sequence[str]:
        """Return what can be done here."""
        return ("Enter: the next lesson", "Ctrl-D: leave")


def as_sentence(title: str) -> str:
    """End a title with a full stop, unless it ends with another mark."""
    return title if title.endswith(("?", "!", ".")) else f"{title}."


def _row(entry: Entry, *, columns: int) -> list[Fragments]:
    """Show a lesson: in columns, or on a narrow screen one below the other."""
    number = f"{entry.listed.number:>2}  "
    title = harmless(entry.lesson.title)
    style = "heading" if entry.begun else "text"
    minutes = f"{entry.lesson.minutes} min"
    if columns >= _WIDE_COLUMNS and cells(title) <= _TITLE_CELLS:
        gap = " " * (_TITLE_CELLS - cells(title) + 2)
        row: Fragments = [("number", number), (style, title), ("text", f"{gap}{minutes:>6}")]
        return [[*row, ("done", f"  {entry.mark}")] if entry.mark else row]
    first, *others = wrap(f"{title} ({minutes})", max(1, columns - len(number)))
    lines: list[Fragments] = [[("number", number), (style, first)]]
    lines += ([("text", " " * len(number)), (style, row)] for row in others)
    if entry.mark:
        lines.append([("text", " " * len(number)), ("done", entry.mark)])
    return lines


# The card at the end of a lesson.


def card(lesson: Lesson, *, before: Iterable[Lesson] = (), later: Iterable[Lesson] = ()) -> str:
    """Say, in Markdown, which commands are new in a lesson, and which are still to come.

    Args:
        lesson: the lesson.
        before: the lessons of the curriculum before it.
        later: those after it.
    """
    known = {verb.keyword for each in before for verb in _commands(each)}
    here = {verb.keyword: verb for verb in _commands(lesson)}
    new = [verb for word, verb in here.items() if word not in known]
    coming = dict.fromkeys(verb.keyword for each in later for verb in _commands(each))
    left = [f"`{word}`" for word in coming if word not in known | here.keys()]
    parts = []
    if new:
        lines = [f"- `{verb.syntax}`: {verb.summary}" for verb in new]
        parts.append("**What you can do now:**\n\n" + "\n".join(lines))
    elif here:
        practised = ", ".join(f"`{word}`" for word in here)
        parts.append(f"You have practised {practised}.")
    if left:
        parts.append(f"Still to come: {', '.join(left)}.")
    return "\n\n".join(parts)


def _commands(lesson: Lesson) -> Iterator[Verb]:
    """Give the commands that a learner has sent with success, in the order of the lesson."""
    for turn in (turn for block in lesson.blocks(BlockKind.TASK) for turn in block.turns):
        if isinstance(turn.act, Send) and not (turn.act.answers_challenge or turn.is_refusal):
            verb = turn.act.command.verb
            if verb is not None:
                yield verb


# The host of all lessons: it shows the menu, opens a lesson, and keeps what the learner has done.


PROGRESS_FILE = "progress.jsonl"
"""In the state directory."""


def _where_to_go_on(
    lesson: Lesson, progress: progress_log.LessonProgress, lesson_server: server.LessonServer
) -> str | None:
    """Return the slug of the step to go on with; None for the beginning."""
    if progress.state is not LessonState.BEGUN or lesson_server.live:
        # What was done on another server doesn't count here.
        return None
    slugs = [step.slug for step in lesson.steps]
    if isinstance(lesson_server, server.ClassLessonServer) and progress.position in slugs:
        cursor = Cursor(step=slugs.index(progress.position))
        done = changes(lesson, cursor, later_letters=lesson_server.later_letters)
        if lesson_server.seen.as_at_first is bool(done):
            # It was done on another server, or under another name.
            return None
    return progress.position


def _class_news(class_server: server.ClassLessonServer, tutor: Tutor) -> str:
    """Say what was recognised, and what follows from it."""
    name = class_server.destination(fresh=False, number=1).name
    text = (
        f"{name} has the messages of this lesson, in a mailbox for `{class_server.known.user}`: you "
        "do it there, and what you delete stays deleted."
    )
    if tutor.step is None and not class_server.seen.as_at_first:
        text += (
            " It isn't as it was at the beginning: messages were deleted, or have arrived. Where any "
            "name will do, `:quit` and a new name give you a fresh one."
        )
    return text


class LessonHost:
    """All lessons, in one shell; a context manager that closes the practice server at its end.

    Args:
        first: the lesson to begin with; None shows the menu.
        lesson_server: where that lesson's connections go; None for its practice server.
        again: whether that lesson is started over.
    """

    def __init__(
        self,
        *,
        first: Lesson | None = None,
        lesson_server: server.LessonServer | None = None,
        again: bool = False,
    ) -> None:
        self._first = first
        self._first_server = lesson_server
        self._again = again
        self._log = progress_log.ProgressLog(state_directory() / PROGRESS_FILE)
        self._log_fails = False
        self._lesson: Lesson | None = None
        """The one that is open."""
        self._controller: LessonController | None = None
        self._open = ExitStack()
        self.shell: Shell
        self.view: LessonView

    def __enter__(self) -> LessonHost:
        return self

    def __exit__(self, *_failure: object) -> None:
        self._open.close()

    def begin(self, shell: Shell) -> None:
        """Begin in a shell: with the first lesson, or with the menu."""
        self.shell = shell
        self.view = LessonView(shell)
        if self._first is None:
            self.show_menu()
            return
        if self._again:
            self.keep(ProgressEvent(lesson=self._first.name, kind=progress_log.EventKind.AGAIN))
        self._teach(self._first, self._first_server)

    # What a lesson controller asks.

    def keep(self, event: ProgressEvent) -> None:
        """Append to the learner's progress; a full disk costs a warning, not the lesson."""
        try:
            self._log.append(event)
        except OSError as error:
            if not self._log_fails:
                self._log_fails = True
                self.shell.view.warn(
                    f"what you do cannot be kept ({error.strerror}: {self._log.path}); the lesson "
                    "goes on without"
                )

    def after_lesson(self) -> None:
        """Show what one can do now, and say what comes next."""
        assert self._lesson is not None
        before, later = self._around()
        self.view.prose(
            card(
                self._lesson,
                before=[entry.lesson for entry in before],
                later=[entry.lesson for entry in later],
            )
        )
        text = "The lesson is over. Enter shows all lessons, Ctrl-D leaves."
        if later:
            number, title = later[0].listed.number, as_sentence(later[0].lesson.title)
            text = (
                f"Next comes lesson {number}, {title} Enter begins it, `:menu` shows all lessons, "
                "Ctrl-D leaves."
            )
        self.view.comment(FeedbackKind.NEWS, text)

    def next_lesson(self) -> None:
        """Begin the lesson after this one, or show the menu after the last."""
        _, later = self._around()
        if later:
            self.choose(later[0].listed.id)
        else:
            self.show_menu()

    def show_menu(self) -> None:
        """Leave the lesson, if there is one, and ask for another."""
        self._dismiss()
        entries = self._entries()
        if not entries:
            self.shell.view.warn("there are no lessons here; install poptalk again")
            self.shell.leave()
            return
        last = self._log.read().last_lesson
        at = next((at for at, entry in enumerate(entries) if entry.listed.id == last), 0)
        # What was begun goes on; then comes what follows it, and what was left out before it.
        in_order = [*entries[at:], *entries[:at]]
        not_done = (each for each in in_order if each.progress.state is not LessonState.DONE)
        menu = Menu(self, entries, next(not_done, entries[0]))
        self.shell.controller = menu
        menu.begin()

    # Choosing.

    def choose(self, word: str) -> None:
        """Open a lesson by its number, its name or its path, or say what is wrong."""
        try:
            lesson = load_lesson(find_lesson(word))
        except LessonNotFound as error:
            # The list of all lessons is above; a near miss is worth naming.
            sentence = str(error)
            if self.shell.secret_in_text(word) is not None:
                sentence = f'There is no lesson "{self.shell.masked(word)}";'
            named = sentence if sentence.endswith("?") else f"{sentence.partition(';')[0]}."
            self.view.comment(FeedbackKind.NEWS, f"{named} Type a number; `:map` shows the list.")
        except LessonErrors as errors:
            for fault in errors.faults:
                self.shell.view.warn(str(fault))
        else:
            self._teach(lesson, None)

    def _teach(self, lesson: Lesson, lesson_server: server.LessonServer | None) -> None:
        self._dismiss()
        try:
            if lesson_server is None:
                lesson_server = self._open.enter_context(server.PracticeLessonServer(lesson))
        except server.LessonServerError as error:
            self.shell.view.warn(str(error))
            self.show_menu()
            return
        self._lesson = lesson
        progress = self._log.read().of(lesson)
        tutor = Tutor(
            lesson,
            passed=progress.passed,
            position=_where_to_go_on(lesson, progress, lesson_server),
            live=lesson_server.live,
            lasting=lesson_server.lasting,
            known=lesson_server.known,
            later_letters=lesson_server.later_letters,
        )
        if isinstance(lesson_server, server.ClassLessonServer):
            self.view.comment(FeedbackKind.NEWS, _class_news(lesson_server, tutor))
        self._controller = LessonController(self, tutor, lesson_server)
        self.shell.controller = self._controller
        self._controller.begin()

    def _dismiss(self) -> None:
        """End the present lesson, and close its practice server."""
        if self._controller is not None:
            self._controller.end()
            self._controller = None
        self._open.close()
        self._lesson = None

    # The list.

    def _around(self) -> tuple[list[Entry], list[Entry]]:
        """Return the lessons before the present one and those after it; none if it isn't listed."""
        entries = self._entries()
        for at, entry in enumerate(entries):
            if self._lesson is not None and entry.lesson.name == self._lesson.name:
                return entries[:at], entries[at + 1 :]
        return [], []

    def _entries(self) -> list[Entry]:
        """Return those lessons that can be read; one that is still being written is left out."""
        entries = []
        progress = self._log.read()
        for listed in curriculum():
            try:
                lesson = load_lesson(listed.path)
            except LessonErrors:
                continue
            entries.append(Entry(listed=listed, lesson=lesson, progress=progress.of(lesson)))
        return entries
