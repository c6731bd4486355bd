"""Pupils to rehearse with: they do the lesson over real sockets, and make the mistakes of real pupils.

They cheat: they ask the tutor of the class what is due, so that they reach the end of any lesson.  Their
mistakes are random, and the same for the same seed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from poptalk.lesson.actions import Awaiting
from poptalk.net.tls_settings import client_context
from poptalk.pop3.client import ClientSession
from poptalk.pop3.commands import Effect, State
from poptalk.pop3.events import TlsRequested
from poptalk.transcript.model import Send
from poptalk.transcript.pattern import FillError

if TYPE_CHECKING:
    from poptalk.classroom.room import ClassRoom
    from poptalk.lesson.document.model import Turn
    from poptalk.transcript.pattern import Bindings

NAMES = (
    *("ada", "ben", "cem", "dora", "emil", "fatima", "george", "hana", "ivan", "jo", "karl", "lea"),
    *("mona", "nick", "olga", "paul", "quinn", "rosa", "sam", "tara", "umar", "vera", "will"),
    *("yara", "zoe"),
)
"""Further pupils have the same names with a number."""

PACE_SECONDS = 6.0
"""How long a pupil takes for a line, on average."""

MOST_LINES = 400
"""A pupil who has sent so many goes round in circles."""

READ_OCTETS = 65_536

NAMELESS = 0.6
"""How likely a newcomer does what the lesson asks for without giving a name."""

MOST_TRIES = 8
"""Lines in vain after which an actor hangs up and begins again."""

PATIENCE_SECONDS = 2.0
"""How long a reply may take before an actor hangs up."""

BUSY_SECONDS = 0.01
"""How soon to look again while the server is at work."""

# Mistakes: each turns the right line into what a pupil sends instead; None where it doesn't apply.

Mistake = Callable[[str, Random], str | None]


def _swapped(line: str, chance: Random) -> str | None:
    """Swap two letters of the keyword."""
    word, space, rest = line.partition(" ")
    at = chance.randrange(max(1, len(word) - 1))
    return word[:at] + word[at : at + 2][::-1] + word[at + 2 :] + space + rest


def _without_argument(line: str, _: Random) -> str | None:
    """Leave out the arguments."""
    word, space, _rest = line.partition(" ")
    return word if space else None


def _glued(line: str, _: Random) -> str | None:
    """Leave out the space."""
    return line.replace(" ", "", 1) if " " in line else None


def _other_number(line: str, chance: Random) -> str | None:
    """Name another message."""
    word, _, rest = line.partition(" ")
    return f"{word} {chance.choice((1, 7, 99))}" if rest[:1].isdigit() else None


def _other_password(line: str, _: Random) -> str | None:
    """Give the wrong password."""
    return "PASS secret" if line.upper().startswith("PASS ") else None


def _password_first(line: str, _: Random) -> str | None:
    """Begin with the password."""
    return "PASS secret" if line.upper().startswith("USER ") else None


def _too_early(line: str, _: Random) -> str | None:
    """Ask before the login."""
    return "LIST" if line.upper().startswith("USER ") else None


def _other_protocol(_line: str, chance: Random) -> str | None:
    """Send a command of IMAP or SMTP."""
    return chance.choice(("FETCH 1", "HELO", "LOGIN", "SELECT INBOX", "EHLO me"))


def _other_command(line: str, chance: Random) -> str | None:
    """Send a valid command that is not asked for."""
    return chance.choice(("NOOP", "STAT", "LIST 1")) if line.upper() != "QUIT" else "NOOP"


def _for_help(_line: str, chance: Random) -> str | None:
    """Ask for help."""
    return chance.choice(("help", "?", "hint", ":hint"))


def _quoted(line: str, _: Random) -> str | None:
    """Type the quotation marks as well."""
    return f'"{line}"'


def _early_quit(_line: str, _: Random) -> str | None:
    """Leave too early."""
    return "QUIT"


def _empty(_line: str, _: Random) -> str | None:
    """Press Enter."""
    return ""


MISTAKES: Sequence[Mistake] = (
    *(_swapped, _without_argument, _glued, _other_number, _other_password, _password_first),
    *(_too_early, _other_protocol, _other_command, _for_help, _quoted, _early_quit, _empty),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """Something that an actor has done."""

    line: str | None
    """What was sent; None if a connection was made, or ended without QUIT."""
    opens: bool = False
    is_judged: bool = True
    """Whether the lesson asked for a line, and not for another login."""


@dataclass(slots=True, kw_only=True)
class Actor:
    """Someone who plays a pupil.

    Args:
        name: the pupil's name.
        room: the class.
        chance: decides what is random.
        mistakes: the mistakes to make.
        often: how often to make one, from 0 to 1.
        pace: seconds for a line, on average.
        deeds: what the actor has done.
        is_through: whether the actor has stopped.
    """

    name: str
    room: ClassRoom
    chance: Random
    mistakes: Sequence[Mistake]
    often: float = 0.3
    pace: float = 0.0
    deeds: list[Deed] = field(default_factory=list)
    is_through: bool = False
    _reader: asyncio.StreamReader | None = None
    _writer: asyncio.StreamWriter | None = None
    _last: str = ""
    _turn: Turn | None = None
    _tries: int = 0
    """How many lines were sent in vain for the turn that is due."""
    _core: ClientSession = field(default_factory=ClientSession)

    async def play(self) -> None:
        """Do the lesson to its end."""
        if self.pace:
            await asyncio.sleep(self.chance.uniform(0, 2 * self.pace))
        try:
            await self._open()
            while len(self.deeds) < MOST_LINES and await self._go_on():
                await asyncio.sleep(self.chance.uniform(0.5, 1.5) * self.pace)
        except OSError:
            pass  # The class is over.
        finally:
            self.is_through = True
            await self._hang_up()

    async def _go_on(self) -> bool:
        """Do what is due, or something else; tell whether there is more to do."""
        awaiting, turn, lines = self._due()
        if awaiting is Awaiting.OVER:
            return False
        if awaiting is Awaiting.BUSY:
            await asyncio.sleep(BUSY_SECONDS)
        elif turn is not None and (turn.closes or turn.opens) and self._is_open:
            await self._hang_up()
        elif awaiting is Awaiting.CLOSED or not self._is_open:
            await self._open()
        elif not lines:
            return False
        elif self._tries >= MOST_TRIES:
            self._tries = 0
            await self._hang_up()
        else:
            # Lines before another login are not judged, so mistakes would be wasted there.
            goes_wrong = self.chance.random() < self.often and not self._waits()
            wrong = self._wrong(lines[0]) if goes_wrong else None
            self._tries = self._tries + 1 if turn is self._turn else 0
            self._turn = turn
            await self._send([wrong] if wrong is not None else lines)
        return True

    def _due(self) -> tuple[Awaiting, Turn | None, list[str]]:
        """Return what the tutor awaits, and the lines that do it; the first is the name."""
        with self.room.pupils.lock:
            pupil = self.room.pupils.find(self.name)
            if pupil is None and self._writer is not None and self.chance.random() < NAMELESS:
                pupil = self.room.pupils.at(self._writer.get_extra_info("sockname")[1])
            if pupil is None or (self._is_open and not pupil.is_connected):
                return Awaiting.COMMAND, None, [f"USER {self.name}"]
            tutor = pupil.tutor
            turn = tutor.awaited
            if tutor.session.awaited and turn is not None and turn.effect is Effect.LOGIN:
                named = self._last.startswith("USER ")
                lines = [f"PASS {self.room.password}" if named else f"USER {self.name}"]
            else:
                turns = tutor.in_one_go or ((turn,) if turn is not None else ())
                lines = [*_filled(turns, {**tutor.bindings, "user": self.name})]
            return Awaiting.BUSY if pupil.busy else tutor.awaiting, turn, lines

    def _waits(self) -> bool:
        """Tell whether the lesson waits for what `learn` would do itself, such as another login."""
        with self.room.pupils.lock:
            pupil = self.room.pupils.find(self.name)
            if pupil is None:
                return False
            return pupil.tutor.session.awaited is not None or not pupil.is_connected

    def _is_seen(self) -> bool:
        """Tell whether the class takes the pupil to be connected."""
        with self.room.pupils.lock:
            pupil = self.room.pupils.find(self.name)
            return pupil is not None and pupil.is_connected

    def _wrong(self, line: str) -> str | None:
        for mistake in self.chance.sample(self.mistakes, len(self.mistakes)):
            wrong = mistake(line, self.chance)
            if wrong is not None and wrong.upper() != line.upper():
                return wrong
        return None

    # The connection.

    @property
    def _is_open(self) -> bool:
        return self._writer is not None and self._core.state is not State.CLOSED

    async def _open(self) -> None:
        await self._close()
        server = self.room.destination(self.room.server)
        self._reader, self._writer = await asyncio.open_connection(server.host, server.port)
        self._core = ClientSession()
        self._last = ""
        self.deeds.append(Deed(line=None, opens=True))
        await self._hear(lambda: self._core.greeted is not None)

    async def _send(self, lines: Sequence[str]) -> None:
        assert self._writer is not None
        is_return = not self._last
        waits = self._waits()
        self._last = lines[-1] or " "
        text = "\r\n".join(lines)
        octets = text.encode() + b"\r\n"
        self._core.send(octets)
        self._writer.write(octets)
        await self._hear(lambda: self._core.settled)
        waits = self._waits() if is_return else waits
        self.deeds.append(Deed(line=text, is_judged=not waits))
        if self._core.farewell:
            await self._hear(lambda: self._core.state is State.CLOSED)
            await self._close()

    async def _hear(self, enough: Callable[[], bool]) -> None:
        """Read until there is enough; hang up if a reply doesn't end."""
        assert self._reader is not None
        while not enough() and self._core.state is not State.CLOSED:
            try:
                data = await asyncio.wait_for(self._reader.read(READ_OCTETS), PATIENCE_SECONDS)
            except TimeoutError:
                await self._hang_up()
                return
            if not data:
                self._core.receive_eof()
            elif any(isinstance(event, TlsRequested) for event in self._core.receive_data(data)):
                await self._begin_tls()

    async def _begin_tls(self) -> None:
        assert self._writer is not None
        settings = self.room.destination(self.room.server).tls_settings()
        context = client_context(settings)
        await self._writer.start_tls(context, server_hostname=settings.server_name)
        self._core.tls_established()

    async def _hang_up(self) -> None:
        """Leave without QUIT."""
        if self._is_open:
            self.deeds.append(Deed(line=None))
        await self._close()

    async def _close(self) -> None:
        writer, self._reader, self._writer = self._writer, None, None
        if writer is not None:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            while self._is_seen():
                # To come back before the server has seen one go is to be refused, as real pupils are.
                await asyncio.sleep(BUSY_SECONDS)


