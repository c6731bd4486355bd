"""Both cores joined back to back run every transcript, RFC 1939's own session among them.

There is no socket: what one core hands out is fed to the other, whole or octet by octet, and what came
back is compared with the file by the project's notation.  TLS is a hand-over: what it does to octets
is no matter of the cores.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from poptalk.config import mailbox_directory
from poptalk.pop3.client import ClientSession
from poptalk.pop3.commands import State
from poptalk.pop3.events import BodyChunk, Event, Greeting, Reply, ReplyEnd, TlsRequested, Violation
from poptalk.pop3.server.events import (
    CommandReceived,
    CommitRequested,
    LoginAttempt,
    ServerEvent,
    SessionEnded,
    SizesRequested,
)
from poptalk.pop3.server.session import ServerSession
from poptalk.practice.accounts import ACCOUNTS, AccountBook
from poptalk.practice.maildrop import Store, locate
from poptalk.transcript.match import Agreement, Comparison, match_line, match_reply
from poptalk.transcript.model import (
    Action,
    AnyLines,
    Comment,
    Dialogue,
    Direction,
    ExpectedReply,
    Send,
    Side,
    exchanges,
)
from poptalk.transcript.parser import parse_dialogue
from poptalk.transcript.placeholders import Known
from tests.pop3.serving import TIMESTAMP

TRANSCRIPTS = Path(__file__).parent.parent / "transcripts"
FILES = sorted(TRANSCRIPTS.glob("*.pop3"))


class BackToBack:
    """A client session and a server session, and the octets between them."""

    def __init__(self, mailbox: str, *, piece: int) -> None:
        self.client = ClientSession()
        self.server = ServerSession(timestamp=TIMESTAMP)
        self.replies: deque[list[bytes]] = deque()
        """Whole replies that the test hasn't taken yet, each as lines without their ends."""
        self.commands: deque[bytes] = deque()
        """Command lines that the server has read."""
        self.greeting = b""
        self.ended = False
        self.tls_requested = False
        self.removed: tuple[int, ...] = ()
        self.oddities: list[Violation] = []
        self._maildrop = Store(locate(mailbox_directory(mailbox)), shared=False).open().maildrop
        self._piece = piece
        self._body = b""
        self._status = b""
        self.server.greet()
        self._pump()

    def send(self, line: bytes) -> None:
        """Let the client send a line, and carry over everything that follows."""
        data = line + b"\r\n"
        for event in self.client.send(data):
            self._hear(event)
        for piece in self._pieces(data):
            self.server.receive_data(piece)
            self._pump()
        assert self.client.state is self.server.state

    def negotiate_tls(self) -> None:
        """Pretend that the TLS handshake has taken place."""
        assert self.tls_requested
        self.tls_requested = False
        for event in self.client.tls_established():
            self._hear(event)
        self.server.tls_established()
        self._pump()

    def close(self) -> None:
        """Let the client hang up."""
        self.server.receive_eof()
        self._pump()

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        size = self._piece or len(data)
        return (data[at : at + size] for at in range(0, len(data), size))

    def _pump(self) -> None:
        """Carry octets from the server to the client until both are silent."""
        while True:
            events = self.server.events()
            for event in events:
                self._act_on(event)
            chunk = self.server.next_chunk()
            if chunk is not None:
                for piece in self._pieces(bytes(chunk)):
                    for heard in self.client.receive_data(piece):
                        self._hear(heard)
            elif not events:
                return

    def _act_on(self, event: ServerEvent) -> None:
        match event:
            case CommandReceived():
                self.commands.append(event.command.line)
            case LoginAttempt():
                if AccountBook(ACCOUNTS).find(event) is None:
                    self.server.refuse(event.if_wrong)
                else:
                    self.server.accept(self._maildrop)
            case SizesRequested():
                self._maildrop.count_octets(lambda: True)
                self.server.sizes_counted()
            case CommitRequested():
                self.removed = event.numbers
                self.server.committed()
            case SessionEnded():
                self.ended = True
                self.client.receive_eof()
            case _:
                pass

    def _hear(self, event: Event) -> None:
        match event:
            case Greeting():
                self.greeting = event.status_line.line
                self.replies.append([self.greeting])
            case Reply():
                self._status, self._body = event.status_line.line, b""
            case BodyChunk():
                self._body += event.data
            case ReplyEnd():
                lines = self._body.split(b"\r\n")[:-1]
                self.replies.append([self._status, *lines])
            case TlsRequested():
                assert event.residue == b""
                self.tls_requested = True
            case Violation():
                self.oddities.append(event)
            case _:
                pass


