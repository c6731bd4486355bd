"""Whether everything that a lesson sends has a value by then: captured before, or known anyway."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from poptalk.lesson.document import Block, BlockKind, Item
from poptalk.lesson.errors import near_miss
from poptalk.lesson.markup.source import LessonText
from poptalk.notation.dialogue import ClientLine, Dialogue, ServerLine
from poptalk.notation.known import REASONS
from poptalk.notation.pattern import Pattern, Placeholder


def check_placeholders(source: LessonText, items: Iterable[Item]) -> None:
    """Note every placeholder that is to be sent and has no value.

    Args:
        source: notes it.
        items: what the lesson has, in order, from all its steps.
    """
    named = set(REASONS)
    for item in items:
        if not isinstance(item, Block):
            continue
        # The second connection of a proof knows what was captured, and gives nothing back.
        scope = set(named) if item.kind is BlockKind.PROOF else named
        for line, placeholder in _without_value(item.dialogue, scope):
            source.wrong(
                "no-value", line - 1, source=placeholder.source, advice=_advice(placeholder, scope)
            )


def _without_value(dialogue: Dialogue, named: set[str]) -> Iterator[tuple[int, Placeholder]]:
    """Find what cannot be sent, and add the names that a dialogue captures."""
    for step in dialogue.steps:
        if isinstance(step, ServerLine):
            named |= _names(step.pattern)
        elif isinstance(step, ClientLine):
            # An `or` line is compared with what a learner sends, and never sent itself.
            for placeholder in step.pattern.placeholders:
                if placeholder.name not in named and placeholder.default is None:
                    yield step.line, placeholder
            named |= _names(step.pattern)


def _names(pattern: Pattern) -> set[str]:
    return {each.name for each in pattern.placeholders if each.name is not None}


def _advice(placeholder: Placeholder, named: set[str]) -> str:
    if placeholder.name is None:
        return "write what is to be sent, or give it a name and a value, as in '{name=value}'"
    giving = f"{placeholder.source.removesuffix('}').removesuffix('...')}=...}}"
    return (
        f"give one with '{giving}', capture it in an 'S:' line above, or name another: "
        + near_miss(placeholder.name, sorted(named), form="'{{{}}}'")
    )
