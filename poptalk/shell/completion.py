"""Help while typing: completion on Tab, grey hints after the cursor, masked secrets.

Everything comes from the table of commands, from the local commands, and from what the server has said
(`exchanges.Facts`).  Nothing is put into the line without being asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator

from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import History
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput

from poptalk.pop3.commands import VERBS, ArgumentKind, Verb
from poptalk.pop3.sasl.table import METHODS
from poptalk.shell.commands.registry import LOCAL_PREFIX, commands_of
from poptalk.shell.shell import Shell, wire_line
from poptalk.terminal.render import typed_line
from poptalk.terminal.safe import harmless

_Candidate = tuple[str, str]
"""A word, and its description."""

_TAKES_A_PATH = ("save", "log")
_TAKES_A_COMMAND = "help"
_TAKES_A_METHOD = "login"
"""Its second word is a way to log in."""


class LineCompleter(Completer):
    """Completes a line of POP3, or a local command."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._paths = PathCompleter(expanduser=True)

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterator[Completion]:
        """Yield what may come at the cursor."""
        text = document.text_before_cursor
        if self._shell.secret_in_text(text) is not None:
            return
        is_local = text.startswith(LOCAL_PREFIX) and not text.startswith(LOCAL_PREFIX * 2)
        name, _, argument = text[1:].partition(" ")
        if is_local and " " in text and name in _TAKES_A_PATH:
            yield from self._paths.get_completions(Document(argument), complete_event)
            return
        typed = text.rpartition(" ")[2]
        if is_local:
            typed = argument if name == _TAKES_A_COMMAND else typed.removeprefix(LOCAL_PREFIX)
            candidates = self._local(text[1:])
        elif self._shell.gives_completions:
            candidates = self._command(text.split(" "))
        else:
            return
        for word, meta in candidates:
            if word.startswith((typed, typed.upper())):
                yield Completion(
                    word, start_position=-len(typed), display=harmless(word), display_meta=meta
                )

    def _command(self, words: list[str]) -> Iterator[_Candidate]:
        """Yield the keywords, or what the last word may be."""
        if len(words) == 1:
            state = self._shell.session.core.state
            for verb in sorted(VERBS.values(), key=lambda verb: state not in verb.states):
                if words[0] or not verb.relic:
                    yield verb.keyword, _meta(verb, self._shell)
            return
        verb_ = VERBS.get(words[0].upper().encode("utf-8", "surrogateescape"))
        if verb_ is not None and len(words) - 2 < len(verb_.arguments):
            yield from self._argument(verb_.arguments[len(words) - 2].kind)

    def _argument(self, kind: ArgumentKind) -> Iterator[_Candidate]:
        facts, marked = self._shell.session.exchanges.facts, self._shell.session.core.marked
        if kind is ArgumentKind.MESSAGE:
            for number, octets in facts.sizes.items():
                if number not in marked:
                    yield str(number), f"{octets:,} octets" if octets is not None else ""
        elif kind is ArgumentKind.MECHANISM:
            yield from ((mechanism, "") for mechanism in facts.mechanisms)

    def _local(self, text: str) -> Iterator[_Candidate]:
        name, blank, argument = text.partition(" ")
        commands = commands_of(self._shell)
        if not blank:
            yield from ((command.name, command.summary) for command in commands)
        elif name == _TAKES_A_COMMAND:
            yield from ((verb.keyword, "") for verb in VERBS.values())
            yield from ((LOCAL_PREFIX + command.name, "") for command in commands)
        elif name == _TAKES_A_METHOD and " " in argument:
            yield from ((method.name, method.summary) for method in METHODS.values())


def _meta(verb: Verb, shell: Shell) -> str:
    if shell.session.core.state in verb.states:
        return verb.summary
    return f"{verb.summary} (in {verb.legal})"


def hint(shell: Shell, text: str) -> str:
    """Return what may follow a half-typed line; it is shown in grey after it."""
    if not text:
        asked = shell.session.procedure is None and shell.session.core.challenge_open
        return "the answer in base64, or * to give up" if asked else ""
    command = shell.command_being_typed(text)
    if command is None:
        return ""
    line = wire_line(text)
    if command.verb is None or not shell.gives_completions:
        return ""
    if not shell.connected:
        return "   (not connected)"
    ended = line[-1:] == b" "
    given = len(line.split(b" ")) - (2 if ended else 1)
    missing = command.verb.arguments[given:]
    names = " ".join(f"[{a.name}]" if a.optional else a.name for a in missing)
    needed = ""
    if shell.session.core.state not in command.verb.states:
        needed = f"   (in {command.verb.legal})"
    return f"{'' if ended or not names else ' '}{names}{needed}"


class TypedLine(Processor):
    """Colours the line that is typed, masks its secrets, and shows the hint after it."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        """Change how the line looks, not its content."""
        text = transformation_input.document.text
        if not text:
            return Transformation([("class:hint", hint(self._shell, text))])
        secret = self._shell.secret_in_text(text)
        if secret is not None and not self._shell.view.reveal:
            text = text[:secret] + "*" * (len(text) - secret)
            fragments = _colours(text[:secret])
            fragments.append(("class:secret", text[secret:]))
        else:
            fragments = _colours(text)
        fragments.append(("class:hint", hint(self._shell, transformation_input.document.text)))
        return Transformation(fragments)


def _colours(text: str) -> StyleAndTextTuples:
    return [(f"class:{style}", part) for style, part in typed_line(text)]


# The history: what was typed, in a file that only its owner can read.  A line that holds a secret never
# enters it, neither on disk nor in memory.

MAX_LINES = 5000
"""How many of the newest lines are read from the file."""


class SecretlessHistory(History):
    """A history file, one typed line per line."""

    def __init__(self, path: str | None, *, holds_secret: Callable[[str], bool]) -> None:
        """Make a history.

        Args:
            path: the file; None keeps the history in memory.
            holds_secret: tells whether a line must not be remembered.
        """
        super().__init__()
        self._path = path
        self._holds_secret = holds_secret

    def load_history_strings(self) -> Iterable[str]:
        """Read the file, newest line first; an unreadable file counts as empty."""
        if self._path is None:
            return
        try:
            with open(self._path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
                lines = [line for line in file.read().split("\n") if line]
        except OSError:
            return
        yield from reversed(lines[-MAX_LINES:])

    def append_string(self, string: str) -> None:
        """Remember a line, unless it holds a secret."""
        if not self._holds_secret(string):
            super().append_string(string)

    def store_string(self, string: str) -> None:
        """Add a line to the file; a full or read-only disk is no reason to stop."""
        if self._path is None:
            return
        line = string.replace("\n", " ").encode("utf-8", "surrogateescape") + b"\n"
        try:
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                os.write(descriptor, line)
            finally:
                os.close(descriptor)
        except OSError:
            self._path = None
