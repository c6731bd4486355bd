"""Who has joined a class by its web page: let in with the code on the blackboard, and let back in."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import WSCloseCode

from poptalk.classroom.room import PupilServer
from poptalk.classroom.web.page import CLASS_OVER, LessonPage, Tab
from poptalk.classroom.web.shell import PageHost, PageShell
from poptalk.lesson.document.model import named_for
from poptalk.lesson.runner import Tutor
from poptalk.lesson.server import connections_with_faults
from poptalk.net.endpoint import Target
from poptalk.practice.accounts import MOST_CHARACTERS_OF_A_NAME, is_fit_for_a_class, prepare
from poptalk.practice.server import PracticeDestination

if TYPE_CHECKING:
    from poptalk.classroom.room import ClassRoom
    from poptalk.net.endpoint import Destination

MOST_PUPILS = 200
"""How many pages are kept, open or not."""

GRACE_SECONDS = 20.0
"""How long a pupil stays connected to the POP3 server without a tab: enough to reload the page."""

MOST_WRONG_CODES = 30
WRONG_CODE_SECONDS = 60.0
"""How many wrong codes an address may try in so many seconds.  A whole class may share an address, and
trying a million codes takes three weeks."""

MOST_ADDRESSES = 1_000
"""How many addresses are remembered for their wrong codes."""


class NotAdmitted(Exception):
    """Someone may not join, or not now; the text is a sentence for them.

    Attributes:
        status: the HTTP status of the answer.
    """

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class _PageDestination(PracticeDestination):
    """The class's server, which is told whose a connection is before it is made."""

    announce: Callable[[tuple[str, int]], None]

    @property
    def target(self) -> Target:
        """The address to dial, which is also the address to dial from."""
        return Target(host=self.host, port=self.port, source=self.host, bound=self.announce)


class _PageServer(PupilServer):
    """The server as a pupil with a page sees it: the lesson restores the maildrop where it says so."""

    def __init__(self, room: ClassRoom, name: str) -> None:
        super().__init__(room, name)
        self.later_letters = room.has_later_letters
        self.wrong = connections_with_faults(room.lesson)

    def destination(self, *, fresh: bool, number: int) -> Destination:
        """Return where to connect to, with the maildrop restored if `fresh`."""
        if fresh:
            self.take_back_all()
        server = super().destination(fresh=fresh, number=number)
        return _PageDestination(
            host=server.host,
            port=server.port,
            label=server.label,
            server=self._room.server,
            announce=partial(self._room.pupils.announce, name=self._name, number=number),
        )


class PagePupil:
    """A pupil with a page.

    Args:
        name: as it was first typed.
        host: the pupil's lesson.
        page: what the pupil sees.
    """

    def __init__(self, name: str, host: PageHost, page: LessonPage) -> None:
        self.name = name
        self.host = host
        self.page = page
        self.token = ""
        self._absent: asyncio.TimerHandle | None = None

    def come(self, tab: Tab) -> None:
        """Show the page in a tab."""
        if self._absent is not None:
            self._absent.cancel()
        self.page.attach(tab)

    def go(self, tab: Tab) -> None:
        """Take note that a tab is closed; hang up if no other is opened."""
        self.page.detach(tab)
        if not self.page.is_open:
            loop = asyncio.get_running_loop()
            self._absent = loop.call_later(GRACE_SECONDS, self._hang_up)

    def _hang_up(self) -> None:
        """Release the maildrop: the pupil may go on with another program."""
        shell = self.host.shell
        if shell.connected:
            shell.view.remark("the page was closed, and the connection with it")
            shell.close()

    async def end(self) -> None:
        """Hang up, and close the page."""
        if self._absent is not None:
            self._absent.cancel()
        self.page.close(WSCloseCode.GOING_AWAY, CLASS_OVER)
        await self.host.end()


