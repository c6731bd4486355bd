"""Any octets of client and server, logged with `--log` by any driver, replay without a difference.

    POPTALK_EXAMPLES=5000 .venv/bin/python -m pytest tests/run/test_any_octets.py

tries as many examples as that.  A server that plays fixed steps says the same to the recording session
and to the replay: octets after the client's first line, its second, and so on, in pieces.
"""

from __future__ import annotations

import asyncio
import io
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, assume, example, given, settings
from hypothesis import strategies as st

from poptalk.net.connection import Link
from poptalk.net.errors import ConnectionLost
from poptalk.pop3.client import ClientSession
from poptalk.pop3.commands import parse_command
from poptalk.pop3.events import Reply
from poptalk.run.run import read_dialogue
from poptalk.session.client import Client
from poptalk.session.log import TextLog
from poptalk.session.session import Session
from poptalk.shell.commands.general import LOCAL_COMMANDS
from poptalk.shell.plain import PlainShell
from poptalk.shell.shell import Shell
from poptalk.terminal.theme import NEUTRAL
from tests.run.replays import pipe, replayed
from tests.servers.loopback import Channel
from tests.servers.scripted import Close, ScriptedServer, Send, Step
from tests.shell.shells import ENTER, live, place

EXAMPLES = int(os.environ.get("POPTALK_EXAMPLES", "15"))
"""Of each driver."""

MOST_STEPS_TO_AN_END = 20
"""Lines that a reply may need until it is complete: a listing has one, a challenge none."""

QUIET_SECONDS = 0.01
"""Without a word from the server, after which a line is typed at the plain prompt."""

OCTETS = st.binary(max_size=24)

AWKWARD = st.sampled_from(
    [
        *(b".", b"..", b"...", b" ...", b"<a b>", b"{x}", b"{0x1b}", b"}", b"\\x1b", b"# x", b"+"),
        *(b"C: x", b"or x", b" \t", b"\x00", b"\x1b[2J", b"\xff\xfe", b"\xc2\x85", b"\xe2\x80\xae"),
        *(b"+OK", b"-ERR", b"+OK [X-A/B] y", b"+OK 1 2", b"+OK jones", b"-ERR [IN-USE] jones"),
    ]
)
"""Lines that mean something else if they aren't escaped."""

ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\n", b"\r\r\n", b" \r\n"])

LINES = st.builds(lambda text, end: text + end, OCTETS | AWKWARD, ENDS)

SAID = st.one_of(
    st.builds(
        lambda first, lines: first + b"".join(lines),
        st.sampled_from([b"+OK\r\n", b"+OK x\n", b"-ERR no \x1b\r\n", b"+ \r\n", b"+ eA==\r\n"]),
        st.lists(LINES, max_size=3),
    ),
    st.lists(LINES, max_size=3).map(b"".join),
    OCTETS,
)
"""What a server says after a line."""

COMMANDS = st.sampled_from(
    [
        *(b"CAPA", b"STAT", b"LIST", b"LIST 1", b"UIDL", b"RETR 1", b"retr 2", b"TOP 1 0", b"QUIT"),
        *(b"USER bob", b"PASS jones", b"AUTH PLAIN AGJvYgBqb25lcw==", b"AUTH PLAIN", b"AUTH", b"*"),
        *(b"AGJvYgBqb25lcw==", b"DELE 1", b"NOOP", b"XTND {x}", b""),
    ]
)

TYPED = COMMANDS | OCTETS.map(lambda octets: octets.replace(b"\n", b"").rstrip(b"\r")).filter(
    lambda line: parse_command(line).secret is None
)
"""A line as it is piped; the last CR before the LF would belong to the line end.

A log hides a password, and a replay sends the one that it is given: only bob's own are tried.
"""


class Turn(NamedTuple):
    """What a server says at once."""

    lines: int
    """How many lines it reads first."""
    octets: bytes
    cuttable: int
    """Before how many of them a piece may end: until then the client owes nothing and waits.

    Whether it hears a piece after that before it speaks itself would be chance.
    """


def turns(typed: Sequence[bytes], said: Sequence[bytes], *, at_once: bool) -> list[Turn]:
    """Add what is needed to make all replies complete."""
    core = ClientSession()
    lines = [b"", *(line + b"\r\n" for line in typed)]
    if at_once:
        lines, said = [b"", b"".join(lines)], [said[0], b"".join(said[1:])]
    found = []
    end = b"\r\n"
    for sent, octets in zip(lines, said, strict=False):
        core.send(sent)
        said_now, left = b"", octets
        for _ in range(MOST_STEPS_TO_AN_END):
            for octet in left:
                if core.settled:
                    break  # Whether unsolicited lines belong to this line or the next is chance.
                said_now += bytes([octet])
                replies = [e for e in core.receive_data(bytes([octet])) if isinstance(e, Reply)]
                # The line of a lone dot ends as the first line of its reply does, in CRLF or LF.
                end = replies[-1].status_line.end if replies else end
            if core.settled:
                break
            left = b"\r\n" if said_now and not said_now.endswith(b"\n") else b"." + end
        found.append(Turn(sent.count(b"\n"), said_now, len(said_now)))
    return found


@dataclass(frozen=True, slots=True)
class Hear(Step):
    """Read one line; a client that closes the connection has ended its session."""

    def play(self, channel: Channel) -> None:
        channel.receive_until(b"\n")


