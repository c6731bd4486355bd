"""The server of a lesson: a practice server in this process, one for a class, or one of the learner's.

The practice server has a copy of the lesson's mailbox, its one account, its persona and its faults.
All connections of the lesson have the same maildrop, one session at a time, so what one of them has
deleted is gone for the next.  `fresh` makes everything as it was at first; replay relies on that.  A
server for a class (`LessonMailboxes`) has such a maildrop for each name; nothing is made fresh there,
and `learn` recognises it by the unique-ids of the lesson's messages (`recognise`).
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from poptalk.config import mailbox_directory
from poptalk.lesson.document.model import BlockKind, Lesson
from poptalk.lesson.document.parser import line_of_key
from poptalk.lesson.outside import Visitors, ways_in
from poptalk.net.endpoint import Destination, UsageError
from poptalk.pop3.server.events import EndReason, ServerEvent, SessionEnded
from poptalk.practice.accounts import Account, AccountError
from poptalk.practice.maildrop import MaildropError, Store, locate
from poptalk.practice.observers import Observer, Peer
from poptalk.practice.persona import Persona, PersonaError, in_the_form_of, load_persona
from poptalk.practice.server import PracticeDestination, Server
from poptalk.transcript.placeholders import Known

# The mailbox: `*.eml` are the messages at the beginning; those in `later/` come in once a session that
# was logged in has ended with QUIT.  A message with `X-Poptalk-Grow: 6000000` in its header is stored
# small and served large: without that field, its last line repeated until it has about so many octets.


GROW_FIELD = b"X-Poptalk-Grow"

MOST_OCTETS = 64_000_000
"""The largest size to grow to: more than any mail server takes, and written in a tenth of a second."""

LATER = "later"
"""The folder with the messages that come in later."""

_GROW_LINE = re.compile(
    rb"^" + GROW_FIELD + rb":[ \t]*(.*?)[ \t]*\r?\n", re.IGNORECASE | re.MULTILINE
)
_CLOSING_BOUNDARY = re.compile(rb"^--[^\r\n]+--[ \t]*(?:\r?\n)?\s*\Z", re.MULTILINE)
_END_OF_HEADER = re.compile(rb"^\r?\n", re.MULTILINE)


class MailboxError(Exception):
    """A mailbox can't be used; the text is one sentence."""


class Mailbox:
    """A copy of a lesson's mailbox.

    Args:
        source: the folder that belongs to the lesson; nothing in it is changed.
        folder: an empty one, for the copy.
        like: a mailbox of the same source that is not in use, to share its files with: messages may be
            large, and a class has many copies.

    Attributes:
        maildrop: the folder that the practice server serves.
        has_later: whether there are messages that come in later.
        beginnings: how often it was made as at first; a session that is older lets nothing in.

    Raises:
        MailboxError: a message can't be copied.
    """

    def __init__(self, source: Path, folder: Path, *, like: Mailbox | None = None) -> None:
        self.maildrop = folder / "maildrop"
        self._later: Path = folder / LATER if like is None else like._later
        self._lock = threading.Lock()
        """The server's thread lets messages in, and the lesson's takes them away."""
        self.beginnings = 0
        try:
            if like is None:
                _copy(source, self.maildrop)
                _copy(source / LATER, self._later)
            else:
                self.maildrop.mkdir(parents=True)
                for letter in like.maildrop.iterdir():
                    _share(letter, self.maildrop)
        except OSError as error:
            raise MailboxError(
                f"The mailbox {source} cannot be copied ({error.strerror}: {error.filename})."
            ) from error
        self.has_later = any(self._later.iterdir())

    @property
    def later_is_here(self) -> bool:
        """Whether the messages that come in later have come in."""
        return any((self.maildrop / letter.name).exists() for letter in self._later.iterdir())

    def let_later_letters_in(self, *, beginnings: int) -> None:
        """Add the messages that come in later, if they aren't here.

        Args:
            beginnings: the value at the beginning of the session that has ended.
        """
        with self._lock:
            if beginnings != self.beginnings:
                return
            for letter in self._later.iterdir():
                if not (self.maildrop / letter.name).exists():
                    _share(letter, self.maildrop)

    def start_over(self) -> None:
        """Remove the messages that came in later."""
        with self._lock:
            self.beginnings += 1
            for letter in self._later.iterdir():
                (self.maildrop / letter.name).unlink(missing_ok=True)