class PagePupils:
    """Everyone who has joined by the web page.

    Args:
        room: the class, which knows how far everyone has got, with other programs too.
    """

    def __init__(self, room: ClassRoom) -> None:
        self.code = f"{secrets.randbelow(1_000_000):06}"
        """What goes on the blackboard."""
        self._room = room
        self._by_name: dict[str, PagePupil] = {}
        self._by_token: dict[str, PagePupil] = {}
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()
        """When each address tried wrong codes."""

    def __iter__(self) -> Iterator[PagePupil]:
        return iter(tuple(self._by_name.values()))

    def with_token(self, token: str | None) -> PagePupil | None:
        """Return the pupil to whom a token was given; None if there is none."""
        return self._by_token.get(token or "")

    async def join(self, name: str, code: str, *, address: str) -> PagePupil:
        """Let a pupil in, or back in if their page is closed.

        Args:
            name: the name that they typed.
            code: the code that they typed.
            address: where they come from.

        Raises:
            NotAdmitted: they may not come in.
        """
        self._check_code(code, address)
        # As the POP3 server does: a name that it doesn't take can't be one here.
        name = (prepare(name.strip().encode("utf-8", "surrogatepass")) or b"").decode()
        if not is_fit_for_a_class(name):
            raise NotAdmitted(
                HTTPStatus.BAD_REQUEST,
                "Please choose a name of one word, without spaces, "
                f"of {MOST_CHARACTERS_OF_A_NAME} characters at most.",
            )
        key = name.casefold()
        pupil = self._by_name.get(key)
        if pupil is None:
            await self._make_room()
            pupil = self._by_name.get(key) or self._newcomer(name, key)
        elif pupil.page.is_open:
            raise NotAdmitted(
                HTTPStatus.CONFLICT,
                "There is a page open under this name. If it is yours, go on there or close it; "
                "otherwise choose another name.",
            )
        self._by_token.pop(pupil.token, None)
        pupil.token = secrets.token_urlsafe(24)
        self._by_token[pupil.token] = pupil
        return pupil

    def _check_code(self, code: str, address: str) -> None:
        now = asyncio.get_running_loop().time()
        wrong = self._wrong.setdefault(address, deque(maxlen=MOST_WRONG_CODES))
        if len(wrong) == MOST_WRONG_CODES and now - wrong[0] < WRONG_CODE_SECONDS:
            raise NotAdmitted(
                HTTPStatus.TOO_MANY_REQUESTS, "Too many wrong codes. Wait a minute, then try again."
            )
        given = "".join(code.split()).encode("utf-8", "replace")
        if hmac.compare_digest(given, self.code.encode()):
            return
        wrong.append(now)
        self._wrong.move_to_end(address)
        if len(self._wrong) > MOST_ADDRESSES:
            self._wrong.popitem(last=False)
        raise NotAdmitted(
            HTTPStatus.FORBIDDEN, "That isn't the code. It is on the blackboard: six digits."
        )

    async def _make_room(self) -> None:
        if len(self._by_name) < MOST_PUPILS:
            return
        absent = next((key for key, each in self._by_name.items() if not each.page.is_open), None)
        if absent is None:
            raise NotAdmitted(HTTPStatus.SERVICE_UNAVAILABLE, "The class is full.")
        pupil = self._by_name.pop(absent)
        self._by_token.pop(pupil.token, None)
        await pupil.end()

    def _newcomer(self, name: str, key: str) -> PagePupil:
        page = LessonPage()
        server = _PageServer(self._room, name)
        lesson = named_for(self._room.lesson, server.known)
        passed, position = self._room.pupils.progress_of(name)
        tutor = Tutor(
            lesson,
            passed=passed,
            position=position,
            known=server.known,
            later_letters=server.later_letters,
        )
        host = PageHost(PageShell(page), tutor, lesson, server)
        pupil = self._by_name[key] = PagePupil(name, host, page)
        host.begin()
        return pupil
