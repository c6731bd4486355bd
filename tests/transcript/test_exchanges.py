"""Which reply answers which command."""

import pytest

from poptalk.transcript.model import AnyLines, Direction, ExpectedReply, Send, ServerLine, exchanges
from poptalk.transcript.parser import parse_dialogue


def outline(text: str) -> list[str]:
    """Write each act on a line: `> sent`, `command: line | line`, `any`, `<direction>`."""
    lines = []
    for act in exchanges(parse_dialogue(text)):
        match act:
            case Send():
                lines.append((">> " if act.answers_challenge else "> ") + act.step.payload)
            case ExpectedReply():
                command = "-" if act.answers is None else act.answers.line.decode()
                replies = [s.payload if isinstance(s, ServerLine) else "..." for s in act.steps]
                lines.append(f"{command}: {' | '.join(replies)}")
            case AnyLines():
                lines.append("any")
            case Direction():
                lines.append(f"<{act.action.value}>")
    return lines


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("S: +OK\nC: STAT\nS: +OK 1 2", ["-: +OK", "> STAT", "STAT: +OK 1 2"]),
        ("C: LIST\nS: +OK\nS: 1 2\nS: .", ["> LIST", "LIST: +OK | 1 2 | ."]),
        ("C: LIST 1\nS: +OK 1 2\nS: .", ["> LIST 1", "LIST 1: +OK 1 2", "-: ."]),
        ("C: LIST\nS: -ERR\nS: .", ["> LIST", "LIST: -ERR", "-: ."]),
        ("C: RETR {n:int=2}\nS: +OK", ["> RETR {n:int=2}", "RETR {n:int=2}: +OK"]),
        ("C: RETR 1\nS: ...\nS: .", ["> RETR 1", "RETR 1: ... | ."]),
        ("C: LIST\nS: +OK\nS: 1 2\nC: STAT\nS: +OK",
         ["> LIST", "LIST: +OK | 1 2", "> STAT", "STAT: +OK"]),
        ("C: STAT\nC: LIST\nC: NOOP\nS: +OK\nS: +OK\nS: .\nS: +OK",
         ["> STAT", "> LIST", "> NOOP", "STAT: +OK", "LIST: +OK | .", "NOOP: +OK"]),
        ("C: STAT\nC: NOOP\nS: ...", ["> STAT", "> NOOP", "STAT: ...", "NOOP: ..."]),
        ("C: RETR 1\nS: +OK{0x0a}\nS: .\nS: x\nS: .{0x0a}\nC: NOOP\nS: +OK",
         ["> RETR 1", "RETR 1: +OK | . | x | .", "> NOOP", "NOOP: +OK"]),
        ("C: RETR 1\nS: +OK\nS: .{0x0a}\nS: .\nS: -ERR idle",
         ["> RETR 1", "RETR 1: +OK | . | .", "-: -ERR idle"]),
        ("C: RETR 1\nS: ...\nS: .{0x0a}\nC: NOOP", ["> RETR 1", "RETR 1: ... | .", "> NOOP"]),
        ("C: AUTH PLAIN\nS: +\nC: {plain}\nS: +OK",
         ["> AUTH PLAIN", "AUTH PLAIN: +", ">> {plain}", "AUTH PLAIN: +OK"]),
        ("C: AUTH\nS: +OK\nS: PLAIN\nS: .", ["> AUTH", "AUTH: +OK | PLAIN | ."]),
        ("C: STAT\nS: +\nC: NOOP\nS: +OK", ["> STAT", "STAT: +", "> NOOP", "NOOP: +OK"]),
        ("S: <wait for connection>\nC: <open connection>\nS: +OK\nS: -ERR idle\nS: <close connection>",
         ["any", "<open connection>", "-: +OK", "-: -ERR idle", "<close connection>"]),
        ("C: QUIT\nC: <close connection>\nC: <open connection>\nS: +OK",
         ["> QUIT", "<close connection>", "<open connection>", "-: +OK"]),
        ("# only this", []),
    ],
)  # fmt: skip
def test_exchanges(text: str, expected: list[str]) -> None:
    assert outline(text) == expected
