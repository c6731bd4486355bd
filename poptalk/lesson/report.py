"""The text of `:report`: where the learner is, and the last exchanges, ready for an issue.

Secrets are masked as in a log (`notation.mask`), and so are a server's echoes of them.  A lesson's
fault is not named: it may be what the learner is to find out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from poptalk.lesson.happenings import Answered
from poptalk.notation.mask import mask_command, mask_sasl_line
from poptalk.notation.writer import DialogueWriter
from poptalk.protocol.commands import Command, parse_command
from poptalk.protocol.secrets import SpokenSecrets

EXCHANGES_REPORTED = 8
"""Exchanges that are remembered: enough to see what led to the trouble, short enough to be read."""

_LINES_REPORTED = 10
"""Lines of one reply that are written; the rest is said to be there.  It may be somebody's mail."""


def write_report(
    *, where: str, awaited: str, comment: str, versions: str, exchanges: Sequence[Answered]
) -> str:
    """Write a report in Markdown.

    Args:
        where: the id of the step, and which one of how many it is.
        awaited: what the lesson waits for.
        comment: what the tutor said last; empty where it said nothing.
        versions: of poptalk and of what it runs on, one line.
        exchanges: the last ones, in order.
    """
    written: list[str] = []
    _write_exchanges(DialogueWriter(written.append), exchanges)
    lines = [
        f"Lesson: {where}",
        f"Awaited: {awaited}",
        f"Said last: {comment or 'nothing'}",
        f"Versions: {versions}",
        "",
        "```pop3",
        "".join(written).rstrip("\n") or "# nothing was sent yet",
        "```",
        "",
        "What I did, and what I expected instead:",
        "",
    ]
    return "\n".join(lines)


def _write_exchanges(writer: DialogueWriter, exchanges: Iterable[Answered]) -> None:
    secrets = SpokenSecrets()
    auth = parse_command(b"")
    step = 0
    for answered in exchanges:
        if answered.sasl:
            step += 1
            mechanism = auth.arguments[0] if auth.arguments else b""
            parts = mask_sasl_line(answered.line, mechanism, step=step)
            secrets.remember(answered.line)
        else:
            auth = parse_command(answered.line)
            step = len(auth.arguments) > 1
            parts = mask_command(auth)
            _remember(secrets, auth)
        writer.client(*parts)
        _write_reply(writer, answered, secrets)


def _remember(secrets: SpokenSecrets, command: Command) -> None:
    if command.secret is not None:
        secrets.remember(command.line[command.secret.start : command.secret.stop])


def _write_reply(writer: DialogueWriter, answered: Answered, secrets: SpokenSecrets) -> None:
    for line in answered.lines[:_LINES_REPORTED]:
        writer.received(secrets.mask(line))
    if len(answered.lines) > _LINES_REPORTED:
        writer.any_lines()
        writer.received(secrets.mask(answered.lines[-1]))
    if not answered.complete:
        writer.comment("the reply broke off here")