def playing(turns: Sequence[Turn], cuts: Sequence[int]) -> ScriptedServer:
    """Make a server that sends them, in pieces."""
    steps: list[Step] = []
    for turn in turns:
        steps += [Hear()] * turn.lines
        places = {0, *(cut % max(turn.cuttable, 1) for cut in cuts), len(turn.octets)}
        steps += [Send(turn.octets[a:b]) for a, b in pairwise(sorted(places))]
    return ScriptedServer([*steps, Close()])


def pipe_at_once(server: ScriptedServer, typed: Sequence[bytes], log: Path) -> None:
    pipe(server, typed, log, "--pipeline")


def client(server: ScriptedServer, typed: Sequence[bytes], log: Path) -> None:
    """Record a session of the hand that `run`, `diff` and the lessons have."""
    destination = place(server)
    session = Session(clock=monotonic)
    session.log = TextLog(str(log), session)
    hand = Client(Link.open(destination.target, timeout=5.0), destination, session=session)
    try:
        hand.greeting()
        for line in typed:
            hand.ask(line)
        while hand.ending is None:
            hand.listen()
    except ConnectionLost:
        pass
    hand.close()
    session.close()


def sending(line: bytes) -> str:
    """Return what is typed at a prompt to send any octets as a line."""
    escaped = "".join(chr(o) if chr(o).isalnum() else f"\\x{o:02x}" for o in line)
    return f":send {escaped}\\r\\n"


def answered(shell: Shell, server: ScriptedServer, lines: int) -> bool:
    """Return whether the server has so many lines and owes nothing, or the connection has ended."""
    sent = server.received.count(b"\n") >= lines
    return not shell.connected or (sent and shell.session.core.settled)


def live_prompt(server: ScriptedServer, typed: Sequence[bytes], log: Path) -> None:
    async def session() -> None:
        async with live(place(server), greeted=False, log=log) as test:
            shell = test.shell
            await test.until(lambda: shell.session.exchanges.last is not None)
            for number, line in enumerate(typed, 1):
                if shell.connected:
                    test.send(sending(line) + ENTER)
                await test.until(partial(answered, shell, server, number))
            await test.until(lambda: not shell.connected)

    asyncio.run(session())


def plain_prompt(server: ScriptedServer, typed: Sequence[bytes], log: Path) -> None:
    """Type at a pseudo-terminal, each line when nothing more happens and the server owes nothing."""
    master, slave = os.openpty()
    with (
        open(master, "wb", buffering=0) as keys,
        open(slave, encoding="utf-8") as terminal,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(sys, "stdin", terminal)
        patch.setattr(sys, "stdout", io.StringIO())
        shell = PlainShell(theme=NEUTRAL, color=False, timeout=5.0, commands=LOCAL_COMMANDS)
        session = shell.session
        session.log = TextLog(str(log), session)
        waiting = [sending(line).encode() + b"\r" for line in typed]

        def type_on() -> None:
            if not shell.connected:
                shell.leave()
                return
            if waiting and session.core.settled:
                keys.write(waiting.pop(0))
            shell.after(QUIET_SECONDS, type_on)

        shell.open(place(server))
        shell.after(QUIET_SECONDS, type_on)
        shell.run()


Driver = Callable[[ScriptedServer, Sequence[bytes], Path], None]
DRIVERS: dict[str, Driver] = {
    "pipe": pipe,
    "pipe-at-once": pipe_at_once,
    "client": client,
    "live": live_prompt,
    "plain": plain_prompt,
}


@pytest.mark.parametrize("driver", DRIVERS.values(), ids=DRIVERS)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # each example costs two sessions
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    typed=st.lists(TYPED, max_size=5),
    said=st.lists(SAID, min_size=6, max_size=6),
    cuts=st.lists(st.integers(min_value=0, max_value=200), max_size=2),
)
@example(
    typed=[b"RETR 1", b"NOOP"],
    said=[b"+OK\r\n", b"+OK\n.\r\n+OK\n.\n", b"+OK\r\n", b"", b"", b""],
    cuts=[],
)
@example(
    typed=[b"RETR 1", b"NOOP"],
    said=[b"+OK\r\n", b"+OK\r\n.\n-ERR\r\n.\r\n", b"+OK\r\n", b"", b"", b""],
    cuts=[],
)
def test_no_difference(
    tmp_path_factory: pytest.TempPathFactory,
    driver: Driver,
    typed: list[bytes],
    said: list[bytes],
    cuts: list[int],
) -> None:
    log = tmp_path_factory.mktemp("log") / "log.pop3"
    at_once = driver is pipe_at_once
    if at_once:
        # No server waits for the next line before it answers AUTH (RFC 5034 §4), but this one would.
        typed = [line for line in typed if line[:4].upper() != b"AUTH"]
    with playing(turns(typed, said[: len(typed) + 1], at_once=at_once), cuts) as server:
        driver(server, typed, log)
        text = log.read_text()
        # A password that was hidden in an odd place can't be computed again.
        assume("{secret" not in text)
        dialogue = read_dialogue(str(log))
        assert dialogue.steps
        result = replayed(text, place(server))
        recorded, *again = server.connections
    assert result.difference is None, text
    assert again == [recorded]