def find_mailbox(name: str, *, beside: Path) -> Path:
    """Return the folder of a mailbox.

    Args:
        name: as in the lesson's front matter.
        beside: the lesson's file; the folder `mailboxes` beside it comes before the one that is shipped.

    Raises:
        MailboxError: there is none of that name.
    """
    if Path(name).name != name or name in ("", ".."):
        raise MailboxError(f'"{name}" isn\'t a mailbox: give the name of a folder in mailboxes/.')
    own = beside.parent / "mailboxes" / name
    if own.is_dir():
        return own
    try:
        return mailbox_directory(name)
    except FileNotFoundError as error:
        raise MailboxError(str(error)) from error


def _share(letter: Path, folder: Path) -> None:
    """Put a message into a folder: the same file, or a copy if the system has no hard links."""
    try:
        os.link(letter, folder / letter.name)
    except OSError:
        shutil.copy2(letter, folder)


def _copy(source: Path, folder: Path) -> None:
    folder.mkdir()
    for letter in sorted(source.glob("*.eml")):
        try:
            grown = grow(letter.read_bytes())
        except ValueError as error:
            raise MailboxError(f"{letter}: {error}") from error
        (folder / letter.name).write_bytes(grown)


def grow(letter: bytes) -> bytes:
    """Make a message as large as its header asks for, and drop the field that asks.

    Args:
        letter: as it is stored.

    Returns:
        The message itself, if its header has no `X-Poptalk-Grow`.  Otherwise its last line, or the
        one above its closing boundary, is repeated.

    Raises:
        ValueError: the field has no number, or one that is too large; one sentence.
    """
    end = _END_OF_HEADER.search(letter)
    field = _GROW_LINE.search(letter, 0, end.start() if end else len(letter))
    if field is None:
        return letter
    if not field[1].isdigit() or int(field[1][:12]) > MOST_OCTETS:
        name = GROW_FIELD.decode()
        raise ValueError(f"{name} takes a number of octets, {MOST_OCTETS:,} at most.")
    letter = letter[: field.start()] + letter[field.end() :]
    closing = _CLOSING_BOUNDARY.search(letter)
    above = letter[: closing.start()] if closing else letter
    text = above.rstrip(b"\r\n")
    blanks = above[len(text) :] or b"\r\n"
    line_end = b"\r\n" if blanks.startswith(b"\r\n") else b"\n"
    line = line_end + text[text.rfind(b"\n") + 1 :]
    # A line end that is stored as one octet travels as two (RFC 1939 §11).
    octets = len(letter) + (letter.count(b"\n") - letter.count(b"\r\n"))
    times = max(0, int(field[1]) - octets) // (len(line) + (line_end == b"\n"))
    return text + line * times + blanks + (letter[closing.start() :] if closing else b"")


# Where a lesson's connections go: to its own practice server, or to the learner's server.


class LessonServer(ABC):
    """A server that a lesson runs on, and who the learner is there."""

    known: Known
    """The user's name and password."""
    live: bool = False
    """Whether it has real mail, and what is deleted is gone."""
    lasting: bool = False
    """Whether what is deleted stays deleted, so that nothing can be as it was at first."""
    later_letters: bool = False
    """Whether messages come in once a session that was logged in has ended with QUIT."""
    wrong: tuple[range | None, ...] = ()
    """The connections that have a fault, as far as that is known; None is all of them."""

    @abstractmethod
    def destination(self, *, fresh: bool, number: int) -> Destination:
        """Return where to connect to.

        Args:
            fresh: whether the maildrop must be as it was at first; without effect if it can't be.
            number: which connection of the lesson it will be, from 1.
        """

    def has_fault(self, number: int) -> bool:
        """Tell whether the server has a fault, on purpose, on one of the lesson's connections.

        Args:
            number: which one, from 1.
        """
        return any(numbers is None or number in numbers for numbers in self.wrong)

    @abstractmethod
    def aside(self) -> Destination:
        """Return where to make one connection that isn't one of the lesson's."""


