"""Recording what the real servers of the tests say, with secrets as placeholders.

    .venv/bin/python -m tests.servers.record

Each server that can run here has its sessions written to ``tests/transcripts/servers``.  The records
are what explanations are proved by: they stay in the repository, so that the proof needs no server.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from poptalk.config import mailbox_directory
from poptalk.net.connection import Link
from poptalk.net.endpoint import Destination
from poptalk.net.errors import ConnectionLost
from poptalk.pop3.commands import Command, parse_command
from poptalk.pop3.replies import Status, parse_status_line
from poptalk.pop3.sasl.mechanism import CANCEL
from poptalk.session.client import Client
from poptalk.session.exchanges import StoredReply
from poptalk.transcript.model import Action, Side, write_direction
from poptalk.transcript.redact import mask_command, mask_sasl_line
from poptalk.transcript.writer import DialogueWriter
from tests.servers.dovecot import DOVECOT_MISSING, start_dovecot
from tests.servers.unprivileged import PROGRAMS, start

TRANSCRIPTS = Path(__file__).resolve().parents[1] / "transcripts" / "servers"

TIMEOUT = 20.0  # seconds for a reply; a wrong password is answered late on purpose

BEFORE_LOGIN = (
    *(b"CAPA", b"AUTH", b"AUTH X-UNKNOWN", b"AUTH PLAIN", b"*", b"AUTH LOGIN", b"*"),
    *(b"AUTH CRAM-MD5", b"*", b"AUTH SCRAM-SHA-256", b"*"),
)
"""What a server is asked of logins; each session has few mistakes, since a server counts them."""

MISTAKES = (b"LIST", b"PASS x", b"", b"QUIT")

EXTENSIONS = (b"UTF8", b"LANG *", b"XYZZY", b"QUIT")

TRANSACTION = (
    *(b"USER bob", b"PASS jones", b"STAT", b"LIST", b"LIST 2", b"UIDL", b"UIDL 2"),
    *(b"TOP 3 0", b"TOP 3 1", b"RETR 3", b"NOOP", b"LAST", b"DELE 3", b"RSET", b"CAPA", b"QUIT"),
)

REFUSED_AFTER_LOGIN = (
    *(b"USER bob", b"PASS jones", b"RETR 4", b"DELE 3", b"LIST 3", b"STLS", b"QUIT"),
)

WRONG_PASSWORD = (b"USER bob", b"PASS wrong", b"QUIT")

AFTER_STLS = (b"CAPA", b"STLS", b"CAPA", b"STLS", b"USER bob", b"PASS jones", b"CAPA", b"QUIT")

SESSIONS: tuple[tuple[bytes, ...], ...] = (
    (*BEFORE_LOGIN, b"QUIT"),
    MISTAKES,
    EXTENSIONS,
    TRANSACTION,
    REFUSED_AFTER_LOGIN,
    WRONG_PASSWORD,
    AFTER_STLS,
)

MAILDROP = mailbox_directory("article")


class Place(NamedTuple):
    """Where a server listens, and how its certificate is verified."""

    name: str
    host: str
    port: int
    ca_file: Path


class Recorder:
    """Plays one session, and writes it down.

    Args:
        place: the server.
        write: takes the lines of the record.
    """

    def __init__(self, place: Place, write: Callable[[str], None]) -> None:
        self._writer = DialogueWriter(write)
        destination = Destination(host=place.host, port=place.port, ca_file=str(place.ca_file))
        self._client = Client(Link.open(destination.target, timeout=TIMEOUT), destination)
        self._challenged: Command | None = None

    def record(self, lines: Sequence[bytes]) -> None:
        """Send lines one by one, until the server hangs up."""
        self._heard(self._client.greeting())
        for line in lines:
            # A * answers a challenge, and perhaps there was none.
            if line == CANCEL and self._challenged is None:
                continue
            self._say(line)
            try:
                self._heard(self._client.ask(line))
            except ConnectionLost:
                break
            if self._client.session.tls_request is not None:
                self._client.begin_tls()
                self._writer.direction(Side.CLIENT, write_direction(Action.NEGOTIATE_TLS))
            if self._client.ending is not None:
                break
        self._client.close()

    def _say(self, line: bytes) -> None:
        if self._challenged is not None:
            self._writer.client(*mask_sasl_line(line, self._challenged.arguments[0]))
        else:
            self._writer.client(*mask_command(parse_command(line)))

    def _heard(self, heard: StoredReply) -> None:
        for line in heard.lines:
            self._writer.received(line)
        status = parse_status_line(heard.lines[0]).status
        challenged = status is Status.CHALLENGE and heard.exchange is not None
        self._challenged = heard.exchange.command if challenged and heard.exchange else None


@contextmanager
def running() -> Iterator[list[Place]]:
    """Run every server that can run here."""
    with ExitStack() as stack:
        places = []
        if DOVECOT_MISSING is None:
            dovecot = stack.enter_context(start_dovecot(MAILDROP, _directory(stack, "dovecot")))
            places.append(Place("dovecot", dovecot.host, dovecot.port, dovecot.ca_file))
        for program in PROGRAMS:
            if program.missing() is None:
                it = stack.enter_context(start(program, MAILDROP, _directory(stack, program.name)))
                places.append(Place(program.name, it.host, it.port, it.ca_file))
        yield places


def _directory(stack: ExitStack, name: str) -> Path:
    # Not below the home of whoever runs this, which may be closed to other accounts.
    temporary = tempfile.TemporaryDirectory(prefix=f"poptalk-{name}-", ignore_cleanup_errors=True)
    return Path(stack.enter_context(temporary))


def write_record(place: Place) -> Path:
    """Record a server's sessions; return the file."""
    TRANSCRIPTS.mkdir(exist_ok=True)
    path = TRANSCRIPTS / f"{place.name}.pop3"
    written = [f"# {place.name}, recorded by tests/servers/record.py.\n"]
    for number, lines in enumerate(SESSIONS):
        written.append("\nC: <open connection>\n" if number else "\n")
        Recorder(place, written.append).record(lines)
    path.write_text("".join(written), encoding="utf-8", newline="\n")
    return path


def main() -> int:
    """Record every server that is here; return the exit code."""
    with running() as places:
        for place in places:
            sys.stdout.write(f"{write_record(place)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
