"""What clients sent, kept for a test to look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from poptalk.practice.witness import How, Visit, Witness
from poptalk.protocol.server_events import CommandReceived, ResponseReceived

if TYPE_CHECKING:
    from poptalk.practice.accounts import Account
    from poptalk.protocol.server_events import ServerEvent


@dataclass(slots=True, kw_only=True)
class RecordedSession:
    """One session, as far as it has got: a server in another thread goes on with it.

    Args:
        address: address and port of the client.
        tls: whether the session is inside TLS.
        user: who is logged in, None before the login.
        commands: the lines that the client sent, without line ends, in order; responses within AUTH
            are among them.  Nothing is masked.  A line stands here before it is answered.
        ended: how the session ended, None while it lasts.
    """

    address: str
    tls: bool = False
    user: str | None = None
    commands: list[bytes] = field(default_factory=list)
    ended: str | None = None


class SessionRecords:
    """The sessions of a server, in the order in which they came."""

    def __init__(self) -> None:
        self.sessions: list[RecordedSession] = []

    def begin(self, visit: Visit) -> Witness:
        """Add a session."""
        session = RecordedSession(address=visit.address)
        self.sessions.append(session)
        return _SessionRecorder(session)


class _SessionRecorder(Witness):
    """Writes down one session."""

    def __init__(self, session: RecordedSession) -> None:
        self._session = session

    def told(self, event: ServerEvent) -> None:
        match event:
            case CommandReceived():
                self._session.commands.append(event.command.line)
            case ResponseReceived():
                self._session.commands.append(event.line)

    def logged_in(self, account: Account) -> None:
        self._session.user = account.name

    def tls_began(self) -> None:
        self._session.tls = True

    def ended(self, how: How) -> None:
        self._session.ended = how.value
