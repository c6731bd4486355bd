"""Who is who in a class: each connection is a pupil's, by the name that it gives.

The server's thread reports what it sees; the pupil's tutor is told at once, in that thread, so that a
maildrop can be made as it was before the login that follows.  The board's thread asks for `board`.  A
lock keeps the two apart.

A connection belongs to the name in its USER, APOP or AUTH, from its first octet on: what was typed
before the name is judged as well.  Until then it is shown by its address.  A name that has never logged
in is taken for a slip of the keys as soon as the same connection gives another.  In a lesson that asks
for no name a connection is taken for the one of the only pupil who was ever seen at its address.
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

from poptalk.classroom.pupil import Pupil, Remark, Tools, steps_to_do
from poptalk.classroom.view import BoardView, PupilView, StepState, StepTally
from poptalk.lesson.document.model import Lesson, named_for
from poptalk.lesson.outside import News, Reporter, VisitorCame, VisitorLeft
from poptalk.pop3.commands import MASK, Effect, State
from poptalk.pop3.server.events import CommandReceived, LoginAttempt
from poptalk.practice.accounts import MOST_NAMES, is_fit_for_a_class
from poptalk.practice.observers import Observer, Peer
from poptalk.terminal.safe import Fragments, harmless
from poptalk.transcript.placeholders import Known

if TYPE_CHECKING:
    from poptalk.classroom.room import PupilServer
    from poptalk.pop3.server.events import ServerEvent
    from poptalk.practice.accounts import Account

MOST_OCTETS_BEFORE_A_NAME = 65_536
"""Octets of a connection that are kept until it is known whose it is; nobody types as much."""

MOST_PUPILS = 2 * MOST_NAMES
"""As many as there may be accounts, and as many who have not logged in."""

COMMONEST = 5
"""Wrong lines that are told."""

PROOFS_AT_ONCE = 2
"""Threads for second connections: each takes some milliseconds."""


class _Visit(Reporter):
    """One connection, and whose it is."""

    def __init__(self, pupils: Pupils, peer: Peer) -> None:
        self.host, self.port = peer.host, peer.port
        self.pupil: Pupil | None = None
        self.number: int | None = None
        """Which of the lesson's connections it is, where the pupil's page has said so."""
        self.news: list[News] | None = []
        """Everything so far, while it may turn out to be another pupil's; None from then on."""
        self.kept = 0
        """Octets in it."""
        self.is_over = self.is_logged_in = False
        self._pupils = pupils
        super().__init__(peer, partial(pupils.take, self))

    def told(self, event: ServerEvent) -> None:
        """Take note of a name, before it is answered."""
        name = _name_in(event)
        if name is not None:
            self._pupils.named(self, name)

    def logged_in(self, account: Account) -> None:
        """Take note that the name is right."""
        self._pupils.logged_in(self, account.name)


def _name_in(event: ServerEvent) -> str | None:
    """Return the name that a client gives; None where it gives none, or none that can be a name."""
    octets = b""
    if isinstance(event, LoginAttempt):
        octets = event.name
    elif isinstance(event, CommandReceived):
        verb = event.command.verb
        if verb is not None and verb.effect is Effect.NAME and event.command.arguments:
            octets = event.command.arguments[0]
    name = octets.decode("utf-8", "replace")
    return name if is_fit_for_a_class(name) else None


