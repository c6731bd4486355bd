"""Drive the server core without sockets: octets in, octets out, and a maildrop in memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence

from poptalk.pop3.capabilities import FULL_CAPABILITIES, CapabilityLists
from poptalk.pop3.commands import Limits
from poptalk.pop3.sasl.mechanism import Credentials, ServerMechanism
from poptalk.pop3.server.events import (
    CommitRequested,
    LoginAttempt,
    ServerEvent,
    SizesRequested,
    StlsAnswered,
)
from poptalk.pop3.server.quirks import Quirks
from poptalk.pop3.server.session import ServerSession
from poptalk.pop3.server.texts import Occasion, Texts

TIMESTAMP = b"<1896.697170952@dbc.mtview.ca.us>"

CREDENTIALS = Credentials(password=b"tanstaaf", token=b"mF_9.B5f-4.1JqM")
"""The credentials of mrose."""

LETTERS = (
    b"Subject: one\r\n\r\nfirst\r\n.\r\n..\r\n.dot\r\nlast\r\n",
    b"Subject: two\r\n\r\nsecond\r\n",
    b".no header\r\n",
)


class MemoryMaildrop:
    """Messages given as octets."""

    def __init__(self, messages: Sequence[bytes] = LETTERS, *, piece: int = 7) -> None:
        self.messages = messages
        self.piece = piece

    @property
    def count(self) -> int:
        return len(self.messages)

    def octets(self, number: int) -> int:
        return len(self.messages[number - 1])

    def octets_in_all(self) -> int | None:
        return sum(map(len, self.messages))

    def unique_id(self, number: int) -> bytes:
        return b"id-%d" % number

    def chunks(self, number: int) -> Iterable[bytes]:
        message = self.messages[number - 1]
        return (message[at : at + self.piece] for at in range(0, len(message), self.piece))

    def has_dot_lines(self, number: int) -> bool:
        return b"\n." in b"\n" + self.messages[number - 1]


class Desk:
    """A session with a driver: mrose/tanstaaf may log in, everything is committed, TLS succeeds."""

    def __init__(
        self,
        *,
        messages: Sequence[bytes] = LETTERS,
        texts: Texts | None = None,
        capabilities: CapabilityLists = FULL_CAPABILITIES,
        limits: Limits | None = None,
        mechanisms: Mapping[bytes, Callable[[], ServerMechanism]] | None = None,
        quirks: Quirks | None = None,
        encrypted: bool = False,
        greet: bool = True,
    ) -> None:
        self.session = ServerSession(
            texts=texts,
            capabilities=capabilities,
            timestamp=TIMESTAMP,
            encrypted=encrypted,
            limits=limits,
            mechanisms=mechanisms,
            quirks=quirks,
        )
        self.maildrop = MemoryMaildrop(messages)
        self.told: list[ServerEvent] = []
        self.locked = False
        self.commits = True
        self.counts = True
        self.begins_tls = True
        if greet:
            self.session.greet()
            self.greeting = self.pull()

    def send(self, data: bytes) -> bytes:
        """Feed octets and return all answers."""
        self.session.receive_data(data)
        return self.pull()

    def send_cut(self, data: bytes, cuts: Iterable[int]) -> bytes:
        """Feed octets, cut at positions, and return all answers."""
        edges = [0, *cuts, len(data)]
        pairs = itertools.pairwise(edges)
        return b"".join(self.send(data[start:stop]) for start, stop in pairs)

    def pull(self, limit: int = 262_144) -> bytes:
        """Act on all events and return all octets that are ready."""
        answer = b""
        while True:
            events = self.session.events()
            for event in events:
                self.act_on(event)
            chunk = self.session.next_chunk(limit)
            answer += chunk or b""
            if chunk is None and not events:
                later = self.session.events()
                for event in later:
                    self.act_on(event)
                if not later:
                    return answer

    def act_on(self, event: ServerEvent) -> None:
        self.told.append(event)
        match event:
            case LoginAttempt():
                self.decide(event)
            case SizesRequested():
                if self.counts:
                    self.session.sizes_counted()
            case CommitRequested():
                if self.commits:
                    self.session.committed()
                else:
                    self.session.commit_failed()
            case StlsAnswered():
                if self.begins_tls:
                    self.session.tls_established()
            case _:
                pass

    def decide(self, attempt: LoginAttempt) -> None:
        right = attempt.proof.matches(CREDENTIALS)
        if not right or attempt.name != b"mrose":
            self.session.refuse(attempt.if_wrong)
        elif self.locked:
            self.session.refuse(Occasion.MAILDROP_LOCKED)
        else:
            self.session.accept(self.maildrop)

    def log_in(self) -> Desk:
        """Log in and return the desk itself."""
        assert self.send(b"USER mrose\r\nPASS tanstaaf\r\n").count(b"+OK") == 2
        return self
