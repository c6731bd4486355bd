"""Who is who in a class: each connection belongs to a pupil, by the name that it gives.

The server's thread reports what it sees.  The pupil's tutor is told at once, in that thread, so that a
maildrop can be restored before the login that follows.  The board's thread asks for `board`.  A lock
keeps the two apart.

A connection belongs to the name in its USER, APOP or AUTH from its first octet on: what was typed
before the name is judged too.  Until then it is shown by its address.  A name that has never logged in
is taken for a typing error as soon as the same connection gives another.  In a lesson that asks for no
name, a connection is taken for that of the only pupil ever seen at its address.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from threading import RLock
from typing import TYPE_CHECKING

from poptalk.classroom.connection import PupilConnection
from poptalk.classroom.pupil import Pupil, Remark, steps_to_do
from poptalk.classroom.view import BoardView, PupilView, StepState, StepTally
from poptalk.lesson.document.model import Lesson, named_for
from poptalk.lesson.outside import News, VisitorCame, VisitorLeft, VisitorSent
from poptalk.pop3.commands import MASK, Effect, State
from poptalk.practice.accounts import MOST_NAMES
from poptalk.practice.observers import Observer, Peer
from poptalk.terminal.safe import Fragments, harmless
from poptalk.transcript.placeholders import Known

if TYPE_CHECKING:
    from poptalk.classroom.room import PupilServer

MOST_OCTETS_BEFORE_A_NAME = 65_536
"""Octets that are kept of a connection until its pupil is known; nobody types as much."""

MOST_PUPILS = 2 * MOST_NAMES
"""As many as there may be accounts, and as many again who have not logged in."""

COMMONEST = 5
"""How many wrong lines are named for the whole class."""

PROOFS_AT_ONCE = 2
"""Threads for second connections; each takes a few milliseconds."""


class Pupils:
    """The pupils of a class.

    Args:
        lesson: what they learn.
        server_of: returns the server as the pupil of a name sees it.
        clock: gives seconds.

    Attributes:
        version: rises with everything that happens, so that a board knows when to draw.
        clock: see above.
        step_done: called, with the lock held, when a pupil has done a step.
        came: called likewise with each new pupil.
        went: called likewise with a pupil who turned out to be another.
        complain: called with a sentence for the teacher.
    """

    def __init__(
        self,
        lesson: Lesson,
        server_of: Callable[[str], PupilServer],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lesson = lesson
        self.lock = RLock()
        self.version = 0
        self.clock = clock
        self.step_done: Callable[[], None] = lambda: None
        self.came: Callable[[Pupil], None] = lambda _: None
        self.went: Callable[[Pupil], None] = lambda _: None
        self.complain: Callable[[str], None] = lambda _: None
        self._server_of = server_of
        self._since = clock()
        self._steps = steps_to_do(lesson)
        self._guesses = not any(
            turn.effect in (Effect.NAME, Effect.LOGIN)
            for block in lesson.blocks()
            for turn in block.turns
        )
        """Whether the lesson asks for no name, so that most connections give none."""
        self._number_of = {step.slug: at for at, step in enumerate(lesson.steps, 1)}
        self._by_name: dict[str, Pupil] = {}
        self._connections: dict[Pupil, list[PupilConnection]] = {}
        """Those that are open or may still turn out to be another pupil's, the current one last."""
        self._at: dict[str, set[Pupil]] = {}
        """The pupils with a name who were seen at an address."""
        self._open = Counter[str]()
        """Open connections from each address."""
        self._shared: set[str] = set()
        """Addresses that had more than one at a time."""
        self._counted: Counter[bool] = Counter()
        """Pupils with a name, and without."""
        self._announced: dict[tuple[str, int], tuple[str, int]] = {}
        """Connections to come, by where from: whose they are, and which of the lesson's."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._threads = ThreadPoolExecutor(PROOFS_AT_ONCE, thread_name_prefix="proof")

    def close(self) -> None:
        """Start no more proofs, and judge nothing any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self.lock:
            for pupil in self._by_name.values():
                pupil.close()

    # What the server reports, in its thread.

    def begin(self, peer: Peer) -> Observer:
        """Follow a connection; called by the server."""
        self._loop = self._loop or asyncio.get_running_loop()
        return PupilConnection(self, peer)

    def announce(self, address: tuple[str, int], name: str, *, number: int) -> None:
        """Let a connection to come be that of a name, before it gives any; in any thread.

        Args:
            address: the address and the port that it comes from.
            name: the pupil's, who has a page.
            number: which of the lesson's connections it is, from 1.
        """
        with self.lock:
            self._announced[address] = name, number

    def progress_of(self, name: str) -> tuple[frozenset[str], str | None]:
        """Return the steps that a pupil has done, and the current one; in any thread."""
        with self.lock:
            pupil = self.find(name)
            if pupil is None or pupil.step is None:
                return frozenset(), None
            return frozenset(pupil.done), pupil.step.slug

    def has_open_maildrop(self, name: str) -> bool:
        """Tell whether a pupil is logged in, at the moment that is judged; in any thread."""
        with self.lock:
            pupil = self.find(name)
            session = pupil.session if pupil is not None else None
            return session is not None and session.state is State.TRANSACTION

    def take(self, connection: PupilConnection, news: News) -> None:
        """Take what the server saw of a connection."""
        with self.lock:
            self._guarded(partial(self._take, connection, news))

    def named(self, connection: PupilConnection, name: str) -> None:
        """Let a connection be that of a name, unless another name is proven."""
        with self.lock:
            if not connection.is_logged_in:
                self._guarded(partial(self._named, connection, name))

    def logged_in(self, connection: PupilConnection, name: str) -> None:
        """Let a connection be that of a name for good."""
        connection.is_logged_in = True
        with self.lock:
            self._guarded(partial(self._logged_in, connection, name))

    def _logged_in(self, connection: PupilConnection, name: str) -> None:
        self._named(connection, name)
        if connection.pupil is None:
            return
        connection.pupil.has_logged_in = True
        if self._is_current(connection):
            connection.news = None

    def _guarded(self, act: Callable[[], None]) -> None:
        """Do something; no connection ends because of what goes wrong in it."""
        self.version += 1
        try:
            act()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the judge
            self.complain(f"A line could not be judged, which is poptalk's fault: {error!r}")

    def _take(self, connection: PupilConnection, news: News) -> None:
        if connection.news is not None:
            connection.kept += len(getattr(news, "octets", b""))
            if connection.kept <= MOST_OCTETS_BEFORE_A_NAME:
                connection.news.append(news)
            elif not isinstance(news, VisitorLeft):
                return
        if isinstance(news, VisitorCame):
            self._came(connection)
            return
        if connection.pupil is not None and self._is_current(connection):
            connection.pupil.take(news)
        if isinstance(news, VisitorLeft):
            connection.is_over = True
            self._open[connection.host] -= 1
            if connection.pupil is not None:
                self._ended(connection, connection.pupil)

    def _came(self, connection: PupilConnection) -> None:
        """Find out whose a new connection is, for the time being."""
        self._open[connection.host] += 1
        if self._open[connection.host] > 1:
            self._shared.add(connection.host)
        announced = self._announced.pop((connection.host, connection.port), None)
        if announced is not None:
            name, connection.number = announced
            self._join(connection, self.find(name) or self._new(name, is_named=True))
        elif self._has_room():
            self._join(connection, self._nameless(connection.host))

    def _has_room(self) -> bool:
        """Tell whether there may be another pupil; those who only gave a name and left make room."""
        if len(self._by_name) < MOST_PUPILS:
            return True
        for pupil in [*self._by_name.values()]:
            if not (pupil.has_logged_in or pupil.is_connected):
                self._part(pupil, [*self._connections[pupil]])
                return True
        return False

    def _is_current(self, connection: PupilConnection) -> bool:
        """Tell whether a connection is the one that the pupil's tutor is told of."""
        pupil = connection.pupil
        return pupil is not None and self._connections[pupil][-1:] == [connection]

    def _nameless(self, host: str) -> Pupil:
        """Return the pupil who has come from an address without giving a name."""
        known = self._at.get(host, set())
        if self._guesses and host not in self._shared and len(known) == 1:
            return next(iter(known))
        for number in itertools.count(1):
            name = host if number == 1 else f"{host} ({number})"
            pupil = self._by_name.get(_key(name, is_named=False))
            if pupil is None:
                return self._new(name, is_named=False)
            if host not in self._shared:
                return pupil
        raise AssertionError("unreachable")

    def _new(self, name: str, *, is_named: bool) -> Pupil:
        self._counted[is_named] += 1
        number = self._counted[True] if is_named else -self._counted[False]
        # A comment that shows what to type has the pupil's name in it, but no password on a board.
        own = named_for(self.lesson, Known(user=name, password=MASK.decode()))
        pupil = Pupil(
            name,
            is_named=is_named,
            number=number,
            lesson=own if is_named else self.lesson,
            server=self._server_of(name),
            pupils=self,
        )
        self._by_name[_key(name, is_named=is_named)] = pupil
        self._connections[pupil] = []
        self.came(pupil)
        return pupil

    def _join(self, connection: PupilConnection, pupil: Pupil) -> None:
        """Give a connection to a pupil; it becomes the current one unless another is logged in."""
        connection.pupil = pupil
        connections = self._connections[pupil]
        current = connections[-1] if connections else None
        if current is not None and current.is_logged_in and pupil.is_connected:
            connections.insert(len(connections) - 1, connection)
            return
        pupil.leave()
        connections.append(connection)
        pupil.has_hands = connection.number is not None
        is_judged, connection.told_to = connection.told_to is pupil, pupil
        for news in connection.news or ():
            if is_judged and isinstance(news, VisitorSent):
                break  # its lines count once: only the greeting is heard again
            pupil.take(news)

    def _named(self, connection: PupilConnection, name: str) -> None:
        old = connection.pupil
        if old is None:
            return
        if old.is_named and _key(old.name) == _key(name):
            old.tutor.session.rename(name)
            return
        pupil = self.find(name)
        # A name that never logged in may have been a typing error, and then all of it was another's.
        moves_all = not old.has_logged_in and pupil is None
        moving = [*self._connections[old]] if moves_all else [connection]
        self._part(old, moving)
        pupil = pupil or self._new(name, is_named=True)
        pupil.tutor.session.rename(name)
        for each in moving:
            self._join(each, pupil)
            self._at.setdefault(each.host, set()).add(pupil)

    def _part(self, pupil: Pupil, connections: Sequence[PupilConnection]) -> None:
        """Take connections away from a pupil, who is forgotten if there was nothing else."""
        if any(map(self._is_current, connections)):
            pupil.leave()
        left = [each for each in self._connections[pupil] if each not in connections]
        self._connections[pupil] = left
        if not (pupil.has_logged_in or left):
            pupil.close()
            del self._by_name[_key(pupil.name, is_named=pupil.is_named)], self._connections[pupil]
            for at in self._at.values():
                at.discard(pupil)
            self.went(pupil)

    def _ended(self, connection: PupilConnection, pupil: Pupil) -> None:
        """Forget a connection that has ended, or let one that has waited for that be the current one."""
        is_nobodys = not pupil.is_named and connection.host in self._shared
        if connection.is_trial or is_nobodys:
            self._part(pupil, [connection])
            return
        connections = self._connections[pupil]
        was_current = self._is_current(connection)
        if connection.news is None:
            connections.remove(connection)
        waiting = [each for each in connections if not each.is_over]
        if was_current and waiting:
            connections.remove(waiting[-1])
            self._join(waiting[-1], pupil)

    # What pupils and their connections need.

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something after some seconds, with the lock held."""
        assert self._loop is not None
        with suppress(RuntimeError):  # the class is over
            act = partial(self._locked, act)
            self._loop.call_soon_threadsafe(self._loop.call_later, seconds, act)

    def in_a_thread(self, work: Callable[[], None], then: Callable[[], None]) -> None:
        """Do some work in another thread, and then something else with the lock held."""

        def go() -> None:
            work()
            self._locked(then)

        self._threads.submit(go)

    def _locked(self, act: Callable[[], None]) -> None:
        with self.lock:
            self._guarded(act)

    # What a board asks, in any thread.

    def board(self) -> BoardView:
        """Return the class as it is now."""
        with self.lock:
            pupils = [*self._by_name.values()]
            wrong = sum((pupil.wrong for pupil in pupils), Counter[str]())
            views = sorted(map(self._view, pupils), key=lambda view: view.urgency)
            return BoardView(
                lesson=harmless(self.lesson.title),
                pupils=tuple(views),
                steps=tuple(
                    StepTally(
                        number=self._number_of[step.slug],
                        title=harmless(step.title),
                        done=sum(step.slug in pupil.done for pupil in pupils),
                    )
                    for step in self._steps
                ),
                wrong_lines=tuple(wrong.most_common(COMMONEST)),
                seconds=self.clock() - self._since,
                finished=sum(view.is_finished for view in views),
                connected=sum(view.is_connected for view in views),
            )

    def said_by(self, number: int) -> list[Fragments | Remark]:
        """Return the last lines of a pupil's dialogue, with poptalk's comments.

        Args:
            number: the pupil's.
        """
        with self.lock:
            found = [pupil for pupil in self._by_name.values() if pupil.number == number]
            return [*found[0].said] if found else []

    def number_of(self, slug: str) -> int:
        """Return the number of a step of the lesson, from 1."""
        return self._number_of[slug]

    def find(self, name: str) -> Pupil | None:
        """Return the pupil of a name; call it with the lock held."""
        return self._by_name.get(_key(name))

    def at(self, port: int) -> Pupil | None:
        """Return the pupil at a client's port; call it with the lock held."""
        open_ = [each for connections in self._connections.values() for each in connections]
        return next((each.pupil for each in open_ if each.port == port), None)

    def connection_of(self, key: bytes | None) -> int:
        """Return which of the lesson's connections the one is that is about to log in by a name."""
        with self.lock:
            pupil = self._by_name.get((key or b"").decode())
            if pupil is None:
                return 1
            connections = self._connections[pupil]
            current = connections[-1] if connections else None
            if current is not None and not current.is_over and current.number is not None:
                return current.number
            return max(1, pupil.tutor.session.number + (not pupil.is_connected))

    def all(self) -> list[Pupil]:
        """Return the pupils in the order in which they came; call it with the lock held."""
        return sorted(self._by_name.values(), key=lambda pupil: (not pupil.is_named, pupil.number))

    def _view(self, pupil: Pupil) -> PupilView:
        step, remark = pupil.step, pupil.remark
        misses = pupil.misses[step.slug] if step is not None else 0
        title = f"{self._number_of[step.slug]} {harmless(step.title)}" if step is not None else ""
        return PupilView(
            number=pupil.number,
            name=harmless(pupil.name),
            is_named=pupil.is_named,
            is_connected=pupil.is_connected,
            is_finished=pupil.finished,
            steps=tuple(
                StepState.DONE
                if each.slug in pupil.done
                else StepState.DUE
                if step is not None and each.slug == step.slug
                else StepState.TO_DO
                for each in self._steps
            ),
            step=title,
            misses=misses,
            all_misses=pupil.misses.total(),
            stuck_seconds=0 if pupil.finished else self.clock() - pupil.progressed_at,
            line=remark.line if remark is not None else "",
            word=remark.kind.value if remark is not None else "",
            remark=remark.text if remark is not None else "",
            trouble=self._trouble_of(pupil),
        )

    def _trouble_of(self, pupil: Pupil) -> str:
        connections = self._connections[pupil]
        current = connections[-1] if connections else None
        others = {each.host for each in connections if each is not current and not each.is_over}
        if others and current is not None and current.is_logged_in:
            return f"the same name is at {' and '.join(sorted(others))} as well"
        return pupil.waits_for


def _key(name: str, *, is_named: bool = True) -> str:
    """Return what a pupil is known by: case makes no difference in a name, as for the server.

    An address has a space in front, which no name has.
    """
    return name.casefold() if is_named else f" {name}"
