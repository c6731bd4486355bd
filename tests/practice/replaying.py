"""Replay a dialogue against a server and compare every octet that the dialogue knows."""

from __future__ import annotations

from pathlib import Path

from poptalk.pop3.commands import Command
from poptalk.transcript.match import Agreement, match_reply
from poptalk.transcript.model import Action, Direction, ExpectedReply, Send, exchanges
from poptalk.transcript.parser import parse_dialogue
from poptalk.transcript.placeholders import Known
from tests.practice.talking import Talk


def replay(path: Path, talk: Talk, known: Known) -> None:
    """Go through a dialogue, the greeting included; the first difference fails the test.

    Args:
        path: the dialogue.
        talk: a connection whose greeting is still to be read.
        known: what the placeholders stand for beforehand.
    """
    dialogue = parse_dialogue(path.read_text(), name=path.name)
    bindings = dict(known.bindings())
    for act in exchanges(dialogue):
        match act:
            case Send():
                talk.sock.sendall(act.step.pattern.fill(bindings).encode() + b"\r\n")
            case ExpectedReply():
                result = match_reply(act, read_reply(talk, act.answers), bindings, exact=True)
                assert isinstance(result, Agreement), f"{path.name}: {result}"
                bindings = result.bindings
            case Direction(action=Action.CLOSE):
                assert talk.rest() == b"", f"{path.name}: the server goes on"
            case _:
                raise AssertionError(f"{path.name}: {act} cannot be replayed here")


def read_reply(talk: Talk, command: Command | None) -> list[bytes]:
    """Read a whole reply, the lone dot included."""
    first = talk.line()
    if command is None or not command.multi_line or not first.startswith(b"+OK"):
        return [first]
    return [first, *talk.body(), b"."]
