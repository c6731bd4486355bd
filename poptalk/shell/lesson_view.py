"""What a lesson looks like in a shell: headings, prose, questions, comments.

A comment begins with a word that says what it is, `done:` or `not yet:`, whatever the colours; prose
stands between empty rows; nothing is drawn that a screen reader could not say.
"""

from __future__ import annotations

from poptalk.lesson.cues import Ask, Feedback, FeedbackKind, Heading, Say
from poptalk.lesson.document import QuizQuestion
from poptalk.shell.base import Shell
from poptalk.terminal.prose import MOST_COLUMNS, render_comment, render_item, render_prose
from poptalk.terminal.safe import Fragments, harmless
from poptalk.terminal.width import wrap

_STYLE_OF_COMMENT = {
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
        """What the shell had shown when an empty row was the last thing; None if none ever was."""

    def show(self, action: Heading | Say | Feedback | Ask) -> None:
        """Show what a cue asks for."""
        match action:
            case Heading(text=text):
                rows = wrap(harmless(text), self._columns)
                self.block([[("heading", row)] for row in rows])
            case Say(source=source):
                self.prose(source)
            case Feedback(kind=kind, text=text):
                self.comment(kind, text)
            case Ask(question=question):
                self.block(self._choices(question))

    def prose(self, source: str) -> None:
        """Show Markdown."""
        self.block(render_prose(source, columns=self._columns))

    def _choices(self, question: QuizQuestion) -> list[Fragments]:
        return [
            line
            for number, choice in enumerate(question.choices, 1)
            for line in render_item(f"{number}. ", choice.text, columns=self._columns)
        ]

    def comment(self, kind: FeedbackKind, text: str) -> None:
        """Show a comment; below the answer of the server that it is about, without a gap."""
        columns = self._shell.dialogue.size()[1]
        word = (_STYLE_OF_COMMENT[kind], kind.value)
        self._shell.say(render_comment(word, text, columns=columns))

    def literal(self, text: str) -> None:
        """Show text that is to be copied, as it is."""
        self.block([[("text", harmless(line))] for line in text.split("\n")])

    @property
    def _columns(self) -> int:
        return min(self._shell.dialogue.size()[1], MOST_COLUMNS)

    def block(self, lines: list[Fragments]) -> None:
        """Show lines between empty rows."""
        if not lines:
            return
        below_gap = self._shell.shown() == self._shown_to_gap
        self._shell.say([*lines, []] if below_gap else [[], *lines, []])
        self._shown_to_gap = self._shell.shown()
