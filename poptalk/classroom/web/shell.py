"""A pupil's prompt: a shell whose input line is in a browser, and the lesson in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from string import ascii_lowercase
from typing import TYPE_CHECKING

from poptalk.classroom.web.page import LessonPage
from poptalk.classroom.web.prose import inline, spans, tree
from poptalk.lesson.actions import Ask, Awaiting, FeedbackKind, Follow, Heading, LessonAction, Say
from poptalk.lesson.ui.controller import STYLE_OF_COMMENT, LessonController, LessonView
from poptalk.lesson.ui.menu import card
from poptalk.pop3.commands import Effect
from poptalk.pop3.events import Event, Sent
from poptalk.shell.async_shell import AsyncShell
from poptalk.shell.commands.general import LOCAL_COMMANDS
from poptalk.terminal.safe import harmless

if TYPE_CHECKING:
    from poptalk.lesson.document.model import Lesson
    from poptalk.lesson.progress import ProgressEvent
    from poptalk.lesson.runner import Tutor
    from poptalk.lesson.server import LessonServer
    from poptalk.terminal.safe import Fragments

COMMANDS = (
    *("help", "task", "hint", "skip", "back", "reset", "state", "map", "why"),
    *("raw", "more", "last", "reveal", "explain", "tls", "b64"),
    *("open", "close", "send", "quit"),
)
"""The local commands of a page: those of lessons.  None of them touches a file, or any server but that
of the class; `:open` takes no server in a lesson."""

ROWS = 40
"""A longer reply is folded, as on a screen; `:more` shows the rest."""

COLUMNS = 1_000
"""Cells of a row: the browser wraps lines to the width that it has."""

CONNECT_SECONDS = 10.0
"""How long connecting may take; the server is in this process."""

MOST_CHARACTERS_TYPED = 16_384
"""The longest line that is taken: far longer than any server takes (RFC 2449 §4)."""


class PageScreen:
    """The part of a page that shows the dialogue.

    Args:
        page: the whole page.
    """

    def __init__(self, page: LessonPage) -> None:
        self.shown = 0
        self._page = page

    def show(self, lines: Iterable[Fragments]) -> None:
        """Show lines."""
        nodes = [spans(line) for line in lines]
        if nodes:
            self.shown += len(nodes)
            self._page.add("lines", lines=nodes)


class PageShell(AsyncShell):
    """A shell in a page.

    Args:
        page: what the browser shows.
    """

    def __init__(self, page: LessonPage) -> None:
        self.page = page
        self._line = ""
        self._mask: int | None = None
        self._will_redraw = False
        super().__init__(
            screen=PageScreen(page),
            size=lambda: (ROWS, COLUMNS),
            timeout=CONNECT_SECONDS,
            commands={name: LOCAL_COMMANDS[name] for name in COMMANDS},
        )
        self.view.fold_advice = ":more shows the next"

    # What the browser says.

    def typed(self, text: str) -> None:
        """Take note of what is in the line now."""
        self._line = text
        self._tell_mask()

    def entered(self, text: str) -> None:
        """Take a line, and remember it for the arrow keys unless there is a secret in it."""
        self._line = ""
        self._mask = None
        if len(text) > MOST_CHARACTERS_TYPED:
            self.view.warn(f"not sent: {len(text):,} characters are too many for one line")
        else:
            if text.strip() and not self.must_be_forgotten(text):
                self.page.add("typed", text=text)
            self.enter(text)
        self.redraw()

    # The line: see `AsyncShell`.

    @property
    def line(self) -> str:
        """What is in the line, as the browser said last."""
        return self._line

    def put_in_line(self, text: str) -> None:
        """Replace what is in the line."""
        if text != self._line:
            self._line = text
            self.page.tell("line", text=text)

    def redraw(self) -> None:
        """Send the browser the prompt, at most once in each turn of the event loop."""
        if not self._will_redraw:
            self._will_redraw = True
            self._loop.call_soon(self._redraw)

    def _redraw(self) -> None:
        self._will_redraw = False
        controller = self.controller
        due = self.waits
        ready = not due if controller is None else controller.wants_a_line(due=due)
        choosing = isinstance(controller, PageController) and controller.is_choosing
        self.page.update(
            "prompt",
            text=self.prompt_within(COLUMNS).removesuffix("> "),
            ready=ready and not self.session.connecting,
            choosing=choosing,
            secret=self.secret_in_text("x") == 0,
        )
        self._tell_mask()

    def _tell_mask(self) -> None:
        """Say from which character on the line must not be shown."""
        mask = self.secret_in_text(self._line)
        if mask != self._mask:
            self._mask = mask
            self.page.tell("mask", start=mask, text=len(self._line))

    # The rest of a shell.

    def say(self, lines: Iterable[Fragments]) -> None:
        """Show lines; the prompt may change after them."""
        super().say(lines)
        self.redraw()

    def shown(self) -> int:
        """Return 0: questions have a place of their own here, and never scroll out of sight."""
        return 0

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something later."""

        def act() -> None:
            action()
            self.redraw()

        super().after(seconds, act)

    def leave(self) -> None:
        """Say how to leave, since a page can't close itself."""
        self.view.remark("close this page to leave; you can come back while the class lasts")


