"""One connection of a class, as its server sees it: what was said, and by whom.

`poptalk learn` tries the password on a connection of its own before the lesson begins, and looks which
messages are there.  The pupil has typed nothing of that, so it must not be judged.  It is recognised by
its commands, by their speed and by the missing QUIT.  Until that is decided, what was said waits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from poptalk.lesson.outside import News, Reporter
from poptalk.pop3.commands import Effect
from poptalk.pop3.server.events import CommandReceived, LoginAttempt, OverlongLineReceived
from poptalk.practice.accounts import is_fit_for_a_class

if TYPE_CHECKING:
    from poptalk.classroom.pupil import Pupil
    from poptalk.classroom.pupils import Pupils
    from poptalk.pop3.server.events import ServerEvent
    from poptalk.practice.accounts import Account
    from poptalk.practice.observers import How, Peer

TRIAL = (b"CAPA", b"STLS", b"CAPA", b"USER", b"PASS", b"AUTH", b"APOP", b"UIDL")
"""The commands of such a trial, in their order; most leave some out (`poptalk.lesson.ui.start`)."""

_LOGIN = TRIAL.index(b"USER")

TRIAL_SECONDS = 1.0
"""How long a trial may take from its first command; nobody types as fast."""


class PupilConnection(Reporter):
    """One connection, and whose it is.

    Args:
        pupils: the class, which is told what happens.
        peer: the connection.

    Attributes:
        host: the client's address.
        port: its port.
        pupil: whose it is; None while there are too many pupils.
        told_to: the pupil whose tutor was told what was said.
        number: which of the lesson's connections it is, if the pupil's page has said so.
        news: everything so far, as long as it may turn out to be another pupil's; None from then on.
        kept: the octets in it.
        is_logged_in: whether the name is proven.
        is_over: whether it has ended.
        is_trial: whether it was `learn` trying the password.
    """

    def __init__(self, pupils: Pupils, peer: Peer) -> None:
        self.host, self.port = peer.host, peer.port
        self.pupil: Pupil | None = None
        self.told_to: Pupil | None = None
        self.number: int | None = None
        self.news: list[News] | None = []
        self.kept = 0
        self.is_over = self.is_logged_in = self.is_trial = False
        self._pupils = pupils
        self._may_be_trial = True
        self._at = -1
        """The place in `TRIAL` of the last command."""
        self._held: list[Callable[[], None]] | None = None
        """What waits; None before the client's first octets, and once it is decided."""
        super().__init__(peer, lambda news: self._tell(partial(pupils.take, self, news)))

    def _tell(self, act: Callable[[], None]) -> None:
        """Tell the class something, now or later."""
        if self._held is None:
            act()
        else:
            self._held.append(act)

    def _release(self) -> None:
        """Tell the class what has waited: this is no trial."""
        self._may_be_trial = False
        held, self._held = self._held, None
        for act in held or ():
            act()

    # What the server reports, in its thread.

    def received(self, octets: bytes) -> None:
        """Report octets from the client."""
        if self._may_be_trial and self._held is None:
            self._held = []
        super().received(octets)

    def told(self, event: ServerEvent) -> None:
        """Take note of a name, before it is answered."""
        if self._held is not None and isinstance(event, CommandReceived | OverlongLineReceived):
            self._follow(event)
        name = _name_in(event)
        if name is not None:
            self._tell(partial(self._pupils.named, self, name))

    def _follow(self, event: CommandReceived | OverlongLineReceived) -> None:
        """Find out whether a command belongs to a trial."""
        is_first = self._at < 0
        due = TRIAL[:1] if is_first else TRIAL[self._at + 1 :]
        if isinstance(event, OverlongLineReceived) or event.command.keyword not in due:
            self._release()
            return
        self._at += 1 + due.index(event.command.keyword)
        if is_first:
            self._pupils.later(TRIAL_SECONDS, self._release)

    def logged_in(self, account: Account) -> None:
        """Take note that the name is proven."""
        self._tell(partial(self._pupils.logged_in, self, account.name))

    def ended(self, how: How) -> None:
        """Report the end; what a trial has said is forgotten."""
        self.is_trial = self._held is not None and self._at >= _LOGIN
        if self.is_trial:
            self._held = None
        else:
            self._release()
        super().ended(how)


def _name_in(event: ServerEvent) -> str | None:
    """Return the name that a client gives; None if it gives none, or none that is allowed."""
    octets = b""
    if isinstance(event, LoginAttempt):
        octets = event.name
    elif isinstance(event, CommandReceived):
        verb = event.command.verb
        if verb is not None and verb.effect is Effect.NAME and event.command.arguments:
            octets = event.command.arguments[0]
    name = octets.decode("utf-8", "replace")
    return name if is_fit_for_a_class(name) else None