class LiveLessonServer(LessonServer):
    """The learner's own server.

    Args:
        destination: the server.
        known: the user's name there, and the password, which is stored nowhere else.
    """

    live = True

    def __init__(self, destination: Destination, known: Known) -> None:
        self._destination = destination
        self.known = known

    def destination(self, *, fresh: bool, number: int) -> Destination:  # noqa: ARG002 - its mail is as it is
        """Return the server."""
        return self._destination

    def aside(self) -> Destination:
        """Return the server."""
        return self._destination


def what_its_server_does(lesson: Lesson) -> str | None:
    """Say what only a lesson's practice server does; None if there is nothing."""
    if lesson.faults:
        return "what its practice server does wrong"
    if any(block.outside for block in lesson.blocks(BlockKind.TASK)):
        return "a server that other programs talk to as well"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class LettersSeen:
    """How much of a lesson's mail a maildrop has.

    Args:
        count: how many of its messages there are.
        of: how many the lesson has at its beginning.
        as_at_first: whether they are the ones that it begins with.
        later: whether the lesson has messages that come in later.
    """

    count: int
    of: int
    as_at_first: bool
    later: bool


def recognise(lesson: Lesson, unique_ids: Sequence[bytes]) -> LettersSeen | None:
    """Tell whether a maildrop has messages of a lesson, and nothing else.

    The practice server makes unique-ids from the octets of messages, so no other mail has them.

    Args:
        lesson: the lesson.
        unique_ids: of all messages of the maildrop, in their order.

    Returns:
        None if there is no message, or one that isn't the lesson's.

    Raises:
        LessonServerError: the lesson's mailbox can't be used.
    """
    if not unique_ids:
        return None
    with tempfile.TemporaryDirectory(prefix="poptalk-", ignore_cleanup_errors=True) as directory:
        mailbox = _mailbox_of(lesson, Path(directory))
        first = _unique_ids(lesson, mailbox)
        mailbox.let_later_letters_in(beginnings=mailbox.beginnings)
        known = _unique_ids(lesson, mailbox)
    if not set(unique_ids) <= set(known):
        return None
    as_at_first = list(unique_ids) == first
    return LettersSeen(
        count=len(unique_ids), of=len(first), as_at_first=as_at_first, later=mailbox.has_later
    )


def _unique_ids(lesson: Lesson, mailbox: Mailbox) -> list[bytes]:
    with _blaming(lesson, "mailbox", MaildropError):
        lease = Store(locate(mailbox.maildrop)).open()
    maildrop = in_the_form_of(persona_of(lesson), lease.maildrop)
    return [maildrop.unique_id(number) for number in range(1, maildrop.count + 1)]


class ClassLessonServer(LiveLessonServer):
    """A server for a class, which has the lesson's mail.

    The password is on the blackboard, and no real mail can be lost; but what is deleted is gone.

    Args:
        destination: the server.
        known: the pupil's name there, and the password of the class.
        seen: which messages are there.
    """

    live = False
    lasting = True

    def __init__(self, destination: Destination, known: Known, seen: LettersSeen) -> None:
        super().__init__(destination, known)
        self.seen = seen
        self.later_letters = seen.later


CHANCE = 1939
"""The seed of a lesson's faults: they do the same to every learner, and in the proof."""

ASIDE = 0
"""The number of a connection that isn't one of the lesson's: no fault such as `#1=locked` affects it."""