def mailbox_of(dialogue: Dialogue) -> str:
    """Return the maildrop that a transcript is about."""
    first = dialogue.steps[0]
    assert isinstance(first, Comment)
    return first.text.removeprefix("maildrop: ")


class Run:
    """The run of a transcript."""

    def __init__(self, dialogue: Dialogue, *, piece: int) -> None:
        mailbox = mailbox_of(dialogue)
        self.pair = BackToBack(mailbox, piece=piece)
        self._dialogue = dialogue
        self._account = next(account for account in ACCOUNTS if account.mailbox == mailbox)
        self._bindings: dict[str, str] = {}

    def to_the_end(self) -> None:
        for act in exchanges(self._dialogue):
            match act:
                case Send():
                    self._send(act)
                case ExpectedReply():
                    lines = self.pair.replies.popleft()
                    self._agree(match_reply(act, lines, self._all_bindings()))
                case Direction():
                    self._follow(act)
                case AnyLines():
                    pass

    def _send(self, act: Send) -> None:
        line = act.step.pattern.fill(self._all_bindings()).encode()
        self.pair.send(line)
        read = self.pair.commands.popleft()
        assert read == line
        found = match_line(act.step, read, self._all_bindings())
        assert found is not None
        self._bindings = found

    def _follow(self, direction: Direction) -> None:
        match direction.side, direction.action:
            case Side.SERVER, Action.CLOSE:
                assert self.pair.ended
            case Side.CLIENT, Action.CLOSE:
                self.pair.close()
            case _, Action.NEGOTIATE_TLS:
                self.pair.negotiate_tls()
            case _, action:
                assert action is Action.OPEN

    def _all_bindings(self) -> dict[str, str]:
        known = Known(
            user=self._account.name,
            password=self._account.password,
            host="localhost",
            greeting=self.pair.greeting,
        )
        return {**known.bindings(), **self._bindings}

    def _agree(self, result: Comparison) -> None:
        assert isinstance(result, Agreement), str(result)
        known = Known().bindings()
        self._bindings = {k: v for k, v in result.bindings.items() if k not in known}


@pytest.mark.parametrize("piece", [0, 1, 2], ids=["whole", "octet by octet", "in twos"])
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_both_cores_run_it(file: Path, piece: int) -> None:
    dialogue = parse_dialogue(file.read_text(), name=file.name)
    run = Run(dialogue, piece=piece)
    run.to_the_end()
    pair = run.pair
    assert not pair.replies
    assert not pair.commands
    assert pair.client.outstanding == ()
    # Every transcript ends with QUIT, and both sides draw the same conclusions from it.
    assert pair.ended
    assert pair.client.farewell
    assert pair.client.encrypted == pair.server.encrypted
    assert frozenset(pair.client.marked) == pair.server.deleted == frozenset(pair.removed)
    assert pair.client.state is pair.server.state is State.CLOSED


def test_there_are_transcripts_and_the_rfcs_own_is_among_them() -> None:
    assert "rfc1939-section-10" in {file.stem for file in FILES}
    assert "article" in {file.stem for file in FILES}


def test_a_transcript_that_is_wrong_fails() -> None:
    text = (TRANSCRIPTS / "article.pop3").read_text().replace("2 4255", "2 4256")
    with pytest.raises(AssertionError, match="expected the line '2 4256', but '2 4255' came"):
        Run(parse_dialogue(text), piece=0).to_the_end()
