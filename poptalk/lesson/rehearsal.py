"""A lesson without a screen and without a learner: the tutor's cues carried out over a blocking link.

What the learner would see and hear of is collected: the text, the comments, the progress.  Whoever
rehearses types in the learner's place, with `enter`, and looks at what became of it.  Reading takes no
time here, and waiting little.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from time import monotonic

from poptalk.lesson.cues import (
    Ask,
    Comment,
    CommentKind,
    Connect,
    Cue,
    Finish,
    HangUp,
    Heading,
    Keep,
    Manner,
    Prove,
    Say,
    Send,
    Wait,
)
from poptalk.lesson.document import Question
from poptalk.lesson.happenings import (
    Answered,
    CannotConnect,
    Connected,
    Ended,
    Happening,
    Proved,
    TlsBegun,
    Waited,
)
from poptalk.lesson.progress import ProgressEvent
from poptalk.lesson.room import Room
from poptalk.lesson.tutor import SILENCES, Tutor
from poptalk.net.errors import CLOSED_BY_US, ConnectFailed, ConnectionLost, TlsFailed
from poptalk.net.link import Link
from poptalk.protocol.events import Closed, Event, Sent, StateChanged
from poptalk.protocol.states import State
from poptalk.script.replay import ScriptError
from poptalk.session.client import Client
from poptalk.session.exchanges import StoredReply

PATIENCE_SECONDS = 5.0
"""How long a reply may take; on loopback it takes a millisecond, and some faults are slow on purpose."""

SILENCE_SECONDS = 0.2
"""How long nothing must come until a reply is taken for all there is, where its end may be missing."""

MOST_OCTETS_SHOWN = 65_536
"""How much of one reply is remembered as having been seen: more than anybody reads."""


class Rehearsal:
    """One run of a lesson, or of a part of it.

    Args:
        tutor: as it was made, not begun yet.
        room: where it takes place.

    Attributes:
        tutor: the same.
        shown: what a learner has seen so far, prose, comments, lines and replies.
        comments: those of the tutor, in their order.
        progress: what would have been written down.
        finished: whether the lesson came to its end.
        differences: of each proof that did not hold: the line in the file, and a sentence.
        surprises: of each thing that poptalk did and that went otherwise than the lesson says: the line
            that was sent, None for a connection, and what came.
        question: the last that was asked; None before the first.
        answered: the last line that was sent, with its reply; None before the first.
    """

    def __init__(self, tutor: Tutor, room: Room) -> None:
        self.tutor = tutor
        self.shown: list[str] = []
        self.comments: list[Comment] = []
        self.progress: list[ProgressEvent] = []
        self.finished = False
        self.differences: list[tuple[int, str]] = []
        self.surprises: list[tuple[bytes | None, bytes]] = []
        self.answered: Answered | None = None
        self.question: Question | None = None
        self._room = room
        self._talk: Client | None = None
        self._greeting = b""
        self._cues: deque[Cue] = deque()
        self._done: Cue | None = None
        """The last thing that poptalk did by itself; None once the learner has sent something."""

    def begin(self) -> None:
        """Begin, or resume, and go on up to the first thing that a learner does."""
        self._perform(self.tutor.begin())

    def close(self) -> None:
        """Hang up without telling the tutor: the rehearsal is over."""
        if self._talk is not None:
            self._talk.close()

    @property
    def state(self) -> State:
        """Where the session stands; CLOSED where there is no connection."""
        return State.CLOSED if self._talk is None else self._talk.session.core.state

    @property
    def marked(self) -> frozenset[int]:
        """The messages that are marked as deleted."""
        return frozenset() if self._talk is None else frozenset(self._talk.session.core.marked)

    # What a learner does.

    def enter(self, line: str) -> None:
        """Type a line: an answer, Enter at a pause, or something for the server."""
        cues = self.tutor.entered(line)
        if cues is not None:
            self._perform(cues)
        elif self._talk is not None:
            self._done = None
            self._say(line.encode("utf-8", "surrogateescape"), Manner.TYPED)
            self._perform(())

    def hang_up(self) -> None:
        """Close the connection, as `:close` does."""
        self._hang_up()
        self._perform(())

    def skip(self) -> None:
        """Have the tutor do what is awaited."""
        self._perform(self.tutor.skip())

    def fall_silent(self) -> None:
        """Type nothing for a long time."""
        for seconds in SILENCES:
            self._perform(self.tutor.silence(seconds))

    def await_close(self) -> None:
        """Wait until the server hangs up, PATIENCE_SECONDS at most."""
        self._listen_for(PATIENCE_SECONDS)
        self._perform(())

    # What the tutor asks for.

    def _perform(self, cues: Sequence[Cue]) -> None:
        """Carry out cues, and those that follow from them, one after the other."""
        self._cues.extend(cues)
        while self._cues:
            self._perform_one(self._cues.popleft())

    def _perform_one(self, cue: Cue) -> None:
        if isinstance(cue, Send | Connect | Prove):
            self._done = cue
        match cue:
            case Send():
                self._say(cue.line, cue.manner)
            case Connect():
                self._connect(cue)
            case HangUp():
                self._hang_up()
            case Wait():
                self._listen_for(cue.seconds)
                self._tell(Waited())
            case Prove():
                self._prove(cue)
            case _:
                self._note(cue)

    def _note(self, cue: Cue) -> None:
        """Keep what a learner would see, and what would be written down."""
        match cue:
            case Say():
                self.shown.append(cue.source)
            case Heading():
                self.shown.append(cue.text)
            case Comment():
                self.comments.append(cue)
                self.shown.append(cue.text)
                if cue.kind is CommentKind.UNJUDGED:
                    self._note_surprise()
            case Ask():
                self.question = cue.question
                self.shown += [choice.text for choice in cue.question.choices]
            case Keep():
                self.progress.append(cue.event)
            case Finish():
                self.finished = True

    def _note_surprise(self) -> None:
        if isinstance(self._done, Send) and self.answered is not None:
            came = self.answered.lines[0] if self.answered.lines else b""
            self.surprises.append((self._done.line, came))
        elif isinstance(self._done, Connect):
            self.surprises.append((None, self._greeting))

    def _tell(self, happening: Happening) -> None:
        self._cues.extend(self.tutor.tell(happening))

    # The connection.

    def _connect(self, cue: Connect) -> None:
        self.close()
        self._talk = None
        destination = self._room.destination(fresh=cue.fresh, number=cue.number)
        try:
            link = Link.open(destination.target, timeout=PATIENCE_SECONDS)
            self._talk = Client(link, destination)
            heard = self._talk.greeting()
            if not heard.complete:
                raise ConnectionLost("The server hung up in the middle of its greeting.")
        except (ConnectFailed, ConnectionLost) as error:
            self.close()
            self._talk = None
            self._tell(CannotConnect(reason=str(error)))
            return
        if cue.manner is Manner.TYPED:
            self._show(heard.lines)
        self._greeting = heard.lines[0]
        self._tell(Connected(greeting=self._greeting))

    def _hang_up(self) -> None:
        if self._talk is not None:
            talk = self._talk
            talk.close()
            self._note_end(talk, talk.take_events())

    def _note_end(self, talk: Client, events: Sequence[Event]) -> None:
        """Tell the tutor that the connection is gone, if these events say so."""
        state = _state_before_end(events)
        if state is None:
            return
        marked = next((event.marked for event in events if isinstance(event, Closed)), ())
        self._talk = None
        talk.close()
        self._tell(Ended(ending=talk.ending or CLOSED_BY_US, state=state, marked=marked))

    def _say(self, line: bytes, manner: Manner) -> None:
        """Send a line, wait for its reply, and tell the tutor."""
        talk = self._talk
        if talk is None:
            return
        before = talk.session.core.state
        sent = talk.observe(line)
        heard, end = self._hear(talk, sent)
        lines = heard.lines if heard is not None else ()
        complete = heard is not None and heard.complete
        if manner is Manner.TYPED:
            self._show([line, *lines])
        self.answered = Answered(
            line=line,
            sasl=sent.sasl,
            lines=lines,
            before=before,
            after=_state_before_end(end) or talk.session.core.state,
            complete=complete,
        )
        self._tell(self.answered)
        self._note_end(talk, end)
        if self._talk is None:
            return
        if not complete:
            self._hang_up()
        elif talk.session.core.farewell:
            self._listen_for(PATIENCE_SECONDS)
        elif talk.session.tls_request is not None:
            self._begin_tls(talk)

    def _hear(self, talk: Client, sent: Sent) -> tuple[StoredReply | None, Sequence[Event]]:
        """Wait for the reply to a line.

        Returns:
            The reply, or what has come of it where its end stays away; and the events of the end of
            the connection, where that came as well.
        """
        exchange = sent.exchange
        events: Sequence[Event] | None = ()
        silent = 0
        heard = None
        try:
            talk.transmit(sent.line)
            while (heard := talk.take_reply(exchange)) is None and talk.ending is None:
                events = talk.hear(patience=SILENCE_SECONDS)
                if events is None:
                    silent += 1
                    if self._has_heard_enough(talk.so_far(exchange), silent):
                        break
        except ConnectionLost:
            # It takes nothing any more; what it said before may still be heard.
            events = talk.hear(patience=SILENCE_SECONDS)
        if heard is None:
            heard = talk.take_reply(exchange) or talk.so_far(exchange)
        return heard, events or ()

    def _has_heard_enough(self, so_far: StoredReply | None, silent: int) -> bool:
        """Tell whether to wait no longer for the rest of a reply, after so many times of silence."""
        if silent * SILENCE_SECONDS >= PATIENCE_SECONDS:
            return True
        turn = self.tutor.awaited
        expected = turn is not None and turn.may_be_cut_off
        if silent == 1:
            lines = len(so_far.lines) if so_far is not None else 0
            for cue in self.tutor.silence(SILENCES[0], lines=lines):
                expected |= isinstance(cue, HangUp)
                self._note(cue)
        return expected

    def _begin_tls(self, talk: Client) -> None:
        try:
            talk.begin_tls()
        except TlsFailed:
            self._hang_up()
        else:
            self._tell(TlsBegun())

    def _listen_for(self, seconds: float) -> None:
        """Hear what comes within a time, and that the server hangs up, which ends the waiting."""
        end = monotonic() + seconds
        while (talk := self._talk) is not None and (left := end - monotonic()) > 0:
            self._note_end(talk, talk.hear(patience=left) or ())

    def _prove(self, cue: Prove) -> None:
        replay = self._room.second_connection(cue.dialogue, cue.bindings, timeout=PATIENCE_SECONDS)
        difference, line = None, cue.dialogue.steps[0].line
        with replay:
            try:
                for _ in replay.run():
                    pass
            except (ConnectFailed, ConnectionLost, TlsFailed, ScriptError) as error:
                difference = str(error)
        if replay.difference is not None:
            difference, line = str(replay.difference), replay.difference.line
        if difference is not None:
            self.differences.append((line, difference))
        self._tell(Proved(difference=difference))

    def _show(self, lines: Sequence[bytes]) -> None:
        text = b"\n".join(lines)[:MOST_OCTETS_SHOWN]
        self.shown.append(text.decode("utf-8", "replace"))


def _state_before_end(events: Sequence[Event]) -> State | None:
    """Return where a session stood when its connection ended; None if these events say nothing of it."""
    for event in events:
        if isinstance(event, StateChanged) and event.new is State.CLOSED:
            return event.old
    return None