class LessonServerError(UsageError):
    """A lesson's practice server can't be made.

    Args:
        lesson: the lesson.
        key: the key of its front matter that is wrong.
        sentence: what is wrong, and what would be right.

    Attributes:
        line: the line of the key in the lesson's file, from 1.
        sentence: without the place.
    """

    def __init__(self, lesson: Lesson, key: str, sentence: str) -> None:
        self.line = line_of_key(lesson.path, key)
        self.sentence = sentence
        super().__init__(f"{lesson.path}:{self.line}: {sentence}")


@contextmanager
def _blaming(lesson: Lesson, key: str, *kinds: type[Exception]) -> Iterator[None]:
    """Turn some errors into one that names a key of the front matter."""
    try:
        yield
    except kinds as error:
        # The option of `poptalk serve` is a key here.
        sentence = str(error).replace("--fault ", "fault ")
        raise LessonServerError(lesson, key, sentence) from error


class PracticeLessonServer(LessonServer):
    """The practice server of a lesson; it runs as long as the context that it manages.

    Args:
        lesson: the lesson; its mailbox is copied, and nothing in the folder itself is changed.
        observers: hear each connection as well, as for `Server`.

    Raises:
        LessonServerError: on entering, if the mailbox, persona, account or a fault can't be used.
    """

    def __init__(
        self, lesson: Lesson, *, observers: Sequence[Callable[[Peer], Observer]] = ()
    ) -> None:
        self.lesson = lesson
        self._observers = observers
        self.known = lesson.known
        self._open = ExitStack()
        self._following = 1
        """The number of the next connection of the lesson."""
        self.visitors = Visitors()
        """Follows the connections of other programs."""

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            directory = tempfile.TemporaryDirectory(prefix="poptalk-", ignore_cleanup_errors=True)
            self._mailbox = _mailbox_of(self.lesson, Path(opening.enter_context(directory)))
            self._server = opening.enter_context(self._new_server())
            self._open = opening.pop_all()
        self.later_letters = self._mailbox.has_later
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.close()

    def destination(self, *, fresh: bool, number: int) -> PracticeDestination:
        """Return where to connect to."""
        return self.fresh(connection=number) if fresh else self.again(connection=number)

    def fresh(self, *, connection: int = 1) -> PracticeDestination:
        """Make everything as it was at first, and return where to connect to.

        A session that is still open keeps the maildrop that it has, and its QUIT lets nothing in.

        Args:
            connection: which of the lesson's connections the next one is, for faults such as
                `#2=locked`.
        """
        self._mailbox.start_over()
        self._server.start_over()
        return self.again(connection=connection)

    def again(self, *, connection: int | None = None) -> PracticeDestination:
        """Return where to connect to, with the maildrop as it is now.

        Args:
            connection: as for `fresh`; None for the one after the last.
        """
        self._server.count_from(self._following if connection is None else connection)
        return PracticeDestination(
            host=self._server.host, port=self._server.port, label="practice", server=self._server
        )

    def ways_in(self) -> list[str]:
        """Return the commands with which other programs of this machine connect."""
        return ways_in(self._server.host, self._server.port, self._server.tls_port)

    def aside(self) -> PracticeDestination:
        """Return where to make one connection that isn't one of the lesson's: a proof.

        The maildrop is as it is now.  Faults of numbered connections don't affect it, and its QUIT
        lets no messages in.
        """
        return self.again(connection=ASIDE)

    # Making the server.

    def _new_server(self) -> Server:
        lesson = self.lesson
        persona = persona_of(lesson)
        self.wrong = connections_with_faults(lesson)
        is_visited = any(block.outside for block in lesson.blocks(BlockKind.TASK))
        with _blaming(lesson, "user", AccountError), _blaming(lesson, "mailbox", MaildropError):
            return Server(
                persona=persona,
                maildrop=self._mailbox.maildrop,
                accounts=[Account(name=lesson.user, password=lesson.password)],
                shared=True,
                faults=lesson.faults,
                fault_seed=CHANCE,
                observers=[self._begin, self.visitors.begin, *self._observers],
                tls_port=0 if is_visited else None,
            )

    def _begin(self, peer: Peer) -> Observer:
        if peer.number == ASIDE:
            self._server.count_from(self._following)
            return Observer()
        self._following = peer.number + 1
        return _Postman(lambda _: self._mailbox)


