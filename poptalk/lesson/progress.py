"""What a learner has done so far: one line of JSON for each event, appended as it happens.

Lines are only added, each with one system call, so a program that is killed loses at most the line that
it was writing.  What can't be read is skipped: a torn line, or a field or a kind of event of a later
version.  There is no mail in it, and no password.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from hashlib import blake2b
from pathlib import Path

from poptalk.lesson.document.model import Lesson, Step
from poptalk.transcript.writer import format_dialogue

VERSION = 1
"""The version of the lines; one with a higher number is skipped."""

_HASH_OCTETS = 8
"""Enough to tell the versions of a step apart; there is nothing to gain by forging one."""


class EventKind(Enum):
    """What happened in a step."""

    STARTED = "start"
    PASSED = "pass"
    MISSED = "miss"
    """A mistake was made."""
    ASIDE = "aside"
    """Something else that is valid was sent."""
    HINTED = "hint"
    SHOWN = "shown"
    """`:skip` showed the answer; the step counts as done."""
    LOST = "lost"
    """The connection ended too early."""
    ENDED = "end"
    """The lesson came to its end."""
    AGAIN = "again"
    """The lesson is started over: what was done before no longer counts."""


_DONE = (EventKind.PASSED, EventKind.SHOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressEvent:
    """One line of the log, without its time: ids and hashes, no mail and no password."""

    lesson: str
    step: str = ""
    """The slug; empty for events of the lesson as a whole."""
    step_hash: str = ""
    """A digest of the step's blocks; a step that was passed stays passed until that changes."""
    kind: EventKind
    attempt: int = 0
    """How many lines were tried in this step so far."""


class LessonState(Enum):
    """How far a learner is with a lesson."""

    NEW = "new"
    BEGUN = "begun"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonProgress:
    """What was done in one lesson, as it is now."""

    passed: frozenset[str] = frozenset()
    """Slugs of the steps that are done."""
    position: str | None = None
    """The slug of the step to go on with; None for the beginning."""
    state: LessonState = LessonState.NEW


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerProgress:
    """Everything in the log."""

    events: tuple[ProgressEvent, ...] = ()

    @property
    def last_lesson(self) -> str | None:
        """The id of the lesson that was worked on last."""
        return self.events[-1].lesson if self.events else None

    def of(self, lesson: Lesson) -> LessonProgress:
        """Return what was done in a lesson; a step whose blocks have changed must be done again."""
        events: list[ProgressEvent] = []
        for event in self.events:
            if event.lesson == lesson.name:
                events = [] if event.kind is EventKind.AGAIN else [*events, event]
        hashes = {step.slug: step_hash(step) for step in lesson.steps}
        done = {
            event.step
            for event in events
            if event.kind in _DONE and hashes.get(event.step) == event.step_hash
        }
        if not events:
            return LessonProgress()
        is_done = done == hashes.keys() and any(event.kind is EventKind.ENDED for event in events)
        return LessonProgress(
            passed=frozenset(done),
            position=None if is_done else _position(lesson, events, done),
            state=LessonState.DONE if is_done else LessonState.BEGUN,
        )


def _position(lesson: Lesson, events: Iterable[ProgressEvent], done: set[str]) -> str | None:
    """Find the step to go on with: the one begun last, or the one after it if that was passed."""
    slugs = [step.slug for step in lesson.steps]
    at = None
    for event in events:
        if event.step in slugs and event.kind is EventKind.STARTED:
            at = slugs.index(event.step)
        elif event.step in slugs and event.kind in _DONE and event.step in done:
            at = slugs.index(event.step) + 1
    if at is None or at < len(slugs):
        return None if at is None else slugs[at]
    # The last step is done, and the lesson isn't: it has changed, and has a new step somewhere.
    return next((slug for slug in slugs if slug not in done), None)


class ProgressLog:
    """The file with the events.

    Args:
        path: the file; it and its folder need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, event: ProgressEvent, *, time: datetime | None = None) -> None:
        """Add an event, at once.

        Args:
            event: what happened.
            time: when; None for now.

        Raises:
            OSError: the file can't be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        # 0600: what people learn, and when, is no one else's business.
        descriptor = os.open(self.path, flags, 0o600)
        try:
            torn = b"\n" if _ends_torn(descriptor) else b""
            os.write(descriptor, torn + _line(event, time or datetime.now(UTC)))
        finally:
            os.close(descriptor)

    def read(self) -> LearnerProgress:
        """Read what there is; a file that can't be read counts as empty."""
        try:
            data = self.path.read_bytes()
        except OSError:
            return LearnerProgress()
        return LearnerProgress(events=tuple(filter(None, map(_event, data.splitlines()))))


def step_hash(step: Step) -> str:
    """Digest what is to be done in a step: the dialogues of its blocks, without the prose."""
    digest = blake2b(digest_size=_HASH_OCTETS)
    for block in step.blocks():
        digest.update(f"{block.kind.value}\n{format_dialogue(block.dialogue)}\n".encode())
    return digest.hexdigest()


def _ends_torn(descriptor: int) -> bool:
    """Tell whether the last line has no line end."""
    if os.lseek(descriptor, 0, os.SEEK_END) == 0:
        return False
    os.lseek(descriptor, -1, os.SEEK_END)
    return os.read(descriptor, 1) != b"\n"


def _line(event: ProgressEvent, time: datetime) -> bytes:
    fields = {
        "v": VERSION,
        "time": time.astimezone(UTC).isoformat(timespec="seconds"),
        "lesson": event.lesson,
        "step": event.step,
        "step_hash": event.step_hash,
        "event": event.kind.value,
        "attempt": event.attempt,
    }
    return json.dumps(fields, ensure_ascii=True).encode("ascii") + b"\n"


def _event(line: bytes) -> ProgressEvent | None:
    """Read one line; None if this version doesn't know it."""
    try:
        fields = json.loads(line)
        if not isinstance(fields, dict) or fields["v"] > VERSION:
            return None
        return ProgressEvent(
            lesson=str(fields["lesson"]),
            step=str(fields.get("step", "")),
            step_hash=str(fields.get("step_hash", "")),
            kind=EventKind(fields["event"]),
            attempt=int(fields.get("attempt", 0)),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