class Pupils:
    """The pupils of a class.

    Args:
        lesson: what they learn.
        server_of: returns the maildrop of a name, and the way to it.
        clock: gives seconds.

    Attributes:
        version: rises with everything that happens, so that a board knows when to draw.
        finished: called, with the lock held, when a pupil has done a step.
        came: called with each new pupil, likewise.
        went: called with one who turned out to be another, likewise.
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
        self.finished: Callable[[], None] = _nothing
        self.came: Callable[[Pupil], None] = lambda _: None
        self.went: Callable[[Pupil], None] = lambda _: None
        self.complain: Callable[[str], None] = lambda _: None
        self._server_of = server_of
        self._clock = clock
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
        self._visits: dict[Pupil, list[_Visit]] = {}
        """Those whose news are kept, the one that counts last."""
        self._at: dict[str, set[Pupil]] = {}
        """The pupils with a name who were seen at an address."""
        self._open = Counter[str]()
        """Connections from each address."""
        self._shared: set[str] = set()
        """Addresses that had more than one at a time."""
        self._counted: Counter[bool] = Counter()
        """Pupils with a name, and without."""
        self._announced: dict[tuple[str, int], tuple[str, int]] = {}
        """Connections that are to come: whose they are, and which of the lesson's."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._threads = ThreadPoolExecutor(PROOFS_AT_ONCE, thread_name_prefix="proof")

    def close(self) -> None:
        """Begin no more proofs, and judge nothing any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self.lock:
            for pupil in self._by_name.values():
                pupil.close()

    # What the server reports, in its thread.

    def begin(self, peer: Peer) -> Observer:
        """Follow a connection; called by the server."""
        self._loop = self._loop or asyncio.get_running_loop()
        return _Visit(self, peer)

    def announce(self, address: tuple[str, int], name: str, *, number: int) -> None:
        """Let a connection that is to come be the one of a name, before it gives any; in any thread.

        Args:
            address: from where it comes, and the port there.
            name: of a pupil who came by the page.
            number: which of the lesson's connections it is, from 1.
        """
        with self.lock:
            self._announced[address] = name, number

    def progress_of(self, name: str) -> tuple[frozenset[str], str | None]:
        """Return the steps that a pupil has done, and the one that is due; in any thread."""
        with self.lock:
            pupil = self._by_name.get(_key(name))
            if pupil is None or pupil.step is None:
                return frozenset(), None
            return frozenset(pupil.done), pupil.step.slug

    def has_open_maildrop(self, name: str) -> bool:
        """Tell whether a pupil is logged in, at the moment that is judged; in any thread."""
        with self.lock:
            pupil = self._by_name.get(_key(name))
            session = pupil.session if pupil is not None else None
            return session is not None and session.state is State.TRANSACTION

    def take(self, visit: _Visit, news: News) -> None:
        """Take what the server saw of a connection."""
        with self.lock:
            self._guarded(partial(self._take, visit, news))

    def named(self, visit: _Visit, name: str) -> None:
        """Let a connection be the one of a name."""
        with self.lock:
            if not visit.is_logged_in:
                self._guarded(partial(self._named, visit, name))

    def logged_in(self, visit: _Visit, name: str) -> None:
        """Let a connection be the one of a name for good."""
        visit.is_logged_in = True
        with self.lock:
            self._guarded(partial(self._logged_in, visit, name))

    def _logged_in(self, visit: _Visit, name: str) -> None:
        self._named(visit, name)
        if visit.pupil is None:
            return
        visit.pupil.has_logged_in = True
        if self._counts(visit):
            visit.news = None

    def _guarded(self, act: Callable[[], None]) -> None:
        """Do something; what goes wrong in it is no reason for a connection to end."""
        self.version += 1
        try:
            act()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the judge
            self.complain(f"A line could not be judged, which is poptalk's fault: {error!r}")

    def _take(self, visit: _Visit, news: News) -> None:
        if visit.news is not None:
            visit.kept += len(getattr(news, "octets", b""))
            if visit.kept > MOST_OCTETS_BEFORE_A_NAME:
                return
            visit.news.append(news)
        if isinstance(news, VisitorCame):
            self._open[visit.host] += 1
            if self._open[visit.host] > 1:
                self._shared.add(visit.host)
            announced = self._announced.pop((visit.host, visit.port), None)
            if announced is not None:
                name, visit.number = announced
                self._join(visit, self._of(name))
            elif self._has_room():
                self._join(visit, self._nameless(visit.host))
            return
        if visit.pupil is not None and self._counts(visit):
            visit.pupil.take(news)
        if isinstance(news, VisitorLeft):
            visit.is_over = True
            self._open[visit.host] -= 1
            if visit.pupil is not None:
                self._ended(visit, visit.pupil)

    def _has_room(self) -> bool:
        """Whether there may be another pupil; those who were only a name, and are gone, give way."""
        if len(self._by_name) < MOST_PUPILS:
            return True
        for pupil in [*self._by_name.values()]:
            if not (pupil.has_logged_in or pupil.is_connected):
                self._part(pupil, [*self._visits[pupil]])
                return True
        return False

    def _counts(self, visit: _Visit) -> bool:
        """Whether a connection is the one that the pupil's tutor is told of."""
        return visit.pupil is not None and self._visits[visit.pupil][-1:] == [visit]

    def _nameless(self, host: str) -> Pupil:
        """Return the pupil who has come from an address without a name; another one if they are busy."""
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

    def _of(self, name: str) -> Pupil:
        """Return the pupil of a name."""
        return self._by_name.get(_key(name)) or self._new(name, is_named=True)

    def _new(self, name: str, *, is_named: bool) -> Pupil:
        self._counted[is_named] += 1
        number = self._counted[True] if is_named else -self._counted[False]
        # A comment that shows what to type shows the pupil's name, and no password on a board.
        own = named_for(self.lesson, Known(user=name, password=MASK.decode()))
        pupil = Pupil(
            name,
            is_named=is_named,
            number=number,
            lesson=own if is_named else self.lesson,
            server=self._server_of(name),
            tools=Tools(
                clock=self._clock,
                later=self._later,
                aside=self._aside,
                finished=lambda: self.finished(),
                complain=lambda sentence: self.complain(sentence),
            ),
        )
        self._by_name[_key(name, is_named=is_named)] = pupil
        self._visits[pupil] = []
        self.came(pupil)
        return pupil

    def _join(self, visit: _Visit, pupil: Pupil) -> None:
        """Let a connection be a pupil's; it counts unless another one is logged in."""
        visit.pupil = pupil
        visits = self._visits[pupil]
        now = visits[-1] if visits else None
        if now is not None and now.is_logged_in and pupil.is_connected:
            visits.insert(len(visits) - 1, visit)
            return
        pupil.leave()
        visits.append(visit)
        pupil.has_hands = visit.number is not None
        for news in visit.news or ():
            pupil.take(news)

    def _named(self, visit: _Visit, name: str) -> None:
        old = visit.pupil
        if old is None:
            return
        if old.is_named and _key(old.name) == _key(name):
            old.tutor.rename(name)
            return
        pupil = self._by_name.get(_key(name))
        # A name that never logged in may have been a slip, and then all of it was another's.
        moves = not old.has_logged_in and pupil is None
        moving = [*self._visits[old]] if moves else [visit]
        self._part(old, moving)
        pupil = pupil or self._new(name, is_named=True)
        pupil.tutor.rename(name)
        for each in moving:
            self._join(each, pupil)
            self._at.setdefault(each.host, set()).add(pupil)

    def _part(self, pupil: Pupil, visits: Sequence[_Visit]) -> None:
        """Take connections from a pupil, who is forgotten if there was nothing else."""
        if any(map(self._counts, visits)):
            pupil.leave()
        left = [visit for visit in self._visits[pupil] if visit not in visits]
        self._visits[pupil] = left
        if not (pupil.has_logged_in or left):
            pupil.close()
            del self._by_name[_key(pupil.name, is_named=pupil.is_named)], self._visits[pupil]
            for at in self._at.values():
                at.discard(pupil)
            self.went(pupil)

    def _ended(self, visit: _Visit, pupil: Pupil) -> None:
        """Let another connection count that has waited for the end of this one."""
        if not pupil.is_named and visit.host in self._shared:
            self._part(pupil, [visit])  # it cannot be known who that was
            return
        visits = self._visits[pupil]
        counted = visits[-1] is visit
        if visit.news is None:
            visits.remove(visit)
        waiting = [each for each in visits if not each.is_over]
        if counted and waiting:
            visits.remove(waiting[-1])
            self._join(waiting[-1], pupil)

    # What pupils need.

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        assert self._loop is not None
        with suppress(RuntimeError):  # the class is over
            act = partial(self._locked, act)
            self._loop.call_soon_threadsafe(self._loop.call_later, seconds, act)

    def _aside(self, work: Callable[[], None], then: Callable[[], None]) -> None:
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
                seconds=self._clock() - self._since,
                finished=sum(view.is_finished for view in views),
                connected=sum(view.is_connected for view in views),
            )

    def said_by(self, number: int) -> list[Fragments | Remark]:
        """Return the last exchange of a pupil, line by line, with poptalk's comments.

        Args:
            number: the pupil's.
        """
        with self.lock:
            found = [pupil for pupil in self._by_name.values() if pupil.number == number]
            return [*found[0].said] if found else []

    def number_of(self, slug: str) -> int:
        """Return which step of the lesson one is, from 1."""
        return self._number_of[slug]

    def find(self, name: str) -> Pupil | None:
        """Return the pupil of a name; to be used with the lock held."""
        return self._by_name.get(_key(name))

    def at(self, port: int) -> Pupil | None:
        """Return the pupil at a client's port; to be used with the lock held."""
        visits = [visit for visits in self._visits.values() for visit in visits]
        return next((visit.pupil for visit in visits if visit.port == port), None)

    def connection_of(self, key: bytes | None) -> int:
        """Return which of the lesson's connections the one of a name is that is about to log in."""
        with self.lock:
            pupil = self._by_name.get((key or b"").decode())
            if pupil is None:
                return 1
            visits = self._visits[pupil]
            if visits and not visits[-1].is_over and visits[-1].number is not None:
                return visits[-1].number
            return max(1, pupil.tutor.connection + (not pupil.is_connected))

    def all(self) -> list[Pupil]:
        """Return the pupils in the order in which they came; to be used with the lock held."""
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
            stuck_seconds=0 if pupil.finished else self._clock() - pupil.progressed_at,
            line=remark.line if remark is not None else "",
            word=remark.kind.value if remark is not None else "",
            remark=remark.text if remark is not None else "",
            trouble=self._trouble_of(pupil),
        )

    def _trouble_of(self, pupil: Pupil) -> str:
        visits = self._visits[pupil]
        counts = visits[-1] if visits else None
        others = {visit.host for visit in visits if visit is not counts and not visit.is_over}
        if others and counts is not None and counts.is_logged_in:
            return f"the same name is at {' and '.join(sorted(others))} as well"
        return pupil.waits_for


def _key(name: str, *, is_named: bool = True) -> str:
    """Make of a name what pupils are known by: case makes no difference, as for the server.

    An address has a space in front, which no name has.
    """
    return name.casefold() if is_named else f" {name}"


def _nothing() -> None:
    """Do nothing."""