class _Postman(Observer):
    """Brings messages once a session that was logged in has ended with QUIT.

    Args:
        mailbox_of: returns the mailbox of an account, by its name.
    """

    def __init__(self, mailbox_of: Callable[[str], Mailbox]) -> None:
        self._mailbox_of = mailbox_of
        self._mailbox: Mailbox | None = None
        self._beginnings = 0

    def logged_in(self, account: Account) -> None:
        """Take note that the session has seen the maildrop."""
        self._mailbox = self._mailbox_of(account.name)
        self._beginnings = self._mailbox.beginnings

    def told(self, event: ServerEvent) -> None:
        """Let the messages in before anyone can log in again."""
        ended = isinstance(event, SessionEnded) and event.because is EndReason.QUIT
        if ended and self._mailbox is not None:
            self._mailbox.let_later_letters_in(beginnings=self._beginnings)


class LessonMailboxes:
    """The mailboxes of a class: a copy of the lesson's for each name.

    Args:
        lesson: the lesson.
        directory: a folder for the copies, which exists as long as the server.

    Raises:
        LessonServerError: the lesson's mailbox can't be used.
    """

    def __init__(self, lesson: Lesson, directory: Path) -> None:
        self._lesson = lesson
        self._directory = directory
        self._first = _mailbox_of(lesson, directory / "first")
        self._mailboxes: dict[str, Mailbox] = {}
        self._numbers = itertools.count(1)

    @property
    def has_later(self) -> bool:
        """Whether there are messages that come in later."""
        return self._first.has_later

    def place(self, name: str) -> Path:
        """Make a new mailbox for a name, and return its maildrop: for `Server(maildrop=...)`.

        Raises:
            MaildropError: it can't be made.
        """
        # Names come from strangers, and must not become names of files.
        folder = self._directory / str(next(self._numbers))
        try:
            mailbox = _mailbox_of(self._lesson, folder, like=self._first)
        except LessonServerError as error:
            raise MaildropError(error.sentence) from error
        self._mailboxes[name] = mailbox
        return mailbox.maildrop

    def of(self, name: str) -> Mailbox | None:
        """Return the mailbox of a name; None if it has none yet."""
        return self._mailboxes.get(name)

    def begin(self, _peer: Peer) -> Observer:
        """Let messages come in for a name that logs in: for `Server(observers=...)`."""
        return _Postman(self._mailboxes.__getitem__)


def _mailbox_of(lesson: Lesson, directory: Path, *, like: Mailbox | None = None) -> Mailbox:
    with _blaming(lesson, "mailbox", MailboxError):
        directory.mkdir(exist_ok=True)
        return Mailbox(find_mailbox(lesson.mailbox, beside=lesson.path), directory, like=like)


def persona_of(lesson: Lesson) -> Persona:
    """Return the persona of a lesson's practice server.

    Raises:
        LessonServerError: it can't be used.
    """
    name = lesson.persona
    if name.endswith(".toml"):
        name = str(lesson.path.parent / name)
    with _blaming(lesson, "persona", PersonaError):
        return load_persona(name)


def connections_with_faults(lesson: Lesson) -> tuple[range | None, ...]:
    """Return which of a lesson's connections have a fault; None is all of them."""
    if not lesson.faults:
        return ()
    from poptalk.practice.faults.plan import FaultError, FaultPlan

    with _blaming(lesson, "fault", FaultError):
        plan = FaultPlan(lesson.faults, accounts=[lesson.user], seed=CHANCE)
    return tuple(rule.connections for rule in plan.rules)
