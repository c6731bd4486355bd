"""Help while typing: completion on Tab, grey hints behind the cursor, masked secrets.

Everything comes from the table of verbs, from the local commands, and from what the server has told
(`facts`).  Nothing is ever put into the line unasked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.layout.processors import (
    Processor,
    Transformation,
    TransformationInput,
)

import poptalk.shell.local  # noqa: F401 - it enters the commands that are offered
from poptalk.pop3.sasl.table import METHODS
from poptalk.protocol.verbs import VERBS, Argument, ArgumentKind, Verb
from poptalk.shell.base import LOCAL_PREFIX, Shell, wire_line
from poptalk.shell.registry import commands_of
from poptalk.terminal.render import typed_line
from poptalk.terminal.safe import harmless

_TAKES_A_PATH = ("save", "log")
_TAKES_A_COMMAND = ("help",)
_TAKES_A_METHOD = "login"
"""Its second word is a way to log in."""


class LineCompleter(Completer):
    """Completes a line of POP3, or a local command."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._paths = PathCompleter(expanduser=True)

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """Give what may stand at the cursor."""
        text = document.text_before_cursor
        if self._shell.secret_in_text(text) is not None:
            return ()
        if text.startswith(LOCAL_PREFIX) and not text.startswith(LOCAL_PREFIX * 2):
            return self._local(text[1:], complete_event)
        return self._command(text) if self._shell.gives_completions else ()

    def _command(self, text: str) -> Iterator[Completion]:
        words = text.split(" ")
        if len(words) == 1:
            yield from self._keywords(words[0])
            return
        verb = VERBS.get(words[0].upper().encode("utf-8", "surrogateescape"))
        if verb is None or len(words) - 2 >= len(verb.arguments):
            return
        yield from self._arguments(verb.arguments[len(words) - 2], words[-1])

    def _keywords(self, typed: str) -> Iterator[Completion]:
        state = self._shell.talk.core.state
        rows = sorted(VERBS.values(), key=lambda verb: state not in verb.states)
        for verb in rows:
            if verb.keyword.startswith(typed.upper()) and (typed or not verb.relic):
                yield Completion(
                    verb.keyword, start_position=-len(typed), display_meta=_meta(verb, self._shell)
                )

    def _arguments(self, argument: Argument, typed: str) -> Iterator[Completion]:
        facts = self._shell.talk.exchanges.facts
        if argument.kind is ArgumentKind.MESSAGE:
            for number, octets in facts.sizes.items():
                if str(number).startswith(typed) and number not in self._shell.talk.core.marked:
                    meta = f"{octets:,} octets" if octets is not None else ""
                    yield Completion(str(number), start_position=-len(typed), display_meta=meta)
        elif argument.kind is ArgumentKind.MECHANISM:
            for mechanism in facts.mechanisms:
                if mechanism.startswith(typed.upper()):
                    yield Completion(
                        mechanism, start_position=-len(typed), display=harmless(mechanism)
                    )

    def _local(self, text: str, complete_event: CompleteEvent) -> Iterator[Completion]:
        name, blank, argument = text.partition(" ")
        if not blank:
            for command in commands_of(self._shell):
                if command.name.startswith(name):
                    yield Completion(
                        command.name, start_position=-len(name), display_meta=command.summary
                    )
        elif name in _TAKES_A_COMMAND:
            topics = [verb.keyword for verb in VERBS.values()]
            topics += [LOCAL_PREFIX + local.name for local in commands_of(self._shell)]
            for topic in topics:
                if topic.startswith((argument.upper(), argument)):
                    yield Completion(topic, start_position=-len(argument))
        elif name == _TAKES_A_METHOD and " " in argument:
            yield from _methods(argument.split(" ")[-1])
        elif name in _TAKES_A_PATH:
            yield from self._paths.get_completions(Document(argument), complete_event)


def _methods(typed: str) -> Iterator[Completion]:
    for method in METHODS.values():
        if method.name.startswith(typed.upper()):
            yield Completion(method.name, start_position=-len(typed), display_meta=method.summary)


def _meta(verb: Verb, shell: Shell) -> str:
    if shell.talk.core.state in verb.states:
        return verb.summary
    legal = " or ".join(sorted(state.value for state in verb.states))
    return f"{verb.summary} (in {legal})"


def hint(shell: Shell, text: str) -> str:
    """Return what may follow a half-typed line, to be shown in grey behind it."""
    command = shell.command_being_typed(text)
    if shell.talk.core.answering_auth and not text:
        return "the answer in base64, or * to give up"
    if command is None or not text:
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
    if shell.talk.core.state not in command.verb.states:
        legal = " or ".join(sorted(state.value for state in command.verb.states))
        needed = f"   (in {legal})"
    return f"{'' if ended or not names else ' '}{names}{needed}"


class TypedLine(Processor):
    """Colours the line that is typed, masks its secrets, and shows the hint behind it."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        """Change how the line looks; what it holds stays as it is."""
        text = transformation_input.document.text
        secret = self._shell.secret_in_text(text)
        if secret is not None and not self._shell.dialogue.reveal:
            text = text[:secret] + "*" * (len(text) - secret)
            fragments = _colours(text[:secret])
            fragments.append(("class:secret", text[secret:]))
        else:
            fragments = _colours(text)
        fragments.append(("class:hint", hint(self._shell, transformation_input.document.text)))
        return Transformation(fragments)


def _colours(text: str) -> StyleAndTextTuples:
    return [(f"class:{style}", part) for style, part in typed_line(text)]