def _filled(turns: Iterable[Turn], bindings: Bindings) -> Iterator[str]:
    for turn in turns:
        if isinstance(turn.act, Send):
            with suppress(FillError):
                yield turn.act.step.pattern.fill(bindings)


def cast(room: ClassRoom, count: int, *, seed: int = 1, pace: float = PACE_SECONDS) -> list[Actor]:
    """Return actors for a class: some make few mistakes, some many, and some repeat the same one.

    Args:
        room: the class.
        count: how many actors.
        seed: decides what is random.
        pace: seconds for a line, on average.
    """
    actors = []
    for number in range(count):
        chance = Random(f"{seed} {number}")
        rounds, at = divmod(number, len(NAMES))
        own = MISTAKES[number % len(MISTAKES)]
        actors.append(
            Actor(
                name=NAMES[at] + (str(rounds + 1) if rounds else ""),
                room=room,
                chance=chance,
                mistakes=(own, *chance.sample(MISTAKES, 3)),
                often=chance.choice((0.1, 0.2, 0.3, 0.4, 0.6)),
                pace=pace * chance.uniform(0.5, 2),
            )
        )
    return actors


@contextmanager
def rehearsing(actors: Sequence[Actor]) -> Iterator[None]:
    """Let actors play in a thread for as long as the context lasts."""
    loop = asyncio.new_event_loop()

    async def play() -> None:
        await asyncio.gather(*(actor.play() for actor in actors))

    def run() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(playing)
        loop.close()

    playing = loop.create_task(play())
    thread = threading.Thread(target=run, name="rehearsal", daemon=True)
    thread.start()
    try:
        yield
    finally:
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(playing.cancel)
        thread.join()
