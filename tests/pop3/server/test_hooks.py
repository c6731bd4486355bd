"""The hooks of the server core: when each is called, and that they change nothing by default."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from poptalk.pop3.commands import Command, State, parse_command
from poptalk.pop3.server.events import LoginAttempt, SessionHooks
from poptalk.pop3.server.session import ServerSession
from poptalk.pop3.server.texts import Occasion
from tests.pop3.serving import MemoryMaildrop

if TYPE_CHECKING:
    from poptalk.pop3.server.events import Encode


class Marking(SessionHooks):
    """Changes everything a little, and keeps a record of the calls."""

    def __init__(self) -> None:
        self.diary: list[str] = []

    def greeting(self, line: bytes) -> bytes:
        return b"greeting " + line

    def capabilities(self, lines: tuple[bytes, ...], state: State) -> tuple[bytes, ...]:
        return (b"UIDL", b"USER") if state is State.TRANSACTION else (b"USER",)

    def command(self, command: Command) -> Command:
        return parse_command(b"NOOP") if command.keyword == b"XYZZY" else command

    def refusal(self, command: Command) -> Occasion | None:
        return Occasion.TROUBLE_PASSING if command.keyword == b"RSET" else None

    def reply(self, command: Command | None, line: bytes) -> bytes:
        self.diary.append("line" if command is None else command.keyword.decode())
        return b"reply " + line

    def login_attempted(self, name: bytes) -> None:
        self.diary.append(f"{name.decode()}?")

    def login_refused(self) -> None:
        self.diary.append("no")

    def body(
        self, command: Command | None, chunks: Iterable[bytes], encode: Encode
    ) -> Iterator[bytes]:
        yield b"body "
        yield from encode(chunks)


def talk(session: ServerSession, octets: bytes) -> bytes:
    """Send octets; only mrose may log in."""
    session.receive_data(octets)
    answer = b""
    while True:
        for event in session.events():
            if isinstance(event, LoginAttempt):
                if event.name == b"mrose":
                    session.accept(MemoryMaildrop())
                else:
                    session.refuse(Occasion.WRONG_PASSWORD)
        chunk = session.next_chunk()
        if chunk is None:
            return answer
        answer += chunk


def started(hooks: SessionHooks | None = None) -> tuple[ServerSession, bytes]:
    session = ServerSession(hooks=hooks)
    session.greet()
    return session, talk(session, b"")


def test_every_line_and_body_passes_the_seam() -> None:
    session, greeting = started(Marking())
    assert greeting == b"greeting +OK POP3 server ready\r\n"
    assert talk(session, b"CAPA\r\n") == b"reply +OK Capability list follows\r\nbody USER\r\n.\r\n"
    assert talk(session, b"STAT\r\n").startswith(b"reply -ERR log in first")
    assert talk(session, b"USER mrose\r\nPASS x\r\n").count(b"reply +OK") == 2
    assert talk(session, b"CAPA\r\n").endswith(b"body UIDL\r\nUSER\r\n.\r\n")
    assert talk(session, b"UIDL 2\r\n") == b"reply +OK 2 id-2\r\n"
    assert talk(session, b"RETR 3\r\n") == b"reply +OK 12 octets\r\nbody ..no header\r\n.\r\n"


def test_what_is_turned_away_passes_the_greeting_too() -> None:
    session = ServerSession(hooks=Marking())
    session.turn_away(Occasion.TOO_MANY_CONNECTIONS)
    assert talk(session, b"").startswith(b"greeting -ERR")


def test_a_capability_that_the_seam_takes_away_is_no_promise_any_more() -> None:
    session, _ = started(Marking())
    assert talk(session, b"STLS\r\n").startswith(b"reply -ERR unknown command")


def test_commands_are_changed_and_refused() -> None:
    session, _ = started(Marking())
    talk(session, b"USER mrose\r\nPASS x\r\n")
    assert talk(session, b"XYZZY\r\n") == b"reply +OK\r\n"
    assert talk(session, b"RSET\r\n").startswith(b"reply -ERR trouble on our side")
    assert talk(session, b"RSET now\r\n").startswith(b"reply -ERR trouble on our side")


def test_the_seam_knows_whose_session_it_is() -> None:
    seam = Marking()
    session, _ = started(seam)
    talk(session, b"USER bob\r\nPASS x\r\nNOOP\r\nUSER mrose\r\nPASS x\r\n" + b"x" * 2000 + b"\r\n")
    refused = ["USER", "bob?", "PASS", "no"]
    assert seam.diary == [*refused, "NOOP", "USER", "mrose?", "PASS", "line"]


def test_the_seam_that_comes_with_the_core_changes_nothing() -> None:
    """What isn't overridden doesn't change, even if something else is."""

    class Silent(SessionHooks):
        pass

    octets = b"CAPA\r\nUSER mrose\r\nPASS x\r\nLIST\r\nRETR 1\r\nTOP 1 0\r\nRSET\r\nQUIT\r\n"
    sessions = [started(seam) for seam in (None, SessionHooks(), Silent())]
    answers = {greeting + talk(session, octets) for session, greeting in sessions}
    assert len(answers) == 1
    assert answers.pop().count(b"\r\n.\r\n") == 4