class PageView(LessonView):
    """Shows a lesson in a page: its prose on one side, comments beside the dialogue on the other.

    Args:
        shell: the shell of the page.
    """

    def __init__(self, shell: PageShell) -> None:
        super().__init__(shell)
        self.is_aside = False
        """Whether prose answers the pupil now, and is no part of the lesson's text."""
        self._page = shell.page
        self._last_prose = ""

    def show(self, action: Heading | Say | Ask) -> None:
        """Show a heading, prose or a question."""
        match action:
            case Heading(text=text, level=level):
                self._page.add("heading", text=harmless(text), level=level)
            case Say(source=source):
                self.prose(source)
            case Ask(question=question):
                choices = zip(ascii_lowercase, question.choices, strict=False)
                rows = [[letter, inline(choice.text)] for letter, choice in choices]
                self._page.add("choices", choices=rows)

    def prose(self, source: str) -> None:
        """Show Markdown; if it is the last that was shown, only point at it."""
        if self.is_aside:
            self._page.add("aside", nodes=tree(source))
        elif self._last_prose.endswith(source):
            self._page.tell("again")
        else:
            self._last_prose = source
            self._page.add("prose", nodes=tree(source))

    def rows_of(self, source: str) -> int:  # noqa: ARG002 - whatever it is
        """Return 0: the prose has a place of its own here."""
        return 0

    def comment(self, kind: FeedbackKind, text: str) -> None:
        """Show a comment below the reply that it is about."""
        style = STYLE_OF_COMMENT[kind]
        self._page.add("comment", style=style, word=kind.value, nodes=inline(text))

    def literal(self, text: str) -> None:
        """Show text to be copied, exactly as it is."""
        self.block([[("text", harmless(line))] for line in text.split("\n")])

    def block(self, lines: list[Fragments]) -> None:
        """Show lines."""
        self._shell.say(lines)


NOT_ON_A_PAGE = (
    "In this step another program talks to the server, and a page can't start one. `:skip` goes on."
)

ASIDES = ("why", "map", "state")
"""The lesson's commands whose answers belong beside the dialogue."""


class PageController(LessonController):
    """Runs the lesson in a page."""

    _view: PageView

    def hear(self, event: Event) -> None:
        """Take note of an event; the name may be written with other capitals, as at the server."""
        if isinstance(event, Sent) and not event.sasl:
            command = event.exchange.command
            name = b" ".join(command.arguments).decode("utf-8", "replace")
            own = self._lesson_server.known.user or ""
            is_name = command.verb is not None and command.verb.effect is Effect.NAME
            if is_name and name.casefold() == own.casefold():
                self.tutor.session.rename(name)
        super().hear(event)

    def answer(self, command: str) -> None:
        """Answer a local command of lessons."""
        self._view.is_aside = command in ASIDES
        try:
            super().answer(command)
        finally:
            self._view.is_aside = False

    @property
    def is_choosing(self) -> bool:
        """Whether an answer to a question is awaited."""
        return self.tutor.awaiting is Awaiting.CHOICE

    def show(self, action: LessonAction) -> None:
        """Show what the tutor says."""
        if isinstance(action, Follow):
            self._view.comment(FeedbackKind.NEWS, NOT_ON_A_PAGE)
        else:
            super().show(action)


class PageHost:
    """What a lesson controller needs around its lesson; a class has only one lesson.

    Args:
        shell: shows the lesson.
        tutor: its tutor, not begun yet.
        lesson: the lesson.
        lesson_server: where its connections go, and who the pupil is there.
    """

    def __init__(
        self, shell: PageShell, tutor: Tutor, lesson: Lesson, lesson_server: LessonServer
    ) -> None:
        self.shell = shell
        self.view = PageView(shell)
        self._lesson = lesson
        self.controller = PageController(self, tutor, lesson_server)
        self.shell.controller = self.controller

    def begin(self) -> None:
        """Begin the lesson."""
        self.controller.begin()
        self.shell.redraw()

    def keep(self, event: ProgressEvent, /) -> None:
        """Keep nothing: the class sees at its server what is done."""

    async def end(self) -> None:
        """Leave the lesson, and hang up."""
        self.controller.end()
        self.shell.stop_connecting()
        await self.shell.disconnect()
        self.shell.session.close()

    def after_lesson(self) -> None:
        """Show what the pupil can do now."""
        self.view.prose(card(self._lesson))
        self.show_menu()

    def next_lesson(self) -> None:
        """Say that the lesson is over: there is no other."""
        self.show_menu()

    def show_menu(self) -> None:
        """Say that the lesson is over."""
        self.view.comment(
            FeedbackKind.NEWS, "The lesson is over. Well done! You can close this page."
        )
