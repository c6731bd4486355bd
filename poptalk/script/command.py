"""`poptalk run`: a dialogue out of a file, a server to replay it against, and the result."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from poptalk.net.destination import Destination, UsageError
from poptalk.net.link import Link
from poptalk.notation.dialogue import ClientLine, Dialogue
from poptalk.notation.exchanges import exchanges
from poptalk.notation.known import REASONS, Known
from poptalk.notation.reader import NotationError, parse_dialogue
from poptalk.practice.embedded import practice_server
from poptalk.protocol.events import Sent
from poptalk.script.hearing import BEGINNING_OCTETS
from poptalk.script.occurrences import Occurrence, Opened, TlsBegun
from poptalk.script.options import DEFAULT_PERSONA
from poptalk.script.practising import Timestamps, account_for
from poptalk.script.replay import Replay
from poptalk.script.transcript import Transcript
from poptalk.terminal.color import use_color
from poptalk.terminal.screen import LinearScreen, ScreenClosed
from poptalk.terminal.theme import NEUTRAL

EXIT_DIFFERS = 1
"""The answer is no: something was not as written."""

PASSWORD_VARIABLE = "POPTALK_PASSWORD"
"""The environment variable with the password: an argument would stand in the list of processes."""

MOST_OCTETS = BEGINNING_OCTETS
"""The longest dialogue that is read; so of a reply never less is kept than can stand in one."""

STANDARD_INPUT = "-"
_MARKDOWN = (".md", ".markdown")

_NEED_NO_PASSWORD = frozenset({"user", "host"})
_NEED_A_USER = frozenset({"user", "plain", "cram-md5"})

Complain = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Server:
    """A server, and who logs in there."""

    destination: Destination
    connect: Callable[[], Link]
    known: Known


def run_script(options: Namespace, destination: Destination | None, *, complain: Complain) -> int:
    """Replay a dialogue, and show it; return the exit code.

    Args:
        options: as `poptalk.script.options` has them, with `tls` and `timeout`.
        destination: the server; None for the practice server.
        complain: says a sentence on standard error.

    Raises:
        UsageError: the file is no dialogue, or something that it needs is missing.
        NetError: no connection, no TLS, or the connection was lost.
        ScreenClosed: standard output is gone.
    """
    dialogue = read_dialogue(options.file)
    if destination is not None:
        server = _live_server(options, dialogue, destination)
        return _replay(options, dialogue, server, complain=complain)
    with _practice_server(options, dialogue) as server:
        return _replay(options, dialogue, server, complain=complain)


def _replay(options: Namespace, dialogue: Dialogue, server: _Server, *, complain: Complain) -> int:
    screen = _screen(options)
    transcript = Transcript(dialogue, show=screen.show, columns=screen.columns, quiet=options.quiet)
    guard = _PasswordGuard(server.destination, complain=complain)
    replay = Replay(
        dialogue,
        connect=server.connect,
        tls_settings=server.destination.tls_settings,
        known=server.known,
        exact=options.exact,
    )
    with replay:
        for occurrence in replay.run():
            guard.take(occurrence)
            transcript.take(occurrence)
    if replay.difference is not None:
        return EXIT_DIFFERS
    transcript.conclude(_result(replay))
    return 0


def _result(replay: Replay) -> str:
    count = f"{replay.exchanges} exchange{'' if replay.exchanges == 1 else 's'}"
    if replay.compared:
        return f"{count}, all as written"
    return f"{count}, none refused; there are no S: lines to compare with"


def _screen(options: Namespace) -> LinearScreen:
    if sys.stdout is None:
        raise ScreenClosed("The output was closed before poptalk was started.")
    color = use_color(options.color, os.environ, isatty=sys.stdout.isatty())
    return LinearScreen(sys.stdout, theme=NEUTRAL, color=color)


class _PasswordGuard:
    """Says, once a connection, that a password is about to cross the network in clear."""

    def __init__(self, destination: Destination, *, complain: Complain) -> None:
        self._exposed = self._in_clear = not destination.is_loopback
        self._complain = complain

    def take(self, occurrence: Occurrence) -> None:
        """Look at what happens: a line that is sent comes here before it is."""
        match occurrence:
            case Opened():
                self._in_clear = self._exposed and occurrence.tls is None
            case TlsBegun():
                self._in_clear = False
            case Sent() if self._in_clear and occurrence.secret is not None:
                self._in_clear = False
                self._complain(
                    "a password crosses the network in clear; --tls or STLS would protect it"
                )


# The file.


def read_dialogue(name: str) -> Dialogue:
    """Read a dialogue from a file, or from standard input where the name is `-`.

    Raises:
        UsageError: it cannot be read, or is no dialogue; names the line.
    """
    if name.lower().endswith(_MARKDOWN):
        raise UsageError(
            f"{name} is a Markdown document, and run replays one dialogue: copy a block of C: and S: "
            "lines into a file of its own, such as session.pop3"
        )
    shown = "standard input" if name == STANDARD_INPUT else name
    try:
        dialogue = parse_dialogue(_read(name), name=shown)
    except OSError as error:
        raise UsageError(f"{shown} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{shown} is not UTF-8, from octet {error.start:,} on") from error
    except NotationError as error:
        raise UsageError(str(error)) from error
    if not exchanges(dialogue):
        raise UsageError(f"{shown} has nothing in it to replay: write C: and S: lines")
    return dialogue


def _read(name: str) -> str:
    if name == STANDARD_INPUT:
        data = b"" if sys.stdin is None else sys.stdin.buffer.read(MOST_OCTETS + 1)
    else:
        with Path(name).open("rb") as file:
            data = file.read(MOST_OCTETS + 1)
    if len(data) > MOST_OCTETS:
        raise UsageError(f"{name} is longer than {MOST_OCTETS:,} octets: is it a dialogue?")
    return data.decode("utf-8")


# The server, and who logs in there.


@contextmanager
def _practice_server(options: Namespace, dialogue: Dialogue) -> Iterator[_Server]:
    account = account_for(dialogue, user=options.user)
    timestamps = Timestamps(dialogue)
    with practice_server(
        persona=options.persona or DEFAULT_PERSONA,
        maildrop=options.maildrop,
        faults=options.faults or (),
        tls=options.tls,
        timestamp=timestamps,
    ) as destination:

        def connect() -> Link:
            timestamps.turn_to_next()
            return _connect(destination, options.timeout)

        known = Known(user=account.name, password=account.password, host=destination.host)
        yield _Server(destination=destination, connect=connect, known=known)


def _live_server(options: Namespace, dialogue: Dialogue, destination: Destination) -> _Server:
    user = options.user or destination.user
    needed = _needed(dialogue)
    if user is None and needed & _NEED_A_USER:
        raise UsageError(f"{dialogue.name} needs a user's name: say --user NAME")
    known = Known(
        user=user,
        password=_password(dialogue, user) if needed - _NEED_NO_PASSWORD else None,
        host=destination.host,
    )
    connect = partial(_connect, destination, options.timeout)
    return _Server(destination=destination, connect=connect, known=known)


def _connect(destination: Destination, timeout: float) -> Link:
    settings = destination.tls_settings() if destination.tls else None
    return Link.open(destination.target, timeout=timeout, tls=settings)


def _needed(dialogue: Dialogue) -> frozenset[str | None]:
    """Find the known placeholders for which values must be sent."""
    lines = (step.pattern for step in dialogue.steps if isinstance(step, ClientLine))
    parts = (part for line in lines for part in line.placeholders)
    return frozenset(p.name for p in parts if p.name in REASONS and p.default is None)


def _password(dialogue: Dialogue, user: str | None) -> str:
    """Find the password: in the environment, or by asking at a terminal, without echo."""
    password = os.environ.get(PASSWORD_VARIABLE)
    if password is not None:
        return password
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(
            f"{dialogue.name} needs a password: give it in the environment variable "
            f"{PASSWORD_VARIABLE}, or run this at a terminal to be asked for it"
        )
    from getpass import getpass

    return getpass(f"Password of {user}: " if user else "Password: ")
